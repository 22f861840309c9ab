"""``ecgfoundry finetune``: one's own recordings and labels in, a bundle out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def finetune(
    manifest: Path,
    *,
    target: Annotated[list[str] | None, Parameter(negative="")] = None,
    output: Path,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    task: str = "auto",
    mode: Literal["full", "last", "probe"] = "full",
    last_stages: int = 1,
    records: Path | None = None,
    path_column: str | None = None,
    patient_column: str | None = None,
    split_column: str | None = None,
    epochs: int | None = None,
    batch: int = 32,
    learning_rate: float | None = None,
    schedule: str = "cosine",
    loss: str = "",
    balance: bool = False,
    per_patient: bool = False,
    augment: str = "shift,scale,noise,masking",
    preprocessing: str | None = None,
    unit: str | None = None,
    lead: str | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    channels_last: bool = False,
    compile: bool = False,
    deterministic: bool = False,
    device: str = "cpu",
    threads: int | None = None,
    workers: int = 0,
    seed: int = 0,
    name: str | None = None,
    licence: str = "the owner's",
) -> None:
    """Train a model on your own recordings; ends with a bundle that 'diagnose' uses.

    Splits by patient (70/15/15) unless the table has a split column. The validation split stops,
    chooses and calibrates; the test split is measured once. A patient or a signal in two splits
    stops everything. An interrupted run continues when started again.

    Parameters
    ----------
    manifest
        CSV or Parquet, for example with the columns file, patient, age; or a manifest.
    target
        Column to learn; repeat it for several.
    output
        Folder of the run; the bundle is OUTPUT/bundle.
    model
        A shipped or pulled bundle, a bundle folder, or an architecture to train from scratch.
        Without it: the shipped bundle that fits the leads.
    task
        auto, binary, multiclass, multilabel, positive-unlabelled or regression.
    mode
        full: all weights. last: the last stages. probe: one linear layer on cached embeddings.
    last_stages
        How many, for --mode last.
    records
        Folder that the paths are relative to, or one NumPy file (row k of the table is record k).
    path_column
        Column of the files, where it is not called path or file.
    patient_column
        Column of the patients, where it is not called patient or patient_id.
    split_column
        Column of the splits, where it is not called split.
    epochs
        Passes over the training data; 30 without it, fewer when validation stops improving.
    batch
        Windows per batch.
    learning_rate
        Peak; 3e-4 from pretrained weights and 1e-3 from scratch without it.
    schedule
        cosine, one-cycle, constant, step or plateau.
    loss
        bce, focal, hill, hill-positive, cross-entropy or huber, where it fits the task.
    balance
        Weight positives (or classes) against their rarity.
    per_patient
        Average a patient's recordings before measuring.
    augment
        Comma-separated: lead-dropout, shift, scale, noise, baseline-wander, mains, masking; or
        none.
    preprocessing
        For an architecture: a recipe's name, or its file (.json); a bundle brings its own.
    unit
        Of a measured value, for the answers.
    lead
        The lead that a one-lead model reads.
    precision
        bf16: forward passes under autocast.
    channels_last
        Compute Net1D in channels-last layout (faster where bf16 is).
    compile
        Run the network through torch.compile.
    deterministic
        Refuse operations without a repeatable result.
    device
        cpu or cuda.
    threads
        CPU threads.
    workers
        Threads that prepare batches ahead.
    seed
        Of the split, the fresh weights and the order.
    name
        Of the bundle; the output folder's name without it.
    licence
        Of your data and the weights, for the card.
    """
    from ecgfoundry.extras import require_torch
    from ecgfoundry.manifest import ColumnMapping, read_recordings

    require_torch("fine-tuning")
    from ecgfoundry.training.finetuning import FinetuneSettings
    from ecgfoundry.training.finetuning import finetune as run
    from ecgfoundry.training.tasks import infer_task

    names = tuple(part for entry in target or () for part in entry.split(",") if part)
    mapping = ColumnMapping(
        path=path_column, patient=patient_column, split=split_column, targets=names
    )
    data = read_recordings(manifest, mapping, records=records)
    wanted = infer_task(
        data.manifest.targets(data.targets),
        data.targets,
        classes=data.classes,
        kind=task,
        unit=unit,
        loss=loss,
        balance=balance,
        aggregate="patient" if per_patient else "record",
    )
    settings = FinetuneSettings(
        mode=mode,
        last_stages=last_stages,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        schedule=schedule,
        augmentations=() if augment in ("", "none") else tuple(augment.split(",")),
        precision=precision,
        channels_last=channels_last,
        compile=compile,
        deterministic=deterministic,
        device=device,
        threads=threads,
        workers=workers,
        seed=seed,
    )
    result = run(
        data,
        output,
        model=model,
        task=wanted,
        settings=settings,
        preprocessing=preprocessing,
        name=name,
        licence=licence,
        unit=unit,
        lead=lead,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    for record, reason in list(result.skipped.items())[:5]:
        print(f"ecgfoundry: left out {record}: {reason}", file=sys.stderr)
    if len(result.skipped) > 5:
        print(
            f"ecgfoundry: {len(result.skipped)} were left out; all in {output / 'data.json'}",
            file=sys.stderr,
        )
    from ecgfoundry.models.card_metrics import HEADER, figure_row

    print("\n".join([HEADER, *(figure_row(metric.to_dict()) for metric in result.metrics)]))
    print(f"\n{result.bundle}: use it with: ecgfoundry diagnose FILE --model {result.bundle}")
