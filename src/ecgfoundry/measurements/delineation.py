"""Where P waves, QRS complexes and T waves begin and end, per lead and for all leads together.

Per lead the method is that of the derivative wavelets: C. Li, C. Zheng, C. Tai, IEEE Trans Biomed
Eng 42:21 (1995), and J. P. Martinez et al., "A wavelet-based ECG delineator: evaluation on standard
databases", IEEE Trans Biomed Eng 51:570 (2004). The wavelet is the first derivative of a smoothing
function, so that its modulus is large on the slopes of a wave, and a wave begins where the modulus
falls below a share of its first slope. Two scales are used: a fine one for the QRS complex, a
coarse one for P and T. We take a Gaussian as the smoothing function (theirs is a quadratic spline)
because it exists at every sampling rate. The shares were chosen on the odd-numbered records of
LUDB; ``benchmarks/experiments/delineation_ludb.py`` prints the errors on the even-numbered ones.

How the leads make one boundary of all is :mod:`ecgfoundry.measurements.lead_fusion`.

All positions are sample numbers of the given signal as float64, NaN where a wave is not there or
cannot be told.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.beats import fill_gaps
from ecgfoundry.measurements.boundaries import BOUNDARIES, LeadWaves
from ecgfoundry.measurements.lead_fusion import fuse_leads, median_over_leads
from ecgfoundry.measurements.medians import median, quantile_of_rows
from ecgfoundry.measurements.qrs_search import find_complexes
from ecgfoundry.measurements.wave_kernel import bridged
from ecgfoundry.measurements.wave_search import (
    WaveLimits,
    Windows,
    find_wave,
)
from ecgfoundry.signals.filters import averaged, gaussian

__all__ = ["delineate", "wave_of_one_beat"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

WORKING_RATE_HZ = 250.0
"""Signals are averaged down to between this rate and twice this: 4 ms at the coarsest."""
SLOWEST_RATE_HZ = 200.0
"""Slower signals are interpolated: at 50 Hz a QRS complex is four samples long."""
QRS_SCALE_S = 0.008
P_SCALE_S, T_SCALE_S = 0.010, 0.020
"""Standard deviations of the Gaussians: their derivatives pass best at 20 and at 8 Hz, as scales
2^2 and 2^4 of Martinez et al. do."""
TRUNCATE = 3.0
"""They end at three standard deviations."""
QRS_SPAN_S = (0.20, 0.24)
PEAK_SCALE_S = 0.010
BLANK_S = 0.004
P_LONGEST_S = 0.30
P_LEAST_MV, P_LEAST_SHARE = 0.012, 0.008
P_OF_QRS, T_OF_QRS = 0.02, 0.035
"""The least wave of a recording whose complexes, in the median over leads and beats, are lower than
0.6 mV, as a share of them: some files are half or a twentieth as large as the heart made them."""
P_LIMITS = WaveLimits(shares=(0.45, 0.60), longest=(0.10, 0.10), guide=0.04, lobes=False)
T_LIMITS = WaveLimits(shares=(0.40, 0.42), longest=(0.22, 0.20), guide=0.06, lobes=True)
P_STEADY_BEATS, P_STEADY_S, P_STEADY_SHARE = 5, 0.03, 0.65
"""P waves are believed where two thirds of them lie within 30 ms of their usual place before the R
peak; places at random, as in atrial fibrillation, do so in a quarter of the beats (our choice)."""
T_LEAST_MV, T_LEAST_SHARE = 0.02, 0.01
T_PLACE_S, T_PLACE_SD_S = 0.30, 0.10
"""The peak of T is looked for around 300 ms behind R, times the cube root of RR: QT of 410 ms less
40 ms from the QRS onset to R and 70 to 100 ms from the peak of T to its end. A P wave, which is
sharper, must not be taken for a flat T wave before it."""


def delineate(signal: NDArray[np.floating], sampling_rate: float, beats: Int64) -> LeadWaves:
    """Find the boundaries of the waves of every beat in every lead.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV, NaN = missing.
    sampling_rate : float
        Hz.
    beats : ndarray, int64 (beats,)
        R peaks, as :func:`ecgfoundry.measurements.beats.find_beats` gives them.

    Returns
    -------
    LeadWaves
        NaN where a lead is missing, flat, or does not show the wave.
    """
    array = np.asarray(signal, dtype=np.float64)
    leads, count = array.shape[0], len(beats)
    if count == 0 or leads == 0 or array.shape[1] < 0.3 * sampling_rate:
        return LeadWaves(*(np.full((leads, count), np.nan) for _ in BOUNDARIES))
    absent = ~np.isfinite(array)
    gaps = bool(absent.any())
    x, factor, shift = _at_working_rate(fill_gaps(array) if gaps else array, sampling_rate)
    rate = sampling_rate / factor
    positions = np.clip((np.asarray(beats) / factor).astype(np.int64), 0, x.shape[1] - 1)
    found = _delineate_windows(x, positions, rate)
    scaled = {name: (value + positions[None, :]) * factor + shift for name, value in found.items()}
    dead = np.ptp(x, axis=1) == 0
    if gaps:
        dead |= absent.mean(axis=1) > 0.5
    for value in scaled.values():
        value[dead] = np.nan
        if gaps:
            index = np.where(np.isfinite(value), value, 0).astype(np.int64)
            index = np.clip(index, 0, array.shape[1] - 1)
            value[np.take_along_axis(absent, index, axis=1)] = np.nan
    return LeadWaves(**scaled)


def _at_working_rate(x: Float64, sampling_rate: float) -> tuple[Float64, float, float]:
    """Return the signal at 200 Hz or more, samples of the old rate per new one, and their shift.

    Fast signals are averaged down; the shift is the centre of each group. Slow ones are
    interpolated by straight lines, because a boundary between two samples is then still found;
    smoother curves swing at the feet of a QRS complex.
    """
    samples = x.shape[1]
    if sampling_rate < SLOWEST_RATE_HZ:
        up = math.ceil(WORKING_RATE_HZ / sampling_rate)
        fine = np.arange((samples - 1) * up + 1) / up
        between = np.stack([np.interp(fine, np.arange(samples), row) for row in x])
        return between, 1.0 / up, 0.0
    factor = max(1, int(sampling_rate // WORKING_RATE_HZ))
    if factor == 1:
        return x, 1.0, 0.0
    return averaged(x, factor), float(factor), (factor - 1) / 2


def _delineate_windows(x: Float64, beats: Int64, rate: float) -> dict[str, Float64]:
    """Return every boundary relative to its R peak, in columns (leads, beats)."""
    fine = gaussian(x, QRS_SCALE_S * rate, derivative=1, truncate=TRUNCATE)
    noise = quantile_of_rows(np.abs(fine), 0.30)
    windows = Windows(x, fine, beats, rate, QRS_SPAN_S)
    qrs_onset, qrs_offset, height = find_complexes(windows, noise)
    # Without the complex, whose slopes would reach into the coarse scale's P and T waves.
    rest = _without_complexes(x, beats, qrs_onset, qrs_offset, rate)
    smooth = gaussian(rest, PEAK_SCALE_S * rate, truncate=TRUNCATE)
    before, after = _reach(beats, x.shape[1], rate)
    coarse = gaussian(rest, T_SCALE_S * rate, derivative=1, truncate=TRUNCATE)
    windows = Windows(smooth, coarse, beats, rate)
    qrs_onset, qrs_offset = qrs_onset + windows.zero, qrs_offset + windows.zero
    t_onset, t_peak, t_offset = _t_wave(windows, qrs_offset, after, height, beats)
    before = _behind_t(before, t_offset - windows.zero, beats)
    coarse = gaussian(rest, P_SCALE_S * rate, derivative=1, truncate=TRUNCATE)
    windows = replace(windows, slope=coarse)
    p_onset, p_peak, p_offset = _p_wave(windows, qrs_onset, before, height)
    _end_before_p(t_offset, p_onset, beats)
    columns = {
        "p_onset": p_onset,
        "p_peak": p_peak,
        "p_offset": p_offset,
        "qrs_onset": qrs_onset,
        "qrs_offset": qrs_offset,
        "t_onset": t_onset,
        "t_peak": t_peak,
        "t_offset": t_offset,
    }
    return {name: value - windows.zero for name, value in columns.items()}


def _without_complexes(
    x: Float64, beats: Int64, onset: Float64, offset: Float64, rate: float
) -> Float64:
    """Draw a straight line under every QRS complex."""
    begin = beats + np.where(np.isfinite(onset), onset, -0.05 * rate) - BLANK_S * rate
    end = beats + np.where(np.isfinite(offset), offset, 0.05 * rate) + BLANK_S * rate
    done = bridged(x, begin, end)
    return _bridged_by_numpy(x, begin, end) if done is None else done


def _bridged_by_numpy(
    x: Float64, begin: NDArray[np.floating], end: NDArray[np.floating]
) -> Float64:
    leads, samples = x.shape
    rows = np.repeat(np.arange(leads), begin.shape[1])
    steps = np.zeros((leads, samples + 1))
    for edge, step in ((begin, 1.0), (end, -1.0)):
        columns = np.clip(np.rint(edge).astype(np.int64), 0, samples)
        steps += step * np.bincount(
            rows * (samples + 1) + columns.ravel(), minlength=leads * (samples + 1)
        ).reshape(leads, samples + 1)
    covered = np.cumsum(steps[:, :-1], axis=1) > 0
    covered[covered.all(axis=1)] = False
    # The last sample before each covered stretch and the first after it, or the other at an end.
    columns = np.arange(samples)
    before = np.maximum.accumulate(np.where(covered, -1, columns), axis=1)
    after = np.minimum.accumulate(np.where(covered, samples, columns)[:, ::-1], axis=1)[:, ::-1]
    row, column = np.nonzero(covered)
    low, high = before[row, column], after[row, column]
    low, high = np.where(low < 0, high, low), np.where(high == samples, low, high)
    share = (column - low) / np.maximum(high - low, 1)
    result = x.copy()
    result[row, column] = x[row, low] + share * (x[row, high] - x[row, low])
    return result


def _reach(beats: Int64, samples: int, rate: float) -> tuple[Int64, Int64]:
    """Columns back to which P, and up to which T may reach, from the R peak (our choice).

    P: not before the middle of the previous interval. T: QT is hardly above 0.62 s, and in a short
    interval the next P wave has to stay out.
    """
    intervals = np.diff(beats)
    usual = median(intervals) if intervals.size else rate
    previous = np.concatenate([[usual], intervals])
    following = np.concatenate([intervals, [usual]])
    before = np.minimum(0.55 * previous, (P_LONGEST_S + 0.06) * rate)
    after = np.minimum(np.minimum(0.72 * following, following - 0.20 * rate), 0.64 * rate)
    after = np.minimum(np.maximum(after, 0.30 * rate), samples - 1 - beats)
    return np.minimum(before, beats).astype(np.int64), after.astype(np.int64)


def _behind_t(before: Int64, t_offset: Float64, beats: Int64) -> Int64:
    """Keep P behind the T wave of the beat before, where the leads agree on its end."""
    ended = median_over_leads(t_offset)[:-1]
    room = np.diff(beats) - ended
    result = before.astype(np.float64)
    with np.errstate(invalid="ignore"):
        result[1:] = np.where(np.isfinite(room), np.minimum(result[1:], room), result[1:])
    return np.maximum(result, 0).astype(np.int64)


def _end_before_p(t_offset: Float64, p_onset: Float64, beats: Int64) -> None:
    """Take away ends of T that lie beyond the begin of the next P wave."""
    following = median_over_leads(p_onset)[1:] + np.diff(beats)
    with np.errstate(invalid="ignore"):
        t_offset[:, :-1][t_offset[:, :-1] > following] = np.nan


def _t_wave(
    w: Windows, qrs_offset: Float64, after: Int64, height: Float64, beats: Int64
) -> tuple[Float64, Float64, Float64]:
    first = np.where(np.isfinite(qrs_offset), qrs_offset, w.zero + 0.06 * w.rate) + 0.05 * w.rate
    last = np.broadcast_to(w.zero + after, first.shape)
    return find_wave(
        w,
        first,
        last.astype(np.float64),
        T_LIMITS,
        least=_least(height, T_LEAST_MV, T_OF_QRS, T_LEAST_SHARE),
        usual=_usual_t_place(w, beats),
    )


def _least(height: Float64, least_mv: float, of_all: float, of_lead: float) -> Float64:
    """Return how high a wave has to be in each lead (leads, beats), mV."""
    there = height[height > 0]
    usual = median(there) if there.size else 0.0
    result: Float64 = np.maximum(min(least_mv, of_all * usual), of_lead * height)
    return result


def _usual_t_place(w: Windows, beats: Int64) -> Float64:
    """How likely the peak of T is at every column: (beats, columns)."""
    rr = np.diff(beats) / w.rate
    middle = median(rr) if rr.size else 1.0
    previous = np.concatenate([[middle], rr])
    place = T_PLACE_S * np.cbrt(np.clip(previous, 0.3, 1.5))
    seconds = (np.arange(w.width) - w.zero) / w.rate
    return np.exp(-0.5 * ((seconds - place[:, None]) / T_PLACE_SD_S) ** 2)


def _least_p(height: Float64) -> Float64:
    return _least(height, P_LEAST_MV, P_OF_QRS, P_LEAST_SHARE)


def _p_wave(
    w: Windows, qrs_onset: Float64, before: Int64, height: Float64
) -> tuple[Float64, Float64, Float64]:
    last = np.where(np.isfinite(qrs_onset), qrs_onset, w.zero - 0.05 * w.rate) - 0.008 * w.rate
    first = np.broadcast_to(w.zero - before, last.shape)
    onset, peak, offset = find_wave(
        w, first.astype(np.float64), last, P_LIMITS, least=_least_p(height)
    )
    if not _steady(median_over_leads(peak), w.rate):
        # Deflections without a fixed place before the complex: fibrillation, flutter, noise.
        onset, peak, offset = (np.full_like(part, np.nan) for part in (onset, peak, offset))
    return onset, peak, offset


def wave_of_one_beat(
    values: Float64,
    sampling_rate: float,
    fiducial: int,
    qrs: tuple[float, float],
    between: tuple[float, float],
) -> tuple[float, float, float]:
    """Find the sharpest wave like P of one beat, which may be the median of many.

    Parameters
    ----------
    values : ndarray (leads, columns)
        mV, no gaps.
    sampling_rate : float
        Hz.
    fiducial : int
        Column of the R peak.
    qrs : (float, float)
        Columns between which the QRS complex lies.
    between : (float, float)
        Columns between which the whole wave lies.

    Returns
    -------
    (float, float, float)
        Columns of onset, peak and offset of all leads together; NaN where there is none.
    """
    x, factor, shift = _at_working_rate(values, sampling_rate)
    rate = sampling_rate / factor
    beat = np.array([min(int(fiducial / factor), x.shape[1] - 1)])
    sides = [np.full((len(x), 1), side / factor - beat[0]) for side in qrs]
    rest = _without_complexes(x, beat, sides[0], sides[1], rate)
    smooth = gaussian(rest, PEAK_SCALE_S * rate, truncate=TRUNCATE)
    coarse = gaussian(rest, P_SCALE_S * rate, derivative=1, truncate=TRUNCATE)
    windows = Windows(smooth, coarse, beat, rate)
    first, last = (
        np.full((len(x), 1), column / factor - beat[0] + windows.zero) for column in between
    )
    height = np.ptp(x, axis=1)[:, None]
    found = find_wave(windows, first, last, P_LIMITS, least=_least_p(height))
    nothing = np.full_like(found[0], np.nan)
    fused = fuse_leads(LeadWaves(*found, *(nothing,) * 5), rate)
    onset, peak, offset = (
        float((side[0] - windows.zero + beat[0]) * factor + shift)
        for side in (fused.p_onset, fused.p_peak, fused.p_offset)
    )
    return onset, peak, offset


def _steady(peak: Float64, rate: float) -> bool:
    """Whether P waves keep their distance from the R peak, as far as beats enough can tell."""
    there = peak[np.isfinite(peak)]
    if there.size < P_STEADY_BEATS:
        return True
    near = np.abs(there - np.median(there)) <= P_STEADY_S * rate
    return bool(near.mean() >= P_STEADY_SHARE)
