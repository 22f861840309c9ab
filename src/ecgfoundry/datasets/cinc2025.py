"""PhysioNet Challenge 2025: Chagas disease from twelve leads, in the three forms that it comes in.

- WFDB records whose header says ``Chagas label`` (what the challenge's own scripts write);
- CODE-15 % with ``code15_chagas_labels.csv`` beside ``exams.csv`` and its parts;
- SaMi-Trop: ``exams.csv``, ``exams.hdf5`` and, if wanted, ``samitrop_chagas_labels.csv``; all of
  its people have the disease.

The labels are of unequal strength (page of the challenge's data): those of CODE-15 % were reported
by the people themselves, those of SaMi-Trop are serological, and PTB-XL's people are taken for
healthy because of where they live. The row's ``site`` says which it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval
from ecgfoundry.datasets.code import reading_15, truth
from ecgfoundry.datasets.metadata_tables import integer_text, iterate_table
from ecgfoundry.errors import DatasetError, EcgFoundryError
from ecgfoundry.formats.arrays.hdf5_files import checked_dataset, open_hdf5
from ecgfoundry.formats.base import DEFAULT_LIMITS
from ecgfoundry.formats.common.subjects import (
    key_values,
    parse_age,
    parse_sex,
    subject_from_comments,
)
from ecgfoundry.formats.wfdb.header import read_header
from ecgfoundry.manifest import ManifestRow

__all__ = ["DATASET"]

TARGET = "Chagas disease"
_CODE15_LABELS, _SAMITROP_LABELS = "code15_chagas_labels.csv", "samitrop_chagas_labels.csv"
_LABEL_BYTES = b"chagas label"


def _is_samitrop(folder: Path) -> bool:
    return (folder / "exams.hdf5").is_file() and (folder / "exams.csv").is_file()


def recognise(folder: Path) -> bool:
    """Whether one of the three forms is there."""
    if (folder / _CODE15_LABELS).is_file() or _is_samitrop(folder):
        return True
    first = next(iter(sorted(folder.rglob("*.hea"))), None)
    return first is not None and _LABEL_BYTES in first.read_bytes().lower()


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the rows of every form that the folder holds."""
    if (folder / _CODE15_LABELS).is_file():
        yield from _of_code15(folder, report)
    elif _is_samitrop(folder):
        yield from _of_samitrop(folder, report)
    yield from _of_wfdb(folder, report)


def _of_code15(folder: Path, report: DatasetReport) -> Iterator[ManifestRow]:
    report.note("Labels of CODE-15 %: reported by the people themselves")
    labels = _labels(folder / _CODE15_LABELS)
    for row in reading_15(folder, report, {}):
        if isinstance(row, ManifestRow):
            if row.record not in labels:
                report.counts["exams without a label"] += 1
            yield replace(row, site="CODE-15%", targets={TARGET: labels.get(row.record)})


def _of_samitrop(folder: Path, report: DatasetReport) -> Iterator[ManifestRow]:
    report.note("Labels of SaMi-Trop: serological, and all positive")
    report.note(
        "Rows of exams.hdf5 are those of exams.csv; their unit was not checked on real files"
    )
    own = folder / _SAMITROP_LABELS
    labels = _labels(own) if own.is_file() else None
    exams = list(iterate_table(folder / "exams.csv", required=("exam_id", "age", "is_male")))
    path = folder / "exams.hdf5"
    with open_hdf5(path) as file:
        count = int(checked_dataset(file, "tracings", path).shape[0])
    if count != len(exams):
        raise DatasetError(f"{count} tracings do not belong to {len(exams)} exams", path=path)
    for index, cells in enumerate(exams):
        report.found += 1
        exam, male = integer_text(cells["exam_id"]) or "", truth(cells["is_male"])
        yield ManifestRow(
            record=f"samitrop-{exam}",
            path=path.name,
            index=index,
            patient=integer_text(cells.get("patient_id", "")),
            age=parse_age(cells["age"]),
            sex=None if male is None else "male" if male else "female",
            site="SaMi-Trop",
            targets={TARGET: 1.0 if labels is None else labels.get(exam)},
        )


def _labels(path: Path) -> dict[str, float | None]:
    rows = iterate_table(path, required=("exam_id", "chagas"))
    return {integer_text(cells["exam_id"]) or "": truth(cells["chagas"]) for cells in rows}


def _of_wfdb(folder: Path, report: DatasetReport) -> Iterator[ManifestRow]:
    headers = sorted(folder.rglob("*.hea"))
    if headers:
        report.note("WFDB headers name no patients")
    for path in headers:
        report.found += 1
        name = path.relative_to(folder).with_suffix("").as_posix()
        try:
            header = read_header(path, DEFAULT_LIMITS)
        except EcgFoundryError:
            report.skip("header not readable", name)
            continue
        said = {key.lower(): value for key, value in key_values(header.comments).items()}
        person = subject_from_comments(header.comments)
        yield ManifestRow(
            record=name,
            path=path.relative_to(folder).as_posix(),
            age=person.age,
            sex=person.sex or parse_sex(said.get("sex", "")),
            site=said.get("source") or None,
            targets={TARGET: truth(said.get("chagas label", ""))},
        )


DATASET = Dataset(
    name="cinc2025",
    title="PhysioNet Challenge 2025 (CODE-15 %, SaMi-Trop, PTB-XL)",
    licence="CC BY 4.0 (each of the three sources)",
    citation="Reyna MA, Koscova Z, Pavlus J, et al. Detection of Chagas Disease from the ECG: The "
    "George B. Moody PhysioNet Challenge 2025. Computing in Cardiology 2025",
    url="https://physionetchallenges.org/2025/",
    content="twelve-lead recordings of 7 or 10 s, Chagas disease or not, three sources",
    folder="WFDB records with 'Chagas label', or code15_chagas_labels.csv, exams.csv and parts of "
    "CODE-15 %, or exams.csv and exams.hdf5 of SaMi-Trop",
    labels="",
    reading=reading,
    recognise=recognise,
    large=True,
)
