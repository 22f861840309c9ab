"""Recipe of the bundle ``ptbxl-superclass-12lead``: five diagnostic classes, any subset of leads.

Data: a part of PTB-XL 1.0.3 (Wagner et al. 2020; CC BY 4.0), 12 leads, 10 s, 250 Hz, already in the
form of the preprocessing ``ptbxl-bandpass@1``: band-passed and standardized lead by lead. Folds 1-8
train, fold 9 calibrates; patients do not cross folds (checked when the data are read).

The way to the weights:

1. Views: each record's averaged beats, from all leads and from every single lead alone, of the
   record itself and of augmented copies (frontal axis turned, time stretched, noise, shortened
   recordings, beats left out). The network's first part has no parameters, so that its output can
   be made once and training only runs the rest.
2. Members: each learns the five classes and, beside them, the finer statements, forms and rhythms
   of the same records, which are dropped afterwards. Every batch shows each record twice: with
   many leads and with a single one.
3. Cross-validation: for each group of folds, a committee of members trained on the other folds.
   All out-of-fold figures are of these committees, through the network's own ``forward``.
4. The committee trained on folds 1-8 is rounded to float16; fold 9 gives calibration, thresholds
   and one last figure. With 183 records that calibration is a rough one, so the same is also
   fitted on the out-of-fold logits, and each is measured on the other's records.

Every stage leaves a file and is skipped when that file is there: an interrupted run continues.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ecgfoundry.documents import JsonObject
from ecgfoundry.io import write_json
from ecgfoundry.training.recipes.ptbxl_superclass.committees import Committees
from ecgfoundry.training.recipes.ptbxl_superclass.data import (
    CALIBRATION_FOLD,
    FOLD_GROUPS,
    TARGETS,
    TRAINING_FOLDS,
    lead_subsets,
    read,
)
from ecgfoundry.training.recipes.ptbxl_superclass.measuring import (
    auroc_table,
    calibrate,
    calibration_figures,
    cross_fitted_errors,
    logits_of,
    subset_views,
)
from ecgfoundry.training.recipes.ptbxl_superclass.members import (
    MEMBER,
    Sampler,
)
from ecgfoundry.training.recipes.ptbxl_superclass.views import make_bank

__all__ = ["TARGETS", "read", "run"]


def run(
    data: Path,
    output: Path,
    *,
    seed: int = 1,
    threads: int = 1,
    folds: int = 4,
    members: int = 4,
    copies: int = 12,
    epochs: int = MEMBER.epochs,
) -> JsonObject:
    """Cross-validate, train, calibrate and measure the bundle's network.

    Parameters
    ----------
    data : Path
        Folder with ``ptbxl_z250_train.npz``, ``ptbxl_z250_val.npz`` and ``labels.csv``.
    output : Path
        Folder for the results and for what an interrupted run continues from.
    seed : int
        Decides the weights, together with the data and the number of threads.
    threads : int
        CPU threads of torch.
    folds : {4, 8}
        Groups of the cross-validation: pairs of folds, or single folds.
    members : int
        Networks in each committee.
    copies : int
        Views of each record, the first of them without augmentation.
    epochs : int
        Passes of each member over the records.

    Returns
    -------
    dict
        What is written to ``metrics.json``.

    Notes
    -----
    Writes ``model.safetensors`` (float16), ``config.json``, ``calibration.json`` (with thresholds),
    ``metrics.json``, ``curves.jsonl`` and ``out_of_fold.npz``.
    """
    torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    records = read(data)
    training = records.rows(*TRAINING_FOLDS)
    learned = records.part(training)
    settings = replace(MEMBER, seed=seed, threads=threads, epochs=epochs)
    bank = make_bank(learned.signal, copies=copies, seed=seed, path=output / "views.npz")
    committees = Committees(
        records=learned,
        sample=lambda rows, targets: Sampler(bank, rows, targets),
        members=members,
        settings=settings,
        seeds=0,
        output=output,
    )
    answers = committees.out_of_fold(FOLD_GROUPS[folds], lead_subsets())
    network = committees.save(committees.last())

    rows = records.rows(CALIBRATION_FOLD)
    last = {
        name: logits_of(network, subset_views(records.signal[rows], leads))
        for name, leads in lead_subsets().items()
    }
    # Fold 9 alone has 22 infarctions and 14 hypertrophies: too few. The out-of-fold answers of
    # folds 1-8 are validation data as well, and the calibration is fitted on both.
    everybody = np.concatenate([training, rows])
    pooled = {name: np.concatenate([answers[name], last[name]]) for name in answers}
    fold_9, out_of_fold, both = (
        (answer, records.targets[chosen], records.patient[chosen])
        for answer, chosen in ((last, rows), (answers, training), (pooled, everybody))
    )
    write_json(
        output / "calibration.json",
        calibrate(
            *both,
            fitted_on=f"PTB-XL folds 1-8 out of fold and fold 9, {len(everybody)} records",
        ),
    )
    metrics = {
        "targets": list(TARGETS),
        "parameters": sum(p.numel() for p in network.parameters()),
        "members": members,
        "out_of_fold": auroc_table(records.targets[training], records.patient[training], answers)
        | {"groups": len(FOLD_GROUPS[folds])},
        "fold_9": auroc_table(records.targets[rows], records.patient[rows], last),
        "calibration": {
            "records": len(everybody),
            "cross-fitted": cross_fitted_errors(*both),
            "if fitted on fold 9, measured out of fold": calibration_figures(
                calibrate(*fold_9, fitted_on="fold 9"), *out_of_fold[:2]
            ),
            "if fitted out of fold, measured on fold 9": calibration_figures(
                calibrate(*out_of_fold, fitted_on="out of fold"), *fold_9[:2]
            ),
        },
    }
    write_json(output / "metrics.json", metrics)
    return metrics
