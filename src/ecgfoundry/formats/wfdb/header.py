"""WFDB header files: text -> :class:`WfdbHeader`.

Reference: WFDB Applications Guide, header(5). Fields are read leniently where the files in
circulation are lenient (the CinC 2020 and 2021 challenges write the date before the time), and
strictly where a wrong value would give a wrong signal.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgfoundry.errors import FileAccessError, FormatError, LimitError, UnsupportedVariantError
from ecgfoundry.formats.base import Limits

__all__ = [
    "DEFAULT_GAIN",
    "SegmentSpec",
    "SignalSpec",
    "WfdbHeader",
    "looks_like_header",
    "parse_header",
    "read_header",
]

DEFAULT_GAIN = 200.0
"""ADC units per physical unit where the header states none or 0 (header(5): DEFGAIN)."""

DEFAULT_FRAME_RATE = 250.0
"""Hz where the record line ends before it (header(5): DEFFREQ)."""

_MAXIMUM_HEADER_BYTES = 16_000_000  # a master header of 100,000 segments has about 3 MB
_MAXIMUM_COUNT = 2**53  # samples and bytes: beyond it float64 arithmetic is not exact
_NULL_NAME = "~"

_RECORD_NAME = r"(?P<name>[^\s/\\:]+)(?:/(?P<segments>\d{1,9}))?"
_RECORD_LINE = re.compile(rf"^{_RECORD_NAME}\s+(?P<signals>\d{{1,9}})(?:\s+(?P<rest>.*))?$")
_FREQUENCY = re.compile(r"^(?P<rate>[^/()]+)(?:/(?P<counter>[^()]*))?(?:\((?P<base>.*)\))?$")
_STORAGE = re.compile(r"^(\d{1,5})(?:x(\d{1,18}))?(?::(\d{1,18}))?(?:\+(\d{1,18}))?$")
_GAIN = re.compile(
    r"^(?P<gain>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)?(?:\((?P<baseline>-?\d+)\))?(?:/(?P<unit>\S+))?$"
)
_NUMERIC = re.compile(r"^[-+.,\d]+(?:[eE][-+]?\d+)?$")
_INTEGER = re.compile(r"^-?\d+$")
_TIME = re.compile(r"^(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?$")
_NUMERIC_DATE = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{4})$")
_NAMED_DATE = re.compile(r"^(\d{1,2})-([A-Za-z]{3})-(\d{4})$")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """One signal line of a header: where the samples are and what they mean."""

    file_name: str
    storage: int
    samples_per_frame: int
    skew: int
    byte_offset: int
    gain: float
    gain_assumed: bool
    baseline: int
    unit: str
    initial_value: int
    checksum: int | None
    description: str


@dataclass(frozen=True, slots=True)
class SegmentSpec:
    """One segment line of a multi-segment header; ``name`` is "~" for a gap."""

    name: str
    frames: int

    @property
    def is_gap(self) -> bool:
        """Whether nothing was recorded here."""
        return self.name == _NULL_NAME


@dataclass(frozen=True, slots=True)
class WfdbHeader:
    """The content of a header file.

    ``frame_rate`` is in Hz; a signal with several samples per frame has that many times the rate.
    ``frames`` is None where the header does not state the length.
    """

    path: Path
    record: str
    frame_rate: float
    frames: int | None
    start_time: dt.datetime | None
    start_text: str
    """What the record line says behind the number of samples."""
    signal_count: int
    signals: tuple[SignalSpec, ...]
    segments: tuple[SegmentSpec, ...]
    comments: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The folder of the header, which holds every file that it names."""
        return self.path.parent


def read_header(path: Path, limits: Limits) -> WfdbHeader:
    """Read and parse a header file.

    Raises
    ------
    FileAccessError, FormatError, LimitError, UnsupportedVariantError
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAXIMUM_HEADER_BYTES + 1)
    except OSError as error:
        raise FileAccessError(
            f"the WFDB header cannot be read ({error.strerror or error})",
            path=path,
            remedy="Check that it exists and is readable",
        ) from error
    if len(content) > _MAXIMUM_HEADER_BYTES:
        raise LimitError("the WFDB header is larger than 16 MB", path=path)
    return parse_header(content, path, limits)


def looks_like_header(head: bytes, *, need_signal_line: bool) -> bool:
    """Whether the first bytes of a file are those of a header. Never raises."""
    if b"\0" in head:
        return False
    lines = _content_lines(head.decode("latin-1"))[0]
    if not lines or _RECORD_LINE.match(lines[0]) is None:
        return False
    if not need_signal_line:
        return True
    fields = lines[1].split() if len(lines) > 1 else []
    storage = _STORAGE.match(fields[1]) if len(fields) > 1 else None
    # A table of numbers has lines of this form too, but no file names.
    return storage is not None and fields[0][0].isalnum() and not _NUMERIC.match(fields[0])


def parse_header(content: bytes, path: Path, limits: Limits) -> WfdbHeader:
    """Parse the bytes of a header file; ``path`` names it in errors and gives its folder."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines, comments = _content_lines(text)
    match = _RECORD_LINE.match(lines[0]) if lines else None
    if match is None:
        raise FormatError(
            "the WFDB header has no record line (name, number of signals, sampling rate …)",
            path=path,
            remedy="Get the file again from its source",
        )
    signal_count = int(match["signals"])
    if signal_count > limits.channels:
        raise LimitError(
            f"the header announces {signal_count} signals; the limit is {limits.channels}",
            path=path,
        )
    rate, frames, behind = _parse_record_rest((match["rest"] or "").split(), path)
    segment_count = int(match["segments"] or 0)
    is_master = match["segments"] is not None
    wanted = segment_count if is_master else signal_count
    if len(lines) - 1 < wanted:
        raise FormatError(
            f"the header announces {wanted} {'segments' if is_master else 'signals'} and describes "
            f"{len(lines) - 1}",
            path=path,
        )
    body = lines[1 : 1 + wanted]
    return WfdbHeader(
        path=path,
        record=match["name"],
        frame_rate=rate,
        frames=frames,
        start_time=_parse_start_time(behind),
        start_text=" ".join(behind),
        signal_count=signal_count,
        signals=() if is_master else tuple(_parse_signal_line(line, path) for line in body),
        segments=tuple(_parse_segment_line(line, path) for line in body) if is_master else (),
        comments=tuple(comments),
    )


def _content_lines(text: str) -> tuple[list[str], list[str]]:
    lines: list[str] = []
    comments: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("#"):
            comments.append(line.lstrip("#").strip())
        elif line:
            lines.append(line)
    return lines, comments


def _parse_record_rest(tokens: Sequence[str], path: Path) -> tuple[float, int | None, list[str]]:
    """Return the rate in Hz, the number of frames, and what follows: time and date."""
    if not tokens:
        return DEFAULT_FRAME_RATE, None, []
    match = _FREQUENCY.match(tokens[0])
    try:
        rate = float(match["rate"]) if match else math.nan
    except ValueError:
        rate = math.nan
    if not math.isfinite(rate):
        raise FormatError(f"the sampling rate '{tokens[0]}' is not a number", path=path)
    frames = None
    rest = list(tokens[1:])
    if rest and _INTEGER.match(rest[0]):
        frames = _integer(rest.pop(0), "number of samples", path, low=0)
    # header(5): zero means "not stated".
    return rate, frames or None, rest


def _parse_start_time(tokens: Sequence[str]) -> dt.datetime | None:
    """Date and time in either order; None unless both are there and are real."""
    time: dt.timedelta | None = None
    date: dt.datetime | None = None
    for token in tokens[:4]:
        clock = _TIME.match(token)
        numeric, named = _NUMERIC_DATE.match(token), _NAMED_DATE.match(token)
        try:
            if clock:
                hours, minutes, seconds = (int(part or 0) for part in clock.groups()[:3])
                micro = int((clock[4] or "0").ljust(6, "0")[:6])
                time = dt.timedelta(
                    hours=hours, minutes=minutes, seconds=seconds, microseconds=micro
                )
            elif numeric:
                date = dt.datetime(int(numeric[3]), int(numeric[2]), int(numeric[1]))
            elif named and named[2].lower() in _MONTHS:
                month = _MONTHS.index(named[2].lower()) + 1
                date = dt.datetime(int(named[3]), month, int(named[1]))
        except (ValueError, OverflowError):
            continue  # an impossible date is no start time; the comments stay readable
    return None if date is None or time is None else date + time


def _parse_signal_line(line: str, path: Path) -> SignalSpec:
    fields = line.split(maxsplit=2)
    storage = _STORAGE.match(fields[1]) if len(fields) > 1 else None
    if storage is None:
        raise FormatError(f"the signal line '{line[:80]}' has no storage format", path=path)
    _check_local_name(fields[0], path, what="signal file")
    rest = fields[2] if len(fields) > 2 else ""
    gain, assumed, baseline, unit, rest = _take_gain(rest, path)
    numbers, description = _take_integers(rest, path)
    _, adc_zero, initial, checksum, _ = numbers
    return SignalSpec(
        file_name=fields[0],
        storage=int(storage[1]),
        samples_per_frame=_integer(storage[2] or "1", "samples per frame", path) or 1,
        skew=_integer(storage[3] or "0", "skew", path),
        byte_offset=_integer(storage[4] or "0", "byte offset", path),
        gain=gain,
        gain_assumed=assumed,
        baseline=baseline if baseline is not None else (adc_zero or 0),
        unit=unit or "mV",  # header(5): millivolts where no unit is stated
        initial_value=initial if initial is not None else (adc_zero or 0),
        checksum=checksum,
        description=description,
    )


def _take_gain(rest: str, path: Path) -> tuple[float, bool, int | None, str, str]:
    """Split the gain field off: gain, whether assumed, baseline, unit, remaining text."""
    token, *after = rest.split(maxsplit=1) or [""]
    remaining = after[0] if after else ""
    match = _GAIN.match(token)
    if not token or (match is None and not token.startswith(tuple("+-.0123456789"))):
        return DEFAULT_GAIN, True, None, "", rest
    if match is None:
        # Taken for the beginning of a name, it would leave the signal at the usual gain.
        raise FormatError(f"the gain '{token[:40]}' is not a number", path=path)
    gain = float(match["gain"]) if match["gain"] else 0.0
    if not math.isfinite(gain):
        raise FormatError(f"the gain '{token}' is not a finite number", path=path)
    baseline = match["baseline"]
    return (
        gain or DEFAULT_GAIN,
        gain == 0.0,
        None if baseline is None else _integer(baseline, "baseline", path, low=-_MAXIMUM_COUNT),
        match["unit"] or "",
        remaining,
    )


def _take_integers(rest: str, path: Path) -> tuple[list[int | None], str]:
    """Resolution, zero, initial value, checksum and block size, then the description."""
    numbers: list[int | None] = []
    for token in rest.split(maxsplit=5)[:5]:
        if not _INTEGER.match(token):
            break
        numbers.append(_integer(token, "ADC field", path, low=-_MAXIMUM_COUNT))
    parts = rest.split(maxsplit=len(numbers))
    description = parts[len(numbers)].strip() if len(parts) > len(numbers) else ""
    return numbers + [None] * (5 - len(numbers)), description


def _parse_segment_line(line: str, path: Path) -> SegmentSpec:
    fields = line.split()
    if len(fields) < 2 or not _INTEGER.match(fields[1]):
        raise FormatError(f"the segment line '{line[:80]}' has no length", path=path)
    if fields[0] != _NULL_NAME:
        _check_local_name(fields[0], path, what="segment")
    return SegmentSpec(fields[0], _integer(fields[1], "segment length", path))


def _integer(text: str, what: str, path: Path, *, low: int = 0) -> int:
    if len(text) > 20 or not low <= int(text) <= _MAXIMUM_COUNT:
        raise FormatError(f"the {what} {text[:24]} is out of range", path=path)
    return int(text)


def _check_local_name(name: str, path: Path, *, what: str) -> None:
    """Refuse a name that points out of the folder of the header."""
    if any(mark in name for mark in "/\\:\0") or name in (".", ".."):
        raise FormatError(
            f"the {what} name '{name[:80]}' points out of the folder of the header",
            path=path,
            remedy="Put all files of the record into one folder",
        )
    if name == "-":
        raise UnsupportedVariantError("signals from standard input are not read", path=path)
