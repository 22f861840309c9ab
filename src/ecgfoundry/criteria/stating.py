"""From measurements to statements: every criterion, once, with what forbids it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ecgfoundry.criteria.case import Case
from ecgfoundry.criteria.exclusions import exclusions_of, with_contradictions
from ecgfoundry.criteria.registry import ADULT_FROM, Criterion, criteria
from ecgfoundry.criteria.rules import Verdict
from ecgfoundry.criteria.types import DecidedBy, Evidence, Statement
from ecgfoundry.measurements.results import Measurements

__all__ = ["AGE_UNKNOWN", "CHILD", "state", "verdicts", "withheld"]

CHILD = (
    f"the limits are those of adults and are not applied under the age of {ADULT_FROM:.0f}; "
    "tables by age are not built in"
)
AGE_UNKNOWN = "The age is not known; the limits are those of adults."


def state(
    measurements: Measurements,
    *,
    age: float | None = None,
    sex: str | None = None,
    decided: Mapping[str, bool] | None = None,
) -> tuple[Statement, ...]:
    """Return what the criteria say about one recording.

    Parameters
    ----------
    measurements : Measurements
    age : float, optional
        Years. Under 16 the statements with limits for adults cannot be told.
    sex : str, optional
        "female" or "male".
    decided : mapping of str to bool, optional
        Statements that a network decides, with its answer
        (:func:`ecgfoundry.criteria.decisions.decided_by_network`): what depends on them follows.

    Returns
    -------
    tuple of Statement
        One per criterion, present, absent or not to be told, in the order of the registry. Empty
        where the recording was refused: what is no ECG has no statements; of what may be none
        (:attr:`~ecgfoundry.measurements.results.Measurements.doubt`) nothing can be told.
        Statements that compare with an earlier recording are not among them
        (:func:`ecgfoundry.criteria.compare_recordings`).
    """
    if not measurements.readable:
        return ()
    case = Case(measurements, age, sex, _judge, decided or {})
    stated = with_contradictions(_statement(criterion, case) for criterion in criteria.values())
    return withheld(stated, measurements)


def withheld(statements: Sequence[Statement], measurements: Measurements) -> tuple[Statement, ...]:
    """Return the statements; none of them can be told where this may be no ECG.

    Parameters
    ----------
    statements : sequence of Statement
        Of criteria, of a network, or of both.
    measurements : Measurements
        Of the same recording.
    """
    doubt = measurements.doubt
    if doubt is None:
        return tuple(statements)
    return tuple(
        replace(one, present=None, possible=False, reason=doubt.message, contradicts=())
        for one in statements
    )


def verdicts(
    measurements: Measurements, *, age: float | None = None, sex: str | None = None
) -> dict[str, Verdict]:
    """Return the verdict on every statement: as measured, and with values worse and better."""
    doubt = measurements.doubt
    if doubt is not None:
        return dict.fromkeys(criteria, Verdict(None, None, None, reasons=(doubt.message,)))
    case = Case(measurements, age, sex, _judge)
    return {name: case.verdict(name) for name in criteria}


def _judge(name: str, case: Case) -> Verdict:
    """Evaluate a criterion, unless the age or another finding forbids it."""
    criterion = criteria[name]
    given = case.decided.get(name)
    if given is not None:
        own = case.evaluate(criterion.rule)
        return Verdict(given, given, given, own.evidence)
    if criterion.adults_only and case.age is not None and case.age < ADULT_FROM:
        return Verdict(None, None, None, reasons=(CHILD,))
    verdict = case.evaluate(criterion.rule)
    for exclusion in exclusions_of(name):
        by = case.verdict(exclusion.by)
        where = exclusion.where
        if by.present and (where is None or case.evaluate(where).present):
            reason = f"{exclusion.reason} ({exclusion.by})"
            return Verdict(None, None, None, verdict.evidence, (reason,))
    return verdict


def _statement(criterion: Criterion, case: Case) -> Statement:
    verdict = case.verdict(criterion.name)
    present = verdict.present
    decided = criterion.name in case.decided
    caveats = [criterion.caveat] if criterion.caveat else []
    if criterion.adults_only and case.age is None and present:
        caveats.append(AGE_UNKNOWN)
    return Statement(
        name=criterion.name,
        group=criterion.group,
        present=present,
        evidence=_shown(verdict.evidence),
        codes=criterion.codes,
        decided_by=_decided_by(criterion, case) if decided else "criteria",
        possible=bool(present and verdict.firm is not True),
        needs_confirmation=criterion.needs_confirmation,
        reason="; ".join(verdict.reasons) or "it cannot be told" if present is None else None,
        caveat=" ".join(caveats),
    )


def _decided_by(criterion: Criterion, case: Case) -> DecidedBy:
    own = case.evaluate(criterion.rule).present
    return "both" if own is case.decided[criterion.name] else "network"


def _shown(evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Leave out what only repeats."""
    return tuple(dict.fromkeys(evidence))
