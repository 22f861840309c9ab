"""What a criterion says: a statement, and the evidence that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from ecgfoundry.documents import Document, Fields, JsonObject

__all__ = ["MEDIAN", "Beat", "DecidedBy", "Evidence", "Statement"]

MEDIAN: Final = "median"
"""The ``beat`` of evidence that was measured on the median beat."""

Beat = int | Literal["median"] | None
DecidedBy = Literal["criteria", "network", "both", "comparison", "nobody"]
DECIDERS: Final[tuple[DecidedBy, ...]] = get_args(DecidedBy)


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

    def to_dict(self) -> JsonObject:
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
    def from_dict(cls, document: Document) -> Evidence:
        """Build from the JSON form."""
        own = Fields(document)
        return cls(
            name=own.text("name"),
            value=own.number_or_none("value"),
            unit=own.text("unit"),
            limit=own.text("limit"),
            met=own.flag_or_none("met"),
            source=own.text("source"),
            lead=own.text_or_none("lead"),
            beat=MEDIAN if own.value("beat") == MEDIAN else own.whole_or_none("beat"),
            reason=own.text_or_none("reason"),
        )


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
    possibly : tuple of str
        Degrees or other names of the same thing that are only possible: told in one line with this
        one. Of a list for reading alone (:func:`ecgfoundry.criteria.reading.for_reading`); in the
        JSON each of them is a statement.
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
    possibly: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", dict(self.codes))
        if self.present is None and not self.reason:
            raise ValueError(f"'{self.name}' cannot be told, and the reason is missing")

    @property
    def code(self) -> str | None:
        """The SNOMED CT code, or None."""
        return self.codes.get("SNOMED CT")

    def to_dict(self) -> JsonObject:
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
    def from_dict(cls, document: Document) -> Statement:
        """Build from the JSON form."""
        own = Fields(document)
        return cls(
            name=own.text("name"),
            group=own.text("group"),
            present=own.flag_or_none("present"),
            evidence=tuple(map(Evidence.from_dict, own.parts("evidence"))),
            codes=own.words("codes"),
            decided_by=own.choice("decided_by", DECIDERS),
            probability=own.number_or_none("probability"),
            possible=own.flag("possible"),
            needs_confirmation=own.flag("needs_confirmation"),
            reason=own.text_or_none("reason"),
            caveat=own.text("caveat"),
            contradicts=own.texts("contradicts"),
        )
