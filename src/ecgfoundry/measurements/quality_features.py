"""What the model of signal quality looks at: figures of each lead, and of a window as a whole.

Band-limited parts come from one Fourier transform of each lead, whose ends were brought to one
level first. Nothing depends on the resolution of the converter or, from 200 Hz on, on the rate.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.lead_features_kernel import measure_leads
from ecgfoundry.measurements.medians import median_of_rows
from ecgfoundry.signals.quality import LeadQuality

__all__ = ["LEAD_FEATURES", "WINDOW_FEATURES", "lead_features", "window_features"]

Float64 = NDArray[np.float64]

PIECE_S = 1.0
STILL_MV = 0.05  # from peak to peak, of a piece in which no complex stands
LEAST_MV = 1e-3  # added below each logarithm
LEAST_RANGE_MV = 0.01  # added to the usual range of a piece before dividing by it
ECG_HZ, SLOW_HZ, QRS_HZ, ABOVE_HZ = (0.5, 40.0), (0.0, 0.7), (5.0, 15.0), (40.0, 100.0)
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
    measured = _measured(np.asarray(signal), sampling_rate)
    known = np.full(len(measured), np.nan) if snr_db is None else np.asarray(snr_db, np.float64)
    known = np.where(np.isfinite(known), known, NO_SNR_DB)
    # In the order of LEAD_FEATURES.
    result = np.empty((len(measured), len(LEAD_FEATURES)))
    result[:, :7] = measured[:, :7]
    result[:, 7:9] = measured[:, 1:3] / (measured[:, :1] + LEAST_MV)
    result[:, 9:15] = measured[:, 7:]
    result[:, 5:7] = 1.0  # no logarithms
    result[:, :15] = np.log10(result[:, :15] + LEAST_MV)
    result[:, 5] = measured[:, 5]
    result[:, 6] = np.clip(measured[:, 6], -2.0, 60.0) / 10.0
    result[:, 15:21] = [
        (
            quality.missing_share,
            quality.flat_share,
            quality.saturated_share,
            quality.noise_share or 0.0,
            quality.mains_share or 0.0,
            quality.wander_share or 0.0,
        )
        for quality in qualities
    ]
    result[:, 21] = np.clip(known, NO_SNR_DB, 40.0)
    return result


@dataclass(frozen=True, slots=True)
class _Parts:
    """Bins of the spectrum, the first one and that before which they end, and pieces."""

    middle: tuple[int, int]
    slow: tuple[int, int]
    qrs: tuple[int, int]
    above: tuple[int, int]
    piece: int
    pieces: int


@functools.lru_cache(maxsize=16)
def _parts(samples: int, sampling_rate: float) -> _Parts:
    hertz = np.fft.rfftfreq(samples, 1.0 / sampling_rate)

    def between(band: tuple[float, float]) -> tuple[int, int]:
        first, end = np.searchsorted(hertz, band).tolist()
        return first, end

    length = max(1, round(PIECE_S * sampling_rate))
    return _Parts(
        middle=between(ECG_HZ),
        slow=between(SLOW_HZ),
        qrs=between(QRS_HZ),
        above=between(ABOVE_HZ),
        piece=min(length, samples),
        pieces=max(1, samples // length),
    )


def _measured(signal: NDArray[np.floating], sampling_rate: float) -> Float64:
    """Return the figures of :mod:`~ecgfoundry.measurements.lead_features_kernel`."""
    parts = _parts(signal.shape[1], float(sampling_rate))
    limits: dict[str, float | tuple[int, int]] = {
        "piece": parts.piece,
        "pieces": parts.pieces,
        "middle": parts.middle,
        "qrs": parts.qrs,
        "above": parts.above,
        "slow": parts.slow[1],
        "rate": sampling_rate,
        "still": STILL_MV,
        "least_range": LEAST_RANGE_MV,
    }
    done = measure_leads(signal, limits)
    return _measured_by_numpy(signal, sampling_rate, parts) if done is None else done


def _measured_by_numpy(
    signal: NDArray[np.floating], sampling_rate: float, parts: _Parts
) -> Float64:
    there = np.isfinite(signal)
    x = np.array(signal if there.all() else np.where(there, signal, 0.0), dtype=np.float64)
    count, samples = x.shape
    x -= median_of_rows(x)[:, None]
    steps = np.diff(x, axis=1)
    slope = np.maximum(steps.max(axis=1), -steps.min(axis=1)) * sampling_rate
    largest = np.maximum(x.max(axis=1), -x.min(axis=1))
    x -= _lines(x[:, :1], x[:, -1:], samples)
    spectrum = np.fft.rfft(x, axis=1)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)

    def deviation(first: int, end: int) -> Float64:
        own = power[:, max(first, 1) : end]
        result: Float64 = np.sqrt(own.sum(axis=1) * (2.0 / samples**2))
        return result

    def part(first: int, end: int) -> Float64:
        kept = spectrum[:, :end].copy()  # what is behind counts as zero
        kept[:, :first] = 0.0
        return np.fft.irfft(kept, samples, axis=1)

    middle, slow = part(*parts.middle), part(*parts.slow)
    size = parts.piece * parts.pieces
    cut = middle[:, :size].reshape(count, parts.pieces, -1)
    ranges = cut.max(axis=2) - cut.min(axis=2)
    deviations = cut.std(axis=2)
    drift = slow[:, :size].reshape(count, parts.pieces, -1).mean(axis=2).std(axis=1)
    middle -= middle.mean(axis=1, keepdims=True)
    square = np.square(middle)
    fourth = np.einsum("ij,ij->i", square, square) / samples
    columns = (
        *(deviation(*band) for band in (parts.middle, parts.qrs, parts.above, parts.slow)),
        largest,
        (ranges < STILL_MV).mean(axis=1),
        fourth / np.maximum(square.mean(axis=1) ** 2, 1e-12) - 3.0,
        deviations.max(axis=1),
        deviations.min(axis=1),
        drift,
        slope,
        ranges.max(axis=1) / (median_of_rows(ranges) + LEAST_RANGE_MV),
        np.ptp(slow, axis=1),
    )
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
