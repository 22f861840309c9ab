"""The annotations of an HL7 aECG: what the device measured, and marks on the time axis."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from ecgfoundry.formats.common.measurements import STATEMENTS_KEY, stated_measurements
from ecgfoundry.formats.xml.times import milliseconds, parse_hl7_time, seconds_of
from ecgfoundry.formats.xml.xml_safe import MAXIMUM_STATEMENTS, number, text_of
from ecgfoundry.leads import canonical_lead
from ecgfoundry.recording import Annotation

__all__ = ["aecg_annotations", "aecg_measurements"]

_MEASUREMENTS = {
    "MDC_ECG_HEART_RATE": "heart_rate_bpm",
    "MDC_ECG_TIME_PD_RR": "rr_ms",
    "MDC_ECG_TIME_PD_P": "p_ms",
    "MDC_ECG_TIME_PD_PR": "pr_ms",
    "MDC_ECG_TIME_PD_QRS": "qrs_ms",
    "MDC_ECG_TIME_PD_QT": "qt_ms",
    "MDC_ECG_TIME_PD_QTC": "qtc_ms",
    "MDC_ECG_TIME_PD_QTCB": "qtc_bazett_ms",
    "MDC_ECG_TIME_PD_QTCF": "qtc_fridericia_ms",
    "MDC_ECG_ANGLE_P_FRONT": "p_axis_deg",
    "MDC_ECG_ANGLE_QRS_FRONT": "qrs_axis_deg",
    "MDC_ECG_ANGLE_T_FRONT": "t_axis_deg",
}
_STATEMENTS = ("MDC_ECG_INTERPRETATION_STATEMENT", "MDC_ECG_INTERPRETATION_SUMMARY")
_MARK_KINDS = (("MDC_ECG_RHY", "rhythm"), ("MDC_ECG_BEAT", "beat"), ("MDC_ECG_WAVC", "wave"))
_RATE_UNITS = {"bpm": 1.0, "/min": 1.0, "1/min": 1.0, "{beats}/min": 1.0, "Hz": 60.0, "": 1.0}
_UNSTATED_MS = range(10, 5001)
"""Philips writes intervals as whole numbers without a unit; in this range they are milliseconds
and could be nothing else (our choice)."""

_MAXIMUM_MARKS = 100_000


def _code(annotation: Element) -> str:
    code = annotation.find("code")
    return code.get("code", "") if code is not None else ""


def _lead(annotation: Element) -> str | None:
    """Return the lead that the region of interest of an annotation names, or None for all."""
    for boundary in annotation.iterfind("support/supportingROI/component/boundary"):
        code = _code(boundary)
        if code.startswith("MDC_ECG_LEAD_"):
            return canonical_lead(code) or code.removeprefix("MDC_ECG_LEAD_")
    return None


def _walk(series: Element) -> Iterator[tuple[Element, str | None]]:
    """Yield every annotation of the series itself with the lead it belongs to, outer ones first."""
    waiting: list[tuple[Element, str | None]] = [
        (annotation, None)
        for annotation in series.iterfind("subjectOf/annotationSet/component/annotation")
    ]
    waiting.reverse()
    while waiting:
        annotation, inherited = waiting.pop()
        lead = _lead(annotation) or inherited
        yield annotation, lead
        inner = [(part, lead) for part in annotation.iterfind("component/annotation")]
        waiting.extend(reversed(inner))


def aecg_measurements(series: Sequence[Element]) -> dict[str, str]:
    """Return the header entries of what holds for all leads, and the device's statements.

    Of a value that is stated several times the first one counts; values of single leads are left
    out.
    """
    values: dict[str, object] = {}
    statements: list[str] = []
    for one in series:
        for annotation, lead in _walk(one):
            code, value = _code(annotation), annotation.find("value")
            if value is None or lead is not None:
                continue
            if code in _STATEMENTS and text_of(value) and len(statements) < MAXIMUM_STATEMENTS:
                statements.append(" ".join(text_of(value).split()))
            key = _MEASUREMENTS.get(code.upper().removesuffix("_GL"))
            figure = None if key is None else _figure(key, value)
            if key is not None and figure is not None:
                values.setdefault(key, figure)
    return {**stated_measurements(values), STATEMENTS_KEY: "\n".join(statements)}


def _figure(key: str, value: Element) -> float | None:
    if key.endswith("_ms"):
        stated = number(value.get("value"))
        if stated is not None and not value.get("unit") and stated in _UNSTATED_MS:
            return stated
        return milliseconds(value)
    figure = number(value.get("value"))
    if figure is None:
        return None
    if key.endswith("_bpm"):
        factor = _RATE_UNITS.get(value.get("unit", ""))
        return None if factor is None else figure * factor
    return figure if value.get("unit", "deg") == "deg" else None


def aecg_annotations(series: Element, start: dt.datetime | None) -> list[Annotation]:
    """Return rhythms, beats and waves of the series that state where they lie."""
    marks = []
    for annotation, lead in _walk(series):
        code, value = _code(annotation), annotation.find("value")
        kind = next((kind for prefix, kind in _MARK_KINDS if code.startswith(prefix)), None)
        if kind is None or value is None:
            continue
        span = _span(annotation, start)
        text = value.get("code", "") or text_of(value)
        if span is not None and text:
            marks.append(Annotation(span[0], kind, text, span[1], lead))
        if len(marks) >= _MAXIMUM_MARKS:
            break
    return sorted(marks, key=lambda mark: mark.time_s)


def _span(annotation: Element, start: dt.datetime | None) -> tuple[float, float] | None:
    for boundary in annotation.iterfind("support/supportingROI/component/boundary"):
        value = boundary.find("value")
        if value is None or _code(boundary) not in ("TIME_ABSOLUTE", "TIME_RELATIVE"):
            continue
        low = _moment(value.find("low"), start)
        high = _moment(value.find("high"), start)
        if low is None:
            low = _moment(value, start)
        if low is not None:
            return low, max(0.0, high - low) if high is not None else 0.0
    return None


def _moment(value: Element | None, start: dt.datetime | None) -> float | None:
    """Return a boundary in seconds from the first sample."""
    if value is None or value.get("value") is None:
        return None
    if value.get("unit"):
        return seconds_of(value)
    moment = parse_hl7_time(value.get("value"))
    if moment is None or start is None or (moment.tzinfo is None) != (start.tzinfo is None):
        return None
    return (moment - start).total_seconds()
