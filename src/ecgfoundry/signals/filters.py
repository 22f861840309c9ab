"""Zero-phase filters, baseline removal and z-scoring: arrays -> arrays, along the last axis.

Everything is computed in float64. Designs are cached by their parameters.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "butterworth_ba",
    "butterworth_sos",
    "joint_zscore",
    "median_baseline",
    "notch",
    "zero_phase_ba",
    "zero_phase_sos",
    "zscore_each",
]

Float64 = NDArray[np.float64]


@functools.lru_cache(maxsize=64)
def butterworth_ba(
    order: int, cutoff_hz: tuple[float, ...], kind: str, sampling_rate: float
) -> tuple[Float64, Float64]:
    """Design a Butterworth filter in the transfer-function (b, a) form.

    This form is numerically poor (a condition number of 2.8e13 for the band-pass of the released
    ECGFounder code) and is kept where a recipe uses it.
    """
    from scipy.signal import butter

    wn = cutoff_hz[0] if len(cutoff_hz) == 1 else list(cutoff_hz)
    b, a = butter(order, wn, btype=kind, fs=sampling_rate)
    return b, a


@functools.lru_cache(maxsize=64)
def butterworth_sos(
    order: int, cutoff_hz: tuple[float, ...], kind: str, sampling_rate: float
) -> Float64:
    """Design a Butterworth filter as second-order sections."""
    from scipy.signal import butter

    wn = cutoff_hz[0] if len(cutoff_hz) == 1 else list(cutoff_hz)
    sos: Float64 = butter(order, wn, btype=kind, fs=sampling_rate, output="sos")
    return sos


@functools.lru_cache(maxsize=16)
def notch(frequency_hz: float, quality: float, sampling_rate: float) -> tuple[Float64, Float64]:
    """Design the second-order notch ``scipy.signal.iirnotch``."""
    from scipy.signal import iirnotch

    b, a = iirnotch(frequency_hz, quality, sampling_rate)
    return b, a


def zero_phase_ba(b: Float64, a: Float64, signal: NDArray[Any]) -> Float64:
    """Filter forwards and backwards (``scipy.signal.filtfilt`` with its default edges)."""
    from scipy.signal import filtfilt

    # filtfilt returns a view with negative strides, which the next steps would pay for.
    return np.ascontiguousarray(filtfilt(b, a, signal, axis=-1))


def zero_phase_sos(sos: Float64, signal: NDArray[Any]) -> Float64:
    """Filter forwards and backwards (``scipy.signal.sosfiltfilt`` with its default edges)."""
    from scipy.signal import sosfiltfilt

    return np.ascontiguousarray(sosfiltfilt(sos, signal, axis=-1))


def median_baseline(signal: NDArray[Any], kernel: int) -> Float64:
    """Return the running median of each row, zeros beyond the ends (``scipy.signal.medfilt``).

    Parameters
    ----------
    signal : ndarray (..., samples)
    kernel : int
        Odd, in samples.
    """
    from scipy.ndimage import median_filter

    array = np.asarray(signal, dtype=np.float64)
    rows = array.reshape(-1, array.shape[-1])
    result = np.empty_like(rows)
    for row, out in zip(rows, result, strict=True):
        median_filter(row, size=kernel, output=out, mode="constant", cval=0.0)
    return result.reshape(array.shape)


def joint_zscore(signal: Float64, *, epsilon: float) -> Float64:
    """Return ``(x - mean) / (std + epsilon)``, one mean and deviation (ddof 0) over all leads.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        Present leads only: an absent lead must not enter the mean.
    epsilon : float
        Added to the deviation, so a flat signal gives zeros and not NaN.
    """
    result: Float64 = (signal - signal.mean()) / (signal.std() + epsilon)
    return result


def zscore_each(signal: Float64, *, flat_below: float) -> Float64:
    """Return the z-score (ddof 0) of each row; a deviation under ``flat_below`` gives zeros."""
    deviation = signal.std(axis=-1, keepdims=True)
    centred = signal - signal.mean(axis=-1, keepdims=True)
    result: Float64 = centred / np.where(deviation < flat_below, np.inf, deviation)
    return result
