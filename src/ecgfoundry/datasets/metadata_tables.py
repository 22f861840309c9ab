"""Tables of data sets: read row by row, and joined by a key at any size.

With polars (the extra 'data') joins are made by it; without, by a dictionary of the smaller table,
which is refused above :data:`MAXIMUM_DICTIONARY_BYTES`.
"""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecgfoundry.errors import DatasetError, FileAccessError, MissingExtraError

__all__ = ["integer_text", "iterate_joined", "iterate_table", "number"]

MAXIMUM_DICTIONARY_BYTES = 512_000_000
"""Size of a table that is still held in a dictionary: some 5 GB of Python objects (our choice)."""

_FIELD_LIMIT = 1_000_000
_BATCH = 50_000

Row = Mapping[str, str]


def iterate_table(
    path: Path, *, required: Sequence[str] = (), separator: str = ","
) -> Iterator[dict[str, str]]:
    """Yield the rows of a delimited table as text; a missing cell is ``""``.

    Raises
    ------
    FileAccessError
        The table cannot be opened.
    DatasetError
        A required column is missing, or the text is no table in UTF-8.
    """
    csv.field_size_limit(_FIELD_LIMIT)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, delimiter=separator)
            columns = [name.strip() for name in reader.fieldnames or []]
            _check_columns(columns, required, path)
            reader.fieldnames = columns
            for cells in reader:
                yield {name: (cells.get(name) or "").strip() for name in columns}
    except OSError as error:
        raise FileAccessError(f"cannot be opened: {error.strerror}", path=path) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"is not a table in UTF-8: {error}", path=path) from None


def iterate_joined(
    left: Path,
    right: Path,
    *,
    on: str,
    left_columns: Sequence[str],
    right_columns: Sequence[str],
    normalize: Mapping[str, str] | None = None,
    separators: tuple[str, str] = (",", ","),
) -> Iterator[dict[str, str]]:
    """Yield the rows of ``left`` with the columns of the row of ``right`` that has the same key.

    Parameters
    ----------
    left, right : Path
        Tables; the key stands at most once in ``right`` (its first row wins).
    on : str
        Column of the key in both.
    left_columns, right_columns : sequence of str
        Columns to return besides the key; a column that is not there is returned as "".
    normalize : mapping of str to str, optional
        Regular expression -> replacement, applied to the key in both tables.
    separators : (str, str)

    Raises
    ------
    FileAccessError, DatasetError
    MissingExtraError
        The right table is too large for a dictionary and polars is not installed.
    """
    if importlib.util.find_spec("polars") is not None:
        yield from _joined_by_polars(
            left, right, on, left_columns, right_columns, normalize or {}, separators
        )
    else:
        yield from _joined_by_dictionary(
            left, right, on, left_columns, right_columns, normalize or {}, separators
        )


def _joined_by_dictionary(
    left: Path,
    right: Path,
    on: str,
    left_columns: Sequence[str],
    right_columns: Sequence[str],
    normalize: Mapping[str, str],
    separators: tuple[str, str],
) -> Iterator[dict[str, str]]:
    if right.stat().st_size > MAXIMUM_DICTIONARY_BYTES:
        raise MissingExtraError.for_extra(f"joining a table as large as {right.name}", "data")
    looked_up: dict[str, tuple[str, ...]] = {}
    for row in iterate_table(right, required=(on,), separator=separators[1]):
        values = tuple(row.get(name, "") for name in right_columns)
        looked_up.setdefault(_normalized(row[on], normalize), values)
    nothing = ("",) * len(right_columns)
    for row in iterate_table(left, required=(on,), separator=separators[0]):
        key = _normalized(row[on], normalize)
        found = looked_up.get(key, nothing)
        yield (
            {on: key}
            | {name: row.get(name, "") for name in left_columns}
            | dict(zip(right_columns, found, strict=True))
        )


def _joined_by_polars(
    left: Path,
    right: Path,
    on: str,
    left_columns: Sequence[str],
    right_columns: Sequence[str],
    normalize: Mapping[str, str],
    separators: tuple[str, str],
) -> Iterator[dict[str, str]]:
    import polars

    def scanned(path: Path, columns: Sequence[str], separator: str) -> Any:
        try:
            frame = polars.scan_csv(path, separator=separator, infer_schema=False)
            names = frame.collect_schema().names()
        except OSError as error:
            raise FileAccessError(f"cannot be opened: {error}", path=path) from None
        except polars.exceptions.PolarsError as error:
            raise DatasetError(f"is not a table in UTF-8: {error}", path=path) from None
        _check_columns([name.strip() for name in names], (on,), path)
        frame = frame.rename({name: name.strip() for name in names if name != name.strip()})
        there = {name.strip() for name in names}
        key = polars.col(on).str.strip_chars()
        for pattern, replacement in normalize.items():
            key = key.str.replace(pattern, replacement)
        others = [
            (polars.col(name).str.strip_chars() if name in there else polars.lit("")).alias(name)
            for name in columns
        ]
        return frame.select(key.alias(on), *others)

    first = scanned(left, left_columns, separators[0])
    second = scanned(right, right_columns, separators[1]).unique(subset=on, keep="first")
    try:
        joined = first.join(second, on=on, how="left", maintain_order="left").collect()
    except polars.exceptions.PolarsError as error:
        raise DatasetError(f"cannot be joined with {right.name}: {error}", path=left) from None
    for part in joined.fill_null("").iter_slices(_BATCH):
        yield from part.iter_rows(named=True)


def _normalized(key: str, normalize: Mapping[str, str]) -> str:
    import re

    for pattern, replacement in normalize.items():
        key = re.sub(pattern, replacement, key, count=1)
    return key


def _check_columns(columns: Sequence[str], required: Sequence[str], path: Path) -> None:
    missing = [name for name in required if name not in columns]
    if missing:
        raise DatasetError(f"the column(s) {', '.join(missing)} are missing", path=path)


def number(text: str) -> float | None:
    """Return a finite number, or None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None


def integer_text(text: str) -> str | None:
    """Return an identifier that a table may have stored as a float ("15709.0" -> "15709")."""
    text = text.strip()
    if not text or text.lower() == "nan":
        return None
    return text.removesuffix(".0") if text.removesuffix(".0").isdigit() else text
