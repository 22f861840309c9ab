"""The rows of a sheet of ECG paper as SVG: traces, calibration pulses, lead names, marks.

All numbers are millimetres on the sheet unless a name says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.reports.paper.layout import Row, Sheet, Strip
from ecgfoundry.reports.paper.traces import trace_path
from ecgfoundry.reports.wording import escape

__all__ = [
    "FONT",
    "THEMES",
    "Frame",
    "Theme",
    "clips_svg",
    "labels_svg",
    "mm",
    "paper_svg",
    "plan_frame",
    "row_band",
    "row_svg",
    "text_svg",
]

Float64 = NDArray[np.float64]

FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"

CALIBRATION_SECONDS = 0.2
CALIBRATION_MV = 1.0

# Millimetres, our choices. The edges of grid and traces lie on bold lines.
MARGIN = 3.0
HEADER = 9.0
FOOTER = 8.0
_LEAD_IN = 5.0
_AFTER_PULSE = 5.0
_RIGHT_PAD = 5.0
_LEAST_GRID_WIDTH = 170.0  # what is printed below a short trace needs it
_OVERFLOW = 7.5
_TRACE_WIDTH = 0.28
_MARK_EVERY_MM = 3.0
_LABEL_SIZE = 3.5
_LABEL_GAP = 1.2


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a sheet, literal: printers of PDF know neither ``var()`` nor the page's CSS.

    Every element has a class beside its colour, by which the style sheet of a page may repaint it
    (``reports.html.style`` lists them).
    """

    background: str
    minor: str
    major: str
    trace: str
    text: str
    muted: str
    mark: str
    highlight: str
    earlier: str


THEMES = {
    "paper": Theme(
        "#fffdfb",
        "#f8dfda",
        "#eeb4ab",
        "#171717",
        "#262626",
        "#5f5a57",
        "#2d6ea8",
        "#ffe680",
        "#d9730d",
    ),
    "dark": Theme(
        "#10161b",
        "#212c34",
        "#36454f",
        "#e9f0ec",
        "#e4eaec",
        "#a3b0b8",
        "#6fa8dc",
        "#5a4a10",
        "#f0a050",
    ),
    "plain": Theme(
        "#ffffff",
        "#e6e6e6",
        "#bdbdbd",
        "#000000",
        "#1a1a1a",
        "#595959",
        "#3c6e9c",
        "#ffe680",
        "#d9730d",
    ),
}
"""Colours by name."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where things are on the sheet, in mm."""

    speed: float
    gain: float
    grid_x: float
    grid_y: float
    grid_width: float
    grid_height: float
    trace_x: float
    width: float
    height: float
    pulse_width: float
    baselines: tuple[float, ...]


def plan_frame(sheet: Sheet, speed: float, gain: float) -> Frame:
    """Place the rows of a sheet for a speed (mm/s) and a gain (mm/mV)."""
    pulse = CALIBRATION_SECONDS * speed
    left = 5.0 * math.ceil((_LEAD_IN + pulse + _AFTER_PULSE) / 5.0)
    wide = left + sheet.seconds * speed + _RIGHT_PAD
    grid_width = max(_LEAST_GRID_WIDTH, 5.0 * math.ceil(wide / 5.0 - 1e-6))
    grid_y = MARGIN + HEADER
    baselines, y = [], grid_y + 5.0
    for row in sheet.rows:
        baselines.append(y + row.above_mm)
        y += row.above_mm + row.below_mm
    grid_height = y + 5.0 - grid_y
    return Frame(
        speed=speed,
        gain=gain,
        grid_x=MARGIN,
        grid_y=grid_y,
        grid_width=grid_width,
        grid_height=grid_height,
        trace_x=MARGIN + left,
        width=grid_width + 2 * MARGIN,
        height=grid_y + grid_height + FOOTER,
        pulse_width=pulse,
        baselines=tuple(baselines),
    )


def mm(value: float) -> str:
    """Return a length with at most 2 decimals, the precision of everything on the sheet."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def row_band(row: Row, baseline: float, frame: Frame) -> tuple[float, float]:
    """Return top and bottom (mm) of what a row may cover: its band and 7.5 mm beyond."""
    top = max(frame.grid_y, baseline - row.above_mm - _OVERFLOW)
    bottom = min(frame.grid_y + frame.grid_height, baseline + row.below_mm + _OVERFLOW)
    return top, bottom


def clips_svg(sheet: Sheet, frame: Frame, prefix: str) -> str:
    """Return the clip paths of all rows, by which a trace ends at the edge of its band."""
    clips = "".join(
        f'<clipPath id="{prefix}-row{number}">'
        f'<rect x="{mm(frame.grid_x)}" y="{mm(top)}" width="{mm(frame.grid_width)}" '
        f'height="{mm(bottom - top)}"/></clipPath>'
        for number, (top, bottom) in enumerate(
            row_band(row, baseline, frame)
            for row, baseline in zip(sheet.rows, frame.baselines, strict=True)
        )
    )
    return f"<defs>{clips}</defs>"


def paper_svg(frame: Frame, colours: Theme) -> str:
    """Draw the ground and the grid, line by line: WeasyPrint prints no ``<pattern>``."""
    lines: dict[bool, list[str]] = {True: [], False: []}
    for step in range(round(frame.grid_width) + 1):
        lines[step % 5 == 0].append(
            f"M{mm(frame.grid_x + step)} {mm(frame.grid_y)}v{mm(frame.grid_height)}"
        )
    for step in range(round(frame.grid_height) + 1):
        lines[step % 5 == 0].append(
            f"M{mm(frame.grid_x)} {mm(frame.grid_y + step)}h{mm(frame.grid_width)}"
        )
    return (
        f'<rect class="ground" width="{mm(frame.width)}" height="{mm(frame.height)}" rx="1.5" '
        f'fill="{colours.background}"/>\n<g class="grid" fill="none">'
        f'<path class="minor" d="{"".join(lines[False])}" stroke="{colours.minor}" '
        f'stroke-width="0.12"/>'
        f'<path class="major" d="{"".join(lines[True])}" stroke="{colours.major}" '
        f'stroke-width="0.3" stroke-linecap="square"/></g>'
    )


def text_svg(
    x: float,
    y: float,
    text: str,
    size: float,
    colours: Theme,
    *,
    quiet: bool = False,
    end: bool = False,
) -> str:
    """Return one line of print; "" is none."""
    if not text:
        return ""
    anchor = ' text-anchor="end"' if end else ""
    kind, colour, weight = ("quiet", colours.muted, 400) if quiet else ("words", colours.text, 600)
    return (
        f'<text class="{kind}" x="{mm(x)}" y="{mm(y)}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}"{anchor} xml:space="preserve">{escape(text)}</text>'
    )


def row_svg(row: Row, number: int, frame: Frame, colours: Theme, prefix: str) -> str:
    """Return row ``number`` as a ``<g>``; its clip path has the id ``{prefix}-row{number}``."""
    baseline = frame.baselines[number]
    band = row_band(row, baseline, frame)
    parts = [_calibration_pulse(baseline, frame, colours)]
    parts += [_separator(strip, row, baseline, frame, colours) for strip in row.strips[1:]]
    for strip in row.strips:
        parts.append(_strip_svg(strip, baseline, band, frame, colours, f"{prefix}-row{number}"))
    return f'<g class="row">{"".join(parts)}</g>'


def _calibration_pulse(baseline: float, frame: Frame, colours: Theme) -> str:
    x = frame.grid_x + 2.0
    lead_in, height, after = _LEAD_IN - 2.0, CALIBRATION_MV * frame.gain, 2.0
    d = (
        f"M{mm(x)} {mm(baseline)}h{mm(lead_in)}v-{mm(height)}"
        f"h{mm(frame.pulse_width)}v{mm(height)}h{mm(after)}"
    )
    return (
        f'<path class="calibration" d="{d}" fill="none" stroke="{colours.trace}" '
        f'stroke-width="{_TRACE_WIDTH}" stroke-linejoin="round"/>'
    )


def _separator(strip: Strip, row: Row, baseline: float, frame: Frame, colours: Theme) -> str:
    x = frame.trace_x + strip.x_s * frame.speed
    y = baseline - row.above_mm
    d = f"M{mm(x)} {mm(y + 1)}v4M{mm(x)} {mm(baseline + row.below_mm - 5)}v4"
    return (
        f'<path class="separator" d="{d}" stroke="{colours.trace}" stroke-width="0.3" fill="none"/>'
    )


def _strip_svg(
    strip: Strip,
    baseline: float,
    band: tuple[float, float],
    frame: Frame,
    colours: Theme,
    clip: str,
) -> str:
    x0 = frame.trace_x + strip.x_s * frame.speed
    x, y = _positions(strip, baseline, frame)
    path = (
        f'<path class="trace" clip-path="url(#{clip})" d="{trace_path(x, y)}" fill="none" '
        f'stroke="{colours.trace}" stroke-width="{_TRACE_WIDTH}" stroke-linejoin="round" '
        f'stroke-linecap="round"/>'
        if strip.values.size
        else ""
    )
    return (
        f'<g class="strip" data-lead="{escape(strip.lead)}" data-start="{_seconds(strip.start_s)}" '
        f'data-duration="{_seconds(strip.duration_s)}" data-x="{mm(x0)}" '
        f'data-baseline="{mm(baseline)}" data-offset-mv="{strip.offset_mv:.4f}">'
        f"{path}{_off_scale_marks(x, y, band, colours)}</g>"
    )


def labels_svg(sheet: Sheet, frame: Frame, colours: Theme) -> str:
    """Return the lead names of all rows, each where no trace runs if there is such a place.

    They go below every trace, so that none hides a wave, and have no halo, which would.
    """
    traces = [
        _positions(strip, baseline, frame)
        for row, baseline in zip(sheet.rows, frame.baselines, strict=True)
        for strip in row.strips
    ]
    parts = []
    for row, baseline in zip(sheet.rows, frame.baselines, strict=True):
        for strip in row.strips:
            x, y = _label_place(strip, row, baseline, frame, traces)
            note = (
                f'<tspan dx="1.5" font-weight="400" font-size="2.7">{escape(strip.note)}</tspan>'
                if strip.note
                else ""
            )
            parts.append(f'<text x="{mm(x)}" y="{mm(y)}">{escape(strip.label)}{note}</text>')
    return (
        f'<g class="labels" font-size="{_LABEL_SIZE}" font-weight="600" '
        f'fill="{colours.text}">{"".join(parts)}</g>'
    )


def _positions(strip: Strip, baseline: float, frame: Frame) -> tuple[Float64, Float64]:
    """Return where the samples of a strip stand on the sheet, in mm."""
    x = frame.trace_x + strip.times_s * frame.speed
    return x, baseline - strip.values * frame.gain


def _label_place(
    strip: Strip,
    row: Row,
    baseline: float,
    frame: Frame,
    traces: Sequence[tuple[Float64, Float64]],
) -> tuple[float, float]:
    """Return where the text of a label begins: in the upper left corner of its strip, or further
    along its first half, where the least trace runs.
    """
    left = frame.trace_x + strip.x_s * frame.speed + _LABEL_GAP
    y = baseline - row.above_mm + 4.0
    width = 2.6 * len(strip.label) + 1.7 * len(strip.note)  # wider than the fonts of the sheet
    room = max(strip.duration_s * frame.speed / 2 - width, 0.0)

    def crossings(x: float) -> int:
        box = (x - 0.5, x + width + 0.5, y - _LABEL_SIZE, y + 0.5)
        return sum(_segments_in(box, *trace) for trace in traces)

    best, fewest = left, crossings(left)
    for shift in range(1, int(room) + 1):
        if not fewest:
            break
        if (count := crossings(left + shift)) < fewest:
            best, fewest = left + shift, count
    return best, y


def _segments_in(box: tuple[float, float, float, float], x: Float64, y: Float64) -> int:
    """Count the steps of a trace whose extent meets ``box`` (left, right, top, bottom; mm)."""
    left, right, top, bottom = box
    first = max(int(np.searchsorted(x, left)) - 1, 0)
    part = y[first : int(np.searchsorted(x, right, side="right")) + 1]
    low, high = np.minimum(part[:-1], part[1:]), np.maximum(part[:-1], part[1:])
    return int(np.count_nonzero((low <= bottom) & (high >= top)))  # a gap (NaN) meets nothing


def _seconds(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _off_scale_marks(
    x: NDArray[np.floating], y: NDArray[np.floating], band: tuple[float, float], colours: Theme
) -> str:
    """Draw one triangle per 3 mm in which the trace leaves its band, pointing to where it went."""
    parts = []
    for outside, edge, direction in ((y < band[0], band[0], 1), (y > band[1], band[1], -1)):
        for position in np.unique(np.floor(x[outside] / _MARK_EVERY_MM)):
            centre = (position + 0.5) * _MARK_EVERY_MM
            parts.append(
                f"M{mm(centre - 0.9)} {mm(edge + direction * 1.8)}h1.8l-.9 {mm(-1.5 * direction)}z"
            )
    if not parts:
        return ""
    return (
        f'<path class="off-scale" d="{"".join(parts)}" fill="{colours.trace}">'
        f"<title>The trace continues beyond this band</title></path>"
    )
