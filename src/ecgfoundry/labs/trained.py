"""What laboratory training ends with: calibration, figures and the words of its bundles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.labs.settings import LaboratorySettings
from ecgfoundry.labs.training_data import spread_over_visits, value_vocabulary_of, visit_means
from ecgfoundry.labs.training_run import LaboratoryRun
from ecgfoundry.metrics.intervals import metric_interval
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.document import TrainingData
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.tasks import Calibration, Outputs, Readout, TargetScale
from ecgfoundry.tasks.regression import residual_quantiles
from ecgfoundry.training.results.package import BundleDescription
from ecgfoundry.training.results.run_folder import RunFolder
from ecgfoundry.training.results.save import bundle_name, save_bundle, today
from ecgfoundry.training.stages import classifier_of

__all__ = ["SEGMENT_AUROC", "VISIT_AUROC", "LaboratoryResult", "finish"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Positions = NDArray[np.intp]

VISIT_AUROC = "AUROC, visit"
"""Name of the figure that the bands of ``ecgfoundry labs FILE`` are made of."""
SEGMENT_AUROC = "AUROC, segment"


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


def finish(run: LaboratoryRun, scale: TargetScale | None) -> LaboratoryResult:
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


def _readout(run: LaboratoryRun, network: torch.nn.Module) -> Readout:
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


def _test_metrics(run: LaboratoryRun, network: torch.nn.Module, test: Positions) -> list[Metric]:
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


def _value_bundle(run: LaboratoryRun, scale: TargetScale, name: str, test: Positions) -> Path:
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
    run: LaboratoryRun,
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
