"""Which of the present statements a reader needs: what another one already says is left out.

Programs get every statement. On paper "marked sinus bradycardia" says "sinus bradycardia" as well,
and a list that repeats itself is read by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ecgfoundry.criteria.types import Statement

__all__ = ["COMBINATIONS", "DEGREES", "SAYS_AS_WELL", "for_reading"]

_ECTOPIC = "PREMATURE ECTOPIC COMPLEXES"
_ST = "ST ELEVATION"
_VENTRICULAR = ("ELECTRONIC VENTRICULAR PACEMAKER", "VENTRICULAR-PACED COMPLEXES")
_ATRIAL = ("ELECTRONIC ATRIAL PACEMAKER", "ATRIAL-PACED COMPLEXES")
_RSR = (
    "RSR' PATTERN IN V1",
    "RSR' OR QR PATTERN IN V1 SUGGESTS RIGHT VENTRICULAR CONDUCTION DELAY",
)
_VOLTAGE = "VOLTAGE CRITERIA FOR LEFT VENTRICULAR HYPERTROPHY"

SAYS_AS_WELL: Mapping[str, tuple[str, ...]] = {
    "SINUS BRADYCARDIA": ("SINUS RHYTHM",),
    "MARKED SINUS BRADYCARDIA": ("SINUS BRADYCARDIA", "SINUS RHYTHM"),
    "SINUS TACHYCARDIA": ("SINUS RHYTHM",),
    "NORMAL SINUS RHYTHM": ("SINUS RHYTHM",),
    "WITH MARKED SINUS ARRHYTHMIA": ("WITH SINUS ARRHYTHMIA",),
    "JUNCTIONAL BRADYCARDIA": ("JUNCTIONAL RHYTHM",),
    "VENTRICULAR TACHYCARDIA": ("WIDE QRS TACHYCARDIA", "WIDE QRS RHYTHM"),
    "WIDE QRS TACHYCARDIA": ("WIDE QRS RHYTHM",),
    "PREMATURE ATRIAL COMPLEXES": ("PREMATURE SUPRAVENTRICULAR COMPLEXES", _ECTOPIC),
    "PREMATURE SUPRAVENTRICULAR COMPLEXES": (_ECTOPIC,),
    "PREMATURE VENTRICULAR COMPLEXES": (
        "WITH PREMATURE VENTRICULAR OR ABERRANTLY CONDUCTED COMPLEXES",
        _ECTOPIC,
    ),
    "PREMATURE VENTRICULAR AND FUSION COMPLEXES": (
        "PREMATURE VENTRICULAR COMPLEXES",
        "FUSION COMPLEXES",
    ),
    "VENTRICULAR BIGEMINY": ("IN A PATTERN OF BIGEMINY",),
    "ATRIAL BIGEMINY": ("IN A PATTERN OF BIGEMINY",),
    "WITH 1ST DEGREE AV BLOCK": ("WITH PROLONGED AV CONDUCTION",),
    "WITH COMPLETE HEART BLOCK": ("WITH AV DISSOCIATION",),
    "RIGHT BUNDLE BRANCH BLOCK": _RSR,
    "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK": _RSR,
    "RBBB AND LEFT ANTERIOR FASCICULAR BLOCK": (
        "RIGHT BUNDLE BRANCH BLOCK", "LEFT ANTERIOR FASCICULAR BLOCK", "BIFASCICULAR BLOCK", *_RSR,
    ),
    "RBBB AND LEFT POSTERIOR FASCICULAR BLOCK": (
        "RIGHT BUNDLE BRANCH BLOCK", "LEFT POSTERIOR FASCICULAR BLOCK", "BIFASCICULAR BLOCK", *_RSR,
    ),
    "NONSPECIFIC INTRAVENTRICULAR BLOCK": ("NONSPECIFIC INTRAVENTRICULAR CONDUCTION DELAY",),
    "ABNORMAL LEFT AXIS DEVIATION": ("LEFT AXIS DEVIATION",),
    "ABNORMAL RIGHT AXIS DEVIATION": ("RIGHT AXIS DEVIATION",),
    _VOLTAGE: ("R IN AVL",),
    "LEFT VENTRICULAR HYPERTROPHY": (_VOLTAGE, "R IN AVL"),
    "WITH QRS WIDENING AND REPOLARIZATION ABNORMALITY": (
        "WITH QRS WIDENING",
        "WITH REPOLARIZATION ABNORMALITY",
    ),
    "BIVENTRICULAR HYPERTROPHY": ("LEFT VENTRICULAR HYPERTROPHY", "RIGHT VENTRICULAR HYPERTROPHY"),
    "BIATRIAL ENLARGEMENT": ("LEFT ATRIAL ENLARGEMENT", "RIGHT ATRIAL ENLARGEMENT"),
    "ANTEROSEPTAL INFARCT": ("SEPTAL INFARCT", "ANTERIOR INFARCT"),
    "ANTEROLATERAL INFARCT": ("ANTERIOR INFARCT", "LATERAL INFARCT"),
    "INFERIOR-POSTERIOR INFARCT": ("INFERIOR INFARCT", "POSTERIOR INFARCT"),
    "ACUTE MI / STEMI": ("ACUTE MI", _ST),
    "ACUTE MI": (_ST,),
    "ANTERIOR INJURY PATTERN": (_ST,),
    "INFERIOR INJURY PATTERN": (_ST,),
    "LATERAL INJURY PATTERN": (_ST,),
    "ANTEROLATERAL INJURY PATTERN": ("ANTERIOR INJURY PATTERN", "LATERAL INJURY PATTERN", _ST),
    "INFEROLATERAL INJURY PATTERN": ("INFERIOR INJURY PATTERN", "LATERAL INJURY PATTERN", _ST),
    "NONSPECIFIC ST AND T WAVE ABNORMALITY": (
        "NONSPECIFIC ST ABNORMALITY",
        "NONSPECIFIC T WAVE ABNORMALITY",
    ),
    "VENTRICULAR-PACED RHYTHM": _VENTRICULAR,
    "ATRIAL-PACED RHYTHM": _ATRIAL,
    "AV DUAL-PACED RHYTHM": (
        "AV SEQUENTIAL OR DUAL CHAMBER ELECTRONIC PACEMAKER", "AV DUAL-PACED COMPLEXES",
        *_VENTRICULAR, *_ATRIAL,
    ),
}  # fmt: skip
"""A statement, and those that are said with it. They follow from the definitions."""


DEGREES = frozenset(
    {
        "NORMAL SINUS RHYTHM", "SINUS BRADYCARDIA", "MARKED SINUS BRADYCARDIA", "SINUS TACHYCARDIA",
        "WITH MARKED SINUS ARRHYTHMIA", "JUNCTIONAL BRADYCARDIA", "WIDE QRS TACHYCARDIA",
        "PREMATURE ATRIAL COMPLEXES", "PREMATURE SUPRAVENTRICULAR COMPLEXES",
        "PREMATURE VENTRICULAR COMPLEXES", "PREMATURE VENTRICULAR AND FUSION COMPLEXES",
        "VENTRICULAR BIGEMINY", "ATRIAL BIGEMINY", "WITH 1ST DEGREE AV BLOCK",
        "RIGHT BUNDLE BRANCH BLOCK",
        "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK", "NONSPECIFIC INTRAVENTRICULAR BLOCK",
        "ABNORMAL LEFT AXIS DEVIATION", "ABNORMAL RIGHT AXIS DEVIATION", _VOLTAGE,
        "LEFT VENTRICULAR HYPERTROPHY", "VENTRICULAR-PACED RHYTHM", "ATRIAL-PACED RHYTHM",
        "AV DUAL-PACED RHYTHM",
    }
)  # fmt: skip
"""Those of them that are another name, or a degree, of what they say as well: one thing. Infarcts,
injuries and ventricular tachycardia are more than that, and keep a line of their own."""

COMBINATIONS: Mapping[str, tuple[str, str]] = {
    "PREMATURE VENTRICULAR AND FUSION COMPLEXES": (
        "PREMATURE VENTRICULAR COMPLEXES", "FUSION COMPLEXES",
    ),
    "RBBB AND LEFT ANTERIOR FASCICULAR BLOCK": (
        "RIGHT BUNDLE BRANCH BLOCK", "LEFT ANTERIOR FASCICULAR BLOCK",
    ),
    "RBBB AND LEFT POSTERIOR FASCICULAR BLOCK": (
        "RIGHT BUNDLE BRANCH BLOCK", "LEFT POSTERIOR FASCICULAR BLOCK",
    ),
    "WITH QRS WIDENING AND REPOLARIZATION ABNORMALITY": (
        "WITH QRS WIDENING", "WITH REPOLARIZATION ABNORMALITY",
    ),
    "BIVENTRICULAR HYPERTROPHY": (
        "LEFT VENTRICULAR HYPERTROPHY", "RIGHT VENTRICULAR HYPERTROPHY",
    ),
    "BIATRIAL ENLARGEMENT": ("LEFT ATRIAL ENLARGEMENT", "RIGHT ATRIAL ENLARGEMENT"),
    "NONSPECIFIC ST AND T WAVE ABNORMALITY": (
        "NONSPECIFIC ST ABNORMALITY", "NONSPECIFIC T WAVE ABNORMALITY",
    ),
}  # fmt: skip
"""One name for two things that have names of their own."""


def for_reading(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Return the present statements, one line for one thing.

    What another present statement says as well is left out. A merely possible statement takes
    nothing away from a certain one: where it is a degree or another name of it
    (:data:`DEGREES`), it stands in the line of the certain one, as
    :attr:`~ecgfoundry.criteria.Statement.possibly`; where it is two things of which one is certain
    (:data:`COMBINATIONS`), these two stand for it, each as sure as it is.
    """
    present = _without_combinations([one for one in statements if one.present])
    certain = {one.name for one in present if not one.possible}
    said = {
        name
        for one in present
        for name in SAYS_AS_WELL.get(one.name, ())
        if one.name in certain or name not in certain
    }
    shown = [one for one in present if one.name not in said]
    lines = {one.name: one for one in shown if one.name in certain}
    degrees: dict[str, list[str]] = {}
    for one in shown:
        line = _line_of(one, lines) if one.possible else None
        if line is not None:
            degrees.setdefault(line, []).append(one.name)
    folded = {name for names in degrees.values() for name in names}
    return tuple(
        replace(one, possibly=tuple(degrees[one.name])) if one.name in degrees else one
        for one in shown
        if one.name not in folded
    )


def _line_of(one: Statement, lines: Mapping[str, Statement]) -> str | None:
    """Return the certain statement in whose line a possible one stands; None for its own line."""
    for name in SAYS_AS_WELL.get(one.name, ()):
        line = lines.get(name)
        same_code = line is not None and one.code is not None and one.code == line.code
        if line is not None and (one.name in DEGREES or same_code):
            return name
    return None


def _without_combinations(present: list[Statement]) -> list[Statement]:
    """Leave out possible combinations whose parts are all there, one of them for certain."""
    sure = {one.name: not one.possible for one in present}
    gone: set[str] = set()
    for one in present:
        parts = COMBINATIONS.get(one.name, ())
        there = bool(parts) and all(part in sure for part in parts)
        if one.possible and there and any(sure[part] for part in parts):
            others = set(SAYS_AS_WELL[one.name]) - set(parts)
            gone |= {one.name} | {name for name in others if not sure.get(name)}
    return [one for one in present if one.name not in gone]
