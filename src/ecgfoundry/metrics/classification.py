"""Metrics of classification. An undefined value is ``nan``, never 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "auroc",
    "confusion_matrix",
    "expected_calibration_error",
    "f1_scores",
    "f1_thresholds",
    "macro_auroc",
]


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the probability that a positive scores above a negative.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1; NaN is left out.
    scores : array_like (n,)
        Any monotone score. Ties count one half (Mann-Whitney).

    Returns
    -------
    float
        ``nan`` when only one class is there.
    """
    from scipy.stats import rankdata

    y = np.asarray(labels, dtype=np.float64)
    s = np.asarray(scores, dtype=np.float64)
    known = ~np.isnan(y)
    positive, s = y[known] > 0.5, s[known]
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    ranks = rankdata(s)
    wins = ranks[positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def macro_auroc(labels: NDArray[np.floating], scores: NDArray[np.floating]) -> float:
    """Mean AUROC over the targets (columns) for which it is defined; ``nan`` if none is."""
    values = [auroc(labels[:, k], scores[:, k]) for k in range(labels.shape[1])]
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): row = truth, column = prediction."""
    pairs = np.asarray(truth, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(pairs.ravel(), minlength=classes * classes).reshape(classes, classes)


def f1_scores(truth: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.float64]:
    """F1 of each class, ``2 TP / (2 TP + FP + FN)``; ``nan`` for a class that never occurs.

    The CinC 2017 score is the mean of the first three for the order N, A, O, ~ (the noisy class
    is not counted; Clifford et al. 2017).
    """
    matrix = confusion_matrix(truth, predicted, classes)
    hits = np.diag(matrix).astype(np.float64)
    total = matrix.sum(axis=0) + matrix.sum(axis=1)
    return np.divide(2 * hits, total, out=np.full(classes, np.nan), where=total > 0)


def expected_calibration_error(
    probabilities: ArrayLike, outcomes: ArrayLike, *, bins: int = 15
) -> float:
    """Expected calibration error over equal-width bins of the probability.

    Parameters
    ----------
    probabilities : array_like (n,)
        Of the event; for a multiclass answer: the confidence of the top class.
    outcomes : array_like (n,)
        Whether it happened; for multiclass: whether the top class was right.
    bins : int
        15, as in Guo et al. 2017.
    """
    p = np.asarray(probabilities, dtype=np.float64).ravel()
    y = np.asarray(outcomes, dtype=np.float64).ravel()
    if p.size == 0:
        return float("nan")
    index = np.minimum((p * bins).astype(np.int64), bins - 1)
    weight = np.bincount(index, minlength=bins)
    gap = np.abs(
        np.bincount(index, weights=y, minlength=bins)
        - np.bincount(index, weights=p, minlength=bins)
    )
    return float(gap[weight > 0].sum() / p.size)


def f1_thresholds(probabilities: ArrayLike, labels: ArrayLike) -> list[float]:
    """Return for each target the threshold with the largest F1.

    Parameters
    ----------
    probabilities : array_like (n, targets)
    labels : array_like (n, targets)
        0, 1 or NaN (left out).

    Returns
    -------
    list of float
        Midway between the two neighbouring probabilities, so that a present finding (probability
        at or above it) is the same on this data whatever the rounding. ``nan`` for a target
        without positives.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    result = []
    for k in range(p.shape[1]):
        known = ~np.isnan(y[:, k])
        order = np.argsort(-p[known, k], kind="stable")
        scores, truth = p[known, k][order], y[known, k][order] > 0.5
        if not truth.any():
            result.append(float("nan"))
            continue
        hits = np.cumsum(truth)
        f1 = 2 * hits / (np.arange(1, len(truth) + 1) + truth.sum())
        last = np.append(scores[1:] != scores[:-1], True)  # only where the score changes
        best = int(np.argmax(np.where(last, f1, -1.0)))
        below = scores[best + 1] if best + 1 < len(scores) else 0.0
        result.append(float((scores[best] + below) / 2))
    return result
