"""EchoNext-Mini (Columbia, PhysioNet): 100,000 ECGs with what an echocardiogram found.

``echonext_metadata_100k.csv`` names every ECG, its split and eleven findings with their union;
``EchoNext_{train,val,test,no_split}_waveforms.npy`` hold the signals, (ECGs, 1, 2500, 12) at
250 Hz, in the order of the table's rows of that split.

The publisher has filtered, clipped and standardized the signals: they are **not in mV**, and the
readers, the gate and the measurements here, which are in mV, refuse them. The rows serve to join
labels, splits and people with predictions or arrays of one's own. What was not measured by the
echocardiogram stands as 0 in the flags of the table; where the table also holds the measurement,
an empty one makes its flag missing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, Option
from ecgfoundry.datasets.code import truth
from ecgfoundry.datasets.metadata_tables import integer_text, iterate_table
from ecgfoundry.errors import DatasetError
from ecgfoundry.formats.common.subjects import parse_age, parse_sex
from ecgfoundry.manifest import ManifestRow

__all__ = ["DATASET", "FLAGS"]

TABLE = "echonext_metadata_100k.csv"
FLAGS = (
    "lvef_lte_45_flag",
    "lvwt_gte_13_flag",
    "aortic_stenosis_moderate_or_greater_flag",
    "aortic_regurgitation_moderate_or_greater_flag",
    "mitral_regurgitation_moderate_or_greater_flag",
    "tricuspid_regurgitation_moderate_or_greater_flag",
    "pulmonary_regurgitation_moderate_or_greater_flag",
    "rv_systolic_dysfunction_moderate_or_greater_flag",
    "pericardial_effusion_moderate_large_flag",
    "pasp_gte_45_flag",
    "tr_max_gte_32_flag",
    "shd_moderate_or_greater_flag",
)
_MEASURED = {
    "lvef_lte_45_flag": "lvef_value",
    "lvwt_gte_13_flag": "lvwt_value",
    "pasp_gte_45_flag": "pasp_value",
    "tr_max_gte_32_flag": "tr_max_value",
}
"""Flag -> the column of the number that it was made of, where a release has it."""
_SPLITS = {"train": "train", "val": "validation", "test": "test", "no_split": None}


def recognise(folder: Path) -> bool:
    """Whether the table is there."""
    return (folder / TABLE).is_file()


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the rows of the table; the place in the array is counted within each split."""
    report.note(
        "The signals are standardized by their publisher and not in mV: no reader takes them"
    )
    required = ("ecg_key", "patient_key", "split", "age_at_ecg", "sex", *FLAGS)
    lengths = {split: _length(folder, split) for split in _SPLITS}
    place: Counter[str] = Counter()
    for cells in iterate_table(folder / TABLE, required=required):
        report.found += 1
        split = cells["split"] or "no_split"
        record = integer_text(cells["ecg_key"]) or cells["ecg_key"]
        if split not in _SPLITS:
            report.skip("split of no known name", record)
            continue
        index, place[split] = place[split], place[split] + 1
        if lengths[split] is None and options["waveforms"] == "required":
            report.skip(f"{_array(split)} is not there", record)
            continue
        yield ManifestRow(
            record=record,
            path=_array(split),
            index=index,
            patient=integer_text(cells["patient_key"]) or cells["patient_key"] or None,
            split=_SPLITS[split],
            age=parse_age(cells["age_at_ecg"]),
            sex=parse_sex(cells["sex"]),
            targets={flag: _flag(cells, flag) for flag in FLAGS},
        )
    for split, length in lengths.items():
        if length is not None and length != place[split]:
            raise DatasetError(
                f"{length} signals do not belong to {place[split]} rows of the split '{split}'",
                path=folder / _array(split),
            )


def _array(split: str) -> str:
    return f"EchoNext_{split}_waveforms.npy"


def _length(folder: Path, split: str) -> int | None:
    """How many signals an array holds; its header alone is read."""
    path = folder / _array(split)
    if not path.is_file():
        return None
    try:
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError) as error:
        raise DatasetError(f"is no array: {error}", path=path) from None
    if len(shape) != 4 or shape[1:] != (1, 2500, 12):
        raise DatasetError(f"has the shape {shape}, not (ECGs, 1, 2500, 12)", path=path)
    return int(shape[0])


def _flag(cells: Mapping[str, str], flag: str) -> float | None:
    number = _MEASURED.get(flag)
    if number is not None and number in cells and not cells[number]:
        return None
    return truth(cells[flag])


DATASET = Dataset(
    name="echonext-mini",
    title="EchoNext-Mini 1.1.0",
    licence="PhysioNet restricted access",
    citation="Elias P, Finer J. EchoNext: A Dataset for Detecting Echocardiogram-Confirmed "
    "Structural Heart Disease from ECGs. PhysioNet. doi 10.13026/r9pp-3y42",
    url="https://physionet.org/content/echonext/1.1.0/",
    content="100,000 twelve-lead ECGs of 10 s at 250 Hz, 36,286 patients, eleven findings of an "
    "echocardiogram",
    folder="echonext_metadata_100k.csv and EchoNext_train_waveforms.npy …",
    labels="",
    reading=reading,
    recognise=recognise,
    options={
        "waveforms": Option(
            "required", "optional: rows even without the arrays", ("required", "optional")
        )
    },
)
