"""The search for a wave around every beat by the compiled kernel (``native/waves.c``)."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.signals.kernels import run_job

__all__ = ["WaveJob", "run_wave_job"]

Float64 = NDArray[np.float64]

_ARRAYS = ("x", "slope", "first", "last", "least", "usual", "onset", "peak", "offset")
_COUNTS = ("leads", "beats", "width", "low", "high", "reach")
_NUMBERS = (
    "room", "guide", "before", "behind", "onset_share", "offset_share",
    "lobe_reach", "lobe_share", "lobe_depth",
)  # fmt: skip


class WaveJob(ctypes.Structure):
    """``ecgfoundry_waves_job`` of ``waves.h``, without its arrays."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in _ARRAYS),
        *((name, ctypes.c_int64) for name in _COUNTS),
        *((name, ctypes.c_double) for name in _NUMBERS),
    )


def run_wave_job(
    job: WaveJob,
    x: Float64,
    slope: Float64,
    between: tuple[Float64, Float64],
    least: Float64,
    usual: Float64 | None,
) -> tuple[Float64, Float64, Float64] | None:
    """Return onset, peak and offset (leads, beats); None where the kernel does not take the job.

    Parameters
    ----------
    job : WaveJob
        Its limits.
    x, slope : ndarray (leads, beats, columns)
    between : two ndarrays (leads, beats)
        First and last column that are looked at.
    least : ndarray (leads, beats)
    usual : ndarray (beats, columns), optional
    """
    shape = x.shape[:2]
    given = [x, slope, *between, least, *(() if usual is None else (usual,))]
    arrays = [np.ascontiguousarray(array, dtype=np.float64) for array in given]
    found = np.empty((3, *shape))
    names = [name for name in _ARRAYS[:6] if name != "usual" or usual is not None]
    for name, array in zip((*names, *_ARRAYS[6:]), (*arrays, *found), strict=True):
        setattr(job, name, array.ctypes.data)
    job.leads, job.beats, job.width = x.shape
    return (found[0], found[1], found[2]) if run_job("waves", job) else None
