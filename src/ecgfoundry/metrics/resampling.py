"""Resampling of patients: how often each patient is drawn, block by block, in bounded memory.

Draws are shared by every target, statistic and model of an evaluation, so that differences are
paired and averages over targets have intervals of their own. Draw number d is the same whatever
the size of the blocks: each draw has a random stream of its own, derived from the seed and d.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "PatientResampling",
    "bca_interval",
    "bootstrap_p_value",
    "is_little_biased",
    "percentile_interval",
    "renumbered",
]

_BLOCK_VALUES = 2**21
"""Draw counts per block: 8 MB in float32, so that a block stays near the processor (our choice)."""

LITTLE_BIAS = 0.25
"""Bias of bootstrap values, in their standard deviations, that can be ignored (Efron and Tibshirani
1993, section 10.3). A percentile interval shifted by it holds the truth in 94.3 instead of 95 %, by
one standard deviation in 83 %."""

Float64 = NDArray[np.float64]


def renumbered(groups: ArrayLike) -> tuple[NDArray[np.int64], int]:
    """Return numbers 0, 1, ... in the order of the names, and how many there are.

    The inverse of :func:`numpy.unique`, without sorting all records where the names are small
    whole numbers or text: the patients of a million records are renumbered for every target.
    """
    names = np.asarray(groups)
    if names.dtype.kind in "iu" and names.size and names.min() >= 0:
        highest = int(names.max())
        if highest < 8 * len(names) + 1024:
            present = np.bincount(names, minlength=highest + 1) > 0
            number = np.cumsum(present) - 1
            return number[names], int(number[-1]) + 1
    if names.dtype == object and names.ndim == 1:
        given = names.tolist()
        place = {name: k for k, name in enumerate(sorted(set(given)))}
        return np.fromiter((place[name] for name in given), np.int64, len(given)), len(place)
    found, member = np.unique(names, return_inverse=True)
    return member.astype(np.int64), len(found)


@dataclass(frozen=True)
class PatientResampling:
    """Draws of whole patients with replacement.

    Attributes
    ----------
    member : int64 (records,)
        Number of the patient of each record.
    patients : int
    seed : int
    """

    member: NDArray[np.int64]
    patients: int
    seed: int = 0

    @classmethod
    def of(cls, patients: ArrayLike, *, seed: int = 0) -> PatientResampling:
        """Build from any name per record."""
        member, count = renumbered(patients)
        return cls(member, count, seed)

    def draw(self, number: int) -> NDArray[np.int64]:
        """Return the patients of one draw, (patients,) with repetitions."""
        generator = np.random.Generator(np.random.PCG64([self.seed, number]))
        return generator.integers(0, self.patients, self.patients)

    def block_size(self) -> int:
        """Draws per block that keep the counts of all patients near the processor."""
        return int(np.clip(_BLOCK_VALUES // max(self.patients, 1), 8, 512))

    def blocks(
        self, start: int, stop: int, *, size: int | None = None
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield ``first draw, counts (patients, draws of the block)`` for draws start to stop.

        Counts are whole numbers in float32, which holds them exactly up to 2**24.
        """
        size = size or self.block_size()
        for first in range(start, stop, size):
            numbers = range(first, min(first + size, stop))
            counts = np.empty((self.patients, len(numbers)), dtype=np.float32)
            for column, number in enumerate(numbers):
                counts[:, column] = np.bincount(self.draw(number), minlength=self.patients)
            yield first, counts


def percentile_interval(values: Float64, *, level: float = 0.95) -> tuple[float, float]:
    """Return the quantiles of bootstrap values that leave out equal tails.

    Linear interpolation between order statistics; ``nan`` if any value is undefined.
    """
    if len(values) == 0 or np.isnan(values).any():
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values, (tail, 1.0 - tail))
    return float(low), float(high)


def bca_interval(
    values: Float64, estimate: float, jackknife: Float64, *, level: float = 0.95
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated interval (Efron 1987).

    Parameters
    ----------
    values : float64 (draws,)
        Bootstrap values.
    estimate : float
        On the data.
    jackknife : float64 (patients,)
        The statistic with each patient left out. The acceleration is their skewness over six.

    Returns
    -------
    low, high : float
        ``nan`` where a value is undefined, or all draws lie on one side of the estimate. Draws
        equal to the estimate count one half, as in :func:`scipy.stats.bootstrap`.
    """
    from scipy.special import ndtr, ndtri

    undefined = float("nan"), float("nan")
    if len(values) == 0 or np.isnan(values).any() or np.isnan(jackknife).any():
        return undefined
    below = (values < estimate).mean() / 2.0 + (values <= estimate).mean() / 2.0
    away = jackknife.mean() - jackknife
    spread = float(np.square(away).sum())
    if not 0.0 < below < 1.0 or spread <= 1e-30:
        return undefined
    bias = ndtri(below)
    acceleration = (away**3).sum() / (6.0 * spread**1.5)
    tail = (1.0 - level) / 2.0
    z = ndtri(np.array([tail, 1.0 - tail]))
    shifted = ndtr(bias + (bias + z) / (1.0 - acceleration * (bias + z)))
    low, high = np.quantile(values, shifted)
    return float(low), float(high)


def is_little_biased(values: Float64, estimate: float) -> bool:
    """Whether bootstrap values lie about the estimate, so that their percentiles can be trusted.

    Average precision of rare targets is larger in draws than in the data, because a positive that
    is drawn twice stands above itself; a mean over many targets keeps that bias and loses the
    spread. False where a value or the estimate is undefined, or where no draw differs from another.
    """
    spread = float(np.std(values)) if len(values) else 0.0
    if not spread > 0.0:
        return False
    return bool(abs(float(np.mean(values)) - estimate) <= LITTLE_BIAS * spread)


def bootstrap_p_value(differences: Float64) -> float:
    """Two-sided p-value of "no difference" from paired bootstrap differences.

    Twice the smaller share of draws on either side of zero, draws at zero counting for both; at
    least ``2 / (draws + 1)``, because so many draws cannot show less (Davison and Hinkley 1997,
    section 4.2). ``nan`` if any is undefined or all are zero.
    """
    if len(differences) == 0 or np.isnan(differences).any() or not differences.any():
        return float("nan")
    draws = len(differences)
    smaller = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return float(min(1.0, 2.0 * (smaller + 1) / (draws + 1)))
