"""The type 1 pattern of Brugada in V1 and V2; the pattern, not the syndrome."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, AnyOf, Limit
from ecgfoundry.criteria.sources import BRUGADA_2012

__all__ = ["CRITERIA"]


def _coved(lead: str) -> AllOf:
    """0.2 mV at J, falling over the next 80 ms, into a negative T wave."""
    return AllOf(
        Limit("st_j_mv", ">=", 0.2, BRUGADA_2012, lead),
        Limit("st_fall_mv", ">", 0.0, BRUGADA_2012, lead),
        Limit("t_mv", "<", 0.0, BRUGADA_2012, lead),
    )


CRITERIA = (
    Criterion(
        "BRUGADA TYPE 1 PATTERN",
        "brugada",
        AnyOf(_coved("V1"), _coved("V2")),
        needs_confirmation=True,
        codes={"SNOMED CT": "418818005"},
        caveat="The pattern; fever, drugs, ischaemia and electrode height can make it.",
    ),
)
