"""Reader of HL7 aECG, the annotated ECG of the FDA (root ``AnnotatedECG``, PORT_MT020001).

Every ``series`` that is no representative beat is a recording; several need an ``index``. Within
a series, sequence sets stand on one time axis by the head of their time sequence (gaps are NaN).
Values are ``origin + scale x digit`` in the unit of the scale. Series derived from it
(REPRESENTATIVE_BEAT) are other channels. Standard: ANSI/HL7 V3 ECG, R1-2004.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ecgfoundry.errors import FormatError, LimitError, UnsupportedVariantError
from ecgfoundry.formats.base import FormatFile, Limits, Reader, ReadOptions
from ecgfoundry.formats.common.document import (
    EcgDocument,
    Trace,
    age_in_years,
    document_file,
    filter_text,
)
from ecgfoundry.formats.common.several import chosen_recording, undecided_among
from ecgfoundry.formats.common.subjects import birth_before, parse_sex
from ecgfoundry.formats.xml.aecg_annotations import aecg_annotations, aecg_measurements
from ecgfoundry.formats.xml.times import (
    increment_rate,
    parse_hl7_date,
    parse_hl7_time,
    seconds_of,
    states_day,
)
from ecgfoundry.formats.xml.xml_safe import (
    child_text,
    number,
    numbers,
    parse_xml,
    root_name,
    text_of,
)
from ecgfoundry.recording import Subject
from ecgfoundry.units import millivolts_per_unit

__all__ = ["READER", "open_file", "sniff"]

_BEAT_CODES = frozenset({"REPRESENTATIVE_BEAT", "MEDIAN_BEAT"})
_AGE_CODES = frozenset({"21612-7", "30525-0"})  # LOINC: age reported, age
_FILTER = "MDC_ECG_CTL_VBL_ATTR_FILTER_"


def sniff(path: Path, head: bytes) -> bool:
    """Whether the root element is ``AnnotatedECG``."""
    return root_name(head) == "AnnotatedECG"


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Open a file, which is parsed as a whole; see :class:`Reader`."""
    document = _load(path, options)
    undecided = undecided_among(options.index, document.recordings, path, what="series")
    return document_file(document, options, path=path, format=READER.name, undecided=undecided)


def _load(path: Path, options: ReadOptions) -> EcgDocument:
    root = parse_xml(path, options.limits, root="AnnotatedECG")
    rhythms, beats = _series(root)
    series = _chosen(rhythms, options.index or 0, path)
    leads = _read_sets(series, options.limits, path)
    own = [s for s in series.iterfind("derivation/derivedSeries") if s in beats]
    beat = (own or (beats if len(rhythms) == 1 else []))[:1]
    beat_leads = _read_sets(beat[0], options.limits, path) if beat else None
    start = leads.start or _document_time(root, series)
    stated = _start_text(root, series)
    notch = number(_filter(series, "NOTCH", "NOTCH_FREQ"))
    measured = aecg_measurements([series, *beat])
    return EcgDocument(
        traces=leads.traces,
        sampling_rate=leads.sampling_rate,
        start_time=start,
        subject=_subject(root, start.date() if start else parse_hl7_date(stated)),
        device=_device(series),
        header={**measured, **_header(root, series)},
        annotations=aecg_annotations(series, start),
        beats=beat_leads.traces if beat_leads else (),
        beats_sampling_rate=beat_leads.sampling_rate if beat_leads else None,
        mains_frequency=notch if notch in (50.0, 60.0) else None,
        recordings=len(rhythms),
        start_text=stated,
    )


def _series(root: Element) -> tuple[list[Element], list[Element]]:
    """Return the rhythm series, and those of representative beats, wherever they stand."""
    rhythms: list[Element] = []
    beats: list[Element] = []
    for series in root.iterfind("component/series"):
        (beats if _code(series) in _BEAT_CODES else rhythms).append(series)
        beats += list(series.iterfind("derivation/derivedSeries"))
    return rhythms, [series for series in beats if series.find("component/sequenceSet") is not None]


def _code(element: Element | None) -> str:
    found = element.find("code") if element is not None else None
    return found.get("code", "") if found is not None else ""


def _chosen(rhythms: Sequence[Element], index: int, path: Path) -> Element:
    if not rhythms:
        raise FormatError("the document holds no series of waveforms", path=path)
    return rhythms[chosen_recording(index, len(rhythms), path)]


@dataclass(frozen=True, slots=True, eq=False)
class _Set:
    """One sequence set: its rate, where it begins, and its leads."""

    sampling_rate: float
    head: dt.datetime | float | None
    traces: tuple[Trace, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Leads:
    sampling_rate: float
    start: dt.datetime | None
    traces: list[Trace]


def _read_sets(series: Element, limits: Limits, path: Path) -> _Leads:
    sets = [_read_set(part, limits, path) for part in series.iterfind("component/sequenceSet")]
    sets = [part for part in sets if part.traces]
    if not sets:
        raise FormatError("the series holds no lead", path=path)
    rate = sets[0].sampling_rate
    if any(abs(part.sampling_rate - rate) > 1e-6 * rate for part in sets):
        raise UnsupportedVariantError("the sequence sets have different sampling rates", path=path)
    heads = [part.head for part in sets if isinstance(part.head, dt.datetime)]
    start = min(heads, default=None) if _comparable(heads) else sets[0].head
    start = start if isinstance(start, dt.datetime) else None
    if len(sets) == 1:
        return _Leads(rate, start, list(sets[0].traces))
    return _Leads(rate, start, _on_one_axis(sets, rate, limits, path))


def _comparable(heads: Sequence[dt.datetime]) -> bool:
    return len({head.tzinfo is None for head in heads}) <= 1


def _read_set(part: Element, limits: Limits, path: Path) -> _Set:
    rate: float | None = None
    head: dt.datetime | float | None = None
    traces = []
    for sequence in part.iterfind("component/sequence"):
        code, value = _code(sequence), sequence.find("value")
        if value is None:
            continue
        if code in ("TIME_ABSOLUTE", "TIME_RELATIVE"):
            rate = increment_rate(value.find("increment"))
            if rate is None:
                raise UnsupportedVariantError(
                    "the time of the samples is not stated as a constant increment", path=path
                )
            first = value.find("head")
            head = (
                parse_hl7_time(first.get("value") if first is not None else None)
                if code == "TIME_ABSOLUTE"
                else seconds_of(first)
            )
        else:
            traces.append(_trace(code, value, limits, path))
    if traces and rate is None:
        raise FormatError("a sequence set has leads but no time sequence", path=path)
    return _Set(rate or 0.0, head, tuple(traces))


def _trace(code: str, value: Element, limits: Limits, path: Path) -> Trace:
    kind = value.get("type", "").rpartition(":")[2]
    if not code or kind not in ("SLIST_PQ", "SLIST_INT"):
        raise UnsupportedVariantError(
            f"the sequence '{code[:40]}' is a '{kind[:20]}'; SLIST_PQ is read", path=path
        )
    digits = numbers(text_of(value.find("digits")), f"the sequence {code[:40]}", limits, path)
    scale, origin = value.find("scale"), value.find("origin")
    gain = number(scale.get("value") if scale is not None else None)
    if gain is None or gain == 0:
        raise FormatError(f"the sequence {code[:40]} has no scale", path=path)
    unit = scale.get("unit") if scale is not None else None
    shift = number(origin.get("value") if origin is not None else None) or 0.0
    if shift:
        other = origin.get("unit") if origin is not None else None
        shift *= millivolts_per_unit(other or unit) / millivolts_per_unit(unit)
    return Trace(_lead_name(code), digits, gain, unit, zero=-shift / gain)


def _lead_name(code: str) -> str:
    # AVRNEG (the inverted aVR of the Cabrera order) keeps its code: it must not pass for aVR.
    return code.removeprefix("MDC_ECG_LEAD_")


def _on_one_axis(sets: Sequence[_Set], rate: float, limits: Limits, path: Path) -> list[Trace]:
    """Put sequence sets that were recorded one after the other on one axis; gaps are NaN."""
    heads = [part.head for part in sets]
    kinds = {type(head) for head in heads}
    absolute = [head for head in heads if isinstance(head, dt.datetime)]
    if len(kinds) != 1 or None in heads or not _comparable(absolute):
        raise UnsupportedVariantError("the sequence sets do not state when each begins", path=path)
    begins: list[float]
    if absolute:
        begins = [(head - min(absolute)).total_seconds() for head in absolute]
    else:
        relative = [float(head) for head in heads if isinstance(head, float)]
        begins = [head - min(relative) for head in relative]
    starts = [round(begin * rate) for begin in begins]
    names = list(dict.fromkeys(trace.lead for part in sets for trace in part.traces))
    samples = max(
        start + max(len(trace.values) for trace in part.traces)
        for start, part in zip(starts, sets, strict=True)
    )
    if samples * len(names) > limits.samples:
        raise LimitError(
            f"the series spans {samples} samples of {len(names)} leads; "
            f"the limit is {limits.samples} in all",
            path=path,
        )
    rows = {name: np.full(samples, np.nan) for name in names}
    for start, part in zip(starts, sets, strict=True):
        for trace in part.traces:
            factor = trace.gain * millivolts_per_unit(trace.unit)
            place = rows[trace.lead][start : start + len(trace.values)]
            if not np.isnan(place).all():
                raise FormatError(f"lead {trace.lead} is recorded twice at one time", path=path)
            place[:] = (trace.values.astype(np.float64) - trace.zero) * factor
    return [Trace(name, row, 1.0, "mV") for name, row in rows.items()]


def _start_text(root: Element, series: Element) -> str:
    """Return the first statement of when the series began, whatever it says."""
    for sequence in series.iterfind("component/sequenceSet/component/sequence"):
        head = sequence.find("value/head")
        if _code(sequence) == "TIME_ABSOLUTE" and head is not None:
            return head.get("value", "")
    for owner in (series, root):
        for name in ("low", "center"):
            moment = owner.find(f"effectiveTime/{name}")
            if moment is not None and moment.get("value"):
                return moment.get("value", "")
    return ""


def _document_time(root: Element, series: Element) -> dt.datetime | None:
    for owner in (series, root):
        for name in ("low", "center"):
            moment = owner.find(f"effectiveTime/{name}")
            found = parse_hl7_time(moment.get("value") if moment is not None else None)
            if found is not None:
                return found
    return None


def _subject(root: Element, day: dt.date | None) -> Subject:
    assignment = "componentOf/timepointEvent/componentOf/subjectAssignment/subject/trialSubject"
    trial = root.find(assignment)
    person = trial.find("subjectDemographicPerson") if trial is not None else None
    identifier = trial.find("id") if trial is not None else None
    gender = person.find("administrativeGenderCode") if person is not None else None
    birth_time = person.find("birthTime") if person is not None else None
    born = birth_time.get("value") if birth_time is not None else None
    birth = parse_hl7_date(born)
    age_value = age_unit = ""
    for observation in root.iterfind("controlVariable/relatedObservation"):
        if _code(observation) in _AGE_CODES:
            value = observation.find("value")
            if value is not None and number(value.get("value")) is not None:
                age_value, age_unit = value.get("value", ""), value.get("unit", "a")
    return Subject(
        age=age_in_years(
            age_value,
            age_unit,
            birth,
            day,
        ),
        sex=parse_sex(gender.get("code", "") if gender is not None else ""),
        identifier=(identifier.get("extension") if identifier is not None else None) or None,
        birth_date=birth_before(birth, day) if states_day(born) else None,
    )


def _control_variables(series: Element) -> Iterator[Element]:
    for outer in series.iterfind("controlVariable"):
        inner = outer.find("controlVariable")
        yield outer if inner is None else inner


def _filter(series: Element, kind: str, setting: str) -> str:
    """Return a filter setting in Hz, or its description, or ""."""
    for variable in _control_variables(series):
        if _code(variable) != _FILTER + kind:
            continue
        described = ""
        for part in variable.iterfind("component/controlVariable"):
            value = part.find("value")
            if value is None:
                continue
            if _code(part) == _FILTER + setting and value.get("unit", "Hz") == "Hz":
                return value.get("value", "")
            described = described or text_of(value)
        return described
    return ""


def _device(series: Element) -> dict[str, str]:
    author = series.find("author/seriesAuthor")
    machine = "manufacturedSeriesDevice"
    highpass = _filter(series, "HIGH_PASS", "CUTOFF_FREQ")
    lowpass = _filter(series, "LOW_PASS", "CUTOFF_FREQ")
    notch = _filter(series, "NOTCH", "NOTCH_FREQ")
    return {
        "manufacturer": child_text(author, "manufacturerOrganization/name"),
        "model": child_text(author, f"{machine}/manufacturerModelName"),
        "software": child_text(author, f"{machine}/softwareName"),
        "highpass": filter_text(highpass) or highpass,
        "lowpass": filter_text(lowpass) or lowpass,
        "notch": filter_text(notch) or notch,
    }


def _header(root: Element, series: Element) -> dict[str, str]:
    identifier = root.find("id")
    machine = series.find("author/seriesAuthor/manufacturedSeriesDevice/id")
    return {
        "series": _code(series),
        "document_id": identifier.get("root", "") if identifier is not None else "",
        "device_serial": machine.get("extension", "") if machine is not None else "",
    }


READER = Reader(
    name="hl7-aecg",
    description="HL7 aECG, the annotated ECG of the FDA: rhythm series and representative beats",
    extensions=(".xml",),
    sniff=sniff,
    open=open_file,
)
