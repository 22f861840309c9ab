"""Codes with the terminologies' own words, for what is sent to other systems.

Tables for measurements (LOINC, UCUM, MDC), those of one lead and the leads (MDC), and statements
(SNOMED CT). FHIR, HL7 v2 and
DICOM reports take their codes from here and from nowhere else.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = [
    "Coding",
    "LeadCodes",
    "MeasurementCodes",
    "lead_codes",
    "lead_measurement_codes",
    "measurement_codes",
    "snomed_coding",
    "ucum_unit",
]

_UCUM = {
    "/min": "/min",
    "bpm": "/min",
    "ms": "ms",
    "s": "s",
    "deg": "deg",
    "mV": "mV",
    "mV ms": "mV.ms",
    "mV/s": "mV/s",
    "ms2": "ms2",
    "dB": "dB",
    "%": "%",
    "1": "1",
    "count": "1",
}


@dataclass(frozen=True, slots=True)
class Coding:
    """One code of one terminology; ``display`` is empty where the terminology's is not known."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class MeasurementCodes:
    """How the terminologies name one measurement.

    Attributes
    ----------
    name : str
        As in :data:`ecgfoundry.measurements.values.GLOBAL_VALUES`.
    what : str
        In our words.
    loinc : tuple of Coding
        The most exact first; empty where LOINC has none that is certain.
    ucum : str
    mdc : Coding
        ISO/IEEE 11073-10102, as DICOM uses it.
    """

    name: str
    what: str
    loinc: tuple[Coding, ...]
    ucum: str
    mdc: Coding


@cache
def measurement_codes() -> Mapping[str, MeasurementCodes]:
    """Return the codes of every measurement that is sent, by its name, in the order of a report."""
    result = {}
    for row in _rows("measurements.csv"):
        loinc = tuple(
            Coding("LOINC", row[f"{kind}loinc"], row[display])
            for kind, display in (("", "loinc_display"), ("general_", "general_display"))
            if row[f"{kind}loinc"]
        )
        result[row["name"]] = MeasurementCodes(
            row["name"],
            row["what"],
            loinc,
            row["ucum"],
            Coding("MDC", row["mdc"], row["mdc_meaning"]),
        )
    return result


@dataclass(frozen=True, slots=True)
class LeadCodes:
    """How DICOM names what is measured in one lead; ``below``: of a value below zero."""

    name: str
    ucum: str
    above: Coding
    below: Coding


@cache
def lead_measurement_codes() -> tuple[LeadCodes, ...]:
    """Return those of :data:`ecgfoundry.measurements.values.LEAD_VALUES` that DICOM has."""
    return tuple(
        LeadCodes(
            row["name"],
            row["ucum"],
            Coding("MDC", row["mdc"], row["mdc_meaning"]),
            Coding(
                "MDC", row["below_mdc"] or row["mdc"], row["below_meaning"] or row["mdc_meaning"]
            ),
        )
        for row in _rows("lead-measurements.csv")
    )


@cache
def lead_codes() -> Mapping[str, Coding]:
    """Return the codes of the standard leads, by our names."""
    return {
        row["lead"]: Coding("MDC", row["mdc"], row["mdc_meaning"]) for row in _rows("leads.csv")
    }


def snomed_coding(code: str | None) -> Coding | None:
    """Return what may be sent for a SNOMED CT code; None: nothing, the statement is a text.

    Examples
    --------
    >>> snomed_coding("426783006")
    Coding(system='SNOMED CT', code='426783006', display='Electrocardiogram: sinus rhythm')
    >>> snomed_coding("418818005") is None  # the syndrome, which no ECG shows
    True
    """
    if not code:
        return None
    row = _snomed().get(code)
    if row is None:
        return Coding("SNOMED CT", code)
    return None if row["withheld"] else Coding("SNOMED CT", code, row["display"])


def ucum_unit(unit: str | None) -> str | None:
    """Return our unit as UCUM writes it, or as it stands (units of models are UCUM already).

    Examples
    --------
    >>> ucum_unit("mV ms"), ucum_unit("mmol/L"), ucum_unit("")
    ('mV.ms', 'mmol/L', None)
    """
    return _UCUM.get(unit, unit) if unit else None


@cache
def _snomed() -> Mapping[str, Mapping[str, str]]:
    return {row["code"]: row for row in _rows("snomed-ct.csv")}


def _rows(name: str) -> list[dict[str, str]]:
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
