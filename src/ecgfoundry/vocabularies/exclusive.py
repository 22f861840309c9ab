"""Rhythms that cannot be true together, and which of them a network claims.

The one place for it: contradictions of statements, findings, live streams and exports all use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

__all__ = ["ALIASES", "EXCLUSIVE_RHYTHMS", "exclusive_targets", "withheld"]

ALIASES: Mapping[str, str] = {
    "atrial fibrillation": "ATRIAL FIBRILLATION",
    "AF": "ATRIAL FIBRILLATION",
    "1AVB": "WITH 1ST DEGREE AV BLOCK",
    "1dAVb": "WITH 1ST DEGREE AV BLOCK",
    "RBBB": "RIGHT BUNDLE BRANCH BLOCK",
    "LBBB": "LEFT BUNDLE BRANCH BLOCK",
    "SB": "SINUS BRADYCARDIA",
    "ST": "SINUS TACHYCARDIA",
    # cinc2017-rhythm: "Normal sinus rhythm", SNOMED CT 426783006
    "normal": "NORMAL SINUS RHYTHM",
    # ecg-fm-17
    "Sinus rhythm": "SINUS RHYTHM",
    "Premature ventricular contraction": "PREMATURE VENTRICULAR COMPLEXES",
    "Ventricular tachycardia": "VENTRICULAR TACHYCARDIA",
    "Atrial fibrillation": "ATRIAL FIBRILLATION",
    "Atrial flutter": "ATRIAL FLUTTER",
    "1st degree atrioventricular block": "WITH 1ST DEGREE AV BLOCK",
    "Bifascicular block": "BIFASCICULAR BLOCK",
    "Right bundle branch block": "RIGHT BUNDLE BRANCH BLOCK",
    "Left bundle branch block": "LEFT BUNDLE BRANCH BLOCK",
    # scp-ecg
    "SR": "SINUS RHYTHM",
    "AFIB": "ATRIAL FIBRILLATION",
    "AFLT": "ATRIAL FLUTTER",
    "STACH": "SINUS TACHYCARDIA",
    "SBRAD": "SINUS BRADYCARDIA",
    "SARRH": "WITH SINUS ARRHYTHMIA",
    "SVTAC": "SUPRAVENTRICULAR TACHYCARDIA",
    "PVC": "PREMATURE VENTRICULAR COMPLEXES",
    "PAC": "PREMATURE ATRIAL COMPLEXES",
    "BIGU": "IN A PATTERN OF BIGEMINY",
    "3AVB": "WITH COMPLETE HEART BLOCK",
    "LPR": "WITH PROLONGED AV CONDUCTION",
    "CRBBB": "RIGHT BUNDLE BRANCH BLOCK",
    "CLBBB": "LEFT BUNDLE BRANCH BLOCK",
    "IRBBB": "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK",
    "LAFB": "LEFT ANTERIOR FASCICULAR BLOCK",
    "LPFB": "LEFT POSTERIOR FASCICULAR BLOCK",
    "LVH": "LEFT VENTRICULAR HYPERTROPHY",
    "RVH": "RIGHT VENTRICULAR HYPERTROPHY",
    "VCLVH": "VOLTAGE CRITERIA FOR LEFT VENTRICULAR HYPERTROPHY",
    "LAO/LAE": "LEFT ATRIAL ENLARGEMENT",
    "RAO/RAE": "RIGHT ATRIAL ENLARGEMENT",
    "IMI": "INFERIOR INFARCT",
    "AMI": "ANTERIOR INFARCT",
    "ASMI": "ANTEROSEPTAL INFARCT",
    "ALMI": "ANTEROLATERAL INFARCT",
    "LMI": "LATERAL INFARCT",
    "PMI": "POSTERIOR INFARCT",
    "IPMI": "INFERIOR-POSTERIOR INFARCT",
    "LNGQT": "PROLONGED QT",
    "INVT": "T WAVE INVERSION",
}
"""Targets of other vocabularies that are statements under another name; the rest of those
vocabularies, and the superclasses of PTB-XL, have no statement that means the same."""

_ORIGINS = (
    "ATRIAL FIBRILLATION",
    "ATRIAL FLUTTER",
    "ECTOPIC ATRIAL RHYTHM",
    "JUNCTIONAL RHYTHM",
    "JUNCTIONAL BRADYCARDIA",
    "SUPRAVENTRICULAR TACHYCARDIA",
    "IDIOVENTRICULAR RHYTHM",
    "WIDE QRS RHYTHM",
    "WIDE QRS TACHYCARDIA",
)

EXCLUSIVE_RHYTHMS: tuple[tuple[str, ...], ...] = (
    ("SINUS RHYTHM", *_ORIGINS),
    ("NORMAL SINUS RHYTHM", "SINUS BRADYCARDIA", "SINUS TACHYCARDIA", *_ORIGINS),
    ("WITH SINUS ARRHYTHMIA", *_ORIGINS),
    ("WITH MARKED SINUS ARRHYTHMIA", *_ORIGINS),
)
"""Sets of which one member at most is true. Sinus rhythm is the origin, tachycardia its rate, and
arrhythmia its evenness: each can be true beside the others, and none beside another origin."""


@lru_cache(maxsize=64)
def exclusive_targets(names: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the positions of targets, under any of their names, of which one at most is true."""
    known = [ALIASES.get(name, name) for name in names]
    groups = (
        tuple(k for k, name in enumerate(known) if name in group) for group in EXCLUSIVE_RHYTHMS
    )
    return tuple(group for group in groups if len(group) > 1)


def withheld(
    names: tuple[str, ...], probabilities: Sequence[float], reached: Sequence[bool | None]
) -> dict[int, int]:
    """Return the claims that are not made: a more probable rhythm is claimed that excludes them.

    Parameters
    ----------
    names : tuple of str
        Targets of one network.
    probabilities : sequence of float
    reached : sequence of (bool or None)
        Whether each is at or above its threshold; None where it has none.

    Returns
    -------
    dict
        Position of a claim -> position of the rhythm that is claimed instead; of two that are
        equally probable the first is.
    """
    groups = exclusive_targets(names)
    rhythms = {k for group in groups for k in group if reached[k]}
    made: list[int] = []
    result: dict[int, int] = {}
    for k in sorted(rhythms, key=lambda k: (-probabilities[k], k)):
        against = [j for j in made if any(k in group and j in group for group in groups)]
        if against:
            result[k] = against[0]
        else:
            made.append(k)
    return result
