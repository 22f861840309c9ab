"""The stored integers of a recording, without a detour through floating point.

A corpus keeps what the device wrote: int16 samples, one gain and one baseline per record, -32768
for a missing sample; ``mV = (sample - baseline) / gain``. WFDB records whose ECG leads share one
file, storage, gain and baseline are taken as they are stored. Everything else is read as a
:class:`Recording` and rounded to 1 µV, and samples beyond ±32.767 mV are clipped and counted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.datasets.mc_med_waveforms import read_stored, split_member, waveform_header
from ecgfoundry.errors import LeadError, SignalError, TruncatedFileError
from ecgfoundry.formats.base import DEFAULT_LIMITS
from ecgfoundry.formats.common.channels import channel_kinds
from ecgfoundry.formats.wfdb.header import SignalSpec, WfdbHeader, read_header
from ecgfoundry.formats.wfdb.storage import (
    STORAGE_FORMATS,
    bytes_needed,
    read_samples,
    require_bytes,
)
from ecgfoundry.leads import normalize_lead_names
from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.recording import Recording
from ecgfoundry.units import check_sampling_rate, millivolts_per_unit

__all__ = ["MISSING", "QUANTUM_GAIN", "RawRecord", "open_raw"]

MISSING = -(2**15)
"""The int16 that marks a missing sample, as in WFDB format 16."""

QUANTUM_GAIN = 1000.0
"""Units per mV for sources that are not stored as int16: 1 µV (the contract of the corpus)."""

_INT16_FORMATS = (16, 61, 80, 212, 310, 311)

Int16 = NDArray[np.int16]


@dataclass(frozen=True)
class RawRecord:
    """A recording as integers.

    Parameters
    ----------
    leads : tuple of str
    sampling_rate : float
        Hz.
    samples : int
        Per lead.
    gain : float
        Units per mV.
    baseline : int
        The value of 0 mV.
    start_time : datetime or None
        Of the first sample.
    read : callable (start, stop) -> (int16 array (leads, stop - start), clipped samples)
    """

    leads: tuple[str, ...]
    sampling_rate: float
    samples: int
    gain: float
    baseline: int
    start_time: dt.datetime | None
    read: Callable[[int, int], tuple[Int16, int]]


def open_raw(manifest: Manifest, row: ManifestRow, leads: Sequence[str] | None = None) -> RawRecord:
    """Open the recording of a manifest row; the row's part of it, its leads or the named ones.

    Raises
    ------
    EcgFoundryError
        Of any kind that a reader raises; LeadError if a named lead is not there.
    """
    path = Path(row.path)
    path = path if path.is_absolute() else manifest.folder / path
    if row.standardized_as is not None:
        raise SignalError(
            f"the array is standardized ({row.standardized_as}); a corpus holds raw signals",
            path=path,
        )
    record = None
    if split_member(path)[1] is not None:
        record = _from_header(path, waveform_header(path), leads)
        if record is None:
            raise SignalError("only one-signal int16 records are read from a zip file", path=path)
    elif path.suffix == ".hea" or (not path.suffix and path.with_suffix(".hea").is_file()):
        header_path = path if path.suffix == ".hea" else path.with_suffix(".hea")
        record = _from_header(header_path, read_header(header_path, DEFAULT_LIMITS), leads)
    if record is not None:
        return _part(record, row.start_s, row.duration_s, path)
    return _from_recording(manifest.open(row), leads)


def _part(
    record: RawRecord, start_s: float | None, duration_s: float | None, path: Path
) -> RawRecord:
    """Restrict to the row's part, by the rule of ``formats.read``."""
    if not start_s and duration_s is None:
        return record
    rate = record.sampling_rate
    first = round((start_s or 0.0) * rate)
    if first >= record.samples:
        raise SignalError(
            f"the part starts at {start_s:g} s, the recording has {record.samples / rate:g} s",
            path=path,
        )
    last = record.samples
    if duration_s is not None:
        last = min(first + round(duration_s * rate), last)
    begin = record.start_time
    if begin is not None:
        begin += dt.timedelta(seconds=first / rate)

    def read(start: int, stop: int) -> tuple[Int16, int]:
        return record.read(first + start, first + stop)

    return RawRecord(record.leads, rate, last - first, record.gain, record.baseline, begin, read)


def _from_header(path: Path, header: WfdbHeader, leads: Sequence[str] | None) -> RawRecord | None:
    """Return the record as it is stored, or None if its leads do not share one int16 form."""
    signals = header.signals
    if header.segments or not signals:
        return None
    first = signals[0]
    if first.storage not in _INT16_FORMATS or any(not _alike(first, other) for other in signals):
        return None
    names = [signal.description for signal in signals]
    kinds = channel_kinds(names, [signal.unit for signal in signals])
    ecg = [number for number, kind in enumerate(kinds) if kind == "ecg"]
    own = normalize_lead_names([names[number] for number in ecg])
    chosen = _choose(own, leads, path)
    places = [ecg[own.index(lead)] for lead in chosen]
    if not places:
        return None
    scale = signals[places[0]]
    alike = all(_same_scale(scale, signals[k]) for k in places)
    member = split_member(path)[1]
    if member is not None and (len(signals) > 1 or not alike):
        return None
    samples = _length(path, header, in_archive=member is not None)
    read = _archived(path, header, samples) if member is not None else _filed(header, places)
    if not alike:
        read = _rescaled(read, [signals[k] for k in places])
    return RawRecord(
        leads=chosen,
        sampling_rate=check_sampling_rate(header.frame_rate),
        samples=samples,
        gain=scale.gain / millivolts_per_unit(scale.unit) if alike else QUANTUM_GAIN,
        baseline=scale.baseline if alike else 0,
        start_time=header.start_time,
        read=read,
    )


def _rescaled(
    read: Callable[[int, int], tuple[Int16, int]], signals: Sequence[SignalSpec]
) -> Callable[[int, int], tuple[Int16, int]]:
    """Bring leads of different gains to one: 1 µV per unit."""
    factors = [QUANTUM_GAIN * millivolts_per_unit(s.unit) / s.gain for s in signals]

    def rescaled(start: int, stop: int) -> tuple[Int16, int]:
        stored, _ = read(start, stop)
        values = stored.astype(np.float64)
        for row, signal, factor in zip(values, signals, factors, strict=True):
            row -= signal.baseline
            row *= factor
        return _quantized(values, stored == MISSING)

    return rescaled


def _quantized(units: NDArray[np.float64], missing: NDArray[np.bool_]) -> tuple[Int16, int]:
    """Round to int16; count what had to be clipped."""
    rounded = np.rint(units)
    clipped = np.clip(rounded, MISSING + 1, -MISSING - 1)
    lost = int(np.count_nonzero((clipped != rounded) & ~missing))
    return np.where(missing, MISSING, clipped).astype(np.int16), lost


def _alike(first: SignalSpec, other: SignalSpec) -> bool:
    same_file = (first.file_name, first.storage, first.byte_offset)
    if (other.file_name, other.storage, other.byte_offset) != same_file:
        return False
    return other.samples_per_frame == 1 and other.skew == 0


def _same_scale(first: SignalSpec, other: SignalSpec) -> bool:
    """Whether one gain and baseline serve both; a baseline must leave -32768 for "missing"."""
    if abs(other.baseline) > 32_767 or other.gain <= 1e-15:
        return False
    return (first.gain, first.baseline, first.unit) == (other.gain, other.baseline, other.unit)


def _choose(own: Sequence[str], wanted: Sequence[str] | None, path: Path) -> tuple[str, ...]:
    if wanted is None:
        return tuple(own)
    names = normalize_lead_names(wanted)
    absent = [name for name in names if name not in own]
    if absent:
        raise LeadError(
            f"there is no lead {', '.join(absent)}; the recording has {', '.join(own)}", path=path
        )
    return names


def _length(path: Path, header: WfdbHeader, *, in_archive: bool) -> int:
    """Samples per lead: what the header says, else what the file holds."""
    if header.frames is not None:
        return header.frames
    if in_archive:
        raise TruncatedFileError("the header in the zip file states no length", path=path)
    signal = header.signals[0]
    form = STORAGE_FORMATS[signal.storage]
    stored = require_bytes(header.folder / signal.file_name, 0) - signal.byte_offset
    return stored // form.group_bytes * form.group_samples // len(header.signals)


def _filed(header: WfdbHeader, places: Sequence[int]) -> Callable[[int, int], tuple[Int16, int]]:
    signal, width = header.signals[0], len(header.signals)
    form = STORAGE_FORMATS[signal.storage]
    file = header.folder / signal.file_name
    if header.frames is not None:  # a half-written file is refused as a whole
        require_bytes(file, signal.byte_offset + bytes_needed(form, header.frames * width))

    def read(start: int, stop: int) -> tuple[Int16, int]:
        stored = read_samples(
            file,
            form,
            byte_offset=signal.byte_offset,
            first=start * width,
            count=(stop - start) * width,
        )
        table = stored.reshape(-1, width).T
        chosen = table if list(places) == list(range(width)) else table[list(places)]
        return _int16(chosen, form.invalid), 0

    return read


def _archived(
    path: Path, header: WfdbHeader, samples: int
) -> Callable[[int, int], tuple[Int16, int]]:
    # A deflated member cannot be read at random: it is read once, and kept while it is in use.
    invalid = STORAGE_FORMATS[header.signals[0].storage].invalid
    kept: list[Int16] = []

    def read(start: int, stop: int) -> tuple[Int16, int]:
        if not kept:
            kept.append(_int16(read_stored(path, header, samples)[np.newaxis], invalid))
        return kept[0][:, start:stop], 0

    return read


def _int16(stored: NDArray[np.signedinteger], invalid: int | None) -> Int16:
    result: Int16 = stored.astype(np.int16, copy=False)
    if invalid is not None and invalid != MISSING:
        result = np.where(stored == invalid, np.int16(MISSING), result)
    return result


def _from_recording(recording: Recording, leads: Sequence[str] | None) -> RawRecord:
    chosen = recording if leads is None else recording.select(leads)

    def read(start: int, stop: int) -> tuple[Int16, int]:
        units = chosen.signal[:, start:stop].astype(np.float64) * QUANTUM_GAIN
        missing = np.isnan(units)
        return _quantized(np.where(missing, 0.0, units), missing)

    return RawRecord(
        leads=chosen.leads,
        sampling_rate=chosen.sampling_rate,
        samples=chosen.samples,
        gain=QUANTUM_GAIN,
        baseline=0,
        start_time=chosen.start_time,
        read=read,
    )
