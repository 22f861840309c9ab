"""Measuring models: evaluate, compare, calibrate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecgfoundry.documents import Cell, Cells, JsonObject
from ecgfoundry.errors import EvaluationError
from ecgfoundry.evaluation.comparison import (
    PairedComparison,
    SetComparison,
    compare_models,
    compare_sets,
    open_model,
    same_records,
    seen_before,
    shared_notes,
)
from ecgfoundry.evaluation.evaluate import Evaluation
from ecgfoundry.evaluation.evaluate import evaluate as evaluate_data
from ecgfoundry.evaluation.inputs import InputFiles, load_evaluation_data
from ecgfoundry.evaluation.prediction import evaluation_data_of_manifest
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.evaluation.transfer import read_metrics
from ecgfoundry.evaluation.writing import csv_text, json_text, write_text
from ecgfoundry.extras import require_polars
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.recalibration import Recalibration, recalibrate
from ecgfoundry.manifest import Manifest, MappedManifest, read_recordings
from ecgfoundry.metrics.conformal import COVERAGE

if TYPE_CHECKING:
    import polars as pl

    from ecgfoundry.evaluation.cohort import EvaluationData

__all__ = [
    "Comparison",
    "Measured",
    "calibrate",
    "compare",
    "evaluate",
    "evaluate_predictions",
]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Measured:
    """An evaluation and what it was made of.

    Attributes
    ----------
    evaluation : Evaluation
    notes : tuple of str
        What was supposed or left out, in sentences.
    """

    evaluation: Evaluation
    notes: tuple[str, ...]

    @property
    def document(self) -> JsonObject:
        """The content of ``metrics.json``; undefined values are NaN."""
        return self.evaluation.document

    def to_frame(self) -> pl.DataFrame:
        """Return a polars frame with a row per target (``.to_pandas()`` makes it a pandas one)."""
        return _frame(self.evaluation.cells())

    def __repr__(self) -> str:
        return f"Measured({self.summary})"

    @property
    def summary(self) -> str:
        """One line: how many records and targets, and the macro AUROC."""
        found = self.evaluation
        words = f"{found.records} records, {len(found.rows)} targets"
        macro, classes = found.averages.get("macro"), len(found.classes)
        if macro is None or not math.isfinite(macro.auroc.value):
            return words
        over = "" if macro.targets == classes else f" of {macro.targets} of {classes} targets"
        words += f", macro AUROC{over} {macro.auroc.value:.4f}"
        if math.isfinite(macro.auroc.low):
            words += f" [{macro.auroc.low:.4f}, {macro.auroc.high:.4f}]"
        return words


def evaluate(
    model: str | Path | Predictor,
    data: str | Path | Manifest | MappedManifest,
    output: str | Path | None = None,
    *,
    split: str | None = None,
    lead: str | None = None,
    settings: Settings | None = None,
    title: str | None = None,
    internal: str | Path | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Measure a model on a table of recordings and labels.

    Parameters
    ----------
    model : str, Path or Predictor
    data : path, Manifest or MappedManifest
        Any table that fine-tuning takes, or the ``split.csv`` of a run.
    output : path, optional
        Folder for metrics.csv, metrics.json, report.html and the scored records, which
        :func:`compare` takes.
    split : str, optional
        Measure these rows; None: those of the test split, if there are any.
    lead : str, optional
        Read only this lead.
    settings : ecgfoundry.evaluation.settings.Settings, optional
        Draws, seed, level of the intervals, controls.
    title : str, optional
    internal : path, optional
        Folder of an earlier evaluation: the drop from there to here.
    progress : callable (step, done, total), optional

    Returns
    -------
    Measured

    Raises
    ------
    EvaluationError, ManifestError, EcgFoundryError
    """
    predictor = model if isinstance(model, Predictor) else load_model(model)
    settings = settings or Settings()
    mapped, name = _mapped(data)
    found = evaluation_data_of_manifest(
        predictor, mapped,
        split=split, lead=lead, controls=settings.controls, progress=progress,
    )  # fmt: skip
    title = title or f"{predictor.bundle.name} on {name}"
    return _measured(found, output, settings, title, internal, progress, tables=True)


def evaluate_predictions(
    files: InputFiles,
    output: str | Path | None = None,
    *,
    settings: Settings | None = None,
    title: str | None = None,
    internal: str | Path | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Measure predictions of any program against labels.

    Parameters
    ----------
    files : InputFiles
        Tables of predictions and labels, and of patients, covariates and readers.
    output, settings, title, internal, progress
        As in :func:`evaluate`.

    Raises
    ------
    EvaluationError, FileAccessError
    """
    found = load_evaluation_data(files)
    title = title or f"Evaluation of {files.predictions.name}"
    return _measured(found, output, settings or Settings(), title, internal, progress)


def _mapped(data: str | Path | Manifest | MappedManifest) -> tuple[MappedManifest, str]:
    if isinstance(data, MappedManifest):
        return data, data.manifest.folder.name
    if isinstance(data, Manifest):
        return MappedManifest(data, data.target_names), data.folder.name
    return read_recordings(data, need_targets=False), Path(data).stem


def _measured(
    data: EvaluationData,
    output: str | Path | None,
    settings: Settings,
    title: str,
    internal: str | Path | None,
    progress: Progress | None,
    *,
    tables: bool = False,
) -> Measured:
    home = None if internal is None else read_metrics(Path(internal))
    result = evaluate_data(data, settings, title=title, internal=home, progress=progress)
    if output is not None:
        from ecgfoundry.evaluation.report.report import evaluation_report

        files = {
            "metrics.csv": csv_text(result.cells()),
            "metrics.json": json_text(result.document),
            "report.html": evaluation_report(result),
        }
        write_text(Path(output), files | (_tables(data) if tables else {}))
    return Measured(result, tuple(data.notes))


def _tables(data: EvaluationData) -> dict[str, str]:
    """The scored records as tables that ``evaluate`` and ``compare`` read again."""
    if data.records is None:
        raise EvaluationError("the records have no names")
    columns = {"predictions.csv": data.scores, "targets.csv": data.labels}
    tables = {
        file: csv_text(
            [
                {"id": record, **dict(zip(data.targets, map(float, row), strict=True))}
                for record, row in zip(data.records, values, strict=True)
            ],
            first=("id", *data.targets),
        )
        for file, values in columns.items()
    }
    rows = [
        {"id": record, "patient": str(patient).lstrip("\0")}
        for record, patient in zip(data.records, data.patients, strict=True)
    ]
    return tables | {"groups.csv": csv_text(rows, first=("id", "patient"))}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models, or one on two sets of records.

    Attributes
    ----------
    found : PairedComparison or SetComparison
    """

    found: PairedComparison | SetComparison

    @property
    def document(self) -> JsonObject:
        """The content of ``compare.json``; undefined values are NaN."""
        return self.found.document

    @property
    def notes(self) -> tuple[str, ...]:
        """What was supposed or left out, in sentences."""
        return tuple(self.found.notes)

    @property
    def paired(self) -> bool:
        """Whether both were measured on the same records."""
        return isinstance(self.found, PairedComparison)

    def cells(self) -> list[Cells]:
        """Return a row per target, as in ``compare.csv``."""
        found = self.found
        rows = found.rows if isinstance(found, PairedComparison) else found.table.rows
        return [row.cells() for row in rows]

    def to_frame(self) -> pl.DataFrame:
        """Return a polars frame with a row per target (``.to_pandas()`` makes it a pandas one)."""
        return _frame(self.cells())


_PAIRED = ("target", "n", "positives", "auroc_a", "auroc_b", "difference", "difference_low",
           "difference_high")  # fmt: skip
_APART = ("target", "home_auroc", "away_auroc", "drop", "drop_low", "drop_high")


def compare(
    a: str | Path,
    b: str | Path,
    output: str | Path | None = None,
    *,
    targets: str | Path | None = None,
    groups: str | Path | None = None,
    thresholds: tuple[Path | None, Path | None] = (None, None),
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare two models: paired on the same records, else as independent samples.

    Parameters
    ----------
    a, b : path
        A table of predictions, or the folder of an earlier evaluation.
    output : path, optional
        Folder for compare.csv, compare.json and compare.html.
    targets, groups : path, optional
        Labels and patients, for tables of predictions.
    thresholds : tuple of path, optional
        JSON {target: number} of each, for McNemar's test.
    settings : Settings, optional
    progress : callable (done, total), optional
        Draws of the bootstrap.

    Raises
    ------
    EvaluationError
        The predictions of one side are not there any more, or nothing is in common.
    """
    sides = (Path(a), Path(b))
    opened = [
        open_model(side, targets=_path(targets), groups=_path(groups), thresholds=own)
        for side, own in zip(sides, thresholds, strict=True)
    ]
    first, second = opened
    folders = all(side.is_dir() for side in sides)
    if first is not None and second is not None and (
        not folders or same_records(first.data, second.data)
    ):  # fmt: skip
        found: PairedComparison | SetComparison = compare_models(first, second, settings, progress)
    elif folders:
        found = compare_sets(read_metrics(sides[0]), read_metrics(sides[1]))
        if first is not None and second is not None:
            shared = shared_notes(first.data, second.data)
            found = replace(found, notes=[*found.notes, *shared])
    else:
        raise EvaluationError(
            "the predictions of one side are not there any more",
            remedy="Give two folders, or two tables with --targets",
        )
    seen = [note for note in map(seen_before, sides) if note is not None]
    result = Comparison(replace(found, notes=[*found.notes, *dict.fromkeys(seen)]))
    if output is not None:
        from ecgfoundry.evaluation.report.comparison import comparison_report

        files = {
            "compare.csv": csv_text(result.cells(), first=_PAIRED if result.paired else _APART),
            "compare.json": json_text(result.document),
            "compare.html": comparison_report(result.found),
        }
        write_text(Path(output), files)
    return result


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def calibrate(
    model: str | Path | Predictor,
    data: str | Path | Manifest | MappedManifest,
    output: str | Path,
    *,
    coverage: float = COVERAGE,
    drift_reference: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Recalibration:
    """Write a copy of a model with calibration, thresholds and sets from one's own records.

    Parameters
    ----------
    model : str, Path or Predictor
    data : path, Manifest or MappedManifest
        Recordings that the model did not learn from, and labels.
    output : path
        The new bundle folder.
    coverage : float
        Share of new people, like those of the records, whose truth the sets shall hold.
    drift_reference : bool
        Also store what the model makes of these people, for the drift that a service shows: the
        embeddings of one recording and one window each, and counts of verdicts and answers.
    progress : callable (done, total), optional

    Returns
    -------
    Recalibration
        What was fitted, what kept its calibration, and what was skipped.
    """
    predictor = model if isinstance(model, Predictor) else load_model(model)
    return recalibrate(
        predictor,
        _mapped(data)[0],
        Path(output),
        coverage=coverage,
        drift_reference=drift_reference,
        progress=progress,
    )


def _frame(rows: Sequence[Cells]) -> pl.DataFrame:
    polars = require_polars("figures as a table")
    columns = dict.fromkeys(name for row in rows for name in row)
    plain = {name: [_cell(row.get(name)) for row in rows] for name in columns}
    return polars.DataFrame(plain, strict=False)


def _cell(value: Cell) -> Cell:
    return None if isinstance(value, float) and math.isnan(value) else value
