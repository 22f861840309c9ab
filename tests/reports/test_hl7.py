"""HL7 v2.5 ORU^R01: against hl7apy, an independent implementation of the standard's tables."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.criteria import Statement
from ecgfoundry.inference.interpretation import Finding, Interpretation
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.reports.clinical import ClinicalReport, PatientLink, StudyLink
from ecgfoundry.reports.fhir import to_fhir
from ecgfoundry.reports.hl7 import HL7_ENCODING, Hl7Parties, to_oru
from ecgfoundry.samples import sample_path
from ecgfoundry.signals.quality import Notice
from ecgfoundry.vocabularies.types import Target

NOW = dt.datetime(2026, 11, 21, 8, 30, tzinfo=dt.UTC)


def parsed(message: str) -> Any:
    """Parse and validate, strictly."""
    pytest.importorskip("hl7apy")
    from hl7apy.parser import parse_message

    assert message.endswith("\r") and "\n" not in message
    tree = parse_message(message, find_groups=True, force_validation=False)
    assert tree.validate() is True
    assert tree.version == "2.5"
    return tree


def segments(message: str, name: str) -> list[list[str]]:
    rows = [line.split("|") for line in message.split("\r")]
    return [row for row in rows if row[0] == name]


def answer(**changes: Any) -> Interpretation:
    fields: dict[str, Any] = {
        "file": "a.hea", "model": "m", "model_version": "1", "preprocessing": "p@1",
        "runtime": "r", "target_kind": "multilabel", "calibrated": True, "duration_s": 10.0,
        "verdict": "good",
    }  # fmt: skip
    return Interpretation(**(fields | changes))


def test_a_whole_report() -> None:
    recording = ecgfoundry.read(sample_path("12-lead"))
    report = ClinicalReport(
        ecgfoundry.interpret("sample:12-lead"),
        NOW,
        recording=recording,
        effective=dt.datetime(2026, 11, 20, 10, 15, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        patient=PatientLink(
            identifier="4711", system="KH", name="Müller^Änne", birth_date=dt.date(1942, 1, 2)
        ),
        study=StudyLink(accession="A-1", order="O-9"),
        pdf=b"%PDF-1.7 report",
    )
    message = to_oru(report, Hl7Parties(receiving_application="EHR", receiving_facility="KH"))
    tree = parsed(message)
    assert tree.msh.msh_9.to_er7() == "ORU^R01^ORU_R01" and tree.msh.msh_12.to_er7() == "2.5"
    assert tree.msh.msh_18.to_er7() == "UNICODE UTF-8"
    (pid,) = segments(message, "PID")
    assert pid[3] == "4711^^^KH^MR" and pid[5] == "Müller^Änne" and pid[7:9] == ["19420102", "F"]
    (obr,) = segments(message, "OBR")
    assert obr[2] == "O-9" and obr[4].startswith("34534-8^") and obr[18] == "A-1"
    assert obr[7] == "20261120101500+0100" and obr[22] == "20261121083000+0000"
    assert obr[24:26] == ["EC", "P"]
    obx = segments(message, "OBX")
    assert [row[1] for row in obx] == [str(number) for number in range(1, len(obx) + 1)]
    by_code = {row[3].split("^")[0]: row for row in obx}
    for code, unit in (
        ("8867-4", "/min"), ("8625-6", "ms"), ("8633-0", "ms"), ("8634-8", "ms"),
        ("76634-5", "ms"), ("8626-4", "deg"), ("8632-2", "deg"), ("8638-9", "deg"),
    ):  # fmt: skip
        row = by_code[code]
        assert row[2] == "NM" and row[3].endswith("^LN") and row[11] == "P"
        assert row[6] == f"{unit}^{unit}^UCUM" and float(row[5]) is not None
    assert by_code["8867-4"][5] == "116.9"
    stated = [row[5] for row in obx if row[3].startswith("8601-7")]
    assert stated[0] == (
        "427084000^Electrocardiogram: sinus tachycardia^SCT"
        "^SINUS TACHYCARDIA^sinus tachycardia^99ECGFOUNDRY"
    )
    document = by_code["28010-7"]
    assert document[2] == "ED"
    source, kind, form, encoding, data = document[5].split("^")
    assert (source, kind, form, encoding) == ("", "Application", "PDF", "Base64")
    assert base64.b64decode(data) == b"%PDF-1.7 report"
    notes = [row[3] for row in segments(message, "NTE")]
    assert "sinus tachycardia" in notes[0] and "unconfirmed" in notes[-1]
    message.encode(HL7_ENCODING)
    assert message == to_oru(
        report, Hl7Parties(receiving_application="EHR", receiving_facility="KH")
    )


def test_the_date_of_birth_in_the_file(fixtures: Path) -> None:
    pytest.importorskip("pydicom", reason="the extra 'formats' is not installed")
    recording = ecgfoundry.read(fixtures / "dicom" / "waveform_ecg.dcm")
    (pid,) = segments(to_oru(ClinicalReport(answer(), NOW, recording=recording)), "PID")
    assert pid[3] == "642341^^^^MR" and pid[7:9] == ["19710123", "F"]


def test_what_could_not_be_measured_has_no_value() -> None:
    message = to_oru(ClinicalReport(ecgfoundry.interpret("sample:single-lead"), NOW))
    parsed(message)
    (pid,) = segments(message, "PID")
    assert pid[3].endswith("^^^ECGFOUNDRY^U") and pid[5] == "^^^^^^U"  # nobody says who it is
    (axis,) = (row for row in segments(message, "OBX") if row[3].startswith("8632-2"))
    assert axis[5] == "" and axis[11] == "X"


@pytest.mark.parametrize(
    ("system", "told"),
    [
        ("KH", "KH"),
        ("urn:oid:1.2.276.0.76.4.8", "&1.2.276.0.76.4.8&ISO"),
        ("https://kh.example/mrn", "&https://kh.example/mrn&URI"),
        (None, ""),
    ],
)
def test_whose_numbers_identifiers_are(system: str | None, told: str) -> None:
    """HL7 v2.5, 2.A.33 (HD) and table 0301: a name, or an identifier and its kind."""
    link = PatientLink(identifier="4711", system=system)
    message = to_oru(ClinicalReport(answer(), NOW, patient=link))
    parsed(message)
    assert segments(message, "PID")[0][3] == f"4711^^^{told}^MR"


def test_an_ecg_of_one_lead_is_no_study_of_twelve() -> None:
    recording = ecgfoundry.read(sample_path("single-lead"))
    message = to_oru(ClinicalReport(answer(), NOW, recording=recording))
    assert segments(message, "OBR")[0][4] == "11524-6^EKG study^LN"


def test_a_rhythm_that_is_not_told_says_why() -> None:
    why = "P is within the noise of the median beat"
    untold = (
        Statement("SINUS RHYTHM", "rhythm", None, reason=why),
        Statement("UNDETERMINED RHYTHM", "rhythm", None, reason=why),
    )
    report = ClinicalReport(answer(statements=untold), NOW)
    assert report.lines[1] == f"The rhythm is not told: {why}."
    message = to_oru(report)
    parsed(message)
    (row,) = segments(message, "OBX")
    assert row[3] == "rhythm^rhythm^99ECGFOUNDRY" and row[5] == "" and row[11] == "X"
    assert row[17] == f"^{why}"
    (entry,) = (
        one["resource"]
        for one in to_fhir(report)["entry"]
        if one["resource"]["resourceType"] == "Observation"
    )
    assert entry["code"] == {"text": "rhythm"} and "valueBoolean" not in entry
    assert entry["dataAbsentReason"]["text"] == why
    told = replace(untold[0], present=True, reason=None)
    assert ClinicalReport(answer(statements=(told, untold[1])), NOW).rhythm_untold is None


def test_a_claim_of_a_network_that_is_withheld_says_why() -> None:
    why = "it excludes sinus rhythm, which is more probable"
    withheld = Finding(Target("atrial flutter", "rhythm"), probability=0.6, reason=why)
    message = to_oru(ClinicalReport(answer(findings=(withheld,)), NOW))
    parsed(message)
    (row,) = segments(message, "OBX")
    assert row[3] == "atrial flutter^atrial flutter^99ECGFOUNDRY"
    assert (row[5], row[11], row[17]) == ("", "X", f"^{why}")


def test_short_names_of_classes_are_told_in_words() -> None:
    target = Target("CD", "diagnosis", description="Conduction disturbance: blocks.")
    report = ClinicalReport(answer(findings=(Finding(target, present=True),)), NOW)
    assert report.conclusion == "Present: conduction disturbance."
    (row,) = segments(to_oru(report), "OBX")
    assert row[3] == "CD^conduction disturbance^99ECGFOUNDRY"


def test_delimiters_in_texts_are_escaped() -> None:
    """HL7 v2.5, 2.7.1: \\F\\ \\S\\ \\T\\ \\R\\ \\E\\ stand for the five delimiters."""
    recording = Recording(
        np.zeros((1, 500), np.float32), 500.0, ("I",),
        subject=Subject(identifier="a|b^c&d~e\\f\rPID|2"),
    )  # fmt: skip
    findings = (Finding(Target("odd ^|~\\& name", "rhythm"), present=True),)
    message = to_oru(ClinicalReport(answer(findings=findings), NOW, recording=recording))
    parsed(message)
    (pid,) = segments(message, "PID")
    assert pid[3] == "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f PID\\F\\2^^^^MR"
    assert len(segments(message, "PID")) == 1
    (row,) = segments(message, "OBX")
    assert row[3].split("^")[1] == r"odd \S\\F\\R\\E\\T\ name"


def test_an_estimate_is_no_laboratory_result() -> None:
    target = Target("potassium", "laboratory indicator", codes={"LOINC": "2823-3"}, unit="mmol/L")
    message = to_oru(ClinicalReport(answer(findings=(Finding(target, value=4.2),)), NOW))
    parsed(message)
    (row,) = segments(message, "OBX")
    assert row[3] == "potassium^Estimated from an ECG: potassium^99ECGFOUNDRY"
    assert "2823-3" not in message and "nothing was measured in blood" in row[17]
    assert row[5:7] == ["4.2", "mmol/L^mmol/L^UCUM"]


def test_a_refusal_says_why() -> None:
    refused = answer(verdict="refused", refused=Notice("flat", "every lead is flat"))
    message = to_oru(ClinicalReport(refused, NOW))
    parsed(message)
    assert segments(message, "OBR")[0][25] == "X" and not segments(message, "OBX")
    assert segments(message, "NTE")[0][3] == "Not interpreted: every lead is flat."


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Müller^Änne^^Dr.", "Müller^Änne^^^Dr."),
        ("Roe^Jane^Ann^Prof.^MD", "Roe^Jane^Ann^MD^Prof."),
        ("^Änne", "^Änne"),
        ("Roe", "Roe"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou"),
        ("Smith & Sons^A|B", "Smith \\T\\ Sons^A\\F\\B"),
        ("^^^", "^^^^^^U"),
    ],
)
def test_every_part_of_a_name_keeps_its_place(said: str, told: str) -> None:
    """PS3.5, 6.2.1.1: family, given, middle, prefix, suffix; XPN has the suffix first (2.A.88)."""
    link = PatientLink(identifier="4711", name=said)
    message = to_oru(ClinicalReport(answer(), NOW, patient=link))
    parsed(message)
    assert segments(message, "PID")[0][5] == told


@pytest.mark.parametrize(
    ("value", "told"),
    [(4.15, "4.15"), (12_345_678.0, "12345700"), (0.00002, "0.00002"), (0.0, "0")],
)
def test_a_number_has_no_exponent(value: float, told: str) -> None:
    """HL7 v2.5, 2.A.47: digits, a sign and a point alone."""
    target = Target("creatine kinase", "laboratory indicator", unit="U/L")
    message = to_oru(ClinicalReport(answer(findings=(Finding(target, value=value),)), NOW))
    parsed(message)
    assert [row[5] for row in segments(message, "OBX") if row[2] == "NM"] == [told]
