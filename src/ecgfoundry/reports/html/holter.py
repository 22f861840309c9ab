"""The report of a Holter: one self-contained HTML file, which also prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from ecgfoundry.errors import LeadError, SignalError
from ecgfoundry.inference.holter import HolterReport
from ecgfoundry.recording import Recording
from ecgfoundry.reports.holter import (
    HOUR_HEADS,
    STRIP_S,
    event_strips,
    hour_cells,
    longest_events,
    moment_text,
    summary,
)
from ecgfoundry.reports.html.environment import drawn, render
from ecgfoundry.reports.html.report import page_frame
from ecgfoundry.reports.html.trends import trends_drawing
from ecgfoundry.reports.paper.ecg_paper import ecg_paper_svg
from ecgfoundry.reports.paper.marks import beat_letters_layer
from ecgfoundry.reports.told import counts_in_doubt
from ecgfoundry.reports.wording import (
    device_filters,
    device_name,
    duration_text,
    file_name,
    person_text,
    start_text,
    whose_text,
)

__all__ = ["STRIP_LEADS", "holter_html"]

STRIP_LEADS = ("II", "MLII", "V5", "V1", "I")
"""A strip shows the lead that comes first here, else the first: three strips fit a page (our
choice)."""

ReadPart = Callable[[float, float], Recording]


def holter_html(report: HolterReport, read_part: ReadPart, *, title: str = "Holter report") -> str:
    """Write the report of a long recording as one HTML file.

    Parameters
    ----------
    report : HolterReport
    read_part : callable
        ``read_part(start_s, duration_s)`` returns that part of the recording: for the strips, and
        for who was recorded, when, and by what.
    title : str

    Returns
    -------
    str
        A complete HTML document, to be stored as UTF-8.
    """
    head = read_part(0.0, STRIP_S)
    start = head.start_time
    events = [
        (
            event.kind,
            moment_text(event.start_s, start),
            f"{event.end_s - event.start_s:.1f} s",
            str(event.beats or "–"),
            "–" if event.rate_bpm is None else f"{event.rate_bpm:.0f} /min",
        )
        for event in longest_events(report)
    ]
    strips = [
        _strip(report, read_part, strip.caption, strip.start_s, f"strip{number}")
        for number, strip in enumerate(event_strips(report, start), start=1)
    ]
    return render(
        "holter",
        doubt=None if report.doubt is None else counts_in_doubt(report.doubt),
        **page_frame(title),
        name=file_name(report.file),
        whose=whose_text(head.subject, report.file),
        recorded=_recorded(report, head),
        summary=summary(report, start),
        trends=trends_drawing(report),
        hour_heads=HOUR_HEADS,
        hours=[
            hour_cells(hour.to_dict(), moment_text(hour.start_s, start)) for hour in report.hours
        ],
        events=events,
        strips=Markup().join(strips),
        provenance=[("Rhythm model", report.model or "none"), ("File", report.file)],
    )


def _recorded(report: HolterReport, head: Recording) -> list[tuple[str, str]]:
    facts = [
        ("Identifier", head.subject.identifier or "not stated"),
        ("Person", person_text(head.subject)),
        ("Start", start_text(head.start_time)),
        ("Duration", duration_text(report.duration_s)),
        ("Leads", ", ".join(report.leads)),
        ("Sampling rate", f"{head.sampling_rate:g} Hz"),
        ("Device", device_name(head.device) or "not stated"),
        ("Device filters", device_filters(head.device)),
    ]
    return [(name, value) for name, value in facts if value]


def _strip(
    report: HolterReport, read_part: ReadPart, caption: str, start_s: float, identifier: str
) -> Markup:
    recording = read_part(start_s, STRIP_S)
    try:
        svg = ecg_paper_svg(
            recording.select([_lead(recording.leads)]),
            layout="1x",
            title=caption,
            identifier=identifier,
            origin_s=start_s,
            whole_duration_s=report.duration_s,
            overlay=beat_letters_layer(report.beats),
        )
    except (LeadError, SignalError) as error:
        return render("no_picture", problem=error)
    return render("picture", svg=drawn(svg), caption=caption, tall=False, reduced=False)


def _lead(there: Sequence[str]) -> str:
    return next((lead for lead in STRIP_LEADS if lead in there), there[0])
