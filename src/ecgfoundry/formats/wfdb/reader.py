"""Reader of WFDB records, the format of PhysioNet: a text header beside binary signal files.

Storage formats 8, 16, 24, 32, 61, 80, 160, 212, 310 and 311 are decoded here; 508, 516 and 524
(FLAC) need the extra ``formats``. Multi-segment records of fixed and variable layout, skew,
several samples per frame and byte offsets (the ``.mat`` files of the PhysioNet challenges) are
read as header(5) and signal(5) define them. Equal, sample by sample, to the ``wfdb`` package.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgfoundry.errors import LeadError
from ecgfoundry.formats.base import HEAD_BYTES, FormatFile, Reader, ReadOptions, RecordingInfo
from ecgfoundry.formats.common.channels import (
    channel_kinds,
    lead_label,
    no_lead_error,
    renamed_leads,
    says_ecg,
)
from ecgfoundry.formats.common.document import START_DATE
from ecgfoundry.formats.common.multichannel import with_distinct_leads
from ecgfoundry.formats.common.subjects import key_values, subject_from_comments
from ecgfoundry.formats.wfdb.annotations import (
    AnnotationFile,
    annotation_files_beside,
    marks_between,
)
from ecgfoundry.formats.wfdb.header import (
    SignalSpec,
    WfdbHeader,
    looks_like_header,
    parse_header,
    read_header,
)
from ecgfoundry.formats.wfdb.signals import SignalSource, check_range, open_source
from ecgfoundry.leads import normalize_lead_names
from ecgfoundry.recording import Annotation, Channel, Recording, Subject
from ecgfoundry.units import check_sampling_rate, millivolts_per_unit

__all__ = ["READER", "header_path", "open_file", "sniff"]

_SIGNAL_SUFFIXES = frozenset({".dat", ".mat", ".xyz", ".ecg", ".flac"})


def sniff(path: Path, head: bytes) -> bool:
    """Whether the file is a WFDB header, or a signal file that a header beside it names."""
    if path.suffix.lower() == ".hea":
        return looks_like_header(head, need_signal_line=False) or b"\0" not in head
    if looks_like_header(head, need_signal_line=True):
        return True
    if path.suffix.lower() not in _SIGNAL_SUFFIXES and not path.suffix.lower().startswith(".d"):
        return False
    header = path.with_suffix(".hea")
    try:
        with header.open("rb") as file:
            content = file.read(HEAD_BYTES)
    except OSError:
        return False
    named = {line.split(maxsplit=1)[0] for line in content.splitlines() if line.strip()}
    return looks_like_header(content, need_signal_line=True) and path.name.encode() in named


def header_path(path: Path) -> Path:
    """Return the header that belongs to a header or signal file."""
    beside = path.with_suffix(".hea")
    return beside if path.suffix.lower() != ".hea" and beside.is_file() else path


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Read the header of a record, and of the layout of segments; see :class:`Reader`."""
    record = _open_record(path, options, head)
    others = [record.names[number] or f"signal {number}" for number in record.other_numbers]
    info = RecordingInfo(
        format=READER.name,
        leads=normalize_lead_names([record.names[number] for number in record.ecg_numbers]),
        sampling_rate=record.sampling_rate,
        samples=record.source.frames * record.ratio,
        other_channels=tuple(others),
    )
    return _OpenedRecord(path, options, info, record)


class _OpenedRecord(FormatFile):
    """An opened record; its annotation files are looked for when they are asked for."""

    def __init__(
        self, path: Path, options: ReadOptions, info: RecordingInfo, record: _Record
    ) -> None:
        super().__init__(path, options, info)
        self._record = record
        self._marks: list[AnnotationFile] | None = None

    def read_segment(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop``, without annotations."""
        record, header = self._record, self._record.header
        source, ratio = record.source, record.ratio
        first_frame, last_frame = start // ratio, -(-stop // ratio)
        check_range(source, first_frame, last_frame, self.options.limits, self.path)
        signal, rows = _allocate(record, last_frame - first_frame)
        source.read_into(rows, first_frame, last_frame, record.factor)
        signal = signal[:, start - first_frame * ratio : stop - first_frame * ratio]
        signal.flags.writeable = False
        begin_s = start / record.sampling_rate
        return Recording(
            signal=signal,
            sampling_rate=record.sampling_rate,
            leads=tuple(record.names[number] for number in record.ecg_numbers),
            start_time=header.start_time and header.start_time + dt.timedelta(seconds=begin_s),
            subject=record.subject,
            header=_header_fields(record),
            other_channels=_other_channels(record, rows, first_frame, start, stop),
            source=str(header.path),
            format=READER.name,
            mains_frequency=self.options.mains_frequency,
        )

    def read_annotations(self, start: int, stop: int) -> tuple[Annotation, ...]:
        """Return the annotations that touch samples ``start`` to ``stop``."""
        record, rate = self._record, self.info.sampling_rate
        if self._marks is None:
            self._marks = annotation_files_beside(
                record.header.path,
                [record.names[number] for number in record.ecg_numbers],
                frame_rate=record.frame_rate,
                total_s=record.source.frames / record.frame_rate,
            )
        return marks_between(
            self._marks,
            -math.inf if start == 0 else start / rate,
            math.inf if stop == self.info.samples else stop / rate,
            origin_s=start / rate,
        )


@dataclass(frozen=True, slots=True)
class _Record:
    """A header with its source, its channels sorted into ECG and others, and its rates."""

    header: WfdbHeader
    source: SignalSource
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    units: tuple[str, ...]
    unit_option: str | None
    frame_rate: float
    ratio: int
    subject: Subject
    slow: tuple[int, ...]
    """ECG channels at another rate than the leads; they are among the others."""

    @property
    def ecg_numbers(self) -> list[int]:
        return [number for number, kind in enumerate(self.kinds) if kind == "ecg"]

    @property
    def other_numbers(self) -> list[int]:
        return [number for number, kind in enumerate(self.kinds) if kind != "ecg"]

    @property
    def sampling_rate(self) -> float:
        return self.frame_rate * self.ratio

    def factor(self, number: int, signal: SignalSpec) -> float:
        """Return the factor to mV for an ECG lead, 1 for any other channel."""
        if self.kinds[number] != "ecg":
            return 1.0
        return millivolts_per_unit(self.unit_option or signal.unit)


def _open_record(path: Path, options: ReadOptions, head: bytes | None) -> _Record:
    place = header_path(path)
    if head is not None and len(head) < HEAD_BYTES and place == path:
        header = parse_header(head, path, options.limits)  # it was read as a whole to recognise it
    else:
        header = read_header(place, options.limits)
    source = open_source(header, options.limits)
    channels = source.channels
    labels = [channel.description for channel in channels]
    units = [channel.unit for channel in channels]
    all_named = options.leads is not None and len(options.leads) == len(channels)
    names = list(options.leads or ()) if all_named else [lead_label(label) for label in labels]
    # A unit from the caller says that what carries a lead name is a voltage after all.
    stated = [options.unit or unit for unit in units]
    kinds = channel_kinds(names, stated, by_caller=all_named)
    ecg = [number for number, kind in enumerate(kinds) if kind == "ecg"]
    if options.leads is not None and not all_named:
        if len(options.leads) != len(ecg):
            raise LeadError(
                f"{len(options.leads)} lead names are given for {len(ecg)} ECG channels "
                f"({', '.join(names)})",
                path=path,
            )
        for number, name in zip(ecg, options.leads, strict=True):
            names[number] = name
    if not ecg:
        raise no_lead_error(names, units, path, what="record")
    ratio = _lead_ratio({number: channels[number].samples_per_frame for number in ecg}, names)
    for number in ecg:
        if channels[number].samples_per_frame != ratio:
            kinds[number] = "other"
    if options.leads is None:
        names = with_distinct_leads(names, kinds)
    rate = options.sampling_rate
    rate = check_sampling_rate(header.frame_rate * ratio if rate is None else rate)
    return _Record(
        header=header,
        source=source,
        names=tuple(names),
        kinds=tuple(kinds),
        units=tuple(units),
        unit_option=options.unit,
        frame_rate=rate / ratio,
        ratio=ratio,
        subject=subject_from_comments(header.comments),
        slow=tuple(n for n in ecg if kinds[n] != "ecg"),
    )


def _lead_ratio(ratios: Mapping[int, int], names: Sequence[str]) -> int:
    """Return the samples per frame of the ECG leads; ``ratios`` by the number of the channel.

    Channels that are named as leads decide, then the larger number of them, then the higher rate:
    an ECG is never averaged down to the rate of something slow.
    """
    named = [ratio for number, ratio in ratios.items() if says_ecg(names[number])]
    counts = Counter(named or ratios.values())
    return max(counts, key=lambda ratio: (counts[ratio], ratio))


def _allocate(record: _Record, frames: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the ECG array (leads, samples), and a row per channel: one of its rows or its own."""
    ecg = record.ecg_numbers
    signal = np.empty((len(ecg), frames * record.ratio), np.float32)
    own = dict(zip(ecg, signal, strict=True))
    rows = [
        own[number] if number in own else np.empty(frames * channel.samples_per_frame, np.float32)
        for number, channel in enumerate(record.source.channels)
    ]
    return signal, rows


def _other_channels(
    record: _Record, rows: Sequence[np.ndarray], first_frame: int, start: int, stop: int
) -> tuple[Channel, ...]:
    channels = []
    for number in record.other_numbers:
        ratio = record.source.channels[number].samples_per_frame
        # The same instants as the ECG samples, rounded to this channel's own.
        low = round(start / record.ratio * ratio) - first_frame * ratio
        high = round(stop / record.ratio * ratio) - first_frame * ratio
        channels.append(
            Channel(
                name=record.names[number] or f"signal {number}",
                kind=record.kinds[number],
                unit=record.units[number],
                sampling_rate=record.frame_rate * ratio,
                signal=rows[number][low:high],
            )
        )
    return tuple(channels)


def _header_fields(record: _Record) -> dict[str, str]:
    fields = key_values(record.header.comments)
    if record.header.comments:
        fields["comments"] = "\n".join(record.header.comments)
    fields["record"] = record.header.record
    if record.header.start_time is None and record.header.start_text:
        fields[START_DATE] = record.header.start_text[:60]
    ecg = [record.source.channels[number] for number in record.ecg_numbers]
    storages = sorted({signal.storage for signal in record.source.channels if signal.storage})
    fields["storage_format"] = ", ".join(map(str, storages))
    if any(signal.gain_assumed for signal in ecg):
        fields["gain"] = "assumed"  # header(5): 200 units per mV where none is stated
    if record.slow:
        fields["leads_at_other_rates"] = ", ".join(record.names[number] for number in record.slow)
    names = [record.names[number] for number in record.ecg_numbers]
    if renamed := renamed_leads(names, [signal.description or "" for signal in ecg]):
        fields["renamed_leads"] = renamed
    if record.source.checksum_state is not None:
        fields["checksum"] = record.source.checksum_state
    return fields


READER = Reader(
    name="wfdb",
    description="WFDB records (PhysioNet): .hea with .dat or .mat, single and multi-segment",
    extensions=(".hea", ".dat", ".mat"),
    sniff=sniff,
    open=open_file,
    random_access=True,
    notes={"flac": "storage formats 508, 516 and 524 need the extra 'formats'"},
)
