"""Suspicious labels: found, listed for people to judge, and corrected as they decide."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EcgFoundryError, EvaluationError, MissingExtraError
from ecgfoundry.evaluation.tables import header_of, match_ids, read_numbers
from ecgfoundry.io import read_table, table_suffix, write_atomically
from ecgfoundry.manifest.reading import MappedManifest
from ecgfoundry.manifest.splits import fold_by_patient
from ecgfoundry.manifest.table import TARGET_PREFIX
from ecgfoundry.measurements.features import FEATURE_NAMES, hand_crafted_features
from ecgfoundry.metrics.label_errors import label_suspicion

__all__ = [
    "CSV_HEADER",
    "Question",
    "Suspect",
    "correct_labels",
    "crossed_probabilities",
    "measured_features",
    "probabilities_of_table",
    "questions_of",
    "suspects",
    "suspects_csv",
]

CSV_HEADER = (
    "record", "target", "given", "suggested", "suspicion", "likely_error", "probability_given",
    "probability_suggested", "decision",
)  # fmt: skip
DECIDED = ("record", "target", "given", "suggested", "decision")
FOLDS = 5
MODELS = 3
"""Pairs of models, of other seeds and folds, whose probabilities are averaged (our choice)."""
TREES = 150
"""Of each model (our choice)."""

Float64 = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Question:
    """One thing that every record is labelled with.

    Attributes
    ----------
    name : str
    columns : tuple of str
        Targets of the table: one, or one for each class.
    classes : tuple of str
    given : int64 (records,)
        Class of each record; -1: not labelled.
    """

    name: str
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    given: NDArray[np.int64]


@dataclass(frozen=True)
class Suspect:
    """A label and what models say instead that never saw it."""

    record: str
    target: str
    given: str
    suggested: str
    suspicion: float
    likely_error: bool
    probability_given: float
    probability_suggested: float


def questions_of(data: MappedManifest) -> list[Question]:
    """Return what the records of a table are labelled with.

    Columns of 0 and 1 of which each labelled record has exactly one are the classes of one
    question; any other column of 0 and 1, or of classes, is a question of its own.

    Raises
    ------
    EvaluationError
        There is no such target.
    """
    names = data.targets or data.manifest.target_names
    table = data.manifest.targets(names)
    known = ~np.isnan(table).any(axis=1)
    if len(names) > 2 and known.any() and not data.classes:
        own = table[known]
        if set(np.unique(own)) <= {0.0, 1.0} and (own.sum(axis=1) == 1.0).all():
            given = np.where(known, np.nan_to_num(table).argmax(axis=1), -1)
            return [Question("class", tuple(names), tuple(names), given.astype(np.int64))]
    found = []
    for name, column in zip(names, table.T, strict=True):
        there = ~np.isnan(column)
        values = column[there]
        if not len(values) or (values != np.round(values)).any() or values.min() < 0:
            continue
        count = int(values.max()) + 1
        texts = data.classes.get(name)
        if texts is None and count > 2:
            continue
        given = np.where(there, np.nan_to_num(column), -1).astype(np.int64)
        found.append(Question(name, (name,), tuple(texts or ("0", "1")), given))
    if not found:
        raise EvaluationError(
            f"none of the targets ({', '.join(names) or 'none'}) is a class or 0 and 1",
            path=data.manifest.folder,
            remedy="Name the columns of the labels with --target",
        )
    return found


def measured_features(data: MappedManifest, progress: Progress | None = None) -> Float64:
    """Return the hand-crafted features of every recording; NaN where it cannot be read."""
    table = np.full((len(data.manifest), len(FEATURE_NAMES) + 1), np.nan)
    for k, row in enumerate(data.manifest):
        try:
            recording = data.manifest.open(row)
        except EcgFoundryError:
            continue
        found = hand_crafted_features(recording.signal, recording.sampling_rate, recording.leads)
        table[k, :-1] = [found[name] for name in FEATURE_NAMES]
        table[k, -1] = recording.samples / recording.sampling_rate
        if progress is not None:
            progress(k + 1, len(table))
    return table


def crossed_probabilities(
    features: Float64, given: NDArray[np.int64], folds: Sequence[NDArray[np.int64]]
) -> Float64:
    """Return probabilities of models that never saw the record nor its person.

    Each is the mean of boosted and of extremely randomised trees: the former are right more often,
    the latter are less sure where they are wrong.

    Parameters
    ----------
    features : float64 (records, columns)
        NaN is missing.
    given : int64 (records,)
        -1: not labelled, and not learned from.
    folds : sequence of int64 (records,)
        Parts of the people, once for each model whose answers are averaged.
    """
    try:
        from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    except ImportError:
        raise MissingExtraError.for_extra("reviewing labels without predictions", "data") from None

    width = int(given.max()) + 1
    total = np.zeros((len(given), width))
    used = features[:, ~np.isnan(features).all(axis=0)]
    filled = np.where(np.isnan(used), np.nanmedian(used, axis=0), used)
    for seed, fold in enumerate(folds):
        for part in np.unique(fold):
            inside, outside = (fold != part) & (given >= 0), fold == part
            boosted = HistGradientBoostingClassifier(
                learning_rate=0.06, max_iter=TREES, max_leaf_nodes=15, l2_regularization=1.0,
                max_features=0.3, random_state=seed,
            )  # fmt: skip
            random = ExtraTreesClassifier(
                TREES, min_samples_leaf=3, max_features=0.3, random_state=seed
            )
            for model, table in ((boosted, used), (random, filled)):
                model.fit(table[inside], given[inside])
                place = np.ix_(np.flatnonzero(outside), model.classes_)
                total[place] += model.predict_proba(table[outside]) / 2
    result: Float64 = total / len(folds)
    return result


def folds_of(data: MappedManifest, models: int = MODELS) -> list[NDArray[np.int64]]:
    """Return parts of the people, by their hash, for each of several models."""
    return [fold_by_patient(data.manifest, folds=FOLDS, seed=seed) for seed in range(models)]


def probabilities_of_table(path: Path, question: Question, records: Sequence[str]) -> Float64:
    """Return the probabilities of a question's classes from a table of predictions.

    Raises
    ------
    EvaluationError
        A class has no column, or a number is no probability.
    """
    offered = header_of(path).targets
    two = len(question.classes) == 2 and question.name in offered
    columns = (question.name,) if two else question.classes
    missing = [name for name in columns if name not in offered]
    if missing:
        raise EvaluationError(
            f"has no column for {', '.join(missing)}", path=path,
            remedy="Use the predictions of a model that did not learn from these records",
        )  # fmt: skip
    table = read_numbers(path, columns)
    place = match_ids(records, table.ids)
    values = np.where((place >= 0)[:, None], table.values[place], np.nan)
    if np.nanmin(values, initial=0.0) < 0 or np.nanmax(values, initial=1.0) > 1:
        raise EvaluationError("holds scores that are no probabilities", path=path)
    return np.stack([1 - values[:, 0], values[:, 0]], axis=1) if two else values


def suspects(question: Question, probabilities: Float64, records: Sequence[str]) -> list[Suspect]:
    """Return every label of a question, the most suspicious first."""
    found = label_suspicion(probabilities, question.given)
    order = np.argsort(-np.nan_to_num(found.score, nan=-np.inf), kind="stable")
    return [
        Suspect(
            records[k],
            question.name,
            question.classes[question.given[k]],
            question.classes[found.suggested[k]],
            float(found.score[k]),
            bool(found.confident[k]),
            float(probabilities[k, question.given[k]]),
            float(probabilities[k, found.suggested[k]]),
        )
        for k in order
        if not np.isnan(found.score[k])
    ]


def suspects_csv(found: Sequence[Suspect]) -> str:
    """Return the list with an empty column for decisions."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for one in found:
        writer.writerow([
            one.record, one.target, one.given, one.suggested, f"{one.suspicion:.4f}",
            "true" if one.likely_error else "false", f"{one.probability_given:.4f}",
            f"{one.probability_suggested:.4f}", "",
        ])  # fmt: skip
    return stream.getvalue()


def correct_labels(
    table: Path, data: MappedManifest, decisions: Path, output: Path
) -> dict[str, int]:
    """Write a table of labels as people decided.

    Parameters
    ----------
    table : Path
        The table of recordings and labels that was reviewed.
    data : MappedManifest
        Its content.
    decisions : Path
        The list, with "accept", "reject" or the name of another class under ``decision``; an empty
        cell decides nothing.
    output : Path
        A CSV file of the same columns; cells are parted by semicolons where the table has decimal
        commas.

    Returns
    -------
    dict
        "accepted", "rejected", "other", "open" -> how many labels.

    Raises
    ------
    EvaluationError
        A decision is none, is about a label that is another one by now, or contradicts another.
    """
    table_suffix(output, accepted=(".csv",))
    source, asked = read_table(table), read_table(decisions)
    absent = [name for name in DECIDED if name not in asked.columns]
    if absent:
        raise EvaluationError(
            f"has no column {', '.join(absent)}", path=decisions,
            remedy="Fill in the review.csv that the review wrote",
        )  # fmt: skip
    questions = {question.name: question for question in questions_of(data)}
    place = {row.record: k for k, row in enumerate(data.manifest)}
    rows = [list(row) for row in source.rows]
    counts = dict.fromkeys(("accepted", "rejected", "other", "open"), 0)
    decided: dict[tuple[str, str], tuple[int, str]] = {}  # target, record -> line, class
    for line, cells in asked.by_column():
        decision = cells["decision"].strip()
        if decision:
            named = {"accept": cells["suggested"], "reject": cells["given"]}
            own = named.get(decision.lower(), decision)
            first, said = decided.setdefault((cells["target"], cells["record"]), (line, own))
            if said != own:
                raise EvaluationError(
                    f"lines {first} and {line} decide {cells['record']} ({cells['target']}) as "
                    f"'{said}' and as '{own}'",
                    path=decisions,
                    remedy="Agree on one decision, and leave the other cell empty",
                )
        question, k = questions.get(cells["target"]), place.get(cells["record"])
        if decision.lower() in ("", "reject"):
            counts["rejected" if decision else "open"] += 1
            continue
        if question is None or k is None:
            raise EvaluationError(f"line {line} is about no label of {table.name}", path=decisions)
        wanted = cells["suggested"] if decision.lower() == "accept" else decision
        if wanted not in question.classes:
            raise EvaluationError(
                f"line {line}: '{decision}' is no decision", path=decisions,
                remedy=f"Write accept, reject or one of {', '.join(question.classes)}",
            )  # fmt: skip
        if question.classes[question.given[k]] != cells["given"]:
            raise EvaluationError(
                f"line {line}: the label of {cells['record']} is not '{cells['given']}' any more",
                path=decisions,
                remedy="Review the table anew",
            )
        counts["accepted" if decision.lower() == "accept" else "other"] += 1
        for column, text in _cells(question, wanted).items():
            place_of = _column(source.columns, column)
            rows[k][place_of] = _as_written(text, data.words.get(column, {}))
    with (
        write_atomically(output) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        # A decimal comma is one only where another sign parts the cells.
        mark = ";" if source.decimal_comma else ","
        writer = csv.writer(stream, delimiter=mark, lineterminator="\n")
        writer.writerow(source.columns)
        writer.writerows(rows)
    return counts


def _as_written(text: str, words: Mapping[str, float]) -> str:
    """Return 0 or 1 by the word that the column has for it, if it has words."""
    return next((word for word, number in words.items() if text == f"{number:g}"), text)


def _cells(question: Question, wanted: str) -> Mapping[str, str]:
    if len(question.columns) == 1:
        return {question.columns[0]: wanted}
    return {name: str(int(name == wanted)) for name in question.columns}


def _column(columns: Sequence[str], target: str) -> int:
    return columns.index(target if target in columns else TARGET_PREFIX + target)
