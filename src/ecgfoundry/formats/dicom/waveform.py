"""DICOM waveform objects: multiplex groups and their channels (PS3.3 C.10.9), from elements."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from ecgfoundry.errors import (
    FormatError,
    LeadError,
    LimitError,
    TruncatedFileError,
    UnitError,
    UnsupportedVariantError,
)
from ecgfoundry.formats.base import Limits
from ecgfoundry.formats.common.channels import is_voltage, known_non_ecg_kind
from ecgfoundry.formats.dicom.elements import DicomFile, Element, Items, text_of
from ecgfoundry.formats.scp.leads import SCP_LEADS
from ecgfoundry.leads import STANDARD_12_LEADS, UNNAMED_ECG, canonical_lead
from ecgfoundry.units import check_sampling_rate

__all__ = ["DicomChannel", "DicomGroup", "numbers_of", "waveform_groups"]

_TYPES = {"SB": "i1", "UB": "u1", "SS": "i2", "US": "u2", "SL": "i4", "UL": "u4"}
_COMPANDED = {"MB": "mu-law", "AB": "A-law"}
_UNITS = {
    # UCUM and the older SCP-ECG and MDC codes of the units sequence.
    "uv": "uV", "mv": "mV", "v": "V", "nv": "nV", "µv": "uV", "[uv]": "uV",
    "microvolt": "uV", "millivolt": "mV", "mm[hg]": "mmHg",
}  # fmt: skip
_LARGEST_SKEW_S = 10.0
"""Channels of one group are sampled within one sampling interval (our choice)."""
_BEAT_WORDS = re.compile(r"MEDIAN|BEAT|AVERAGE|TEMPLATE|REPRESENTATIVE", re.IGNORECASE)
_SCP_CODE = re.compile(r"^5\.6\.3-9-(\d{1,3})$")
_MDC_CODE = re.compile(r"^2:(\d{1,3})$")


@dataclass(frozen=True, slots=True)
class DicomChannel:
    """One channel: physical value = stored x ``gain`` + ``baseline``, in ``unit``; skew in s."""

    name: str
    kind: str
    unit: str
    gain: float
    baseline: float
    skew_s: float
    filters: tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class DicomGroup:
    """One multiplex group; ``data_offset`` in bytes from the start of the (inflated) data set."""

    number: int
    label: str
    is_beat: bool
    channels: tuple[DicomChannel, ...]
    samples: int
    sampling_rate: float
    dtype: str
    data_offset: int
    padding: int | None
    time_offset_s: float


def waveform_groups(
    file: DicomFile, limits: Limits, *, named_by_caller: bool = False
) -> list[DicomGroup]:
    """Return the multiplex groups of a waveform object, in their order.

    Names that contradict each other are refused unless the caller names the leads.

    Raises
    ------
    UnsupportedVariantError
        No waveform in the file, or one in mu-law, A-law or 64 bits.
    FormatError, TruncatedFileError, LimitError, SamplingRateError, UnitError, LeadError
    """
    sequence = file.elements.get(0x54000100)
    if sequence is None or not sequence.items:
        kind = text_of(file.elements.get(0x00080016)) or "of an unstated class"
        raise UnsupportedVariantError(
            f"the DICOM object ({kind}) holds no waveform",
            path=file.path,
            remedy="Export the ECG as a DICOM waveform (12-lead, general or ambulatory ECG)",
        )
    return [
        _group(number, item, file, limits, named_by_caller=named_by_caller)
        for number, item in enumerate(sequence.items, 1)
    ]


def _group(
    number: int, item: Items, file: DicomFile, limits: Limits, *, named_by_caller: bool
) -> DicomGroup:
    path, order = file.path, ">" if file.big_endian else "<"
    count = _integer(item.get(0x003A0005), order)
    samples = _integer(item.get(0x003A0010), order)
    definitions = item[0x003A0200].items if 0x003A0200 in item else []
    if count is None or samples is None or count < 1 or samples < 1 or len(definitions) != count:
        raise FormatError(
            f"multiplex group {number} states {count} channels and {samples} samples, and defines "
            f"{len(definitions)} channels",
            path=path,
        )
    if count > limits.channels:
        raise LimitError(f"{count} channels; the limit is {limits.channels}", path=path)
    interpretation = text_of(item.get(0x54001006))
    if interpretation not in _TYPES:
        companding = _COMPANDED.get(interpretation, f"'{interpretation}'")
        raise UnsupportedVariantError(
            f"the samples of multiplex group {number} are stored as {companding}",
            path=path,
            remedy="Export the ECG with linear samples (SB, UB, SS, US, SL or UL)",
        )
    dtype = _TYPES[interpretation]
    allocated = _integer(item.get(0x54001004), order)
    width = int(dtype[1])
    if allocated != 8 * width:
        raise FormatError(
            f"multiplex group {number} allocates {allocated} bits for {interpretation} samples",
            path=path,
        )
    data = item.get(0x54001010)
    needed = count * samples * width
    if data is None or data.items or data.length < needed:
        raise TruncatedFileError(
            f"multiplex group {number} needs {needed} bytes of samples and has "
            f"{data.length if data is not None else 0}",
            path=path,
        )
    label = text_of(item.get(0x003A0020))
    offset_ms = _first(numbers_of(item.get(0x00181068))) or 0.0
    rate = check_sampling_rate(_first(numbers_of(item.get(0x003A001A))))
    channels = tuple(
        _channel(n, one, rate, path, named_by_caller=named_by_caller)
        for n, one in enumerate(definitions, 1)
    )
    names = [channel.name for channel in channels]
    return DicomGroup(
        number=number,
        label=label,
        is_beat=_BEAT_WORDS.search(label) is not None,
        channels=tuple(
            channel if names.count(channel.name) == 1 else _numbered(channel, n)
            for n, channel in enumerate(channels, 1)
        ),
        samples=samples,
        sampling_rate=rate,
        dtype=order + dtype,
        data_offset=data.offset,
        padding=_padding(item.get(0x5400100A), order + dtype),
        time_offset_s=offset_ms / 1000.0,
    )


def _numbered(channel: DicomChannel, number: int) -> DicomChannel:
    return replace(channel, name=f"{channel.name} (channel {number})")


def _channel(
    number: int, item: Items, rate: float, path: Path, *, named_by_caller: bool
) -> DicomChannel:
    name = _lead_name(item) or f"channel {number}"
    if not named_by_caller:
        _check_names(name, item, number, path)
    sensitivity = _first(numbers_of(item.get(0x003A0210)))
    correction = _first(numbers_of(item.get(0x003A0212)))
    unit = _unit(item)
    known = canonical_lead(name) is not None
    if sensitivity is None:
        if known or known_non_ecg_kind(name) is None:
            raise UnitError(
                f"'{name}' has no sensitivity, so its samples have no unit",
                path=path,
                remedy="Export the ECG with calibrated channels",
            )
        sensitivity, unit = 1.0, ""
    gain = sensitivity * (1.0 if correction is None else correction)
    if gain == 0 or not math.isfinite(gain):
        raise FormatError(f"'{name}' has a sensitivity of {gain:g}", path=path)
    skew = _first(numbers_of(item.get(0x003A0214)))
    if skew is None:
        skew = (_first(numbers_of(item.get(0x003A0215))) or 0.0) / rate
    if abs(skew) >= _LARGEST_SKEW_S:
        raise FormatError(
            f"'{name}' states a time skew of {skew:g} s, which no multiplexer has",
            path=path,
            remedy="Export the ECG again",
        )
    non_ecg = None if known else known_non_ecg_kind(name)
    low, high, notch = (
        _first(numbers_of(item.get(tag))) for tag in (0x003A0220, 0x003A0221, 0x003A0222)
    )
    return DicomChannel(
        name=name,
        # Without a unit a lead is still a lead: its amplitude is then refused, or supplied.
        kind=non_ecg or ("ecg" if is_voltage(unit) or (known and not unit) else "other"),
        unit=unit,
        gain=gain,
        baseline=_first(numbers_of(item.get(0x003A0213))) or 0.0,
        skew_s=skew,
        filters=(low, high, notch),
    )


def _lead_name(item: Items) -> str:
    """Return the lead from the coded source; else from its meaning, else the channel's label."""
    source = item[0x003A0208].items[:1] if 0x003A0208 in item else []
    meaning = ""
    if source:
        value, scheme = text_of(source[0].get(0x00080100)), text_of(source[0].get(0x00080102))
        pattern = {"SCPECG": _SCP_CODE, "MDC": _MDC_CODE}.get(scheme.upper())
        match = pattern.match(value) if pattern else None
        number = int(match[1]) if match else _mdc_number(value, scheme)
        found = SCP_LEADS.get(number) if number is not None else None
        found = found or (canonical_lead(value) if value else None)
        if found:
            return found
        meaning = re.sub(r"\s*\(.*\)$", "", text_of(source[0].get(0x00080104)))
        if canonical_lead(meaning):
            return meaning
    label = text_of(item.get(0x003A0203))
    full = text_of(source[0].get(0x00080104)) if source else ""
    # A label has 16 signs; a longer name stands in full beside it.
    return full if label and full.startswith(label) else label or meaning


def _mdc_number(value: str, scheme: str) -> int | None:
    """Return the number of a lead that ISO 11073 writes in one with its partition 2."""
    if scheme.upper() != "MDC" or not value.isdecimal() or len(value) > 9:
        return None
    return int(value) - 2 * 65536


def _check_names(name: str, item: Items, number: int, path: Path) -> None:
    """Refuse a channel whose code is that of one lead and whose words are those of another."""
    known = canonical_lead(name)
    source = item[0x003A0208].items[:1] if 0x003A0208 in item else []
    for what, text in (
        ("meaning", text_of(source[0].get(0x00080104)) if source else ""),
        ("label", text_of(item.get(0x003A0203))),
    ):
        other = canonical_lead(text)
        # A letter alone, as X, may be no name at all.
        if known not in (None, UNNAMED_ECG, other) and other in STANDARD_12_LEADS:
            raise LeadError(
                f"the code of channel {number} says lead {known}, its {what} '{text[:40]}'",
                path=path,
                remedy="Export the ECG again, or name all leads in order with --leads or leads=",
            )


def _unit(item: Items) -> str:
    units = item[0x003A0211].items[:1] if 0x003A0211 in item else []
    if not units:
        return ""
    code, meaning = text_of(units[0].get(0x00080100)), text_of(units[0].get(0x00080104))
    return _UNITS.get(code.lower()) or _UNITS.get(meaning.lower()) or code


def _padding(element: Element | None, dtype: str) -> int | None:
    width = int(dtype[2])
    if element is None or element.value is None or len(element.value) < width:
        return None
    sign = "little" if dtype[0] == "<" else "big"
    raw = element.value[:width]
    return int.from_bytes(raw, sign, signed=dtype[1] == "i")  # type: ignore[arg-type]


def _integer(element: Element | None, order: str) -> int | None:
    """Return a US or UL value."""
    if element is None or element.value is None or len(element.value) not in (2, 4):
        return None
    letter = "H" if len(element.value) == 2 else "L"
    return int(struct.unpack(order + letter, element.value)[0])


def numbers_of(element: Element | None) -> list[float]:
    """Return the values of a decimal string; what is no finite number is left out."""
    values = []
    for part in text_of(element).split("\\"):
        try:
            value = float(part)
        except ValueError:
            continue
        if math.isfinite(value):
            values.append(value)
    return values


def _first(values: list[float]) -> float | None:
    return values[0] if values else None
