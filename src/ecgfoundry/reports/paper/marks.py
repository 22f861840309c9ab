"""P, QRS and T of every beat on ECG paper, and what one statement rests on, as with a marker pen.

The marks are those of the measurement, of all leads together: thin lines at P onset, QRS onset,
QRS offset and T offset of the lowest strip of each stretch of time, with boxes below. A beat whose
class is not N carries its letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecgfoundry.criteria.derived import counted_beats
from ecgfoundry.criteria.types import Evidence, Statement
from ecgfoundry.measurements.beat_list import Beat, Beats
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.evidence_words import own_evidence
from ecgfoundry.reports.paper.drawing import THEMES, Frame, Theme, mm, row_band
from ecgfoundry.reports.paper.layout import Row, Sheet, Strip
from ecgfoundry.reports.wording import escape

__all__ = ["Span", "beat_letters_layer", "first_shown", "marks_layer", "spans_of"]

LANE_MM = 1.6
LETTER_MM = 2.2
LINE_ABOVE_MM = 4.0
"""Above the baseline: the lines show where a wave begins and hide no R wave (our choices)."""
ST_SHOWN_MS = 80.0
"""The ST segment is marked up to J + 80 ms, the last place where its level is measured."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the recording that speaks for a statement; ``lead`` None: all leads."""

    lead: str | None
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class _Waves:
    """Where the waves of one beat are, (start, end) in s; None where not found."""

    beat: Beat
    p: tuple[float, float] | None
    qrs: tuple[float, float] | None
    t: tuple[float, float] | None


def _waves(measurements: Measurements) -> Iterator[_Waves]:
    """Give the waves of all beats. Widths that no beat states are those of the median beat."""
    p_s, t_s = _width(measurements, "p"), _width(measurements, "t")
    for beat in measurements.beats:
        p = qrs = t = None
        if beat.p_s is not None:
            p = (beat.p_s, beat.p_s + p_s)
        if beat.qrs_onset_s is not None and beat.qrs_offset_s is not None:
            qrs = (beat.qrs_onset_s, beat.qrs_offset_s)
        if beat.t_offset_s is not None:
            start = beat.t_offset_s - t_s
            t = (max(start, beat.qrs_offset_s or start), beat.t_offset_s)
        yield _Waves(beat, p, qrs, t)


def _width(measurements: Measurements, wave: str) -> float:
    median = measurements.median
    if median is None:
        return 0.0
    edges = [median.boundaries.get(f"{wave}_{side}") for side in ("onset", "offset")]
    if edges[0] is None or edges[1] is None:
        return 0.0
    return max(edges[1] - edges[0], 0.0) / median.sampling_rate


# --- what a statement rests on -----------------------------------------------------------------


def first_shown(statements: Iterable[Statement], measurements: Measurements) -> Statement | None:
    """Return the first of the present statements that rests on something in the trace."""
    present = {one.name: one for one in statements}
    return next((one for one in present.values() if spans_of(one, measurements, present)), None)


def spans_of(
    statement: Statement, measurements: Measurements, present: Mapping[str, Statement] | None = None
) -> tuple[Span, ...]:
    """Return what the evidence of a statement points at: waves of leads, beats.

    Empty where it rests on the recording as a whole, as a rate does. ``present`` are the other
    present statements by name: what rests on one of them does not repeat its evidence.
    """
    waves = tuple(_waves(measurements))
    own = own_evidence(statement, present or {})
    if statement.group == "rhythm":
        # P waves at every beat are the rule and no finding; single beats are one.
        own = [item for item in own if isinstance(item.beat, int)]
    counted = {item.name: counted_beats(item.name, measurements) for item in own}
    return tuple(
        dict.fromkeys(span for item in own for span in _spans(item, counted[item.name], waves))
    )


def _spans(item: Evidence, counted: Sequence[int], waves: tuple[_Waves, ...]) -> Iterator[Span]:
    if counted:
        for beat in counted:
            yield from _whole(waves[beat], item.lead)
        return
    if isinstance(item.beat, int):
        if 0 <= item.beat < len(waves):
            yield from _whole(waves[item.beat], item.lead)
        return
    if item.lead is None and item.name.endswith(("_deg", "_bpm", "_count", "_percent")):
        return
    for one in waves:
        # The value is that of the usual beat.
        if one.beat.template in (0, None) and (part := _part(item.name, one)) is not None:
            yield Span(item.lead, *part)


def _whole(one: _Waves, lead: str | None) -> Iterator[Span]:
    parts = [part for part in (one.qrs, one.t) if part is not None]
    if parts:
        yield Span(lead, parts[0][0], parts[-1][1])
    else:
        yield Span(lead, one.beat.time_s - 0.06, one.beat.time_s + 0.06)


def _part(name: str, one: _Waves) -> tuple[float, float] | None:
    """Return the part of a beat in which a measurement is made."""
    wave = name.split("_", 1)[0]
    if wave in ("q", "r", "s", "r2", "s2", "qrs", "delta", "sokolow", "cornell", "peguero"):
        return one.qrs
    if wave == "p":
        return one.p
    if wave in ("t", "t2"):
        return one.t
    if one.qrs is None:
        return None
    if wave == "st":
        return (one.qrs[1], one.qrs[1] + ST_SHOWN_MS / 1000.0)
    if wave == "pr" and one.p is not None:
        return (one.p[0], one.qrs[0])
    if wave in ("qt", "qtc") and one.t is not None:
        return (one.qrs[0], one.t[1])
    return (one.qrs[1], one.t[1]) if wave == "jt" and one.t is not None else None


# --- drawing -----------------------------------------------------------------------------------


def marks_layer(
    measurements: Measurements,
    highlight: Statement | None = None,
    present: Mapping[str, Statement] | None = None,
    *,
    theme: str = "paper",
) -> Callable[[Sheet, Frame], str]:
    """Return what :func:`~ecgfoundry.reports.paper.ecg_paper.ecg_paper_svg` takes as ``overlay``.

    Parameters
    ----------
    measurements : Measurements
        Of the recording that is drawn, with its times.
    highlight : Statement, optional
        What it rests on is painted.
    present : mapping of str to Statement, optional
        The present statements by name, as for :func:`spans_of`.
    theme : str
    """
    waves = tuple(_waves(measurements))
    spans = () if highlight is None else spans_of(highlight, measurements, present)
    colours = THEMES[theme]

    def draw(sheet: Sheet, frame: Frame) -> str:
        rows = list(zip(sheet.rows, frame.baselines, strict=True))
        painted = [
            _paint(strip, row, baseline, frame, spans, colours)
            for row, baseline in rows
            for strip in row.strips
        ]
        lanes = [
            _marks(strip, row, baseline, frame, waves, colours, last=row is sheet.rows[-1])
            for row, baseline, strip in _lowest(rows)
        ]
        name = "" if highlight is None else f' data-statement="{escape(highlight.name)}"'
        return f'<g class="marks"{name}>{"".join(painted)}{"".join(lanes)}</g>'

    return draw


def beat_letters_layer(beats: Beats, *, theme: str = "paper") -> Callable[[Sheet, Frame], str]:
    """Return an overlay with the class of every beat, as a Holter strip has it.

    Parameters
    ----------
    beats : Beats
        With the times of the recording that is drawn.
    theme : str
    """
    colours = THEMES[theme]

    def draw(sheet: Sheet, frame: Frame) -> str:
        parts = []
        for row, baseline, strip in _lowest(list(zip(sheet.rows, frame.baselines, strict=True))):
            y = baseline + row.below_mm + (3.6 if row is sheet.rows[-1] else -0.4)
            low, high = np.searchsorted(
                beats.time_s, (strip.start_s, strip.start_s + strip.duration_s)
            )
            parts += [
                f'<text x="{mm(_x(time_s, strip, frame))}" y="{mm(y)}" '
                f'font-weight="{400 if label == "N" else 700}">{escape(label)}</text>'
                for time_s, label in zip(
                    beats.time_s[low:high].tolist(), beats.label[low:high].tolist(), strict=True
                )
            ]
        return (
            f'<g class="mark-text" font-size="2.8" fill="{colours.text}" '
            f'text-anchor="middle">{"".join(parts)}</g>'
        )

    return draw


def _lowest(rows: list[tuple[Row, float]]) -> Iterator[tuple[Row, float, Strip]]:
    """Give the strips that carry the marks: of every stretch of time the lowest on the sheet."""
    seen: list[tuple[float, float]] = []
    for row, baseline in reversed(rows):
        for strip in row.strips:
            start, end = strip.start_s, strip.start_s + strip.duration_s
            if not any(low < end - 1e-6 and start + 1e-6 < high for low, high in seen):
                yield row, baseline, strip
        seen += [(strip.start_s, strip.start_s + strip.duration_s) for strip in row.strips]


def _x(time_s: float, strip: Strip, frame: Frame) -> float:
    return frame.trace_x + (time_s - strip.start_s + strip.x_s) * frame.speed


def _inside(start_s: float, end_s: float, strip: Strip) -> tuple[float, float] | None:
    low = max(start_s, strip.start_s)
    high = min(end_s, strip.start_s + strip.duration_s)
    return (low, high) if high >= low else None


def _paint(
    strip: Strip, row: Row, baseline: float, frame: Frame, spans: Iterable[Span], colours: Theme
) -> str:
    top, bottom = row_band(row, baseline, frame)
    top, bottom = max(top, baseline - row.above_mm), min(bottom, baseline + row.below_mm)
    parts = []
    for span in spans:
        part = _inside(span.start_s, span.end_s, strip) if span.lead in (None, strip.lead) else None
        if part is None:
            continue
        left, right = (_x(time_s, strip, frame) for time_s in part)
        parts.append(
            f'<rect class="highlight" x="{mm(left - 0.4)}" y="{mm(top)}" '
            f'width="{mm(right - left + 0.8)}" height="{mm(bottom - top)}" rx="0.8" '
            f'fill="{colours.highlight}" fill-opacity="0.6"/>'
        )
    return "".join(parts)


def _marks(
    strip: Strip,
    row: Row,
    baseline: float,
    frame: Frame,
    waves: Iterable[_Waves],
    colours: Theme,
    *,
    last: bool,
) -> str:
    """Draw lines, boxes and letters of one strip. Below the last row there are 5 mm of room."""
    lane = baseline + row.below_mm + (0.5 if last else -LANE_MM - LETTER_MM - 0.3)
    boxes: list[str] = []
    lines: list[str] = []
    letters: list[tuple[float, str, bool]] = []
    named = False
    for one in waves:
        for name, wave in (("P", one.p), ("QRS", one.qrs), ("T", one.t)):
            part = None if wave is None else _inside(*wave, strip)
            if wave is None or part is None:
                continue
            left, right = (_x(time_s, strip, frame) for time_s in part)
            boxes.append(
                f'<rect x="{mm(left)}" y="{mm(lane)}" width="{mm(max(right - left, 0.3))}" '
                f'height="{mm(LANE_MM)}"{_tone(name)}/>'
            )
            edges = {"P": wave[:1], "QRS": wave, "T": wave[1:]}[name]
            lines += [
                f"M{mm(_x(edge, strip, frame))} {mm(baseline - LINE_ABOVE_MM)}V{mm(lane)}"
                for edge in edges
                if _inside(edge, edge, strip) is not None
            ]
            middle = (left + right) / 2
            special = name == "QRS" and one.beat.label != "N"
            if special:
                letters.append((middle, one.beat.label, True))
            elif name != "QRS" or not named:  # the word is long: once a strip is enough
                letters.append((middle, name, False))
                named = named or name == "QRS"
    if not boxes:
        return ""
    words = "".join(_letters(letters, lane + LANE_MM + LETTER_MM - 0.3))
    return (
        f'<path class="mark-lines" d="{"".join(lines)}" fill="none" stroke="{colours.mark}" '
        f'stroke-width="0.12" stroke-opacity="0.6"/>'
        f'<g class="mark" fill="{colours.mark}">{"".join(boxes)}</g>'
        f'<g class="mark-text" font-size="{LETTER_MM}" fill="{colours.text}" '
        f'text-anchor="middle">{words}</g>'
    )


def _tone(name: str) -> str:
    return "" if name == "QRS" else ' fill-opacity="0.45"'


def _letters(letters: Iterable[tuple[float, str, bool]], y: float) -> Iterator[str]:
    """Give the letters, a class before all others, and none into another one."""
    taken: list[tuple[float, float]] = []
    for x, word, special in sorted(letters, key=lambda letter: (not letter[2], letter[0])):
        half = 0.4 * LETTER_MM * len(word)
        if any(abs(x - other) < half + width for other, width in taken):
            continue
        taken.append((x, half))
        weight = ' font-weight="700"' if special else ""
        yield f'<text x="{mm(x)}" y="{mm(y)}"{weight}>{escape(word)}</text>'
