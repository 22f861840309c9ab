"""The energy by which beats are found, and where exactly, by ``native/detection.c``."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.native.jobs import Job, arrays, as_read, counts, numbers

__all__ = ["SlopeEnergy", "measure_energy", "move_to_largest"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SlopeEnergy:
    """How much slope there is around every sample, in all leads together.

    Parameters
    ----------
    feature : ndarray (samples,)
        Root of the smoothed squared slope, joined over the leads.
    weights : ndarray (leads, blocks)
        How much each lead counts; of each block their sum is 1.
    level : ndarray (samples,)
        How high beats stand around.
    usual : float
        Median of the feature.
    sizes : ndarray (leads,)
        How high the highest fiftieth of each lead's samples typically is.
    """

    feature: Float64
    weights: Float64
    level: Float64
    usual: float
    sizes: Float64


class _DetectionJob(Job):  # ecgfoundry_detection_job of detection.h
    kernel = "detection"
    _fields_ = (
        *arrays("band", "feature", "level", "weights", "sizes"),
        *counts("leads", "samples", "hop", "blocks"),
        ("smooth", ctypes.c_int64 * 2),
        *counts("reach", "far_reach"),
        *numbers("pause_share", "least_slope", "least_around", "floor_offset", "usual"),
        *counts("found"),
    )


class _RefineJob(Job):  # ecgfoundry_refine_job of detection.h
    kernel = "refine"
    _fields_ = (
        *arrays("signal", "band", "weights", "beats"),
        *counts("leads", "samples", "coarse", "count"),
        *counts("factor", "reach", "fine", "around"),
    )


def measure_energy(
    band: Float64, hop: int, smooth: tuple[int, int], limits: Mapping[str, float]
) -> tuple[SlopeEnergy | None] | None:
    """Measure the energy of the slope; None without kernels or where they do not take the job.

    Parameters
    ----------
    band : ndarray, float64 (leads, samples)
        The QRS band.
    hop : int
        Half a block, in samples.
    smooth : (int, int)
        Widths of the two moving averages, in samples.
    limits : mapping
        The other fields of the job by name.

    Returns
    -------
    tuple of SlopeEnergy or None
        None in the tuple: no lead has any slope.
    """
    if native.library() is None:
        return None
    band = as_read(band)
    leads, samples = band.shape
    blocks = max(1, samples // hop - 1)
    feature, level = np.empty(samples), np.empty(samples)
    weights, sizes = np.empty((leads, blocks)), np.empty(leads)
    job = _DetectionJob(
        band=band, feature=feature, level=level, weights=weights, sizes=sizes,
        leads=leads, samples=samples, hop=hop, blocks=blocks, smooth=smooth, **limits,
    )  # fmt: skip
    if not job.run():
        return None
    return (SlopeEnergy(feature, weights, level, job.usual, sizes) if job.found else None,)


def move_to_largest(
    signal: Float64,
    band: Float64 | None,
    beats: Int64,
    weights: Float64,
    reach: Mapping[str, int],
) -> Int64 | None:
    """Return the samples of the largest deflections near to beats (beats,).

    None without kernels or where they do not take the job.

    Parameters
    ----------
    signal : ndarray, float64 (leads, samples)
        Without gaps.
    band : ndarray, float64 (leads, coarse) or None
        The same filtered and at a lower rate, in which beats are moved first.
    beats : ndarray of int64 (beats,)
        At this rate.
    weights : ndarray, float64 (leads, beats)
        Of the leads at each beat.
    reach : mapping
        The other fields of the job by name.
    """
    if native.library() is None:
        return None
    signal, weights = as_read(signal), as_read(weights)
    result = np.array(beats, dtype=np.int64)
    coarse = None if band is None else as_read(band)
    job = _RefineJob(
        signal=signal, band=coarse, weights=weights, beats=result,
        leads=len(signal), samples=signal.shape[1], count=result.size,
        coarse=0 if coarse is None else coarse.shape[1], **reach,
    )  # fmt: skip
    return result if job.run() else None
