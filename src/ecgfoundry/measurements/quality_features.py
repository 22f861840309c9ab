"""What the model of signal quality looks at: figures of each lead, and of a window as a whole.

Band-limited parts come from one Fourier transform of each lead, whose ends were brought to one
level first. Nothing depends on the resolution of the converter or, from 200 Hz on, on the rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.medians import median_of_rows
from ecgfoundry.signals.quality import LeadQuality

__all__ = ["LEAD_FEATURES", "WINDOW_FEATURES", "lead_features", "window_features"]

Float64 = NDArray[np.float64]

PIECE_S = 1.0
STILL_MV = 0.05  # from peak to peak, of a piece in which no complex stands
LEAST_MV = 1e-3  # added below each logarithm
NO_SNR_DB = -20.0  # where no beats were found to measure it by

LEAD_FEATURES = (
    "level", "qrs_band", "above_40_hz", "below_0_7_hz", "largest", "still_share", "kurtosis",
    "qrs_share", "noise_ratio", "loudest_piece", "quietest_piece", "drift", "steepest",
    "uneven", "wander", "missing_share", "flat_share", "saturated_share", "noise_share",
    "mains_share", "wander_share", "snr_db",
)  # fmt: skip
"""Logarithms to base ten of mV but for shares, kurtosis / 10, and dB."""

_RECOGNITION = (
    "rate", "contrast", "likeness", "mirror", "steepness", "balance", "sharp_share", "step",
    "focus",
)  # fmt: skip
_QUANTILES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)

WINDOW_FEATURES = (
    *(f"{name} at {q:g}" for q in _QUANTILES for name in LEAD_FEATURES),
    *(f"{name} mean" for name in LEAD_FEATURES),
    *_RECOGNITION,
    "unreadable leads",
)
"""Of the leads that are there: quantiles and mean of each figure, and what recognised the beats."""


def lead_features(
    signal: NDArray[np.floating],
    sampling_rate: float,
    qualities: Sequence[LeadQuality],
    snr_db: Float64 | None,
) -> Float64:
    """Return the features of leads, (leads, features).

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV, NaN = missing.
    sampling_rate : float
        Hz.
    qualities : sequence of LeadQuality
        Of each row.
    snr_db : ndarray (leads,) or None
        Of each row; NaN where it is not known.
    """
    there = np.isfinite(signal)
    x = np.array(signal if there.all() else np.where(there, signal, 0.0), dtype=np.float64)
    count, samples = x.shape
    x -= median_of_rows(x)[:, None]
    steps = np.diff(x, axis=1)
    slope = np.maximum(steps.max(axis=1), -steps.min(axis=1)) * sampling_rate
    largest = np.maximum(x.max(axis=1), -x.min(axis=1))
    x -= _lines(x[:, :1], x[:, -1:], samples)
    spectrum = np.fft.rfft(x, axis=1)
    hertz = np.fft.rfftfreq(samples, 1.0 / sampling_rate)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)

    def between(low: float, high: float) -> slice:
        return slice(*np.searchsorted(hertz, (low, high)).tolist())

    def deviation(low: float, high: float) -> Float64:
        chosen = between(low, high)
        own = power[:, max(chosen.start, 1) : chosen.stop]
        result: Float64 = np.sqrt(own.sum(axis=1) * (2.0 / samples**2))
        return result

    def part(low: float, high: float) -> Float64:
        chosen = between(low, high)
        kept = spectrum[:, : chosen.stop].copy()  # what is behind counts as zero
        kept[:, : chosen.start] = 0.0
        return np.fft.irfft(kept, samples, axis=1)

    middle, slow = part(0.5, 40.0), part(0.0, 0.7)
    length = max(1, round(PIECE_S * sampling_rate))
    pieces = max(1, samples // length)
    size = min(length, samples) * pieces
    cut = middle[:, :size].reshape(count, pieces, -1)
    ranges = cut.max(axis=2) - cut.min(axis=2)
    deviations = cut.std(axis=2)
    drift = slow[:, :size].reshape(count, pieces, -1).mean(axis=2).std(axis=1)
    level = deviation(0.5, 40.0)
    middle -= middle.mean(axis=1, keepdims=True)
    square = np.square(middle)
    fourth = np.einsum("ij,ij->i", square, square) / samples
    kurtosis = fourth / np.maximum(square.mean(axis=1) ** 2, 1e-12) - 3.0
    qrs, above = deviation(5.0, 15.0), deviation(40.0, 100.0)
    known = np.full(count, np.nan) if snr_db is None else np.asarray(snr_db, dtype=np.float64)
    shares = [
        [
            quality.missing_share,
            quality.flat_share,
            quality.saturated_share,
            quality.noise_share or 0.0,
            quality.mains_share or 0.0,
            quality.wander_share or 0.0,
        ]
        for quality in qualities
    ]
    columns = [
        _log(level),
        _log(qrs),
        _log(above),
        _log(deviation(0.0, 0.7)),
        _log(largest),
        (ranges < STILL_MV).mean(axis=1),
        np.clip(kurtosis, -2.0, 60.0) / 10.0,
        _log(qrs / (level + LEAST_MV)),
        _log(above / (level + LEAST_MV)),
        _log(deviations.max(axis=1)),
        _log(deviations.min(axis=1)),
        _log(drift),
        _log(slope),
        _log(ranges.max(axis=1) / (median_of_rows(ranges) + 0.01)),
        _log(np.ptp(slow, axis=1)),
        *np.array(shares).reshape(count, 6).T,
        np.clip(np.where(np.isfinite(known), known, NO_SNR_DB), NO_SNR_DB, 40.0),
    ]
    return np.stack(columns, axis=1)


def _lines(first: Float64, last: Float64, samples: int) -> Float64:
    """Return straight lines (rows, samples): ``numpy.linspace``, but row by row in memory."""
    lines = np.arange(samples) * ((last - first) / max(1, samples - 1)) + first
    lines[:, -1:] = last
    return lines


def window_features(leads: Float64, figures: Mapping[str, float], unreadable: int) -> Float64:
    """Return the features of a window.

    Parameters
    ----------
    leads : ndarray (leads, features)
        From :func:`lead_features`, unreadable ones among them.
    figures : mapping
        Of :class:`ecgfoundry.measurements.recognition.Recognition`.
    unreadable : int
        Leads that are flat or mostly missing.
    """
    quantiles = np.quantile(leads, _QUANTILES, axis=0)
    recognised = [figures.get(name, -1.0) for name in _RECOGNITION]
    return np.concatenate(
        [quantiles.ravel(), leads.mean(axis=0), np.clip(recognised, -1.0, 500.0), [unreadable]]
    )


def _log(values: Float64) -> Float64:
    result: Float64 = np.log10(values + LEAST_MV)
    return result
