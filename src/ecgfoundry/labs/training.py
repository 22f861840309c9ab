"""Laboratory values from lead II: a corpus of MC-MED and its results become a bundle.

One network with a masked output for each indicator and direction that enters, from any bundle or
architecture that reads one lead, or any subset of leads, of which lead II is the one that is there.
Either all of it learns, or (``probe``) only its last layer, on embeddings that are computed once.
What AnyECG-Lab (arXiv 2510.22301) does not publish is our choice: loss (binary
cross-entropy over what is known), split (the official one), which results count, optimizer and
augmentations; see :mod:`ecgfoundry.labs.training_data` for labels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
    open_laboratory,
    spread_over_visits,
    value_vocabulary_of,
    visit_means,
    vocabulary_of,
)
from ecgfoundry.labs.visits import attention_start, visit_batches
from ecgfoundry.metrics.intervals import metric_interval
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.document import TrainingData
from ecgfoundry.models.networks.segment_attention import SegmentAttentionNet, VisitNetwork
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.preprocessing import Preprocessing
from ecgfoundry.tasks import Calibration, Outputs, Readout, TargetScale, Task, losses
from ecgfoundry.tasks.multilabel import Multilabel
from ecgfoundry.tasks.regression import residual_quantiles
from ecgfoundry.training.checks import check_device
from ecgfoundry.training.data.batches import WindowBatches
from ecgfoundry.training.data.sources import SourcePool
from ecgfoundry.training.data.windows import FreshWindows
from ecgfoundry.training.distributed import ALONE, World
from ecgfoundry.training.initialization import FRESH, Start, start_from
from ecgfoundry.training.loop import EpochRow, FitSettings, fit, time_words
from ecgfoundry.training.probing import LinearProbe, fit_linear_probe, put_into
from ecgfoundry.training.results.lineage import Lineage
from ecgfoundry.training.results.package import BundleDescription, RunCard
from ecgfoundry.training.results.run_folder import (
    Curves,
    RunFolder,
    code_versions,
    weights_hash,
)
from ecgfoundry.training.results.save import bundle_name, save_bundle, today
from ecgfoundry.training.stages import classifier_of

__all__ = ["LaboratoryResult", "LaboratorySettings", "labs_mcmed"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Positions = NDArray[np.intp]

LABORATORY_CARD = RunCard(
    recipe="labs_mcmed",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    data_name="MC-MED",
)
VISIT_AUROC = "AUROC, visit"
"""Name of the figure that the bands of ``ecgfoundry labs FILE`` are made of."""
SEGMENT_AUROC = "AUROC, segment"
PROBE_PENALTIES = (1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
"""L2 penalties that each target of a probe chooses from on the validation segments (our choice):
stronger than the default ones, for a visit has one label and an embedding a thousand numbers."""


@dataclass(frozen=True)
class LaboratoryResult:
    """What a run ends with.

    Attributes
    ----------
    bundle : Path
    values : Path or None
        The regression bundle, if one was asked for.
    metrics : list of Metric
    targets : tuple of str
    """

    bundle: Path
    values: Path | None
    metrics: list[Metric]
    targets: tuple[str, ...]


def labs_mcmed(
    data: str | Path,
    output: str | Path,
    *,
    tables: str | Path,
    model: str = "net1d-1lead",
    settings: LaboratorySettings | None = None,
    preprocessing: str | Path | Preprocessing | None = None,
    card: RunCard = LABORATORY_CARD,
    overwrite: bool = False,
    world: World = ALONE,
    say: Callable[[str], None] | None = None,
) -> LaboratoryResult:
    """Train on a corpus of MC-MED and write a bundle with its measured figures.

    Parameters
    ----------
    data : str or Path
        The corpus.
    output : str or Path
        Folder of the run; an interrupted run continues from it.
    tables : str or Path
        Folder of MC-MED: results and splits.
    model : str
        Bundle (``ecgfounder-1lead``, or any folder) or architecture.
    settings : LaboratorySettings, optional
    preprocessing : str, Path or Preprocessing, optional
        For an architecture; a bundle brings its own.
    card : RunCard
    overwrite : bool
        Train anew where ``output`` holds another run, whose results are deleted first.
    world : World
        From :func:`ecgfoundry.training.distributed.joined_world` under ``torchrun``; the first
        process measures and writes, and all return its result.
    say : callable, optional
        Told what is going on, on the first process.

    Raises
    ------
    TrainingError
        No target enters, the network needs more leads than lead II, a probe was to learn values
        too, or the folder holds a run of other settings, labels, signals or start weights, or one
        that another process is training.
    LeakageError
        A patient stands in two splits; nothing was trained.
    """
    settings = settings or LaboratorySettings()
    tell = say if say is not None and world.first else (lambda line: None)
    if world is ALONE:
        world = World(device=settings.compute.device)
    check_device(world.device)
    if settings.probe and world.size > 1:
        raise TrainingError("a probe is solved by one process", remedy="Start it without torchrun")
    results = settings.results
    segments = open_laboratory(
        data, tables,
        split=results.split, time=results.time, window_minutes=results.window_minutes,
        minimum_patients=results.minimum_patients,
    )  # fmt: skip
    words = vocabulary_of(segments)
    task = Multilabel(columns=words.names, vocabulary=words)
    heads = len(segments.indicators) if settings.regression else 0
    start = start_from(
        model, outputs=task.outputs + heads, leads=("II",),
        preprocessing=preprocessing, seed=settings.seed,
    )  # fmt: skip
    if start.spec.lead_mode != "any-subset" and start.spec.rows != 1:
        raise TrainingError(
            f"{model} needs {start.spec.rows} leads; the corpus has lead II",
            remedy="Use a one-lead bundle or architecture, such as net1d-1lead or net1d-tiny, or "
            "one that takes any subset of leads",
        )
    if start.spec.lead_mode == "any-single":
        start = replace(start, spec=replace(start.spec, leads=("II",)))
    if settings.visits.pooling == "attention":
        if settings.probe:
            raise TrainingError("attention has to be learned", remedy="Leave out --probe")
        start = attention_start(start, task.outputs + heads, settings.seed)
    if settings.probe and settings.regression:
        raise TrainingError(
            "a probe learns only whether a value is abnormal", remedy="Leave out one of the two"
        )
    folder = RunFolder(Path(output), overwrite=overwrite)
    run = _Run(segments, start, task, settings, folder, tell, card, world)
    with folder.locked() if world.first else nullcontext():
        if world.first:
            folder.configure(run.configuration())
            folder.write_json("data.json", _data_document(segments))
        world.wait()
        tell(
            f"{len(words)} targets of {len(segments.indicators)} indicators; {len(run.training)} "
            f"segments train, {len(run.validation)} validate; from {start.origin}"
        )
        scale = None
        if settings.probe:
            run.fit_probe()
        else:
            scale = run.train()
        made: LaboratoryResult = world.from_first(_finish(run, scale) if world.first else None)
        return made


def _data_document(data: LaboratorySegments) -> JsonObject:
    counts = {split: int((data.splits == split).sum()) for split in ("train", "validation", "test")}
    return {
        "sha256": data.digest(),
        "segments": counts,
        "split": data.split_kind,
        "synthetic": data.synthetic,
        "catalogue": data.catalogue.to_dicts(),
    }


@dataclass
class _Run:
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
        return Lineage(self.pool.fingerprints(learned), self.start.learned_from)

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
        probe, penalties = _probe_by_target(
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


def _probe_by_target(
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


def _part_of(network: torch.nn.Module, first: int, last: int) -> torch.nn.Module:
    """Return a copy of the network with only some of its outputs."""
    import copy

    part = copy.deepcopy(network).cpu()
    whole = classifier_of(part)
    kept = whole.weight.detach()[first:last].clone()
    bias = None if whole.bias is None else whole.bias.detach()[first:last].clone()
    part.reset_classifier(last - first)
    classifier = classifier_of(part)
    with torch.no_grad():
        classifier.weight.copy_(kept)
        if bias is not None:
            classifier.bias.copy_(bias)
    return part.eval()


def _finish(run: _Run, scale: TargetScale | None) -> LaboratoryResult:
    """Calibrate on the validation visits, measure the test visits once, write the bundles."""
    data, task = run.data, run.task
    network = _part_of(run.start.network, 0, task.outputs)
    network = round_to_float16(network)
    readout = _readout(run, network)
    test = spread_over_visits(
        data.positions("test"), data.visits, run.settings.visits.test_segments
    )
    metrics = _test_metrics(run, network, test) if len(test) else []
    base = bundle_name(run.card.name or run.folder.path.resolve().name)
    description = _description(run, base)
    bundle = save_bundle(network, description, run.folder, readout=readout, metrics=metrics)
    values = None
    if scale is not None:
        values = _value_bundle(run, scale, f"{base}-values", test)
    return LaboratoryResult(bundle, values, metrics, task.vocabulary.names)


def _readout(run: _Run, network: torch.nn.Module) -> Readout:
    data, task = run.data, run.task
    outputs, attention = run.joined(network, run.validation)
    labels = data.binary()[run.validation]
    means, truth, _ = visit_means(outputs, labels, data.visits[run.validation], attention)
    visits = task.calibrated(Outputs.of_single_windows(np.nan_to_num(means)), truth).readout
    segments = task.calibrated(Outputs.of_single_windows(outputs), labels).readout
    if visits.calibration is None or segments.calibration is None or visits.thresholds is None:
        return Readout(uncalibrated=visits.uncalibrated)
    source = f"{len(means)} visits of the validation split ({data.split_kind})"
    return replace(
        visits,
        calibration=Calibration(
            visits.calibration.record,
            segments.calibration.record,
            fitted_on=f"{source}; single windows on their segments",
        ),
        thresholds=replace(visits.thresholds, fitted_on=source),
    )


def _test_metrics(run: _Run, network: torch.nn.Module, test: Positions) -> list[Metric]:
    """AUROC per target with patient-level intervals, per visit and segment, all ECG and before."""
    data = run.data
    outputs, attention = run.joined(network, test)
    patients = data.patients[test]
    kind = "SYNTHETIC data, " if data.synthetic else ""
    metrics = []
    for which, words in (("all", "all windows"), ("before", "ECG before the result")):
        labels = data.binary(which)[test]
        means, truth, first = visit_means(outputs, labels, data.visits[test], attention)
        levels = (
            (VISIT_AUROC, means, truth, patients[first]),
            (SEGMENT_AUROC, outputs, labels, patients),
        )
        for figure, scores, wanted, groups in levels:
            for k, target in enumerate(data.names):
                found = metric_interval("auroc", wanted[:, k], scores[:, k], patients=groups)
                if np.isnan(found.value):
                    continue
                where = f"{kind}test split ({data.split_kind}), {words}"
                count = int((~np.isnan(wanted[:, k])).sum())
                metrics.append(Metric.of(figure, found, where, target=target, records=count))
    return metrics


def _value_bundle(run: _Run, scale: TargetScale, name: str, test: Positions) -> Path:
    data = run.data
    first = run.task.outputs
    network = _part_of(run.start.network, first, first + len(data.indicators))
    network = round_to_float16(network)
    words = value_vocabulary_of(data)

    def visits(positions: Positions) -> tuple[Float64, Float64, NDArray[np.generic]]:
        outputs, attention = run.joined(network, positions)
        outputs = scale.physical(outputs)
        truth = data.values[positions].astype(np.float64)
        known = np.isnan(truth)
        number = data.visits[positions]
        answers, _, _ = visit_means(outputs, np.where(known, np.nan, 0.0), number, attention)
        means, _, first = visit_means(truth, np.where(known, np.nan, 0.0), number)
        return answers, means, data.patients[positions][first]

    answers, truth, _ = visits(run.validation)
    readout = Readout(scale=replace(scale, residuals=residual_quantiles(answers, truth)))
    metrics = []
    if len(test):
        answers, truth, patients = visits(test)
        where = f"visits of the test split ({data.split_kind}), all windows"
        for k, target in enumerate(words.targets):
            count = int((~np.isnan(truth[:, k])).sum())
            blind = np.full(len(truth), scale.offset[k])
            for name_of, values in (
                (f"mean absolute error ({target.unit})", answers[:, k]),
                ("the same of always answering the training mean", blind),
            ):
                found = metric_interval("mae", truth[:, k], values, patients=patients)
                metrics.append(Metric.of(name_of, found, where, target=target.name, records=count))
    folder = RunFolder(run.folder.path / "values")
    description = _description(run, name, kind="regression", words=words)
    return save_bundle(network, description, folder, readout=readout, metrics=metrics)


def _description(
    run: _Run,
    name: str,
    *,
    kind: str = "multilabel",
    words: Any = None,
) -> BundleDescription:
    data, settings, start = run.data, run.settings, run.start
    vocabulary = words or run.task.vocabulary
    failures = [
        "Estimates from an ECG; none replaces a laboratory measurement.",
        "Nothing was measured on other hospitals, devices or leads than bedside lead II.",
        "What age, sex and heart rate alone reach must be read beside every figure: see "
        "`ecgfoundry labs report`.",
    ]
    entry = TrainingData(
        name=run.card.data_name,
        licence=run.card.licence,
        records=len(np.unique(data.visits)),
        use=f"{len(run.training)} segments trained, {len(run.validation)} validated; official "
        f"{data.split_kind} split.",
    )
    if start.spec.lead_mode == "any-subset":
        failures.append("Trained on lead II alone, with all other leads absent: give it lead II.")
    title = f"{len(vocabulary)} laboratory indicators from single-lead ECG."
    if data.synthetic:
        entry = replace(
            entry, name="synthetic MC-MED (simulated)", licence="Apache-2.0", synthetic=True
        )
        title = f"SYNTHETIC: {title} Trained on simulated patients; says nothing about people."
        failures.insert(0, "Trained on simulated patients: it must not be used on people.")
    return BundleDescription(
        name=name,
        version="1.0.0",
        title=title,
        architecture=start.architecture,
        lead_mode=start.spec.lead_mode,
        leads=("II",) if start.spec.lead_mode == "any-single" else start.spec.leads,
        preprocessing=start.spec.recipe,
        vocabulary=vocabulary.name,
        target_kind=kind,
        training_data=(entry,),
        recipe=run.card.recipe,
        seed=settings.seed,
        created=today(),
        intended_use=run.card.intended_use
        or "Research on what an ECG says about laboratory values.",
        known_failures=(*failures, *run.lineage.limits),
        references=("https://arxiv.org/abs/2510.22301",),
        licence="Apache-2.0" if data.synthetic else run.card.licence,
        method=f"From {start.origin}; {_method(settings)}; masked binary cross-entropy. The "
        "resolved configuration stands in the run's folder.",
        targets=vocabulary,
        repeat="`ecgfoundry labs train` and the run's configuration.json",
        learned_from=run.lineage.learned_from,
    )


def _method(settings: LaboratorySettings) -> str:
    if settings.probe:
        return "a linear layer on its embeddings, the network itself unchanged"
    pooling = settings.visits.pooling
    joined = "segments joined by gated attention, " if pooling == "attention" else ""
    return (
        f"{joined}{settings.schedule.epochs} epochs at most, weights chosen by the macro AUROC of "
        "the validation visits"
    )
