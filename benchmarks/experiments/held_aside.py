"""The shipped rhythm models on CinC 2017 records that no training of this project has seen.

``python -m benchmarks.experiments.held_aside --data FOLDER``

FOLDER holds the public training set of PhysioNet/CinC Challenge 2017: ``training2017.zip``
(or ``cinc2017_training2017.zip``), or the unpacked folder ``training2017`` with ``REFERENCE.csv``.
Held aside from every training are the records for which the number ``sha1("cinc2017/" + name)`` is
divisible by five: 1,752 of the 8,528. The labels are those of ``REFERENCE.csv`` (the second
version); ``--reference FILE`` takes another version.

Intervals resample recordings, since the data set names no people. ``--part development`` scores the
other records instead, most of which trained the models: it shows that the command works where the
held-aside records are not at hand, and its figures say nothing about new people.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.metrics.challenges import CINC2017_CLASSES, cinc2017_score
from ecgfoundry.metrics.classification import auroc, f1_scores
from ecgfoundry.metrics.intervals import statistic_interval
from ecgfoundry.recording import Recording

MODELS = ("rhythm-single-lead", "rhythm-single-lead-edge")
NAMES = ("normal", "atrial fibrillation", "other rhythm", "noisy")
"""Targets of the models in the order of ``CINC2017_CLASSES``."""
RATE = 300.0  # Hz, of every record
GAIN = 1000.0  # units per mV, of every record
PARTS = 5
ARCHIVES = ("training2017.zip", "cinc2017_training2017.zip")


def held_aside(name: str) -> bool:
    """Whether the record ``name`` (for example "A00001") is kept from every training."""
    digest = hashlib.sha1(f"cinc2017/{name}".encode(), usedforsecurity=False)
    return int(digest.hexdigest(), 16) % PARTS == 0


@dataclass(frozen=True)
class Answers:
    """What one model says about every record.

    ``probabilities`` (records, 4) in the order of ``NAMES``; a refused record counts as noisy.
    ``window`` is the same from the ten seconds in the middle of the record alone.
    """

    probabilities: NDArray[np.float64]
    window: NDArray[np.float64]
    refused: int


def records(data: Path, reference: Path | None) -> Iterator[tuple[str, int, NDArray[np.float64]]]:
    """Yield name, class and signal (samples,) in mV of every labelled record."""
    archive = next((data / name for name in ARCHIVES if (data / name).is_file()), None)
    if archive is not None:
        with zipfile.ZipFile(archive) as opened:
            files = {Path(name).name: name for name in opened.namelist()}
            text = opened.read(files["REFERENCE.csv"]).decode()
            for name, label in _labels(reference.read_text() if reference else text):
                if f"{name}.mat" in files:
                    yield name, label, _signal(io.BytesIO(opened.read(files[f"{name}.mat"])))
        return
    folder = data / "training2017" if (data / "training2017").is_dir() else data
    table = reference or folder / "REFERENCE.csv"
    if not table.is_file():
        raise SystemExit(f"{data} holds neither {' nor '.join(ARCHIVES)} nor training2017/")
    for name, label in _labels(table.read_text()):
        if (folder / f"{name}.mat").is_file():
            yield name, label, _signal(folder / f"{name}.mat")


def _labels(text: str) -> Iterator[tuple[str, int]]:
    for row in csv.reader(io.StringIO(text)):
        yield row[0], CINC2017_CLASSES.index(row[1])


def _signal(file: Any) -> NDArray[np.float64]:
    return np.asarray(scipy.io.loadmat(file)["val"][0], dtype=np.float64) / GAIN


def answer(predictor: Predictor, signals: Sequence[NDArray[np.float64]]) -> Answers:
    """Return the model's probabilities for whole records and for their middle ten seconds."""
    whole, window, refused = [], [], 0
    for signal in signals:
        middle = max(0, (len(signal) - round(10 * RATE)) // 2)
        for part, rows in (
            (signal, whole),
            (signal[middle : middle + round(10 * RATE)], window),
        ):
            recording = Recording.from_array(part[None], sampling_rate=RATE, leads=["I"], unit="mV")
            found = {f.name: f.probability for f in predictor.interpret(recording).findings}
            if any(found.get(name) is None for name in NAMES):
                refused += rows is whole
                rows.append([0.0, 0.0, 0.0, 1.0])
            else:
                rows.append([float(found[name] or 0.0) for name in NAMES])
    return Answers(np.array(whole), np.array(window), refused)


def figures(probabilities: NDArray[np.float64], classes: NDArray[np.int64]) -> dict[str, Any]:
    """Mean F1 of normal, AF and other, each F1, and the AUROC of AF, with 95 % intervals."""

    def score(rows: NDArray[np.int64]) -> float:
        return cinc2017_score(classes[rows], probabilities[rows].argmax(1))

    def ranking(rows: NDArray[np.int64]) -> float:
        return auroc(classes[rows] == 1, probabilities[rows, 1])

    every = np.arange(len(classes))
    result: dict[str, Any] = {"records": len(classes)}
    for name, statistic in (("mean F1", score), ("AF AUROC", ranking)):
        found = statistic_interval(statistic, every)
        result[name] = [found.value, found.low, found.high]
    each = f1_scores(classes, probabilities.argmax(1), len(NAMES))
    result["F1"] = dict(zip(NAMES, map(float, each), strict=True))
    return result


def row(model: str, what: str, found: Mapping[str, Any]) -> str:
    """Return a line of the printed table."""
    cells = [
        f"{value:.4f} ({low:.3f}-{high:.3f})"
        for value, low, high in (found["mean F1"], found["AF AUROC"])
    ]
    each = " ".join(f"{value:.3f}" for value in found["F1"].values())
    return f"| {model} | {what} | {found['records']} | {cells[0]} | {cells[1]} | {each} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Score the models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public set")
    parser.add_argument("--reference", type=Path, help="another version of REFERENCE.csv")
    parser.add_argument("--part", choices=("held-aside", "development"), default="held-aside")
    parser.add_argument("--most", type=int, help="at most so many records (for a trial)")
    parser.add_argument("--output", type=Path, help="write the figures as JSON, too")
    options = parser.parse_args(arguments)
    wanted = options.part == "held-aside"
    chosen = [
        found
        for found in records(options.data, options.reference)
        if held_aside(found[0]) == wanted
    ][: options.most]
    if not chosen:
        print(f"there are no records of the part '{options.part}' below {options.data}")
        return 1
    classes = np.array([label for _, label, _ in chosen])
    result: dict[str, Any] = {"part": options.part}
    print("| model | from | records | mean F1 (95 % interval) | AF AUROC | F1 N, A, O, ~ |")
    print("| --- | --- | --- | --- | --- | --- |")
    for model in MODELS:
        predictor = load_model(model)
        found = answer(predictor, [signal for _, _, signal in chosen])
        result[f"{model} {predictor.bundle.version}"] = {
            "record": (whole := figures(found.probabilities, classes)),
            "10 s": (window := figures(found.window, classes)),
            "refused": found.refused,
        }
        print(row(model, "whole record", whole))
        print(row(model, "its middle 10 s", window), flush=True)
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
