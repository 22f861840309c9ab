"""Tables, whatever program wrote them: any separator, encoding and line end, Parquet, Excel."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgfoundry.errors import FileAccessError, MissingExtraError, TableError
from ecgfoundry.extras import require_polars
from ecgfoundry.io.cells import number_of
from ecgfoundry.io.files import write_atomically

__all__ = [
    "PARQUET_SUFFIXES",
    "TABLE_SUFFIXES",
    "Table",
    "TableForm",
    "columns_of",
    "read_table",
    "table_form",
    "table_suffix",
    "write_frame",
]

PARQUET_SUFFIXES = (".parquet", ".pq")
_EXCEL_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", *PARQUET_SUFFIXES, *_EXCEL_SUFFIXES)
"""Suffixes under which a table of recordings is looked for."""


@dataclass(frozen=True)
class TableForm:
    """How a text table is written."""

    encoding: str
    delimiter: str
    skipped_lines: int = 0
    """Lines before the header: the line ``sep=;`` that Excel writes."""

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma may stand within a number: not where it parts the cells."""
        return self.delimiter != ","


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes
    ----------
    path : Path
    columns : tuple of str
        Names without white space around them; only the empty name may be repeated.
    rows : list of tuple of str
        The cells without white space around them; an empty cell, or null, is "".
    lines : sequence of int
        Line of each row in the file (row of the sheet, with the header as the first).
    decimal_comma : bool
        Whether a comma in a number is its decimal sign.
    notes : tuple of str
        What was supposed in reading it, in sentences for the user.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    lines: Sequence[int]
    decimal_comma: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def by_column(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the line and the cells by column of every row."""
        for line, row in zip(self.lines, self.rows, strict=True):
            yield line, dict(zip(self.columns, row, strict=True))

    def column(self, name: str) -> list[str]:
        """Return the cells of a column.

        Raises
        ------
        TableError
            There is no such column.
        """
        if name not in self.columns:
            raise TableError(
                f"there is no column '{name}'",
                path=self.path,
                remedy=f"There are {', '.join(self.columns)}",
            )
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def numbers(self, name: str) -> list[float]:
        """Return a column as numbers; NaN is missing.

        Raises
        ------
        TableError
            There is no such column, or a cell is neither a finite number nor missing.
        """
        values = []
        for text, line in zip(self.column(name), self.lines, strict=True):
            value = number_of(text, decimal_comma=self.decimal_comma)
            if value is None:
                raise TableError(
                    f"line {line}, {name}: '{text[:40]}' is not a number", path=self.path
                )
            if math.isinf(value):
                raise TableError(
                    f"line {line}, {name}: '{text}' is not finite, the column holds an infinite "
                    "value",
                    path=self.path,
                    remedy="Write a finite number, or leave the cell empty where it is missing",
                )
            values.append(value)
        return values


def table_suffix(path: str | Path, *, accepted: Sequence[str] = (".csv", *PARQUET_SUFFIXES)) -> str:
    """Return the suffix of a table to be written, in lower case.

    Raises
    ------
    TableError
        The suffix says neither CSV nor Parquet: the content must never contradict the name.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in accepted:
        raise TableError(
            f"the suffix '{suffix}' names no table that is written here",
            path=path,
            remedy=f"Use {' or '.join(accepted)}",
        )
    return suffix


def write_frame(path: str | Path, frame: Any) -> None:
    """Write a polars frame, lazy or not, as CSV or Parquet after the suffix; whole or not at all.

    In CSV a list cell is JSON, an undefined number is empty and a truth is true or false.

    Raises
    ------
    TableError, DiskFullError, FileAccessError, MissingExtraError
    """
    pl = require_polars("writing a table")
    suffix = table_suffix(path)
    lazy = frame.lazy()
    if suffix == ".csv":
        schema = lazy.collect_schema()
        lists = [name for name, kind in schema.items() if kind.is_nested()]
        floats = [name for name, kind in schema.items() if kind.is_float()]
        lazy = lazy.with_columns(
            [pl.col(name).map_elements(_list_cell, return_dtype=pl.String) for name in lists]
            + [pl.col(name).fill_nan(None) for name in floats]
        )
    with write_atomically(path) as temporary:
        if suffix == ".csv":
            lazy.sink_csv(temporary)
        else:
            lazy.sink_parquet(temporary)


def _list_cell(value: Any) -> str:
    numbers = value.to_list() if hasattr(value, "to_list") else list(value)
    return json.dumps(numbers)


def read_table(path: str | Path) -> Table:
    """Read a table of any common form as text.

    Parameters
    ----------
    path : str or Path
        ``.parquet`` and ``.pq`` are Parquet; ``.xlsx``, ``.xlsm``, ``.xls`` and ``.ods`` are
        sheets, of which the first is read; everything else is text: cells parted by comma,
        semicolon, tab or bar, quoted or not, with any line end, in UTF-8, UTF-16 or, said in
        :attr:`Table.notes`, Windows Latin.

    Raises
    ------
    FileAccessError
        It cannot be opened.
    TableError
        It is empty, a column name is repeated, or a line has more or fewer cells than the header.
    MissingExtraError
        Parquet or a sheet, and the extra "data" is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in PARQUET_SUFFIXES:
        return _read_frame(path, "a Parquet table")
    if suffix in _EXCEL_SUFFIXES:
        return _read_frame(path, "a sheet")
    return _read_text(path)


def _read_frame(path: Path, what: str) -> Table:
    polars = require_polars(f"reading {what}")
    if not path.is_file():
        raise FileAccessError("cannot be opened: no such file", path=path)
    try:
        if path.suffix.lower() in PARQUET_SUFFIXES:
            frame = polars.read_parquet(path)
        else:
            frame = polars.read_excel(path, engine="calamine")
    except (ImportError, ModuleNotFoundError):
        raise MissingExtraError.for_extra(f"reading {what}", "data") from None
    except Exception as error:  # polars raises its own unrelated exception types
        raise TableError(f"is not {what}: {error}", path=path) from None
    columns = _checked_columns(frame.columns, path)
    rows = [tuple(map(_text, row[: len(columns)])) for row in frame.iter_rows()]
    return Table(path, columns, rows, range(2, len(rows) + 2))


def _text(value: Any) -> str:
    """A cell as it would stand in CSV: True is 1, NaN is missing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return str(value).strip()


def columns_of(path: str | Path) -> tuple[str, ...]:
    """Return the names of the columns of a table, without reading all of it where that can be.

    Raises
    ------
    As :func:`read_table`.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in _EXCEL_SUFFIXES:
        return read_table(path).columns
    if suffix in PARQUET_SUFFIXES:
        return _checked_columns(_parquet_schema(path), path)
    form = table_form(path)
    with path.open(encoding=form.encoding, errors="replace", newline="") as stream:
        for _ in range(form.skipped_lines):
            stream.readline()
        for cells in csv.reader(stream, delimiter=form.delimiter):
            if any(cell.strip() for cell in cells):
                return _checked_columns(cells, path)
    raise TableError("is empty", path=path)


def _parquet_schema(path: Path) -> list[str]:
    polars = require_polars("reading a Parquet table")
    if not path.is_file():
        raise FileAccessError("cannot be opened: no such file", path=path)
    try:
        return list(polars.read_parquet_schema(path))
    except Exception as error:  # polars raises its own unrelated exception types
        raise TableError(f"is not a Parquet table: {error}", path=path) from None


def table_form(path: str | Path) -> TableForm:
    """Look how a text table is written, from its first 256 kB.

    Raises
    ------
    FileAccessError, TableError
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(1 << 18)
    except OSError as error:
        raise FileAccessError(f"cannot be opened: {error.strerror}", path=path) from None
    encoding = _encoding(start)
    # A character may be cut at the end of what was read.
    text = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    if "\0" in text:
        raise TableError("is not a table of text (it holds binary data)", path=path)
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise TableError("is empty", path=path)
    told = re.fullmatch(r"sep=(.)", lines[0].strip(), re.IGNORECASE)
    if told is not None or lines[0].lower().startswith("sep=\t"):
        return TableForm(encoding, told[1] if told is not None else "\t", 1)
    return TableForm(encoding, _delimiter(lines[:50]))


def _encoding(start: bytes) -> str:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start[1:2] == b"\0" and start[3:4] == b"\0":
        return "utf-16-le"
    if start[0:1] == b"\0" and start[2:3] == b"\0":
        return "utf-16-be"
    return "utf-8-sig"


def _delimiter(lines: Sequence[str]) -> str:
    """The sign that parts all lines into as many cells as the header, and the most of them."""
    best, most = ",", (0, 0)
    for sign in (",", ";", "\t", "|"):
        widths = [len(cells) for cells in csv.reader(lines, delimiter=sign) if cells]
        if widths[0] > 1:
            # The last line may be cut, and quoted cells may hold line ends: one odd line may be.
            agreeing = sum(width == widths[0] for width in widths)
            score = (int(agreeing >= len(widths) - 1), widths[0])
            if score > most:
                best, most = sign, score
    return best


def _read_text(path: Path) -> Table:
    form = table_form(path)
    notes: tuple[str, ...] = ()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileAccessError(f"cannot be opened: {error.strerror}", path=path) from None
    try:
        text = data.decode(form.encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        notes = (f"{path.name} is not in UTF-8 and was read as Windows Latin (cp1252).",)
    stream = io.StringIO(text, newline="")
    for _ in range(form.skipped_lines):
        stream.readline()
    reader = csv.reader(stream, delimiter=form.delimiter)
    columns: tuple[str, ...] = ()
    rows, lines = [], []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if not any(stripped):
                continue
            line = reader.line_num + form.skipped_lines
            if not columns:
                columns = _checked_columns(stripped, path)
                continue
            rows.append(_as_wide(stripped, len(columns), line, path))
            lines.append(line)
    except csv.Error as error:
        raise TableError(f"is not a table of text: {error}", path=path) from None
    return Table(path, columns, rows, lines, form.decimal_comma, notes)


def _as_wide(cells: list[str], width: int, line: int, path: Path) -> tuple[str, ...]:
    while len(cells) > width and not cells[-1]:
        cells.pop()  # a spreadsheet writes a separator too many
    if len(cells) != width:
        relation = "more" if len(cells) > width else "fewer"
        raise TableError(
            f"line {line} has {len(cells)} cells, {relation} cells than the header ({width})",
            path=path,
            remedy="Write text that holds the separator in quotation marks",
        )
    return tuple(cells)


def _checked_columns(names: Sequence[str], path: Path) -> tuple[str, ...]:
    columns = [name.strip() for name in names]
    while columns and not columns[-1]:
        columns.pop()
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise TableError(f"duplicate column {', '.join(twice)}", path=path)
    return tuple(columns)
