"""The median beat of all leads, by ``native/median_beat.c``."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.signals.kernels import run_job

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


class _MedianBeatJob(ctypes.Structure):  # ecgfoundry_median_beat_job of median_beat.h
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("signal", "beats", "values", "noise", "likeness")),
        *((name, ctypes.c_int64) for name in ("leads", "samples", "count", "zero", "width")),
        ("level", ctypes.c_int64 * 2),
        ("reach", ctypes.c_int64),
        ("alike", ctypes.c_double),
        ("used", ctypes.c_int64),
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
    signal = np.ascontiguousarray(signal, dtype=np.float64)
    at = np.ascontiguousarray(beats, dtype=np.int64)
    zero, width = span[0], sum(span) + 1
    values, noise = np.empty((len(signal), width)), np.empty(len(signal))
    likeness = np.empty(at.size)
    job = _MedianBeatJob(
        *(array.ctypes.data for array in (signal, at, values, noise, likeness)),
        *signal.shape, at.size, zero, width, level, reach, alike,
    )  # fmt: skip
    if not run_job("median_beat", job):
        return None
    return Averaged(values, noise, likeness, job.used)
