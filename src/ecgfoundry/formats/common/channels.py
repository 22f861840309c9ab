"""Which channels of a file are ECG leads: by their label, their unit and their company.

Never by position. A label alone does not do: C1 to C9, D1 to D3, L1 to L3 are spellings of V1 to V9
and I to III in some countries and contacts of EEG caps and depth electrodes everywhere, and X, Y, Z
are Frank leads or the axes of an accelerometer. Such labels count only beside leads that are named
beyond doubt, and not beside electrodes of an EEG.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgfoundry.errors import EcgFoundryError, LeadError, UnitError
from ecgfoundry.leads import STANDARD_12_LEADS, canonical_lead
from ecgfoundry.units import millivolts_per_unit

__all__ = [
    "are_ecg_leads",
    "channel_kinds",
    "distinct_names",
    "is_voltage",
    "known_non_ecg_kind",
    "lead_label",
    "no_lead_error",
    "renamed_leads",
    "says_ecg",
]

_PPG_WORDS = frozenset({"PLETH", "PLETHYSMOGRAM", "PPG", "SPO2", "SAO2", "OXIMETER"})
_RESPIRATION_WORDS = frozenset(
    {"RESP", "RESPIRATION", "CO2", "ETCO2", "AIRFLOW", "NASAL", "IMPEDANCE"}
    | {"THORAX", "THORACIC", "ABDOMEN", "ABDOMINAL"}
)
_EEG_WORDS = frozenset({"EEG", "SEEG", "IEEG", "ECOG", "POL"})  # POL: exports of Nihon Kohden
_OTHER_WORDS = _EEG_WORDS | frozenset(
    # Pressures as PhysioNet's data sets and bedside monitors name them, other biosignals,
    # numerics, and technical channels.
    {"ABP", "ART", "BP", "NBP", "NBPSYS", "NBPDIAS", "NBPMEAN", "CVP", "PAP", "ICP", "LAP", "RAP"}
    | {"UAP", "UVP", "PCWP", "PRESSURE"}
    | {"EMG", "EOG", "PCG", "SCG", "BCG", "GSR", "EDA"}
    | {"TEMP", "TEMPERATURE", "HR", "PULSE", "RATE"}
    | {"MARKER", "EVENT", "EVENTS", "TRIGGER", "STIM", "STATUS", "SYNC", "TIME"}
)
_MOTION = re.compile(r"^(?:ACC|ACCEL|ACCELEROMETER|GYR|GYRO|GYROSCOPE|MAGN)[XYZ]?\d?$")
_ELECTRODE = re.compile(
    # The 10-20 system and its 10-10 extension. C1 to C6 and T1, T2 are left out: they alone prove
    # nothing, being also letters of IEC for V1 to V6 and names of temperatures.
    r"^(?:FP[1-9Z]|AF[1-9Z]|AF10|F[1-9Z]|F10|F[TC][1-9Z]|F[TC]10|CZ|T[3-9]|T10|[TC]P[1-9Z]|TP10|"
    r"P[1-9Z]|P10|PO[1-9Z]|O[12Z])$"
)
_REFERENCES = frozenset({"REF", "LE", "AR", "AVG", "AV", "A1", "A2", "M1", "M2", "CZ"})
_AMBIGUOUS = re.compile(r"^(?:C[1-9]|[DL][123]|[XYZ])$")
_AXES = frozenset("XYZ")
_CONTACT = re.compile(r"^([A-Z]{1,3})'?(\d{1,3})$")
_NO_CONTACT = frozenset({"V", "CH", "ECG", "EKG", "SIG", "E", "AUX"})
_HIGHEST_LEAD = {"C": 9, "D": 3, "L": 3}
_CONTACTS = 4
"""So many numbers behind one letter are contacts of an electrode, not leads (our choice)."""
_FRANK_COMPANY = 6
"""X, Y and Z are recorded as Frank leads beside a resting ECG, which has eight independent leads;
beside one to three leads they are a recorder's accelerometer (our choice)."""
_ECG_WORD = re.compile(r"(?<![A-Z])E[CK]G(?![A-Z]{3})", re.IGNORECASE)
_EXPORT_PREFIX = re.compile(r"^(?:POL|EEG)\s+(?=E[CK]G)", re.IGNORECASE)


def is_voltage(unit: str | None) -> bool:
    """Whether ``unit`` is a voltage that :func:`millivolts_per_unit` knows."""
    try:
        millivolts_per_unit(unit)
    except UnitError:
        return False
    return True


def lead_label(name: str) -> str:
    """Return a label without what the export of an EEG recorder puts before it.

    Examples
    --------
    >>> lead_label("POL EKG"), lead_label("EEG EKG1-REF"), lead_label("EEG Fp1")
    ('EKG', 'EKG1-REF', 'EEG Fp1')
    """
    return _EXPORT_PREFIX.sub("", name.strip())


def says_ecg(name: str) -> bool:
    """Whether a label is a known lead, or says that it is an ECG of an unstated lead.

    Examples
    --------
    >>> [says_ecg(name) for name in ("ECG 1", "EKG1-EKG2", "POL EKG", "aVR", "ECG Rate", "EEG")]
    [True, True, True, True, False, False]
    """
    label = lead_label(name)
    if canonical_lead(label) is not None:
        return True
    return _ECG_WORD.search(label) is not None and known_non_ecg_kind(label) is None


def known_non_ecg_kind(name: str) -> str | None:
    """Return "ppg", "respiration" or "other" if the name is clearly no ECG, else None.

    Examples
    --------
    >>> known_non_ecg_kind("PLETH"), known_non_ecg_kind("Resp (sum)"), known_non_ecg_kind("MLII")
    ('ppg', 'respiration', None)
    """
    words = _words(lead_label(name))
    if words & _PPG_WORDS:
        return "ppg"
    if words & _RESPIRATION_WORDS:
        return "respiration"
    if words & _OTHER_WORDS or any(map(_MOTION.match, words)) or _is_electrode(name):
        return "other"
    return None


def are_ecg_leads(names: Sequence[str]) -> bool:
    """Whether rows of these names are meant to be an ECG: not all of them are something else.

    Examples
    --------
    >>> are_ecg_leads(["I", "II"]), are_ecg_leads(["PPG"]), are_ecg_leads([])
    (True, False, False)
    """
    return any(known_non_ecg_kind(name) is None for name in names)


def channel_kinds(
    names: Sequence[str],
    units: Sequence[str | None],
    *,
    by_caller: bool = False,
    unknown_is_ecg: bool = True,
) -> list[str]:
    """Return the kind of every channel: "ecg", "ppg", "respiration" or "other".

    Parameters
    ----------
    names, units : sequences of the same length
        As the file states them. Any unit but a voltage makes a channel something else, whatever
        its name.
    by_caller : bool
        The names are those of the caller, who knows what C1 is: the company is not asked.
    unknown_is_ecg : bool
        Whether a voltage whose name is no known lead and no known other signal is an ECG lead
        under its own name ("sig 0"). Not among electrodes of an EEG.

    Returns
    -------
    list of str
    """
    voltages = {unit: is_voltage(unit) for unit in set(units)}
    company = _Company.of([name for name, unit in zip(names, units, strict=True) if voltages[unit]])
    kinds = []
    for name, unit in zip(names, units, strict=True):
        label = lead_label(name)
        known = canonical_lead(label) is not None
        if known:
            is_lead = by_caller or not _is_ambiguous(label) or company.supports(label)
        elif says_ecg(name):
            is_lead = True
        else:
            is_lead = unknown_is_ecg and known_non_ecg_kind(name) is None
            is_lead = is_lead and not company.is_electrode(label)
        if is_lead and voltages[unit]:
            kinds.append("ecg")
        else:
            kinds.append((None if known else known_non_ecg_kind(name)) or "other")
    return kinds


def no_lead_error(
    names: Sequence[str], units: Sequence[str | None], path: Path, *, what: str = "file"
) -> EcgFoundryError:
    """Return the error of a file without an ECG lead, with the reason that is meant.

    A channel that is named as a lead and has no unit, or one that cannot be read, is named with it.
    """
    for name, unit in zip(names, units, strict=True):
        label = lead_label(name)
        if says_ecg(name) and not _is_ambiguous(label) and not is_voltage(unit):
            state = f"'{unit}', which is not a voltage that is known here" if unit else "missing"
            return UnitError(
                f"'{name}' is named as an ECG lead, but its unit is {state}",
                path=path,
                remedy="Supply it, for example --unit mV, --unit uV or unit='mV'",
            )
    listed = ", ".join(
        f"{name} in {unit}" if unit else name for name, unit in zip(names, units, strict=True)
    )
    return LeadError(
        f"the {what} has no ECG lead among its channels ({listed[:200]})",
        path=path,
        remedy="If they are ECG, name all channels in order with --leads or leads=, and give the "
        "unit with --unit or unit= where it is not stated",
    )


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return the names with repeated ones numbered, in the order of the channels.

    Examples
    --------
    >>> distinct_names(["ECG", "II", "ekg", "Lead II", "ECG 2"])
    ['ECG', 'II', 'ekg 3', 'Lead II 2', 'ECG 2']
    """
    taken = {_key(name) for name in names}
    seen: set[str] = set()
    result = []
    for name in names:
        key, chosen, number = _key(name), name, 2
        while key in seen or (chosen is not name and key in taken):
            chosen = f"{name} {number}"
            key, number = _key(chosen), number + 1
        seen.add(key)
        result.append(chosen)
    return result


def renamed_leads(names: Sequence[str], labels: Sequence[str]) -> str | None:
    """Say which leads are called otherwise than in the file because a name was taken.

    Parameters
    ----------
    names : sequence of str
        Of the leads, from :func:`distinct_names`.
    labels : sequence of str
        What the file calls each of them; may be empty.
    """
    renamed = [
        f"{name} ('{label}' in the file)"
        for name, label in zip(names, labels, strict=True)
        if label and name.startswith(f"{lead_label(label)} ")
    ]
    return ", ".join(renamed) or None


def _key(name: str) -> str:
    """Return what two names of one lead have in common."""
    base, _, number = name.rpartition(" ")
    if number.isdecimal() and base:
        return f"{canonical_lead(base) or base.strip()} {number}"
    return canonical_lead(name) or name.strip()


@dataclass(frozen=True, slots=True)
class _Company:
    """What the channels of a file in volts say about each other."""

    clear_leads: int
    has_eeg: bool
    contacts: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[str]) -> _Company:
        """Look at the channels of a file that are in volts."""
        labels = [lead_label(name) for name in names]
        clear = {
            lead
            for label in labels
            if not _is_ambiguous(label) and (lead := canonical_lead(label)) in STANDARD_12_LEADS
        }
        eeg = any(_is_electrode(label) or _words(label) & _EEG_WORDS for label in labels)
        return cls(len(clear), eeg, _contact_stems(labels))

    def supports(self, label: str) -> bool:
        """Whether a label that also means something else is a lead in this company."""
        if self.has_eeg or self.contacts:
            return False
        if label.strip().upper() in _AXES:
            return self.clear_leads >= _FRANK_COMPANY
        return self.clear_leads >= 1

    def is_electrode(self, label: str) -> bool:
        """Whether a label that is no lead is an electrode here."""
        match = _CONTACT.match(label.strip().upper())
        return self.has_eeg or (match is not None and match[1] in self.contacts)


def _contact_stems(labels: Sequence[str]) -> frozenset[str]:
    numbers: dict[str, set[int]] = {}
    for label in labels:
        match = _CONTACT.match(label.strip().upper())
        if match is not None and match[1] not in _NO_CONTACT:
            numbers.setdefault(match[1], set()).add(int(match[2]))
    return frozenset(
        stem
        for stem, found in numbers.items()
        if (max(found) > _HIGHEST_LEAD[stem] if stem in _HIGHEST_LEAD else len(found) >= _CONTACTS)
    )


def _is_ambiguous(label: str) -> bool:
    return _AMBIGUOUS.match(label.strip().upper()) is not None


def _is_electrode(name: str) -> bool:
    """Whether a label is an electrode of the 10-20 system, or a pair of them ("FP1-F7")."""
    words = _words(name) - _EEG_WORDS
    return any(map(_ELECTRODE.match, words)) and all(
        _ELECTRODE.match(word) or word in _REFERENCES or _AMBIGUOUS.match(word) for word in words
    )


def _words(name: str) -> set[str]:
    return {word for word in re.split(r"[^A-Z0-9]+", name.upper()) if word}
