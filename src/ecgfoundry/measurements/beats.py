"""Heartbeats: where the QRS complexes are, from one lead or from several together.

The way is that of Pan and Tompkins (1985): band-pass, slope, square, moving average, peaks above
an adaptive level, a closer look at long pauses, and a test that keeps T waves out. It differs from
theirs in three points, all our choice, because a recording is at hand as a whole and not sample by
sample: filters have no phase; the level at any moment is a median over the seconds before AND
after it, so that neither a pause nor an artefact moves it; and the energies of all leads are
averaged, each lead scaled to its own beats, so that noise in one lead is outvoted.

J. Pan, W. J. Tompkins, "A real-time QRS detection algorithm", IEEE Trans Biomed Eng 32:230 (1985).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.signals.filters import butterworth_sos

__all__ = ["fill_gaps", "find_beats", "heart_rate_bpm", "readable_rows"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

WORKING_RATE_HZ = 180.0
"""Detection works at a rate between this and twice this: QRS energy ends at 25 Hz (our choice)."""
BAND_HZ = (5.0, 25.0)
"""The QRS band: Pan & Tompkins took 5-11 Hz, with integer filters; narrow complexes of children
and of pathological beats reach higher (our choice)."""
SMOOTHING_S = 0.1
"""Moving average over the squared slope. Pan & Tompkins: 0.15 s, which is better on MIT-BIH and
loses one beat in fifteen of the hard strips of CPSC 2019 (docs/features.md)."""
REFRACTORY_S = 0.2
"""No second beat within it (Pan & Tompkins)."""
LEVEL_BLOCK_S = 2.0
LEVEL_REACH_BLOCKS = 4
"""The level is the median of the maxima of blocks of 2 s, a block each second, the four before and
the four after included: ten seconds of surroundings (our choice)."""
PRIMARY_SHARE = 0.32
"""A peak is a beat above this share of the level (amplitude, not energy; our choice)."""
SEARCH_SHARE = 0.16
SEARCH_PAUSE = 1.66
"""After a pause of 1.66 times the usual RR interval the threshold is halved (Pan & Tompkins)."""
T_WAVE_S = 0.36
T_WAVE_SHARE = 0.5
"""A peak less than 360 ms behind a beat with less than half its slope is its T wave (Pan &
Tompkins)."""
LOW_SHARE = 0.5
LOW_EXTRA = 1.35
LOW_COMMON = 0.6
"""A low peak (under half of the level) between two high ones that are hardly further apart than
high ones usually are (1.35 times) is a P or T wave or noise, unless that is the rule here (in 0.6
of the intervals around), as it is in bigeminy with tall ectopic beats (our choice)."""
PEAKEDNESS = 2.4
"""The level must stand this far above the median of the whole: noise has no beats (our choice)."""
NOISE_RATIO = 5.0
LEAST_WEIGHT = 0.02
"""In smoothed noise the maxima of 2 s are four to five times the median energy: a lead counts by
what it has beyond that (our choice)."""
LEAST_SLOPE_SHARE = 1e-9
REFINE_S = 0.08
MOST_MISSING = 0.5
"""A lead with more missing samples takes no part."""
SHORTEST_S = 1.0


def find_beats(signal: NDArray[np.floating], sampling_rate: float) -> Int64:
    """Return the sample numbers of the R peaks.

    Parameters
    ----------
    signal : ndarray (samples,) or (leads, samples)
        In mV or any unit; the result does not depend on scale, offset or polarity. NaN = missing.
    sampling_rate : float
        Hz, 50 at least for a useful answer.

    Returns
    -------
    ndarray, int64 (beats,)
        In order of time, each at the largest deflection of the QRS complex from its surroundings,
        either way, summed in squares over the leads. Empty where no beat can be told: all missing,
        flat, noise, shorter than a second. Never an error for a bad signal.

    Raises
    ------
    ValueError
        The array has neither one nor two dimensions, or the rate is not a positive number.
    """
    array = np.asarray(signal, dtype=np.float64)
    if array.ndim not in (1, 2):
        raise ValueError(f"signal has {array.ndim} dimensions; 1 or 2 are needed")
    if not (np.isfinite(sampling_rate) and sampling_rate > 0):
        raise ValueError(f"the sampling rate is {sampling_rate!r}, not a positive number of Hz")
    x = array[None] if array.ndim == 1 else array
    rows = readable_rows(x)
    if rows.size == 0 or x.shape[1] < SHORTEST_S * sampling_rate or sampling_rate < 25:
        return np.empty(0, np.int64)
    x = x[rows]
    missing = ~np.isfinite(x)
    filled = fill_gaps(x)
    factor = max(1, int(sampling_rate // WORKING_RATE_HZ))
    coarse = _decimate(filled, factor)
    rate = sampling_rate / factor
    band = _band(coarse, rate)
    feature = _slope_energy(band, rate)
    if feature is None:
        return np.empty(0, np.int64)
    beats = _decide(feature, rate)
    # Nothing that was recorded stands within a gap of all leads.
    if missing.any() and beats.size:
        nothing: NDArray[np.bool_] = np.asarray(missing.all(axis=0))
        beats = beats[~nothing[np.minimum(beats * factor, nothing.size - 1)]]
    return _refine(filled, beats, band, factor, sampling_rate)


def readable_rows(signal: NDArray[np.floating]) -> Int64:
    """Return the rows that are at least half there and are not constant."""
    finite = np.isfinite(signal)
    there = finite.mean(axis=1) >= 1.0 - MOST_MISSING if signal.shape[1] else np.zeros(0, bool)
    rows = [row for row in np.flatnonzero(there) if np.ptp(signal[row][finite[row]]) > 0]
    return np.asarray(rows, dtype=np.int64)


def fill_gaps(signal: NDArray[np.floating]) -> Float64:
    """Bridge missing samples by straight lines; rows without any sample become zero.

    (..., samples) to float64 of the same shape.
    """
    x = np.array(signal, dtype=np.float64)
    flat = x.reshape(-1, x.shape[-1])
    bad = ~np.isfinite(flat)
    index = np.arange(flat.shape[1])
    for row in np.flatnonzero(bad.any(axis=1)):
        good = ~bad[row]
        flat[row] = np.interp(index, index[good], flat[row, good]) if good.any() else 0.0
    return x


def heart_rate_bpm(beats: Int64, sampling_rate: float) -> float:
    """Return 60 over the median RR interval in seconds; NaN with fewer than two beats."""
    if len(beats) < 2:
        return float("nan")
    return float(60.0 * sampling_rate / np.median(np.diff(beats)))


def _decimate(x: Float64, factor: int) -> Float64:
    """Average ``factor`` samples each; zeros of the average fall on what would fold to 0 Hz."""
    if factor == 1:
        return x
    count = x.shape[1] // factor
    mean: Float64 = x[:, : count * factor].reshape(x.shape[0], count, factor).mean(axis=2)
    return mean


def _band(x: Float64, rate: float) -> Float64:
    from scipy.signal import sosfiltfilt

    high = min(BAND_HZ[1], 0.4 * rate)
    sos = butterworth_sos(2, (BAND_HZ[0], high), "bandpass", rate)
    # Reflection at the ends keeps a beat at the edge from becoming a step.
    centred = x - np.median(x, axis=1, keepdims=True)
    pad = min(x.shape[1] - 1, round(rate))
    band: Float64 = sosfiltfilt(sos, centred, axis=1, padlen=pad)
    return band


def _slope_energy(band: Float64, rate: float) -> Float64 | None:
    """Root of the smoothed squared slope, averaged over the leads; None where there is none."""
    from scipy.ndimage import uniform_filter1d

    slope = np.gradient(band, axis=1)
    energy = uniform_filter1d(slope * slope, max(1, round(SMOOTHING_S * rate)), axis=1)
    scale = np.array([np.median(_block_maxima(row, rate)) for row in energy])
    highest = np.abs(band).max(axis=1)
    usable = (scale > LEAST_SLOPE_SHARE * np.maximum(highest, 1e-30) ** 2) & (scale > 1e-24)
    if not usable.any():
        return None
    # A lead in which hardly anything stands out of the rest is noise and hardly counts.
    floor = np.median(energy[usable], axis=1) / scale[usable]
    weights = np.clip(1.0 - NOISE_RATIO * floor, LEAST_WEIGHT, 1.0)
    # A triangle instead of a box makes the maximum of a broad complex a single one.
    total = (energy[usable] * (weights / weights.sum() / scale[usable])[:, None]).sum(axis=0)
    total = uniform_filter1d(total, max(1, round(0.05 * rate)))
    return np.sqrt(np.maximum(total, 0.0))


def _block_maxima(feature: Float64, rate: float) -> Float64:
    """Maxima of 2-s blocks, one block per second."""
    block, hop = round(LEVEL_BLOCK_S * rate), max(1, round(LEVEL_BLOCK_S * rate / 2))
    if feature.size <= block:
        return np.array([feature.max()])
    hops = feature.size // hop
    maxima = feature[: hops * hop].reshape(hops, hop).max(axis=1)
    pairs: Float64 = np.maximum(maxima[:-1], maxima[1:])
    return pairs if pairs.size else np.array([feature.max()])


def _level(feature: Float64, rate: float) -> Float64:
    """How high beats stand around every sample."""
    maxima = _block_maxima(feature, rate)
    reach = LEVEL_REACH_BLOCKS
    medians = _running_median(maxima, reach)
    hop = max(1, round(LEVEL_BLOCK_S * rate / 2))
    centres = (np.arange(maxima.size) + 1) * hop
    return np.interp(np.arange(feature.size), centres, medians)


def _decide(feature: Float64, rate: float) -> Int64:
    from scipy.signal import find_peaks

    level = _level(feature, rate)
    median = float(np.median(feature))
    peaks, _ = find_peaks(
        np.concatenate([[0.0], feature, [0.0]]), distance=max(1, round(REFRACTORY_S * rate))
    )
    peaks = peaks - 1
    height = feature[peaks]
    reference = level[peaks]
    plausible = (reference > PEAKEDNESS * median) & (reference > 0)
    candidates = plausible & (height > SEARCH_SHARE * reference)
    peaks, height, reference = peaks[candidates], height[candidates], reference[candidates]
    strong = height > PRIMARY_SHARE * reference
    strong &= ~_t_waves(peaks, height, strong, rate)
    found = _without_extra(peaks, height, reference, np.flatnonzero(strong))
    if found.size >= 3:
        found = _search_pauses(peaks, height, found, rate)
    return peaks[found].astype(np.int64)


def _running_median(values: Float64, reach: int) -> Float64:
    """Median over ``reach`` neighbours on both sides, mirrored at the ends."""
    padded = np.pad(values, reach, mode="reflect" if values.size > reach else "edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    median: Float64 = np.median(views, axis=1)
    return median


def _without_extra(peaks: Int64, height: Float64, reference: Float64, found: Int64) -> Int64:
    """Drop low peaks that stand between two beats of a regular row."""
    high = found[height[found] > LOW_SHARE * reference[found]]
    if high.size < 4 or high.size == found.size:
        return found
    intervals = np.diff(peaks[high]).astype(np.float64)
    usual = _running_median(intervals, 8)
    inside = np.diff(np.searchsorted(found, high)) > 1
    padded = np.pad(inside.astype(np.float64), 8, mode="edge")
    common = np.convolve(padded, np.full(17, 1 / 17), mode="valid") >= LOW_COMMON
    drop = inside & ~common & (intervals < LOW_EXTRA * usual)
    keep = np.ones(found.size, bool)
    for number in np.flatnonzero(drop):
        keep[
            np.searchsorted(found, high[number]) + 1 : np.searchsorted(found, high[number + 1])
        ] = False
    return found[keep]


def _t_waves(
    peaks: Int64, height: Float64, strong: NDArray[np.bool_], rate: float
) -> NDArray[np.bool_]:
    """Mark the peaks that follow a beat closely with less than half its slope."""
    result = np.zeros(peaks.size, bool)
    last = -1
    for position in np.flatnonzero(strong):
        if (
            last >= 0
            and peaks[position] - peaks[last] < T_WAVE_S * rate
            and height[position] < T_WAVE_SHARE * height[last]
        ):
            result[position] = True
        else:
            last = int(position)
    return result


def _search_pauses(peaks: Int64, height: Float64, found: Int64, rate: float) -> Int64:
    """Look for lower beats where a pause is too long for its surroundings."""
    intervals = np.diff(peaks[found]).astype(np.float64)
    usual = _running_median(intervals, 4)
    added: list[int] = []
    for number in np.flatnonzero(intervals > SEARCH_PAUSE * usual):
        before, after = int(found[number]), int(found[number + 1])
        begin, end = int(peaks[before]), int(peaks[after])
        while True:
            inside = [
                k
                for k in range(before + 1, after)
                if peaks[k] - begin > T_WAVE_S * rate and end - peaks[k] > REFRACTORY_S * rate
            ]
            if not inside or end - begin <= SEARCH_PAUSE * usual[number]:
                break
            best = max(inside, key=lambda k: height[k])
            added.append(best)
            before, begin = best, int(peaks[best])
    return np.asarray(sorted({*found.tolist(), *added}), dtype=np.int64)


def _refine(filled: Float64, beats: Int64, band: Float64, factor: int, rate: float) -> Int64:
    """Move each beat to the largest deflection within 80 ms, at the full sampling rate."""
    if beats.size == 0:
        return beats
    size = np.sqrt(
        np.median(np.sort(band * band, axis=1)[:, -max(1, band.shape[1] // 50) :], axis=1)
    )
    weights = 1.0 / np.maximum(size, 1e-12)
    coarse_reach = max(1, round(REFINE_S * rate / factor))
    index = beats[:, None] + np.arange(-coarse_reach, coarse_reach + 1)
    index = np.clip(index, 0, band.shape[1] - 1)
    magnitude = np.square(band[:, index] * weights[:, None, None]).sum(axis=0)
    middle = index[np.arange(beats.size), magnitude.argmax(axis=1)] * factor + factor // 2
    # Finally on the unfiltered signal, less its local median: the filter shifts sharp peaks.
    fine = max(1, round(0.02 * rate))
    around = max(fine + 1, round(0.1 * rate))
    wide = np.clip(middle[:, None] + np.arange(-around, around + 1), 0, filled.shape[1] - 1)
    values = filled[:, wide]
    values = values - np.median(values, axis=2, keepdims=True)
    near = slice(around - fine, around + fine + 1)
    magnitude = np.square(values[..., near] * weights[:, None, None]).sum(axis=0)
    result = wide[:, near][np.arange(beats.size), magnitude.argmax(axis=1)]
    return np.unique(result).astype(np.int64)
