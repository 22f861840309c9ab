"""Curves and areas over all thresholds: ROC, precision-recall, placement values.

Everything here is exact: ties count one half (Mann-Whitney), areas under the ROC curve are ratios
of whole numbers, and what is undefined (one class only) is ``nan``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import SignalError

__all__ = [
    "Curve",
    "Placements",
    "average_precision",
    "known_pairs",
    "pooled_ranking",
    "precision_recall_curve",
    "roc_curve",
    "split_placements",
]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


def known_pairs(labels: ArrayLike, scores: ArrayLike) -> tuple[Bool, Float64]:
    """Return labels as booleans and scores, of the records where both are known.

    Parameters
    ----------
    labels : array_like (n,)
        0, 1 or NaN (not known).
    scores : array_like (n,)
        NaN: there is no prediction.

    Raises
    ------
    SignalError
        The lengths differ, or a label is neither 0 nor 1 nor NaN.
    """
    y = np.asarray(labels, dtype=np.float64)
    s = np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape:
        raise SignalError(f"labels {y.shape} and scores {s.shape} do not belong together")
    known = ~(np.isnan(y) | np.isnan(s))
    y, s = y[known], s[known]
    if not np.isin(y, (0.0, 1.0)).all():
        raise SignalError("a label is neither 0 nor 1 nor missing")
    return y == 1.0, s


@dataclass(frozen=True)
class Placements:
    """Placement values (DeLong et al. 1988) of one set of scores.

    Attributes
    ----------
    positive : float64 (positives,)
        Share of the negatives that score below each positive; ties count one half.
    negative : float64 (negatives,)
        Share of the positives that score above each negative; ties count one half.
    """

    positive: Float64
    negative: Float64

    @property
    def auroc(self) -> float:
        """Their mean; ``nan`` with one class only."""
        if not len(self.positive) or not len(self.negative):
            return float("nan")
        return float(self.positive.mean())


def split_placements(positive_scores: Float64, negative_scores: Float64) -> Placements:
    """Return the placement values of positives among negatives and the other way round."""
    wins = _halves(np.sort(negative_scores), positive_scores) / 2.0
    losses = len(positive_scores) - _halves(np.sort(positive_scores), negative_scores) / 2.0
    return Placements(wins / max(len(negative_scores), 1), losses / max(len(positive_scores), 1))


def _halves(ordered: Float64, values: Float64) -> NDArray[np.int64]:
    """Twice the number of ``ordered`` below each value, ties counting one half."""
    left = np.searchsorted(ordered, values, side="left")
    return left + np.searchsorted(ordered, values, side="right")


@dataclass(frozen=True)
class Curve:
    """Points of a curve at falling thresholds.

    Attributes
    ----------
    thresholds : float64 (points,)
        A record is called positive at or above it; the first is infinite (none is).
    true_positives, false_positives : int64 (points,)
    positives, negatives : int
    """

    thresholds: Float64
    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    positives: int
    negatives: int

    @property
    def sensitivity(self) -> Float64:
        """Share of the positives found; ``nan`` without positives."""
        return _ratio(self.true_positives, self.positives)

    @property
    def false_positive_rate(self) -> Float64:
        """Share of the negatives called positive; ``nan`` without negatives."""
        return _ratio(self.false_positives, self.negatives)

    @property
    def precision(self) -> Float64:
        """Share of the called that are positive; ``nan`` where nothing is called."""
        called = self.true_positives + self.false_positives
        return np.divide(
            self.true_positives, called, out=np.full(len(called), np.nan), where=called > 0
        )


def _ratio(counts: NDArray[np.int64], total: int) -> Float64:
    return counts / total if total else np.full(len(counts), np.nan)


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> Curve:
    """Return one point per distinct score, after one where nothing is called positive."""
    positive, s = known_pairs(labels, scores)
    order = np.argsort(-s)  # the order within a tie does not matter
    s, hits = s[order], positive[order]
    last = np.flatnonzero(np.append(s[1:] != s[:-1], True)) if len(s) else np.empty(0, np.int64)
    found = np.cumsum(hits)[last] if len(s) else np.empty(0, np.int64)
    zero = np.zeros(1, np.int64)
    return Curve(
        np.concatenate([[np.inf], s[last]]),
        np.concatenate([zero, found]),
        np.concatenate([zero, last + 1 - found]),
        int(positive.sum()),
        int(len(s) - positive.sum()),
    )


def precision_recall_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[Float64, Float64]:
    """Return recall and precision at falling thresholds, from the first record called on."""
    curve = roc_curve(labels, scores)
    return curve.sensitivity[1:], curve.precision[1:]


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve as a step function (no interpolation).

    ``sum over distinct scores of (R_i - R_(i-1)) P_i``, as scikit-learn's
    ``average_precision_score``. ``nan`` without positives; 1 without negatives would say nothing,
    so it is ``nan`` as well.
    """
    curve = roc_curve(labels, scores)
    if curve.positives == 0 or curve.negatives == 0:
        return float("nan")
    gained = np.diff(curve.true_positives)
    return float((gained * curve.precision[1:]).sum() / curve.positives)


def pooled_ranking(positive_scores: Float64, negative_scores: Float64) -> tuple[float, float]:
    """Return AUROC and average precision of pooled scores, with little memory.

    Parameters
    ----------
    positive_scores, negative_scores : float64
        Of all targets together. Both are sorted in place.

    Returns
    -------
    auroc, average_precision : float
        ``nan`` when one of the two is empty.
    """
    positives, negatives = len(positive_scores), len(negative_scores)
    if positives == 0 or negatives == 0:
        return float("nan"), float("nan")
    positive_scores.sort()
    negative_scores.sort()
    wins = float(_halves(negative_scores, positive_scores).sum()) / 2.0
    first = np.flatnonzero(np.append(True, positive_scores[1:] != positive_scores[:-1]))
    found = positives - first  # at or above each distinct positive score
    wrong = negatives - np.searchsorted(negative_scores, positive_scores[first], side="left")
    gained = np.diff(np.append(first, positives))
    precision = float((gained * (found / (found + wrong))).sum() / positives)
    return wins / positives / negatives, precision
