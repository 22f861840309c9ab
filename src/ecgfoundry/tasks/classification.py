"""What the kinds that give probabilities have in common: areas under the curve, calibration."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.metrics.calibration import (
    Calibrator,
    calibration_error,
    cross_fitted_probabilities,
)
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.metrics.intervals import metric_interval
from ecgfoundry.metrics.metric import Metric, stated
from ecgfoundry.tasks.base import Float64, Task

__all__ = ["Classification"]

LISTED_TARGETS = 40
"""Up to so many targets, those whose area is undefined are listed too (our choice)."""
FEWEST_PATIENTS = 10
"""Patients that a cross-fitted calibration error needs (our choice)."""


@dataclass(frozen=True, kw_only=True)
class Classification(Task):
    """A task whose answers are probabilities."""

    crossed_method: ClassVar[str]
    """Which calibration the cross-fitted error is measured with."""

    @abstractmethod
    def known_labels(self, values: Float64) -> tuple[NDArray[np.bool_], Float64]:
        """Return which records have a label, and their labels as calibration takes them."""

    def answers(self, outputs: Float64, *, level: str = "record") -> Float64:
        """Return probabilities (..., targets), calibrated if the readout is."""
        found = self.readout.calibration
        calibrator = Calibrator.identity(outputs.shape[-1]) if found is None else found.of(level)
        return calibrator.probabilities(outputs, multiclass=self.exclusive)

    def probabilities(self, outputs: Float64) -> Float64:
        """Return uncalibrated probabilities (..., targets)."""
        identity = Calibrator.identity(outputs.shape[-1])
        return identity.probabilities(outputs, multiclass=self.exclusive)

    def target_metrics(
        self,
        outputs: Float64,
        values: Float64,
        groups: Sequence[str],
        where: str,
        *,
        intervals: bool,
    ) -> list[Metric]:
        """Return the AUROC of each target, of the answers that the bundle will give."""
        answers, who = self.answers(outputs), np.asarray(groups)
        metrics = []
        for k, target in enumerate(self.vocabulary.targets):
            truth = self.truth_of(k, values)
            known = ~np.isnan(truth)
            count, several = int(known.sum()), np.unique(truth[known]).size > 1
            if self.outputs > LISTED_TARGETS and not several:
                continue
            if intervals:
                found = metric_interval("auroc", truth, answers[:, k], patients=who)
                metrics.append(Metric.of("AUROC", found, where, target=target.name, records=count))
            else:
                value = stated(auroc(truth, answers[:, k]))
                metrics.append(Metric("AUROC", value, where, target=target.name, records=count))
        return metrics

    def held_out_metrics(self, outputs: Float64, values: Float64, data: str) -> list[Metric]:
        """Return how often the sets hold the truth on test records, and how often they decide."""
        sets = self.readout.sets
        if sets is None:
            return []
        found = [sets.outcomes(answers) for answers in self.answers(outputs)]
        held = np.full((len(outputs), self.outputs), np.nan)
        decided = held.copy()
        for k in range(self.outputs):
            for row, y in enumerate(self.truth_of(k, values)):
                if not np.isnan(y):
                    own = found[row][k]
                    held[row, k] = ("present" if y > 0.5 else "absent") in own
                    decided[row, k] = len(own) == 1
        names: tuple[str | None, ...] = self.vocabulary.names
        if self.exclusive:  # one set of classes, which holds the true one or does not
            known = ~np.isnan(held).any(axis=1)
            held, decided = held[known].min(axis=1), decided[known].min(axis=1)
        if self.exclusive or self.outputs > LISTED_TARGETS:
            held, decided, names = held.reshape(-1, 1), decided.reshape(-1, 1), (None,)
        said = f"truth within the sets of stated coverage {sets.coverage:g}"
        return [
            Metric(what, stated(float(np.mean(own))), data, target=name, records=len(own))
            for k, name in enumerate(names)
            for what, table in ((said, held), ("share decided by the sets", decided))
            if len(own := table[~np.isnan(table[:, k]), k])
        ]

    def calibration_metrics(
        self, outputs: Float64, values: Float64, groups: Sequence[str], where: str
    ) -> list[Metric]:
        """Return the expected calibration error before and after, cross-fitted by patient."""
        known, y = self.known_labels(values)
        z, own = outputs[known], np.asarray(groups)[known]
        if len(np.unique(own)) < FEWEST_PATIENTS:
            return []
        before = calibration_error(self.probabilities(z), y, multiclass=self.exclusive)
        crossed = cross_fitted_probabilities(
            z, y, own, method=self.crossed_method, multiclass=self.exclusive
        )
        after = calibration_error(crossed, y, multiclass=self.exclusive)
        return [
            Metric("expected calibration error before calibration", before, where, records=len(z)),
            Metric(
                "expected calibration error after calibration", after,
                f"{where}, cross-fitted by patient", records=len(z),
            ),
        ]  # fmt: skip
