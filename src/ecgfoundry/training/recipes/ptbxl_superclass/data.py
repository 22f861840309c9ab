"""The PTB-XL subset: records, targets, folds, and the sets of leads that are measured."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.leads import LIMB_LEADS, PRECORDIAL_LEADS, STANDARD_12_LEADS
from ecgfoundry.manifest import windows_fingerprints

TARGETS = ("NORM", "MI", "STTC", "CD", "HYP")
"""PTB-XL's diagnostic superclasses in the order of the logits."""

FOLD_GROUPS = {
    4: ((1, 2), (3, 4), (5, 6), (7, 8)),
    8: tuple((fold,) for fold in range(1, 9)),
}

TRAINING_FOLDS = tuple(range(1, 9))

CALIBRATION_FOLD = 9

SAMPLING_RATE = 250.0  # Hz, of the stored signals

Array = NDArray[np.float32]

Float64 = NDArray[np.float64]


def lead_subsets() -> dict[str, tuple[str, ...]]:
    """Rows of the tables: what is measured -> the leads that the network is given.

    Where two limb leads are measured, the network is given all six, because the others are derived
    from them before standardization; "I+II" and "six limb leads" are therefore one row, and so are
    "I+II+V1-V6" and the twelve.
    """
    subsets: dict[str, tuple[str, ...]] = {"12 leads (also I+II+V1-V6)": STANDARD_12_LEADS}
    subsets.update({lead: (lead,) for lead in STANDARD_12_LEADS})
    subsets["I+II (also six limb leads)"] = LIMB_LEADS
    for chest in (("V1",), ("V2",), ("V5",), ("V2", "V5"), ("V1", "V3", "V5")):
        subsets["+".join(("I", "II", *chest))] = (*LIMB_LEADS, *chest)
    for pair in (("I", "V2"), ("I", "V5"), ("II", "V1"), ("II", "V5")):
        subsets["+".join(pair)] = pair
    subsets["V1-V6"] = PRECORDIAL_LEADS
    return subsets


REDUCED = ("I", "II", "I+II (also six limb leads)", "I+II+V1", "I+V5")
"""Lead sets that the calibration for reduced leads is fitted on, each record once per set."""


@dataclass(frozen=True)
class Records:
    """The data set in memory.

    Attributes
    ----------
    signal : ndarray
        float32 (records, 12, 2500), standardized.
    targets : ndarray
        float32 (records, 5), 0 or 1, in the order of ``TARGETS``.
    auxiliary : ndarray
        float32 (records, statements), 0 or 1: subclasses, forms and rhythms.
    fold : ndarray of int
        ``strat_fold``.
    patient : ndarray of int
    """

    signal: Array
    targets: Array
    auxiliary: Array
    fold: NDArray[np.int64]
    patient: NDArray[np.int64]

    def rows(self, *folds: int) -> NDArray[np.intp]:
        """Return the indices of the records in these folds."""
        return np.flatnonzero(np.isin(self.fold, folds))

    def part(self, rows: NDArray[np.intp]) -> Self:
        """Return these records alone."""
        return replace(self, **{one.name: getattr(self, one.name)[rows] for one in fields(self)})


def read(data: Path) -> Records:
    """Read ``ptbxl_z250_train.npz``, ``ptbxl_z250_val.npz`` and ``labels.csv``.

    Parameters
    ----------
    data : Path
        Folder of the three files. Signals are differences in int16 whose sum wraps around.

    Raises
    ------
    ValueError
        A patient is in two folds.
    """
    with (data / "labels.csv").open(newline="", encoding="utf-8") as file:
        table = {int(row["ecg_id"]): row for row in csv.DictReader(file)}
    signals, rows = [], []
    for part in ("train", "val"):
        with np.load(data / f"ptbxl_z250_{part}.npz") as stored:
            whole = np.cumsum(stored["delta"], axis=2, dtype=np.int16)
            signals.append(whole.astype(np.float32) / np.float32(stored["scale"]))
            rows += [table[int(name)] for name in stored["ecg_id"]]
    finer = [name for name in rows[0] if name.split(":")[0] in {"sub_class", "form", "rhythm"}]
    fold = np.array([int(row["strat_fold"]) for row in rows])
    patient = np.array([int(row["patient_id"]) for row in rows])
    pairs = np.unique(np.stack([patient, fold]), axis=1)
    if pairs.shape[1] != len(np.unique(patient)):
        raise ValueError(f"{data}: a patient is in two folds; cross-validation would be too good")
    # Training records first: the views are made of these alone and are counted like them.
    order = np.argsort(fold == CALIBRATION_FOLD, kind="stable")
    return Records(
        signal=np.concatenate(signals)[order],
        targets=_columns(rows, [f"super_class:{target}" for target in TARGETS])[order],
        auxiliary=_columns(rows, finer)[order],
        fold=fold[order],
        patient=patient[order],
    )


def _columns(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> Array:
    return np.array([[float(row[name]) for name in names] for row in rows], dtype=np.float32)


def learned_from(data: Path) -> frozenset[int]:
    """Return the fingerprints of all records: they train, or calibrate.

    The stored signals are filtered and resampled, which a fingerprint outlasts.
    """
    marks = windows_fingerprints(read(data).signal, SAMPLING_RATE, STANDARD_12_LEADS)
    return frozenset(mark for mark in marks if mark is not None)


def all_leads() -> str:
    """Return the name of the subset that is all twelve leads."""
    return next(iter(lead_subsets()))
