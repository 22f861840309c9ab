"""How alike complexes are: their commonest shape, and where it recurs.

Shapes are compared by the correlation of short stretches of all leads at once, so that each lead
counts by its energy; a caller scales the leads beforehand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["alike_to", "commonest_shape", "complexes", "correlations", "recurrence"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def complexes(signal: Float64, places: Int64, reach: int) -> tuple[Float64, Int64]:
    """Cut ``reach`` samples to either side of each place that has them.

    Parameters
    ----------
    signal : ndarray (leads, samples)
    places : ndarray of int64 (n,)
    reach : int

    Returns
    -------
    windows : ndarray (m, leads, 2 reach + 1)
    kept : ndarray of int64 (m,)
        Numbers of the places that were cut.
    """
    kept = np.flatnonzero((places >= reach) & (places < signal.shape[1] - reach))
    index = places[kept][:, None] + np.arange(-reach, reach + 1)
    windows: Float64 = np.moveaxis(signal[:, index], 0, 1)
    return windows, kept.astype(np.int64)


def correlations(windows: Float64) -> Float64:
    """Return the correlation of each of n windows (n, leads, samples) with each, (n, n).

    Every lead's mean is taken away; a window without any deflection has correlation 0.
    """
    flat = windows - windows.mean(axis=2, keepdims=True)
    flat = flat.reshape(len(windows), windows.shape[1] * windows.shape[2])
    size = np.sqrt((flat * flat).sum(axis=1, keepdims=True))
    unit = np.divide(flat, size, out=np.zeros_like(flat), where=size > 0)
    result: Float64 = unit @ unit.T
    return result


def commonest_shape(windows: Float64, likeness: float) -> Float64:
    """Return the mean (leads, samples) of the windows that are like the one that most are like.

    Parameters
    ----------
    windows : ndarray (n, leads, samples)
        At least one.
    likeness : float
        From this correlation on two windows are alike.
    """
    alike = correlations(windows) >= likeness
    chosen = alike[alike.sum(axis=1).argmax()]
    mean: Float64 = windows[chosen].mean(axis=0) if chosen.any() else windows[0]
    return mean


def alike_to(windows: Float64, shape: Float64, likeness: float) -> NDArray[np.bool_]:
    """Return which of the windows (n, leads, samples) have at least this correlation with a shape.

    One of them always has: that which is most like it.
    """
    row = correlations(np.concatenate([shape[np.newaxis], windows]))[0, 1:]
    result: NDArray[np.bool_] = row >= min(likeness, float(row.max()))
    return result


def recurrence(signal: Float64, shape: Float64) -> Float64:
    """Return the correlation of a shape with the signal around every sample, (samples,).

    Parameters
    ----------
    signal : ndarray (leads, samples)
        Without offset: means are not taken away.
    shape : ndarray (leads, 2 reach + 1)

    Beyond the ends nothing is compared; where less than half of the shape's energy is inside, the
    result is 0.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    reach, samples = shape.shape[1] // 2, signal.shape[1]
    turned = shape[:, ::-1]
    length = next_fast_len(samples + 2 * reach, real=True)
    # The leads are summed before the way back: one inverse transform for all of them.
    spectrum = (rfft(signal, length, axis=1) * rfft(turned, length, axis=1)).sum(axis=0)
    product = irfft(spectrum, length)[reach : reach + samples]
    # Energies of what of the signal, and of the shape, lies within the reach of every sample.
    sums = _running_sums(np.square(signal).sum(axis=0))
    sums = np.concatenate([np.zeros(reach), sums, np.full(reach, sums[-1])])
    around = sums[2 * reach + 1 :] - sums[:samples]
    sums = _running_sums(np.square(turned).sum(axis=0))
    ends = min(reach, samples)
    inside = np.full(samples, sums[-1])
    inside[:ends] = sums[reach + 1 : reach + 1 + ends]
    inside[samples - ends :] -= sums[reach + 1 - ends : reach + 1]
    size = np.sqrt(np.maximum(around, 0.0) * inside)
    enough = (inside >= 0.5 * inside.max()) & (size > 1e-12 * size.max(initial=0.0))
    result: Float64 = np.divide(product, size, out=np.zeros_like(product), where=enough)
    return result


def _running_sums(values: Float64) -> Float64:
    """Return the sum of the first 0, 1, 2 ... values."""
    return np.concatenate([[0.0], np.cumsum(values)])
