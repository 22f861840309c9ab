"""From CSV files to aligned evaluation data; everything that is left out is counted and said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EvaluationError
from ecgfoundry.evaluation.cohort import CohortStep, EvaluationData, Thresholds, holds_classes
from ecgfoundry.evaluation.readers import check_decisions
from ecgfoundry.evaluation.tables import (
    TextTable,
    class_columns,
    header_of,
    match_ids,
    read_labels,
    read_numbers,
    read_text,
)
from ecgfoundry.io import read_json, sha256_of
from ecgfoundry.manifest.reading import PATIENT_NAMES, normalized_sex
from ecgfoundry.manifest.rows import plain_id, spelled_in_several_ways
from ecgfoundry.manifest.targets import mark_problem
from ecgfoundry.metrics.classification import f1_thresholds
from ecgfoundry.metrics.decisions import youden_threshold

__all__ = [
    "InputFiles",
    "choose_thresholds",
    "load_evaluation_data",
    "read_thresholds",
]

NUMERIC_COVARIATES = ("age", "heart_rate")
ASIDE = ("", "split", "path", "file", "index", "start_s")
"""Columns of a table of recordings that are never meant as targets."""
_ROW_NUMBERS = re.compile(r"unnamed: \d+(_level_\d+)?|level_\d+")
"""And what pandas calls the row numbers that it has written before and reads as a column."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class InputFiles:
    """The files of one evaluation; None was not given."""

    predictions: Path
    targets: Path
    groups: Path | None = None
    covariates: Path | None = None
    thresholds: Path | None = None
    validation_predictions: Path | None = None
    validation_targets: Path | None = None
    criterion: str = "f1"
    multiclass: bool = False
    readers: Mapping[str, Path] = field(default_factory=dict)


@dataclass
class _Notes:
    """What is gathered on the way."""

    cohort: list[CohortStep] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_computed: dict[str, str] = field(default_factory=dict)


def load_evaluation_data(files: InputFiles) -> EvaluationData:
    """Read and align the files.

    Raises
    ------
    FileAccessError, EvaluationError
        A file breaks its form, no target stands in both tables, or no id does.
    """
    notes = _Notes()
    data = _load_pair(files.predictions, files.targets, files, notes)
    fit = None
    if (files.validation_predictions is None) != (files.validation_targets is None):
        raise EvaluationError(
            "validation needs both its predictions and its targets",
            remedy="Give --validation-predictions and --validation-targets together",
        )
    if files.validation_predictions is not None and files.validation_targets is not None:
        aside = _Notes()
        fit = _load_pair(files.validation_predictions, files.validation_targets, files, aside)
        fit = _with_targets(fit, data.targets)
        notes.notes += [f"Validation: {note}" for note in aside.notes]
        _warn_of_overlap(data, fit, notes)
    thresholds = None
    if files.thresholds is not None:
        thresholds = read_thresholds(files.thresholds, data.targets, notes.notes)
    elif fit is not None and not files.multiclass:
        thresholds = choose_thresholds(fit, criterion=files.criterion)
    named = {
        "predictions": files.predictions,
        "targets": files.targets,
        "groups": files.groups,
        "covariates": files.covariates,
        "thresholds": files.thresholds,
        "validation_predictions": files.validation_predictions,
        "validation_targets": files.validation_targets,
        **{f"reader {name}": path for name, path in files.readers.items()},
    }
    provenance = {
        name: {"file": str(path), "sha256": sha256_of(path)}
        for name, path in named.items()
        if path is not None
    }
    return EvaluationData(
        targets=data.targets,
        labels=data.labels,
        scores=data.scores,
        patients=data.patients,
        covariates=data.covariates,
        fit=fit,
        thresholds=thresholds,
        multiclass=files.multiclass,
        cohort=notes.cohort,
        notes=notes.notes,
        provenance=provenance,
        records=data.records,
        patients_known=data.patients_known,
        not_computed=notes.not_computed,
        readers={name: _decisions_of(name, path, data) for name, path in files.readers.items()},
    )


def _load_pair(
    predictions: Path, targets: Path, files: InputFiles, notes: _Notes
) -> EvaluationData:
    names, classes = _common_targets(predictions, targets, notes)
    truth = read_labels(targets, names, classes)
    names = list(truth.columns)
    given = read_numbers(predictions, names)
    place = match_ids(truth.ids, given.ids)
    paired = np.flatnonzero(place >= 0)
    if not len(paired):
        raise EvaluationError(
            f"no id stands in both this file and {predictions.name}; they begin with "
            f"'{truth.ids[0]}' and '{given.ids[0]}'",
            path=targets,
            remedy="Use the same ids in both files",
        )
    without, unused = len(truth.ids) - len(paired), len(given.ids) - len(paired)
    if unused:
        notes.notes.append(f"{unused} records with predictions have no row in the targets.")
    if without:
        notes.notes.append(
            f"{without} records of the targets have no row of predictions and are left out."
        )
    notes.cohort.append(CohortStep("in the table of targets", len(truth.ids)))
    notes.cohort.append(
        CohortStep("with a row of predictions", len(paired), without, "no row of predictions")
    )
    everything = len(paired) == len(truth.ids)
    labels = truth.values if everything else truth.values[paired]
    scores = (
        given.values
        if np.array_equal(place[paired], np.arange(len(given.ids)))
        else given.values[place[paired]]
    )
    ids = [truth.ids[k] for k in paired]
    known = ~np.isnan(labels) & ~np.isnan(scores)
    usable = known.any(axis=1)
    unscored = int((~np.isnan(labels) & np.isnan(scores)).sum())
    if unscored:
        notes.notes.append(
            f"{unscored} labels have no prediction (empty cells); they count for no measure."
        )
    rows = np.arange(len(ids))
    if not usable.all():
        rows = np.flatnonzero(usable)
        labels, scores = labels[rows], scores[rows]
    notes.cohort.append(
        CohortStep(
            "with a label and a prediction for at least one target",
            len(rows),
            len(ids) - len(rows),
            "no target with both",
        )
    )
    _say_which_pairs_are_no_classes(names, labels, notes)
    _say_what_is_no_probability(names, labels, scores, predictions, notes)
    ids = [ids[k] for k in rows]
    patients, known_patients = _patients(files, targets, ids, notes)
    covariates = _covariates(files, ids, notes)
    return EvaluationData(
        targets=tuple(names),
        labels=labels,
        scores=scores,
        patients=patients,
        covariates=covariates,
        records=np.array(ids, dtype=object),
        patients_known=known_patients,
    )


def _say_which_pairs_are_no_classes(names: Sequence[str], labels: Float64, notes: _Notes) -> None:
    """Labels of two values that are not 0 and 1 are more likely meant as classes than not."""
    for k, name in enumerate(names):
        if holds_classes(labels[:, k]):
            continue
        problem = mark_problem(name, labels[:, k])
        if problem is not None:
            raise problem
        values = np.unique(labels[~np.isnan(labels[:, k]), k])
        if len(values) == 2:
            notes.notes.append(
                f"The labels of '{name}' are {values[0]:g} and {values[1]:g}: taken as a quantity. "
                "Write classes as 0 and 1."
            )


def _say_what_is_no_probability(
    names: Sequence[str], labels: Float64, scores: Float64, path: Path, notes: _Notes
) -> None:
    """A few scores beyond 0 and 1 among probabilities are more likely an error than logits."""
    for k, name in enumerate(names):
        known = scores[~np.isnan(scores[:, k]), k]
        outside = int(((known < 0.0) | (known > 1.0)).sum())
        if outside and holds_classes(labels[:, k]):
            notes.notes.append(
                f"{outside} of {len(known)} scores of '{name}' in {path.name} are below 0 or above "
                "1: all are ranked as they are, and there is no calibration."
            )


def _decisions_of(name: str, path: Path, data: EvaluationData) -> Float64:
    """Return a reader's decisions on the evaluated records; NaN where there is none."""
    offered = set(header_of(path).targets)
    columns = [target for target in data.targets if target in offered]
    if not columns:
        raise EvaluationError(
            f"no target column stands in it; the targets are {_listed(data.targets)}", path=path
        )
    table = read_numbers(path, columns)
    assert data.records is not None  # noqa: S101 - tables name their records
    place = match_ids([str(record) for record in data.records], table.ids)
    result = np.full((len(data), len(data.targets)), np.nan)
    for k, target in enumerate(columns):
        column = np.where(place >= 0, table.values[:, k][place], np.nan)
        result[:, data.targets.index(target)] = column
    check_decisions(name, result)
    return result


def _common_targets(
    predictions: Path, targets: Path, notes: _Notes
) -> tuple[list[str], dict[str, dict[str, str]]]:
    """The targets that both name, and the columns of text classes that name outputs."""
    asked, answered = header_of(targets, labels=True), header_of(predictions)
    wanted = [name for name in asked.targets if _may_be_target(name)]
    offered = [name for name in answered.targets if _may_be_target(name)]
    names = [name for name in wanted if name in set(offered)]
    if targets.resolve() == predictions.resolve():
        twice = [name for name in names if asked.targets[name] == answered.targets[name]]
        if twice:
            raise EvaluationError(
                f"the same columns are targets and predictions ({_listed(twice)})",
                path=targets,
                remedy="Name them target:NAME and probability:NAME, or give two files",
            )
    classes = class_columns(targets, wanted, offered)
    if not names and not classes:
        raise EvaluationError(
            f"no target column stands in both this file ({', '.join(offered[:6])}) and "
            f"{targets.name} ({', '.join(wanted[:6])})",
            path=predictions,
            remedy="Name the columns alike; vocabularies are not guessed",
        )
    used = {*names, *classes, *(name for found in classes.values() for name in found)}
    for path, columns in ((targets, wanted), (predictions, offered)):
        extra = [name for name in columns if name not in used]
        if extra:
            notes.notes.append(
                f"{path.name} has {len(extra)} column{'s' * (len(extra) != 1)} that the other "
                f"file lacks, not scored: {_listed(extra)}."
            )
    return names, classes


def _may_be_target(name: str) -> bool:
    plain = name.casefold()
    return plain not in {*ASIDE, *PATIENT_NAMES} and not _ROW_NUMBERS.fullmatch(plain)


def _listed(names: Sequence[str], most: int = 12) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _patients(
    files: InputFiles, targets: Path, ids: Sequence[str], notes: _Notes
) -> tuple[NDArray[np.generic], bool]:
    """Return the patient of each record, of the first table that names them, and whether one does.

    The table of labels is the last: of a manifest, every command counts by its patients.
    """
    tables = [path for path in (files.groups, files.covariates, targets) if path is not None]
    for path in tables:
        if path == targets and _named_patient(header_of(path).names) is None:
            continue  # a large one is not read twice for nothing
        table = read_text(path)
        column = _named_patient(tuple(table.columns))
        if column is None and path == files.groups and len(table.columns) == 1:
            column = next(iter(table.columns))
        if column is None:
            if path == files.groups:
                raise EvaluationError(
                    f"has no column 'patient'; it has {', '.join(table.columns)}", path=path
                )
            continue
        names = _column_for(table, column, ids)
        missing = sum(name == "" for name in names)
        if missing:
            notes.notes.append(
                f"{missing} records have no patient in {path.name}; each counts as one of its own."
            )
        alike = spelled_in_several_ways(name for name in names if name)
        if alike:
            notes.notes.append(
                f"{len(alike)} patients of {path.name} are written in more than one way and count "
                "as different people; write each in one way."
            )
        return np.array([n or f"\0{k}" for k, n in enumerate(names)], dtype=object), True
    notes.notes.append("No patients were given: every record counts as a patient of its own.")
    return np.arange(len(ids)), False


def _named_patient(columns: Sequence[str]) -> str | None:
    """Return the column of the patients, as reading a table of recordings finds it."""
    by_name = {column.casefold(): column for column in reversed(columns)}
    return next((by_name[name] for name in PATIENT_NAMES if name in by_name), None)


def _column_for(table: TextTable, column: str, ids: Sequence[str]) -> list[str]:
    place = match_ids(ids, table.ids)
    cells = table.columns[column]
    return [cells[k] if k >= 0 else "" for k in place]


def _covariates(
    files: InputFiles, ids: Sequence[str], notes: _Notes
) -> dict[str, NDArray[np.generic]]:
    if files.covariates is None:
        return {}
    table = read_text(files.covariates)
    place = match_ids(ids, table.ids)
    absent = int((place < 0).sum())
    if absent:
        notes.notes.append(f"{absent} records have no row in {files.covariates.name}.")
    result: dict[str, NDArray[np.generic]] = {}
    for name, cells in table.columns.items():
        if name.casefold() in PATIENT_NAMES:
            continue
        own = [cells[k] if k >= 0 else "" for k in place]
        key = name.strip().lower().replace(" ", "_")
        if key in NUMERIC_COVARIATES:
            result[key] = _numbers(own, name, files.covariates)
        elif key == "sex":
            result[key] = np.array([normalized_sex(cell) for cell in own], dtype=object)
        else:
            result[key] = np.array(own, dtype=object)
    return result


def _numbers(cells: Sequence[str], column: str, path: Path) -> Float64:
    try:
        values = np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError as error:
        raise EvaluationError(f"the column {column} holds text: {error}", path=path) from None
    if np.isinf(values).any():
        raise EvaluationError(f"the column {column} holds an infinite value", path=path)
    return values


def _with_targets(data: EvaluationData, targets: Sequence[str]) -> EvaluationData:
    """Bring the columns into the order of ``targets``; what is missing is NaN."""
    place = {name: k for k, name in enumerate(data.targets)}
    shape = (len(data), len(targets))
    labels, scores = np.full(shape, np.nan), np.full(shape, np.nan)
    for k, name in enumerate(targets):
        if name in place:
            labels[:, k] = data.labels[:, place[name]]
            scores[:, k] = data.scores[:, place[name]]
    return EvaluationData(
        tuple(targets), labels, scores, data.patients, data.covariates, records=data.records,
        patients_known=data.patients_known,
    )  # fmt: skip


def _warn_of_overlap(data: EvaluationData, fit: EvaluationData, notes: _Notes) -> None:
    both = {}
    if data.patients_known and fit.patients_known:
        own, others = (
            {plain_id(str(name)) for name in part.patients.tolist() if name[:1] != "\0"}
            for part in (data, fit)
        )
        both["patients"] = len(own & others)
    if data.records is not None and fit.records is not None:
        # Patients may be numbered anew in each table, and records not.
        places = match_ids([str(r) for r in data.records], [str(r) for r in fit.records])
        both["record ids"] = int((places >= 0).sum())
    what = next((what for what, count in both.items() if count), None)
    if what is not None:
        notes.notes.append(
            f"{both[what]} {what} stand in both the validation and the evaluated records: "
            "thresholds and controls saw them."
        )


def read_thresholds(path: Path, targets: Sequence[str], notes: list[str]) -> Thresholds:
    """Read ``{target: number}``, or the same under "thresholds".

    Raises
    ------
    FileAccessError, EvaluationError
    """
    document = read_json(path)
    if isinstance(document, dict) and isinstance(document.get("thresholds"), dict):
        document = document["thresholds"]
    if not isinstance(document, dict):
        raise EvaluationError("is not a JSON object {target: threshold}", path=path)
    values: dict[str, float] = {}
    for name, value in document.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise EvaluationError(f"the threshold of '{name}' is not a number", path=path)
        values[str(name)] = float(value)
    unknown = [name for name in values if name not in set(targets)]
    if unknown:
        notes.append(f"{path.name} has thresholds of no scored target: {_listed(unknown)}.")
    return Thresholds(
        {name: values[name] for name in targets if name in values}, f"given in {path.name}"
    )


def choose_thresholds(validation: EvaluationData, *, criterion: str = "f1") -> Thresholds:
    """Choose a threshold per target on validation data.

    Parameters
    ----------
    validation : EvaluationData
    criterion : {"f1", "youden"}
        Largest F1, or largest sensitivity + specificity - 1.
    """
    values: dict[str, float] = {}
    for k, name in enumerate(validation.targets):
        known = ~(np.isnan(validation.labels[:, k]) | np.isnan(validation.scores[:, k]))
        y, s = validation.labels[known, k], validation.scores[known, k]
        if not holds_classes(y) or len(np.unique(y)) < 2:
            continue
        if criterion == "youden":
            values[name] = youden_threshold(y, s)
        elif criterion == "f1":
            lowest = min(float(s.min()), 0.0)  # f1_thresholds takes scores from 0 on
            values[name] = f1_thresholds((s - lowest)[:, None], y[:, None])[0] + lowest
        else:
            raise EvaluationError(
                f"'{criterion}' is no criterion for thresholds", remedy="Use f1 or youden"
            )
    words = {"f1": "largest F1", "youden": "largest sensitivity + specificity"}[criterion]
    return Thresholds(values, f"chosen on {len(validation)} validation records: {words}")
