"""FHIR R4: structure against fhir.resources, value sets against what the standard lists."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.inference.interpretation import Episode, Finding, Interpretation
from ecgfoundry.recording import Recording
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
    assert observation["category"][0]["coding"][0]["code"] == "laboratory"
    assert observation["subject"] == {"reference": "Patient/7"}
    parts = {c["code"]["text"]: c["valueQuantity"]["value"] for c in observation["component"]}
    assert parts == {"lower limit": 3.5, "upper limit": 5.0}


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
