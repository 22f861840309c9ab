"""One row per target of kind "classification": points, intervals, decisions, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.rows import CLASSES
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.metrics.auroc_intervals import auroc_interval
from ecgfoundry.metrics.bands import auroc_band
from ecgfoundry.metrics.bootstrap import (
    RankDraws,
    auroc_jackknife,
    bootstrap_ranks,
    bootstrap_sums,
    patient_sums,
)
from ecgfoundry.metrics.decisions import (
    DECISION_MEASURES,
    decision_counts,
    decision_measures,
    summarize_decisions,
)
from ecgfoundry.metrics.intervals import interval_of_draws
from ecgfoundry.metrics.ranking import average_precision, pooled_ranking
from ecgfoundry.metrics.reliability import calibration_measures
from ecgfoundry.metrics.resampling import (
    PatientResampling,
    bca_interval,
    percentile_interval,
    renumbered,
)

__all__ = ["ClassificationResult", "classification_averages", "classification_rows"]

_DENOMINATORS = {
    "sensitivity": [0, 2],
    "specificity": [1, 3],
    "ppv": [0, 1],
    "npv": [2, 3],
    "accuracy": [0, 1, 2, 3],
}
"""Which of true and false positives, false and true negatives a share is taken of."""
_DECISION_VALUES = 240_000_000
"""Per-patient counts held at a time: 1 GB in float32."""
_MICRO_RECORDS = 5_000_000
"""Pooled records up to which the micro average gets a bootstrap interval (our choice)."""

Float64 = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """Rows and the bootstrap values behind them.

    Attributes
    ----------
    rows : list of dict
        One per target; undefined values are ``nan``.
    draws : RankDraws or None
        Of one model and these targets.
    decisions : float64 (targets, draws, 4) or None
    """

    rows: list[dict[str, Any]]
    draws: RankDraws | None
    decisions: Float64 | None
    counts: NDArray[np.int64]


def classification_rows(
    data: EvaluationData,
    columns: Sequence[int],
    resampling: PatientResampling,
    settings: Settings,
    progress: Progress | None = None,
) -> ClassificationResult:
    """Measure the targets in ``columns``."""
    chosen = list(columns)
    labels, scores = data.of_targets(chosen)
    draws = None
    if settings.draws and chosen:
        draws = bootstrap_ranks(
            labels,
            [scores],
            resampling,
            draws=settings.draws,
            precision=True,
            progress=None if progress is None else lambda a, b: progress("bootstrap", a, b),
        )
    thresholds = _thresholds(data, chosen)
    cut, at = _cut(data, chosen, scores, thresholds)
    counts, decisions = _decisions(labels, cut, at, resampling, settings)
    rows = []
    for k, column in enumerate(chosen):
        row = _row(data, column, labels[:, k], scores[:, k], resampling, settings, draws, k)
        flags = _flags(labels[:, k], cut[:, k], at[k])
        drawn = None if decisions is None else decisions[k]
        row |= _decision_cells(thresholds[k], counts[k], drawn, flags, resampling.member, settings)
        row |= calibration_measures(labels[:, k], scores[:, k], patients=resampling.member)
        rows.append(row)
        if progress is not None:
            progress("targets", k + 1, len(chosen))
    return ClassificationResult(rows, draws, decisions, counts)


def _row(
    data: EvaluationData,
    column: int,
    labels: Float64,
    scores: Float64,
    resampling: PatientResampling,
    settings: Settings,
    draws: RankDraws | None,
    place: int,
) -> dict[str, Any]:
    found = auroc_interval(labels, scores, patients=resampling.member, level=settings.level)
    area = average_precision(labels, scores)
    nan = float("nan")
    people = min(found.positive_patients, found.negative_patients)
    percentile = bca = (nan, nan)
    precision = interval_of_draws(area, [], people=people, classes=True, level=settings.level)
    redrawn = nan
    if draws is not None:
        values = draws.auroc[0, place]
        percentile = percentile_interval(values, level=settings.level)
        jackknife = auroc_jackknife(labels, scores, resampling.member)
        bca = bca_interval(values, found.auroc, jackknife, level=settings.level)
        areas = draws.average_precision[0, place]
        precision = interval_of_draws(
            area, areas, people=people, classes=True, level=settings.level
        )
        redrawn = float(draws.redrawn[place])
    known = ~(np.isnan(labels) | np.isnan(scores))
    n = found.positives + found.negatives
    return {
        "target": data.targets[column],
        "n": n,
        "positives": found.positives,
        "auroc": found.auroc,
        "auroc_low": found.low,
        "auroc_high": found.high,
        "auprc": area,
        "auprc_low": precision.low,
        "auprc_high": precision.high,
        "kind": CLASSES,
        "prevalence": found.positives / n if n else nan,
        "patients": renumbered(resampling.member[known])[1],
        "positive_patients": found.positive_patients,
        "negative_patients": found.negative_patients,
        "auroc_interval_method": found.method,
        "auroc_interval_reliable": found.reliable,
        "auprc_interval_reliable": precision.reliable,
        "auroc_standard_error": found.standard_error,
        "auroc_delong_low": found.delong_low,
        "auroc_delong_high": found.delong_high,
        "auroc_percentile_low": percentile[0],
        "auroc_percentile_high": percentile[1],
        "auroc_bca_low": bca[0],
        "auroc_bca_high": bca[1],
        "redrawn_share": redrawn,
        "band": auroc_band(found.low),
        "band_point": auroc_band(found.auroc),
        "missing_labels": int(np.isnan(labels).sum()),
        "missing_predictions": int((~np.isnan(labels) & np.isnan(scores)).sum()),
    }


def _thresholds(data: EvaluationData, columns: Sequence[int]) -> Float64:
    if data.multiclass or data.thresholds is None:
        return np.full(len(columns), np.nan)
    values = data.thresholds.values
    return np.array([values.get(data.targets[k], np.nan) for k in columns], dtype=np.float64)


def _cut(
    data: EvaluationData, columns: Sequence[int], scores: Float64, thresholds: Float64
) -> tuple[Float64, Float64]:
    """Return what is compared with the thresholds, and the thresholds."""
    if not data.multiclass:
        return scores, thresholds
    # Present = largest of all targets, as the predictor decides.
    complete = ~np.isnan(data.scores).any(axis=1)
    top = np.where(np.isnan(data.scores), -np.inf, data.scores).argmax(axis=1)
    cut = np.stack([(top == k).astype(np.float64) for k in columns], axis=1)
    cut[~complete] = np.nan
    return cut, np.full(len(columns), 0.5)


def _decisions(
    labels: Float64,
    cut: Float64,
    thresholds: Float64,
    resampling: PatientResampling,
    settings: Settings,
) -> tuple[NDArray[np.int64], Float64 | None]:
    """Count decisions on the data (targets, 4) and over the draws (targets, draws, 4)."""
    targets = labels.shape[1]
    counts = np.zeros((targets, 4), dtype=np.int64)
    decided = [k for k in range(targets) if not np.isnan(thresholds[k])]
    for k in decided:
        counts[k] = decision_counts(labels[:, k], cut[:, k], thresholds[k])
    if not settings.draws or not decided:
        return counts, None
    result = np.full((targets, settings.draws, 4), np.nan)
    exact = np.float32 if len(labels) < 2**24 else np.float64
    per_turn = max(1, _DECISION_VALUES // (4 * resampling.patients))
    for start in range(0, len(decided), per_turn):
        turn = decided[start : start + per_turn]
        table = np.empty((resampling.patients, 4 * len(turn)), dtype=exact)
        for place, k in enumerate(turn):
            table[:, 4 * place : 4 * place + 4] = patient_sums(
                _flags(labels[:, k], cut[:, k], thresholds[k]), resampling
            )
        sums = bootstrap_sums(table, resampling, draws=settings.draws)
        for place, k in enumerate(turn):
            result[k] = sums[:, 4 * place : 4 * place + 4]
    return counts, result


def _flags(labels: Float64, scores: Float64, threshold: float) -> NDArray[np.bool_]:
    known = ~(np.isnan(labels) | np.isnan(scores))
    called, positive = scores >= threshold, labels == 1.0
    return np.stack(
        [
            known & called & positive,
            known & called & ~positive,
            known & ~called & positive,
            known & ~called & ~positive,
        ],
        axis=1,
    )


def _decision_cells(
    threshold: float,
    counts: NDArray[np.int64],
    drawn: Float64 | None,
    flags: NDArray[np.bool_],
    member: NDArray[np.int64],
    settings: Settings,
) -> dict[str, Any]:
    """Return the decisions of a target: ``drawn`` (draws, 4) and ``flags`` (records, 4)."""
    cells: dict[str, Any] = {"threshold": threshold}
    decided = counts.sum() > 0
    values = decision_measures(counts) if decided else {}
    draws = decision_measures(drawn) if drawn is not None and decided else {}
    for name in DECISION_MEASURES:
        value = float(values[name]) if decided else float("nan")
        # A specificity of 1 stays 1 in every draw, which is no proof that it is 1.
        parts = _DENOMINATORS.get(name)
        rows = flags[:, [0, 1, 2, 3] if parts is None else parts].any(axis=1)
        people = int((np.bincount(member[rows]) > 0).sum())
        found = interval_of_draws(
            value,
            draws.get(name, ()),
            people=people,
            of_people=None if parts is None else people,
            level=settings.level,
        )
        cells[name], cells[f"{name}_low"], cells[f"{name}_high"] = value, found.low, found.high
    for name, value in zip(
        ("true_positives", "false_positives", "false_negatives", "true_negatives"),
        counts,
        strict=True,
    ):
        cells[name] = int(value) if decided else float("nan")
    return cells


def classification_averages(
    data: EvaluationData,
    columns: Sequence[int],
    result: ClassificationResult,
    resampling: PatientResampling,
    settings: Settings,
) -> dict[str, dict[str, Any]]:
    """Return macro, micro and weighted averages with intervals by patient.

    Macro is the mean over targets where a measure is defined; weighted weighs each target by its
    positives; micro pools all records and targets. The bootstrap of macro and weighted uses the
    draws that all targets share. ``*_interval_reliable`` is false without an interval, where a
    target has fewer than 30 people with or without it, and where the draws lie beside the average:
    with rare targets, those of AUPRC.
    """
    auroc = np.array([row["auroc"] for row in result.rows])
    area = np.array([row["auprc"] for row in result.rows])
    weight = np.array([row["positives"] for row in result.rows], dtype=np.float64)
    smaller = np.array(
        [min(row["positive_patients"], row["negative_patients"]) for row in result.rows]
    )
    averages: dict[str, dict[str, Any]] = {}
    for name, weights in (("macro", np.ones_like(weight)), ("weighted", weight)):
        cells: dict[str, Any] = {}
        for measure, values in (("auroc", auroc), ("auprc", area)):
            used = ~np.isnan(values) & (weights > 0)
            cells[measure] = _mean(values, weights, used)
            drawn: ArrayLike = ()
            if result.draws is not None and used.any():
                each = result.draws.auroc if measure == "auroc" else result.draws.average_precision
                # Only if every target has draws: else the interval would be of another average.
                if not np.isnan(each[0][used]).any():
                    drawn = (weights[used] @ each[0][used]) / weights[used].sum()
            people = int(smaller[used].min()) if used.any() else 0
            found = interval_of_draws(
                cells[measure], drawn, people=people, classes=True, level=settings.level
            )
            cells[f"{measure}_low"], cells[f"{measure}_high"] = found.low, found.high
            cells[f"{measure}_interval_reliable"] = found.reliable
            if measure == "auroc":
                cells["targets"] = int(used.sum())
        averages[name] = cells
    averages["micro"] = _micro(data, columns, resampling, settings)
    decided = result.counts.sum(axis=1) > 0
    if decided.any():
        for name, cells in summarize_decisions(result.counts[decided]).items():
            averages[name] |= cells
    return averages


def _mean(values: Float64, weights: Float64, used: NDArray[np.bool_]) -> float:
    if not used.any():
        return float("nan")
    return float((values[used] * weights[used]).sum() / weights[used].sum())


def _micro(
    data: EvaluationData,
    columns: Sequence[int],
    resampling: PatientResampling,
    settings: Settings,
) -> dict[str, Any]:
    positives, negatives = [], []
    for k in columns:
        y, s = data.labels[:, k], data.scores[:, k]
        known = ~np.isnan(s)
        positives.append(s[known & (y == 1.0)])
        negatives.append(s[known & (y == 0.0)])
    nan = float("nan")
    auroc = area = nan
    pooled = sum(map(len, positives)) + sum(map(len, negatives))
    if pooled:
        auroc, area = pooled_ranking(np.concatenate(positives), np.concatenate(negatives))
    cells: dict[str, Any] = {
        "auroc": auroc,
        "auroc_low": nan,
        "auroc_high": nan,
        "auprc": area,
        "auprc_low": nan,
        "auprc_high": nan,
        "auroc_interval_reliable": False,
        "auprc_interval_reliable": False,
        "targets": len(columns),
    }
    if settings.draws and pooled <= _MICRO_RECORDS and not np.isnan(auroc):
        labels = data.labels[:, list(columns)].T.reshape(-1, 1)
        scores = data.scores[:, list(columns)].T.reshape(-1, 1)
        member = np.tile(resampling.member, len(columns))
        repeated = PatientResampling(member, resampling.patients, resampling.seed)
        drawn = bootstrap_ranks(labels, [scores], repeated, draws=settings.draws)
        people = resampling.patients
        found = interval_of_draws(auroc, drawn.auroc[0, 0], people=people, level=settings.level)
        cells["auroc_low"], cells["auroc_high"] = found.low, found.high
        cells["auroc_interval_reliable"] = found.reliable
    return cells
