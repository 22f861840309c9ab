"""Age and sex as files write them -> :class:`Subject`, with sentinels for "unknown" taken out."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence

from ecgfoundry.recording import MAXIMUM_AGE_YEARS, Recording, Subject

__all__ = [
    "age_between",
    "believed_birth",
    "birth_before",
    "key_values",
    "parse_age",
    "parse_sex",
    "subject_from_comments",
]

_FIRST_YEAR = 1850

_AGE_STRING = re.compile(r"^(\d{1,3})([DWMY])$")
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}

_SEXES = {"f": "female", "female": "female", "w": "female", "m": "male", "male": "male"}

# "Age: 82", "<age>: 51", "age = 70 years"; several on one line, as in "<age>: 25  <sex>: M".
_AGE = re.compile(r"<?\bage\b>?\s*[:=]\s*([^\s,;]+)", re.IGNORECASE)
_SEX = re.compile(r"<?\b(?:sex|gender)\b>?\s*[:=]\s*([^\s,;.]+)", re.IGNORECASE)
_IDENTIFIER = re.compile(r"\b(?:subject|patient)[ _]?id\b\s*[:=]\s*(\S+)", re.IGNORECASE)
# MIT-BIH: age, sex, recorder and tape numbers, as in "69 M 1085 1629 x1".
_MIT_BIH = re.compile(r"^(\S+)\s+([MF])(?:\s+\d+\s+\d+\s+x\d+)?$")
_KEY_VALUE = re.compile(r"^<?([A-Za-z][A-Za-z0-9 _()./-]{0,60}?)>?\s*[:=]\s*(\S.*)$")


def parse_age(text: object) -> float | None:
    """Return an age in years, or None for anything that is none (NaN, "Unknown", -1, 300).

    Understands the age strings of DICOM (PS3.5, AS), with or without leading zeros.

    Examples
    --------
    >>> parse_age("82"), parse_age("050Y"), parse_age("006M"), parse_age("-1")
    (82.0, 50.0, 0.5, None)
    """
    words = str(text).strip()
    stated = _AGE_STRING.match(words)
    try:
        age = round(int(stated[1]) / _PER_YEAR[stated[2]], 2) if stated else float(words)
    except ValueError:
        return None
    return age if math.isfinite(age) and 0 <= age <= MAXIMUM_AGE_YEARS else None


def age_between(born: dt.date | None, on: dt.date | None) -> float | None:
    """Return the age in whole years, or None where a date is missing or the order impossible."""
    if born is None or on is None:
        return None
    age = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return float(age) if 0 <= age <= MAXIMUM_AGE_YEARS else None


def birth_before(born: dt.date | None, on: dt.date | None) -> dt.date | None:
    """Return the date of birth, or None where nobody born then can have been recorded that day.

    Without the day of the recording, a birth before 1850 is none (our choice).

    Examples
    --------
    >>> birth_before(dt.date(1950, 3, 2), dt.date(2020, 1, 1))
    datetime.date(1950, 3, 2)
    >>> birth_before(dt.date(2020, 1, 2), dt.date(2020, 1, 1))
    """
    if born is None or (on is not None and age_between(born, on) is None):
        return None
    return born if born.year >= _FIRST_YEAR else None


def believed_birth(recording: Recording) -> dt.date | None:
    """Return the date of birth as files may state it: see :func:`birth_before`."""
    start = recording.start_time
    return birth_before(recording.subject.birth_date, start.date() if start else None)


def parse_sex(text: object) -> str | None:
    """Return "female", "male" or None.

    Examples
    --------
    >>> parse_sex("F"), parse_sex(" Male"), parse_sex("Unknown")
    ('female', 'male', None)
    """
    return _SEXES.get(str(text).strip().lower())


def subject_from_comments(comments: Sequence[str]) -> Subject:
    """Read age, sex and identifier from free comment lines (without their "#").

    Understands ``Age: 82``, ``<age>: 51  <sex>: F``, PTB's ``age: 81`` and MIT-BIH's first line
    ``69 M 1085 1629 x1``. The first statement of each wins.
    """
    age = sex = identifier = None
    for position, line in enumerate(comments):
        mit_bih = _MIT_BIH.match(line) if position == 0 else None
        if mit_bih:
            age, sex = mit_bih[1], mit_bih[2]
        age = age or _first(_AGE, line)
        sex = sex or _first(_SEX, line)
        identifier = identifier or _first(_IDENTIFIER, line)
    return Subject(age=parse_age(age), sex=parse_sex(sex), identifier=identifier)


def key_values(comments: Sequence[str], *, limit: int = 100) -> dict[str, str]:
    """Return the ``key: value`` lines among comments; the first of a repeated key wins."""
    result: dict[str, str] = {}
    for line in comments:
        match = _KEY_VALUE.match(line)
        if match and len(result) < limit:
            result.setdefault(match[1].strip(), match[2].strip())
    return result


def _first(pattern: re.Pattern[str], line: str) -> str | None:
    match = pattern.search(line)
    return match[1] if match else None
