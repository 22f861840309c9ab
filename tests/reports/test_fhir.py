"""FHIR R4: structure against fhir.resources, value sets against what the standard lists."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.inference.interpretation import Episode, Finding, Interpretation
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.reports.clinical import ClinicalReport, PatientLink, StudyLink
from ecgfoundry.reports.fhir import to_fhir
from ecgfoundry.reports.fhir.elements import moment
from ecgfoundry.samples import sample_path
from ecgfoundry.signals.quality import Notice
from ecgfoundry.vocabularies.types import Target

NOW = dt.datetime(2026, 11, 21, 8, 30, tzinfo=dt.UTC)

# The value sets of R4 (4.0.1) that are bound as "required".
REPORT_STATUS = set(
    "registered partial preliminary final amended corrected appended cancelled entered-in-error "
    "unknown".split()
)
OBSERVATION_STATUS = set(
    "registered preliminary final amended corrected cancelled entered-in-error unknown".split()
)
DEVICE_NAMES = set(
    "udi-label-name user-friendly-name patient-reported-name manufacturer-name model-name "
    "other".split()
)
NARRATIVE = {"generated", "extensions", "additional", "empty"}


def bundle(answer: Interpretation, **fields: Any) -> dict[str, Any]:
    return to_fhir(ClinicalReport(answer, NOW, **fields))


def interpretation(**changes: Any) -> Interpretation:
    fields: dict[str, Any] = {
        "file": "a.hea",
        "model": "m",
        "model_version": "1",
        "preprocessing": "p@1",
        "runtime": "onnxruntime",
        "target_kind": "multilabel",
        "calibrated": True,
        "duration_s": 10.0,
        "verdict": "good",
    }
    return Interpretation(**(fields | changes))


def check(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Parse with an independent implementation; return the resources by type."""
    resources = pytest.importorskip("fhir.resources.R4B")
    parsed = resources.get_fhir_model_class("Bundle").model_validate(
        json.loads(json.dumps(document))
    )
    by_type: dict[str, list[dict[str, Any]]] = {}
    links = {entry["fullUrl"] for entry in document["entry"]}
    assert len(links) == len(document["entry"]) == len(parsed.entry)
    assert document["type"] == "transaction"
    for entry in document["entry"]:
        resource = entry["resource"]
        by_type.setdefault(resource["resourceType"], []).append(resource)
        assert entry["request"]["method"] == "POST"
        assert entry["request"]["url"] == resource["resourceType"]
        assert entry["request"]["ifNoneExist"].startswith("identifier=")
        assert "id" not in resource  # the server gives it
    (report,) = by_type["DiagnosticReport"]
    assert report["status"] in REPORT_STATUS
    assert report["text"]["status"] in NARRATIVE
    assert all(result["reference"] in links for result in report.get("result", []))
    for device in by_type["Device"]:
        assert {name["type"] for name in device["deviceName"]} <= DEVICE_NAMES
    for observation in by_type.get("Observation", []):
        assert observation["status"] in OBSERVATION_STATUS
        assert observation["device"]["reference"] in links
        values = [key for key in observation if key.startswith("value")]
        assert len(values) + ("dataAbsentReason" in observation) == 1  # rule obs-6
    return by_type


@pytest.mark.parametrize(
    ("sample", "model"),
    [("12-lead", "ptbxl-superclass-12lead"), ("single-lead", "rhythm-single-lead")],
)
def test_a_real_answer_is_valid(sample: str, model: str) -> None:
    recording = ecgfoundry.read(sample_path(sample))
    answer = ecgfoundry.load_model(model, threads=1).interpret(recording)
    document = bundle(answer, effective=dt.datetime(2020, 1, 2, 3, 4))
    resources = check(document)
    assert len(resources["Observation"]) == len(answer.findings)
    for finding, observation in zip(answer.findings, resources["Observation"], strict=True):
        assert observation["valueBoolean"] == finding.present
        assert observation["effectiveDateTime"] == "2020-01-02"
        assert "reference" not in observation.get("subject", {})
        codes = {c["code"] for c in observation["code"].get("coding", [])}
        assert codes == {c for s, c in finding.target.codes.items() if s == "SNOMED CT"}
    assert document == bundle(answer, effective=dt.datetime(2020, 1, 2, 3, 4))


def test_values_limits_and_units() -> None:
    target = Target("potassium", "laboratory indicator", codes={"LOINC": "2823-3"}, unit="mmol/L")
    answer = interpretation(
        target_kind="regression", findings=(Finding(target, value=4.2, low=3.5, high=5.0),)
    )
    (observation,) = check(bundle(answer, patient=PatientLink("Patient/7")))["Observation"]
    assert observation["valueQuantity"] == {
        "value": 4.2,
        "unit": "mmol/L",
        "system": "http://unitsofmeasure.org",
        "code": "mmol/L",
    }
    # An estimate must never be filed as a measurement: neither by its category nor by its code.
    assert [c["text"] for c in observation["category"]] == ["Estimate from an ECG", "Procedure"]
    assert "laboratory" not in json.dumps(observation["category"])
    assert observation["code"] == {"text": "Estimated from an ECG: potassium"}
    assert "nothing was measured in blood" in observation["method"]["text"]
    assert any("LOINC 2823-3" in note["text"] for note in observation["note"])
    assert observation["subject"] == {"reference": "Patient/7", "type": "Patient"}
    parts = {c["code"]["text"]: c["valueQuantity"]["value"] for c in observation["component"]}
    assert parts == {"lower limit": 3.5, "upper limit": 5.0}


def test_low_and_high_estimates_have_different_codes() -> None:
    findings = tuple(
        Finding(
            Target(f"potassium {side}", "laboratory indicator", codes={"LOINC": "2823-3"}),
            present=True,
        )
        for side in ("low", "high")
    )
    found = check(bundle(interpretation(findings=findings)))["Observation"]
    assert [o["code"] for o in found] == [
        {"text": "Estimated from an ECG: potassium low"},
        {"text": "Estimated from an ECG: potassium high"},
    ]
    for observation in found:
        assert [c["text"] for c in observation["category"]] == ["Estimate from an ECG", "Procedure"]
        assert "nothing was measured in blood" in observation["method"]["text"]


def test_the_head_of_a_recording_and_what_its_device_stated() -> None:
    start = dt.datetime(2020, 1, 2, 3, 4, 5)
    recording = Recording(
        np.zeros((1, 500), np.float32), 500.0, ("I",),
        start_time=start,
        subject=Subject(age=63, sex="female", identifier="A<7>"),
        device={"manufacturer": "Maker", "model": "M1"},
        header={"heart_rate_bpm": "71", "qt_ms": "402", "statements": "Sinus rhythm\nNormal ECG"},
    )  # fmt: skip
    resources = check(bundle(interpretation(), recording=recording))
    (report,) = resources["DiagnosticReport"]
    # Nobody says whose number it is, so it is matched to nobody: the person is contained.
    person = {"reference": "#patient", "type": "Patient", "display": "63 years, female"}
    assert report["subject"] == person
    contained = {
        "resourceType": "Patient", "id": "patient", "identifier": [{"value": "A<7>"}],
        "gender": "female",
    }  # fmt: skip
    assert report["contained"] == [contained]
    assert report["effectiveDateTime"] == "2020-01-02"  # no time without a zone in FHIR
    for words in (
        "Person: 63 years, female. Identifier: A&lt;7&gt;.",
        "Start of the recording: 2020-01-02 03:04:05, time zone not stated.",
        "Device: Maker M1.",
    ):
        assert words in report["text"]["div"]
    recorder = resources["Device"][1]
    assert recorder["deviceName"][0]["name"] == "Maker M1"
    rate, qt, words = resources["Observation"]
    for stated in (rate, qt, words):
        assert stated["device"]["reference"] == recorder["identifier"][0]["value"]
        assert "Stated by the recording device" in stated["method"]["text"]
        assert stated["subject"] == person
    ucum = "http://unitsofmeasure.org"
    assert rate["code"]["coding"] == [
        {"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}
    ]
    assert rate["valueQuantity"] == {"value": 71, "unit": "/min", "system": ucum, "code": "/min"}
    assert qt["code"]["coding"] == [
        {"system": "http://loinc.org", "code": "8634-8", "display": "Q-T interval"}
    ]
    assert qt["valueQuantity"] == {"value": 402, "unit": "ms", "system": ucum, "code": "ms"}
    assert words["valueString"] == "Sinus rhythm\nNormal ECG"
    zone = dt.timezone(dt.timedelta(hours=-3, minutes=-30))
    zoned = dataclasses.replace(recording, start_time=start.replace(tzinfo=zone), header={})
    resources = check(bundle(interpretation(), recording=zoned))
    (report,) = resources["DiagnosticReport"]
    assert report["effectiveDateTime"] == "2020-01-02T03:04:05-03:30"
    assert "2020-01-02 03:04:05 UTC-03:30" in report["text"]["div"]
    assert len(resources["Device"]) == 1 and "Observation" not in resources


def test_a_refusal_and_an_undecided_finding() -> None:
    refused = interpretation(verdict="refused", refused=Notice("flat", "every lead is <flat>"))
    (report,) = check(bundle(refused))["DiagnosticReport"]
    assert report["status"] == "cancelled"
    assert "&lt;flat&gt;" in report["text"]["div"]
    undecided = interpretation(
        calibrated=False, findings=(Finding(Target("A", "diagnosis"), probability=0.7),)
    )
    resources = check(bundle(undecided))
    assert "dataAbsentReason" in resources["Observation"][0]
    assert "No finding has a threshold" in resources["DiagnosticReport"][0]["conclusion"]


def test_a_long_recording_tells_burden_and_episodes() -> None:
    target = Target("atrial fibrillation", "rhythm")
    answer = interpretation(
        findings=(Finding(target, present=True, burden=0.25, calibrated=True),),
        episodes=(Episode("atrial fibrillation", 30.0, 60.0, 0.9),),
        burden={"atrial fibrillation": 0.25},
        duration_s=120.0,
    )
    (observation,) = check(bundle(answer))["Observation"]
    assert observation["component"][0]["valueQuantity"]["value"] == 0.25
    assert any("From 30.0 s to 60.0 s" in note["text"] for note in observation["note"])


def test_a_zone_of_seconds_is_one_that_fhir_can_state() -> None:
    """https://hl7.org/fhir/R4/datatypes.html#dateTime: an offset of hours and minutes alone."""
    start = dt.datetime.fromisoformat("1931-03-02T10:20:30+00:19:32")
    assert moment(start) == "1931-03-02T10:20:58+00:20"


def test_the_time_of_issue_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        ClinicalReport(interpretation(), dt.datetime(2026, 1, 1))


def test_nothing_of_the_file_name_or_the_subject_leaks() -> None:
    """The file's name may hold a name of a person."""
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 3000)).astype(np.float32)
    recording = Recording(noise, 300.0, ("I",))
    answer = ecgfoundry.load_model("rhythm-single-lead", threads=1).interpret(
        recording, file="DOE_JANE.hea"
    )
    assert "DOE" not in json.dumps(bundle(answer))


def test_measurements_and_statements_with_their_evidence() -> None:
    """sample:12-lead is JS20000: the data set's own codes are 427084000 and 164934002."""
    answer = ecgfoundry.interpret("sample:12-lead")
    document = bundle(answer, recording=ecgfoundry.read(sample_path("12-lead")), pdf=b"%PDF-1.7 x")
    resources = check(document)
    (report,) = resources["DiagnosticReport"]
    by_text = {o["code"]["text"]: o for o in resources["Observation"]}
    loinc, ucum = "http://loinc.org", "http://unitsofmeasure.org"
    for text, code, unit in (
        ("heart rate", "8867-4", "/min"), ("PR interval", "8625-6", "ms"),
        ("QRS duration", "8633-0", "ms"), ("QT interval", "8634-8", "ms"),
        ("QTc (Fridericia)", "76634-5", "ms"), ("P axis", "8626-4", "deg"),
        ("QRS axis", "8632-2", "deg"), ("T axis", "8638-9", "deg"),
    ):  # fmt: skip
        measured = by_text[text]
        assert (measured["code"]["coding"][0]["system"], measured["code"]["coding"][0]["code"]) == (
            loinc, code,
        )  # fmt: skip
        quantity = measured["valueQuantity"]
        assert (quantity["system"], quantity["code"]) == (ucum, unit)
        assert measured["method"]["text"]
    assert 115 < by_text["heart rate"]["valueQuantity"]["value"] < 119
    tachycardia = by_text["sinus tachycardia"]
    coding = {
        "system": "http://snomed.info/sct",
        "code": "427084000",
        "display": "Electrocardiogram: sinus tachycardia",
    }
    assert tachycardia["code"]["coding"] == [coding]
    assert tachycardia["valueBoolean"] is True
    assert tachycardia["method"] == {"text": "Criteria applied to the measurements"}
    urls = {
        entry["resource"]["code"]["text"]: entry["fullUrl"]
        for entry in document["entry"]
        if entry["resource"]["resourceType"] == "Observation"
    }
    assert {"reference": urls["heart rate"]} in tachycardia["derivedFrom"]
    components = {c["code"]["text"]: c["valueQuantity"] for c in tachycardia["component"]}
    assert components["heart rate (limit > 100/min)"]["code"] == "/min"
    depression = {c["code"]["text"] for c in by_text["ST depression"]["component"]}
    assert "ST level at J in V4 (limit ≤ −0.05 mV)" in depression
    assert any("Fourth Universal Definition" in n["text"] for n in by_text["ST depression"]["note"])
    assert {"text": "sinus tachycardia", "coding": [coding]} in report["conclusionCode"]
    assert "sinus tachycardia" in report["conclusion"] and "unconfirmed" in report["conclusion"]
    (form,) = report["presentedForm"]
    assert form["contentType"] == "application/pdf"
    assert base64.b64decode(form["data"]) == b"%PDF-1.7 x"


def test_what_cannot_be_measured_has_a_reason_and_no_number() -> None:
    answer = ecgfoundry.interpret("sample:single-lead")  # one lead, fibrillation
    resources = check(bundle(answer))
    by_text = {o["code"]["text"]: o for o in resources["Observation"]}
    axis = by_text["QRS axis"]
    assert "valueQuantity" not in axis
    assert axis["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert "lead" in axis["dataAbsentReason"]["text"]
    # The criteria and the network name it alike: it is told once.
    assert sum("fibrillation" in text for text in by_text) == 1


def test_a_person_that_the_receiver_knows() -> None:
    link = PatientLink(
        identifier="12|3", system="https://hospital.example/mrn", name="Roe^Jane",
        birth_date=dt.date(1960, 2, 3),
    )  # fmt: skip
    document = bundle(interpretation(), patient=link)
    (person,) = check(document)["Patient"]
    assert person["identifier"] == [{"system": "https://hospital.example/mrn", "value": "12|3"}]
    assert person["name"] == [{"family": "Roe", "given": ["Jane"]}]
    assert person["birthDate"] == "1960-02-03"
    (entry,) = (e for e in document["entry"] if e["resource"]["resourceType"] == "Patient")
    condition = "identifier=https://hospital.example/mrn|12%5C%7C3"  # escaped twice: token, address
    assert entry["request"]["ifNoneExist"] == condition
    (report,) = check(document)["DiagnosticReport"]
    assert report["subject"]["reference"] == entry["fullUrl"]


@pytest.mark.parametrize(
    ("link", "born"),
    [
        (PatientLink(), "1971-01-23"),
        (PatientLink(identifier="642341"), "1971-01-23"),
        (PatientLink(birth_date=dt.date(1971, 1, 24)), "1971-01-24"),
        (PatientLink(identifier="7"), None),  # the file may be somebody else's
        (PatientLink(identifier="7", birth_date=dt.date(1960, 2, 3)), "1960-02-03"),
    ],
)
def test_the_date_of_birth_in_the_file(fixtures: Path, link: PatientLink, born: str | None) -> None:
    """(0010,0030) of a real export of a Mortara device."""
    pytest.importorskip("pydicom", reason="the extra 'formats' is not installed")
    recording = ecgfoundry.read(fixtures / "dicom" / "waveform_ecg.dcm")
    document = bundle(interpretation(), recording=recording, patient=link)
    (report,) = check(document)["DiagnosticReport"]
    (person,) = report["contained"]
    assert person.get("birthDate") == born
    assert person["identifier"] == [{"value": link.identifier or "642341"}]


def test_the_order_is_named_by_its_numbers() -> None:
    """Codes of HL7 v2 table 0203; a study as FHIR R4 names DICOM's (ImagingStudy, 4.2.1)."""
    study = StudyLink(study_uid="1.2.3", accession="A-1", order="O-9")
    resources = check(bundle(interpretation(), study=study))
    (report,) = resources["DiagnosticReport"]
    system = "http://terminology.hl7.org/CodeSystem/v2-0203"
    told = [
        (one["type"], one["identifier"]["type"]["coding"][0], one["identifier"]["value"])
        for one in report["basedOn"]
    ]
    assert told == [
        ("ServiceRequest",
         {"system": system, "code": "PLAC", "display": "Placer Identifier"}, "O-9"),
        ("ServiceRequest", {"system": system, "code": "ACSN", "display": "Accession ID"}, "A-1"),
    ]  # fmt: skip
    (image,) = report["imagingStudy"]
    assert image["identifier"] == {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}
    assert all(one["basedOn"] == report["basedOn"] for one in resources.get("Observation", []))
    (nameless,) = check(bundle(interpretation()))["DiagnosticReport"]
    assert "basedOn" not in nameless and "imagingStudy" not in nameless


def test_a_zone_that_somebody_knows_completes_the_start() -> None:
    zone = dt.timezone(dt.timedelta(hours=1))
    document = bundle(interpretation(), effective=dt.datetime(2020, 1, 2, 3, 4, 5), zone=zone)
    (report,) = check(document)["DiagnosticReport"]
    assert report["effectiveDateTime"] == "2020-01-02T03:04:05+01:00"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Müller^Änne^^Dr.", {"family": "Müller", "given": ["Änne"], "prefix": ["Dr."]}),
        (
            "Roe^Jane^Ann^Prof.^MD",
            {"family": "Roe", "given": ["Jane", "Ann"], "prefix": ["Prof."], "suffix": ["MD"]},
        ),
        ("^Änne", {"given": ["Änne"]}),
    ],
)
def test_a_title_is_no_given_name(said: str, told: dict[str, Any]) -> None:
    link = PatientLink(identifier="7", system="https://hospital.example/mrn", name=said)
    (person,) = check(bundle(interpretation(), patient=link))["Patient"]
    assert person["name"] == [told]


def test_two_people_without_a_number_have_two_reports() -> None:
    """Both lines are flat, so that the answers are the same: one was taken for the other."""
    sample = ecgfoundry.read("sample:single-lead")
    line = dataclasses.replace(sample, signal=sample.signal * 0, start_time=None)
    answer = ecgfoundry.interpret(line)
    assert answer.refused is not None
    other = dataclasses.replace(line, signal=line.signal + np.float32(1e-6))
    known = [
        ClinicalReport(answer, NOW, line, patient=PatientLink(name="Roe^Jane")),
        ClinicalReport(answer, NOW, line, patient=PatientLink(name="Doe^John")),
        ClinicalReport(answer, NOW, line, patient=PatientLink(birth_date=dt.date(1960, 2, 3))),
        ClinicalReport(answer, NOW, other),
    ]
    assert len({one.uuid("report") for one in known}) == 4
    again = ClinicalReport(answer, NOW, line, patient=PatientLink(name="Roe^Jane"))
    assert again.uuid("report") == known[0].uuid("report")
    married = [PatientLink(identifier="7", name=name) for name in ("Roe^Jane", "Doe^Jane")]
    assert len({ClinicalReport(answer, NOW, line, patient=p).uuid("report") for p in married}) == 1
