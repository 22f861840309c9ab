"""Which channels of a file are ECG leads: decided from their names and units, never by position."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ecgfoundry.errors import UnitError
from ecgfoundry.leads import canonical_lead
from ecgfoundry.recording import millivolts_per_unit

__all__ = ["channel_kinds", "is_voltage", "known_non_ecg_kind"]

_PPG_WORDS = frozenset({"PLETH", "PLETHYSMOGRAM", "PPG", "SPO2", "SAO2", "OXIMETER"})
_RESPIRATION_WORDS = frozenset(
    {"RESP", "RESPIRATION", "CO2", "ETCO2", "AIRFLOW", "NASAL", "IMPEDANCE"}
    | {"THORAX", "THORACIC", "ABDOMEN", "ABDOMINAL"}
)
_OTHER_WORDS = frozenset(
    # Pressures as PhysioNet's data sets and bedside monitors name them, other biosignals,
    # numerics, and technical channels.
    {"ABP", "ART", "BP", "NBP", "NBPSYS", "NBPDIAS", "NBPMEAN", "CVP", "PAP", "ICP", "LAP", "RAP"}
    | {"UAP", "UVP", "PCWP", "PRESSURE"}
    | {"EEG", "EMG", "EOG", "PCG", "SCG", "BCG", "GSR", "EDA", "ACC", "ACCELEROMETER"}
    | {"TEMP", "TEMPERATURE", "HR", "PULSE", "RATE"}
    | {"MARKER", "EVENT", "EVENTS", "TRIGGER", "STIM", "STATUS", "SYNC", "TIME"}
)
_EEG_ELECTRODES = frozenset(
    # International 10-20 system. C3 and C4 are left out: they are also the IEC letters of V3 and
    # V4, so they count as EEG only beside an electrode that cannot be anything else.
    {"FP1", "FP2", "FPZ", "F3", "F4", "F7", "F8", "FZ", "CZ", "P3", "P4", "P7", "P8", "PZ"}
    | {"O1", "O2", "OZ", "T3", "T4", "T5", "T6"}
)
_AMBIGUOUS_EEG_ELECTRODES = frozenset({"C3", "C4"})


def is_voltage(unit: str | None) -> bool:
    """Whether ``unit`` is a voltage that :func:`millivolts_per_unit` knows."""
    try:
        millivolts_per_unit(unit)
    except UnitError:
        return False
    return True


def known_non_ecg_kind(name: str) -> str | None:
    """Return "ppg", "respiration" or "other" if the name is clearly no ECG, else None.

    Examples
    --------
    >>> known_non_ecg_kind("PLETH"), known_non_ecg_kind("Resp (sum)"), known_non_ecg_kind("MLII")
    ('ppg', 'respiration', None)
    """
    words = set(re.split(r"[^A-Z0-9]+", name.upper()))
    if words & _PPG_WORDS:
        return "ppg"
    if words & _RESPIRATION_WORDS:
        return "respiration"
    if words & _OTHER_WORDS or name.strip().upper() in _EEG_ELECTRODES:
        return "other"
    return None


def channel_kinds(names: Sequence[str], units: Sequence[str | None]) -> list[str]:
    """Return the kind of every channel: "ecg", "ppg", "respiration" or "other".

    Parameters
    ----------
    names, units : sequences of the same length
        As the file states them. A channel in a voltage whose name is no known lead and no known
        other signal is taken for an ECG lead under its own name ("ECG" in CinC 2017, "sig 0").
        Any other unit makes it something else, whatever its name.

    Returns
    -------
    list of str
    """
    voltages = {unit: is_voltage(unit) for unit in set(units)}
    has_eeg = any(name.strip().upper() in _EEG_ELECTRODES for name in names)
    kinds = []
    for name, unit in zip(names, units, strict=True):
        kind = known_non_ecg_kind(name) if canonical_lead(name) is None else None
        if has_eeg and name.strip().upper() in _AMBIGUOUS_EEG_ELECTRODES:
            kind = "other"
        if kind is None:
            kind = "ecg" if voltages[unit] else "other"
        kinds.append(kind)
    return kinds
