"""Targets for MIMIC-IV-ECG from the clinical tables of MIMIC-IV: the linkage rules.

ECGFounder's authors name the tasks (CKD, CHD, LVEF, NT-proBNP); the rules by which an ECG gets its
target are not known to us, so those here are ours:

- **NT-proBNP**: the ECG's nearest result within 24 hours before or after (``labevents``, item
  50963, pg/mL). Results as text ("<50", ">70000") count at their limit. Two targets: the decimal
  logarithm, and whether it is 125 pg/mL or more (the ESC's rule-out limit outside emergencies).
- **CKD**: the ECG lies between admission and discharge; positive if the discharge diagnoses hold
  ICD-10 N18 or ICD-9 585.
- **CHD** (read as coronary heart disease): the same with ICD-10 I20-I25 or ICD-9 410-414.
- **LVEF**: MIMIC-IV has no table of ejection fractions. ``lvef.csv`` (subject_id, measured_at, lvef
  in per cent), which users extract from echo reports, is linked with the nearest measurement
  within 7 days. Two targets: the value, and whether it is under 50 %.

An ECG without a target is left out of the manifest. A patient's ECGs all stay; splits are by
patient. Tables are read as MIMIC-IV 2.2 and MIMIC-IV-ECG 1.0 lay them out, plain or gzipped, row by
row.
"""

from __future__ import annotations

import bisect
import csv
import gzip
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from ecgfoundry.errors import FileAccessError, TrainingError
from ecgfoundry.manifest import Manifest, ManifestRow

__all__ = ["LINKED_TARGETS", "link_mimic", "result_number"]

NT_PROBNP_ITEM = "50963"
NT_PROBNP_WINDOW = timedelta(hours=24)
NT_PROBNP_LIMIT = 125.0  # pg/mL
LVEF_WINDOW = timedelta(days=7)
LVEF_LIMIT = 50.0  # per cent

_CKD = {"9": ("585",), "10": ("N18",)}
_CHD = {"9": ("410", "411", "412", "413", "414"),
        "10": ("I20", "I21", "I22", "I23", "I24", "I25")}  # fmt: skip

Dated = Mapping[str, list[tuple[datetime, float]]]


def _table(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a table that lies in the folder, or below ``hosp``, plain or gzipped."""
    for base in (folder, folder / "hosp"):
        for suffix in (".csv", ".csv.gz"):
            path = base / f"{name}{suffix}"
            if path.is_file():
                opener: Callable[..., object] = gzip.open if suffix.endswith("gz") else open
                with opener(path, "rt", newline="", encoding="utf-8") as stream:  # type: ignore[attr-defined]
                    yield from csv.DictReader(stream)
                return
    raise FileAccessError(
        f"the table {name}.csv (or .csv.gz) is not there",
        path=folder,
        remedy="Give the folder that holds record_list.csv and MIMIC-IV's hosp folder",
    )


def result_number(text: str) -> float | None:
    """Return a laboratory result as a number; "<50" and ">70000" are their limits.

    Returns
    -------
    float or None
        None for anything else ("___", "ERROR", an empty cell).
    """
    match = re.fullmatch(
        r"\s*(?:[<>]=?|GREATER THAN|LESS THAN)?\s*(\d+(?:\.\d+)?)\s*", text.upper()
    )
    return float(match.group(1)) if match else None


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _nearest(
    events: list[tuple[datetime, float]], moment: datetime, within: timedelta
) -> float | None:
    """Value of the event nearest in time; the earlier of two equally near ones."""
    place = bisect.bisect_left(events, (moment, -math.inf))
    best: tuple[timedelta, float] | None = None
    for time, value in events[max(place - 1, 0) : place + 1]:
        distance = abs(time - moment)
        if distance <= within and (best is None or distance < best[0]):
            best = (distance, value)
    return None if best is None else best[1]


def _dated(rows: Iterator[tuple[str, str, float | None]]) -> Dated:
    result: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for subject, moment, value in rows:
        time = _time(moment)
        if time is not None and value is not None:
            result[subject].append((time, value))
    for events in result.values():
        events.sort()
    return result


def _nt_probnp(folder: Path) -> Callable[[str, datetime], dict[str, float | None]]:
    events = _dated(
        (
            row["subject_id"],
            row["charttime"],
            float(row["valuenum"]) if row.get("valuenum") else result_number(row.get("value", "")),
        )
        for row in _table(folder, "labevents")
        if row["itemid"] == NT_PROBNP_ITEM
    )

    def target(subject: str, moment: datetime) -> dict[str, float | None]:
        value = _nearest(events.get(subject, []), moment, NT_PROBNP_WINDOW)
        if value is None or value <= 0:
            return {}
        return {
            "log10 NT-proBNP": math.log10(value),
            "NT-proBNP >= 125 pg/mL": float(value >= NT_PROBNP_LIMIT),
        }

    return target


def _lvef(folder: Path) -> Callable[[str, datetime], dict[str, float | None]]:
    events = _dated(
        (row["subject_id"], row["measured_at"], _percent(row["lvef"]))
        for row in _table(folder, "lvef")
    )

    def target(subject: str, moment: datetime) -> dict[str, float | None]:
        value = _nearest(events.get(subject, []), moment, LVEF_WINDOW)
        return {} if value is None else {"LVEF": value, "LVEF < 50 %": float(value < LVEF_LIMIT)}

    return target


def _percent(text: str) -> float | None:
    """A share of 0-1 would be a unit mistake: only 5 to 95 per cent are ejection fractions."""
    value = result_number(text)
    return value if value is not None and 5.0 <= value <= 95.0 else None


def _diagnosis(
    name: str, codes: Mapping[str, tuple[str, ...]]
) -> Callable[[Path], Callable[[str, datetime], dict[str, float | None]]]:
    def load(folder: Path) -> Callable[[str, datetime], dict[str, float | None]]:
        stays: dict[str, list[tuple[datetime, datetime, str]]] = defaultdict(list)
        for row in _table(folder, "admissions"):
            start, end = _time(row["admittime"]), _time(row["dischtime"])
            if start is not None and end is not None:
                stays[row["subject_id"]].append((start, end, row["hadm_id"]))
        coded, positive = set(), set()
        for row in _table(folder, "diagnoses_icd"):
            coded.add(row["hadm_id"])
            version = row["icd_version"].strip()
            if row["icd_code"].strip().upper().startswith(codes.get(version, ("\0",))):
                positive.add(row["hadm_id"])

        def target(subject: str, moment: datetime) -> dict[str, float | None]:
            for start, end, stay in stays.get(subject, []):
                # A stay without any code was not coded, which is not the same as healthy.
                if start <= moment <= end and stay in coded:
                    return {name: float(stay in positive)}
            return {}

        return target

    return load


LINKED_TARGETS: Mapping[str, Callable[[Path], Callable[[str, datetime], dict[str, float | None]]]]
LINKED_TARGETS = {
    "lvef": _lvef,
    "ckd": _diagnosis("CKD", _CKD),
    "chd": _diagnosis("CHD", _CHD),
    "nt_probnp": _nt_probnp,
}
"""Task -> loader of its table -> targets of an ECG of this subject at this time."""


def link_mimic(folder: Path, task: str) -> Manifest:
    """Return the ECGs of MIMIC-IV-ECG that have a target.

    Parameters
    ----------
    folder : Path
        With ``record_list.csv`` and ``files/`` of MIMIC-IV-ECG, and the tables of MIMIC-IV (here or
        in ``hosp/``).
    task : str
        One of :data:`LINKED_TARGETS`.

    Raises
    ------
    FileAccessError
        A table is missing.
    TrainingError
        No ECG has a target.
    """
    target = LINKED_TARGETS[task](folder)
    rows = []
    for record in _table(folder, "record_list"):
        moment = _time(record["ecg_time"])
        if moment is None:
            continue
        values = target(record["subject_id"], moment)
        if values:
            rows.append(
                ManifestRow(
                    record=record["study_id"],
                    path=f"{record['path']}.hea",
                    patient=record["subject_id"],
                    visit=record["study_id"],
                    site="BIDMC",
                    targets=values,
                )
            )
    if not rows:
        raise TrainingError(f"no ECG has a target for {task}", path=folder)
    return Manifest(tuple(rows), folder)
