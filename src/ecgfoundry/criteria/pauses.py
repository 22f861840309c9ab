"""Pauses: of the sinus node, and blocks on the way out of it."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, Limit, Said, between
from ecgfoundry.criteria.sources import AHA_2007, CHOICE

__all__ = ["CRITERIA"]

ACC_2018 = "Kusumoto et al., ACC/AHA/HRS 2018 guideline on bradycardia, Circulation 140:e382"

_NO_P_INSIDE = Limit("blocked_p_in_pause_count", "<=", 0.0, AHA_2007)
_TWICE = between("pause_over_usual", 1.8, 2.2, "twice the PP interval: " + AHA_2007)

CRITERIA = (
    Criterion(
        "WITH SINUS PAUSE",
        "pauses",
        AllOf(
            Said("SINUS RHYTHM"),
            _NO_P_INSIDE,
            Limit("longest_pause_s", ">", 2.0, ACC_2018),
            Limit("pause_over_usual", ">", 1.5, CHOICE),
        ),
        needs_confirmation=True,
    ),
    Criterion(
        "WITH 2ND DEGREE SA BLOCK MOBITZ II",
        "pauses",
        AllOf(Said("SINUS RHYTHM"), _NO_P_INSIDE, _TWICE),
        needs_confirmation=True,
    ),
    Criterion(
        "WITH 2ND DEGREE SA BLOCK MOBITZ I",
        "pauses",
        AllOf(
            Said("SINUS RHYTHM"),
            _NO_P_INSIDE,
            between("pause_over_usual", 1.3, 1.8, CHOICE),
            Limit("sinus_shortening_count", ">=", 2.0, AHA_2007),
        ),
        needs_confirmation=True,
    ),
)
