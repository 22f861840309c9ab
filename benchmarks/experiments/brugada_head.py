"""A head for Brugada syndrome on a shipped network, beside the type 1 criterion.

``python -m benchmarks.experiments.brugada_head --data FOLDER --work WORK``

FOLDER holds ``brugada_huca.zip``. Five folds by person (the two copies of one recording in one
fold): each in turn is measured by a network that learned from three others; its threshold is that
of the largest Youden index in the fourth (a bundle takes none from nine people). Records whose
diagnosis the set does not explain are left out.
Nothing was chosen by these figures: the settings are those of ``finetune`` without an option but
``--mode``. WORK keeps the runs; the same command goes on where it was.

Printed: AUROC (95 %, DeLong or draws of people), sensitivity and specificity (Wilson) of every
mode, and of the statement BRUGADA TYPE 1 PATTERN on the same records.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ecgfoundry
from benchmarks.experiments.statements import BRUGADA, opened
from ecgfoundry.criteria import state
from ecgfoundry.datasets import read_dataset
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.manifest import Manifest
from ecgfoundry.manifest.splits import fold_by_patient
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.metrics.decisions import wilson_interval, youden_threshold
from ecgfoundry.metrics.intervals import statistic_interval
from ecgfoundry.training.settings import FinetuneSettings

TARGET = "Brugada syndrome"
STATEMENT = "BRUGADA TYPE 1 PATTERN"
FOLDS = 5
MODES = ("probe",)

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


def labelled(folder: Path) -> Manifest:
    """Return the rows whose diagnosis is explained."""
    found = read_dataset("brugada-huca", folder).manifest
    rows = [replace(row, targets={TARGET: row.targets[TARGET]}) for row in found]
    return found.with_rows(tuple(row for row in rows if row.targets[TARGET] is not None))


def in_turn(manifest: Manifest, folds: NDArray[np.int64], fold: int) -> Manifest:
    """Return the rows with the splits of one turn: a fold to measure, one to calibrate."""
    names = np.full(len(folds), "train", dtype=object)
    names[folds == fold] = "test"
    names[folds == (fold + 1) % FOLDS] = "validation"
    rows = zip(manifest.rows, names, strict=True)
    return manifest.with_rows(tuple(replace(row, split=name) for row, name in rows))


def cross_validated(
    manifest: Manifest, folds: NDArray[np.int64], mode: str, work: Path
) -> tuple[Float64, Bool]:
    """Return the probability of every record and whether it is claimed, out of fold."""
    sick = manifest.targets([TARGET])[:, 0] == 1
    probability = np.full(len(manifest), np.nan)
    claimed = np.zeros(len(manifest), dtype=np.bool_)
    for fold in range(FOLDS):
        output = work / f"{mode}-{fold}"
        settings = FinetuneSettings(mode=mode)
        ecgfoundry.finetune(in_turn(manifest, folds, fold), output, settings=settings, say=print)
        predictor = ecgfoundry.load_model(output / "bundle", threads=1)
        choosing = np.flatnonzero(folds == (fold + 1) % FOLDS)
        threshold = youden_threshold(sick[choosing], answers(predictor, manifest, choosing))
        own = np.flatnonzero(folds == fold)
        probability[own] = answers(predictor, manifest, own)
        claimed[own] = probability[own] >= threshold
    return probability, claimed


def answers(predictor: Predictor, manifest: Manifest, rows: NDArray[np.int64]) -> Float64:
    """Return the probabilities of some records."""
    found = [predictor.interpret(manifest.open(manifest.rows[k])).findings for k in rows]
    return np.array([finding.probability for (finding,) in found], dtype=np.float64)


def stated(manifest: Manifest) -> Bool:
    """Return whether the criterion says type 1 of every record."""
    answers = []
    for row in manifest:
        found = {s.name: s for s in state(ecgfoundry.measure(manifest.open(row)))}
        answers.append(bool(found[STATEMENT].present) if STATEMENT in found else False)
    return np.array(answers)


def share(hits: Bool) -> str:
    """Return a share with its interval."""
    low, high = wilson_interval(np.array([hits.sum()]), np.array([len(hits)]))
    return f"{hits.mean():.2f} ({low[0]:.2f} to {high[0]:.2f}), {hits.sum()} of {len(hits)}"


def row(name: str, sick: Bool, claimed: Bool, probability: Float64 | None, people: object) -> str:
    """Return a line of the table."""
    area = "–"
    if probability is not None:
        known = np.isfinite(probability)
        values, truth = probability[known], sick[known]
        found = statistic_interval(
            lambda rows: auroc(truth[rows], values[rows]), np.asarray(people)[known]
        )
        low, high = found.ends or (float("nan"), float("nan"))
        area = f"{found.value:.3f} ({low:.3f} to {high:.3f}), {known.sum()} records"
    return f"| {name} | {area} | {share(claimed[sick])} | {share(~claimed[~sick])} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--modes", nargs="+", default=MODES, choices=("probe", "lora", "full"))
    chosen = parser.parse_args()
    with opened(chosen.data / BRUGADA) as folder:
        manifest = labelled(next(folder.rglob("metadata.csv")).parent)
        sick = manifest.targets([TARGET])[:, 0] == 1
        folds, people = fold_by_patient(manifest, [TARGET], folds=FOLDS), manifest.groups()
        lines = [row("criterion: type 1", sick, stated(manifest), None, people)]
        for mode in chosen.modes:
            probability, claimed = cross_validated(manifest, folds, mode, chosen.work)
            lines.append(row(f"finetune --mode {mode}", sick, claimed, probability, people))
    print("| | AUROC | sensitivity | specificity |\n|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
