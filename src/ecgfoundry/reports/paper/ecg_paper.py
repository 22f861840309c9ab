"""ECG paper as SVG: the unfiltered trace at true scale, on a 1-mm grid, as clinicians read it.

What a sheet shows follows the paper of resting electrocardiographs (AHA/ACCF/HRS 2007
recommendations for the standardization of the electrocardiogram, part I; IEC 60601-2-25): 25 mm/s
and 10 mm/mV unless asked otherwise, a 1 mV x 200 ms calibration pulse, bold lines every 5 mm,
lead names, and speed, gain and filters in print.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable

import numpy as np

from ecgfoundry.recording import Recording
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
    row_svg,
    text_svg,
)
from ecgfoundry.reports.paper.layout import LAYOUTS, Sheet, plan_sheet
from ecgfoundry.reports.wording import (
    clock_text,
    device_filters,
    duration_text,
    escape,
    file_name,
    shortened,
)

__all__ = ["THEMES", "ecg_paper_svg"]


def ecg_paper_svg(
    recording: Recording,
    *,
    layout: str = "auto",
    speed_mm_s: float = 25.0,
    gain_mm_mv: float = 10.0,
    start_s: float = 0.0,
    duration_s: float | None = None,
    title: str | None = None,
    theme: str = "paper",
    identifier: str | None = None,
    origin_s: float = 0.0,
    whole_duration_s: float | None = None,
    overlay: Callable[[Sheet, Frame], str] | None = None,
) -> str:
    """Draw a recording on ECG paper, as a self-contained SVG at true physical size.

    The trace is drawn AS RECORDED, never filtered. Only the offset is free: from every strip (one
    lead's cell or row) the median of the drawn samples is removed, so that it lies on its
    baseline; ``data-offset-mv`` keeps it. Missing samples leave the line broken. Where a trace
    would leave its band by more than 7.5 mm it is clipped, and a small triangle says so.

    Parameters
    ----------
    recording : Recording
        Signal in mV.
    layout : {"auto", "3x4", "6x2", "12x1", "1x"}
        "3x4": four columns, simultaneous within a column and continuous from one to the next,
        with a rhythm strip of lead II (else I, V1 or the first lead); "6x2": two columns; "12x1":
        twelve rows; "1x": every recorded lead in a row, and ONE lead longer than 10 s in up to six
        rows of 10 s. "auto" takes "3x4" when all 12 leads are recorded or derivable and at least
        9.5 s are there, else "1x". Limb leads that are derived for a 12-lead layout carry a star.
    speed_mm_s : float
        Paper speed, mm per second.
    gain_mm_mv : float
        mm per mV.
    start_s : float
        Where the picture begins, seconds.
    duration_s : float, optional
        Seconds to show, at most 60; by default 10, and up to 60 for one lead. The sheet prints
        which part of the recording it shows.
    title : str, optional
        Printed at the top; by default the name of the source file. "" prints none.
    theme : {"paper", "dark", "plain"}
    identifier : str, optional
        Prefix of the ids in the SVG, for several on one page; by default derived from the content.
    origin_s, whole_duration_s : float
        For a recording that was cut from a longer one: where it begins in it, and how long that
        one is, in seconds. They change what is printed and ``data-start``; ``start_s`` still
        counts from the first sample given.
    overlay : callable, optional
        Gives an SVG layer for the planned sheet, drawn between the grid and the traces.

    Returns
    -------
    str
        An ``<svg>`` whose user unit is 1 mm. Each strip is a ``<g class="strip">`` with
        ``data-lead``, ``data-start`` and ``data-duration`` (s), ``data-x`` and ``data-baseline``
        (mm, position of its first moment and of its median) and ``data-offset-mv``; the root has
        ``data-speed-mm-s``, ``data-gain-mm-mv`` and ``data-sampling-rate``.

    Raises
    ------
    ValueError
        Unknown layout or theme; speed, gain or duration not positive; start not a number.
    LeadError, SignalError
        There is nothing to draw in the asked part.
    """
    _check_options(layout, theme, speed_mm_s, gain_mm_mv, start_s, duration_s)
    sheet = plan_sheet(
        recording,
        layout=layout,
        gain_mm_mv=gain_mm_mv,
        start_s=start_s,
        duration_s=duration_s,
        origin_s=origin_s,
    )
    whole_s = max(origin_s + recording.duration_s, whole_duration_s or 0.0)
    frame = plan_frame(sheet, speed_mm_s, gain_mm_mv)
    colours = THEMES[theme]
    prefix = escape(identifier) if identifier else _content_identifier(recording, sheet, frame)
    heading = file_name(recording.source) if title is None and recording.source else title or ""
    parts = [
        _opening(recording, sheet, frame, heading, prefix, whole_s),
        clips_svg(sheet, frame, prefix),
        paper_svg(frame, colours),
        overlay(sheet, frame) if overlay is not None else "",
        labels_svg(sheet, frame, colours),
        *(row_svg(row, number, frame, colours, prefix) for number, row in enumerate(sheet.rows)),
        _imprint(recording, sheet, frame, heading, colours, whole_s),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _check_options(
    layout: str, theme: str, speed: float, gain: float, start_s: float, duration_s: float | None
) -> None:
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
    if theme not in THEMES:
        raise ValueError(f"unknown theme {theme!r}; choose one of {', '.join(THEMES)}")
    if not math.isfinite(start_s):
        raise ValueError(f"the start is {start_s!r}; it must be a number of seconds")
    for name, value in (("speed", speed), ("gain", gain), ("duration", duration_s)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"the {name} is {value!r}; it must be a positive number")


def _content_identifier(recording: Recording, sheet: Sheet, frame: Frame) -> str:
    check = zlib.crc32(repr((recording.leads, sheet.layout, sheet.start_s, frame)).encode())
    for row in sheet.rows:
        for strip in row.strips:
            check = zlib.crc32(np.ascontiguousarray(strip.values).tobytes(), check)
    return f"ecg{check:08x}"


def _opening(
    recording: Recording, sheet: Sheet, frame: Frame, heading: str, prefix: str, whole_s: float
) -> str:
    leads = ", ".join(dict.fromkeys(strip.lead for row in sheet.rows for strip in row.strips))
    label = escape(heading if heading.startswith("ECG") else f"ECG {heading}".strip())
    description = escape(
        f"{_part_shown(sheet, whole_s)}, leads {leads}, "
        f"{mm(frame.speed)} mm/s, {mm(frame.gain)} mm/mV, {_filter_text(recording)}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ecg-paper" role="img" '
        f'width="{mm(frame.width)}mm" height="{mm(frame.height)}mm" '
        f'viewBox="0 0 {mm(frame.width)} {mm(frame.height)}" font-family="{FONT}" '
        f'aria-label="{label}" aria-describedby="{prefix}-description" '
        f'data-layout="{sheet.layout}" data-speed-mm-s="{mm(frame.speed)}" '
        f'data-gain-mm-mv="{mm(frame.gain)}" '
        f'data-sampling-rate="{recording.sampling_rate:g}">\n'
        f'<desc id="{prefix}-description">{description}</desc>'
    )


def _part_shown(sheet: Sheet, whole_s: float) -> str:
    end = sheet.start_s + sheet.shown_s
    if sheet.start_s < 1e-9 and end >= whole_s - 0.05:  # durations in answers are rounded
        return f"{duration_text(whole_s)} (whole recording)"
    return f"{clock_text(sheet.start_s)} to {clock_text(end)} of {duration_text(whole_s)}"


def _filter_text(recording: Recording, room: int | None = None) -> str:
    """Say what was filtered: nothing here; by the device, what its file states.

    ``room`` is a number of characters; the text is shortened to it.
    """
    stated = device_filters(recording.device)
    if stated is None:
        text = "unfiltered (as recorded; device filters not stated)"
        short = "unfiltered (as recorded)"
    else:
        text, short = f"unfiltered (as recorded; device: {stated})", f"unfiltered; device: {stated}"
    if room is None or len(text) <= room:
        return text
    return short if len(short) <= room else f"{short[: max(room - 1, 10)]}…"


def _imprint(
    recording: Recording, sheet: Sheet, frame: Frame, heading: str, colours: Theme, whole_s: float
) -> str:
    scale = f"{mm(frame.speed)} mm/s   {mm(frame.gain)} mm/mV"
    left, right = frame.grid_x + 1.0, frame.grid_x + frame.grid_width - 1.0
    top, bottom = frame.grid_y - 3.2, frame.grid_y + frame.grid_height + 5.2
    status = " · ".join([*sheet.footnotes, "Unconfirmed", "Research use only"])
    details = f"{_part_shown(sheet, whole_s)} · {recording.sampling_rate:g} Hz"
    # About 1.6 mm per character at 2.9 mm and 2.3 mm at 4.0 mm bold, of the fonts named above.
    heading_room = int((right - left - 1.6 * len(status)) / 2.3)
    filter_room = int((right - left - 45.0 - 1.6 * len(details)) / 1.6)
    filters = _filter_text(recording, filter_room)
    return "\n".join(
        (
            text_svg(left, top, shortened(heading, max(heading_room, 10)), 4.0, colours),
            text_svg(right, top, status, 2.9, colours, quiet=True, end=True),
            text_svg(left, bottom, scale, 3.2, colours),
            text_svg(left + 42.0, bottom, filters, 2.9, colours, quiet=True),
            text_svg(right, bottom, details, 2.9, colours, quiet=True, end=True),
        )
    )
