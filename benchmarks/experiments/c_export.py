"""What a C export loses: AUROC of its two kinds against the model, on a hold-out of CinC 2017.

``python -m benchmarks.experiments.c_export --data FOLDER``

FOLDER holds the training set of PhysioNet/CinC Challenge 2017 (see
``benchmarks.experiments.held_aside``). Records are those marked ``holdout`` in
``docs/training-logs/rhythm-single-lead/splits.csv``: no training saw them, and models of this
project were measured on them before. The files are compiled here and run as they are delivered, at
300 Hz; a record's answer is the mean of its windows' logits, calibrated. Intervals of the
differences are of 1,000 bootstrap draws of records.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.c_models import CompiledModel
from benchmarks.experiments.held_aside import NAMES, RATE, records
from ecgfoundry.inference.exporting import export_bundle
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.preprocessing import standardize_window
from ecgfoundry.signals.windows import window_bounds

SPLITS = Path(__file__).parents[2] / "docs" / "training-logs" / "rhythm-single-lead" / "splits.csv"
DRAWS = 1000

Windows = list[NDArray[np.float32]]


def holdout(data: Path) -> tuple[NDArray[np.int64], list[Windows]]:
    """Return the classes and the raw windows of the records that no training saw."""
    with SPLITS.open(encoding="utf-8", newline="") as file:
        kept = {row["record"] for row in csv.DictReader(file) if row["part"] == "holdout"}
    labels, windows = [], []
    for name, label, signal in records(data, None):
        if name in kept:
            bounds = window_bounds(len(signal), RATE, 30.0)
            labels.append(label)
            windows.append([signal[a:b].astype(np.float32) for a, b in bounds])
    return np.array(labels), windows


def model_probabilities(predictor: Predictor, windows: list[Windows]) -> NDArray[np.float64]:
    """Return (records, classes) of the model in Python."""
    recipe, task = predictor.bundle.recipe, predictor.bundle.task
    result = []
    for record in windows:
        x = np.stack([standardize_window(w[np.newaxis], RATE, recipe) for w in record])
        logits = predictor.logits(x).astype(np.float64).mean(axis=0)
        result.append(task.answers(logits))
    return np.stack(result)


def c_probabilities(model: CompiledModel, windows: list[Windows]) -> NDArray[np.float64]:
    """Return (records, classes) of the compiled files."""
    result = []
    for record in windows:
        answers = [model.answer(window) for window in record]
        refused = [answer.status for answer in answers if answer.status]
        if refused:
            raise SystemExit(f"a window was refused with status {refused[0]}")
        mean = np.mean([answer.logits for answer in answers], axis=0)
        result.append(model.decide(mean).probabilities.astype(np.float64))
    return np.stack(result)


def difference(
    labels: NDArray[np.int64], base: NDArray[np.float64], other: NDArray[np.float64], target: int
) -> tuple[float, float, float]:
    """Return the AUROC of ``other`` less that of ``base``, and its 95 % interval."""
    truth = (labels == target).astype(float)

    def apart(rows: NDArray[np.int64]) -> float:
        return auroc(truth[rows], other[rows, target]) - auroc(truth[rows], base[rows, target])

    generator = np.random.default_rng(0)
    draws = [apart(generator.integers(len(labels), size=len(labels))) for _ in range(DRAWS)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return apart(np.arange(len(labels))), float(low), float(high)


def main(arguments: list[str] | None = None, print: Callable[[str], object] = print) -> int:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="rhythm-single-lead-edge")
    chosen = parser.parse_args(arguments)
    labels, windows = holdout(chosen.data)
    predictor = load_model(chosen.model, runtime="onnxruntime")
    base = model_probabilities(predictor, windows)
    print(f"{len(labels)} records, {sum(map(len, windows))} windows\n")
    print("| kind | class | AUROC | less that of the model (95 % interval) |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        export = export_bundle(chosen.model, Path(folder) / "c", format="c", sampling_rate=RATE)
        for kind in ("float", "int8"):
            compiled = CompiledModel(
                export, len(NAMES), int8=kind == "int8", options=("-O3", "-march=native")
            )
            found = c_probabilities(compiled, windows)
            for target, name in enumerate(NAMES):
                apart, low, high = difference(labels, base, found, target)
                area = auroc((labels == target).astype(float), found[:, target])
                print(
                    f"| {kind} | {name} | {area:.4f} | {apart:+.5f} ({low:+.5f} to {high:+.5f}) |"
                )
            same = float((found.argmax(axis=1) == base.argmax(axis=1)).mean())
            largest = float(np.abs(found - base).max())
            print(f"| {kind} | same answer {same:.2%} | | largest difference {largest:.1e} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
