"""Reader of the ECGs in an Apple Health export: one CSV per 30 s, in the language of the phone.

A preamble of ``key,value`` lines, an empty line, the lead and the unit, and then one value per
line. The decimal mark follows the language ("-265,868" is -265.868), and so do the keys, so what a
line means is told from its value where the key is not English. An Apple Watch records lead I.
Facts: public descriptions of the export; no real file was at hand.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FileAccessError, FormatError, LimitError, SamplingRateError
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.formats.common.document import (
    EcgDocument,
    Trace,
    age_in_years,
    document_reader,
)
from ecgfoundry.formats.common.measurements import STATEMENTS_KEY
from ecgfoundry.formats.common.subjects import birth_before, parse_sex
from ecgfoundry.formats.delimited.table import decode_text
from ecgfoundry.leads import canonical_lead
from ecgfoundry.recording import Subject

__all__ = ["READER", "decimal_numbers", "parse_moment", "sniff"]

MAXIMUM_BYTES = 16_000_000
"""An ECG of 30 s has about 0.15 MB (our choice)."""

_MAXIMUM_PREAMBLE_LINES = 40
_PAIR = re.compile(r'^("(?:[^"]|"")*"|[^,;\t"]+)[,;\t](.*)$')
_VALUE = re.compile(r"^[+-]?\d[\d.,'\u00a0\u202f ]*$")
_RATE = re.compile(r"^(\d{2,4}(?:[.,]\d+)?)\s*[^\W\d_]{2,}\.?$")
_BEATS = re.compile(r"\s(?:bpm|bat\w*|beats?|lpm|ppm|spm|schl\w*|уд\w*)\.?$", re.IGNORECASE)
"""Beats per minute in the languages of the phone that abbreviate it."""
_MOMENT = re.compile(
    r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?: ?(?:Z|[+-]\d{2}:?\d{2}))?$"
)
_UNITS = {"µV": "uV", "μV": "uV", "uV": "uV", "mV": "mV"}
_MINUS = str.maketrans({"\u2212": "-", "\ufe63": "-", "\uff0d": "-"})
_BIRTH_FORMATS = ("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%Y-%m-%d", "%d.%m.%Y")


def sniff(path: Path, head: bytes) -> bool:
    """Whether a preamble of pairs with a sampling rate and a voltage comes before single values."""
    if b"\0" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return False
    pairs, values = _split(decode_text(head).splitlines()[:400])
    texts = [value for _, value in pairs]
    return (
        len(pairs) >= 3
        and len(values) >= 3
        and any(text in _UNITS for text in texts)
        and any(_RATE.match(text) for text in texts)
    )


def _load(path: Path, options: ReadOptions) -> EcgDocument:
    pairs, lines = _split(_text(path, options.limits).splitlines())
    if len(lines) > options.limits.samples:
        raise LimitError(f"the file has {len(lines)} values", path=path)
    texts = [value for _, value in pairs]
    moments = [n for n, text in enumerate(texts) if parse_moment(text) is not None]
    # A date of birth may have a time, too; nobody is recorded before.
    recorded = max(moments, key=lambda n: texts[n][:19].replace("T", " "), default=None)
    # The English key says it; an export may be dated as well, later than the ECG.
    named_so = [n for n in moments if pairs[n][0].strip().lower() == "recorded date"]
    recorded = named_so[0] if named_so else recorded
    start = None if recorded is None else parse_moment(texts[recorded])
    unit = next((_UNITS[text] for text in texts if text in _UNITS), None)
    named = {key.strip().lower(): value for key, value in pairs}
    rate = _rate(named, texts, path) if options.sampling_rate is None else None
    births = (_birth(text) for n, text in enumerate(texts) if n != recorded)
    birth = next(filter(None, births), None)
    # The line behind the date is the classification, whatever the language.
    position = None if recorded is None else recorded + 1
    classification = named.get("classification") or (
        texts[position] if position is not None and position < len(texts) else ""
    )
    if _RATE.match(classification) or classification in _UNITS:
        classification = ""
    return EcgDocument(
        traces=[Trace(_lead(pairs), decimal_numbers(lines, path), 1.0, unit)],
        sampling_rate=rate,
        start_time=start,
        subject=Subject(
            age=age_in_years("", None, birth, start.date() if start else None),
            sex=parse_sex(named.get("sex", "")),
            birth_date=birth_before(birth, start.date() if start else None),
        ),
        device={
            "manufacturer": "Apple",
            "model": next((text for text in texts if text.startswith("Watch")), ""),
            "software": named.get("software version", ""),
        },
        header={STATEMENTS_KEY: classification, "symptoms": named.get("symptoms", "")},
    )


def _rate(named: dict[str, str], texts: list[str], path: Path) -> float | None:
    """Return the sampling rate, Hz: of the English key, else the only number with a word of a rate.

    An average heart rate ("72 bpm") is a number with a word as well.
    """
    stated = _RATE.match(named.get("sample rate", ""))
    found = [stated] if stated else [match for text in texts if (match := _RATE.match(text))]
    rates = {float(match[1].replace(",", ".")) for match in found if not _BEATS.search(match[0])}
    if len(rates) > 1:
        raise SamplingRateError(
            f"it is not clear which of {', '.join(f'{rate:g}' for rate in sorted(rates))} is the "
            "sampling rate in Hz",
            path=path,
            remedy="State it with --sampling-rate or sampling_rate=",
        )
    return rates.pop() if rates else None


def _text(path: Path, limits: Limits) -> str:
    limit = min(MAXIMUM_BYTES, limits.text_bytes)
    try:
        size = path.stat().st_size
        if size > limit:
            raise LimitError(f"the text has {size} bytes; the limit is {limit}", path=path)
        return decode_text(path.read_bytes())
    except OSError as error:
        raise FileAccessError(f"the file cannot be read ({error.strerror})", path=path) from error


def _split(lines: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the pairs of the preamble and the lines of values behind the last of them.

    A decimal comma makes a value look like a pair of numbers, so a line is a value as soon as it
    holds nothing but a number, and no pair has a number for its key.
    """
    pairs: list[tuple[str, str]] = []
    first = len(lines)
    for number, line in enumerate(lines[: _MAXIMUM_PREAMBLE_LINES + 1]):
        text = line.strip()
        if not text:
            continue
        if _VALUE.match(text.translate(_MINUS)):
            first = number
            break
        match = _PAIR.match(text)
        if match is None:
            key, value = text, ""
        else:
            key, value = (part.strip().strip('"').replace('""', '"') for part in match.groups())
        pairs.append((key, value.strip()))
    return pairs, [line for line in lines[first:] if line.strip()]


def decimal_numbers(lines: list[str], path: Path | None = None) -> NDArray[np.float64]:
    """Return numbers that all follow one, unknown, way of writing decimals.

    Where both "." and "," occur in one number, the last one is the decimal mark and the other
    groups thousands. Where only "," occurs in all of them, it is the decimal mark.

    Raises
    ------
    FormatError
        A line is no number, or some have only "." and others only ",".

    Examples
    --------
    >>> decimal_numbers(["-265,868", "1.265,5", "−3"]).tolist()
    [-265.868, 1265.5, -3.0]
    """
    cleaned = "\n".join(line.strip() for line in lines).translate(_MINUS)
    for blank in ("\u00a0", "\u202f", "'", " "):
        cleaned = cleaned.replace(blank, "")
    rows = cleaned.split("\n") if lines else []
    both = next((row for row in rows if "." in row and "," in row), None)
    if both is not None:
        decimal = "," if both.rindex(",") > both.rindex(".") else "."
        wrong = [row for row in rows if row.count(decimal) > 1]
        wrong += [
            row for row in rows if decimal in row and any(g in row.split(decimal)[1] for g in ".,")
        ]
    else:
        decimal = "," if "," in cleaned else "."
        wrong = ["."] if "," in cleaned and "." in cleaned else []
    if wrong:
        raise FormatError(
            "it is not clear whether '.' or ',' is the decimal mark of the values", path=path
        )
    group = "." if decimal == "," else ","
    try:
        values = np.array(
            [row.replace(group, "").replace(decimal, ".") for row in rows], dtype=np.float64
        )
    except ValueError as error:
        raise FormatError(f"a line holds no number ({error})", path=path) from None
    if not np.isfinite(values).all():
        raise FormatError("a line holds no finite number", path=path)
    return values


def _lead(pairs: list[tuple[str, str]]) -> str:
    """Return the lead of the field that states it, else I, which the watch records.

    In another language the field is the one whose value repeats its key ("Ableitung,Ableitung I")
    beside the unit. No other field counts: a name may end in III.
    """
    stated = next((value for key, value in pairs if key.strip().lower() == "lead"), None)
    if stated:
        return canonical_lead(stated) or canonical_lead(stated.split()[-1]) or stated
    unit = next((n for n, (_, value) in enumerate(pairs) if value in _UNITS), 0)
    for key, value in pairs[max(unit - 1, 0) : unit + 2]:
        name = value[len(key) :].strip() if value.startswith(key) else value
        lead = canonical_lead(name) if len(name) <= 12 else None
        if lead is not None and lead != "ECG":
            return lead
    return "I"


def parse_moment(text: str) -> dt.datetime | None:
    """Return a date with a time of day as Apple and ISO 8601 write it, or None.

    Examples
    --------
    >>> parse_moment("2024-03-02 10:20:30 +0200").isoformat()
    '2024-03-02T10:20:30+02:00'
    """
    if not _MOMENT.match(text):
        return None
    try:
        return dt.datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", ""))
    except ValueError:
        return None


def _birth(text: str) -> dt.date | None:
    if len(text) > 30:
        return None
    for pattern in _BIRTH_FORMATS:
        try:
            return dt.datetime.strptime(text, pattern).date()
        except ValueError:
            continue
    moment = parse_moment(text)
    return moment and moment.date()


READER = document_reader(
    _load,
    name="apple-health",
    description="Apple Health export of an Apple Watch ECG (CSV in any language)",
    extensions=(".csv",),
    sniff=sniff,
    verified_on="specification only",
)
