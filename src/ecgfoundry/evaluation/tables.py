"""Reading the CSV tables of an evaluation: liberal in form, strict in meaning.

Column order is free; the delimiter is a comma, semicolon or tab; ids are text or numbers; the
empty cell and NA, NaN, null are missing. A repeated id or column, a cell that is no number and an
infinite score are errors, because no reading of them is safe.
"""

from __future__ import annotations

import csv
import importlib.util
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EvaluationError, FileAccessError

__all__ = ["NumberTable", "TextTable", "header_of", "match_ids", "read_numbers", "read_text"]

MISSING = ("", "NA", "N/A", "NaN", "nan", "NAN", "null", "NULL", "None", ".")
_ID_NAMES = ("id", "record", "record_id", "ecg_id", "exam_id")
_TRUTH = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
_POLARS_FROM_BYTES = 4_000_000
"""Smaller files are read without polars, which takes longer to import than to help."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NumberTable:
    """A wide table of numbers.

    Attributes
    ----------
    ids : list of str
    columns : tuple of str
    values : float64 (rows, columns), in column-major order
    """

    path: Path
    ids: list[str]
    columns: tuple[str, ...]
    values: Float64


@dataclass(frozen=True)
class TextTable:
    """A table of text cells; missing ones are ""."""

    path: Path
    ids: list[str]
    columns: dict[str, list[str]]


@dataclass(frozen=True)
class Header:
    """The first line of a table."""

    names: tuple[str, ...]
    delimiter: str
    id_column: str


def header_of(path: Path) -> Header:
    """Read the header and find the id column.

    Raises
    ------
    FileAccessError, EvaluationError
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            line = stream.readline()
    except OSError as error:
        raise FileAccessError(f"cannot be opened: {error.strerror}", path=path) from None
    except UnicodeDecodeError:
        raise EvaluationError("is not a CSV table in UTF-8", path=path) from None
    if not line.strip():
        raise EvaluationError("is empty", path=path)
    delimiter = max(",;\t", key=line.count)
    names = tuple(cell.strip() for cell in next(csv.reader([line], delimiter=delimiter)))
    repeated = sorted({name for name in names if names.count(name) > 1 and name})
    if repeated:
        raise EvaluationError(f"the column {', '.join(repeated)} stands twice", path=path)
    lower = {name.lower(): name for name in reversed(names)}
    for candidate in _ID_NAMES:
        if candidate in lower:
            return Header(names, delimiter, lower[candidate])
    raise EvaluationError(
        f"has no column 'id'; it has {', '.join(names[:8])}{' …' if len(names) > 8 else ''}",
        path=path,
        remedy="Name the column with the record ids 'id'",
    )


def read_numbers(path: Path, columns: Sequence[str]) -> NumberTable:
    """Read some columns as numbers.

    Raises
    ------
    FileAccessError, EvaluationError
        With line and column where a cell is no number.
    """
    header = header_of(path)
    large = path.stat().st_size >= _POLARS_FROM_BYTES
    table = None
    if large and importlib.util.find_spec("polars") is not None:
        table = _read_with_polars(path, header, columns)
    if table is None:  # small, or with a cell that only the careful reader can judge
        table = _read_with_csv(path, header, columns)
    _check(table)
    return table


def _read_with_polars(path: Path, header: Header, columns: Sequence[str]) -> NumberTable | None:
    import polars as pl

    raw = next(csv.reader([_first_line(path)], delimiter=header.delimiter))
    stored = dict(zip(header.names, raw, strict=True))
    types: dict[str, type[pl.DataType]] = {stored[name]: pl.Float64 for name in columns}
    identifier = stored[header.id_column]
    try:
        frame = pl.read_csv(
            path,
            columns=[identifier, *types],
            separator=header.delimiter,
            schema_overrides={identifier: pl.String, **types},
            null_values=list(MISSING),
            infer_schema=False,
        )
    except (pl.exceptions.PolarsError, OSError):
        return None
    ids = [cell.strip() for cell in frame[identifier].fill_null("").to_list()]
    values = np.empty((len(ids), len(columns)), order="F")
    for k, name in enumerate(columns):
        values[:, k] = frame[stored[name]].to_numpy()
        frame = frame.drop(stored[name])  # one copy at a time
    return NumberTable(path, ids, tuple(columns), values)


def _first_line(path: Path) -> str:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return stream.readline().rstrip("\r\n")


def _rows(path: Path, header: Header) -> Iterable[tuple[int, list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, delimiter=header.delimiter)
            next(reader)
            for cells in reader:
                if not cells or not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header.names):
                    raise EvaluationError(
                        f"line {reader.line_num} has {len(cells)} cells, the header "
                        f"{len(header.names)}",
                        path=path,
                    )
                yield reader.line_num, cells
    except UnicodeDecodeError:
        raise EvaluationError("is not a CSV table in UTF-8", path=path) from None
    except csv.Error as error:
        raise EvaluationError(f"is not a CSV table: {error}", path=path) from None


def _read_with_csv(path: Path, header: Header, columns: Sequence[str]) -> NumberTable:
    place = {name: k for k, name in enumerate(header.names)}
    wanted = [place[name] for name in columns]
    identifier = place[header.id_column]
    ids: list[str] = []
    stored = [array("d") for _ in columns]
    for line, cells in _rows(path, header):
        ids.append(cells[identifier].strip())
        for name, k, column in zip(columns, wanted, stored, strict=True):
            column.append(_number(cells[k].strip(), name, line, path))
    values = np.empty((len(ids), len(columns)), order="F")
    for k, column in enumerate(stored):
        values[:, k] = column
    return NumberTable(path, ids, tuple(columns), values)


def _number(text: str, column: str, line: int, path: Path) -> float:
    if text in MISSING:
        return float("nan")
    try:
        if "_" not in text:  # Python reads 1_000 as a number, no table means it so
            return float(text)
    except ValueError:
        if (truth := _TRUTH.get(text.lower())) is not None:
            return truth
    raise EvaluationError(f"line {line}, {column}: '{text[:40]}' is not a number", path=path)


def _check(table: NumberTable) -> None:
    _check_ids(table.ids, table.path)
    for k, name in enumerate(table.columns):
        if np.isinf(table.values[:, k]).any():
            raise EvaluationError(
                f"the column {name} holds an infinite value",
                path=table.path,
                remedy="Write a large finite score, or leave the cell empty",
            )


def _check_ids(ids: Sequence[str], path: Path) -> None:
    if not ids:
        raise EvaluationError("has no rows", path=path)
    if len(set(ids)) != len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise EvaluationError(f"the id '{twice}' stands twice", path=path)
    if "" in ids:
        raise EvaluationError("a row has no id", path=path)


def read_text(path: Path) -> TextTable:
    """Read a table whose cells are taken as text (groups, covariates)."""
    header = header_of(path)
    names = [name for name in header.names if name and name != header.id_column]
    place = {name: k for k, name in enumerate(header.names)}
    identifier = place[header.id_column]
    ids: list[str] = []
    columns: dict[str, list[str]] = {name: [] for name in names}
    for _, cells in _rows(path, header):
        ids.append(cells[identifier].strip())
        for name in names:
            cell = cells[place[name]].strip()
            columns[name].append("" if cell in MISSING else cell)
    _check_ids(ids, path)
    return TextTable(path, ids, columns)


_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")


def match_ids(wanted: Sequence[str], given: Sequence[str]) -> NDArray[np.int64]:
    """Return for each wanted id its position in ``given``, -1 where it is not there.

    Ids are compared as text. When none agrees and all of both are whole numbers, they are compared
    as numbers, so that ``1``, ``01`` and ``1.0`` (a column that passed through a spreadsheet or a
    data frame) are one id.
    """
    position = {name: k for k, name in enumerate(given)}
    found = np.fromiter((position.get(name, -1) for name in wanted), np.int64, len(wanted))
    if (found >= 0).any():
        return found
    if all(map(_WHOLE.fullmatch, wanted)) and all(map(_WHOLE.fullmatch, given)):
        position = {str(int(float(name))): k for k, name in enumerate(given)}
        if len(position) == len(given):
            found = np.fromiter(
                (position.get(str(int(float(name))), -1) for name in wanted),
                np.int64,
                len(wanted),
            )
    return found
