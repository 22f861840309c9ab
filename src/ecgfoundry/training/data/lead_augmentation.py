"""Augmentation of standardized twelve-lead windows: lead subsets, the frontal axis, time, noise.

Pure functions on NumPy arrays; all randomness comes from the generator that is handed in. Windows
are (batch, 12, samples) in the order I II III aVR aVL aVF V1-V6 and were standardized lead by lead,
so everything in the frontal plane first gets its scales back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.leads import LIMB_COEFFICIENTS, LIMB_LEADS, STANDARD_12_LEADS

__all__ = [
    "add_noise",
    "draw_lead_subsets",
    "frontal_scales",
    "project_axis",
    "restore_limb_leads",
    "rotate_frontal_axis",
    "standardize_leads",
    "stretch_time",
]

Float32 = NDArray[np.float32]

_LIMB_MATRIX = np.array([LIMB_COEFFICIENTS[lead] for lead in LIMB_LEADS])
_TINY = 1e-6


def standardize_leads(signal: NDArray[np.floating]) -> Float32:
    """Subtract each lead's mean and divide by its standard deviation (ddof 0).

    Parameters
    ----------
    signal : ndarray (..., samples)

    Returns
    -------
    ndarray, float32
        A lead without variation becomes zero.
    """
    centred = signal - signal.mean(axis=-1, keepdims=True)
    deviation = centred.std(axis=-1, keepdims=True)
    result: Float32 = (centred / np.maximum(deviation, _TINY)).astype(np.float32)
    return result


def frontal_scales(signal: NDArray[np.floating]) -> NDArray[np.float64]:
    """Standard deviations that leads I and II had, in units of lead III's.

    Parameters
    ----------
    signal : ndarray (batch, leads, samples)
        I, II and III first, each standardized alone.

    Returns
    -------
    ndarray (batch, 2)
        ``s_I / s_III`` and ``s_II / s_III``: since III = II - I, these are ``b`` and ``a`` of the
        least-squares fit ``x_III = a x_II - b x_I``.

    Notes
    -----
    Clipped to [0.05, 20] (our choice): beyond, one of the leads is so small that the fit is noise.
    """
    first, second, third = (signal[:, k].astype(np.float64) for k in range(3))
    s11, s22 = (first * first).mean(-1), (second * second).mean(-1)
    s12 = (first * second).mean(-1)
    s13, s23 = (first * third).mean(-1), (second * third).mean(-1)
    determinant = np.maximum(s11 * s22 - s12 * s12, 1e-4)
    a = (s23 * s11 - s13 * s12) / determinant
    b = (s23 * s12 - s13 * s22) / determinant
    return np.clip(np.stack([b, a], axis=1), 0.05, 20.0)


def restore_limb_leads(signal: NDArray[np.floating]) -> Float32:
    """Bring the six limb leads onto one common scale.

    Parameters
    ----------
    signal : ndarray (batch, leads, samples)
        I, II and III first, each standardized alone.

    Returns
    -------
    ndarray, float32 (batch, 6, samples)
        I II III aVR aVL aVF without their means, in units of lead III's standard deviation: lead
        algebra and axis projection hold again. The absolute scale stays unknown.
    """
    scaled = signal[:, :2] * frontal_scales(signal)[:, :, None]
    result: Float32 = np.einsum("lk,bkt->blt", _LIMB_MATRIX, scaled).astype(np.float32)
    return result


def project_axis(signal: NDArray[np.floating], angle_degrees: ArrayLike) -> Float32:
    """Project the frontal plane of each window onto an axis and standardize.

    ``L(t) = I cos t + ((2 II - I) / sqrt(3)) sin t`` with the scales restored first.

    Parameters
    ----------
    signal : ndarray (batch, leads, samples)
        I, II and III first, each standardized alone.
    angle_degrees : array_like, scalar or (batch,)
        Axis, clockwise from lead I.

    Returns
    -------
    ndarray, float32 (batch, samples)
    """
    limb = restore_limb_leads(signal)
    angle = np.radians(np.broadcast_to(np.asarray(angle_degrees, dtype=np.float64), len(signal)))
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return standardize_leads(limb[:, 0] * cosine + (2 * limb[:, 1] - limb[:, 0]) / 3**0.5 * sine)


def rotate_frontal_axis(signal: NDArray[np.floating], angle_degrees: ArrayLike) -> Float32:
    """Turn the heart vector in the frontal plane; the chest leads stay.

    Parameters
    ----------
    signal : ndarray (batch, 12, samples)
        Each lead standardized alone.
    angle_degrees : array_like, scalar or (batch,)
        Positive turns the axis clockwise (to the right): what stood on lead I's axis at 0 degrees
        stands at this angle afterwards. At 0 a window is returned as it is.

    Returns
    -------
    ndarray, float32 (batch, 12, samples)
        Each lead standardized alone, III = II - I with the restored scales.
    """
    angle = np.radians(np.broadcast_to(np.asarray(angle_degrees, dtype=np.float64), len(signal)))
    limb = restore_limb_leads(signal)
    cosine = np.cos(angle)[:, None].astype(np.float32)
    sine = np.sin(angle)[:, None].astype(np.float32)
    across, down = limb[:, 0], (2 * limb[:, 1] - limb[:, 0]) / np.float32(3**0.5)
    first = across * cosine - down * sine
    second = (first + np.float32(3**0.5) * (across * sine + down * cosine)) / 2
    turned = np.einsum("lk,bkt->blt", _LIMB_MATRIX, np.stack([first, second], axis=1))
    result = signal.astype(np.float32, copy=True)
    moved = angle != 0.0
    result[moved, : len(LIMB_LEADS)] = standardize_leads(turned)[moved]
    return result


def stretch_time(signal: NDArray[np.floating], factor: ArrayLike) -> Float32:
    """Read windows faster or slower by linear interpolation; the end wraps to the beginning.

    Parameters
    ----------
    signal : ndarray (batch, leads, samples)
    factor : array_like, scalar or (batch,)
        Above 1 the heart beats faster. 1 returns the window as it is.
    """
    count, _, samples = signal.shape
    speed = np.broadcast_to(np.asarray(factor, dtype=np.float64), count)
    result = signal.astype(np.float32, copy=True)
    for row in np.flatnonzero(speed != 1.0):
        place = (np.arange(samples) * speed[row]) % (samples - 1)
        left = place.astype(np.int64)
        share = (place - left).astype(np.float32)
        result[row] = signal[row][:, left] * (1 - share) + signal[row][:, left + 1] * share
    return result


def add_noise(
    signal: NDArray[np.floating], generator: np.random.Generator, *, most: float = 0.15
) -> Float32:
    """Add smoothed white noise of a random strength to each lead.

    Parameters
    ----------
    signal : ndarray (batch, leads, samples)
        Standardized.
    generator : numpy.random.Generator
    most : float
        Largest standard deviation before the 3-point smoothing, in units of the lead's own; each
        lead draws its own uniformly below it (our choice).
    """
    noise = generator.standard_normal(signal.shape, dtype=np.float32)
    noise[..., 1:-1] = (noise[..., :-2] + noise[..., 1:-1] + noise[..., 2:]) / 3
    strength = generator.random((*signal.shape[:2], 1), dtype=np.float32) * np.float32(most)
    return signal.astype(np.float32) + noise * strength


def draw_lead_subsets(
    count: int,
    generator: np.random.Generator,
    *,
    random_share: float = 0.35,
    limb_share: float = 0.15,
) -> Float32:
    """Draw which leads are there: all, the six limb leads, or a random choice.

    Parameters
    ----------
    count : int
    generator : numpy.random.Generator
    random_share : float
        Share with a random subset: its size is uniform from 1 to 11.
    limb_share : float
        Share with the limb leads alone.

    Returns
    -------
    ndarray, float32 (count, 12)
        1 where a lead is there. Any two limb leads imply all six, because the others are derived
        from them before standardization.
    """
    leads, limb = len(STANDARD_12_LEADS), len(LIMB_LEADS)
    kind = generator.random(count)
    size = generator.integers(1, leads, count)
    # The ranks of random numbers are a random order of the leads.
    order = generator.random((count, leads)).argsort(axis=1).argsort(axis=1)
    presence = np.ones((count, leads), dtype=np.float32)
    chosen = kind < random_share
    presence[chosen] = order[chosen] < size[chosen, None]
    presence[(kind >= random_share) & (kind < random_share + limb_share), limb:] = 0.0
    derivable = presence[:, :limb].sum(axis=1) >= 2
    presence[derivable, :limb] = 1.0
    return presence
