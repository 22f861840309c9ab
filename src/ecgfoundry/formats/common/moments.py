"""When a recording began, as files state it: a moment is a date with at least hour and minute.

A date alone is no moment: midnight would be a start that nobody stated. Readers keep it as
``start_date`` in the header, and reckon the age by it.
"""

from __future__ import annotations

import datetime as dt
import re

__all__ = ["day_of", "day_text", "in_whole_minutes", "iso_moment"]

MOST_OFFSET = dt.timedelta(hours=14)
_DATE = re.compile(r"^\d{4}-\d\d-\d\d|^\d{8}")
_MOMENT = re.compile(r"^(?:\d{4}-\d\d-\d\d|\d{8})[T ]\d\d:?\d\d")


def iso_moment(text: str) -> dt.datetime | None:
    """Return a date with a time of day in ISO 8601 (a space for the T), or None.

    Examples
    --------
    >>> iso_moment("2024-03-02 10:20"), iso_moment("2024-03-02"), iso_moment("2024-03-02T10")
    (datetime.datetime(2024, 3, 2, 10, 20), None, None)
    """
    words = text.strip()
    try:
        return dt.datetime.fromisoformat(words) if _MOMENT.match(words) else None
    except ValueError:
        return None


def in_whole_minutes(moment: dt.datetime) -> dt.datetime:
    """Return the same moment in a zone that DICOM, HL7 and FHIR state: whole minutes, 14 h at most.

    Local mean times are not of whole minutes (Amsterdam's until 1937: +00:19:32). The moment stays,
    the clock moves by seconds. A zone further away becomes UTC.

    Examples
    --------
    >>> in_whole_minutes(dt.datetime.fromisoformat("1931-03-02T10:20:30+00:19:32")).isoformat()
    '1931-03-02T10:20:58+00:20'
    """
    offset = moment.utcoffset()
    if offset is None:
        return moment
    minutes = dt.timedelta(minutes=round(offset / dt.timedelta(minutes=1)))
    zone = dt.timezone(minutes) if abs(minutes) <= MOST_OFFSET else dt.UTC
    return moment if zone.utcoffset(None) == offset else moment.astimezone(zone)


def day_of(text: str) -> dt.date | None:
    """Return the date that a text in ISO 8601 begins with, or None.

    Examples
    --------
    >>> day_of("20240302"), day_of("02.03.2024")
    (datetime.date(2024, 3, 2), None)
    """
    match = _DATE.match(text.strip())
    try:
        return dt.date.fromisoformat(match[0]) if match else None
    except ValueError:
        return None


def day_text(year: int, month: int, day: int) -> str:
    """Return what a header of numbers says of a date, "" where it says nothing.

    Examples
    --------
    >>> day_text(1999, 13, 5), day_text(0, 0, 0), day_text(-9, -9, -9)
    ('1999-13-05', '', '')
    """
    return f"{year:04d}-{month:02d}-{day:02d}" if max(year, month, day) > 0 else ""
