"""A day at a glance: rate, ectopic beats, episodes and ST above one time axis, as SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ecgfoundry.inference.holter import HolterReport
from ecgfoundry.inference.interpretation import Episode, WindowResult
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.reports.html.style import painted
from ecgfoundry.reports.html.timeline import (
    LANE,
    Scale,
    episode_lane,
    lane_label,
    refused_lane,
    stacked,
)
from ecgfoundry.reports.wording import duration_text
from ecgfoundry.signals.quality import Notice

__all__ = ["rate_bins", "trends_drawing"]

Float64 = NDArray[np.float64]

BINS = 300
"""Points across a drawing; a bin is a minute at least."""
LEAST_BIN_S = 60.0
LEAST_INTERVALS = 5
"""A bin with fewer intervals has no rate (our choices)."""
RATE_HEIGHT, ST_HEIGHT, COUNT_HEIGHT = 92.0, 54.0, 34.0
COUNT_STEPS_S = (60.0, 300.0, 900.0, 1800.0, 3600.0, 4 * 3600.0)
"""What a bar counts: the shortest of which there are a hundred at most."""
MOST_ST_LEADS = 3
MOST_EPISODE_LANES = 4
_ST_LIMIT_MV = 0.3
_TICK_ROOM = 40.0


@dataclass(frozen=True)
class _Panel:
    height: float
    draw: Callable[[float], str]


def trends_drawing(report: HolterReport) -> Markup:
    """Return heart rate, ventricular and supraventricular beats, episodes and ST over the time."""
    scale = Scale(report.duration_s)
    panels = [_rate_panel(report.beats, scale)]
    for letter in "VS":
        times = report.beats.time_s[report.beats.label == letter]
        if times.size:
            panels.append(_count_panel(times, letter, scale))
    for name in _episode_names(report):
        panels.append(_episodes_panel(report, name, scale))
    if report.unreadable:
        panels.append(_unreadable_panel(report, scale))
    panels += _st_panels(report, scale)
    parts, top = [], 0.0
    for panel in panels:
        parts.append(panel.draw(top))
        top += panel.height
    return stacked("Trends", parts, scale, top)


def _edges(end_s: float) -> Float64:
    width = max(LEAST_BIN_S, end_s / BINS)
    return np.arange(0.0, end_s + width, width)


def rate_bins(beats: Beats, edges: Float64) -> Float64:
    """Return the 5th, 50th and 95th percentile of the rate in every bin: float64 (3, bins), /min.

    NaN where there are fewer than five intervals.
    """
    there = np.isfinite(beats.rr_s)
    times, rate = beats.time_s[there], 60.0 / beats.rr_s[there]
    borders = np.searchsorted(times, edges)
    result = np.full((3, edges.size - 1), np.nan)
    for number, (low, high) in enumerate(itertools.pairwise(borders)):
        if high - low >= LEAST_INTERVALS:
            result[:, number] = np.percentile(rate[low:high], (5, 50, 95))
    return result


def _rate_panel(beats: Beats, scale: Scale) -> _Panel:
    edges = _edges(scale.end_s)
    low, middle, high = rate_bins(beats, edges)
    x = np.array([scale.x(second) for second in (edges[:-1] + edges[1:]) / 2])
    known = np.isfinite(middle)
    lowest = 20.0 * math.floor(min(np.nanmin(low), 60.0) / 20.0) if known.any() else 40.0
    highest = 20.0 * math.ceil(max(np.nanmax(high), 100.0) / 20.0) if known.any() else 120.0
    room = RATE_HEIGHT - 14.0

    def draw(top: float) -> str:
        def y(value: float) -> float:
            return top + 7.0 + room * (highest - value) / (highest - lowest)

        ticks = [lowest, *(v for v in (60.0, 100.0) if lowest < v < highest), highest]
        parts = [lane_label("heart rate, /min", top + 4, before=_TICK_ROOM)]
        for value in ticks:
            parts.append(_level(y(value), f"{value:.0f}", scale))
        band = "".join(
            f"M{x[n]:.1f} {y(low[n]):.1f}V{y(high[n]):.1f}" for n in np.flatnonzero(known)
        )
        parts.append(
            f'<path class="trend-band" d="{band}" fill="none" stroke="#93a7ae" '
            f'stroke-width="{max(scale.width / x.size, 1.2):.1f}"/>'
        )
        parts.append(_line(x, np.array([y(v) for v in middle])))
        return "".join(parts)

    return _Panel(RATE_HEIGHT, draw)


def _level(y: float, text: str, scale: Scale) -> str:
    return (
        f'<path {painted("trend-zero")} d="M{scale.left:.0f} {y:.1f}h{scale.width:.0f}" '
        f'fill="none"/><text {painted("lane-muted")} x="{scale.left - 6:.0f}" y="{y + 4:.1f}" '
        f'font-size="11" text-anchor="end">{text}</text>'
    )


def _line(x: Float64, y: Float64) -> str:
    parts, pen_down = [], False
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(b):
            parts.append(f"{'L' if pen_down else 'M'}{a:.1f} {b:.1f}")
        pen_down = math.isfinite(b)
    if not parts:
        return ""
    return f'<path {painted("trend-line")} d="{"".join(parts)}" fill="none" stroke-width="1.1"/>'


def _count_panel(times: Float64, letter: str, scale: Scale) -> _Panel:
    step = next((step for step in COUNT_STEPS_S if scale.end_s / step <= 100), COUNT_STEPS_S[-1])
    edges = step * np.arange(math.ceil(scale.end_s / step) + 1)
    counts = np.histogram(times, edges)[0]
    most = max(int(counts.max()), 1)

    def draw(top: float) -> str:
        bottom, room = top + COUNT_HEIGHT - 4.0, COUNT_HEIGHT - 8.0
        bars = "".join(
            f"M{scale.x(a):.1f} {bottom:.1f}h{max(scale.x(b) - scale.x(a) - 0.6, 0.6):.1f}"
            f"v-{room * count / most:.1f}H{scale.x(a):.1f}z"
            for a, b, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
            if count
        )
        label = f"{letter} beats, up to {most} in {duration_text(edges[1])}"
        return (
            lane_label(label, top + 4)
            + _level(bottom, "", scale)
            + f'<path {painted("lane-on")} d="{bars}"/>'
        )

    return _Panel(COUNT_HEIGHT, draw)


def _episode_names(report: HolterReport) -> list[str]:
    names = dict.fromkeys(episode.name for episode in report.episodes)
    ranked = sorted(names, key=lambda name: -(report.rhythm_burden.get(name) or 0.0))
    return ranked[:MOST_EPISODE_LANES]


def _episodes_panel(report: HolterReport, name: str, scale: Scale) -> _Panel:
    own = _drawable([one for one in report.episodes if one.name == name], scale)
    return _Panel(LANE, lambda top: episode_lane(name, own, top / LANE, scale))


def _drawable(episodes: list[Episode], scale: Scale) -> list[Episode]:
    """Join the episodes between which no gap would be seen: two weeks may have thousands."""
    joined: list[Episode] = []
    for one in sorted(episodes, key=lambda episode: episode.start_s):
        if joined and scale.x(one.start_s) - scale.x(joined[-1].end_s) < 1.0:
            joined[-1] = replace(joined[-1], end_s=max(one.end_s, joined[-1].end_s))
        else:
            joined.append(one)
    return joined


def _unreadable_panel(report: HolterReport, scale: Scale) -> _Panel:
    notice = Notice("unreadable", "no ECG that can be read")
    windows = [WindowResult(a, b - a, refused=notice) for a, b in report.unreadable]
    return _Panel(LANE, lambda top: refused_lane(windows, top / LANE, scale))


def _st_panels(report: HolterReport, scale: Scale) -> list[_Panel]:
    panels: list[_Panel] = []
    for lead, row in zip(report.leads, report.st_mv, strict=True):
        if np.isfinite(row).any() and len(panels) < MOST_ST_LEADS:
            panels.append(_st_panel(lead, row, scale))
    return panels


def _st_panel(lead: str, row: Float64, scale: Scale) -> _Panel:
    """Draw the median of the minutes of every bin, beside the level of the PR segment."""
    step = max(1, math.ceil(row.size / BINS))
    groups = [row[n : n + step] for n in range(0, row.size, step)]
    values = np.array([np.nanmedian(g) if np.isfinite(g).any() else np.nan for g in groups])
    x = np.array([scale.x(60.0 * step * (n + 0.5)) for n in range(values.size)])
    limit = max(_ST_LIMIT_MV, 0.1 * math.ceil(10.0 * float(np.nanmax(np.abs(values)))))
    room = (ST_HEIGHT - 10.0) / 2

    def draw(top: float) -> str:
        middle = top + ST_HEIGHT / 2

        def y(value: float) -> float:
            return middle - room * value / limit

        levels = "".join(
            _level(y(value), f"{value:+.1f}" if value else "0", scale)
            for value in (limit, 0.0, -limit)
        )
        words = lane_label(f"ST {lead}, mV", top + 4, before=_TICK_ROOM)
        return words + levels + _line(x, np.array([y(v) for v in values]))

    return _Panel(ST_HEIGHT, draw)
