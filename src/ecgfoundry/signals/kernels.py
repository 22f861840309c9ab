"""Filters and medians of many rows by the compiled kernels (``native/filters.c``).

Every function returns None where there are no kernels or where they do not take the job; its caller
then does the same by NumPy or SciPy, with the same bits on x86-64.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.native.memory import keep_freed_memory

__all__ = ["correlate_rows", "filter_both_ways", "medians_of_columns", "run_job"]

Float64 = NDArray[np.float64]

keep_freed_memory()


class _SectionsJob(ctypes.Structure):  # ecgfoundry_sections_job of filters.h
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("input", "output", "section", "steady")),
        *((name, ctypes.c_int64) for name in ("rows", "samples", "pad", "sections")),
    )


class _CorrelateJob(ctypes.Structure):  # ecgfoundry_correlate_job of filters.h
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("input", "output", "weight")),
        *((name, ctypes.c_int64) for name in ("rows", "samples", "reach", "sign")),
    )


class _MediansJob(ctypes.Structure):  # ecgfoundry_medians_job of filters.h
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("input", "output")),
        *((name, ctypes.c_int64) for name in ("groups", "members", "columns")),
    )


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
    rows, sos, steady = map(_as_kernels_read, (rows, sos, steady))
    result = np.empty_like(rows)
    job = _SectionsJob(
        rows.ctypes.data, result.ctypes.data, sos.ctypes.data, steady.ctypes.data,
        rows.size // samples, samples, pad, len(sos),
    )  # fmt: skip
    return result if run_job("sections", job) else None


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
    rows, weight = _as_kernels_read(rows), _as_kernels_read(weight)
    result = np.empty_like(rows)
    job = _CorrelateJob(
        rows.ctypes.data, result.ctypes.data, weight.ctypes.data,
        *rows.shape, reach, 1 if symmetric else -1,
    )  # fmt: skip
    return result if run_job("correlate", job) else None


def medians_of_columns(values: Float64) -> Float64 | None:
    """Return the median over the last axis but one: (..., members, columns) to (..., columns)."""
    members = values.shape[-2]
    if native.library() is None or values.size == 0:
        return None
    values = _as_kernels_read(values)
    result = np.empty((*values.shape[:-2], values.shape[-1]))
    columns = values.shape[-1]
    job = _MediansJob(
        values.ctypes.data, result.ctypes.data, values.size // (members * columns), members, columns
    )
    return result if run_job("medians", job) else None


def _as_kernels_read(values: NDArray[Any]) -> Float64:
    """Return float64 row after row: what is anything else would be read beyond its end."""
    return np.ascontiguousarray(values, dtype=np.float64)


def run_job(name: str, job: ctypes.Structure) -> bool:
    """Let the kernel of a name do a job; False without kernels, or if it does not take such a job.

    Raises
    ------
    MemoryError
        There was no memory for it.
    """
    loaded = native.library()
    if loaded is None:
        return False
    code = getattr(loaded[0], f"ecgfoundry_{name}")(ctypes.byref(job), loaded[1])
    if code == 1:
        raise MemoryError(f"no memory for the kernel {name!r}")
    if code not in (0, 2):
        raise RuntimeError(f"the compiled kernel {name!r} refused a job (code {code})")
    return bool(code == 0)
