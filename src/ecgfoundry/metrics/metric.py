"""A measured figure with what it was measured on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ecgfoundry.documents import Document, Fields, JsonObject
from ecgfoundry.metrics.intervals import Interval

__all__ = ["Metric", "stated"]


@dataclass(frozen=True)
class Metric:
    """One figure of a bundle, with what it was measured on.

    Attributes
    ----------
    name : str
    value : float or None
        None: undefined on these records.
    data : str
        What it was measured on, in words.
    low, high : float or None
        Its 95 % interval; None where there is none.
    target : str or None
    leads : str or None
        Where fewer leads than the model's were read.
    records : int or None
    note : str or None
        Why the figure, or its interval, is to be read with care.
    """

    name: str
    value: float | None
    data: str
    low: float | None = None
    high: float | None = None
    target: str | None = None
    leads: str | None = None
    records: int | None = None
    note: str | None = None

    def to_dict(self) -> JsonObject:
        """Return the JSON form, without what is not stated."""
        document: JsonObject = {k: v for k, v in vars(self).items() if v is not None}
        return {"name": self.name, "value": self.value, "data": self.data} | document

    @classmethod
    def of(
        cls,
        name: str,
        found: Interval,
        data: str,
        *,
        target: str | None = None,
        records: int | None = None,
    ) -> Metric:
        """Return a figure with its interval, and the note that belongs to it."""
        return cls(
            name, stated(found.value), data, stated(found.low), stated(found.high), target, None,
            records, found.note,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, document: Document) -> Metric:
        """Build from the JSON form; what this version does not know is left out."""
        own = Fields(document)
        return cls(
            name=own.text("name"),
            value=own.number_or_none("value"),
            data=own.text("data"),
            low=own.number_or_none("low"),
            high=own.number_or_none("high"),
            target=own.text_or_none("target"),
            leads=own.text_or_none("leads"),
            records=own.whole_or_none("records"),
            note=own.text_or_none("note"),
        )


def stated(value: float | None) -> float | None:
    """Return a number as JSON holds it: None where it is undefined."""
    return None if value is None or math.isnan(value) else float(value)
