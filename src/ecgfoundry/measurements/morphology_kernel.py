"""The waves of all leads of a median beat at once, by ``native/morphology.c``."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.measurements.values import LeadMeasurements
from ecgfoundry.native.jobs import Job, arrays, as_read, counts, numbers

__all__ = ["FIGURES", "measure_morphology"]

Float64 = NDArray[np.float64]
_Two, _Four = ctypes.c_double * 2, ctypes.c_double * 4

FIGURES = tuple(field.name for field in fields(LeadMeasurements) if field.name != "snr_db")
"""What the kernel measures, in its order (``ROW`` of ``morphology.c``)."""


class _MorphologyJob(Job):  # ecgfoundry_morphology_job of morphology.h
    kernel = "morphology"
    _fields_ = (
        *arrays("values", "figures"),
        *counts("leads", "columns", "row", "terminal"),
        *numbers("rate"),
        *((name, _Two) for name in ("p", "qrs", "t")),
        *numbers("least_wave_mv", "least_wave_s", "notch_share", "notch_mv", "second_peak_share"),
        *numbers("p_notch_s", "p_notch_mv", "p_notch_share", "p_smoothing_s"),
        *numbers("delta_slope_share", "delta_least_s", "delta_longest_s", "delta_least_share"),
        *numbers("delta_begin_share", "slope_s"),
        ("st_s", _Four),
        *numbers("st_half_s", "t_other_mv", "t_other_share", "p_terminal_least_mv"),
    )


def measure_morphology(
    values: Float64,
    rate: float,
    waves: Mapping[str, tuple[float, float]],
    limits: Mapping[str, float | tuple[float, ...]],
    *,
    terminal: int,
) -> Float64 | None:
    """Return the figures of every lead (leads, figures), NaN for none.

    The figures are :data:`FIGURES`; None without kernels.

    Parameters
    ----------
    values : ndarray, float64 (leads, columns)
        The median beat, mV.
    rate : float
        Hz.
    waves : mapping
        Columns of onset and offset of "p", "qrs" and "t"; NaN where one was not found.
    limits : mapping
        The other fields of the job by name.
    terminal : int
        The lead whose P terminal force is measured; -1: none.
    """
    if native.library() is None:
        return None
    values = as_read(values)
    leads, columns = values.shape
    figures = np.empty((leads, len(FIGURES)))
    job = _MorphologyJob(
        values=values, figures=figures, leads=leads, columns=columns, row=len(FIGURES),
        terminal=terminal, rate=rate, **waves, **limits,
    )  # fmt: skip
    return figures if job.run() else None
