"""Which labels are suspicious: confident learning from probabilities of models that never saw them.

The order is that of confidence-weighted entropy (Kuan and Mueller, ICML workshop on data-centric
AI 2022): how little the models know, over the probability that they give the label. Likely errors
are those of the confident joint (Northcutt, Jiang and Chuang, J Artif Intell Res 2021): each class
is measured by its own mean and not by one limit for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import SignalError

__all__ = ["LabelSuspicion", "label_suspicion"]

FLOOR = 1e-3
"""Added to the probability of the given class, which may be 0 (our choice)."""
_SMALLEST = 1e-12

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelSuspicion:
    """What is said about each label; NaN, -1 and False where there is no label.

    Attributes
    ----------
    score : float64 (records,)
        Entropy of the probabilities, as a share of the largest one, over that of the given class.
    suggested : int64 (records,)
        The most probable other class.
    confident : bool (records,)
        That class is more probable than the given one, and as probable as it is on average for the
        records that bear it.
    """

    score: Float64
    suggested: NDArray[np.int64]
    confident: NDArray[np.bool_]


def label_suspicion(probabilities: ArrayLike, given: ArrayLike) -> LabelSuspicion:
    """Compare the given class of every record with what models say that never saw it.

    Parameters
    ----------
    probabilities : array_like (records, classes)
        Out of sample; of one target the two columns are absent and present.
    given : array_like (records,)
        Class numbers; negative: not labelled.

    Raises
    ------
    SignalError
        Shapes differ, or no record is labelled.

    Examples
    --------
    >>> found = label_suspicion([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.9, 0.1]], [0, 0, 1, 1])
    >>> int(found.score.argmax()), int(found.suggested[3]), bool(found.confident[3])
    (3, 0, True)
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(given, dtype=np.int64)
    known = (y >= 0) & ~np.isnan(p).any(axis=1) if p.ndim == 2 and len(p) == len(y) else None
    if known is None or p.shape[1] < 2 or not known.any() or y.max() >= p.shape[1]:
        raise SignalError(f"probabilities {p.shape} and classes {y.shape} do not go together")
    width = p.shape[1]
    means = np.full(width, np.inf)  # a class that no record bears is suggested for none
    for k in range(width):
        if (rows := known & (y == k)).any():
            means[k] = p[rows, k].mean()
    score, suggested = np.full(len(y), np.nan), np.full(len(y), -1, dtype=np.int64)
    confident = np.zeros(len(y), dtype=bool)
    rows = np.flatnonzero(known)
    every = np.arange(len(rows))
    here = p[rows]
    own = here[every, y[rows]].copy()
    entropy = -(here * np.log(np.maximum(here, _SMALLEST))).sum(axis=1) / np.log(width)
    here[every, y[rows]] = -np.inf
    best = here.argmax(axis=1)
    score[rows] = entropy / (own + FLOOR)
    suggested[rows] = best
    confident[rows] = (here[every, best] > own) & (here[every, best] >= means[best])
    return LabelSuspicion(score, suggested, confident)
