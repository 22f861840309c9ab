"""Reader of EDF, EDF+ (continuous and with gaps), BDF and BDF+ files.

* **Which signals are ECG leads**: those whose label is a lead name in any usual spelling
  ("ECG I", "EKG V2", "II", "aVR", "MDC_ECG_LEAD_V1") or begins with ECG or EKG ("ECG 1",
  "EKG1-EKG2"), and whose unit is a voltage. Everything else (EEG, EMG, respiration, saturation)
  becomes another channel with its own rate. Unlabelled channels are never guessed: without an ECG
  label the caller names all channels with ``leads``.
* **Gaps** of EDF+D are missing samples (NaN), at the place that the onsets of the records give; so
  are those of a file that says it has none (EDF+C) while its records say when they began.
* **Sizes are checked**: a file shorter than its header announces is refused (``edfio`` reads it
  silently). A count of -1 (recording broken off) takes every complete record.
* A part is read without the rest, and only the records of the part.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import UnitError
from ecgfoundry.formats.base import FormatFile, Reader, ReadOptions, RecordingInfo
from ecgfoundry.formats.common.channels import channel_kinds, lead_label, renamed_leads
from ecgfoundry.formats.common.document import START_DATE, filter_text
from ecgfoundry.formats.common.multichannel import (
    check_samples,
    named_channels,
    one_rate,
    part_annotations,
    range_at_rate,
    read_bytes,
)
from ecgfoundry.formats.edf.annotations import (
    EdfTimeline,
    edf_timeline,
    first_onset,
    hides_gaps,
)
from ecgfoundry.formats.edf.header import (
    BDF_START,
    EDF_START,
    EdfHeader,
    EdfSignal,
    read_edf_header,
)
from ecgfoundry.leads import normalize_lead_names
from ecgfoundry.recording import Annotation, Channel, Recording
from ecgfoundry.units import check_sampling_rate, millivolts_per_unit

__all__ = ["READER", "open_file", "sniff"]

_BLOCK_BYTES = 8_000_000
_UNKNOWN_START = "01.01.85 00.00.00"
_PREFILTER = re.compile(r"\b(HP|LP|N)\s*:?\s*(\d+(?:\.\d+)?)", re.IGNORECASE)
_FILTER_KEYS = {"HP": "highpass", "LP": "lowpass", "N": "notch"}


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content begins as EDF or BDF; a table of numbers has line ends there."""
    if head.startswith(BDF_START):
        return True
    return head.startswith(EDF_START) and b"\n" not in head[:256] and len(head) >= 256


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Read the header of a file; see :class:`Reader`."""
    file = _open(path, options)
    info = RecordingInfo(
        format=READER.name,
        leads=normalize_lead_names([file.names[n] for n in file.ecg]),
        sampling_rate=file.sampling_rate,
        samples=file.total(file.first),
        other_channels=tuple(file.names[n] for n in file.others),
    )
    return _OpenedEdf(path, options, info, file)


class _OpenedEdf(FormatFile):
    """An opened EDF or BDF file; the annotations of a continuous one are read when asked for."""

    def __init__(self, path: Path, options: ReadOptions, info: RecordingInfo, file: _File) -> None:
        super().__init__(path, options, info)
        self._file = file
        self._timeline = file.timeline

    def read_segment(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop``, without annotations."""
        file, first = self._file, self._file.first
        ranges = [
            range_at_rate(start, stop, first.rate, signal.rate, file.total(signal))
            for signal in file.signals
        ]
        check_samples(sum(high - low for low, high in ranges), self.options.limits, self.path)
        rows = _read_rows(file, ranges)
        offset = dt.timedelta(seconds=file.offset_s + start / file.sampling_rate)
        scale = file.sampling_rate / first.rate  # 1 unless the caller states another rate
        return Recording(
            signal=np.stack([rows[number] for number in file.ecg]),
            sampling_rate=file.sampling_rate,
            leads=tuple(file.names[n] for n in file.ecg),
            start_time=_shifted(file.header.start_time, offset),
            subject=file.header.subject,
            device=_device(file),
            header=_header_fields(file),
            other_channels=tuple(
                Channel(
                    name=file.names[n],
                    kind=file.kinds[n],
                    unit=file.signals[n].unit,
                    sampling_rate=file.signals[n].rate * scale,
                    signal=rows[n],
                )
                for n in file.others
            ),
            source=str(self.path),
            format=READER.name,
            mains_frequency=self.options.mains_frequency,
        )

    def read_annotations(self, start: int, stop: int) -> tuple[Annotation, ...]:
        """Return the annotations that touch samples ``start`` to ``stop``."""
        if self._timeline is None:
            self._timeline = edf_timeline(self._file.header)
        if self._timeline.damaged:
            self.remarks = {"damaged_annotations": str(self._timeline.damaged)}
        first = self._file.first
        return part_annotations(
            self._timeline.annotations,
            start,
            stop,
            self._file.total(first),
            first.rate,
            stated_rate=self._file.sampling_rate,
        )


@dataclass(frozen=True, slots=True)
class _File:
    """A header with its signals (annotations left out) sorted into ECG leads and others.

    ``onsets`` in s of every record of a file with gaps, else None; ``timeline`` where it had to be
    read for them.
    """

    header: EdfHeader
    timeline: EdfTimeline | None
    onsets: NDArray[np.float64] | None
    offset_s: float
    signals: tuple[EdfSignal, ...]
    names: list[str]
    kinds: list[str]
    factors: list[float]
    sampling_rate: float

    @property
    def first(self) -> EdfSignal:
        """The first ECG lead, whose samples are the time axis."""
        return self.signals[self.ecg[0]]

    @property
    def ecg(self) -> list[int]:
        return [n for n, kind in enumerate(self.kinds) if kind == "ecg"]

    @property
    def others(self) -> list[int]:
        return [n for n, kind in enumerate(self.kinds) if kind != "ecg"]

    def total(self, signal: EdfSignal) -> int:
        """Samples of a signal from the first to the last record, gaps included."""
        if self.onsets is None:
            return self.header.records * signal.samples
        return round(float(self.onsets[-1]) * signal.rate) + signal.samples

    def places(self, signal: EdfSignal) -> NDArray[np.int64] | None:
        """Number of the first sample of each record, or None where they follow each other."""
        if self.onsets is None:
            return None
        places = np.rint(self.onsets * signal.rate).astype(np.int64)
        # Rounded onsets may overlap by a sample; the later record then wins.
        return places


def _open(path: Path, options: ReadOptions) -> _File:
    header = read_edf_header(path, options.limits)
    has_gaps = header.discontinuous or hides_gaps(header)
    timeline = edf_timeline(header, has_gaps=True) if has_gaps else None
    onsets = None if timeline is None else timeline.onsets
    offset_s = first_onset(header) if timeline is None else timeline.offset_s
    signals = tuple(signal for signal in header.signals if not signal.is_annotations)
    kinds = _kinds(signals, options.unit)
    labels = [
        s.label.removeprefix("ECG ") if s.names_lead else lead_label(s.label) for s in signals
    ]
    names, kinds = named_channels(
        labels, kinds, options, path, units=[signal.unit for signal in signals]
    )
    ecg = [n for n, kind in enumerate(kinds) if kind == "ecg"]
    rate = one_rate([names[n] for n in ecg], [signals[n].rate for n in ecg], path)
    factors = [1.0] * len(signals)
    for n in ecg:
        try:
            factors[n] = millivolts_per_unit(options.unit or signals[n].unit)
        except UnitError as error:
            raise UnitError(
                f"'{names[n]}': {error.problem}", path=path, remedy=error.remedy
            ) from None
    if options.sampling_rate is not None:
        rate = check_sampling_rate(options.sampling_rate)
    return _File(header, timeline, onsets, offset_s, signals, names, kinds, factors, rate)


def _kinds(signals: Sequence[EdfSignal], unit: str | None) -> list[str]:
    """Return the kind of every signal from its label, unit and company."""
    # An ECG label without a unit stays an ECG lead, so that the missing unit is reported.
    units = [unit or signal.unit or "mV" for signal in signals]
    kinds = channel_kinds([signal.label for signal in signals], units, unknown_is_ecg=False)
    return ["ecg" if s.names_lead else kind for s, kind in zip(signals, kinds, strict=True)]


def _read_rows(file: _File, ranges: Sequence[tuple[int, int]]) -> list[NDArray[np.float32]]:
    """Return a row of samples for every signal, NaN where no record is."""
    gaps = file.onsets is not None
    rows = []
    for low, high in ranges:
        row = np.empty(high - low, np.float32)
        if gaps:
            row.fill(np.nan)
        rows.append(row)
    header = file.header
    places = [file.places(signal) for signal in file.signals]
    first, last = _record_range(file, places, ranges)
    step = max(_BLOCK_BYTES // header.record_bytes, 1)
    for begin in range(first, last, step):
        end = min(begin + step, last)
        raw = read_bytes(
            header.path,
            header.header_bytes + begin * header.record_bytes,
            (end - begin) * header.record_bytes,
        ).reshape(end - begin, header.record_bytes)
        for n, signal in enumerate(file.signals):
            values = _physical(raw, signal, header.sample_bytes, file.factors[n])
            starts = places[n]
            if starts is None:
                _place(rows[n], values, begin * signal.samples - ranges[n][0])
                continue
            table = values.reshape(end - begin, signal.samples)
            for record, samples in enumerate(table, begin):
                _place(rows[n], samples, int(starts[record]) - ranges[n][0])
    return rows


def _record_range(
    file: _File,
    places: Sequence[NDArray[np.int64] | None],
    ranges: Sequence[tuple[int, int]],
) -> tuple[int, int]:
    """Return the records that the ranges of all signals touch."""
    first, last = file.header.records, 0
    for signal, starts, (low, high) in zip(file.signals, places, ranges, strict=True):
        if high <= low:
            continue
        if starts is None:
            begin, end = low // signal.samples, -(-high // signal.samples)
        else:
            begin = int(np.searchsorted(starts + signal.samples, low, side="right"))
            end = int(np.searchsorted(starts, high, side="left"))
        first, last = min(first, begin), max(last, end)
    return first, last


def _place(row: NDArray[np.float32], values: NDArray[np.float32], position: int) -> None:
    """Write ``values`` at ``position`` of the row; what lies outside is dropped."""
    low, high = max(position, 0), min(position + len(values), len(row))
    if high > low:
        row[low:high] = values[low - position : high - position]


def _physical(
    raw: NDArray[np.uint8], signal: EdfSignal, sample_bytes: int, factor: float
) -> NDArray[np.float32]:
    block = raw[:, signal.offset : signal.offset + signal.samples * sample_bytes]
    if sample_bytes == 2:
        digital = np.ascontiguousarray(block).view("<i2").reshape(-1)
    else:
        parts = np.ascontiguousarray(block).reshape(-1, 3).astype(np.int32)
        digital = parts[:, 0] | (parts[:, 1] << 8) | (parts[:, 2] << 16)
        digital = (digital ^ 0x800000) - 0x800000
    # (digital + offset) x gain in double precision, then to float32: two passes over the samples.
    values = np.add(digital, signal.physical_minimum / signal.gain - signal.digital_minimum)
    result = np.empty(values.shape, np.float32)
    with np.errstate(over="ignore"):
        np.multiply(values, signal.gain * factor, out=result, casting="same_kind")
    if signal.marks_missing and sample_bytes == 2:
        result[digital == -(2**15)] = np.nan
    if abs(signal.gain) * factor > 1e30:  # only a damaged header
        result[~np.isfinite(result)] = np.nan
    return result


def _shifted(start: dt.datetime | None, by: dt.timedelta) -> dt.datetime | None:
    try:
        return None if start is None else start + by
    except OverflowError:
        return None


def _device(file: _File) -> dict[str, str]:
    device = {"equipment": file.header.equipment} if file.header.equipment else {}
    ecg = [file.signals[n] for n in file.ecg]
    for key, texts in (
        ("transducer", {s.transducer for s in ecg}),
        ("prefilter", {s.prefilter for s in ecg}),
    ):
        text = "; ".join(sorted(texts - {""}))
        if text:
            device[key] = text
    if len({s.prefilter for s in ecg}) == 1:
        for kind, value in _PREFILTER.findall(ecg[0].prefilter):
            device.setdefault(_FILTER_KEYS[kind.upper()], filter_text(value))
    return {key: value for key, value in device.items() if value}


def _header_fields(file: _File) -> dict[str, str]:
    header = file.header
    kind = "BDF" if header.sample_bytes == 3 else "EDF"
    if header.plus:
        kind += "+D" if header.discontinuous else "+C"
    fields = {"variant": kind}
    if not header.records_stated:
        fields["records"] = "counted: the header does not state their number"
    if header.start_time is None and header.stated_date not in ("", "X", _UNKNOWN_START):
        fields[START_DATE] = header.stated_date
    if file.onsets is not None and not header.discontinuous:
        fields["gaps"] = "the records say that they do not follow each other, the header does not"
    names = [file.names[n] for n in file.ecg]
    if renamed := renamed_leads(names, [file.signals[n].label for n in file.ecg]):
        fields["renamed_leads"] = renamed
    if header.trailing_bytes:
        fields["trailing_bytes"] = str(header.trailing_bytes)
    return fields


READER = Reader(
    name="edf",
    description="EDF, EDF+ (with gaps), BDF and BDF+",
    extensions=(".edf", ".bdf", ".rec"),
    sniff=sniff,
    open=open_file,
    random_access=True,
    notes={"channels": "signals labelled as ECG leads are leads; all others are other channels"},
)
