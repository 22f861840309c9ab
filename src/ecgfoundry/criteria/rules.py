"""Rules as data: limits, joined by and, or, at least n of; each answers True, False or cannot tell.

A rule is a tree of frozen objects, so that it can be printed, searched for the leads and the
measurements that it needs, and compared with its source line by line. It is evaluated on a
:class:`~ecgfoundry.criteria.case.Case` with the logic of Kleene: what is missing is neither True
nor False, and decides nothing where the rest decides.

Every rule is answered three times at once: as measured, with every value worse by its repeat
variability (``firm``), and with every value better by it (``loose``). A statement that is true but
not firm is *possible*: one more recording of the same person may say the opposite.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ecgfoundry.criteria.measured_words import unknown_in_words
from ecgfoundry.criteria.sources import CHOICE
from ecgfoundry.criteria.types import Evidence
from ecgfoundry.criteria.variability import repeat_of

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case

__all__ = [
    "AllOf",
    "AnyOf",
    "AtLeast",
    "ByPerson",
    "Lenient",
    "Limit",
    "Not",
    "Rule",
    "Said",
    "Verdict",
    "any_lead",
    "between",
    "each_lead",
    "leads_with",
    "limits_of",
]

Truth = bool | None

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a rule.

    Attributes
    ----------
    present, firm, loose : bool or None
        As measured, with all values worse and with all values better by their repeat variability.
    evidence : tuple of Evidence
        What decided.
    reasons : tuple of str
        Why something could not be had; without repetitions.
    """

    present: Truth
    firm: Truth
    loose: Truth
    evidence: tuple[Evidence, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def truths(self) -> tuple[Truth, Truth, Truth]:
        """As measured, worse, better."""
        return (self.present, self.firm, self.loose)


class Rule(Protocol):
    """Anything that gives a verdict on a case."""

    def evaluate(self, case: Case) -> Verdict:
        """Return the verdict."""
        ...

    def parts(self) -> Sequence[Rule]:
        """Return the rules that this one is made of."""
        ...


@dataclass(frozen=True, slots=True)
class Limit:
    """A measurement against a number.

    Parameters
    ----------
    name : str
        Of a value ("qrs_ms"), a measurement of a lead ("r_mv") or a derived one
        (:mod:`ecgfoundry.criteria.derived`).
    comparison : str
        ">", ">=", "<" or "<=".
    limit : float
        In the unit of the measurement, which is the end of its name.
    source : str
    lead : str, optional
    """

    name: str
    comparison: str
    limit: float
    source: str = CHOICE
    lead: str | None = None

    def evaluate(self, case: Case) -> Verdict:
        """Compare; what is missing gives None, a wave that is not there counts as zero."""
        quantity = case.quantity(self.name, self.lead)
        words = f"{self.comparison} {self.limit:g}"
        value = quantity.number
        truths: tuple[Truth, Truth, Truth] = (None, None, None)
        reasons: tuple[str, ...] = ()
        if value is None:
            reasons = (quantity.reason or unknown_in_words(self.name, self.lead),)
        else:
            compare = _COMPARE[self.comparison]
            margin = repeat_of(self.name).around(self.limit)
            low, high = quantity.reach or (value - margin, value + margin)
            worse, better = (low, high) if self.comparison.startswith(">") else (high, low)
            truths = (
                compare(value, self.limit),
                compare(worse, self.limit),
                compare(better, self.limit),
            )
        evidence = Evidence(
            name=self.name,
            value=quantity.value,
            unit=quantity.unit,
            limit=words,
            met=truths[0],
            source=self.source,
            lead=self.lead,
            beat=quantity.beat,
            reason=quantity.reason,
        )
        return Verdict(*truths, evidence=(evidence,), reasons=reasons)

    def parts(self) -> Sequence[Rule]:
        """Return nothing: a limit is not made of rules."""
        return ()


@dataclass(frozen=True, slots=True, init=False)
class AllOf:
    """All rules hold."""

    rules: tuple[Rule, ...]

    def __init__(self, *rules: Rule) -> None:
        object.__setattr__(self, "rules", rules)

    def evaluate(self, case: Case) -> Verdict:
        """False as soon as one is False, else None where one is None."""
        return _count(self.rules, len(self.rules), case)

    def parts(self) -> Sequence[Rule]:
        """Return the rules."""
        return self.rules


@dataclass(frozen=True, slots=True, init=False)
class AnyOf:
    """One rule at least holds."""

    rules: tuple[Rule, ...]

    def __init__(self, *rules: Rule) -> None:
        object.__setattr__(self, "rules", rules)

    def evaluate(self, case: Case) -> Verdict:
        """True as soon as one is True, else None where one is None."""
        return _count(self.rules, 1, case)

    def parts(self) -> Sequence[Rule]:
        """Return the rules."""
        return self.rules


@dataclass(frozen=True, slots=True)
class AtLeast:
    """So many of the rules hold."""

    count: int
    rules: tuple[Rule, ...]

    def evaluate(self, case: Case) -> Verdict:
        """True once enough hold, False once too few can, else None."""
        return _count(self.rules, self.count, case)

    def parts(self) -> Sequence[Rule]:
        """Return the rules."""
        return self.rules


@dataclass(frozen=True, slots=True)
class Not:
    """The rule does not hold."""

    rule: Rule

    def evaluate(self, case: Case) -> Verdict:
        """Turn all three answers; worse and better change places."""
        inner = case.evaluate(self.rule)
        turned = [None if truth is None else not truth for truth in inner.truths]
        # Why another statement is absent is shown there.
        shown = inner.evidence[:1] if isinstance(self.rule, Said) else inner.evidence
        return Verdict(turned[0], turned[2], turned[1], shown, inner.reasons)

    def parts(self) -> Sequence[Rule]:
        """Return the rule."""
        return (self.rule,)


@dataclass(frozen=True, slots=True)
class Lenient:
    """The rule holds, or would with every value better by its repeat variability.

    For what is taken for granted unless the measurements are clearly against it.
    """

    rule: Rule

    def evaluate(self, case: Case) -> Verdict:
        """Take the better answer; it is firm where the rule holds as measured."""
        inner = case.evaluate(self.rule)
        return Verdict(inner.loose, inner.present, inner.loose, inner.evidence, inner.reasons)

    def parts(self) -> Sequence[Rule]:
        """Return the rule."""
        return (self.rule,)


@dataclass(frozen=True, slots=True)
class Said:
    """Another statement is present."""

    name: str

    def evaluate(self, case: Case) -> Verdict:
        """Return the verdict on the other statement, with what it rests on."""
        inner = case.verdict(self.name)
        evidence = Evidence(
            name=self.name,
            value=None if inner.present is None else float(inner.present),
            unit="1",
            limit="present",
            met=inner.present,
            source="another statement of this list",
            reason="; ".join(inner.reasons) or None if inner.present is None else None,
        )
        return Verdict(*inner.truths, evidence=(evidence, *inner.evidence), reasons=inner.reasons)

    def parts(self) -> Sequence[Rule]:
        """Return nothing; what the other statement needs is its own."""
        return ()


YOUNG_MEN_UNDER = 40.0
"""Years; the Fourth Universal Definition has a limit of its own for men under 40."""


@dataclass(frozen=True, slots=True)
class ByPerson:
    """A rule for men, for women, and where given for men under 40.

    Where sex (or, for men, age) is not known, the answer is that of all rules that may apply, if
    they agree, and None if they do not.
    """

    men: Rule
    women: Rule
    young_men: Rule | None = None

    def evaluate(self, case: Case) -> Verdict:
        """Evaluate the rules that may apply to this person."""
        candidates: list[Rule] = []
        if case.sex != "female":
            if self.young_men is not None and (case.age is None or case.age < YOUNG_MEN_UNDER):
                candidates.append(self.young_men)
            if self.young_men is None or case.age is None or case.age >= YOUNG_MEN_UNDER:
                candidates.append(self.men)
        if case.sex != "male":
            candidates.append(self.women)
        verdicts = [case.evaluate(rule) for rule in candidates]
        if len(verdicts) == 1:
            return verdicts[0]
        agreed = [
            truths[0] if all(truth is truths[0] for truth in truths) else None
            for truths in zip(*(verdict.truths for verdict in verdicts), strict=True)
        ]
        reasons = tuple(dict.fromkeys(r for verdict in verdicts for r in verdict.reasons))
        if agreed[0] is None and not reasons:
            missing = "sex is" if case.sex is None else "age is"
            reasons = (f"the limit depends on the person, whose {missing} not known",)
        chosen = verdicts[0] if agreed[0] is not None else verdicts[-1]
        return Verdict(agreed[0], agreed[1], agreed[2], chosen.evidence, reasons)

    def parts(self) -> Sequence[Rule]:
        """Return the rules."""
        return (self.men, self.women) + ((self.young_men,) if self.young_men is not None else ())


def _count(rules: Sequence[Rule], needed: int, case: Case) -> Verdict:
    """Whether ``needed`` of the rules hold; the evidence is what decided."""
    verdicts = [case.evaluate(rule) for rule in rules]
    present = _enough([verdict.present for verdict in verdicts], needed)
    firm = _enough([verdict.firm for verdict in verdicts], needed)
    loose = _enough([verdict.loose for verdict in verdicts], needed)
    if present is True:
        deciding = [verdict for verdict in verdicts if verdict.present is True]
    elif present is False:
        deciding = [verdict for verdict in verdicts if verdict.present is False]
    else:
        deciding = verdicts
    evidence = tuple(item for verdict in deciding for item in verdict.evidence)
    reasons: tuple[str, ...] = ()
    if present is None:
        reasons = tuple(dict.fromkeys(r for v in verdicts if v.present is None for r in v.reasons))
    return Verdict(present, firm, loose, evidence, reasons)


def _enough(truths: Sequence[Truth], needed: int) -> Truth:
    if truths.count(True) >= needed:
        return True
    if len(truths) - truths.count(False) < needed:
        return False
    return None


def between(
    name: str, low: float, high: float, source: str = CHOICE, lead: str | None = None
) -> AllOf:
    """Return the rule ``low <= name < high``."""
    return AllOf(Limit(name, ">=", low, source, lead), Limit(name, "<", high, source, lead))


def each_lead(
    leads: Sequence[str], name: str, comparison: str, limit: float, source: str = CHOICE
) -> tuple[Limit, ...]:
    """Return the same limit for several leads."""
    return tuple(Limit(name, comparison, limit, source, lead) for lead in leads)


def any_lead(
    leads: Sequence[str], name: str, comparison: str, limit: float, source: str = CHOICE
) -> AtLeast:
    """Return the rule that one of the leads is beyond a limit."""
    return AtLeast(1, each_lead(leads, name, comparison, limit, source))


def leads_with(
    count: int,
    leads: Sequence[str],
    name: str,
    comparison: str,
    limit: float,
    source: str = CHOICE,
) -> AtLeast:
    """Return the rule that so many of the leads are beyond a limit."""
    return AtLeast(count, each_lead(leads, name, comparison, limit, source))


def limits_of(rule: Rule) -> Iterator[Limit]:
    """Yield every limit of a rule, in order."""
    if isinstance(rule, Limit):
        yield rule
    for part in rule.parts():
        yield from limits_of(part)
