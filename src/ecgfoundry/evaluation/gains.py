"""What the network adds to each control: paired differences, their intervals and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.evaluation.classification import ClassificationResult
from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.controls import CONTROLS, ControlScores
from ecgfoundry.evaluation.quantities import regression_draws
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

__all__ = ["add_gains", "add_quantity_gains"]

Float64 = NDArray[np.float64]


def add_gains(
    data: EvaluationData,
    columns: Sequence[int],
    result: ClassificationResult,
    controls: ControlScores,
    resampling: PatientResampling,
    settings: Settings,
) -> dict[str, dict[str, Any]]:
    """Add the cells of each control to the rows, and return a summary per control.

    Per control: its AUROC, AUPRC and Brier score, the gain in AUROC with its percentile interval,
    DeLong's paired p-value clustered by patient, the bootstrap p-value, q (Benjamini-Hochberg over
    targets) and whether the gain is above 0 at the false discovery rate.
    """
    summary: dict[str, dict[str, Any]] = {}
    chosen = list(columns)
    for control in CONTROLS:
        if control not in controls.scores:
            summary[control] = {"not_computed": controls.not_computed.get(control, "not given")}
            continue
        values = controls.scores[control][:, chosen]
        drawn = _paired_draws(data, chosen, values, control, result, resampling, settings)
        tests = [
            _cells(data, column, values[:, k], None if drawn is None else drawn[:, k], settings,
                   resampling)
            for k, column in enumerate(chosen)
        ]  # fmt: skip
        adjusted = benjamini_hochberg([test["p"] for test in tests])
        for row, test, q in zip(result.rows, tests, adjusted, strict=True):
            above = test["gain"] > 0 and q <= settings.false_discovery_rate
            for name, value in test.items():
                row[f"{control}_{name}"] = value
            row[f"{control}_q"] = float(q)
            row[f"{control}_beaten"] = None if np.isnan(q) else bool(above)
        summary[control] = _summary(result.rows, control, drawn, settings)
    return summary


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


def _cells(
    data: EvaluationData,
    column: int,
    control: Float64,
    drawn: Float64 | None,
    settings: Settings,
    resampling: PatientResampling,
) -> dict[str, Any]:
    labels, scores = data.labels[:, column], data.scores[:, column]
    test = delong_test(labels, scores, control, patients=resampling.member, level=settings.level)
    low, high, p = float("nan"), float("nan"), float("nan")
    if drawn is not None:
        difference = drawn[0] - drawn[1]
        found = interval_of_draws(
            test["difference"], difference, people=resampling.patients, level=settings.level
        )
        low, high, p = found.low, found.high, bootstrap_p_value(difference)
    inside = np.where(np.isnan(scores), np.nan, control)
    return {
        "auroc": auroc(np.where(np.isnan(inside), np.nan, labels), np.nan_to_num(inside)),
        "auprc": average_precision(labels, inside),
        "brier": brier_score(labels, inside),
        "gain": test["difference"],
        "gain_low": low,
        "gain_high": high,
        "p": test["p"],
        "p_bootstrap": p,
    }


def _summary(
    rows: Sequence[Mapping[str, Any]], control: str, drawn: Float64 | None, settings: Settings
) -> dict[str, Any]:
    own = np.array([row[f"{control}_auroc"] for row in rows])
    gain = np.array([row[f"{control}_gain"] for row in rows])
    used = ~np.isnan(gain)
    mean = float(gain[used].mean()) if used.any() else float("nan")
    means: ArrayLike = ()
    if drawn is not None and used.any() and not np.isnan(drawn[:, used]).any():
        means = (drawn[0, used] - drawn[1, used]).mean(axis=0)
    found = interval_of_draws(mean, means, people=0, level=settings.level)
    decided = [row[f"{control}_beaten"] for row in rows if row[f"{control}_beaten"] is not None]
    return {
        "macro_auroc": float(own[used].mean()) if used.any() else float("nan"),
        "macro_gain": mean,
        "macro_gain_low": found.low,
        "macro_gain_high": found.high,
        "targets": int(used.sum()),
        "tested": len(decided),
        "beaten": sum(decided),
    }


def add_quantity_gains(
    data: EvaluationData,
    columns: Sequence[int],
    rows: Sequence[dict[str, Any]],
    controls: ControlScores,
    resampling: PatientResampling,
    settings: Settings,
) -> dict[str, dict[str, Any]]:
    """The same for quantities: the gain is the mean absolute error saved against the control."""
    summary: dict[str, dict[str, Any]] = {}
    for control in CONTROLS:
        if control not in controls.scores:
            summary[control] = {"not_computed": controls.not_computed.get(control, "not given")}
            continue
        cells = []
        for k in columns:
            truth = data.labels[:, k]
            other = controls.scores[control][:, k]
            own = np.where(np.isnan(other), np.nan, data.scores[:, k])
            other = np.where(np.isnan(own), np.nan, other)
            measured = regression_measures(truth, other)
            gain = measured["mae"] - regression_measures(truth, own)["mae"]
            low, high, p = float("nan"), float("nan"), float("nan")
            if settings.draws and not np.isnan(gain):
                a = regression_draws(truth, own, resampling, draws=settings.draws)["mae"]
                b = regression_draws(truth, other, resampling, draws=settings.draws)["mae"]
                found = interval_of_draws(
                    gain, b - a, people=resampling.patients, level=settings.level
                )
                low, high, p = found.low, found.high, bootstrap_p_value(b - a)
            cells.append({"mae": measured["mae"], "r2": measured["r2"], "gain_mae": gain,
                          "gain_mae_low": low, "gain_mae_high": high, "p": p})  # fmt: skip
        adjusted = benjamini_hochberg([cell["p"] for cell in cells])
        for row, cell, q in zip(rows, cells, adjusted, strict=True):
            row.update({f"{control}_{name}": value for name, value in cell.items()})
            row[f"{control}_q"] = float(q)
            above = cell["gain_mae"] > 0 and q <= settings.false_discovery_rate
            row[f"{control}_beaten"] = None if np.isnan(q) else bool(above)
        decided = [row[f"{control}_beaten"] for row in rows]
        summary[control] = {
            "targets": len(cells),
            "tested": sum(d is not None for d in decided),
            "beaten": sum(bool(d) for d in decided),
        }
    return summary
