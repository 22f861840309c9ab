"""Reader of Philips Sierra XML (root ``restingecgdata``), 1.03, 1.04, 1.04.01 and 1.04.02.

Waveforms are base64 of 16-bit words, plain or compressed with XLI, or a list of numbers. In XLI
the leads III, aVR, aVL and aVF are stored as differences from what I and II make of them. The
representative beats are other channels.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, LimitError, TruncatedFileError, UnsupportedVariantError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.common.document import (
    EcgDocument,
    Trace,
    age_in_years,
    document_reader,
    filter_text,
)
from ecgfoundry.formats.common.measurements import (
    STATEMENTS_KEY,
    is_measured,
    stated_measurements,
)
from ecgfoundry.formats.common.moments import day_of, iso_moment
from ecgfoundry.formats.common.subjects import birth_before, parse_sex
from ecgfoundry.formats.xml.philips_xli import decode_xli
from ecgfoundry.formats.xml.xml_safe import (
    MAXIMUM_STATEMENTS,
    child_text,
    number,
    numbers,
    parse_xml,
    root_name,
    text_of,
)
from ecgfoundry.leads import LIMB_LEADS, STANDARD_12_LEADS, canonical_lead
from ecgfoundry.recording import Annotation, Subject

__all__ = ["READER", "sniff"]

_TYPES = ("SierraECG", "PhilipsECG")
_VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")
_MEASUREMENTS = {
    "heart_rate_bpm": ("heartrate", "meanventrate"),
    "atrial_rate_bpm": ("atrialrate",),
    "pr_ms": ("meanprint",),
    "qrs_ms": ("meanqrsdur",),
    "qt_ms": ("meanqtint",),
    "qtc_ms": ("meanqtc",),
    "p_axis_deg": ("pfrontaxis",),
    "qrs_axis_deg": ("qrsfrontaxis",),
    "t_axis_deg": ("tfrontaxis",),
    "qrs_count": ("numberofcomplexes",),
}


def sniff(path: Path, head: bytes) -> bool:
    """Whether the root element is ``restingecgdata``."""
    return root_name(head) == "restingecgdata"


def _load(path: Path, options: ReadOptions) -> EcgDocument:
    root = parse_xml(path, options.limits, root="restingecgdata")
    kind = child_text(root, "documentinfo/documenttype")
    version = child_text(root, "documentinfo/documentversion")
    if kind not in _TYPES or version not in _VERSIONS:
        raise UnsupportedVariantError(
            f"this is a document of type '{kind[:30]}' and version '{version[:12]}'; "
            f"{' and '.join(_TYPES)} {', '.join(_VERSIONS)} are read",
            path=path,
            remedy="Export it as PhilipsECG 1.04",
        )
    waveform = root.find("waveforms/parsedwaveforms")
    if waveform is None:
        raise FormatError("there is no parsed waveform in the document", path=path)
    signal = root.find("dataacquisition/signalcharacteristics")
    rate = number(waveform.get("samplespersecond")) or number(child_text(signal, "samplingrate"))
    resolution = number(waveform.get("resolution")) or number(
        child_text(signal, "resolution", "signalresolution")
    )
    zero = number(waveform.get("signaloffset") or child_text(signal, "signaloffset")) or 0.0
    names = _lead_names(waveform, signal, path)
    columns = _waveform(waveform, signal, names, rate, options, path)
    unit = None if resolution is None else "uV"
    beats, beats_rate = _beats(root, path, options)
    pulse = _calibration_pulse(columns, rate or 0.0)
    return EcgDocument(
        traces=[
            Trace(name, values, resolution or 1.0, unit, zero)
            for name, values in zip(names, columns, strict=True)
        ],
        sampling_rate=rate,
        start_time=iso_moment(_start_text(root)),
        subject=_subject(root),
        device=_device(root, waveform, signal),
        header=_header(root, f"{kind} {version}")
        | ({"calibration_pulse": pulse.text} if pulse else {}),
        annotations=(pulse,) if pulse else (),
        beats=beats,
        beats_sampling_rate=beats_rate,
        mains_frequency=_mains(signal),
        start_text=_start_text(root),
    )


def _calibration_pulse(columns: list[NDArray[np.generic]], rate: float) -> Annotation | None:
    """Find the pulse that some carts append: the same rectangle at the end of every lead.

    Seen in every real document at hand: about half a second before the end of the 11 s all leads
    are 0, and from 10.7 s on 1 mV for 0.2 s. The samples stay as they are stored; the mark says
    that they are no ECG.
    """
    if len(columns) < 2:
        return None
    stacked = np.stack(columns)
    differ = np.flatnonzero((stacked != stacked[0]).any(axis=0))
    start = int(differ[-1]) + 1 if len(differ) else stacked.shape[1]
    tail = stacked[0, start:]
    if len(tail) < 0.1 * rate or len(tail) == stacked.shape[1]:
        return None
    levels, counts = np.unique(tail, return_counts=True)
    if len(levels) > 4 or counts[levels != 0].sum() < 0.05 * rate:
        return None
    begin, end = start / rate, stacked.shape[1] / rate
    text = f"calibration pulse in all leads from {begin:g} s to {end:g} s"
    return Annotation(begin, "note", text, end - begin)


def _lead_names(waveform: Element, signal: Element | None, path: Path) -> list[str]:
    names = (waveform.get("leadlabels") or "").split()
    if names:
        count = number(waveform.get("numberofleads"))
        return names[: int(count)] if count and count > 0 else names
    count = number(child_text(signal, "numberchannelsallocated", "numberchannelsvalid"))
    if count is None or not 1 <= count <= 64:
        raise FormatError("the number of leads is missing", path=path)
    lead_set = {child_text(signal, "acquisitiontype"), child_text(signal, "leadset")}
    if lead_set & {"STD-12", "10-WIRE"} and count <= 12:
        return list(STANDARD_12_LEADS[: int(count)])
    return [f"channel {position + 1}" for position in range(int(count))]


def _waveform(
    waveform: Element,
    signal: Element | None,
    names: list[str],
    rate: float | None,
    options: ReadOptions,
    path: Path,
) -> list[NDArray[np.generic]]:
    duration = number(waveform.get("durationperchannel"))
    if rate is None or duration is None or not 0 < rate <= 1e5 or duration <= 0:
        raise FormatError("the sampling rate or the duration of the waveform is missing", path=path)
    samples = round(duration * rate / 1000.0)
    if not 1 <= samples * len(names) <= options.limits.samples:
        raise LimitError(
            f"{samples} samples of {len(names)} leads are announced; "
            f"the limit is {options.limits.samples} in all",
            path=path,
        )
    encoding = (waveform.get("dataencoding") or "").lower()
    method = waveform.get("compression") or waveform.get("compressmethod") or ""
    if (waveform.get("compressflag") or "true").lower() == "false":
        method = ""
    bits = waveform.get("bitspersample") or waveform.get("nbitspersample") or "16"
    if number(bits) != 16.0 or method.upper() not in ("", "NONE", "UNCOMPRESSED", "XLI"):
        raise UnsupportedVariantError(
            f"a waveform of {bits[:8]} bits with the compression '{method[:20]}'", path=path
        )
    if method.upper() == "XLI":
        content = _base64(text_of(waveform), path)
        columns = decode_xli(content, leads=len(names), samples=samples, path=path)
        return list(_with_limb_leads(columns, names))
    signed = (waveform.get("signalsigned") or child_text(signal, "signalsigned")).lower() != "false"
    flat = _plain_values(text_of(waveform), encoding, signed, options, path)
    if len(flat) < samples * len(names):
        raise TruncatedFileError(
            f"the waveform has {len(flat)} values; {samples * len(names)} are announced", path=path
        )
    return list(flat[: samples * len(names)].reshape(len(names), samples))


def _plain_values(
    text: str, encoding: str, signed: bool, options: ReadOptions, path: Path
) -> NDArray[np.generic]:
    if encoding == "base64":
        content = _base64(text, path)
        return np.frombuffer(content[: len(content) // 2 * 2], dtype="<i2" if signed else "<u2")
    if encoding == "plain":
        return numbers(text, "the waveform", options.limits, path)
    raise UnsupportedVariantError(f"waveforms encoded as '{encoding[:20]}'", path=path)


def _base64(text: str, path: Path) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("the waveform is no base64 text", path=path) from None


def _with_limb_leads(columns: list[NDArray[np.int64]], names: list[str]) -> list[NDArray[np.int64]]:
    """Put III, aVR, aVL and aVF together; halves are rounded down, as in sierra-ecg-tools."""
    if tuple(canonical_lead(name) for name in names[:6]) != LIMB_LEADS:
        return columns
    first, second = columns[0], columns[1]
    third = second - first - columns[2]
    return [
        first,
        second,
        third,
        -columns[3] - (first + second) // 2,
        (first - third) // 2 - columns[4],
        (second + third) // 2 - columns[5],
        *columns[6:],
    ]


def _beats(root: Element, path: Path, options: ReadOptions) -> tuple[list[Trace], float | None]:
    block = root.find("waveforms/repbeats")
    if block is None:
        return [], None
    rate = number(block.get("samplespersec") or block.get("samplespersecond"))
    resolution = number(block.get("resolution"))
    encoding = (block.get("dataencoding") or "").lower()
    if rate is None or resolution is None or block.get("compression"):
        return [], None  # without its own scale a mean beat is no voltage
    traces = []
    for beat in block.findall("repbeat"):
        holder = beat.find("waveform")
        text = text_of(beat if holder is None else holder)
        values = _plain_values(text, encoding, True, options, path)
        if beat.get("leadname") and len(values):
            traces.append(Trace(beat.get("leadname", ""), values, resolution, "uV"))
    return traces, rate


def _start_text(root: Element) -> str:
    acquired = root.find("dataacquisition")
    return "" if acquired is None else f"{acquired.get('date', '')} {acquired.get('time', '')}"


def _subject(root: Element) -> Subject:
    person = root.find("patient/generalpatientdata")
    birth, day = day_of(child_text(person, "age/dateofbirth")), day_of(_start_text(root))
    age = age_in_years(child_text(person, "age/years"), None, birth, day)
    return Subject(
        age=age,
        sex=parse_sex(child_text(person, "sex")),
        identifier=child_text(person, "patientid", "MRN") or None,
        birth_date=birth_before(birth, day),
    )


def _device(root: Element, waveform: Element, signal: Element | None) -> dict[str, str]:
    machine = root.find("dataacquisition/machine")
    low, _, high = child_text(signal, "signalbandwidth").partition("-")
    notched = child_text(signal, "notchfiltered").lower() == "true"
    return {
        "manufacturer": "Philips",
        "model": text_of(machine),
        "software": machine.get("detaildescription", "") if machine is not None else "",
        "highpass": filter_text(waveform.get("hipass") or child_text(signal, "hipass") or low),
        "lowpass": filter_text(waveform.get("lowpass") or child_text(signal, "lowpass") or high),
        "notch": filter_text(child_text(signal, "notchfilterfreqs", "acsetting"))
        if notched
        else "",
    }


def _mains(signal: Element | None) -> float | None:
    setting = number(child_text(signal, "acsetting"))
    return setting if setting in (50.0, 60.0) else None


def _header(root: Element, document_type: str) -> dict[str, str]:
    blocks = [
        root.find(path)
        for path in (
            "interpretations/interpretation/interpretationmeasurements",
            "interpretations/interpretation/mdinterpretationmeasurements",
            "internalmeasurements/crossleadmeasurements",
            "measurements/globalmeasurements",
        )
    ]
    values = {}
    for key, tags in _MEASUREMENTS.items():
        texts = [child_text(block, tag) for tag in tags for block in blocks]
        values[key] = next((text for text in texts if is_measured(key, text)), "")
    header = stated_measurements(values)
    lines = []
    for statement in root.findall("interpretations/interpretation/statement")[:MAXIMUM_STATEMENTS]:
        parts = [child_text(statement, "leftstatement"), child_text(statement, "rightstatement")]
        line = ": ".join(part for part in parts if part)
        if line:
            lines.append(line)
    header[STATEMENTS_KEY] = "\n".join(lines)
    header["severity"] = child_text(root, "interpretations/interpretation/severity")
    header["document_type"] = document_type
    header["institution"] = child_text(root, "dataacquisition/acquirer/institutionname")
    machine = root.find("dataacquisition/machine")
    header["device_serial"] = machine.get("machineid", "") if machine is not None else ""
    header["pacemaker"] = child_text(root, "patient/generalpatientdata/pacestatus")
    return header


READER = document_reader(
    _load,
    name="philips-sierra",
    description="Philips Sierra XML 1.03 and 1.04, also compressed with XLI",
    extensions=(".xml",),
    sniff=sniff,
)
