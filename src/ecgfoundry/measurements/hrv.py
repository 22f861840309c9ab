"""Heart rate variability from the intervals between normal beats.

Definitions: Task Force of the European Society of Cardiology and the North American Society of
Pacing and Electrophysiology, "Heart rate variability: standards of measurement, physiological
interpretation, and clinical use", Circulation 93:1043 (1996). Only N-N intervals count: both beats
normal, none between them, no gap. Differences are taken between N-N intervals that follow each
other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.settled_classes import surely_normal
from ecgfoundry.measurements.values import Value, missing

__all__ = ["NormalIntervals", "hrv", "normal_intervals"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

LEAST_INTERVALS = 5
"""Fewer say nothing (our choice); the Task Force asks for 5 minutes, so that figures of a strip of
ten seconds are ultra-short ones, and their method says so."""
SHORTEST_S = 300.0
TRIANGULAR_S = 1200.0
"""The Task Force asks for at least 20 minutes for geometric measures."""
BIN_S = 1.0 / 128.0
"""Width of the bins of the triangular index (Task Force: about 8 ms)."""
LF_HZ, HF_HZ = (0.04, 0.15), (0.15, 0.40)
SPECTRUM_S = 120.0
"""LF needs about two minutes (Task Force)."""
GRID_HZ = 4.0
ROUNDING_MS = 1e-6
NN_LIMITS_S = (0.2, 3.0)


@dataclass(frozen=True, eq=False)
class NormalIntervals:
    """N-N intervals: their lengths and ends in s, and which follow the one before them directly."""

    nn_s: Float64
    end_s: Float64
    follows: Bool
    share: float  # of all RR intervals


def normal_intervals(beats: Beats) -> NormalIntervals:
    """Return the N-N intervals of a recording."""
    count = len(beats)
    if count < 2:
        return NormalIntervals(np.empty(0), np.empty(0), np.empty(0, bool), 0.0)
    normal = surely_normal(beats) & ~beats.paced
    rr = beats.rr_s[1:]
    with np.errstate(invalid="ignore"):
        chosen = normal[1:] & normal[:-1] & (rr >= NN_LIMITS_S[0]) & (rr <= NN_LIMITS_S[1])
    where = np.flatnonzero(chosen)
    follows = np.diff(where, prepend=-2) == 1
    return NormalIntervals(rr[where], beats.time_s[1:][where], follows, where.size / (count - 1))


def hrv(beats: Beats) -> dict[str, Value]:
    """Return SDNN, RMSSD, pNN50, triangular index, LF, HF and their ratio, and the share used.

    Each is a :class:`~ecgfoundry.measurements.values.Value`: None with its reason where there are
    too few intervals or too little time.
    """
    found = normal_intervals(beats)
    nn = found.nn_s * 1000.0
    total = float(found.nn_s.sum())
    used = f"{nn.size} NN intervals, {100 * found.share:.0f} % of all; Task Force 1996"
    if total < SHORTEST_S:
        used += f"; {total:.0f} s, not the 5 min of the standard"
    result = {"nn_share_percent": _share(beats, found, used)}
    if nn.size < LEAST_INTERVALS:
        few = f"{nn.size} intervals between normal beats; {LEAST_INTERVALS} are needed"
        result |= {name: missing(unit, few) for name, unit in _UNITS.items()}
        return result
    result["sdnn_ms"] = Value(float(nn.std(ddof=1)), "ms", used)
    change = np.diff(nn)[found.follows[1:]]
    if change.size:
        result["rmssd_ms"] = Value(float(np.sqrt(np.mean(change * change))), "ms", used)
        # The Task Force divides by the number of all N-N intervals, not of the differences.
        beyond = 100.0 * int((np.abs(change) > 50.0 + ROUNDING_MS).sum()) / nn.size
        result["pnn50_percent"] = Value(beyond, "%", used)
    else:
        alone = "no two normal intervals follow each other"
        result |= {name: missing(_UNITS[name], alone) for name in ("rmssd_ms", "pnn50_percent")}
    result["hrv_triangular_index"] = _triangular(found.nn_s, total, used)
    result |= _spectrum(found, total, used)
    return result


_UNITS = {
    "sdnn_ms": "ms", "rmssd_ms": "ms", "pnn50_percent": "%", "hrv_triangular_index": "1",
    "lf_ms2": "ms2", "hf_ms2": "ms2", "lf_hf_ratio": "1",
}  # fmt: skip


def _share(beats: Beats, found: NormalIntervals, used: str) -> Value:
    if len(beats) < 2:
        return missing("%", "there are fewer than two beats")
    return Value(100.0 * found.share, "%", used)


def _triangular(nn_s: Float64, total: float, used: str) -> Value:
    if total < TRIANGULAR_S:
        return missing("1", f"{total:.0f} s of normal intervals; 20 minutes are needed")
    bins = np.floor(nn_s / BIN_S).astype(np.int64)
    return Value(float(nn_s.size / np.bincount(bins).max()), "1", f"bins of 1/128 s; {used}")


def _spectrum(found: NormalIntervals, total: float, used: str) -> dict[str, Value]:
    names = ("lf_ms2", "hf_ms2", "lf_hf_ratio")
    if total < SPECTRUM_S:
        few = f"{total:.0f} s of normal intervals; 2 minutes are needed"
        return {name: missing(_UNITS[name], few) for name in names}
    even = _evenly(found)
    window = min(even.size, round(256 * GRID_HZ))
    frequency, power = _welch(even, window)
    step = float(frequency[1] - frequency[0])
    low, high = (
        float(power[(frequency >= band[0]) & (frequency < band[1])].sum()) * step
        for band in (LF_HZ, HF_HZ)
    )
    method = f"cubic spline, Welch, Hann windows of {window / GRID_HZ:.0f} s at 4 Hz; {used}"
    result = {"lf_ms2": Value(low, "ms2", method), "hf_ms2": Value(high, "ms2", method)}
    if high > 0 and math.isfinite(low / high):
        result["lf_hf_ratio"] = Value(low / high, "1", method)
    else:
        result["lf_hf_ratio"] = missing("1", "there is no power at 0.15 to 0.40 Hz")
    return result


BLOCK_WINDOWS = 512
"""Windows whose spectra are averaged at a time: those of two weeks at once are 300 MB."""


def _welch(even: Float64, window: int) -> tuple[Float64, Float64]:
    """Return frequencies and mean power of half-overlapping windows, block by block."""
    from scipy.signal import welch

    step = window - window // 2
    count = max(1, (even.size - window // 2) // step)
    total, frequency = np.zeros(0), np.zeros(0)
    for first in range(0, count, BLOCK_WINDOWS):
        several = min(BLOCK_WINDOWS, count - first)
        part = even[first * step : (first + several - 1) * step + window]
        frequency, mean = welch(part, GRID_HZ, "hann", nperseg=window, detrend="linear")
        if several == count:
            return frequency, mean
        total = mean * several if first == 0 else total + mean * several
    return frequency, total / count


def _evenly(found: NormalIntervals) -> Float64:
    """Return the intervals in ms at 4 Hz: a cubic spline, and straight lines across gaps."""
    times = np.arange(found.end_s[0], found.end_s[-1], 1.0 / GRID_HZ)
    nn_ms = found.nn_s * 1000.0
    even = _spline(found.end_s, nn_ms, times)
    if found.follows[1:].all():
        return even
    length = BLOCK_WINDOWS * 1024
    for first in range(0, times.size, length):
        part = slice(first, first + length)
        # Beyond a left-out interval the spline would swing.
        after = np.clip(np.searchsorted(found.end_s, times[part]), 1, nn_ms.size - 1)
        gap = ~found.follows[after]
        even[part][gap] = np.interp(times[part][gap], found.end_s, nn_ms)
    return even


SPLINE_KNOTS = 200_000
SPLINE_AROUND = 64
"""A knot acts on the spline 64 knots away by less than its last digit: 0.27 ** 64."""


def _spline(knots: Float64, values: Float64, times: Float64) -> Float64:
    """Return the cubic spline through the knots at ascending times, by pieces if there are many."""
    from scipy.interpolate import CubicSpline

    result = np.empty(times.size)
    for first in range(0, knots.size, SPLINE_KNOTS):
        last = min(first + SPLINE_KNOTS, knots.size)
        inside = slice(max(first - SPLINE_AROUND, 0), last + SPLINE_AROUND)
        low, high = np.searchsorted(times, (knots[first], knots[min(last, knots.size - 1)]))
        high = times.size if last == knots.size else high
        result[low:high] = CubicSpline(knots[inside], values[inside])(times[low:high])
    return result
