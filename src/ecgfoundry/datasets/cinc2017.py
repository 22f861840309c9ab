"""PhysioNet/CinC Challenge 2017: rhythm of single-lead AliveCor recordings.

The labels were revised: ``REFERENCE-v0.csv`` to ``REFERENCE-v3.csv`` lie beside the records on
PhysioNet, and ``REFERENCE.csv`` inside the zip is one of them. Which file was used stands in the
report. The data set names no patients: splits can only be by recording.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, Option, find_file, multi_hot
from ecgfoundry.errors import DatasetError, FileAccessError
from ecgfoundry.manifest import ManifestRow

__all__ = ["CLASSES", "DATASET"]

CLASSES = {"N": "normal", "A": "atrial fibrillation", "O": "other rhythm", "~": "noisy"}
"""Letters of the reference -> targets of the vocabulary ``cinc2017-rhythm``."""

VERSIONS = ("distributed", "v0", "v1", "v2", "v3")


def _reference(folder: Path, version: str) -> Path | None:
    name = "REFERENCE.csv" if version == "distributed" else f"REFERENCE-{version}.csv"
    return find_file(folder, name, f"../{name}", f"training2017/{name}")


def _records(folder: Path) -> Path:
    inside = folder / "training2017"
    return inside if inside.is_dir() else folder


def recognise(folder: Path) -> bool:
    """Whether a reference and at least one record of the challenge's name are there."""
    known = any(_reference(folder, version) is not None for version in VERSIONS)
    return known and next(_records(folder).glob("A[0-9][0-9][0-9][0-9][0-9].hea"), None) is not None


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield a row for every line of the reference whose record is there."""
    version = options["labels"]
    reference = _reference(folder, version)
    if reference is None:
        there = [other for other in VERSIONS if _reference(folder, other) is not None]
        raise DatasetError(
            f"the labels '{version}' are not there",
            path=folder,
            remedy=f"There are: {', '.join(there)}",
        )
    records = _records(folder)
    report.note(f"Labels of {reference.name}")
    report.note("The data set names no patients")
    names = tuple(CLASSES.values())
    for record, letter in _lines(reference):
        report.found += 1
        if letter not in CLASSES:
            report.skip("no known label", record)
        elif not (records / f"{record}.hea").is_file():
            report.skip("file not there", record)
        else:
            yield ManifestRow(
                record=record,
                path=(records / f"{record}.hea").relative_to(folder).as_posix(),
                device="AliveCor",
                targets=multi_hot((CLASSES[letter],), names),
            )


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield record and letter; the reference has no header."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            for cells in csv.reader(stream):
                if len(cells) >= 2:
                    yield cells[0].strip(), cells[1].strip()
    except OSError as error:
        raise FileAccessError(f"cannot be opened: {error.strerror}", path=path) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"is not a table in UTF-8: {error}", path=path) from None


DATASET = Dataset(
    name="cinc2017",
    title="PhysioNet/CinC Challenge 2017, training set",
    licence="ODC-By 1.0",
    citation="Clifford GD, Liu C, Moody B, et al. AF classification from a short single lead ECG "
    "recording. Computing in Cardiology 2017",
    url="https://physionet.org/content/challenge-2017/1.0.0/",
    content="8,528 single-lead recordings of 9 to 61 s at 300 Hz, four rhythm classes",
    folder="training2017/ (or its content) and REFERENCE.csv or REFERENCE-v3.csv",
    labels="",
    reading=reading,
    recognise=recognise,
    options={"labels": Option("distributed", "version of the reference", VERSIONS)},
)
