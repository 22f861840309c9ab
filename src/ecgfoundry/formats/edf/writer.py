"""Writing EDF+ (continuous): ECG leads in microvolts, other channels, annotations.

EDF has no sign for a missing sample. A lead with missing samples says so in the part of its
header that the standard leaves free (``missing -32768``): our reader gives NaN back, any other
program shows the smallest value.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import UnsupportedVariantError
from ecgfoundry.formats.common.capabilities import Capabilities, ascii_text, none_of_it
from ecgfoundry.formats.common.channels import known_non_ecg_kind
from ecgfoundry.formats.common.document import REPRESENTATIVE_BEAT, filter_text
from ecgfoundry.formats.common.subjects import believed_birth
from ecgfoundry.formats.common.writing import (
    MISSING,
    Writer,
    Written,
    digital,
    microvolts_per_step,
)
from ecgfoundry.formats.edf.header import LEAD_MARK, MISSING_MARK
from ecgfoundry.io import write_atomically
from ecgfoundry.recording import Annotation, Channel, Recording

__all__ = ["WRITER", "write_edf"]

_RECORD_BYTES = 61_440
"""EDF recommends data records of at most this size."""
_LARGEST_RECORD_BYTES = 10_000_000
_SMALL_PADDING_S, _SMALL_PADDING = 3.0, 0.01
"""Padding of so many seconds, or of such a part of the recording, is small (our choice)."""
_LARGEST_RATE_ERROR = 1e-5
"""Of a stated rate, relative; clocks of recorders are no better (our choice)."""
_SMALLEST_RATE_ERROR = 2e-7
"""What eight characters can always keep; 17 ms in a day."""
_UNKNOWN_DATE = "01.01.85", "00.00.00"  # EDF+ 2.1.3.2
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True, slots=True)
class _Signal:
    """One signal of the file: texts of its header, and int16 values in whole records."""

    label: str
    unit: str
    physical: tuple[str, str]
    digital: tuple[str, str]
    prefilter: str
    reserved: str
    per_record: int
    values: NDArray[np.int16]


def write_edf(recording: Recording, path: Path) -> Written:
    """Write a recording as EDF+.

    Raises
    ------
    SignalError, UnsupportedVariantError, FileAccessError
    """
    notes: list[str] = []
    samples = recording.samples
    per_record, duration = _record(
        recording.sampling_rate, samples, len(recording.leads), recording
    )
    stored_rate = float(per_record / duration)
    if stored_rate != recording.sampling_rate:
        notes.append(f"the sampling rate is stated as {stored_rate:.12g} Hz")
    records = -(-samples // per_record)
    padding = records * per_record - samples
    if padding:
        notes.append(f"{padding} missing samples were added to fill the last data record")
    step = microvolts_per_step(recording.signal, path=recording.source)
    signals = [
        _ecg(lead, row, step, per_record, records, recording)
        for lead, row in zip(_labels(recording.leads), recording.signal, strict=True)
    ]
    others = [one for one in recording.other_channels if one.kind != REPRESENTATIVE_BEAT]
    names = _distinct([one.name for one in others], 16)
    per_sample = Fraction(per_record) / Fraction(recording.sampling_rate)
    fitting = [
        _other(channel, name, per_sample, records)
        for channel, name in zip(others, names, strict=True)
    ]
    signals += [signal for signal in fitting if signal is not None]
    if None in fitting:
        notes.append(f"{fitting.count(None)} other channels that do not fit are left out")
    notes += _channel_notes(others, fitting)
    lists = _annotation_lists(recording, float(duration), records)
    width = max(map(len, lists))
    width += width % 2
    header = _header(recording, signals, records, duration, width // 2)
    tables = [signal.values.reshape(records, signal.per_record) for signal in signals]
    texts = np.frombuffer(b"".join(one.ljust(width, b"\0") for one in lists), "<i2")
    tables.append(texts.reshape(records, width // 2))
    with write_atomically(path) as temporary, temporary.open("wb") as file:
        file.write(header)
        block = max(8_000_000 // (2 * sum(table.shape[1] for table in tables)), 1)
        for begin in range(0, records, block):
            rows = np.concatenate([table[begin : begin + block] for table in tables], axis=1)
            file.write(rows.astype("<i2").tobytes())
    if any(not mark.text.isprintable() or not mark.text for mark in recording.annotations):
        notes.append("annotations lose signs that cannot be printed, and those without a text")
    return Written(path, step / 1000.0, tuple(notes))


def _record(rate: float, samples: int, leads: int, recording: Recording) -> tuple[int, Fraction]:
    """Return samples per record and its duration in s.

    The duration has eight characters. Where a record of which the rate comes back exactly needs
    much padding at the end, the rate is stated a little off instead: by the end of the recording
    at most half a sample. A number of samples that divides the recording is preferred, then
    records of about a second.
    """
    exact = Fraction(rate).limit_denominator(1_000_000)
    if abs(float(exact) - rate) > 1e-9 * rate:
        exact = Fraction(rate)
    candidates: list[tuple[*tuple[float, ...], int, Fraction]] = []
    allowed = max(_SMALL_PADDING_S * rate, _SMALL_PADDING * samples)
    largest = max(_LARGEST_RECORD_BYTES // (2 * leads), 1)
    sizes = {round(rate * part) for part in (0.1, 0.2, 0.5, 1, 2, 4, 5, 8, 10, 16, 25, 40)}
    sizes |= {exact.numerator, samples}
    sizes |= set(range(round(rate), round(10 * rate), max(round(rate / 20), 1)))
    sizes |= {
        d for d in range(1, min(samples, _RECORD_BYTES // (2 * leads)) + 1) if samples % d == 0
    }
    for size in sizes:
        if not 1 <= size <= largest:
            continue
        duration = size / exact
        text = _duration_text(duration)
        if text is None:
            continue
        stated = float(size / Fraction(text))
        inexact = stated != rate
        error = abs(stated / rate - 1.0)
        if inexact and error > max(min(_LARGEST_RATE_ERROR, 0.5 / samples), _SMALLEST_RATE_ERROR):
            continue
        padding = -samples % size
        too_large = size * leads * 2 > _RECORD_BYTES
        distance = abs(float(duration) - 1.0)
        fits = (padding != 0, too_large, error) if inexact else (False, False, 0.0)
        order = (padding > allowed, inexact, *fits, padding != 0, too_large, distance)
        candidates.append((*order, size, Fraction(text)))
    if not candidates:
        raise UnsupportedVariantError(
            f"EDF cannot state a rate of {rate!r} Hz in the eight characters of its header",
            path=recording.source,
            remedy="Write another format, or resample the recording first",
        )
    *_, size, duration = min(candidates)
    return size, duration


def _duration_text(duration: Fraction) -> str | None:
    """Return the duration in at most eight characters, or None if that is not exact enough."""
    if duration.denominator == 1:
        text = str(duration.numerator)
    else:
        text = f"{float(duration):.7f}"[:8].rstrip("0").rstrip(".")
    return text if len(text) <= 8 and Fraction(text) > 0 else None


def _ecg(
    lead: str,
    row: NDArray[np.float32],
    step: int,
    per_record: int,
    records: int,
    recording: Recording,
) -> _Signal:
    values = np.full(per_record * records, MISSING, np.int16)
    values[: len(row)] = digital(row, step)
    limits = (str(MISSING * step), str((2**15 - 1) * step))
    missing = bool((values == MISSING).any())
    marks = [LEAD_MARK, MISSING_MARK] if missing else [LEAD_MARK]
    return _Signal(
        label=f"ECG {lead}",
        unit="uV",
        physical=limits,
        digital=("-32768", "32767"),
        prefilter=_prefilter(recording),
        reserved=", ".join(marks),
        per_record=per_record,
        values=values,
    )


def _channel_notes(channels: Sequence[Channel], stored: Sequence[_Signal | None]) -> list[str]:
    notes = []
    for channel, signal in zip(channels, stored, strict=True):
        if signal is None:
            continue
        unit = plain_field(channel.unit, 8)
        if signal.label != channel.name or unit != channel.unit:
            notes.append(f"the channel '{channel.name}' is called '{signal.label}' in '{unit}'")
        if (known_non_ecg_kind(signal.label) or "other") != channel.kind:
            notes.append(f"the kind of the channel '{channel.name}' is left out")
    return notes


def _other(channel: Channel, name: str, per_sample: Fraction, records: int) -> _Signal | None:
    """``per_sample`` is the seconds that one record lasts by the rate of the recording."""
    per_record = Fraction(channel.sampling_rate) * per_sample
    rounded = Fraction(round(per_record))
    if abs(per_record - rounded) <= Fraction(1, 10**9) * per_record:
        per_record = rounded  # of rates that no fraction of two holds exactly
    if channel.kind == REPRESENTATIVE_BEAT or per_record.denominator != 1 or per_record < 1:
        return None
    size = int(per_record)
    finite = channel.signal[np.isfinite(channel.signal)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    limits = (_number_text(low, up=False), _number_text(high, up=True))
    low, high = float(limits[0]), float(limits[1])
    if not low < high or len(channel.signal) > size * records:
        return None
    steps = 2**16 - 2  # from -32767; -32768 stands for missing
    scaled = np.rint((channel.signal.astype(np.float64) - low) / (high - low) * steps) - (2**15 - 1)
    values = np.full(size * records, MISSING, np.int16)
    values[: len(scaled)] = np.where(np.isnan(scaled), MISSING, scaled).astype(np.int16)
    return _Signal(
        label=name,
        unit=channel.unit,
        physical=limits,
        digital=("-32767", "32767"),
        prefilter="",
        reserved=MISSING_MARK if bool((values == MISSING).any()) else "",
        per_record=size,
        values=values,
    )


def _number_text(value: float, *, up: bool) -> str:
    """Return a number in eight characters that is not inside the range that it limits."""
    for digits in range(6, -1, -1):
        scale = 10.0**digits
        text = f"{(np.ceil if up else np.floor)(value * scale) / scale:.{digits}f}"
        if len(text) <= 8:
            return text
    return "99999999" if up else "-9999999"


def _prefilter(recording: Recording) -> str:
    parts = []
    for key, short in (("highpass", "HP"), ("lowpass", "LP"), ("notch", "N")):
        setting = recording.device.get(key, "")
        if setting.endswith(" Hz"):
            parts.append(f"{short}:{setting.removesuffix(' Hz')}Hz")
    return " ".join(parts)


def _annotation_lists(recording: Recording, duration: float, records: int) -> list[bytes]:
    """Return the annotation list of every record: when it began, then the marks within it."""
    fraction = recording.start_time.microsecond / 1e6 if recording.start_time else 0.0
    lists = [
        f"+{_seconds(number * duration + fraction)}\x14\x14\0".encode() for number in range(records)
    ]
    for mark in recording.annotations:
        number = min(max(int(mark.time_s // duration), 0), records - 1)
        lists[number] += _tal(mark, fraction)
    return lists


def _tal(mark: Annotation, fraction: float) -> bytes:
    clean = "".join(sign for sign in mark.text if sign.isprintable())
    if mark.lead is not None:  # EDF+ 2.2.4: the label of the signal behind @@
        clean = f"{clean}@@ECG {_labels((mark.lead,))[0]}"
    length = f"\x15{_seconds(mark.duration_s)}" if mark.duration_s else ""
    onset = mark.time_s + fraction
    sign = "-" if onset < 0 else "+"
    return f"{sign}{_seconds(abs(onset))}{length}\x14{clean}\x14\0".encode()


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _header(
    recording: Recording,
    signals: Sequence[_Signal],
    records: int,
    duration: Fraction,
    annotation_samples: int,
) -> bytes:
    start = recording.start_time
    subject = recording.subject
    code = _code(subject.identifier or "") or "X"
    sex = {"female": "F", "male": "M"}.get(subject.sex or "", "X")
    date, clock, startdate = (*_UNKNOWN_DATE, "X")
    if start is not None:
        # Outside 1985 to 2084 only the recording field states the year, and from 2085 on the date
        # has "yy" in its place (EDF+ 2.1.3.2).
        year = "yy" if start.year > 2084 else f"{start.year % 100:02d}"
        date = f"{start.day:02d}.{start.month:02d}.{year}"
        clock = start.strftime("%H.%M.%S")
        startdate = _plus_date(start)
    model = (
        _equipment(recording.device.get("equipment") or recording.device.get("model", "")) or "X"
    )
    fixed = (
        ("0", 8),
        (f"{code} {sex} {_plus_date(believed_birth(recording))} X", 80),
        (f"Startdate {startdate} X X {model}", 80),
        (date, 8),
        (clock, 8),
        (str(256 * (len(signals) + 2)), 8),
        ("EDF+C", 44),
        (str(records), 8),
        (_duration_text(duration) or "", 8),
        (str(len(signals) + 1), 4),
    )
    marks = (
        "EDF Annotations",
        "",
        "",
        "-1",
        "1",
        "-32768",
        "32767",
        "",
        str(annotation_samples),
        "",
    )
    rows = [
        (
            one.label,
            "",
            one.unit,
            *one.physical,
            *one.digital,
            one.prefilter,
            str(one.per_record),
            one.reserved,
        )
        for one in signals
    ]
    rows.append(marks)
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    columns = [_ascii(row[number], width) for number, width in enumerate(widths) for row in rows]
    return b"".join([_ascii(text, width) for text, width in fixed] + columns)


def _ascii(text: str, width: int) -> bytes:
    return plain_field(text, width).encode("ascii").ljust(width)


def plain_field(text: str, width: int) -> str:
    """Return a text as a field of the header holds it: ASCII, cut, without blanks at its ends."""
    return ascii_text(text)[:width].strip()


def _distinct(names: Sequence[str], width: int) -> list[str]:
    """Return the names in ASCII, cut to ``width``; where two are then one, they are numbered."""
    result: list[str] = []
    for name in names:
        plain, number = plain_field(name, width), 1
        while not plain or plain in result:
            number += 1
            tail = f"~{number}"
            plain = plain_field(name, width - len(tail)) + tail
        result.append(plain)
    return result


def _labels(leads: Sequence[str]) -> list[str]:
    return _distinct(leads, 12)  # behind "ECG "


def _plus_date(day: dt.date | None) -> str:
    """02-MAY-1951; X where it is not known."""
    return "X" if day is None else f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year:04d}"


def _code(identifier: str) -> str | None:
    """Return an identifier as the patient field holds it; "X" alone would mean none."""
    code = "_".join(ascii_text(identifier).split())[:40]
    return code if code not in ("", "X") else None


def _equipment(text: str) -> str | None:
    return "_".join(ascii_text(text).split())[:40] or None


def _device_text(key: str, text: str) -> str | None:
    if key in ("highpass", "lowpass", "notch"):
        return (
            text if text.endswith(" Hz") and filter_text(text.removesuffix(" Hz")) == text else None
        )
    stored = _equipment(text) if key == "equipment" else None
    return stored.replace("_", " ") if stored else None


WRITER = Writer(
    name="edf",
    description="EDF+: 16 bits, other channels and annotations",
    extension=".edf",
    write=write_edf,
    missing="the smallest value, with a mark in the header that this reader understands",
    holds=Capabilities(
        start=True,
        leads=_labels,
        age=none_of_it,  # there is a date of birth only
        birth_date=True,
        identifier=_code,
        annotations=frozenset({"lead"}),
        other_channels=True,
        device=_device_text,
    ),
)
