"""Reader of Mortara ELI XML (root ``ECG`` with ``CHANNEL`` elements). From descriptions only.

Samples are base64 of little-endian 16-bit integers in an attribute; mV = value / UNITS_PER_MV.
Facts: the layout as EDFbrowser, BRAVEHEART and ecgdatakit describe it; no real file was at hand.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, UnsupportedVariantError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.common.document import (
    EcgDocument,
    Trace,
    age_in_years,
    document_reader,
    filter_text,
)
from ecgfoundry.formats.common.measurements import STATEMENTS_KEY, stated_measurements
from ecgfoundry.formats.common.moments import day_of, iso_moment
from ecgfoundry.formats.common.subjects import birth_before, parse_sex
from ecgfoundry.formats.xml.xml_safe import (
    MAXIMUM_STATEMENTS,
    number,
    parse_xml,
    root_name,
    text_of,
)
from ecgfoundry.recording import Subject

__all__ = ["READER", "sniff"]

_MARKERS = ("ACQUISITION_TIME", "<SUBJECT", "<CHANNEL", "<TYPICAL_CYCLE", "NUM_QRS")
_CYCLE_MEASUREMENTS = {
    "p_ms": "P_DURATION",
    "pr_ms": "PR_DURATION",
    "qrs_ms": "QRS_DURATION",
    "qt_ms": "QT",
    "qtc_ms": "QTC",
    "qtc_bazett_ms": "QTB",
    "qtc_fridericia_ms": "QTF",
    "p_axis_deg": "P_AXIS",
    "qrs_axis_deg": "QRS_AXIS",
    "t_axis_deg": "T_AXIS",
}
_FILTERS = {
    "HIGH_PASS_FILTER": "highpass",
    "LOW_PASS_FILTER": "lowpass",
    "AC_FILTER": "notch",
    "NOTCH_FILTER": "notch",
}


def sniff(path: Path, head: bytes) -> bool:
    """Whether the root element is ``ECG`` and what follows is Mortara's."""
    if root_name(head) != "ECG":
        return False
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
    text = head.decode(encoding, errors="ignore")
    return any(marker in text for marker in _MARKERS)


def _load(path: Path, options: ReadOptions) -> EcgDocument:
    root = parse_xml(path, options.limits, root="ECG")
    channels = root.findall("CHANNEL")
    rates = {number(channel.get("SAMPLE_FREQ")) for channel in channels}
    if not channels:
        raise FormatError("the document holds no CHANNEL", path=path)
    if len(rates) > 1:
        raise UnsupportedVariantError("the channels have different sampling rates", path=path)
    rate = rates.pop()
    cycle = root.find("TYPICAL_CYCLE")
    beats, beats_rate = _beats(cycle, path)
    source = root.find("SOURCE")
    return EcgDocument(
        traces=[_trace(channel, channel.attrib, path) for channel in channels],
        sampling_rate=rate,
        start_time=_start(root),
        subject=_subject(root),
        device=_device(source),
        header=_header(root, cycle, source),
        beats=beats,
        beats_sampling_rate=beats_rate,
        start_text=root.get("ACQUISITION_TIME_XML") or root.get("ACQUISITION_TIME") or "",
    )


def _trace(channel: Element, layout: dict[str, str], path: Path) -> Trace:
    name = channel.get("NAME", "").strip()
    values = _samples(channel, layout, name, path)
    if channel.tag == "CHANNEL":
        stated = number(channel.get("DURATION"))
        rate = number(channel.get("SAMPLE_FREQ")) or 0.0
        # DURATION counts samples; some descriptions take it for milliseconds.
        if stated and len(values) not in (stated, round(stated * rate / 1000.0)):
            raise FormatError(
                f"channel {name} has {len(values)} samples, its DURATION is {stated:g}", path=path
            )
    if number(channel.get("OFFSET") or "0") != 0.0:
        raise UnsupportedVariantError(
            f"channel {name} has an OFFSET, which no description explains", path=path
        )
    per_millivolt = number(layout.get("UNITS_PER_MV"))
    if per_millivolt is None or per_millivolt <= 0:
        return Trace(name, values, 1.0, None)
    return Trace(name, values, 1.0 / per_millivolt, "mV")


def _samples(
    channel: Element, layout: dict[str, str], name: str, path: Path
) -> NDArray[np.generic]:
    variant = tuple(
        (layout.get(key) or usual).strip().upper()
        for key, usual in (("BITS", "16"), ("FORMAT", "SIGNED"), ("ENCODING", "BASE64"))
    )
    if variant != ("16", "SIGNED", "BASE64"):
        raise UnsupportedVariantError(
            f"channel {name} is stored as {' '.join(variant)[:60]}; 16 SIGNED BASE64 is read",
            path=path,
        )
    text = "".join((channel.get("DATA") or text_of(channel)).split())
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError(f"channel {name}: the samples are no base64 text", path=path) from None
    if len(content) % 2:
        raise FormatError(f"channel {name}: half a sample is left over", path=path)
    return np.frombuffer(content, dtype="<i2")


def _beats(cycle: Element | None, path: Path) -> tuple[list[Trace], float | None]:
    """Return the typical beats, if the file states their rate and their scale."""
    if cycle is None:
        return [], None
    rate = number(cycle.get("SAMPLE_FREQ"))
    if rate is None or number(cycle.get("UNITS_PER_MV")) is None:
        return [], None
    channels = cycle.findall("TYPICAL_CYCLE_CHANNEL")
    return [_trace(channel, cycle.attrib, path) for channel in channels], rate


def _start(root: Element) -> dt.datetime | None:
    """Return the start; ACQUISITION_TIME is ``20240302102030``, told by the number of digits."""
    compact = root.get("ACQUISITION_TIME", "").strip()
    if re.fullmatch(r"\d{12}|\d{14}", compact):
        compact = f"{compact[:8]}T{compact[8:]}"
    return iso_moment(compact) or iso_moment(root.get("ACQUISITION_TIME_XML", ""))


def _day(root: Element) -> dt.date | None:
    return day_of(root.get("ACQUISITION_TIME", "")) or day_of(root.get("ACQUISITION_TIME_XML", ""))


def _subject(root: Element) -> Subject:
    person = root.find("SUBJECT")
    if person is None:
        return Subject()
    try:
        birth = dt.datetime.strptime(person.get("DOB", "").strip(), "%Y%m%d").date()
    except ValueError:
        birth = None
    age = root.get("AGE") or person.get("AGE") or ""
    unit = root.get("AGE_UNITS") or person.get("AGE_UNITS")
    sex = person.get("GENDER", "").strip()
    return Subject(
        age=age_in_years(age, unit, birth, _day(root)),
        sex=parse_sex(sex) or parse_sex(sex[:1]),
        identifier=person.get("ID", "").strip() or None,
        birth_date=birth_before(birth, _day(root)),
    )


def _device(source: Element | None) -> dict[str, str]:
    stated = dict(source.attrib) if source is not None else {}
    filters: dict[str, str] = {}
    for key, value in stated.items():
        if "FILTER" in key and len(value) <= 40:
            setting = value.strip()
            filters[_FILTERS.get(key, key.lower())] = filter_text(setting) or setting
    return {
        "manufacturer": stated.get("MANUFACTURER", ""),
        "model": stated.get("MODEL", ""),
        "software": stated.get("ACQUIRING_DEVICE_SW_VERSION", ""),
        **filters,
    }


def _header(root: Element, cycle: Element | None, source: Element | None) -> dict[str, str]:
    measured = cycle.attrib if cycle is not None else {}
    header = stated_measurements(
        {"heart_rate_bpm": root.get("VENT_RATE", ""), "rr_ms": root.get("AVERAGE_RR", "")}
        | {"qrs_count": root.get("NUM_QRS", "")}
        | {key: measured.get(name, "") for key, name in _CYCLE_MEASUREMENTS.items()}
    )
    lines = []
    for statement in root.findall("AUTOMATIC_INTERPRETATION/STATEMENT")[:MAXIMUM_STATEMENTS]:
        parts = (statement.get("TEXT", "").strip(), statement.get("REASON", "").strip())
        lines.append(": ".join(part for part in parts if part))
    header[STATEMENTS_KEY] = "\n".join(line for line in lines if line)
    if source is not None:
        header["device_serial"] = source.get("ACQUIRING_DEVICE_SERIAL_NUMBER", "")
        header["institution"] = source.get("ACQUIRING_DEVICE_SITE_NAME", "")
    return header


READER = document_reader(
    _load,
    name="mortara",
    description="Mortara ELI XML: rhythm channels and typical beats",
    extensions=(".xml",),
    sniff=sniff,
    verified_on="specification only",
)
