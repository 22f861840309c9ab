"""Recipe of the bundle ``rhythm-single-lead-edge``: a committee distilled into one small network.

For devices on which the committee of ``rhythm-single-lead`` is too large, and for many streams on
one machine: an eighth of its size and a tenth of its arithmetic. Data and parts are those of that
recipe.

The way to the weights:

1. The committee of :mod:`ecgfoundry.training.recipes.rhythm_single_lead` is made, or read.
2. One smaller network learns from the training part. Half of each target is the committee's answer
   to the very crop, augmented as it is; the other half is what the committee's own members learned
   from: reference labels blended with out-of-fold answers.
3. It is rounded to float16 and calibrated on the validation part.
4. The hold-out is measured once, beside the committee on the same recordings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from ecgfoundry.io import write_json
from ecgfoundry.metrics.calibration import Calibrator, cross_fitted_probabilities, log_softmax
from ecgfoundry.metrics.classification import auroc, f1_scores
from ecgfoundry.metrics.intervals import statistic_interval
from ecgfoundry.models.networks.counting import multiply_adds
from ecgfoundry.models.networks.rhythm import RhythmNet
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.training.recipes import rhythm_single_lead
from ecgfoundry.training.recipes.ensembles import (
    join_curves,
    save_half_precision,
)
from ecgfoundry.training.recipes.rhythm_single_lead import members
from ecgfoundry.training.recipes.rhythm_single_lead.data import (
    LABELS,
    SAMPLING_RATE,
    Array,
    load,
    prepared,
)
from ecgfoundry.training.recipes.rhythm_single_lead.measuring import (
    figures,
    measure,
    record_logits,
)

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


def run(
    data_zip: Path,
    output: Path,
    *,
    seed: int = 1,
    threads: int = 1,
    folds: int = 3,
    measure_holdout: bool = False,
) -> dict[str, Any]:
    """Train, calibrate and measure the bundle's network.

    Parameters
    ----------
    data_zip : Path
        ``training2017.zip`` of the challenge.
    output : Path
        Folder for the results. The committee's are in ``output.parent / COMMITTEE``, and are made
        there if they are missing.
    seed : int
        Decides the weights, together with the data and the number of threads.
    threads : int
        CPU threads of torch.
    folds : int
        Of the committee's recipe.
    measure_holdout : bool
        Look at the hold-out. Once, when nothing will be changed any more.

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
    committee = read_committee(source)
    rows = data.rows(*(f"fold{k}" for k in range(folds)))
    learned = members.train_member(
        NAME,
        data=data,
        rows=rows,
        targets=members.blended_targets(data, rows, members.out_of_fold_logits(data, (), source)),
        settings=replace(SETTINGS, seed=seed * 100 + 90, threads=threads),
        crop_shares=members.STUDENT_CROP_SHARES,
        output=output,
        architecture=ARCHITECTURE,
        teacher=committee,
    )
    network = round_to_float16(learned).eval()
    save_half_precision(network, output / "model.safetensors")
    write_json(output / "config.json", {"name": "rhythm-net", "configuration": network.config})
    join_curves([NAME], output / "members", output / "curves.jsonl")

    metrics = measure(data, network, output, holdout=measure_holdout)
    validation = data.rows("validation")
    metrics["validation_log_loss"] = {
        name: validation_log_loss(one, data.windows(validation), data.classes[validation])
        for name, one in (("edge", network), ("committee", committee))
    }
    metrics["parameters"] = sum(p.numel() for p in network.parameters())
    metrics["multiply_adds"] = {
        f"{seconds} s": multiply_adds(network, (1, round(seconds * SAMPLING_RATE)))
        for seconds in (10, 30)
    }
    if measure_holdout:
        rows = data.rows("holdout")
        metrics["holdout_against_committee"] = {
            f"{seconds:g} s": against_committee(
                (network, calibrator(output)), (committee, calibrator(source)),
                prepared([data.raw[i] for i in rows], seconds), data.classes[rows],
            )
            for seconds in (30.0, 10.0)
        }  # fmt: skip
    write_json(output / "metrics.json", metrics)
    return metrics


def read_committee(folder: Path) -> RhythmNet:
    """Read the committee as it is shipped."""
    configuration = json.loads((folder / "config.json").read_text())["configuration"]
    committee = RhythmNet(**configuration)
    committee.load_state_dict(load_file(folder / "model.safetensors"))
    return committee.eval()


def validation_log_loss(
    network: RhythmNet, inputs: Sequence[Sequence[Array]], classes: NDArray[np.int64]
) -> float:
    """Log loss of the recordings with calibration cross-fitted, of the rounded network."""
    logits = record_logits(round_to_float16(network), inputs)
    probabilities = cross_fitted_probabilities(
        logits, classes, np.arange(len(classes)), method="vector", multiclass=True
    )
    return figures(np.log(probabilities), classes)["log_loss"]


def calibrator(folder: Path) -> Calibrator:
    """Return the calibrator of recordings that a recipe has left behind."""
    document = json.loads((folder / "calibration.json").read_text())
    return Calibrator.from_dict(document["calibration"]["record"])


def against_committee(
    edge: tuple[RhythmNet, Calibrator],
    committee: tuple[RhythmNet, Calibrator],
    inputs: Sequence[Sequence[Array]],
    classes: NDArray[np.int64],
) -> dict[str, Any]:
    """Compare two calibrated networks on the same recordings.

    Returns
    -------
    dict
        AUROC of each class against all others, their mean (``macro``) and the mean F1 of N, A and
        O: of ``edge``, of ``committee``, and edge less committee with its 95 % interval (1,000
        draws of recordings, the same for both).
    """
    logits = {
        name: np.log(one.probabilities(record_logits(network, inputs), multiclass=True))
        for name, (network, one) in (("edge", edge), ("committee", committee))
    }
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
    answer: dict[str, Any] = {"records": len(classes)}
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
