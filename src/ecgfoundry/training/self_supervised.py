"""Pretraining without labels: an objective teaches a network through signals alone, to a bundle.

The windows, their order, the split by patient, the loop, its checkpoints and its processes are
those of labelled pretraining (:mod:`ecgfoundry.training.pretraining`). The bundle answers nothing;
it is where ``finetune`` and ``embed`` start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.tasks.readout import Readout
from ecgfoundry.tasks.representation import NOTHING
from ecgfoundry.training.checks import check_batch, check_input
from ecgfoundry.training.data.augmentations import Compose
from ecgfoundry.training.data.batches import WindowBatches
from ecgfoundry.training.data.pools import (
    Positions,
    data_document,
    parted,
    replacement_for,
    split_hash,
)
from ecgfoundry.training.data.sources import SegmentSource, SourcePool
from ecgfoundry.training.data.windows import FreshWindows
from ecgfoundry.training.distributed import ALONE, World
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.initialization import NewNetwork
from ecgfoundry.training.loop import Batch, FitResult, fit
from ecgfoundry.training.objectives import OBJECTIVES, Objective
from ecgfoundry.training.pretraining_run import PretrainingRun
from ecgfoundry.training.results.package import BundleDescription, RunCard
from ecgfoundry.training.results.run_folder import (
    Curves,
    RunFolder,
    code_versions,
    weights_hash,
)
from ecgfoundry.training.results.save import save_bundle
from ecgfoundry.training.settings import PretrainSettings
from ecgfoundry.training.stages import classifier_of
from ecgfoundry.training.telling import EpochRow, time_words

__all__ = ["PRETRAIN_CARD", "ObjectiveBatches", "PretrainResult", "mean_loss", "pretrain_encoder"]

PRETRAIN_CARD = RunCard(recipe="ecgfoundry pretrain")
HELD_BATCH = 16
"""Held-out windows that are measured at once (our choice)."""
_MASKS, _HELD_MASKS = 3, 4  # streams of random numbers, beside those of the batches


@dataclass(frozen=True)
class PretrainResult:
    """What a run ends with; ``bundle`` is None on all processes but the first."""

    fit: FitResult
    bundle: Path | None


def mean_loss(losses: torch.Tensor) -> torch.Tensor:
    """Return the mean over the windows of a batch: the loss of the loop."""
    return losses.mean()


@dataclass
class ObjectiveBatches(WindowBatches):
    """Batches of windows with what is hidden of each, and without targets.

    What is hidden of a window depends on the seed, the epoch and the window alone: not on how many
    processes share the work, nor on where a run was interrupted.

    Parameters
    ----------
    mask : callable (generator) -> ndarray of bool (samples,) or None
        :meth:`ecgfoundry.training.objectives.Objective.mask`.
    """

    mask: Callable[[np.random.Generator], NDArray[np.bool_] | None] = lambda generator: None

    def _make(self, epoch: int, number: int, places: NDArray[np.intp]) -> Batch:
        inputs = super()._make(epoch, number, places)[0]
        hidden = _masks(self.mask, self.positions[places], (self.seed, epoch, _MASKS))
        return (inputs,) if hidden is None else ((inputs, hidden),)


def _masks(
    draw: Callable[[np.random.Generator], NDArray[np.bool_] | None],
    positions: Positions,
    stream: tuple[int, ...],
) -> torch.Tensor | None:
    """Return what is hidden of these windows, (windows, samples)."""
    drawn = [draw(np.random.default_rng([*stream, int(position)])) for position in positions]
    known = [mask for mask in drawn if mask is not None]
    return torch.from_numpy(np.stack(known)) if known else None


def pretrain_encoder(
    sources: Sequence[SegmentSource],
    output: str | Path,
    *,
    network: NewNetwork,
    settings: PretrainSettings,
    world: World = ALONE,
    card: RunCard = PRETRAIN_CARD,
    overwrite: bool = False,
    say: Callable[[str], None] | None = None,
) -> PretrainResult:
    """Train a network on raw windows through ``settings.objective`` and write a bundle.

    Parameters
    ----------
    sources, output, network, settings, world, card, overwrite, say
        As of :func:`ecgfoundry.training.pretraining.pretrain`.

    Raises
    ------
    TrainingError
        There is no such objective, it does not fit the network, or the settings do not fit the data
        or the processes.
    """
    tell = say if say is not None and world.first else (lambda line: None)
    kind = OBJECTIVES[settings.objective]
    spec = network.spec
    share = world.share_of(settings.data.batch, settings.data.accumulate)
    Compose.of(settings.augmentation.augmentations)
    if settings.compute.channels_last:
        raise TrainingError(
            "channels-last is not computed with an objective without labels",
            remedy="Leave --channels-last out",
        )
    pool = SourcePool(tuple(sources))
    settings = settings.change(lead_replacement=replacement_for(settings, spec, pool))
    inputs = FreshWindows(pool, spec, settings.augmentation.lead_replacement or 0.0)
    training, validation, held = parted(pool, settings.data.validation_share, settings.seed)
    start = network.start(1, settings.seed)
    if start.takes_presence:
        raise TrainingError(
            f"{start.architecture} is told which leads are there, which the objectives without "
            "labels are not made for",
            remedy="Use --architecture s4, s4-causal or net1d",
        )
    check_input(start.network, spec, takes_presence=False)
    check_batch(start.network, spec, share, takes_presence=False)
    initial = weights_hash(start.network)
    objective = kind(start.network, spec, settings.self_supervision)
    folder = RunFolder(Path(output), overwrite=overwrite)
    run = _Run(
        start, settings, world, tell, pool, inputs,
        FreshWindows(pool, spec),  # held-out windows are not augmented
        training, validation, objective,
    )  # fmt: skip
    with folder.locked() if world.first else nullcontext():
        if world.first:
            folder.configure(
                {
                    "recipe": card.recipe,
                    "architecture": start.architecture,
                    "configuration": dict(network.configuration),
                    "input": spec.document.to_dict(),
                    "settings": settings.to_dict(),
                    "processes": world.size,
                    "depends_on": {
                        "split": split_hash(pool, held),
                        "signals": pool.content_hash,
                        "start_weights": initial,
                        "versions": code_versions(),
                    },
                }
            )
            folder.write_json("data.json", data_document(pool, training, validation))
        fitted = run.fit(folder, share)
        return PretrainResult(fitted, run.finish(folder, card, fitted) if world.first else None)


@dataclass(frozen=True)
class _Run(PretrainingRun):
    objective: Objective

    def fit(self, folder: RunFolder, batch: int) -> FitResult:
        """Train; the network ends with the weights of the lowest validation loss."""
        settings, world = self.settings, self.world
        batches = ObjectiveBatches(
            windows=self.inputs,
            positions=self.training,
            targets=np.zeros((len(self.training), 0), np.float32),
            batch=batch,
            sampling_rate=self.start.spec.sampling_rate,
            augmentations=settings.augmentation.augmentations,
            seed=settings.seed,
            accumulate=settings.data.accumulate,
            workers=settings.data.workers,
            world=world,
            mask=self.objective.mask,
        )
        self.tell(
            f"{self.objective.description}; {len(self.training)} windows train, "
            f"{len(self.validation)} validate; {batches.steps} steps an epoch on {world.size} "
            "process(es)"
        )
        tensorboard = Curves(folder.path / "tensorboard")

        def report(row: EpochRow) -> None:
            tensorboard(row)
            held = "".join(f", held-out {k} {v:.4f}" for k, v in (row.get("figures") or {}).items())
            self.tell(
                f"epoch {row['epoch'] + 1}: loss {row['loss']:.4f}{held}; "
                f"{time_words(row, settings.schedule.epochs)}"
            )

        return fit(
            self.objective,
            batches,
            mean_loss,
            settings=FitSettings.of_run(
                settings, steps_per_epoch=batches.steps, monitor="loss", monitor_mode="min"
            ),
            evaluate=self.evaluate,
            checkpoint=folder.checkpoint,
            curves=folder.curves,
            report=report,
            world=world,
        )

    def evaluate(self, objective: Any) -> dict[str, float]:
        """Return the objective's figures on the held-out windows, always with the same masks."""
        generator = np.random.default_rng(0)
        sums: dict[str, float] = {}
        for first in range(0, len(self.validation), HELD_BATCH):
            positions = self.validation[first : first + HELD_BATCH]
            signal, _ = self.plain.get(positions, generator)
            hidden = _masks(self.objective.mask, positions, (self.settings.seed, 0, _HELD_MASKS))
            device = self.world.device
            found = objective.figures(
                torch.from_numpy(signal).to(device), None if hidden is None else hidden.to(device)
            )
            for name, values in found.items():
                sums[name] = sums.get(name, 0.0) + float(values.double().sum())
        return {name: total / len(self.validation) for name, total in sums.items()}

    def finish(self, folder: RunFolder, card: RunCard, fitted: FitResult) -> Path:
        """Write the bundle of the encoder."""
        head = classifier_of(self.start.network)
        with torch.no_grad():  # nothing was taught, so that nothing can be read into it
            head.weight.zero_()
            head.bias.fill_(1.0)
        network = round_to_float16(self.start.network.requires_grad_(True).to("cpu").eval())
        where = "windows of the validation patients, which also chose the weights"
        metrics = [
            Metric(f"{self.objective.name}: {name}", value, where, records=len(self.validation))
            for name, value in fitted.figures.items()
        ]
        return save_bundle(
            network, self.describe(folder, card), folder, readout=Readout(), metrics=metrics
        )

    def describe(self, folder: RunFolder, card: RunCard) -> BundleDescription:
        """Say what the bundle is."""
        objective = self.objective
        return self.description(
            folder, card, NOTHING, "representation",
            title=f"{self.start.architecture} pretrained without labels: {objective.name}.",
            taught_by=objective.description,
            failures=(
                "It answers nothing before it is fine-tuned.",
                "What its embeddings are good for was not measured in this run.",
            ),
            references=objective.references,
        )  # fmt: skip
