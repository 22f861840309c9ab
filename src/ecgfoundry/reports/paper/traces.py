"""Samples to SVG path data: decimated without losing a spike, broken at gaps, compact."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["decimate_extremes", "finite_runs", "trace_path"]

BIN_MM = 0.1
"""Width within which only the extremes are kept: a third of the drawn line's width (our choice)."""


def finite_runs(values: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Return ``(start, stop)`` of every unbroken run of finite samples in ``values`` (samples,)."""
    finite = np.isfinite(values)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def decimate_extremes(
    x: NDArray[np.floating], y: NDArray[np.floating], bin_width: float = BIN_MM
) -> NDArray[np.intp]:
    """Choose the samples to draw: lowest and highest of every bin of ``x``, at their own time.

    Parameters
    ----------
    x : ndarray (samples,)
        Ascending positions, in the unit of ``bin_width``.
    y : ndarray (samples,)
        Finite values.
    bin_width : float

    Returns
    -------
    ndarray of int
        Ascending indices. Always holds the first and the last sample and both extremes of every
        bin, so no excursion is lost, however short.
    """
    count = len(x)
    bins = np.floor((x - x[0]) / bin_width + 1e-9).astype(np.int64)
    if count < 3 or count <= 2 * (bins[-1] + 1):
        return np.arange(count)
    order = np.lexsort((y, bins))  # by bin, then by value: each bin's extremes are at its ends
    changes = np.flatnonzero(np.diff(bins[order])) + 1
    lowest = order[np.concatenate(([0], changes))]
    highest = order[np.concatenate((changes - 1, [count - 1]))]
    return np.unique(np.concatenate((lowest, highest, [0, count - 1])))


def trace_path(x: NDArray[np.floating], y: NDArray[np.floating]) -> str:
    """Return the ``d`` attribute of one trace.

    Parameters
    ----------
    x : ndarray (samples,)
        Ascending positions in mm.
    y : ndarray (samples,)
        Positions in mm, downwards; NaN where samples are missing: the line is broken there.

    Returns
    -------
    str
        One absolute ``M`` per unbroken run and relative ``l`` steps, 2 decimals. The steps are
        differences of rounded positions, so rounding does not add up along the line. Empty if
        nothing is finite.
    """
    parts = []
    for start, stop in finite_runs(y):
        run_x, run_y = x[start:stop].astype(np.float64), y[start:stop].astype(np.float64)
        kept = decimate_extremes(run_x, run_y)
        points = np.rint(np.column_stack((run_x[kept], run_y[kept])) * 100).astype(np.int64)
        # A lone sample becomes a step of no length, which a round line cap shows as a dot.
        steps = np.diff(points, axis=0) if len(points) > 1 else np.zeros((1, 2), dtype=np.int64)
        parts.append(_run_path(points[0], steps))
    return "".join(parts)


def _run_path(first: NDArray[np.int64], steps: NDArray[np.int64]) -> str:
    body = "".join(map(_separated, steps.ravel().tolist())).removeprefix(" ")
    return f"M{_hundredths(int(first[0]))} {_hundredths(int(first[1]))}l{body}"


@lru_cache(maxsize=1 << 14)
def _separated(value: int) -> str:
    """Return a number to put behind another one; traces have few different steps."""
    number = _hundredths(value)
    # A minus sign separates two numbers as well as a blank does.
    return number if number[0] == "-" else f" {number}"


def _hundredths(value: int) -> str:
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value), 100)
    if not rest:
        return f"{sign}{whole}" if whole else "0"
    fraction = f"{rest:02d}".rstrip("0")
    return f"{sign}{whole or ''}.{fraction}"
