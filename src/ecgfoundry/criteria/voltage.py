"""Voltages of the QRS complex: hypertrophy of the ventricles, low voltage."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, AnyOf, AtLeast, ByPerson, Limit, Not, Said, each_lead
from ecgfoundry.criteria.sources import CHOICE, CORNELL, PART_V, PEGUERO, SOKOLOW
from ecgfoundry.leads import LIMB_LEADS, PRECORDIAL_LEADS

__all__ = ["CRITERIA"]

_R_IN_AVL = Limit("r_mv", ">=", 1.1, SOKOLOW, "aVL")
_VOLTAGE = AnyOf(
    Limit("sokolow_lyon_mv", ">=", 3.5, SOKOLOW),
    _R_IN_AVL,
    ByPerson(
        men=Limit("cornell_mv", ">", 2.8, CORNELL), women=Limit("cornell_mv", ">", 2.0, CORNELL)
    ),
    ByPerson(
        men=Limit("peguero_mv", ">=", 2.8, PEGUERO), women=Limit("peguero_mv", ">=", 2.3, PEGUERO)
    ),
)
_SAID_VOLTAGE = Said("VOLTAGE CRITERIA FOR LEFT VENTRICULAR HYPERTROPHY")

_STRAIN = AtLeast(
    1,
    tuple(
        AllOf(
            Limit("st_j60_mv", "<=", -0.05, PART_V, lead),
            Limit("t_mv", "<", 0.0, PART_V, lead),
        )
        for lead in ("I", "aVL", "V5", "V6")
    ),
)
_WIDENED = Limit("qrs_ms", ">=", 110.0, PART_V)

_TALL_RIGHT = AnyOf(
    Limit("r_mv", ">", 0.6, PART_V, "V1"),
    AllOf(Limit("r_over_s", ">", 1.0, PART_V, "V1"), Limit("r_mv", ">=", 0.5, CHOICE, "V1")),
    Limit("right_sokolow_mv", ">", 1.05, PART_V),
)
_RIGHT_AXIS = Limit("qrs_axis_deg", ">", 90.0, PART_V)

CRITERIA = (
    Criterion(
        "VOLTAGE CRITERIA FOR LEFT VENTRICULAR HYPERTROPHY",
        "voltage",
        _VOLTAGE,
        caveat="Voltage alone; unspecific under the age of 35 (part V).",
    ),
    Criterion("R IN AVL", "voltage", _R_IN_AVL),
    Criterion(
        "LEFT VENTRICULAR HYPERTROPHY",
        "voltage",
        AllOf(
            _SAID_VOLTAGE,
            # Voltage and one more sign of part V.
            AnyOf(
                _STRAIN,
                _WIDENED,
                Said("LEFT ATRIAL ENLARGEMENT"),
                Limit("qrs_axis_deg", "<", -30.0, PART_V),
            ),
        ),
    ),
    Criterion("WITH REPOLARIZATION ABNORMALITY", "voltage", AllOf(_SAID_VOLTAGE, _STRAIN)),
    Criterion("WITH QRS WIDENING", "voltage", AllOf(_SAID_VOLTAGE, _WIDENED)),
    Criterion(
        "WITH QRS WIDENING AND REPOLARIZATION ABNORMALITY",
        "voltage",
        AllOf(_SAID_VOLTAGE, _WIDENED, _STRAIN),
    ),
    Criterion(
        "RIGHT VENTRICULAR HYPERTROPHY",
        "voltage",
        AllOf(_RIGHT_AXIS, _TALL_RIGHT, Not(Said("RIGHT BUNDLE BRANCH BLOCK"))),
        needs_confirmation=True,
    ),
    Criterion(
        "BIVENTRICULAR HYPERTROPHY",
        "voltage",
        AllOf(_SAID_VOLTAGE, _RIGHT_AXIS),
        needs_confirmation=True,
    ),
    Criterion(
        "LOW VOLTAGE QRS",
        "voltage",
        AnyOf(
            AllOf(*each_lead(LIMB_LEADS, "qrs_span_mv", "<", 0.5, PART_V)),
            AllOf(*each_lead(PRECORDIAL_LEADS, "qrs_span_mv", "<", 1.0, PART_V)),
        ),
    ),
)
