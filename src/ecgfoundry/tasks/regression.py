"""Measured values, in their own units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.metrics.intervals import DRAWS, metric_interval
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.signals.quality import Notice
from ecgfoundry.tasks.base import MINIMUM_EACH, Float64, Task
from ecgfoundry.tasks.finding import Finding, WindowResult
from ecgfoundry.tasks.outputs import Outputs
from ecgfoundry.tasks.readout import Readout, TargetScale
from ecgfoundry.vocabularies.types import Target

__all__ = ["COVERAGE", "Regression", "residual_quantiles"]

COVERAGE = 0.9
"""Share of the validation residuals inside the interval of a value (our choice)."""


@dataclass(frozen=True, kw_only=True)
class Regression(Task):
    """Columns of values; the network learns them in standard deviations of the training targets."""

    kind: ClassVar[str] = "regression"
    target_kind: ClassVar[str] = "regression"
    losses: ClassVar[tuple[str, ...]] = ("huber",)
    decides: ClassVar[bool] = False
    finding_fields: ClassVar[tuple[str, ...]] = ("value", "low", "high")
    primary: ClassVar[tuple[str, str]] = ("mae_in_sd", "min")
    card_notes: ClassVar[str] = (
        "`low` and `high` enclose the truth for 90 % of recordings like those of the validation "
        "split."
    )

    @classmethod
    def targets_of(
        cls,
        columns: Sequence[str],
        values: Float64,
        texts: Mapping[str, Sequence[str]],
        unit: str | None,
    ) -> tuple[Target, ...]:
        """Return one target per column, in the unit given; a column "age" is in years."""
        del values, texts
        return tuple(
            Target(
                name,
                "demographic" if name.casefold() == "age" else "measurement",
                unit=unit or ("years" if name.casefold() == "age" else None),
            )
            for name in columns
        )

    @property
    def scale(self) -> TargetScale:
        """From outputs to values.

        Raises
        ------
        TrainingError
            It was not fitted yet.
        """
        if self.readout.scale is None:
            raise TrainingError("a regression needs the scale of its targets")
        return self.readout.scale

    def fitted(self, training: Float64) -> Self:
        """Return the task with mean and deviation of the training targets."""
        return self.with_readout(replace(self.readout, scale=TargetScale.of(training)))

    def network_targets(self, values: Float64) -> NDArray[np.float32]:
        """Return the values in standard deviations."""
        return self.scale.standardized(values).astype(np.float32)

    def monitor(self, validation: Float64) -> tuple[str, str]:
        """Return the mean error in standard deviations, which is always defined."""
        del validation
        return self.primary

    def figures(self, outputs: Float64, values: Float64) -> dict[str, float]:
        """Return mean absolute error and Pearson's r of each target, in physical units.

        ``mae_in_sd`` is the mean error in standard deviations.
        """
        physical = self.scale.physical(outputs)
        result: dict[str, float] = {}
        relative = []
        for k, name in enumerate(self.vocabulary.names):
            known = ~np.isnan(values[:, k])
            error = physical[known, k] - values[known, k]
            mae = float(np.abs(error).mean()) if error.size else float("nan")
            result[f"mae {name}"] = mae
            both = np.stack([physical[known, k], values[known, k]])
            varies = error.size > 1 and bool((both.std(axis=1) > 0).all())
            result[f"r {name}"] = float(np.corrcoef(both)[0, 1]) if varies else float("nan")
            relative.append(mae / self.scale.scale[k])
        result["mae_in_sd"] = float(np.mean(relative))
        return result

    def calibrated(self, outputs: Outputs, values: Float64) -> Self:
        """Return the task with the interval around a value that the validation records support."""
        residuals = residual_quantiles(self.scale.physical(outputs.records), values)
        return self.with_readout(Readout(scale=replace(self.scale, residuals=residuals)))

    def problem(self) -> str | None:
        """Return why its readout cannot serve: above all, it needs a scale."""
        if self.readout.scale is None:
            return "a regression needs 'regression' with scale and offset"
        return super().problem()

    def target_metrics(
        self,
        outputs: Float64,
        values: Float64,
        groups: Sequence[str],
        where: str,
        *,
        intervals: bool,
    ) -> list[Metric]:
        """Return the mean absolute error, and that of always answering the training mean."""
        answers, who = self.answers(outputs), np.asarray(groups)
        metrics = []
        for k, target in enumerate(self.vocabulary.targets):
            y = values[:, k]
            count = int((~np.isnan(y)).sum())
            if not count:
                continue
            name = f"mean absolute error ({target.unit})" if target.unit else "mean absolute error"
            found = metric_interval(
                "mae", y, answers[:, k], patients=who, draws=DRAWS if intervals else 0
            )
            metrics.append(Metric.of(name, found, where, target=target.name, records=count))
            blind = float(np.nanmean(np.abs(y - self.scale.offset[k])))
            words = "the same of always answering the training mean"
            metrics.append(Metric(words, blind, where, target=target.name, records=count))
        return metrics

    def held_out_metrics(self, outputs: Float64, values: Float64, data: str) -> list[Metric]:
        """Return the share of test records inside the interval: what its 90 % are worth."""
        residuals = self.scale.residuals
        if residuals is None:
            return []
        answers = self.answers(outputs)
        result = []
        for k, target in enumerate(self.vocabulary.targets):
            low, high = residuals[k]
            known = ~np.isnan(values[:, k])
            residual = values[known, k] - answers[known, k]
            inside = (residual >= low) & (residual <= high)
            share = float(inside.mean()) if known.any() else None
            result.append(
                Metric("share inside the 90 % interval", share, data,
                       target=target.name, records=int(known.sum()))
            )  # fmt: skip
        return result

    def answers(self, outputs: Float64, *, level: str = "record") -> Float64:
        """Return the values (..., targets) in their units; they are the same at every level."""
        del level
        return self.scale.physical(outputs)

    def present(self, answers: Float64) -> list[bool | None]:
        """Return None for every target: a value is not present or absent."""
        return [None] * len(answers)

    def findings(self, outputs: Float64, *, level: str = "record") -> tuple[Finding, ...]:
        """Return the value of every target, with its interval."""
        values, residuals = self.answers(outputs, level=level), self.scale.residuals
        result = []
        for k in self.shown:
            value = float(values[k])
            low, high = (None, None) if residuals is None else residuals[k]
            result.append(
                Finding(
                    self.vocabulary.targets[k],
                    value=value,
                    low=None if low is None else value + low,
                    high=None if high is None else value + high,
                )
            )
        return tuple(result)

    def long_findings(self, burden: Mapping[str, float | None]) -> tuple[Finding, ...]:
        """Return nothing: beyond 60 s the windows have the values."""
        del burden
        return ()

    def window(
        self,
        outputs: Float64 | None,
        start_s: float,
        duration_s: float,
        *,
        refused: Notice | None = None,
        answers: Float64 | None = None,
    ) -> WindowResult:
        """Return the values of one window."""
        if outputs is None:
            return WindowResult(start_s, duration_s, refused=refused)
        values = self.answers(outputs) if answers is None else answers
        names = self.vocabulary.names
        return WindowResult(
            start_s, duration_s, values={names[k]: float(values[k]) for k in self.shown}
        )


def residual_quantiles(
    physical: Float64, values: Float64
) -> tuple[tuple[float, float], ...] | None:
    """Return (low, high) per target to add to a value: the interval that validation supports.

    Parameters
    ----------
    physical : ndarray (records, targets)
        What the network said, in physical units.
    values : ndarray (records, targets)
        What was true; NaN is left out.

    Returns
    -------
    tuple or None
        The 5 % and 95 % quantiles of truth minus answer, at the ranks of split conformal
        prediction (``(n + 1) q``; Vovk et al. 2005), so that a new recording of the same kind
        falls inside with at least 90 % where n is 19 or more. None where a target has fewer than
        :data:`ecgfoundry.tasks.base.MINIMUM_EACH` values.
    """
    tail = (1 - COVERAGE) / 2
    result = []
    for k in range(values.shape[1]):
        known = ~np.isnan(values[:, k])
        residual = np.sort(values[known, k] - physical[known, k])
        count = len(residual)
        if count < MINIMUM_EACH:
            return None
        # Rounded: (1 - 0.9) / 2 in floating point is a little less than 0.05.
        low = max(int(np.floor(round((count + 1) * tail, 6))) - 1, 0)
        high = min(int(np.ceil((count + 1) * (1 - tail))) - 1, count - 1)
        result.append((float(residual[low]), float(residual[high])))
    return tuple(result)
