"""Reader of ISHNE Holter files (Badilini 1998, Ann. Noninvasive Electrocardiol. 3:263).

A header of 522 bytes, a block of free text, then 16-bit samples of all leads interleaved, each in
units of that lead's resolution in nanovolts. A part is read without the rest. Beats come from the
annotation file ``<name>.ann`` beside the recording, where there is one: a label, an internal code
and the number of samples since the annotation before it.

Some writers count the samples of all leads together; where the size of the file says so, that is
what is read. The header's checksum (CRC-CCITT) is checked and its result stated, since files that
were de-identified afterwards carry a wrong one. Names of persons are not kept.
"""

from __future__ import annotations

import binascii
import datetime as dt
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgfoundry.errors import FormatError, LimitError, TruncatedFileError
from ecgfoundry.formats.base import FormatFile, Reader, ReadOptions, RecordingInfo
from ecgfoundry.formats.common.document import START_DATE
from ecgfoundry.formats.common.moments import day_text
from ecgfoundry.formats.common.multichannel import (
    check_samples,
    named_channels,
    part_annotations,
    plain_text,
    read_bytes,
    require_size,
)
from ecgfoundry.formats.common.subjects import age_between, birth_before
from ecgfoundry.leads import normalize_lead_names
from ecgfoundry.recording import Annotation, Recording, Subject
from ecgfoundry.units import check_sampling_rate, millivolts_per_unit

__all__ = ["READER", "open_file", "sniff"]

_MAGIC = b"ISHNE1.0"
_ANNOTATION_MAGIC = b"ANN  1.0"
_FIXED_END = 522
_MAXIMUM_TEXT = 1_000_000
_LEADS = (
    # Code 0 to 19 of the standard's table of lead specifications.
    *("", "bipolar", "X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF"),
    *("V1", "V2", "V3", "V4", "V5", "V6", "ES", "AS", "AI"),
)
_QUALITY = {
    1: "good",
    2: "intermittent noise",
    3: "frequent noise",
    4: "intermittent disconnect",
    5: "frequent disconnect",
}
_PACEMAKERS = {
    1: "unknown type",
    2: "single chamber unipolar",
    3: "dual chamber unipolar",
    4: "single chamber bipolar",
    5: "dual chamber bipolar",
}
_SEXES = {1: "male", 2: "female"}
_NO_VALUE = -9
_BORN_ON, _RECORDED_ON = 132, 138


@dataclass(frozen=True, slots=True)
class _Header:
    """What the 522 bytes say; ``samples`` per lead, ``resolutions`` in nV, offsets in bytes."""

    samples: int
    data_offset: int
    names: tuple[str, ...]
    resolutions: tuple[int, ...]
    sampling_rate: int
    start_time: dt.datetime | None
    subject: Subject
    device: dict[str, str]
    fields: dict[str, str]


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content begins with the magic number of an ISHNE recording."""
    return head.startswith(_MAGIC)


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Read the header of a file; see :class:`Reader`."""
    header = _read_header(path)
    names, _ = named_channels(header.names, ["ecg"] * len(header.names), options, path)
    rate = check_sampling_rate(options.sampling_rate or header.sampling_rate)
    info = RecordingInfo(
        format=READER.name,
        leads=normalize_lead_names(names),
        sampling_rate=rate,
        samples=header.samples,
    )
    return _IshneFile(path, options, info, header)


class _IshneFile(FormatFile):
    """An opened ISHNE recording."""

    def __init__(
        self, path: Path, options: ReadOptions, info: RecordingInfo, header: _Header
    ) -> None:
        super().__init__(path, options, info)
        self._header = header
        self._beside: list[Annotation] | None = None

    def read_segment(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop``, without annotations."""
        header, options = self._header, self.options
        leads = len(header.names)
        check_samples((stop - start) * leads, options.limits, self.path)
        unit = 1e-6 if options.unit is None else millivolts_per_unit(options.unit)
        signal = np.empty((leads, stop - start), np.float32)
        step = max(4_000_000 // leads, 1)
        for begin in range(start, stop, step):
            end = min(begin + step, stop)
            offset = header.data_offset + begin * leads * 2
            raw = read_bytes(self.path, offset, (end - begin) * leads * 2)
            table = raw.view("<i2").reshape(-1, leads).T.astype(np.float64)
            for row, values, resolution in zip(signal, table, header.resolutions, strict=True):
                # A unit from the caller stands for one step, in place of the stated resolution.
                row[begin - start : end - start] = values * (
                    resolution * unit if options.unit is None else unit
                )
        rate = self.info.sampling_rate
        return Recording(
            signal=signal,
            sampling_rate=rate,
            leads=self.info.leads,
            start_time=header.start_time and header.start_time + dt.timedelta(seconds=start / rate),
            subject=header.subject,
            device=header.device,
            header=header.fields,
            source=str(self.path),
            format=READER.name,
            mains_frequency=options.mains_frequency,
        )

    def read_annotations(self, start: int, stop: int) -> tuple[Annotation, ...]:
        """Return the annotations that touch samples ``start`` to ``stop``."""
        if self._beside is None:
            self._beside, state = _annotations(self.path, self._header)
            self.remarks = {"annotations": state} if state else {}
        return part_annotations(
            self._beside,
            start,
            stop,
            self.info.samples,
            self._header.sampling_rate,
            stated_rate=self.info.sampling_rate,
        )


def _read_header(path: Path) -> _Header:
    size = require_size(path, _FIXED_END, "an ISHNE header")
    with path.open("rb") as file:
        raw = file.read(_FIXED_END)
        if not raw.startswith(_MAGIC):
            raise FormatError("the file does not begin as an ISHNE recording", path=path)
        text_bytes, samples, text_offset, data_offset = struct.unpack_from("<4i", raw, 10)
        if not 0 <= text_bytes <= _MAXIMUM_TEXT:
            raise LimitError(f"the text block has {text_bytes} bytes", path=path)
        require_size(path, _FIXED_END + text_bytes, "its text block")
        checked = binascii.crc_hqx(raw[10:] + file.read(text_bytes), 0xFFFF)
    leads, *codes = struct.unpack_from("<13h", raw, 156)
    qualities = struct.unpack_from("<12h", raw, 182)
    resolutions = struct.unpack_from("<12h", raw, 206)
    (rate,) = struct.unpack_from("<h", raw, 272)
    if not 1 <= leads <= 12:
        raise FormatError(f"the header announces {leads} leads; ISHNE has 1 to 12", path=path)
    if samples < 1 or rate < 1 or data_offset < _FIXED_END or text_offset < 0:
        raise FormatError(
            f"the header is damaged ({samples} samples at {rate} Hz from byte {data_offset})",
            path=path,
        )
    bad = [n for n in range(leads) if resolutions[n] < 1]
    if bad:
        raise FormatError(
            f"lead {bad[0] + 1} has a resolution of {resolutions[bad[0]]} nV", path=path
        )
    (stated_crc,) = struct.unpack_from("<H", raw, 8)
    per_lead = _samples_per_lead(samples, leads, size - data_offset, path)
    behind = size - data_offset - per_lead * leads * 2
    return _Header(
        samples=per_lead,
        data_offset=data_offset,
        names=_lead_names(codes[:leads]),
        resolutions=tuple(resolutions[:leads]),
        sampling_rate=rate,
        start_time=_start_time(raw),
        subject=_subject(raw),
        device={key: value for key, value in (("model", plain_text(raw[232:272])),) if value},
        fields=_fields(
            raw, qualities[:leads], "verified" if checked == stated_crc else "header mismatch"
        )
        | ({"trailing_bytes": str(behind)} if behind > 0 else {}),
    )


def _samples_per_lead(samples: int, leads: int, available: int, path: Path) -> int:
    if available >= samples * leads * 2:
        return samples
    if leads > 1 and samples % leads == 0 and available == samples * 2:
        return samples // leads  # counted over all leads
    raise TruncatedFileError(
        f"the header announces {samples} samples of {leads} leads ({samples * leads * 2} bytes), "
        f"{max(available, 0)} bytes follow",
        path=path,
        remedy="Get the file again from its source",
    )


def _lead_names(codes: list[int]) -> tuple[str, ...]:
    """Return a name per lead; unknown and repeated ones are numbered, never guessed."""
    names: list[str] = []
    for number, code in enumerate(codes, 1):
        name = _LEADS[code] if 0 <= code < len(_LEADS) else ""
        name = name or f"channel {number}"
        names.append(name if name != "bipolar" and name not in names else f"{name} {number}")
    return tuple(names)


def _start_time(raw: bytes) -> dt.datetime | None:
    day = _date(raw, _RECORDED_ON)
    hour, minute, second = struct.unpack_from("<3h", raw, 150)
    try:
        clock = dt.time(hour, minute, 0 if second == _NO_VALUE else second)
    except ValueError:
        return None
    return None if day is None else dt.datetime.combine(day, clock)


def _date(raw: bytes, place: int) -> dt.date | None:
    day, month, year = struct.unpack_from("<3h", raw, place)
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _subject(raw: bytes) -> Subject:
    (sex,) = struct.unpack_from("<h", raw, 128)
    born, day = _date(raw, _BORN_ON), _date(raw, _RECORDED_ON)
    return Subject(
        age=age_between(born, day),
        sex=_SEXES.get(sex),
        identifier=plain_text(raw[108:128]) or None,
        birth_date=birth_before(born, day),
    )


def _fields(raw: bytes, qualities: tuple[int, ...], checksum: str) -> dict[str, str]:
    fields = {"checksum": checksum}
    day, month, year = struct.unpack_from("<3h", raw, _RECORDED_ON)
    if _start_time(raw) is None and (stated := day_text(year, month, day)):
        fields[START_DATE] = stated
    known = [_QUALITY.get(code) for code in qualities]
    if any(known):
        fields["lead_quality"] = ", ".join(name or "unknown" for name in known)
    (pacemaker,) = struct.unpack_from("<h", raw, 230)
    if pacemaker in _PACEMAKERS:
        fields["pacemaker"] = _PACEMAKERS[pacemaker]
    return fields


def _annotations(path: Path, header: _Header) -> tuple[list[Annotation], str]:
    """Return the beats of the annotation file beside the recording, and what is to say of it."""
    beside = path.with_suffix(".ann")
    try:
        if beside == path or not beside.is_file():
            return [], ""
        size = beside.stat().st_size
        if not _FIXED_END + 4 <= size <= 100_000_000:
            return [], "not read: the annotation file has an impossible size"
        content = beside.read_bytes()
    except OSError as error:
        return [], f"not read: {error.strerror or error}"
    (text_bytes,) = struct.unpack_from("<i", content, 10)
    begin = _FIXED_END + text_bytes
    if not content.startswith(_ANNOTATION_MAGIC) or not 0 <= text_bytes <= size - _FIXED_END - 4:
        return [], "not read: the file beside the recording is no ISHNE annotation file"
    (first,) = struct.unpack_from("<i", content, begin)
    usable = (size - begin - 4) // 4 * 4
    table = np.frombuffer(content, np.uint8, count=usable, offset=begin + 4).reshape(-1, 4)
    steps = np.ascontiguousarray(table[:, 2:]).view("<u2").reshape(-1).astype(np.int64)
    places = first + np.cumsum(steps)
    inside = (places >= 0) & (places < header.samples)
    marks = [
        Annotation(float(place) / header.sampling_rate, *_beat(int(label)))
        for place, label in zip(places[inside], table[inside, 0], strict=True)
    ]
    outside = int(np.count_nonzero(~inside))
    return marks, f"{outside} outside the recording are left out" if outside else ""


def _beat(label: int) -> tuple[str, str]:
    """Return kind and text of an annotation from its label, a character."""
    text = chr(label) if 32 < label < 127 else f"code {label}"
    # N normal, V ventricular, S supraventricular, C calibration, B bundle branch block, P paced,
    # X artefact, ! timeout, U unclassified (the standard's table of beat labels).
    return {"C": "note", "!": "note", "X": "noise"}.get(text, "beat"), text


READER = Reader(
    name="ishne",
    description="ISHNE Holter recordings, with beats from an .ann file beside them",
    extensions=(".ecg",),
    sniff=sniff,
    open=open_file,
    random_access=True,
)
