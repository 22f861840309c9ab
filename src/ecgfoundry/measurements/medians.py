"""The median by one partition: for short rows several times as fast as ``numpy.median``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.signals.kernels import medians_of_columns

__all__ = ["median", "median_of_rows", "quantile_of_rows", "quantiles_of_rows"]

Float64 = NDArray[np.float64]


def median(values: ArrayLike) -> float:
    """Return the median of one row without NaN, of one value at least.

    >>> median([4, 1, 3, 2])
    2.5
    """
    row = np.asarray(values)
    half = row.size // 2
    ordered = np.partition(row, half)
    middle = float(ordered[half])
    return middle if row.size % 2 else (float(ordered[:half].max()) + middle) / 2.0


def median_of_rows(values: Float64, axis: int = -1) -> Float64:
    """Return the median along an axis.

    Parameters
    ----------
    values : ndarray
        Without NaN; at least one value along the axis.
    axis : int

    Examples
    --------
    >>> median_of_rows(np.array([[3.0, 1.0, 2.0], [4.0, 8.0, 6.0]])).tolist()
    [2.0, 6.0]
    """
    last = axis in (-1, values.ndim - 1)
    if not last and axis in (-2, values.ndim - 2):
        found = medians_of_columns(np.asarray(values, dtype=np.float64))
        if found is not None:
            return found
    rows = np.array(values if last else np.moveaxis(values, axis, -1), order="C")
    half = rows.shape[-1] // 2
    rows.partition(half, axis=-1)
    middle: Float64 = rows[..., half]
    return middle if rows.shape[-1] % 2 else (rows[..., :half].max(axis=-1) + middle) / 2.0


def quantile_of_rows(values: NDArray[np.floating], share: float) -> NDArray[Any]:
    """Return a quantile of each row, linear between its neighbours, as ``numpy.quantile`` does.

    Parameters
    ----------
    values : ndarray (rows, samples)
        Without NaN; at least one sample.
    share : float
        0 to 1.

    Examples
    --------
    >>> quantile_of_rows(np.array([[3.0, 1.0, 2.0, 7.0]]), 0.75).tolist()
    [4.0]
    """
    return quantiles_of_rows(values, (share,))[0]


def quantiles_of_rows(values: NDArray[np.floating], shares: Sequence[float]) -> list[NDArray[Any]]:
    """Return :func:`quantile_of_rows` for several shares, by one partition.

    Examples
    --------
    >>> [q.tolist() for q in quantiles_of_rows(np.array([[3.0, 1.0, 2.0, 7.0]]), (0.75, 0.0))]
    [[4.0], [1.0]]
    """
    last = values.shape[1] - 1
    places = [share * last for share in shares]
    ranks = [(int(place), min(int(place) + 1, last)) for place in places]
    ordered = np.partition(values, sorted({rank for pair in ranks for rank in pair}), axis=1)
    result = []
    for place, (low, high) in zip(places, ranks, strict=True):
        below, above = ordered[:, low], ordered[:, high]
        part, apart = values.dtype.type(place - low), above - below
        result.append(above - apart * (1 - part) if part >= 0.5 else below + apart * part)
    return result
