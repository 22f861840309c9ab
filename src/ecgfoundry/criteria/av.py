"""Conduction from the atria to the ventricles."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, Limit, Not, Said
from ecgfoundry.criteria.sources import AHA_2007, CHOICE

__all__ = ["CRITERIA"]

ACC_2018 = "Kusumoto et al., ACC/AHA/HRS 2018 guideline on bradycardia, Circulation 140:e382"

_SINUS = Said("SINUS RHYTHM")
_CONDUCTED = Limit("two_to_one_percent", "<", 50.0, CHOICE)
_NO_RELATION = AllOf(
    Limit("last_p_to_qrs_spread_ms", ">=", 120.0, CHOICE),
    Limit("pp_variation_percent", "<", 15.0, CHOICE),
    Limit("rr_successive_percent", "<", 10.0, CHOICE),
    # Premature beats come at any time after a P wave, too.
    Limit("normal_share_percent", ">=", 90.0, CHOICE),
)
_COMPLETE = AllOf(
    _NO_RELATION,
    Limit("atrial_over_ventricular", ">", 1.2, ACC_2018),
    Limit("heart_rate_bpm", "<=", 60.0, CHOICE),
)

CRITERIA = (
    Criterion(
        "WITH 1ST DEGREE AV BLOCK",
        "av",
        AllOf(_SINUS, Limit("pr_ms", ">", 200.0, ACC_2018), Not(_NO_RELATION)),
    ),
    Criterion(
        "WITH PROLONGED AV CONDUCTION",
        "av",
        AllOf(Said("ECTOPIC ATRIAL RHYTHM"), Limit("pr_ms", ">", 200.0, ACC_2018)),
    ),
    Criterion("WITH SHORT PR", "av", AllOf(_SINUS, Limit("pr_ms", "<", 120.0, AHA_2007))),
    Criterion(
        "WITH 2ND DEGREE AV BLOCK MOBITZ I",
        "av",
        AllOf(Limit("wenckebach_count", ">=", 1.0, ACC_2018), Not(_NO_RELATION)),
        needs_confirmation=True,
    ),
    Criterion(
        "WITH 2ND DEGREE AV BLOCK MOBITZ II",
        "av",
        AllOf(Limit("steady_drop_count", ">=", 1.0, ACC_2018), _CONDUCTED, Not(_NO_RELATION)),
        codes={"SNOMED CT": "426183003"},
        needs_confirmation=True,
    ),
    Criterion(
        "WITH 2:1 AV CONDUCTION",
        "av",
        AllOf(Limit("two_to_one_percent", ">=", 80.0, ACC_2018), Not(_NO_RELATION)),
        needs_confirmation=True,
    ),
    Criterion(
        "WITH VARIABLE AV BLOCK",
        "av",
        AllOf(Said("ATRIAL FLUTTER"), Limit("rr_successive_percent", ">=", 10.0, CHOICE)),
    ),
    Criterion("WITH COMPLETE HEART BLOCK", "av", _COMPLETE, needs_confirmation=True),
    Criterion(
        "WITH AV DISSOCIATION",
        "av",
        AllOf(_NO_RELATION, Not(Said("ATRIAL FLUTTER"))),
        needs_confirmation=True,
    ),
)
