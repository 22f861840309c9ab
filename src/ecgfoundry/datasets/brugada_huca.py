"""Brugada-HUCA: twelve-lead recordings of people with and without Brugada syndrome.

``metadata.csv`` has ``brugada`` 0, 1 or 2. What 2 means is not explained there, so the target of
these is missing. Four pairs of identical recordings stand under two identifiers; each pair is taken
for one person, so that no split parts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval
from ecgfoundry.datasets.metadata_tables import integer_text, iterate_table
from ecgfoundry.manifest import ManifestRow

__all__ = ["DATASET", "SAME_RECORDING"]

SAME_RECORDING = {
    "844915": "841869",
    "1220716": "972330",
    "1366050": "1228746",
    "1307673": "1303729",
}
"""Identifier -> the other one of the same recording (found by comparing the signals)."""

_TARGETS = {
    "brugada": "Brugada syndrome",
    "basal_pattern": "abnormal at rest",
    "sudden_death": "sudden death",
}
_VALUES = {"0": 0.0, "1": 1.0}


def recognise(folder: Path) -> bool:
    """Whether the table and the folder of records are there."""
    return (folder / "metadata.csv").is_file() and (folder / "files").is_dir()


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the people of the table whose record is there."""
    for cells in iterate_table(folder / "metadata.csv", required=("patient_id", *_TARGETS)):
        report.found += 1
        record = integer_text(cells["patient_id"]) or ""
        path = folder / "files" / record / f"{record}.hea"
        if not path.is_file():
            report.skip("file not there", record)
            continue
        values = {column: integer_text(cells[column]) or "" for column in _TARGETS}
        if values["brugada"] == "2":
            report.counts["brugada 2, which is not explained: target missing"] += 1
        if record in SAME_RECORDING:
            report.note("Identical recordings under two identifiers are taken for one person")
        yield ManifestRow(
            record=record,
            path=path.relative_to(folder).as_posix(),
            patient=SAME_RECORDING.get(record, record),
            targets={name: _VALUES.get(values[column]) for column, name in _TARGETS.items()},
        )


DATASET = Dataset(
    name="brugada-huca",
    title="Brugada-HUCA 1.0.0",
    licence="CC BY-SA 4.0",
    citation="Brugada-HUCA: 12-lead ECG recordings for the study of Brugada syndrome. PhysioNet, "
    "version 1.0.0",
    url="https://physionet.org/content/brugada-huca/1.0.0/",
    content="363 twelve-lead recordings of 12 s at 100 Hz, Brugada syndrome or not",
    folder="metadata.csv and files/",
    labels="",
    reading=reading,
    recognise=recognise,
)
