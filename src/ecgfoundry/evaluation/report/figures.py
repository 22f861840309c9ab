"""Figures of the evaluation report as inline SVG: numbers in, text out; the page gives colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.reports.wording import escape, shortened

__all__ = [
    "ForestRow",
    "bland_altman_figure",
    "curve_figure",
    "dumbbell_figure",
    "flow_figure",
    "forest_figure",
    "reliability_figure",
]

Float64 = NDArray[np.float64]

_SIDE = 216.0
_LEFT, _TOP = 40.0, 10.0
_WIDTH, _HEIGHT = 270.0, 266.0


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _path(points: Float64, x: Float64, y: Float64, *, step: bool = False) -> str:
    if not len(points):
        return ""
    parts = [f"M{_number(x[0])} {_number(y[0])}"]
    for k in range(1, len(x)):
        if step:
            parts.append(f"H{_number(x[k])}V{_number(y[k])}")
        else:
            parts.append(f"L{_number(x[k])} {_number(y[k])}")
    return f'<path class="curve" d="{"".join(parts)}"/>'


def _unit_axes(x_name: str, y_name: str) -> str:
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = _LEFT + tick * _SIDE, _TOP + (1 - tick) * _SIDE
        label = f"{tick:g}"
        parts.append(
            f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_TOP + _SIDE}"/>'
            f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _SIDE}" y1="{y}" y2="{y}"/>'
            f'<text class="quiet" x="{x}" y="{_TOP + _SIDE + 14}" font-size="10" '
            f'text-anchor="middle">{label}</text>'
            f'<text class="quiet" x="{_LEFT - 5}" y="{y + 3.5}" font-size="10" '
            f'text-anchor="end">{label}</text>'
        )
    middle = _TOP + _SIDE / 2
    parts.append(
        f'<text class="quiet" x="{_LEFT + _SIDE / 2}" y="{_TOP + _SIDE + 30}" font-size="11" '
        f'text-anchor="middle">{escape(x_name)}</text>'
        f'<text class="quiet" x="11" y="{middle}" font-size="11" text-anchor="middle" '
        f'transform="rotate(-90 11 {middle})">{escape(y_name)}</text>'
    )
    return "".join(parts)


def _svg(content: str, label: str, width: float = _WIDTH, height: float = _HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {_number(width)} {_number(height)}" role="img" '
        f'aria-label="{escape(label)}">{content}</svg>'
    )


def curve_figure(
    points: Float64,
    *,
    kind: str,
    prevalence: float = math.nan,
    operating: tuple[float, float] | None = None,
    readers: Sequence[tuple[str, float, float]] = (),
) -> str:
    """Draw a ROC or precision-recall curve.

    Parameters
    ----------
    points : float64 (points, 2)
    kind : {"roc", "pr"}
    prevalence : float
        Chance level of precision.
    operating : (x, y), optional
        Where the threshold lies.
    readers : sequence of (name, x, y)
        Human readers or other decisions, drawn as marks.
    """
    names = {"roc": ("1 − specificity", "Sensitivity"), "pr": ("Recall", "Precision")}[kind]
    x = _LEFT + points[:, 0] * _SIDE
    y = _TOP + (1 - points[:, 1]) * _SIDE
    right, bottom = _LEFT + _SIDE, _TOP + _SIDE
    chance = f'<line class="chance" x1="{_LEFT}" y1="{bottom}" x2="{right}" y2="{_TOP}"/>'
    if kind == "pr":
        level = _TOP + (1 - prevalence) * _SIDE
        chance = (
            f'<line class="chance" x1="{_LEFT}" y1="{_number(level)}" x2="{right}" '
            f'y2="{_number(level)}"/>'
            if not math.isnan(prevalence)
            else ""
        )
    marks = []
    if operating is not None and not any(map(math.isnan, operating)):
        marks.append(
            f'<circle class="point" r="5" cx="{_number(_LEFT + operating[0] * _SIDE)}" '
            f'cy="{_number(_TOP + (1 - operating[1]) * _SIDE)}"><title>at the threshold</title>'
            "</circle>"
        )
    for k, (name, a, b) in enumerate(readers):
        if not (math.isnan(a) or math.isnan(b)):
            marks.append(_mark(k, _LEFT + a * _SIDE, _TOP + (1 - b) * _SIDE, name))
    return _svg(
        _unit_axes(*names) + chance + _path(points, x, y) + "".join(marks),
        f"{'ROC' if kind == 'roc' else 'Precision-recall'} curve",
    )


def _mark(number: int, x: float, y: float, name: str) -> str:
    shapes = (
        "M-5 -5H5V5H-5Z", "M0 -6L6 5H-6Z", "M0 -6.5L6.5 0L0 6.5L-6.5 0Z", "M0 6L6 -5H-6Z",
        "M-6 -2H-2V-6H2V-2H6V2H2V6H-2V2H-6Z",
    )  # fmt: skip
    return (
        f'<path class="hollow" d="{shapes[number % len(shapes)]}" '
        f'transform="translate({_number(x)} {_number(y)})"><title>{escape(name)}</title></path>'
    )


def reliability_figure(
    predicted: Float64, observed: Float64, low: Float64, high: Float64, count: NDArray[np.int64]
) -> str:
    """Draw observed against predicted, with Wilson intervals and the share of records per bin."""
    right, bottom = _LEFT + _SIDE, _TOP + _SIDE
    parts = [f'<line class="chance" x1="{_LEFT}" y1="{bottom}" x2="{right}" y2="{_TOP}"/>']
    x = _LEFT + predicted * _SIDE
    y = _TOP + (1 - observed) * _SIDE
    for k in range(len(x)):
        top, foot = _TOP + (1 - high[k]) * _SIDE, _TOP + (1 - low[k]) * _SIDE
        parts.append(
            f'<line class="whisker" x1="{_number(x[k])}" x2="{_number(x[k])}" '
            f'y1="{_number(top)}" y2="{_number(foot)}"/>'
            f'<circle class="dot" r="3.2" cx="{_number(x[k])}" cy="{_number(y[k])}">'
            f"<title>{int(count[k])} records: predicted {predicted[k]:.3f}, observed "
            f"{observed[k]:.3f}</title></circle>"
        )
    points = np.stack([predicted, observed], axis=1)
    return _svg(
        _unit_axes("Predicted probability", "Observed share") + _path(points, x, y)
        + "".join(parts),
        "Reliability curve",
    )  # fmt: skip


def bland_altman_figure(
    points: Float64, bias: float, low: float, high: float, *, unit: str = ""
) -> str:
    """Draw differences (predicted less true) against means, with bias and limits of agreement."""
    if not len(points):
        return ""
    spread = np.concatenate([points[:, 1], [low, high, bias]])
    x_range = _padded(points[:, 0])
    y_range = _padded(spread[np.isfinite(spread)])

    def place(value: float, bounds: tuple[float, float]) -> float:
        return (value - bounds[0]) / (bounds[1] - bounds[0])

    width, height, left, top, side_x, side_y = 420.0, 266.0, 52.0, 10.0, 300.0, 216.0
    parts = []
    for value in _ticks(*x_range):
        x = left + place(value, x_range) * side_x
        parts.append(
            f'<line class="grid" x1="{_number(x)}" x2="{_number(x)}" y1="{top}" '
            f'y2="{top + side_y}"/>'
            f'<text class="quiet" x="{_number(x)}" y="{top + side_y + 14}" font-size="10" '
            f'text-anchor="middle">{_minus(f"{value:g}")}</text>'
        )
    for value in _ticks(*y_range):
        y = top + (1 - place(value, y_range)) * side_y
        parts.append(
            f'<line class="grid" x1="{left}" x2="{left + side_x}" '
            f'y1="{_number(y)}" y2="{_number(y)}"/>'
            f'<text class="quiet" x="{left - 5}" y="{_number(y + 3.5)}" font-size="10" '
            f'text-anchor="end">{_minus(f"{value:g}")}</text>'
        )
    for a, b in points:
        parts.append(
            f'<circle class="cloud" r="2" cx="{_number(left + place(a, x_range) * side_x)}" '
            f'cy="{_number(top + (1 - place(b, y_range)) * side_y)}"/>'
        )
    for value, name, dashed in ((bias, "bias", False), (low, "", True), (high, "", True)):
        if math.isfinite(value):
            y = top + (1 - place(value, y_range)) * side_y
            parts.append(
                f'<line class="{"chance" if dashed else "axis"}" x1="{left}" '
                f'x2="{left + side_x}" y1="{_number(y)}" y2="{_number(y)}"/>'
                f'<text x="{left + side_x + 4}" y="{_number(y + 3.5)}" font-size="10">'
                f"{name} {_minus(f'{value:.3g}')}</text>"
            )
    middle = top + side_y / 2
    parts.append(
        f'<text class="quiet" x="{left + side_x / 2}" y="{top + side_y + 30}" font-size="11" '
        f'text-anchor="middle">Mean of predicted and true {escape(unit)}</text>'
        f'<text class="quiet" x="11" y="{middle}" font-size="11" text-anchor="middle" '
        f'transform="rotate(-90 11 {middle})">Predicted − true</text>'
    )
    return _svg("".join(parts), "Bland-Altman figure", width, height)


def _padded(values: Float64) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    gap = (high - low) or max(abs(high), 1.0)
    return low - 0.04 * gap, high + 0.04 * gap


def _ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 5.0
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw)
    first = math.ceil(low / step)
    return [round(k * step, 12) for k in range(first, math.floor(high / step) + 1)]


@dataclass(frozen=True)
class ForestRow:
    """One line of the forest plot; NaN where undefined."""

    name: str
    value: float
    low: float
    high: float
    note: str
    weak: bool = False
    control: float = math.nan


def forest_figure(
    rows: Sequence[ForestRow],
    *,
    lines: Sequence[float] = (0.55, 0.65),
    reference: float = 0.5,
) -> str:
    """Draw values with intervals, one line per target, from 0 (or the lowest tick needed) to 1.

    Parameters
    ----------
    rows : sequence of ForestRow
        In the order to draw. A hollow diamond marks the control of the row.
    lines : sequence of float
        Band limits, drawn dashed.
    reference : float
        Chance, drawn solid.
    """
    ends = [v for row in rows for v in (row.low, row.value, row.control) if math.isfinite(v)]
    start = min([0.5, *(math.floor(10 * v) / 10 for v in ends)])
    start = max(0.0, min(start, 0.4))
    left, right, step, top = 210.0, 118.0, 22.0, 26.0
    width = 760.0
    span = width - left - right
    height = top + step * len(rows) + 34.0

    def place(value: float) -> float:
        return left + (min(max(value, start), 1.0) - start) / (1.0 - start) * span

    foot = top + step * len(rows)
    parts = []
    for tick in np.arange(math.ceil(10 * start - 1e-9), 11) / 10.0:
        x = place(tick)
        parts.append(
            f'<line class="grid" x1="{_number(x)}" x2="{_number(x)}" y1="{top - 6}" y2="{foot}"/>'
            f'<text class="quiet" x="{_number(x)}" y="{foot + 15}" font-size="11" '
            f'text-anchor="middle">{tick:g}</text>'
        )
    x = place(reference)
    parts.append(
        f'<line class="axis" x1="{_number(x)}" x2="{_number(x)}" y1="{top - 6}" y2="{foot}"/>'
    )
    for line in lines:
        x = place(line)
        parts.append(
            f'<line class="chance" x1="{_number(x)}" x2="{_number(x)}" y1="{top - 6}" y2="{foot}"/>'
            f'<text class="quiet" x="{_number(x)}" y="{top - 11}" font-size="10" '
            f'text-anchor="middle">{line:g}</text>'
        )
    for k, row in enumerate(rows):
        parts.append(_forest_line(row, top + step * (k + 0.5), place, left, width))
    parts.append(
        f'<text class="quiet" x="{_number(left + span / 2)}" y="{foot + 31}" font-size="11" '
        'text-anchor="middle">AUROC</text>'
    )
    return _svg("".join(parts), "Forest plot of AUROC with intervals", width, height)


def _forest_line(
    row: ForestRow, y: float, at: Callable[[float], float], left: float, width: float
) -> str:
    weak = " weak" if row.weak else ""
    quiet = ' class="quiet"' if row.weak else ""
    parts = [
        f'<text{quiet} x="{left - 10}" y="{_number(y + 4)}" font-size="12" text-anchor="end">'
        f"{escape(shortened(row.name, 32))}</text>"
    ]
    if math.isfinite(row.low) and math.isfinite(row.high):
        parts.append(
            f'<line class="whisker{weak}" x1="{_number(at(row.low))}" x2="{_number(at(row.high))}" '
            f'y1="{_number(y)}" y2="{_number(y)}"/>'
        )
    if math.isfinite(row.control):
        parts.append(
            f'<path class="hollow" d="M0 -5L5 0L0 5L-5 0Z" transform="translate('
            f'{_number(at(row.control))} {_number(y)})"/>'
        )
    if math.isfinite(row.value):
        parts.append(
            f'<circle class="dot{weak}" r="4" cx="{_number(at(row.value))}" cy="{_number(y)}"/>'
        )
    parts.append(
        f'<text{quiet} x="{width - 4}" y="{_number(y + 4)}" font-size="11" text-anchor="end">'
        f"{escape(row.note)}</text>"
    )
    return "".join(parts)


def dumbbell_figure(rows: Sequence[tuple[str, float, float]], home: str, away: str) -> str:
    """Draw for each target the AUROC at home (hollow) and away (full), joined by the drop."""
    known = [row for row in rows if math.isfinite(row[1]) and math.isfinite(row[2])]
    if not known:
        return ""
    start = math.floor(10 * min(min(a, b) for _, a, b in known) - 0.2) / 10
    start = max(0.0, min(start, 0.5))
    left, right, step, top, width = 210.0, 60.0, 22.0, 14.0, 760.0
    span = width - left - right
    foot = top + step * len(known)

    def place(value: float) -> float:
        return left + (value - start) / (1.0 - start) * span

    parts = []
    for tick in np.arange(math.ceil(10 * start - 1e-9), 11) / 10.0:
        x = place(tick)
        parts.append(
            f'<line class="grid" x1="{_number(x)}" x2="{_number(x)}" y1="{top - 6}" y2="{foot}"/>'
            f'<text class="quiet" x="{_number(x)}" y="{foot + 15}" font-size="11" '
            f'text-anchor="middle">{tick:g}</text>'
        )
    for k, (name, a, b) in enumerate(known):
        y = top + step * (k + 0.5)
        parts.append(
            f'<text x="{left - 10}" y="{_number(y + 4)}" font-size="12" text-anchor="end">'
            f"{escape(shortened(name, 32))}</text>"
            f'<line class="{"drop" if b < a else "rise"}" x1="{_number(place(a))}" '
            f'x2="{_number(place(b))}" y1="{_number(y)}" y2="{_number(y)}"/>'
            f'<circle class="hollow" r="4.4" cx="{_number(place(a))}" cy="{_number(y)}"/>'
            f'<circle class="dot" r="4.4" cx="{_number(place(b))}" cy="{_number(y)}"/>'
            f'<text x="{width - 4}" y="{_number(y + 4)}" font-size="11" text-anchor="end">'
            f"{_signed(b - a)}</text>"
        )
    label = f"AUROC in {home} and in {away}"
    return _svg("".join(parts), label, width, foot + 24)


def _signed(value: float) -> str:
    return _minus(f"{value:+.3f}")


def _minus(text: str) -> str:
    return text.replace("-", "\u2212")


def flow_figure(steps: Sequence[tuple[str, int, int, str]]) -> str:
    """Draw the cohort flow: (name, records, left out before it, why)."""
    width, box, gap, top = 640.0, 46.0, 34.0, 4.0
    parts = []
    for k, (name, records, left_out, reason) in enumerate(steps):
        y = top + k * (box + gap)
        if k:
            parts.append(
                f'<path class="axis" fill="none" d="M170 {y - gap}V{y - 5}m-4 -6l4 6l4 -6"/>'
            )
            if left_out:
                middle = y - gap / 2
                parts.append(
                    f'<path class="axis" fill="none" d="M170 {middle}H352m-6 -4l6 4l-6 4"/>'
                    f'<text x="360" y="{middle - 2}" font-size="12">{left_out:,} left out</text>'
                    f'<text class="quiet" x="360" y="{middle + 12}" font-size="11">'
                    f"{escape(shortened(reason, 46))}</text>"
                )
        parts.append(
            f'<rect class="box" x="2" y="{y}" width="336" height="{box}" rx="6"/>'
            f'<text x="170" y="{y + 19}" font-size="14" font-weight="650" text-anchor="middle">'
            f"{records:,} records</text>"
            f'<text class="quiet" x="170" y="{y + 36}" font-size="11.5" text-anchor="middle">'
            f"{escape(shortened(name, 56))}</text>"
        )
    height = top + len(steps) * (box + gap) - gap + 6
    return _svg("".join(parts), "Cohort flow", width, height)
