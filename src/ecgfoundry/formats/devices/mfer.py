"""Reader of MFER files (ISO 22077), through ``ecgdatakit``, whose decoding is checked here.

Units, lead names, rates and limits are ours. No openly licensed real file was found, so this is
verified on the specification only: on files laid out byte by byte in the tests.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import (
    FormatError,
    LimitError,
    MissingExtraError,
    UnsupportedVariantError,
)
from ecgfoundry.formats.base import FormatFile, Reader, ReadOptions
from ecgfoundry.formats.common.channels import is_voltage, known_non_ecg_kind
from ecgfoundry.formats.common.document import (
    EcgDocument,
    Trace,
    document_file,
    filter_text,
)
from ecgfoundry.formats.common.subjects import parse_age, parse_sex
from ecgfoundry.recording import Subject

__all__ = ["READER", "open_file", "sniff"]

_MAXIMUM_BYTES = 64_000_000
"""The decoder holds every sample as float64: 32 million samples are 256 MB (our choice)."""
_ENDINGS = frozenset({".mwf", ".mfr", ".mfer"})


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content begins with the MFER preamble, or, named so, with the byte order."""
    if head[:1] == b"\x40" and head[2:6] == b"MFR ":
        return True
    return path.suffix.lower() in _ENDINGS and head[:3] in (b"\x01\x01\x00", b"\x01\x01\x01")


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Open a file, which is decoded as a whole; see :class:`Reader`."""
    return document_file(_parse(path), options, path=path, format=READER.name)


def _parse(path: Path) -> EcgDocument:
    size = path.stat().st_size
    if size > _MAXIMUM_BYTES:
        raise LimitError(f"the file has {size} bytes; the limit is {_MAXIMUM_BYTES}", path=path)
    try:
        from ecgdatakit.exceptions import CorruptedFileError, UnsupportedFormatError
        from ecgdatakit.parsing.parsers.mfer import MFERParser
    except ImportError:
        raise MissingExtraError.for_extra("reading MFER files", "formats") from None
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        try:
            record = MFERParser().parse(path)
        except UnsupportedFormatError as error:
            raise UnsupportedVariantError(_plain(error), path=path) from None
        except CorruptedFileError as error:
            raise FormatError(_plain(error), path=path) from None
    return _document(record, [str(remark.message) for remark in remarks], path)


def _plain(error: Exception | str) -> str:
    return str(error).removeprefix("MFER: ").rstrip(".")


def _document(record: Any, remarks: list[str], path: Path) -> EcgDocument:
    rates = list(record.raw_metadata.get("sampling_rates", []))
    traces, used, dropped = [], [], []
    for number, lead in enumerate(record.leads):
        kind = known_non_ecg_kind(lead.label)
        if kind is not None or (lead.resolution_unit and not is_voltage(lead.resolution_unit)):
            dropped.append(lead.label)
            continue
        traces.append(_trace(lead))
        used.append(rates[number] if number < len(rates) else float(lead.sampling_rate))
    if len(set(used)) > 1:
        raise UnsupportedVariantError("the leads have different sampling rates", path=path)
    header = {"remarks": "\n".join(_plain(remark) for remark in remarks)}
    if dropped:
        header["channels_left_out"] = ", ".join(dropped)
    return EcgDocument(
        traces=traces,
        sampling_rate=used[0] if used else None,
        start_time=record.recording.date,
        subject=Subject(
            age=parse_age(record.patient.age),
            sex=parse_sex(record.patient.sex),
            identifier=record.patient.patient_id or None,
        ),
        device=_device(record),
        header=header,
        beats=[_trace(beat) for beat in record.median_beats if is_voltage(beat.resolution_unit)],
        beats_sampling_rate=float(record.median_beats[0].sampling_rate)
        if record.median_beats
        else None,
    )


def _trace(lead: Any) -> Trace:
    gain = float(lead.resolution)
    zero = -float(lead.offset) / gain if gain else 0.0
    values = np.asarray(lead.samples, dtype=np.float64)
    return Trace(lead.label, values, gain, lead.resolution_unit or None, zero)


def _device(record: Any) -> dict[str, str]:
    device, filters = record.recording.device, record.recording.acquisition.filters
    return {
        "manufacturer": device.manufacturer,
        "model": device.model,
        "serial_number": device.serial_number,
        "software": device.software_version,
        "highpass": filter_text(filters.highpass),
        "lowpass": filter_text(filters.lowpass),
        "notch": filter_text(filters.notch),
    }


READER = Reader(
    name="mfer",
    description="MFER (ISO 22077): uncompressed frames",
    extensions=(".mwf",),
    sniff=sniff,
    open=open_file,
    verified_on="specification only",
    extra="formats",
)
