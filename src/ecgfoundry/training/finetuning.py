"""From somebody's own recordings to a bundle: the whole way, in one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.manifest import Manifest, MappedManifest, SplitShares, split_by_patient
from ecgfoundry.manifest.checks import duplicate_problems, raise_on_leak
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.preprocessing import Preprocessing
from ecgfoundry.training.channels_last import fast_form
from ecgfoundry.training.data.batches import WindowBatches
from ecgfoundry.training.data.windows import StoredWindows, store_windows
from ecgfoundry.training.initialization import Start, freeze_all_but, leads_of, start_from
from ecgfoundry.training.loop import FitResult, FitSettings, fit
from ecgfoundry.training.probing import fit_linear_probe, put_into
from ecgfoundry.training.results.calibrate import (
    fit_calibration,
    measured,
    record_outputs,
    residual_quantiles,
    window_embeddings,
)
from ecgfoundry.training.results.package import BundleDescription, Metric
from ecgfoundry.training.results.run_folder import Curves, RunFolder, folder_hash
from ecgfoundry.training.results.save import bundle_name, save_bundle, today
from ecgfoundry.training.tasks import TargetScale, Task, as_json, infer_task, patient_means

__all__ = ["FinetuneResult", "FinetuneSettings", "finetune"]

Float64 = NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """How to fine-tune.

    Attributes
    ----------
    mode : {"full", "last", "probe"}
        Train everything; the last ``last_stages`` stages and the classifier; or one linear layer
        on cached embeddings.
    last_stages : int
        For "last".
    epochs, batch, learning_rate : int, int, float or None
        None: 30 epochs (ECGFounder's fine-tuning, relayed), 32 windows, 3e-4 from pretrained
        weights and 1e-3 from random ones (our choices).
    schedule, warmup, weight_decay, gradient_clip, ema_decay, patience, precision, accumulate,
    compile, deterministic, threads
        As in :class:`ecgfoundry.training.loop.FitSettings`.
    augmentations : tuple of str
        Names out of ``training.augmentation.AUGMENTATIONS``.
    channels_last : bool
        Compute Net1D in channels-last layout.
    shares : SplitShares
        Where the manifest has no splits.
    test_figures : bool
        Measure on the test split, once, at the end.
    device : str
    workers : int
        Threads that prepare batches ahead.
    seed : int
    """

    mode: str = "full"
    last_stages: int = 1
    epochs: int | None = None
    batch: int = 32
    learning_rate: float | None = None
    schedule: str = "cosine"
    warmup: float = 0.05
    weight_decay: float = 0.01
    gradient_clip: float | None = 1.0
    ema_decay: float | None = 0.99
    patience: int | None = 8
    precision: str = "fp32"
    accumulate: int = 1
    compile: bool = False
    deterministic: bool = False
    threads: int | None = None
    augmentations: tuple[str, ...] = ("shift", "scale", "noise", "masking")
    channels_last: bool = False
    shares: SplitShares = field(default_factory=SplitShares)
    test_figures: bool = True
    device: str = "cpu"
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in ("full", "last", "probe"):
            raise TrainingError(f"the mode is full, last or probe, not '{self.mode}'")


@dataclass(frozen=True)
class FinetuneResult:
    """What a run ends with.

    Attributes
    ----------
    bundle : Path
    metrics : list of Metric
    skipped : dict
        Record -> why it was left out.
    task : Task
    """

    bundle: Path
    metrics: list[Metric]
    skipped: dict[str, str]
    task: Task


@dataclass(frozen=True)
class _Data:
    """The recordings as the network sees them, and what is known about them."""

    manifest: Manifest
    stored: StoredWindows
    values: Float64
    groups: list[str]

    def rows(self, split: str) -> NDArray[np.intp]:
        """Rows of a split that have a window and a target."""
        usable = set(self.stored.row.tolist())
        return np.array(
            [
                k
                for k, row in enumerate(self.manifest.rows)
                if row.split == split and k in usable and not np.isnan(self.values[k]).all()
            ],
            dtype=np.intp,
        )


def finetune(
    data: MappedManifest,
    output: str | Path,
    *,
    model: str | None = None,
    task: Task | str = "auto",
    settings: FinetuneSettings | None = None,
    preprocessing: str | Path | Preprocessing | None = None,
    name: str | None = None,
    licence: str = "the owner's",
    data_name: str = "the owner's recordings",
    unit: str | None = None,
    lead: str | None = None,
    intended_use: str = "Research, by those who trained it.",
    recipe: str = "ecgfoundry finetune",
    say: Say | None = None,
) -> FinetuneResult:
    """Train a network on a manifest and write a bundle with its measured figures.

    Parameters
    ----------
    data : MappedManifest
        Recordings, targets and the names of text classes
        (:func:`ecgfoundry.manifest.read_recordings`).
    output : path
        The run's folder; an interrupted run continues from it. The bundle is ``output/bundle``.
    model : str, optional
        Bundle or architecture; see :func:`ecgfoundry.training.initialization.start_from`.
    task : Task or str
        A task, or its kind; "auto" looks at the values.
    settings : FinetuneSettings, optional
    preprocessing : str, Path or Preprocessing, optional
        For an architecture: a name, or the file of a recipe.
    name : str, optional
        Of the bundle; the folder's by default.
    licence, data_name, intended_use, recipe : str
        For the card.
    unit : str, optional
        Of a regression.
    lead : str, optional
        The lead that a one-lead model reads.
    say : callable, optional
        Told what is going on, in lines without anything about a patient.

    Raises
    ------
    LeakageError
        A patient or a signal stands in two splits; nothing was trained.
    TrainingError, ModelNotFoundError, ManifestError
    """
    settings = settings or FinetuneSettings()
    say = say or (lambda line: None)
    folder = RunFolder(Path(output))
    manifest = data.manifest
    if not isinstance(task, Task):
        task = infer_task(
            manifest.targets(data.targets), data.targets,
            classes=data.classes, kind=task, unit=unit,
        )  # fmt: skip
    manifest = _with_splits(manifest, task, settings)
    start = start_from(
        model, outputs=task.outputs, leads=leads_of(manifest),
        preprocessing=preprocessing, seed=settings.seed,
    )  # fmt: skip
    folder.configure(
        {
            "recipe": recipe,
            "model": model,
            "starts_from": start.origin,
            "architecture": start.architecture,
            "input": start.spec.to_dict(),
            "task": as_json(task),
            "settings": asdict(settings),
        }
    )
    folder.write_split(manifest)
    say(f"{task.kind} of {', '.join(task.columns)} from {start.origin} ({start.architecture})")
    stored = store_windows(manifest, start.spec, folder.path / "cache", lead=lead)
    _refuse_leaks(manifest, stored, folder)
    content = _Data(manifest, stored, manifest.targets(task.columns), manifest.groups())
    training, validation = content.rows("train"), content.rows("validation")
    _check_enough(task, content, training, validation)
    say(
        f"{len(stored)} windows of {len(np.unique(stored.row))} recordings; {len(training)} train, "
        f"{len(validation)} validate, {len(stored.skipped)} left out"
    )
    scale = TargetScale.of(content.values[training]) if task.kind == "regression" else None
    if settings.mode == "probe":
        _probe(start, task, content, training, validation, scale, settings)
    else:
        result = _train(start, task, content, training, validation, scale, settings, folder, say)
        say(f"best epoch {result.epoch + 1}")
    network = round_to_float16(start.network.eval())
    return _finish(
        network, start, task, content, scale, settings, folder,
        name=name, licence=licence, data_name=data_name, intended_use=intended_use, recipe=recipe,
    )  # fmt: skip


def _with_splits(manifest: Manifest, task: Task, settings: FinetuneSettings) -> Manifest:
    """Keep the given splits; make them where there are none at all."""
    splits = {row.split for row in manifest.rows}
    if splits == {None}:
        return split_by_patient(manifest, task.columns, shares=settings.shares, seed=settings.seed)
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


def _refuse_leaks(manifest: Manifest, stored: StoredWindows, folder: RunFolder) -> None:
    folder.write_json(
        "data.json",
        {
            "sha256": folder_hash(stored.hashes),
            "recordings": len(stored.hashes),
            "windows": len(stored),
            "signals": stored.hashes,
            "left_out": stored.skipped,
        },
    )
    raise_on_leak(duplicate_problems(manifest, stored.hashes), manifest.folder)


def _check_enough(
    task: Task, data: _Data, training: NDArray[np.intp], validation: NDArray[np.intp]
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
    data: _Data,
    training: NDArray[np.intp],
    validation: NDArray[np.intp],
    scale: TargetScale | None,
    settings: FinetuneSettings,
    folder: RunFolder,
    say: Say,
) -> FitResult:
    if settings.mode == "last":
        freeze_all_but(start.network, settings.last_stages)
    wanted = data.values[validation]
    batches = _batches(start, task, data, training, scale, settings)
    monitor, direction = _monitor(task, wanted)

    def evaluate(network: torch.nn.Module) -> dict[str, float]:
        outputs = record_outputs(
            network, data.stored, validation,
            takes_presence=start.takes_presence, device=settings.device,
        ).records  # fmt: skip
        truth = wanted
        if task.aggregate == "patient":
            own = [data.groups[k] for k in validation]
            outputs, truth, _ = patient_means(outputs, wanted, own)
        return task.figures(outputs, truth, scale=scale)

    fresh = start.origin == "random weights"
    chosen = FitSettings(
        epochs=settings.epochs or 30,
        steps_per_epoch=batches.steps,
        learning_rate=settings.learning_rate or (1e-3 if fresh else 3e-4),
        schedule=settings.schedule,  # type: ignore[arg-type]
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        gradient_clip=settings.gradient_clip,
        ema_decay=settings.ema_decay,
        seed=settings.seed,
        threads=settings.threads,
        monitor=monitor,
        monitor_mode=direction,  # type: ignore[arg-type]
        patience=settings.patience,
        precision=settings.precision,  # type: ignore[arg-type]
        accumulate=settings.accumulate,
        compile=settings.compile,
        deterministic=settings.deterministic,
        checkpoint_every=200,
    )
    tensorboard = Curves(folder.path / "tensorboard")

    def report(row: dict[str, Any]) -> None:
        tensorboard(row)
        shown = {k: round(v, 4) for k, v in (row.get("figures") or {}).items() if k == monitor}
        say(f"epoch {row['epoch'] + 1}: loss {row['loss']:.4f}, {shown}, {row['seconds']:.1f} s")

    return fit(
        start.network,
        batches,
        task.make_loss(data.values[training]),
        settings=chosen,
        evaluate=evaluate,
        checkpoint=folder.checkpoint,
        curves=folder.curves,
        device=settings.device,
        report=report,
        forward=fast_form if settings.channels_last else None,
    )


def _batches(
    start: Start,
    task: Task,
    data: _Data,
    training: NDArray[np.intp],
    scale: TargetScale | None,
    settings: FinetuneSettings,
) -> WindowBatches:
    positions = np.flatnonzero(np.isin(data.stored.row, training))
    targets = task.network_targets(data.values, scale)[data.stored.row[positions]]
    return WindowBatches(
        windows=data.stored,
        positions=positions,
        targets=targets,
        batch=min(settings.batch, max(1, len(positions) // settings.accumulate)),
        sampling_rate=start.spec.sampling_rate,
        takes_presence=start.takes_presence,
        augmentations=settings.augmentations,
        seed=settings.seed,
        accumulate=settings.accumulate,
        workers=settings.workers,
    )


def _monitor(task: Task, validation: Float64) -> tuple[str, str]:
    """The figure that selects; the loss where the validation split leaves it undefined."""
    if task.kind != "regression":
        defined = [len(np.unique(c[~np.isnan(c)])) > 1 for c in validation.T]
        if not any(defined):
            return "loss", "min"
    return task.monitor


def _probe(
    start: Start,
    task: Task,
    data: _Data,
    training: NDArray[np.intp],
    validation: NDArray[np.intp],
    scale: TargetScale | None,
    settings: FinetuneSettings,
) -> None:
    """Fit the classifier on cached embeddings, each recording the mean of its windows."""
    if settings.threads:
        torch.set_num_threads(settings.threads)

    def embedded(rows: NDArray[np.intp]) -> NDArray[np.float32]:
        positions = np.flatnonzero(np.isin(data.stored.row, rows))
        values = window_embeddings(
            start.network, data.stored, positions,
            takes_presence=start.takes_presence, device=settings.device,
        )  # fmt: skip
        _, owner = np.unique(data.stored.row[positions], return_inverse=True)
        sums = np.zeros((owner.max() + 1, values.shape[1]))
        np.add.at(sums, owner, values)
        return (sums / np.bincount(owner)[:, None]).astype(np.float32)

    probe = fit_linear_probe(
        embedded(training), data.values[training], task,
        validation=(embedded(validation), data.values[validation]), scale=scale,
    )  # fmt: skip
    start.network.to("cpu")
    put_into(start.network, probe)


def _finish(
    network: torch.nn.Module,
    start: Start,
    task: Task,
    data: _Data,
    scale: TargetScale | None,
    settings: FinetuneSettings,
    folder: RunFolder,
    *,
    name: str | None,
    licence: str,
    data_name: str,
    intended_use: str,
    recipe: str,
) -> FinetuneResult:
    """Calibrate on the validation split, measure, and write the bundle."""
    parts: dict[str, tuple[Any, Float64, list[str]]] = {}
    for split in ("validation", "test"):
        rows = data.rows(split)
        if len(rows) and (split == "validation" or settings.test_figures):
            outputs = record_outputs(
                network, data.stored, rows,
                takes_presence=start.takes_presence, device=settings.device,
            )  # fmt: skip
            parts[split] = (outputs, data.values[rows], [data.groups[k] for k in rows])
    outputs, values, groups = parts["validation"]
    calibration, thresholds = fit_calibration(task, outputs, values)
    regression: dict[str, Any] | None = None
    if scale is not None:
        regression = {"scale": list(scale.scale), "offset": list(scale.offset)}
        quantiles = residual_quantiles(scale.physical(outputs.records), values)
        if quantiles is not None:
            regression["residual_quantiles"] = quantiles
    metrics: list[Metric] = []
    if "test" in parts:
        found, truth, who = parts["test"]
        metrics += measured(
            task, found.records, truth, who, data="test split, measured once", scale=scale
        )
        if regression is not None and "residual_quantiles" in regression and scale is not None:
            metrics += _coverage(task, scale.physical(found.records), truth, regression)
    metrics += measured(
        task, outputs.records, values, groups, scale=scale,
        data="validation split, which also chose the weights", calibrated=calibration is not None,
    )  # fmt: skip
    description = _description(
        start, task, data, settings, folder, regression,
        name=name, licence=licence, data_name=data_name, intended_use=intended_use, recipe=recipe,
    )  # fmt: skip
    bundle = save_bundle(
        network, description, folder,
        calibration=calibration, thresholds=thresholds, metrics=metrics, notes=_notes(task),
    )  # fmt: skip
    return FinetuneResult(bundle, metrics, data.stored.skipped, task)


def _coverage(
    task: Task, physical: Float64, truth: Float64, regression: dict[str, Any]
) -> list[Metric]:
    """Share of the test recordings inside the interval: what its 90 % are worth."""
    result = []
    for k, target in enumerate(task.vocabulary.targets):
        low, high = regression["residual_quantiles"][k]
        known = ~np.isnan(truth[:, k])
        residual = truth[known, k] - physical[known, k]
        share = float(((residual >= low) & (residual <= high)).mean()) if known.any() else None
        result.append(
            Metric("share inside the 90 % interval", share, "test split, measured once",
                   target=target.name, records=int(known.sum()))
        )  # fmt: skip
    return result


def _notes(task: Task) -> list[str]:
    common = (
        "Intervals: 500 bootstrap draws of patients. Splits are by patient. The validation split "
        "chose the weights and the calibration, so its figures are optimistic; the test split was "
        "measured once, at the end."
    )
    if task.kind == "regression":
        common += (
            " `low` and `high` enclose the truth for 90 % of recordings like those of the "
            "validation split."
        )
    return [common]


def _description(
    start: Start,
    task: Task,
    data: _Data,
    settings: FinetuneSettings,
    folder: RunFolder,
    regression: dict[str, Any] | None,
    *,
    name: str | None,
    licence: str,
    data_name: str,
    intended_use: str,
    recipe: str,
) -> BundleDescription:
    counts = {split: len(data.rows(split)) for split in ("train", "validation", "test")}
    how = {
        "full": "all weights were trained",
        "last": f"the last {settings.last_stages} stage(s) and the classifier were trained",
        "probe": "a linear layer was fitted on the embeddings",
    }[settings.mode]
    spec = start.spec
    targets = ", ".join(target.name for target in task.vocabulary.targets[:8])
    return BundleDescription(
        name=bundle_name(name or folder.path.resolve().name),
        version="1.0.0",
        title=f"{task.kind.capitalize()} of {targets}, from {start.origin}.",
        architecture=start.architecture,
        lead_mode=spec.lead_mode,
        leads=spec.leads,
        preprocessing=spec.recipe,
        vocabulary=task.vocabulary.name,
        target_kind=task.target_kind,
        training_data=(
            {
                "name": data_name,
                "licence": licence,
                "records": int(sum(counts.values())),
                "use": f"{counts['train']} training, {counts['validation']} validation, "
                f"{counts['test']} test; split by patient. SHA-256 of all signals: "
                f"{folder_hash(data.stored.hashes)}.",
            },
        ),
        recipe=recipe,
        seed=settings.seed,
        created=today(),
        intended_use=intended_use,
        known_failures=_failures(task, data, counts),
        references=(),
        licence=licence,
        method=f"From {start.origin}; {how}. Loss: {task.loss}. The resolved configuration, the "
        "environment and the split stand beside the bundle in the run's folder.",
        regression=regression,
        targets=task.vocabulary,
        repeat="`ecgfoundry finetune` and the run's configuration.json",
    )


def _failures(task: Task, data: _Data, counts: dict[str, int]) -> tuple[str, ...]:
    result = [
        "Nothing was measured on other hospitals, devices or populations than those of the "
        "training data.",
    ]
    if counts["test"] == 0:
        result.append("There was no test split: all figures are from the validation split.")
    if sum(counts.values()) < 1000:
        result.append(
            f"Few recordings ({sum(counts.values())}): figures for new people can be much lower."
        )
    nameless = sum(row.patient is None for row in data.manifest.rows)
    if nameless:
        result.append(f"{nameless} recordings name no patient and were taken for one person each.")
    if task.kind == "positive-unlabelled":
        result.append("Targets that were not annotated were not known to be absent.")
    return tuple(result)
