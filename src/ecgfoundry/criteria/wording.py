"""Rules in words, for pages and for people who want to read what is applied."""

from __future__ import annotations

from collections.abc import Sequence

from ecgfoundry.criteria.quantity import unit_of
from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import (
    AllOf,
    AnyOf,
    AtLeast,
    ByPerson,
    Lenient,
    Limit,
    Not,
    Rule,
    Said,
    limits_of,
)
from ecgfoundry.criteria.sources import CHOICE

__all__ = ["CRITERIA_COLUMNS", "criterion_row", "in_words"]

_SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


def in_words(rule: Rule) -> str:
    """Return a rule as one line of text.

    Examples
    --------
    >>> in_words(AllOf(Limit("qrs_ms", ">=", 120.0), Not(Said("LEFT BUNDLE BRANCH BLOCK"))))
    'qrs_ms ≥ 120 ms; not LEFT BUNDLE BRANCH BLOCK'
    >>> in_words(AtLeast(1, (Limit("r2_mv", ">", 0.05, lead="V1"), Limit("r2_mv", ">", 0.05,
    ...                      lead="V2"))))
    'r2_mv > 0.05 mV in one of V1, V2'
    """
    if isinstance(rule, Limit):
        return _limit(rule) + (f" in {rule.lead}" if rule.lead else "")
    if isinstance(rule, Said):
        return rule.name
    if isinstance(rule, Not):
        inner = in_words(rule.rule)
        return f"not ({inner})" if ";" in inner or " or " in inner else f"not {inner}"
    if isinstance(rule, Lenient):
        return f"nearly ({in_words(rule.rule)})"
    if isinstance(rule, ByPerson):
        young = f"; men under 40: {in_words(rule.young_men)}" if rule.young_men else ""
        return f"(men: {in_words(rule.men)}; women: {in_words(rule.women)}{young})"
    return _joined(rule)


def _joined(rule: Rule) -> str:
    parts = list(rule.parts())
    if len(parts) == 1:
        return in_words(parts[0])
    one = _in_one_lead(rule)
    if one is not None:
        return f"{one[1]} in {one[0]}"
    count = rule.count if isinstance(rule, AtLeast) else 1 if isinstance(rule, AnyOf) else None
    number = "each" if count is None else {1: "one", 2: "two", 3: "three"}.get(count, str(count))
    leads = [_in_one_lead(part) for part in parts]
    said = {lead[1] for lead in leads if lead is not None}
    if None not in leads and len(said) == 1 and len(parts) > 1:
        names = ", ".join(lead[0] for lead in leads if lead is not None)
        return f"{said.pop()} in {number} of {names}"
    if count == 1:
        return _in_neighbours(parts) or " or ".join(_part(part) for part in parts)
    if count is None:
        return "; ".join(_part(part) for part in parts)
    return f"{number} of: " + " | ".join(in_words(part) for part in parts)


def _in_one_lead(rule: Rule) -> tuple[str, str] | None:
    """The lead that every limit of a rule is of, and the rule in words without it."""
    found = list(limits_of(rule))
    leads = {limit.lead for limit in found}
    if len(leads) != 1 or None in leads or not isinstance(rule, Limit | AllOf | ByPerson):
        return None
    (lead,) = leads
    if isinstance(rule, Limit):
        return str(lead), _limit(rule)
    parts = [_in_one_lead(part) for part in rule.parts()]
    words = [part[1] for part in parts if part is not None]
    if len(words) < len(parts):
        return None
    if isinstance(rule, AllOf):
        return str(lead), " and ".join(words)
    men, women, *young = words
    more = f", men under 40 {young[0]}" if young else ""
    return str(lead), f"(men {men}, women {women}{more})"


def _in_neighbours(parts: Sequence[Rule]) -> str | None:
    """The same rule in both leads of one of several pairs."""
    pairs = [[_in_one_lead(lead) for lead in part.parts()] for part in parts]
    if len(pairs) < 2 or not all(isinstance(part, AllOf) for part in parts):
        return None
    found = [lead for pair in pairs for lead in pair if lead is not None]
    if any(len(pair) != 2 for pair in pairs) or len(found) < 2 * len(pairs):
        return None
    if any(one == other for (one, _), (other, _) in zip(found[::2], found[1::2], strict=True)):
        return None
    by_words: dict[str, list[str]] = {}
    for lead, words in found:
        names = by_words.setdefault(words, [])
        if lead not in names:
            names.append(lead)
    said = "; ".join(f"{words} in {', '.join(names)}" for words, names in by_words.items())
    return f"two neighbouring leads ({said})"


def _part(rule: Rule) -> str:
    words = in_words(rule)
    composed = isinstance(rule, AnyOf | AllOf | AtLeast)
    return f"({words})" if composed and (";" in words or " or " in words or "|" in words) else words


def _limit(limit: Limit) -> str:
    unit = unit_of(limit.name)
    number = f"{limit.limit:g}" + ("" if unit == "1" else f" {unit}")
    return f"{limit.name} {_SIGNS[limit.comparison]} {number}"


CRITERIA_COLUMNS = ("statement", "SNOMED CT", "criterion", "marks", "sources")


def criterion_row(criterion: Criterion) -> tuple[str, ...]:
    """Return what :data:`CRITERIA_COLUMNS` name of a criterion, for a table of all."""
    marks = ("" if criterion.adults_only else "any age ") + (
        "confirm" if criterion.needs_confirmation else ""
    )
    named = "; ".join(source for source in criterion.sources if source != CHOICE) or CHOICE
    code = criterion.codes.get("SNOMED CT", "")
    return criterion.name, code, in_words(criterion.rule), marks.strip(), named
