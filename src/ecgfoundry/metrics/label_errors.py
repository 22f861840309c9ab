"""Which labels are suspicious: confident learning from probabilities of models that never saw them.

After Northcutt, Jiang and Chuang (J Artif Intell Res 2021): what a probability says depends on how
sure the models are of the records that bear the label, so that each class is measured by its own
mean ("self-confidence") and not by one limit for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import SignalError

__all__ = ["LabelSuspicion", "label_suspicion"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelSuspicion:
    """What is said about each label; NaN, -1 and False where there is no label.

    Attributes
    ----------
    score : float64 (records,)
        How far the best other class stands above the given one, each against its own mean; above 0
        the other one fits better.
    suggested : int64 (records,)
        The best other class.
    confident : bool (records,)
        Whether that class is as probable as it is, on average, for the records that bear it: the
        label counts as an error in the confident joint.
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
    >>> found = label_suspicion([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.95, 0.05]], [0, 0, 1, 1])
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
    margins = p[rows] - means
    own = margins[np.arange(len(rows)), y[rows]]
    margins[np.arange(len(rows)), y[rows]] = -np.inf
    best = margins.argmax(axis=1)
    score[rows] = margins[np.arange(len(rows)), best] - own
    suggested[rows] = best
    confident[rows] = margins[np.arange(len(rows)), best] >= 0
    return LabelSuspicion(score, suggested, confident)
