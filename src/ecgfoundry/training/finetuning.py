"""From somebody's own recordings to a bundle: the whole way, in one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import TrainingError
from ecgfoundry.manifest import (
    ColumnMapping,
    Manifest,
    MappedManifest,
    SplitShares,
    class_counts,
    class_warnings,
    mark_problem,
    read_recordings,
    split_by_patient,
)
from ecgfoundry.manifest.checks import (
    contradiction_problems,
    duplicate_problems,
    raise_on_leak,
)
from ecgfoundry.manifest.rows import notes_on_rows
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.tasks import TASKS, Task, infer_task, patient_means
from ecgfoundry.training.adapters import add_adapters, merge_adapters
from ecgfoundry.training.checks import check_batch, check_device
from ecgfoundry.training.data.augmentations import Compose
from ecgfoundry.training.data.batches import WindowBatches
from ecgfoundry.training.data.labelled import LabelledWindows
from ecgfoundry.training.data.windows import StoredWindows, store_windows
from ecgfoundry.training.distributed import ALONE, World
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.initialization import FRESH, Start, leads_of, on_one_lead, start_from
from ecgfoundry.training.loop import FitResult, fit
from ecgfoundry.training.probing import fit_linear_probe, put_into
from ecgfoundry.training.results.finetuned import FinetuneResult, finish
from ecgfoundry.training.results.outputs import record_outputs, window_embeddings
from ecgfoundry.training.results.package import RunCard
from ecgfoundry.training.results.run_folder import (
    Curves,
    RunFolder,
    code_versions,
    folder_hash,
    labels_hash,
    weights_hash,
)
from ecgfoundry.training.settings import FinetuneSettings
from ecgfoundry.training.stages import freeze_all_but
from ecgfoundry.training.telling import EpochRow, steps_told, time_words

__all__ = ["FinetuneResult", "FinetuneSettings", "finetune", "mapped", "task_of"]

FINETUNE_CARD = RunCard(recipe="ecgfoundry finetune")

Float64 = NDArray[np.float64]
Say = Callable[[str], None]


def finetune(
    data: str | Path | Manifest | MappedManifest,
    output: str | Path,
    *,
    targets: Sequence[str] = (),
    model: str | Path | torch.nn.Module | None = None,
    task: Task | str = "auto",
    settings: FinetuneSettings | None = None,
    card: RunCard = FINETUNE_CARD,
    overwrite: bool = False,
    world: World = ALONE,
    say: Say | None = None,
) -> FinetuneResult:
    """Train a network on a manifest and write a bundle with its measured figures.

    Parameters
    ----------
    data : path, Manifest or MappedManifest
        A table of recordings and labels (CSV, Parquet or a sheet), a manifest, or one with the
        names of its text classes (:func:`ecgfoundry.manifest.read_recordings`, which also takes
        the names of columns).
    targets : sequence of str
        Columns to learn. Empty: all of a manifest, or those that were mapped.
    output : path
        The run's folder; an interrupted run continues from it. The bundle is ``output/bundle``.
    model : str, path or torch.nn.Module, optional
        A bundle's name or folder, the name of an architecture, or one's own network; see
        :func:`ecgfoundry.training.initialization.start_from`. None: the shipped bundle that fits
        the leads.
    task : Task or str
        A task (:func:`task_of` takes the unit of a measured value, the loss and more), or its kind;
        "auto" looks at the values.
    settings : FinetuneSettings, optional
        With ``lead`` and ``preprocessing``, what goes in.
    card : RunCard
    overwrite : bool
        Train anew where ``output`` holds another run, whose results are deleted first.
    world : World
        From :func:`ecgfoundry.training.distributed.joined_world` under ``torchrun``; the first
        process reads, measures and writes, and all return its result.
    say : callable, optional
        Told what is going on, in lines without anything about a patient, on the first process.

    Raises
    ------
    LeakageError
        A patient or a signal stands in two splits; nothing was trained.
    TrainingError
        Among others: ``output`` holds a run of other settings, labels, signals or start weights, or
        one that another process is training.
    ModelNotFoundError, ManifestError, LeadError
    """
    settings = settings or FinetuneSettings()
    say = say if say is not None and world.first else (lambda line: None)
    if world is ALONE:
        world = World(device=settings.compute.device)
    check_device(world.device)
    if settings.mode == "probe" and world.size > 1:
        raise TrainingError("a probe is solved by one process", remedy="Start it without torchrun")
    share = world.share_of(settings.data.batch)
    Compose.of(settings.augmentation.augmentations)  # a wrong name is told before data are read
    told = data.notes if isinstance(data, MappedManifest) else ()
    data = mapped(data, targets)
    manifest = data.manifest
    for line in class_counts(data):
        say(line)
    for line in class_warnings(data):
        say(f"warning: {line}")
    for words in notes_on_rows(manifest):
        if words not in told:
            say(f"warning: {words}")
    if not isinstance(task, Task):
        task = task_of(data, task)
    manifest = _with_splits(manifest, settings)
    shared = leads_of(manifest)
    start = start_from(
        model, outputs=task.outputs, leads=shared,
        preprocessing=settings.input.preprocessing, seed=settings.seed,
    )  # fmt: skip
    if settings.mode == "lora" and start.origin == FRESH:
        raise TrainingError(
            "adapters change what was learned before, and these weights are random",
            remedy="Name a bundle with --model, or use --mode full",
        )
    start, lead = on_one_lead(start, shared, settings.input.lead)
    check_batch(start.network, start.spec, share, start.takes_presence)
    folder = RunFolder(Path(output), overwrite=overwrite)
    depends_on: JsonObject = {
        "labels_and_split": labels_hash(manifest, task.columns),
        "start_weights": weights_hash(start.network),
        "versions": code_versions(),
    }
    configuration: JsonObject = {
        "recipe": card.recipe,
        "model": start.named,
        "starts_from": start.origin,
        "architecture": start.architecture,
        "input": start.spec.document.to_dict(),
        "lead": lead,
        "stated_of_files": {
            "leads": manifest.stated.leads,
            "unit": manifest.stated.unit,
            "sampling_rate": manifest.stated.sampling_rate,
        },
        "task": task.to_dict(),
        "settings": settings.to_dict(),
        "processes": world.size,
        "depends_on": depends_on,
    }
    with folder.locked() if world.first else nullcontext():
        if world.first:
            # Before the signals are read, which can take long; and again with their hash.
            folder.refuse_another(configuration)
        for turn in (True, False):  # the others find what the first has stored
            if world.first is turn:
                stored = store_windows(
                    manifest, start.spec, folder.path / "cache", lead=lead,
                    progress=steps_told(say, "recordings read"),
                )  # fmt: skip
            world.wait()
        raise_on_leak(duplicate_problems(manifest, stored.hashes), manifest.folder)
        for found in contradiction_problems(manifest, stored.hashes, task.columns):
            say(str(found))
        content = LabelledWindows(
            manifest, stored, manifest.targets(task.columns), manifest.groups()
        )
        training, validation = content.rows("train"), content.rows("validation")
        _check_enough(task, content, training, validation)
        depends_on["signals"] = content.signals_hash
        if world.first:
            folder.configure(configuration)
            folder.write_split(manifest)
            folder.write_json("data.json", _data_document(stored))
        world.wait()
        say(f"{task.kind} of {', '.join(task.columns)} from {start.origin} ({start.architecture})")
        say(
            f"{len(stored)} windows of {len(np.unique(stored.row))} recordings"
            f"{'' if lead is None else f', lead {lead}'}; {len(training)} train, "
            f"{len(validation)} validate, {len(stored.skipped)} left out"
        )
        for line in content.lineage(start).warnings:
            say(f"warning: {line}")
        task = task.fitted(content.values[training])
        if settings.mode == "probe":
            _probe(start, task, content, training, validation, settings)
        else:
            result = _train(
                start, task, content, training, validation, settings, folder, world, say
            )
            say(f"best epoch {result.epoch + 1}")
        finished = None
        if world.first:
            network = round_to_float16(start.network.eval())
            finished = finish(network, start, task, content, settings, folder, card)
        made: FinetuneResult = world.from_first(finished)
        return made


def mapped(
    data: str | Path | Manifest | MappedManifest, targets: Sequence[str] = ()
) -> MappedManifest:
    """Return a table, a manifest or a mapped one as a mapped manifest of these targets."""
    if isinstance(data, str | Path):
        return read_recordings(data, ColumnMapping(targets=tuple(targets)))
    if isinstance(data, Manifest):
        return MappedManifest(data, tuple(targets) or data.target_names)
    return replace(data, targets=tuple(targets)) if targets else data


def task_of(data: MappedManifest, kind: str = "auto", **more: Any) -> Task:
    """Make a task from the values of the targets.

    Parameters
    ----------
    data : MappedManifest
    kind : str
        See :func:`ecgfoundry.tasks.infer_task`.
    **more
        ``unit``, ``loss``, ``balance``, ``aggregate``, as there.

    Raises
    ------
    ManifestError
        A target is 0 and 1 but for marks such as -1 or 9, and the kind does not say that these are
        values or classes.
    TrainingError
        The values do not fit the kind.
    """
    values = data.manifest.targets(data.targets)
    if kind == "auto" or TASKS[kind].zero_one:
        for name, column in zip(data.targets, values.T, strict=True):
            problem = mark_problem(name, column)
            if problem is not None:
                raise problem
    return infer_task(values, data.targets, classes=data.classes, kind=kind, **more)


def _with_splits(manifest: Manifest, settings: FinetuneSettings) -> Manifest:
    """Keep the given splits; make them where there are none at all."""
    splits = {row.split for row in manifest.rows}
    if splits == {None}:
        chosen = settings.split
        shares = SplitShares(chosen.train_share, chosen.validation_share, chosen.test_share)
        return split_by_patient(manifest, shares=shares, seed=settings.seed)
    for wanted in ("train", "validation"):
        if wanted not in splits:
            raise TrainingError(
                f"the manifest has splits, but no row of the split {wanted}",
                path=manifest.folder,
                remedy="Give all of train, validation and test, or no split at all; the test "
                "split never serves for stopping or choosing",
            )
    manifest.check()
    return manifest


def _data_document(stored: StoredWindows) -> JsonObject:
    return {
        "sha256": folder_hash(stored.hashes),
        "recordings": len(stored.hashes),
        "windows": len(stored),
        "signals": stored.hashes,
        "left_out": stored.skipped,
    }


def _check_enough(
    task: Task, data: LabelledWindows, training: NDArray[np.intp], validation: NDArray[np.intp]
) -> None:
    for what, rows in (("training", training), ("validation", validation)):
        if len(rows) == 0:
            raise TrainingError(f"no recording of the {what} split has a target and can be read")
        own = data.values[rows]
        varied = [len(np.unique(column[~np.isnan(column)])) > 1 for column in own.T]
        if what == "training" and not any(varied):
            raise TrainingError(
                f"{', '.join(task.columns)}: one value only in the {what} split",
                remedy="There is nothing to learn; add recordings",
            )


def _train(
    start: Start,
    task: Task,
    data: LabelledWindows,
    training: NDArray[np.intp],
    validation: NDArray[np.intp],
    settings: FinetuneSettings,
    folder: RunFolder,
    world: World,
    say: Say,
) -> FitResult:
    if settings.mode == "last":
        freeze_all_but(start.network, settings.last_stages)
    if settings.mode == "lora":
        torch.manual_seed(settings.seed)
        adapters = settings.adapters
        count = add_adapters(
            start.network, rank=adapters.adapter_rank, alpha=adapters.adapter_alpha
        )
        say(f"{count} numbers learn in adapters and classifier")
    wanted = data.values[validation]
    batches = _batches(start, task, data, training, settings, world)
    monitor, direction = task.monitor(wanted)

    def evaluate(network: torch.nn.Module) -> dict[str, float]:
        outputs = record_outputs(
            network, data.stored, validation,
            takes_presence=start.takes_presence, device=world.device,
        ).records  # fmt: skip
        truth = wanted
        if task.aggregate == "patient":
            own = [data.groups[k] for k in validation]
            outputs, truth, _ = patient_means(outputs, wanted, own)
        return task.figures(outputs, truth)

    fast = start.origin == FRESH or settings.mode == "lora"
    chosen = FitSettings.of_run(
        settings,
        epochs=settings.schedule.epochs or 30,
        steps_per_epoch=batches.steps,
        learning_rate=settings.optimizer.learning_rate or (1e-3 if fast else 3e-4),
        monitor=monitor,
        monitor_mode=direction,
    )
    tensorboard = Curves(folder.path / "tensorboard")

    def report(row: EpochRow) -> None:
        tensorboard(row)
        shown = {k: round(v, 4) for k, v in (row.get("figures") or {}).items() if k == monitor}
        words = time_words(row, chosen.epochs)
        say(f"epoch {row['epoch'] + 1}: loss {row['loss']:.4f}, {shown}, {words}")

    result = fit(
        start.network,
        batches,
        task.make_loss(data.values[training]),
        settings=chosen,
        evaluate=evaluate,
        checkpoint=folder.checkpoint,
        curves=folder.curves,
        report=report,
        world=world,
    )
    if settings.mode == "lora":
        merge_adapters(start.network)
    return result


def _batches(
    start: Start,
    task: Task,
    data: LabelledWindows,
    training: NDArray[np.intp],
    settings: FinetuneSettings,
    world: World,
) -> WindowBatches:
    positions = np.flatnonzero(np.isin(data.stored.row, training))
    targets = task.network_targets(data.values)[data.stored.row[positions]]
    return WindowBatches(
        windows=data.stored,
        positions=positions,
        targets=targets,
        batch=min(
            world.share_of(settings.data.batch),
            max(1, len(positions) // (settings.data.accumulate * world.size)),
        ),
        sampling_rate=start.spec.sampling_rate,
        takes_presence=start.takes_presence,
        augmentations=settings.augmentation.augmentations,
        seed=settings.seed,
        accumulate=settings.data.accumulate,
        workers=settings.data.workers,
        world=world,
    )


def _probe(
    start: Start,
    task: Task,
    data: LabelledWindows,
    training: NDArray[np.intp],
    validation: NDArray[np.intp],
    settings: FinetuneSettings,
) -> None:
    """Fit the classifier on cached embeddings, each recording the mean of its windows."""
    if settings.compute.threads:
        torch.set_num_threads(settings.compute.threads)

    def embedded(rows: NDArray[np.intp]) -> NDArray[np.float32]:
        positions = np.flatnonzero(np.isin(data.stored.row, rows))
        values = window_embeddings(
            start.network, data.stored, positions,
            takes_presence=start.takes_presence, device=settings.compute.device,
        )  # fmt: skip
        _, owner = np.unique(data.stored.row[positions], return_inverse=True)
        sums = np.zeros((owner.max() + 1, values.shape[1]))
        np.add.at(sums, owner, values)
        return (sums / np.bincount(owner)[:, None]).astype(np.float32)

    probe = fit_linear_probe(
        embedded(training), data.values[training], task,
        validation=(embedded(validation), data.values[validation]),
    )  # fmt: skip
    start.network.to("cpu")
    put_into(start.network, probe)
