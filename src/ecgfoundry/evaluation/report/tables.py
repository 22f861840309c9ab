"""Cells and tables of the evaluation report: numbers as a reader of a journal expects them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecgfoundry.metrics.intervals import Interval

__all__ = [
    "Cell",
    "Table",
    "band_cell",
    "flagged_cell",
    "interval_cell",
    "number_cell",
    "p_cell",
    "quiet_cell",
    "text_cell",
]

DASH = "–"
TALL_FROM = 25
"""Rows from which a table scrolls (our choice)."""


@dataclass(frozen=True)
class Cell:
    """Text of a cell, what stands behind it, and the value that it sorts by ("" is undefined)."""

    text: str
    sort: str = ""
    right: bool = True
    interval: str = ""
    mark: str = ""
    band: str = ""
    quiet: bool = False


@dataclass(frozen=True)
class Table:
    """A table, whose first cell of a row is its header.

    Attributes
    ----------
    heads : sequence of str
    rows : sequence of sequence of Cell
    weak : sequence of bool
        Rows to print quietly.
    sortable : bool
        By a click on a head.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    weak: Sequence[bool] = ()
    sortable: bool = True

    @property
    def right(self) -> list[bool]:
        """Whether a head stands over numbers, on the right, or over words, on the left."""
        return [k > 0 and (not self.rows or self.rows[0][k].right) for k in range(len(self.heads))]

    @property
    def tall(self) -> bool:
        """Whether it scrolls."""
        return len(self.rows) > TALL_FROM

    def is_weak(self, row: int) -> bool:
        """Whether a row is printed quietly."""
        return row < len(self.weak) and self.weak[row]


def _minus(text: str) -> str:
    return text.replace("-", "\u2212")


def number_cell(value: float | None, digits: int = 3) -> Cell:
    """A number, or a dash where it is undefined."""
    if value is None or not math.isfinite(value):
        return Cell(DASH)
    text = f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
    return Cell(_minus(text), repr(value))


def interval_cell(found: Interval | None, digits: int = 3) -> Cell:
    """A number with its interval in brackets; a dash where there is none."""
    if found is None:
        return Cell(DASH)
    first = number_cell(found.value, digits)
    if not all(map(math.isfinite, (found.value, found.low, found.high))):
        return first
    inner = _minus(f"[{found.low:.{digits}f}, {found.high:.{digits}f}]")
    return replace(first, interval=inner)


def flagged_cell(found: Interval, mark: str = "‡") -> Cell:
    """A number with its interval, marked where the interval is not known to hold."""
    cell = interval_cell(found)
    flagged = math.isfinite(found.low) and not found.reliable
    return replace(cell, mark=mark) if flagged else cell


def p_cell(value: float | None) -> Cell:
    """A p-value or q-value, never rounded to 0."""
    if value is None or not math.isfinite(value):
        return Cell(DASH)
    return Cell("<0.001" if value < 0.001 else f"{value:.3f}", repr(value))


def text_cell(text: object) -> Cell:
    """Text, left-aligned."""
    return Cell(str(text), str(text), right=False)


def quiet_cell(text: str, *, right: bool = True) -> Cell:
    """Words where a number is not claimed."""
    return Cell(text, right=right, quiet=True)


def band_cell(band: str | None) -> Cell:
    """A band as a label."""
    if band is None:
        return Cell(DASH, right=False)
    order = {"strong": "3", "moderate": "2", "limited": "1"}[band]
    return Cell(band, order, right=False, band=band)
