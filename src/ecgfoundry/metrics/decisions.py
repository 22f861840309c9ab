"""Decisions at a threshold: sensitivity, specificity, predictive values, F1, MCC.

A record is called positive when its score is at or above the threshold. Every measure is a ratio
of counts and ``nan`` where its denominator is 0: an undefined value is not a 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.metrics.ranking import known_pairs, roc_curve

__all__ = [
    "DECISION_MEASURES",
    "decision_counts",
    "decision_measures",
    "summarize_decisions",
    "wilson_interval",
    "youden_threshold",
]

DECISION_MEASURES = ("sensitivity", "specificity", "ppv", "npv", "f1", "mcc", "accuracy")

Float64 = NDArray[np.float64]


def decision_counts(labels: ArrayLike, scores: ArrayLike, threshold: float) -> NDArray[np.int64]:
    """Return true positives, false positives, false negatives, true negatives (4,)."""
    positive, s = known_pairs(labels, scores)
    called = s >= threshold
    return np.array(
        [
            (called & positive).sum(),
            (called & ~positive).sum(),
            (~called & positive).sum(),
            (~called & ~positive).sum(),
        ],
        dtype=np.int64,
    )


def decision_measures(counts: ArrayLike) -> dict[str, Float64]:
    """Return every measure of ``DECISION_MEASURES``.

    Parameters
    ----------
    counts : array_like (..., 4)
        True positives, false positives, false negatives, true negatives; whole or weighted.

    Returns
    -------
    dict of float64 (...)
        MCC is ``nan`` when a row or column of the confusion matrix is empty (scikit-learn says 0
        there).
    """
    tp, fp, fn, tn = np.moveaxis(np.asarray(counts, dtype=np.float64), -1, 0)
    # Products of four counts pass the whole numbers that a float holds; ratios do not.
    margins = np.sqrt((tp + fp) * (tp + fn)) * np.sqrt((tn + fp) * (tn + fn))
    return {
        "sensitivity": _divide(tp, tp + fn),
        "specificity": _divide(tn, tn + fp),
        "ppv": _divide(tp, tp + fp),
        "npv": _divide(tn, tn + fn),
        "f1": _divide(2 * tp, 2 * tp + fp + fn),
        "mcc": _divide(tp * tn - fp * fn, margins),
        "accuracy": _divide(tp + tn, tp + fp + fn + tn),
    }


def _divide(numerator: Float64, denominator: Float64) -> Float64:
    return np.divide(
        numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator > 0
    )


def summarize_decisions(counts: NDArray[np.int64]) -> Mapping[str, dict[str, float]]:
    """Return macro, micro and weighted averages over targets.

    Parameters
    ----------
    counts : int64 (targets, 4)

    Returns
    -------
    dict
        ``macro``: mean over the targets where a measure is defined; ``micro``: of the summed
        counts; ``weighted``: mean weighted by the positives of each target. ``nan`` if no target
        defines it.
    """
    each = decision_measures(counts)
    micro = decision_measures(counts.sum(axis=0)) if len(counts) else {}
    positives = counts[:, 0] + counts[:, 2] if len(counts) else np.empty(0)
    result: dict[str, dict[str, float]] = {"macro": {}, "micro": {}, "weighted": {}}
    for name in DECISION_MEASURES:
        values = each[name]
        defined = ~np.isnan(values)
        weight = positives[defined].sum()
        result["macro"][name] = float(values[defined].mean()) if defined.any() else float("nan")
        result["micro"][name] = float(micro[name]) if micro else float("nan")
        result["weighted"][name] = (
            float((values[defined] * positives[defined]).sum() / weight)
            if weight > 0
            else float("nan")
        )
    return result


def youden_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the threshold with the largest sensitivity + specificity - 1 (Youden 1950).

    Midway between neighbouring scores, as :func:`f1_thresholds` does, and the highest of equally
    good ones; ``nan`` with one class.
    """
    curve = roc_curve(labels, scores)
    if curve.positives == 0 or curve.negatives == 0:
        return float("nan")
    # In whole numbers, because rounding would choose among equally good thresholds.
    gain = curve.true_positives * curve.negatives - curve.false_positives * curve.positives
    best = int(np.argmax(gain[1:])) + 1
    here = curve.thresholds[best]
    below = curve.thresholds[best + 1] if best + 1 < len(curve.thresholds) else here
    return float((here + below) / 2.0)


def wilson_interval(
    successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95
) -> tuple[Float64, Float64]:
    """Return Wilson's score interval of a share (1927); ``nan`` without trials.

    Trials count as independent: with several records per patient it is too narrow, and the
    bootstrap by patient is the one to report.
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2.0))
    n = np.asarray(trials, dtype=np.float64)
    share = _divide(np.asarray(successes, dtype=np.float64), n)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends exactly, not but for rounding.
    low = np.where(share == 0.0, 0.0, np.clip(centre - half, 0.0, 1.0))
    return low, np.where(share == 1.0, 1.0, np.clip(centre + half, 0.0, 1.0))
