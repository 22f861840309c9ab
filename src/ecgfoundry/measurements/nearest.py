"""How far away the nearest of several places is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["distance_to_nearest"]

Float64 = NDArray[np.float64]


def distance_to_nearest(
    ascending: NDArray[np.integer], places: NDArray[np.integer | np.floating]
) -> Float64:
    """Return how far the nearest of one or more ascending numbers is from every place.

    Examples
    --------
    >>> distance_to_nearest(np.array([2, 10]), np.array([0, 5, 7, 12])).tolist()
    [2.0, 3.0, 3.0, 2.0]
    """
    behind = np.searchsorted(ascending, places)
    after = ascending[np.minimum(behind, ascending.size - 1)]
    before = ascending[np.maximum(behind - 1, 0)]
    return np.minimum(np.abs(after - places), np.abs(places - before)).astype(np.float64)
