"""The tables of an evaluation: liberal in form, strict in meaning.

Every form that :func:`ecgfoundry.io.read_table` reads serves, among them the tables that ``infer``
writes (``probability:NAME``) and a manifest (``target:NAME``). A repeated id or column, a cell that
is no number and an infinite score are errors, because no reading of them is safe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EvaluationError
from ecgfoundry.extras import is_installed
from ecgfoundry.io import (
    MISSING_WORDS,
    PARQUET_SUFFIXES,
    Table,
    columns_of,
    is_missing,
    read_table,
    table_form,
    whole_number,
)
from ecgfoundry.manifest.classes import refuse_unclear_none
from ecgfoundry.manifest.reading import PATH_NAMES, RECORD_NAMES

__all__ = [
    "NumberTable",
    "TextTable",
    "class_columns",
    "header_of",
    "match_ids",
    "read_labels",
    "read_numbers",
    "read_text",
]

ID_NAMES = (*RECORD_NAMES, *PATH_NAMES)
"""A table without ids names its records by their files, as reading it for a model does."""
_SCORE_PREFIXES = ("probability:", "value:")
_TARGET_PREFIX = "target:"
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
    """What the columns of a table are.

    Attributes
    ----------
    names : tuple of str
        All columns.
    id_column : str
    targets : mapping
        Target or score -> its column. Where columns are named ``target:NAME``,
        ``probability:NAME`` or ``value:NAME``, these alone; else all but the ids. Of a name that
        has both, the labels or the scores, as was asked.
    """

    names: tuple[str, ...]
    id_column: str
    targets: Mapping[str, str]


def header_of(path: Path, *, labels: bool = False) -> Header:
    """Find the columns of a table of labels, or of scores.

    Raises
    ------
    FileAccessError, TableError, EvaluationError
    """
    names = columns_of(path)
    lower = {name.lower(): name for name in reversed(names)}
    identifier = next((lower[name] for name in ID_NAMES if name in lower), None)
    if identifier is None:
        raise EvaluationError(
            f"has no column 'id'; it has {', '.join(names[:8])}{' …' if len(names) > 8 else ''}",
            path=path,
            remedy="Name the column with the record ids 'id'",
        )
    named = {
        name.removeprefix(prefix): name
        for prefix in _prefixes(labels=labels)
        for name in names
        if name.startswith(prefix)
    }
    plain = {name: name for name in names if name and name != identifier}
    return Header(names, identifier, named or plain)


def _prefixes(*, labels: bool) -> tuple[str, ...]:
    """Of columns, those that count last: a later one takes the place of an earlier one."""
    both = (_TARGET_PREFIX, *_SCORE_PREFIXES)
    return both[::-1] if labels else both


def read_numbers(path: Path, columns: Sequence[str], *, labels: bool = False) -> NumberTable:
    """Read some targets (``labels``) or scores as numbers.

    Raises
    ------
    FileAccessError, TableError, EvaluationError
        With line and column where a cell is no number.
    """
    header = header_of(path, labels=labels)
    stored = {name: header.targets[name] for name in columns}
    large = path.suffix.lower() in PARQUET_SUFFIXES or path.stat().st_size >= _POLARS_FROM_BYTES
    found = _read_with_polars(path, header, stored) if large and is_installed("polars") else None
    if found is None:  # small, or with a cell that only the careful reader can judge
        table = read_table(path)
        values = np.empty((len(table), len(stored)), order="F")
        for k, column in enumerate(stored.values()):
            values[:, k] = table.numbers(column)
        found = NumberTable(path, table.column(header.id_column), tuple(stored), values)
    _check_ids(found.ids, path)
    for name, column in zip(found.columns, found.values.T, strict=True):
        if np.isinf(column).any():
            raise EvaluationError(
                f"the column {name} holds an infinite value",
                path=path,
                remedy="Write a large finite score, or leave the cell empty",
            )
    return found


def class_columns(
    path: Path, columns: Sequence[str], outputs: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Find the columns of a table of labels whose text names outputs of a model.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        Targets of the table.
    outputs : sequence of str
        What was predicted.

    Returns
    -------
    dict
        Column -> (output -> the text that means it). The output ``NAME: CLASS`` is that of the
        class of the column NAME, as a model of two classes has it. Where no column has the name of
        an output, a column whose every class is an output stands for those of a multiclass model.
    """
    named = set(outputs)
    two = {
        column: {name: name.removeprefix(f"{column}: ") for name in outputs
                 if name.startswith(f"{column}: ")}
        for column in columns
        if column not in named
    }  # fmt: skip
    two = {column: found for column, found in two.items() if found}
    if two or named & set(columns):
        return two
    table, header = read_table(path), header_of(path, labels=True)
    for column in columns:
        cells = table.column(header.targets[column])
        texts = {cell for cell in cells if cell in named or not is_missing(cell)}
        if texts and texts <= named:
            return {column: {name: name for name in outputs}}
    return {}


def read_labels(
    path: Path, columns: Sequence[str], classes: Mapping[str, Mapping[str, str]]
) -> NumberTable:
    """Read labels as numbers: those of ``columns`` as they are, then the outputs of text classes.

    Raises
    ------
    FileAccessError, TableError, EvaluationError
        Among others: a column for a model of two classes holds more of them.
    """
    plain = read_numbers(path, columns, labels=True) if columns or not classes else None
    if not classes:
        assert plain is not None  # noqa: S101 - nothing else was asked for
        return plain
    table, header = read_table(path), header_of(path, labels=True)
    ids = table.column(header.id_column)
    _check_ids(ids, path)
    values = [] if plain is None else list(plain.values.T)
    names = list(columns)
    for column, outputs in classes.items():
        cells = table.column(header.targets[column])
        meant = set(outputs.values())
        known = {cell for cell in cells if cell in meant or not is_missing(cell)}
        if "none" not in {text.casefold() for text in meant} and not known <= {"0", "1"}:
            refuse_unclear_none(column, cells, path)
        numbers = known <= {"0", "1"}  # as the split.csv of a run has a target of two classes
        if len(outputs) == 1 and not numbers and len(known) > 2:
            raise EvaluationError(
                f"the column {column} holds {len(known)} classes, and the model has two: "
                f"{', '.join(sorted(known)[:6])}",
                path=path,
                remedy="Correct the cells, or leave those of other classes empty",
            )
        for output, text in outputs.items():
            positive = "1" if numbers and text not in known else text
            values.append(np.array([float(c == positive) if c in known else np.nan for c in cells]))
            names.append(output)
    return NumberTable(path, ids, tuple(names), np.asfortranarray(np.stack(values, axis=1)))


def _read_with_polars(path: Path, header: Header, stored: Mapping[str, str]) -> NumberTable | None:
    import polars as pl

    wanted = [header.id_column, *stored.values()]
    try:
        if path.suffix.lower() in PARQUET_SUFFIXES:
            frame = pl.read_parquet(path, columns=wanted)
        else:
            form = table_form(path)
            if not form.encoding.startswith("utf-8") or form.skipped_lines:
                return None
            frame = pl.read_csv(
                path,
                columns=[list(header.names).index(name) for name in wanted],
                new_columns=[name for name in header.names if name in set(wanted)],
                separator=form.delimiter,
                null_values=sorted({*MISSING_WORDS, *map(str.upper, MISSING_WORDS), "NaN"}),
                infer_schema=False,
            )
        numbers = frame.select(pl.col(list(stored.values())).cast(pl.Float64))
    except (pl.exceptions.PolarsError, OSError):
        return None
    ids = [cell.strip() for cell in frame[header.id_column].cast(pl.String).fill_null("")]
    values = np.empty((len(ids), len(stored)), order="F")
    for k, column in enumerate(stored.values()):
        values[:, k] = numbers[column].to_numpy()
    return NumberTable(path, ids, tuple(stored), values)


def _check_ids(ids: Sequence[str], path: Path) -> None:
    if not ids:
        raise EvaluationError("has no rows", path=path)
    if len(set(ids)) != len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise EvaluationError(
            f"duplicate id '{twice}'",
            path=path,
            remedy="Give every record one row; infer writes one without --windows",
        )
    if "" in ids:
        raise EvaluationError("a row has no id", path=path)


def read_text(path: Path) -> TextTable:
    """Read a table whose cells are taken as text (groups, covariates)."""
    header = header_of(path)
    table: Table = read_table(path)
    ids = table.column(header.id_column)
    _check_ids(ids, path)
    names = [name for name in header.names if name and name != header.id_column]
    columns = {
        name: ["" if cell.casefold() in MISSING_WORDS else cell for cell in table.column(name)]
        for name in names
    }
    return TextTable(path, ids, columns)


def match_ids(wanted: Sequence[str], given: Sequence[str]) -> NDArray[np.int64]:
    """Return for each wanted id its position in ``given``, -1 where it is not there.

    Ids are compared as text first. What is left over is compared as whole numbers, so that ``1``,
    ``01`` and ``1.0`` (a column that passed through a spreadsheet or a data frame) are one id;
    never where two ids of one table are one number.
    """
    position = {name: k for k, name in enumerate(given)}
    found = np.fromiter((position.get(name, -1) for name in wanted), np.int64, len(wanted))
    left: list[int] = np.flatnonzero(found < 0).tolist()
    if not left:
        return found
    by_number = Counter(number for name in given if (number := whole_number(name)) is not None)
    asked = Counter(number for name in wanted if (number := whole_number(name)) is not None)
    place = {
        number: k for name, k in position.items() if (number := whole_number(name)) is not None
    }
    for row in map(int, left):
        number = whole_number(wanted[row])
        if number is not None and by_number[number] == 1 and asked[number] == 1:
            found[row] = place[number]
    return found
