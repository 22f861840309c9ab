"""Reader of DICOM waveform objects: 12-lead, general and ambulatory ECG (PS3.3 A.34).

* Leads are named by the coded source (SCPECG and MDC codes), the label of a channel comes last.
  Sensitivity, its correction factor and the baseline are applied; a stated time skew of whole
  samples shifts the channel back, padding values are missing samples (NaN).
* Rhythm and representative beat are told apart by the label of the multiplex group. Groups of one
  rate with different leads (three leads at a time) stand on one time axis at their stated offset,
  NaN elsewhere; of groups with the same leads ``index`` names the one that is meant. Groups
  without a lead are left out, and the header says so.
  Median beats are other channels of the kind "representative-beat".
* Samples of 8, 16 and 32 bits; mu-law and A-law are refused. A part is read without the rest.
"""

from __future__ import annotations

import datetime as dt
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EcgFoundryError, LimitError
from ecgfoundry.formats.base import FormatFile, Reader, ReadOptions, RecordingInfo
from ecgfoundry.formats.common.document import (
    REPRESENTATIVE_BEAT,
    START_DATE,
    age_in_years,
    fills,
    filter_text,
)
from ecgfoundry.formats.common.measurements import (
    STATEMENTS_KEY,
    is_measured,
    stated_measurements,
)
from ecgfoundry.formats.common.moments import day_of
from ecgfoundry.formats.common.multichannel import (
    check_samples,
    named_channels,
    part_annotations,
    read_bytes,
)
from ecgfoundry.formats.common.several import chosen_recording, undecided_among
from ecgfoundry.formats.common.subjects import birth_before, parse_sex
from ecgfoundry.formats.dicom.elements import (
    DicomFile,
    Items,
    looks_like_dicom,
    open_dicom,
    text_of,
)
from ecgfoundry.formats.dicom.waveform import (
    DicomChannel,
    DicomGroup,
    numbers_of,
    waveform_groups,
)
from ecgfoundry.leads import normalize_lead_names
from ecgfoundry.recording import Annotation, Channel, Recording, Subject
from ecgfoundry.units import check_sampling_rate, millivolts_per_unit

__all__ = ["READER", "open_file", "sniff"]

_BLOCK_BYTES = 8_000_000
_LONGEST_BEAT_S = 2.0
"""A group of at most this and a third of the longest one is a mean beat (our choice)."""
_STARTS = (0x0008002A, 0x00080022, 0x00080023)
"""Acquisition date and time, acquisition date, content date."""
_MAXIMUM_SPAN_S = 400 * 86_400.0
_MOMENT = re.compile(
    r"^(\d{4})[.]?(\d\d)[.]?(\d\d)(\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?\s*([+-]\d{4})?$"
)
_MEASUREMENTS = {
    "rr interval": "rr_ms",
    "pr interval": "pr_ms",
    "pr interval global": "pr_ms",
    "qrs duration": "qrs_ms",
    "qrs duration global": "qrs_ms",
    "qt interval": "qt_ms",
    "qt interval global": "qt_ms",
    "qtc interval": "qtc_ms",
    "qtc interval global": "qtc_ms",
    "p axis": "p_axis_deg",
    "qrs axis": "qrs_axis_deg",
    "t axis": "t_axis_deg",
    "heart rate": "heart_rate_bpm",
    "ventricular rate": "heart_rate_bpm",
    "ventricular heart rate": "heart_rate_bpm",
    "atrial rate": "atrial_rate_bpm",
    "atrial heart rate": "atrial_rate_bpm",
}


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content has the preamble of DICOM, or is a data set without one."""
    return looks_like_dicom(head)


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Read the elements of a file, and no samples; see :class:`Reader`."""
    file = _open(path, options)
    info = RecordingInfo(
        format=READER.name,
        leads=normalize_lead_names([place.name for place in file.ecg]),
        sampling_rate=file.sampling_rate,
        samples=file.samples,
        other_channels=tuple(place.name for place in file.others)
        + tuple(f"{one.name} beat" for one in _beat_channels(file)),
        recordings=file.choices,
    )
    several = "waveforms with leads of their own"
    undecided = undecided_among(options.index, file.choices, path, what=several)
    return _OpenedDicom(path, options, info, file, undecided=undecided)


class _OpenedDicom(FormatFile):
    """An opened waveform object."""

    def __init__(
        self,
        path: Path,
        options: ReadOptions,
        info: RecordingInfo,
        file: _File,
        *,
        undecided: EcgFoundryError | None,
    ) -> None:
        super().__init__(path, options, info, undecided=undecided)
        self._file = file
        self._marks, self._measured = _annotations(file)
        self._beats: list[Channel] | None = None

    def read_segment(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop``, without annotations."""
        file, path = self._file, self.path
        width = len(file.ecg) + len(file.others)
        check_samples((stop - start) * width, self.options.limits, path)
        rows = _rows(file, start, stop)
        signal = np.stack([rows[place] for place in file.ecg])
        others = [
            Channel(
                name=place.name,
                kind=place.channel.kind,
                unit=place.channel.unit,
                sampling_rate=file.sampling_rate,
                signal=rows[place],
            )
            for place in file.others
        ]
        if self._beats is None:
            self._beats = _beats(file)
        begin_s = file.begin_s + start / file.sampling_rate
        elements = file.dicom.elements
        begin = _start_time(elements)
        return Recording(
            signal=signal,
            sampling_rate=file.sampling_rate,
            leads=tuple(place.name for place in file.ecg),
            start_time=begin and begin + dt.timedelta(seconds=begin_s),
            subject=_subject(elements, begin),
            device=_device(file),
            header={**_header_fields(file), **self._measured},
            other_channels=(*others, *self._beats),
            source=str(path),
            format=READER.name,
            mains_frequency=self.options.mains_frequency,
        )

    def read_annotations(self, start: int, stop: int) -> tuple[Annotation, ...]:
        """Return the annotations that touch samples ``start`` to ``stop``."""
        native = self._file.groups[0].sampling_rate
        return part_annotations(
            self._marks,
            start,
            stop,
            self._file.samples,
            native,
            stated_rate=self.info.sampling_rate,
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """A channel: its group, its number there, the name to give, and the factor to mV."""

    group: DicomGroup
    number: int
    name: str
    factor: float

    @property
    def channel(self) -> DicomChannel:
        return self.group.channels[self.number]


@dataclass(frozen=True, slots=True)
class _File:
    """The chosen groups on one time axis that begins at ``begin_s`` (s, as the groups state)."""

    dicom: DicomFile
    groups: tuple[DicomGroup, ...]
    beats: tuple[DicomGroup, ...]
    left_out: tuple[DicomGroup, ...]
    choices: int
    chosen: int
    ecg: tuple[_Place, ...]
    others: tuple[_Place, ...]
    begin_s: float
    samples: int
    sampling_rate: float


def _open(path: Path, options: ReadOptions) -> _File:
    dicom = open_dicom(path)
    groups = waveform_groups(dicom, options.limits, named_by_caller=options.leads is not None)
    rhythm = [group for group in groups if not _is_beat(group, groups)] or groups
    sets = _sets_of_groups(rhythm)
    with_leads = [one for one in sets if _has_lead(one)]
    left_out = [group for one in sets if with_leads and one not in with_leads for group in one]
    sets = with_leads or sets
    chosen = chosen_recording(options.index, len(sets), path, what="waveform")
    group_set = sets[chosen]
    channels = [(group, n) for group in group_set for n in range(len(group.channels))]
    kinds = [group.channels[n].kind for group, n in channels]
    names, kinds = named_channels(
        [group.channels[n].name for group, n in channels],
        kinds,
        options,
        path,
        units=[group.channels[n].unit for group, n in channels],
    )
    places = [
        (kind, _Place(group, n, name, _factor(group.channels[n], kind, options)))
        for (group, n), name, kind in zip(channels, names, kinds, strict=True)
    ]
    rate = group_set[0].sampling_rate
    begin_s = min(group.time_offset_s for group in group_set)
    ends = [round((group.time_offset_s - begin_s) * rate) + group.samples for group in group_set]
    if max(ends) / rate > _MAXIMUM_SPAN_S:
        raise LimitError("the offsets of the multiplex groups span more than a year", path=path)
    return _File(
        dicom=dicom,
        groups=tuple(group_set),
        beats=tuple(group for group in groups if group not in rhythm),
        left_out=tuple(left_out),
        choices=len(sets),
        chosen=chosen,
        ecg=tuple(place for kind, place in places if kind == "ecg"),
        others=tuple(place for kind, place in places if kind != "ecg"),
        begin_s=begin_s,
        samples=max(ends),
        sampling_rate=check_sampling_rate(options.sampling_rate or rate),
    )


def _is_beat(group: DicomGroup, groups: Sequence[DicomGroup]) -> bool:
    """Whether a group says that it is a mean beat, or is as short as one beside a strip."""
    if group.is_beat:
        return True
    longest = max(one.samples / one.sampling_rate for one in groups)
    return group.samples / group.sampling_rate < min(_LONGEST_BEAT_S, longest / 3)


def _has_lead(groups: Sequence[DicomGroup]) -> bool:
    return any(channel.kind == "ecg" for group in groups for channel in group.channels)


def _sets_of_groups(groups: list[DicomGroup]) -> list[list[DicomGroup]]:
    """Put groups of one rate whose leads differ together; each set is one recording."""
    sets: list[list[DicomGroup]] = []
    for group in groups:
        names = {channel.name for channel in group.channels}
        for members in sets:
            taken = {channel.name for member in members for channel in member.channels}
            if members[0].sampling_rate == group.sampling_rate and not names & taken:
                members.append(group)
                break
        else:
            sets.append([group])
    return sets


def _factor(channel: DicomChannel, kind: str, options: ReadOptions) -> float:
    if kind != "ecg":
        return 1.0
    return millivolts_per_unit(options.unit or channel.unit)


def _rows(file: _File, start: int, stop: int) -> dict[_Place, NDArray[np.float32]]:
    """Return samples start to stop of every channel on the common axis; NaN where it has none."""
    rows = {place: np.full(stop - start, np.nan, np.float32) for place in (*file.ecg, *file.others)}
    for group in file.groups:
        rate = group.sampling_rate
        # A skew of so many samples: sample 0 was taken that much later than the group's begin.
        begin = round((group.time_offset_s - file.begin_s) * rate)
        shifts = {
            place: begin + round(place.channel.skew_s * rate)
            for place in rows
            if place.group is group
        }
        low = max(start - max(shifts.values()), 0)
        high = min(stop - min(shifts.values()), group.samples)
        for first, table in _blocks(file.dicom, group, low, high):
            last = first + len(table)
            for place, shift in shifts.items():
                lower, upper = max(first, start - shift), min(last, stop - shift)
                if upper > lower:
                    stored = table[lower - first : upper - first, place.number]
                    row = rows[place][lower + shift - start : upper + shift - start]
                    row[:] = _physical(stored, place, group.padding)
    return rows


def _blocks(
    file: DicomFile, group: DicomGroup, low: int, high: int
) -> Iterator[tuple[int, NDArray[np.integer[Any]]]]:
    """Yield the stored samples (samples, channels) in bounded blocks, each with its first."""
    width = np.dtype(group.dtype).itemsize * len(group.channels)
    step = max(_BLOCK_BYTES // width, 1)
    for begin in range(low, high, step):
        count = (min(begin + step, high) - begin) * width
        offset = group.data_offset + begin * width
        if file.inflated is None:
            raw = read_bytes(file.path, offset, count)
        else:
            raw = np.frombuffer(file.inflated, np.uint8, count=count, offset=offset)
        yield begin, raw.view(group.dtype).reshape(-1, len(group.channels))


def _physical(
    stored: NDArray[np.integer[Any]], place: _Place, padding: int | None
) -> NDArray[np.float32]:
    channel = place.channel
    with np.errstate(over="ignore"):
        values = ((stored * channel.gain + channel.baseline) * place.factor).astype(np.float32)
    values[np.isinf(values)] = np.nan
    if padding is not None:
        values[stored == padding] = np.nan
    if channel.kind == "ecg" and stored.dtype == np.int16:
        values[fills(stored, values)] = np.nan
    return values


def _beat_channels(file: _File) -> list[DicomChannel]:
    return [channel for group in file.beats for channel in group.channels]


def _beats(file: _File) -> list[Channel]:
    """Return the representative beats, which have a time axis of their own."""
    beats = []
    for group in file.beats:
        if group.samples * len(group.channels) > 1_000_000:
            continue  # no beat is that long
        tables = [table for _, table in _blocks(file.dicom, group, 0, group.samples)]
        for number, channel in enumerate(group.channels):
            factor = millivolts_per_unit(channel.unit) if channel.kind == "ecg" else 1.0
            place = _Place(group, number, channel.name, factor)
            beats.append(
                Channel(
                    name=f"{channel.name} beat",
                    kind=REPRESENTATIVE_BEAT,
                    unit="mV" if channel.kind == "ecg" else channel.unit,
                    sampling_rate=group.sampling_rate,
                    signal=np.concatenate(
                        [_physical(table[:, number], place, group.padding) for table in tables]
                    ),
                )
            )
    return beats


def _subject(elements: Items, start: dt.datetime | None) -> Subject:
    born = _MOMENT.match(text_of(elements.get(0x00100030)) + "0000")
    try:
        birth = dt.date(int(born[1]), int(born[2]), int(born[3])) if born else None
    except ValueError:
        birth = None
    stated = text_of(elements.get(0x00101010))
    if stated[-1:] not in tuple("DWMY"):
        stated = ""  # without its unit it may be years or days
    day = start.date() if start else _day(elements)
    return Subject(
        age=age_in_years(stated, None, birth, day),
        sex=parse_sex(text_of(elements.get(0x00100040))),
        identifier=text_of(elements.get(0x00100020)) or None,
        birth_date=birth_before(birth, day),
    )


def _start_time(elements: Items) -> dt.datetime | None:
    """Return the acquisition time, else the content's, as the clock of the device showed it.

    Its zone is the offset that it states itself, else that of the data set (0008,0201).
    """
    zone = text_of(elements.get(0x00080201))
    for date, time in ((0x0008002A, None), (0x00080022, 0x00080032), (0x00080023, 0x00080033)):
        text = text_of(elements.get(date)) + (text_of(elements.get(time)) if time else "")
        moment = _moment(text, zone)
        if moment is not None:
            return moment
    return None


def _day(elements: Items) -> dt.date | None:
    """Return the date of a start without a time of day."""
    days = (day_of(text_of(elements.get(tag)).replace(".", "")) for tag in _STARTS)
    return next((day for day in days if day is not None), None)


def _moment(text: str, zone: str) -> dt.datetime | None:
    """Return a moment with at least hour and minute, or None (PS3.5, DT; a leap second is :59)."""
    match = _MOMENT.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    micro = int((match[7] or "0").ljust(6, "0"))
    try:
        return dt.datetime(
            year, month, day, hour, minute, min(second, 59), micro, _zone(match[8] or zone)
        )
    except ValueError:
        return None


def _zone(text: str) -> dt.timezone | None:
    match = re.match(r"^([+-])(\d\d)(\d\d)$", text)
    if match is None or int(match[2]) > 14 or int(match[3]) > 59:  # PS3.5: -1200 to +1400
        return None
    offset = dt.timedelta(hours=int(match[2]), minutes=int(match[3]))
    return dt.timezone(offset if match[1] == "+" else -offset)


def _device(file: _File) -> dict[str, str]:
    elements = file.dicom.elements
    device = {
        "manufacturer": text_of(elements.get(0x00080070)),
        "model": text_of(elements.get(0x00081090)),
        "serial_number": text_of(elements.get(0x00181000)),
        "software": text_of(elements.get(0x00181020)).replace("\\", ", "),
    }
    for position, key in enumerate(("highpass", "lowpass", "notch")):
        settings = {filter_text(place.channel.filters[position]) for place in file.ecg}
        device[key] = ", ".join(sorted(settings - {""}))
    return {key: value for key, value in device.items() if value}


def _header_fields(file: _File) -> dict[str, str]:
    fields = {"multiplex_groups": ", ".join(g.label or str(g.number) for g in file.groups)}
    if file.left_out:
        fields["groups_left_out"] = ", ".join(
            f"{channel.name} at {group.sampling_rate:g} Hz"
            for group in file.left_out
            for channel in group.channels
        )[:400]
    if file.choices > 1:
        fields["waveforms"] = f"{file.chosen + 1} of {file.choices}"
    elements = file.dicom.elements
    stated = next((text for text in map(text_of, map(elements.get, _STARTS)) if text), "")
    if stated and _start_time(elements) is None:
        fields[START_DATE] = stated[:60]
    rate = file.groups[0].sampling_rate
    skews = {place.channel.skew_s for place in file.ecg}
    if skews != {0.0}:
        fields["time_skew"] = (
            "whole samples corrected"
            if any(abs(skew * rate) >= 0.5 for skew in skews)
            else "stated, below half a sample"
        )
    return fields


def _annotations(file: _File) -> tuple[list[Annotation], dict[str, str]]:
    """Return marks on the chosen groups, and measurements and statements as header entries."""
    sequence = file.dicom.elements.get(0x0040B020)
    marks: list[Annotation] = []
    statements: list[str] = []
    measured: dict[str, object] = {}
    for item in sequence.items if sequence else []:
        concept = _meaning(item)
        text = text_of(item.get(0x00700006))
        numbers = numbers_of(item.get(0x0040A30A))
        key = _MEASUREMENTS.get(concept.lower())
        if key is not None and numbers:
            if is_measured(key, numbers[0]):
                measured.setdefault(key, numbers[0])
        elif 0x0040A132 in item or 0x0040A138 in item:
            marks += _points(file, item, concept or text)
        elif text and not concept:
            statements.append(text)
    fields = stated_measurements(measured)
    if statements:
        fields[STATEMENTS_KEY] = "\n".join(statements)
    return marks, fields


def _meaning(item: Items) -> str:
    concept = item[0x0040A043].items[:1] if 0x0040A043 in item else []
    return text_of(concept[0].get(0x00080104)) if concept else ""


def _points(file: _File, item: Items, text: str) -> list[Annotation]:
    """Return the instants of one annotation item that lie on the chosen groups."""
    order = ">" if file.dicom.big_endian else "<"
    raw = item[0x0040A0B0].value or b"" if 0x0040A0B0 in item else b""
    channels = struct.unpack(f"{order}{len(raw) // 2}H", raw[: len(raw) // 2 * 2])
    group = next((g for g in file.groups if channels[:1] == (g.number,)), None)
    if group is None or not text:
        return []
    lead = None
    if len(channels) == 2 and 1 <= channels[1] <= len(group.channels):
        place = next(
            (p for p in file.ecg if p.group is group and p.number == channels[1] - 1), None
        )
        lead = place.name if place else None
    if 0x0040A132 in item:
        raw = item[0x0040A132].value or b""
        count = len(raw) // 4
        positions = struct.unpack(f"{order}{count}L", raw[: count * 4])
        instants = [(position - 1) / group.sampling_rate for position in positions]
    else:
        instants = [value / 1000.0 for value in numbers_of(item[0x0040A138])]
    begin = group.time_offset_s - file.begin_s
    limit = group.samples / group.sampling_rate
    # A range of time has two instants (PS3.3 C.18.5): its begin and its end.
    if text_of(item.get(0x0040A130)) in ("SEGMENT", "MULTISEGMENT") and len(instants) % 2 == 0:
        pairs = list(zip(instants[::2], instants[1::2], strict=True))
    else:
        pairs = [(instant, instant) for instant in instants]
    return [
        Annotation(begin + low, "wave", text, max(high - low, 0.0), lead)
        for low, high in pairs
        if 0 <= low < limit
    ]


READER = Reader(
    name="dicom",
    description="DICOM waveform objects: 12-lead, general and ambulatory ECG",
    extensions=(".dcm",),
    sniff=sniff,
    open=open_file,
    random_access=True,
)
