"""Who a recording is of and which order it was, as somebody says it beside the file.

A request may say it, and the hospital's worklist knows it. What the request says counts first, then
the worklist, then the file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

__all__ = ["Identity"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known; None: nobody has said it.

    Parameters
    ----------
    patient, system : str, optional
        Number of the person, and whose numbers these are.
    name : str, optional
        "Family^Given".
    birth_date : str, optional
        YYYYMMDD.
    sex : str, optional
        "female" or "male".
    accession, order, study_uid : str, optional
        Of the order: accession number, the number of whoever placed it, the study.
    unmatched : str, optional
        Why none of the orders of the worklist is taken for that of the recording.
    asked : bool
        The worklist was asked, whatever it has answered.
    """

    patient: str | None = None
    system: str | None = None
    name: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    accession: str | None = None
    order: str | None = None
    study_uid: str | None = None
    unmatched: str | None = None
    asked: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return what is known, JSON-ready."""
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in named.items() if value}

    @classmethod
    def from_dict(cls, document: dict[str, Any] | None) -> Identity:
        """Return what was stored; what a later version has added is left out."""
        names = {one.name for one in fields(cls)}
        return cls(**{key: value for key, value in (document or {}).items() if key in names})

    def is_another(self, other: Identity) -> bool:
        """Whether both state a number of the person, and not the same one."""
        return bool(self.patient and other.patient and self.patient != other.patient)

    def contradicts(self, other: Identity) -> bool:
        """Whether both state a number, its giver, a date of birth or a sex, and not the same.

        Givers are compared by their names: the address of one may stand for the same.
        """
        givers = {one for one in (self.system, other.system) if one and ":" not in one}
        both = ((self.birth_date, other.birth_date), (self.sex, other.sex))
        differ = any(mine and theirs and mine != theirs for mine, theirs in both)
        return self.is_another(other) or len(givers) > 1 or differ

    def filled(self, other: Identity) -> Identity:
        """Return this with what ``other`` knows more; nothing is taken from another person."""
        if self.is_another(other):
            return self
        known = self.to_dict()
        more = {key: value for key, value in other.to_dict().items() if key not in known}
        return replace(self, **more)
