"""Heartbeats: where the QRS complexes are, from one lead or from several together.

The way is that of Pan and Tompkins (1985): band-pass, slope, square, moving average, peaks above
an adaptive level, a closer look at long pauses, and a test that keeps T waves out. It differs from
theirs in three points, all our choice, because a recording is at hand as a whole and not sample by
sample: filters have no phase; the level at any moment is a median over the seconds before AND
after it, so that neither a pause nor an artefact moves it; and the energies of all leads are
averaged, each lead scaled to its own beats around and weighted by how far these stand out there, so
that the lead that shows the beats best decides, and another one where it fails.

Where beats follow each other so fast, or are so broad, that their energy never falls to a floor,
they do not stand out. There they are told from noise by being alike.

J. Pan, W. J. Tompkins, "A real-time QRS detection algorithm", IEEE Trans Biomed Eng 32:230 (1985).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.detection_kernel import (
    SlopeEnergy,
    measure_energy,
    move_to_largest,
)
from ecgfoundry.measurements.likeness import alike_to, commonest_shape, complexes, recurrence
from ecgfoundry.measurements.medians import median, median_of_rows
from ecgfoundry.signals.filters import averaged, both_ways, butterworth_sos

__all__ = ["Detection", "detect", "fill_gaps", "find_beats", "heart_rate_bpm", "readable_rows"]

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
TRIANGLE_S = 0.05
"""And over that average once more: a triangle instead of a box makes the maximum of a broad complex
a single one (our choice)."""
REFRACTORY_S = 0.2
"""No second beat within it (Pan & Tompkins)."""
LEVEL_BLOCK_S = 2.0
REACH = 4
"""The level is the median of the maxima of blocks of 2 s, a block each second, the four before and
the four after included: ten seconds of surroundings (our choice)."""
PAUSE_REACH_BLOCKS = 8
PAUSE_SHARE = 0.8
"""Nor is the level under 0.8 of the median of the seventeen blocks around: in a pause of 6 s most
of the nine are empty, and noise or P waves would be taken for beats (our choice)."""
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
"""Where the level stands this far above the median of the whole, peaks are beats: in noise it is
1.6 to 2.0 times the median (our measurement on white, pink and brown noise of 10 s)."""
FLOOR_OFFSET = 0.01
"""A lead counts by the inverse square of its floor: the median energy of each second around over
the energy of its beats, plus 0.01. On 30 records of MIT-BIH F1 at 150 ms is 0.9982 so, 0.9981 with
an offset of 0.003 and 0.9980 with one of 0.03 (our choice)."""
FAST_RIPPLE = 1.25
"""Beats that do not stand out: the level is at least this far above the median. A sine wave reaches
1.1, complexes of 200 ms at 180 per minute 1.45 (our measurement)."""
FAST_REACH_S = 0.2
FAST_LIKENESS = 0.85
FAST_SHARE = 0.75
FAST_OF_CANDIDATES = 0.6
FAST_LEAST_LIKENESS = 0.5
FAST_ALONE = 0.6
"""The commonest shape, 200 ms to either side, recurs in three quarters of the time without a longer
pause, and in 0.6 of the peaks: a broad complex may have two. In band-limited noise the median
correlation is 0.1 to 0.85, in fast rhythms with noise at 26 dB 0.94 or more (our measurement)."""
FAST_MIRROR = 0.92
"""And their mirror image is less like anything than they are like one another (1st against 99th
percentile of the correlation): 0.5 to 0.87 in fast rhythms, 0.95 to 1 in sine, triangle and square
waves, tremor and EEG, which are the same upside down half a period later (our measurement)."""
FAST_REFRACTORY_S = 0.17
"""350 per minute."""
FAST_MEMBERS = 64
"""Complexes that are compared with one another in a stretch (an hour of noise stays cheap)."""
FAST_SHAPES = 3
"""A rhythm may change its shape, and a lead may come and go, within a window (our choice)."""
FAST_FEWEST = 4
"""Of which four are alike at least."""
LEAST_SLOPE_SHARE = 1e-9
LEAST_AROUND = 0.05
"""A lead that is nearly silent for a while is not scaled up to more than a twentieth of the usual
energy of its beats (our choice)."""
REFINE_S = 0.08
SHARPEN_S, LOCAL_S = 0.02, 0.1
"""A beat is moved by 80 ms at most to where the QRS band is largest, and by 20 ms more to where the
signal is, less its median over 100 ms to either side (our choice)."""
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
    found = detect(signal, sampling_rate)
    return np.empty(0, np.int64) if found is None else found.beats


@dataclass(frozen=True, slots=True)
class Detection:
    """Beats, and the signals in which they were found.

    Parameters
    ----------
    beats : ndarray of int64
        Sample numbers of the signal as it was given.
    coarse : ndarray (leads, samples / factor)
        The readable leads, gaps bridged, averaged over ``factor`` samples.
    band : ndarray (leads, samples / factor)
        The same between 5 and 25 Hz, with each lead's weight and scaled to its beats.
    shares : ndarray (leads,)
        How much each lead counted, sum 1.
    rows : ndarray of int64 (leads,)
        Their places in the signal as it was given.
    factor : int
    rate : float
        Of ``coarse`` and ``band``, Hz.
    """

    beats: Int64
    coarse: Float64
    band: Float64
    shares: Float64
    rows: Int64
    factor: int
    rate: float


def detect(signal: NDArray[np.floating], sampling_rate: float) -> Detection | None:
    """Find beats as :func:`find_beats`, and return what they were found in; None if nothing is."""
    array = np.asarray(signal, dtype=np.float64)
    if array.ndim not in (1, 2):
        raise ValueError(f"signal has {array.ndim} dimensions; 1 or 2 are needed")
    if not (np.isfinite(sampling_rate) and sampling_rate > 0):
        raise ValueError(f"the sampling rate is {sampling_rate!r}, not a positive number of Hz")
    x = array[None] if array.ndim == 1 else array
    rows = readable_rows(x)
    if rows.size == 0 or x.shape[1] < SHORTEST_S * sampling_rate or sampling_rate < 25:
        return None
    x = x if rows.size == len(x) else x[rows]
    there = np.isfinite(x)
    whole = bool(there.all())
    filled = x if whole else fill_gaps(x)
    factor = max(1, int(sampling_rate // WORKING_RATE_HZ))
    coarse = averaged(filled, factor)
    rate = sampling_rate / factor
    band = _band(coarse, rate)
    energy = _energy(band, rate)
    if energy is None:
        return None
    feature, blocks, level, sizes = energy.feature, energy.weights, energy.level, energy.sizes
    shares = blocks.mean(axis=1)

    def weights(beats: Int64) -> Float64:
        return np.sqrt(_between_blocks(blocks, beats, rate)) / sizes[:, None]

    out = level > PEAKEDNESS * energy.usual
    steady = _decide(feature, level, out, rate)
    beats = _refine(filled, steady, band, weights(steady), factor, sampling_rate)
    scaled = band * (np.sqrt(shares) / sizes)[:, None]
    if not out.all():
        candidates = _decide(feature, level, ~out, rate, FAST_REFRACTORY_S)
        ripple = level >= FAST_RIPPLE * energy.usual
        fast = [
            _recurring(coarse, scaled, shares, candidates, stretch, rate)
            for stretch in _stretches(~out & ripple, rate)
        ]
        found = np.concatenate([np.empty(0, np.int64), *fast])
        beats = np.union1d(beats, _sharpen(filled, found, weights(found), factor, sampling_rate))
    # Nothing that was recorded stands within a gap of all leads.
    if not whole and beats.size:
        something: NDArray[np.bool_] = np.asarray(there.any(axis=0))
        beats = beats[something[beats]]
    return Detection(beats, coarse, scaled, shares, rows, factor, rate)


def readable_rows(signal: NDArray[np.floating]) -> Int64:
    """Return the rows that are at least half there and are not constant."""
    finite = np.isfinite(signal)
    if finite.all() and signal.shape[1]:
        return np.flatnonzero(np.ptp(signal, axis=1) > 0)
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


def _band(x: Float64, rate: float) -> Float64:
    # Reflection at the ends keeps a beat at the edge from becoming a step.
    centred = x - median_of_rows(x)[:, None]
    pad = min(x.shape[1] - 1, round(rate))
    sos = butterworth_sos(2, (BAND_HZ[0], min(BAND_HZ[1], 0.4 * rate)), "bandpass", rate)
    return both_ways(sos, centred, pad)


def _energy(band: Float64, rate: float) -> SlopeEnergy | None:
    """Measure the energy of the slope and how high beats stand in it; None where there is none."""
    smooth = (max(1, round(SMOOTHING_S * rate)), max(1, round(TRIANGLE_S * rate)))
    limits = {
        "reach": REACH,
        "far_reach": PAUSE_REACH_BLOCKS,
        "pause_share": PAUSE_SHARE,
        "least_slope": LEAST_SLOPE_SHARE,
        "least_around": LEAST_AROUND,
        "floor_offset": FLOOR_OFFSET,
    }
    done = measure_energy(band, _hop(rate), smooth, limits)
    if done is not None:
        return done[0]
    joined = _slope_energy(band, smooth, rate)
    if joined is None:
        return None
    feature, weights = joined
    return SlopeEnergy(feature, weights, _level(feature, rate), median(feature), _sizes(band))


def _slope_energy(
    band: Float64, smooth: tuple[int, int], rate: float
) -> tuple[Float64, Float64] | None:
    """Return the root of the smoothed squared slope, joined over the leads, and their weights.

    None where there is none. The weights are (leads, blocks), of each block their sum is 1.
    """
    from scipy.ndimage import uniform_filter1d

    slope = np.gradient(band, axis=1)
    energy = uniform_filter1d(slope * slope, smooth[0], axis=1)
    energy = uniform_filter1d(energy, smooth[1], axis=1)
    maxima = _block_maxima(energy, rate)
    usual = median_of_rows(maxima)
    highest = np.abs(band).max(axis=1)
    usable = (usual > LEAST_SLOPE_SHARE * np.maximum(highest, 1e-30) ** 2) & (usual > 1e-24)
    if not usable.any():
        return None
    samples = energy.shape[1]
    usual, energy = usual[usable], energy[usable]
    if len(energy) == 1:
        # A single lead is its own energy, wherever it is high, and has all the weight.
        weights = np.repeat(usable[:, None], maxima.shape[1], axis=1).astype(np.float64)
        return np.sqrt(np.maximum(energy[0] / usual[0], 0.0)), weights
    levels = _running_median(maxima[usable], REACH)
    around = np.maximum(_around(levels, samples, rate), LEAST_AROUND * usual[:, None])
    energy /= around
    floors = _floors(energy, rate)
    weights = np.zeros_like(maxima)
    weights[usable] = (_running_median(floors, REACH) + FLOOR_OFFSET) ** -2
    weight = _around(weights[usable], samples, rate)
    together = weight.sum(axis=0)
    total = (weight * energy).sum(axis=0)
    weight *= around
    weight /= usual[:, None]
    # As high as the leads are around.
    joined = total * weight.sum(axis=0) / (together * together)
    return np.sqrt(np.maximum(joined, 0.0)), weights / weights.sum(axis=0)


def _hop(rate: float) -> int:
    """Half a block, in samples."""
    return max(1, round(LEVEL_BLOCK_S * rate / 2))


def _block_maxima(feature: Float64, rate: float) -> Float64:
    """Maxima of 2-s blocks of the last axis, one block per second."""
    hop = _hop(rate)
    samples = feature.shape[-1]
    hops = samples // hop
    if hops < 2:
        whole: Float64 = feature.max(axis=-1, keepdims=True)
        return whole
    starts = np.arange(0, hops * hop, hop)
    maxima = np.maximum.reduceat(feature[..., : hops * hop], starts, axis=-1)
    pairs: Float64 = np.maximum(maxima[..., :-1], maxima[..., 1:])
    return pairs


def _floors(feature: Float64, rate: float) -> Float64:
    """Medians of the same blocks, nearly: of each second and the one behind it, their mean."""
    hop = _hop(rate)
    hops = feature.shape[1] // hop
    if hops < 2:
        return median_of_rows(feature)[:, None]
    medians = median_of_rows(feature[:, : hops * hop].reshape(-1, hops, hop))
    pairs: Float64 = (medians[:, :-1] + medians[:, 1:]) / 2.0
    return pairs


def _between_blocks(blocks: Float64, places: Int64, rate: float) -> Float64:
    """Return the values of blocks (rows, blocks) at samples, linear between the blocks' centres."""
    hop = _hop(rate)
    if blocks.shape[1] == 1:
        return np.repeat(blocks, places.size, axis=1)
    # The centres stand a hop apart, the first one a hop from the beginning.
    inside = np.clip(places, hop, hop * blocks.shape[1])
    before = np.minimum(inside // hop - 1, blocks.shape[1] - 2)
    slope = np.diff(blocks, axis=1) / hop
    result: Float64 = slope[:, before] * (inside - (before + 1) * hop) + blocks[:, before]
    return result


def _around(blocks: Float64, samples: int, rate: float) -> Float64:
    """Spread one value per block over the samples, as :func:`_between_blocks`: (..., samples)."""
    hop = _hop(rate)
    first, last = hop, hop * blocks.shape[-1]
    result = np.empty((*blocks.shape[:-1], max(samples, last)))
    result[..., :first] = blocks[..., :1]
    slope = np.diff(blocks, axis=-1) / hop
    between = slope[..., None] * np.arange(hop) + blocks[..., :-1, None]
    result[..., first:last] = between.reshape(*blocks.shape[:-1], last - first)
    result[..., last:] = blocks[..., -1:]
    return result[..., :samples]


def _level(feature: Float64, rate: float) -> Float64:
    """How high beats stand around every sample."""
    maxima = _block_maxima(feature, rate)
    wide = _running_median(maxima, PAUSE_REACH_BLOCKS)
    level = np.maximum(_running_median(maxima, REACH), PAUSE_SHARE * wide)
    return _around(level, feature.size, rate)


def _decide(
    feature: Float64,
    level: Float64,
    where: NDArray[np.bool_],
    rate: float,
    refractory_s: float = REFRACTORY_S,
) -> Int64:
    """Return the beats among the peaks of the feature that stand where they are looked for."""
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(
        np.concatenate([[0.0], feature, [0.0]]), distance=max(1, round(refractory_s * rate))
    )
    peaks = peaks - 1
    height = feature[peaks]
    reference = level[peaks]
    candidates = where[peaks] & (reference > 0) & (height > SEARCH_SHARE * reference)
    peaks, height, reference = peaks[candidates], height[candidates], reference[candidates]
    strong = height > PRIMARY_SHARE * reference
    strong &= ~_t_waves(peaks, height, strong, rate)
    found = _without_extra(peaks, height, reference, np.flatnonzero(strong))
    if found.size >= 3:
        found = _search_pauses(peaks, height, found, rate)
    return peaks[found].astype(np.int64)


def _stretches(where: NDArray[np.bool_], rate: float) -> list[tuple[int, int]]:
    """Return the runs of a block and more, start and stop."""
    edges = np.flatnonzero(np.diff(where, prepend=False, append=False)).reshape(-1, 2)
    return [(a, b) for a, b in edges.tolist() if b - a >= LEVEL_BLOCK_S * rate]


def _recurring(
    coarse: Float64,
    band: Float64,
    shares: Float64,
    candidates: Int64,
    stretch: tuple[int, int],
    rate: float,
) -> Int64:
    """Return where the commonest shapes of the candidates recur; nowhere if most are unlike."""
    from scipy.signal import find_peaks

    start, stop = stretch
    scaled = band[:, start:stop]
    places = candidates[(candidates >= start) & (candidates < stop)] - start
    reach = round(FAST_REACH_S * rate)
    windows, _ = complexes(scaled, places[:: max(1, places.size // FAST_MEMBERS)], reach)
    apart = max(1, round(FAST_REFRACTORY_S * rate))
    likeness = np.full(stop - start, -1.0)
    for _ in range(FAST_SHAPES):
        if len(windows) < FAST_FEWEST:
            break
        shape = commonest_shape(windows, FAST_LIKENESS)
        here = recurrence(scaled, shape)
        low, high = np.percentile(here, (1.0, 99.0))
        if -low <= FAST_MIRROR * high:
            likeness = np.maximum(likeness, here)
        windows = windows[~alike_to(windows, shape, FAST_LIKENESS)]
    padded = np.concatenate([[-1.0], likeness, [-1.0]])
    beats = find_peaks(padded, height=FAST_LIKENESS, distance=apart)[0] - 1
    if beats.size < FAST_FEWEST:
        return np.empty(0, np.int64)
    intervals = np.diff(beats)
    covered = intervals[intervals <= 1.5 * np.median(intervals)].sum()
    if covered < FAST_SHARE * (stop - start) or beats.size < FAST_OF_CANDIDATES * places.size:
        return np.empty(0, np.int64)
    # The first one has no beat before it. What is nearer is the second hump of a broad complex.
    alone = np.abs(places[:, None] - beats).min(axis=1) > FAST_ALONE * np.median(intervals)
    beats = np.union1d(beats, places[alone & (likeness[places] >= FAST_LEAST_LIKENESS)])
    return _to_the_peak(coarse[:, start:stop], beats, shares) + start


def _to_the_peak(coarse: Float64, beats: Int64, shares: Float64) -> Int64:
    """Move all beats by what the largest deflection of their mean is away from its middle."""
    half = max(1, int(np.median(np.diff(beats))) // 2)
    windows, kept = complexes(coarse, beats, half)
    if kept.size == 0:
        return beats
    mean = windows.mean(axis=0)
    mean = mean - np.median(mean, axis=1, keepdims=True)
    size = np.maximum(np.abs(mean).max(axis=1, keepdims=True), 1e-30)
    place = int(np.square(mean / size * np.sqrt(shares)[:, None]).sum(axis=0).argmax())
    return np.clip(beats + place - half, 0, coarse.shape[1] - 1)


def _running_median(values: Float64, reach: int) -> Float64:
    """Median over ``reach`` neighbours on both sides of the last axis, mirrored at the ends."""
    size = values.shape[-1]
    place = np.arange(size)[:, None] + np.arange(-reach, reach + 1)
    if size > reach:
        place = np.abs(place)
        place = np.where(place >= size, 2 * (size - 1) - place, place)
    else:
        place = np.clip(place, 0, size - 1)
    return median_of_rows(values[..., place])


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
    positions = np.flatnonzero(strong)
    reach = T_WAVE_S * rate
    last_peak, last_height = -math.inf, 0.0
    several = (positions.tolist(), peaks[positions].tolist(), height[positions].tolist())
    for position, peak, high in zip(*several, strict=True):
        if peak - last_peak < reach and high < T_WAVE_SHARE * last_height:
            result[position] = True
        else:
            last_peak, last_height = peak, high
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


def _sizes(band: Float64) -> Float64:
    """How high the highest fiftieth of each lead's samples typically is."""
    count = max(1, band.shape[1] // 50)
    highest = np.partition(band * band, -count, axis=1)[:, -count:]
    sizes: Float64 = np.maximum(np.sqrt(median_of_rows(highest)), 1e-12)
    return sizes


def _refine(
    filled: Float64, beats: Int64, band: Float64, weights: Float64, factor: int, rate: float
) -> Int64:
    """Move each beat to the largest deflection within 80 ms, at the full sampling rate.

    ``weights`` are those of the leads at each beat, (leads, beats).
    """
    if beats.size == 0:
        return beats
    reach = _fine_reach(rate) | {"reach": max(1, round(REFINE_S * rate / factor)), "factor": factor}
    moved = move_to_largest(filled, band, beats, weights, reach)
    if moved is not None:
        return np.unique(moved)
    index = beats[:, None] + np.arange(-reach["reach"], reach["reach"] + 1)
    index = np.clip(index, 0, band.shape[1] - 1)
    magnitude = np.square(band[:, index] * weights[:, :, None]).sum(axis=0)
    nearest = index[np.arange(beats.size), magnitude.argmax(axis=1)]
    return _sharpen(filled, nearest, weights, factor, rate)


def _fine_reach(rate: float) -> dict[str, int]:
    """How far a beat is moved at last, and of what around it the level is taken, samples."""
    fine = max(1, round(SHARPEN_S * rate))
    return {"fine": fine, "around": max(fine + 1, round(LOCAL_S * rate))}


def _sharpen(filled: Float64, beats: Int64, weights: Float64, factor: int, rate: float) -> Int64:
    """Move each beat to the largest deflection of the unfiltered signal within 20 ms.

    Less its local median; the filter shifts sharp peaks.
    """
    if beats.size == 0:
        return beats
    reach = _fine_reach(rate) | {"reach": 0, "factor": factor}
    moved = move_to_largest(filled, None, beats, weights, reach)
    if moved is not None:
        return np.unique(moved)
    middle = beats * factor + factor // 2
    fine, around = reach["fine"], reach["around"]
    wide = np.clip(middle[:, None] + np.arange(-around, around + 1), 0, filled.shape[1] - 1)
    values = filled[:, wide]
    values = values - median_of_rows(values)[..., None]
    near = slice(around - fine, around + fine + 1)
    magnitude = np.square(values[..., near] * weights[:, :, None]).sum(axis=0)
    result = wide[:, near][np.arange(beats.size), magnitude.argmax(axis=1)]
    return np.unique(result).astype(np.int64)
