"""The recipe ``diagnosis_12lead``: read, cross-validate, train, calibrate, measure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.io import write_json
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.models.networks.lead_subset import LeadSubsetNet
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.training.loop import FitSettings
from ecgfoundry.training.recipes.diagnosis_12lead.data import (
    CANDIDATES,
    FOLD_GROUPS,
    Records,
    joined,
)
from ecgfoundry.training.recipes.diagnosis_12lead.members import SETTINGS, train_member
from ecgfoundry.training.recipes.diagnosis_12lead.sources import FOLDS, read_sources
from ecgfoundry.training.recipes.diagnosis_12lead.views import augmented
from ecgfoundry.training.recipes.ensembles import join_curves, save_arrays, save_half_precision
from ecgfoundry.training.recipes.ptbxl_superclass.data import (
    REDUCED,
    TARGETS,
    Array,
    Float64,
    all_leads,
    lead_subsets,
)
from ecgfoundry.training.recipes.ptbxl_superclass.measuring import (
    auroc_table,
    calibrate,
    cross_fitted_errors,
    interval,
    logits_of,
    subset_views,
)
from ecgfoundry.training.recipes.ptbxl_superclass.views import ViewBank, make_bank
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


def cross_validate(
    records: Records, bank: ViewBank, *, settings: FitSettings, output: Path
) -> dict[str, Float64]:
    """Out-of-fold logits for every lead subset, (records, candidates) each.

    They are also kept in ``out_of_fold.npz``.
    """
    path = output / "out_of_fold.npz"
    if path.exists():
        with np.load(path) as stored:
            return {name: stored[name] for name in stored.files}
    networks = []
    for number, folds in enumerate(FOLD_GROUPS):
        network = train_member(
            f"folds-without-{'-'.join(map(str, folds))}",
            records=records,
            bank=bank,
            rows=np.flatnonzero(~np.isin(records.fold, folds)),
            settings=replace(settings, seed=settings.seed * 1000 + number * 10 + 500),
            output=output,
        )
        networks.append((folds, network))
    answers = {}
    for name in SHOWN:
        packed = subset_views(records.signal, lead_subsets()[name])
        answers[name] = np.zeros((len(records.fold), len(CANDIDATES)))
        for folds, network in networks:
            chosen = records.rows(*folds)
            answers[name][chosen] = logits_of(network, packed[chosen])
    save_arrays(path, answers)
    return answers


def run(
    data: Path, output: Path, *, seed: int = 1, threads: int = 1, copies: int = 12
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
    settings = replace(SETTINGS, seed=seed, threads=threads)
    bank = make_bank(
        records.signal, copies=copies, seed=seed, path=output / "views.npz", augment=augmented
    )
    answers = cross_validate(records, bank, settings=settings, output=output)
    final = train_member(
        "final",
        records=records,
        bank=bank,
        rows=np.arange(len(records.fold)),
        settings=replace(settings, seed=seed * 1000 + 1400),
        output=output,
    )

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

    network = round_to_float16(_only(final, kept)).eval()
    save_half_precision(network, output / "model.safetensors")
    write_json(output / "config.json", {"name": "lead-subset-net", "configuration": network.config})
    folder = output / "members"
    trained = sorted(path.name.split(".")[0] for path in folder.glob("*.curves.jsonl"))
    join_curves(trained, folder, output / "curves.jsonl")

    reported = {name: logits[:, kept] for name, logits in measured.items()}
    targets = records.targets[rows][:, kept]
    write_json(
        output / "calibration.json",
        calibrate(
            reported,
            targets,
            persons,
            fitted_on=f"PTB-XL folds 1-9 out of fold, {len(rows)} records",
        ),
    )
    metrics = {
        "targets": list(TARGETS),
        "reported": passed,
        "parameters": sum(p.numel() for p in network.parameters()),
        "records": {"all": len(sources), "PTB-XL": len(rows)},
        "out_of_fold": _superclass_table(records, rows, answers),
        "out_of_fold, folds 1-8": _superclass_table(
            records, rows[records.fold[rows] < FOLDS], {k: answers[k] for k in (all_leads(), "I")}
        ),
        "statements": statements,
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
    """AUROC of every candidate with its interval by person, and its positives."""
    result = {}
    for k, name in enumerate(CANDIDATES):

        def statistic(chosen: NDArray[np.int64], k: int = k) -> float:
            return auroc(targets[chosen, k], logits[chosen, k])

        result[name] = {
            "auroc": auroc(targets[:, k], logits[:, k]),
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


def _only(network: LeadSubsetNet, kept: list[int]) -> LeadSubsetNet:
    """Return the network with the chosen outputs alone."""
    smaller = LeadSubsetNet(**{**network.config, "classes": len(kept)})  # type: ignore[arg-type]
    state = network.state_dict()
    for part in ("classifier.weight", "classifier.bias"):
        state[part] = state[part][kept].clone()
    smaller.load_state_dict(state)
    return smaller


def learned_from(data: Path) -> frozenset[int]:
    """Return the fingerprints of all records: they train, and calibrate."""
    return frozenset(one.mark for one in read_sources(data) if one.mark is not None)
