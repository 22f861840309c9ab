"""What a written format can hold of a recording, and what is said about the rest.

Every writer states its :class:`Capabilities`; :func:`left_out` compares a recording with them.
This is the only place where such words are made, so that no writer can forget a field.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ecgfoundry.formats.common.document import REPRESENTATIVE_BEAT
from ecgfoundry.formats.common.moments import in_whole_minutes
from ecgfoundry.formats.common.subjects import age_between, believed_birth
from ecgfoundry.recording import Recording

__all__ = ["Capabilities", "ascii_text", "left_out", "none_of_it", "unchanged"]

_SPELLED = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "µ": "u",
     "μ": "u"}
)  # fmt: skip


def unchanged(value: Any) -> Any:
    """Return what is stored of a value that is stored as it is."""
    return value


def none_of_it(_value: object) -> None:
    """Return what is stored of a value that is not stored."""
    return


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a format holds; each callable returns what comes back for a value, None for nothing.

    Parameters
    ----------
    sampling_rate : callable (rate) -> float
        What a rate in Hz becomes.
    leads : callable (names) -> names
    start, zone : bool
        Whether the start time is kept, and its distance from UTC.
    asks_for_start : bool
        Whether a file without a start breaks the rules of the format.
    zone_in_minutes : bool
        Whether that distance is one of whole minutes
        (:func:`~ecgfoundry.formats.common.moments.in_whole_minutes`).
    age, identifier : callable
    sex : bool
    birth_date : bool
        Whether it is kept; a format without an age then has that of the day of the recording.
    annotations : frozenset of str
        The fields of an annotation that come back; empty if annotations are left out.
    other_channels : bool
        Whether such channels are kept; a writer says itself which of them do not fit.
    device : callable (key, text) -> str or None
    mains_frequency, header : bool
    """

    start: bool
    sampling_rate: Callable[[float], float] = unchanged
    leads: Callable[[Sequence[str]], Sequence[str]] = unchanged
    zone: bool = False
    asks_for_start: bool = False
    zone_in_minutes: bool = False
    age: Callable[[float], float | None] = unchanged
    sex: bool = True
    birth_date: bool = False
    identifier: Callable[[str], str | None] = unchanged
    annotations: frozenset[str] = frozenset()
    other_channels: bool = False
    device: Callable[[str, str], str | None] = lambda _key, _text: None
    mains_frequency: bool = False
    header: bool = False


def left_out(recording: Recording, holds: Capabilities) -> tuple[str, ...]:
    """Return a sentence per field of the recording that does not come back as it is."""
    return (
        *_signal(recording, holds),
        *_start(recording, holds),
        *_subject(recording, holds),
        *_device(recording, holds),
        *_marks(recording, holds),
    )


def _signal(recording: Recording, holds: Capabilities) -> list[str]:
    notes = [
        f"the lead '{lead}' is called '{name}'"
        for lead, name in zip(recording.leads, holds.leads(recording.leads), strict=True)
        if lead != name
    ]
    rate = holds.sampling_rate(recording.sampling_rate)
    if rate != recording.sampling_rate:
        notes.append(f"the sampling rate is stated as {rate:.12g} Hz")
    channels = recording.other_channels
    beats = sum(channel.kind == REPRESENTATIVE_BEAT for channel in channels)
    if channels and not holds.other_channels:
        notes.append(f"{len(channels)} other channels are left out")
    elif beats:
        notes.append(f"{beats} representative beats (other channels) are left out")
    return notes


def _start(recording: Recording, holds: Capabilities) -> list[str]:
    start = recording.start_time
    if start is None:
        words = "the start is not known and stays empty: strict readers of the format refuse that"
        return [words] if holds.asks_for_start else []
    if not holds.start:
        return ["the start time is left out"]
    if start.tzinfo is not None and not holds.zone:
        return [f"the time zone of the start ({start.strftime('%z')}) is left out"]
    stored = in_whole_minutes(start) if holds.zone_in_minutes else start
    if stored.utcoffset() != start.utcoffset():
        zones = f"{start.strftime('%z')} is stored as {stored.strftime('%z')}"
        return [f"the time zone of the start {zones}; the moment is the same"]
    return []


def _subject(recording: Recording, holds: Capabilities) -> list[str]:
    subject = recording.subject
    notes = []
    born = believed_birth(recording) if holds.birth_date else None
    day = recording.start_time.date() if recording.start_time else None
    reckoned = None if holds.age is not none_of_it else age_between(born, day)
    fields: tuple[tuple[str, Any, Callable[[Any], object]], ...] = (
        ("age", subject.age, holds.age if reckoned is None else lambda _age: reckoned),
        ("sex", subject.sex, unchanged if holds.sex else none_of_it),
        ("identifier", subject.identifier, holds.identifier),
        ("birth date", subject.birth_date, lambda _date: born),
    )
    for name, value, kept in fields:
        stored = None if value is None else kept(value)
        if value is not None and stored is None:
            notes.append(f"the {name} is left out")
        elif stored != value:
            notes.append(f"the {name} is stored as {stored}")
    return notes


def _device(recording: Recording, holds: Capabilities) -> list[str]:
    notes = []
    lost = []
    for key, text in recording.device.items():
        stored = holds.device(key, text)
        if stored is None:
            lost.append(key)
        elif stored != text:
            notes.append(f"of the device the {key} is stored as '{stored}'")
    if lost:
        notes.append(f"of the device is left out: {', '.join(lost)}")
    if recording.mains_frequency is not None and not holds.mains_frequency:
        notes.append("the mains frequency is left out")
    if recording.header and not holds.header:
        notes.append(f"{len(recording.header)} further fields of the header are left out")
    return notes


def _marks(recording: Recording, holds: Capabilities) -> list[str]:
    marks = recording.annotations
    if not marks:
        return []
    if not holds.annotations:
        return [f"{len(marks)} annotations are left out"]
    notes = []
    if "kind" not in holds.annotations and any(mark.kind != "note" for mark in marks):
        notes.append("the kinds of the annotations are left out: all are notes")
    if "lead" not in holds.annotations and any(mark.lead is not None for mark in marks):
        notes.append("the leads of the annotations are left out")
    return notes


def ascii_text(text: str) -> str:
    """Return a text in ASCII: letters without their accents, "?" for what has no likeness.

    Examples
    --------
    >>> ascii_text("Müller Straße")
    'Muller Strasse'
    """
    plain = unicodedata.normalize("NFKD", text.translate(_SPELLED))
    kept = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return "".join(sign if " " <= sign <= "~" else "?" for sign in kept)
