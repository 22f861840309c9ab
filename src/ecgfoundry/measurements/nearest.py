"""How far away the nearest of several places is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["distance_to_nearest"]

Float64 = NDArray[np.float64]


def distance_to_nearest(ascending: NDArray[np.integer], places: ArrayLike) -> Float64:
    """Return how far the nearest of one or more ascending numbers is from every place.

    Examples
    --------
    >>> distance_to_nearest(np.array([2, 10]), [0, 5, 7, 12]).tolist()
    [2.0, 3.0, 3.0, 2.0]
    """
    at = np.asarray(places, dtype=np.float64)
    behind = np.searchsorted(ascending, at)
    after = ascending[np.minimum(behind, ascending.size - 1)].astype(np.float64)
    before = ascending[np.maximum(behind - 1, 0)].astype(np.float64)
    return np.minimum(np.abs(after - at), np.abs(at - before))
