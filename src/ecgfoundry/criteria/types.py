"""What a criterion says: a statement, and the evidence that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = ["MEDIAN", "Beat", "DecidedBy", "Evidence", "Statement"]

MEDIAN: Final = "median"
"""The ``beat`` of evidence that was measured on the median beat."""

Beat = int | Literal["median"] | None
DecidedBy = Literal["criteria", "network", "both", "comparison", "nobody"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured value against one limit.

    Parameters
    ----------
    name : str
        The measurement ("qrs_ms", "st_j_mv").
    value : float or None
        None: it could not be had, or the wave is not there.
    unit : str
        Of the value and the limit; "1" for pure numbers.
    limit : str
        Comparison and limit: "> 200". Empty where a value is only shown.
    met : bool or None
        None: the value could not be had.
    source : str
        Where the limit is from.
    lead : str, optional
        None: of all leads together.
    beat : int, "median" or None
        Position in ``measurements.beats``, the median beat, or the recording as a whole.
    reason : str, optional
        Why there is no value.
    """

    name: str
    value: float | None
    unit: str
    limit: str
    met: bool | None
    source: str
    lead: str | None = None
    beat: Beat = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "lead": self.lead,
            "beat": self.beat,
            "value": self.value,
            "unit": self.unit,
            "limit": self.limit,
            "met": self.met,
            "source": self.source,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Evidence:
        """Build from the JSON form."""
        return cls(**document)


@dataclass(frozen=True, slots=True)
class Statement:
    """A named finding, with what it rests on.

    Parameters
    ----------
    name : str
        As ``ecgfounder-150`` writes it where it has one.
    group : str
        "rate", "rhythm", "ectopy", "av", "pauses", "conduction", "axis", "voltage", "atria",
        "infarction", "st_t", "qt", "pacing", "placement", "brugada", "serial".
    present : bool or None
        None: it cannot be told, for the ``reason``.
    evidence : tuple of Evidence
    codes : mapping of str to str
        Coding system to code; empty where none is certain.
    decided_by : str
        "criteria", "network", "both", "comparison" (with an earlier recording) or "nobody".
    probability : float, optional
        Of the network, where one has a part in it.
    possible : bool
        Present, but a value lies within its repeat variability of the limit
        (:mod:`ecgfoundry.criteria.variability`): the next recording may say the opposite.
    needs_confirmation : bool
        A physician has to confirm it before anybody acts upon it.
    reason : str, optional
        Why ``present`` is None.
    caveat : str
        What has to be known beside it.
    contradicts : tuple of str
        Names of statements of the same list that cannot be true together with this one.
    """

    name: str
    group: str
    present: bool | None
    evidence: tuple[Evidence, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict, hash=False)
    decided_by: DecidedBy = "criteria"
    probability: float | None = None
    possible: bool = False
    needs_confirmation: bool = False
    reason: str | None = None
    caveat: str = ""
    contradicts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", dict(self.codes))
        if self.present is None and not self.reason:
            raise ValueError(f"'{self.name}' cannot be told, and the reason is missing")

    @property
    def code(self) -> str | None:
        """The SNOMED CT code, or None."""
        return self.codes.get("SNOMED CT")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "group": self.group,
            "code": self.code,
            "codes": dict(self.codes),
            "present": self.present,
            "possible": self.possible,
            "needs_confirmation": self.needs_confirmation,
            "decided_by": self.decided_by,
            "probability": self.probability,
            "reason": self.reason,
            "caveat": self.caveat,
            "contradicts": list(self.contradicts),
            "evidence": [item.to_dict() for item in self.evidence],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Statement:
        """Build from the JSON form."""
        given = {name: value for name, value in document.items() if name != "code"}
        given["evidence"] = tuple(Evidence.from_dict(item) for item in document["evidence"])
        given["contradicts"] = tuple(document["contradicts"])
        return cls(**given)
