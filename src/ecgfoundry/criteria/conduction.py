"""Conduction within the ventricles: bundle branches, fascicles, accessory pathways.

Where part III asks for several signs at once, all are asked for; what it calls occasional is left
out. Shapes are those of the median beat.
"""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import (
    AllOf,
    AnyOf,
    Limit,
    Not,
    Said,
    any_lead,
    between,
    leads_with,
)
from ecgfoundry.criteria.sources import CHOICE, MINNESOTA, PART_III, TWELVE_SL

__all__ = ["CRITERIA"]

_WIDE = Limit("qrs_ms", ">=", 120.0, PART_III)
_NOT_WIDE = Limit("qrs_ms", "<", 120.0, PART_III)
_INCOMPLETE = between("qrs_ms", 110.0, 120.0, PART_III)


def _wide_s(lead: str) -> AnyOf:
    """S longer than 40 ms, or longer than R."""
    return AnyOf(
        Limit("s_ms", ">", 40.0, PART_III, lead),
        Limit("s_over_r_duration", ">", 1.0, PART_III, lead),
    )


_RIGHT_PATTERN = AllOf(
    AnyOf(
        # rsr', rsR' or rSR' in V1 or V2, or a dominant late R in V1.
        any_lead(("V1", "V2"), "r2_mv", ">", 0.05, PART_III),
        AllOf(
            Limit("qrs_area_mv_ms", ">", 0.0, PART_III, "V1"),
            Limit("r_peak_time_ms", ">", 50.0, PART_III, "V1"),
        ),
    ),
    *(_wide_s(lead) for lead in ("I", "V6")),
)
_DOMINANT_LATE_R = AllOf(
    Limit("r2_over_r", ">", 1.0, MINNESOTA, "V1"),
    Limit("r_peak_time_ms", ">", 50.0, PART_III, "V1"),
    AnyOf(*(_wide_s(lead) for lead in ("I", "V6"))),
)
"""R' above R in V1 is a complete block by itself in the Minnesota code; we ask for a broad S in one
of the two leads that part III names."""

NO_Q_MV = -0.05
"""A q wave of less than half a millimetre cannot be seen on paper (our choice)."""

_LEFT_PATTERN = AllOf(
    *(Limit("initial_q_mv", ">", NO_Q_MV, PART_III, lead) for lead in ("I", "V5", "V6")),
    AnyOf(
        any_lead(("V5", "V6"), "r_peak_time_ms", ">", 60.0, PART_III),
        # The peak of a notched R may be the first one.
        leads_with(2, ("I", "aVL", "V5", "V6"), "qrs_notched", ">=", 1.0, PART_III),
        # Where the transition is displaced, V5 and V6 show RS, and the late R is that of I.
        AllOf(
            any_lead(("V5", "V6"), "r_over_s", "<=", 1.0, PART_III),
            Limit("r_peak_time_ms", ">", 60.0, PART_III, "I"),
        ),
    ),
    # Broad positive complexes on the left, negative ones on the right.
    any_lead(("I", "V6"), "qrs_area_mv_ms", ">", 0.0, PART_III),
    Limit("qrs_area_mv_ms", "<", 0.0, PART_III, "V1"),
)

_ANTERIOR_FASCICLE = AllOf(
    between("qrs_axis_deg", -90.0, -44.999, PART_III),
    Limit("q_mv", "<", 0.0, PART_III, "aVL"),
    Limit("qrs_area_mv_ms", ">", 0.0, PART_III, "aVL"),
    Limit("r_peak_time_ms", ">=", 45.0, PART_III, "aVL"),
)
_POSTERIOR_FASCICLE = AllOf(
    between("qrs_axis_deg", 90.0, 180.000001, PART_III),
    *(
        AllOf(
            Limit("r_mv", ">", 0.0, PART_III, lead),
            Limit("r_over_s", "<", 1.0, PART_III, lead),
        )
        for lead in ("I", "aVL")
    ),
    *(
        AllOf(
            Limit("q_mv", "<", 0.0, PART_III, lead),
            Limit("qrs_area_mv_ms", ">", 0.0, PART_III, lead),
        )
        for lead in ("III", "aVF")
    ),
)
_RIGHT_BLOCK = AllOf(_WIDE, AnyOf(_RIGHT_PATTERN, _DOMINANT_LATE_R))

CRITERIA = (
    Criterion("RIGHT BUNDLE BRANCH BLOCK", "conduction", _RIGHT_BLOCK),
    Criterion(
        "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK", "conduction", AllOf(_INCOMPLETE, _RIGHT_PATTERN)
    ),
    Criterion("LEFT BUNDLE BRANCH BLOCK", "conduction", AllOf(_WIDE, _LEFT_PATTERN)),
    Criterion(
        "INCOMPLETE LEFT BUNDLE BRANCH BLOCK", "conduction", AllOf(_INCOMPLETE, _LEFT_PATTERN)
    ),
    Criterion(
        "LEFT ANTERIOR FASCICULAR BLOCK",
        "conduction",
        AllOf(_ANTERIOR_FASCICLE, AnyOf(_NOT_WIDE, _RIGHT_BLOCK)),
    ),
    Criterion(
        "LEFT POSTERIOR FASCICULAR BLOCK",
        "conduction",
        AllOf(_POSTERIOR_FASCICLE, AnyOf(_NOT_WIDE, _RIGHT_BLOCK)),
        needs_confirmation=True,
        caveat="Right ventricular hypertrophy and lateral infarction have to be ruled out.",
    ),
    Criterion(
        "RBBB AND LEFT ANTERIOR FASCICULAR BLOCK",
        "conduction",
        AllOf(_RIGHT_BLOCK, _ANTERIOR_FASCICLE),
    ),
    Criterion(
        "RBBB AND LEFT POSTERIOR FASCICULAR BLOCK",
        "conduction",
        AllOf(_RIGHT_BLOCK, _POSTERIOR_FASCICLE),
        needs_confirmation=True,
    ),
    Criterion(
        "BIFASCICULAR BLOCK",
        "conduction",
        AllOf(_RIGHT_BLOCK, AnyOf(_ANTERIOR_FASCICLE, _POSTERIOR_FASCICLE)),
        caveat="Part III prefers the names of the fascicles.",
    ),
    Criterion(
        "NONSPECIFIC INTRAVENTRICULAR CONDUCTION DELAY",
        "conduction",
        AllOf(
            Limit("qrs_ms", ">", 110.0, PART_III),
            _NOT_WIDE,
            Not(Said("INCOMPLETE RIGHT BUNDLE BRANCH BLOCK")),
            Not(Said("INCOMPLETE LEFT BUNDLE BRANCH BLOCK")),
        ),
    ),
    Criterion(
        "NONSPECIFIC INTRAVENTRICULAR BLOCK",
        "conduction",
        AllOf(
            _WIDE,
            Not(Said("RIGHT BUNDLE BRANCH BLOCK")),
            Not(Said("LEFT BUNDLE BRANCH BLOCK")),
            Not(Said("WOLFF-PARKINSON-WHITE")),
        ),
    ),
    Criterion(
        "WOLFF-PARKINSON-WHITE",
        "conduction",
        AllOf(
            Limit("pr_ms", "<", 120.0, PART_III),
            Limit("qrs_ms", ">", 110.0, PART_III),
            leads_with(
                2,
                ("I", "II", "aVL", "aVF", "V2", "V3", "V4", "V5", "V6"),
                "delta_ms",
                ">=",
                20.0,
                CHOICE,
            ),
        ),
        needs_confirmation=True,
    ),
    Criterion(
        "RSR' PATTERN IN V1",
        "conduction",
        AllOf(Limit("r2_mv", ">", 0.05, TWELVE_SL, "V1"), Limit("qrs_ms", "<", 110.0, PART_III)),
        adults_only=False,
    ),
    Criterion(
        "RSR' OR QR PATTERN IN V1 SUGGESTS RIGHT VENTRICULAR CONDUCTION DELAY",
        "conduction",
        AllOf(
            _NOT_WIDE,
            AnyOf(
                AllOf(
                    Limit("r2_mv", ">", 0.05, TWELVE_SL, "V1"),
                    Limit("r2_over_r", ">", 1.0, TWELVE_SL, "V1"),
                ),
                AllOf(
                    Limit("q_mv", "<", -0.05, TWELVE_SL, "V1"),
                    Limit("r_mv", ">", 0.1, TWELVE_SL, "V1"),
                    Limit("qrs_area_mv_ms", ">", 0.0, TWELVE_SL, "V1"),
                ),
            ),
        ),
    ),
)
