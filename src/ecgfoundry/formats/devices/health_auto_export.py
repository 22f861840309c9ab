"""Reader of Health Auto Export: ECGs of an Apple Watch as JSON (``data.ecg[]``).

Each ECG states ``samplingFrequency`` in Hz and ``voltageMeasurements``, a list of objects with
``date``, ``voltage`` and ``units`` ("mcV" is microvolts). Several need an ``index``. An Apple Watch
records lead I. Facts: the JSON that the app's documentation shows; no real file was at hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, LimitError, SamplingRateError, UnitError
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.document import EcgDocument, Trace, document_reader
from ecgfoundry.formats.common.measurements import STATEMENTS_KEY, stated_measurements
from ecgfoundry.formats.common.several import chosen_recording, undecided_among
from ecgfoundry.formats.devices.apple_health import parse_moment
from ecgfoundry.formats.devices.kardia import load_json, mapping, number, text

__all__ = ["READER", "sniff"]

_KEYS = (b'"voltageMeasurements"', b'"samplingFrequency"', b'"numberOfVoltageMeasurements"')
_UNITS = {"mcv": "uV", "µv": "uV", "μv": "uV", "uv": "uV", "mv": "mV", "v": "V"}


RATE_TOLERANCE = 0.05
"""Between the stated rate and that of the times (our choice)."""
MOST_IN_SECONDS = 500.0
"""Samples that a step may be long: beyond it the times are milliseconds (our choice)."""
MOST_TIMES_APART = 0.9
"""Of the steps: where more samples share their time, the times are rounded (our choice)."""


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content is a JSON object with an ECG of this export near its beginning."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"{") and b'"ecg"' in head and any(key in head for key in _KEYS)


def _load(path: Path, options: ReadOptions) -> EcgDocument:
    content = load_json(path, options.limits)
    listed = mapping(content.get("data")).get("ecg")
    recordings = (
        [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    )
    if not recordings:
        raise FormatError("there is no ECG in data.ecg", path=path)
    undecided = undecided_among(options.index, len(recordings), path)
    if undecided is not None:
        raise undecided
    chosen = recordings[chosen_recording(options.index, len(recordings), path)]
    rate = number(chosen.get("samplingFrequency"))
    believed = rate if options.sampling_rate is None else options.sampling_rate
    values, unit = _voltages(chosen, believed, options.limits, path)
    return EcgDocument(
        traces=[Trace("I", values, 1.0, unit)],
        sampling_rate=rate,
        start_time=parse_moment(text(chosen.get("start"))),
        device={"manufacturer": "Apple", "model": text(chosen.get("source"))},
        header=stated_measurements({"heart_rate_bpm": text(chosen.get("averageHeartRate"))})
        | {STATEMENTS_KEY: text(chosen.get("classification"))},
        recordings=len(recordings),
        start_text=text(chosen.get("start")),
    )


def _voltages(
    ecg: Mapping[str, Any], rate: float | None, limits: Limits, path: Path
) -> tuple[NDArray[np.float64], str | None]:
    """Return the samples on their grid, lost ones NaN, and their unit."""
    listed = ecg.get("voltageMeasurements")
    if not isinstance(listed, list) or not listed:
        raise FormatError("the ECG has no voltageMeasurements", path=path)
    entries = [mapping(entry) for entry in listed]
    units = {text(entry.get("units")) for entry in entries}
    if len(units) > 1:
        raise UnitError(f"the samples have different units ({', '.join(sorted(units))})", path=path)
    found = [number(entry.get("voltage")) for entry in entries]
    values = np.array([math.nan if value is None else value for value in found])
    stated = number(ecg.get("numberOfVoltageMeasurements"))
    if stated is not None and stated != len(values):
        raise FormatError(
            f"{len(values)} samples are stored, {stated:g} are announced",
            path=path,
            remedy="Export the file again",
        )
    unit = units.pop()
    unit_name = _UNITS.get(unit.lower(), unit or None)
    times = [number(entry.get("date")) for entry in entries]
    if rate is None or not rate > 0 or any(time is None for time in times):
        return values, unit_name
    return _on_grid(np.array(times, dtype=np.float64), values, rate, limits, path), unit_name


def _on_grid(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    rate: float,
    limits: Limits,
    path: Path,
) -> NDArray[np.float64]:
    """Put samples in the order of their times, once each, and missing ones where these leave a gap.

    Raises
    ------
    SamplingRateError
        The times are those of another rate than the stated one.
    FormatError
        Two samples of one time have different values.
    """
    order = np.argsort(times, kind="stable")
    again = (np.diff(times[order]) == 0) & (np.diff(values[order]) == 0)
    kept = order[np.concatenate(([True], ~again))]
    steps = np.diff(times[kept]) * rate
    if not len(steps) or float((steps > 0).mean()) < MOST_TIMES_APART:
        return values  # times that are rounded tell nothing
    middle = float(np.median(steps[steps > 0]))
    if middle > MOST_IN_SECONDS:
        steps, middle = steps / 1000, middle / 1000
    # Of times in whole milliseconds single steps are uneven.
    typical = float(steps[(steps > 0.4 * middle) & (steps < 2.2 * middle)].mean())
    if abs(typical - 1) > RATE_TOLERANCE:
        raise SamplingRateError(
            f"the times of the samples give {rate / typical:.4g} Hz, not {rate:g}",
            path=path,
            remedy="State the right one with --sampling-rate or sampling_rate=",
        )
    if not (steps > 0).all():
        raise FormatError("samples of one time have different values", path=path)
    values = values[kept]
    whole = np.where(steps < 1.5, 1.0, np.rint(steps))
    total = whole.sum() + 1
    if total > limits.samples:
        raise LimitError(f"the recording spans {total:.0f} samples", path=path)
    places = np.concatenate(([0], np.cumsum(whole))).astype(np.int64)
    grid = np.full(int(total), np.nan)
    grid[places] = values
    return grid


READER = document_reader(
    _load,
    name="health-auto-export",
    description="Health Auto Export JSON of Apple Watch ECGs",
    extensions=(".json",),
    sniff=sniff,
    verified_on="specification only",
)
