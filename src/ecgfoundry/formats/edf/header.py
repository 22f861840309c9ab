"""The header of EDF, EDF+ and BDF files (Kemp 1992, Kemp and Olivan 2003; BDF: BioSemi).

A fixed text part of 256 bytes is followed by 256 bytes per signal; then come data records of
equal size. BDF differs in its first eight bytes and stores 24 bits per sample.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ecgfoundry.errors import FormatError, LimitError, SamplingRateError, TruncatedFileError
from ecgfoundry.formats.base import Limits
from ecgfoundry.formats.common.multichannel import plain_text, require_size
from ecgfoundry.formats.common.subjects import age_between, birth_before, parse_sex
from ecgfoundry.recording import Subject
from ecgfoundry.units import check_sampling_rate

__all__ = [
    "BDF_START",
    "EDF_START",
    "LEAD_MARK",
    "MISSING_MARK",
    "EdfHeader",
    "EdfSignal",
    "read_edf_header",
]

EDF_START = b"0       "
BDF_START = b"\xffBIOSEMI"
MISSING_MARK = "missing -32768"
"""In the free part of a signal's header: that stored value is a missing sample (our choice)."""
LEAD_MARK = "ecg lead"
"""There, too: the label is "ECG " and the name of a lead, which is the rest (our choice)."""
_FIXED_BYTES = 256
_SIGNAL_BYTES = 256
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_CLIPPING_YEAR = 85  # EDF+ 2.1.3.2: "85" to "99" are 1985 to 1999


@dataclass(frozen=True, slots=True)
class EdfSignal:
    """One signal of the header; ``offset`` is its first byte in a data record.

    The physical value is ``(digital - digital_minimum) * gain + physical_minimum`` in ``unit``.
    """

    label: str
    transducer: str
    unit: str
    physical_minimum: float
    digital_minimum: int
    gain: float
    prefilter: str
    samples: int
    offset: int
    rate: float
    marks_missing: bool = False
    names_lead: bool = False

    @property
    def is_annotations(self) -> bool:
        """Whether it holds the annotations of EDF+ or BDF+ instead of samples."""
        return self.label in ("EDF Annotations", "BDF Annotations")


@dataclass(frozen=True, slots=True)
class EdfHeader:
    """The whole header; ``record_bytes`` and ``header_bytes`` in bytes, ``duration`` in s."""

    path: Path
    sample_bytes: int
    plus: bool
    discontinuous: bool
    signals: tuple[EdfSignal, ...]
    records: int
    records_stated: bool
    duration: float
    header_bytes: int
    record_bytes: int
    start_time: dt.datetime | None
    subject: Subject
    equipment: str
    stated_date: str
    """The start date of EDF+ in full; it may be a year alone where a person must not be known. Of
    plain EDF only what is no date with a time."""
    trailing_bytes: int


def read_edf_header(path: Path, limits: Limits) -> EdfHeader:
    """Read and check the header, and the size of the file against it.

    Raises
    ------
    FormatError, TruncatedFileError, LimitError, SamplingRateError, FileAccessError
    """
    size = require_size(path, _FIXED_BYTES, "an EDF header")
    with path.open("rb") as file:
        fixed = file.read(_FIXED_BYTES)
        is_bdf = fixed.startswith(BDF_START)
        if not is_bdf and not fixed.startswith(EDF_START):
            raise FormatError("the file does not begin as an EDF or BDF file", path=path)
        count = _integer(fixed[252:256], "the number of signals", path)
        if count < 1:
            raise FormatError(f"the header announces {count} signals", path=path)
        if count > limits.channels:
            raise LimitError(f"{count} signals; the limit is {limits.channels}", path=path)
        header_bytes = _FIXED_BYTES + count * _SIGNAL_BYTES
        require_size(path, header_bytes, "its header")
        columns = _columns(file.read(count * _SIGNAL_BYTES), count)
    stated_bytes = _integer(fixed[184:192], "the size of the header", path)
    if stated_bytes != header_bytes:
        raise FormatError(
            f"the header says it has {stated_bytes} bytes; {count} signals need {header_bytes}",
            path=path,
        )
    sample_bytes = 3 if is_bdf else 2
    duration = _duration(fixed[244:252], path)
    signals = _signals(columns, sample_bytes, duration, path)
    record_bytes = sum(signal.samples for signal in signals) * sample_bytes
    reserved = plain_text(fixed[192:236])
    records, stated = _records(fixed[236:244], size - header_bytes, record_bytes, path)
    patient, recording = plain_text(fixed[8:88]), plain_text(fixed[88:168])
    start_time = _start_time(fixed[168:176], fixed[176:184], recording)
    plus = reserved[:5] in ("EDF+C", "EDF+D", "BDF+C", "BDF+D")
    return EdfHeader(
        path=path,
        sample_bytes=sample_bytes,
        plus=plus,
        discontinuous=plus and reserved[4] == "D",
        signals=signals,
        records=records,
        records_stated=stated,
        duration=float(duration),
        header_bytes=header_bytes,
        record_bytes=record_bytes,
        start_time=start_time,
        subject=_subject(patient, start_time) if plus else Subject(),
        equipment=_equipment(recording) if plus else "",
        stated_date=(_stated_date(recording) if plus else "")
        or ("" if start_time else f"{plain_text(fixed[168:176])} {plain_text(fixed[176:184])}"),
        trailing_bytes=size - header_bytes - records * record_bytes,
    )


def _columns(raw: bytes, count: int) -> list[list[bytes]]:
    columns, position = [], 0
    for width in _WIDTHS:
        block = raw[position : position + width * count]
        columns.append([block[n * width : (n + 1) * width] for n in range(count)])
        position += width * count
    return columns


def _signals(
    columns: list[list[bytes]], sample_bytes: int, duration: Fraction, path: Path
) -> tuple[EdfSignal, ...]:
    signals, offset = [], 0
    for number in range(len(columns[0])):
        cells = [column[number] for column in columns]
        label = plain_text(cells[0])
        free = plain_text(cells[9])
        samples = _integer(cells[8], f"the samples per record of '{label}'", path)
        if samples < 1:
            raise FormatError(f"'{label}' has {samples} samples per record", path=path)
        is_annotations = label in ("EDF Annotations", "BDF Annotations")
        low, first, gain = _scale(cells, label, path, unused=is_annotations)
        signals.append(
            EdfSignal(
                label=label or f"signal {number + 1}",
                transducer=plain_text(cells[1]),
                unit=plain_text(cells[2]),
                prefilter=plain_text(cells[7]),
                physical_minimum=low,
                digital_minimum=first,
                gain=gain,
                marks_missing=MISSING_MARK in free,
                names_lead=LEAD_MARK in free and label.startswith("ECG "),
                samples=samples,
                offset=offset,
                rate=0.0 if is_annotations else _rate(samples, duration, label, path),
            )
        )
        offset += samples * sample_bytes
    return tuple(signals)


def _scale(cells: list[bytes], label: str, path: Path, *, unused: bool) -> tuple[float, int, float]:
    """Return the smallest physical and digital value, and units per step."""
    if unused:
        return 0.0, 0, 1.0
    low, high = (_number(cell, f"the physical range of '{label}'", path) for cell in cells[3:5])
    first, last = (_integer(cell, f"the digital range of '{label}'", path) for cell in cells[5:7])
    if low == high or first == last:
        raise FormatError(
            f"the range of '{label}' is empty (physical {low:g} to {high:g}, digital {first} to "
            f"{last}), so its samples have no scale",
            path=path,
        )
    return low, first, (high - low) / (last - first)


def _rate(samples: int, duration: Fraction, label: str, path: Path) -> float:
    if duration == 0:
        raise FormatError(
            "data records of 0 s hold annotations only, but there are signals", path=path
        )
    try:
        return check_sampling_rate(float(samples / duration))
    except (SamplingRateError, OverflowError) as error:
        raise SamplingRateError(
            f"'{label}' has {samples} samples in {float(duration):g} s", path=path
        ) from error


def _records(raw: bytes, available: int, record_bytes: int, path: Path) -> tuple[int, bool]:
    """Return the number of data records, and whether the header states it."""
    records = _integer(raw, "the number of data records", path)
    if records == -1:  # EDF: while recording, and after a crash
        records = available // record_bytes
        if records < 1:
            raise TruncatedFileError("the file holds no complete data record", path=path)
        return records, False
    if records < 1:
        raise FormatError(f"the header announces {records} data records", path=path)
    if available < records * record_bytes:
        raise TruncatedFileError(
            f"the header announces {records} data records of {record_bytes} bytes, "
            f"{available} bytes follow",
            path=path,
            remedy="Get the file again from its source",
        )
    return records, True


def _duration(raw: bytes, path: Path) -> Fraction:
    number = _number(raw, "the duration of a data record", path)
    if not 0 <= number < 1e6:
        raise FormatError(f"a data record lasts {number:g} s", path=path)
    return Fraction(plain_text(raw).replace(",", "."))


def _number(raw: bytes, what: str, path: Path) -> float:
    # Some writers use the decimal comma of their locale.
    text = plain_text(raw).replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise FormatError(f"{what} is '{text}', not a number", path=path)
    return value


def _integer(raw: bytes, what: str, path: Path) -> int:
    value = _number(raw, what, path)
    if value != int(value):
        raise FormatError(f"{what} is {value}, not an integer", path=path)
    return int(value)


def _start_time(date: bytes, time: bytes, recording: str) -> dt.datetime | None:
    days = re.fullmatch(r"(\d\d)[.\-/ :](\d\d)[.\-/ :](\d\d|yy)", plain_text(date))
    clock = re.fullmatch(r"(\d\d)[.\-/ :](\d\d)[.\-/ :](\d\d)", plain_text(time))
    if days is None or clock is None:
        return None
    stated = _plus_date(_stated_date(recording))
    if days[3] == "yy":  # EDF+ 2.1.3.2: from 2085 on only the recording field has the year
        if stated is None:
            return None
        year = stated.year
    else:
        year = int(days[3]) + (1900 if int(days[3]) >= _CLIPPING_YEAR else 2000)
    day, month = int(days[1]), int(days[2])
    if stated is None and recording.startswith("Startdate ") and (day, month, year) == (1, 1, 1985):
        return None  # EDF+ 2.1.3.2: how an unknown date is written
    hour, minute, second = (int(part) for part in clock.groups())
    try:
        return dt.datetime(stated.year if stated else year, month, day, hour, minute, second)
    except ValueError:
        return None


def _stated_date(recording: str) -> str:
    """Return what follows "Startdate" in the recording field of EDF+: ``02-MAY-1951``, ``X`` …"""
    words = recording.split(" ")
    return words[1] if len(words) > 1 and words[0] == "Startdate" else ""


def _plus_date(text: str) -> dt.date | None:
    """``02-MAY-1951`` -> date, or None."""
    match = re.fullmatch(r"(\d\d)-([A-Za-z]{3})-(\d{4})", text)
    if match is None or match[2].upper() not in _MONTHS:
        return None
    try:
        return dt.date(int(match[3]), _MONTHS.index(match[2].upper()) + 1, int(match[1]))
    except ValueError:
        return None


def _subject(patient: str, start: dt.datetime | None) -> Subject:
    """Return what the EDF+ patient field says (code, sex, birth date, name); the name is dropped.

    The patient field of plain EDF is free text, often a name, and is not read.
    """
    parts = [*patient.split(" "), "X", "X", "X"]
    born = _plus_date(parts[2])
    day = start.date() if start else None
    return Subject(
        age=age_between(born, day),
        sex=parse_sex(parts[1]),
        identifier=parts[0] if parts[0] not in ("", "X") else None,
        birth_date=birth_before(born, day),
    )


def _equipment(recording: str) -> str:
    """Return the equipment, the fifth subfield of the EDF+ recording field."""
    parts = recording.split(" ")
    return parts[4].replace("_", " ") if len(parts) > 4 and parts[4] != "X" else ""
