"""Noise within the band of the ECG: how far the heartbeats stand out from what does not recur.

Noise above 40 Hz, mains and wander are told from an ECG by their frequency; between 5 and 40 Hz
only by not recurring. What every beat differs by from the other beats of its shape, outside its QRS
complex, is noise; the rest of the power is the ECG. Of fibrillation the atrial waves count as
noise. ``python -m benchmarks.experiments.noise`` adds noise of known power to records and prints
the error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.medians import median, median_of_rows
from ecgfoundry.measurements.recognition_kernel import noise_ratio
from ecgfoundry.signals.filters import butterworth_sos, zero_phase_sos

__all__ = ["NOISE_BAND_HZ", "signal_to_noise_db"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

NOISE_BAND_HZ = (5.0, 40.0)
"""Below it lie baseline and T waves, above it :mod:`ecgfoundry.signals.quality` looks (our choice).
"""
MOST_OF_RATE = 0.45
"""The band ends at this share of the sampling rate at most."""
FILTER_ORDER = 4
BEFORE_S, AFTER_S = 0.30, 0.50
BEFORE_SHARE, AFTER_SHARE = 0.45, 0.55
"""A beat reaches so far, and no further than these shares of the usual interval (our choice)."""
QRS_S = 0.07
"""To either side of a beat nothing is compared: complexes grow and shrink with the breath."""
NEIGHBOUR_S = 0.12
"""Nor so near to another beat."""
FEWEST_BEATS = 2
LOWEST_DB, HIGHEST_DB = -10.0, 60.0
"""Nothing beyond is said: there is no ECG left to measure, or no noise."""


def signal_to_noise_db(
    coarse: Float64, beats: Int64, alike: Bool, sampling_rate: float
) -> Float64 | None:
    """Return the power of the ECG over that of the noise between 5 and 40 Hz, per lead.

    Parameters
    ----------
    coarse : ndarray (leads, samples)
        Any unit, without gaps.
    beats : ndarray, int64 (beats,)
        Sample numbers of the R peaks, in order.
    alike : ndarray, bool (beats, beats)
        Which beats have the same shape. A beat that is like no other is left out unless all are.
    sampling_rate : float
        Hz.

    Returns
    -------
    ndarray (leads,) or None
        dB, -10 to 60. None with fewer than two beats.
    """
    samples = coarse.shape[1]
    if beats.size < FEWEST_BEATS:
        return None
    interval = median(np.diff(beats))
    before = round(min(BEFORE_S * sampling_rate, BEFORE_SHARE * interval))
    after = round(min(AFTER_S * sampling_rate, AFTER_SHARE * interval))
    inside = (beats >= before) & (beats < samples - after)
    if inside.sum() < FEWEST_BEATS:
        return None
    band = _in_band(coarse, sampling_rate)
    reach = {"before": before, "after": after, "neighbour": round(NEIGHBOUR_S * sampling_rate)}
    limits = {"qrs": QRS_S * sampling_rate, "floor": 10.0 ** (-HIGHEST_DB / 10.0)}
    found = noise_ratio(band, beats, alike, reach | limits)
    ratio = _ratio(band, beats, alike, inside, reach, limits) if found is None else found[0]
    if ratio is None:
        return None
    lowest, highest = 10.0 ** (LOWEST_DB / 10.0), 10.0 ** (HIGHEST_DB / 10.0)
    result: Float64 = 10.0 * np.log10(np.clip(ratio, lowest, highest))
    return result


def _ratio(
    band: Float64,
    beats: Int64,
    alike: Bool,
    inside: Bool,
    reach: dict[str, int],
    limits: dict[str, float],
) -> Float64 | None:
    """Return the power of the beats over that of the noise, by NumPy."""
    power = np.square(band).mean(axis=1)
    other = _others(alike[np.ix_(inside, inside)])
    offsets = np.arange(-reach["before"], reach["after"] + 1)
    index = beats[inside][:, None] + offsets
    free = _away_from_others(beats, inside, index, reach["neighbour"])
    compared = free & (np.abs(offsets) > limits["qrs"])
    pieces = band[:, index] * free  # leads, beats, samples
    count = other @ free
    expected = (other @ pieces) / np.maximum(count, 1.0)
    compared &= count >= 1
    if not compared.any():
        return None
    # The mean of m other beats has noise of its own: the difference has 1 + 1/m times that of one.
    weight = compared / (1.0 + 1.0 / np.maximum(count, 1.0))
    noise = (np.square(pieces - expected) * weight).sum(axis=(1, 2)) / compared.sum()
    result: Float64 = (power - noise) / np.maximum(noise, power * limits["floor"] + 1e-300)
    return result


def _in_band(coarse: Float64, sampling_rate: float) -> Float64:
    high = min(NOISE_BAND_HZ[1], MOST_OF_RATE * sampling_rate)
    sos = butterworth_sos(FILTER_ORDER, (NOISE_BAND_HZ[0], high), "bandpass", sampling_rate)
    return zero_phase_sos(sos, coarse - median_of_rows(coarse)[:, None])


def _others(alike: Bool) -> Float64:
    """Which beats each is compared with: those of its shape but itself."""
    other = alike.astype(np.float64)
    np.fill_diagonal(other, 0.0)
    if other.sum() == 0:
        other[:] = 1.0
        np.fill_diagonal(other, 0.0)
    return other


def _away_from_others(beats: Int64, inside: Bool, index: Int64, reach: int) -> Bool:
    """Mark the samples of every piece that are not near to the beat before or after."""
    chosen = np.flatnonzero(inside)
    previous = np.where(chosen > 0, beats[chosen - 1], np.iinfo(np.int64).min // 2)
    last = beats.size - 1
    following = np.where(chosen < last, beats[np.minimum(chosen + 1, last)], np.iinfo(np.int64).max)
    result: Bool = (index > previous[:, None] + reach) & (index < following[:, None] - reach)
    return result
