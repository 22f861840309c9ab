"""What is said about one target, of a whole recording and of one window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ecgfoundry.documents import Document, Fields, JsonObject
from ecgfoundry.signals.quality import Notice
from ecgfoundry.vocabularies.types import Target

__all__ = ["Finding", "WindowResult"]

DIGITS = 6
"""Probabilities and values are rounded to this many decimals in JSON."""


def rounded(value: float | None) -> float | None:
    """Return a number as JSON holds it."""
    return None if value is None else round(float(value), DIGITS)


@dataclass(frozen=True, slots=True)
class Finding:
    """One target of the vocabulary and what is said about it.

    ``probability`` is None for regression and beyond 60 s (where ``burden`` stands); ``present``
    is None where there is no threshold, and where ``reason`` says why not. ``value``, ``low`` and
    ``high`` are for regression.
    ``outcomes`` are those of "present" and "absent" that are not excluded at ``coverage``; None
    where the model does not say.
    """

    target: Target
    probability: float | None = None
    threshold: float | None = None
    present: bool | None = None
    calibrated: bool = False
    value: float | None = None
    low: float | None = None
    high: float | None = None
    burden: float | None = None
    outcomes: tuple[str, ...] | None = None
    coverage: float | None = None
    reason: str | None = None

    @property
    def abstains(self) -> bool | None:
        """Whether neither answer, or both, can be excluded; None where the model does not say."""
        return None if self.outcomes is None else len(self.outcomes) != 1

    def undecided(self, reason: str) -> Finding:
        """Return the finding without its decision, burden and set, if it has them, and why."""
        if self.present is None and self.burden is None and self.outcomes is None:
            return self
        return replace(self, present=None, burden=None, outcomes=None, coverage=None, reason=reason)

    @property
    def name(self) -> str:
        """Name of the target."""
        return self.target.name

    @property
    def code(self) -> str | None:
        """The first code of the target, as "system:value"."""
        for system, value in self.target.codes.items():
            return f"{system}:{value}"
        return None

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        result: JsonObject = {
            "name": self.name,
            "code": self.code,
            "codes": dict(self.target.codes),
            "kind": self.target.kind,
            "probability": rounded(self.probability),
            "threshold": rounded(self.threshold),
            "present": self.present,
            "calibrated": self.calibrated,
        }
        if self.target.unit is not None:
            result["unit"] = self.target.unit
        if self.value is not None:
            result |= {
                "value": rounded(self.value),
                "low": rounded(self.low),
                "high": rounded(self.high),
            }
        if self.burden is not None:
            result["burden"] = rounded(self.burden)
        if self.outcomes is not None:
            result |= {
                "set": list(self.outcomes),
                "abstains": self.abstains,
                "coverage": rounded(self.coverage),
            }
        if self.reason is not None:
            result["reason"] = self.reason
        for field_name in ("description", "caveat"):
            text = getattr(self.target, field_name)
            if text:
                result[field_name] = text
        return result

    @classmethod
    def from_dict(cls, document: Document) -> Finding:
        """Build from the JSON form."""
        own = Fields(document)
        target = Target(
            own.text("name"),
            own.text("kind"),
            own.words("codes"),
            unit=own.text_or_none("unit"),
            description=own.text_or_none("description") or "",
            caveat=own.text_or_none("caveat") or "",
        )
        return cls(
            target,
            probability=own.number_or_none("probability"),
            threshold=own.number_or_none("threshold"),
            present=own.flag_or_none("present"),
            calibrated=own.flag("calibrated"),
            value=own.number_or_none("value"),
            low=own.number_or_none("low"),
            high=own.number_or_none("high"),
            burden=own.number_or_none("burden"),
            outcomes=own.texts_or_none("set"),
            coverage=own.number_or_none("coverage"),
            reason=own.text_or_none("reason"),
        )


@dataclass(frozen=True, slots=True)
class WindowResult:
    """What is said about one window."""

    start_s: float
    duration_s: float
    probabilities: Mapping[str, float] | None = None
    present: tuple[str, ...] | None = None
    values: Mapping[str, float] | None = None
    refused: Notice | None = None

    def undecided(self) -> WindowResult:
        """Return it without its decision: nobody knows whether this is an ECG."""
        return replace(self, present=None)

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        result: JsonObject = {
            "start_s": round(self.start_s, 4),
            "duration_s": round(self.duration_s, 4),
        }
        if self.probabilities is not None:
            result["probabilities"] = {k: rounded(v) for k, v in self.probabilities.items()}
            result["present"] = None if self.present is None else list(self.present)
        if self.values is not None:
            result["values"] = {k: rounded(v) for k, v in self.values.items()}
        result["refused"] = None if self.refused is None else self.refused.to_dict()
        return result

    @classmethod
    def from_dict(cls, document: Document) -> WindowResult:
        """Build from the JSON form."""
        own = Fields(document)
        refused = own.part_or_none("refused")
        return cls(
            own.number("start_s"),
            own.number("duration_s"),
            own.figures_or_none("probabilities"),
            own.texts_or_none("present"),
            own.figures_or_none("values"),
            None if refused is None else Notice.from_dict(refused),
        )
