"""Electrodes in the wrong place, and the heart on the right: what looks like disease and is not."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, AnyOf, Limit, Rule, any_lead
from ecgfoundry.criteria.sources import CHOICE, REVERSAL

__all__ = ["CRITERIA"]

_TURNED = AllOf(
    Limit("p_mv", "<", -0.03, REVERSAL, "I"),
    Limit("qrs_area_mv_ms", "<", 0.0, REVERSAL, "I"),
    Limit("p_mv", ">", 0.0, REVERSAL, "aVR"),
)
_LEFT_CHEST = AllOf(
    Limit("qrs_area_mv_ms", ">", 0.0, REVERSAL, "V6"),
    Limit("r_mv", ">=", 0.3, CHOICE, "V6"),
)
_NO_LEFT_CHEST = AllOf(
    Limit("qrs_area_mv_ms", "<", 0.0, REVERSAL, "V6"),
    Limit("r_mv", "<", 0.3, CHOICE, "V6"),
)
FLAT_MV = 0.1
"""Peak to peak; PMC10902517, table 5: an isolated flat limb lead."""


def _flat(lead: str, *others: str) -> Rule:
    return AllOf(
        Limit("qrs_span_mv", "<", FLAT_MV, REVERSAL, lead),
        any_lead(others, "qrs_span_mv", ">=", 0.4, CHOICE),
    )


def _placed(name: str, rule: Rule, code: str | None = None) -> Criterion:
    codes = {"SNOMED CT": code} if code else {}
    return Criterion(
        name, "placement", rule, adults_only=False, needs_confirmation=True, codes=codes
    )


CRITERIA = (
    _placed("ARM LEADS REVERSED", AllOf(_TURNED, _LEFT_CHEST), "251139008"),
    _placed("DEXTROCARDIA PATTERN", AllOf(_TURNED, _NO_LEFT_CHEST)),
    _placed(
        "ARM AND RIGHT LEG LEADS REVERSED",
        # Between the legs there is hardly a voltage: II (right arm) or III (left arm) is flat.
        AnyOf(_flat("II", "I", "III"), _flat("III", "I", "II")),
    ),
    _placed(
        "CHEST LEADS REVERSED",
        AllOf(
            Limit("qrs_area_mv_ms", ">", 0.0, REVERSAL, "I"),
            Limit("qrs_area_mv_ms", ">", 0.0, REVERSAL, "V1"),
            Limit("qrs_area_mv_ms", "<", 0.0, REVERSAL, "V6"),
        ),
    ),
)
