"""China Physiological Signal Challenges 2018 (nine classes) and 2021 (paroxysmal AF episodes)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, Option, multi_hot
from ecgfoundry.datasets.metadata_tables import iterate_table, number
from ecgfoundry.datasets.rhythms import rhythm_intervals
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.base import DEFAULT_LIMITS
from ecgfoundry.formats.files import read
from ecgfoundry.formats.wfdb.header import read_header
from ecgfoundry.manifest import ManifestRow

__all__ = ["CLASSES_2018", "CPSC2018", "CPSC2021", "TYPES_2021"]

CLASSES_2018 = ("Normal", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE")
"""In the order of their numbers, 1 to 9, in REFERENCE.csv (http://2018.icbeb.org/Challenge.html)."""

TYPES_2021 = (
    "non atrial fibrillation",
    "paroxysmal atrial fibrillation",
    "persistent atrial fibrillation",
)
"""The comment line of each header (https://physionet.org/content/cpsc2021/1.0.0/)."""

AF_EPISODE = "(AFIB"
AFL_EPISODE = "(AFL"

_RECORD_2018 = re.compile(r"^A\d{4}$")
_RECORD_2021 = re.compile(r"^data_(\d+)_(\d+)$")


def recognise_2018(folder: Path) -> bool:
    """Whether files of the challenge's names are there, and no headers that explain them."""
    paths = list(_files_2018(folder))[:1]
    return bool(paths) and not paths[0].with_suffix(".hea").is_file()


def _files_2018(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("A[0-9][0-9][0-9][0-9].mat")):
        if _RECORD_2018.match(path.stem):
            yield path


def reading_2018(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the recordings; up to three labels each from REFERENCE.csv, where it is there."""
    reference = next(iter(sorted(folder.rglob("REFERENCE.csv"))), None)
    labels: dict[str, tuple[str, ...]] = {}
    if reference is None:
        report.note("REFERENCE.csv is not there: all targets are missing")
    else:
        columns = ("Recording", "First_label")
        for cells in iterate_table(reference, required=columns):
            labels[cells["Recording"]] = _classes(cells, report)
    for path in _files_2018(folder):
        report.found += 1
        age = sex = None
        if options["demographics"] == "read":
            try:
                subject = read(path).subject
            except EcgFoundryError as error:
                report.skip(f"file not readable ({error.code})", path.stem)
                continue
            age, sex = subject.age, subject.sex
        known = labels.get(path.stem)
        if reference is not None and not known:
            report.skip("no known label", path.stem)
            continue
        yield ManifestRow(
            record=path.stem,
            path=path.relative_to(folder).as_posix(),
            age=age,
            sex=sex,
            targets=dict.fromkeys(CLASSES_2018) if not known else multi_hot(known, CLASSES_2018),
        )


def _classes(cells: Mapping[str, str], report: DatasetReport) -> tuple[str, ...]:
    found = []
    for column in ("First_label", "Second_label", "Third_label"):
        value = number(cells.get(column, ""))
        if value is None:
            continue
        if value == int(value) and 1 <= value <= len(CLASSES_2018):
            found.append(CLASSES_2018[int(value) - 1])
        else:
            report.counts["label outside 1 to 9"] += 1
    return tuple(found)


def recognise_2021(folder: Path) -> bool:
    """Whether a record ``data_<patient>_<number>`` is there."""
    return any(_RECORD_2021.match(path.stem) for path in folder.rglob("data_*.hea"))


def reading_2021(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield each record with its type, and its AF episodes as intervals.

    The target "atrial fibrillation" is present when the record has an episode. Episodes are the
    stretches from "(AFIB" or "(AFL" to the next rhythm mark.
    """
    report.note("Time outside of the episodes is not normal rhythm, only no AF")
    for path in sorted(folder.rglob("data_*.hea")):
        match = _RECORD_2021.match(path.stem)
        if match is None:
            continue
        report.found += 1
        try:
            header = read_header(path, DEFAULT_LIMITS)
            total_s = (header.frames or 0) / header.frame_rate
            marks = rhythm_intervals(path.with_suffix(".atr"), header.frame_rate, total_s)
        except EcgFoundryError as error:
            report.skip(f"not readable ({error.code})", path.stem)
            continue
        kind = next((t for t in TYPES_2021 if t in " ".join(header.comments).lower()), None)
        episodes = [mark for mark in marks if mark[2] in (AF_EPISODE, AFL_EPISODE)]
        targets: dict[str, float | None] = (
            dict.fromkeys(TYPES_2021) if kind is None else multi_hot((kind,), TYPES_2021)
        )
        targets["atrial fibrillation"] = float(bool(episodes))
        yield ManifestRow(
            record=path.stem,
            path=path.relative_to(folder).as_posix(),
            patient=match[1],
            targets=targets,
        )
        for start, end, label in episodes:
            yield Interval(path.stem, start, end, label)


CPSC2018 = Dataset(
    name="cpsc2018",
    title="China Physiological Signal Challenge 2018, training set",
    licence="none stated",
    citation="Liu F, Liu C, Zhao L, et al. An open access database for evaluating the algorithms "
    "of electrocardiogram rhythm and morphology abnormality detection. J Med Imaging Health "
    "Inform 8(7):1368-1373 (2018)",
    url="http://2018.icbeb.org/Challenge.html",
    content="6,877 twelve-lead recordings of 6 to 60 s at 500 Hz, nine classes",
    folder="A0001.mat … (in TrainingSet1-3/ or together) and REFERENCE.csv",
    labels="cpsc2018",
    reading=reading_2018,
    recognise=recognise_2018,
    options={
        "demographics": Option("read", "age and sex stand in each file", ("read", "leave out"))
    },
)

CPSC2021 = Dataset(
    name="cpsc2021",
    title="China Physiological Signal Challenge 2021",
    licence="CC BY 4.0",
    citation="Wang X, Ma C, Zhang X, et al. Paroxysmal atrial fibrillation events detection from "
    "dynamic ECG recordings: the 4th China Physiological Signal Challenge 2021. PhysioNet (2021)",
    url="https://physionet.org/content/cpsc2021/1.0.0/",
    content="1,436 two-lead excerpts of Holter recordings of 105 patients at 200 Hz, AF episodes",
    folder="data_<patient>_<number>.hea/.dat/.atr",
    labels="rhythm-marks",
    reading=reading_2021,
    recognise=recognise_2021,
)
