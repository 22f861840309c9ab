"""Who decides where criteria and a network both have an answer: one row per target, and one join.

* ``network``: the network decides; what the criteria found stands beside it as evidence. For what
  rules are known to be weak at (fibrillation in noise, infarction, ST and T) and for verdicts.
* ``criteria``: the criteria decide; the network's probability is shown. For what is a measurement
  against a number: rates, intervals, axes, voltages, spikes.
* ``either``: where both agree, both decide. Where they do not, the statement is present, *possible*
  and needs confirmation, and says who says no. For shapes and beats, which both see.

Whoever decides, the other one is used where the first cannot tell. A target that has no criterion
is the network's. The rows are our choice; ``docs/statements.md`` shows the figures of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from ecgfoundry.criteria.exclusions import with_contradictions
from ecgfoundry.criteria.types import Evidence, Statement
from ecgfoundry.vocabularies.exclusive import ALIASES

__all__ = ["DECIDERS", "NetworkFinding", "decided_by_network", "decider_of", "join"]

Decider = Literal["network", "criteria", "either"]


class NetworkFinding(Protocol):
    """What is used of a finding of :mod:`ecgfoundry.inference`."""

    @property
    def name(self) -> str:
        """Name of the target."""
        ...

    @property
    def probability(self) -> float | None:
        """0 to 1."""
        ...

    @property
    def threshold(self) -> float | None:
        """At or above it the target is present."""
        ...

    @property
    def present(self) -> bool | None:
        """None where it is not decided."""
        ...

    @property
    def reason(self) -> str | None:
        """Why it is not decided, where there is a threshold."""
        ...


_GROUP_DECIDERS: Mapping[str, Decider] = {
    "placement": "criteria",
    "pacing": "criteria",
    "rate": "criteria",
    "rhythm": "either",
    "ectopy": "either",
    "pauses": "criteria",
    "av": "either",
    "conduction": "either",
    "axis": "criteria",
    "voltage": "criteria",
    "atria": "criteria",
    "infarction": "network",
    "st_t": "network",
    "qt": "criteria",
    "brugada": "criteria",
}
"""By the group of the criterion."""

DECIDERS: Mapping[str, Decider] = {
    "ATRIAL FIBRILLATION": "network",
    "ATRIAL FLUTTER": "network",
    "UNDETERMINED RHYTHM": "network",
    "SUPRAVENTRICULAR TACHYCARDIA": "network",
    "WITH 1ST DEGREE AV BLOCK": "criteria",
    "WITH SHORT PR": "criteria",
    "WITH PROLONGED AV CONDUCTION": "criteria",
    "NONSPECIFIC INTRAVENTRICULAR CONDUCTION DELAY": "criteria",
    "NONSPECIFIC INTRAVENTRICULAR BLOCK": "criteria",
    "LEFT VENTRICULAR HYPERTROPHY": "either",
    "RIGHT VENTRICULAR HYPERTROPHY": "either",
    "BIVENTRICULAR HYPERTROPHY": "either",
    "ST ELEVATION": "criteria",
    "ST DEPRESSION": "criteria",
    "T WAVE INVERSION": "criteria",
    "SINUS BRADYCARDIA": "criteria",
    "SINUS TACHYCARDIA": "criteria",
}
"""Where a statement has another decider than its group."""


_RATED = ("SINUS BRADYCARDIA", "SINUS TACHYCARDIA")
"""What a network names INSTEAD of sinus rhythm, as its labels do (PTB-XL, 12SL); the criterion of
sinus rhythm is about its origin alone and holds beside them."""


def decider_of(statement: Statement) -> Decider:
    """Return who decides on a statement for which there are a criterion and a network."""
    own = DECIDERS.get(statement.name)
    return own if own is not None else _GROUP_DECIDERS.get(statement.group, "either")


def decided_by_network(findings: Iterable[NetworkFinding]) -> dict[str, bool]:
    """Return the statements that the network decides, for :func:`ecgfoundry.criteria.state`.

    So that what depends on them follows: where the network says fibrillation, the criteria speak
    of the ventricular response, and of no P waves.
    """
    result = {}
    for finding in findings:
        name = ALIASES.get(finding.name, finding.name)
        if DECIDERS.get(name) == "network" and finding.present is not None:
            result[name] = finding.present
    return result


def join(
    statements: Sequence[Statement], findings: Iterable[NetworkFinding]
) -> tuple[Statement, ...]:
    """Join what criteria and a network say into one list; contradictions are shown.

    Parameters
    ----------
    statements : sequence of Statement
        Of :func:`ecgfoundry.criteria.state`.
    findings : iterable of NetworkFinding
        Of one network. Targets that only compare with an earlier ECG, and modifiers, are not among
        the findings of a single recording.

    Returns
    -------
    tuple of Statement
        The statements in their order, then those that only the network knows.
    """
    by_name: dict[str, NetworkFinding] = {}
    for finding in findings:
        by_name.setdefault(ALIASES.get(finding.name, finding.name), finding)
    rated = any(by_name[name].present for name in _RATED if name in by_name)
    joined = []
    for statement in statements:
        found = by_name.pop(statement.name, None)
        if found is None:
            joined.append(statement)
        elif statement.name == "SINUS RHYTHM" and rated and statement.present is not None:
            joined.append(_beside(statement, found))
        else:
            joined.append(_joined(statement, found))
    joined.extend(_of_network(name, finding) for name, finding in by_name.items())
    return with_contradictions(joined)


def _beside(statement: Statement, finding: NetworkFinding) -> Statement:
    """Return the statement as the criteria decided it, with the network's probability shown."""
    return replace(
        statement,
        probability=finding.probability,
        evidence=(*statement.evidence, *_evidence(finding)),
    )


def _joined(statement: Statement, finding: NetworkFinding) -> Statement:
    beside = _beside(statement, finding)
    if finding.present is None:
        if finding.reason is None:
            return beside
        note = f"The network: {finding.reason}."
        return replace(beside, caveat=f"{statement.caveat} {note}".strip())
    if statement.present is None:
        # The criteria cannot tell, and have said why: the network's answer stands with that.
        caveat = f"{statement.caveat} The criteria cannot tell: {statement.reason}.".strip()
        return replace(
            beside,
            present=finding.present,
            reason=None,
            decided_by="network",
            needs_confirmation=True,
            caveat=caveat,
        )
    if statement.present == finding.present:
        decided = "both" if decider_of(statement) == "either" else beside.decided_by
        return replace(beside, decided_by=decided)
    return _disagreed(statement, beside, finding)


def _disagreed(statement: Statement, beside: Statement, finding: NetworkFinding) -> Statement:
    decider = decider_of(statement)
    words = {True: "present", False: "absent"}
    if decider == "network":
        note = f"The criteria say {words[bool(statement.present)]}."
        return replace(
            beside,
            present=finding.present,
            possible=False,
            decided_by="network",
            needs_confirmation=True,
            caveat=f"{statement.caveat} {note}".strip(),
        )
    note = f"The network says {words[bool(finding.present)]}."
    if decider == "criteria":
        return replace(beside, caveat=f"{statement.caveat} {note}".strip())
    if not statement.present:
        note = "The criteria say absent."
    return replace(
        beside,
        present=True,
        possible=True,
        decided_by="criteria" if statement.present else "network",
        needs_confirmation=True,
        caveat=f"{statement.caveat} {note}".strip(),
    )


def _evidence(finding: NetworkFinding) -> tuple[Evidence, ...]:
    limit = "" if finding.threshold is None else f">= {finding.threshold:g}"
    return (
        Evidence(
            name="probability",
            value=finding.probability,
            unit="1",
            limit=limit,
            met=finding.present,
            source="the network",
        ),
    )


def _of_network(name: str, finding: NetworkFinding) -> Statement:
    target = getattr(finding, "target", None)
    return Statement(
        name=name,
        group="network",
        present=finding.present,
        evidence=_evidence(finding),
        codes=getattr(target, "codes", {}),
        decided_by="network" if finding.present is not None else "nobody",
        probability=finding.probability,
        needs_confirmation=bool(finding.present),
        reason=(finding.reason or "the network has no threshold for it")
        if finding.present is None
        else None,
        caveat=getattr(target, "caveat", ""),
    )
