"""Lead names and lead algebra: what the leads are called and how they depend on each other.

The frontal-plane leads are linear functions of I and II (Einthoven 1912, Goldberger 1942)::

    III = II - I          aVR = -(I + II)/2
    aVL = I - II/2        aVF = II - I/2

so any two of the six that are not the same axis give the other four. The projection onto any axis
of the frontal plane is ``L(t) = I cos t + ((2 II - I)/sqrt(3)) sin t``, t in degrees clockwise
from lead I (the usual hexaxial convention, aVF at +90 degrees), with Einthoven's amplitudes: the
augmented leads are the projection times sqrt(3)/2.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import LeadError

__all__ = [
    "FRONTAL_AXES_DEGREES",
    "LIMB_LEADS",
    "PRECORDIAL_LEADS",
    "STANDARD_12_LEADS",
    "UNNAMED_ECG",
    "canonical_lead",
    "complete_limb_leads",
    "is_standard_lead",
    "limb_disagreement",
    "normalize_lead_names",
    "project_frontal",
]

LIMB_LEADS: tuple[str, ...] = ("I", "II", "III", "aVR", "aVL", "aVF")
PRECORDIAL_LEADS: tuple[str, ...] = ("V1", "V2", "V3", "V4", "V5", "V6")
STANDARD_12_LEADS: tuple[str, ...] = LIMB_LEADS + PRECORDIAL_LEADS

UNNAMED_ECG = "ECG"
"""The name kept for a channel that its device calls just "ECG": an ECG, of unstated lead."""

_EXTRA_LEADS = (
    # Right-sided, posterior, Frank and Holter leads, and MIT-BIH's modified limb leads. They are
    # recognised and named the same way everywhere; none is ever taken for a standard lead.
    "V7 V8 V9 V1R V2R V3R V4R V5R V6R V7R X Y Z MLI MLII MLIII MCL1 MCL6 CM5 CC5 ES AS AI NEHB"
).split()

LIMB_COEFFICIENTS: Mapping[str, tuple[float, float]] = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}
"""Each limb lead as ``a*I + b*II``."""

FRONTAL_AXES_DEGREES: Mapping[str, float] = {
    "I": 0.0,
    "II": 60.0,
    "III": 120.0,
    "aVF": 90.0,
    "aVL": -30.0,
    "aVR": -150.0,
}
"""Axis of each limb lead in the hexaxial system, degrees."""


def _build_aliases() -> dict[str, str]:
    aliases: dict[str, str] = {}
    for name in (*STANDARD_12_LEADS, *_EXTRA_LEADS, UNNAMED_ECG):
        aliases[name.upper()] = name
    for roman, digit in (("I", "1"), ("II", "2"), ("III", "3")):
        # DI/D1 as in CODE (Brazil) and in Spanish, French and Portuguese devices; L1 in older ones.
        for alias in (f"D{roman}", f"D{digit}", f"L{digit}", f"LEAD{digit}", f"L{roman}"):
            aliases[alias] = roman
    for letter in "RLF":
        for alias in (f"AV{letter}", f"VA{letter}"):
            aliases[alias] = f"aV{letter}"
    for number in range(1, 10):
        aliases[f"C{number}"] = f"V{number}"  # IEC electrode letters for the chest leads
    for axis in "XYZ":
        aliases[f"V{axis}"] = axis  # Frank leads of the PTB database
    aliases["EKG"] = UNNAMED_ECG
    aliases["ML2"] = "MLII"
    aliases["MODIFIEDLEADII"] = "MLII"
    return aliases


LEAD_ALIASES = _build_aliases()
NAME_PREFIXES = (
    "MDC_ECG_LEAD_",  # ISO/IEEE 11073, as in HL7 aECG and DICOM
    "MDC_ECG_ELEC_POTL_",  # ISO/IEEE 11073 short form of monitors
    "MDC_ECG_",
    "LEAD",
    "ECG",
    "EKG",
    "CHANNEL",
    "ABLEITUNG",
    "AFLEIDING",
    "AVLEDNING",
    "DERIVACAO",
    "DERIVACION",
    "DERIVATION",
    "DERIVAZIONE",
    "EINTHOVEN",
    "GOLDBERGER",
    "WILSON",
    "ОТВЕДЕНИЕ",
)
NAME_SURROUNDINGS = ("导联", "導聯", "誘導", "第")
"""Words for "lead" that stand before or behind the name."""


_INVERTED = re.compile(r"(?:^|[\s:])[-\u2010-\u2015\u2212](?=\S)|[-\u2010-\u2015\u2212]$")
"""An inverted lead has the other sign: "-aVR" of the Cabrera order, "ECG -aVR"; with a sign behind
it, a name is that of a negative electrode."""


def _is_difference(text: str) -> bool:
    """Whether a name is that of a difference of two leads ("I-II"), which is neither of them."""
    parts = [part.replace(" ", "") for part in text.split("-")]
    if len(parts) < 2:
        return False
    # "L-I" and "D-II" are leads I and II; a part alone that is a lead makes the rest another.
    return any(
        any(candidate in LEAD_ALIASES for candidate in _stripped(part))
        for part in parts[:-1]
        if part not in NAME_PREFIXES and part != UNNAMED_ECG
    )


@functools.lru_cache(maxsize=4096)
def canonical_lead(name: str) -> str | None:
    """Return the canonical spelling of a lead name, or None if it is not a known lead.

    Case, blanks, hyphens, a leading ``Lead``/``ECG``/``MDC_ECG_LEAD_`` in several languages and
    national spellings (``DI``, ``D2``, ``C3``) do not matter. Names that are no ECG lead (``ABP``,
    ``PLETH``) give None, and so do an electrode code such as ``MDC_ECG_LEAD_LA``, an inverted lead
    (``ECG -aVR``) and a difference of leads (``I-II``).

    Examples
    --------
    >>> canonical_lead("MDC_ECG_LEAD_AVR"), canonical_lead("DII"), canonical_lead("lead v3")
    ('aVR', 'II', 'V3')
    >>> canonical_lead("PLETH") is None
    True
    """
    # Full-width letters, the sign for the Roman number two, accents of words for "lead".
    apart = unicodedata.normalize("NFKD", name.strip().upper())
    text = "".join(letter for letter in apart if not unicodedata.combining(letter))
    if _INVERTED.search(text) or _is_difference(text):
        return None
    for separator in (" ", "-", ".", ":", *NAME_SURROUNDINGS):
        text = text.replace(separator, "")
    for candidate in _stripped(text):
        found = LEAD_ALIASES.get(candidate.replace("_", ""))
        if found is not None:
            return found
    return None


def _stripped(text: str) -> list[str]:
    """Return the text without its leading words, one word less each time ("ECGLEADV2")."""
    candidates = [text]
    while True:
        shorter = next(
            (
                text[len(prefix) :].lstrip("_")
                for prefix in NAME_PREFIXES
                if text.startswith(prefix) and len(text) > len(prefix)
            ),
            None,
        )
        if not shorter:
            return candidates
        candidates.append(shorter)
        text = shorter


def is_standard_lead(name: str) -> bool:
    """Whether ``name`` is, in canonical spelling, one of the standard twelve."""
    return name in STANDARD_12_LEADS


def normalize_lead_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with every known lead in its canonical spelling, others as they are.

    Raises
    ------
    LeadError
        A name is empty, or two channels end up with the same name.
    """
    return _normalized(tuple(str(name) for name in names))


@functools.lru_cache(maxsize=1024)  # the same names come with every window
def _normalized(names: tuple[str, ...]) -> tuple[str, ...]:
    result: list[str] = []
    for position, name in enumerate(names):
        text = name.strip()
        if not text:
            raise LeadError(
                f"channel {position} has no lead name",
                remedy="Supply the names in order, for example --leads I,II,V1 or leads=('I', ...)",
            )
        result.append(canonical_lead(text) or text)
    repeated = sorted({name for name in result if result.count(name) > 1})
    if repeated:
        raise LeadError(
            f"lead names appear more than once: {', '.join(repeated)}",
            remedy="Supply one distinct name per channel with --leads or leads=",
        )
    return tuple(result)


def complete_limb_leads(
    signals: Mapping[str, NDArray[np.floating]],
) -> dict[str, NDArray[np.float32]]:
    """Derive the limb leads that can be derived from those that are there.

    Parameters
    ----------
    signals : mapping of str to ndarray
        Present leads by canonical name, each of shape (..., samples), in one common unit. Leads
        outside the frontal plane are ignored.

    Returns
    -------
    dict
        Only the DERIVED leads, float32, same shape. Empty when fewer than two frontal leads are
        there. NaN in a source gives NaN in what is derived from it.

    Notes
    -----
    I and II are used when present, else the first two given leads in the order I, II, III, aVR,
    aVL, aVF. No averaging over redundant leads takes place: a derived lead is a function of two.
    """
    present = [lead for lead in LIMB_LEADS if lead in signals]
    missing = [lead for lead in LIMB_LEADS if lead not in signals]
    if len(present) < 2 or not missing:
        return {}
    first, second = present[0], present[1]
    (a1, b1), (a2, b2) = LIMB_COEFFICIENTS[first], LIMB_COEFFICIENTS[second]
    determinant = a1 * b2 - a2 * b1
    x = np.asarray(signals[first], dtype=np.float64)
    y = np.asarray(signals[second], dtype=np.float64)
    lead_i = (b2 * x - b1 * y) / determinant
    lead_ii = (a1 * y - a2 * x) / determinant
    return {
        lead: (LIMB_COEFFICIENTS[lead][0] * lead_i + LIMB_COEFFICIENTS[lead][1] * lead_ii).astype(
            np.float32
        )
        for lead in missing
    }


def limb_disagreement(signals: Mapping[str, NDArray[np.floating]]) -> dict[str, float]:
    """Measure how far given limb leads are from what I and II say they must be.

    Parameters
    ----------
    signals : mapping of str to ndarray
        Leads by canonical name, each (samples,), unscaled (a common gain).

    Returns
    -------
    dict
        For each given lead beyond I and II: the mean absolute difference from its derivation
        (medians removed), divided by the larger mean absolute value of the two: 0 is perfect
        agreement, about 1 or more an unrelated (misnamed, swapped, rescaled) lead. Empty when I
        or II is not there.
    """
    if "I" not in signals or "II" not in signals:
        return {}
    derived = complete_limb_leads({lead: signals[lead] for lead in ("I", "II")})
    result: dict[str, float] = {}
    for lead, expected in derived.items():
        if lead not in signals:
            continue
        given = np.asarray(signals[lead], dtype=np.float64)
        both = np.isfinite(given) & np.isfinite(expected)
        if not both.any():
            continue
        # Offsets differ with the filtering of each channel and do not matter.
        given, wanted = given[both], expected[both].astype(np.float64)
        given, wanted = given - np.median(given), wanted - np.median(wanted)
        difference = given - wanted
        scale = max(float(np.mean(np.abs(given))), float(np.mean(np.abs(wanted))), 1e-9)
        result[lead] = float(np.mean(np.abs(difference)) / scale)
    return result


def project_frontal(
    lead_i: NDArray[np.floating], lead_ii: NDArray[np.floating], angle_degrees: float
) -> NDArray[np.float32]:
    """Project the frontal plane onto an axis: ``I cos t + ((2 II - I)/sqrt(3)) sin t``.

    Parameters
    ----------
    lead_i, lead_ii : ndarray (..., samples)
        UNSCALED leads (in mV, or any one common gain). Leads that were z-scored one by one must
        get their scales back first.
    angle_degrees : float
        Axis, degrees clockwise from lead I.

    Returns
    -------
    ndarray, float32, same shape
        At 0 it is I, at 60 II, at 120 III; at 90, -30 and -150 it is aVF, aVL and aVR times
        2/sqrt(3).
    """
    t = math.radians(angle_degrees)
    first = np.asarray(lead_i, dtype=np.float64)
    second = np.asarray(lead_ii, dtype=np.float64)
    projected = first * math.cos(t) + (2.0 * second - first) / math.sqrt(3.0) * math.sin(t)
    return projected.astype(np.float32)
