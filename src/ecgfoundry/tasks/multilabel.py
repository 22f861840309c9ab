"""Several targets, each present or absent on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.metrics.calibration import Calibrator, fit_calibrator
from ecgfoundry.metrics.classification import auroc, f1_thresholds, macro_auroc
from ecgfoundry.metrics.conformal import COVERAGE, lower_limit
from ecgfoundry.tasks.base import MINIMUM_EACH, Float64, Loss
from ecgfoundry.tasks.classification import Classification
from ecgfoundry.tasks.outputs import Outputs
from ecgfoundry.tasks.readout import Calibration, PredictionSets, Readout, Thresholds
from ecgfoundry.vocabularies.types import Target

__all__ = ["FittedTarget", "Multilabel", "fit_targets"]

LISTED_FIGURES = 20
"""Up to so many targets, each has its own figure in the curves of a run (our choice)."""


@dataclass(frozen=True, kw_only=True)
class Multilabel(Classification):
    """Targets of 0 and 1, or missing; every one has its own output."""

    kind: ClassVar[str] = "multilabel"
    target_kind: ClassVar[str] = "multilabel"
    losses: ClassVar[tuple[str, ...]] = ("bce", "focal", "hill", "hill-positive")
    recalibrates: ClassVar[bool] = True
    zero_one: ClassVar[bool] = True
    crossed_method: ClassVar[str] = "platt"

    @classmethod
    def targets_of(
        cls,
        columns: Sequence[str],
        values: Float64,
        texts: Mapping[str, Sequence[str]],
        unit: str | None,
    ) -> tuple[Target, ...]:
        """Return one target per column; of two text classes, the second is the positive one."""
        del unit
        two = bool(columns) and all(len(texts.get(name, ())) == 2 for name in columns)
        if not two and not set(np.unique(values[~np.isnan(values)])) <= {0.0, 1.0}:
            raise TrainingError(
                f"a {cls.kind} task needs targets of 0 and 1",
                remedy="Use --task regression or multiclass",
            )
        # In alphabetical order.
        return tuple(
            Target(f"{name}: {texts[name][1]}" if two else name, "diagnosis") for name in columns
        )

    def known_labels(self, values: Float64) -> tuple[NDArray[np.bool_], Float64]:
        """Return the records with any label, and all their labels."""
        known: NDArray[np.bool_] = np.asarray(~np.isnan(values).all(axis=1))
        return known, values[known]

    def make_loss(self, training: Float64) -> Loss:
        """Return the loss, with positives weighted against their rarity if that is wanted."""
        if not self.balance:
            return super().make_loss(training)
        import torch

        from ecgfoundry.tasks import losses

        weight = losses.positive_weights(torch.from_numpy(training.astype(np.float32)))
        return losses.make_loss(self.loss, positive_weight=weight)

    def figures(self, outputs: Float64, values: Float64) -> dict[str, float]:
        """Return macro AUROC, the AUROC of each of up to 20 targets, and cross-entropy."""
        result = {"macro_auroc": macro_auroc(values, outputs)}
        if 1 < self.outputs <= LISTED_FIGURES:
            for k, name in enumerate(self.vocabulary.names):
                result[f"auroc {name}"] = auroc(values[:, k], outputs[:, k])
        known = ~np.isnan(values)
        y, z = values[known], outputs[known]
        result["loss"] = float((np.logaddexp(0, z) - y * z).mean()) if y.size else float("nan")
        return result

    def never_positive(self, training: Float64) -> list[str]:
        """Return the columns without any positive."""
        pairs = zip(self.columns, training.T, strict=True)
        return [name for name, column in pairs if not (column > 0.5).any()]

    def recalibrated(
        self, outputs: Float64, values: Float64, *, source: str
    ) -> tuple[Self, tuple[str, ...]]:
        """Fit Platt's method and the threshold of every target that has enough labels."""
        fitted = fit_targets(outputs, values)
        if not fitted:
            return self, ()
        names, old = self.vocabulary.names, self.readout
        own = ", ".join(names[k] for k in fitted)
        source = f"{source}; {len(fitted)} of {len(names)} targets ({own})"
        partly = len(fitted) < len(names)
        before = old.calibration
        reduced = None if before is None else before.reduced_leads
        short = None if before is None or not partly else before.short_window
        calibration = Calibration(
            platt(fitted, len(names), before=None if before is None else before.record),
            platt(fitted, len(names), before=None if before is None else before.window),
            None if reduced is None else platt(fitted, len(names), before=reduced),
            _joined(source, before.fitted_on if before is not None and partly else None),
            None if short is None else platt(fitted, len(names), before=short),
            None if short is None or before is None else _joined(source, before.short_fitted_on),
        )
        values_of = list(self.thresholds)
        for k, one in fitted.items():
            values_of[k] = one.threshold
        criterion, fitted_on = "largest F1", source
        earlier = old.thresholds
        if earlier is not None and partly:
            if earlier.criterion != criterion:
                criterion = _joined(f"largest F1 ({own})", earlier.criterion)
            fitted_on = _joined(source, earlier.fitted_on)
        few = f"fewer than {MINIMUM_EACH} positives or negatives with a label"
        calibrated = self.calibrates
        readout = Readout(
            calibration,
            Thresholds(tuple(values_of), criterion, fitted_on),
            uncalibrated={
                name: few for k, name in enumerate(names) if k not in fitted and not calibrated[k]
            },
            sets=old.sets,
        )
        return self.with_readout(readout), tuple(names[k] for k in fitted)

    def with_sets(
        self,
        outputs: Float64,
        values: Float64,
        groups: Sequence[str],
        *,
        source: str,
        coverage: float = COVERAGE,
        crossed: bool = False,
    ) -> Self:
        """Return the task with the limits of each target, apart for records with and without it.

        Notes
        -----
        A limit is an order statistic, so that a calibration that keeps the order, as Platt's does,
        cannot make it better than it is. A target without any label keeps the limits that it had.
        """
        del crossed
        known, labels = self.known_labels(values)
        answers, before = self.answers(outputs[known]), self.readout.sets
        people = [groups[int(k)] for k in np.flatnonzero(known)]

        def limit(scores: Float64, rows: NDArray[np.bool_]) -> float | None:
            who = [people[int(k)] for k in np.flatnonzero(rows)]
            return lower_limit(scores[rows], who, coverage=coverage)

        present: list[float | None] = []
        absent: list[float | None] = []
        earlier = None
        for k, (p, y) in enumerate(zip(answers.T, labels.T, strict=True)):
            if before is not None and before.coverage == coverage and np.isnan(y).all():
                present.append(before.present[k])
                absent.append(None if before.absent is None else before.absent[k])
                earlier = before.fitted_on
            else:
                low = limit(1.0 - p, y <= 0.5)
                present.append(limit(p, y > 0.5))
                absent.append(None if low is None else 1.0 - low)
        if all(one is None for one in (*present, *absent)):
            return self
        sets = PredictionSets(coverage, tuple(present), tuple(absent), _joined(source, earlier))
        return self.with_readout(replace(self.readout, sets=sets))

    def calibrated(self, outputs: Outputs, values: Float64) -> Self:
        """Fit Platt's method and the threshold with the largest F1, target by target."""
        found = fit_targets(outputs.records, values)
        few = f"fewer than {MINIMUM_EACH} positives or negatives in the validation split"
        without = {n: few for k, n in enumerate(self.vocabulary.names) if k not in found}
        if not found:
            return self.with_readout(Readout(uncalibrated=without))
        windows = fit_targets(outputs.windows, values[outputs.owner])
        known = int((~np.isnan(values)).any(axis=1).sum())
        source = f"{known} recordings of the validation split"
        return self.with_readout(
            Readout(
                Calibration(
                    platt(found, self.outputs), platt(windows, self.outputs), fitted_on=source
                ),
                Thresholds(
                    tuple(found[k].threshold if k in found else None for k in range(self.outputs)),
                    "largest F1",
                    source,
                ),
                uncalibrated=without,
            )
        )


def _joined(new: str, earlier: str | None) -> str:
    return new if earlier is None else f"{new}; the others: {earlier}"


@dataclass(frozen=True, slots=True)
class FittedTarget:
    """Calibration and threshold of one target; the threshold is on the calibrated probability."""

    scale: float
    offset: float
    threshold: float


def fit_targets(logits: Float64, labels: Float64) -> dict[int, FittedTarget]:
    """Fit every target that has enough labels.

    Parameters
    ----------
    logits, labels : ndarray (records, targets)
        Labels are 0, 1 or NaN.

    Returns
    -------
    dict
        Position of the target -> what was found; without those of fewer than
        :data:`ecgfoundry.tasks.base.MINIMUM_EACH` positives or negatives.
    """
    fitted = {}
    for k in range(logits.shape[1]):
        known = ~np.isnan(labels[:, k])
        positives = int((labels[known, k] > 0.5).sum())
        if min(positives, int(known.sum()) - positives) < MINIMUM_EACH:
            continue
        z, y = logits[known, k : k + 1], labels[known, k : k + 1]
        one = fit_calibrator(z, y, method="platt", multiclass=False)
        threshold = f1_thresholds(one.probabilities(z, multiclass=False), y)[0]
        fitted[k] = FittedTarget(one.scale[0], one.offset[0], threshold)
    return fitted


def platt(
    fitted: Mapping[int, FittedTarget], targets: int, *, before: Calibrator | None = None
) -> Calibrator:
    """Return a calibrator of what was fitted; other targets keep what they had before."""
    old = before or Calibrator.identity(targets)
    scale, offset = list(old.scale), list(old.offset)
    for k, one in fitted.items():
        scale[k], offset[k] = one.scale, one.offset
    return Calibrator("platt", tuple(scale), tuple(offset))
