"""The parts of the training sets that the shipped bundles did not learn from.

Beside the outside sets they show how much is lost outside. The hold-out of CinC 2017 and fold 9 of
the PTB-XL subset have been looked at before (the cards say how often); nothing is chosen here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording

PTBXL_RATE = 250.0  # Hz, as the subset is stored
FOLDS = 3  # of the recipe; they do not touch the hold-out


def cinc2017_holdout(
    data: Path, work: Path, predictor: Predictor, read: Any
) -> Iterator[dict[str, Any]]:
    """Units of the hold-out: one for each recording, whose person is not known."""
    from ecgfoundry.training.recipes.rhythm_single_lead.data import NAMES, SOURCE_RATE, parts
    from ecgfoundry.training.recipes.rhythm_single_lead.data import read as read_recordings

    found = read_recordings(data / "cinc2017_training2017.zip")
    for k, part in enumerate(parts(found, FOLDS)):
        if part != "holdout":
            continue
        recording = Recording.from_array(
            found.raw[k][None], sampling_rate=SOURCE_RATE, leads=["I"], unit="mV"
        )
        yield {
            "record": found.names[k],
            "person": found.names[k],
            "person_known": False,
            "age": None,
            "sex": None,
            "labels": {name: float(c == found.classes[k]) for c, name in enumerate(NAMES)},
        } | read(predictor, recording, None)


def ptbxl_fold_9(
    data: Path, work: Path, predictor: Predictor, read: Any
) -> Iterator[dict[str, Any]]:
    """Units of the PTB-XL subset's fold 9, stored as the bundle's preprocessing leaves it."""
    folder = data / "ptbxl_subset"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        table = {int(row["ecg_id"]): row for row in csv.DictReader(stream)}
    with np.load(folder / "ptbxl_z250_val.npz") as stored:
        whole = np.cumsum(stored["delta"], axis=2, dtype=np.int16)
        signals = whole.astype(np.float32) / np.float32(stored["scale"])
        names = stored["ecg_id"].tolist()
    for name, signal in zip(names, signals, strict=True):
        row = table[int(name)]
        recording = Recording.from_array(
            signal, sampling_rate=PTBXL_RATE, leads=STANDARD_12_LEADS, unit="mV"
        )
        targets = predictor.bundle.vocabulary.names
        yield {
            "record": str(name),
            "person": row["patient_id"],
            "person_known": True,
            "age": None,
            "sex": None,
            "labels": {target: float(row[f"super_class:{target}"]) for target in targets},
        } | read(predictor, recording, None, stored=signal)
