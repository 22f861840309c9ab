"""Median beats on ECG paper: those of one recording with their marks, or of two over each other.

At 50 mm/s, so that a difference of 10 ms is seen as half a millimetre. All leads are aligned at
the QRS onset; the later recording is drawn in the colour of every trace, the earlier one behind it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.criteria.serial import Comparison, Superimposed
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.paper.drawing import (
    FONT,
    THEMES,
    Frame,
    Theme,
    clips_svg,
    labels_svg,
    mm,
    paper_svg,
    plan_frame,
    row_band,
    row_svg,
    text_svg,
)
from ecgfoundry.reports.paper.layout import Row, Sheet, Strip, fit_row
from ecgfoundry.reports.paper.traces import trace_path
from ecgfoundry.reports.wording import escape

__all__ = ["SPEED_MM_S", "median_beats_svg", "superimposed_svg"]

Float64 = NDArray[np.float64]

SPEED_MM_S = 50.0
GAIN_MM_MV = 10.0
COLUMNS = 6
_BEFORE_S, _AFTER_S = 0.06, 0.08
"""Shown before the P onset and after the T offset."""
_LEAST_SPAN_S = (0.25, 0.50)
"""Before and after the QRS onset where P or T was not found (our choices)."""
_WIDEST_S = 0.9
"""Six panels of 45 mm and the pulse fit A4 landscape."""
_ROW_LIMITS_MM = (10.0, 5.0, 30.0, 30.0)
_EDGES = ("p_onset", "p_offset", "qrs_onset", "qrs_offset", "t_offset")


def median_beats_svg(
    measurements: Measurements, *, title: str = "", theme: str = "paper", identifier: str = ""
) -> str:
    """Draw the median beat of every lead, with lines at the ends of P, QRS and T.

    Parameters
    ----------
    measurements : Measurements
    title, theme, identifier
        As for :func:`ecgfoundry.reports.paper.ecg_paper.ecg_paper_svg`.

    Returns
    -------
    str
        An ``<svg>`` at true size, "" where there is no median beat.
    """
    median = measurements.median
    if median is None:
        return ""
    onset = median.boundaries.get("qrs_onset", float(median.fiducial))
    columns = np.arange(median.values.shape[1], dtype=np.float64)
    time_ms: Float64 = (columns - onset) / median.sampling_rate * 1000.0
    curves = [
        Superimposed(lead, time_ms, np.full(time_ms.size, np.nan), median.lead(lead))
        for lead in median.leads
    ]
    return _draw(curves, _edges(median), title, theme, identifier, names=None)


def superimposed_svg(
    comparison: Comparison,
    *,
    title: str = "",
    names: tuple[str, str] = ("earlier", "later"),
    theme: str = "paper",
    identifier: str = "",
) -> str:
    """Draw the median beats of two recordings over each other, aligned at the QRS onset.

    Parameters
    ----------
    comparison : Comparison
    title, theme, identifier
        As for :func:`median_beats_svg`.
    names : (str, str)
        What the legend calls the earlier and the later one.

    Returns
    -------
    str
        An ``<svg>`` at true size, "" where one of them has no median beat.
    """
    later = comparison.later.median
    curves = comparison.superimposed()
    if later is None or not curves:
        return ""
    return _draw(curves, _edges(later), title, theme, identifier, names=names)


def _edges(median: MedianBeat) -> dict[str, float]:
    """Return the ends of the waves in s from the QRS onset."""
    onset = median.boundaries.get("qrs_onset", float(median.fiducial))
    found = median.boundaries
    return {name: (found[name] - onset) / median.sampling_rate for name in _EDGES if name in found}


def _draw(
    curves: Sequence[Superimposed],
    edges: Mapping[str, float],
    title: str,
    theme: str,
    identifier: str,
    *,
    names: tuple[str, str] | None,
) -> str:
    start = min(edges.get("p_onset", 0.0) - _BEFORE_S, -_LEAST_SPAN_S[0])
    end = max(edges.get("t_offset", 0.0) + _AFTER_S, _LEAST_SPAN_S[1])
    step = 5.0 / SPEED_MM_S
    width = min(step * math.ceil((end - start) / step - 1e-6), _WIDEST_S)
    columns = min(COLUMNS, len(curves))
    panels = [_panel(curve, start, width, n % columns) for n, curve in enumerate(curves)]
    rows = [panels[n : n + columns] for n in range(0, len(panels), columns)]
    bands = tuple(_band(row) for row in rows)
    sheet = Sheet("median", bands, columns * width, 0.0, columns * width)
    frame = plan_frame(sheet, SPEED_MM_S, GAIN_MM_MV)
    colours = THEMES[theme]
    prefix = escape(identifier) if identifier else _identifier(curves)
    behind = "".join(
        _earlier(panel, baseline, f"{prefix}-row{number}", frame, colours)
        for number, (row, baseline) in enumerate(zip(rows, frame.baselines, strict=True))
        for panel in row
    )
    lines = "".join(
        _lines(strip, row_band(row, baseline, frame), frame, start, edges)
        for row, baseline in zip(bands, frame.baselines, strict=True)
        for strip in row.strips
    )
    left, right = frame.grid_x + 1.0, frame.grid_x + frame.grid_width - 1.0
    below = frame.grid_y + frame.grid_height + 5.2
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ecg-paper" role="img" '
            f'width="{mm(frame.width)}mm" height="{mm(frame.height)}mm" '
            f'viewBox="0 0 {mm(frame.width)} {mm(frame.height)}" font-family="{FONT}" '
            f'aria-label="{escape(title or "Median beats")}" data-layout="median" '
            f'data-speed-mm-s="{mm(frame.speed)}" data-gain-mm-mv="{mm(frame.gain)}">',
            clips_svg(sheet, frame, prefix),
            paper_svg(frame, colours),
            f'<path class="mark-lines" d="{lines}" fill="none" stroke="{colours.mark}" '
            f'stroke-width="0.12" stroke-opacity="0.6"/>',
            labels_svg(sheet, frame, colours),
            behind,
            *(row_svg(row, number, frame, colours, prefix) for number, row in enumerate(bands)),
            text_svg(left, frame.grid_y - 3.2, title, 4.0, colours),
            _legend(right, frame.grid_y - 3.2, names, colours),
            text_svg(left, below, f"{SPEED_MM_S:g} mm/s   {GAIN_MM_MV:g} mm/mV", 3.2, colours),
            text_svg(
                right,
                below,
                "median beats, aligned at the QRS onset; lines: P, QRS, T",
                2.9,
                colours,
                quiet=True,
                end=True,
            ),
            "</svg>",
        )
    )


def _identifier(curves: Sequence[Superimposed]) -> str:
    check = 0
    for curve in curves:
        check = zlib.crc32(np.ascontiguousarray(curve.later).tobytes(), check)
    return f"median{check:08x}"


@dataclass(frozen=True)
class _Panel:
    """One lead: the curve of the later, or only, recording, and that of the earlier one."""

    later: Strip
    earlier: Strip


def _panel(curve: Superimposed, start: float, width: float, column: int) -> _Panel:
    """Return the curves as strips; their level before the QRS onset is the baseline."""
    seconds = curve.time_ms / 1000.0
    # The panels of a row stand a millimetre apart.
    inside = (seconds >= start) & (seconds <= start + width - 1.0 / SPEED_MM_S)
    x_s = column * width

    def strip(values: Float64) -> Strip:
        part, times = values[inside].astype(np.float64), seconds[inside] - start + x_s
        return Strip(curve.lead, curve.lead, start, width, x_s, part, times, 0.0)

    return _Panel(strip(curve.later), strip(curve.earlier))


def _band(panels: Sequence[_Panel]) -> Row:
    """Return a row with room for the curves of both recordings."""
    later = tuple(panel.later for panel in panels)
    both = [*later, *(panel.earlier for panel in panels)]
    return replace(fit_row(both, GAIN_MM_MV, _ROW_LIMITS_MM), strips=later)


def _earlier(panel: _Panel, baseline: float, clip: str, frame: Frame, colours: Theme) -> str:
    strip = panel.earlier
    if not np.isfinite(strip.values).any():
        return ""
    x = frame.trace_x + strip.times_s * frame.speed
    return (
        f'<path class="earlier" clip-path="url(#{clip})" '
        f'd="{trace_path(x, baseline - strip.values * frame.gain)}" fill="none" '
        f'stroke="{colours.earlier}" stroke-width="0.4" stroke-linejoin="round" '
        f'data-lead="{escape(strip.lead)}"/>'
    )


def _lines(
    strip: Strip,
    band: tuple[float, float],
    frame: Frame,
    start: float,
    edges: Mapping[str, float],
) -> str:
    left = frame.trace_x + strip.x_s * frame.speed
    height = band[1] - band[0] - 15.0  # the band of a row, without what may overflow it
    return "".join(
        f"M{mm(left + (edge - start) * frame.speed)} {mm(band[0] + 7.5)}v{mm(height)}"
        for edge in edges.values()
        if 0.0 <= edge - start <= strip.duration_s
    )


_CHARACTER_MM = 1.6
"""Width of a character of 2.9 mm, of the fonts named in :data:`FONT`."""


def _legend(right: float, y: float, names: tuple[str, str] | None, colours: Theme) -> str:
    if names is None:
        words = "Unconfirmed · Research use only"
        return text_svg(right, y, words, 2.9, colours, quiet=True, end=True)
    parts = []
    for name, kind, colour in (
        (names[1], "trace", colours.trace),
        (names[0], "earlier", colours.earlier),
    ):
        parts.append(text_svg(right, y, name, 2.9, colours, quiet=True, end=True))
        right -= _CHARACTER_MM * len(name) + 9.0
        parts.append(
            f'<path class="{kind}" d="M{mm(right)} {mm(y - 1)}h7" fill="none" '
            f'stroke="{colour}" stroke-width="0.5"/>'
        )
        right -= 5.0
    return "".join(parts)
