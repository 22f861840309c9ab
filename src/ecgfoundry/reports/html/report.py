"""The HTML report: one self-contained file with the ECG on paper and what a model finds in it.

It loads nothing and runs nothing: no script, no font, no picture from elsewhere. A content
security policy with the hash of its one style sheet says so to the browser, so that even a hostile
header field that got past the escaping could not act.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ecgfoundry.criteria import Comparison, Statement
from ecgfoundry.errors import LeadError, SignalError
from ecgfoundry.formats.common.measurements import MEASUREMENTS, device_measurements
from ecgfoundry.inference.interpretation import Episode, Interpretation
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.reports.evidence_words import in_words
from ecgfoundry.reports.html.compared import comparison_section
from ecgfoundry.reports.html.environment import drawn, render
from ecgfoundry.reports.html.findings import findings_section, notices_box
from ecgfoundry.reports.html.measured import device_statements, measured_section
from ecgfoundry.reports.html.style import PRINTED_ALONE_MM, PRINTED_BESIDE_TEXT_MM, style_sheet
from ecgfoundry.reports.html.timeline import episodes_section, windows_section
from ecgfoundry.reports.measured import statement_lines
from ecgfoundry.reports.paper.ecg_paper import ecg_paper_svg
from ecgfoundry.reports.paper.marks import first_shown, marks_layer
from ecgfoundry.reports.paper.median_beats import median_beats_svg
from ecgfoundry.reports.reviewed import Review, statements_read
from ecgfoundry.reports.wording import (
    DISCLAIMER,
    READ_DISCLAIMER,
    clock_text,
    device_filters,
    device_name,
    duration_text,
    failure_fields,
    file_name,
    person_text,
    start_text,
    whose_text,
)

__all__ = ["ReportItem", "html_report", "page_frame"]

_Fact = tuple[str, str]

_STRIP_SECONDS = 10.0
_MOST_EPISODE_STRIPS = 3
_LONG_OVERVIEW_SECONDS = 20.0


@dataclass(frozen=True, eq=False)
class ReportItem:
    """One entry of the report.

    Parameters
    ----------
    recording : Recording or None
        What is drawn, and where age, sex, device and start time come from; None draws nothing.
        Of a long recording its beginning is enough: where it is shorter than the ``duration_s`` of
        the interpretation, the pictures say so.
    interpretation : Interpretation
        May be a refusal.
    read_part : callable, optional
        ``read_part(start_s, duration_s)`` returns that part of the whole recording. With it,
        episodes beyond the end of ``recording`` get their strips too.
    comparison : Comparison, optional
        With an earlier recording of the same person.
    highlight : str, optional
        Name of the present statement whose evidence is painted on the trace; by default the first
        that rests on something in it.
    review : Review, optional
        What a reader has said of the interpretation: it stands first.
    """

    recording: Recording | None
    interpretation: Interpretation
    read_part: Callable[[float, float], Recording] | None = None
    comparison: Comparison | None = None
    highlight: str | None = None
    review: Review | None = None

    def __post_init__(self) -> None:
        present = [one.name for one in self.interpretation.statements if one.present]
        if self.highlight is not None and self.highlight not in present:
            raise SignalError(
                f"the statement '{self.highlight}' is not present in this recording",
                path=self.interpretation.file,
                remedy=f"Choose one of: {', '.join(present) or 'none is present'}",
            )

    @property
    def highlighted(self) -> Statement | None:
        """The statement that is painted, or None."""
        measured, statements = self.interpretation.measurements, self.interpretation.statements
        if measured is None:
            return None
        if self.highlight is not None:
            return next(one for one in statements if one.name == self.highlight)
        lines = statement_lines(self.interpretation)
        return first_shown((line.statement for line in lines), measured)


def html_report(
    items: Sequence[ReportItem],
    *,
    title: str = "ECG report",
    failures: Iterable[Mapping[str, object] | Exception] = (),
) -> str:
    """Write the report of one or several recordings as one HTML file.

    Parameters
    ----------
    items : sequence of ReportItem
    title : str
    failures : iterable of mapping or exception
        Files that could not be read or interpreted at all: mappings with ``file``, ``code`` and
        ``message``, or the errors themselves. They are listed at the top.

    Returns
    -------
    str
        A complete HTML document, to be stored as UTF-8. With more than one item it begins with an
        index.
    """
    read = bool(items) and all(item.review is not None for item in items)
    return render(
        "report",
        **page_frame(title, READ_DISCLAIMER if read else DISCLAIMER),
        failures=[failure_fields(failure) for failure in failures],
        records=[_record(item, number) for number, item in enumerate(items, start=1)],
    )


def page_frame(title: str, disclaimer: str = DISCLAIMER) -> dict[str, Any]:
    """Return what every page of a report needs: style sheet, policy, title, disclaimer."""
    style = style_sheet()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {
        "title": title,
        "disclaimer": disclaimer,
        "policy": f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'",
        "style": drawn(style),
    }


def _present_summary(interpretation: Interpretation) -> str:
    findings = interpretation.ranked
    if not interpretation.decides:
        return ", ".join(
            f"{finding.name} {finding.value:.3g} {finding.target.unit or ''}".strip()
            for finding in findings
            if finding.value is not None
        )
    present = [finding.name for finding in findings if finding.present]
    if present:
        return ", ".join(present)
    if findings and all(finding.present is None for finding in findings):
        return f"not decided (highest: {findings[0].name})"
    return "none"


@dataclass(frozen=True)
class _Record:
    """What the page says about one recording."""

    anchor: str
    name: str
    whose: str
    verdict: str
    summary: str
    quality: str
    facts: list[_Fact]
    reviewed: Markup
    notices: Markup
    measured: Markup
    medians: Markup
    compared: Markup
    body: Markup
    stated_facts: list[_Fact]
    statements: list[str]
    provenance: list[_Fact]


def _record(item: ReportItem, number: int) -> _Record:
    interpretation, recording = item.interpretation, item.recording
    verdict = interpretation.verdict
    warnings = len(interpretation.warnings)
    header: Mapping[str, str] = {} if recording is None else recording.header
    measured = device_measurements(header)
    section = measured_section(interpretation, header)
    compared = Markup()
    if item.comparison is not None:
        compared = comparison_section(item.comparison, f"ecg{number}compared")
    return _Record(
        anchor=f"recording-{number}",
        name=file_name(interpretation.file),
        whose=whose_text(
            Subject() if recording is None else recording.subject, interpretation.file
        ),
        verdict=verdict,
        summary="Not interpreted"
        if interpretation.refused is not None
        else _present_summary(interpretation),
        quality=f"{verdict}, {warnings} warning{'s' * (warnings != 1)}" if warnings else verdict,
        facts=_stated(_recording_facts(recording, interpretation)),
        reviewed=_reviewed(item),
        notices=notices_box(interpretation),
        measured=section,
        medians=_median_beats(item, f"ecg{number}median"),
        compared=compared,
        body=_body(item, number),
        stated_facts=[(MEASUREMENTS[key], _measured_text(key, measured[key])) for key in measured],
        # They stand beside ours where there are any.
        statements=[] if section else device_statements(header),
        provenance=_stated(_provenance(interpretation)),
    )


def _reviewed(item: ReportItem) -> Markup:
    """Return what a reader says; nothing where nobody has."""
    review = item.review
    if review is None:
        return Markup()
    return render("reviewed", review=review, read=statements_read(review, item.interpretation))


def _stated(facts: Iterable[tuple[str, str | None]]) -> list[_Fact]:
    return [(name, value) for name, value in facts if value]


def _measured_text(key: str, value: float) -> str:
    unit = {"bpm": " /min", "ms": " ms", "deg": "°"}.get(key.rsplit("_", 1)[-1], "")
    return f"{value:g}{unit}"


def _body(item: ReportItem, number: int) -> Markup:
    """Put picture and results together: side by side where the screen is wide enough."""
    interpretation, recording = item.interpretation, item.recording
    if interpretation.refused is not None:
        return _beginning(item, f"ecg{number}", "ECG as recorded")
    findings = findings_section(interpretation)
    if interpretation.is_long:
        start_time = recording.start_time if recording is not None else None
        return render(
            "body_long",
            findings=findings,
            episodes=episodes_section(interpretation, start_time),
            strips=_strips_of_long(item, number),
        )
    return render(
        "body",
        findings=findings,
        picture=_beginning(item, f"ecg{number}", "ECG as recorded"),
        windows=windows_section(interpretation),
    )


def _beginning(
    item: ReportItem, identifier: str, caption: str, duration_s: float | None = None
) -> Markup:
    if item.recording is None:
        return Markup()
    return _picture(item, item.recording, caption, identifier, duration_s=duration_s)


def _median_beats(item: ReportItem, identifier: str) -> Markup:
    """Draw them where no comparison shows them already."""
    measured = item.interpretation.measurements
    if measured is None or item.comparison is not None:
        return Markup()
    svg = median_beats_svg(measured, title="Median beats", identifier=identifier)
    return _figure(svg, "Median beats") if svg else Markup()


def _strips_of_long(item: ReportItem, number: int) -> Markup:
    """Draw where the longest episode of each kind begins, and the start of the recording."""
    recording = item.recording
    if recording is None:
        return Markup()
    parts = [
        _episode_strip(item, episode, f"ecg{number}e{count}")
        for count, episode in enumerate(_longest_episodes(item.interpretation), start=1)
    ]
    # One lead wraps into rows; several stay on one page width.
    length = _LONG_OVERVIEW_SECONDS if len(recording.leads) == 1 else _STRIP_SECONDS
    parts.append(_beginning(item, f"ecg{number}", "Start of the recording", length))
    return Markup().join(parts)


def _episode_strip(item: ReportItem, episode: Episode, identifier: str) -> Markup:
    begin = episode.start_s
    caption = f"{episode.name}: start of its longest episode, {clock_text(begin)}"
    recording, start_s, origin_s = item.recording, begin, 0.0
    held_s = recording.duration_s if recording is not None else 0.0
    if item.read_part is not None and begin + _STRIP_SECONDS > held_s:
        recording, start_s, origin_s = item.read_part(begin, _STRIP_SECONDS), 0.0, begin
    if recording is None or start_s >= recording.duration_s:
        return Markup()
    return _picture(
        item,
        recording,
        caption,
        identifier,
        start_s=start_s,
        duration_s=_STRIP_SECONDS,
        origin_s=origin_s,
    )


def _longest_episodes(interpretation: Interpretation) -> list[Episode]:
    longest: dict[str, Episode] = {}
    for episode in interpretation.episodes or ():
        best = longest.get(episode.name)
        length = episode.end_s - episode.start_s
        if best is None or length > best.end_s - best.start_s:
            longest[episode.name] = episode
    burden = interpretation.burden or {}
    ranked = sorted(longest.values(), key=lambda item: -(burden.get(item.name) or 0.0))
    return ranked[:_MOST_EPISODE_STRIPS]


def _picture(
    item: ReportItem,
    recording: Recording,
    caption: str,
    identifier: str,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    origin_s: float = 0.0,
) -> Markup:
    """Draw a part of the recording, with the marks of its measurement."""
    measured, chosen = item.interpretation.measurements, item.highlighted
    present = {one.name: one for one in item.interpretation.statements if one.present}
    overlay = None if measured is None else marks_layer(measured, chosen, present)
    if chosen is not None:
        caption += f", painted: {in_words(chosen.name)}"
    try:
        svg = ecg_paper_svg(
            recording,
            start_s=start_s,
            duration_s=duration_s,
            title=caption,
            identifier=identifier,
            origin_s=origin_s,
            whole_duration_s=item.interpretation.duration_s,
            overlay=overlay,
        )
    except (LeadError, SignalError) as error:
        return render("no_picture", problem=error)
    return _figure(svg, caption)


def _figure(svg: str, caption: str) -> Markup:
    height_mm = float(svg.split('height="', 1)[1].split("mm", 1)[0])
    return render(
        "picture",
        svg=drawn(svg),
        caption=caption,
        tall=height_mm > PRINTED_BESIDE_TEXT_MM,
        reduced=height_mm > PRINTED_ALONE_MM,
    )


def _recording_facts(
    recording: Recording | None, interpretation: Interpretation
) -> list[tuple[str, str | None]]:
    stated_s = interpretation.duration_s
    if recording is None:
        return [("Duration", duration_text(stated_s) if stated_s is not None else None)]
    subject = recording.subject
    return [
        ("Identifier", subject.identifier or "not stated"),
        ("Person", person_text(subject)),
        ("Start", start_text(recording.start_time)),
        ("Duration", duration_text(max(recording.duration_s, stated_s or 0.0))),
        ("Leads", ", ".join(recording.leads)),
        ("Sampling rate", f"{recording.sampling_rate:g} Hz"),
        ("Device", device_name(recording.device) or "not stated"),
        ("Device filters", device_filters(recording.device)),
        ("Format", recording.format),
    ]


def _provenance(interpretation: Interpretation) -> list[tuple[str, str | None]]:
    model = interpretation.model
    if model and interpretation.model_version:
        model = f"{model} {interpretation.model_version}"
    calibrated = None if model is None else interpretation.calibrated
    return [
        ("Model", model or "none"),
        ("Preprocessing of the model", interpretation.preprocessing),
        ("Runtime", interpretation.runtime),
        ("Calibrated", None if calibrated is None else "yes" if calibrated else "no"),
        ("Leads used", ", ".join(interpretation.leads_used)),
        ("Leads derived", ", ".join(interpretation.leads_derived)),
        ("File", interpretation.file),
    ]
