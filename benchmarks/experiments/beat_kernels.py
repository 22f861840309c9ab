"""Does a kernel regression on averaged beats add to the networks of ``diagnosis-12lead``.

``python -m benchmarks.experiments.beat_kernels --data FOLDER [--work WORK]``

The records, folds and averaged beats are those of the recipe. Two records are alike by the mean
over leads of a Gaussian kernel of their averaged beats, with a tenth of the spread around them and
a tenth of rhythm and limb scales, squared; ridge regression on that likeness answers each
superclass, out of fold by person. Printed: AUROC as the beats are and compressed, sign(x)
log(1 + c|x|). With ``--work``, the recipe's folder (``train-defaults`` leaves it in
``WORK/diagnosis-12lead``), the sum of its networks' out-of-fold logits and five times the
regression's answer, and the paired gain (95 %, draws of people). The factor five was chosen on half
of these records (2 to 8 differ by less than 0.001), compression, shares and ridge on all of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from benchmarks.experiments.beside_networks import Judged
from ecgfoundry.training.recipes.diagnosis_12lead.data import FOLD_GROUPS, Records, joined
from ecgfoundry.training.recipes.diagnosis_12lead.sources import read_sources
from ecgfoundry.training.recipes.ptbxl_superclass.data import TARGETS, all_leads, lead_subsets
from ecgfoundry.training.recipes.ptbxl_superclass.measuring import presence_of, subset_views
from ecgfoundry.training.recipes.ptbxl_superclass.views import unpack

COMPRESSIONS = (0.0, 1.0, 3.0, 10.0)
CHOSEN = 3.0
RIDGE = 1.0
BESIDE = 0.1
"""Share of the spread, and of rhythm and scales, in a likeness."""
WEIGHT = 5.0

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def compressed(values: Float32, by: float) -> Float32:
    """Return sign(x) log(1 + by |x|); ``values`` themselves for 0."""
    if by == 0:
        return values
    result: Float32 = np.sign(values) * np.log1p(by * np.abs(values))
    return result


def gaussian(rows: Float32) -> Float32:
    """Return the likeness exp(-d / 2) of all pairs of rows, d in units of the median d.

    d is the squared distance.
    """
    power = (rows * rows).sum(axis=1)
    distance = np.maximum(power[:, None] + power - 2 * rows @ rows.T, 0.0)
    result: Float32 = np.exp(-0.5 * distance / np.median(distance))
    return result


def likeness(records: Records, leads: str, by: float) -> Float32:
    """Return the likeness of all pairs of records, shown by some leads."""
    views, _ = unpack(subset_views(records.signal, lead_subsets()[leads]))
    there = np.flatnonzero(presence_of(lead_subsets()[leads]))
    average, spread = (compressed(part.numpy(), by)[:, there] for part in views[:2])
    facts = np.concatenate([part.numpy() for part in views[2:]], axis=1)
    facts = (facts - facts.mean(axis=0)) / (facts.std(axis=0) + 1e-3)
    beats, around = (
        np.mean([gaussian(part[:, k]) for k in range(len(there))], axis=0)
        for part in (average, spread)
    )
    result: Float32 = ((1 - 2 * BESIDE) * beats + BESIDE * (around + gaussian(facts))) ** 2
    return result


def out_of_fold(alike: Float32, records: Records) -> Float64:
    """Return the regression's answers (records, 5); a target that is not known is the mean."""
    result = np.zeros((len(alike), len(TARGETS)))
    for folds in FOLD_GROUPS:
        judged = np.isin(records.fold, folds)
        targets = records.targets[~judged, : len(TARGETS)].astype(np.float64)
        targets = np.nan_to_num(targets - np.nanmean(targets, axis=0))
        square = alike[np.ix_(~judged, ~judged)].astype(np.float64)
        square[np.diag_indices_from(square)] += RIDGE
        result[judged] = alike[np.ix_(judged, ~judged)] @ cho_solve(cho_factor(square), targets)
    return result


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path)
    chosen = parser.parse_args()
    records = joined(read_sources(chosen.data))
    judged = Judged.of(records)
    for leads in (all_leads(), "I"):
        found = {by: out_of_fold(likeness(records, leads, by), records) for by in COMPRESSIONS}
        for by, answers in found.items():
            judged.show(leads, f"regression, c = {by:g}", answers[judged.rows])
        if chosen.work is None:
            continue
        judged.beside(chosen.work, leads, "regression", WEIGHT * found[CHOSEN][judged.rows])


if __name__ == "__main__":
    main()
