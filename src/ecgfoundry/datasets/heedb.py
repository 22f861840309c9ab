"""HEEDB, the Harvard-Emory ECG Database (BDSP), in its layouts v1/v2 and v3 and later.

v3+: one folder per institution (``I0001`` Massachusetts General, ``I0006`` Emory) with ``WFDB/``,
``metadata/metadata.csv`` and ``12SL_diagnoses/``: ``diagnoses_acquisition.csv`` (codes of the
device and of the physician) and ``diagnoses_v24.csv`` (codes of program version 24). Names of
recordings come with and without ``./``, ``WFDB/`` and ``.hea`` (and a line break), which are taken
off before tables are joined. v1/v2: ``ECG/WFDB`` and ``Metadata/`` with ``demographics_ECG.csv``,
``ECG_Interpretations.psv`` and ``duplicated.csv``, whose recordings are left out.

Targets are the 150 labels by whole statements: 1 where one says so, else missing, as the
positive-unlabelled loss wants it. Records without any statement are left out and counted. Ages are
in days in v3+ and in years before. Lead orders differ between versions; the WFDB reader goes by
names. Unreadable headers and signals occur and show when a recording is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, Option
from ecgfoundry.datasets.metadata_tables import integer_text, iterate_joined, iterate_table, number
from ecgfoundry.errors import DatasetError
from ecgfoundry.formats.common.subjects import parse_age, parse_sex
from ecgfoundry.manifest import ManifestRow
from ecgfoundry.vocabularies import labels_of_12sl_codes, load_vocabulary

__all__ = ["DATASET", "INSTITUTIONS", "parse_codes"]

INSTITUTIONS = {"I0001": "Massachusetts General Hospital", "I0006": "Emory University Hospital"}
DAYS_PER_YEAR = 365.25

_NAME = {r"^\.?/?(WFDB/)?": "", r"(\.hea)?\s*$": ""}
"""Regular expressions that bring the names of recordings to one form; "" after them is none."""

_SOURCES = {
    "software": ("diagnoses_acquisition.csv", "codes_software"),
    "physician": ("diagnoses_acquisition.csv", "codes_physician"),
    "v24": ("diagnoses_v24.csv", "codes"),
}


def parse_codes(text: str) -> tuple[str, ...]:
    """Return the 12SL codes of a cell, in order.

    Examples
    --------
    >>> parse_codes("22, 1680,360"), parse_codes("[22 1699]"), parse_codes("nan")
    (('22', '1680', '360'), ('22', '1699'), ())
    """
    plain = text.translate(str.maketrans("[](),;'\"", "        "))
    codes = (integer_text(word) or "" for word in plain.split())
    return tuple(code for code in codes if code.isdigit())


def recognise(folder: Path) -> bool:
    """Whether one of the two layouts is there."""
    return _is_old(folder) or bool(_institutions(folder))


def _is_old(folder: Path) -> bool:
    return (folder / "Metadata" / "demographics_ECG.csv").is_file()


def _institutions(folder: Path) -> list[Path]:
    candidates = [folder, *(folder / name for name in INSTITUTIONS)]
    return [place for place in candidates if (place / "metadata" / "metadata.csv").is_file()]


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the recordings that have statements."""
    report.note("Targets: 1 where a statement says so, else missing")
    if _is_old(folder):
        yield from _old(folder, report, options)
        return
    for place in _institutions(folder):
        yield from _institution(folder, place, report, options)


def _institution(
    folder: Path, place: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow]:
    table, column = _SOURCES[options["codes"]]
    diagnoses = place / "12SL_diagnoses" / table
    if not diagnoses.is_file():
        raise DatasetError("the statements are not there", path=diagnoses)
    prefix = (place / "WFDB").relative_to(folder)
    joined = iterate_joined(
        place / "metadata" / "metadata.csv",
        diagnoses,
        on="FileName",
        left_columns=("BDSPPatientID", "SexDSC", "Sex", "AgeAtAcquisition"),
        right_columns=(column,),
        normalize=_NAME,
    )
    for cells in joined:
        days = number(cells["AgeAtAcquisition"])
        row = ManifestRow(
            record=cells["FileName"],
            path=(prefix / f"{cells['FileName']}.hea").as_posix(),
            patient=integer_text(cells["BDSPPatientID"]),
            age=None if days is None else parse_age(round(days / DAYS_PER_YEAR, 2)),
            sex=parse_sex(cells["SexDSC"] or cells["Sex"]),
            site=place.name if place.name in INSTITUTIONS else None,
        )
        yield from _labelled(row, cells[column], folder, report, options)


def _old(folder: Path, report: DatasetReport, options: Mapping[str, str]) -> Iterator[ManifestRow]:
    metadata = folder / "Metadata"
    report.note("v1/v2 has one list of statements; the option codes has no effect")
    duplicated = set()
    if (metadata / "duplicated.csv").is_file():
        for line in iterate_table(metadata / "duplicated.csv", required=("file_name",)):
            duplicated.add(_base_name(line["file_name"]))
    statements: dict[str, str] = {}
    psv = metadata / "ECG_Interpretations.psv"
    for line in iterate_table(psv, required=("file_source", "diagnostic_codes"), separator="|"):
        statements.setdefault(_base_name(line["file_source"]), line["diagnostic_codes"])
    required = ("FileName", "BDSPPatientID", "SexDSC", "Age")
    for cells in iterate_table(metadata / "demographics_ECG.csv", required=required):
        name = cells["FileName"].removeprefix("./").removeprefix("/").removesuffix(".hea")
        base = _base_name(name)
        if base in duplicated:
            report.found += 1
            report.skip("listed as a duplicate", base)
            continue
        below = (
            "" if name.startswith("ECG/") else "WFDB/" if name.startswith("ECG") else "ECG/WFDB/"
        )
        row = ManifestRow(
            record=base,
            path=f"{below}{name}.hea",
            patient=integer_text(cells["BDSPPatientID"]),
            age=parse_age(cells["Age"]),
            sex=parse_sex(cells["SexDSC"]),
            site="I0001",
        )
        yield from _labelled(row, statements.get(base, ""), folder, report, options)


def _labelled(
    row: ManifestRow, codes: str, folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow]:
    """Yield a row with its targets, or count why there is none."""
    report.found += 1
    if options["files"] == "check" and not (folder / row.path).is_file():
        report.skip("file not there", row.record)
        return
    listed = parse_codes(codes)
    if not listed:
        report.skip("no statements", row.record)
        return
    found = labels_of_12sl_codes(listed)
    report.counts["statements"] += found.statements
    report.counts["unmapped statements"] += len(found.unmapped)
    report.counts["open labels"] += len(found.open)
    labels = _standalone() if options["targets"] == "standalone" else None
    positive = sorted(found.positive if labels is None else found.positive & labels)
    yield replace(row, targets=dict.fromkeys(positive, 1.0))


def _standalone() -> frozenset[str]:
    targets = load_vocabulary("ecgfounder-150").targets
    return frozenset(target.name for target in targets if target.standalone)


def _base_name(text: str) -> str:
    return text.strip().rsplit("/", 1)[-1].removesuffix(".hea").removesuffix(".mat")


DATASET = Dataset(
    name="heedb",
    title="Harvard-Emory ECG Database",
    licence="BDSP credentialed data use agreement",
    citation="Koscova Z, Li Q, Robichaux C, et al. The Harvard-Emory ECG Database. medRxiv "
    "2024.09.27.24314503 (2024)",
    url="https://bdsp.io/content/heedb/",
    content="over 11 million twelve-lead recordings of 10 s at 250 or 500 Hz, 12SL statements",
    folder="I0001/ and I0006/ (v3 and later), one of them, or ECG/ and Metadata/ (v1, v2)",
    labels="12sl",
    reading=reading,
    recognise=recognise,
    options={
        "codes": Option("software", "whose statements (v3 and later)", tuple(_SOURCES)),
        "targets": Option(
            "all", "the 150 labels, or those that stand alone", ("all", "standalone")
        ),
        "files": Option("check", "trust: do not look for every file", ("check", "trust")),
    },
    large=True,
)
