"""The QT interval, corrected after Fridericia. Carts print Bazett, which is longer above 60/min."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import ByPerson, Limit
from ecgfoundry.criteria.sources import CHOICE, PART_IV

__all__ = ["CRITERIA"]

CRITERIA = (
    Criterion(
        "PROLONGED QT",
        "qt",
        ByPerson(
            men=Limit("qtc_ms", ">=", 450.0, PART_IV), women=Limit("qtc_ms", ">=", 460.0, PART_IV)
        ),
        needs_confirmation=True,
    ),
    Criterion(
        "SHORT QT INTERVAL",
        "qt",
        # Part IV calls 390 ms short, which one healthy person in six has.
        Limit("qtc_ms", "<", 360.0, CHOICE),
        codes={"SNOMED CT": "77867006"},
        needs_confirmation=True,
    ),
)
