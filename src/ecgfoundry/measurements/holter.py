"""What a Holter report counts: events, hours and burdens, from beats with their classes.

Everything here reads a :class:`~ecgfoundry.measurements.beat_list.Beats` of any length; how the
beats of a day come about is the matter of :mod:`ecgfoundry.inference.holter`.

Runs, couplets and bigeminy are sequences of classes, as in ANSI/AAMI EC57 and IEC 60601-2-47: a run
is three ectopic beats of one kind or more. A gap in the signal ends every sequence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.beat_list import BEAT_LABELS, Beats
from ecgfoundry.measurements.settled_classes import RUN_BEATS

__all__ = [
    "EVENT_KINDS",
    "Burden",
    "HolterHour",
    "RhythmEvent",
    "burdens",
    "holter_hours",
    "long_term_hrv",
    "rhythm_events",
    "st_levels",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

CYCLES = 3
"""Bigeminy and trigeminy are told from three cycles on (our choice)."""
PAUSE_S = 2.0
"""An interval from here on is a pause (AHA/ACCF/HRS; ambulatory reports use 2.0 to 3.0 s)."""
RATE_BEATS = 8
"""Lowest and highest rate are medians over so many intervals: one early beat is not a rate."""
BLOCK_S = 600.0
"""Burdens vary over the day: their intervals come from redrawing blocks of ten minutes."""
DRAWS = 2000
HOUR_S = 3600.0
SEGMENT_S = 300.0
"""SDANN and the SDNN index are made of segments of five minutes (Task Force 1996)."""
SEGMENT_INTERVALS = 30
"""A segment with fewer N-N intervals takes no part (our choice)."""
ST_AFTER_J_S = 0.06
LEVEL_S = 0.02

EVENT_KINDS = {
    "ventricular run": "three V or more in a row",
    "ventricular couplet": "two V in a row",
    "ventricular bigeminy": "V and another beat in turn, three times or more",
    "ventricular trigeminy": "V after two other beats, three times or more",
    "supraventricular run": "three S or more in a row",
    "supraventricular couplet": "two S in a row",
    "supraventricular bigeminy": "S and another beat in turn, three times or more",
    "pause": "an interval of 2 s or more",
}
_LETTERS = {"V": "ventricular", "S": "supraventricular"}


@dataclass(frozen=True, slots=True)
class RhythmEvent:
    """A sequence of beats.

    Attributes
    ----------
    kind : str
        A key of :data:`EVENT_KINDS`.
    start_s, end_s : float
        Times of its first and last beat; of a pause, the beats around it.
    beats : int
        Ectopic beats in it; of a pause 0.
    rate_bpm : float or None
        Mean rate between first and last beat; None with a pause.
    """

    kind: str
    start_s: float
    end_s: float
    beats: int
    rate_bpm: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        rate = None if self.rate_bpm is None else round(self.rate_bpm, 1)
        return {
            "kind": self.kind,
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "beats": self.beats,
            "rate_bpm": rate,
        }


@dataclass(frozen=True, slots=True)
class Burden:
    """Share of beats (or of time), %, with its 95 % interval; None where nothing was counted."""

    count: int
    percent: float | None
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        values = (self.percent, self.low, self.high)
        percent, low, high = (None if v is None else round(v, 4) for v in values)
        return {"count": self.count, "percent": percent, "low": low, "high": high}


@dataclass(frozen=True, slots=True)
class HolterHour:
    """One line of the hourly table. Rates in /min, intervals in s; None where there is nothing."""

    start_s: float
    end_s: float
    readable_s: float
    beats: int
    n: int
    s: int
    v: int
    f: int
    q: int
    rate_mean_bpm: float | None
    rate_lowest_bpm: float | None
    rate_highest_bpm: float | None
    rr_shortest_s: float | None
    rr_longest_s: float | None
    pauses: int
    ventricular_runs: int
    ventricular_couplets: int
    supraventricular_runs: int
    sdnn_ms: float | None
    rmssd_ms: float | None
    af_percent: float | None = None
    st_mv: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        result: dict[str, Any] = {}
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, dict):
                value = {lead: round(level, 4) for lead, level in value.items()}
            result[part.name] = round(value, 4) if isinstance(value, float) else value
        return result


def rhythm_events(beats: Beats, *, pause_s: float = PAUSE_S) -> tuple[RhythmEvent, ...]:
    """Return runs, couplets, bigeminy, trigeminy and pauses, in order of time.

    Parameters
    ----------
    beats : Beats
        ``rr_s`` is NaN where beats may be missing.
    pause_s : float
        Shortest interval that is a pause, s.
    """
    events: list[RhythmEvent] = []
    if len(beats) == 0:
        return ()
    joined = np.isfinite(beats.rr_s)
    joined[0] = False
    for letter, name in _LETTERS.items():
        ectopic = beats.label == letter
        starts, ends = _rows(ectopic, joined)
        single = starts[ends == starts]
        for first, last in zip(starts.tolist(), ends.tolist(), strict=True):
            count = last - first + 1
            if count >= 2:
                kind = f"{name} run" if count >= RUN_BEATS else f"{name} couplet"
                events.append(_sequence(beats, kind, first, last, count))
        part = np.cumsum(~joined)  # beats of one unbroken stretch share a number
        for step, word in ((2, "bigeminy"), (3, "trigeminy")):
            kind = f"{name} {word}"
            if kind in EVENT_KINDS:
                events += _cycles(beats, single, part, step, kind)
    with np.errstate(invalid="ignore"):
        for after in np.flatnonzero(beats.rr_s >= pause_s).tolist():
            end = float(beats.time_s[after])
            events.append(RhythmEvent("pause", end - float(beats.rr_s[after]), end, 0, None))
    return tuple(sorted(events, key=lambda event: (event.start_s, event.kind)))


def _rows(chosen: Bool, joined: Bool) -> tuple[Int64, Int64]:
    """Return first and last number of every unbroken row of chosen beats."""
    begins = chosen & ~(np.concatenate([[False], chosen[:-1]]) & joined)
    after = np.concatenate([chosen[1:] & joined[1:], [False]])
    return np.flatnonzero(begins), np.flatnonzero(chosen & ~after)


def _cycles(beats: Beats, single: Int64, part: Int64, step: int, kind: str) -> list[RhythmEvent]:
    """Return where single ectopic beats follow each other at every ``step``-th beat."""
    events = []
    first = 0
    for number in range(1, single.size + 1):
        goes_on = (
            number < single.size
            and single[number] - single[number - 1] == step
            and part[single[number]] == part[single[number - 1]]
        )
        if not goes_on:
            if number - first >= CYCLES:
                low, high = int(single[first]), int(single[number - 1])
                events.append(_sequence(beats, kind, low, high, number - first))
            first = number
    return events


def _sequence(beats: Beats, kind: str, first: int, last: int, count: int) -> RhythmEvent:
    start, end = float(beats.time_s[first]), float(beats.time_s[last])
    return RhythmEvent(kind, start, end, count, 60.0 * (last - first) / (end - start))


def burdens(beats: Beats) -> dict[str, Burden]:
    """Return the share of every class among all beats, with intervals over blocks of ten minutes.

    The interval says how much the figure depends on which part of the day was recorded; it knows
    nothing of wrong classes. With fewer than three blocks there is none.
    """
    total = len(beats)
    blocks = (beats.time_s // BLOCK_S).astype(np.int64)
    there, number = np.unique(blocks, return_inverse=True) if total else (blocks, blocks)
    sizes = np.bincount(number, minlength=there.size).astype(np.float64)
    generator = np.random.default_rng(1996)
    drawn = generator.integers(0, max(there.size, 1), (DRAWS, there.size)).astype(np.int32)
    result = {}
    for letter in BEAT_LABELS:
        chosen = beats.label == letter
        count = int(chosen.sum())
        if total == 0:
            result[letter] = Burden(0, None, None, None)
            continue
        low = high = None
        if there.size >= 3:
            counts = np.bincount(number[chosen], minlength=there.size)
            totals = [(counts[row].sum(), sizes[row].sum()) for row in drawn]
            shares = np.array([100.0 * some / all_ for some, all_ in totals])
            low, high = (float(q) for q in np.quantile(shares, (0.025, 0.975)))
        result[letter] = Burden(count, 100.0 * count / total, low, high)
    return result


def holter_hours(
    beats: Beats,
    duration_s: float,
    events: Sequence[RhythmEvent],
    *,
    unreadable: Sequence[tuple[float, float]] = (),
) -> tuple[HolterHour, ...]:
    """Return the hourly table.

    Parameters
    ----------
    beats : Beats
    duration_s : float
        Of the recording.
    events : sequence of RhythmEvent
        From :func:`rhythm_events`; each is counted in the hour in which it begins.
    unreadable : sequence of (start_s, end_s)
        Stretches that could not be read, disjoint.
    """
    hours = []
    for number in range(max(1, math.ceil(duration_s / HOUR_S))):
        start, end = number * HOUR_S, min((number + 1) * HOUR_S, duration_s)
        low, high = np.searchsorted(beats.time_s, [start, end])
        lost = sum(max(0.0, min(end, b) - max(start, a)) for a, b in unreadable)
        inside = [event.kind for event in events if start <= event.start_s < end]
        hours.append(_hour(beats[int(low) : int(high)], start, end, end - start - lost, inside))
    return tuple(hours)


def _hour(
    beats: Beats, start: float, end: float, readable: float, kinds: Sequence[str]
) -> HolterHour:
    rr = beats.rr_s[np.isfinite(beats.rr_s)]
    counts = {letter: int((beats.label == letter).sum()) for letter in BEAT_LABELS}
    lowest = highest = None
    if rr.size >= RATE_BEATS:
        middle = np.median(np.lib.stride_tricks.sliding_window_view(rr, RATE_BEATS), axis=1)
        lowest, highest = 60.0 / float(middle.max()), 60.0 / float(middle.min())
    nn, follows, _ = _normal(beats)
    sdnn, rmssd = _spread(nn, follows)
    return HolterHour(
        start_s=start,
        end_s=end,
        readable_s=readable,
        beats=len(beats),
        n=counts["N"],
        s=counts["S"],
        v=counts["V"],
        f=counts["F"],
        q=counts["Q"],
        rate_mean_bpm=60.0 / float(rr.mean()) if rr.size else None,
        rate_lowest_bpm=lowest,
        rate_highest_bpm=highest,
        rr_shortest_s=float(rr.min()) if rr.size else None,
        rr_longest_s=float(rr.max()) if rr.size else None,
        pauses=kinds.count("pause"),
        ventricular_runs=kinds.count("ventricular run"),
        ventricular_couplets=kinds.count("ventricular couplet"),
        supraventricular_runs=kinds.count("supraventricular run"),
        sdnn_ms=sdnn,
        rmssd_ms=rmssd,
    )


def _normal(beats: Beats) -> tuple[Float64, Bool, Float64]:
    """Return N-N intervals in ms, whether each follows the one before, and their ends in s."""
    from ecgfoundry.measurements.hrv import normal_intervals

    found = normal_intervals(beats)
    return found.nn_s * 1000.0, found.follows, found.end_s


def _spread(nn: Float64, follows: Bool) -> tuple[float | None, float | None]:
    sdnn = float(nn.std(ddof=1)) if nn.size >= SEGMENT_INTERVALS else None
    change = np.diff(nn)[follows[1:]] if nn.size else nn
    rmssd = float(np.sqrt(np.mean(change**2))) if change.size >= SEGMENT_INTERVALS else None
    return sdnn, rmssd


def long_term_hrv(beats: Beats) -> dict[str, float | None]:
    """Return SDANN and the SDNN index in ms (Task Force 1996), None with fewer than two segments.

    SDANN is the standard deviation of the means of N-N intervals over segments of five minutes,
    the SDNN index the mean of their standard deviations.
    """
    nn, _, end_s = _normal(beats)
    segment = (end_s // SEGMENT_S).astype(np.int64)
    count = np.bincount(segment, minlength=1).astype(np.float64)
    kept = count >= SEGMENT_INTERVALS
    if kept.sum() < 2:
        return {"sdann_ms": None, "sdnn_index_ms": None}
    size = np.maximum(count, 1)
    mean = np.bincount(segment, weights=nn, minlength=count.size) / size
    square = np.bincount(segment, weights=(nn - mean[segment]) ** 2, minlength=count.size)
    spread = np.sqrt(square[kept] / (count[kept] - 1))
    return {
        "sdann_ms": float(mean[kept].std(ddof=1)),
        "sdnn_index_ms": float(spread.mean()),
    }


def st_levels(
    signal: NDArray[np.floating],
    sampling_rate: float,
    beats: Int64,
    onset_s: float,
    offset_s: float,
) -> Float64:
    """Return the ST level at J + 60 ms of every beat and lead: float64 (leads, beats).

    Parameters
    ----------
    signal : ndarray (leads, samples)
        As recorded: a high-pass above 0.05 Hz shifts the ST segment (IEC 60601-2-47).
    sampling_rate : float
        Hz.
    beats : ndarray, int64 (beats,)
        Usual beats.
    onset_s, offset_s : float
        QRS onset (negative) and offset relative to the beat, of the usual beats.

    Returns
    -------
    ndarray
        In the unit of the signal, above the 20 ms before the QRS onset; NaN where a sample is
        missing or outside.
    """
    reach = max(1, round(LEVEL_S * sampling_rate))
    base = round(onset_s * sampling_rate) - np.arange(1, reach + 1)
    middle = round((offset_s + ST_AFTER_J_S) * sampling_rate)
    level = middle + np.arange(-(reach // 2), reach // 2 + 1)
    result = np.full((signal.shape[0], beats.size), np.nan)
    whole = (beats + base.min() >= 0) & (beats + level.max() < signal.shape[1])
    at = beats[whole][:, None]
    if at.size:
        result[:, whole] = signal[:, at + level].mean(axis=2) - signal[:, at + base].mean(axis=2)
    return result
