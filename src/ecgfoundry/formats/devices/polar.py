"""Reader of Polar Sensor Logger text: the ECG of a chest strap (H10), one line per sample.

``Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]``. Packets are lost on the way, so
the samples are put on a regular grid by the clock of the sensor; what was lost is NaN. Where the
clock goes back to times that were there already, the order of arrival counts. The nominal
rate is 130 Hz; where the clock of the sensor says otherwise by more than 0.05 %, the rate is what
it says (our choice). Facts: public descriptions of the logger; no real file was at hand.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FileAccessError, FormatError, LimitError, SamplingRateError
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.document import EcgDocument, Trace, document_reader
from ecgfoundry.formats.delimited.table import decode_text
from ecgfoundry.leads import UNNAMED_ECG

__all__ = ["READER", "regular_grid", "sniff"]

NOMINAL_RATE_HZ = 130.0
RATE_TOLERANCE = 0.05
"""A median interval further off the nominal one is another kind of recording (our choice)."""

DRIFT_TOLERANCE = 5e-4
SHORTEST_GAP_STEPS = 1.75
"""The strap loses packets of 73 samples, hardly ever one, so a step a little longer than usual is
the jitter of its clock (our choice)."""

SHORTEST_REPEAT = 5
"""So many samples in a row with times and values that came before are a packet sent twice."""
FAR_APART_S = 10.0
MOST_CROSSINGS, MOST_RETURNS, MOST_UNCLEAR = 2, 4, 0.1
"""Packets come late by seconds. A clock that goes to and fro over a longer gap, or a tenth of the
samples at times that others have, are two straps in one file (our choice)."""

LONGEST_GAP_S = 86_400.0
"""Beyond a day without samples the clock was set, not the connection lost (our choice)."""

_HEADER = re.compile(r"sensor timestamp \[ns\].*?;ecg \[(?P<unit>[uµμ]V|mV)\]", re.IGNORECASE)
_MOMENT = re.compile(
    r"^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?)\d* ?(Z|[+-]\d{2}:?\d{2})?"
)


def sniff(path: Path, head: bytes) -> bool:
    """Whether the first line names the sensor's clock and an ECG column."""
    if b"\0" in head:
        return False
    lines = decode_text(head).splitlines()
    return bool(lines) and _HEADER.search(lines[0]) is not None


def _load(path: Path, options: ReadOptions) -> EcgDocument:
    lines = _text(path, options.limits).splitlines()
    header = _HEADER.search(lines[0]) if lines else None
    if header is None:
        raise FormatError("the first line does not name the columns", path=path)
    names = [name.strip().lower() for name in lines[0].split(";")]
    clock = next(n for n, name in enumerate(names) if name.startswith("sensor timestamp"))
    column = next(n for n, name in enumerate(names) if name.startswith("ecg ["))
    rows = [line.split(";") for line in lines[1:] if line.strip()]
    if not rows:
        raise FormatError("the file holds no samples", path=path)
    if len(rows) > options.limits.samples:
        raise LimitError(f"the file has {len(rows)} samples", path=path)
    try:
        times = np.array([int(row[clock]) for row in rows], dtype=np.int64)
        values = np.array([float(row[column].replace(",", ".")) for row in rows])
    except (ValueError, IndexError, OverflowError):
        raise FormatError(
            f"one of the lines 2 to {len(rows) + 1} does not fit the columns", path=path
        ) from None
    grid, rate, unclear = regular_grid(times, values, options.limits, path)
    stated = _MOMENT.match(rows[0][0].strip()) if names[0].startswith("phone") else None
    gaps = int(np.isnan(grid).sum())
    return EcgDocument(
        traces=[Trace(UNNAMED_ECG, grid, 1.0, header["unit"])],
        sampling_rate=rate,
        start_time=dt.datetime.fromisoformat(stated[1] + (stated[2] or "")) if stated else None,
        device={"manufacturer": "Polar"},
        header={
            "missing_samples": str(gaps or ""),
            "clock": f"{unclear} samples whose clock went back stand in the order of their arrival"
            if unclear
            else "",
        },
    )


def _text(path: Path, limits: Limits) -> str:
    try:
        size = path.stat().st_size
        if size > limits.text_bytes:
            raise LimitError(
                f"the text has {size} bytes; the limit is {limits.text_bytes}", path=path
            )
        return decode_text(path.read_bytes())
    except OSError as error:
        raise FileAccessError(f"the file cannot be read ({error.strerror})", path=path) from error


def regular_grid(
    times_ns: NDArray[np.int64], values: NDArray[np.float64], limits: Limits, path: Path
) -> tuple[NDArray[np.float64], float, int]:
    """Put samples with uneven times on a regular grid; lost ones are NaN.

    Parameters
    ----------
    times_ns : ndarray (samples,)
        Clock of the sensor, nanoseconds. Packets that come late, into a gap that they fill, are
        sorted by it. Of samples that come twice, the second ones are left out.
    values : ndarray (samples,)

    Returns
    -------
    (grid, sampling_rate, unclear)
        Each interval is a whole number of steps, so that a sample never falls between two places.
        ``unclear`` samples had times that were there already, and stand in the order of arrival.

    Raises
    ------
    SamplingRateError, FormatError, LimitError
    """
    times, values, unclear = _in_order(*_without_repeats(times_ns, values))
    _refuse_two_straps(times_ns, unclear, path)
    steps = np.diff(times.astype(np.float64)) * (NOMINAL_RATE_HZ / 1e9)
    forward = steps > 0
    if not forward.any():
        return values, NOMINAL_RATE_HZ, unclear
    typical = float(np.median(steps[forward]))
    if abs(typical - 1.0) > RATE_TOLERANCE:
        raise SamplingRateError(
            f"the clock of the sensor gives {NOMINAL_RATE_HZ / typical:.4g} Hz, not about "
            f"{NOMINAL_RATE_HZ:g}",
            path=path,
            remedy="Read the file as a table: format='delimited' with leads and sampling_rate",
        )
    if steps.max() > LONGEST_GAP_S * NOMINAL_RATE_HZ:
        raise FormatError("the clock of the sensor jumps by more than a day", path=path)
    near = forward & (steps < SHORTEST_GAP_STEPS * typical)
    # Judged without the gaps, which tell nothing about the rate.
    rate = NOMINAL_RATE_HZ / float(steps[near].mean())
    # Jitter at both ends of each run of samples looks like drift where the runs are short.
    runs = 1 + int((~near).sum())
    if not near.any():
        raise SamplingRateError("no two samples follow each other", path=path)
    doubt = max(DRIFT_TOLERANCE, 0.5 * runs / int(near.sum()))
    if abs(rate - NOMINAL_RATE_HZ) <= doubt * NOMINAL_RATE_HZ:
        rate = NOMINAL_RATE_HZ
    # A late sample that ends no gap is jitter; rounding it would add up along the recording.
    whole = np.where(near | ~forward, 1.0, np.rint(steps * (rate / NOMINAL_RATE_HZ)))
    if unclear:
        whole = _after_returns(whole, times, rate)
    total = whole.sum() + 1
    if total > limits.samples:
        raise LimitError(f"the recording spans {total:.0f} samples", path=path)
    places = np.concatenate(([0], np.cumsum(whole)))
    grid = np.full(int(places[-1]) + 1, np.nan)
    grid[places.astype(np.int64)] = values
    return grid, rate, unclear


def _without_repeats(
    times: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Leave out packets that came before, sample by sample."""
    order = np.lexsort((np.arange(len(times)), values, times))
    same = (np.diff(times[order]) == 0) & (np.diff(values[order]) == 0)
    repeated = np.zeros(len(times) + 2, dtype=np.int8)
    repeated[1 + order[1:][same]] = 1
    edges = np.diff(repeated)
    runs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
    kept = np.ones(len(times), dtype=np.bool_)
    for first, last in runs:
        kept[first:last] = last - first < SHORTEST_REPEAT
    return times[kept], values[kept]


def _refuse_two_straps(arrived: NDArray[np.int64], unclear: int, path: Path) -> None:
    returns = int((np.diff(arrived) < 0).sum())
    inside = np.sort(arrived)
    gap = int(np.argmax(np.diff(inside))) if len(inside) > 1 else 0
    apart = len(inside) > 1 and inside[gap + 1] - inside[gap] > FAR_APART_S * 1e9
    later = arrived > inside[gap]
    crossed = int((later[:-1] & ~later[1:]).sum()) if apart else 0
    overlaid = returns > MOST_RETURNS and unclear > MOST_UNCLEAR * len(arrived)
    if overlaid or crossed > MOST_CROSSINGS:
        raise FormatError(
            f"the clock of the sensor goes back {returns} times: packets of two straps or of two "
            "recordings stand in one file",
            path=path,
            remedy="Separate them by device or by time first",
        )


def _in_order(
    times: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Return times and values in the order that counts, and how many times are not to be trusted.

    By the clock where that puts no two samples into one place, else as they arrived.
    """
    order = np.argsort(times, kind="stable")
    taken = np.diff(times[order]) < 0.5e9 / NOMINAL_RATE_HZ
    again = taken & (np.diff(times[order]) == 0) & (np.diff(values[order]) == 0)
    if not taken.any() or bool((again == taken).all()):
        kept = np.concatenate(([True], ~taken))
        return times[order][kept], values[order][kept], 0
    behind = times[1:] <= np.maximum.accumulate(times)[:-1]
    return times, values, int(behind.sum())


def _after_returns(
    whole: NDArray[np.float64], times: NDArray[np.int64], rate: float
) -> NDArray[np.float64]:
    """Count gaps behind a packet whose clock went back from the last time that was in order."""
    result = whole.copy()
    high, since = 0, -1  # the latest time before the clock went back, and the steps since
    for place in np.flatnonzero((whole != 1.0) | (np.diff(times) <= 0)).tolist():
        before, after = int(times[place]), int(times[place + 1])
        if since >= 0 and before > high:
            since = -1
        if after <= before:
            if since < 0:
                high, since = before, place
        elif since >= 0 and after > high:
            placed = float(result[since:place].sum())
            result[place] = max(float(np.rint((after - high) * rate / 1e9)) - placed, 1.0)
            since = -1
    return result


READER = document_reader(
    _load,
    name="polar",
    description="Polar Sensor Logger text (H10 chest strap); lost packets become gaps",
    extensions=(".txt", ".csv"),
    sniff=sniff,
    verified_on="specification only",
)
