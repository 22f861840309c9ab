"""SPH (Liu et al. 2022): twelve-lead recordings with standardized AHA/ACC/HRS statements.

``AHA_Code`` holds statements separated by ";", each a primary code and modifiers joined by "+", as
in ``22;60+310`` (sinus bradycardia; ventricular premature complexes, frequent). A target is a
primary code. A modifier that casts doubt (borderline, consider, possible, probable, versus, or)
makes its target missing: neither present nor absent. Other modifiers only qualify and are counted.
Code 1, normal ECG, stands alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval
from ecgfoundry.datasets.metadata_tables import iterate_table
from ecgfoundry.formats.common.subjects import parse_age, parse_sex
from ecgfoundry.manifest import ManifestRow

__all__ = ["DATASET", "DOUBT", "parse_aha"]

DOUBT = frozenset({"301", "302", "312", "315", "322"})
"""Borderline, consider, possible, probable, versus (Mason et al., Circulation 115:1325, 2007)."""


def parse_aha(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return (primary code, modifiers) of every statement.

    Examples
    --------
    >>> parse_aha("22;60+310")
    [('22', ()), ('60', ('310',))]
    """
    statements = []
    for part in text.split(";"):
        primary, *modifiers = (code.strip() for code in part.split("+"))
        if primary:
            statements.append((primary, tuple(code for code in modifiers if code)))
    return statements


def _file(folder: Path, name: str) -> Path | None:
    for place in (folder / "records" / name, folder / name):
        if place.is_file():
            return place
    return None


def recognise(folder: Path) -> bool:
    """Whether ``metadata.csv`` has the column of the statements."""
    table = folder / "metadata.csv"
    try:
        with table.open(encoding="utf-8-sig", errors="replace") as stream:
            return "AHA_Code" in stream.readline()
    except OSError:
        return False


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the records of the table whose files are there."""
    required = ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex")
    lines = list(iterate_table(folder / "metadata.csv", required=required))
    parsed = [parse_aha(cells["AHA_Code"]) for cells in lines]
    names = sorted({code for statements in parsed for code, _ in statements}, key=_as_number)
    for cells, statements in zip(lines, parsed, strict=True):
        report.found += 1
        file = cells["ECG_ID"].removesuffix(".h5") + ".h5"
        record = file.removesuffix(".h5")
        path = _file(folder, Path(file).name)
        if path is None:
            report.skip("file not there", record)
            continue
        if not statements:
            report.skip("no statement", record)
            continue
        values: dict[str, float | None] = dict.fromkeys(names, 0.0)
        for code, modifiers in statements:
            for modifier in modifiers:
                report.counts[f"modifier {modifier}"] += 1
            if DOUBT.intersection(modifiers):
                if values[code] != 1.0:
                    values[code] = None
            else:
                values[code] = 1.0
        yield ManifestRow(
            record=record,
            path=path.relative_to(folder).as_posix(),
            patient=cells["Patient_ID"] or None,
            age=parse_age(cells["Age"]),
            sex=parse_sex(cells["Sex"]),
            targets=values,
        )


def _as_number(code: str) -> tuple[int, str]:
    return (int(code) if code.isdigit() else 10**9, code)


DATASET = Dataset(
    name="sph",
    title="Shandong Provincial Hospital database",
    licence="CC BY 4.0",
    citation="Liu H, Chen D, Chen D, et al. A large-scale multi-label 12-lead electrocardiogram "
    "database with standardized diagnostic statements. Scientific Data 9, 272 (2022)",
    url="https://doi.org/10.6084/m9.figshare.c.5779802",
    content="25,770 twelve-lead recordings of 10 to 60 s at 500 Hz, 24,666 patients",
    folder="metadata.csv and the .h5 files (or a folder records/ with them)",
    labels="aha",
    reading=reading,
    recognise=recognise,
)
