"""MIT-BIH Arrhythmia Database: half-hour two-lead records with beat and rhythm annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, multi_hot
from ecgfoundry.datasets.rhythms import rhythm_intervals
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.base import DEFAULT_LIMITS
from ecgfoundry.formats.common.subjects import subject_from_comments
from ecgfoundry.formats.wfdb.header import WfdbHeader, read_header
from ecgfoundry.manifest import ManifestRow

__all__ = ["DATASET", "RHYTHMS"]

RHYTHMS = {
    "(AB": "atrial bigeminy",
    "(AFIB": "atrial fibrillation",
    "(AFL": "atrial flutter",
    "(B": "ventricular bigeminy",
    "(BII": "2nd degree heart block",
    "(IVR": "idioventricular rhythm",
    "(N": "normal sinus rhythm",
    "(NOD": "nodal (AV junctional) rhythm",
    "(P": "paced rhythm",
    "(PREX": "pre-excitation",
    "(SBR": "sinus bradycardia",
    "(SVTA": "supraventricular tachyarrhythmia",
    "(T": "ventricular trigeminy",
    "(VFL": "ventricular flutter",
    "(VT": "ventricular tachycardia",
}
"""Mark -> meaning (MIT-BIH Arrhythmia Database Directory, table of rhythm annotations)."""

_SAME_PERSON = {"202": "201"}
"""Records 201 and 202 are of the same man (the Directory); all others are of different people."""


def _numbered(path: Path) -> bool:
    return len(path.stem) == 3 and path.stem.isdigit()


def recognise(folder: Path) -> bool:
    """Whether a record 100 to 234 with annotations is there."""
    return any(_numbered(path) and path.with_suffix(".hea").is_file() for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    inside = folder / "mitdb"
    return sorted((inside if inside.is_dir() else folder).glob("*.atr"))


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield each record with the rhythms that occur in it, and its rhythms as intervals."""
    read_so_far: list[tuple[Path, list[tuple[float, float, str]], WfdbHeader]] = []
    for path in _files(folder):
        if not _numbered(path):
            continue
        report.found += 1
        try:
            header = read_header(path.with_suffix(".hea"), DEFAULT_LIMITS)
            total_s = (header.frames or 0) / header.frame_rate
            read_so_far.append((path, rhythm_intervals(path, header.frame_rate, total_s), header))
        except EcgFoundryError as error:
            report.skip(f"not readable ({error.code})", path.stem)
    report.note("A target says that the rhythm occurs in the record; when, say the intervals")
    for path, marks, header in read_so_far:
        subject = subject_from_comments(header.comments)
        for mark in {mark for _, _, mark in marks if mark not in RHYTHMS}:
            report.counts[f"unknown rhythm {mark}"] += 1
        yield ManifestRow(
            record=path.stem,
            path=path.with_suffix(".hea").relative_to(folder).as_posix(),
            patient=_SAME_PERSON.get(path.stem, path.stem),
            age=subject.age,
            sex=subject.sex,
            targets=multi_hot((mark for _, _, mark in marks), tuple(RHYTHMS)),
        )
        for start, end, mark in marks:
            yield Interval(path.stem, start, end, mark)


DATASET = Dataset(
    name="mitbih",
    title="MIT-BIH Arrhythmia Database",
    licence="ODC-By 1.0",
    citation="Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng Med Biol "
    "20(3):45-50 (2001)",
    url="https://physionet.org/content/mitdb/1.0.0/",
    content="48 two-lead records of 30 min at 360 Hz of 47 people, beats and rhythms",
    folder="100.hea, 100.dat, 100.atr … (or a folder mitdb/ with them)",
    labels="rhythm-marks",
    reading=reading,
    recognise=recognise,
)
