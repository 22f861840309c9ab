"""Delimited text -> a table of numbers: delimiter, decimal mark, header lines, missing cells."""

from __future__ import annotations

import codecs
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from ecgfoundry.errors import FileAccessError, FormatError, LimitError
from ecgfoundry.formats.base import Limits

__all__ = ["Table", "TableLayout", "detect_layout", "iterate_table", "load_table", "moment_of"]

_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "?"})
_NUMBER = re.compile(r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$")
_DECIMAL_COMMA = re.compile(r"^[+-]?\d*,\d+(?:[eE][+-]?\d+)?$")
_THOUSANDS = re.compile(r"^[+-]?[1-9]\d{0,2},\d{3}$")
_SEPARATOR_LINE = re.compile(r"^\"?sep=(.)\"?$")  # as spreadsheets write it for themselves
_MOMENT = re.compile(
    r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?(?:Z|[+-]\d{2}:?\d{2}))?$"
)
_CLOCK = re.compile(r"^(?:(\d{1,2}):)?(\d{1,2}):(\d{2}(?:[.,]\d{1,9})?)$")
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_DELIMITERS = (";", "\t", ",", None)  # None: any run of blanks
_MINIMUM_ROWS = 3  # fewer numeric lines are no signal, and plain text often has one or two
_MAXIMUM_HEADER_LINES = 64
_BLOCK_LINES = 65_536
_MAXIMUM_LINE = 65_536


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How a text file is to be split.

    Parameters
    ----------
    delimiter : str or None
        None for runs of blanks.
    decimal_comma : bool
        Whether ``0,5`` is one half.
    columns : int
    comments : tuple of str
        Lines that start with "#", without it.
    names, units : tuple of str, or None
        Cells of the header line and of a line of units below it.
    first_line : int
        Number of the first line of numbers, from 0.
    clock : tuple (column, datetime or None), or None
        The column that states the time of day, and the moment of its first cell where that has a
        date. Its numbers are seconds.
    """

    delimiter: str | None
    decimal_comma: bool
    columns: int
    comments: tuple[str, ...]
    names: tuple[str, ...] | None
    units: tuple[str, ...] | None
    first_line: int
    clock: tuple[int, dt.datetime | None] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers (rows, columns) as float64, NaN for missing cells, and the layout."""

    layout: TableLayout
    values: np.ndarray


def detect_layout(text: str, *, whole: bool) -> TableLayout | None:
    """Return the layout of a table of numbers, or None if the text is none.

    Parameters
    ----------
    text : str
        Beginning of the file.
    whole : bool
        Whether it is all of it; otherwise the last, cut line is ignored.
    """
    lines = text.splitlines()
    if not whole and lines:
        lines = lines[:-1]
    comments = [line.lstrip("#").strip() for line in lines if line.startswith("#")]
    content = [
        (number, line)
        for number, line in enumerate(lines)
        if line.strip() and not line.startswith("#")
    ]
    separator = _SEPARATOR_LINE.match(content[0][1].strip("\ufeff \r\n")) if content else None
    if separator is not None:
        content = content[1:]
    for delimiter in (separator[1],) if separator is not None else _DELIMITERS:
        for decimal_comma in (False,) if delimiter == "," else (False, True):
            layout = _try_layout(content, comments, delimiter, decimal_comma)
            if layout is not None:
                return layout
    return None


def _try_layout(
    content: Sequence[tuple[int, str]],
    comments: Sequence[str],
    delimiter: str | None,
    decimal_comma: bool,
) -> TableLayout | None:
    rows = [_cells(line, delimiter) for _, line in content]
    first = next((n for n, row in enumerate(rows) if _is_numeric(row, decimal_comma)), None)
    if first is None or first > 2 or len(rows) - first < _MINIMUM_ROWS:
        return None
    columns = len(rows[first])
    if delimiter is not None and columns < 2:
        return None  # that delimiter does not occur
    if any(
        len(row) != columns or not _is_numeric(row, decimal_comma, allow_missing=True)
        for row in rows[first:]
    ):
        return None
    header = rows[:first]
    if any(len(row) != columns for row in header):
        return None
    with_comma = [cell for row in rows[first:] for cell in row if "," in cell]
    if decimal_comma and (not with_comma or all(map(_THOUSANDS.match, with_comma))):
        return None  # "1,500" alone may be one and a half, or a thousand and a half
    return TableLayout(
        delimiter=delimiter,
        decimal_comma=decimal_comma,
        columns=columns,
        comments=tuple(comments),
        names=tuple(header[0]) if header else None,
        units=tuple(header[1]) if len(header) > 1 else None,
        first_line=content[first][0],
        clock=_clock_column(rows[first]),
    )


def _clock_column(row: Sequence[str]) -> tuple[int, dt.datetime | None] | None:
    for number, cell in enumerate(row):
        if _MOMENT.match(cell):
            return number, _moment(cell)
        if _CLOCK.match(cell):
            return number, None
    return None


def _moment(cell: str) -> dt.datetime | None:
    text = cell.replace(",", ".").replace(" ", "T", 1).replace(" ", "")
    head, point, tail = text.partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    try:
        return dt.datetime.fromisoformat(head + point + tail[: min(digits, 6)] + tail[digits:])
    except ValueError:
        return None


def moment_of(seconds: float) -> dt.datetime:
    """Return the moment, in UTC, that a clock column holds as a number of seconds."""
    return _EPOCH + dt.timedelta(microseconds=round(seconds * 1e6))


def _seconds(cell: str) -> float | None:
    """Return a time of day, with or without its date, in seconds; None for anything else."""
    if _MOMENT.match(cell):
        moment = _moment(cell)
        if moment is None:
            return None
        moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
        return (moment - _EPOCH) / dt.timedelta(seconds=1)
    match = _CLOCK.match(cell)
    if match is None:
        return None
    hour, minute, second = match.groups(default="0")
    return 3600.0 * int(hour) + 60.0 * int(minute) + float(second.replace(",", "."))


def _cells(line: str, delimiter: str | None) -> list[str]:
    cells = line.split(delimiter)
    if len(cells) > 2 and delimiter is not None and not cells[-1].strip():
        cells = cells[:-1]  # a delimiter at the end of every line
    return [cell.strip().strip("\"'").strip() for cell in cells]


def _is_numeric(row: Sequence[str], decimal_comma: bool, *, allow_missing: bool = False) -> bool:
    numbers = 0
    for cell in row:
        if _NUMBER.match(cell) or (decimal_comma and _DECIMAL_COMMA.match(cell)):
            numbers += 1
        elif _seconds(cell) is not None:
            continue
        elif cell.lower() not in _MISSING:
            return False
    return numbers > 0 or (allow_missing and bool(row))


def load_table(path: Path, limits: Limits) -> Table:
    """Load a text file as a table.

    Raises
    ------
    FormatError
        Not a table, or a line that does not fit; the message names the line.
    LimitError, FileAccessError
    """
    text = _text(path, limits)
    layout = detect_layout(text[:65_536], whole=len(text) <= 65_536)
    if layout is None or layout.first_line > _MAXIMUM_HEADER_LINES:
        raise FormatError("the text is no table of numbers", path=path)
    lines = text.splitlines()
    blocks = list(_blocks(lines, layout, path))
    rows = sum(len(block) for block in blocks)
    if rows * layout.columns > limits.samples:
        raise LimitError(
            f"the table has {rows * layout.columns} cells; the limit is {limits.samples}", path=path
        )
    return Table(layout, np.concatenate(blocks))


def _text(path: Path, limits: Limits) -> str:
    try:
        size = path.stat().st_size
        if size > limits.text_bytes:
            raise LimitError(
                f"the text has {size} bytes; the limit is {limits.text_bytes}",
                path=path,
                remedy="Convert it to a binary format first",
            )
        content = path.read_bytes()
    except OSError as error:
        raise FileAccessError(f"the file cannot be read ({error.strerror})", path=path) from error
    return decode_text(content)


def decode_text(content: bytes) -> str:
    """Decode UTF-8 or UTF-16 with a byte-order mark, else UTF-8, else Latin-1."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def iterate_table(path: Path) -> Iterator[tuple[TableLayout, np.ndarray]]:
    """Yield the layout and blocks (rows, columns) of a text file of any length, one at a time.

    Memory is bounded by a block of 65,536 lines, each of at most 64 KiB.

    Raises
    ------
    FormatError, FileAccessError
    """
    with path.open("rb") as file:
        head = file.read(65_536)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig" if _is_utf8(head) else "latin-1"
    text = head.decode(encoding, errors="replace")
    layout = detect_layout(text, whole=len(head) < 65_536)
    if layout is None or layout.first_line > _MAXIMUM_HEADER_LINES:
        raise FormatError("the text is no table of numbers", path=path)
    with path.open(encoding=encoding, errors="replace") as stream:
        for _ in range(layout.first_line):
            stream.readline(_MAXIMUM_LINE)
        start = layout.first_line
        while block := _lines(stream, start, path):
            fast = _is_plain(block, layout)
            parse = _fast_block if fast else _slow_block
            yield layout, parse(block, layout, path, start)
            start += len(block)


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _lines(stream: IO[str], start: int, path: Path) -> list[str]:
    lines: list[str] = []
    while len(lines) < _BLOCK_LINES:
        line = stream.readline(_MAXIMUM_LINE)
        if not line:
            break
        if len(line) == _MAXIMUM_LINE:
            raise FormatError(f"line {start + len(lines) + 1} has no end", path=path)
        lines.append(line.rstrip("\r\n"))
    return lines


def _blocks(lines: Sequence[str], layout: TableLayout, path: Path) -> Iterator[np.ndarray]:
    for start in range(layout.first_line, len(lines), _BLOCK_LINES):
        block = lines[start : start + _BLOCK_LINES]
        yield (
            _fast_block(block, layout, path, start)
            if _is_plain(block, layout)
            else _slow_block(block, layout, path, start)
        )


def _is_plain(block: Sequence[str], layout: TableLayout) -> bool:
    """Whether every line is numbers only, so that NumPy's own parser reads the block."""
    if layout.decimal_comma:
        return False
    allowed = "0123456789+-.eE \n" + (layout.delimiter or "\t")
    return not set("\n".join(block)) - set(allowed)


def _fast_block(block: Sequence[str], layout: TableLayout, path: Path, start: int) -> np.ndarray:
    try:
        table = np.loadtxt(block, dtype=np.float64, delimiter=layout.delimiter, ndmin=2)
    except ValueError:
        return _slow_block(block, layout, path, start)
    if table.size and table.shape[1] != layout.columns:
        return _slow_block(block, layout, path, start)
    return table.reshape(-1, layout.columns)


def _slow_block(block: Sequence[str], layout: TableLayout, path: Path, start: int) -> np.ndarray:
    rows = []
    for number, line in enumerate(block):
        if not line.strip() or line.startswith("#"):
            continue
        cells = _cells(line, layout.delimiter)
        try:
            row = [_number(cell, layout.decimal_comma) for cell in cells]
        except ValueError:
            row = []
        if len(row) != layout.columns:
            raise FormatError(
                f"line {start + number + 1} does not fit the table of {layout.columns} "
                f"column(s): '{line[:60]}'",
                path=path,
            )
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(-1, layout.columns)


def _number(cell: str, decimal_comma: bool) -> float:
    try:
        return float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        if cell.lower() in _MISSING:
            return float("nan")
        seconds = _seconds(cell)
        if seconds is not None:
            return seconds
        raise
