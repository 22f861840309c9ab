"""Tables of labels that come with ECGFounder's fine-tuning code, for records of MIMIC-IV-ECG.

``csv/LVEF.csv`` has ``subject_id, waveform_path, LVEF, class``: a path within MIMIC-IV-ECG, the
ejection fraction of an echocardiogram in per cent, and a class that is **1 from 50 % on**: 1 is the
healthy one. The fine-tuning code reads its tables by the places of columns, and these places are
not those of the released table; here columns go by their names. Of the other tables that the code
reads (heart and kidney disease, age and sex, NT-proBNP) only the form is known: paths in one column
and numbers in others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, Option
from ecgfoundry.datasets.metadata_tables import iterate_table, number
from ecgfoundry.errors import DatasetError
from ecgfoundry.manifest import ManifestRow

__all__ = ["DATASET"]

PATH = "waveform_path"
_RECORD = re.compile(r"files/p\d{4}/p(?P<patient>\d{8})/s(?P<study>\d{8})/(?P=study)(\.hea)?")
_NO_TARGETS = ("", PATH, "subject_id", "study_id", "charttime", "ecg_time")
LVEF_PERCENT = (1.0, 95.0)
"""Ejection fractions beyond are slips of the pen ("555"): no heart has them."""
LVEF_LOW = 50.0
"""Per cent: the class of the table is 1 from here on."""


def recognise(folder: Path) -> bool:
    """Whether a table of labels is there that names records of MIMIC-IV-ECG."""
    return any(_columns(path) for path in _tables(folder))


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield a row for each line of the table; records are named by their study."""
    path = _table(folder, options["table"])
    columns = _columns(path)
    if not columns:
        raise DatasetError(f"has no column {PATH}", path=path)
    names = [name for name in columns if name not in _NO_TARGETS]
    seen: set[str] = set()
    for cells in iterate_table(path, required=(PATH,)):
        report.found += 1
        found = _RECORD.fullmatch(cells[PATH])
        if found is None:
            report.skip("path of no record of MIMIC-IV-ECG", cells[PATH])
            continue
        record = found["study"]
        file = cells[PATH].removesuffix(".hea") + ".hea"
        if record in seen:
            report.skip("a further line of the same record", record)
            continue
        if options["files"] == "check" and not (folder / file).is_file():
            report.skip("file not there", record)
            continue
        seen.add(record)
        if {"LVEF", "class"} <= set(names):
            targets = _ejection_fraction(cells, report)
        else:
            targets = {name: number(cells[name]) for name in names}
        yield ManifestRow(record=record, path=file, patient=found["patient"], targets=targets)


def _ejection_fraction(cells: Mapping[str, str], report: DatasetReport) -> dict[str, float | None]:
    """Return the per cent and whether they are low; the class of the table is held against them."""
    percent = number(cells["LVEF"])
    if percent is None or not LVEF_PERCENT[0] <= percent <= LVEF_PERCENT[1]:
        report.counts["ejection fractions that no heart has"] += percent is not None
        return {"lvef": None, "lvef_below_50": None}
    low = percent < LVEF_LOW
    if number(cells["class"]) != float(not low):
        report.counts["classes that do not go with their ejection fraction"] += 1
    return {"lvef": percent, "lvef_below_50": float(low)}


def _tables(folder: Path) -> list[Path]:
    return [path for place in (folder / "csv", folder) for path in sorted(place.glob("*.csv"))]


def _table(folder: Path, stem: str) -> Path:
    known = {path.stem: path for path in reversed(_tables(folder)) if _columns(path)}
    if stem not in known:
        raise DatasetError(
            f"there is no table '{stem}' of labels",
            path=folder,
            remedy=f"--option table=NAME takes: {', '.join(sorted(known))}",
        )
    return known[stem]


def _columns(path: Path) -> list[str]:
    """Return the columns of a table of labels; none where it names no records in this way."""
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        columns = [name.strip().strip('"') for name in stream.readline(10_000).split(",")]
    return columns if PATH in columns else []


DATASET = Dataset(
    name="ecgfounder-labels",
    title="Labels of ECGFounder's fine-tuning code for MIMIC-IV-ECG",
    licence="MIT (the code); the records are MIMIC-IV-ECG's, ODbL 1.0",
    citation="Li J, Aguirre A, Moura J, et al. An Electrocardiogram Foundation Model Built on over "
    "10 Million Recordings. arXiv 2410.04133",
    url="https://github.com/PKUDigitalHealth/ECGFounder",
    content="ejection fraction (LVEF.csv), and other tables of the same form",
    folder="MIMIC-IV-ECG's files/, and LVEF.csv beside it or in csv/",
    labels="",
    reading=reading,
    recognise=recognise,
    options={
        "table": Option("LVEF", "which table: its name without .csv"),
        "files": Option("check", "trust: do not look for every file", ("check", "trust")),
    },
    large=True,
)
