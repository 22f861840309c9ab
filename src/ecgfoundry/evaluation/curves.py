"""Points of the figures, thinned so that a report of 150 targets stays a few megabytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.metrics.ranking import roc_curve
from ecgfoundry.metrics.reliability import ReliabilityCurve, reliability_curve

__all__ = ["TargetCurves", "target_curves", "thinned"]

MOST_POINTS = 160
"""Points per curve (our choice)."""
MOST_DOTS = 1500
"""Records drawn in a Bland-Altman figure, taken evenly (our choice)."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TargetCurves:
    """What is drawn of one target; empty arrays where there is nothing to draw."""

    target: str
    measured: str
    """Name of the figure that it shows: "AUROC" or "MAE"."""
    roc: Float64 = field(default_factory=lambda: np.empty((0, 2)))
    precision_recall: Float64 = field(default_factory=lambda: np.empty((0, 2)))
    reliability: ReliabilityCurve | None = None
    agreement: Float64 = field(default_factory=lambda: np.empty((0, 2)))
    readers: Sequence[tuple[str, float, float]] = ()
    """Name, 1 - specificity and sensitivity of each reader."""


def thinned(x: Float64, y: Float64, *, most: int = MOST_POINTS) -> Float64:
    """Return (points, 2) of a monotone curve, evenly spaced along its length, ends kept."""
    if len(x) <= most:
        return np.stack([x, y], axis=1)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    wanted = np.linspace(0.0, length[-1], most)
    index = np.unique(np.clip(np.searchsorted(length, wanted), 0, len(x) - 1))
    return np.stack([x[index], y[index]], axis=1)


def target_curves(data: EvaluationData, column: int) -> TargetCurves:
    """Return the points of one target's figures."""
    name, y, s = data.targets[column], data.labels[:, column], data.scores[:, column]
    known = ~(np.isnan(y) | np.isnan(s))
    if column in data.quantities:
        truth, predicted = y[known], s[known]
        step = max(1, -(-len(truth) // MOST_DOTS))
        dots = np.stack([(truth + predicted) / 2.0, predicted - truth], axis=1)[::step]
        return TargetCurves(name, "MAE", agreement=dots)
    curve = roc_curve(y, s)
    if curve.positives == 0 or curve.negatives == 0:
        return TargetCurves(name, "AUROC")
    probabilities = bool(s[known].min() >= 0.0 and s[known].max() <= 1.0)
    return TargetCurves(
        name,
        "AUROC",
        roc=thinned(curve.false_positive_rate, curve.sensitivity),
        precision_recall=thinned(curve.sensitivity[1:], curve.precision[1:]),
        reliability=reliability_curve(y, s) if probabilities else None,
    )
