"""What one finding forbids to say about another, and which findings cannot be true together.

Both are tables. :data:`EXCLUSIONS`: where the first statement is present, those named beside it
cannot be told (``present`` is None, with the reason). :data:`CONTRADICTIONS`: sets of which one
member at most is true; where more are present, whoever decided them, each names the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ecgfoundry.criteria.rules import Limit, Rule
from ecgfoundry.criteria.sources import AHA_2007, CHOICE, PART_III, PART_IV, PART_V, UDMI_4
from ecgfoundry.criteria.types import Statement
from ecgfoundry.vocabularies.exclusive import EXCLUSIVE_RHYTHMS

__all__ = ["CONTRADICTIONS", "EXCLUSIONS", "Exclusion", "exclusions_of", "with_contradictions"]

_INFARCTS = (
    "SEPTAL INFARCT",
    "ANTEROSEPTAL INFARCT",
    "ANTERIOR INFARCT",
    "ANTEROLATERAL INFARCT",
    "LATERAL INFARCT",
    "INFERIOR INFARCT",
    "POSTERIOR INFARCT",
    "INFERIOR-POSTERIOR INFARCT",
)
_INJURIES = (
    "ST ELEVATION",
    "ANTERIOR INJURY PATTERN",
    "INFERIOR INJURY PATTERN",
    "LATERAL INJURY PATTERN",
    "ANTEROLATERAL INJURY PATTERN",
    "INFEROLATERAL INJURY PATTERN",
    "ACUTE MI / STEMI",
    "ACUTE MI",
    "CONSIDER RIGHT VENTRICULAR INVOLVEMENT IN ACUTE INFERIOR INFARCT",
    "ACUTE PERICARDITIS",
    "EARLY REPOLARIZATION",
)
_NONSPECIFIC = (
    "NONSPECIFIC ST ABNORMALITY",
    "NONSPECIFIC T WAVE ABNORMALITY",
    "NONSPECIFIC ST AND T WAVE ABNORMALITY",
)
_ST_T = ("ST DEPRESSION", "T WAVE INVERSION", *_NONSPECIFIC)
_VOLTAGE = "VOLTAGE CRITERIA FOR LEFT VENTRICULAR HYPERTROPHY"
_HYPERTROPHY = (
    _VOLTAGE,
    "R IN AVL",
    "LEFT VENTRICULAR HYPERTROPHY",
    "WITH REPOLARIZATION ABNORMALITY",
    "WITH QRS WIDENING",
    "WITH QRS WIDENING AND REPOLARIZATION ABNORMALITY",
    "RIGHT VENTRICULAR HYPERTROPHY",
    "BIVENTRICULAR HYPERTROPHY",
)
_BLOCKS = (
    "RIGHT BUNDLE BRANCH BLOCK",
    "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK",
    "LEFT BUNDLE BRANCH BLOCK",
    "INCOMPLETE LEFT BUNDLE BRANCH BLOCK",
    "LEFT ANTERIOR FASCICULAR BLOCK",
    "LEFT POSTERIOR FASCICULAR BLOCK",
    "RBBB AND LEFT ANTERIOR FASCICULAR BLOCK",
    "RBBB AND LEFT POSTERIOR FASCICULAR BLOCK",
    "BIFASCICULAR BLOCK",
    "NONSPECIFIC INTRAVENTRICULAR CONDUCTION DELAY",
    "NONSPECIFIC INTRAVENTRICULAR BLOCK",
    "RSR' PATTERN IN V1",
    "RSR' OR QR PATTERN IN V1 SUGGESTS RIGHT VENTRICULAR CONDUCTION DELAY",
)
_AXES = (
    "LEFT AXIS DEVIATION",
    "ABNORMAL LEFT AXIS DEVIATION",
    "LEFTWARD AXIS",
    "RIGHT AXIS DEVIATION",
    "ABNORMAL RIGHT AXIS DEVIATION",
    "RIGHTWARD AXIS",
    "RIGHT SUPERIOR AXIS DEVIATION",
)
_ATRIA = ("LEFT ATRIAL ENLARGEMENT", "RIGHT ATRIAL ENLARGEMENT", "BIATRIAL ENLARGEMENT")
_P_STATEMENTS = (
    *_ATRIA,
    "WITH 1ST DEGREE AV BLOCK",
    "WITH SHORT PR",
    "WITH SINUS PAUSE",
    "WITH 2ND DEGREE SA BLOCK MOBITZ I",
    "WITH 2ND DEGREE SA BLOCK MOBITZ II",
    "WITH 2ND DEGREE AV BLOCK MOBITZ I",
    "WITH 2ND DEGREE AV BLOCK MOBITZ II",
)
_QT = ("PROLONGED QT", "SHORT QT INTERVAL")
_LIMB = (
    *_AXES,
    "LATERAL INFARCT",
    "INFERIOR INFARCT",
    "LEFT ANTERIOR FASCICULAR BLOCK",
    "LEFT POSTERIOR FASCICULAR BLOCK",
    "RIGHT VENTRICULAR HYPERTROPHY",
    "BIVENTRICULAR HYPERTROPHY",
    "LATERAL INJURY PATTERN",
    "INFERIOR INJURY PATTERN",
)
_WITH_PACING = (
    *_BLOCKS,
    "WOLFF-PARKINSON-WHITE",
    *_INFARCTS,
    *_INJURIES,
    *_ST_T,
    *_HYPERTROPHY,
    *_AXES,
    *_QT,
    "BRUGADA TYPE 1 PATTERN",
)
_WITH_RIGHT_BLOCK = (
    "POSTERIOR INFARCT",
    "INFERIOR-POSTERIOR INFARCT",
    "RIGHT VENTRICULAR HYPERTROPHY",
    "BRUGADA TYPE 1 PATTERN",
)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Where ``by`` is present, and ``where`` holds, the ``statements`` cannot be told.

    Parameters
    ----------
    by : str
    statements : tuple of str
    reason : str
        As it is shown.
    source : str
    where : Rule, optional
    """

    by: str
    statements: tuple[str, ...]
    reason: str
    source: str
    where: Rule | None = None


EXCLUSIONS: tuple[Exclusion, ...] = (
    Exclusion(
        "VENTRICULAR-PACED RHYTHM",
        _WITH_PACING,
        "the ventricles are paced, which shapes QRS, ST and T",
        UDMI_4,
    ),
    Exclusion(
        "VENTRICULAR-PACED COMPLEXES",
        _WITH_PACING,
        "the beats that were measured are paced ones, which shapes QRS, ST and T",
        UDMI_4,
        # The median beat is that of the most frequent shape.
        where=Limit("paced_share_percent", ">=", 50.0, CHOICE),
    ),
    Exclusion(
        "LEFT BUNDLE BRANCH BLOCK",
        (*_INFARCTS, *_INJURIES, *_ST_T, *_HYPERTROPHY),
        "left bundle branch block hides it: Q waves, voltages, ST and T are secondary to it",
        UDMI_4,
    ),
    Exclusion(
        "WOLFF-PARKINSON-WHITE",
        (*_INFARCTS, *_INJURIES, *_ST_T, *_HYPERTROPHY, *_BLOCKS),
        "pre-excitation hides it: Q waves, voltages, ST and T are secondary to it",
        PART_III,
    ),
    Exclusion(
        "RIGHT BUNDLE BRANCH BLOCK",
        _WITH_RIGHT_BLOCK,
        "right bundle branch block makes a late R wave in V1 by itself",
        PART_V,
    ),
    Exclusion(
        "LEFT BUNDLE BRANCH BLOCK",
        _QT,
        "QRS is wide: QT is prolonged by it, and JT has to be looked at",
        PART_IV,
    ),
    Exclusion(
        "RIGHT BUNDLE BRANCH BLOCK",
        _QT,
        "QRS is wide: QT is prolonged by it, and JT has to be looked at",
        PART_IV,
    ),
    Exclusion(
        "WITH REPOLARIZATION ABNORMALITY",
        _NONSPECIFIC,
        "the change of ST and T goes with left ventricular hypertrophy",
        PART_V,
    ),
    Exclusion(
        "ATRIAL FIBRILLATION",
        _P_STATEMENTS,
        "there are no P waves in atrial fibrillation",
        AHA_2007,
    ),
    Exclusion("ATRIAL FLUTTER", _P_STATEMENTS, "flutter waves are no P waves", AHA_2007),
    Exclusion(
        "INFERIOR INFARCT",
        ("LEFT ANTERIOR FASCICULAR BLOCK",),
        "Q waves of an inferior infarct turn the axis to the left by themselves",
        PART_III,
    ),
    Exclusion(
        "RIGHT VENTRICULAR HYPERTROPHY",
        ("LEFT POSTERIOR FASCICULAR BLOCK", "POSTERIOR INFARCT", "INFERIOR-POSTERIOR INFARCT"),
        "right ventricular hypertrophy makes the same axis and the same R wave in V1",
        PART_III,
    ),
    Exclusion(
        "ARM LEADS REVERSED",
        _LIMB,
        "the arm leads are reversed, so that limb leads do not mean what they say",
        CHOICE,
    ),
    Exclusion(
        "DEXTROCARDIA PATTERN",
        (*_LIMB, *_INFARCTS),
        "the leads look as with the heart on the right: other leads have to be recorded",
        CHOICE,
    ),
    Exclusion(
        "ARM AND RIGHT LEG LEADS REVERSED",
        (*_LIMB, "LOW VOLTAGE QRS"),
        "an arm and the right leg lead are reversed, so that limb leads do not mean what they say",
        CHOICE,
    ),
)

_NOT_NORMAL = (
    *_INFARCTS,
    *(name for name in _INJURIES if name != "EARLY REPOLARIZATION"),
    *_ST_T,
    *(name for name in _HYPERTROPHY if name not in ("R IN AVL", _VOLTAGE)),
    *(name for name in _BLOCKS if "RSR'" not in name and "INCOMPLETE RIGHT" not in name),
    *_ATRIA,
    "ATRIAL FIBRILLATION",
    "ATRIAL FLUTTER",
    "PREMATURE VENTRICULAR COMPLEXES",
    "PROLONGED QT",
)
"""An ECG with one of these is not called normal. Early repolarization and a late R in V1 are
variants of the normal, and voltages by themselves are common in the young (AHA/ACCF/HRS 2009, parts
III, IV and V); what else is left out is our choice."""

CONTRADICTIONS: tuple[tuple[str, ...], ...] = (
    *EXCLUSIVE_RHYTHMS,
    ("NORMAL ECG", "ABNORMAL ECG"),
    # The second is what PTB-XL, and a network of its superclasses, call it.
    *((normal, name) for normal in ("NORMAL ECG", "NORM") for name in _NOT_NORMAL),
    ("LEFT AXIS DEVIATION", "RIGHT AXIS DEVIATION", "RIGHT SUPERIOR AXIS DEVIATION"),
    ("LEFT BUNDLE BRANCH BLOCK", "RIGHT BUNDLE BRANCH BLOCK"),
    ("RIGHT BUNDLE BRANCH BLOCK", "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK"),
    ("LEFT BUNDLE BRANCH BLOCK", "INCOMPLETE LEFT BUNDLE BRANCH BLOCK"),
    ("LEFT ANTERIOR FASCICULAR BLOCK", "LEFT POSTERIOR FASCICULAR BLOCK"),
    ("WITH 1ST DEGREE AV BLOCK", "WITH SHORT PR"),
    ("WITH 1ST DEGREE AV BLOCK", "ATRIAL FIBRILLATION", "ATRIAL FLUTTER"),
    ("PROLONGED QT", "SHORT QT INTERVAL"),
    ("ACUTE MI / STEMI", "EARLY REPOLARIZATION"),
    ("ACUTE MI / STEMI", "ACUTE PERICARDITIS"),
    ("NO P-WAVES FOUND", "SINUS RHYTHM"),
)


def exclusions_of(name: str) -> tuple[Exclusion, ...]:
    """Return what may forbid a statement."""
    return tuple(exclusion for exclusion in EXCLUSIONS if name in exclusion.statements)


def with_contradictions(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Return the statements, each with the names of those that cannot be true beside it."""
    kept = tuple(statements)
    present = {statement.name for statement in kept if statement.present}
    against: dict[str, list[str]] = {}
    for group in CONTRADICTIONS:
        together = [name for name in group if name in present]
        for name in together:
            against.setdefault(name, []).extend(other for other in together if other != name)
    return tuple(
        replace(statement, contradicts=tuple(dict.fromkeys(against.get(statement.name, ()))))
        if statement.present
        else statement
        for statement in kept
    )
