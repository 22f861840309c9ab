"""``ecgfoundry evaluate``: predictions, or a bundle and a manifest, in; tables and a report out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.table_options import TableOptions

if TYPE_CHECKING:
    from ecgfoundry.evaluation.cohort import EvaluationData


def evaluate(
    model: Annotated[str | None, Parameter(name=["BUNDLE"])] = None,
    manifest: Annotated[Path | None, Parameter(name=["MANIFEST"])] = None,
    *,
    table: TableOptions | None = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    predictions: Path | None = None,
    targets: Path | None = None,
    groups: Path | None = None,
    covariates: Path | None = None,
    thresholds: Path | None = None,
    validation_predictions: Path | None = None,
    validation_targets: Path | None = None,
    criterion: str = "f1",
    reader: Annotated[list[str] | None, Parameter(negative="")] = None,
    internal: Path | None = None,
    multiclass: Annotated[bool, Parameter(negative="")] = False,
    split: str | None = None,
    lead: str | None = None,
    controls: bool = True,
    draws: int | None = None,
    seed: int = 0,
    title: str | None = None,
    runtime: str = "auto",
) -> int:
    """Measure predictions: intervals by patient, controls, calibration, subgroups, a report.

    Writes metrics.csv (a row per target), metrics.json (everything) and report.html. Give either
    --predictions and --targets, or BUNDLE MANIFEST.

    Parameters
    ----------
    model
        A shipped or pulled model, or a bundle folder, to predict with.
    manifest
        Its recordings and labels: any table that finetune takes, or the split.csv of a run.
    output
        Folder for the results.
    predictions
        A table with id and one column per target, or what infer writes; empty is missing.
    targets
        A table of the same form: 0, 1 or a quantity.
    groups
        Table: id, patient. Intervals resample patients.
    covariates
        Table: id, age, sex, heart_rate, site, device, quality; set, split, period or year.
    thresholds
        JSON {target: number}.
    validation_predictions
        Table: thresholds are chosen, and controls fitted, on these records.
    validation_targets
        Their targets.
    criterion
        How thresholds are chosen on validation: f1 or youden.
    reader
        NAME=FILE, may be repeated: decisions of a reader, CSV of 0 and 1 like the targets.
    internal
        Folder of an earlier evaluation to compare with: the drop from there to here.
    multiclass
        The targets exclude each other: the largest score decides.
    split
        Evaluate only these rows of the manifest; by default test, if there are any.
    lead
        Read only this lead.
    controls
        Fit age + sex, heart rate, features and a random encoder beside the network.
    draws
        Bootstrap draws of patients: 1000, fewer for very large inputs unless given.
    seed
        Of draws and folds.
    title
        Of the report.
    runtime
        auto, onnxruntime or torch.
    """
    from rich.console import Console
    from rich.progress import Progress

    from ecgfoundry.evaluation.evaluate import evaluate as run
    from ecgfoundry.evaluation.inputs import InputFiles, load_evaluation_data
    from ecgfoundry.evaluation.report.report import evaluation_report
    from ecgfoundry.evaluation.settings import Settings
    from ecgfoundry.evaluation.transfer import read_metrics
    from ecgfoundry.evaluation.writing import csv_text, json_text, write_text

    from_files = predictions is not None and targets is not None
    from_bundle = model is not None and manifest is not None
    if from_files == from_bundle or (from_files and (model or manifest or table)):
        print(
            "ecgfoundry: give either --predictions and --targets, or BUNDLE MANIFEST; "
            "see: ecgfoundry evaluate --help",
            file=sys.stderr,
        )
        return 2
    if criterion not in ("f1", "youden") or (draws or 0) < 0:
        print("ecgfoundry: --criterion is f1 or youden, --draws at least 0", file=sys.stderr)
        return 2
    read_by = {}
    for given in reader or []:
        who, _, file = given.partition("=")
        if not who or not file or from_bundle or who in read_by:
            print(
                f"ecgfoundry: --reader {given}: give NAME=FILE, each name once, with --predictions",
                file=sys.stderr,
            )
            return 2
        read_by[who] = Path(file)
    home = read_metrics(internal) if internal is not None else None
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading", total=None)

        def show(step: str, done: int, total: int) -> None:
            bar.update(task, description=step.capitalize(), completed=done, total=total)

        if predictions is not None and targets is not None:
            data = load_evaluation_data(
                InputFiles(
                    predictions, targets, groups, covariates, thresholds,
                    validation_predictions, validation_targets, criterion, multiclass,
                    read_by,
                )
            )  # fmt: skip
            name = title or f"Evaluation of {predictions.name}"
        else:
            assert model is not None and manifest is not None  # noqa: S101 - checked above
            data = _predict(
                model, manifest, table or TableOptions(), split, lead, controls, runtime, show
            )
            name = title or f"{model} on {manifest.stem}"
        settings = Settings.of(draws=draws, seed=seed, controls=controls)
        result = run(data, settings, title=name, internal=home, progress=show)
    files = {
        "metrics.csv": csv_text(result.rows),
        "metrics.json": json_text(result.document),
        "report.html": evaluation_report(result),
    }
    if from_bundle:
        files |= _tables(data)
    write_text(output, files)
    for note in data.notes:
        print(f"ecgfoundry: {note}", file=sys.stderr)
    print(f"{output}: {_summary(result.document)}")
    return 0


def _predict(
    model: str,
    manifest: Path,
    table: TableOptions,
    split: str | None,
    lead: str | None,
    controls: bool,
    runtime: str,
    show: object,
) -> EvaluationData:
    from ecgfoundry.evaluation.prediction import evaluation_data_of_manifest
    from ecgfoundry.inference.predictor import load_model

    return evaluation_data_of_manifest(
        load_model(model, runtime=runtime),
        table.read(manifest),
        split=split,
        lead=lead,
        controls=controls,
        progress=show,  # type: ignore[arg-type]
    )


def _tables(data: EvaluationData) -> dict[str, str]:
    """The scored records as tables that ``evaluate`` and ``compare`` read again."""
    from ecgfoundry.evaluation.writing import csv_text

    assert data.records is not None  # noqa: S101 - a manifest names its records
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


def _summary(document: dict[str, object]) -> str:
    """One line: how many records and targets, and the macro AUROC."""
    import math

    words = f"{document['records']} records, {len(document['targets'])} targets"  # type: ignore[arg-type]
    macro = (document["averages"] or {}).get("macro", {})  # type: ignore[attr-defined]
    value = macro.get("auroc", math.nan)
    if math.isfinite(value):
        rows = document["targets"]
        classes = sum(row["kind"] == "classification" for row in rows)  # type: ignore[attr-defined]
        over = "" if macro["targets"] == classes else f" of {macro['targets']} of {classes} targets"
        words += f", macro AUROC{over} {value:.4f}"
        if math.isfinite(macro["auroc_low"]):
            words += f" [{macro['auroc_low']:.4f}, {macro['auroc_high']:.4f}]"
    return f"{words}; see report.html, metrics.csv, metrics.json"
