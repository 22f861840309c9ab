"""The search for complexes and waves around every beat by the compiled kernels.

``native/complexes.c`` and ``native/waves.c``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.signals.kernels import run_job

__all__ = ["WaveJob", "bridged", "run_wave_job", "search_complexes"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_ARRAYS = ("x", "slope", "at", "first", "last", "least", "usual", "onset", "peak", "offset")
_COUNTS = ("leads", "beats", "samples", "zero", "width", "low", "high", "reach")
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


class _ComplexesJob(ctypes.Structure):  # ecgfoundry_complexes_job of complexes.h
    _fields_ = (
        *(
            (name, ctypes.c_void_p)
            for name in ("x", "slope", "beats", "noise", "onset", "offset", "height")
        ),
        *(
            (name, ctypes.c_int64)
            for name in (
                *("leads", "samples", "count", "zero", "width"),
                *("core", "gap", "before", "after"),
            )
        ),
        *(
            (name, ctypes.c_double)
            for name in ("onset_share", "offset_share", "noise_factor", "most_share")
        ),
    )


class _BridgeJob(ctypes.Structure):  # ecgfoundry_bridge_job of complexes.h
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "begin", "end", "out")),
        *((name, ctypes.c_int64) for name in ("leads", "samples", "count")),
    )


def run_wave_job(
    job: WaveJob,
    rows: tuple[Float64, Float64],
    beats: Int64,
    between: tuple[Float64, Float64],
    least: Float64,
    usual: Float64 | None,
) -> tuple[Float64, Float64, Float64] | None:
    """Return onset, peak and offset (leads, beats); None where the kernel does not take the job.

    Parameters
    ----------
    job : WaveJob
        Its limits.
    rows : two ndarrays (leads, samples)
        Signal and slope.
    beats : ndarray of int64 (beats,)
    between : two ndarrays (leads, beats)
        First and last column that are looked at.
    least : ndarray (leads, beats)
    usual : ndarray (beats, columns), optional
    """
    if native.library() is None:
        return None
    x, slope, first, last, least = map(_as_rows, (*rows, *between, least))
    at, found = np.ascontiguousarray(beats, dtype=np.int64), np.empty((3, *first.shape))
    given = (x, slope, at, first, last, least)
    for name, array in zip(_ARRAYS[:6], given, strict=True):
        setattr(job, name, array.ctypes.data)
    if usual is not None:
        usual = _as_rows(usual)
        job.usual = usual.ctypes.data
    for name, array in zip(_ARRAYS[7:], found, strict=True):
        setattr(job, name, array.ctypes.data)
    job.leads, job.samples = x.shape
    job.beats = at.size
    return (found[0], found[1], found[2]) if run_job("waves", job) else None


def search_complexes(
    rows: tuple[Float64, Float64],
    beats: Int64,
    noise: NDArray[np.floating],
    limits: Mapping[str, float],
) -> tuple[Float64, Float64, Float64] | None:
    """Return onset and offset, from the R peak, and height (leads, beats); None without kernels.

    Parameters
    ----------
    rows : two ndarrays (leads, samples)
        Signal and slope.
    beats : ndarray of int64 (beats,)
    noise : ndarray (leads,)
    limits : mapping
        The other fields of the job by name.
    """
    if native.library() is None:
        return None
    x, slope, noise = map(_as_rows, (*rows, noise))
    at = np.ascontiguousarray(beats, dtype=np.int64)
    found = np.empty((3, len(x), at.size))
    job = _ComplexesJob(
        *(array.ctypes.data for array in (x, slope, at, noise, *found)),
        *x.shape, at.size, **limits,
    )  # fmt: skip
    return (found[0], found[1], found[2]) if run_job("complexes", job) else None


def bridged(x: Float64, begin: NDArray[np.floating], end: NDArray[np.floating]) -> Float64 | None:
    """Return rows with straight lines from ``begin`` to before ``end``; None without kernels.

    Parameters
    ----------
    x : ndarray (leads, samples)
    begin, end : ndarray (leads, beats)
        Samples. A row that they cover wholly is left as it is.
    """
    if native.library() is None:
        return None
    x, begin, end = map(_as_rows, (x, begin, end))
    out = np.empty_like(x)
    job = _BridgeJob(
        *(array.ctypes.data for array in (x, begin, end, out)), *x.shape, begin.shape[1]
    )
    return out if run_job("bridge", job) else None


def _as_rows(values: NDArray[np.floating]) -> Float64:
    return np.ascontiguousarray(values, dtype=np.float64)
