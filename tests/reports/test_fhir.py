"""FHIR R4: structure against fhir.resources, value sets against what the standard lists."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.inference.interpretation import Episode, Finding, Interpretation
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.reports.fhir import to_fhir
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
    for entry in document["entry"]:
        resource = entry["resource"]
        by_type.setdefault(resource["resourceType"], []).append(resource)
        assert entry["fullUrl"] == f"urn:uuid:{resource['id']}"
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
    document = to_fhir(answer, issued=NOW, effective=dt.datetime(2020, 1, 2, 3, 4))
    resources = check(document)
    assert len(resources["Observation"]) == len(answer.findings)
    for finding, observation in zip(answer.findings, resources["Observation"], strict=True):
        assert observation["valueBoolean"] == finding.present
        assert observation["effectiveDateTime"] == "2020-01-02"
        assert "subject" not in observation
        codes = {c["code"] for c in observation["code"].get("coding", [])}
        assert codes == {c for s, c in finding.target.codes.items() if s == "SNOMED CT"}
    assert document == to_fhir(answer, issued=NOW, effective=dt.datetime(2020, 1, 2, 3, 4))


def test_values_limits_and_units() -> None:
    target = Target("potassium", "laboratory indicator", codes={"LOINC": "2823-3"}, unit="mmol/L")
    answer = interpretation(
        target_kind="regression", findings=(Finding(target, value=4.2, low=3.5, high=5.0),)
    )
    (observation,) = check(to_fhir(answer, issued=NOW, subject="Patient/7"))["Observation"]
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
    assert observation["subject"] == {"reference": "Patient/7"}
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
    found = check(to_fhir(interpretation(findings=findings), issued=NOW))["Observation"]
    assert [o["code"] for o in found] == [
        {"text": "Estimated from an ECG: potassium low"},
        {"text": "Estimated from an ECG: potassium high"},
    ]


def test_the_head_of_a_recording_and_what_its_device_stated() -> None:
    start = dt.datetime(2020, 1, 2, 3, 4, 5)
    recording = Recording(
        np.zeros((1, 500), np.float32), 500.0, ("I",),
        start_time=start,
        subject=Subject(age=63, sex="female", identifier="A<7>"),
        device={"manufacturer": "Maker", "model": "M1"},
        header={"heart_rate_bpm": "71", "qt_ms": "402", "statements": "Sinus rhythm\nNormal ECG"},
    )  # fmt: skip
    resources = check(to_fhir(interpretation(), issued=NOW, recording=recording))
    (report,) = resources["DiagnosticReport"]
    person = {"identifier": {"value": "A<7>"}, "type": "Patient", "display": "63 years, female"}
    assert report["subject"] == person
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
        assert stated["device"]["reference"] == f"urn:uuid:{recorder['id']}"
        assert "Stated by the recording device" in stated["method"]["text"]
        assert stated["subject"] == person
    ucum = "http://unitsofmeasure.org"
    assert rate["code"]["coding"] == [{"system": "http://loinc.org", "code": "8867-4"}]
    assert rate["valueQuantity"] == {"value": 71, "unit": "/min", "system": ucum, "code": "/min"}
    assert qt["code"]["coding"] == [{"system": "http://loinc.org", "code": "8634-8"}]
    assert qt["valueQuantity"] == {"value": 402, "unit": "ms", "system": ucum, "code": "ms"}
    assert words["valueString"] == "Sinus rhythm\nNormal ECG"
    zone = dt.timezone(dt.timedelta(hours=-3, minutes=-30))
    zoned = dataclasses.replace(recording, start_time=start.replace(tzinfo=zone), header={})
    resources = check(to_fhir(interpretation(), issued=NOW, recording=zoned))
    (report,) = resources["DiagnosticReport"]
    assert report["effectiveDateTime"] == "2020-01-02T03:04:05-03:30"
    assert "2020-01-02 03:04:05 UTC-03:30" in report["text"]["div"]
    assert len(resources["Device"]) == 1 and "Observation" not in resources


def test_a_refusal_and_an_undecided_finding() -> None:
    refused = interpretation(verdict="refused", refused=Notice("flat", "every lead is <flat>"))
    (report,) = check(to_fhir(refused, issued=NOW))["DiagnosticReport"]
    assert report["status"] == "cancelled"
    assert "&lt;flat&gt;" in report["text"]["div"]
    undecided = interpretation(
        calibrated=False, findings=(Finding(Target("A", "diagnosis"), probability=0.7),)
    )
    resources = check(to_fhir(undecided, issued=NOW))
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
    (observation,) = check(to_fhir(answer, issued=NOW))["Observation"]
    assert observation["component"][0]["valueQuantity"]["value"] == 0.25
    assert any("From 30.0 s to 60.0 s" in note["text"] for note in observation["note"])


def test_the_time_of_issue_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_fhir(interpretation(), issued=dt.datetime(2026, 1, 1))


def test_nothing_of_the_file_name_or_the_subject_leaks() -> None:
    """The file's name may hold a name of a person."""
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 3000)).astype(np.float32)
    recording = Recording(noise, 300.0, ("I",))
    answer = ecgfoundry.load_model("rhythm-single-lead", threads=1).interpret(
        recording, file="DOE_JANE.hea"
    )
    assert "DOE" not in json.dumps(to_fhir(answer, issued=NOW))
