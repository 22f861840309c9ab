"""The median beat of all leads, by ``native/median_beat.c``."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.native.jobs import Job, arrays, as_read, counts, numbers

__all__ = ["Averaged", "average_beats"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Averaged:
    """Sample by sample the median of the beats that are alike.

    Parameters
    ----------
    values : ndarray (leads, columns)
    noise : ndarray (leads,)
        Root mean square of the beats around it; NaN with a single one.
    likeness : ndarray (beats,)
        Correlation of each beat's complex with that of the median of all.
    used : int
        How many beats were alike; all, where none is.
    """

    values: Float64
    noise: Float64
    likeness: Float64
    used: int


class _MedianBeatJob(Job):  # ecgfoundry_median_beat_job of median_beat.h
    kernel = "median_beat"
    _fields_ = (
        *arrays("signal", "beats", "values", "noise", "likeness"),
        *counts("leads", "samples", "count", "zero", "width"),
        ("level", ctypes.c_int64 * 2),
        *counts("reach"),
        *numbers("alike"),
        *counts("used"),
    )


def average_beats(
    signal: Float64,
    beats: Int64,
    span: tuple[int, int],
    level: tuple[int, int],
    reach: int,
    alike: float,
) -> Averaged | None:
    """Return the median beat; None without kernels or where they do not take the job.

    Parameters
    ----------
    signal : ndarray, float64 (leads, samples)
        Without gaps.
    beats : ndarray of int64 (beats,)
        Samples; each with its whole span inside.
    span : (int, int)
        Samples before and after the beat.
    level : (int, int)
        Columns, from the first to before the second, whose median is the zero line.
    reach : int
        Samples to either side of the beat by which beats are compared.
    alike : float
        Least correlation of those that count.
    """
    if native.library() is None:
        return None
    signal, at = as_read(signal), as_read(beats, np.int64)
    zero, width = span[0], sum(span) + 1
    values, noise = np.empty((len(signal), width)), np.empty(len(signal))
    likeness = np.empty(at.size)
    job = _MedianBeatJob(
        signal=signal, beats=at, values=values, noise=noise, likeness=likeness,
        leads=len(signal), samples=signal.shape[1], count=at.size, zero=zero, width=width,
        level=level, reach=reach, alike=alike,
    )  # fmt: skip
    if not job.run():
        return None
    return Averaged(values, noise, likeness, job.used)
