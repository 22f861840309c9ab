"""An interpretation as FHIR R4: a Bundle with a DiagnosticReport and its Observations.

Nothing that a model says is a confirmed result, so every status is ``preliminary``; a refused
recording is ``cancelled`` with the reason. Only code systems with an official address are used
(SNOMED CT, LOINC, UCUM and HL7's own); a target without such a code has a text. Our own words
stand in ``text``; a ``display`` is written only where it is known to be the terminology's own.

What a model estimates about a laboratory value is no measurement of blood: it has a category and
a method of its own, and its code is a text, never the LOINC code of the measurement.

With the recording, the answer says whose it is and when it was taken, as far as the file states
it, and what the recording device itself measured and stated, marked as the device's.

References: HL7 FHIR R4 (4.0.1), DiagnosticReport and Observation; LOINC 11524-6 "EKG study". The
use of components for probability, threshold, burden and limits is ours.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

from ecgfoundry._version import __version__
from ecgfoundry.formats.common.measurements import MEASUREMENTS, STATEMENTS_KEY, device_measurements
from ecgfoundry.inference.interpretation import Finding, Interpretation
from ecgfoundry.recording import Recording
from ecgfoundry.reports.wording import device_name, person_text, printable, start_text
from ecgfoundry.signals.quality import Notice

__all__ = ["to_fhir"]

_SYSTEMS = {"SNOMED CT": "http://snomed.info/sct", "LOINC": "http://loinc.org"}
_UCUM = "http://unitsofmeasure.org"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_NAMESPACE = uuid.UUID("8a8f5f0e-6c1f-5d0b-9a4e-0d5a1c6b7e21")  # ours, for stable identifiers
_LABORATORY = "laboratory indicator"
_MEASUREMENT_CODES = {
    "heart_rate_bpm": "8867-4",
    "pr_ms": "8625-6",
    "qrs_ms": "8633-0",
    "qt_ms": "8634-8",
    "qtc_ms": "8636-3",
    "p_axis_deg": "8626-4",
    "qrs_axis_deg": "8632-2",
    "t_axis_deg": "8638-9",
}
"""LOINC codes of what devices measure."""
_MEASUREMENT_UNITS = {"bpm": "/min", "ms": "ms", "deg": "deg", "count": "1"}
"""The last part of a key of ``MEASUREMENTS`` -> UCUM."""
DISCLAIMER = "Automatic and unconfirmed. Not a medical device; for research only."


def to_fhir(
    interpretation: Interpretation,
    *,
    issued: dt.datetime,
    effective: dt.datetime | None = None,
    subject: str | None = None,
    recording: Recording | None = None,
) -> dict[str, Any]:
    """Return a FHIR R4 Bundle of type ``collection``.

    Parameters
    ----------
    interpretation : Interpretation
    issued : datetime
        When the answer was made; with a time zone.
    effective : datetime, optional
        Start of the recording. Without a time zone it is given as a date, because FHIR times
        need one and it must not be guessed.
    subject : str, optional
        Reference to the patient, as ``Patient/123``.
    recording : Recording, optional
        What was interpreted, or its beginning: gives identifier, age and sex of the person, the
        start (unless ``effective`` does) and what the device stated.

    Returns
    -------
    dict
        JSON-ready. Identifiers are a function of the answer, so the same answer has the same ones.

    Raises
    ------
    ValueError
        ``issued`` has no time zone.
    """
    if issued.tzinfo is None:
        raise ValueError("the time of issue needs a time zone")
    key = json.dumps(interpretation.to_dict(), sort_keys=True) + (subject or "")
    if recording is not None:
        key += f"\n{recording.subject.identifier}\n{recording.start_time}"
    common: dict[str, Any] = {}
    if person := _subject(subject, recording):
        common["subject"] = person
    if effective is None and recording is not None:
        effective = recording.start_time
    if effective is not None:
        common["effectiveDateTime"] = _time(effective)
    device = _device(interpretation, key)
    observations = [
        _observation(finding, interpretation, common, device["id"], key, index)
        for index, finding in enumerate(interpretation.findings)
    ]
    devices = [device]
    if recording is not None and (stated := _stated(recording, common, key)):
        devices.append(_recorder(recording, key))
        observations += stated
    report = _report(interpretation, common, observations, issued, key, recording)
    return {
        "resourceType": "Bundle",
        "id": _identifier(key, "bundle"),
        "type": "collection",
        "timestamp": issued.isoformat(timespec="seconds"),
        "entry": [
            {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}
            for resource in (report, *devices, *observations)
        ],
    }


def _identifier(key: str, what: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{what}\n{key}"))


def _time(value: dt.datetime) -> str:
    return value.date().isoformat() if value.tzinfo is None else value.isoformat(timespec="seconds")


def _concept(text: str, *codings: tuple[str, str, str]) -> dict[str, Any]:
    result: dict[str, Any] = {"text": text}
    if codings:
        result["coding"] = [
            {"system": system, "code": code} | ({"display": display} if display else {})
            for system, code, display in codings
        ]
    return result


def _quantity(value: float, unit: str | None) -> dict[str, Any]:
    result: dict[str, Any] = {"value": round(float(value), 6)}
    if unit is not None:
        result |= {"unit": unit, "system": _UCUM, "code": unit}
    return result


def _narrative(lines: list[str]) -> dict[str, str]:
    from html import escape

    body = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>',
    }


def _subject(reference: str | None, recording: Recording | None) -> dict[str, Any]:
    """Return a reference to the person: as given, by the identifier in the file, and in words."""
    result: dict[str, Any] = {} if reference is None else {"reference": reference}
    person = None if recording is None else recording.subject
    if person is None or person == type(person)():
        return result
    if person.identifier:
        result["identifier"] = {"value": printable(person.identifier)}
    return {**result, "type": "Patient", "display": person_text(person)}


def _recorder(recording: Recording, key: str) -> dict[str, Any]:
    return {
        "resourceType": "Device",
        "id": _identifier(key, "recorder"),
        "deviceName": [
            {"name": device_name(recording.device) or "not stated", "type": "user-friendly-name"}
        ],
        "type": _concept("Electrocardiograph that made the recording"),
    }


def _stated(recording: Recording, common: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return what the recording device measured and stated, each marked as the device's."""

    def observation(name: str, code: dict[str, Any], **value: Any) -> dict[str, Any]:
        return {
            "resourceType": "Observation",
            "id": _identifier(key, f"stated {name}"),
            "status": "preliminary",
            "category": [_category("procedure", "Procedure")],
            "code": code,
            **common,
            "device": {"reference": f"urn:uuid:{_identifier(key, 'recorder')}"},
            "method": _concept("Stated by the recording device, not checked by ecgfoundry"),
            **value,
        }

    found = []
    for name, value in device_measurements(recording.header).items():
        codes = [(_SYSTEMS["LOINC"], c, "") for c in [_MEASUREMENT_CODES.get(name)] if c]
        unit = next((u for part, u in _MEASUREMENT_UNITS.items() if name.endswith(part)), None)
        words = _concept(f"{MEASUREMENTS[name]}, stated by the device", *codes)
        found.append(observation(name, words, valueQuantity=_quantity(value, unit)))
    lines = [printable(line) for line in recording.header.get(STATEMENTS_KEY, "").splitlines()]
    if any(line.strip() for line in lines):
        words = _concept("Statements of the recording device")
        found.append(observation("statements", words, valueString="\n".join(lines)))
    return found


def _category(code: str, display: str) -> dict[str, Any]:
    return _concept(display, (f"{_TERMINOLOGY}/observation-category", code, display))


def _device(interpretation: Interpretation, key: str) -> dict[str, Any]:
    return {
        "resourceType": "Device",
        "id": _identifier(key, "device"),
        "deviceName": [
            {"name": f"ecgfoundry {interpretation.model}", "type": "user-friendly-name"}
        ],
        "type": _concept("ECG interpretation software"),
        "version": [
            {"type": _concept("ecgfoundry"), "value": __version__},
            {"type": _concept("model"), "value": interpretation.model_version},
            {"type": _concept("preprocessing"), "value": interpretation.preprocessing},
            {"type": _concept("runtime"), "value": interpretation.runtime},
        ],
    }


def _report(
    interpretation: Interpretation,
    common: dict[str, Any],
    observations: list[dict[str, Any]],
    issued: dt.datetime,
    key: str,
    recording: Recording | None,
) -> dict[str, Any]:
    if interpretation.refused is not None:
        conclusion = f"Not interpreted: {interpretation.refused.message}."
    elif interpretation.present:
        conclusion = f"Present: {', '.join(interpretation.present)}."
    elif any(finding.present is None for finding in interpretation.findings):
        conclusion = "No finding has a threshold that decides on its presence."
    else:
        conclusion = "No finding of this model is present."
    lines = [conclusion, *_words(interpretation.warnings), DISCLAIMER]
    report: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "id": _identifier(key, "report"),
        "text": _narrative([*_head(recording), *lines]),
        "status": "cancelled" if interpretation.refused is not None else "preliminary",
        "category": [_concept("Electrocardiography", (f"{_TERMINOLOGY}/v2-0074", "EC", ""))],
        "code": _concept("EKG study", (_SYSTEMS["LOINC"], "11524-6", "EKG study")),
        **common,
        "issued": issued.isoformat(timespec="seconds"),
        "conclusion": " ".join(lines),
    }
    if observations:
        report["result"] = [{"reference": f"urn:uuid:{o['id']}"} for o in observations]
    return report


def _head(recording: Recording | None) -> list[str]:
    """Say whose recording it is and when it was taken; a FHIR time cannot lack its zone."""
    if recording is None:
        return []
    return [
        f"Person: {person_text(recording.subject)}. "
        f"Identifier: {printable(recording.subject.identifier or 'not stated')}.",
        f"Start of the recording: {start_text(recording.start_time)}.",
        f"Device: {device_name(recording.device) or 'not stated'}.",
    ]


def _words(notices: tuple[Notice, ...]) -> list[str]:
    return [f"Warning: {notice.message}." for notice in notices]


def _observation(
    finding: Finding,
    interpretation: Interpretation,
    common: dict[str, Any],
    device: str,
    key: str,
    index: int,
) -> dict[str, Any]:
    codings = [
        (_SYSTEMS[system], code, "")
        for system, code in finding.target.codes.items()
        if system in _SYSTEMS
    ]
    estimate = finding.target.kind == _LABORATORY
    procedure = _category("procedure", "Procedure")
    result: dict[str, Any] = {
        "resourceType": "Observation",
        "id": _identifier(key, f"observation {index}"),
        "status": "preliminary",
        "category": [_concept("Estimate from an ECG"), procedure] if estimate else [procedure],
        "code": _concept(f"Estimated from an ECG: {finding.name}")
        if estimate
        else _concept(finding.name, *codings),
        **common,
        "device": {"reference": f"urn:uuid:{device}"},
    }
    if estimate:
        result["method"] = _concept(
            f"Estimate of a statistical model ({interpretation.model} "
            f"{interpretation.model_version}) from an electrocardiogram; nothing was measured in "
            "blood or urine"
        )
    if finding.value is not None:
        result["valueQuantity"] = _quantity(finding.value, finding.target.unit)
    elif finding.present is not None:
        result["valueBoolean"] = finding.present
        code, display = ("POS", "Positive") if finding.present else ("NEG", "Negative")
        result["interpretation"] = [
            _concept(display, (f"{_TERMINOLOGY}/v3-ObservationInterpretation", code, display))
        ]
    else:
        result["dataAbsentReason"] = _concept(
            "This model has no threshold for it",
            (f"{_TERMINOLOGY}/data-absent-reason", "not-performed", "Not Performed"),
        )
    component = _components(finding, interpretation)
    if component:
        result["component"] = component
    notes = [text for text in (finding.target.description, finding.target.caveat) if text]
    if estimate:
        notes += [
            f"The measurement that is estimated, not made: {system} {code}."
            for system, code in finding.target.codes.items()
        ]
    notes += [
        f"From {episode.start_s:.1f} s to {episode.end_s:.1f} s after the start of the recording."
        for episode in interpretation.episodes or ()
        if episode.name == finding.name
    ]
    result["note"] = [{"text": text} for text in (*notes, DISCLAIMER)]
    return result


def _components(finding: Finding, interpretation: Interpretation) -> list[dict[str, Any]]:
    unit = finding.target.unit
    kind = "calibrated" if interpretation.calibrated else "not calibrated"
    values = [
        (f"probability, {kind}", finding.probability, "1"),
        ("threshold", finding.threshold, "1"),
        ("share of the readable time", finding.burden, "1"),
        ("lower limit", finding.low, unit),
        ("upper limit", finding.high, unit),
    ]
    return [
        {"code": _concept(name), "valueQuantity": _quantity(value, measure)}
        for name, value, measure in values
        if value is not None
    ]
