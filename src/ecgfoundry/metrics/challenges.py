"""Scores of public challenges, by their own rules."""

from __future__ import annotations

from numpy.typing import ArrayLike

from ecgfoundry.metrics.classification import f1_scores

__all__ = ["CINC2017_CLASSES", "cinc2017_score"]

CINC2017_CLASSES = ("N", "A", "O", "~")
"""Normal, atrial fibrillation, other rhythm, too noisy: the order that the score needs."""


def cinc2017_score(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Mean F1 of normal, AF and other (Clifford et al. 2017); the noisy class is not averaged.

    Parameters
    ----------
    truth, predicted : array_like (n,) of int
        Positions in ``CINC2017_CLASSES``. Noisy records count in the other classes' denominators.

    Returns
    -------
    float
        ``nan`` if one of the three classes occurs neither in truth nor in predictions.
    """
    return float(f1_scores(truth, predicted, len(CINC2017_CLASSES))[:3].mean())
