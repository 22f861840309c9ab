"""PhysioNet/CinC Challenge 2011: twelve-lead recordings of a mobile device, acceptable or not.

``set-a`` with ``RECORDS-acceptable`` and ``RECORDS-unacceptable``; records in neither list, on
whose quality the annotators did not agree, have no target. The data set names no people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval
from ecgfoundry.errors import FileAccessError
from ecgfoundry.manifest import ManifestRow

__all__ = ["DATASET"]

_LISTS = {"RECORDS-acceptable": 1.0, "RECORDS-unacceptable": 0.0}


def _base(folder: Path) -> Path:
    return folder / "set-a" if (folder / "set-a").is_dir() else folder


def recognise(folder: Path) -> bool:
    """Whether both lists are there."""
    return all((_base(folder) / name).is_file() for name in _LISTS)


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the records of ``RECORDS``, or of both lists where that is not there."""
    base = _base(folder)
    listed = {record: value for name, value in _LISTS.items() for record in _names(base / name)}
    whole = base / "RECORDS"
    records = list(dict.fromkeys([*(_names(whole) if whole.is_file() else ()), *listed]))
    report.note("The data set names no patients")
    for record in records:
        report.found += 1
        path = base / f"{record}.hea"
        if not path.is_file():
            report.skip("file not there", record)
            continue
        yield ManifestRow(
            record=record,
            path=path.relative_to(folder).as_posix(),
            targets={"acceptable": listed.get(record)},
        )


def _names(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileAccessError(f"cannot be read ({type(error).__name__})", path=path) from None
    return [line.strip() for line in lines if line.strip()]


DATASET = Dataset(
    name="cinc2011",
    title="PhysioNet/CinC Challenge 2011, set a",
    licence="ODC-By 1.0",
    citation="Silva I, Moody GB, Celi L. Improving the quality of ECGs collected using mobile "
    "phones: the PhysioNet/Computing in Cardiology Challenge 2011. Computing in Cardiology 2011",
    url="https://physionet.org/content/challenge-2011/1.0.0/",
    content="1,000 twelve-lead recordings of 10 s at 500 Hz, acceptable or not",
    folder="set-a/ (or its content) with RECORDS-acceptable and RECORDS-unacceptable",
    labels="",
    reading=reading,
    recognise=recognise,
)
