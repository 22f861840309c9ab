"""Reader of GE MUSE XML (root ``RestingECG``): stored leads, and the limb leads that they give.

The layout is that of ``restecg.dtd``, which exports name in their DOCTYPE and which is never
loaded. Samples are base64 of little-endian integers, in ``LeadAmplitudeUnits`` times
``LeadAmplitudeUnitsPerBit``; the rate is ``SampleBase`` x 10^``SampleExponent``. Eight leads are
stored (I, II, V1 to V6); III, aVR, aVL and aVF are derived, as MUSE itself does. The rhythm
waveform is the recording; the median complexes are other channels.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

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
from ecgfoundry.formats.common.moments import iso_moment
from ecgfoundry.formats.common.several import chosen_recording, undecided_among
from ecgfoundry.formats.common.subjects import birth_before, parse_sex
from ecgfoundry.formats.xml.xml_safe import (
    MAXIMUM_STATEMENTS,
    child_text,
    number,
    parse_xml,
    root_name,
)
from ecgfoundry.recording import Annotation, Subject

__all__ = ["READER", "sniff"]

_UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV", "NANOVOLTS": "nV", "VOLTS": "V"}
_MEASUREMENTS = {
    "heart_rate_bpm": "VentricularRate",
    "atrial_rate_bpm": "AtrialRate",
    "pr_ms": "PRInterval",
    "qrs_ms": "QRSDuration",
    "qt_ms": "QTInterval",
    "qtc_ms": "QTCorrected",
    "qtc_fridericia_ms": "QTcFrederica",  # MUSE spells it so
    "p_axis_deg": "PAxis",
    "qrs_axis_deg": "RAxis",
    "t_axis_deg": "TAxis",
    "qrs_count": "QRSCount",
}


def sniff(path: Path, head: bytes) -> bool:
    """Whether the root element is ``RestingECG``."""
    return root_name(head) == "RestingECG"


def _load(path: Path, options: ReadOptions) -> EcgDocument:
    root = parse_xml(path, options.limits, root="RestingECG")
    waveforms = root.findall("Waveform")
    kinds = [child_text(waveform, "WaveformType").lower() or "rhythm" for waveform in waveforms]
    rhythms = [w for w, kind in zip(waveforms, kinds, strict=True) if kind == "rhythm"]
    medians = [w for w, kind in zip(waveforms, kinds, strict=True) if kind == "median"]
    rhythm = _chosen(rhythms, kinds, options.index, path)
    traces, checked = _traces(rhythm, options.limits, path)
    beats = _traces(medians[0], options.limits, path)[0] if medians else []
    header = _header(root)
    if "V1" in {trace.lead.upper() for trace in traces} and _unapplied(rhythm):
        header["unapplied_offsets"] = _unapplied(rhythm)
    header["checksum"] = checked
    notch = child_text(rhythm, "ACFilter")
    return EcgDocument(
        traces=traces,
        sampling_rate=_rate(rhythm),
        start_time=_start(root),
        subject=_subject(root),
        device=_device(root, rhythm),
        header=header,
        annotations=_beat_marks(root),
        beats=beats,
        beats_sampling_rate=_rate(medians[0]) if medians else None,
        mains_frequency=number(notch) if number(notch) in (50.0, 60.0) else None,
        recordings=len(rhythms),
        derive_limb_leads=True,
        start_text=" ".join(
            child_text(root, f"TestDemographics/Acquisition{part}") for part in ("Date", "Time")
        ),
    )


def _chosen(
    rhythms: Sequence[Element], kinds: Sequence[str], index: int | None, path: Path
) -> Element:
    if not rhythms:
        found = ", ".join(sorted(set(kinds))) or "none"
        raise FormatError(f"there is no rhythm waveform (waveforms: {found[:80]})", path=path)
    undecided = undecided_among(index, len(rhythms), path, what="rhythm waveforms")
    if undecided is not None:
        raise undecided
    return rhythms[chosen_recording(index, len(rhythms), path)]


def _rate(waveform: Element) -> float | None:
    base = number(child_text(waveform, "SampleBase"))
    exponent = number(child_text(waveform, "SampleExponent")) or 0.0
    return None if base is None or abs(exponent) > 9 else base * 10.0**exponent


def _traces(waveform: Element, limits: Limits, path: Path) -> tuple[list[Trace], str]:
    """Return the leads, and whether their checksums were verified ("" if there are none)."""
    traces = []
    matches: dict[str, bool] = {}
    for lead in waveform.findall("LeadData"):
        name = child_text(lead, "LeadID")
        payload = _payload(lead, name, path)
        stated = child_text(lead, "LeadDataCRC32")
        if stated.isdecimal() and int(stated) != 0:
            matches[name] = zlib.crc32(payload) == int(stated)
        unit = child_text(lead, "LeadAmplitudeUnits").upper()
        gain = number(child_text(lead, "LeadAmplitudeUnitsPerBit"))
        if gain is None:
            raise FormatError(f"lead {name}: LeadAmplitudeUnitsPerBit is missing", path=path)
        values = _samples(lead, payload, name, path)
        traces.append(Trace(name, values, gain, _UNITS.get(unit, unit or None)))
        if len(traces) > limits.channels:
            break
    return traces, _checksums(matches, path)


def _payload(lead: Element, name: str, path: Path) -> bytes:
    text = "".join(child_text(lead, "WaveFormData").split())
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError(f"lead {name}: the samples are no base64 text", path=path) from None


def _samples(lead: Element, payload: bytes, name: str, path: Path) -> NDArray[np.generic]:
    size = int(number(child_text(lead, "LeadSampleSize")) or 2)
    if size not in (1, 2, 4):
        raise UnsupportedVariantError(f"lead {name}: samples of {size} bytes", path=path)
    announced = {
        number(child_text(lead, "LeadByteCountTotal")): len(payload),
        number(child_text(lead, "LeadSampleCountTotal")): len(payload) // size,
    }
    if len(payload) % size or any(
        wanted is not None and wanted != found for wanted, found in announced.items()
    ):
        raise FormatError(
            f"lead {name}: {len(payload)} bytes of samples are not what its counts announce",
            path=path,
            remedy="Export the file again",
        )
    return np.frombuffer(payload, dtype=f"<i{size}")


def _checksums(matches: Mapping[str, bool], path: Path) -> str:
    """Judge which leads have the LeadDataCRC32 that they state; a mismatch of SOME is damage.

    If none matches, another kind of checksum is meant than CRC-32 of the bytes, and the header
    says that nothing could be checked.
    """
    wrong = [name for name, same in matches.items() if not same]
    if wrong and len(wrong) < len(matches):
        raise FormatError(
            f"the samples of lead {', '.join(wrong)} do not have their checksum",
            path=path,
            remedy="Get the file again from its source",
        )
    return "" if not matches else ("not verified" if wrong else "verified")


def _unapplied(waveform: Element) -> str:
    """Name fields that no document explains and that are therefore not applied, where not 0."""
    found = []
    for lead in waveform.findall("LeadData"):
        for tag in ("FirstSampleBaseline", "LeadOffsetFirstSample", "LeadTimeOffset"):
            if number(child_text(lead, tag)):
                found.append(f"{child_text(lead, 'LeadID')} {tag} {child_text(lead, tag)}")
    return ", ".join(found)


def _start(root: Element) -> dt.datetime | None:
    day = _day(child_text(root, "TestDemographics/AcquisitionDate"))
    clock = child_text(root, "TestDemographics/AcquisitionTime")
    return None if day is None else iso_moment(f"{day} {clock}")


def _day(text: str) -> dt.date | None:
    for pattern in ("%m-%d-%Y", "%m/%d/%Y", "%Y-%m-%d"):
        try:
            return dt.datetime.strptime(text, pattern).date()
        except ValueError:
            continue
    return None


def _subject(root: Element) -> Subject:
    patient = root.find("PatientDemographics")
    birth = _day(child_text(patient, "DateofBirth"))
    day = _day(child_text(root, "TestDemographics/AcquisitionDate"))
    return Subject(
        age=age_in_years(
            child_text(patient, "PatientAge"),
            child_text(patient, "AgeUnits"),
            birth,
            day,
        ),
        sex=parse_sex(child_text(patient, "Gender")),
        identifier=child_text(patient, "PatientID") or None,
        # Without a day that can be read, nobody knows whether the month stands first here, too.
        birth_date=None if day is None else birth_before(birth, day),
    )


def _device(root: Element, rhythm: Element) -> dict[str, str]:
    test = root.find("TestDemographics")
    highpass = child_text(rhythm, "HighPassFilter")
    # Whole numbers are hundredths of a hertz (16 is 0.16 Hz); a decimal point means hertz.
    value = number(highpass)
    if value is not None and "." not in highpass:
        value /= 100.0
    notch = number(child_text(rhythm, "ACFilter"))
    return {
        "manufacturer": "GE",
        "model": child_text(test, "AcquisitionDevice"),
        "software": child_text(test, "AcquisitionSoftwareVersion"),
        "muse_version": child_text(root, "MuseInfo/MuseVersion"),
        "highpass": filter_text(value),
        "lowpass": filter_text(child_text(rhythm, "LowPassFilter")),
        "notch": filter_text(notch) or child_text(rhythm, "ACFilter").lower(),
    }


def _header(root: Element) -> dict[str, str]:
    measured = root.find("RestingECGMeasurements")
    if measured is None:
        measured = root.find("OriginalRestingECGMeasurements")
    header = stated_measurements(
        {key: child_text(measured, tag) for key, tag in _MEASUREMENTS.items()}
        | {"rr_ms": child_text(root, "QRSTimesTypes/GlobalRR")}
    )
    if header.get("p_axis_deg") == "-1" and "pr_ms" not in header:
        del header["p_axis_deg"]  # no P wave was found: -1 is no angle here
    lines = _statements(root.find("Diagnosis")) or _statements(root.find("OriginalDiagnosis"))
    header[STATEMENTS_KEY] = "\n".join(lines)
    header["status"] = child_text(root, "TestDemographics/Status")
    header["institution"] = child_text(root, "TestDemographics/SiteName")
    return header


def _statements(diagnosis: Element | None) -> list[str]:
    """Join the fragments of each statement up to the one that is flagged as the end of a line."""
    lines: list[str] = []
    open_line: list[str] = []
    for statement in (diagnosis.findall("DiagnosisStatement") if diagnosis is not None else [])[
        :MAXIMUM_STATEMENTS
    ]:
        text = child_text(statement, "StmtText")
        if text:
            open_line.append(text)
        if any((flag.text or "").strip() == "ENDSLINE" for flag in statement.findall("StmtFlag")):
            lines.append(" ".join(open_line))
            open_line = []
    lines += open_line
    return [line for line in lines if line]


def _beat_marks(root: Element) -> list[Annotation]:
    """Return the QRS complexes; their times are in milliseconds (seen: they span 10 s as 9312)."""
    marks = []
    for beat in root.findall("QRSTimesTypes/QRS"):
        time = number(child_text(beat, "Time"))
        if time is not None and time >= 0:
            marks.append(Annotation(time / 1000.0, "beat", child_text(beat, "Type")))
    return marks


READER = document_reader(
    _load,
    name="ge-muse",
    description="GE MUSE XML: rhythm and median waveforms; limb leads derived from I and II",
    extensions=(".xml",),
    sniff=sniff,
    verified_on="real file",
)
