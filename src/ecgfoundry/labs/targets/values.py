"""The text of a laboratory result -> a number with its censoring, or a word that is understood.

Results are text in every hospital system: ``4.1``, ``>10.0``, ``<0.01``, ``5-10``, ``1,234``,
``Negative``, ``1+``, ``HEMOLYZED``, ``See note``. Nothing is dropped silently: what is not
understood is of the kind "unknown" and is counted.

Two forms of the same rules: :func:`parse_value` for one text, :func:`parse_values` for a column of
millions (polars). A property test holds them together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecgfoundry.extras import require_polars

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "KINDS",
    "ParsedValue",
    "parse_limit",
    "parse_value",
    "parse_values",
    "range_half",
    "stated_unit",
]

KINDS = ("numeric", "censored", "range", "negative", "positive", "failed", "unknown", "missing")
"""What a text can be. "failed" is a specimen or a test that gave no result (hemolyzed, clotted,
cancelled); "negative" and "positive" are qualitative results."""

# Python and polars do not agree about which characters are spaces: all that one of them knows.
_SPACES = "[ \t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
_NUMBER = (
    r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?|[0-9]+\.?[0-9]*|\.[0-9]+)"
    r"(?:[eE][-+]?[0-9]{1,3})?"
)
# A letter stands behind the stroke of a unit: 5/12/2020 is a date, 120/80 a blood pressure.
_UNIT = r"%|[A-Za-z%^0-9µ]*/[A-Za-z0-9./]*[A-Za-z][A-Za-z0-9./]*"
_TAIL = rf"\s*(?:\(?\b(?:H|L|HH|LL|A|C|CRIT|HIGH|LOW)\b\)?|\*+|!+|{_UNIT})?\s*"
"""What may stand behind a number: a flag, stars, or a unit (:func:`stated_unit`)."""

_COMPARISON = r"(<=|>=|<|>|≤|≥|LESS THAN|GREATER THAN|UNDER|OVER|BELOW|ABOVE)"
_PLAIN = rf"^\s*({_NUMBER}){_TAIL}$"
_CENSORED = rf"^\s*{_COMPARISON}\s*(?:OR\s*=\s*)?({_NUMBER}){_TAIL}$"
_RANGE = rf"^\s*({_NUMBER})\s*(?:-|–|TO)\s*({_NUMBER}){_TAIL}$"
_STATED_UNIT = (
    rf"^\s*(?:{_COMPARISON}\s*(?:OR\s*=\s*)?)?{_NUMBER}(?:\s*(?:-|–|TO)\s*{_NUMBER})?"
    rf"\s*(?P<unit>{_UNIT})\s*$"
)

_NEGATIVE = (
    r"^((NEG|NEGATIVE|NONE SEEN|NONE DETECTED|NOT DETECTED|NOT SEEN|ABSENT|NON[- ]?REACTIVE|"
    r"NORMAL|NO GROWTH|UNDETECTED|NOT PRESENT)\b|(NONE|NO)$)"
)
_POSITIVE = (
    r"^(POS|POSITIVE|DETECTED|PRESENT|REACTIVE|TRACE|SMALL|MODERATE|LARGE|FEW|MANY|RARE|"
    r"OCCASIONAL|ABNORMAL|YES|[1-4]\s*\+|\+{1,4})(\b|\s|$|\+)"
)
_FAILED = (
    r"(HA?EMOLY|CLOT|QNS|QUANTITY NOT SUFFICIENT|INSUFFICIENT|CANCEL|NOT PERFORMED|NOT DONE|"
    r"\bNO (?:SPECIMEN|SAMPLE|RESULT|CALCULATION)|NOT RECEIVED|NOT TESTED|NOT AVAILABLE|"
    r"UNABLE|\bTNP\b|TEST NOT|NOT CALC|UNSATISFACTORY|LIPEMI|ICTERIC|CONTAMINAT|\bERROR\b|"
    r"NOT REPORTED|\bPENDING\b|NOT APPLICABLE|^N/?A$|REJECTED|DISCARD)"
)
_ENTITIES = (("&gt;", ">"), ("&lt;", "<"), ("&amp;", "&"))

_ABOVE = (">", ">=", "≥", "GREATER THAN", "OVER", "ABOVE")


@dataclass(frozen=True, slots=True)
class ParsedValue:
    """What a text says.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    value : float or None
        The number; for "censored" the limit, for "range" the middle.
    censoring : int
        +1: the true value is above ``value``; -1: below; 0: it is the value.
    """

    kind: str
    value: float | None = None
    censoring: int = 0


def _number(text: str) -> float | None:
    value = float(text.replace(",", ""))
    return value if abs(value) < 1e300 else None


def parse_value(text: str | None) -> ParsedValue:
    """Parse one result.

    Examples
    --------
    >>> parse_value("4.1"), parse_value("> 10.0").censoring, parse_value("Negative").kind
    (ParsedValue(kind='numeric', value=4.1, censoring=0), 1, 'negative')
    """
    cleaned = _clean(text)
    if not cleaned:
        return ParsedValue("missing")
    match = re.match(_PLAIN, cleaned)
    if match:
        value = _number(match[1])
        return ParsedValue("numeric", value) if value is not None else ParsedValue("unknown")
    match = re.match(_CENSORED, cleaned)
    if match:
        value = _number(match[2])
        if value is None:
            return ParsedValue("unknown")
        return ParsedValue("censored", value, 1 if match[1] in _ABOVE else -1)
    match = re.match(_RANGE, cleaned)
    if match:
        low, high = _number(match[1]), _number(match[2])
        if low is None or high is None or low > high:
            return ParsedValue("unknown")
        return ParsedValue("range", (low + high) / 2)
    if re.search(_FAILED, cleaned):
        return ParsedValue("failed")
    if re.search(_NEGATIVE, cleaned):
        return ParsedValue("negative")
    if re.search(_POSITIVE, cleaned):
        return ParsedValue("positive")
    return ParsedValue("unknown")


def _clean(text: str | None) -> str:
    result = text or ""
    for entity, mark in _ENTITIES:
        result = result.replace(entity, mark)
    # Letters beyond ASCII change length in upper case in some alphabets; only ASCII is raised.
    raised = result.translate(_UPPER)
    return re.sub(_SPACES, " ", raised).strip(" ")


_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}


def parse_values(column: str) -> list[pl.Expr]:
    """Return the expressions ``kind``, ``number`` and ``censoring`` of a text column.

    The same rules as :func:`parse_value`; ``number`` is null where there is none.
    """
    pl = require_polars("reading laboratory values")
    text = _raised(column)
    plain, limit = _polars_number(text, _PLAIN, 1), _polars_number(text, _CENSORED, 2)
    low, high = _polars_number(text, _RANGE, 1), _polars_number(text, _RANGE, 2)
    is_plain, is_censored = text.str.contains(_PLAIN), text.str.contains(_CENSORED)
    is_range = text.str.contains(_RANGE)
    ordered = low.is_not_null() & high.is_not_null() & (low <= high)
    kind = (
        pl.when(text == "")
        .then(pl.lit("missing"))
        .when(is_plain)
        .then(pl.when(plain.is_not_null()).then(pl.lit("numeric")).otherwise(pl.lit("unknown")))
        .when(is_censored)
        .then(pl.when(limit.is_not_null()).then(pl.lit("censored")).otherwise(pl.lit("unknown")))
        .when(is_range)
        .then(pl.when(ordered).then(pl.lit("range")).otherwise(pl.lit("unknown")))
        .when(text.str.contains(_FAILED))
        .then(pl.lit("failed"))
        .when(text.str.contains(_NEGATIVE))
        .then(pl.lit("negative"))
        .when(text.str.contains(_POSITIVE))
        .then(pl.lit("positive"))
        .otherwise(pl.lit("unknown"))
    )
    number = (
        pl.when(is_plain)
        .then(plain)
        .when(is_censored)
        .then(limit)
        .when(is_range & ordered)
        .then((low + high) / 2)
    )
    sign = text.str.extract((_CENSORED), 1)
    above = sign.is_in(pl.Series(list(_ABOVE)).implode())
    censoring = (
        pl.when(is_censored & ~is_plain & limit.is_not_null())
        .then(pl.when(above).then(1).otherwise(-1))
        .otherwise(0)
        .cast(pl.Int8)
    )
    return [kind.alias("kind"), number.alias("number"), censoring.alias("censoring")]


def _raised(column: str) -> pl.Expr:
    """Return a column as :func:`_clean` returns a text."""
    text = require_polars("reading laboratory values").col(column).fill_null("")
    for entity, mark in _ENTITIES:
        text = text.str.replace_all(entity, mark, literal=True)
    return _ascii_upper(text).str.replace_all(_SPACES, " ").str.strip_chars(" ")


def stated_unit(column: str) -> pl.Expr:
    """Return the unit behind the number of a text ("7.2 mmol/L"), in capitals; null without one."""
    return _raised(column).str.extract(_STATED_UNIT, _STATED_GROUP).str.strip_chars_end(".")


_STATED_GROUP = re.compile(_STATED_UNIT).groupindex["unit"]


def range_half(column: str) -> pl.Expr:
    """Return half the width of a range ("5-10": 2.5), 0 for anything else."""
    text = _raised(column)
    half = (_polars_number(text, _RANGE, 2) - _polars_number(text, _RANGE, 1)) / 2
    plain = text.str.contains(_PLAIN) | text.str.contains(_CENSORED)
    return half.clip(lower_bound=0.0).fill_null(0.0) * (~plain)


def parse_limit(column: str, side: str) -> pl.Expr:
    """Return the reference limit that a text states; null where it states none that is understood.

    Parameters
    ----------
    column : str
        Of text: ``5.1``, ``1,800``, ``<5.1``.
    side : {"low", "high"}
        "<5" is an upper limit and no lower one, ">60" the reverse.
    """
    kind, number, censoring = parse_values(column)
    one_sided = (kind == "censored") & (censoring == (1 if side == "low" else -1))
    return (
        require_polars("reading laboratory values")
        .when((kind == "numeric") | one_sided)
        .then(number)
    )


def _ascii_upper(text: pl.Expr) -> pl.Expr:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    return text.str.replace_many(letters, [letter.upper() for letter in letters])


def _polars_number(text: pl.Expr, pattern: str, group: int) -> pl.Expr:
    pl = require_polars("reading laboratory values")
    number = text.str.extract((pattern), group).str.replace_all(",", "")
    number = number.str.strip_prefix("+").cast(pl.Float64, strict=False)
    return pl.when(number.abs() < 1e300).then(number)
