"""Reader of HDF5 files of ECG data sets.

Layouts whose leads, unit and rate are known:

* **SPH** (Liu 2022, doi 10.1038/s41597-022-01403-5): a dataset ``ecg`` (12, n), float16 and
  without attributes (which would count), mV, 500 Hz, leads I, II, III, aVR, aVL, aVF, V1-V6; age
  and sex come from ``metadata.csv`` in the same or the parent folder.
* **CODE-15 %** (zenodo 4916206): ``tracings`` (recordings, 4096, 12) with ``exam_id``; 400 Hz,
  zero-padded at both ends. The authors state mV; the values run about twice as high as those of
  other data sets (median over ten recordings here; issue 5 of antonior92/ecg-age-prediction).
* **CODE-test** (zenodo 3625006): ``tracings`` without ``exam_id``; the same but in 1e-4 V.

The two descriptions of CODE-test contradict each other on the order of the augmented leads, so
it is found from the signal: the row that is -(I + II)/2 is aVR.

Any other file needs one numeric dataset (leads, samples) and ``leads``, ``unit`` and
``sampling_rate``, from the caller or as attributes of the dataset or the file.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import FormatError, LeadError, LimitError, SignalError
from ecgfoundry.formats.arrays.hdf5_files import checked_dataset, is_hdf5, open_hdf5, take_dataset
from ecgfoundry.formats.arrays.stated import (
    ArrayFile,
    Stated,
    stated_from_mapping,
    with_options,
)
from ecgfoundry.formats.base import FormatFile, Limits, Reader, ReadOptions
from ecgfoundry.formats.common.limits import UnpackingBudget
from ecgfoundry.formats.common.several import chosen_recording, undecided_among
from ecgfoundry.formats.common.subjects import parse_age, parse_sex
from ecgfoundry.leads import STANDARD_12_LEADS, limb_disagreement
from ecgfoundry.recording import Subject

__all__ = ["READER", "open_file", "sniff"]

_SPH_RATE = 500.0
_CODE_RATE = 400.0
_CODE15_UNIT = "mV"
_CODE_TEST_UNIT = "1e-4V"
_CODE_TEST_LEADS = ("I", "II", "III", "aVL", "aVF", "aVR", *STANDARD_12_LEADS[6:])
"""The order in the data description; the code's description has the standard order."""
_AGREEMENT = 0.3
"""Largest relative disagreement of the limb leads that still confirms an order (our choice; real
CODE-15 % recordings have up to 0.08, a wrong order above 0.5)."""
_MAXIMUM_METADATA_BYTES = 16_000_000


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content is HDF5."""
    return is_hdf5(head)


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Open a file and load the recording that is meant; see :class:`Reader`."""
    array, stated, recordings = _load(path, options)
    return ArrayFile(
        array,
        stated,
        path=path,
        options=options,
        format=READER.name,
        recordings=recordings,
        undecided=undecided_among(options.index, recordings, path),
    )


def _load(path: Path, options: ReadOptions) -> tuple[np.ndarray, Stated, int]:
    """Return one recording (leads, samples), what is stated, and how many recordings there are.

    Of several none is loaded unless the caller chose it; the array then only has the shape.
    """
    with open_hdf5(path) as file:
        if "tracings" in file:
            return _load_code(file, path, options)
        name = "ecg" if "ecg" in file else _only_dataset(file, path)
        dataset = checked_dataset(file, name, path)
        _check_one_recording(dataset, path, options)
        stated = _attributes(file, dataset, path)
        if _is_sph(name, dataset) and stated == Stated():
            stated = _sph(path)
        return _values(dataset, (), path, options.limits), with_options(stated, options), 1


def _is_sph(name: str, dataset: Any) -> bool:
    """Whether a dataset has the name, the shape and the type of SPH."""
    return bool(
        name == "ecg"
        and dataset.ndim == 2
        and dataset.shape[0] == 12
        and dataset.dtype == np.float16
    )


def _sph(path: Path) -> Stated:
    row = _sph_metadata(path)
    subject = Subject(age=parse_age(row.get("Age")), sex=parse_sex(row.get("Sex")))
    header = {"layout": "SPH"}
    for key in ("AHA_Code", "SNOMEDCTCode", "Date"):
        if row.get(key):
            header[key] = row[key]
    return Stated(STANDARD_12_LEADS, "mV", _SPH_RATE, subject, header)


def _sph_metadata(path: Path) -> dict[str, str]:
    """Return the row of ``metadata.csv`` about this file; empty if there is none."""
    for folder in (path.parent, path.parent.parent):
        table = folder / "metadata.csv"
        try:
            if not table.is_file() or table.stat().st_size > _MAXIMUM_METADATA_BYTES:
                continue
            lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
            # Only lines with the name are parsed: the real table has 25,770 of them.
            wanted = [lines[0], *(line for line in lines[1:] if path.stem in line)]
            for row in csv.DictReader(wanted):
                if str(row.get("ECG_ID")).removesuffix(".h5") == path.stem:
                    return {str(key): str(value) for key, value in row.items()}
        except (OSError, csv.Error, IndexError):
            continue  # age and sex are extras; a damaged table does not spoil the signal
    return {}


def _load_code(file: Any, path: Path, options: ReadOptions) -> tuple[np.ndarray, Stated, int]:
    tracings = checked_dataset(file, "tracings", path)
    if tracings.ndim != 3 or tracings.shape[2] != 12:
        raise FormatError(
            f"'tracings' has the shape {tracings.shape}, not (recordings, samples, 12)", path=path
        )
    count = int(tracings.shape[0])
    has_exams = "exam_id" in file
    unit = _CODE15_UNIT if has_exams else _CODE_TEST_UNIT
    header = {"layout": "CODE-15" if has_exams else "CODE-test"}
    stated = Stated(STANDARD_12_LEADS, unit, _CODE_RATE, header=header)
    if options.index is None and count > 1:
        padded = np.broadcast_to(np.float32(0), (12, int(tracings.shape[1])))
        return padded, with_options(stated, options), count
    index = chosen_recording(options.index, count, path)
    rows = _values(tracings, (index,), path, options.limits)
    signal = _without_padding(rows, index, path)
    if has_exams:
        header["exam_id"] = str(int(checked_dataset(file, "exam_id", path)[index]))
    if options.leads is None:
        leads, header["lead_order"] = _code_lead_order(signal, path)
    else:
        leads, header["lead_order"] = options.leads, "stated by the caller"
    stated = Stated(leads, unit, _CODE_RATE, header=header)
    return signal, with_options(stated, options), count


def _without_padding(rows: np.ndarray, index: int, path: Path) -> np.ndarray:
    """Return (leads, samples) without the all-zero samples at both ends."""
    used = np.flatnonzero(np.any(rows != 0, axis=1))
    if used.size == 0:
        raise SignalError(f"recording {index} is empty: all its samples are zero", path=path)
    return np.ascontiguousarray(rows[used[0] : used[-1] + 1].T)


def _code_lead_order(signal: np.ndarray, path: Path) -> tuple[tuple[str, ...], str]:
    """Return the lead order that fits the limb leads, and how sure it is."""
    worst = {}
    for order in (STANDARD_12_LEADS, _CODE_TEST_LEADS):
        found = limb_disagreement(dict(zip(order[:6], signal[:6], strict=True)))
        # III stands in the same place in both orders and decides nothing.
        worst[order] = max(
            (found[lead] for lead in ("aVR", "aVL", "aVF") if lead in found), default=0.0
        )
    best = min(worst, key=lambda order: worst[order])
    if np.ptp(signal[:6]) == 0:
        return STANDARD_12_LEADS, "not checked: the limb leads are flat"
    if worst[best] > _AGREEMENT:
        if np.any(np.ptp(signal[:6], axis=1) == 0):
            return STANDARD_12_LEADS, "not checked: a limb lead is flat"
        raise LeadError(
            "the limb leads agree with neither known order (aVR = -(I + II)/2 holds in none)",
            path=path,
            remedy="Name the leads with leads= if you know them",
        )
    return best, "checked: aVR = -(I + II)/2"


def _only_dataset(file: Any, path: Path) -> str:
    names = [name for name in list(file)[:1000] if _is_numeric_dataset(file, name)]
    if len(names) == 1:
        return str(names[0])
    raise FormatError(
        f"the file has no known layout ({len(names)} numeric datasets: {', '.join(names)[:200]})",
        path=path,
        remedy="Store the signal alone, as one dataset (leads, samples)",
    )


def _is_numeric_dataset(file: Any, name: str) -> bool:
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    item = file[name]
    return isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf" and item.ndim in (1, 2, 3)


def _attributes(file: Any, dataset: Any, path: Path) -> Stated:
    content: dict[str, Any] = {}
    for holder in (file.attrs, dataset.attrs):
        for key in ("leads", "sampling_rate", "unit", "age", "sex"):
            if key in holder:
                content[key] = _plain_attribute(holder[key])
    return stated_from_mapping(content, path)


def _plain_attribute(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray):
        return [_plain_attribute(item) for item in value.reshape(-1)[:1024].tolist()]
    return value.item() if isinstance(value, np.generic) else value


def _check_one_recording(dataset: Any, path: Path, options: ReadOptions) -> None:
    if dataset.dtype.kind not in "iuf":
        raise SignalError(f"the dataset holds {dataset.dtype}, not real numbers", path=path)
    chosen_recording(options.index, 1, path)


def _values(dataset: Any, key: tuple[int, ...], path: Path, limits: Limits) -> np.ndarray:
    """Read ``dataset[key]`` after a check of its size."""
    shape = dataset.shape[len(key) :]
    size = int(np.prod(shape, dtype=object)) if shape else 1
    if size > limits.samples:
        raise LimitError(
            f"the dataset has {size} samples; the limit is {limits.samples}", path=path
        )
    take_dataset(UnpackingBudget(path, limits), dataset, len(key))
    return np.asarray(dataset[key])


READER = Reader(
    name="hdf5",
    description="HDF5: SPH, CODE-15 %, CODE-test, or one dataset with stated leads, unit and rate",
    extensions=(".h5", ".hdf5"),
    sniff=sniff,
    open=open_file,
)
