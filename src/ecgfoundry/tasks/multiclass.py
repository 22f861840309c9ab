"""One target of several classes that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.metrics.calibration import (
    cross_fitted_probabilities,
    fit_calibrator,
    log_softmax,
)
from ecgfoundry.metrics.classification import macro_auroc
from ecgfoundry.metrics.conformal import COVERAGE, class_limits
from ecgfoundry.tasks.base import MINIMUM_EACH, Float64, Loss
from ecgfoundry.tasks.classification import FEWEST_PATIENTS, Classification
from ecgfoundry.tasks.outputs import Outputs
from ecgfoundry.tasks.readout import Calibration, PredictionSets, Readout
from ecgfoundry.vocabularies.types import Target

__all__ = ["Multiclass"]

FEWEST_RECORDS = 200
"""Labelled records from which the calibration of all classes is fitted anew (our choice)."""


@dataclass(frozen=True, kw_only=True)
class Multiclass(Classification):
    """A column of class numbers; every class has its own output, and the most probable is present.

    ``vocabulary`` are the classes.
    """

    kind: ClassVar[str] = "multiclass"
    target_kind: ClassVar[str] = "multiclass"
    losses: ClassVar[tuple[str, ...]] = ("cross-entropy",)
    one_column: ClassVar[bool] = True
    exclusive: ClassVar[bool] = True
    recalibrates: ClassVar[bool] = True
    crossed_method: ClassVar[str] = "temperature"

    def check_columns(self) -> None:
        """One column has as many outputs as it has classes."""

    @classmethod
    def targets_of(
        cls,
        columns: Sequence[str],
        values: Float64,
        texts: Mapping[str, Sequence[str]],
        unit: str | None,
    ) -> tuple[Target, ...]:
        """Return one target per class, in the order of their numbers."""
        del unit
        known = values[~np.isnan(values)]
        count = int(known.max()) + 1 if known.size else 1
        names = tuple(texts.get(columns[0], ())) or tuple(f"{columns[0]} {k}" for k in range(count))
        return tuple(Target(str(name), "diagnosis") for name in names)

    def truth_of(self, k: int, values: Float64) -> Float64:
        """Return whether each record is of class ``k``."""
        classes = values[:, 0]
        return np.where(np.isnan(classes), np.nan, classes == k)

    def known_labels(self, values: Float64) -> tuple[NDArray[np.bool_], Float64]:
        """Return the records with a class, and their classes."""
        known: NDArray[np.bool_] = ~np.isnan(values[:, 0])
        return known, values[known, 0]

    def present(self, answers: Float64) -> list[bool | None]:
        """Return whether each class is the most probable one."""
        top = int(np.argmax(answers))
        return [k == top for k in range(len(answers))]

    def make_loss(self, training: Float64) -> Loss:
        """Return the loss, with classes weighted against their frequency if that is wanted."""
        if not self.balance:
            return super().make_loss(training)
        import torch

        from ecgfoundry.tasks import losses

        known = training[~np.isnan(training)].astype(np.int64)
        counts = np.maximum(np.bincount(known, minlength=self.outputs), 1)
        weight = torch.tensor(known.size / (self.outputs * counts), dtype=torch.float32)
        return losses.make_loss(self.loss, class_weight=weight)

    def figures(self, outputs: Float64, values: Float64) -> dict[str, float]:
        """Return macro AUROC of each class against the others, accuracy, and cross-entropy."""
        known, classes = self.known_labels(values)
        z, y = outputs[known], classes.astype(np.int64)
        if not y.size:
            return {"macro_auroc": float("nan"), "loss": float("nan")}
        hot = (y[:, None] == np.arange(self.outputs)).astype(np.float64)
        logs = log_softmax(z)
        return {
            "macro_auroc": macro_auroc(hot, logs - np.log(np.maximum(1 - np.exp(logs), 1e-12))),
            "accuracy": float((z.argmax(axis=1) == y).mean()),
            "loss": float(-logs[np.arange(len(y)), y].mean()),
        }

    def columns_of(self, labels: Float64) -> Float64:
        """Return the class of each record; NaN where not exactly one class is true."""
        one = ~np.isnan(labels).any(axis=1) & (np.nansum(labels, axis=1) == 1.0)
        return np.where(one, np.nan_to_num(labels).argmax(axis=1), np.nan)[:, None]

    def recalibrated(
        self, outputs: Float64, values: Float64, *, source: str
    ) -> tuple[Self, tuple[str, ...]]:
        """Fit vector scaling for records and windows alike, from :data:`FEWEST_RECORDS` on.

        Notes
        -----
        With fewer the calibration stays, and what says how sure an answer is are the sets: on three
        other sites, scaling from 50 records made the log loss of the rhythm model worse
        (``benchmarks/experiments/rhythm_sites.py``).
        """
        known, classes = self.known_labels(values)
        counts = np.bincount(classes.astype(int), minlength=self.outputs)
        if len(classes) < FEWEST_RECORDS or counts.min() < MINIMUM_EACH:
            return self, ()
        one = fit_calibrator(outputs[known], classes, method="vector", multiclass=True)
        readout = replace(self.readout, calibration=Calibration(one, one, fitted_on=source))
        return self.with_readout(replace(readout, uncalibrated={})), self.vocabulary.names

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
        """Return the task with the lowest probability of each class at which it is possible."""
        known, classes = self.known_labels(values)
        z, who = outputs[known], [groups[int(k)] for k in np.flatnonzero(known)]
        found = self.readout.calibration
        if crossed and found is not None and len(set(who)) >= FEWEST_PATIENTS:
            scores = cross_fitted_probabilities(
                z, classes, who, method=found.record.method, multiclass=True
            )
        else:
            scores = self.answers(z)
        limits, shared = class_limits(scores, classes, who, coverage=coverage)
        if limits is None:
            return self
        names = self.vocabulary.names
        sets = PredictionSets(
            coverage, tuple(limits), None, source, tuple(names[k] for k in shared)
        )
        return self.with_readout(replace(self.readout, sets=sets))

    def calibrated(self, outputs: Outputs, values: Float64) -> Self:
        """Fit vector scaling, or one temperature where a class is rare."""
        known, classes = self.known_labels(values)
        if len(classes) < MINIMUM_EACH * 2:
            few = f"fewer than {2 * MINIMUM_EACH} recordings with a class in the validation split"
            return self.with_readout(
                Readout(uncalibrated=dict.fromkeys(self.vocabulary.names, few))
            )
        counts = np.bincount(classes.astype(int), minlength=self.outputs)
        method = "vector" if counts.min() >= MINIMUM_EACH else "temperature"
        record = fit_calibrator(outputs.records[known], classes, method=method, multiclass=True)
        seen, own = self.known_labels(values[outputs.owner])
        window = fit_calibrator(outputs.windows[seen], own, method=method, multiclass=True)
        source = f"{len(classes)} recordings of the validation split"
        return self.with_readout(Readout(Calibration(record, window, fitted_on=source)))
