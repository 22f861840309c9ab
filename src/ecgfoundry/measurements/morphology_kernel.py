"""The waves of all leads of a median beat at once, by ``native/morphology.c``."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.signals.kernels import run_job

__all__ = ["measure_morphology"]

Float64 = NDArray[np.float64]
_Two, _Four = ctypes.c_double * 2, ctypes.c_double * 4

_FIGURES = 28
"""Fields of :class:`~ecgfoundry.measurements.values.LeadMeasurements` but for ``snr_db``."""


class _MorphologyJob(ctypes.Structure):  # ecgfoundry_morphology_job of morphology.h
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("values", "figures")),
        *((name, ctypes.c_int64) for name in ("leads", "columns", "terminal")),
        ("rate", ctypes.c_double),
        *((name, _Two) for name in ("p", "qrs", "t")),
        *(
            (name, ctypes.c_double)
            for name in (
                *("least_wave_mv", "least_wave_s", "notch_share", "notch_mv", "second_peak_share"),
                *("p_notch_s", "p_notch_mv", "p_notch_share", "p_smoothing_s"),
                *("delta_slope_share", "delta_least_s", "delta_longest_s", "delta_least_share"),
                *("delta_begin_share", "slope_s"),
            )
        ),
        ("st_s", _Four),
        *(
            (name, ctypes.c_double)
            for name in ("st_half_s", "t_other_mv", "t_other_share", "p_terminal_least_mv")
        ),
    )


def measure_morphology(
    values: Float64,
    rate: float,
    waves: Mapping[str, tuple[float, float]],
    limits: Mapping[str, float | tuple[float, ...]],
    *,
    terminal: int,
) -> Float64 | None:
    """Return the figures of every lead (leads, 28), NaN for none; None without kernels.

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
    values = np.ascontiguousarray(values, dtype=np.float64)
    leads, columns = values.shape
    figures = np.empty((leads, _FIGURES))
    job = _MorphologyJob(
        values.ctypes.data, figures.ctypes.data, leads, columns, terminal, rate, **waves, **limits
    )
    return figures if run_job("morphology", job) else None
