"""Pretraining at scale: raw windows of any source, one process or many, to a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.models.registry import ARCHITECTURES, create_model
from ecgfoundry.training.channels_last import fast_form
from ecgfoundry.training.data.batches import WindowBatches
from ecgfoundry.training.data.sources import SegmentSource, SourcePool
from ecgfoundry.training.data.windows import FreshWindows, InputWindows
from ecgfoundry.training.distributed import ALONE, World
from ecgfoundry.training.loop import FitResult, FitSettings, fit
from ecgfoundry.training.results.calibrate import Outputs, fit_calibration, measured
from ecgfoundry.training.results.package import BundleDescription
from ecgfoundry.training.results.run_folder import Curves, RunFolder
from ecgfoundry.training.results.save import bundle_name, save_bundle, today
from ecgfoundry.training.tasks import TargetScale, Task, as_json

__all__ = ["PretrainResult", "PretrainSettings", "pretrain", "validation_positions"]

Positions = NDArray[np.intp]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """How to pretrain. The defaults are ECGFounder's where they are known (relayed).

    Attributes
    ----------
    epochs : int
        At most 20.
    batch : int
        Windows per step over all processes: 1024.
    learning_rate, schedule, step_epochs, step_factor
        AdamW at 1e-3, times 0.1 every 5 epochs.
    patience : int or None
        Epochs without a lower validation loss before stopping; the paper stops early on it, the
        number is our choice.
    validation_share : float
        Share of the patients that validate, chosen by the hash of their names (our choice).
    lead_replacement : float
        For one lead: probability of another frontal axis, 0.5 in the paper.
    augmentations : tuple of str
        Further ones, on standardized windows.
    accumulate : int
        Batches per step; ``batch`` is divided by it and by the processes.
    weight_decay, gradient_clip, ema_decay, precision, compile, deterministic, threads
        As in :class:`ecgfoundry.training.loop.FitSettings`.
    channels_last : bool
    checkpoint_every : int
        Steps.
    workers : int
        Threads that standardize ahead.
    seed : int
    """

    epochs: int = 20
    batch: int = 1024
    learning_rate: float = 1e-3
    schedule: str = "step"
    step_epochs: int = 5
    step_factor: float = 0.1
    warmup: float = 0.0
    patience: int | None = 3
    validation_share: float = 0.05
    lead_replacement: float = 0.0
    augmentations: tuple[str, ...] = ()
    accumulate: int = 1
    weight_decay: float = 0.01
    gradient_clip: float | None = 1.0
    ema_decay: float | None = None
    precision: str = "fp32"
    compile: bool = False
    deterministic: bool = False
    channels_last: bool = False
    threads: int | None = None
    checkpoint_every: int = 500
    workers: int = 0
    seed: int = 0


@dataclass(frozen=True)
class PretrainResult:
    """What a run ends with; ``bundle`` is None on all processes but the first."""

    fit: FitResult
    bundle: Path | None


def validation_positions(groups: Sequence[str], share: float, seed: int) -> NDArray[np.bool_]:
    """Return which windows validate: those of the patients whose hash falls below ``share``.

    The choice depends on the patient's name and the seed alone, so a corpus that grows keeps its
    validation patients.
    """
    chosen: dict[str, bool] = {}
    for group in groups:
        if group not in chosen:
            digest = hashlib.sha256(f"validation:{seed}:{group}".encode()).digest()
            chosen[group] = int.from_bytes(digest[:8], "big") < share * 2**64
    return np.array([chosen[group] for group in groups], dtype=bool)


def pretrain(
    sources: Sequence[SegmentSource],
    output: str | Path,
    *,
    architecture: str,
    task: Task,
    spec: InputSpec,
    configuration: Mapping[str, Any] | None = None,
    settings: PretrainSettings | None = None,
    world: World = ALONE,
    name: str | None = None,
    licence: str = "the owner's",
    data_name: str = "the owner's recordings",
    recipe: str = "ecgfoundry pretrain",
    say: Callable[[str], None] | None = None,
    windows: InputWindows | None = None,
) -> PretrainResult:
    """Train a network with random weights on raw windows and write a bundle.

    Parameters
    ----------
    sources : sequence of SegmentSource
        All processes are given the same.
    output : path
        The run's folder; an interrupted run continues from its last checkpoint, with the data
        position, the optimizer and all random states.
    architecture : str
        Of the registry.
    task : Task
        Its columns are those of ``source.targets``.
    spec : InputSpec
        What the network takes in.
    configuration : mapping, optional
        Settings of the architecture beyond ``classes``.
    settings : PretrainSettings, optional
    world : World
        From :func:`ecgfoundry.training.distributed.joined_world` under ``torchrun``.
    name, licence, data_name, recipe : str
        For the card.
    say : callable, optional
        Told what is going on, on the first process.
    windows : InputWindows, optional
        Already standardized windows in the order of the sources, instead of standardizing.

    Raises
    ------
    TrainingError
        The settings do not fit the data or the processes.
    """
    settings = settings or PretrainSettings()
    tell = say if say is not None and world.first else (lambda line: None)
    pool = SourcePool(tuple(sources))
    inputs = windows or FreshWindows(pool, spec, settings.lead_replacement)
    held = validation_positions(pool.groups, settings.validation_share, settings.seed)
    training, validation = np.flatnonzero(~held), np.flatnonzero(held)
    if not len(training) or not len(validation):
        raise TrainingError(
            f"{len(training)} windows train and {len(validation)} validate",
            remedy="Raise validation_share, or give more patients",
        )
    values = pool.targets(np.arange(len(pool)))
    scale = TargetScale.of(values[training]) if task.kind == "regression" else None
    folder = RunFolder(Path(output))
    if world.first:
        folder.configure(
            {
                "recipe": recipe,
                "architecture": architecture,
                "configuration": dict(configuration or {}),
                "input": spec.to_dict(),
                "task": as_json(task),
                "settings": asdict(settings),
                "processes": world.size,
            }
        )
        folder.write_json("data.json", _data_document(pool, values, training, validation))
    torch.manual_seed(settings.seed)
    network = create_model(architecture, **{"classes": task.outputs, **(configuration or {})})
    takes_presence = ARCHITECTURES[architecture].takes_presence
    batches = WindowBatches(
        windows=inputs,
        positions=training,
        targets=task.network_targets(values, scale)[training],
        batch=_share_of_batch(settings, world),
        sampling_rate=spec.sampling_rate,
        takes_presence=takes_presence,
        augmentations=settings.augmentations,
        seed=settings.seed,
        accumulate=settings.accumulate,
        workers=settings.workers,
        world=world,
    )
    tell(
        f"{len(training)} windows train, {len(validation)} validate; {batches.steps} steps an "
        f"epoch on {world.size} process(es)"
    )
    # Validation windows are not augmented.
    plain = inputs if windows is not None else FreshWindows(pool, spec)
    loss = task.make_loss(values[training])

    def evaluate(candidate: torch.nn.Module) -> dict[str, float]:
        outputs = _outputs(candidate, plain, validation, takes_presence, world.device)
        wanted = task.network_targets(values[validation], scale)
        error = loss(torch.from_numpy(outputs.astype(np.float32)), torch.from_numpy(wanted))
        figures = task.figures(outputs, values[validation], scale=scale)
        return {**figures, "loss": float(error)}

    tensorboard = Curves(folder.path / "tensorboard")

    def report(row: dict[str, Any]) -> None:
        tensorboard(row)
        tell(f"epoch {row['epoch'] + 1}: loss {row['loss']:.4f}, {row['seconds']:.1f} s")

    result = fit(
        network,
        batches,
        loss,
        settings=_fit_settings(settings, batches.steps),
        evaluate=evaluate,
        checkpoint=folder.checkpoint,
        curves=folder.curves,
        device=world.device,
        report=report,
        forward=fast_form if settings.channels_last else None,
        world=world,
    )
    if not world.first:
        return PretrainResult(result, None)
    rounded = round_to_float16(network.to("cpu").eval())
    outputs = _outputs(rounded, plain, validation, takes_presence, "cpu")
    wanted = values[validation]
    calibration, thresholds = fit_calibration(
        task, Outputs(validation, outputs, outputs, np.arange(len(validation))), wanted
    )
    groups = [pool.groups[k] for k in validation]
    metrics = measured(
        task, outputs, wanted, groups, scale=scale, intervals=task.outputs <= 20,
        data="windows of the validation patients, which also chose the weights",
    )  # fmt: skip
    description = _description(
        folder, architecture, task, spec, settings, len(training), len(validation), scale,
        name=name, licence=licence, data_name=data_name, recipe=recipe,
    )  # fmt: skip
    bundle = save_bundle(
        rounded, description, folder,
        calibration=calibration, thresholds=thresholds, metrics=metrics,
    )  # fmt: skip
    return PretrainResult(result, bundle)


def _share_of_batch(settings: PretrainSettings, world: World) -> int:
    parts = settings.accumulate * world.size
    if settings.batch % parts:
        raise TrainingError(
            f"a batch of {settings.batch} cannot be divided by {settings.accumulate} accumulated "
            f"batches on {world.size} process(es)"
        )
    return settings.batch // parts


def _fit_settings(settings: PretrainSettings, steps: int) -> FitSettings:
    return FitSettings(
        epochs=settings.epochs,
        steps_per_epoch=steps,
        learning_rate=settings.learning_rate,
        schedule=settings.schedule,  # type: ignore[arg-type]
        step_epochs=settings.step_epochs,
        step_factor=settings.step_factor,
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        gradient_clip=settings.gradient_clip,
        ema_decay=settings.ema_decay,
        seed=settings.seed,
        threads=settings.threads,
        monitor="loss",
        monitor_mode="min",
        patience=settings.patience,
        precision=settings.precision,  # type: ignore[arg-type]
        accumulate=settings.accumulate,
        compile=settings.compile,
        deterministic=settings.deterministic,
        checkpoint_every=settings.checkpoint_every,
    )


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


def _data_document(
    pool: SourcePool, values: Float64, training: Positions, validation: Positions
) -> dict[str, Any]:
    """Sizes, and a hash of what every 1,000th window and all targets contain."""
    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes())
    for source, own, _ in pool.split(np.arange(0, len(pool), 1000)):
        digest.update(source.read(own).tobytes())
    return {
        "sources": [
            {"windows": len(s), "sampling_rate": s.sampling_rate, "leads": list(s.leads)}
            for s in pool.sources
        ],
        "training": len(training),
        "validation": len(validation),
        "sha256": digest.hexdigest(),
        "hashed": "all targets and every 1,000th window",
    }


def _description(
    folder: RunFolder,
    architecture: str,
    task: Task,
    spec: InputSpec,
    settings: PretrainSettings,
    training: int,
    validation: int,
    scale: TargetScale | None,
    *,
    name: str | None,
    licence: str,
    data_name: str,
    recipe: str,
) -> BundleDescription:
    failures = [
        "Nothing was measured on other hospitals, devices or populations than those of the "
        "training data.",
        "There was no test split: figures are from the validation patients.",
    ]
    if task.kind == "positive-unlabelled":
        failures.append("Targets that were not annotated were not known to be absent.")
    return BundleDescription(
        name=bundle_name(name or folder.path.resolve().name),
        version="1.0.0",
        title=f"{architecture} pretrained on {len(task.columns)} targets.",
        architecture=architecture,
        lead_mode=spec.lead_mode,
        leads=spec.leads,
        preprocessing=spec.recipe,
        vocabulary=task.vocabulary.name,
        target_kind=task.target_kind,
        training_data=(
            {
                "name": data_name,
                "licence": licence,
                "records": training + validation,
                "use": f"{training} windows trained, {validation} validated; by patient.",
            },
        ),
        recipe=recipe,
        seed=settings.seed,
        created=today(),
        intended_use="Research: embeddings and fine-tuning.",
        known_failures=tuple(failures),
        references=("https://arxiv.org/abs/2410.04133", "https://arxiv.org/abs/2112.07368"),
        licence=licence,
        method=f"Random weights; loss: {task.loss}. The resolved configuration and the "
        "environment stand beside the bundle in the run's folder.",
        regression=None
        if scale is None
        else {"scale": list(scale.scale), "offset": list(scale.offset)},
        targets=task.vocabulary,
        repeat="`ecgfoundry pretrain` and the run's configuration.json",
    )
