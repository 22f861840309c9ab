"""Does the review of labels find labels that were found wrong: CinC 2017, version 2 against 3.

``python -m benchmarks.experiments.label_review --data FOLDER``

FOLDER holds ``cinc2017_training2017.zip`` (labels of version 2) and ``cinc2017_reference_v3.csv``.
Of the records there, version 3 changed some (117 of 6,776). Each label of version 2 is scored as
``ecgfoundry review`` does, by trees on measured features that never saw the record, and by their
bare self-confidence; the table gives the AUROC of "was changed" (95 % interval), the share of
changed labels among the first 50, and how many of the changed ones the first 200 hold. The data set
names no people. The changes are what one further panel decided, not all errors.
Confidence-weighted entropy was chosen among ten scores on these very changes, so its figures are
somewhat too good.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments import held_aside
from ecgfoundry.evaluation.label_review import FOLDS, MODELS, crossed_probabilities
from ecgfoundry.measurements.features import FEATURE_NAMES, hand_crafted_features
from ecgfoundry.metrics.intervals import metric_interval
from ecgfoundry.metrics.label_errors import label_suspicion

Float64 = NDArray[np.float64]


def measured(data: Path, most: int | None) -> tuple[list[str], NDArray[np.int64], Float64]:
    """Return names, classes (version 2) and features of every record."""
    names, classes, rows = [], [], []
    for name, label, signal in held_aside.records(data, None):
        if most is not None and len(names) >= most:
            break
        found = hand_crafted_features(signal[None], held_aside.RATE, ["I"])
        names.append(name)
        classes.append(label)
        rows.append([*(found[key] for key in FEATURE_NAMES), len(signal) / held_aside.RATE])
    return names, np.array(classes), np.array(rows)


def row(what: str, scores: Float64, changed: NDArray[np.bool_]) -> str:
    """Return a line of the table; a larger score is more suspicious."""
    area = metric_interval("auroc", changed.astype(np.float64), scores)
    order = np.argsort(-scores, kind="stable")
    first, further = changed[order[:50]].mean(), int(changed[order[:200]].sum())
    return (
        f"| {what} | {area.value:.3f} ({area.low:.3f}-{area.high:.3f}) | {first:.2f} | "
        f"{further} of {int(changed.sum())} |"
    )


def self_confidence(probabilities: Float64, classes: NDArray[np.int64]) -> Float64:
    """Return one less the probability of the given class."""
    result: Float64 = 1.0 - probabilities[np.arange(len(classes)), classes]
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--most", type=int, help="at most so many records (for a trial)")
    parser.add_argument("--kept", type=Path, help="file in which features are kept between runs")
    options = parser.parse_args(arguments)
    if options.kept is not None and options.kept.is_file():
        with np.load(options.kept) as stored:
            names, classes, features = stored["names"].tolist(), stored["labels"], stored["feats"]
    else:
        names, classes, features = measured(options.data, options.most)
        if options.kept is not None:
            np.savez(options.kept, names=names, labels=classes, feats=features)
    text = (options.data / "cinc2017_reference_v3.csv").read_text(encoding="utf-8")
    later = dict(row[:2] for row in csv.reader(text.splitlines()) if row)
    letters = held_aside.CINC2017_CLASSES
    changed = np.array([letters[c] != later[n] for n, c in zip(names, classes, strict=True)])
    folds = [np.random.default_rng(k).permutation(len(names)) % FOLDS for k in range(MODELS)]
    one = crossed_probabilities(features, classes, folds[:1])
    several = crossed_probabilities(features, classes, folds)
    print(f"{len(names)} records, {int(changed.sum())} changed, "
          f"{float((several.argmax(1) == classes).mean()):.3f} answered as labelled")  # fmt: skip
    print("| score | AUROC | changed of the first 50 | changed among the first 200 |")
    print("| --- | --- | --- | --- |")
    print(row("self-confidence, one model", self_confidence(one, classes), changed))
    print(row(f"self-confidence, {MODELS} models", self_confidence(several, classes), changed))
    print(
        row(
            "confidence-weighted entropy (`ecgfoundry review`)",
            label_suspicion(several, classes).score,
            changed,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
