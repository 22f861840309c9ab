"""An interpretation as FHIR R4: a transaction that a server takes.

Nothing that a machine says is a confirmed result, so every status is ``preliminary``; a refused
recording is ``cancelled`` with the reason. A review makes the report ``final`` or ``amended`` (or
``cancelled``, ``entered-in-error`` where the reader rejects it), with the reader as its performer;
what the machine has observed stays preliminary, and what the reader says stands beside it. Only
code systems with an official address are used (SNOMED CT, LOINC, UCUM and HL7's own). Our own words
stand in ``text``; a ``display`` is written only where it is known to be the terminology's own
(:mod:`ecgfoundry.vocabularies.terminology`).

Every resource is created under a condition (``ifNoneExist``): an answer that is sent twice is there
once. References: HL7 FHIR R4 (4.0.1), Bundle, DiagnosticReport, Observation, Device, Patient; LOINC
11524-6 "EKG study". The components for probability, threshold, burden and evidence are ours.
"""

from __future__ import annotations

import base64
import uuid
from typing import Any

from ecgfoundry._version import __version__
from ecgfoundry.reports.clinical import ClinicalReport, NameParts
from ecgfoundry.reports.fhir.elements import (
    TERMINOLOGY,
    Json,
    codings,
    concept,
    entry,
    moment,
    narrative,
    reference,
    token,
    update,
)
from ecgfoundry.reports.fhir.observations import Observations
from ecgfoundry.reports.told import told
from ecgfoundry.reports.wording import device_name, person_text, printable
from ecgfoundry.vocabularies.terminology import Coding, snomed_coding

__all__ = ["to_fhir"]

_STUDY = Coding("LOINC", "11524-6", "EKG study")


def to_fhir(report: ClinicalReport) -> dict[str, Any]:
    """Return a FHIR R4 Bundle of type ``transaction``.

    Parameters
    ----------
    report : ClinicalReport
        The subject is its ``patient.reference``; else a Patient that is created unless the
        receiver knows one by ``patient.system`` and the identifier; else, for a number that nobody
        says the system of, a contained Patient, which is matched to nobody.

    Returns
    -------
    dict
        JSON-ready. Identifiers are a function of the answer and the person, so the same answer has
        the same ones.
    """
    patient, contained, subject = _subject(report)
    common: Json = {"contained": [contained]} if contained else {}
    if subject:
        common["subject"] = subject
    if ordered := _ordered(report):
        common["basedOn"] = ordered
    if report.start is not None:
        common["effectiveDateTime"] = moment(report.start)
    software, software_id = _software(report)
    recorder, recorder_id = _recorder(report)
    made = Observations(report, common, software_id, recorder_id)
    observations = list(made.all())
    used = {o["device"]["reference"] for _, o in observations}
    observations += made.read()
    told = _report(report, common, [i for i, _ in observations])
    put = entry if report.review is None else update
    entries = [put(report.uuid("report"), told)]
    if patient is not None:
        entries.append(patient)
    entries.append(entry(software_id, software))
    if recorder_id.urn in used:
        entries.append(entry(recorder_id, recorder))
    entries += [entry(identity, observation) for identity, observation in observations]
    return {
        "resourceType": "Bundle",
        "id": str(report.uuid(f"bundle{report.stage}")),
        "type": "transaction",
        "timestamp": report.told_at.isoformat(timespec="seconds"),
        "entry": entries,
    }


def _ordered(report: ClinicalReport) -> list[Json]:
    """Return the order by its numbers (table 0203): whose they are, the receiver knows."""
    numbers = (
        ("PLAC", "Placer Identifier", report.study.order),
        ("ACSN", "Accession ID", report.study.accession),
    )
    return [
        {
            "type": "ServiceRequest",
            "identifier": {
                "type": concept(
                    display,
                    [{"system": f"{TERMINOLOGY}/v2-0203", "code": code, "display": display}],
                ),
                "value": printable(value),
            },
        }
        for code, display, value in numbers
        if value
    ]


def _subject(report: ClinicalReport) -> tuple[Json | None, Json | None, Json]:
    """Return the entry of the person, or the contained one, and the reference to it."""
    link, person = report.patient, report.subject
    shown: Json = {}
    if person.age is not None or person.sex is not None:
        shown = {"display": person_text(person)}
    if link.reference is not None:
        return None, None, {"reference": link.reference, "type": "Patient", **shown}
    resource: Json = {"resourceType": "Patient"}
    if report.identifier:
        system = {"system": link.system} if link.system else {}
        resource["identifier"] = [{**system, "value": report.identifier}]
    if name := _name(link.name_parts):
        resource["name"] = [name]
    if person.birth_date is not None:
        resource["birthDate"] = person.birth_date.isoformat()
    if len(resource) == 1:  # nothing that tells one person from another
        return None, None, {"type": "Patient", **shown} if shown else {}
    if person.sex in ("female", "male"):
        resource["gender"] = person.sex
    if link.system and report.identifier:
        identity = report.shared_uuid(f"patient\n{link.system}\n{report.identifier}")
        condition = f"identifier={token(link.system, report.identifier)}"
        made = entry(identity, resource, condition=condition)
        return made, None, {**reference(identity), "type": "Patient", **shown}
    contained = {"resourceType": "Patient", "id": "patient", **resource}
    return None, contained, {"reference": "#patient", "type": "Patient", **shown}


def _name(said: NameParts) -> Json:
    """Return a HumanName; nothing in it is empty."""
    name: Json = {"family": said.family} if said.family else {}
    lists = {"given": (said.given, said.middle), "prefix": (said.prefix,), "suffix": (said.suffix,)}
    for key, parts in lists.items():
        if held := [part for part in parts if part]:
            name[key] = held
    return name


def _software(report: ClinicalReport) -> tuple[Json, uuid.UUID]:
    answer = report.interpretation
    versions = [
        ("ecgfoundry", __version__),
        ("model", answer.model_version),
        ("preprocessing", answer.preprocessing),
        ("runtime", answer.runtime),
    ]
    known = [(name, text) for name, text in versions if text]
    version = [{"type": concept(name), "value": text} for name, text in known]
    name = f"ecgfoundry {answer.model}" if answer.model else "ecgfoundry"
    device = {
        "resourceType": "Device",
        "deviceName": [{"name": name, "type": "user-friendly-name"}],
        "type": concept("ECG interpretation software"),
        "version": version,
    }
    key = "\n".join(f"{part} {text}" for part, text in known)
    return device, report.shared_uuid(f"software\n{answer.model}\n{key}")


def _recorder(report: ClinicalReport) -> tuple[Json, uuid.UUID]:
    about = {} if report.recording is None else dict(report.recording.device)
    name = device_name(about) or "not stated"
    device: Json = {
        "resourceType": "Device",
        "deviceName": [{"name": name, "type": "user-friendly-name"}],
        "type": concept("Electrocardiograph that made the recording"),
    }
    serial = about.get("serial_number")
    if serial:
        device["serialNumber"] = printable(serial)
    return device, report.shared_uuid(f"recorder\n{name}\n{serial}")


def _report(report: ClinicalReport, common: Json, results: list[uuid.UUID]) -> Json:
    review = report.review
    machine = () if review is None else (f"The automatic answer was: {report.machine.conclusion}",)
    resource: Json = {
        "resourceType": "DiagnosticReport",
        "text": narrative([*report.head, *report.lines, *machine]),
        "status": _status(report),
        "category": [
            concept("Electrocardiography", [{"system": f"{TERMINOLOGY}/v2-0074", "code": "EC"}])
        ],
        "code": concept("EKG study", codings([_STUDY])),
        **common,
        "issued": report.told_at.isoformat(timespec="seconds"),
        "conclusion": " ".join(report.lines),
    }
    if review is not None:
        reader = [{"display": printable(review.reader)}]
        resource["performer"] = resource["resultsInterpreter"] = reader
    if report.study.study_uid:
        study = {"system": "urn:dicom:uid", "value": f"urn:oid:{report.study.study_uid}"}
        resource["imagingStudy"] = [{"type": "ImagingStudy", "identifier": study}]
    if results:
        resource["result"] = [reference(identity) for identity in results]
    if codes := _conclusions(report):
        resource["conclusionCode"] = codes
    if report.pdf is not None:
        resource["presentedForm"] = [
            {
                "contentType": "application/pdf",
                "data": base64.b64encode(report.pdf).decode(),
                "title": f"ECG report, {'unconfirmed' if review is None else review.decision}",
                "creation": report.told_at.isoformat(timespec="seconds"),
            }
        ]
    return resource


def _status(report: ClinicalReport) -> str:
    review = report.review
    if review is None:
        return "preliminary" if report.interpretation.refused is None else "cancelled"
    if review.rejects:
        return "entered-in-error" if review.released else "cancelled"
    return "amended" if review.released else "final"


def _conclusions(report: ClinicalReport) -> list[Json]:
    """Return what holds and has a code."""
    if report.review is None:
        told_now = told(report.interpretation)
        held = [(one.words, one.code) for one in told_now if one.statement is not None]
    else:
        held = [(one.words, one.code) for one in report.read if one.present]
    return [
        concept(words, coding) for words, code in held if (coding := codings([snomed_coding(code)]))
    ]
