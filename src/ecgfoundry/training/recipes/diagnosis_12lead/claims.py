"""At which probability a target is said to be present, and how often that is right.

F1 is not asked: of a calibrated probability its best threshold is half of the best F1 (Lipton et
al., Optimal Thresholding of Classifiers to Maximize F1 Measure, ECML PKDD 2014), so that the worse
a target is told apart, the sooner it is claimed. Here a claim is more likely than not. A target
whose claims are not shown to be right more often than wrong has no threshold, only a probability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.metrics.calibration import Calibrator
from ecgfoundry.metrics.decisions import wilson_interval
from ecgfoundry.training.recipes.ptbxl_superclass.data import Array, Float64
from ecgfoundry.training.recipes.ptbxl_superclass.measuring import interval

__all__ = ["CRITERION", "LEAST_RIGHT", "LEVELS", "claim_figures", "claim_thresholds", "crossed"]

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Calibrated probabilities that may be a threshold: coarse, because few records decide."""

LEAST_RIGHT = 0.5
"""The lower end of the 95 % interval of a claim's positive predictive value is at least this."""

CRITERION = (
    "the lowest of 0.5, 0.6, 0.7, 0.8 and 0.9 at which the lower 95 % limit (Wilson) of the "
    "positive predictive value is 0.5; none where there is no such"
)

Said = NDArray[np.bool_]


def claim_thresholds(probabilities: Float64, targets: Array) -> list[float | None]:
    """Return the threshold of each target, or None.

    Parameters
    ----------
    probabilities : ndarray (records, targets)
        Calibrated.
    targets : ndarray (records, targets)
        0 or 1.
    """
    present = targets > 0.5
    result: list[float | None] = []
    for k in range(targets.shape[1]):
        said = probabilities[:, k, None] >= np.array(LEVELS)
        right = (said & present[:, k, None]).sum(axis=0)
        low, _ = wilson_interval(right, said.sum(axis=0))  # NaN where nothing is said
        enough = np.flatnonzero(low >= LEAST_RIGHT)
        result.append(LEVELS[enough[0]] if len(enough) else None)
    return result


def crossed(
    fit: Callable[[NDArray[np.intp]], Sequence[Calibrator]],
    answers: Sequence[Float64],
    targets: Array,
    groups: NDArray[np.int64],
) -> list[Said]:
    """Return what is said of each record by calibration and thresholds that never saw its group.

    Parameters
    ----------
    fit : callable
        From the rows to learn from to the calibrator of each of ``answers``.
    answers : sequence of ndarray (records, targets)
        Logits; thresholds are chosen by the first and serve them all.
    targets : ndarray (records, targets)
    groups : ndarray of int (records,)
        Records that are judged together.

    Returns
    -------
    list of bool ndarray (records, targets)
        For each of ``answers``.
    """
    said = [np.zeros(targets.shape, dtype=np.bool_) for _ in answers]
    for group in np.unique(groups):
        inside, outside = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
        calibrators = fit(outside)
        first = calibrators[0].probabilities(answers[0][outside], multiclass=False)
        # An absent threshold is compared as NaN: nothing is said.
        limit = np.array(claim_thresholds(first, targets[outside]), dtype=np.float64)
        for part, calibrator, logits in zip(said, calibrators, answers, strict=True):
            part[inside] = calibrator.probabilities(logits[inside], multiclass=False) >= limit
    return said


def claim_figures(said: Said, present: Said, persons: NDArray[np.int64]) -> dict[str, Any]:
    """Sensitivity, specificity and positive predictive value of one target, with intervals.

    Parameters
    ----------
    said, present : bool ndarray (records,)
    persons : ndarray of int (records,)

    Returns
    -------
    dict
        Each as ``{"value": ..., "ci95": [low, high]}``; None where it is undefined.
    """

    def share(right: Said, of: Said) -> dict[str, Any]:
        if not of.any():
            return {"value": None, "ci95": None}
        among = right[of]
        ends = interval(lambda chosen: float(among[chosen].mean()), persons[of])
        return {"value": float(among.mean()), "ci95": ends}

    return {
        "sensitivity": share(said, present),
        "specificity": share(~said, ~present),
        "ppv": share(present, said),
    }
