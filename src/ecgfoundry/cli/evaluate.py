"""``ecgfoundry evaluate``: predictions, or a bundle and a manifest, in; tables and a report out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.reading_options import StatedOptions
from ecgfoundry.cli.saying import note, print_json, progress
from ecgfoundry.cli.table_options import TableOptions
from ecgfoundry.cli.vocabulary import JsonResult, Output

if TYPE_CHECKING:
    from ecgfoundry.evaluation.inputs import InputFiles


@Parameter(name="*")
@dataclass(frozen=True)
class FileOptions:
    """Tables of predictions and labels, instead of BUNDLE MANIFEST.

    Parameters
    ----------
    predictions
        A table with id and one column per target, or what infer writes; empty is missing.
    targets
        A table of the same form: 0, 1, a quantity or the names of classes.
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
    multiclass
        The targets exclude each other: the largest score decides.
    """

    predictions: Path | None = None
    targets: Path | None = None
    groups: Path | None = None
    covariates: Path | None = None
    thresholds: Path | None = None
    validation_predictions: Path | None = None
    validation_targets: Path | None = None
    criterion: str = "f1"
    reader: Annotated[list[str] | None, Parameter(negative="")] = None
    multiclass: Annotated[bool, Parameter(negative="")] = False

    def files(self) -> InputFiles | None:
        """Return the files of an evaluation; None where predictions or targets are missing."""
        from ecgfoundry.evaluation.inputs import InputFiles

        if self.predictions is None or self.targets is None:
            return None
        return InputFiles(
            self.predictions, self.targets, self.groups, self.covariates, self.thresholds,
            self.validation_predictions, self.validation_targets, self.criterion,
            self.multiclass, self._readers(),
        )  # fmt: skip

    def problem(self) -> str | None:
        """Return what is wrong with the options, in one line."""
        if self.criterion not in ("f1", "youden"):
            return "--criterion is f1 or youden"
        names = [given.partition("=") for given in self.reader or ()]
        if any(not who or not file for who, _, file in names) or (
            len({who for who, _, _ in names}) < len(names)
        ):
            return f"--reader {' '.join(self.reader or ())}: give NAME=FILE, each name once"
        return None

    def _readers(self) -> dict[str, Path]:
        named = [given.partition("=") for given in self.reader or ()]
        return {who: Path(file) for who, _, file in named}


@Parameter(name="*")
@dataclass(frozen=True)
class MeasuringOptions:
    """How it is measured.

    Parameters
    ----------
    split
        Evaluate only these rows of the manifest; by default test, if there are any.
    lead
        Read only this lead.
    runtime
        auto, onnxruntime or torch.
    controls
        Fit age + sex, heart rate, features and a random encoder beside the network.
    draws
        Bootstrap draws of patients: 1000, fewer for very large inputs unless given.
    seed
        Of draws and folds.
    internal
        Folder of an earlier evaluation to compare with: the drop from there to here.
    title
        Of the report.
    """

    split: str | None = None
    lead: str | None = None
    runtime: str = "auto"
    controls: bool = True
    draws: int | None = None
    seed: int = 0
    internal: Path | None = None
    title: str | None = None


def evaluate(
    model: Annotated[str | None, Parameter(name=["BUNDLE"])] = None,
    manifest: Annotated[Path | None, Parameter(name=["MANIFEST"])] = None,
    /,
    *,
    table: TableOptions | None = None,
    stated: StatedOptions | None = None,
    output: Output,
    files: FileOptions | None = None,
    measuring: MeasuringOptions | None = None,
    json: JsonResult = False,
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
    """
    from ecgfoundry.api.measuring import evaluate as run
    from ecgfoundry.api.measuring import evaluate_predictions
    from ecgfoundry.evaluation.settings import Settings
    from ecgfoundry.inference.predictor import load_model

    files, how = files or FileOptions(), measuring or MeasuringOptions()
    given = files.files()
    from_bundle = model is not None and manifest is not None
    if (given is not None) == from_bundle or (given is not None and (model or manifest or table)):
        print(
            "ecgfoundry: give either --predictions and --targets, or BUNDLE MANIFEST; "
            "see: ecgfoundry evaluate --help",
            file=sys.stderr,
        )
        return 2
    problem = files.problem() or ("--draws is at least 0" if (how.draws or 0) < 0 else None)
    if problem is None and files.reader and from_bundle:
        problem = "--reader goes with --predictions"
    if problem is not None:
        print(f"ecgfoundry: {problem}", file=sys.stderr)
        return 2
    settings = Settings.of(draws=how.draws, seed=how.seed, controls=how.controls)
    said: tuple[str, ...] = ()
    with progress("Reading") as bar:

        def show(step: str, done: int, total: int) -> None:
            bar.update(done, total, step.capitalize())

        if given is not None:
            result = evaluate_predictions(
                given,
                output,
                settings=settings,
                title=how.title,
                internal=how.internal,
                progress=show,
            )
        else:
            assert model is not None and manifest is not None  # noqa: S101 - checked above
            data = (table or TableOptions()).read(manifest, stated=stated)
            said = data.notes
            result = run(
                load_model(model, runtime=how.runtime),
                data,
                output,
                split=how.split, lead=how.lead, settings=settings,
                title=how.title or f"{model} on {manifest.stem}", internal=how.internal,
                progress=show,
            )  # fmt: skip
    for words in result.notes:
        if words not in said:
            note(words)
    if json:
        print_json(result.document)
        return 0
    print(f"{output}: {result.summary}; see report.html, metrics.csv, metrics.json")
    return 0
