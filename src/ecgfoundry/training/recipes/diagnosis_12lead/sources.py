"""The records of the recipe: PTB-XL standardized and raw, and twelve leads of other challenges.

Everything is brought into the form of ``ptbxl-bandpass@1``. The labels are what the statements of
each data set say in the words of PTB-XL, through the reviewed label maps; what a data set has no
statement for is unknown (NaN), neither present nor absent.
"""

from __future__ import annotations

import csv
import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.datasets.cinc2021 import diagnosis_codes, source_of
from ecgfoundry.datasets.ptbxl import parse_scp_codes
from ecgfoundry.formats.base import DEFAULT_LIMITS
from ecgfoundry.formats.files import read
from ecgfoundry.formats.wfdb.header import read_header
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.manifest import fingerprint, windows_fingerprints
from ecgfoundry.preprocessing import standardize_window
from ecgfoundry.vocabularies import load_label_map

__all__ = ["FOLDS", "PREPROCESSING", "SAMPLING_RATE", "Source", "read_sources"]

PREPROCESSING = "ptbxl-bandpass@1"
SAMPLING_RATE = 250.0  # Hz, of the standardized signals
WINDOW_S = 10.0
FOLDS = 9  # of PTB-XL; the tenth is kept from every training
SAMPLES = frozenset({"JS20000"})
"""Records that the installation shows as examples: an example that was learned from is none."""

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """One recording.

    Attributes
    ----------
    name : str
        Data set and record.
    person : str
        Data set and patient, or the record where the data set names no patients.
    fold : int
        1 to 9.
    signal : ndarray
        float32 (12, 2500), as ``ptbxl-bandpass@1`` gives it.
    labels : mapping of str to float
        Superclass or SCP-ECG code -> 1, 0 or NaN; a code that is not named is unknown.
    mark : int, optional
        Fingerprint.
    """

    name: str
    person: str
    fold: int
    signal: Float32
    labels: Mapping[str, float]
    mark: int | None


def read_sources(data: Path) -> list[Source]:
    """Read ``ptbxl_subset``, ``ptbxl_raw.zip``, ``cinc2021_more.zip`` and the format samples.

    Parameters
    ----------
    data : Path
        Folder that holds them; ``formats/cinc2021_wfdb_mat4`` and ``cinc2021_more.zip`` may be
        missing.
    """
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary) / "raw"
        with zipfile.ZipFile(data / "ptbxl_raw.zip") as archive:
            archive.extractall(raw)
        table = _ptbxl_table(raw)
        found = list(_ptbxl_raw(raw, table))
        headers = sorted((data / "formats" / "cinc2021_wfdb_mat4").rglob("*.hea"))
        more = data / "cinc2021_more.zip"
        if more.exists():
            with zipfile.ZipFile(more) as archive:
                archive.extractall(Path(temporary) / "cinc")
            headers += sorted((Path(temporary) / "cinc").rglob("*.hea"))
        known = {one.name for one in found}
        found += [one for one in _challenge(headers, table) if one.name not in known]
        known = {one.name for one in found}
        found += [
            one for one in _ptbxl_subset(data / "ptbxl_subset", table) if one.name not in known
        ]
    return sorted(found, key=lambda one: one.name)


@dataclass(frozen=True)
class _Row:
    patient: str
    fold: int
    labels: Mapping[str, float]


def _ptbxl_table(folder: Path) -> dict[int, _Row]:
    (path,) = folder.rglob("ptbxl_database.csv")
    # The authors' own rule: a superclass is there if one of its statements is named.
    superclasses = load_label_map("scp-ecg", "ptbxl-superclass").scoring
    rows = {}
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    codes = [parse_scp_codes(row["scp_codes"]) for row in table]
    every = sorted({code for named in codes for code in named})
    for row, named in zip(table, codes, strict=True):
        values = {code: float(code in named) for code in every}
        labels = {
            name: float(any(code in named for code in codes_of))
            for name, codes_of in superclasses.items()
        }
        labels |= {code: value for code, value in values.items() if code not in labels}
        axis = row["heart_axis"].strip()
        labels |= {f"axis:{a}": float(a == axis) for a in ("LAD", "ALAD", "RAD", "MID") if axis}
        labels["sex"] = float(row["sex"])
        age = float(row["age"])
        labels |= {f"age:{limit}": float(age > limit) for limit in (40, 55, 65, 75)}
        fold = int(row["strat_fold"])
        rows[int(float(row["ecg_id"]))] = _Row(
            f"ptbxl/{int(float(row['patient_id']))}", fold, labels
        )
    return rows


def _ptbxl_subset(folder: Path, table: Mapping[int, _Row]) -> Iterator[Source]:
    for part in ("train", "val"):
        with np.load(folder / f"ptbxl_z250_{part}.npz") as stored:
            # Differences in int16 whose sum wraps around.
            whole = np.cumsum(stored["delta"], axis=2, dtype=np.int16)
            signal = whole.astype(np.float32) / np.float32(stored["scale"])
            names = [int(name) for name in stored["ecg_id"]]
        marks = windows_fingerprints(signal, SAMPLING_RATE, STANDARD_12_LEADS)
        for number, x, mark in zip(names, signal, marks, strict=True):
            row = table[number]
            yield Source(f"ptbxl/{number}", row.patient, row.fold, x, row.labels, mark)


def _ptbxl_raw(folder: Path, table: Mapping[int, _Row]) -> Iterator[Source]:
    for header in sorted(folder.rglob("*_hr.hea")):
        number = int(header.stem.split("_")[0])
        row = table[number]
        yield _raw(header, f"ptbxl/{number}", row.patient, row.fold, row.labels)


def _challenge(headers: Sequence[Path], table: Mapping[int, _Row]) -> Iterator[Source]:
    """Records of the challenges; those of PTB-XL have its labels, folds and patients."""
    codes = {path: diagnosis_codes(read_header(path, DEFAULT_LIMITS)) or () for path in headers}
    used: dict[str, set[str]] = {}
    for path, named in codes.items():
        used.setdefault(str(source_of(path.stem)), set()).update(named)
    maps = [load_label_map("snomed-ct", name) for name in ("ptbxl-superclass", "scp-ecg")]
    for path, named in codes.items():
        source = str(source_of(path.stem))
        if path.stem in SAMPLES or len(named) == 0:
            continue
        if source == "PTB-XL":
            number = int(path.stem[2:])
            if number in table:  # otherwise of fold 10
                row = table[number]
                yield _raw(path, f"ptbxl/{number}", row.patient, row.fold, row.labels)
            continue
        values = {code: float(code in named) for code in used[source]}
        labels: dict[str, float] = {}
        for one in maps:
            labels |= {k: v for k, v in one.apply(values).items() if v is not None}
        if any(labels.get(name) == 1.0 for name in ("MI", "STTC", "CD", "HYP")):
            labels["NORM"] = 0.0
        name = f"cinc2021/{path.stem}"
        yield _raw(path, name, name, _fold_of(name), labels)


def _raw(header: Path, name: str, person: str, fold: int, labels: Mapping[str, float]) -> Source:
    recording = read(header)
    rate = recording.sampling_rate
    window = recording.signal[:, : round(WINDOW_S * rate)]
    order = [recording.leads.index(lead) for lead in STANDARD_12_LEADS]
    window = window[order]
    signal = np.nan_to_num(standardize_window(window, rate, PREPROCESSING))
    return Source(name, person, fold, signal, labels, fingerprint(recording))


def _fold_of(name: str) -> int:
    return int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), 16) % FOLDS + 1
