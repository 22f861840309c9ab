"""Complexes compared with one another, and noise between them, by ``native/recognition.c``.

:mod:`~ecgfoundry.measurements.recognition` and :mod:`~ecgfoundry.measurements.noise` describe it.

Each function returns None where there are no kernels or where they do not take the job; its caller
then does the same by NumPy, with other roundings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.native.jobs import Job, arrays, as_read, counts, numbers

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


class _RecognitionJob(Job):  # ecgfoundry_recognition_job of recognition.h
    kernel = "recognition"
    _fields_ = (
        *arrays("band", "coarse", "shares", "beats", "kept", "likeness", "figures"),
        *counts("leads", "samples", "count", "kept_count", "reach"),
        *counts("edge_reach", "focus", "spike", "many", "extremes"),
        *numbers("near", "away", "least_away", "alike", "wide_reach", "usual", "rate"),
        *numbers("slow", "sharp", "crisp"),
    )


class _NoiseJob(Job):  # ecgfoundry_noise_job of recognition.h
    kernel = "noise"
    _fields_ = (
        *arrays("band", "beats", "alike", "ratio"),
        *counts("leads", "samples", "count", "before", "after", "neighbour"),
        *numbers("qrs", "floor"),
        *counts("found"),
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
    band, coarse, shares = map(as_read, (band, coarse, shares))
    beats = as_read(beats, np.int64)
    count = beats.size
    kept, figures = np.empty(count, np.int64), np.empty(_FIGURES)
    likeness = np.empty(count * count)
    job = _RecognitionJob(
        band=band, coarse=coarse, shares=shares, beats=beats,
        kept=kept, likeness=likeness, figures=figures,
        leads=band.shape[0], samples=band.shape[1], count=count, **limits,
    )  # fmt: skip
    if not job.run():
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
    band, beats, alike = as_read(band), as_read(beats, np.int64), as_read(alike, np.bool_)
    ratio = np.empty(len(band))
    job = _NoiseJob(
        band=band, beats=beats, alike=alike, ratio=ratio,
        leads=band.shape[0], samples=band.shape[1], count=beats.size, **limits,
    )  # fmt: skip
    if not job.run():
        return None
    return (ratio if job.found else None,)
