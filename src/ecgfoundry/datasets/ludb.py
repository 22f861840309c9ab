"""LUDB (Kalyakulina et al. 2020): 200 twelve-lead recordings with diagnoses and delineation.

``ludb.csv`` has a column for each group of diagnoses, a cell of which lists statements line by
line. A target is a statement in lower case without the repetition of its column ("electric axis of
the heart: normal" is "axis: normal"). P, QRS and T waves stay in the per-lead annotation files,
which the WFDB reader attaches to the recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, multi_hot
from ecgfoundry.datasets.metadata_tables import integer_text, iterate_table
from ecgfoundry.formats.common.subjects import parse_age, parse_sex
from ecgfoundry.manifest import ManifestRow

__all__ = ["DATASET", "GROUPS", "statements_of"]

GROUPS = (
    "Rhythms",
    "Electric axis of the heart",
    "Conduction abnormalities",
    "Extrasystolies",
    "Hypertrophies",
    "Cardiac pacing",
    "Ischemia",
    "Non-specific repolarization abnormalities",
    "Other states",
)
_SHORTENED = {
    "electric axis of the heart: ": "axis: ",
    "non-specific repolarization abnormalities: ": "non-specific repolarization: ",
    "undefined ischemia/scar/supp.nstemi: ": "undefined ischemia or scar: ",
}


def statements_of(cells: Mapping[str, str]) -> tuple[str, ...]:
    """Return the statements of one line of ``ludb.csv``, in lower case."""
    found = []
    for group in GROUPS:
        for line in cells.get(group, "").splitlines():
            text = " ".join(line.lower().rstrip(".").split())
            for long, short in _SHORTENED.items():
                if text.startswith(long):
                    text = short + text[len(long) :]
            if text:
                found.append(text)
    return tuple(dict.fromkeys(found))


def _base(folder: Path) -> Path:
    return folder / "ludb" if (folder / "ludb" / "ludb.csv").is_file() else folder


def recognise(folder: Path) -> bool:
    """Whether the table of diagnoses is there."""
    return (_base(folder) / "ludb.csv").is_file()


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the records of the table whose files are there."""
    base = _base(folder)
    lines = list(iterate_table(base / "ludb.csv", required=("ID", "Sex", "Age", "Rhythms")))
    named = {id(cells): statements_of(cells) for cells in lines}
    names = sorted({name for found in named.values() for name in found})
    for cells in lines:
        report.found += 1
        record = integer_text(cells["ID"]) or ""
        path = base / "data" / f"{record}.hea"
        if not path.is_file():
            report.skip("file not there", record)
            continue
        yield ManifestRow(
            record=record,
            path=path.relative_to(folder).as_posix(),
            patient=record,
            age=parse_age(cells["Age"]),
            sex=parse_sex(cells["Sex"]),
            device="Schiller Cardiovit AT-101",
            targets=multi_hot(named[id(cells)], names),
        )


DATASET = Dataset(
    name="ludb",
    title="Lobachevsky University Electrocardiography Database 1.0.1",
    licence="ODC-By 1.0",
    citation="Kalyakulina AI, Yusipov II, Moskalenko VA, et al. LUDB: a new open-access validation "
    "tool for electrocardiogram delineation algorithms. IEEE Access 8:186181-186190 (2020)",
    url="https://physionet.org/content/ludb/1.0.1/",
    content="200 twelve-lead recordings of 10 s at 500 Hz of 200 people, diagnoses and waves",
    folder="ludb.csv and data/ (or a folder ludb/ with them)",
    labels="ludb",
    reading=reading,
    recognise=recognise,
)
