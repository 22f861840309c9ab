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

from ecgfoundry.errors import LeadError, SignalError
from ecgfoundry.formats.common.measurements import MEASUREMENTS, STATEMENTS_KEY, device_measurements
from ecgfoundry.recording import Recording
from ecgfoundry.reports.html.findings import findings_section, notices_list, refusal_box
from ecgfoundry.reports.html.style import PRINTED_ALONE_MM, PRINTED_BESIDE_TEXT_MM, style_sheet
from ecgfoundry.reports.html.timeline import episodes_section, windows_section
from ecgfoundry.reports.paper.ecg_paper import ecg_paper_svg
from ecgfoundry.reports.wording import (
    DISCLAIMER,
    clock_text,
    device_filters,
    device_name,
    duration_text,
    escape,
    failure_fields,
    file_name,
    is_long,
    notices_of,
    person_text,
    ranked_findings,
    start_text,
)

__all__ = ["ReportItem", "html_report"]

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
    interpretation : mapping
        By ``schemas/interpretation.schema.json``; may be a refusal.
    read_part : callable, optional
        ``read_part(start_s, duration_s)`` returns that part of the whole recording. With it,
        episodes beyond the end of ``recording`` get their strips too.
    """

    recording: Recording | None
    interpretation: Mapping[str, Any]
    read_part: Callable[[float, float], Recording] | None = None


def html_report(
    items: Sequence[ReportItem],
    *,
    title: str = "ECG report",
    failures: Iterable[Mapping[str, Any] | Exception] = (),
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
    failed = [failure_fields(failure) for failure in failures]
    style = style_sheet()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    several = len(items) > 1
    front = (_index(items) if several else "") + _failures(failed)
    records = "".join(_record(item, number, several) for number, item in enumerate(items, start=1))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<header class="masthead"><h1>{escape(title)}</h1>'
        f'<p class="disclaimer">{DISCLAIMER}</p></header>\n'
        f"<main>{front}{records}</main>\n"
        f'<footer class="foot"><p class="disclaimer">{DISCLAIMER} Findings come from a '
        "statistical model and need the judgement of a qualified person.</p></footer>\n"
        "</body>\n</html>\n"
    )


def _index(items: Sequence[ReportItem]) -> str:
    rows = "".join(_index_row(item, number) for number, item in enumerate(items, start=1))
    return (
        '<nav class="card" aria-label="Recordings"><table>'
        f"<caption>{len(items)} recordings</caption><thead><tr>"
        '<th scope="col">Recording</th><th scope="col">Present</th>'
        f'<th scope="col">Quality</th></tr></thead><tbody>{rows}</tbody></table></nav>'
    )


def _index_row(item: ReportItem, number: int) -> str:
    interpretation = item.interpretation
    refused = interpretation["refused"]
    warnings = len(notices_of(interpretation))
    quality = escape(interpretation["quality"]["verdict"])
    if warnings:
        quality += f", {warnings} warning{'s' * (warnings != 1)}"
    return (
        f'<tr><th scope="row"><a href="#recording-{number}">'
        f"{escape(file_name(interpretation['file']))}</a></th>"
        f"<td>{'Not interpreted' if refused else escape(_present_summary(interpretation))}</td>"
        f"<td>{quality}</td></tr>"
    )


def _present_summary(interpretation: Mapping[str, Any]) -> str:
    findings = ranked_findings(interpretation)
    if interpretation.get("target_kind") == "regression":
        return ", ".join(
            f"{finding['name']} {finding['value']:.3g} {finding.get('unit') or ''}".strip()
            for finding in findings
            if finding.get("value") is not None
        )
    present = [finding["name"] for finding in findings if finding["present"]]
    if present:
        return ", ".join(present)
    if findings and all(finding["present"] is None for finding in findings):
        return f"not decided (highest: {findings[0]['name']})"
    return "none"


def _failures(failed: Sequence[Mapping[str, str]]) -> str:
    if not failed:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(entry["file"])}</th><td>{escape(entry["message"])}'
        f'<span class="code">{escape(entry["code"])}</span></td></tr>'
        for entry in failed
    )
    count = f"{len(failed)} file{'s' * (len(failed) != 1)} could not be worked on"
    return (
        f'<section class="card" aria-label="Failures"><h2 class="refusal">{count}</h2>'
        f'<table><caption>Failures</caption><thead><tr><th scope="col">File</th>'
        f'<th scope="col">Reason</th></tr></thead><tbody>{rows}</tbody></table></section>'
    )


def _record(item: ReportItem, number: int, several: bool) -> str:
    interpretation = item.interpretation
    refused = interpretation["refused"]
    anchor = f"recording-{number}"
    to_index = ' · <a href="#top">Index</a>'
    return (
        f'<article class="card record" id="{anchor}" aria-labelledby="{anchor}-name">'
        f'<div class="record-head"><h2 id="{anchor}-name">'
        f"{escape(file_name(interpretation['file']))}</h2>"
        f'<span class="verdict">Signal quality: {escape(interpretation["quality"]["verdict"])}'
        f"{to_index if several else ''}</span></div>"
        f"{_facts(_recording_facts(item.recording, interpretation))}"
        f"{refusal_box(refused) if refused else ''}{notices_list(interpretation)}"
        f"{_body(item, number)}{_stated_by_device(item.recording)}"
        f"{_provenance(interpretation)}</article>\n"
    )


def _stated_by_device(recording: Recording | None) -> str:
    """Return what the file carries of the device's own measurements and statements."""
    if recording is None:
        return ""
    measured = device_measurements(recording.header)
    lines = recording.header.get(STATEMENTS_KEY, "").splitlines()
    stated = "".join(f"<li>{escape(line)}</li>" for line in lines if line.strip())
    if not measured and not stated:
        return ""
    facts = _facts((MEASUREMENTS[key], _measured_text(key, measured[key])) for key in measured)
    return (
        '<section class="below device" aria-label="Stated by the device">'
        "<h3>Stated by the recording device (not checked here)</h3>"
        f"{facts}{f'<ul>{stated}</ul>' if stated else ''}</section>"
    )


def _measured_text(key: str, value: float) -> str:
    unit = {"bpm": " /min", "ms": " ms", "deg": "°"}.get(key.rsplit("_", 1)[-1], "")
    return f"{value:g}{unit}"


def _body(item: ReportItem, number: int) -> str:
    """Put picture and results together: side by side where the screen is wide enough."""
    interpretation, recording = item.interpretation, item.recording
    if interpretation["refused"]:
        return _beginning(item, f"ecg{number}", "ECG as recorded")
    findings = findings_section(interpretation)
    if is_long(interpretation):
        start_time = recording.start_time if recording is not None else None
        episodes = episodes_section(interpretation, start_time)
        strips = _strips_of_long(item, number)
        return f'<div class="body even"><div>{episodes}</div><div>{findings}</div></div>{strips}'
    picture = _beginning(item, f"ecg{number}", "ECG as recorded")
    windows = windows_section(interpretation)
    if not picture:
        return findings + windows
    return f'<div class="body wide">{picture}<div>{findings}</div></div>{windows}'


def _beginning(
    item: ReportItem, identifier: str, caption: str, duration_s: float | None = None
) -> str:
    if item.recording is None:
        return ""
    whole_s = item.interpretation.get("duration_s")
    return _picture(
        item.recording, caption, identifier, duration_s=duration_s, whole_duration_s=whole_s
    )


def _strips_of_long(item: ReportItem, number: int) -> str:
    """Draw where the longest episode of each kind begins, and the start of the recording."""
    recording = item.recording
    if recording is None:
        return ""
    parts = [
        _episode_strip(item, episode, f"ecg{number}e{count}")
        for count, episode in enumerate(_longest_episodes(item.interpretation), start=1)
    ]
    # One lead wraps into rows; several stay on one page width.
    length = _LONG_OVERVIEW_SECONDS if len(recording.leads) == 1 else _STRIP_SECONDS
    parts.append(_beginning(item, f"ecg{number}", "Start of the recording", length))
    return f'<div class="below"><h3>Strips as recorded</h3>{"".join(parts)}</div>'


def _episode_strip(item: ReportItem, episode: Mapping[str, Any], identifier: str) -> str:
    begin = episode["start_s"]
    caption = f"{episode['name']}: start of its longest episode, {clock_text(begin)}"
    recording, start_s, origin_s = item.recording, begin, 0.0
    held_s = recording.duration_s if recording is not None else 0.0
    if item.read_part is not None and begin + _STRIP_SECONDS > held_s:
        recording, start_s, origin_s = item.read_part(begin, _STRIP_SECONDS), 0.0, begin
    if recording is None or start_s >= recording.duration_s:
        return ""
    return _picture(
        recording,
        caption,
        identifier,
        start_s=start_s,
        duration_s=_STRIP_SECONDS,
        origin_s=origin_s,
        whole_duration_s=item.interpretation.get("duration_s"),
    )


def _longest_episodes(interpretation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    longest: dict[str, Mapping[str, Any]] = {}
    for episode in interpretation.get("episodes", ()):
        best = longest.get(episode["name"])
        length = episode["end_s"] - episode["start_s"]
        if best is None or length > best["end_s"] - best["start_s"]:
            longest[episode["name"]] = episode
    burden = interpretation.get("burden", {})
    ranked = sorted(longest.values(), key=lambda item: -(burden.get(item["name"]) or 0.0))
    return ranked[:_MOST_EPISODE_STRIPS]


def _picture(
    recording: Recording,
    caption: str,
    identifier: str,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    origin_s: float = 0.0,
    whole_duration_s: float | None = None,
) -> str:
    try:
        svg = ecg_paper_svg(
            recording,
            start_s=start_s,
            duration_s=duration_s,
            title=caption,
            identifier=identifier,
            origin_s=origin_s,
            whole_duration_s=whole_duration_s,
        )
    except (LeadError, SignalError) as error:
        return f'<p class="muted">No picture: {escape(error)}</p>'
    height_mm = float(svg.split('height="', 1)[1].split("mm", 1)[0])
    tall = ' class="tall"' if height_mm > PRINTED_BESIDE_TEXT_MM else ""
    note = (
        "<figcaption>Taller than an A4 page: printed smaller than its scale. The pulse before each "
        "row is 1 mV and 200 ms.</figcaption>"
        if height_mm > PRINTED_ALONE_MM
        else ""
    )
    return (
        f'<figure{tall}>{note}<div class="paper" tabindex="0" role="region" '
        f'aria-label="{escape(caption)}">{svg}</div></figure>'
    )


def _facts(facts: Iterable[tuple[str, str | None]]) -> str:
    entries = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts
        if value
    )
    return f'<dl class="facts">{entries}</dl>' if entries else ""


def _recording_facts(
    recording: Recording | None, interpretation: Mapping[str, Any]
) -> list[tuple[str, str | None]]:
    stated_s = interpretation.get("duration_s")
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


def _provenance(interpretation: Mapping[str, Any]) -> str:
    model = interpretation["model"]
    if model and interpretation.get("model_version"):
        model = f"{model} {interpretation['model_version']}"
    calibrated = interpretation.get("calibrated")
    facts = [
        ("Model", model or "none"),
        ("Preprocessing of the model", interpretation.get("preprocessing")),
        ("Runtime", interpretation["runtime"]),
        ("Calibrated", None if calibrated is None else "yes" if calibrated else "no"),
        ("Leads used", ", ".join(interpretation.get("leads_used", ()))),
        ("Leads derived", ", ".join(interpretation.get("leads_derived", ()))),
        ("File", interpretation["file"]),
    ]
    return (
        f'<div class="provenance">{_facts(facts)}'
        f'<p class="muted small">{DISCLAIMER} The picture shows the signal as recorded; the model '
        "saw it after the preprocessing named here.</p></div>"
    )
