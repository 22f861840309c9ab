"""``ecgfoundry pretrain``: a network from raw windows, on one process or many."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def pretrain(
    source: Path,
    *,
    output: Path,
    architecture: str = "net1d-12lead",
    vocabulary: str = "ecgfounder-150",
    target: Annotated[list[str] | None, Parameter(negative="")] = None,
    task: str = "positive-unlabelled",
    loss: str = "",
    leads: str = "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6",
    lead_mode: Literal["exact", "any-subset", "any-single"] | None = None,
    preprocessing: str | None = None,
    epochs: int = 20,
    batch: int = 1024,
    accumulate: int = 1,
    learning_rate: float = 1e-3,
    lead_replacement: float = 0.0,
    augment: str = "none",
    validation_share: float = 0.05,
    precision: Literal["fp32", "bf16"] = "fp32",
    channels_last: bool = False,
    compile: bool = False,
    deterministic: bool = False,
    device: str = "auto",
    threads: int | None = None,
    workers: int = 0,
    checkpoint_every: int = 500,
    seed: int = 0,
    name: str | None = None,
    licence: str = "the owner's",
) -> None:
    """Pretrain a network; on several GPUs with torchrun -m ecgfoundry pretrain.

    The defaults are ECGFounder's: positive-unlabelled Hill loss on 150 targets, AdamW at 1e-3,
    times 0.1 every 5 epochs, batches of 1024. An interrupted run continues when started again.

    Parameters
    ----------
    source
        A manifest (CSV or Parquet), or a corpus folder.
    output
        Folder of the run; the bundle is OUTPUT/bundle.
    architecture
        See: ecgfoundry models list.
    vocabulary
        Targets in order; columns target:NAME of the source.
    target
        Columns, instead of a vocabulary.
    task
        positive-unlabelled, multilabel, multiclass or regression.
    loss
        hill, hill-positive, bce, focal, cross-entropy or huber, where it fits the task.
    leads
        Rows of the input, in order.
    lead_mode
        exact, any-subset or any-single; what the architecture is for without it.
    preprocessing
        A recipe's name, or its file (.json); what the architecture is for without it.
    epochs
        Passes over the data, at most.
    batch
        Windows per step over all processes.
    accumulate
        Batches whose gradients make one step.
    learning_rate
        Peak.
    lead_replacement
        One-lead models: probability of another frontal axis; 0.5 in the paper. Needs I and II.
    augment
        Comma-separated augmentations, or none.
    validation_share
        Share of the patients.
    precision
        bf16: forward passes under autocast.
    channels_last
        Compute Net1D in channels-last layout.
    compile
        Run the network through torch.compile.
    deterministic
        Refuse operations without a repeatable result.
    device
        auto, cpu or cuda.
    threads
        CPU threads.
    workers
        Threads that standardize ahead.
    checkpoint_every
        Steps.
    seed
        Of weights, order and validation patients.
    name
        Of the bundle.
    licence
        Of your data and the weights, for the card.
    """
    from ecgfoundry.extras import require_torch

    require_torch("pretraining")
    from ecgfoundry.models.bundle import InputSpec
    from ecgfoundry.models.registry import ARCHITECTURES
    from ecgfoundry.preprocessing import get_preprocessing
    from ecgfoundry.training.data.sources import open_sources
    from ecgfoundry.training.distributed import joined_world
    from ecgfoundry.training.initialization import architecture_entry
    from ecgfoundry.training.pretraining import PretrainSettings
    from ecgfoundry.training.pretraining import pretrain as run
    from ecgfoundry.training.tasks import Task
    from ecgfoundry.vocabularies import Target, Vocabulary, load_vocabulary

    entry = architecture_entry(architecture)
    rows = tuple(leads.split(","))
    mode = lead_mode or (
        "any-subset" if entry.takes_presence else "any-single" if len(rows) == 1 else "exact"
    )
    recipe = get_preprocessing(preprocessing or entry.preprocessing)
    spec = InputSpec(mode, rows, recipe)
    names = tuple(part for given in target or () for part in given.split(",") if part)
    words = (
        Vocabulary("-".join(names)[:80], tuple(Target(part, "diagnosis") for part in names))
        if names
        else load_vocabulary(vocabulary)
    )
    columns = names or words.names
    wanted = Task(kind=task, columns=columns, vocabulary=words, loss=loss)
    settings = PretrainSettings(
        epochs=epochs,
        batch=batch,
        accumulate=accumulate,
        learning_rate=learning_rate,
        lead_replacement=lead_replacement,
        augmentations=() if augment in ("", "none") else tuple(augment.split(",")),
        validation_share=validation_share,
        precision=precision,
        channels_last=channels_last,
        compile=compile,
        deterministic=deterministic,
        threads=threads,
        workers=workers,
        checkpoint_every=checkpoint_every,
        seed=seed,
    )
    configuration = {"leads": spec.rows} if "leads" in ARCHITECTURES[architecture].defaults else {}
    with joined_world(device=device) as world:
        sources = open_sources(
            source,
            output / "cache",
            leads=("I", "II") if lead_replacement else rows,
            window_s=spec.window_s,
            targets=columns,
            need_all=mode != "any-subset",
            world=world,
        )
        result = run(
            sources,
            output,
            architecture=architecture,
            task=wanted,
            spec=spec,
            configuration=configuration,
            settings=settings,
            world=world,
            name=name,
            licence=licence,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
    if result.bundle is not None:
        print(f"{result.bundle}: made; fine-tune it with --model {result.bundle}")
