"""What a fine-tuning ends with: calibration, figures and the words of the bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.document import TrainingData
from ecgfoundry.tasks import Outputs, Task
from ecgfoundry.training.data.labelled import LabelledWindows
from ecgfoundry.training.initialization import Start
from ecgfoundry.training.results.outputs import record_outputs
from ecgfoundry.training.results.package import BundleDescription, RunCard
from ecgfoundry.training.results.run_folder import RunFolder, folder_hash
from ecgfoundry.training.results.save import bundle_name, save_bundle, today
from ecgfoundry.training.settings import FinetuneSettings

__all__ = ["FinetuneResult", "finish"]

Float64 = NDArray[np.float64]


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


def finish(
    network: torch.nn.Module,
    start: Start,
    task: Task,
    data: LabelledWindows,
    settings: FinetuneSettings,
    folder: RunFolder,
    card: RunCard,
) -> FinetuneResult:
    """Calibrate on the validation split, measure, and write the bundle."""
    parts: dict[str, tuple[Outputs, Float64, list[str]]] = {}
    for split in ("validation", "test"):
        rows = data.rows(split)
        if len(rows) and (split == "validation" or settings.test_figures):
            outputs = record_outputs(
                network, data.stored, rows,
                takes_presence=start.takes_presence, device=settings.compute.device,
            )  # fmt: skip
            parts[split] = (outputs, data.values[rows], [data.groups[k] for k in rows])
    outputs, values, groups = parts["validation"]
    task = task.calibrated(outputs, values)
    source = f"{len(values)} recordings of the validation split, which also chose the weights"
    task = task.with_sets(outputs.records, values, groups, source=source, crossed=True)
    metrics: list[Metric] = []
    if "test" in parts:
        found, truth, who = parts["test"]
        once = "test split, measured once"
        metrics += task.measure(found.records, truth, who, data=once)
        metrics += task.held_out_metrics(found.records, truth, once)
    metrics += task.measure(
        outputs.records, values, groups,
        data="validation split, which also chose the weights", calibration=True,
    )  # fmt: skip
    description = _description(start, task, data, settings, folder, card)
    bundle = save_bundle(
        network, description, folder, readout=task.readout, metrics=metrics, notes=[_note(task)]
    )
    return FinetuneResult(bundle, metrics, data.stored.skipped, task)


def _note(task: Task) -> str:
    common = (
        "Intervals are those of `ecgfoundry evaluate`, clustered by patient. Splits are by "
        "patient. The validation split "
        "chose the weights and the calibration, so its figures are optimistic; the test split was "
        "measured once, at the end."
    )
    return f"{common} {task.card_notes}".rstrip()


def _description(
    start: Start,
    task: Task,
    data: LabelledWindows,
    settings: FinetuneSettings,
    folder: RunFolder,
    card: RunCard,
) -> BundleDescription:
    counts = {split: len(data.rows(split)) for split in ("train", "validation", "test")}
    how = {
        "full": "all weights were trained",
        "last": f"the last {settings.last_stages} stage(s) and the classifier were trained",
        "lora": f"adapters of rank {settings.adapters.adapter_rank} and the classifier were "
        "trained, and the adapters made part of the weights",
        "probe": "a linear layer was fitted on the embeddings",
    }[settings.mode]
    spec = start.spec
    lineage = data.lineage(start)
    targets = ", ".join(target.name for target in task.vocabulary.targets[:8])
    return BundleDescription(
        name=bundle_name(card.name or folder.path.resolve().name),
        version="1.0.0",
        title=f"{task.kind.capitalize()} of {targets}, from {start.origin}.",
        architecture=start.architecture,
        lead_mode=spec.lead_mode,
        leads=spec.leads,
        preprocessing=spec.recipe,
        vocabulary=task.vocabulary.name,
        target_kind=task.target_kind,
        training_data=(
            TrainingData(
                name=card.data_name,
                licence=card.licence,
                records=int(sum(counts.values())),
                use=f"{counts['train']} training, {counts['validation']} validation, "
                f"{counts['test']} test; split by patient. SHA-256 of all signals: "
                f"{folder_hash(data.stored.hashes)}.",
            ),
        ),
        recipe=card.recipe,
        seed=settings.seed,
        created=today(),
        intended_use=card.intended_use or "Research, by those who trained it.",
        known_failures=(*_failures(task, data, counts), *lineage.limits),
        references=(),
        licence=card.licence,
        method=f"From {start.origin}; {how}. Loss: {task.loss}. The resolved configuration, the "
        "environment and the split stand beside the bundle in the run's folder.",
        targets=task.vocabulary,
        repeat="`ecgfoundry finetune` and the run's configuration.json",
        learned_from=lineage.learned_from,
    )


def _failures(task: Task, data: LabelledWindows, counts: dict[str, int]) -> tuple[str, ...]:
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
    return (*result, *task.known_limits)
