"""Zero-phase filters, baseline removal and z-scoring: arrays -> arrays, along the last axis.

Everything is computed in float64. Designs are cached by their parameters.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.signals.kernels import correlate_rows, filter_both_ways

__all__ = [
    "averaged",
    "both_ways",
    "butterworth_ba",
    "butterworth_sos",
    "gaussian",
    "joint_zscore",
    "median_baseline",
    "notch",
    "zero_phase_ba",
    "zero_phase_sos",
    "zscore_each",
]

Float64 = NDArray[np.float64]


def averaged(signal: Float64, factor: int) -> Float64:
    """Average ``factor`` samples each: (rows, samples) to (rows, samples // factor).

    Zeros of the average fall on what would fold to 0 Hz. Summed column by column, which is faster
    than a mean over a short axis.
    """
    if factor == 1:
        return signal
    count = signal.shape[1] // factor
    groups = signal[:, : count * factor].reshape(len(signal), count, factor)
    total: Float64 = groups[..., 0] + groups[..., 1]
    for column in range(2, factor):
        total += groups[..., column]
    total /= factor
    return total


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
    """Filter forwards and backwards (``scipy.signal.sosfiltfilt`` with its default edges).

    The state in which the sections begin is kept: SciPy works it out at every call, which takes
    as long as filtering a window.
    """
    # As many poles or zeros as stand at the origin do not lengthen the edges.
    ends = min(int((sos[:, 2] == 0).sum()), int((sos[:, 5] == 0).sum()))
    pad = 3 * (2 * len(sos) + 1 - ends)
    if signal.shape[-1] <= pad:
        raise ValueError(f"the signal has {signal.shape[-1]} samples; more than {pad} are needed")
    return both_ways(sos, signal, pad)


def both_ways(sos: Float64, signal: NDArray[Any], pad: int) -> Float64:
    """Filter the last axis forwards and backwards, after ``pad`` samples turned about each end.

    Parameters
    ----------
    sos : ndarray (sections, 6)
    signal : ndarray (..., samples)
        More samples than ``pad``.
    pad : int

    Returns
    -------
    ndarray, float64 (..., samples)
    """
    steady = _steady_state(sos.tobytes())
    x = np.asarray(signal, dtype=np.float64)
    done = filter_both_ways(sos, steady, x, pad)
    return _both_ways_by_scipy(sos, steady, x, pad) if done is None else done


def _both_ways_by_scipy(sos: Float64, steady: Float64, x: Float64, pad: int) -> Float64:
    from scipy.signal import sosfilt

    steady = steady.reshape(len(sos), *(1,) * (x.ndim - 1), 2)
    if pad > 0:
        before = 2 * x[..., :1] - x[..., pad:0:-1]
        behind = 2 * x[..., -1:] - x[..., -2 : -pad - 2 : -1]
        x = np.concatenate([before, x, behind], axis=-1)
    there, _ = sosfilt(sos, x, axis=-1, zi=steady * x[..., :1])
    back, _ = sosfilt(sos, there[..., ::-1], axis=-1, zi=steady * there[..., -1:])
    both: Float64 = back[..., ::-1]
    # A view with negative strides, which the next steps would pay for.
    return np.ascontiguousarray(both[..., pad:-pad] if pad > 0 else both)


@functools.lru_cache(maxsize=64)
def _steady_state(sos: bytes) -> Float64:
    """Return the state of second-order sections (float64, row by row) in a steady 1."""
    from scipy.signal import sosfilt_zi

    steady: Float64 = sosfilt_zi(np.frombuffer(sos, dtype=np.float64).reshape(-1, 6).copy())
    return steady


def gaussian(
    signal: Float64, deviation: float, *, derivative: int = 0, truncate: float = 4.0
) -> Float64:
    """Smooth rows by a Gaussian, or by its first or second derivative.

    Parameters
    ----------
    signal : ndarray, float64 (rows, samples)
        Mirrored at the ends.
    deviation : float
        Standard deviation of the Gaussian, in samples.
    derivative : int
        0, 1 or 2.
    truncate : float
        Where the Gaussian ends, in standard deviations.

    Returns
    -------
    ndarray, float64 (rows, samples)
        As ``scipy.ndimage.gaussian_filter1d`` gives it.
    """
    weight = _gaussian_weight(float(deviation), derivative, truncate)
    done = correlate_rows(signal, weight, symmetric=derivative != 1)
    if done is not None:
        return done
    from scipy.ndimage import correlate1d

    result: Float64 = correlate1d(signal, weight, axis=1)
    return result


@functools.lru_cache(maxsize=64)
def _gaussian_weight(deviation: float, derivative: int, truncate: float) -> Float64:
    """Return the weights by which SciPy correlates."""
    from scipy.ndimage import gaussian_filter1d

    # The answer to an impulse, turned about, is the kernel itself; nothing of it is folded back.
    reach = int(truncate * deviation + 0.5)
    impulse = np.zeros(4 * reach + 1)
    impulse[2 * reach] = 1.0
    answer = gaussian_filter1d(impulse, deviation, order=derivative, truncate=truncate)
    weight: Float64 = answer[reach : 3 * reach + 1][::-1].copy()
    weight.setflags(write=False)
    return weight


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
