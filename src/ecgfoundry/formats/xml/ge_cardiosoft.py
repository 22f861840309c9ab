"""Reader of GE CardioSoft XML (root ``CardiologyXML``). From descriptions only.

``StripData`` holds 10 s of 12 leads as comma-separated integers in steps of ``Resolution``
(``uVperLsb`` or ``mVperLsb``); ``MedianSamples`` the median beats. Exports of exercise tests hold
``FullDisclosure`` data instead, which is refused by name. Facts: the layout as BRAVEHEART, BioSig
and the UK Biobank tools describe it; no real file was at hand.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from xml.etree.ElementTree import Element

from ecgfoundry.errors import FormatError, UnsupportedVariantError
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.document import (
    EcgDocument,
    Trace,
    age_in_years,
    document_reader,
    filter_text,
)
from ecgfoundry.formats.common.measurements import STATEMENTS_KEY, stated_measurements
from ecgfoundry.formats.common.subjects import birth_before, parse_sex
from ecgfoundry.formats.xml.xml_safe import (
    MAXIMUM_STATEMENTS,
    child_text,
    number,
    numbers,
    parse_xml,
    root_name,
    text_of,
)
from ecgfoundry.recording import Subject

__all__ = ["READER", "sniff"]

_UNITS = {"uvperlsb": "uV", "mvperlsb": "mV"}
_MEASUREMENTS = {
    "heart_rate_bpm": ("VentricularRate",),
    "rr_ms": ("RRInterval",),
    "p_ms": ("PDuration",),
    "pr_ms": ("PQInterval", "PRInterval"),
    "qrs_ms": ("QRSDuration",),
    "qt_ms": ("QTInterval",),
    "qtc_ms": ("QTCInterval",),
    "p_axis_deg": ("PAxis",),
    "qrs_axis_deg": ("RAxis",),
    "t_axis_deg": ("TAxis",),
    "qrs_count": ("QRSNum",),
}


def sniff(path: Path, head: bytes) -> bool:
    """Whether the root element is ``CardiologyXML``."""
    return root_name(head) == "CardiologyXML"


def _load(path: Path, options: ReadOptions) -> EcgDocument:
    root = parse_xml(path, options.limits, root="CardiologyXML")
    strip = root.find("StripData")
    if strip is None:
        if root.find("FullDisclosure") is not None:
            raise UnsupportedVariantError(
                "this export holds the full disclosure of an exercise test, not a resting ECG",
                path=path,
                remedy="Export the resting ECG",
            )
        raise FormatError("the document holds no StripData", path=path)
    measured = root.find("RestingECGMeasurements")
    median = root.find("RestingECGMeasurements/MedianSamples")
    beats = _traces(median, options.limits, path) if median is not None else []
    filters = root.find("FilterSetting")
    notch = next(
        (hertz for hertz in (50, 60) if child_text(filters, f"Filter{hertz}Hz").lower() == "yes"),
        None,
    )
    header = stated_measurements(
        {key: child_text(measured, *tags) for key, tags in _MEASUREMENTS.items()}
    )
    texts = root.findall("Interpretation/Diagnosis/DiagnosisText")
    texts += root.findall("Interpretation/Conclusion/ConclusionText")
    lines = [text_of(text) for text in texts[:MAXIMUM_STATEMENTS]]
    header[STATEMENTS_KEY] = "\n".join(line for line in lines if line)
    header["institution"] = child_text(root, "ClinicalInfo/DeviceInfo/Institution", "Institution")
    return EcgDocument(
        traces=_traces(strip, options.limits, path),
        sampling_rate=number(child_text(strip, "SampleRate")),
        start_time=_start(root),
        subject=_subject(root),
        device={
            "manufacturer": "GE",
            "model": child_text(root, "ClinicalInfo/DeviceInfo/Desc", "DeviceType"),
            "software": child_text(root, "ClinicalInfo/DeviceInfo/SoftwareVer"),
            "highpass": filter_text(child_text(filters, "HighPass")),
            "lowpass": filter_text(child_text(filters, "LowPass")),
            "notch": filter_text(notch),
            "cubic_spline_filter": child_text(filters, "CubicSpline"),
        },
        header=header,
        beats=beats,
        beats_sampling_rate=number(child_text(median, "SampleRate")),
        mains_frequency=None if notch is None else float(notch),
        start_text=" ".join(
            text_of(part) for part in root.iterfind("ObservationDateTime/*") if text_of(part)
        ),
    )


def _traces(block: Element, limits: Limits, path: Path) -> list[Trace]:
    resolution = block.find("Resolution")
    gain = number(text_of(resolution))
    unit = (resolution.get("units", "") if resolution is not None else "").lower()
    announced = number(child_text(block, "ChannelSampleCountTotal"))
    if gain is None:
        raise FormatError("the resolution of the samples is missing", path=path)
    traces = []
    for waveform in block.findall("WaveformData"):
        name = waveform.get("lead", "").strip()
        values = numbers(text_of(waveform), f"lead {name}", limits, path)
        if announced is not None and len(values) != announced:
            raise FormatError(
                f"lead {name} has {len(values)} samples; {announced:g} are announced", path=path
            )
        traces.append(Trace(name, values, gain, _UNITS.get(unit, unit or None)))
    return traces


def _start(root: Element) -> dt.datetime | None:
    moment = root.find("ObservationDateTime")
    day = _day(moment)
    hour, minute, second = (
        number(child_text(moment, name)) for name in ("Hour", "Minute", "Second")
    )
    if day is None or hour is None or minute is None:
        return None
    try:
        clock = dt.time(int(hour), int(minute), int(second or 0))
    except (ValueError, OverflowError):
        return None
    return dt.datetime.combine(day, clock)


def _day(moment: Element | None) -> dt.date | None:
    parts = [number(child_text(moment, name)) for name in ("Year", "Month", "Day")]
    try:
        return dt.date(*(int(part or 0) for part in parts))
    except (ValueError, OverflowError):
        return None


def _subject(root: Element) -> Subject:
    person = root.find("PatientInfo")
    birth = None if person is None else _day(person.find("BirthDateTime"))
    age = person.find("Age") if person is not None else None
    day = _day(root.find("ObservationDateTime"))
    return Subject(
        age=age_in_years(
            text_of(age),
            age.get("units") if age is not None else None,
            birth,
            day,
        ),
        sex=parse_sex(child_text(person, "Gender")),
        identifier=child_text(person, "PID") or None,
        birth_date=birth_before(birth, day),
    )


READER = document_reader(
    _load,
    name="ge-cardiosoft",
    description="GE CardioSoft XML: strip data and median beats of resting ECGs",
    extensions=(".xml",),
    sniff=sniff,
    verified_on="specification only",
)
