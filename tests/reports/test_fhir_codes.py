"""FHIR resources code by code.

Sources: HL7 FHIR R4 (4.0.1): DiagnosticReport, Observation, Device; HL7 v2 table 0074; LOINC
11524-6; the code systems' addresses in the R4 terminology list; UCUM for units.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ecgfoundry._version import __version__
from ecgfoundry.inference.interpretation import Episode, Finding, Interpretation
from ecgfoundry.reports.clinical import ClinicalReport, PatientLink
from ecgfoundry.reports.fhir import to_fhir
from ecgfoundry.signals.quality import Notice
from ecgfoundry.vocabularies import Target

NOW = dt.datetime(2026, 11, 21, 8, 30, 15, 999_999, tzinfo=dt.UTC)
AF = Target(
    "atrial fibrillation", "rhythm",
    codes={"SNOMED CT": "164889003", "SCP-ECG": "AFIB", "LOINC": "1-8"},
    description="what it is", caveat="what it is not",
)  # fmt: skip


def bundle(answer: Interpretation, **fields: Any) -> dict[str, Any]:
    return to_fhir(ClinicalReport(answer, NOW, **fields))


def resources(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in document["entry"]]
    return [resource for resource in found if resource["resourceType"] == kind]


def answer(*findings: Finding, **changes: Any) -> Interpretation:
    fields: dict[str, Any] = {
        "file": "a.hea", "model": "tiny", "model_version": "1.2.0", "preprocessing": "p@1",
        "runtime": "onnxruntime-1", "target_kind": "multilabel", "calibrated": True,
        "duration_s": 10.0, "verdict": "good", "findings": findings,
    }  # fmt: skip
    return Interpretation(**(fields | changes))


def observation(finding: Finding, **changes: Any) -> dict[str, Any]:
    (found,) = resources(bundle(answer(finding, **changes)), "Observation")
    return found


def test_the_report() -> None:
    document = bundle(answer(Finding(AF, present=True), warnings=(Notice("n", "noisy"),)))
    assert (document["resourceType"], document["type"]) == ("Bundle", "transaction")
    assert document["timestamp"] == "2026-11-21T08:30:15+00:00"
    assert [e["resource"]["resourceType"] for e in document["entry"]] == [
        "DiagnosticReport", "Device", "Observation",
    ]  # fmt: skip
    (report,) = resources(document, "DiagnosticReport")
    assert report["status"] == "preliminary" and report["issued"] == document["timestamp"]
    assert report["category"] == [
        {"text": "Electrocardiography",
         "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "EC"}]},
    ]  # fmt: skip
    assert report["code"] == {
        "text": "EKG study",
        "coding": [{"system": "http://loinc.org", "code": "11524-6", "display": "EKG study"}],
    }
    words = (
        "Present: atrial fibrillation. Warning: noisy. "
        "Automatic and unconfirmed. Not a medical device; for research only."
    )
    assert report["conclusion"] == words
    assert report["text"]["div"].startswith('<div xmlns="http://www.w3.org/1999/xhtml"><p>Present')
    assert report["text"]["div"].count("<p>") == 3
    assert "subject" not in report and "effectiveDateTime" not in report


def test_the_device() -> None:
    (device,) = resources(bundle(answer()), "Device")
    assert device["deviceName"] == [{"name": "ecgfoundry tiny", "type": "user-friendly-name"}]
    assert [(v["type"]["text"], v["value"]) for v in device["version"]] == [
        ("ecgfoundry", __version__), ("model", "1.2.0"), ("preprocessing", "p@1"),
        ("runtime", "onnxruntime-1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("findings", "changes", "conclusion", "status"),
    [
        ((Finding(AF, present=True), Finding(Target("B", "rhythm"), present=True)), {},
         "Present: atrial fibrillation, B.", "preliminary"),
        ((Finding(AF, present=False),), {}, "No finding of this model is present.", "preliminary"),
        ((Finding(AF, present=False), Finding(Target("B", "rhythm"))), {},
         "No finding that this model decides is present.", "preliminary"),
        ((Finding(AF), Finding(Target("B", "rhythm"))), {},
         "No finding has a threshold that decides on its presence.", "preliminary"),
        ((), {"refused": Notice("flat", "it is flat")}, "Not interpreted: it is flat.",
         "cancelled"),
    ],
)  # fmt: skip
def test_the_conclusion(
    findings: tuple[Finding, ...], changes: dict[str, Any], conclusion: str, status: str
) -> None:
    (report,) = resources(bundle(answer(*findings, **changes)), "DiagnosticReport")
    assert report["conclusion"].startswith(conclusion) and report["status"] == status
    assert ("result" in report) is bool(findings)


@pytest.mark.parametrize(
    ("present", "code", "display"), [(True, "POS", "Positive"), (False, "NEG", "Negative")]
)
def test_a_decided_finding(present: bool, code: str, display: str) -> None:
    found = observation(
        Finding(AF, probability=0.12345678, threshold=0.4, present=present, calibrated=True)
    )
    assert found["status"] == "preliminary" and found["valueBoolean"] is present
    assert found["interpretation"][0]["coding"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
         "code": code, "display": display},
    ]  # fmt: skip
    # SCP-ECG has no official address, so its code is left out. Our name is no display.
    assert found["code"] == {
        "text": "atrial fibrillation",
        "coding": [
            {"system": "http://snomed.info/sct", "code": "164889003",
             "display": "Electrocardiographic atrial fibrillation"},
            {"system": "http://loinc.org", "code": "1-8"},
        ],
    }  # fmt: skip
    assert found["category"][0] == {
        "text": "Procedure",
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "procedure", "display": "Procedure"}],
    }  # fmt: skip
    ucum = {"unit": "1", "system": "http://unitsofmeasure.org", "code": "1"}
    assert [(c["code"]["text"], c["valueQuantity"]) for c in found["component"]] == [
        ("probability, calibrated", {"value": 0.123457} | ucum),
        ("threshold", {"value": 0.4} | ucum),
    ]
    assert [note["text"] for note in found["note"]] == [
        "what it is", "what it is not",
        "Automatic and unconfirmed. Not a medical device; for research only.",
    ]  # fmt: skip


def test_an_undecided_finding() -> None:
    found = observation(Finding(Target("B", "rhythm"), probability=0.0), calibrated=False)
    assert found["dataAbsentReason"]["coding"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
         "code": "not-performed", "display": "Not Performed"},
    ]  # fmt: skip
    assert found["component"][0]["code"]["text"] == "probability, not calibrated"
    assert found["component"][0]["valueQuantity"]["value"] == 0.0
    assert found["code"] == {"text": "B"} and len(found["note"]) == 1
    assert "component" not in observation(Finding(Target("B", "rhythm")))


def test_a_measured_value_and_its_limits() -> None:
    age = Target("age", "demographic", unit="a")
    found = observation(Finding(age, value=61.23456789, low=0.0, high=70.5))
    ucum = {"unit": "a", "system": "http://unitsofmeasure.org", "code": "a"}
    assert found["valueQuantity"] == {"value": 61.234568} | ucum
    assert [(c["code"]["text"], c["valueQuantity"]) for c in found["component"]] == [
        ("lower limit", {"value": 0.0} | ucum), ("upper limit", {"value": 70.5} | ucum),
    ]  # fmt: skip
    assert found["category"][0]["text"] == "Procedure"
    bare = observation(Finding(Target("x", "measurement"), value=0.0))
    assert bare["valueQuantity"] == {"value": 0.0}
    lab = observation(Finding(Target("K", "laboratory indicator"), value=4.0))
    assert lab["category"][0] == {"text": "Estimate from an ECG"}
    assert lab["category"][1]["coding"][0]["code"] == "procedure"


def test_a_burden_and_its_episodes() -> None:
    other = Target("other", "rhythm")
    episodes = (Episode("other", 0, 5, 0.5), Episode("atrial fibrillation", 30.04, 60.06, 0.9))
    found = observation(Finding(AF, present=True, burden=0.25), episodes=episodes)
    assert [(c["code"]["text"], c["valueQuantity"]["value"]) for c in found["component"]] == [
        ("share of the readable time", 0.25)
    ]
    assert found["note"][2]["text"] == ("From 30.0 s to 60.1 s after the start of the recording.")
    assert len(found["note"]) == 4
    assert len(observation(Finding(other, present=True), episodes=episodes)["note"]) == 2


@pytest.mark.parametrize(
    ("effective", "text"),
    [
        (dt.datetime(2020, 1, 2, 23, 59, 58, 700_000), "2020-01-02"),
        (dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
         "2020-01-02T03:04:05-05:00"),
    ],
)  # fmt: skip
def test_the_time_of_the_recording(effective: dt.datetime, text: str) -> None:
    document = bundle(answer(Finding(AF)), effective=effective, patient=PatientLink("Patient/7"))
    for kind in ("DiagnosticReport", "Observation"):
        (found,) = resources(document, kind)
        assert found["effectiveDateTime"] == text
        assert found["subject"] == {"reference": "Patient/7", "type": "Patient"}


def test_identifiers_are_those_of_the_answer_and_the_person() -> None:
    def identifiers(subject: str | None, *findings: Finding) -> list[str]:
        document = bundle(answer(*findings), patient=PatientLink(subject))
        device = {"Device"}  # one for all answers
        made = [e for e in document["entry"] if e["resource"]["resourceType"] not in device]
        for entry in made:
            (own,) = entry["resource"]["identifier"]
            assert own == {"system": "urn:ietf:rfc:3986", "value": entry["fullUrl"]}
            condition = f"identifier=urn:ietf:rfc:3986|{entry['fullUrl']}"
            assert entry["request"] == {
                "method": "POST", "url": entry["resource"]["resourceType"],
                "ifNoneExist": condition,
            }  # fmt: skip
        return [document["id"], *(entry["fullUrl"] for entry in made)]

    same = identifiers("Patient/7", Finding(AF), Finding(AF))
    assert same == identifiers("Patient/7", Finding(AF), Finding(AF))
    assert len(set(same)) == 4
    assert not set(same) & set(identifiers("Patient/8", Finding(AF), Finding(AF)))
    assert not set(same) & set(identifiers("Patient/7", Finding(AF), Finding(AF, present=True)))


def test_the_software_is_one_device_however_many_answers_it_gives() -> None:
    first, second = (
        resources(bundle(answer(Finding(AF, present=present))), "Device")[0]
        for present in (True, False)
    )
    assert first == second
    (other,) = resources(bundle(answer(model_version="1.3.0")), "Device")
    assert other["identifier"] != first["identifier"]


@pytest.mark.parametrize("code", ["418818005", "57054005", "54329005", "29320008"])
def test_a_code_that_says_more_than_an_ecg_shows_is_not_sent(code: str) -> None:
    """SNOMED CT: Brugada syndrome, acute infarctions (disorders), ectopic rhythm."""
    target = Target("x", "diagnosis", codes={"SNOMED CT": code})
    assert observation(Finding(target, present=True))["code"] == {"text": "x"}
