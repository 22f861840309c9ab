"""PTB-XL 1.0.3 (Wagner et al. 2020): ``ptbxl_database.csv``, ``scp_statements.csv``, ``records…``.

Labels
------
``scp_codes`` names SCP-ECG statements with a likelihood of 0 to 100; 0 means that none was given,
and statements of form and rhythm never have one. The superclasses and subclasses follow from the
diagnostic statements by the columns ``diagnostic_class`` and ``diagnostic_subclass``. With
``minimum_likelihood=0``, the rule of the authors' own example code, every named statement counts.
With a higher one a diagnostic statement counts from that likelihood on, and a class whose only
statements lie below it (or have no likelihood) is missing, neither present nor absent.

Folds 1 to 8 train, 9 validation, 10 test, as the authors recommend; patients do not cross folds.
An age of 300 is the data set's code for "over 89" and is left missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, Option
from ecgfoundry.datasets.metadata_tables import integer_text, iterate_table, number
from ecgfoundry.errors import DatasetError
from ecgfoundry.formats.common.subjects import parse_age
from ecgfoundry.manifest import ManifestRow

__all__ = ["DATASET", "Statement", "parse_scp_codes", "read_statements"]

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
KINDS = ("super", "sub", "diagnostic", "form", "rhythm")

_CODE = re.compile(r"""['"]([^'"]+)['"]\s*:\s*([0-9.]+|nan|None)""")


class Statement:
    """One line of ``scp_statements.csv``.

    Parameters
    ----------
    code, description : str
    diagnostic, form, rhythm : bool
        What kind of statement it is; some are diagnostic and form alike.
    superclass, subclass : str
        Empty for statements that are not diagnostic.
    """

    __slots__ = ("code", "description", "diagnostic", "form", "rhythm", "subclass", "superclass")

    def __init__(self, row: Mapping[str, str]) -> None:
        self.code = row[""]
        self.description = row.get("description", "")
        self.diagnostic = number(row["diagnostic"]) == 1.0
        self.form = number(row["form"]) == 1.0
        self.rhythm = number(row["rhythm"]) == 1.0
        self.superclass = row["diagnostic_class"] if self.diagnostic else ""
        self.subclass = row["diagnostic_subclass"] if self.diagnostic else ""

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the targets of a kind that this statement makes present."""
        if kind == "super":
            return (self.superclass,) if self.superclass else ()
        if kind == "sub":
            return (self.subclass,) if self.subclass else ()
        return (self.code,) if getattr(self, kind) else ()


def read_statements(path: Path) -> dict[str, Statement]:
    """Read ``scp_statements.csv``, whose first column, the code, has no name."""
    columns = ("", "diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass")
    return {row[""]: Statement(row) for row in iterate_table(path, required=columns)}


def parse_scp_codes(text: str) -> dict[str, float]:
    """Return code -> likelihood from the text of a Python dictionary; a "nan" counts as 0.

    Examples
    --------
    >>> parse_scp_codes("{'NORM': 100.0, 'SR': 0.0, 'LVOLT': nan}")
    {'NORM': 100.0, 'SR': 0.0, 'LVOLT': 0.0}
    """
    return {code: number(value) or 0.0 for code, value in _CODE.findall(text)}


def recognise(folder: Path) -> bool:
    """Whether the two tables are there."""
    tables = ("ptbxl_database.csv", "scp_statements.csv")
    return all((folder / name).is_file() for name in tables)


def target_names(statements: Mapping[str, Statement], labels: str) -> dict[str, list[str]]:
    """Return kind -> names of its targets, in the order of ``scp_statements.csv``."""
    chosen = KINDS if labels == "all" else (labels,)
    names = {
        kind: list(dict.fromkeys(n for s in statements.values() for n in s.names(kind)))
        for kind in chosen
    }
    if "super" in names:
        names["super"] = [name for name in SUPERCLASSES if name in names["super"]]
    return names


def targets_of(
    codes: Mapping[str, float],
    statements: Mapping[str, Statement],
    names: Mapping[str, list[str]],
    minimum_likelihood: float,
    prefixed: bool,
) -> dict[str, float | None]:
    """Return the targets of one record; see the rule at the top of this module."""
    result: dict[str, float | None] = {}
    for kind, targets in names.items():
        sure: set[str] = set()
        unsure: set[str] = set()
        by_likelihood = kind in ("super", "sub", "diagnostic")
        for code, likelihood in codes.items():
            if code in statements:
                counts = not by_likelihood or likelihood >= minimum_likelihood
                (sure if counts else unsure).update(statements[code].names(kind))
        for target in targets:
            value = 1.0 if target in sure else None if target in unsure else 0.0
            result[f"{kind}:{target}" if prefixed else target] = value
    return result


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield a row for every record whose header is there."""
    statements = read_statements(folder / "scp_statements.csv")
    names = target_names(statements, options["labels"])
    minimum = number(options["minimum_likelihood"])
    if minimum is None or not 0 <= minimum <= 100:
        raise DatasetError("minimum_likelihood is not a number from 0 to 100")
    column = {"500": "filename_hr", "100": "filename_lr"}[options["rate"]]
    report.note(
        "Diagnostic statements count from a likelihood of "
        f"{minimum:g} on" + (" (all of them)" if minimum == 0 else "")
    )
    required = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", column)
    for cells in iterate_table(folder / "ptbxl_database.csv", required=required):
        report.found += 1
        record = integer_text(cells["ecg_id"]) or ""
        path = f"{cells[column]}.hea"
        if not (folder / path).is_file():
            report.skip("file not there", record)
            continue
        codes = parse_scp_codes(cells["scp_codes"])
        for code in codes:
            if code not in statements:
                report.counts[f"unknown statement {code}"] += 1
        fold = int(number(cells["strat_fold"]) or 0)
        yield ManifestRow(
            record=record,
            path=path,
            patient=integer_text(cells["patient_id"]),
            split=_split(fold),
            age=parse_age(cells["age"]),
            sex={"0": "male", "1": "female"}.get(integer_text(cells["sex"]) or ""),
            site=integer_text(cells.get("site", "")),
            device=cells.get("device") or None,
            targets=targets_of(codes, statements, names, minimum, options["labels"] == "all"),
        )


def _split(fold: int) -> str | None:
    if 1 <= fold <= 8:
        return "train"
    return {9: "validation", 10: "test"}.get(fold)


DATASET = Dataset(
    name="ptbxl",
    title="PTB-XL 1.0.3",
    licence="CC BY 4.0",
    citation="Wagner P, Strodthoff N, Bousseljot R-D, et al. PTB-XL, a large publicly available "
    "electrocardiography dataset. Scientific Data 7, 154 (2020)",
    url="https://physionet.org/content/ptb-xl/1.0.3/",
    content="21,799 twelve-lead recordings of 10 s, 18,869 patients",
    folder="ptbxl_database.csv, scp_statements.csv and records500/ or records100/",
    labels="scp-ecg",
    reading=reading,
    recognise=recognise,
    options={
        "labels": Option(
            "super", "which targets; all: the five kinds, as kind:name", (*KINDS, "all")
        ),
        "rate": Option("500", "sampling rate of the files, Hz", ("500", "100")),
        "minimum_likelihood": Option("0", "of diagnostic statements, 0 to 100"),
    },
)
