"""Cells and tables of the evaluation report: numbers as a reader of a journal expects them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecgfoundry.reports.wording import escape

__all__ = [
    "Cell",
    "band_cell",
    "flagged_cell",
    "interval_cell",
    "number_cell",
    "p_cell",
    "table",
    "text_cell",
]

DASH = "–"


@dataclass(frozen=True)
class Cell:
    """HTML of a cell and the value that it sorts by ("" is undefined)."""

    html: str
    sort: str = ""
    right: bool = True


def _defined(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def number_cell(value: object, digits: int = 3) -> Cell:
    """A number, or a dash where it is undefined."""
    if not _defined(value):
        return Cell(DASH)
    assert isinstance(value, int | float)  # noqa: S101 - for the type checker
    text = f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
    return Cell(text.replace("-", "\u2212"), repr(value))


def interval_cell(value: object, low: object, high: object, digits: int = 3) -> Cell:
    """A number with its interval in brackets."""
    first = number_cell(value, digits)
    if not (_defined(value) and _defined(low) and _defined(high)):
        return first
    inner = f"[{low:.{digits}f}, {high:.{digits}f}]".replace("-", "\u2212")
    return Cell(f'{first.html} <span class="ci">{inner}</span>', first.sort)


def flagged_cell(row: Mapping[str, object], name: str, mark: str = "‡") -> Cell:
    """A number with its interval, marked where the interval is not known to hold."""
    low = row[f"{name}_low"]
    cell = interval_cell(row[name], low, row[f"{name}_high"])
    if _defined(low) and not row[f"{name}_interval_reliable"]:
        return Cell(f"{cell.html}&nbsp;{mark}", cell.sort)
    return cell


def p_cell(value: object) -> Cell:
    """A p-value or q-value, never rounded to 0."""
    if not _defined(value):
        return Cell(DASH)
    assert isinstance(value, int | float)  # noqa: S101 - for the type checker
    return Cell("&lt;0.001" if value < 0.001 else f"{value:.3f}", repr(value))


def text_cell(text: object) -> Cell:
    """Text, left-aligned."""
    return Cell(escape(text), str(text), right=False)


def band_cell(band: str | None) -> Cell:
    """A band as a label."""
    if band is None:
        return Cell(DASH, right=False)
    order = {"strong": "3", "moderate": "2", "limited": "1"}[band]
    return Cell(f'<span class="band {band}">{band}</span>', order, right=False)


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    caption: str = "",
    weak: Sequence[bool] = (),
    sortable: bool = True,
) -> str:
    """Return a table; the first cell of a row is its header.

    Parameters
    ----------
    heads : sequence of str
        HTML of the column heads.
    weak : sequence of bool
        Rows to print quietly.
    """
    # A head stands over its numbers on the right, over its words on the left.
    right = [k > 0 and (not rows or rows[0][k].right) for k in range(len(heads))]
    head = "".join(
        f'<th scope="col"{" class=r" if right[k] else ""}>{text}</th>'
        for k, text in enumerate(heads)
    )
    body = []
    for number, row in enumerate(rows):
        quiet = ' class="weak"' if number < len(weak) and weak[number] else ""
        cells = []
        for k, cell in enumerate(row):
            tag = 'th scope="row"' if k == 0 else "td"
            side = ' class="r"' if cell.right and k else ""
            cells.append(f'<{tag}{side} data-v="{escape(cell.sort)}">{cell.html}</{tag[:2]}>')
        body.append(f"<tr{quiet}>{''.join(cells)}</tr>")
    kind = "data sortable" if sortable else "data"
    title = f"<caption>{caption}</caption>" if caption else ""
    scroll = "scroll tall" if len(rows) > 25 else "scroll"
    return (
        f'<div class="{scroll}" tabindex="0"><table class="{kind}">{title}'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )
