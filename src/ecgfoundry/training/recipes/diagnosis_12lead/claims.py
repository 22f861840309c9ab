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

from ecgfoundry.metrics.bootstrap import bootstrap_sums, patient_sums
from ecgfoundry.metrics.calibration import Calibrator
from ecgfoundry.metrics.decisions import wilson_interval
from ecgfoundry.metrics.intervals import DRAWS, interval_of_draws
from ecgfoundry.metrics.resampling import PatientResampling
from ecgfoundry.training.recipes.ptbxl_superclass.data import Array, Float64
from ecgfoundry.vocabularies.exclusive import withheld

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
    names: tuple[str, ...],
    fit: Callable[[NDArray[np.intp]], Sequence[Calibrator]],
    answers: Sequence[Float64],
    targets: Array,
    groups: NDArray[np.int64],
) -> list[Said]:
    """Return what is said of each record by calibration and thresholds that never saw its group.

    Parameters
    ----------
    names : tuple of str
        Targets: of rhythms that exclude each other the most probable one is said.
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
            found = calibrator.probabilities(logits[inside], multiclass=False)
            part[inside] = _claimed(names, found, found >= limit)
    return said


def _claimed(names: tuple[str, ...], probabilities: Float64, reached: Said) -> Said:
    """Return what is said where more probable rhythms leave others unsaid."""
    result = reached.copy()
    for row, values, said in zip(result, probabilities.tolist(), reached.tolist(), strict=True):
        row[list(withheld(names, values, said))] = False
    return result


def claim_figures(
    said: Said, present: Said, persons: NDArray[np.int64]
) -> list[dict[str, dict[str, Any]]]:
    """Sensitivity, specificity and positive predictive value of each target, with intervals.

    Parameters
    ----------
    said, present : bool ndarray (records, targets)
    persons : ndarray of int (records,)

    Returns
    -------
    list of dict
        Of each target, each figure as ``{"value": ..., "ci95": [low, high]}``, by person; None
        where it is undefined.
    """
    resampling = PatientResampling.of(persons)
    shares = {
        "sensitivity": (said, present),
        "specificity": (~said, ~present),
        "ppv": (present, said),
    }
    result: list[dict[str, dict[str, Any]]] = [{} for _ in range(said.shape[1])]
    for name, (right, of) in shares.items():
        terms = np.concatenate([right & of, of], axis=1).astype(np.float64)
        drawn = bootstrap_sums(patient_sums(terms, resampling), resampling, draws=DRAWS)
        hits, count = np.split(drawn, 2, axis=1)
        share = np.divide(hits, count, out=np.full(hits.shape, np.nan), where=count > 0)
        for k, figures in enumerate(result):
            among = right[of[:, k], k]
            value = float(among.mean()) if len(among) else float("nan")
            people = len(np.unique(persons[of[:, k]]))
            found = interval_of_draws(value, share[:, k], people=people, of_people=people)
            figures[name] = {"value": None if np.isnan(value) else value, "ci95": found.ends}
    return result
