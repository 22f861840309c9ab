"""The evaluation: aligned data in, one document out; CSV, JSON and report are written from it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry._version import __version__
from ecgfoundry.evaluation.classification import (
    ClassificationResult,
    classification_averages,
    classification_rows,
)
from ecgfoundry.evaluation.cohort import CohortStep, EvaluationData
from ecgfoundry.evaluation.controls import CONTROLS, ControlScores, control_scores
from ecgfoundry.evaluation.curves import TargetCurves, target_curves
from ecgfoundry.evaluation.gains import add_gains, add_quantity_gains
from ecgfoundry.evaluation.quantities import regression_rows
from ecgfoundry.evaluation.readers import reader_rows
from ecgfoundry.evaluation.rows import rows_of_classes
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.evaluation.subgroups import SET_COLUMNS, set_tables, subgroup_tables
from ecgfoundry.evaluation.transfer import transfer_from_sets, transfer_table
from ecgfoundry.metrics.challenges import cinc2017_score
from ecgfoundry.metrics.resampling import PatientResampling

__all__ = ["Evaluation", "evaluate"]

SCHEMA_VERSION = 1
CINC2017_NAMES = (
    ("N", "A", "O", "~"),
    ("normal", "atrial fibrillation", "other rhythm", "noisy"),
)
"""Names under which the four classes of CinC 2017 are recognised, in the order of the score."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation found.

    Attributes
    ----------
    document : dict
        The content of ``metrics.json``; undefined values are ``nan``.
    curves : sequence of TargetCurves
        Points of the figures, thinned.
    """

    document: dict[str, Any]
    curves: Sequence[TargetCurves]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row per target."""
        rows: list[dict[str, Any]] = self.document["targets"]
        return rows


def evaluate(
    data: EvaluationData,
    settings: Settings | None = None,
    *,
    title: str = "Evaluation",
    internal: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure everything that the data allow; what they do not is named with its reason.

    Parameters
    ----------
    data : EvaluationData
    settings : Settings, optional
    title : str
    internal : mapping, optional
        The ``metrics.json`` of the evaluation at home: makes the table of the drop.
    progress : callable (step, done, total), optional
    """
    settings = (settings or Settings()).for_size(len(data), len(data.targets))
    resampling = PatientResampling.of(data.patients, seed=settings.seed)
    classes, quantities = data.classes, data.quantities
    missing: dict[str, str] = dict(data.not_computed)
    result = classification_rows(data, classes, resampling, settings, progress)
    averages = classification_averages(data, classes, result, resampling, settings)
    rows = regression_rows(data, quantities, resampling, settings)
    controls = _controls(data, result, rows, classes, quantities, resampling, settings)
    subgroups = []
    if settings.subgroups:
        subgroups = subgroup_tables(data, classes, resampling.member, settings)
        given = {table["column"] for table in subgroups}
        for column in ("age", "sex", "site", "device", "quality"):
            if column not in given:
                missing[f"subgroups by {column}"] = f"no {column} was given"
    transfer = _transfer(data, classes, result, resampling, settings, internal, title)
    if not transfer:
        missing["temporal or external validation"] = (
            f"no earlier evaluation was given, and no covariate {', '.join(SET_COLUMNS)}"
        )
    if data.thresholds is None and not data.multiclass and classes:
        missing["sensitivity, specificity, PPV, NPV, F1, MCC"] = (
            "no thresholds: they are given or chosen on validation data, never on the evaluated"
        )
    undefined = [row["target"] for row in result.rows if np.isnan(row["auroc"])]
    if undefined:
        missing[f"AUROC of {', '.join(undefined)}"] = (
            "one class only among the records; the averages are over the other targets"
        )
    if not data.patients_known:
        missing["intervals by patient"] = "no patients were given; every record stands alone"
    _say_what_is_no_probability(data, classes, missing)
    order = {name: k for k, name in enumerate(data.targets)}
    every = sorted([*result.rows, *rows], key=lambda row: order[row["target"]])
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "title": title,
        "software": {
            "ecgfoundry": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "settings": settings.to_dict(),
        "input": dict(data.provenance),
        "records": len(data),
        "patients": resampling.patients,
        "patients_known": data.patients_known,
        "cohort": [vars_of(step) for step in [*data.cohort, _patients_step(data, resampling)]],
        "notes": list(data.notes),
        "thresholds": None
        if data.thresholds is None
        else {"source": data.thresholds.source, "values": dict(data.thresholds.values)},
        "multiclass": data.multiclass,
        "targets": every,
        "averages": averages if classes else {},
        "bands": _bands(result.rows),
        "controls": controls,
        "challenge": _challenge(data),
        "readers": reader_rows(data, classes),
        "subgroups": subgroups,
        "transfer": transfer,
        "not_computed": missing,
    }
    curves = [target_curves(data, k) for k in range(len(data.targets))]
    return Evaluation(document, [_with_readers(found, document["readers"]) for found in curves])


def _with_readers(curves: TargetCurves, rows: Sequence[Mapping[str, Any]]) -> TargetCurves:
    own = [row for row in rows if row["target"] == curves.target]
    marks = [(row["reader"], 1.0 - row["specificity"], row["sensitivity"]) for row in own]
    return replace(curves, readers=marks)


def vars_of(step: CohortStep) -> dict[str, Any]:
    """Return the JSON form of a step of the cohort flow."""
    return {
        "name": step.name,
        "records": step.records,
        "left_out": step.left_out,
        "reason": step.reason,
    }


def _patients_step(data: EvaluationData, resampling: PatientResampling) -> CohortStep:
    name = f"evaluated, of {resampling.patients} patients" if data.patients_known else "evaluated"
    return CohortStep(name, len(data))


def _controls(
    data: EvaluationData,
    result: ClassificationResult,
    rows: list[dict[str, Any]],
    classes: Sequence[int],
    quantities: Sequence[int],
    resampling: PatientResampling,
    settings: Settings,
) -> dict[str, Any]:
    if not settings.controls:
        reason = {name: {"not_computed": "switched off"} for name in CONTROLS}
        return {"fitted_on": None, "classification": reason, "regression": {}}
    scored: ControlScores = control_scores(data, seed=settings.seed)
    found: dict[str, Any] = {"fitted_on": scored.fitted_on, "names": dict(CONTROLS)}
    found["classification"] = (
        add_gains(data, classes, result, scored, resampling, settings) if classes else {}
    )
    found["regression"] = (
        add_quantity_gains(data, quantities, rows, scored, resampling, settings)
        if quantities
        else {}
    )
    return found


def _transfer(
    data: EvaluationData,
    classes: Sequence[int],
    result: ClassificationResult,
    resampling: PatientResampling,
    settings: Settings,
    internal: Mapping[str, Any] | None,
    title: str,
) -> list[dict[str, Any]]:
    tables = []
    if internal is not None:
        home = rows_of_classes(internal["targets"])
        name = str(internal.get("title") or "internal")
        tables.append(transfer_table(name, home, title, result.rows, level=settings.level))
    sets = set_tables(data, classes, resampling.member, settings)
    if sets is not None:
        tables += transfer_from_sets(sets, level=settings.level)
    return tables


def _say_what_is_no_probability(
    data: EvaluationData, classes: Sequence[int], missing: dict[str, str]
) -> None:
    outside = []
    for k in classes:
        scores = data.scores[:, k]
        if np.nanmin(scores, initial=0.0) < 0.0 or np.nanmax(scores, initial=1.0) > 1.0:
            outside.append(data.targets[k])
    if outside:
        named = ", ".join(outside[:6]) + (" …" if len(outside) > 6 else "")
        missing[f"calibration of {named}"] = "the scores are not within 0 to 1"


def _bands(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for field in ("band", "band_point"):
        names = [row[field] for row in rows]
        counts[field] = {name: names.count(name) for name in ("strong", "moderate", "limited")}
        counts[field]["undefined"] = names.count(None)
    return counts


def _challenge(data: EvaluationData) -> dict[str, Any] | None:
    """Return the CinC 2017 score when the targets are its four classes and one of them is true."""
    for names in CINC2017_NAMES:
        if set(names) != set(data.targets):
            continue
        columns = [data.targets.index(name) for name in names]
        labels, scores = data.labels[:, columns], data.scores[:, columns]
        known = ~np.isnan(labels).any(axis=1) & ~np.isnan(scores).any(axis=1)
        one: NDArray[np.bool_] = known & (np.nansum(labels, axis=1) == 1.0)
        if not one.any():
            return None
        truth, predicted = labels[one].argmax(axis=1), scores[one].argmax(axis=1)
        return {
            "name": "CinC 2017 score (mean F1 of normal, AF and other)",
            "value": cinc2017_score(truth, predicted),
            "n": int(one.sum()),
        }
    return None
