"""The sections of an SCP-ECG record (EN 1064 / ISO 11073-91064): pointers, tags, leads, beats."""

from __future__ import annotations

import binascii
import datetime as dt
import struct
from dataclasses import dataclass
from pathlib import Path

from ecgfoundry.errors import FormatError, TruncatedFileError
from ecgfoundry.formats.common.document import age_in_years, filter_text
from ecgfoundry.formats.common.measurements import stated_measurements
from ecgfoundry.formats.common.moments import day_text
from ecgfoundry.formats.common.multichannel import plain_text
from ecgfoundry.formats.common.subjects import birth_before
from ecgfoundry.recording import Subject

__all__ = [
    "Beat",
    "Demographics",
    "LeadRange",
    "Locations",
    "demographics",
    "lead_ranges",
    "measurements",
    "qrs_locations",
    "read_sections",
    "statements",
]

HEADER_BYTES = 16
_MAXIMUM_SECTIONS = 4096
_CODES = 19_999
"""Times from here on are codes: 19999 lead rejected, 29998 not found, 29999 not calculated."""
_MANUFACTURERS = (
    # EN 1064, section 1 tag 14: codes of manufacturers, for records that do not spell them.
    *("", "Burdick", "Cambridge", "Compumed", "Datamed", "Fukuda", "Hewlett-Packard"),
    *("Marquette Electronics", "Mortara Instruments", "Nihon Kohden", "Okin", "Quinton"),
    *("Siemens", "Spacelabs", "Telemed", "Hellige", "ESAOTE", "Schiller", "Picker-Schwarzer"),
    *("Elettronica Trentina", "Zwonitz"),
)


@dataclass(frozen=True, slots=True)
class LeadRange:
    """One lead of section 3: its code and its first and last sample, from 1 (0 as some write)."""

    code: int
    first: int
    last: int

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Beat:
    """One QRS of section 4: its reference beat, where that is subtracted, and its fiducial."""

    kind: int
    first: int
    fiducial: int
    last: int
    protected_first: int
    protected_last: int


@dataclass(frozen=True, slots=True)
class Locations:
    """Section 4: length of the reference beat in ms, its fiducial sample, and the beats."""

    length_ms: int
    fiducial: int
    beats: tuple[Beat, ...]


@dataclass(frozen=True, slots=True)
class Demographics:
    """What section 1 says, without names of persons."""

    subject: Subject
    start_time: dt.datetime | None
    device: dict[str, str]
    mains_frequency: float | None
    start_text: str
    """The date of acquisition, real or not."""


def read_sections(data: bytes, path: Path) -> tuple[dict[int, bytes], dict[str, str]]:
    """Return the data parts of the sections by number, and what is to say of the record.

    Raises
    ------
    FormatError, TruncatedFileError
    """
    if len(data) < 6 + HEADER_BYTES:
        raise TruncatedFileError("the file is shorter than the header of section 0", path=path)
    (size,) = struct.unpack_from("<L", data, 2)
    if size > len(data):
        raise TruncatedFileError(
            f"the record has {size} bytes, the file {len(data)}",
            path=path,
            remedy="Get the file again from its source",
        )
    (pointers,) = struct.unpack_from("<L", data, 10)
    if not HEADER_BYTES <= pointers <= len(data) - 6:
        raise FormatError(f"section 0 has a length of {pointers} bytes", path=path)
    sections: dict[int, bytes] = {}
    intact = binascii.crc_hqx(data[2:size], 0xFFFF) == struct.unpack_from("<H", data)[0]
    count = min((pointers - HEADER_BYTES) // 10, _MAXIMUM_SECTIONS)
    for entry in range(count):
        number, length, index = struct.unpack_from("<HLL", data, 6 + HEADER_BYTES + 10 * entry)
        if number == 0 or length == 0:
            continue
        begin = index - 1  # counted from 1
        if begin < 0 or length < HEADER_BYTES or begin + length > len(data):
            raise TruncatedFileError(
                f"section {number} ({length} bytes from byte {index}) lies outside the file",
                path=path,
            )
        (stated,) = struct.unpack_from("<H", data, begin + 2)
        if stated != number:
            raise FormatError(
                f"section {number} is expected at byte {index}, section {stated} is there",
                path=path,
            )
        sections[number] = data[begin + HEADER_BYTES : begin + length]
    state = {"checksum": "verified" if intact else "mismatch"}
    behind = len(data[size:].strip(b"\0"))
    if behind:  # another record perhaps
        state["trailing_bytes"] = str(behind)
    return sections, state


def lead_ranges(body: bytes, path: Path) -> tuple[list[LeadRange], int]:
    """Return the leads of section 3, and its flags."""
    if len(body) < 2 or len(body) < 2 + 9 * body[0]:
        raise TruncatedFileError("section 3 is shorter than its leads", path=path)
    leads = []
    for number in range(body[0]):
        first, last, code = struct.unpack_from("<LLB", body, 2 + 9 * number)
        if first > last:
            raise FormatError(f"lead {number + 1} has the samples {first} to {last}", path=path)
        leads.append(LeadRange(code, first, last))
    if not leads:
        raise FormatError("section 3 defines no lead", path=path)
    return leads, body[1]


def qrs_locations(body: bytes, path: Path) -> Locations:
    """Return the beats of section 4."""
    if len(body) < 6:
        raise TruncatedFileError("section 4 is too short", path=path)
    length, fiducial, count = struct.unpack_from("<3H", body)
    if len(body) < 6 + 14 * count:
        raise TruncatedFileError("section 4 is shorter than its beats", path=path)
    has_zones = len(body) >= 6 + 22 * count
    beats = []
    for number in range(count):
        kind, first, at, last = struct.unpack_from("<H3L", body, 6 + 14 * number)
        zone = struct.unpack_from("<2L", body, 6 + 14 * count + 8 * number) if has_zones else (0, 0)
        beats.append(Beat(kind, first, at, last, *zone))
    return Locations(length, fiducial, tuple(beats))


def demographics(body: bytes) -> Demographics:
    """Return what the tags of section 1 say; a damaged tag ends the list.

    Of the person, everything but the name is kept.
    """
    tags: dict[int, bytes] = {}
    position = 0
    while position + 3 <= len(body) and body[position] != 255:
        tag, length = struct.unpack_from("<BH", body, position)
        if position + 3 + length > len(body):
            break
        tags.setdefault(tag, body[position + 3 : position + 3 + length])
        position += 3 + length
    day, clock = _date(tags.get(25, b"")), tags.get(26, b"")
    start = None
    if day is not None and len(clock) >= 2:
        hour, minute, second = (*clock[:3], 0)[:3]
        if hour < 24 and minute < 60 and second < 60:
            start = dt.datetime(
                day.year, day.month, day.day, hour, minute, second, tzinfo=_zone(tags.get(34, b""))
            )
    subject = Subject(
        age=_age(tags, day),
        sex={1: "male", 2: "female"}.get(tags.get(8, b"\0")[0] if tags.get(8) else 0),
        identifier=plain_text(tags.get(2, b"")) or None,
        birth_date=birth_before(_date(tags.get(5, b"")), day),
    )
    device, mains = _device(tags)
    return Demographics(subject, start, device, mains, _stated_day(tags.get(25, b"")))


def _age(tags: dict[int, bytes], day: dt.date | None) -> float | None:
    stated, born = tags.get(4, b""), _date(tags.get(5, b""))
    if len(stated) >= 3:
        (age,) = struct.unpack_from("<H", stated)
        unit = {1: "years", 2: "months", 3: "weeks", 4: "days", 5: "hours"}.get(stated[2])
        if age and unit:
            return age_in_years(age, unit, None, None)
    return age_in_years(None, None, born, day)


def _stated_day(raw: bytes) -> str:
    return day_text(raw[0] | raw[1] << 8, raw[2], raw[3]) if len(raw) >= 4 else ""


def _date(raw: bytes) -> dt.date | None:
    if len(raw) < 4:
        return None
    try:
        return dt.date(raw[0] | raw[1] << 8, raw[2], raw[3])
    except ValueError:
        return None


def _zone(raw: bytes) -> dt.timezone | None:
    """Return the zone of tag 34: minutes from UTC, 0x7FFF where it is not known."""
    if len(raw) < 2:
        return None
    (minutes,) = struct.unpack_from("<h", raw)
    if abs(minutes) > 14 * 60:
        return None
    return dt.timezone(dt.timedelta(minutes=minutes))


def _device(tags: dict[int, bytes]) -> tuple[dict[str, str], float | None]:
    device: dict[str, str] = {}
    mains = None
    machine = tags.get(14, b"")
    if len(machine) >= 36:
        texts = [plain_text(part) for part in machine[36:].split(b"\0")] + [""] * 5
        code = machine[7]
        device["manufacturer"] = texts[4] or (
            _MANUFACTURERS[code] if code < len(_MANUFACTURERS) else ""
        )
        device["model"] = plain_text(machine[8:14])
        device["serial_number"] = texts[1]
        device["software"] = texts[2]
        mains = {1: 50.0, 2: 60.0}.get(machine[18])
    if len(tags.get(27, b"")) >= 2:
        device["highpass"] = filter_text(struct.unpack_from("<H", tags[27])[0] / 100)
    if len(tags.get(28, b"")) >= 2:
        device["lowpass"] = filter_text(struct.unpack_from("<H", tags[28])[0])
    if tags.get(29):
        device["notch"] = {1: "60 Hz", 2: "50 Hz"}.get(tags[29][0] & 3, "")
    return {key: value for key, value in device.items() if value}, mains


def measurements(body: bytes) -> dict[str, str]:
    """Return the global measurements of section 7 as header entries; empty if it is damaged.

    Intervals are differences of the stored wave limits of the reference beat 0.
    """
    if len(body) < 6:
        return {}
    blocks, spikes, rr, _ = struct.unpack_from("<BBHH", body)
    values: dict[str, object] = {"rr_ms": rr}
    if blocks and len(body) >= 22:
        p_on, p_off, qrs_on, qrs_off, t_off, *axes = struct.unpack_from("<5H3h", body, 6)
        known = {n: v for n, v in enumerate((p_on, p_off, qrs_on, qrs_off, t_off)) if v < _CODES}
        for key, first, last in (
            ("p_ms", 0, 1),
            ("pr_ms", 0, 2),
            ("qrs_ms", 2, 3),
            ("qt_ms", 2, 4),
        ):
            if first in known and last in known and known[last] > known[first]:
                values[key] = known[last] - known[first]
        values |= zip(("p_axis_deg", "qrs_axis_deg", "t_axis_deg"), axes, strict=True)
    position = 6 + 16 * blocks + 10 * spikes
    if position + 2 <= len(body):
        position += 2 + struct.unpack_from("<H", body, position)[0]
        if position + 7 <= len(body):
            rate, atrial, qtc = struct.unpack_from("<3H", body, position)
            values |= {"heart_rate_bpm": rate, "atrial_rate_bpm": atrial, "qtc_ms": qtc}
    return stated_measurements(values)


def statements(body: bytes) -> str:
    """Return the texts of section 8, one per line; what is damaged is left out."""
    if len(body) < 9:
        return ""
    texts, position = [], 9
    for _ in range(body[8]):
        if position + 3 > len(body):
            break
        (length,) = struct.unpack_from("<H", body, position + 1)
        text = body[position + 3 : position + 3 + length]
        texts.append(" ".join(filter(None, map(plain_text, text.split(b"\0")))))
        position += 3 + length
    return "\n".join(filter(None, texts))
