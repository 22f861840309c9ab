"""The power of bands of many rows by the compiled kernels (``native/spectrum.c``)."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.native.jobs import Job, arrays, as_read, counts

__all__ = ["band_powers", "turns"]

Float64 = NDArray[np.float64]


class _BandPowerJob(Job):  # ecgfoundry_band_power_job of spectrum.h
    kernel = "band_power"
    _fields_ = (
        *arrays("input", "turns", "taper", "band", "power"),
        *counts("rows", "samples", "bands"),
    )


@functools.lru_cache(maxsize=16)
def turns(samples: int) -> Float64:
    """Return cosine and sine of -2 pi k / samples for every k, (samples, 2)."""
    angle = np.arange(samples) * (-2.0 * np.pi / samples)
    result = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    result.flags.writeable = False
    return result


def band_powers(rows: Float64, taper: Float64, bands: NDArray[np.int64]) -> Float64 | None:
    """Return the sums of the squared spectrum in bands of bins, (rows, bands).

    None without kernels or where they do not take the length: an even one made of 2, 3 and 5.

    Parameters
    ----------
    rows : ndarray, float64 (rows, samples)
        Finite.
    taper : ndarray, float64 (samples,)
        By which rows are multiplied when their mean is gone.
    bands : ndarray of int64 (bands, 2)
        First bin of ``numpy.fft.rfft``, and the one before which the band ends.
    """
    if native.library() is None:
        return None
    rows = as_read(rows)
    count, samples = rows.shape
    power = np.empty((count, len(bands)))
    job = _BandPowerJob(
        input=rows, turns=turns(samples), taper=as_read(taper), band=as_read(bands, np.int64),
        power=power, rows=count, samples=samples, bands=len(bands),
    )  # fmt: skip
    return power if job.run() else None
