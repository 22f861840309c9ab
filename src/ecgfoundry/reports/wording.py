"""The words and numbers that all reports share: safe text, times, notices, probabilities."""

from __future__ import annotations

import datetime as dt
import html
import math
import re
from collections.abc import Mapping

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.common.filters import is_filter_key
from ecgfoundry.recording import Subject
from ecgfoundry.templates import printable

__all__ = [
    "DISCLAIMER",
    "READ_DISCLAIMER",
    "age_text",
    "clock_text",
    "device_filters",
    "device_name",
    "duration_text",
    "escape",
    "failure_fields",
    "file_name",
    "number_text",
    "person_text",
    "printable",
    "share_text",
    "shortened",
    "start_text",
    "whose_text",
]

_YEARS_FROM, _MONTHS_FROM = 2.0, 2
"""An age in years has two digits of meaning from here on, one in months (our choice)."""
READ_DISCLAIMER = "Not a medical device. Research use only."
DISCLAIMER = f"{READ_DISCLAIMER} Unconfirmed."


def escape(value: object) -> str:
    """Return ``value`` as text for HTML or XML, in element content and in quoted attributes."""
    return html.escape(printable(value), quote=True)


def shortened(text: str, length: int) -> str:
    """Return ``text``, cut in the middle to at most ``length`` characters."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def file_name(path: str | None) -> str:
    """Return the last part of a path of any operating system, or "unnamed recording"."""
    parts = [part for part in re.split(r"[\\/]", path or "") if part]
    return printable(parts[-1]) if parts else "unnamed recording"


def clock_text(seconds: float) -> str:
    """Return a position in a recording as ``m:ss`` or ``h:mm:ss``, tenths only where needed."""
    tenths = round(seconds * 10)
    whole, rest = divmod(tenths, 10)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    return f"{text}.{rest}" if rest else text


def duration_text(seconds: float | None) -> str:
    """Return a length of time in words: ``9.5 s``, ``30 min``, ``23 h 4 min``."""
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    if seconds < 59.95:  # what rounds to 60.0 s is a minute
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    parts = [(hours, "h"), (minute, "min")] if hours else [(minute, "min"), (second, "s")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value)


def number_text(value: float | None, digits: int = 2) -> str:
    """Return a probability or threshold with ``digits`` decimals, never rounded onto 0 or 1.

    0.998 is ``>0.99`` and 0.002 is ``<0.01``: a model that prints 1.00 claims a certainty that it
    does not have.
    """
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    step = 10.0**-digits
    if float(text) >= 1.0 and value < 1.0:
        return f">{1.0 - step:.{digits}f}"
    if float(text) <= 0.0 < value:
        return f"<{step:.{digits}f}"
    return text


def share_text(value: float | None) -> str:
    """Return a share (0 to 1) as percent: ``37 %``, ``<1 %``."""
    if value is None or not math.isfinite(value):
        return "–"
    if 0 < value < 0.01:
        return "<1 %"
    if 0.99 < value < 1:
        return ">99 %"
    return f"{100 * value:.0f} %"


def age_text(years: float) -> str:
    """Return an age as it is said: years from two on, then months, of newborns days.

    Examples
    --------
    >>> age_text(42.0), age_text(2.26), age_text(1.25), age_text(0.019)
    ('42 years', '2.3 years', '15 months', '7 days')
    """
    if years >= _YEARS_FROM:
        return f"{years:.1f}".removesuffix(".0") + " years"
    months = round(12 * years)
    if months >= _MONTHS_FROM:
        return f"{months} months"
    days = round(365.25 * years)
    return f"{days} day{'s' * (days != 1)}"


def person_text(person: Subject) -> str:
    """Return birth, age and sex in words; age and sex "unknown" where the file states none."""
    born = f"born {person.birth_date.isoformat()}, " if person.birth_date is not None else ""
    age = "age unknown" if person.age is None else age_text(person.age)
    return printable(f"{born}{age}, {person.sex or 'sex unknown'}")


def whose_text(person: Subject, file: str | None) -> str:
    """Return whose recording it is and which, in one line: it stands on every printed page."""
    identifier = printable(person.identifier or "identifier not stated")
    return f"{identifier} · {person_text(person)} · {file_name(file)}"


def start_text(start: dt.datetime | None) -> str:
    """Return date and time of day of a start, with its zone or that none is stated."""
    if start is None:
        return "not stated"
    offset = start.utcoffset()
    if offset is None:
        return f"{start:%Y-%m-%d %H:%M:%S}, time zone not stated"
    minutes = round(offset.total_seconds() / 60)
    sign, minutes = "-" if minutes < 0 else "+", abs(minutes)
    return f"{start:%Y-%m-%d %H:%M:%S} UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _words(key: str) -> str:
    return re.sub(r"[_\-\s]+", " ", key).strip()


def device_filters(device: Mapping[str, str]) -> str | None:
    """Return what the source says about the filters of its device, or None if it says nothing.

    Parameters
    ----------
    device : mapping
        ``Recording.device``. Every key that speaks of a filter, a pass band or a notch counts.
    """
    stated = [(key, value) for key, value in device.items() if is_filter_key(key) and str(value)]
    if not stated:
        return None
    return printable(", ".join(f"{_words(key)} {value}" for key, value in stated))


def device_name(device: Mapping[str, str]) -> str | None:
    """Return what the source says about its device beside the filters, or None."""
    stated = {key: str(value) for key, value in device.items() if value and not is_filter_key(key)}
    named = [stated.pop(key) for key in ("manufacturer", "model", "name") if key in stated]
    rest = [f"{_words(key)} {value}" for key, value in stated.items()]
    return printable(", ".join([" ".join(named)] * bool(named) + rest)) or None


def failure_fields(failure: Mapping[str, object] | EcgFoundryError | Exception) -> dict[str, str]:
    """Return ``{"file", "code", "message"}`` of a file that could not be worked on.

    Parameters
    ----------
    failure : mapping or exception
        A mapping with ``file``, ``code`` and ``message`` (missing ones are filled in), or the
        error itself.
    """
    if isinstance(failure, EcgFoundryError):
        failure = {"file": failure.path, **failure.to_dict()}
    elif isinstance(failure, Exception):
        failure = {"message": f"{type(failure).__name__}: {failure}"}
    file = printable(failure.get("file") or failure.get("path") or "unnamed recording")
    message = printable(failure.get("message") or "no reason was given")
    return {
        "file": file,
        "code": printable(failure.get("code") or "error"),
        "message": message.removeprefix(f"{file}: "),  # the errors name their file themselves
    }
