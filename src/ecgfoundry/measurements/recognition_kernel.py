"""Complexes compared with one another, and noise between them, by ``native/recognition.c``.

:mod:`~ecgfoundry.measurements.recognition` and :mod:`~ecgfoundry.measurements.noise` describe it.

Each function returns None where there are no kernels or where they do not take the job; its caller
then does the same by NumPy, with other roundings.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.signals.kernels import run_job

__all__ = ["Complexes", "measure_complexes", "noise_ratio"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_FIGURES = 13


@dataclass(frozen=True, slots=True, eq=False)
class Complexes:
    """Beats compared with one another.

    Parameters
    ----------
    figures : ndarray (13,)
        In the order of :data:`~ecgfoundry.measurements.recognition.FIGURES`; NaN for what there is
        not.
    kept : ndarray of int64 (m,)
        Numbers of the beats that were compared.
    likeness : ndarray (m, m)
        Their correlations.
    """

    figures: Float64
    kept: Int64
    likeness: Float64


class _RecognitionJob(ctypes.Structure):  # ecgfoundry_recognition_job of recognition.h
    _fields_ = (
        *(
            (name, ctypes.c_void_p)
            for name in ("band", "coarse", "shares", "beats", "kept", "likeness", "figures")
        ),
        *(
            (name, ctypes.c_int64)
            for name in (
                *("leads", "samples", "count", "kept_count", "reach"),
                *("edge_reach", "focus", "spike", "many", "extremes"),
            )
        ),
        *(
            (name, ctypes.c_double)
            for name in (
                *("near", "away", "least_away", "alike", "wide_reach", "usual", "rate"),
                *("slow", "sharp", "crisp"),
            )
        ),
    )


class _NoiseJob(ctypes.Structure):  # ecgfoundry_noise_job of recognition.h
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("band", "beats", "alike", "ratio")),
        *(
            (name, ctypes.c_int64)
            for name in ("leads", "samples", "count", "before", "after", "neighbour")
        ),
        *((name, ctypes.c_double) for name in ("qrs", "floor")),
        ("found", ctypes.c_int64),
    )


def measure_complexes(
    band: Float64,
    coarse: Float64,
    shares: Float64,
    beats: Int64,
    limits: Mapping[str, float],
) -> Complexes | None:
    """Compare beats with one another and measure their shape.

    Parameters
    ----------
    band, coarse : ndarray, float64 (leads, samples)
        Of :class:`ecgfoundry.measurements.beats.Detection`.
    shares : ndarray, float64 (leads,)
    beats : ndarray of int64 (beats,)
        Samples of these, in order.
    limits : mapping
        The other fields of the job by name.
    """
    if native.library() is None:
        return None
    band, coarse, shares = (
        np.ascontiguousarray(array, dtype=np.float64) for array in (band, coarse, shares)
    )
    beats = np.ascontiguousarray(beats, dtype=np.int64)
    count = beats.size
    kept, figures = np.empty(count, np.int64), np.empty(_FIGURES)
    likeness = np.empty(count * count)
    job = _RecognitionJob(
        band.ctypes.data, coarse.ctypes.data, shares.ctypes.data, beats.ctypes.data,
        kept.ctypes.data, likeness.ctypes.data, figures.ctypes.data,
        leads=band.shape[0], samples=band.shape[1], count=count, **limits,
    )  # fmt: skip
    if not run_job("recognition", job):
        return None
    m = job.kept_count
    return Complexes(figures, kept[:m], likeness[: m * m].reshape(m, m))


def noise_ratio(
    band: Float64, beats: Int64, alike: NDArray[np.bool_], limits: Mapping[str, float]
) -> tuple[Float64 | None] | None:
    """Return the power of beats over that of noise for each lead, (leads,), in a tuple.

    None in the tuple: nothing could be compared.

    Parameters
    ----------
    band : ndarray, float64 (leads, samples)
    beats : ndarray of int64 (beats,)
    alike : ndarray of bool (beats, beats)
        Which of them have the same shape.
    limits : mapping
        The other fields of the job by name.
    """
    if native.library() is None:
        return None
    band = np.ascontiguousarray(band, dtype=np.float64)
    beats, alike = np.ascontiguousarray(beats, dtype=np.int64), np.ascontiguousarray(alike)
    ratio = np.empty(len(band))
    job = _NoiseJob(
        band.ctypes.data, beats.ctypes.data, alike.ctypes.data, ratio.ctypes.data,
        leads=band.shape[0], samples=band.shape[1], count=beats.size, **limits,
    )  # fmt: skip
    if not run_job("noise", job):
        return None
    return (ratio if job.found else None,)
