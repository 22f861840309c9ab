"""Filters and medians of many rows by the compiled kernels (``native/filters.c``).

Every function returns None where there are no kernels or where they do not take the job; its caller
then does the same by NumPy or SciPy, with the same bits on x86-64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.native.jobs import Job, arrays, as_read, counts

__all__ = ["correlate_rows", "filter_both_ways", "medians_of_columns", "readable_by_kernels"]

Float64 = NDArray[np.float64]


class _SectionsJob(Job):  # ecgfoundry_sections_job of filters.h
    kernel = "sections"
    _fields_ = (
        *arrays("input", "output", "section", "steady"),
        *counts("rows", "samples", "pad", "sections"),
    )


class _CorrelateJob(Job):  # ecgfoundry_correlate_job of filters.h
    kernel = "correlate"
    _fields_ = (
        *arrays("input", "output", "weight"),
        *counts("rows", "samples", "reach", "sign"),
    )


class _MediansJob(Job):  # ecgfoundry_medians_job of filters.h
    kernel = "medians"
    _fields_ = (*arrays("input", "output"), *counts("groups", "members", "columns"))


def filter_both_ways(sos: Float64, steady: Float64, rows: Float64, pad: int) -> Float64 | None:
    """Filter rows forwards and backwards, ``pad`` samples turned about each end.

    Parameters
    ----------
    sos : ndarray (sections, 6)
    steady : ndarray (sections, 2)
        The state of each section in a steady 1.
    rows : ndarray, float64 (..., samples)
    pad : int
    """
    samples = rows.shape[-1]
    if native.library() is None or rows.size == 0:
        return None
    rows, sos, steady = map(as_read, (rows, sos, steady))
    result = np.empty_like(rows)
    job = _SectionsJob(
        input=rows, output=result, section=sos, steady=steady,
        rows=rows.size // samples, samples=samples, pad=pad, sections=len(sos),
    )  # fmt: skip
    return result if job.run() else None


def correlate_rows(rows: Float64, weight: Float64, *, symmetric: bool) -> Float64 | None:
    """Correlate rows with weights that are the same, or but for the sign, on both sides.

    Parameters
    ----------
    rows : ndarray, float64 (rows, samples)
        Mirrored at the ends.
    weight : ndarray, float64 (2 reach + 1,)
    symmetric : bool
        False: antisymmetric.
    """
    reach = weight.size // 2
    if native.library() is None or rows.size == 0:
        return None
    rows, weight = as_read(rows), as_read(weight)
    result = np.empty_like(rows)
    job = _CorrelateJob(
        input=rows, output=result, weight=weight, rows=len(rows), samples=rows.shape[1],
        reach=reach, sign=1 if symmetric else -1,
    )  # fmt: skip
    return result if job.run() else None


def medians_of_columns(values: Float64) -> Float64 | None:
    """Return the median over the last axis but one: (..., members, columns) to (..., columns)."""
    members = values.shape[-2]
    if native.library() is None or values.size == 0:
        return None
    values = as_read(values)
    columns = values.shape[-1]
    result = np.empty((*values.shape[:-2], columns))
    groups = values.size // (members * columns)
    job = _MediansJob(input=values, output=result, groups=groups, members=members, columns=columns)
    return result if job.run() else None


def readable_by_kernels(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the rows in a type and a layout that the kernels read, without a copy if they can."""
    array = np.asarray(rows)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    whole = array.strides[1] == array.itemsize and array.strides[0] % array.itemsize == 0
    return array if whole and array.strides[0] >= 0 else np.ascontiguousarray(array)
