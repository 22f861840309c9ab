"""Reader of SCP-ECG records (EN 1064 / ISO 11073-91064), versions 1 to 3.

Plain and Huffman-coded samples (default and own tables, table switches), first and second
differences, subtracted reference beats, and bimodal compression, in which everything outside the
protected zones around the QRS complexes is stored at a lower rate and is interpolated linearly.

Written here because ``ecgdatakit`` 2.0.3 refuses bimodal records and records of more than 32,767
samples per lead, whose stored length overflows its 16 bits. Of such a record the samples that are
stored are read and the rest of the stated range is missing (NaN); the header says so.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, LimitError, TruncatedFileError, UnsupportedVariantError
from ecgfoundry.formats.base import FormatFile, Reader, ReadOptions
from ecgfoundry.formats.common.document import EcgDocument, Trace, document_file
from ecgfoundry.formats.common.measurements import STATEMENTS_KEY
from ecgfoundry.formats.scp.huffman import HuffmanTable, decode_huffman, huffman_tables, summed
from ecgfoundry.formats.scp.leads import SCP_LEADS
from ecgfoundry.formats.scp.sections import (
    LeadRange,
    Locations,
    demographics,
    lead_ranges,
    measurements,
    qrs_locations,
    read_sections,
    statements,
)
from ecgfoundry.recording import Subject

__all__ = ["READER", "open_file", "sniff"]

_OVERFLOW_BYTES = 0xFFFE
"""The largest even length that 16 bits hold: a writer stored what fits and dropped the rest."""
_MAXIMUM_BYTES = 256_000_000
_MAXIMUM_CODED = 8_000_000
"""Huffman-coded samples per file: 12 leads of more than ten minutes at 1 kHz (our choice)."""


def sniff(path: Path, head: bytes) -> bool:
    """Whether section 0 says SCPECG, or stands where it must (it may lack the word)."""
    if head[16:22] == b"SCPECG":
        return True
    if len(head) < 32 or head[8:10] != b"\0\0":
        return False
    (length,) = struct.unpack_from("<L", head, 10)
    # The first pointer of section 0 is its own: number 0, its length, byte 7 of the file.
    return head[22:32] == struct.pack("<HLL", 0, length, 7)


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Open a file, which is decoded as a whole; see :class:`Reader`."""
    return document_file(_parse(path, options), options, path=path, format=READER.name)


@dataclass(frozen=True, slots=True)
class _Data:
    """A data section (5 or 6): nV per unit, microseconds per sample, bytes per lead."""

    multiplier: int
    interval_us: int
    differences: int
    bimodal: bool
    chunks: list[bytes]


def _parse(path: Path, options: ReadOptions) -> EcgDocument:
    size = path.stat().st_size
    if size > min(_MAXIMUM_BYTES, options.limits.file_bytes):
        raise LimitError(f"the file has {size} bytes; the limit is {_MAXIMUM_BYTES}", path=path)
    sections, state = read_sections(path.read_bytes(), path)
    for number, what in ((3, "leads"), (6, "rhythm data")):
        if number not in sections:
            raise UnsupportedVariantError(f"the record has no section {number} ({what})", path=path)
    leads, flags = lead_ranges(sections[3], path)
    total = sum(lead.samples for lead in leads)  # at most one too many per lead, see below
    if total > options.limits.samples:
        raise LimitError(f"{total} samples; the limit is {options.limits.samples}", path=path)
    tables = huffman_tables(sections[2], path) if sections.get(2) else None
    located = qrs_locations(sections[4], path) if sections.get(4) else None
    rhythm = _data_section(sections[6], len(leads), 6, path)
    leads = _from_one(leads, rhythm, bool(flags & 1), tables, path)
    beats = _reference_beats(sections.get(5), leads, located, tables, path)
    header = dict(state)
    values, interval_us, unit_nv = _rhythm(
        rhythm, leads, flags, tables, located, beats, header, path
    )
    about = demographics(sections.get(1, b""))
    header |= measurements(sections.get(7, b""))
    header[STATEMENTS_KEY] = statements(sections.get(8, b""))
    begin = min(lead.first for lead in leads)
    names = _names(leads)
    return EcgDocument(
        traces=[
            Trace(name, _on_axis(row, lead.first - begin), unit_nv, "nV")
            for name, row, lead in zip(names, values, leads, strict=True)
        ],
        sampling_rate=1e6 / interval_us,
        start_time=about.start_time,
        subject=about.subject or Subject(),
        device=about.device,
        header=header,
        beats=[
            Trace(name, row, beats.multiplier, "nV")
            for name, row in zip(names, beats.values, strict=True)
        ]
        if beats is not None
        else (),
        beats_sampling_rate=1e6 / beats.interval_us if beats is not None else None,
        mains_frequency=about.mains_frequency,
        start_text=about.start_text,
    )


def _from_one(
    leads: list[LeadRange],
    rhythm: _Data,
    subtracted: bool,
    tables: list[HuffmanTable] | None,
    path: Path,
) -> list[LeadRange]:
    """Return the leads counted from 1, where a writer counted from 0.

    Some of those state the last sample (0 to 999), some the number of samples (0 to 1000 for
    1000): what is stored tells which. Behind Huffman codes stand filling bits that may look like
    a sample, so there the smaller number counts.
    """
    if all(lead.first > 0 for lead in leads):
        return leads
    mixed = any(lead.first > 0 or lead.last == 0 for lead in leads)
    if mixed or subtracted or rhythm.bimodal:
        raise UnsupportedVariantError(
            "the leads are counted from sample 0, so it is not clear where their beats stand",
            path=path,
        )
    return [
        LeadRange(lead.code, 1, lead.last + (tables is None and len(chunk) // 2 > lead.last))
        for lead, chunk in zip(leads, rhythm.chunks, strict=True)
    ]


def _names(leads: list[LeadRange]) -> list[str]:
    names = [
        SCP_LEADS.get(lead.code, f"lead {number} (code {lead.code})")
        for number, lead in enumerate(leads, 1)
    ]
    return [
        name if names.count(name) == 1 else f"{name} ({number})"
        for number, name in enumerate(names, 1)
    ]


def _on_axis(row: NDArray[np.float64], behind: int) -> NDArray[np.float64]:
    """Put missing samples before a lead that begins later than the first one."""
    if behind == 0:
        return row
    return np.concatenate([np.full(behind, np.nan), row])


def _data_section(body: bytes, leads: int, number: int, path: Path) -> _Data:
    if len(body) < 6 + 2 * leads:
        raise TruncatedFileError(f"section {number} is too short", path=path)
    multiplier, interval, differences, bimodal = struct.unpack_from("<HHBB", body)
    if multiplier == 0 or interval == 0 or differences > 2:
        raise FormatError(
            f"section {number} is damaged ({multiplier} nV per unit, {interval} us per sample, "
            f"differences of order {differences})",
            path=path,
        )
    sizes = struct.unpack_from(f"<{leads}H", body, 6)
    position, chunks = 6 + 2 * leads, []
    for size in sizes:
        if position + size > len(body):
            raise TruncatedFileError(
                f"section {number} is shorter than the leads that it holds", path=path
            )
        chunks.append(body[position : position + size])
        position += size
    return _Data(multiplier, interval, differences, bimodal == 1, chunks)


@dataclass(frozen=True, slots=True, eq=False)
class _Beats:
    """The reference beat 0: nV per unit, microseconds per sample, samples per lead."""

    multiplier: int
    interval_us: int
    values: list[NDArray[np.int64]]


def _reference_beats(
    body: bytes | None,
    leads: list[LeadRange],
    located: Locations | None,
    tables: list[HuffmanTable] | None,
    path: Path,
) -> _Beats | None:
    if not body or located is None or located.length_ms == 0:
        return None
    data = _data_section(body, len(leads), 5, path)
    samples = round(located.length_ms * 1000 / data.interval_us)
    if samples < 1 or not any(data.chunks):
        return None
    return _Beats(
        data.multiplier,
        data.interval_us,
        [_decoded(chunk, samples, tables, data.differences, path) for chunk in data.chunks],
    )


def _decoded(
    chunk: bytes, count: int, tables: list[HuffmanTable] | None, differences: int, path: Path
) -> NDArray[np.int64]:
    if tables is not None:
        return summed(decode_huffman(chunk, count, tables, path), differences)
    if len(chunk) < 2 * count:
        raise TruncatedFileError(
            f"a lead has {len(chunk) // 2} samples, {count} are announced", path=path
        )
    stored = np.frombuffer(chunk, "<i2", count=count).astype(np.int64)
    return summed(stored, differences)


def _rhythm(
    data: _Data,
    leads: list[LeadRange],
    flags: int,
    tables: list[HuffmanTable] | None,
    located: Locations | None,
    beats: _Beats | None,
    header: dict[str, str],
    path: Path,
) -> tuple[list[NDArray[np.float64]], int, float]:
    """Return the leads in float, their interval in us, and nV per unit."""
    subtracted = bool(flags & 1)
    if subtracted and (beats is None or located is None):
        raise FormatError(
            "reference beats are subtracted but the record holds none (sections 4 and 5)",
            path=path,
        )
    factor = 1
    interval = data.interval_us
    if data.bimodal:
        if located is None or beats is None:
            raise FormatError("bimodal data without sections 4 and 5", path=path)
        factor, left = divmod(interval, beats.interval_us)
        if left or not 1 <= factor <= 16:
            raise UnsupportedVariantError(
                f"rhythm data of {interval} us between reference beats of {beats.interval_us} us",
                path=path,
            )
        interval = beats.interval_us
    if subtracted and beats is not None and beats.interval_us != interval:
        raise UnsupportedVariantError(
            "the reference beats have another sampling rate than the rhythm data", path=path
        )
    if tables is not None and sum(lead.samples for lead in leads) > _MAXIMUM_CODED:
        raise LimitError(f"more than {_MAXIMUM_CODED} Huffman-coded samples", path=path)
    rows = []
    for number, (lead, chunk) in enumerate(zip(leads, data.chunks, strict=True), 1):
        if factor > 1 and located is not None:
            row = _bimodal(chunk, lead, located, factor, tables, data.differences, path)
        else:
            row = _plain(chunk, lead, tables, data.differences, header, path)
        row *= data.multiplier
        if subtracted and located is not None and beats is not None:
            _add_beats(row, lead, located, beats.values[number - 1] * beats.multiplier)
        rows.append(row)
    steps = ["Huffman"] if tables is not None else []
    steps += [f"differences of order {data.differences}"] if data.differences else []
    steps += ["reference beat subtraction"] if subtracted else []
    steps += [f"bimodal 1:{factor}"] if factor > 1 else []
    header["compression"] = ", ".join(steps) or "none"
    return rows, interval, 1.0


def _plain(
    chunk: bytes,
    lead: LeadRange,
    tables: list[HuffmanTable] | None,
    differences: int,
    header: dict[str, str],
    path: Path,
) -> NDArray[np.float64]:
    if tables is None and len(chunk) == _OVERFLOW_BYTES and lead.samples > _OVERFLOW_BYTES // 2:
        stored = _decoded(chunk, _OVERFLOW_BYTES // 2, None, differences, path)
        row = np.full(lead.samples, np.nan)
        row[: len(stored)] = stored
        header["samples_stored"] = (
            f"{len(stored)} of {lead.samples} per lead: the format counts bytes in 16 bits"
        )
        return row
    return _decoded(chunk, lead.samples, tables, differences, path).astype(np.float64)


def _bimodal(
    chunk: bytes,
    lead: LeadRange,
    located: Locations,
    factor: int,
    tables: list[HuffmanTable] | None,
    differences: int,
    path: Path,
) -> NDArray[np.float64]:
    """Bring bimodal data to the full rate.

    Protected zones hold every sample. Between them one value stands for the mean of ``factor``
    samples, counted from the end of the zone before; what is left before the next zone is one
    value too. Values in between are interpolated linearly (EN 1064, annex C).
    """
    centres, full = _stored_places(lead, located, factor)
    values = _decoded(chunk, len(centres), tables, differences, path).astype(np.float64)
    row = np.interp(np.arange(lead.samples), centres, values)
    row[full] = values[np.isin(centres, full)]
    return row


def _stored_places(
    lead: LeadRange, located: Locations, factor: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return where each stored value stands (samples from 0), and which samples are protected."""
    protected = np.zeros(lead.samples, bool)
    for beat in located.beats:
        low, high = beat.protected_first - lead.first, beat.protected_last - lead.first + 1
        protected[max(low, 0) : max(high, 0)] = True
    edges = np.flatnonzero(np.diff(protected.astype(np.int8))) + 1
    bounds = [0, *edges.tolist(), lead.samples]
    places: list[NDArray[np.float64]] = []
    for begin, end in itertools.pairwise(bounds):
        if end <= begin:
            continue
        if protected[begin]:
            places.append(np.arange(begin, end, dtype=np.float64))
        else:
            firsts = np.arange(begin, end, factor, dtype=np.float64)
            places.append((firsts + np.minimum(firsts + factor - 1, end - 1)) / 2)
    return np.concatenate(places), np.flatnonzero(protected)


def _add_beats(
    row: NDArray[np.float64], lead: LeadRange, located: Locations, beat: NDArray[np.int64]
) -> None:
    """Add the reference beat 0 back where it was subtracted, its fiducial on the QRS's."""
    for mark in located.beats:
        if mark.kind != 0:
            continue
        begin = mark.fiducial - located.fiducial  # sample number before the beat's first, from 1
        first = max(mark.first, lead.first, begin + 1)
        last = min(mark.last, lead.last, begin + len(beat))
        if last >= first:
            row[first - lead.first : last - lead.first + 1] += beat[
                first - begin - 1 : last - begin
            ]


READER = Reader(
    name="scp",
    description="SCP-ECG: plain, Huffman-coded, reference beats, bimodal",
    extensions=(".scp",),
    sniff=sniff,
    open=open_file,
    notes={"verified": "the compressed variants: on the specification only"},
)
