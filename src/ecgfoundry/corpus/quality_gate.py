"""The quality gate over many windows at once, on the stored integers.

The figures are those of :func:`ecgfoundry.signals.quality.lead_quality`, computed for a whole batch
(sorting, block extremes and one FFT per batch in place of one call per window); windows with
missing samples go through that very function. A test holds the two together.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.corpus.integer_reader import MISSING
from ecgfoundry.measurements.gate import judge_window
from ecgfoundry.signals import quality

__all__ = ["MOSTLY_INVERTED", "NOT_AN_ECG", "Gate", "WindowFigures", "are_ecg", "measure_windows"]

NOT_AN_ECG = "not-an-ecg"

MOSTLY_INVERTED = 0.5
"""A record hangs upside down where more than this share of its windows does (our choice)."""

MEDIAN_STRIDE = 8
"""The zero line of "inverted" is the median of every eighth sample (our choice: no more needed)."""

TAIL_BLOCK = 16

Int16 = NDArray[np.int16]
Float32 = NDArray[np.float32]

BATCH = 32
"""Windows per FFT call: 32 x 5000 float32 stay in the second-level cache (measured)."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What a corpus leaves out. All numbers are our choice.

    Parameters
    ----------
    maximum_missing_share : float
        Of a window; above it "missing". The default is that of the house's gate.
    maximum_flat_share : float
        Of the seconds without any deflection; above it "flat" (a detached electrode).
    maximum_noise_share : float
        Of the power above 0.5 Hz that lies above 40 Hz; above it "noise". A window is warned
        about from 0.25 on and kept, so that a network learns to live with it.
    drop_inverted : bool
        Leave windows out whose QRS complexes point down. By default they are kept and marked:
        a negative lead II is also an axis of the heart.
    only_ecg : bool
        Leave windows out that :mod:`ecgfoundry.measurements.recognition` refuses, as
        "not-an-ecg". Off by default: ventricular fibrillation and asystole are refused with noise,
        and it takes many times as long as all else here.
    """

    maximum_missing_share: float = quality.MAXIMUM_GAP_SHARE
    maximum_flat_share: float = 0.5
    maximum_noise_share: float = 0.5
    drop_inverted: bool = False
    only_ecg: bool = False

    def reasons(self, figures: WindowFigures) -> NDArray[np.object_]:
        """Return for each window why it is left out, or "" if it is kept."""
        noise = np.nan_to_num(figures.noise_share, nan=0.0)
        tall = np.nan_to_num(figures.amplitude_mv, nan=0.0)
        # The first condition that holds names the reason.
        conditions = [
            figures.missing_share > self.maximum_missing_share,
            (figures.readable_leads == 0) | (figures.flat_share > self.maximum_flat_share),
            tall > quality.LARGE_AMPLITUDE_MV,
            noise > self.maximum_noise_share,
            figures.inverted & self.drop_inverted,
        ]
        words = ["missing", "flat", "implausible", "noise", "inverted"]
        return np.select(conditions, words, default="").astype(object)


REASONS = ("short", "missing", "flat", "implausible", "noise", "inverted", NOT_AN_ECG)
"""Why a window is left out: shorter than a segment, or by the gate."""


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """Figures of n windows, arrays of shape (n,); over several leads the median of the readable.

    ``missing_share`` is the mean over leads. ``inverted``: the tall narrow deflections of the only
    lead, or of lead II among several, are mainly negative.
    """

    missing_share: Float32
    flat_share: Float32
    saturated_share: Float32
    amplitude_mv: Float32
    noise_share: Float32
    mains_share: Float32
    wander_share: Float32
    readable_leads: NDArray[np.int16]
    inverted: NDArray[np.bool_]


def measure_windows(
    windows: Int16,
    *,
    gain: float,
    baseline: int,
    sampling_rate: float,
    leads: tuple[str, ...],
) -> WindowFigures:
    """Measure raw windows.

    Parameters
    ----------
    windows : ndarray of int16 (n, leads, samples)
        Not written to.
    gain : float
        Units per mV.
    baseline : int
    sampling_rate : float
        Hz.
    leads : tuple of str
    """
    count, width, samples = windows.shape
    rows = windows.reshape(count * width, samples)
    table = np.empty((count * width, 8), dtype=np.float32)
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        table[start : start + BATCH] = _measure_rows(part, gain, baseline, sampling_rate)
    figures = table.reshape(count, width, 8)
    if width == 1:
        middle = figures[:, 0]
        readable = _readable(middle)
        return _as_figures(middle, readable.astype(np.int16), middle[:, 7] > 0)
    readable = _readable(figures)
    chosen = np.where(readable[..., np.newaxis], figures, np.nan)
    chosen[~readable.any(axis=1)] = figures[~readable.any(axis=1)]
    with np.errstate(invalid="ignore"):
        middle = _nanmedian(chosen)
    middle[:, 0] = figures[..., 0].mean(axis=1)
    inverted = np.zeros(count, dtype=np.bool_)
    if "II" in leads:
        place = leads.index("II")
        inverted = readable[:, place] & (figures[:, place, 7] > 0)
    return _as_figures(middle, readable.sum(axis=1).astype(np.int16), inverted)


def are_ecg(
    windows: Int16, *, gain: float, baseline: int, sampling_rate: float, leads: tuple[str, ...]
) -> NDArray[np.bool_]:
    """Return which windows the gate of the models takes for an ECG; parameters as above."""
    result = np.zeros(len(windows), dtype=np.bool_)
    for number, window in enumerate(windows):
        x = (window.astype(np.float64) - baseline) / gain
        x[window == MISSING] = np.nan
        result[number] = judge_window(x, sampling_rate, leads, describe="nothing").refusal is None
    return result


def _nanmedian(figures: Float32) -> Float32:
    """Median over leads, NaN only where every lead is NaN (no warning for it)."""
    ordered = np.sort(figures, axis=1)  # NaN sort to the end
    known = np.maximum((~np.isnan(figures)).sum(axis=1), 1)
    low = np.take_along_axis(ordered, ((known - 1) // 2)[:, np.newaxis], axis=1)[:, 0]
    high = np.take_along_axis(ordered, (known // 2)[:, np.newaxis], axis=1)[:, 0]
    return ((low + high) / 2).astype(np.float32)


def _readable(figures: Float32) -> NDArray[np.bool_]:
    amplitude = np.nan_to_num(figures[..., 3], nan=0.0)
    result: NDArray[np.bool_] = (figures[..., 0] <= quality.MAXIMUM_GAP_SHARE) & (
        amplitude >= quality.FLAT_AMPLITUDE_MV
    )
    return result


def _as_figures(
    table: Float32, readable: NDArray[np.int16], inverted: NDArray[np.bool_]
) -> WindowFigures:
    names = [f.name for f in fields(WindowFigures)][:7]
    columns = {name: np.ascontiguousarray(table[:, k]) for k, name in enumerate(names)}
    return WindowFigures(**columns, readable_leads=readable, inverted=inverted)


def _measure_rows(rows: Int16, gain: float, baseline: int, sampling_rate: float) -> Float32:
    """Return (rows, 8): the seven figures and 1 where the deflections point down."""
    result = np.empty((len(rows), 8), dtype=np.float32)
    gaps = rows.min(axis=1) == MISSING
    whole = ~gaps
    if gaps.any():
        for k in np.flatnonzero(gaps):
            result[k] = _measure_one(rows[k], gain, baseline, sampling_rate)
        if not whole.any():
            return result
        rows = rows[whole]
    figures = np.zeros((len(rows), 8), dtype=np.float32)
    low, high, at_low, at_high = _tails(rows)
    low, high = low / gain, high / gain
    some = rows[:, ::MEDIAN_STRIDE]
    half = some.shape[1] // 2
    middle = np.sort(some, axis=1, kind="stable")[:, half] / gain  # of int16: a radix sort
    figures[:, 1] = _flat_share(rows, gain, sampling_rate)
    figures[:, 2] = _saturated_share(rows, np.maximum(at_low, at_high), sampling_rate)
    figures[:, 3] = high - low
    figures[:, 4:7] = _power_shares(rows, sampling_rate)
    figures[:, 7] = (middle - low) > 2.0 * (high - middle)
    result[whole] = figures
    return result


def _measure_one(row: Int16, gain: float, baseline: int, sampling_rate: float) -> Float32:
    x = (row.astype(np.float64) - baseline) / gain
    x[row == MISSING] = np.nan
    found = quality.lead_quality(x, sampling_rate)
    values = [
        found.missing_share,
        found.flat_share,
        found.saturated_share,
        found.amplitude_mv,
        found.noise_share,
        found.mains_share,
        found.wander_share,
    ]
    down = 0.0
    present = x[~np.isnan(x)]
    if present.size:
        low, middle, high = np.percentile(present, (0.5, 50.0, 99.5))
        down = float((middle - low) > 2.0 * (high - middle))
    return np.array([np.nan if v is None else v for v in values] + [down], dtype=np.float32)


def _tails(
    rows: Int16,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the 0.5th and 99.5th percentiles of each row and how often its extremes occur.

    As ``numpy.percentile``, but only the ends are put into order: the m-th largest of the maxima of
    short blocks is a bound that at least m samples reach, and few others do.
    """
    samples = rows.shape[1]
    place = 0.995 * (samples - 1)
    wanted = samples - int(place)  # the largest that hold both order statistics around the place
    blocks = samples // TAIL_BLOCK
    if blocks < 2 * wanted:
        low, high = np.percentile(rows, (0.5, 99.5), axis=1)
        at_low = (rows == rows.min(axis=1, keepdims=True)).sum(axis=1)
        return low, high, at_low, (rows == rows.max(axis=1, keepdims=True)).sum(axis=1)
    # Any partition of the samples serves; this one is reduced along whole cache lines.
    cut = rows[:, : blocks * TAIL_BLOCK].reshape(len(rows), TAIL_BLOCK, blocks)
    part = place - int(place)
    last = blocks - wanted
    reached = np.partition(cut.max(axis=1), last, axis=1)[:, last]
    high, at_high = _end(rows, rows >= reached[:, np.newaxis], wanted, part, sign=1)
    under = np.partition(cut.min(axis=1), wanted - 1, axis=1)[:, wanted - 1]
    low, at_low = _end(rows, rows <= under[:, np.newaxis], wanted, part, sign=-1)
    return low, high, at_low, at_high


def _end(
    rows: Int16, candidates: NDArray[np.bool_], wanted: int, part: float, *, sign: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Order the candidates of all rows at once, outermost first, and interpolate."""
    places = np.flatnonzero(candidates)
    owner = places // rows.shape[1]
    values = rows.reshape(-1)[places].astype(np.int64)
    keys = np.sort((owner << 17) - sign * values)  # by row, then from the end inwards
    ordered = (owner << 17) - keys  # the owners are the same in this order
    first = np.searchsorted(owner, np.arange(len(rows)))
    inner = ordered[first + wanted - 1].astype(np.float64)
    outer = ordered[first + max(wanted - 2, 0)]
    extreme = ordered[first]
    counts = np.bincount(owner[ordered == extreme[owner]], minlength=len(rows))
    return sign * (inner + part * (outer - inner)), counts


def _flat_share(rows: Int16, gain: float, sampling_rate: float) -> NDArray[np.float64]:
    samples = rows.shape[1]
    block = max(2, round(quality.FLAT_BLOCK_S * sampling_rate))
    count = samples // block
    if count == 0:
        block, count = samples, 1
    blocks = rows[:, : count * block].reshape(len(rows), count, block)
    span = blocks.max(axis=2).astype(np.int32) - blocks.min(axis=2)
    return (span / gain < quality.FLAT_AMPLITUDE_MV).mean(axis=1)


def _saturated_share(
    rows: Int16, extremes: NDArray[np.int64], sampling_rate: float
) -> NDArray[np.float64]:
    run = max(3, round(quality.SATURATED_RUN_S * sampling_rate))
    result = np.zeros(len(rows))
    # Only where at least ``run`` samples share an extreme can there be such a run.
    for k in np.flatnonzero(extremes >= run):
        result[k] = quality._saturated_share(rows[k].astype(np.float64), sampling_rate)
    return result


@functools.lru_cache(maxsize=16)
def _spectral_tools(samples: int, sampling_rate: float) -> tuple[Float32, Float32]:
    """The taper, and a matrix that sums power into: all, from 0.5 Hz, mains, noise."""
    frequency = np.fft.rfftfreq(samples, 1.0 / sampling_rate)
    mains = (np.abs(frequency - 50) <= 1) | (np.abs(frequency - 60) <= 1)
    bands = np.stack(
        [np.ones_like(mains), frequency >= 0.5, mains, (frequency > 40) & ~mains], axis=1
    )
    return np.hanning(samples).astype(np.float32), bands.astype(np.float32)


def _power_shares(rows: Int16, sampling_rate: float) -> Float32:
    """Return (rows, 3): noise, mains and wander shares; NaN where there is no power."""
    samples = rows.shape[1]
    if samples < 2 * sampling_rate:
        return np.full((len(rows), 3), np.nan, dtype=np.float32)
    from scipy.fft import rfft

    taper, bands = _spectral_tools(samples, sampling_rate)
    x = rows.astype(np.float32)
    x -= (x @ np.full(samples, 1.0 / samples, dtype=np.float32))[:, np.newaxis]
    x *= taper
    spectrum = rfft(x, axis=1)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    # Figures are shares, so the unit does not matter; scaled to stay inside float32.
    total, upper, mains, noise = (power @ bands).T
    empty = (total <= 0) | (upper <= 0)
    safe = np.where(empty, 1.0, upper)
    shares = np.stack([noise / safe, mains / safe, 1.0 - upper / np.where(empty, 1.0, total)], 1)
    shares[empty] = np.nan
    return shares.astype(np.float32)
