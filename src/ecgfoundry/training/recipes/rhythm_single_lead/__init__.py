"""Recipe of the bundle ``rhythm-single-lead``: rhythm from one lead of any length.

Data: the training set of the PhysioNet/CinC Challenge 2017 (Clifford et al. 2017; ODC-By 1.0),
single-lead AliveCor recordings of 9 to 61 s at 300 Hz, labels version 2: normal, atrial
fibrillation, other rhythm, noisy.

The way to the weights:

1. The recordings are parted into training (75 %), validation (10 %) and hold-out (15 %) by a hash
   of their names, class by class.
2. Teachers: inside the training part, one network per fold learns from the other folds and
   predicts the fold it has not seen.
3. Students: networks of the same kind learn from all training recordings. Their targets are the
   reference labels blended with the teachers' out-of-fold probabilities, which takes weight from
   labels that no teacher can explain; a good share of the labels of this data set is disputed.
4. The committee of the students is rounded to float16 and calibrated on the validation part. The
   hold-out is measured once, at the end.

Every stage leaves a file and is skipped when that file is there: an interrupted run continues.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.io import write_json
from ecgfoundry.models.networks.rhythm import RhythmNet
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.training.recipes.ensembles import join_curves, save_half_precision
from ecgfoundry.training.recipes.rhythm_single_lead.data import LABELS, NAMES, load, read
from ecgfoundry.training.recipes.rhythm_single_lead.measuring import figures, measure
from ecgfoundry.training.recipes.rhythm_single_lead.members import (
    out_of_fold_logits,
    students,
    teachers,
)

__all__ = ["LABELS", "NAMES", "read", "run"]


def run(
    data_zip: Path,
    output: Path,
    *,
    seed: int = 1,
    threads: int = 1,
    folds: int = 3,
    student_count: int = 4,
    committee: Sequence[str] | None = None,
    measure_holdout: bool = False,
) -> dict[str, Any]:
    """Train, calibrate and measure the bundle's network.

    Parameters
    ----------
    data_zip : Path
        ``training2017.zip`` of the challenge.
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
    committee : sequence of str, optional
        Members that are joined, for instance ``["teacher0", "student0"]``; None joins the
        students (with the teachers the validation log loss was higher).
    measure_holdout : bool
        Look at the hold-out. Once, when nothing will be changed any more.

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

    members = teachers(data, folds=folds, seed=seed, threads=threads, output=output)
    members += students(
        data,
        members,
        folds=folds,
        count=student_count,
        seed=seed,
        threads=threads,
        output=output,
    )
    names = [f"teacher{k}" for k in range(folds)] + [f"student{k}" for k in range(student_count)]
    chosen = list(committee) if committee is not None else names[folds:]
    joined = RhythmNet.committee([members[names.index(name)] for name in chosen])
    network = round_to_float16(joined).eval()
    save_half_precision(network, output / "model.safetensors")
    write_json(output / "config.json", {"name": "rhythm-net", "configuration": network.config})
    join_curves(names, output / "members", output / "curves.jsonl")

    metrics = measure(data, network, output, holdout=measure_holdout)
    answers = out_of_fold_logits(data, members, output)
    metrics["teachers_out_of_fold"] = {
        "records": len(answers),
        **figures(np.stack(list(answers.values())), data.classes[list(answers)]),
    }
    metrics["committee"] = chosen
    metrics["parameters"] = sum(p.numel() for p in network.parameters())
    write_json(output / "metrics.json", metrics)
    return metrics
