"""Pretraining at scale: raw windows of any source, one process or many, to a bundle."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.manifest import Manifest, mark_problem, read_manifest
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.tasks import Outputs, Task, make_task
from ecgfoundry.training.checks import check_batch, check_device, check_input
from ecgfoundry.training.data.augmentations import Compose
from ecgfoundry.training.data.batches import WindowBatches
from ecgfoundry.training.data.pools import (
    Positions,
    data_document,
    parted,
    replacement_for,
)
from ecgfoundry.training.data.sources import SegmentSource, SourcePool, open_sources
from ecgfoundry.training.data.windows import FreshWindows, InputWindows
from ecgfoundry.training.distributed import ALONE, World, best_device
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.initialization import NewNetwork, leads_of
from ecgfoundry.training.loop import FitResult, fit
from ecgfoundry.training.objectives.registry import LABELS
from ecgfoundry.training.pretraining_run import PretrainingRun
from ecgfoundry.training.results.package import BundleDescription, RunCard
from ecgfoundry.training.results.run_folder import (
    Curves,
    RunFolder,
    code_versions,
    weights_hash,
)
from ecgfoundry.training.results.save import save_bundle
from ecgfoundry.training.self_supervised import PRETRAIN_CARD, PretrainResult, pretrain_encoder
from ecgfoundry.training.settings import PretrainSettings
from ecgfoundry.training.telling import EpochRow, time_words
from ecgfoundry.vocabularies import Target, Vocabulary, load_vocabulary

__all__ = [
    "PretrainResult",
    "PretrainSettings",
    "pretrain",
    "pretrain_table",
    "pretraining_task",
]

Float64 = NDArray[np.float64]


def pretrain(
    sources: Sequence[SegmentSource],
    output: str | Path,
    *,
    network: NewNetwork,
    task: Task,
    settings: PretrainSettings | None = None,
    world: World = ALONE,
    card: RunCard = PRETRAIN_CARD,
    overwrite: bool = False,
    say: Callable[[str], None] | None = None,
) -> PretrainResult:
    """Train a network with random weights on raw windows and write a bundle.

    Parameters
    ----------
    sources : sequence of SegmentSource
        All processes are given the same.
    output : path
        The run's folder; an interrupted run continues from its last checkpoint, with the data
        position, the optimizer and all random states.
    network : NewNetwork
        Its architecture, or a module, and what it takes in. ``settings.input`` is not asked.
    task : Task
        Its columns are those of ``source.targets``.
    settings : PretrainSettings, optional
    world : World
        From :func:`ecgfoundry.training.distributed.joined_world` under ``torchrun``.
    card : RunCard
    overwrite : bool
        Train anew where ``output`` holds another run, whose results are deleted first.
    say : callable, optional
        Told what is going on, on the first process.

    Raises
    ------
    TrainingError
        The settings do not fit the data or the processes.
    """
    settings = settings or PretrainSettings()
    tell = say if say is not None and world.first else (lambda line: None)
    spec = network.spec
    share = world.share_of(settings.data.batch, settings.data.accumulate)
    Compose.of(settings.augmentation.augmentations)  # a wrong name is told before data are read
    pool = SourcePool(tuple(sources))
    settings = settings.change(lead_replacement=replacement_for(settings, spec, pool))
    replacement = settings.augmentation.lead_replacement or 0.0
    inputs = FreshWindows(pool, spec, replacement)
    training, validation, held = parted(pool, settings.data.validation_share, settings.seed)
    values = pool.targets(np.arange(len(pool)))
    _refuse_marks(task, values)
    _refuse_unlabelled(task, values[training])
    task = task.fitted(values[training])
    start = network.start(task.outputs, settings.seed)
    check_input(start.network, spec, start.takes_presence)
    check_batch(start.network, spec, share, start.takes_presence)
    folder = RunFolder(Path(output), overwrite=overwrite)
    run = _Run(
        start, settings, world, tell, pool, inputs,
        FreshWindows(pool, spec),  # validation windows are not augmented
        training, validation, task, values,
    )  # fmt: skip
    with folder.locked() if world.first else nullcontext():
        if world.first:
            folder.configure(
                {
                    "recipe": card.recipe,
                    "architecture": start.architecture,
                    "configuration": dict(network.configuration),
                    "input": spec.document.to_dict(),
                    "task": task.to_dict(),
                    "settings": settings.to_dict(),
                    "processes": world.size,
                    "depends_on": {
                        "labels_and_split": _labels_hash(values, pool.groups, held),
                        "signals": pool.content_hash,
                        "start_weights": weights_hash(start.network),
                        "versions": code_versions(),
                    },
                }
            )
            folder.write_json("data.json", data_document(pool, training, validation))
        fitted = run.fit(folder, share)
        return PretrainResult(fitted, run.finish(folder, card) if world.first else None)


def pretrain_table(
    source: str | Path | Manifest,
    output: str | Path,
    *,
    model: str | torch.nn.Module = "net1d-12lead",
    task: Task | None = None,
    settings: PretrainSettings | None = None,
    card: RunCard = PRETRAIN_CARD,
    overwrite: bool = False,
    world: World = ALONE,
    say: Callable[[str], None] | None = None,
) -> PretrainResult:
    """Pretrain on a manifest or a corpus: what ``ecgfoundry pretrain`` does.

    Parameters
    ----------
    source : path or Manifest
        A manifest, also as a table file, or a corpus folder.
    output : path
        The run's folder.
    model : str or torch.nn.Module
        An architecture, or one's own network as :func:`ecgfoundry.finetune` takes it.
    task : Task, optional
        What is learned (:func:`pretraining_task`). None: the 150 statements of ECGFounder. An
        objective without labels (``settings.objective``) does not ask for it.
    settings : PretrainSettings, optional
        With ``leads``, ``lead_mode`` and ``preprocessing``, what goes in.
    card, overwrite, world, say
        As in :func:`pretrain`.

    Raises
    ------
    TrainingError
        The leads do not fit the architecture; the source lacks a target; and as :func:`pretrain`.
    """
    settings = settings or PretrainSettings()
    labelled = settings.objective == LABELS
    task = task or pretraining_task()
    if world is ALONE:
        device = settings.compute.device
        world = World(device=best_device() if device == "auto" else device)
    check_device(world.device)
    network = NewNetwork.of(model, settings.input)
    spec = network.spec
    if not isinstance(source, Manifest):
        source = Path(source) if Path(source).is_dir() else read_manifest(source)
    replaced = _can_replace(settings, spec, source)
    sources = open_sources(
        source,
        Path(output) / "cache",
        leads=("I", "II") if replaced else spec.leads,
        window_s=spec.window_s,
        targets=task.columns if labelled else (),
        need_all=spec.lead_mode != "any-subset",
        only_ecg=settings.data.only_ecg,
        world=world,
        say=say,
    )
    run = functools.partial(pretrain, task=task) if labelled else pretrain_encoder
    return run(
        sources,
        output,
        network=network,
        settings=settings,
        world=world,
        card=card,
        overwrite=overwrite,
        say=say,
    )


def pretraining_task(
    targets: Sequence[str] = (),
    *,
    vocabulary: str = "ecgfounder-150",
    kind: str = "positive-unlabelled",
    loss: str = "",
) -> Task:
    """Return what a pretraining learns.

    Parameters
    ----------
    targets : sequence of str
        Columns of the source; instead of those of ``vocabulary``.
    vocabulary : str
        A registered one: its targets, in its order.
    kind : str
        positive-unlabelled, multilabel, multiclass or regression.
    loss : str
        As in :class:`ecgfoundry.tasks.Task`.
    """
    names = tuple(targets)
    words = (
        Vocabulary("-".join(names)[:80], tuple(Target(name, "diagnosis") for name in names))
        if names
        else load_vocabulary(vocabulary)
    )
    return make_task(kind, columns=names or words.names, vocabulary=words, loss=loss)


def _can_replace(settings: PretrainSettings, spec: InputSpec, source: Path | Manifest) -> bool:
    """Whether lead replacement is wanted and, where that was left open, the data allow it."""
    wanted = settings.augmentation.lead_replacement
    if wanted is not None:
        return wanted > 0
    if spec.lead_mode != "any-single" or spec.leads != ("I",):
        return False
    return isinstance(source, Manifest) and {"I", "II"} <= set(leads_of(source))


@dataclass(frozen=True)
class _Run(PretrainingRun):
    task: Task
    values: Float64

    def fit(self, folder: RunFolder, batch: int) -> FitResult:
        """Train; the network ends with the weights of the lowest validation loss."""
        settings, world, task = self.settings, self.world, self.task
        batches = WindowBatches(
            windows=self.inputs,
            positions=self.training,
            targets=task.network_targets(self.values)[self.training],
            batch=batch,
            sampling_rate=self.start.spec.sampling_rate,
            takes_presence=self.start.takes_presence,
            augmentations=settings.augmentation.augmentations,
            seed=settings.seed,
            accumulate=settings.data.accumulate,
            workers=settings.data.workers,
            world=world,
        )
        self.tell(
            f"{len(self.training)} windows train, {len(self.validation)} validate; "
            f"{batches.steps} steps an epoch on {world.size} process(es)"
        )
        if settings.augmentation.lead_replacement:
            share = settings.augmentation.lead_replacement
            self.tell(f"lead I is replaced by another frontal axis with probability {share:g}")
        loss = task.make_loss(self.values[self.training])

        def evaluate(candidate: torch.nn.Module) -> dict[str, float]:
            outputs, truth = self.outputs(candidate, world.device), self.values[self.validation]
            wanted = task.network_targets(truth)
            error = loss(torch.from_numpy(outputs.astype(np.float32)), torch.from_numpy(wanted))
            return {**task.figures(outputs, truth), "loss": float(error)}

        tensorboard = Curves(folder.path / "tensorboard")

        def report(row: EpochRow) -> None:
            tensorboard(row)
            words = time_words(row, chosen.epochs)
            self.tell(f"epoch {row['epoch'] + 1}: loss {row['loss']:.4f}, {words}")

        chosen = FitSettings.of_run(
            settings, steps_per_epoch=batches.steps, monitor="loss", monitor_mode="min"
        )
        return fit(
            self.start.network,
            batches,
            loss,
            settings=chosen,
            evaluate=evaluate,
            checkpoint=folder.checkpoint,
            curves=folder.curves,
            report=report,
            world=world,
        )

    def outputs(self, network: torch.nn.Module, device: str) -> Float64:
        """Logits of the validation windows."""
        return _outputs(network, self.plain, self.validation, self.start.takes_presence, device)

    def finish(self, folder: RunFolder, card: RunCard) -> Path:
        """Calibrate and measure on the validation windows, and write the bundle."""
        rounded = round_to_float16(self.start.network.to("cpu").eval())
        outputs, wanted = self.outputs(rounded, "cpu"), self.values[self.validation]
        task = self.task.calibrated(Outputs.of_single_windows(outputs), wanted)
        groups = self.pool.groups
        metrics = task.measure(
            outputs, wanted, [groups[k] for k in self.validation],
            intervals=task.outputs <= 20,
            data="windows of the validation patients, which also chose the weights",
        )  # fmt: skip
        return save_bundle(
            rounded, self.describe(folder, card), folder, readout=task.readout, metrics=metrics
        )

    def describe(self, folder: RunFolder, card: RunCard) -> BundleDescription:
        """Say what the bundle is."""
        task = self.task
        failures = [
            "Nothing was measured on other hospitals, devices or populations than those of the "
            "training data.",
            "There was no test split: figures are from the validation patients.",
        ]
        never = task.never_positive(self.values[self.training])
        if never:
            failures.append(f"No training window was positive for: {', '.join(never)}.")
        return self.description(
            folder, card, task.vocabulary, task.target_kind,
            title=f"{self.start.architecture} pretrained on {len(task.columns)} targets.",
            taught_by=f"loss: {task.loss}",
            failures=(*failures, *task.known_limits),
            references=("https://arxiv.org/abs/2410.04133", "https://arxiv.org/abs/2112.07368"),
        )  # fmt: skip


def _refuse_unlabelled(task: Task, training: Float64) -> None:
    bare = [n for n, c in zip(task.columns, training.T, strict=True) if np.isnan(c).all()]
    if bare:
        raise TrainingError(
            f"'{bare[0]}'{f' and {len(bare) - 1} more targets have' if len(bare) > 1 else ' has'} "
            "no label in any training window",
            remedy="Name the others with --target, or add labels",
        )


def _refuse_marks(task: Task, values: Float64) -> None:
    """Refuse -1, 9 and their like among 0 and 1, and whatever else is no label of the task."""
    if not task.zero_one:
        return
    for name, column in zip(task.columns, values.T, strict=True):
        problem = mark_problem(name, column, counted="windows")
        if problem is not None:
            raise problem
        known = column[~np.isnan(column)]
        if not np.isin(known, (0.0, 1.0)).all():
            raise TrainingError(
                f"'{name}' holds {known[~np.isin(known, (0.0, 1.0))][0]:g}, and a {task.kind} task "
                "learns 0 and 1",
                remedy="Use --task regression or multiclass, or leave the column out",
            )


def _labels_hash(values: Float64, groups: Sequence[str], held: NDArray[np.bool_]) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes())
    digest.update(held.tobytes())
    digest.update("\0".join(groups).encode())
    return digest.hexdigest()


def _outputs(
    network: torch.nn.Module,
    windows: InputWindows,
    positions: Positions,
    takes_presence: bool,
    device: str,
    batch: int = 64,
) -> Float64:
    """Outputs (positions, outputs) without augmentation."""
    generator = np.random.default_rng(0)
    pieces = []
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(positions), batch):
            signal, presence = windows.get(positions[start : start + batch], generator)
            arguments = [torch.from_numpy(signal).to(device)]
            if takes_presence:
                arguments.append(torch.from_numpy(presence).to(device))
            pieces.append(network(*arguments).double().cpu().numpy())
    return np.concatenate(pieces)
