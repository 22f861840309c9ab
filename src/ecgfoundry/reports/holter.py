"""What a Holter report shows: its figures in words, and which strips are worth a look."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ecgfoundry.inference.holter import FIBRILLATION, HolterReport
from ecgfoundry.inference.interpretation import Episode
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.holter import EVENT_KINDS, RATE_BEATS, Burden, RhythmEvent
from ecgfoundry.reports.wording import clock_text, duration_text

__all__ = [
    "HOUR_HEADS",
    "EventStrip",
    "burden_text",
    "event_strips",
    "hour_cells",
    "longest_events",
    "moment_text",
    "summary",
]

Row = tuple[str, str, str]

EVENTS_OF_A_KIND = 3
STRIP_S = 10.0
BEFORE_S = 3.0
"""Shown before an event (our choices)."""
MOST_STRIPS = 16

HOUR_HEADS = (
    "from", "beats", "rate", "low", "high", "S", "V", "F", "pauses", "V runs", "S runs", "AF %",
    "SDNN",
)  # fmt: skip


def hour_cells(hour: dict[str, object], start: str) -> list[str]:
    """Return a line of the hourly table below :data:`HOUR_HEADS`."""

    def text(name: str) -> str:
        value = hour[name]
        return "–" if value is None else f"{value:.0f}"

    names = (
        "rate_mean_bpm", "rate_lowest_bpm", "rate_highest_bpm", "s", "v", "f", "pauses",
        "ventricular_runs", "supraventricular_runs", "af_percent", "sdnn_ms",
    )  # fmt: skip
    return [start, text("beats"), *map(text, names)]


def burden_text(burden: Burden) -> str:
    """Return a burden with its interval."""
    if burden.percent is None:
        return "–"
    if burden.low is None:
        return f"{burden.percent:.2f} %"
    return f"{burden.percent:.2f} % (95 % interval {burden.low:.2f} to {burden.high:.2f})"


def moment_text(seconds: float, start: dt.datetime | None) -> str:
    """Return a position in the recording, with the time of day where the start is known."""
    whole = round(seconds)
    if start is None:
        return clock_text(whole)
    return f"{clock_text(whole)} ({start + dt.timedelta(seconds=whole):%H:%M:%S})"


def summary(
    report: HolterReport, start: dt.datetime | None = None
) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """Return what stands at the top: for each table its title, and name, value and detail."""
    return (
        ("Rate and rhythm", tuple(_rates(report, start))),
        ("Beats", tuple(_classes(report))),
        ("Events", tuple(_counts(report, start))),
        ("Heart rate variability", tuple(_variability(report))),
    )


def _rates(report: HolterReport, start: dt.datetime | None) -> Iterable[Row]:
    rr = report.beats.rr_s
    known = np.flatnonzero(np.isfinite(rr))
    yield "beats", f"{len(report.beats)}", ""
    yield "readable", duration_text(report.readable_s), f"of {duration_text(report.duration_s)}"
    if known.size:
        yield "mean rate", f"{60.0 / float(rr[known].mean()):.0f} /min", ""
        for words, place in zip(("lowest", "highest"), _extremes(report.beats), strict=True):
            if place is not None:
                rate, second = place
                yield f"{words} rate", f"{rate:.0f} /min", f"at {moment_text(second, start)}"
        for words, number in (("longest", np.nanargmax(rr)), ("shortest", np.nanargmin(rr))):
            at = moment_text(float(report.beats.time_s[number]), start)
            yield f"{words} RR", f"{rr[number]:.2f} s", f"at {at}"
    if report.af_burden is not None:
        own = [e for e in report.episodes if e.name == FIBRILLATION]
        longest = max((e.end_s - e.start_s for e in own), default=0.0)
        count = f"{len(own)} episode{'s' * (len(own) != 1)}"
        detail = f"{count}, longest {duration_text(longest)}" if own else "no episode"
        yield "atrial fibrillation", f"{100 * report.af_burden:.1f} % of the time", detail


def _extremes(beats: Beats) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return lowest and highest rate over eight intervals, /min, and where, s."""
    there = np.isfinite(beats.rr_s)
    if there.sum() < RATE_BEATS:
        return None, None
    rr, times = beats.rr_s[there], beats.time_s[there]
    middle = np.median(np.lib.stride_tricks.sliding_window_view(rr, RATE_BEATS), axis=1)
    slow, fast = int(middle.argmax()), int(middle.argmin())
    return (60.0 / float(middle[slow]), float(times[slow])), (
        60.0 / float(middle[fast]),
        float(times[fast]),
    )


_CLASS_WORDS = {
    "N": "normal (N)",
    "S": "supraventricular (S)",
    "V": "ventricular (V)",
    "F": "fusion (F)",
    "Q": "paced or unknown (Q)",
}


def _classes(report: HolterReport) -> Iterable[Row]:
    for letter, burden in report.burdens.items():
        yield _CLASS_WORDS[letter], f"{burden.count}", burden_text(burden)


def _counts(report: HolterReport, start: dt.datetime | None) -> Iterable[Row]:
    for kind in EVENT_KINDS:
        own = [event for event in report.events if event.kind == kind]
        detail = ""
        if own:
            longest = max(own, key=lambda event: event.end_s - event.start_s)
            length = longest.end_s - longest.start_s
            words = f"{longest.beats} beats" if longest.beats else f"{length:.1f} s"
            detail = f"longest {words} at {moment_text(longest.start_s, start)}"
        yield kind, f"{len(own)}", detail


_HRV = {
    "sdnn_ms": "SDNN", "sdann_ms": "SDANN", "sdnn_index_ms": "SDNN index", "rmssd_ms": "RMSSD",
    "pnn50_percent": "pNN50", "hrv_triangular_index": "triangular index", "lf_ms2": "LF",
    "hf_ms2": "HF", "lf_hf_ratio": "LF/HF", "nn_share_percent": "N-N share",
}  # fmt: skip


def _variability(report: HolterReport) -> Iterable[Row]:
    for name, words in _HRV.items():
        found = report.hrv.get(name)
        if found is None:
            continue
        value, unit = found["value"], str(found["unit"]).replace("ms2", "ms²")
        unit = "" if unit == "1" else f" {unit}"
        digits = 1 if value is not None and abs(value) < 10 else 0
        yield words, "–" if value is None else f"{value:.{digits}f}{unit}", ""


# --- events and strips -------------------------------------------------------------------------


def longest_events(report: HolterReport) -> tuple[RhythmEvent, ...]:
    """Return the longest events of every kind, in order of kind."""
    found: list[RhythmEvent] = []
    for kind in EVENT_KINDS:
        own = [event for event in report.events if event.kind == kind]
        found += sorted(own, key=lambda event: event.start_s - event.end_s)[:EVENTS_OF_A_KIND]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class EventStrip:
    """Ten seconds that are worth a look."""

    caption: str
    start_s: float


def event_strips(report: HolterReport, start: dt.datetime | None = None) -> tuple[EventStrip, ...]:
    """Return the strips of a report: the longest event of each kind, episodes, extremes of rate.

    At most sixteen; what would show the same seconds twice is left out.
    """
    wanted: list[tuple[str, float, float]] = []
    for kind in EVENT_KINDS:
        own = [event for event in report.events if event.kind == kind]
        if own:
            event = max(own, key=_length)
            words = (
                f"{kind}, {event.beats} beats" if event.beats else f"{kind}, {_length(event):.1f} s"
            )
            wanted.append((words, event.start_s, BEFORE_S))
    names = dict.fromkeys(episode.name for episode in report.episodes)
    for name in sorted(names, key=lambda n: n != FIBRILLATION):
        episode = max((e for e in report.episodes if e.name == name), key=_length)
        words = f"{name}, {duration_text(_length(episode))}, its beginning"
        wanted.append((words, episode.start_s, BEFORE_S))
    for words, place in zip(("lowest rate", "highest rate"), _extremes(report.beats), strict=True):
        if place is not None:
            wanted.append((f"{words}, {place[0]:.0f} /min", place[1], 0.0))
    return tuple(_apart(wanted, report.duration_s, start))[:MOST_STRIPS]


def _length(one: RhythmEvent | Episode) -> float:
    return one.end_s - one.start_s


def _apart(
    wanted: Sequence[tuple[str, float, float]], duration_s: float, start: dt.datetime | None
) -> Iterable[EventStrip]:
    taken: list[float] = []
    for words, at, before in wanted:
        begin = max(0.0, min(at - before, duration_s - STRIP_S))
        if any(abs(begin - other) < STRIP_S / 2 for other in taken):
            continue
        taken.append(begin)
        yield EventStrip(f"{words}, {moment_text(at, start)}", begin)
