"""The search for complexes and waves around every beat by the compiled kernels.

``native/complexes.c`` and ``native/waves.c``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.native.jobs import Job, arrays, as_read, counts, numbers

__all__ = ["bridged", "search_complexes", "search_waves"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


class _WavesJob(Job):  # ecgfoundry_waves_job of waves.h
    kernel = "waves"
    _fields_ = (
        *arrays("x", "slope", "at", "first", "last", "least", "usual", "onset", "peak", "offset"),
        *counts("leads", "beats", "samples", "zero", "width", "low", "high", "reach"),
        *numbers("room", "guide", "before", "behind", "onset_share", "offset_share"),
        *numbers("lobe_reach", "lobe_share", "lobe_depth"),
    )


class _ComplexesJob(Job):  # ecgfoundry_complexes_job of complexes.h
    kernel = "complexes"
    _fields_ = (
        *arrays("x", "slope", "beats", "noise", "onset", "offset", "height"),
        *counts("leads", "samples", "count", "zero", "width"),
        *counts("core", "gap", "before", "after"),
        *numbers("onset_share", "offset_share", "noise_factor", "most_share"),
    )


class _BridgeJob(Job):  # ecgfoundry_bridge_job of complexes.h
    kernel = "bridge"
    _fields_ = (
        *arrays("x", "begin", "end", "out"),
        *counts("leads", "samples", "count"),
    )


def search_waves(
    limits: Mapping[str, float],
    rows: tuple[Float64, Float64],
    beats: Int64,
    between: tuple[Float64, Float64],
    least: Float64,
    usual: Float64 | None,
) -> tuple[Float64, Float64, Float64] | None:
    """Return onset, peak and offset (leads, beats); None where the kernel does not take the job.

    Parameters
    ----------
    limits : mapping
        The other fields of the job by name.
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
    x, slope, first, last, least = map(as_read, (*rows, *between, least))
    at, (onset, peak, offset) = as_read(beats, np.int64), np.empty((3, *first.shape))
    job = _WavesJob(
        x=x, slope=slope, at=at, first=first, last=last, least=least,
        usual=None if usual is None else as_read(usual), onset=onset, peak=peak, offset=offset,
        leads=len(x), samples=x.shape[1], beats=at.size, **limits,
    )  # fmt: skip
    return (onset, peak, offset) if job.run() else None


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
    x, slope, noise = map(as_read, (*rows, noise))
    at = as_read(beats, np.int64)
    onset, offset, height = np.empty((3, len(x), at.size))
    job = _ComplexesJob(
        x=x, slope=slope, beats=at, noise=noise, onset=onset, offset=offset, height=height,
        leads=len(x), samples=x.shape[1], count=at.size, **limits,
    )  # fmt: skip
    return (onset, offset, height) if job.run() else None


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
    x, begin, end = map(as_read, (x, begin, end))
    out = np.empty_like(x)
    job = _BridgeJob(
        x=x, begin=begin, end=end, out=out,
        leads=len(x), samples=x.shape[1], count=begin.shape[1],
    )  # fmt: skip
    return out if job.run() else None
