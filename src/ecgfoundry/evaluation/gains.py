"""What the network adds to each control: paired differences, their intervals and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.evaluation.classification import ClassificationResult
from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.controls import CONTROLS, ControlScores
from ecgfoundry.evaluation.quantities import regression_draws
from ecgfoundry.evaluation.rows import (
    ClassRow,
    ControlGain,
    ControlSummary,
    NotComputed,
    QuantityGain,
    QuantityRow,
    Summaries,
)
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.metrics.bootstrap import bootstrap_ranks
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.metrics.comparison import benjamini_hochberg
from ecgfoundry.metrics.delong import delong_test
from ecgfoundry.metrics.intervals import interval_of_draws
from ecgfoundry.metrics.ranking import average_precision
from ecgfoundry.metrics.regression import regression_measures
from ecgfoundry.metrics.reliability import brier_score
from ecgfoundry.metrics.resampling import PatientResampling, bootstrap_p_value

__all__ = ["Gains", "QuantityGains", "add_gains", "add_quantity_gains"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Gains:
    """Rows with what the network adds to every control, and a summary per control."""

    rows: list[ClassRow]
    summary: Summaries


@dataclass(frozen=True)
class QuantityGains:
    """The same for quantities."""

    rows: list[QuantityRow]
    summary: Summaries


def add_gains(
    data: EvaluationData,
    columns: Sequence[int],
    result: ClassificationResult,
    controls: ControlScores,
    resampling: PatientResampling,
    settings: Settings,
) -> Gains:
    """Return the rows with the gain over each control, and a summary per control.

    Per control: its AUROC, AUPRC and Brier score, the gain in AUROC with its percentile interval,
    DeLong's paired p-value clustered by patient, the bootstrap p-value, q (Benjamini-Hochberg over
    targets) and whether the gain is above 0 at the false discovery rate.
    """
    summary: dict[str, ControlSummary | NotComputed] = {}
    chosen, rows = list(columns), result.rows
    for control in CONTROLS:
        if control not in controls.scores:
            summary[control] = NotComputed(controls.not_computed.get(control, "not given"))
            continue
        values = controls.scores[control][:, chosen]
        drawn = _paired_draws(data, chosen, values, control, result, resampling, settings)
        tests = [
            _gain(data, column, values[:, k], None if drawn is None else drawn[:, k], settings,
                  resampling)
            for k, column in enumerate(chosen)
        ]  # fmt: skip
        adjusted = benjamini_hochberg([test.p for test in tests])
        gains = [
            replace(test, q=float(q), beaten=_beaten(test.gain.value, float(q), settings))
            for test, q in zip(tests, adjusted, strict=True)
        ]
        rows = [
            replace(row, gains={**row.gains, control: gain})
            for row, gain in zip(rows, gains, strict=True)
        ]
        summary[control] = _summary(gains, drawn, settings)
    return Gains(rows, summary)


def _beaten(gain: float, q: float, settings: Settings) -> bool | None:
    return None if np.isnan(q) else bool(gain > 0 and q <= settings.false_discovery_rate)


def _paired_draws(
    data: EvaluationData,
    columns: list[int],
    values: Float64,
    control: str,
    result: ClassificationResult,
    resampling: PatientResampling,
    settings: Settings,
) -> Float64 | None:
    """AUROCs of network and control (2, targets, draws) on shared draws."""
    if result.draws is None:
        return None
    if control == "prevalence_only":
        network = result.draws.auroc[0]
        return np.stack([network, np.where(np.isnan(network), np.nan, 0.5)])
    labels, scores = data.of_targets(columns)
    if (np.isnan(values) == np.isnan(scores)).all():
        own = bootstrap_ranks(labels, [values], resampling, draws=settings.draws)
        return np.stack([result.draws.auroc[0], own.auroc[0]])
    gone = np.isnan(values) | np.isnan(scores)
    both = bootstrap_ranks(
        labels,
        [np.where(gone, np.nan, scores), np.where(gone, np.nan, values)],
        resampling,
        draws=settings.draws,
    )
    return both.auroc


def _gain(
    data: EvaluationData,
    column: int,
    control: Float64,
    drawn: Float64 | None,
    settings: Settings,
    resampling: PatientResampling,
) -> ControlGain:
    labels, scores = data.labels[:, column], data.scores[:, column]
    test = delong_test(labels, scores, control, patients=resampling.member, level=settings.level)
    difference = np.empty(0) if drawn is None else drawn[0] - drawn[1]
    inside = np.where(np.isnan(scores), np.nan, control)
    return ControlGain(
        auroc=auroc(np.where(np.isnan(inside), np.nan, labels), np.nan_to_num(inside)),
        auprc=average_precision(labels, inside),
        brier=brier_score(labels, inside),
        gain=interval_of_draws(
            test["difference"], difference, people=resampling.patients, level=settings.level
        ),
        p=test["p"],
        p_bootstrap=float("nan") if drawn is None else bootstrap_p_value(difference),
    )


def _summary(
    gains: Sequence[ControlGain], drawn: Float64 | None, settings: Settings
) -> ControlSummary:
    own = np.array([found.auroc for found in gains])
    gain = np.array([found.gain.value for found in gains])
    used = ~np.isnan(gain)
    mean = float(gain[used].mean()) if used.any() else float("nan")
    means: ArrayLike = ()
    if drawn is not None and used.any() and not np.isnan(drawn[:, used]).any():
        means = (drawn[0, used] - drawn[1, used]).mean(axis=0)
    return ControlSummary(
        macro_auroc=float(own[used].mean()) if used.any() else float("nan"),
        macro_gain=interval_of_draws(mean, means, people=0, level=settings.level),
        targets=int(used.sum()),
        tested=sum(found.beaten is not None for found in gains),
        beaten=sum(bool(found.beaten) for found in gains),
    )


def add_quantity_gains(
    data: EvaluationData,
    columns: Sequence[int],
    rows: Sequence[QuantityRow],
    controls: ControlScores,
    resampling: PatientResampling,
    settings: Settings,
) -> QuantityGains:
    """The same for quantities: the gain is the mean absolute error saved against the control."""
    summary: dict[str, ControlSummary | NotComputed] = {}
    found = list(rows)
    for control in CONTROLS:
        if control not in controls.scores:
            summary[control] = NotComputed(controls.not_computed.get(control, "not given"))
            continue
        tests = [
            _saved(data, k, controls.scores[control][:, k], resampling, settings) for k in columns
        ]
        adjusted = benjamini_hochberg([test.p for test in tests])
        gains = [
            replace(test, q=float(q), beaten=_beaten(test.gain.value, float(q), settings))
            for test, q in zip(tests, adjusted, strict=True)
        ]
        found = [
            replace(row, gains={**row.gains, control: gain})
            for row, gain in zip(found, gains, strict=True)
        ]
        summary[control] = ControlSummary(
            targets=len(gains),
            tested=sum(gain.beaten is not None for gain in gains),
            beaten=sum(bool(gain.beaten) for gain in gains),
        )
    return QuantityGains(found, summary)


def _saved(
    data: EvaluationData,
    column: int,
    control: Float64,
    resampling: PatientResampling,
    settings: Settings,
) -> QuantityGain:
    truth = data.labels[:, column]
    own = np.where(np.isnan(control), np.nan, data.scores[:, column])
    other = np.where(np.isnan(own), np.nan, control)
    measured = regression_measures(truth, other)
    gain = measured["mae"] - regression_measures(truth, own)["mae"]
    saved: ArrayLike = ()
    p = float("nan")
    if settings.draws and not np.isnan(gain):
        a = regression_draws(truth, own, resampling, draws=settings.draws)["mae"]
        b = regression_draws(truth, other, resampling, draws=settings.draws)["mae"]
        saved = b - a
        p = bootstrap_p_value(saved)
    return QuantityGain(
        mae=measured["mae"],
        r2=measured["r2"],
        gain=interval_of_draws(gain, saved, people=resampling.patients, level=settings.level),
        p=p,
    )
