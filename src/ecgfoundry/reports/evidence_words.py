"""The words of statements and of what they rest on: the same in every report, page and message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ecgfoundry.criteria import Evidence, Statement, criteria
from ecgfoundry.criteria.measured_words import (
    CHANGE,
    MEASUREMENTS,
    YES_OR_NO,
    measurement_in_words,
    number_in_words,
    printed_signs,
    value_in_words,
)
from ecgfoundry.reports.wording import number_text

__all__ = [
    "because",
    "evidence_in_words",
    "evidence_name",
    "in_words",
    "listed_in_words",
    "own_evidence",
]

_SHOWN = 4
"""Values of the evidence that a sentence names; the JSON has all (our choice)."""
_LIMIT = re.compile(r"(<=|>=|<|>) (\S+)")
_USUAL = re.compile(r"beyond ±(\S+)")
"""What criteria and comparisons write."""
_MORE_DIGITS = 2
"""So many more at most, where a value would be printed as the limit that it differs from."""


def in_words(name: str) -> str:
    """Return the name of a statement as a sentence would have it.

    Examples
    --------
    >>> in_words("LEFT BUNDLE BRANCH BLOCK"), in_words("WITH 1ST DEGREE AV BLOCK")
    ('left bundle branch block', '1st degree AV block')
    >>> in_words("RSR' PATTERN IN V1"), in_words("R IN AVL")
    ("RSR' pattern in V1", 'R in aVL')
    >>> in_words("NORM")
    'normal ECG'
    """
    if name == "NORM":
        return "normal ECG"
    return " ".join(_word(word) for word in name.removeprefix("WITH ").split())


_AUGMENTED = {"AVL": "aVL", "AVR": "aVR", "AVF": "aVF"}
_CAPITALS = frozenset(
    "QRS ECG AV SA ST T P PR QT QTC JT RR PP R Q S MI V1 V2 V3 V4 V5 V6 I II III RSR' QR RBBB LBBB "
    "STEMI".split()
)
_NAMES = {
    "P-WAVES": "P waves",
    "MOBITZ": "Mobitz",
    "BRUGADA": "Brugada",
    "WOLFF-PARKINSON-WHITE": "Wolff-Parkinson-White",
}


def _word(word: str) -> str:
    if word in _CAPITALS:
        return word
    return _AUGMENTED.get(word) or _NAMES.get(word) or word.lower()


def because(statement: Statement, present: Mapping[str, Statement], *, shown: int = _SHOWN) -> str:
    """Return what a statement rests on, in words; empty where nothing was measured.

    Parameters
    ----------
    statement : Statement
    present : mapping of str to Statement
        The present statements by name: what rests on one of them does not repeat its evidence.
    shown : int
        At most so many measurements; the rest is counted. Leads with the same limit are one.
    """
    parts = listed_in_words(own_evidence(statement, present))
    if statement.probability is not None and statement.decided_by in ("network", "both"):
        parts.insert(0, f"network probability {number_text(statement.probability)}")
    words = parts[:shown]
    if len(parts) > shown:
        words.append(f"and {len(parts) - shown} more")
    return ", ".join(words)


def listed_in_words(evidence: Iterable[Evidence]) -> list[str]:
    """Return evidence in words; leads with the same limit, and limits of one value, stand together.

    Examples
    --------
    >>> leads = [Evidence("t_mv", v, "mV", "<= -0.1", True, "", lead)
    ...          for lead, v in (("V5", -0.24), ("V6", -0.17))]
    >>> listed_in_words(leads)
    ['T amplitude −0.24 mV in V5, −0.17 mV in V6 (limit ≤ −0.10 mV)']
    """
    return [_together(items) for items in _by_value(_by_limit(dict.fromkeys(evidence)))]


def _by_limit(evidence: Iterable[Evidence]) -> list[list[Evidence]]:
    """Return the same measurement against the same limit in several leads as one list."""
    found: dict[tuple[str, str, str | None], list[Evidence]] = {}
    for item in evidence:
        # What has a sentence of its own, or no number, is told lead by lead.
        words = MEASUREMENTS.get(item.name.removesuffix(CHANGE))
        alone = words is None or words.sentence or words.one or item.name in YES_OR_NO
        found.setdefault((item.name, item.limit, item.lead if alone else None), []).append(item)
    groups: list[list[Evidence]] = []
    for items in found.values():
        # Several values of one lead (of other beats) are told one by one.
        several = len({item.lead for item in items}) < len(items)
        groups += [[item] for item in items] if several else [items]
    return groups


def _by_value(groups: list[list[Evidence]]) -> list[list[Evidence]]:
    """Join what compares one value with several limits: a rate of 75 is above 60 and below 100."""
    found: dict[object, list[Evidence]] = {}
    for items in groups:
        first = items[0]
        one = len(items) == 1 and _LIMIT.fullmatch(first.limit) is not None
        key = (first.name, first.lead, first.value) if one else id(items)
        found.setdefault(key, []).extend(items)
    return list(found.values())


def _joined(limits: list[str]) -> str:
    numbers = [limit.removeprefix("limit ") for limit in limits if limit.startswith("limit ")]
    signs = [limit for limit in limits if limit and not limit.startswith("limit ")]
    word = "limits" if len(numbers) > 1 else "limit"
    return ", ".join([*signs, *([f"{word} {' and '.join(numbers)}"] if numbers else [])])


def _together(items: list[Evidence]) -> str:
    first = items[0]
    if len(items) == 1:
        return evidence_in_words(first)
    if len({item.lead for item in items}) == 1:  # one value and its limits
        words = evidence_in_words(replace(first, limit=""))
        limits = _joined([_limit(item) for item in items])
        return f"{words} ({limits})" if limits else words
    values = ", ".join(f"{_value(item)} in {item.lead}" for item in items)
    return f"{_named(first)} {values}{_behind(first)}"


def own_evidence(statement: Statement, present: Mapping[str, Statement]) -> list[Evidence]:
    """Return the evidence that is met and that no other present statement brought in."""
    said = {
        item
        for other in statement.evidence
        if other.name in present and other.name != statement.name
        for item in present[other.name].evidence
    }
    met = [item for item in statement.evidence if item.met and item.value is not None]
    own = [item for item in met if item not in said and not item.name.endswith("probability")]
    # The numbers first: they are what makes this statement and not its neighbour.
    return sorted(own, key=lambda item: item.name in present)


def evidence_in_words(item: Evidence) -> str:
    """Return one item of evidence as a cardiologist would write it: value, unit and limit.

    What is there or not has no number, and a wave that is not there is said to be absent.

    Examples
    --------
    >>> irregular = Evidence("rr_successive_percent", 48.2, "%", ">= 10", True, "")
    >>> evidence_in_words(irregular)
    'successive RR intervals differ by 48 % (limit ≥ 10 %)'
    >>> evidence_in_words(Evidence("qrs_notched", 1.0, "1", ">= 1", True, "", lead="V5"))
    'QRS notched in V5'
    >>> absent = "there is no Q wave in I"
    >>> evidence_in_words(Evidence("q_mv", None, "mV", "> -0.05", True, "", "I", reason=absent))
    'there is no Q wave in I'
    """
    if item.name in criteria:
        return in_words(item.name)
    lead = f" in {item.lead}" if item.lead else ""
    if item.value is None and item.met is not None and item.reason:
        return item.reason
    if item.value is None:
        return evidence_name(item)
    if item.name in YES_OR_NO:
        return f"{YES_OR_NO[item.name][0 if item.value else 1]}{lead}"
    if item.name.endswith(CHANGE):
        return f"{_named(item, lead)} {_value(item)}{_behind(item)}"
    if item.name.endswith("probability"):
        return f"{measurement_in_words(item.name)} {number_text(item.value)}{_behind(item)}"
    words = value_in_words(item.name, item.value, item.unit, item.lead, _digits(item))
    return f"{words}{_behind(item)}"


def evidence_name(item: Evidence) -> str:
    """Return what was compared and its limit, where the value stands in a field of its own.

    Examples
    --------
    >>> evidence_name(Evidence("st_j_mv", 0.31, "mV", ">= 0.2", True, "", lead="V2"))
    'ST level at J in V2 (limit ≥ 0.20 mV)'
    """
    lead = f" in {item.lead}" if item.lead else ""
    return f"{measurement_in_words(item.name)}{lead}{_behind(item)}"


def _named(item: Evidence, lead: str = "") -> str:
    """Return what a value stands behind: the name, or that it has changed."""
    name = measurement_in_words(item.name.removesuffix(CHANGE))
    return f"{name}{lead}{' changed by' if item.name.endswith(CHANGE) else ''}"


def _value(item: Evidence) -> str:
    value = item.value or 0.0
    sign = "+" if value > 0 and item.name.endswith(CHANGE) else ""
    return f"{sign}{number_in_words(value, item.unit, _digits(item))}"


def _behind(item: Evidence) -> str:
    limit = _limit(item)
    return f" ({limit})" if limit else ""


def _limit(item: Evidence) -> str:
    """Return the limit; empty where the words need none, as with one fusion beat."""
    usual = _USUAL.fullmatch(item.limit)
    if usual is not None:
        return f"usual variation ±{number_in_words(float(usual[1]), item.unit)}"
    found = _LIMIT.fullmatch(item.limit)
    if found is None or item.name in YES_OR_NO:
        return ""
    comparison, limit = found[1], float(found[2])
    words = MEASUREMENTS.get(item.name)
    if words is not None and limit == 0.0 and words.signed and "=" not in comparison:
        return "positive" if comparison == ">" else "negative"
    if limit == 0.0 and not (words is not None and words.signed):
        return ""
    if words is not None and words.one and limit == 1.0:
        return ""
    return f"limit {printed_signs(comparison)} {number_in_words(limit, item.unit)}"


def _digits(item: Evidence) -> int:
    """Return how many digits more keep a value apart from a limit that it is not."""
    found = _LIMIT.fullmatch(item.limit)
    if found is None or item.value is None or item.value == float(found[2]):
        return 0
    limit = float(found[2])
    for digits in range(_MORE_DIGITS):
        shown = number_in_words(item.value, item.unit, digits)
        if shown != number_in_words(limit, item.unit, digits):
            return digits
    return _MORE_DIGITS
