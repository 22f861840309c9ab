"""The CSV tables of MC-MED, read as they are shipped: plain or gzip, strings first.

Everything is read as text, because the values are text ("Negative", ">10.0"), and typed column by
column afterwards. A missing column, a broken line or a table that is not there is an
:class:`Issue` with a count and a name, and reading goes on. Facts about the layout: the data set's
description (PhysioNet ``mc-med`` 1.0.1) and Sci Data 2025;12:1094.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import FileAccessError, ManifestError
from ecgfoundry.extras import require_polars

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "LAB_COLUMNS",
    "SPLITS",
    "TABLES",
    "VISIT_COLUMNS",
    "Issue",
    "data_folder",
    "find_table",
    "parse_times",
    "read_labs",
    "read_splits",
    "read_table",
    "read_visits",
]

TABLES = (
    "visits",
    "orders",
    "meds",
    "pmh",
    "labs",
    "rads",
    "numerics",
    "waveform_summary",
)

VISIT_COLUMNS = (
    "MRN CSN Visit_no Visits Age Gender Race Ethnicity Means_of_arrival Triage_Temp Triage_HR "
    "Triage_RR Triage_SpO2 Triage_SBP Triage_DBP Triage_acuity CC ED_dispo Hours_to_next_visit "
    "Dispo_class_next_visit ED_LOS Hosp_LOS DC_dispo Payor_class Admit_service Dx_ICD9 Dx_ICD10 "
    "Dx_name Arrival_time Roomed_time Dispo_time Admit_time Departure_time"
).split()
"""Of visits.csv, in its order."""

LAB_COLUMNS = (
    "CSN Order_time Result_time Display_name Abnormal Component_name Component_result "
    "Component_value Component_units Component_abnormal Component_nml_low Component_nml_high"
).split()
"""Of labs.csv, in its order. There is no time of specimen collection."""

SPLITS = {"train": "train", "val": "validation", "test": "test"}
"""The ending of a split file and the name of the split in a manifest."""

NO_NUMBER = r"^9999999(?:\.0*)?$"
"""What Epic, the system behind MC-MED, writes for the number of a result that is none (">500",
"Negative"): ORD_NUM_VALUE of its laboratory tables."""

EXAMPLES = 5
"""How many names an issue carries; its count is always complete (our choice)."""

_SEXES = {"M": "male", "F": "female"}


@dataclass(frozen=True, slots=True)
class Issue:
    """Something in the data that was skipped or repaired, counted and named.

    ``code`` is stable, ``examples`` are keys of the data set (CSN, file or column names), never
    values of a patient.
    """

    code: str
    message: str
    count: int
    examples: tuple[str, ...] = ()

    @classmethod
    def of(cls, code: str, message: str, names: Iterable[object]) -> Issue:
        """Build an issue that counts ``names`` and keeps the first few."""
        listed = [str(name) for name in names]
        return cls(code, message, len(listed), tuple(listed[:EXAMPLES]))

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "code": self.code,
            "message": self.message,
            "count": self.count,
            "examples": list(self.examples),
        }


def data_folder(folder: str | Path) -> Path:
    """Return the folder that holds ``visits.csv``: the given one, or its ``data``.

    Raises
    ------
    FileAccessError
        Neither holds it.
    """
    root = Path(folder)
    for candidate in (root, root / "data"):
        if find_table(candidate, "visits") is not None:
            return candidate
    raise FileAccessError(
        "there is no visits.csv here or in its folder 'data'",
        path=root,
        remedy="Name the folder of the data set as PhysioNet ships it (mc-med/1.0.1)",
    )


def find_table(folder: Path, name: str) -> Path | None:
    """Return ``name.csv`` or ``name.csv.gz``, whichever is there."""
    for ending in (".csv", ".csv.gz"):
        path = folder / f"{name}{ending}"
        if path.is_file():
            return path
    return None


def read_table(
    path: Path, columns: Sequence[str], *, required: Sequence[str]
) -> tuple[pl.DataFrame, list[Issue]]:
    """Read named columns of a CSV table as text.

    Parameters
    ----------
    path : Path
        ``.csv`` or ``.csv.gz``.
    columns : sequence of str
        What is wanted; a column that the file does not have becomes one of nulls and an issue.
    required : sequence of str
        Those of ``columns`` without which the table means nothing.

    Returns
    -------
    DataFrame of str
        Blanks around a value removed, empty cells null.
    list of Issue

    Raises
    ------
    ManifestError
        A required column is missing.
    FileAccessError
    """
    pl = require_polars("reading MC-MED")
    header = _header(path)
    absent = [name for name in columns if name not in header]
    lost = [name for name in required if name in absent]
    if lost:
        raise ManifestError(
            f"the column(s) {', '.join(lost)} are missing",
            path=path,
            remedy="Get the file again from its source",
        )
    issues = []
    if absent:
        issues.append(
            Issue.of("missing-columns", f"{path.name}: columns that are not there", absent)
        )
    wanted = [name for name in columns if name not in absent]
    try:
        table = pl.read_csv(path, columns=wanted, infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.PolarsError:
        table, bad = _read_by_line(path, header, wanted)
        issues.append(
            Issue(
                "broken-lines",
                f"{path.name}: lines with another number of cells than the header, left out",
                len(bad),
                tuple(map(str, bad[:EXAMPLES])),
            )
        )
    stripped = table.select(
        pl.col(name).str.strip_chars().replace("", None).alias(name) for name in wanted
    )
    filled = stripped.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    return filled.select(columns), issues


def _open_text(path: Path) -> io.TextIOBase:
    try:
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
        return path.open(encoding="utf-8-sig", errors="replace", newline="")
    except OSError as error:
        raise FileAccessError(f"cannot be opened: {error.strerror}", path=path) from None


def _header(path: Path) -> list[str]:
    with _open_text(path) as stream:
        return [name.strip() for name in next(csv.reader(stream), [])]


def _read_by_line(
    path: Path, header: Sequence[str], wanted: Sequence[str]
) -> tuple[pl.DataFrame, list[int]]:
    """Read a table that the fast parser refuses; lines that do not fit the header are left out."""
    pl = require_polars("reading MC-MED")
    places = [header.index(name) for name in wanted]
    cells: list[list[str]] = [[] for _ in wanted]
    bad: list[int] = []
    with _open_text(path) as stream:
        reader = csv.reader(stream)
        next(reader, None)
        try:
            for row in reader:
                if len(row) != len(header):
                    bad.append(reader.line_num)
                    continue
                for column, place in zip(cells, places, strict=True):
                    column.append(row[place])
        except (csv.Error, EOFError):  # a file that ends inside a quoted cell, or a cut gzip
            bad.append(reader.line_num)
    data = dict(zip(wanted, cells, strict=True))
    return pl.DataFrame(data, schema=dict.fromkeys(wanted, pl.String)), bad


def parse_times(column: str) -> pl.Expr:
    """Parse ``2221-07-03T18:37:12Z`` (with or without fractions) into UTC without a zone.

    ``2221-07-03T20:37:12+02:00`` is the same moment.
    """
    pl = require_polars("reading MC-MED")
    text = pl.col(column).str.strip_chars_end("Z").str.replace(" ", "T")
    plain = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    zoned = text.str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False
    )
    return pl.coalesce(plain, zoned.dt.replace_time_zone(None))


def read_visits(path: Path) -> tuple[pl.DataFrame, list[Issue]]:
    """Read visits.csv.

    Returns
    -------
    DataFrame
        One row per visit, in the order of the file: ``visit`` and ``patient`` (CSN and MRN as
        text), ``age`` in years (the data set jitters it by up to 2 and caps it at 90), ``sex``,
        ``arrival_time``, ``roomed_time``, ``departure_time`` (UTC, shifted).
    list of Issue
    """
    pl = require_polars("reading MC-MED")
    columns = ("CSN", "MRN", "Age", "Gender", "Arrival_time", "Roomed_time", "Departure_time")
    table, issues = read_table(path, columns, required=("CSN", "MRN"))
    visits = table.select(
        pl.col("CSN").alias("visit"),
        pl.col("MRN").alias("patient"),
        pl.col("Age").cast(pl.Float64, strict=False).alias("age"),
        pl.col("Gender").str.to_uppercase().replace_strict(_SEXES, default=None).alias("sex"),
        parse_times("Arrival_time").alias("arrival_time"),
        parse_times("Roomed_time").alias("roomed_time"),
        parse_times("Departure_time").alias("departure_time"),
    )
    keyless = visits.filter(pl.col("visit").is_null() | pl.col("patient").is_null())
    if len(keyless):
        issues.append(
            Issue("visits-without-key", "visits without CSN or MRN, left out", len(keyless))
        )
        visits = visits.filter(pl.col("visit").is_not_null() & pl.col("patient").is_not_null())
    repeated = visits.filter(pl.col("visit").is_duplicated())
    if len(repeated):
        names = repeated["visit"].unique(maintain_order=True)
        issues.append(
            Issue.of("duplicate-csn", "CSN that stand more than once; the first row counts", names)
        )
        visits = visits.unique("visit", keep="first", maintain_order=True)
    odd = visits.filter((pl.col("age") < 0) | (pl.col("age") > 130))["visit"]
    if len(odd):
        issues.append(Issue.of("impossible-age", "ages outside 0 to 130, taken as missing", odd))
        inside = pl.col("age").is_between(0, 130)
        visits = visits.with_columns(pl.when(inside).then(pl.col("age")).alias("age"))
    return visits, issues


def read_splits(folder: Path, kind: str) -> tuple[pl.DataFrame, list[Issue]]:
    """Read the official split files: one CSN per line, NO header.

    Parameters
    ----------
    kind : {"random", "chrono"}

    Returns
    -------
    DataFrame
        ``visit``, ``split``. A visit that stands in two files is in neither.
    list of Issue
    """
    pl = require_polars("reading MC-MED")
    rows: list[tuple[str, str]] = []
    issues: list[Issue] = []
    for ending, split in SPLITS.items():
        path = find_table(folder, f"split_{kind}_{ending}")
        if path is None:
            issues.append(Issue("split-file-missing", f"split_{kind}_{ending}.csv is missing", 1))
            continue
        with _open_text(path) as stream:
            names = [row[0].strip() for row in csv.reader(stream) if row and row[0].strip()]
        strange = [name for name in names if not name.isdigit()]
        if strange:
            words = f"{path.name}: lines that are no CSN (the file has no header), left out"
            issues.append(Issue.of("split-not-a-csn", words, strange))
        rows += [(name, split) for name in names if name.isdigit()]
    table = pl.DataFrame(rows, schema={"visit": pl.String, "split": pl.String}, orient="row")
    table = table.unique(maintain_order=True)
    twice = table.filter(pl.col("visit").is_duplicated())["visit"].unique(maintain_order=True)
    if len(twice):
        issues.append(Issue.of("visit-in-two-splits", "visits in two splits, used in none", twice))
        table = table.filter(~pl.col("visit").is_in(twice.implode()))
    return table, issues


def read_labs(path: Path) -> tuple[pl.DataFrame, list[Issue]]:
    """Read labs.csv: the text as it stands, times parsed.

    Returns
    -------
    DataFrame
        ``visit``, ``order_time``, ``result_time`` (UTC), ``component`` (newlines and runs of
        blanks in the name made one blank), ``value`` (text; Component_value, else, or where it is
        :data:`NO_NUMBER`, Component_result), ``unit``, ``flag`` (text of Component_abnormal),
        ``low``, ``high`` (text; :mod:`ecgfoundry.labs.targets.results` reads limits as values).
    list of Issue
    """
    pl = require_polars("reading MC-MED")
    columns = (
        "CSN",
        "Order_time",
        "Result_time",
        "Component_name",
        "Component_result",
        "Component_value",
        "Component_units",
        "Component_abnormal",
        "Component_nml_low",
        "Component_nml_high",
    )
    table, issues = read_table(path, columns, required=("CSN", "Component_name"))
    labs = table.select(
        pl.col("CSN").alias("visit"),
        parse_times("Order_time").alias("order_time"),
        parse_times("Result_time").alias("result_time"),
        pl.col("Component_name").str.replace_all(r"\s+", " ").alias("component"),
        pl.coalesce(
            pl.when(~pl.col("Component_value").str.contains(NO_NUMBER)).then("Component_value"),
            "Component_result",
        ).alias("value"),
        pl.col("Component_units").alias("unit"),
        pl.col("Component_abnormal").alias("flag"),
        pl.col("Component_nml_low").alias("low"),
        pl.col("Component_nml_high").alias("high"),
    )
    for column, source in (("result_time", "Result_time"), ("order_time", "Order_time")):
        lost = int((labs[column].is_null() & table[source].is_not_null()).sum())
        if lost:
            issues.append(Issue("time-not-read", f"labs.csv: {source} that is no time", lost))
        zoned = (
            table[source].str.contains(r"(?:Z|[+-]\d{2}:?(?:\d{2})?)$") & labs[column].is_not_null()
        )
        bare = int((~zoned & labs[column].is_not_null()).sum())
        if bare and zoned.any():
            words = f"labs.csv: {source} without a zone among those with one, taken as UTC"
            issues.append(Issue("time-without-zone", words, bare))
    nameless = int((labs["component"].is_null() | labs["visit"].is_null()).sum())
    if nameless:
        issues.append(Issue("labs-without-key", "results without CSN or name, left out", nameless))
        labs = labs.filter(pl.col("component").is_not_null() & pl.col("visit").is_not_null())
    return labs, issues
