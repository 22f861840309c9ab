"""Rate: of the sinus node, and of the ventricles in fibrillation and flutter."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, AnyOf, Limit, Said, between
from ecgfoundry.criteria.sources import AHA_2007, CHOICE, TWELVE_SL

__all__ = ["CRITERIA"]

_SINUS = Said("SINUS RHYTHM")
_FIBRILLATION = AnyOf(Said("ATRIAL FIBRILLATION"), Said("ATRIAL FLUTTER"))

CRITERIA = (
    Criterion(
        "SINUS BRADYCARDIA",
        "rate",
        AllOf(_SINUS, Limit("heart_rate_bpm", "<", 60.0, AHA_2007)),
    ),
    Criterion(
        "MARKED SINUS BRADYCARDIA",
        "rate",
        AllOf(_SINUS, Limit("heart_rate_bpm", "<", 50.0, TWELVE_SL)),
    ),
    Criterion(
        "SINUS TACHYCARDIA",
        "rate",
        AllOf(_SINUS, Limit("heart_rate_bpm", ">", 100.0, AHA_2007)),
    ),
    Criterion(
        "NORMAL SINUS RHYTHM",
        "rate",
        AllOf(
            _SINUS,
            between("heart_rate_bpm", 60.0, 100.000001, AHA_2007),
            Limit("normal_share_percent", ">=", 100.0, CHOICE),
        ),
    ),
    Criterion(
        "WITH RAPID VENTRICULAR RESPONSE",
        "rate",
        AllOf(_FIBRILLATION, Limit("heart_rate_bpm", ">", 100.0, TWELVE_SL)),
    ),
    Criterion(
        "WITH SLOW VENTRICULAR RESPONSE",
        "rate",
        AllOf(_FIBRILLATION, Limit("heart_rate_bpm", "<", 60.0, TWELVE_SL)),
    ),
)
