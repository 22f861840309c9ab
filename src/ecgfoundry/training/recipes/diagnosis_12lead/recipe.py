"""The recipe ``diagnosis_12lead``: read, cross-validate, train, calibrate, measure."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.io import write_json
from ecgfoundry.metrics.calibration import Calibrator
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.training.recipes.diagnosis_12lead.claims import (
    CRITERION,
    claim_figures,
    claim_thresholds,
    crossed,
)
from ecgfoundry.training.recipes.diagnosis_12lead.data import (
    CANDIDATES,
    FOLD_GROUPS,
    Records,
    joined,
)
from ecgfoundry.training.recipes.diagnosis_12lead.members import SETTINGS, Sampler
from ecgfoundry.training.recipes.diagnosis_12lead.sources import FOLDS, read_sources
from ecgfoundry.training.recipes.diagnosis_12lead.views import augmented
from ecgfoundry.training.recipes.ptbxl_superclass.committees import Committees
from ecgfoundry.training.recipes.ptbxl_superclass.data import (
    REDUCED,
    TARGETS,
    Array,
    Float64,
    all_leads,
)
from ecgfoundry.training.recipes.ptbxl_superclass.measuring import (
    auroc_table,
    calibration_document,
    cross_fitted_errors,
    fit_calibrators,
    interval,
)
from ecgfoundry.training.recipes.ptbxl_superclass.views import make_bank
from ecgfoundry.vocabularies import Vocabulary, load_vocabulary

__all__ = ["LEAST_AUROC", "VOCABULARY", "learned_from", "run"]

LEAST_AUROC = 0.80
"""A statement is reported where the lower limit of its out-of-fold AUROC exceeds this."""

VOCABULARY = "ptbxl-diagnosis"

SHOWN = dict.fromkeys((all_leads(), *REDUCED, "V1", "V2", "V5", "I+II+V2", "V1-V6"))
"""Rows of the tables."""


def scp_names(vocabulary: Vocabulary) -> list[str]:
    """Return the candidate that each target of the vocabulary is."""
    return [target.codes.get("SCP-ECG", target.name) for target in vocabulary.targets]


def run(
    data: Path,
    output: Path,
    *,
    seed: int = 1,
    threads: int = 1,
    members: int = 2,
    copies: int = 12,
) -> dict[str, Any]:
    """Cross-validate, train, calibrate and measure the bundle's network.

    Parameters
    ----------
    data : Path
        Folder with ``ptbxl_subset``, ``ptbxl_raw.zip`` and, where they are at hand,
        ``cinc2021_more.zip`` and ``formats/cinc2021_wfdb_mat4``.
    output : Path
        Folder for the results and for what an interrupted run continues from.
    seed : int
        Decides the weights, together with the data and the number of threads.
    threads : int
        CPU threads of torch.
    members : int
        Networks in each committee.
    copies : int
        Views of each record, the first of them without augmentation.

    Returns
    -------
    dict
        What is written to ``metrics.json``.

    Raises
    ------
    TrainingError
        The statements that pass are not those of the vocabulary.

    Notes
    -----
    Writes ``model.safetensors`` (float16), ``config.json``, ``calibration.json`` (with thresholds),
    ``metrics.json``, ``curves.jsonl`` and ``out_of_fold.npz``.
    """
    torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    sources = read_sources(data)
    records = joined(sources)
    bank = make_bank(
        records.signal, copies=copies, seed=seed, path=output / "views.npz", augment=augmented
    )
    committees = Committees(
        records=records,
        sample=lambda rows, targets: Sampler(bank, rows, targets),
        members=members,
        settings=replace(SETTINGS, seed=seed, threads=threads),
        seeds=500,
        output=output,
    )
    answers = committees.out_of_fold(FOLD_GROUPS, SHOWN)
    final = committees.last()

    rows = np.flatnonzero(records.ptbxl)
    persons = records.patient[rows]
    measured = {name: logits[rows] for name, logits in answers.items()}
    statements = {
        leads: statement_figures(records.targets[rows], measured[leads], persons)
        for leads in (all_leads(), "I")
    }
    kept = [
        k
        for k, (name, found) in enumerate(statements[all_leads()].items())
        if name in TARGETS or (found["ci95"] is not None and found["ci95"][0] > LEAST_AUROC)
    ]
    passed = [list(CANDIDATES)[k] for k in kept]
    if passed != scp_names(load_vocabulary(VOCABULARY)):
        raise TrainingError(
            f"the targets that pass are {', '.join(passed)}",
            remedy=f"Make the vocabulary '{VOCABULARY}' of these, in this order",
        )

    network = committees.save(final.with_outputs(kept))

    reported = {name: logits[:, kept] for name, logits in measured.items()}
    targets = records.targets[rows][:, kept]
    fitted_on = f"PTB-XL folds 1-9 out of fold, {len(rows)} records"
    every, reduced = fit_calibrators(reported, targets)
    probabilities = every.probabilities(reported[all_leads()], multiclass=False)
    thresholds = claim_thresholds(probabilities, targets)
    write_json(
        output / "calibration.json",
        {
            "calibration": calibration_document(every, reduced, fitted_on=fitted_on),
            "thresholds": {
                "values": thresholds,
                "criterion": CRITERION,
                "fitted_on": fitted_on,
            },
        },
    )
    metrics = {
        "targets": list(TARGETS),
        "reported": passed,
        "parameters": sum(p.numel() for p in network.parameters()),
        "members": members,
        "records": {"all": len(sources), "PTB-XL": len(rows)},
        "out_of_fold": _superclass_table(records, rows, answers),
        "out_of_fold, folds 1-8": _superclass_table(
            records, rows[records.fold[rows] < FOLDS], {k: answers[k] for k in (all_leads(), "I")}
        ),
        "statements": statements,
        "thresholds": dict(zip(passed, thresholds, strict=True)),
        "claims": _claims(passed, reported, targets, persons, _groups(records.fold[rows])),
        "calibration": {
            "records": len(rows),
            "cross-fitted": cross_fitted_errors(reported, targets, persons),
        },
    }
    write_json(output / "metrics.json", metrics)
    return metrics


def statement_figures(
    targets: Array, logits: Float64, persons: NDArray[np.int64]
) -> dict[str, dict[str, Any]]:
    """AUROC of every candidate with its interval by person, and its positives.

    None where it is undefined: there is one class.
    """
    result = {}
    for k, name in enumerate(CANDIDATES):

        def statistic(chosen: NDArray[np.int64], k: int = k) -> float:
            return auroc(targets[chosen, k], logits[chosen, k])

        value = auroc(targets[:, k], logits[:, k])
        result[name] = {
            "auroc": None if math.isnan(value) else value,
            "ci95": interval(statistic, persons),
            "positives": int(targets[:, k].sum()),
        }
    return result


def _superclass_table(
    records: Records, rows: NDArray[np.intp], answers: dict[str, Float64]
) -> dict[str, Any]:
    five = len(TARGETS)
    return auroc_table(
        records.targets[rows, :five],
        records.patient[rows],
        {name: logits[rows, :five] for name, logits in answers.items()},
    )


def _groups(fold: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the group of folds that each record was judged in."""
    return np.array([[one in folds for folds in FOLD_GROUPS].index(True) for one in fold])


def _claims(
    names: list[str],
    answers: dict[str, Float64],
    targets: Array,
    persons: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> dict[str, Any]:
    """Figures of what is said with all leads and with lead I, cross-fitted by group of folds."""

    def fit(rows: NDArray[np.intp]) -> tuple[Calibrator, Calibrator]:
        return fit_calibrators({name: z[rows] for name, z in answers.items()}, targets[rows])

    shown = (all_leads(), "I")
    vocabulary = load_vocabulary(VOCABULARY)
    said = crossed(vocabulary.names, fit, [answers[name] for name in shown], targets, groups)
    return {
        leads: dict(zip(names, claim_figures(part, targets > 0.5, persons), strict=True))
        for leads, part in zip(shown, said, strict=True)
    }


def learned_from(data: Path) -> frozenset[int]:
    """Return the fingerprints of all records: they train, and calibrate."""
    return frozenset(one.mark for one in read_sources(data) if one.mark is not None)
