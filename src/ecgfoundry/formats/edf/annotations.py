"""Time-stamped annotation lists (TALs) of EDF+ and BDF+: texts, and when each record began."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, LimitError
from ecgfoundry.formats.edf.header import EdfHeader
from ecgfoundry.leads import canonical_lead
from ecgfoundry.recording import Annotation

__all__ = ["EdfTimeline", "edf_timeline", "first_onset", "hides_gaps"]

_MAXIMUM_ANNOTATIONS = 2_000_000
"""A 7-day Holter has about 700,000 beats (our choice)."""
_LEAST_GAP_S = 0.1
_DRIFT = 1e-4
"""A clock beside the sampling clock may drift by so much; beyond both, records are missing (our
choice)."""
_MAXIMUM_SPAN_S = 400 * 86_400.0
"""Gaps of EDF+D are filled with missing samples; beyond this an onset is damage (our choice)."""


@dataclass(frozen=True, slots=True)
class EdfTimeline:
    """Annotations from the first sample on, the start offset in s, and each record's onset in s.

    ``onsets`` is None for a continuous file.
    """

    annotations: tuple[Annotation, ...]
    offset_s: float
    onsets: NDArray[np.float64] | None
    damaged: int


def first_onset(header: EdfHeader) -> float:
    """Return when the first record of a continuous file began, in s after the stated start."""
    column = next((signal for signal in header.signals if signal.is_annotations), None)
    if column is None:
        return 0.0
    with header.path.open("rb") as file:
        file.seek(header.header_bytes + column.offset)
        onset, _, _ = _parse(file.read(column.samples * header.sample_bytes))
    return 0.0 if onset is None else onset


def hides_gaps(header: EdfHeader) -> bool:
    """Whether the last record of a continuous file began later than the ones before it explain."""
    column = next((signal for signal in header.signals if signal.is_annotations), None)
    if column is None or header.records < 2:
        return False
    length = column.samples * header.sample_bytes
    with header.path.open("rb") as file:
        onsets = []
        for record in (0, header.records - 1):
            file.seek(header.header_bytes + record * header.record_bytes + column.offset)
            onsets.append(_parse(file.read(length))[0])
    first, last = onsets
    if first is None or last is None:
        return False
    span = (header.records - 1) * header.duration
    return last - first - span > max(_LEAST_GAP_S, _DRIFT * span)


def edf_timeline(header: EdfHeader, *, has_gaps: bool = False) -> EdfTimeline:
    """Return the annotations and the onsets of a file; empty for plain EDF.

    Every record has to be asked: an opened file keeps the answer.
    """
    path = header.path
    if not any(signal.is_annotations for signal in header.signals):
        if has_gaps:
            raise FormatError(
                "the file says it has gaps (EDF+D) but no record says when it began", path=path
            )
        return EdfTimeline((), 0.0, None, 0)
    onsets = np.full(header.records, np.nan)
    marks: list[Annotation] = []
    damaged = 0
    columns = [
        (signal.offset, signal.samples * header.sample_bytes)
        for signal in header.signals
        if signal.is_annotations
    ]
    file = os.open(path, os.O_RDONLY)
    try:
        for record in range(header.records):
            base = header.header_bytes + record * header.record_bytes
            for place, (offset, count) in enumerate(columns):
                raw = os.pread(file, count, base + offset)
                onset, found, bad = _parse(raw)
                damaged += bad
                if place == 0 and onset is not None:
                    onsets[record] = onset
                marks += found
            if len(marks) > _MAXIMUM_ANNOTATIONS:
                raise LimitError(f"more than {_MAXIMUM_ANNOTATIONS} annotations", path=path)
    finally:
        os.close(file)
    begin = 0.0 if math.isnan(onsets[0]) else float(onsets[0])
    shifted = sorted(
        (replace(mark, time_s=mark.time_s - begin) for mark in marks),
        key=lambda mark: mark.time_s,
    )
    gaps = _checked_onsets(onsets - begin, header) if has_gaps else None
    return EdfTimeline(tuple(shifted), begin, gaps, damaged)


def _checked_onsets(onsets: NDArray[np.float64], header: EdfHeader) -> NDArray[np.float64]:
    if np.isnan(onsets).any():
        record = int(np.flatnonzero(np.isnan(onsets))[0])
        raise FormatError(
            f"the file has gaps (EDF+D) but record {record} does not say when it began",
            path=header.path,
        )
    # Onsets are written with limited digits; a record may seem to begin a little early.
    early = np.diff(onsets) < header.duration * (1 - 1e-3) - 1e-3
    if early.any():
        record = int(np.flatnonzero(early)[0]) + 1
        raise FormatError(
            f"record {record} begins at {onsets[record]:g} s, before the one before it ends",
            path=header.path,
        )
    if onsets[-1] > _MAXIMUM_SPAN_S:
        raise FormatError(
            f"the last record begins {onsets[-1]:g} s after the first", path=header.path
        )
    return onsets


def _parse(raw: bytes) -> tuple[float | None, list[Annotation], int]:
    """Return the time-keeping onset, the annotations, and how many lists were damaged."""
    keeping: float | None = None
    marks: list[Annotation] = []
    damaged = 0
    for position, item in enumerate(raw.split(b"\0")):
        if not item:
            continue
        head, *texts = item.split(b"\x14")
        onset_text, _, duration_text = head.partition(b"\x15")
        onset, duration = _seconds(onset_text), _seconds(duration_text) if duration_text else 0.0
        if onset is None or duration is None or duration < 0 or not texts:
            damaged += 1
            continue
        if position == 0 and texts[0] == b"":
            keeping = onset
        marks += [
            _annotation(onset, text.decode("utf-8", errors="replace"), duration)
            for text in texts
            if text
        ]
    return keeping, marks, damaged


def _annotation(onset: float, text: str, duration: float) -> Annotation:
    """Return a mark; EDF+ 2.2.4 puts the label of the signal that it belongs to behind "@@"."""
    words, at, label = text.rpartition("@@")
    name = label.strip().removeprefix("ECG ")
    lead = canonical_lead(name) or name if at else None
    return Annotation(onset, "note", words if lead else text, duration, lead or None)


def _seconds(text: bytes) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
