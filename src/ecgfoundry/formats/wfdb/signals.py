"""The samples of a WFDB record, from its header: files, frames, skew, segments -> physical values.

Two kinds of source give the same interface: a single-segment record, and a record of several
segments of fixed or variable layout (header(5)). Positions are in frames; a signal with several
samples per frame gives that many values per frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, LimitError, UnsupportedVariantError
from ecgfoundry.formats.base import Limits
from ecgfoundry.formats.wfdb.flac import FLAC_INVALID, flac_frames, read_flac
from ecgfoundry.formats.wfdb.header import SegmentSpec, SignalSpec, WfdbHeader, read_header
from ecgfoundry.formats.wfdb.storage import (
    STORAGE_FORMATS,
    StorageFormat,
    bytes_needed,
    read_samples,
    require_bytes,
)

__all__ = ["Factor", "SignalSource", "check_range", "open_source"]

_KEPT_SEGMENTS = 64
"""Opened segments of a record that are kept; a header has about 1 kB (our choice)."""

Digital = NDArray[np.signedinteger[Any]]
Physical = NDArray[np.float32]
Rows = Sequence[Physical]
Factor = Callable[[int, SignalSpec], float]
"""(channel number, signal) -> factor from the signal's unit to the wanted one."""


class SignalSource(Protocol):
    """What both kinds of record offer."""

    channels: tuple[SignalSpec, ...]
    frames: int
    checksum_state: str | None

    def read_into(self, rows: Rows, start: int, stop: int, factor: Factor) -> None:
        """Write frames ``start`` to ``stop`` of every channel into its row, NaN for gaps.

        ``rows`` has one float32 array of ``(stop - start) * samples_per_frame`` per channel.
        """
        ...


def open_source(header: WfdbHeader, limits: Limits) -> SignalSource:
    """Return the source of a header's samples; checks file sizes, reads no samples.

    Raises
    ------
    FileAccessError, TruncatedFileError, FormatError, UnsupportedVariantError, MissingExtraError
    """
    if header.segments:
        return _SegmentedSource(header, limits)
    return _SingleSource(header)


@dataclass(frozen=True, slots=True)
class _FileGroup:
    """The signals that share one signal file, in their order in each frame."""

    path: Path
    members: tuple[int, ...]
    signals: tuple[SignalSpec, ...]

    @property
    def storage(self) -> int:
        return self.signals[0].storage

    @property
    def byte_offset(self) -> int:
        return self.signals[0].byte_offset

    @property
    def form(self) -> StorageFormat:
        return STORAGE_FORMATS[self.storage]

    @property
    def frame_samples(self) -> int:
        return sum(signal.samples_per_frame for signal in self.signals)

    @property
    def ratios(self) -> list[int]:
        return [signal.samples_per_frame for signal in self.signals]

    @property
    def is_flac(self) -> bool:
        return self.storage in FLAC_INVALID

    @property
    def invalid(self) -> int | None:
        return FLAC_INVALID[self.storage] if self.is_flac else self.form.invalid


def _group_by_file(header: WfdbHeader) -> list[_FileGroup]:
    members: dict[str, list[int]] = {}
    for number, signal in enumerate(header.signals):
        members.setdefault(signal.file_name, []).append(number)
    groups = []
    for name, numbers in members.items():
        signals = tuple(header.signals[number] for number in numbers)
        storage = signals[0].storage
        if any(signal.storage != storage for signal in signals):
            raise FormatError(
                f"the signals of '{name}' have different storage formats", path=header.path
            )
        if storage == 0:
            continue  # header(5): a null signal, of which nothing is stored
        if storage not in STORAGE_FORMATS and storage not in FLAC_INVALID:
            raise UnsupportedVariantError(
                f"storage format {storage} is not read",
                path=header.path,
                remedy="Convert the record to format 16, for example with xform -O 16",
            )
        groups.append(_FileGroup(header.folder / name, tuple(numbers), signals))
    return groups


class _SingleSource:
    """A record whose signal files stand beside its header."""

    def __init__(self, header: WfdbHeader) -> None:
        if not header.signals:
            raise FormatError("the WFDB record has no signals", path=header.path)
        self.path = header.path
        self._groups = _group_by_file(header)
        if not self._groups:
            raise UnsupportedVariantError(
                "the signals of the record are not stored (storage format 0)",
                path=header.path,
                remedy="If this is the layout of a multi-segment record, read its master header",
            )
        self.channels = header.signals
        self.frames = header.frames or min(_stored_frames(group) for group in self._groups)
        self.checksum_state: str | None = None
        if self.frames == 0:
            raise FormatError("the WFDB record holds no samples", path=header.path)
        for group in self._groups:
            _check_size(group, self.frames)

    def read_into(self, rows: Rows, start: int, stop: int, factor: Factor) -> None:
        whole = start == 0 and stop == self.frames
        mismatches: list[str] = []
        stored = {number for group in self._groups for number in group.members}
        for number, row in enumerate(rows):
            if number not in stored:
                row[:] = np.nan
        if stop <= start:
            return
        for group in self._groups:
            reach = max(signal.skew for signal in group.signals)
            last = max(min(stop + reach, self.frames), start)
            digital = _read_frames(group, start, last - start)
            for number, signal, samples in zip(group.members, group.signals, digital, strict=True):
                if whole:
                    mismatches += _checksum_mismatch(signal, samples)
                ratio = signal.samples_per_frame
                if signal.skew:
                    samples = samples[signal.skew * ratio : (signal.skew + stop - start) * ratio]
                else:
                    samples = samples[: (stop - start) * ratio]
                row = rows[number]
                _write_physical(row, samples, signal, group.invalid, factor(number, signal))
                # Behind the end of its file a skewed signal has no samples.
                row[len(samples) :] = np.nan
        if whole:
            self.checksum_state = "; ".join(mismatches) or _checksum_summary(self.channels)


class _SegmentedSource:
    """A record that is a sequence of records, with gaps (header(5), "multi-segment records")."""

    def __init__(self, header: WfdbHeader, limits: Limits) -> None:
        self._header = header
        self._limits = limits
        first = header.segments[0]
        self._layout = None
        segments = header.segments
        if first.frames == 0 and not first.is_gap:
            self._layout = self._open_header(first.name)
            segments = segments[1:]
        self._segments = segments
        self._headers: dict[str, WfdbHeader] = {}
        self._opened: dict[str, tuple[_SingleSource | None, list[int]]] = {}
        self.frames = sum(segment.frames for segment in segments)
        self.checksum_state: str | None = None
        if header.frames is not None and header.frames != self.frames:
            raise FormatError(
                f"the segments have {self.frames} samples together, the record line says "
                f"{header.frames}",
                path=header.path,
            )
        if self.frames == 0:
            raise FormatError("the WFDB record holds no samples", path=header.path)
        named = next((segment for segment in segments if not segment.is_gap), None)
        if self._layout is None and named is None:
            raise FormatError("the WFDB record consists of gaps only", path=header.path)
        reference = self._layout or self._open_header(named.name if named else "")
        if self._layout is None:
            self._headers[reference.path.stem] = reference
        self.channels = reference.signals
        if len(self.channels) != header.signal_count:
            raise FormatError(
                f"the record line says {header.signal_count} signals, "
                f"'{reference.path.name}' describes {len(self.channels)}",
                path=header.path,
            )

    def _open_header(self, name: str) -> WfdbHeader:
        segment = read_header(self._header.folder / f"{name}.hea", self._limits)
        if segment.segments:
            raise FormatError("a segment is itself a multi-segment record", path=segment.path)
        if not np.isclose(segment.frame_rate, self._header.frame_rate, rtol=1e-6):
            raise UnsupportedVariantError(
                f"the segment has {segment.frame_rate:g} Hz, the record "
                f"{self._header.frame_rate:g} Hz",
                path=segment.path,
            )
        return segment

    def read_into(self, rows: Rows, start: int, stop: int, factor: Factor) -> None:
        for row in rows:
            row[:] = np.nan
        begin = 0
        for segment in self._segments:
            end = begin + segment.frames
            if begin >= stop:
                break
            if not segment.is_gap and end > start:
                low, high = max(start, begin), min(stop, end)
                source, places = self._open_segment(segment)
                parts = []
                for place in places:
                    ratio = self.channels[place].samples_per_frame
                    parts.append(rows[place][(low - start) * ratio : (high - start) * ratio])
                if source is not None:
                    _read_segment(source, parts, low - begin, high - begin, places, factor)
            begin = end

    def _open_segment(self, segment: SegmentSpec) -> tuple[_SingleSource | None, list[int]]:
        """Return a segment's samples and the places of its signals; None where none is stored.

        The last segments are kept: neighbouring windows come out of one.
        """
        if segment.name not in self._opened:
            header = self._headers.pop(segment.name, None) or self._open_header(segment.name)
            header = replace(header, frames=header.frames or segment.frames)
            places = self._places(header)
            # A null record, all of whose signals have the storage format 0, is a gap.
            is_null = bool(header.signals) and all(s.storage == 0 for s in header.signals)
            while len(self._opened) >= _KEPT_SEGMENTS:
                self._opened.pop(next(iter(self._opened)))
            self._opened[segment.name] = (None if is_null else _SingleSource(header)), places
        return self._opened[segment.name]

    def _places(self, header: WfdbHeader) -> list[int]:
        """Return the number of each of the segment's signals among the record's channels."""
        if self._layout is None:
            places = list(range(len(self.channels)))
            fits = len(header.signals) == len(places)
        else:
            names = [channel.description for channel in self.channels]
            places = [
                names.index(signal.description)
                for signal in header.signals
                if signal.description in names
            ]
            fits = len(places) == len(header.signals) == len(set(places))
        if not fits or any(
            signal.samples_per_frame != self.channels[place].samples_per_frame
            for place, signal in zip(places, header.signals, strict=True)
        ):
            raise FormatError(
                "the signals of the segment do not fit the layout of the record", path=header.path
            )
        return places


def _read_segment(
    source: _SingleSource,
    rows: Rows,
    start: int,
    stop: int,
    places: Sequence[int],
    factor: Factor,
) -> None:
    if stop > source.frames:
        raise FormatError(
            f"the segment has {source.frames} samples, the record expects {stop}",
            path=source.path,
        )
    source.read_into(rows, start, stop, lambda number, signal: factor(places[number], signal))


def _stored_frames(group: _FileGroup) -> int:
    """Return how many frames a signal file holds, where the header does not say it."""
    if group.is_flac:
        return flac_frames(group.path, group.storage, group.ratios, group.byte_offset)
    size = max(require_bytes(group.path, 0) - group.byte_offset, 0)
    form = group.form
    samples = size // form.group_bytes * form.group_samples
    return samples // group.frame_samples


def _check_size(group: _FileGroup, frames: int) -> None:
    if not group.is_flac:
        needed = bytes_needed(group.form, frames * group.frame_samples)
        require_bytes(group.path, group.byte_offset + needed)


def _read_frames(group: _FileGroup, first: int, count: int) -> list[Digital]:
    """Return the digital samples of every signal of a file, ``count`` frames from ``first``."""
    if group.is_flac:
        return read_flac(
            group.path,
            group.storage,
            samples_per_frame=group.ratios,
            offset=group.byte_offset,
            first=first,
            count=count,
        )
    width = group.frame_samples
    # Format 8 stores differences: the value at a frame needs all frames before it.
    lead_in = first if group.storage == 8 else 0
    flat = read_samples(
        group.path,
        group.form,
        byte_offset=group.byte_offset,
        first=(first - lead_in) * width,
        count=(count + lead_in) * width,
    )
    table = flat.reshape(count + lead_in, width)
    signals: list[Digital] = []
    column = 0
    for signal in group.signals:
        ratio = signal.samples_per_frame
        samples = table[:, column : column + ratio].reshape(-1)
        if group.storage == 8:
            samples = _summed(samples, signal.initial_value)[lead_in * ratio :]
        signals.append(samples)
        column += ratio
    return signals


def _summed(differences: Digital, initial: int) -> Digital:
    result: Digital = initial + np.cumsum(differences, dtype=np.int64)
    return result


def _write_physical(
    row: Physical, samples: Digital, signal: SignalSpec, invalid: int | None, factor: float
) -> None:
    """``(digital - baseline) / gain`` in double precision, then the unit factor, as float32."""
    if not len(samples):
        return
    values = samples.astype(np.float64)
    values -= signal.baseline
    values /= signal.gain
    if factor != 1.0:
        values *= factor
    written = row[: len(samples)]
    with np.errstate(over="ignore"):
        written[:] = values
    # The invalid value is the lowest of its format, so the minimum tells whether there is one.
    if invalid is not None and samples.min() == invalid:
        written[samples == invalid] = np.nan
    if abs(signal.gain) < 1e-15:  # only a damaged header; infinities would spread downstream
        written[~np.isfinite(written)] = np.nan


def _checksum_mismatch(signal: SignalSpec, samples: Digital) -> list[str]:
    """Compare the 16-bit sum of all stored samples with the header (header(5): checksum)."""
    if signal.checksum is None:
        return []
    found = int(samples.sum(dtype=np.int64)) & 0xFFFF
    # Several writers (CinC 2017) put 0 where they did not compute the sum.
    if signal.checksum == 0 or found == signal.checksum & 0xFFFF:
        return []
    name = signal.description or signal.file_name
    return [f"mismatch in '{name}': stated {signal.checksum & 0xFFFF}, found {found}"]


def _checksum_summary(channels: Sequence[SignalSpec]) -> str:
    stated = all(signal.checksum for signal in channels)
    return "verified" if stated else "not stated for every signal"


def check_range(source: SignalSource, start: int, stop: int, limits: Limits, path: Path) -> None:
    """Refuse a range that would allocate more samples than the limit."""
    width = sum(signal.samples_per_frame for signal in source.channels)
    if (stop - start) * width > limits.samples:
        raise LimitError(
            f"{(stop - start) * width} samples are asked for; the limit is {limits.samples}",
            path=path,
            remedy="Read a part with start_s and duration_s, or iterate over windows",
        )
