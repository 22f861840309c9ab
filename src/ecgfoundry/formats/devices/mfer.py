"""Reader of MFER files (ISO 22077), through ``ecgdatakit``, whose decoding is checked here.

Units, lead names, rates and limits are ours. No openly licensed real file was found, so this is
verified on the specification only: on files laid out byte by byte in the tests.
"""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import (
    FormatError,
    LeadError,
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
from ecgfoundry.formats.common.subjects import birth_before, parse_age, parse_sex
from ecgfoundry.recording import Subject

__all__ = ["READER", "open_file", "sniff"]

_MAXIMUM_BYTES = 64_000_000
"""The decoder holds every sample as float64: 32 million samples are 256 MB (our choice)."""
_END = 0x80
_CHANNEL_ATTRIBUTES = 0x3F
_DOMINANT_BEAT = 9
_NO_ECG = {
    # Types of waveforms, MFER part 1, table 5-14.
    25: "a power spectrum",
    26: "a trend",
    30: "sounds",
    31: "pulse waves",
    40: "a resting EEG",
    41: "evoked potentials",
    42: "a frequency analysis of an EEG",
    43: "a long-term EEG",
}
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
    header = {"remarks": "\n".join(_plain(str(remark.message)) for remark in remarks)}
    behind = _bytes_behind_the_end(path.read_bytes())
    if behind:
        header["trailing_bytes"] = str(behind)
    return _document(record, header, path)


def _plain(error: Exception | str) -> str:
    return str(error).removeprefix("MFER: ").rstrip(".")


def _bytes_behind_the_end(data: bytes) -> int:
    """Count what follows the mark of the end: the decoder does not look there."""
    position = 0
    while position + 1 < len(data):
        tag = data[position]
        position += 1
        if tag == 0:
            continue
        if tag == _CHANNEL_ATTRIBUTES:
            while position < len(data) and data[position] & 0x80:
                position += 1
            position += 1
        if position >= len(data):
            break
        length = data[position]
        position += 1
        if tag == _END:
            return len(data[position:].strip(b"\0"))
        if length == 0x80:  # of a length that only its content tells
            break
        if length > 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[position : position + count], "big")
            position += count
        position += length
    return 0


def _check_content(record: Any, path: Path) -> None:
    """Refuse what is no ECG, and frames with something missing between them.

    The numbers of leads mean electrodes in a file of EEG.
    """
    meta = record.raw_metadata
    kind = meta.get("waveform_type")
    if kind in _NO_ECG:
        raise LeadError(
            f"the file says that it holds {_NO_ECG[kind]}, which is no ECG",
            path=path,
            remedy="Export the ECG",
        )
    frames = [one for one in meta.get("frames", ()) if one["waveform_type"] != _DOMINANT_BEAT]
    for one, after in itertools.pairwise(frames):
        pointers = one["pointer"], after["pointer"]
        if None not in pointers and pointers[1] - pointers[0] != one["samples"]:
            raise UnsupportedVariantError(
                f"a frame of {one['samples']} samples at {pointers[0]} is followed by one at "
                f"{pointers[1]}, so something is missing between them",
                path=path,
                remedy="Export the parts as files of their own",
            )


def _document(record: Any, header: dict[str, str], path: Path) -> EcgDocument:
    _check_content(record, path)
    rates = list(record.raw_metadata.get("sampling_rates", []))
    traces, used, dropped = [], [], []
    for number, lead in enumerate(record.leads):
        kind = known_non_ecg_kind(lead.label)
        other = int(lead.annotations.get("waveform_type", 0)) in _NO_ECG
        if (
            kind is not None
            or other
            or (lead.resolution_unit and not is_voltage(lead.resolution_unit))
        ):
            dropped.append(lead.label)
            continue
        traces.append(_trace(lead))
        used.append(rates[number] if number < len(rates) else float(lead.sampling_rate))
    if len(set(used)) > 1:
        raise UnsupportedVariantError("the leads have different sampling rates", path=path)
    if any(record.raw_metadata.get("sample_skew_ns", ())):
        header["time_skew"] = "stated, not applied"
    if dropped:
        header["channels_left_out"] = ", ".join(dropped)
    born, start = record.patient.birth_date, record.recording.date
    return EcgDocument(
        traces=traces,
        sampling_rate=used[0] if used else None,
        start_time=start,
        subject=Subject(
            age=parse_age(record.patient.age),
            sex=parse_sex(record.patient.sex),
            identifier=record.patient.patient_id or None,
            birth_date=birth_before(born.date() if born else None, start.date() if start else None),
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
