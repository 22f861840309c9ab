"""Premature, escape and fusion beats, from the classes of the beats and their timing."""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, AnyOf, Limit, Not, Said
from ecgfoundry.criteria.sources import AHA_2007, CHOICE, EC57, TWELVE_SL

__all__ = ["CRITERIA"]

_PVC = Limit("ventricular_premature_count", ">=", 1.0, EC57)
_PAC = Limit("supraventricular_premature_count", ">=", 1.0, EC57)
_FUSION = Limit("fusion_count", ">=", 1.0, EC57)
_WITH_P = Limit("premature_with_p_count", ">=", 1.0, CHOICE)
_FIBRILLATION = Said("ATRIAL FIBRILLATION")
_NOT_TACHYCARDIA = Not(Said("VENTRICULAR TACHYCARDIA"))


def _criterion(name: str, rule: AllOf | AnyOf | Limit, code: str | None = None) -> Criterion:
    codes = {"SNOMED CT": code} if code else {}
    return Criterion(name, "ectopy", rule, adults_only=False, codes=codes)


CRITERIA = (
    _criterion("PREMATURE VENTRICULAR COMPLEXES", _PVC),
    _criterion(
        "WITH PREMATURE VENTRICULAR OR ABERRANTLY CONDUCTED COMPLEXES",
        AllOf(_PVC, _FIBRILLATION),
    ),
    _criterion("FUSION COMPLEXES", _FUSION),
    _criterion("PREMATURE VENTRICULAR AND FUSION COMPLEXES", AllOf(_PVC, _FUSION)),
    _criterion("PREMATURE ATRIAL COMPLEXES", AllOf(_PAC, Not(_FIBRILLATION))),
    _criterion(
        "PREMATURE SUPRAVENTRICULAR COMPLEXES", AllOf(_PAC, Not(_WITH_P), Not(_FIBRILLATION))
    ),
    _criterion(
        "PREMATURE ECTOPIC COMPLEXES",
        AllOf(_PVC, _PAC),
    ),
    _criterion("ABERRANT CONDUCTION", Limit("wide_premature_count", ">=", 1.0, AHA_2007)),
    _criterion(
        "IN A PATTERN OF BIGEMINY",
        AnyOf(
            Limit("ventricular_bigeminy_beats", ">=", 3.0, TWELVE_SL),
            Limit("atrial_bigeminy_beats", ">=", 3.0, TWELVE_SL),
        ),
    ),
    _criterion(
        "VENTRICULAR BIGEMINY",
        Limit("ventricular_bigeminy_beats", ">=", 3.0, AHA_2007),
        "11157007",
    ),
    _criterion("ATRIAL BIGEMINY", Limit("atrial_bigeminy_beats", ">=", 3.0, AHA_2007), "251173003"),
    _criterion(
        "VENTRICULAR TRIGEMINY",
        Limit("ventricular_trigeminy_beats", ">=", 3.0, AHA_2007),
        "251180001",
    ),
    _criterion(
        "VENTRICULAR COUPLETS",
        AllOf(Limit("ventricular_couplet_count", ">=", 1.0, AHA_2007), _NOT_TACHYCARDIA),
        "251182009",
    ),
    _criterion(
        "WITH VENTRICULAR ESCAPE COMPLEXES", Limit("ventricular_escape_count", ">=", 1.0, AHA_2007)
    ),
    _criterion(
        "WITH JUNCTIONAL ESCAPE COMPLEXES", Limit("junctional_escape_count", ">=", 1.0, AHA_2007)
    ),
)
