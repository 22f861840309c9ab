"""One row per target of kind "classification": points, intervals, decisions, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.rows import Average, ClassRow, Decisions
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.metrics.auroc_intervals import auroc_interval
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
from ecgfoundry.metrics.intervals import Interval, interval_of_draws
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
    rows : list of ClassRow
        One per target.
    draws : RankDraws or None
        Of one model and these targets.
    decisions : float64 (targets, draws, 4) or None
    """

    rows: list[ClassRow]
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
        flags = _flags(labels[:, k], cut[:, k], at[k])
        drawn = None if decisions is None else decisions[k]
        own = _decided(thresholds[k], counts[k], drawn, flags, resampling.member, settings)
        rows.append(
            _row(data, column, labels[:, k], scores[:, k], resampling, settings, draws, k, own)
        )
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
    decisions: Decisions,
) -> ClassRow:
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
    return ClassRow(
        target=data.targets[column],
        ranking=found,
        auprc=precision,
        percentile=percentile,
        bca=bca,
        redrawn_share=redrawn,
        patients=renumbered(resampling.member[known])[1],
        missing_labels=int(np.isnan(labels).sum()),
        missing_predictions=int((~np.isnan(labels) & np.isnan(scores)).sum()),
        decisions=decisions,
        calibration=calibration_measures(labels, scores, patients=resampling.member),
    )


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


def _decided(
    threshold: float,
    counts: NDArray[np.int64],
    drawn: Float64 | None,
    flags: NDArray[np.bool_],
    member: NDArray[np.int64],
    settings: Settings,
) -> Decisions:
    """Return the decisions of a target: ``drawn`` (draws, 4) and ``flags`` (records, 4)."""
    decided = counts.sum() > 0
    values = decision_measures(counts) if decided else {}
    draws = decision_measures(drawn) if drawn is not None and decided else {}
    measures = {}
    for name in DECISION_MEASURES:
        value = float(values[name]) if decided else float("nan")
        # A specificity of 1 stays 1 in every draw, which is no proof that it is 1.
        parts = _DENOMINATORS.get(name)
        rows = flags[:, [0, 1, 2, 3] if parts is None else parts].any(axis=1)
        people = int((np.bincount(member[rows]) > 0).sum())
        measures[name] = interval_of_draws(
            value,
            draws.get(name, ()),
            people=people,
            of_people=None if parts is None else people,
            level=settings.level,
        )
    tp, fp, fn, tn = map(int, counts)
    return Decisions(threshold, measures, (tp, fp, fn, tn) if decided else None)


def classification_averages(
    data: EvaluationData,
    columns: Sequence[int],
    result: ClassificationResult,
    resampling: PatientResampling,
    settings: Settings,
) -> dict[str, Average]:
    """Return macro, micro and weighted averages with intervals by patient.

    Macro is the mean over targets where a measure is defined; weighted weighs each target by its
    positives; micro pools all records and targets. The bootstrap of macro and weighted uses the
    draws that all targets share. An interval is not reliable where a target has fewer than 30
    people with or without it, and where the draws lie beside the average: with rare targets, those
    of AUPRC.
    """
    weight = np.array([row.ranking.positives for row in result.rows], dtype=np.float64)
    smaller = np.array([row.smaller_class for row in result.rows])
    auroc = np.array([row.ranking.auroc for row in result.rows])
    auprc = np.array([row.auprc.value for row in result.rows])
    draws = result.draws
    each = [
        (auroc, None if draws is None else draws.auroc[0]),
        (auprc, None if draws is None else draws.average_precision[0]),
    ]

    def mean(values: Float64, weights: Float64, drawn: Float64 | None) -> tuple[Interval, int]:
        used = ~np.isnan(values) & (weight > 0)
        means: ArrayLike = ()
        # Only if every target has draws: else the interval would be of another average.
        if drawn is not None and used.any() and not np.isnan(drawn[used]).any():
            means = (weights[used] @ drawn[used]) / weights[used].sum()
        people = int(smaller[used].min()) if used.any() else 0
        value = _mean(values, weights, used)
        found = interval_of_draws(value, means, people=people, classes=True, level=settings.level)
        return found, int(used.sum())

    decided = result.counts.sum(axis=1) > 0
    decisions = summarize_decisions(result.counts[decided]) if decided.any() else {}
    averages = {}
    for name, weights in (("macro", np.ones_like(weight)), ("weighted", weight)):
        (area, targets), (precision, _) = (mean(own, weights, drawn) for own, drawn in each)
        averages[name] = Average(
            auroc=area, auprc=precision, targets=targets, decisions=decisions.get(name, {})
        )
    micro = _micro(data, columns, resampling, settings)
    return averages | {"micro": replace(micro, decisions=decisions.get("micro", {}))}


def _mean(values: Float64, weights: Float64, used: NDArray[np.bool_]) -> float:
    if not used.any():
        return float("nan")
    return float((values[used] * weights[used]).sum() / weights[used].sum())


def _micro(
    data: EvaluationData,
    columns: Sequence[int],
    resampling: PatientResampling,
    settings: Settings,
) -> Average:
    positives, negatives = [], []
    for k in columns:
        y, s = data.labels[:, k], data.scores[:, k]
        known = ~np.isnan(s)
        positives.append(s[known & (y == 1.0)])
        negatives.append(s[known & (y == 0.0)])
    auroc = area = float("nan")
    pooled = sum(map(len, positives)) + sum(map(len, negatives))
    if pooled:
        auroc, area = pooled_ranking(np.concatenate(positives), np.concatenate(negatives))
    draws: ArrayLike = ()
    if settings.draws and pooled <= _MICRO_RECORDS and not np.isnan(auroc):
        labels = data.labels[:, list(columns)].T.reshape(-1, 1)
        scores = data.scores[:, list(columns)].T.reshape(-1, 1)
        member = np.tile(resampling.member, len(columns))
        repeated = PatientResampling(member, resampling.patients, resampling.seed)
        draws = bootstrap_ranks(labels, [scores], repeated, draws=settings.draws).auroc[0, 0]
    people = resampling.patients
    return Average(
        auroc=interval_of_draws(auroc, draws, people=people, level=settings.level),
        auprc=interval_of_draws(area, (), people=people, level=settings.level),
        targets=len(columns),
    )
