"""``ecgfoundry finetune``: one's own recordings and labels in, a bundle out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ecgfoundry.cli.settings import command_with_settings
from ecgfoundry.training.settings import FinetuneSettings


@command_with_settings(FinetuneSettings)
def finetune(
    manifest: Path,
    *,
    target: Annotated[list[str] | None, Parameter(negative="")] = None,
    output: Path,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    task: str = "auto",
    positive: str | None = None,
    records: Path | None = None,
    path_column: str | None = None,
    patient_column: str | None = None,
    split_column: str | None = None,
    loss: str = "",
    balance: bool = False,
    per_patient: bool = False,
    unit: str | None = None,
    name: str | None = None,
    licence: str = "the owner's",
    settings: FinetuneSettings,
) -> None:
    """Train a model on your own recordings; ends with a bundle that 'diagnose' uses.

    Splits by patient (70/15/15) unless the table has a split column. The validation split stops,
    chooses and calibrates; the test split is measured once. A patient or a signal in two splits
    stops everything. An interrupted run goes on when the same command is given again; a run whose
    settings, labels, signals or start weights have changed is refused.

    Parameters
    ----------
    manifest
        CSV or Parquet, for example with the columns file, patient, age; or a manifest.
    target
        Column to learn; repeat it for several.
    output
        Folder of the run; the bundle is OUTPUT/bundle.
    overwrite
        Train anew where OUTPUT holds another run; its results are deleted.
    model
        A shipped or pulled bundle, a bundle folder, or an architecture to train from scratch.
        Without it: the shipped bundle that fits the leads.
    task
        auto, binary, multiclass, multilabel, positive-unlabelled or regression.
    positive
        Of two text classes: the one that is looked for.
    records
        Folder that the paths are relative to, or one NumPy file (row k of the table is record k).
    path_column
        Column of the files, where it is not called path or file.
    patient_column
        Column of the patients, where it is not called patient or patient_id.
    split_column
        Column of the splits, where it is not called split.
    loss
        bce, focal, hill, hill-positive, cross-entropy or huber, where it fits the task.
    balance
        Weight positives (or classes) against their rarity.
    per_patient
        Average a patient's recordings before measuring.
    unit
        Of a measured value, for the answers.
    name
        Of the bundle; the output folder's name without it.
    licence
        Of your data and the weights, for the card.
    """
    from ecgfoundry.extras import require_torch
    from ecgfoundry.manifest import ColumnMapping, read_recordings

    require_torch("fine-tuning")
    from ecgfoundry.models.card_metrics import HEADER, figure_row
    from ecgfoundry.training.finetuning import finetune as run
    from ecgfoundry.training.finetuning import task_of
    from ecgfoundry.training.results.package import RunCard

    names = tuple(part for entry in target or () for part in entry.split(",") if part)
    mapping = ColumnMapping(
        path=path_column, patient=patient_column, split=split_column, targets=names,
        positive=positive,
    )  # fmt: skip
    data = read_recordings(manifest, mapping, records=records)
    result = run(
        data,
        output,
        model=model,
        task=task_of(
            data, task, unit=unit, loss=loss, balance=balance,
            aggregate="patient" if per_patient else "record",
        ),
        settings=settings,
        card=RunCard(recipe="ecgfoundry finetune", name=name, licence=licence),
        overwrite=overwrite,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip
    for record, reason in list(result.skipped.items())[:5]:
        print(f"ecgfoundry: left out {record}: {reason}", file=sys.stderr)
    if len(result.skipped) > 5:
        print(
            f"ecgfoundry: {len(result.skipped)} were left out; all in {output / 'data.json'}",
            file=sys.stderr,
        )
    print("\n".join([HEADER, *(figure_row(metric.to_dict()) for metric in result.metrics)]))
    print(f"\n{result.bundle}: use it with: ecgfoundry diagnose FILE --model {result.bundle}")
