"""Cells of a table: what stands for nothing, numbers with points or commas, whole numbers."""

from __future__ import annotations

import math
import re

__all__ = ["MISSING_WORDS", "is_missing", "number_of", "whole_number"]

MISSING_WORDS = frozenset(("", "na", "n/a", "nan", "nat", "null", "none", ".", "?", "<na>", "#n/a"))
_WORDS = {
    "true": 1.0, "yes": 1.0, "positive": 1.0, "false": 0.0, "no": 0.0, "negative": 0.0,
}  # fmt: skip
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_WHOLE = re.compile(r"([+-]?)0*(\d+)(?:\.0*)?")


def is_missing(text: str | None) -> bool:
    """Whether a cell says that nothing is known: empty, NA, NaN, null, None, a stop or ``?``."""
    return text is None or text.strip().casefold() in MISSING_WORDS


def number_of(text: str, *, decimal_comma: bool = False, words: bool = True) -> float | None:
    """Return the number that a cell holds, None where it holds none.

    Parameters
    ----------
    text : str
        What is missing is NaN.
    decimal_comma : bool
        Whether ``1,5`` is a number.
    words : bool
        Whether ``true``, ``yes`` and ``positive`` are 1, and their opposites 0.
    """
    text = text.strip()
    folded = text.casefold()
    if folded in MISSING_WORDS:
        return math.nan
    if decimal_comma and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        # Python reads 1_000 as a number; no table means it so.
        return float(text) if "_" not in text else None
    except ValueError:
        return _WORDS.get(folded) if words else None


def whole_number(text: str) -> str | None:
    """Return the one spelling of an id that is a whole number (``09012``, ``9012.0``: ``9012``).

    None is returned for every other id.
    """
    found = _WHOLE.fullmatch(text)
    if found is None:
        return None
    return ("-" if found[1] == "-" and found[2] != "0" else "") + found[2]
