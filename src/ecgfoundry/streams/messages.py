"""Messages of a live signal in their three forms: binary frames, JSON and lines of numbers.

- bytes that begin with ``ECGL``: a frame (:mod:`ecgfoundry.inference.live.frames`);
- a JSON object with ``samples``: a list for each lead, or one list where there is one lead; a
  missing sample is ``null``; ``start`` (number of the first sample) and ``time_s`` are optional;
- a JSON object with ``leads`` and ``sampling_rate``: the opening message, or the same again;
- ``{"type": "end"}``: the signal has ended;
- anything else: numbers of one moment, one for each lead, divided by commas, semicolons, tabs or
  blanks; an empty field or ``nan`` is missing. A line of names is the opening message's ``leads``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import SignalError, StreamError
from ecgfoundry.inference.live.frames import MAXIMUM_SAMPLES, LiveFrame, decode_frame
from ecgfoundry.streams.description import SAID, StreamDescription, StreamOptions

__all__ = [
    "MAXIMUM_MESSAGE_BYTES",
    "Hole",
    "Message",
    "frames_of_messages",
    "is_opening",
    "read_opening",
    "statement_of",
]

MAXIMUM_MESSAGE_BYTES = 16_000_000
"""A frame of the largest size as JSON (our choice)."""
LONGEST_SILENCE_S = 10.0
"""As a hole of this length is a new beginning for :class:`ecgfoundry.inference.live.buffer`: less
may be a network that hesitates, and nothing be lost (our choice)."""
_GATHER_S = 0.1
"""Lines are gathered to frames of so long: one for each line would cost more than its answer."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Between two messages the connection was gone: what was sent meanwhile may be lost.

    Parameters
    ----------
    seconds : float
        From the last message before to the first one after.
    silent : bool
        The connection stood, and nobody sent. That is how messages come; a hole is left only where
        nothing with samples came for :data:`LONGEST_SILENCE_S` more than its samples last.
    """

    seconds: float
    silent: bool = False


Message = bytes | str | Hole


def read_opening(
    messages: Iterator[Message], options: StreamOptions, source: str
) -> tuple[StreamDescription, list[Message]]:
    """Read until it is known what the signal is.

    Parameters
    ----------
    messages : iterator of bytes or str
    options : StreamOptions
        What the user states.
    source : str
        For messages of errors.

    Returns
    -------
    StreamDescription
    list of bytes or str
        Messages that were read and hold samples.

    Raises
    ------
    StreamError
        Samples come, or the signal ends, before the leads and the rate are known.
    """
    said: dict[str, Any] = {}

    def described() -> StreamDescription:
        return replace(options.description(source), said=said)

    for message in messages:
        document = _opening(message)
        if document is None:
            # Samples may state themselves what they are.
            document = _stated(message)
            said |= {key: document[key] for key in SAID if document.get(key) is not None}
            options = options.opened_by(document, source)
            return described(), [message]
        said |= {key: document[key] for key in SAID if document.get(key) is not None}
        options = options.opened_by(document, source)
    if not options.is_complete:
        raise StreamError(
            "the signal ended before it began", path=source, remedy="Look at what sends it"
        )
    return described(), []


def is_opening(message: bytes) -> bool:
    """Whether a message says what the signal is, and holds no samples."""
    try:
        return message.lstrip()[:1] == b"{" and _opening(message) is not None
    except SignalError:  # whoever reads it says so
        return False


def statement_of(message: bytes) -> bytes:
    """Return what a message with samples states, as an opening message; b"" for nothing."""
    try:
        document = _stated(message)
    except SignalError:
        return b""
    said = {key: document[key] for key in (*SAID, "mains") if document.get(key) is not None}
    return json.dumps(said).encode() if said else b""


def _stated(message: Message) -> dict[str, Any]:
    """Return what a message with samples states; nothing where it is no JSON."""
    if isinstance(message, Hole) or message[:4] == b"ECGL":
        return {}
    text = _text(message).strip()
    return _document(text) if text.startswith("{") else {}


def _opening(message: Message) -> dict[str, Any] | None:
    if isinstance(message, Hole):  # before the first sample: nothing is missing
        return {}
    if isinstance(message, bytes) and message[:4] == b"ECGL":
        return None
    text = _text(message).strip()
    if text.startswith("{"):
        document = _document(text)
        return document if "samples" not in document and document.get("type") != "end" else None
    names = _fields(text)
    if names and all(name and not _is_number(name) for name in names):
        return {"leads": [name.strip("\"'") for name in names]}
    return None


def frames_of_messages(
    messages: Iterable[Message], description: StreamDescription, source: str
) -> Iterator[LiveFrame]:
    """Read messages as frames, up to the one that ends the signal.

    After a hole or a long silence, samples that are neither numbered nor stamped are placed by its
    length; numbers and stamps of the sender say it better.

    Raises
    ------
    SignalError
        A message is none of the three forms, or holds another number of leads.
    StreamError
        A message states other leads, another rate or unit than were stated before.
    """
    leads, factor = len(description.leads), np.float32(description.millivolts)
    most = max(round(_GATHER_S * description.sampling_rate), 1)
    lines: list[list[float]] = []
    places = _Places(description.sampling_rate)

    def gathered() -> LiveFrame:
        rows = np.array(lines, np.float32).T * factor
        lines.clear()
        return places.of(LiveFrame(rows), sent_with=1)

    for message in messages:
        if isinstance(message, Hole):
            if lines:
                yield gathered()
            places.hole(message)
            continue
        if isinstance(message, bytes) and message[:4] == b"ECGL":
            if lines:
                yield gathered()
            frame = decode_frame(message, millivolts=description.millivolts)
            yield places.of(_checked(frame, leads, source))
            continue
        text = _text(message).strip(" \r\n")  # a tab may be an empty field
        if not text.strip():
            continue
        if not text.startswith("{"):
            lines.append(_numbers(text, leads, source))
            if len(lines) >= most:
                yield gathered()
            continue
        document = _document(text)
        description = description.saying(document, source)
        if document.get("type") == "end":
            break
        if "samples" in document:
            if lines:
                yield gathered()
            yield places.of(_checked(_frame(document, factor, source), leads, source))
    if lines:
        yield gathered()


class _Places:
    """Counts the samples, so that what follows a hole keeps its distance from what was before."""

    def __init__(self, sampling_rate: float) -> None:
        self._rate = sampling_rate
        self._next = 0
        self._missing_s: float | None = None
        self._silent_s = 0.0
        self._counting = self._begun = False

    def hole(self, hole: Hole) -> None:
        if hole.silent:
            self._silent_s += hole.seconds
        else:
            self._missing_s = (self._missing_s or 0.0) + hole.seconds

    def of(self, frame: LiveFrame, *, sent_with: int | None = None) -> LiveFrame:
        """Return the frame with its place, where only the length of a hole tells it.

        ``sent_with``: samples of its first message, which were measured before it was sent.
        """
        samples = frame.signal.shape[1]
        missing, self._missing_s = self._missing_s, None
        silent, self._silent_s = self._silent_s, 0.0
        own = samples if sent_with is None else sent_with
        if not self._begun:  # before the first sample nothing is missing
            missing, silent, self._begun = None, 0.0, True
        if missing is None and silent - own / self._rate > LONGEST_SILENCE_S:
            missing = silent
        if frame.start is not None or frame.time_s is not None:
            self._next = samples + (self._next if frame.start is None else frame.start)
            return frame
        if missing is not None:
            self._next += max(round(missing * self._rate) - own, 1)
            self._counting = True
        placed = replace(frame, start=self._next) if self._counting else frame
        self._next += samples
        return placed


def _checked(frame: LiveFrame, leads: int, source: str) -> LiveFrame:
    if frame.signal.shape[0] != leads:
        words = f"a frame of {frame.signal.shape[0]} leads came into a stream of {leads}"
        raise SignalError(words, path=source)
    return frame


def _frame(document: dict[str, Any], factor: np.float32, source: str) -> LiveFrame:
    start, time_s = document.get("start"), document.get("time_s")
    if start is not None and (isinstance(start, bool) or not isinstance(start, int)):
        raise SignalError("'start' of a message is the number of a sample", path=source)
    if time_s is not None and (isinstance(time_s, bool) or not isinstance(time_s, int | float)):
        raise SignalError("'time_s' of a message is a number", path=source)
    return LiveFrame(_samples(document["samples"], source) * factor, start, time_s)


def _samples(value: Any, source: str) -> NDArray[np.float32]:
    try:
        # None becomes NaN; texts, objects and rows of unlike length are refused.
        samples = np.array(value, np.float64)
    except (TypeError, ValueError):
        samples = np.empty(0)
    if samples.ndim == 1:
        samples = samples[None, :]
    if samples.ndim != 2 or samples.size == 0 or samples.size > MAXIMUM_SAMPLES:
        raise SignalError(
            "'samples' of a message is a list of numbers for each lead, all of one length",
            path=source,
        )
    with np.errstate(over="ignore"):
        signal = samples.astype(np.float32)
    signal[~np.isfinite(signal)] = np.nan
    return signal


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise SignalError("a message begins like JSON and is not")
    return document


def _text(message: bytes | str) -> str:
    if isinstance(message, str):
        return message
    try:
        return message.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SignalError(
            "a message is neither a frame nor text", remedy="The forms are in docs/streaming.md"
        ) from None


def _fields(line: str) -> list[str]:
    for mark in (",", ";", "\t"):
        if mark in line:
            return [field.strip() for field in line.split(mark)]
    return line.split()


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _numbers(line: str, leads: int, source: str) -> list[float]:
    fields = _fields(line)
    if len(fields) != leads:
        raise SignalError(f"a line of {len(fields)} numbers came for {leads} leads", path=source)
    values: list[float] = []
    for field in fields:
        if field and not _is_number(field):
            raise SignalError(f"'{field[:40]}' is not a number", path=source)
        value = float(field) if field else math.nan
        values.append(value if math.isfinite(value) else math.nan)
    return values
