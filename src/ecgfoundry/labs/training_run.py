"""One run of laboratory training: its segments, how its network learns, what it then answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import TrainingError
from ecgfoundry.labs.settings import LaboratorySettings
from ecgfoundry.labs.training_data import (
    LaboratorySegments,
    LaboratorySource,
    spread_over_visits,
    visit_means,
)
from ecgfoundry.labs.visits import visit_batches
from ecgfoundry.models.networks.segment_attention import SegmentAttentionNet, VisitNetwork
from ecgfoundry.tasks import TargetScale, Task, losses
from ecgfoundry.training.data.batches import WindowBatches
from ecgfoundry.training.data.sources import SourcePool, fingerprints_of_windows
from ecgfoundry.training.data.windows import FreshWindows
from ecgfoundry.training.distributed import World
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.initialization import FRESH, Start
from ecgfoundry.training.loop import fit
from ecgfoundry.training.probing import LinearProbe, fit_linear_probe, put_into
from ecgfoundry.training.results.lineage import Lineage
from ecgfoundry.training.results.package import RunCard
from ecgfoundry.training.results.run_folder import Curves, RunFolder, code_versions, weights_hash
from ecgfoundry.training.telling import EpochRow, time_words

__all__ = ["PROBE_PENALTIES", "LaboratoryRun", "probe_by_target"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Positions = NDArray[np.intp]

PROBE_PENALTIES = (1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
"""L2 penalties that each target of a probe chooses from on the validation segments (our choice):
stronger than the default ones, for a visit has one label and an embedding a thousand numbers."""


@dataclass
class LaboratoryRun:
    """The parts of a run that belong together."""

    data: LaboratorySegments
    start: Start
    task: Task
    settings: LaboratorySettings
    folder: RunFolder
    tell: Callable[[str], None]
    card: RunCard
    world: World

    def __post_init__(self) -> None:
        data, visits = self.data, self.settings.visits
        labels = data.before if self.settings.results.before_only else data.labels
        rows = np.flatnonzero((data.splits == "train") & (labels >= 0).any(axis=1)).astype(np.intp)
        self.training = spread_over_visits(rows, data.visits, visits.segments_per_visit)
        self.validation = spread_over_visits(
            data.positions("validation"), data.visits, visits.validation_segments
        )
        for what, found in (("train", self.training), ("validation", self.validation)):
            if not len(found):
                raise TrainingError(f"no segment of the split {what} has a label")
        self.labels = np.where(labels < 0, np.nan, labels.astype(np.float64))
        self.pool = SourcePool((LaboratorySource(data),))
        self.windows = FreshWindows(self.pool, self.start.spec)

    def configuration(self) -> JsonObject:
        """Return what the run depends on: it goes on only while none of it has changed."""
        start = self.start
        return {
            "recipe": self.card.recipe,
            "model": start.named,
            "starts_from": start.origin,
            "architecture": start.architecture,
            "input": start.spec.document.to_dict(),
            "task": self.task.to_dict(),
            "settings": self.settings.to_dict(),
            "processes": self.world.size,
            "synthetic": self.data.synthetic,
            "depends_on": {
                "labels_and_split": self.data.digest(),
                "signals": self.pool.content_hash,
                "start_weights": weights_hash(start.network),
                "versions": code_versions(),
            },
        }

    @functools.cached_property
    def lineage(self) -> Lineage:
        """Which segments are learned from, and by the start model before."""
        learned = np.concatenate([self.training, self.validation])
        source = LaboratorySource(self.data)
        test = spread_over_visits(
            self.data.positions("test"), self.data.visits, self.settings.visits.test_segments
        )
        return Lineage(
            self.pool.fingerprints(learned),
            self.start.learned_from,
            fingerprints_of_windows(source, test) if len(test) else (),
        )

    def train(self) -> TargetScale | None:
        """Train; the network ends with the weights that did best on the validation visits."""
        settings, task, data = self.settings, self.task, self.data
        targets = self.labels[self.training]
        scale = None
        if settings.regression:
            values = data.values[self.training].astype(np.float64)
            scale = TargetScale.of(values)
            targets = np.concatenate([targets, scale.standardized(values)], axis=1)
        batches: WindowBatches = WindowBatches(
            windows=self.windows,
            positions=self.training,
            targets=targets.astype(np.float32),
            batch=min(
                self.world.share_of(settings.data.batch),
                max(1, len(self.training) // (settings.data.accumulate * self.world.size)),
            ),
            sampling_rate=self.start.spec.sampling_rate,
            takes_presence=self.start.takes_presence,
            augmentations=settings.augmentation.augmentations,
            seed=settings.seed,
            accumulate=settings.data.accumulate,
            workers=settings.data.workers,
            world=self.world,
        )
        trained: torch.nn.Module = self.start.network
        if isinstance(trained, SegmentAttentionNet):
            batches = visit_batches(
                batches, data.visits, classes=task.outputs, most=settings.visits.visit_segments
            )
            trained = VisitNetwork(trained)
        wanted = data.binary()[self.validation]
        visits = data.visits[self.validation]

        def evaluate(network: torch.nn.Module) -> dict[str, float]:
            own = network.network if isinstance(network, VisitNetwork) else network
            outputs, attention = self.joined(own, self.validation)
            outputs = outputs[:, : task.outputs]
            means, truth, _ = visit_means(outputs, wanted, visits, attention)
            figures = task.figures(np.nan_to_num(means), truth)
            figures["segment_macro_auroc"] = task.figures(outputs, wanted)["macro_auroc"]
            return figures

        _, truth, _ = visit_means(np.zeros(wanted.shape), wanted, visits)
        defined = any(len(np.unique(c[~np.isnan(c)])) > 1 for c in truth.T)
        fresh = self.start.origin == FRESH
        tensorboard = Curves(self.folder.path / "tensorboard")

        def report(row: EpochRow) -> None:
            tensorboard(row)
            figure = (row.get("figures") or {}).get("macro_auroc", float("nan"))
            self.tell(
                f"epoch {row['epoch'] + 1}: loss {row['loss']:.4f}, macro AUROC of the validation "
                f"visits {figure:.4f}, {time_words(row, chosen.epochs)}"
            )

        chosen = FitSettings.of_run(
            settings,
            steps_per_epoch=batches.steps,
            learning_rate=settings.optimizer.learning_rate or (1e-3 if fresh else 3e-4),
            monitor="macro_auroc" if defined else "loss",
            monitor_mode="max" if defined else "min",
        )
        fit(
            trained,
            batches,
            _masked_loss(task.outputs, settings.regression_weight),
            settings=chosen,
            evaluate=evaluate,
            checkpoint=self.folder.checkpoint,
            curves=self.folder.curves,
            report=report,
            world=self.world,
        )
        return scale

    def fit_probe(self) -> None:
        """Fit the last layer on the embeddings of the training segments; the rest stays."""
        network = self.start.network
        inside, outside = (
            self._computed(network, rows, embed=True).astype(np.float32)
            for rows in (self.training, self.validation)
        )
        wanted = self.data.binary()[self.validation]
        probe, penalties = probe_by_target(
            inside, self.labels[self.training], outside, wanted, self.task
        )
        put_into(network, probe)
        self.folder.write_json(
            "probe.json", {"penalties": dict(zip(self.task.columns, penalties, strict=True))}
        )
        figure = self.task.figures(probe(outside), wanted)["macro_auroc"]
        self.tell(f"linear probe: macro AUROC of the validation segments {figure:.4f}")

    def outputs(self, network: torch.nn.Module, positions: Positions) -> Float64:
        """Return the outputs (positions, outputs), without augmentation."""
        return self._computed(network, positions, embed=False)

    def joined(
        self, network: torch.nn.Module, positions: Positions
    ) -> tuple[Float64, Float64 | None]:
        """Return the outputs, and the scores of attention if the network joins segments by it."""
        if not isinstance(network, SegmentAttentionNet):
            return self.outputs(network, positions), None
        embeddings = self._computed(network, positions, embed=True)
        head = network.classifier
        weight, bias = (t.detach().double().cpu().numpy() for t in (head.weight, head.bias))
        return embeddings @ weight.T + bias, embeddings[:, -1]

    def _computed(
        self, network: torch.nn.Module, positions: Positions, *, embed: bool, batch: int = 64
    ) -> Float64:
        generator = np.random.default_rng(0)
        device = self.world.device
        network = network.to(device).eval()
        compute = network.forward_features if embed else network
        pieces = []
        with torch.inference_mode():
            for first in range(0, len(positions), batch):
                given = self.windows.get(positions[first : first + batch], generator)
                inputs = [torch.from_numpy(array).to(device) for array in given]
                found = compute(*inputs[: 1 + self.start.takes_presence])
                pieces.append(found.double().cpu().numpy())
        return np.concatenate(pieces)


def probe_by_target(
    inside: Float32, labels: Float64, outside: Float32, wanted: Float64, task: Task
) -> tuple[LinearProbe, list[float]]:
    """Fit a linear layer whose every output has the penalty that suits it.

    What a target needs differs by orders of magnitude: one that acts on the rate and a hundred
    others is read from the sum of many weak numbers, one that acts on a small detail from a few.
    One penalty for all would be that of the majority.

    Parameters
    ----------
    inside, labels : ndarray (segments, features), (segments, targets)
        That train.
    outside, wanted : ndarray
        That choose, by binary cross-entropy; a target without a label there takes the strongest.

    Returns
    -------
    LinearProbe, list of float
        The layer, and the penalty of each target.
    """
    known = ~np.isnan(wanted)
    truth = np.where(known, wanted, 0.0)
    probes, losses = [], []
    for penalty in PROBE_PENALTIES:
        probe = fit_linear_probe(inside, labels, task, penalties=(penalty,))
        z = probe(outside)
        entropy = np.where(known, np.logaddexp(0.0, z) - truth * z, 0.0)
        probes.append(probe)
        losses.append(entropy.sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    # From the end, so that of equal ones the strongest is taken.
    chosen = len(probes) - 1 - np.argmin(np.stack(losses)[::-1], axis=0)
    weight = np.stack([probes[own].weight[k] for k, own in enumerate(chosen)])
    bias = np.array([probes[own].bias[k] for k, own in enumerate(chosen)], dtype=np.float32)
    penalties = [PROBE_PENALTIES[own] for own in chosen]
    return LinearProbe(weight, bias, float(np.median(penalties))), penalties


def _masked_loss(classes: int, weight: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Binary cross-entropy over what is known, and Huber's loss of the values, if there are any."""

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        value = losses.binary_cross_entropy(outputs[:, :classes], targets[:, :classes])
        if outputs.shape[1] > classes:
            value = value + weight * losses.huber(outputs[:, classes:], targets[:, classes:])
        return value

    return loss
