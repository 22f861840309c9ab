"""How far two sets of embeddings lie apart: the energy distance, with a limit from one set alone.

Székely and Rizzo, Energy statistics, J Stat Plan Inference 2013;143:1249-1272. Of two sets of
points X and Y it is 2 E|X - Y| - E|X - X'| - E|Y - Y'|: 0 in the mean where both are drawn from one
distribution, and more wherever they differ, in place, spread or shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EnergyShift", "energy_distance", "energy_shift", "first_of_each_person"]

Float64 = NDArray[np.float64]

DRAWS = 999
"""Permutations, and halves of the reference (our choice)."""
LIMIT = 0.99
"""Share of the draws from the reference alone that stay under its limit (our choice)."""
MOST_POINTS = 1000
"""Of a set; more are drawn from, because the work grows with their square (our choice)."""


@dataclass(frozen=True, kw_only=True)
class EnergyShift:
    """Distance of new points from a reference.

    Attributes
    ----------
    points_reference, points : int
    distance : float
        Energy distance in units of the reference: each feature has the deviation 1 there, and the
        distance of two points is the root of the mean square over the features.
    limit : float
        What so many points of the reference are away from its others in 99 of 100 draws.
    p_value : float
        That points dealt to the two sets at random are as far apart.
    """

    points_reference: int
    points: int
    distance: float
    limit: float
    p_value: float

    @property
    def shifted(self) -> bool:
        """Whether the new points lie beyond the limit of the reference."""
        return self.distance > self.limit


def energy_distance(x: Float64, y: Float64) -> float:
    """Return the energy distance of two sets of points, without bias.

    Parameters
    ----------
    x, y : ndarray (points, features)
        At least two points each.
    """
    inside = np.arange(len(x) + len(y)) < len(x)
    return float(_apart(_distances(np.concatenate([x, y])), inside[:, None])[0])


def energy_shift(reference: Float64, new: Float64, *, seed: int = 0) -> EnergyShift:
    """Compare new embeddings with those of a reference.

    Parameters
    ----------
    reference, new : ndarray (points, features)
        One point for each person: several of one person would make the sets seem apart. At least
        four and two.
    seed : int
        Of all draws.
    """
    generator = np.random.default_rng(seed)
    home, away = (_drawn(np.asarray(z, np.float64), generator) for z in (reference, new))
    centre, spread = home.mean(axis=0), home.std(axis=0)
    varies = spread > 1e-9 * max(float(spread.max(initial=0.0)), 1e-300)
    scale = spread[varies] * np.sqrt(max(varies.sum(), 1))
    points = np.concatenate([(z - centre)[:, varies] / scale for z in (home, away)])
    distances, first = _distances(points), len(home)
    observed = float(_apart(distances, (np.arange(len(points)) < first)[:, None])[0])
    dealt = _apart(distances, _choices(len(points), first, generator))
    part = min(len(away), first // 2)
    alone = _apart(distances[:first, :first], _choices(first, part, generator))
    return EnergyShift(
        points_reference=len(reference),
        points=len(new),
        distance=observed,
        limit=float(np.quantile(alone, LIMIT)),
        p_value=float((1 + (dealt >= observed - 1e-12).sum()) / (1 + DRAWS)),
    )


def first_of_each_person(points: Float64, people: NDArray[np.generic]) -> Float64:
    """Return the first point of each person, (people, features), in the order of the points."""
    _, first = np.unique(people.astype(str), return_index=True)
    return points[np.sort(first)]


def _drawn(points: Float64, generator: np.random.Generator) -> Float64:
    if len(points) <= MOST_POINTS:
        return points
    return points[np.sort(generator.choice(len(points), MOST_POINTS, replace=False))]


def _choices(count: int, chosen: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """``chosen`` of ``count`` points at random, (points, draws)."""
    ranks = generator.random((count, DRAWS)).argsort(axis=0)
    return ranks < chosen


def _distances(points: Float64) -> Float64:
    square = (points * points).sum(axis=1)
    squared = square[:, None] + square - 2 * points @ points.T
    np.fill_diagonal(squared, 0.0)
    return np.sqrt(np.clip(squared, 0.0, None))


def _apart(distances: Float64, inside: NDArray[np.bool_]) -> Float64:
    """Energy distances of the points inside from those outside, for each column of ``inside``."""
    chosen = inside.astype(np.float64)
    reached = distances @ chosen
    within = (chosen * reached).sum(axis=0)
    between = reached.sum(axis=0) - within
    outside = distances.sum() - within - 2 * between
    n = chosen.sum(axis=0)
    m = len(distances) - n
    result: Float64 = 2 * between / (n * m) - within / (n * (n - 1)) - outside / (m * (m - 1))
    return result
