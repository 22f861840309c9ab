"""ST segment and T wave: injury, depression, inversion, early repolarization, pericarditis."""

from __future__ import annotations

from collections.abc import Callable

from ecgfoundry.criteria.infarction import INFERIOR, LATERAL
from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import (
    AllOf,
    AnyOf,
    AtLeast,
    ByPerson,
    Limit,
    Not,
    Rule,
    Said,
    any_lead,
    leads_with,
)
from ecgfoundry.criteria.sources import (
    CHOICE,
    EARLY_REPOLARIZATION_2015,
    PART_IV,
    PART_VI,
    PERICARDITIS,
    UDMI_4,
)

__all__ = ["CRITERIA"]

ANTERIOR = ("V1", "V2", "V3", "V4")
CONTIGUOUS: tuple[tuple[str, str], ...] = (
    ("V1", "V2"),
    ("V2", "V3"),
    ("V3", "V4"),
    ("V4", "V5"),
    ("V5", "V6"),
    ("aVL", "I"),
    ("II", "aVF"),
    ("aVF", "III"),
)
"""Pairs of neighbouring leads: along the chest, and in the order aVL, I, II, aVF, III."""


def _elevated(lead: str) -> Rule:
    """ST elevation at J: 0.1 mV; V2 and V3 by age and sex."""
    if lead not in ("V2", "V3"):
        return Limit("st_j_mv", ">=", 0.1, UDMI_4, lead)
    return ByPerson(
        men=Limit("st_j_mv", ">=", 0.2, UDMI_4, lead),
        women=Limit("st_j_mv", ">=", 0.15, UDMI_4, lead),
        young_men=Limit("st_j_mv", ">=", 0.25, UDMI_4, lead),
    )


def _depressed(lead: str, limit: float = -0.05) -> Rule:
    """Horizontal or downsloping depression: at J and still 60 ms later."""
    return AllOf(
        Limit("st_j_mv", "<=", limit, UDMI_4, lead), Limit("st_j60_mv", "<=", limit, UDMI_4, lead)
    )


def _inverted(lead: str) -> Rule:
    """T inversion of 0.1 mV in a lead with a prominent R wave."""
    return AllOf(Limit("t_mv", "<=", -0.1, UDMI_4, lead), Limit("r_over_s", ">", 1.0, UDMI_4, lead))


def _flat(lead: str) -> Rule:
    """T lower than a tenth of R, or shallowly inverted, where R is prominent."""
    return AllOf(
        Limit("r_mv", ">=", 0.5, CHOICE, lead),
        Limit("t_mv", "<=", 0.05, CHOICE, lead),
        Limit("t_mv", ">", -0.1, UDMI_4, lead),
        Limit("t_over_r", "<", 0.1, PART_IV, lead),
    )


def _pairs(of: Callable[[str], Rule], leads: tuple[tuple[str, str], ...] = CONTIGUOUS) -> AnyOf:
    """Two neighbouring leads that both show it."""
    return AnyOf(*(AllOf(of(first), of(second)) for first, second in leads))


def _injury(leads: tuple[str, ...]) -> Rule:
    inside = tuple(pair for pair in CONTIGUOUS if set(pair) <= set(leads))
    return _pairs(_elevated, inside)


_ANTERIOR, _INFERIOR, _LATERAL = _injury(ANTERIOR), _injury(INFERIOR), _injury(LATERAL)
_INJURY = AnyOf(
    Said("ANTERIOR INJURY PATTERN"),
    Said("INFERIOR INJURY PATTERN"),
    Said("LATERAL INJURY PATTERN"),
    Said("ANTEROLATERAL INJURY PATTERN"),
    Said("INFEROLATERAL INJURY PATTERN"),
)
_RECIPROCAL = AnyOf(
    AllOf(_INFERIOR, any_lead(("I", "aVL"), "st_j_mv", "<=", -0.05, PART_VI)),
    AllOf(
        AnyOf(_ANTERIOR, _LATERAL), any_lead(("II", "III", "aVF"), "st_j_mv", "<=", -0.05, PART_VI)
    ),
)
_BENIGN = AnyOf(Said("EARLY REPOLARIZATION"), Said("ACUTE PERICARDITIS"))
_WITH_R = ("I", "II", "aVL", "V3", "V4", "V5", "V6")


def _st(
    name: str, rule: Rule, code: str | None = None, *, confirm: bool = True, caveat: str = ""
) -> Criterion:
    codes = {"SNOMED CT": code} if code else {}
    return Criterion(name, "st_t", rule, needs_confirmation=confirm, codes=codes, caveat=caveat)


CRITERIA = (
    _st("ST ELEVATION", _pairs(_elevated), "164931005"),
    _st("ANTERIOR INJURY PATTERN", AllOf(_ANTERIOR, Not(_LATERAL))),
    _st("INFERIOR INJURY PATTERN", AllOf(_INFERIOR, Not(_LATERAL))),
    _st("LATERAL INJURY PATTERN", AllOf(_LATERAL, Not(_ANTERIOR), Not(_INFERIOR))),
    _st("ANTEROLATERAL INJURY PATTERN", AllOf(_ANTERIOR, _LATERAL)),
    _st("INFEROLATERAL INJURY PATTERN", AllOf(_INFERIOR, _LATERAL)),
    _st(
        "ACUTE MI / STEMI",
        AllOf(_INJURY, Not(_BENIGN)),
        caveat="By the ECG alone; symptoms and troponin decide.",
    ),
    _st(
        "ACUTE MI",
        AllOf(_INJURY, _RECIPROCAL),
        caveat="Elevation with reciprocal depression; symptoms and troponin decide.",
    ),
    _st(
        "CONSIDER RIGHT VENTRICULAR INVOLVEMENT IN ACUTE INFERIOR INFARCT",
        AllOf(
            AnyOf(Said("INFERIOR INJURY PATTERN"), Said("INFEROLATERAL INJURY PATTERN")),
            Limit("st_j_mv", ">=", 0.1, PART_VI, "V1"),
        ),
        caveat="Record V3R and V4R.",
    ),
    _st(
        "ACUTE PERICARDITIS",
        AllOf(
            # Widespread: limb and chest leads, without reciprocal depression but in aVR and V1.
            leads_with(2, ("I", "II", "aVF"), "st_j_mv", ">=", 0.1, PERICARDITIS),
            leads_with(3, ("V3", "V4", "V5", "V6"), "st_j_mv", ">=", 0.1, PERICARDITIS),
            Limit("st_j_mv", "<", 0.0, PERICARDITIS, "aVR"),
            *(
                Limit("st_j_mv", ">", -0.05, PERICARDITIS, lead)
                for lead in ("III", "aVL", "V2", "V3")
            ),
        ),
        caveat="Depression of the PR segment is not measured.",
    ),
    _st(
        "EARLY REPOLARIZATION",
        AllOf(
            Limit("qrs_ms", "<", 120.0, EARLY_REPOLARIZATION_2015),
            AnyOf(
                *(
                    AllOf(
                        *(
                            AllOf(
                                Limit("st_j_mv", ">=", 0.1, EARLY_REPOLARIZATION_2015, lead),
                                Limit("st_slope_mv_s", ">", 0.0, EARLY_REPOLARIZATION_2015, lead),
                                Limit("t_mv", ">", 0.0, EARLY_REPOLARIZATION_2015, lead),
                            )
                            for lead in pair
                        )
                    )
                    for pair in CONTIGUOUS
                    if not set(pair) & {"V1", "V2", "V3"}
                )
            ),
        ),
        confirm=False,
        caveat="The height of J with an ascending ST; the notch itself is not measured.",
    ),
    _st("ST DEPRESSION", _pairs(_depressed), "429622005"),
    _st(
        "NONSPECIFIC ST ABNORMALITY",
        AllOf(
            AtLeast(1, tuple(_depressed(lead) for lead in _WITH_R)),
            AllOf(*(Limit("st_j60_mv", ">", -0.1, PART_IV, lead) for lead in _WITH_R)),
            Not(_INJURY),
        ),
        confirm=False,
    ),
    _st(
        "T WAVE INVERSION",
        _pairs(_inverted, (*CONTIGUOUS, ("I", "II"), ("I", "V6"))),
        "59931005",
    ),
    _st(
        "NONSPECIFIC T WAVE ABNORMALITY",
        AllOf(AtLeast(2, tuple(_flat(lead) for lead in _WITH_R)), Not(Said("T WAVE INVERSION"))),
        confirm=False,
    ),
    _st(
        "NONSPECIFIC ST AND T WAVE ABNORMALITY",
        AllOf(Said("NONSPECIFIC ST ABNORMALITY"), Said("NONSPECIFIC T WAVE ABNORMALITY")),
        confirm=False,
    ),
)
