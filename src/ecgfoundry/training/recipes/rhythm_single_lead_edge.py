"""Recipe of the bundle ``rhythm-single-lead-edge``: a committee distilled into one small network.

For devices on which the committee of ``rhythm-single-lead`` is too large, and for many streams on
one machine: an eighth of its size and a tenth of its arithmetic. Data and parts are those of that
recipe.

The way to the weights:

1. The committee of :mod:`ecgfoundry.training.recipes.rhythm_single_lead` is made, or read.
2. First stage: one smaller network learns from the training part. Half of each target is the first
   committee's answer to the very crop, augmented as it is; the other half is what the committee's
   own members learned from: reference labels blended with out-of-fold answers (version 2 of the
   bundle).
3. Second stage, as for the committee's members: from the training part, to be calibrated and
   measured beside the committee, then from all recordings.

``model.safetensors`` and ``config.json`` of version 2 in ``first/`` spare the first stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.io import write_json
from ecgfoundry.metrics.calibration import cross_fitted_probabilities, log_softmax
from ecgfoundry.metrics.classification import auroc, f1_scores
from ecgfoundry.metrics.intervals import statistic_interval
from ecgfoundry.models.networks.counting import multiply_adds
from ecgfoundry.models.networks.rhythm import RhythmNet
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.training.recipes import rhythm_single_lead
from ecgfoundry.training.recipes.rhythm_single_lead import members, refining
from ecgfoundry.training.recipes.rhythm_single_lead.data import (
    LABELS,
    SAMPLING_RATE,
    Array,
    Data,
    load,
    prepared,
)
from ecgfoundry.training.recipes.rhythm_single_lead.measuring import record_logits
from ecgfoundry.training.recipes.rhythm_single_lead.sources import known_rhythms

__all__ = ["ARCHITECTURE", "COMMITTEE", "run"]

COMMITTEE = "rhythm-single-lead"
"""The bundle that is distilled; its results lie beside this recipe's."""

ARCHITECTURE: dict[str, Any] = members.ARCHITECTURE | {
    "stem_channels": 8,
    "channels": [16, 32, 64, 96],
    "kernels": [5, 5, 3],
}
"""Smaller than a member of the committee; chosen for speed before it was trained (our choice)."""

NAME = "distilled"

SETTINGS = replace(members.STUDENT, epochs=24)

REFINING = replace(refining.SETTINGS, epochs=9)
"""More epochs than for a member of the committee: each costs a third (our choice)."""

DIET = members.Diet(rows=4, balance=0.5, blocks=True)
"""Between those of the committee's members (our choice)."""


def run(
    data_zip: Path, output: Path, *, seed: int = 1, threads: int = 1, folds: int = 3
) -> JsonObject:
    """Train, calibrate and measure the bundle's network.

    Parameters
    ----------
    data_zip : Path
        ``training2017.zip`` of the challenge; the other data lie beside it.
    output : Path
        Folder for the results. The committee's are in ``output.parent / COMMITTEE``, and are made
        there if they are missing.
    seed : int
        Decides the weights, together with the data and the number of threads.
    threads : int
        CPU threads of torch.
    folds : int
        Of the committee's recipe.

    Returns
    -------
    dict
        What is written to ``metrics.json``.

    Notes
    -----
    Writes ``model.safetensors`` (float16), ``config.json``, ``calibration.json``,
    ``metrics.json``, ``curves.jsonl``. An interrupted run continues.
    """
    source = output.parent / COMMITTEE
    if not (source / "metrics.json").exists():
        rhythm_single_lead.run(data_zip, source, seed=seed, threads=threads, folds=folds)
    output.mkdir(parents=True, exist_ok=True)
    data = load(data_zip, folds)
    first = rhythm_single_lead.read_network(source / "first")
    start = _distilled(data, first, source / "first", output / "first", seed=seed, threads=threads)
    answers = rhythm_single_lead.first_answers(data, first, source / "first")
    metrics = rhythm_single_lead.second_stage(
        data, known_rhythms(data_zip.parent), [(start, DIET)], answers, output,
        seed=seed + EDGE_SEED, threads=threads, settings=REFINING,
    )  # fmt: skip
    network = rhythm_single_lead.read_network(output)
    metrics["multiply_adds"] = {
        f"{seconds} s": multiply_adds(network, (1, round(seconds * SAMPLING_RATE)))
        for seconds in (10, 30)
    }
    edge, committee = (
        rhythm_single_lead.read_network(folder / "measured") for folder in (output, source)
    )
    rows = data.left_out
    metrics["against_committee"] = {
        f"{seconds:g} s": against_committee(
            edge, committee, prepared([data.raw[i] for i in rows], seconds), data.classes[rows]
        )
        for seconds in (30.0, 10.0)
    }
    write_json(output / "metrics.json", metrics)
    return metrics


EDGE_SEED = 1
"""Keeps the edge network's batches apart from those of the committee's first member."""


def _distilled(
    data: Data, committee: RhythmNet, taught: Path, folder: Path, *, seed: int, threads: int
) -> RhythmNet:
    """Return the network of the first stage, made or read."""
    if not (folder / "model.safetensors").exists():
        learned = members.train_member(
            NAME,
            data=data,
            rows=data.learned,
            targets=members.blended_targets(
                data, data.learned, members.out_of_fold_logits(data, (), taught)
            ),
            settings=replace(SETTINGS, seed=seed * 100 + 90, threads=threads),
            crop_shares=members.STUDENT_CROP_SHARES,
            output=folder,
            architecture=ARCHITECTURE,
            teacher=committee,
        )
        rhythm_single_lead.write_network(round_to_float16(learned), folder)
    return rhythm_single_lead.read_network(folder)


def against_committee(
    edge: RhythmNet,
    committee: RhythmNet,
    inputs: Sequence[Sequence[Array]],
    classes: NDArray[np.int64],
) -> JsonObject:
    """Compare two networks, calibration cross-fitted, on the same recordings.

    Returns
    -------
    dict
        AUROC of each class against all others, their mean (``macro``) and the mean F1 of N, A and
        O: of ``edge``, of ``committee``, and edge less committee with its 95 % interval (1,000
        draws of recordings, the same for both).
    """
    logits = {
        name: np.log(
            cross_fitted_probabilities(
                record_logits(network, inputs), classes, np.arange(len(classes)),
                method="vector", multiclass=True,
            )
        )
        for name, network in (("edge", edge), ("committee", committee))
    }  # fmt: skip
    odds = {name: np.stack([_odds(z, k) for k in range(len(LABELS))]) for name, z in logits.items()}

    def aurocs(name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.array(
            [auroc(classes[rows] == k, odds[name][k][rows]) for k in range(len(LABELS))]
        )

    def statistic(which: str) -> Callable[[str, NDArray[np.int64]], float]:
        if which == "f1_mean_NAO":
            return lambda name, rows: float(
                f1_scores(classes[rows], logits[name][rows].argmax(1), len(LABELS))[:3].mean()
            )
        if which == "auroc_macro":
            return lambda name, rows: float(aurocs(name, rows).mean())
        label = LABELS.index(which.removeprefix("auroc_"))
        return lambda name, rows: float(auroc(classes[rows] == label, odds[name][label][rows]))

    everything = np.arange(len(classes))
    answer: JsonObject = {"records": len(classes)}
    for which in (*(f"auroc_{label}" for label in LABELS), "auroc_macro", "f1_mean_NAO"):
        value = statistic(which)

        def difference(rows: NDArray[np.int64], value: Any = value) -> float:
            return float(value("edge", rows) - value("committee", rows))

        found = statistic_interval(difference, everything)
        answer[which] = {
            "edge": value("edge", everything),
            "committee": value("committee", everything),
            "difference": found.value,
            "difference_ci95": found.ends,
        }
    return answer


def _odds(logits: NDArray[np.float64], label: int) -> NDArray[np.float64]:
    log_probabilities = log_softmax(logits)
    others = np.delete(log_probabilities, label, axis=1)
    odds: NDArray[np.float64] = log_probabilities[:, label] - np.logaddexp.reduce(others, axis=1)
    return odds
