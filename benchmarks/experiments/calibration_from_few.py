"""What ``ecgfoundry calibrate`` gains from a few labelled records of a new site, on its others.

``python -m benchmarks.experiments.calibration_from_few --data FOLDER --work WORK [--draws 200]``

``ptbxl-superclass-12lead`` as it is shipped, on two sites: fold 9 of PTB-XL, from which its weights
did not learn (its calibration did, so that nothing is to be gained there), and LUDB, another
clinic. FOLDER and WORK are those of :mod:`benchmarks.experiments.outside_evaluation`. Of each draw
some records calibrate, and the others are measured, by the method of the command (Platt's per
target on the logits; a constant factor and offset, the calibration of before, change nothing in
it). Printed: log
loss and Brier score over the targets with labels, and their mean F1 at the thresholds, before ->
after; means over the draws, and the 2.5th and 97.5th percentile of the gain in log loss.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments.outside_evaluation import INTERNAL, SETS, SUPERCLASS, answers
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.tasks.base import Task
from ecgfoundry.tasks.readout import Readout

SIZES = (50, 100)

Float64 = NDArray[np.float64]


def losses(answers: Float64, limits: Float64, truth: Float64) -> Float64:
    """Return log loss, Brier score and mean F1 over the labels that are known, (3,)."""
    known = np.isfinite(truth)
    p, y = np.clip(answers[known], 1e-6, 1 - 1e-6), truth[known]
    log_loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    decided = answers >= limits
    found = [
        2 * (d & (t == 1)).sum() / max(1, d.sum() + (t == 1).sum())
        for d, t in ((decided[k, c], truth[k, c]) for c, k in enumerate(known.T))
    ]
    return np.array([log_loss, np.square(p - y).mean(), np.mean(found)])


def gains(
    task: Task, probabilities: Float64, truth: Float64, size: int, draws: int
) -> NDArray[np.float64]:
    """Return the losses before and after, (draws, 2, 3)."""
    generator = np.random.default_rng(size)
    logits = np.log(probabilities / (1.0 - probabilities))
    bare, shipped = task.with_readout(Readout()), _limits(task)
    found = []
    for _ in range(draws):
        fit = np.zeros(len(truth), bool)
        fit[generator.permutation(len(truth))[:size]] = True
        own, fitted = bare.recalibrated(logits[fit], truth[fit], source="draw")
        # A target with too few labels keeps what it had, as in the command.
        kept = np.array([name not in fitted for name in task.vocabulary.names])
        after = np.where(kept, probabilities[~fit], own.answers(logits[~fit]))
        limits = np.where(kept, shipped, _limits(own))
        others = truth[~fit]
        found.append([
            losses(probabilities[~fit], shipped, others), losses(after, limits, others)
        ])  # fmt: skip
    return np.array(found)


def _limits(task: Task) -> Float64:
    return np.array([np.inf if one is None else one for one in task.thresholds], dtype=np.float64)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=200)
    chosen = parser.parse_args()
    task = load_model(SUPERCLASS, threads=1).bundle.task
    names = task.vocabulary.names
    print("| site | records | calibrate | log loss | Brier score | mean F1 | gain in log loss |")
    print("|---|---|---|---|---|---|---|")
    for outside in (*INTERNAL, *SETS):
        if outside.model != SUPERCLASS or outside.name not in ("ptbxl9", "ludb"):
            continue
        units = [u for u in answers(outside, chosen.data, chosen.work) if "scores" in u]
        probabilities = np.array([[u["scores"][name] for name in names] for u in units])
        labels = [[u["labels"].get(name) for name in names] for u in units]
        truth = np.array(labels, dtype=np.float64)
        for size in SIZES:
            table = gains(task, probabilities, truth, size, chosen.draws)
            low, high = np.quantile(table[:, 0, 0] - table[:, 1, 0], (0.025, 0.975))
            cells = " | ".join(f"{a:.3f} -> {b:.3f}" for a, b in table.mean(axis=0).T)
            print(
                f"| {outside.title} | {len(units)} | {size} | {cells} | {low:+.3f} to {high:+.3f} |"
            )


if __name__ == "__main__":
    main()
