"""Times and quantities of HL7 version 3: ``TS`` values, increments with a unit, the rate they give.

>>> parse_hl7_time("20021122091000.500")
datetime.datetime(2002, 11, 22, 9, 10, 0, 500000)
"""

from __future__ import annotations

import datetime as dt
import re
from xml.etree.ElementTree import Element

from ecgfoundry.formats.common.moments import iso_moment
from ecgfoundry.formats.xml.xml_safe import number

__all__ = [
    "increment_rate",
    "milliseconds",
    "parse_hl7_date",
    "parse_hl7_time",
    "seconds_of",
    "states_day",
]

_TIME = re.compile(
    r"^(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,9}))?(?:([+-])(\d{2})(\d{2}))?$"
)
_ISO_DATE = re.compile(r"^(\d{4})([-/.])(\d{1,2})(?:\2(\d{1,2})(?!\d))?")
_MIDDLE = 7, 1
"""A date of birth without its month stands for 1 July, without its day for the 15th: the age is
then off by at most half a year (our choice)."""
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0, "h": 3600.0}


def parse_hl7_time(text: str | None) -> dt.datetime | None:
    """Return an HL7 ``TS`` (year to fraction of a second, with or without zone), or None.

    A value without hour and minute is no moment and gives None.
    """
    words = (text or "").strip()
    match = _TIME.match(words)
    if match is None:
        # No TS, but written by exports all the same: 2024-03-02T10:20:30+08:00.
        return iso_moment(words)
    if match[5] is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    microsecond = int((match[7] or "0")[:6].ljust(6, "0"))
    zone = None
    if match[8]:
        offset = dt.timedelta(hours=int(match[9]), minutes=int(match[10]))
        if offset < dt.timedelta(days=1):
            zone = dt.timezone(offset if match[8] == "+" else -offset)
    try:
        return dt.datetime(year, month, day, hour, minute, second, microsecond, tzinfo=zone)
    except ValueError:
        return None


def parse_hl7_date(text: str | None) -> dt.date | None:
    """Return the day of an HL7 ``TS`` or of a date with dashes; the middle where it is partial.

    Examples
    --------
    >>> parse_hl7_date("1974-03-02"), parse_hl7_date("197403")
    (datetime.date(1974, 3, 2), datetime.date(1974, 3, 15))
    """
    words = (text or "").strip()
    iso, compact = _ISO_DATE.match(words), _TIME.match(words)
    if iso is not None:
        year, month, day = iso[1], iso[3], iso[4]
    elif compact is not None:
        year, month, day = compact[1], compact[2], compact[3]
    else:
        return None
    if not month or int(month) == 0:
        month, day = (str(part) for part in _MIDDLE)
    try:
        return dt.date(int(year), int(month), int(day or 0) or 15)
    except ValueError:
        return None


def states_day(text: str | None) -> bool:
    """Return whether a date has its month and its day, so that nothing of it was put in."""
    words = (text or "").strip()
    iso, compact = _ISO_DATE.match(words), _TIME.match(words)
    month, day = (iso[3], iso[4]) if iso else (compact[2], compact[3]) if compact else ("", "")
    return int(month or 0) > 0 and int(day or 0) > 0


def seconds_of(quantity: Element | None) -> float | None:
    """Return a quantity of time (``value``, ``unit``) in seconds, or None."""
    if quantity is None:
        return None
    value = number(quantity.get("value"))
    factor = _SECONDS.get(quantity.get("unit", ""))
    return None if value is None or factor is None else value * factor


def milliseconds(quantity: Element | None) -> float | None:
    """Return a quantity of time in milliseconds, or None."""
    seconds = seconds_of(quantity)
    return None if seconds is None else 1000.0 * seconds


def increment_rate(increment: Element | None) -> float | None:
    """Return the sampling rate in Hz that a constant increment gives, or None.

    Increments are rounded when they are written ("0.0039" for 256 Hz), so a whole number of Hz
    whose period is within half a unit of the last digit is meant (our choice).
    """
    step = seconds_of(increment)
    if step is None or increment is None or not 0 < step < 1e6:
        return None
    text = increment.get("value", "").strip().lower()
    mantissa, _, exponent = text.partition("e")
    digits = len(mantissa.partition(".")[2])
    try:
        doubt = 0.5 * 10.0 ** (int(exponent or 0) - digits)
    except (ValueError, OverflowError):
        doubt = 0.0
    value = float(text)
    rate = 1.0 / step
    whole = float(round(rate))
    if whole >= 1 and abs(value * rate / whole - value) <= min(doubt, 0.02 * value) * (1 + 1e-9):
        return whole
    return rate
