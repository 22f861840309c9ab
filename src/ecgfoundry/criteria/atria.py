"""Enlargement of the atria, from duration, height and shape of the P wave."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, AnyOf, Limit, Said, any_lead
from ecgfoundry.criteria.sources import MORRIS, PART_V

__all__ = ["CRITERIA"]

CRITERIA = (
    Criterion(
        "LEFT ATRIAL ENLARGEMENT",
        "atria",
        AnyOf(
            Limit("p_terminal_mv_ms", ">=", 4.0, MORRIS, "V1"),
            AllOf(
                Limit("p_ms", ">=", 120.0, PART_V),
                any_lead(("I", "II", "aVL", "V5", "V6"), "p_notched", ">=", 1.0, PART_V),
            ),
        ),
        caveat="Part V prefers 'abnormality': the cause may be a delay of conduction.",
    ),
    Criterion(
        "RIGHT ATRIAL ENLARGEMENT",
        "atria",
        any_lead(("II", "III", "aVF"), "p_mv", ">=", 0.25, PART_V),
    ),
    Criterion(
        "BIATRIAL ENLARGEMENT",
        "atria",
        AllOf(Said("LEFT ATRIAL ENLARGEMENT"), Said("RIGHT ATRIAL ENLARGEMENT")),
    ),
)
