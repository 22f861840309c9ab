"""What the model of signal quality looks at in every lead, by ``native/spectrum.c``."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.native.jobs import Job, arrays, counts, numbers
from ecgfoundry.signals.kernels import readable_by_kernels
from ecgfoundry.signals.spectrum_kernel import turns

__all__ = ["FIGURES", "measure_leads"]

_Two = ctypes.c_int64 * 2

FIGURES = (
    "level", "qrs_band", "above_40_hz", "below_0_7_hz", "largest", "still_share", "kurtosis",
    "loudest_piece", "quietest_piece", "drift", "steepest", "uneven", "wander",
)  # fmt: skip
"""What is measured, in the order of ``LEAD_FIGURES`` of ``spectrum.h``: mV, mV/s, shares."""


class _LeadFeaturesJob(Job):  # ecgfoundry_lead_features_job of spectrum.h
    kernel = "lead_features"
    _fields_ = (
        *arrays("input", "turns", "figures"),
        *counts("rows", "samples", "row_stride", "row", "piece", "pieces"),
        *((name, _Two) for name in ("middle", "qrs", "above")),
        *counts("slow"),
        *numbers("rate", "still", "least_range"),
        ("dtype", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    )


def measure_leads(
    signal: NDArray[np.floating], limits: Mapping[str, float | tuple[int, int]]
) -> NDArray[np.float64] | None:
    """Return :data:`FIGURES` of every lead, (leads, figures).

    None without kernels or where they do not take the length: an even one made of 2, 3 and 5.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV; what is not finite is missing.
    limits : mapping
        The other fields of the job by name.
    """
    if native.library() is None:
        return None
    rows = readable_by_kernels(signal)
    count, samples = rows.shape
    figures = np.empty((count, len(FIGURES)))
    job = _LeadFeaturesJob(
        input=rows, turns=turns(samples), figures=figures, rows=count, samples=samples,
        row_stride=rows.strides[0] // rows.itemsize, row=len(FIGURES),
        dtype=int(rows.dtype == np.float64), **limits,
    )  # fmt: skip
    return figures if job.run() else None
