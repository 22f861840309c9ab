"""The recipe's records as arrays, its targets and folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.recipes.diagnosis_12lead.sources import Source
from ecgfoundry.training.recipes.ptbxl_superclass import data as ptbxl_superclass
from ecgfoundry.training.recipes.ptbxl_superclass.data import TARGETS

CANDIDATES = {name: (name,) for name in TARGETS} | {
    "SR": ("SR",),
    "STACH": ("STACH",),
    "SBRAD": ("SBRAD",),
    "SARRH": ("SARRH",),
    "AFIB": ("AFIB",),
    "PVC": ("PVC",),
    "PAC": ("PAC",),
    "1AVB": ("1AVB", "LPR"),
    "LAFB": ("LAFB",),
    "IRBBB": ("IRBBB",),
    "CRBBB": ("CRBBB",),
    "CLBBB": ("CLBBB",),
    "IVCD": ("IVCD",),
    "ABQRS": ("ABQRS",),
    "QWAVE": ("QWAVE",),
    "ASMI": ("ASMI",),
    "IMI": ("IMI",),
    "LVH": ("LVH",),
    "VCLVH": ("VCLVH",),
    "LAO/LAE": ("LAO/LAE",),
    "ISC_": ("ISC_",),
    "ISCAL": ("ISCAL",),
    "NDT": ("NDT", "NT_"),
    "NST_": ("NST_",),
    "STD_": ("STD_",),
    "INVT": ("INVT",),
    "LOWT": ("LOWT",),
}
"""Target -> SCP-ECG codes that are it: the superclasses and every statement with at least 25
positives among the records. A prolonged PR interval is a first-degree AV block, and T waves that
are "non-diagnostic" or "non-specific" differ in the word alone."""

FOLD_GROUPS = ((1, 2), (3, 4), (5, 6), (7, 8, 9))
"""Folds of PTB-XL that are judged together by networks that did not learn from them."""


@dataclass(frozen=True)
class Records(ptbxl_superclass.Records):
    """The data sets in memory: as those of ``ptbxl_superclass``, with records of other sources.

    Targets, in the order of ``CANDIDATES``, and auxiliary ones (rarer statements, axis, age and
    sex) are 0, 1 or NaN, which is unknown. Records of one ``patient`` are of one person.

    Attributes
    ----------
    ptbxl : ndarray of bool
        Whether the record is of PTB-XL: the figures are of these alone.
    """

    ptbxl: NDArray[np.bool_]


def joined(sources: Sequence[Source]) -> Records:
    """Make the arrays of the recipe.

    Raises
    ------
    TrainingError
        A person is in two folds: cross-validation would be too good.
    """
    _, person = np.unique([one.person for one in sources], return_inverse=True)
    fold = np.array([one.fold for one in sources])
    if len({(p, f) for p, f in zip(person, fold, strict=True)}) != len(np.unique(person)):
        raise TrainingError("a person is in two folds")
    targets = np.array([[_value(one, codes) for codes in CANDIDATES.values()] for one in sources])
    stated = {code for one in sources for code in one.labels}
    rest = sorted(stated - {code for codes in CANDIDATES.values() for code in codes})
    auxiliary = np.array([[one.labels.get(code, np.nan) for code in rest] for one in sources])
    return Records(
        signal=np.stack([one.signal for one in sources]),
        targets=targets.astype(np.float32),
        auxiliary=auxiliary.astype(np.float32),
        fold=fold,
        patient=person.astype(np.int64),
        ptbxl=np.array([one.name.startswith("ptbxl/") for one in sources]),
    )


def _value(source: Source, codes: Sequence[str]) -> float:
    """1: a code is stated; 0: none of the known ones is; NaN: none is known."""
    known = [source.labels[code] for code in codes if code in source.labels]
    return max(known, default=np.nan)
