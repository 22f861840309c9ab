"""What happens when: the windows of a recording, and the episodes of a long one, as HTML."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ecgfoundry.inference.interpretation import Episode, Interpretation, WindowResult
from ecgfoundry.reports.certainty import common_reason
from ecgfoundry.reports.html.environment import drawn, render
from ecgfoundry.reports.html.style import painted
from ecgfoundry.reports.told import doubt_of
from ecgfoundry.reports.wording import (
    clock_text,
    duration_text,
    escape,
    number_text,
    printable,
    shortened,
)

__all__ = [
    "LANE",
    "Scale",
    "episode_lane",
    "episodes_section",
    "lane_label",
    "refused_lane",
    "stacked",
    "windows_section",
]

# User units of the timeline SVG, about one CSS pixel each on a wide screen.
_WIDTH = 1040.0
_LABEL = 190.0
_RIGHT = 16.0
LANE = 30.0
_BAR = 18.0
_AXIS = 24.0

MOSTLANES = 8
MOST_NUMBERED_WINDOWS = 12
EPISODES_SHOWN = 20
_TICK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


def windows_section(interpretation: Interpretation) -> Markup:
    """Return the timeline of a recording with several windows, or nothing for one window."""
    windows = interpretation.windows
    if len(windows) < 2:
        return Markup()
    end = max(window.start_s + window.duration_s for window in windows)
    scale = Scale(end)
    names = _window_names(interpretation)
    lanes = [_window_lane(name, windows, number, scale) for number, name in enumerate(names)]
    refused = [window for window in windows if window.refused is not None]
    if refused:
        lanes.append(refused_lane(refused, len(lanes), scale))
    length = duration_text(windows[0].duration_s)
    return render(
        "windows",
        caption=f"Windows: {len(windows)} of {length}.",
        drawing=stacked("Timeline of the windows", lanes, scale),
    )


def episodes_section(
    interpretation: Interpretation, start_time: dt.datetime | None = None
) -> Markup:
    """Return the timeline and the table of the episodes of a recording beyond 60 s.

    Parameters
    ----------
    interpretation : Interpretation
    start_time : datetime, optional
        Of the first sample; gives the table a column with the time of day.
    """
    episodes = sorted(interpretation.episodes or (), key=lambda item: item.start_s)
    refused = [window for window in interpretation.windows if window.refused is not None]
    ends = [interpretation.duration_s or 0.0]
    ends += [episode.end_s for episode in episodes]
    ends += [window.start_s + window.duration_s for window in interpretation.windows]
    scale = Scale(max(ends) or 1.0)
    ranked = _episode_names(interpretation, episodes)
    names = ranked[:MOSTLANES]
    lanes = [
        episode_lane(name, [item for item in episodes if item.name == name], number, scale)
        for number, name in enumerate(names)
    ]
    if refused:
        lanes.append(refused_lane(refused, len(lanes), scale))
    return render(
        "episodes",
        drawing=stacked("Timeline of the episodes", lanes, scale) if lanes else None,
        length=duration_text(scale.end_s),
        unit="hours:minutes:seconds" if scale.end_s >= 3600 else "minutes:seconds",
        left_out=", ".join(ranked[MOSTLANES:]),
        count=f"{len(episodes)} episode{'s' * (len(episodes) != 1)}, in order of time",
        with_time_of_day=start_time is not None,
        undecided=common_reason(interpretation.findings),
        doubted=doubt_of(interpretation) is not None,
        first=[_episode(episode, start_time) for episode in episodes[:EPISODES_SHOWN]],
        later=[_episode(episode, start_time) for episode in episodes[EPISODES_SHOWN:]],
    )


@dataclass(frozen=True)
class _Episode:
    """A row of the table."""

    name: str
    begin: str
    end: str
    time_of_day: str
    length: str
    probability: str


def _episode(episode: Episode, start_time: dt.datetime | None) -> _Episode:
    begin, end = episode.start_s, episode.end_s
    moment = "" if start_time is None else f"{start_time + dt.timedelta(seconds=begin):%H:%M:%S}"
    return _Episode(
        name=episode.name,
        begin=clock_text(begin),
        end=clock_text(end),
        time_of_day=moment,
        length=duration_text(end - begin),
        probability=number_text(episode.probability),
    )


class Scale:
    """Seconds to user units. The label of a lane ends where the time begins."""

    left = _LABEL

    def __init__(self, end_s: float) -> None:
        self.end_s = end_s
        self.width = _WIDTH - _LABEL - _RIGHT

    def x(self, seconds: float) -> float:
        """Return where a moment stands."""
        share = min(max(seconds / self.end_s, 0.0), 1.0)
        return _LABEL + self.width * share

    def ticks(self) -> list[float]:
        """Return the seconds that are named below the axis, ten or so."""
        step = next((step for step in _TICK_STEPS_S if self.end_s / step <= 10), 86400 * 7)
        return [step * number for number in range(math.floor(self.end_s / step + 1e-9) + 1)]


def _window_names(interpretation: Interpretation) -> list[str]:
    """Return the targets worth a lane: present in a window first, then the highest ones."""
    order = [finding.name for finding in interpretation.ranked]
    peaks: dict[str, float] = {}
    present: set[str] = set()
    for window in interpretation.windows:
        present.update(window.present or ())
        for name, value in (window.probabilities or {}).items():
            peaks[name] = max(peaks.get(name, 0.0), value or 0.0)
    names = sorted(peaks, key=lambda name: (name not in present, -peaks[name]))
    chosen = names[: max(3, min(len(present), MOSTLANES))]
    return sorted(chosen, key=lambda name: order.index(name) if name in order else len(order))


def _episode_names(interpretation: Interpretation, episodes: Sequence[Episode]) -> list[str]:
    burden = interpretation.burden or {}
    names = dict.fromkeys(item.name for item in episodes)
    return sorted(names, key=lambda name: -(burden.get(name) or 0.0))


def lane_label(text: str, top: float, kind: str = "lane-text", before: float = 12.0) -> str:
    """Return the name of a lane; it ends ``before`` the time begins."""
    text = shortened(printable(text), 28)
    return (
        f'<text {painted(kind)} x="{_LABEL - before:.0f}" y="{top + _BAR - 4.5:.1f}" '
        f'font-size="13" text-anchor="end">{escape(text)}</text>'
    )


def _ground(top: float, scale: Scale) -> str:
    return (
        f'<rect {painted("lane-ground")} x="{_LABEL:.0f}" y="{top:.1f}" width="{scale.width:.1f}" '
        f'height="{_BAR}" rx="2"/>'
    )


def _window_lane(name: str, windows: Sequence[WindowResult], number: int, scale: Scale) -> str:
    top = number * LANE + 4
    parts = [_ground(top, scale), lane_label(name, top)]
    starts = [window.start_s for window in windows] + [math.inf]
    for window, following in zip(windows, starts[1:], strict=True):
        value = (window.probabilities or {}).get(name)
        if value is None:
            continue
        begin = window.start_s
        left, right = scale.x(begin), scale.x(min(begin + window.duration_s, following))
        present = name in (window.present or ())
        height = max(0.6, _BAR * min(max(value, 0.0), 1.0))
        title = f"{name}, {clock_text(begin)}: {number_text(value)}{', present' * present}"
        mark = (
            f'<rect {painted("lane-mark")} x="{left + 4:.1f}" y="{top + 5.5:.1f}" width="7" '
            f'height="7" rx="1.5"/>'
            if present
            else ""
        )
        text = (
            f'<text {painted("lane-text")} x="{(left + right) / 2:.1f}" y="{top + _BAR - 4.5:.1f}" '
            f'font-size="12" text-anchor="middle">{escape(number_text(value))}</text>'
            if len(windows) <= MOST_NUMBERED_WINDOWS
            else ""
        )
        opacity = ' fill-opacity="0.5"' if text else ""
        parts.append(
            f'<g><title>{escape(title)}</title><rect {painted("lane-on")} x="{left + 0.8:.1f}" '
            f'y="{top + _BAR - height:.1f}" width="{max(right - left - 1.6, 0.8):.1f}" '
            f'height="{height:.1f}"{opacity}/>{mark}{text}</g>'
        )
    return "".join(parts)


def episode_lane(name: str, episodes: Sequence[Episode], number: float, scale: Scale) -> str:
    """Draw the episodes of one kind in lane ``number``."""
    top = number * LANE + 4
    parts = [_ground(top, scale), lane_label(name, top)]
    for episode in episodes:
        left, right = scale.x(episode.start_s), scale.x(episode.end_s)
        title = f"{name}, {clock_text(episode.start_s)} to {clock_text(episode.end_s)}"
        parts.append(
            f'<rect {painted("lane-on")} x="{left:.1f}" y="{top:.1f}" '
            f'width="{max(right - left, 2.0):.1f}" height="{_BAR}" rx="1.5">'
            f"<title>{escape(title)}</title></rect>"
        )
    return "".join(parts)


def refused_lane(refused: Sequence[WindowResult], number: float, scale: Scale) -> str:
    """Draw the unreadable stretches as outlined, crossed boxes: told apart without colour."""
    top = number * LANE + 4
    parts = [_ground(top, scale), lane_label("not readable", top, "lane-muted")]
    for window in _merged(refused):
        left, right = scale.x(window[0]), scale.x(window[1])
        width = max(right - left, 3.0)
        title = f"not readable, {clock_text(window[0])} to {clock_text(window[1])}: {window[2]}"
        strokes = "".join(
            f"M{left + at:.1f} {top + _BAR:.1f}L{min(left + at + _BAR, left + width):.1f} "
            f"{top + _BAR - min(_BAR, width - at):.1f}"
            for at in range(0, int(width), 6)
        )
        parts.append(
            f'<path {painted("lane-refused")} d="M{left:.1f} {top:.1f}h{width:.1f}v{_BAR}'
            f'h-{width:.1f}z{strokes}" fill="none" stroke-width="1">'
            f"<title>{escape(title)}</title></path>"
        )
    return "".join(parts)


def _merged(refused: Sequence[WindowResult]) -> list[tuple[float, float, str]]:
    spans: list[tuple[float, float, str]] = []
    for window in sorted(refused, key=lambda item: item.start_s):
        begin, end = window.start_s, window.start_s + window.duration_s
        if spans and begin <= spans[-1][1] + 1e-6:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end), spans[-1][2])
        else:
            words = "" if window.refused is None else window.refused.message
            spans.append((begin, end, words))
    return spans


def stacked(label: str, lanes: Sequence[str], scale: Scale, height: float | None = None) -> Markup:
    """Return the lanes above one time axis; ``height`` of all, where they are not of one height."""
    axis = (len(lanes) * LANE if height is None else height) + 2
    ticks = "".join(
        f'<path {painted("lane-axis")} d="M{scale.x(second):.1f} {axis:.1f}v5"/>'
        f'<text {painted("lane-muted")} x="{scale.x(second):.1f}" y="{axis + 18:.1f}" '
        f'font-size="12" text-anchor="{_tick_anchor(scale.x(second))}">{clock_text(second)}</text>'
        for second in scale.ticks()
    )
    return drawn(
        f'<div class="lanes" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<svg viewBox="0 0 {_WIDTH:.0f} {axis + _AXIS:.0f}" role="img" '
        f'aria-label="{escape(label)}">{"".join(lanes)}'
        f'<path {painted("lane-axis")} d="M{_LABEL:.0f} {axis:.1f}h{scale.width:.1f}" fill="none"/>'
        f"{ticks}</svg></div>"
    )


def _tick_anchor(x: float) -> str:
    """The last moment may stand at the edge of the drawing."""
    return "end" if x > _WIDTH - 2 * _RIGHT else "middle"
