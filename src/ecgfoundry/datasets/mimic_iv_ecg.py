"""MIMIC-IV-ECG 1.0: 800,035 recordings, machine reports and measurements; no labels by people.

``record_list.csv`` gives the paths, ``machine_measurements.csv`` up to 18 report lines and the
measured times (ms) and axes (degrees) of each study. Measurements outside of 0 to 5000 ms or ±360
degrees are codes for "not measured" (29999 and the like) and become missing. The files list the
leads as I, II, III, aVR, aVF, aVL, V1-V6; the WFDB reader goes by their names. Single NaN samples
occur in the signals. Age and sex are in MIMIC-IV's own tables and are not read here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, Option
from ecgfoundry.datasets.metadata_tables import integer_text, iterate_joined, number
from ecgfoundry.errors import DatasetError
from ecgfoundry.manifest import ManifestRow
from ecgfoundry.vocabularies import labels_of_statements, load_vocabulary

__all__ = ["AXES", "DATASET", "TIMES", "measurements_of"]

REPORTS = tuple(f"report_{line}" for line in range(18))
TIMES = ("rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end")
AXES = ("p_axis", "qrs_axis", "t_axis")
MAXIMUM_TIME_MS = 5000.0
MAXIMUM_AXIS_DEGREES = 360.0


def measurements_of(cells: Mapping[str, str]) -> dict[str, float | None]:
    """Return times in ms and axes in degrees; values outside of their range are missing.

    Also the derived ``heart_rate`` (1/min), ``pr_interval``, ``qrs_duration`` and ``qt_interval``
    (ms), each missing when a part of it is or when it would not be positive.
    """
    result: dict[str, float | None] = {}
    for name in TIMES:
        value = number(cells.get(name, ""))
        result[name] = value if value is not None and 0 <= value <= MAXIMUM_TIME_MS else None
    for name in AXES:
        value = number(cells.get(name, ""))
        in_range = value is not None and abs(value) <= MAXIMUM_AXIS_DEGREES
        result[name] = value if in_range else None
    rr = result["rr_interval"]
    result["heart_rate"] = 60_000 / rr if rr else None
    for name, start, end in (
        ("pr_interval", "p_onset", "qrs_onset"),
        ("qrs_duration", "qrs_onset", "qrs_end"),
        ("qt_interval", "qrs_onset", "t_end"),
    ):
        first, last = result[start], result[end]
        known = first is not None and last is not None and last > first
        result[name] = last - first if known and first is not None and last is not None else None
    return result


def recognise(folder: Path) -> bool:
    """Whether the two tables are there."""
    tables = ("record_list.csv", "machine_measurements.csv")
    return all((folder / name).is_file() for name in tables)


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the studies of the record list."""
    wanted = options["targets"]
    names = load_vocabulary("ecgfounder-150").names
    report.note("Targets of the reports: 1 where a statement says so, else missing")
    joined = iterate_joined(
        folder / "record_list.csv",
        folder / "machine_measurements.csv",
        on="study_id",
        left_columns=("subject_id", "path"),
        right_columns=("cart_id", *REPORTS, *TIMES, *AXES),
    )
    for cells in joined:
        report.found += 1
        record = integer_text(cells["study_id"]) or ""
        path = cells["path"].removesuffix(".hea") + ".hea"
        if not record or path == ".hea":
            report.skip("no study or path", record)
            continue
        if options["files"] == "check" and not (folder / path).is_file():
            report.skip("file not there", record)
            continue
        targets: dict[str, float | None] = {}
        if wanted in ("reports", "both"):
            found = labels_of_statements(cells[name] for name in REPORTS)
            report.counts["statements"] += found.statements
            report.counts["unmapped statements"] += len(found.unmapped)
            if not found.statements:
                report.skip("no report", record)
                continue
            targets |= {name: 1.0 for name in names if name in found.positive}
        if wanted in ("measurements", "both"):
            targets |= measurements_of(cells)
        yield ManifestRow(
            record=record,
            path=path,
            patient=integer_text(cells["subject_id"]),
            device=integer_text(cells["cart_id"]),
            targets=targets,
        )
    if report.found == 0:
        raise DatasetError("the record list is empty", path=folder / "record_list.csv")


DATASET = Dataset(
    name="mimic-iv-ecg",
    title="MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset 1.0",
    licence="ODbL 1.0",
    citation="Gow B, Pollard T, Nathanson LA, et al. MIMIC-IV-ECG: Diagnostic Electrocardiogram "
    "Matched Subset (version 1.0). PhysioNet (2023)",
    url="https://physionet.org/content/mimic-iv-ecg/1.0/",
    content="800,035 twelve-lead recordings of 10 s at 500 Hz, 161,352 patients, machine reports",
    folder="record_list.csv, machine_measurements.csv and files/",
    labels="mimic-iv-ecg",
    reading=reading,
    recognise=recognise,
    options={
        "targets": Option(
            "reports", "the 150 labels, the measurements", ("reports", "measurements", "both")
        ),
        "files": Option("check", "trust: do not look for every file", ("check", "trust")),
    },
    large=True,
)
