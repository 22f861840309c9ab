"""Do trees on measured features add to the networks of ``diagnosis-12lead``.

``python -m benchmarks.experiments.measured_trees --data FOLDER [--work WORK]``

Records and folds are those of the recipe. The 196 features of ``ecgfoundry.measurements`` (with
lead I alone 58) are measured on the standardized leads, so that amplitudes are in standard
deviations of their lead; extremely randomized trees answer each superclass, out of fold by person.
With ``--work``, the recipe's folder with ``out_of_fold.npz``, also the sum of its networks' logits
and three times the trees' share, and the paired gain (95 %, draws of people).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from benchmarks.experiments.beside_networks import Judged
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.features import feature_matrix
from ecgfoundry.training.recipes.diagnosis_12lead.data import FOLD_GROUPS, Records, joined
from ecgfoundry.training.recipes.diagnosis_12lead.sources import SAMPLING_RATE, read_sources
from ecgfoundry.training.recipes.ptbxl_superclass.data import TARGETS, all_leads

TREES, LEAST_LEAF, SHARE = 150, 3, 0.2
"""Trees, records in a leaf and share of the features tried at a split: not searched. The features'
ranks were read in a run before."""
WEIGHT = 3.0

Float64 = NDArray[np.float64]


def filled(features: Float64) -> Float64:
    """Return the features that are measurable at all, with medians where one is not."""
    there = features[:, ~np.isnan(features).all(axis=0)]
    return np.where(np.isnan(there), np.nanmedian(there, axis=0), there)


def out_of_fold(features: Float64, records: Records) -> Float64:
    """Return the trees' share of each superclass, (records, 5)."""
    result = np.zeros((len(features), len(TARGETS)))
    for folds in FOLD_GROUPS:
        judged = np.isin(records.fold, folds)
        for k in range(len(TARGETS)):
            rows = ~judged & np.isfinite(records.targets[:, k])
            trees = ExtraTreesClassifier(
                TREES, min_samples_leaf=LEAST_LEAF, max_features=SHARE, random_state=0
            ).fit(features[rows], records.targets[rows, k] > 0.5)
            result[judged, k] = trees.predict_proba(features[judged])[:, 1]
    return result


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path)
    chosen = parser.parse_args()
    records = joined(read_sources(chosen.data))
    judged = Judged.of(records)
    for subset, leads in ((all_leads(), STANDARD_12_LEADS), ("I", ("I",))):
        signals = records.signal[:, : len(leads)]
        measured = filled(feature_matrix(signals, SAMPLING_RATE, leads))
        trees = out_of_fold(measured, records)[judged.rows]
        judged.show(subset, "trees", trees)
        if chosen.work is None:
            continue
        judged.beside(chosen.work, subset, "trees", WEIGHT * trees)


if __name__ == "__main__":
    main()
