"""The plan of a sheet of ECG paper: which lead stands where, in millimetres.

A *strip* is one piece of one lead drawn in one go: a cell of the 3 x 4 layout, a rhythm strip, a
row. The plan holds positions only; ``ecg_paper`` draws it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import LeadError, SignalError
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording
from ecgfoundry.reports.wording import clock_text

__all__ = ["LAYOUTS", "Row", "Sheet", "Strip", "fit_row", "plan_sheet"]

LAYOUTS = ("auto", "3x4", "6x2", "12x1", "1x")

PAGE_SECONDS = 10.0
"""Seconds across a sheet: the standard resting ECG."""

_AUTO_3X4_SECONDS = 9.5
"""A recording at least this long counts as a 10-s ECG (devices round down; our choice)."""

MAXIMUM_WRAPPED_ROWS = 6
MAXIMUM_SECONDS = 60.0
"""Longest stretch on one sheet: beyond it a picture on paper is not readable (our choice)."""

_COLUMNS = {
    # The usual order on paper: limb leads, augmented leads, V1-V3, V4-V6, top to bottom.
    "3x4": (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6")),
    "6x2": (STANDARD_12_LEADS[:6], STANDARD_12_LEADS[6:]),
    "12x1": (STANDARD_12_LEADS,),
}
_RHYTHM_LEADS = ("II", "I", "V1")

_ROW_LIMITS_MM = {
    # (least above, least below, most above, most below) the baseline. With the least heights the
    # layouts fit a landscape A4 page at true scale; the most leave the high voltages of
    # hypertrophy (S waves of 3.5 mV and more) unclipped (our choice).
    "3x4": (15.0, 10.0, 35.0, 35.0),
    "6x2": (15.0, 10.0, 30.0, 30.0),
    "12x1": (10.0, 5.0, 30.0, 30.0),
    "1x": (15.0, 10.0, 40.0, 40.0),
}


@dataclass(frozen=True, eq=False)
class Strip:
    """One piece of one lead.

    Parameters
    ----------
    lead : str
    label : str
        What is printed: the lead name, ``*`` behind a derived one.
    start_s, duration_s : float
        Of the recording.
    x_s : float
        Where it begins, in seconds from the left end of the traces.
    values : ndarray (samples,)
        mV, as recorded, less ``offset_mv``; NaN where missing.
    times_s : ndarray (samples,)
        Seconds from the left end of the traces.
    offset_mv : float
        The median that was removed.
    note : str
        Printed behind the label ("0:10", "not recorded").
    """

    lead: str
    label: str
    start_s: float
    duration_s: float
    x_s: float
    values: NDArray[np.float64]
    times_s: NDArray[np.float64]
    offset_mv: float
    note: str = ""


@dataclass(frozen=True)
class Row:
    """Strips side by side on one baseline; ``above_mm`` and ``below_mm`` are its band."""

    strips: tuple[Strip, ...]
    above_mm: float
    below_mm: float


@dataclass(frozen=True)
class Sheet:
    """All rows of a sheet, and what part of the recording they show."""

    layout: str
    rows: tuple[Row, ...]
    seconds: float
    start_s: float
    shown_s: float
    footnotes: tuple[str, ...] = field(default=())


def plan_sheet(
    recording: Recording,
    *,
    layout: str,
    gain_mm_mv: float,
    start_s: float,
    duration_s: float | None,
    origin_s: float = 0.0,
) -> Sheet:
    """Plan a sheet of ECG paper.

    Parameters
    ----------
    recording : Recording
    layout : str
        One of ``LAYOUTS``.
    gain_mm_mv : float
        mm per mV, which decides how tall the rows become.
    start_s : float
        Where the picture begins, in seconds.
    duration_s : float, optional
        Seconds to show: at most 60. Without it 10, or up to 60 in rows of 10 for one lead.
    origin_s : float
        Time of the first sample in the longer recording that this one was cut from; added to
        every time in the plan.

    Raises
    ------
    LeadError
        The recording has no lead, or a 12-lead layout is asked for and none of the 12 is there.
    SignalError
        The recording has no sample in the asked part.
    """
    if not recording.leads:
        raise LeadError("the recording has no ECG lead to draw", path=recording.source)
    available = recording.duration_s - start_s
    if start_s < 0 or available * recording.sampling_rate < 0.5:
        raise SignalError(
            f"the picture would start at {start_s:g} s in a recording of "
            f"{recording.duration_s:g} s",
            path=recording.source,
            remedy="Choose a start inside the recording",
        )
    available = min(available, MAXIMUM_SECONDS, duration_s or math.inf)
    part = _cut(recording, start_s, available, origin_s)
    start_s += origin_s
    if layout == "auto":
        complete = set(part.completed.leads).issuperset(STANDARD_12_LEADS)
        layout = "3x4" if complete and available >= _AUTO_3X4_SECONDS else "1x"
    asked = duration_s is not None
    if layout == "1x":
        return _stacked(part, gain_mm_mv, start_s, available, asked)
    shown = available if asked else min(available, PAGE_SECONDS)
    return _grid_of_leads(part, layout, gain_mm_mv, start_s, shown)


@dataclass(frozen=True, eq=False)
class _Part:
    """The stretch that can be on the sheet: as recorded, and with the derivable leads.

    Cut first, so that drawing 10 s of a 24-h recording does not work on 24 h.
    """

    recorded: Recording
    completed: Recording
    origin_s: float


def _cut(recording: Recording, start_s: float, duration_s: float, origin_s: float) -> _Part:
    rate = recording.sampling_rate
    first = max(0, math.floor(start_s * rate) - 1)
    recorded = recording.slice_samples(first, math.ceil((start_s + duration_s) * rate) + 1)
    return _Part(recorded, recorded.with_derived_leads(), origin_s + first / rate)


def _stacked(part: _Part, gain: float, start_s: float, available_s: float, asked: bool) -> Sheet:
    leads = part.recorded.leads
    if len(leads) == 1 and available_s > PAGE_SECONDS:
        rows = _wrapped_rows(part, start_s, available_s)
        seconds, shown = PAGE_SECONDS, available_s
    else:
        seconds = shown = available_s if asked else min(available_s, PAGE_SECONDS)
        rows = [(_strip(part, lead, start_s, shown, 0.0),) for lead in leads]
    # Many stacked leads get the narrower bands of the 12-row layout.
    limits = _ROW_LIMITS_MM["12x1" if len(rows) > MAXIMUM_WRAPPED_ROWS else "1x"]
    bands = tuple(fit_row(strips, gain, limits) for strips in rows)
    return Sheet("1x", bands, seconds, start_s, shown)


def _wrapped_rows(part: _Part, start_s: float, shown_s: float) -> list[tuple[Strip]]:
    rows = []
    for number in range(math.ceil(shown_s / PAGE_SECONDS - 1e-9)):
        begin = start_s + number * PAGE_SECONDS
        length = min(PAGE_SECONDS, start_s + shown_s - begin)
        strip = _strip(part, part.recorded.leads[0], begin, length, 0.0, note=clock_text(begin))
        rows.append((strip,))
    return rows


def _grid_of_leads(part: _Part, layout: str, gain: float, start_s: float, shown_s: float) -> Sheet:
    there = part.completed.leads
    if not set(there) & set(STANDARD_12_LEADS):
        raise LeadError(
            f"none of the 12 standard leads is there, only {', '.join(there)}",
            path=part.recorded.source,
            remedy="Use the layout 1x",
        )
    columns = _COLUMNS[layout]
    width = shown_s / len(columns)
    rows = [
        tuple(
            _strip(part, lead, start_s + position * width, width, position * width)
            for position, lead in enumerate(leads)
        )
        for leads in zip(*columns, strict=True)
    ]
    if layout == "3x4":
        rhythm = next((lead for lead in _RHYTHM_LEADS if lead in there), there[0])
        rows.append((_strip(part, rhythm, start_s, shown_s, 0.0),))
    bands = tuple(fit_row(strips, gain, _ROW_LIMITS_MM[layout]) for strips in rows)
    derived = any(strip.label.endswith("*") for row in rows for strip in row)
    notes = ("* derived from the recorded limb leads",) if derived else ()
    return Sheet(layout, bands, shown_s, start_s, shown_s, notes)


def _strip(
    part: _Part, lead: str, start_s: float, duration_s: float, x_s: float, *, note: str = ""
) -> Strip:
    whole = part.completed
    if lead not in whole.leads:
        empty = np.empty(0)
        return Strip(lead, lead, start_s, duration_s, x_s, empty, empty, 0.0, "not recorded")
    rate = whole.sampling_rate
    begin = (start_s - part.origin_s) * rate
    first = max(0, math.ceil(begin - 1e-6))
    last = min(whole.samples, math.ceil(begin + duration_s * rate - 1e-6))
    values: NDArray[np.float64] = whole.signal[whole.leads.index(lead), first:last].astype(float)
    times: NDArray[np.float64] = (np.arange(first, last, dtype=float) - begin) / rate + x_s
    finite = values[np.isfinite(values)]
    offset = float(np.median(finite)) if finite.size else 0.0
    if not finite.size and not note:
        note = "no signal"
    values -= offset
    label = lead if lead in part.recorded.leads else f"{lead}*"
    return Strip(lead, label, start_s, duration_s, x_s, values, times, offset, note)


def fit_row(strips: Sequence[Strip], gain: float, limits: tuple[float, float, float, float]) -> Row:
    """Return the row that holds these strips.

    ``limits`` are the least heights above and below its baseline and the most, mm.
    """
    least_above, least_below, most_above, most_below = limits
    finite = [strip.values[np.isfinite(strip.values)] for strip in strips]
    values = np.concatenate(finite) * gain
    # All but one sample in a thousand decide: a lone artefact must not push the rows apart.
    low, high = np.quantile(values, (0.001, 0.999)) if values.size else (0.0, 0.0)
    return Row(
        strips=tuple(strips),
        above_mm=min(max(least_above, _next_bold_line(high)), most_above),
        below_mm=min(max(least_below, _next_bold_line(-low)), most_below),
    )


def _next_bold_line(extent_mm: float) -> float:
    return 5.0 * math.ceil(max(extent_mm, 0.0) / 5.0)
