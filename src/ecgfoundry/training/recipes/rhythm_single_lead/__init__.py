"""Recipe of the bundle ``rhythm-single-lead``: rhythm from one lead of any length.

Data: the training set of the PhysioNet/CinC Challenge 2017 (Clifford et al. 2017; ODC-By 1.0),
single-lead AliveCor recordings of 9 to 61 s at 300 Hz: normal, atrial fibrillation, other rhythm,
noisy. Beside it lie the labels of version 3, and, where they are there, MIT-BIH, LUDB, a part of
CinC 2020/2021 and of PTB-XL (:mod:`.sources`).

The way to the weights:

1. The recordings are parted into training (75 %), validation (10 %) and hold-out (15 %) by a hash
   of their names, class by class.
2. First stage, labels version 2. Teachers: inside the training part, one network per fold learns
   from the other folds and predicts the fold it has not seen. Students: networks of the same kind
   learn from all training recordings; their targets are the labels blended with the teachers'
   out-of-fold probabilities. The students form a committee (version 1 of the bundle).
3. Second stage (:mod:`.refining`): two students go on learning, with labels version 3, noise in
   the ECG's own band and leads of other data sets. What has learned from the training part is
   measured and calibrated on the quarter left out; a few more epochs with all recordings end in
   the weights that are shipped.

Every stage leaves a file and is skipped when that file is there: an interrupted run continues, and
``model.safetensors`` and ``config.json`` of version 1 in ``first/`` spare the first stage.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from ecgfoundry.documents import JsonObject
from ecgfoundry.io import write_json
from ecgfoundry.models.networks.rhythm import RhythmNet
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.recipes.ensembles import join_curves, save_arrays, save_half_precision
from ecgfoundry.training.recipes.rhythm_single_lead import refining
from ecgfoundry.training.recipes.rhythm_single_lead.data import LABELS, NAMES, Data, load, read
from ecgfoundry.training.recipes.rhythm_single_lead.measuring import (
    measure,
    record_logits,
    short_window_calibration,
)
from ecgfoundry.training.recipes.rhythm_single_lead.members import Diet, students, teachers
from ecgfoundry.training.recipes.rhythm_single_lead.sources import KnownRhythm, known_rhythms

__all__ = [
    "LABELS",
    "NAMES",
    "first_answers",
    "first_stage",
    "read",
    "read_network",
    "run",
    "second_stage",
    "write_network",
]


def run(
    data_zip: Path,
    output: Path,
    *,
    seed: int = 1,
    threads: int = 1,
    folds: int = 3,
    student_count: int = 4,
) -> JsonObject:
    """Train, calibrate and measure the bundle's network.

    Parameters
    ----------
    data_zip : Path
        ``training2017.zip`` of the challenge; the other data lie beside it.
    output : Path
        Folder for the results and for what an interrupted run continues from.
    seed : int
        Decides the weights, together with the data and the number of threads.
    threads : int
        CPU threads of torch.
    folds : int
        Teachers.
    student_count : int
        Students.

    Returns
    -------
    dict
        What is written to ``metrics.json``.

    Notes
    -----
    Writes ``model.safetensors`` (float16), ``config.json``, ``calibration.json``,
    ``metrics.json``, ``curves.jsonl``, ``splits.csv``.
    """
    output.mkdir(parents=True, exist_ok=True)
    data = load(data_zip, folds)
    with (output / "splits.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["record", "label", "part"])
        labels = [LABELS[c] for c in data.classes]
        writer.writerows(zip(data.names, labels, data.part, strict=True))
    others = known_rhythms(data_zip.parent)
    first = first_stage(
        data, output / "first", folds=folds, count=student_count, seed=seed, threads=threads
    )
    return second_stage(
        data, others, list(zip(refining.separate(first), refining.DIETS, strict=False)),
        first_answers(data, first, output / "first"), output,
        seed=seed, threads=threads, settings=refining.SETTINGS,
    )  # fmt: skip


def first_stage(
    data: Data, folder: Path, *, folds: int, count: int, seed: int, threads: int
) -> RhythmNet:
    """Return the committee of the first stage, made or read."""
    if not (folder / "model.safetensors").exists():
        taught = teachers(data, folds=folds, seed=seed, threads=threads, output=folder)
        learned = students(
            data, taught, folds=folds, count=count, seed=seed, threads=threads, output=folder
        )
        committee = round_to_float16(RhythmNet.committee(learned))
        write_network(committee, folder)
    return read_network(folder)


def first_answers(data: Data, committee: RhythmNet, folder: Path) -> NDArray[np.float64]:
    """Return what the first committee says of every recording, (recordings, classes)."""
    path = folder / "answers.npz"
    if not path.exists():
        everything = np.arange(len(data.names))
        save_arrays(path, {"logits": record_logits(committee, data.windows(everything))})
    with np.load(path) as stored:
        answers: NDArray[np.float64] = stored["logits"]
    return answers


def second_stage(
    data: Data,
    others: Sequence[KnownRhythm],
    learners: Sequence[tuple[RhythmNet, Diet]],
    answers: NDArray[np.float64],
    output: Path,
    *,
    seed: int,
    threads: int,
    settings: FitSettings,
) -> JsonObject:
    """Refine networks, measure them, let them learn from all recordings; write what a bundle needs.

    Parameters
    ----------
    data : Data
    others : sequence of KnownRhythm
    learners : sequence of (RhythmNet, Diet)
        Networks of the first stage, which are changed, and how each sees the other data sets.
    answers : ndarray
        What the first stage's committee says of every recording, (recordings, classes).
    output : Path
        The recipe's folder.
    seed, threads : int
    settings : FitSettings

    Returns
    -------
    dict
        What is written to ``metrics.json``.
    """
    every = np.flatnonzero(data.part != "duplicate")
    joined = {}
    for name, rows, chosen in (
        ("measured", data.learned, settings),
        ("all", every, refining.closing(settings)),
    ):
        networks = [
            refining.refined_member(
                f"member{k}", network, refining.Lessons.of(data, rows, answers, others, diet),
                seed=seed * 200 + k, threads=threads, folder=output / name, settings=chosen,
            )
            for k, (network, diet) in enumerate(learners)
        ]  # fmt: skip
        joined[name] = round_to_float16(RhythmNet.committee(networks)).eval()
    network = joined["all"]
    write_network(network, output)
    write_network(joined["measured"], output / "measured")
    names = [f"member{k}" for k in range(len(learners))]
    join_curves(names, output / "all", output / "curves.jsonl")

    metrics = measure(data, joined["measured"], output)
    short = short_window_calibration(data, joined["measured"], network, output)
    metrics["left_out_10s_calibration"] = short
    metrics["records"] = {"measured": len(data.learned), "all": len(every)}
    metrics["others"] = dict(Counter(one.name.split("/")[0] for one in others))
    metrics["parameters"] = sum(p.numel() for p in network.parameters())
    write_json(output / "metrics.json", metrics)
    return metrics


def write_network(network: RhythmNet, folder: Path) -> None:
    """Write weights in half precision and the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    save_half_precision(network, folder / "model.safetensors")
    write_json(folder / "config.json", {"name": "rhythm-net", "configuration": network.config})


def read_network(folder: Path) -> RhythmNet:
    """Read a network as a recipe has left it."""
    configuration = json.loads((folder / "config.json").read_text())["configuration"]
    network = RhythmNet(**configuration)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return network.eval()
