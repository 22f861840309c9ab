"""What a reader says, in each grammar: final or corrected, and never over the machine's answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

import ecgfoundry
from ecgfoundry.reports.clinical import ClinicalReport
from ecgfoundry.reports.fhir import to_fhir
from ecgfoundry.reports.hl7 import to_oru
from ecgfoundry.reports.html.report import ReportItem, html_report
from ecgfoundry.reports.reviewed import Review, Said

NOW = dt.datetime(2026, 11, 21, 8, 30, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 11, 21, 9, 45, tzinfo=dt.UTC)
EDITS = (
    Said("SINUS TACHYCARDIA", False, "atrial flutter with 2:1 conduction"),
    Said("ATRIAL FLUTTER", True),
    Said("Looks like digitalis", True),
    Said("T WAVE INVERSION", None),
)


@pytest.fixture(scope="module")
def answer() -> Any:
    return ecgfoundry.interpret("sample:12-lead")


def report(answer: Any, decision: Any, **fields: Any) -> ClinicalReport:
    review = Review("dr-weber", decision, LATER, 9, **fields)
    return ClinicalReport(answer, NOW, review=review)


def rows(message: str, name: str) -> list[list[str]]:
    lines = [line.split("|") for line in message.split("\r")]
    return [line for line in lines if line[0] == name]


def test_words(answer: Any) -> None:
    edited = report(answer, "edited", said=EDITS, comment="Repeat\nafter 1 h")
    words = edited.conclusion
    assert words.startswith("Read by dr-weber, 2026-11-21 09:45:00 UTC+00:00: edited. Present: ")
    assert "atrial flutter, Looks like digitalis. Not present: sinus tachycardia." in words
    assert "T wave inversion" not in words
    assert "unconfirmed" not in " ".join(edited.lines)
    confirmed = report(answer, "confirmed")
    assert "Present: sinus tachycardia, premature ventricular complexes" in confirmed.conclusion
    rejected = report(answer, "rejected")
    assert rejected.conclusion.endswith("the automatic answer is rejected.")
    assert rejected.read == ()


@pytest.mark.parametrize("present", [True, False])
def test_what_a_reader_has_decided_is_no_longer_possible(answer: Any, present: bool) -> None:
    """It stood there as well: "sinus bradycardia, possibly marked sinus bradycardia"."""
    lesser, marked = "SINUS BRADYCARDIA", "MARKED SINUS BRADYCARDIA"
    stated = tuple(
        replace(one, present=True, possible=one.name == marked)
        if one.name in (lesser, marked)
        else one
        for one in answer.statements
    )
    answer = replace(answer, statements=stated)
    unread = report(answer, "confirmed")
    assert "sinus bradycardia, possibly marked sinus bradycardia" in unread.conclusion
    read = report(answer, "edited", said=(Said(marked, present),))
    assert "possibly" not in read.conclusion
    held = read.conclusion.partition("Not present: ")
    words = "marked sinus bradycardia"
    assert words in (held[0] if present else held[2])
    assert read.conclusion.count(words) == 1


@pytest.mark.parametrize(
    ("decision", "released", "study", "results"),
    [
        ("confirmed", False, "F", "F"),
        ("edited", True, "C", "C"),
        ("rejected", False, "X", "D"),
    ],
)
def test_hl7_says_what_a_result_has_become(
    answer: Any, decision: str, released: bool, study: str, results: str
) -> None:
    """OBR-25 (table 0123) and OBX-11 (table 0085)."""
    machine = to_oru(ClinicalReport(answer, NOW))
    message = to_oru(report(answer, decision, released=released, before=released or None))
    (order,), (before,) = rows(message, "OBR"), rows(machine, "OBR")
    assert order[3] == before[3], "the same result"
    assert rows(message, "MSH")[0][9] != rows(machine, "MSH")[0][9], "another message"
    assert (order[22], order[25], order[32]) == ("20261121094500+0000", study, "dr-weber")
    heart_rate = next(row for row in rows(message, "OBX") if row[3].startswith("8867-4^"))
    assert (heart_rate[5], heart_rate[11], heart_rate[16]) == ("116.9", results, "dr-weber")
    hl7 = pytest.importorskip("hl7apy.parser")
    tree = hl7.parse_message(message, find_groups=True, force_validation=False)
    assert tree.validate() is True


def test_hl7_takes_back_adds_and_leaves_open(answer: Any) -> None:
    message = to_oru(report(answer, "edited", said=EDITS))
    said = {row[5]: row[11] for row in rows(message, "OBX") if row[3].startswith("8601-7^")}
    by_name = {key.split("^")[-3]: status for key, status in said.items()}
    assert by_name["SINUS TACHYCARDIA"] == "D"
    assert by_name["T WAVE INVERSION"] == "X"
    assert by_name["ATRIAL FLUTTER"] == by_name["PREMATURE VENTRICULAR COMPLEXES"] == "F"
    assert by_name["Looks like digitalis"] == "F"
    assert any(key.startswith("164890007^Electrocardiographic atrial flutter^SCT^") for key in said)


@pytest.mark.parametrize(
    ("decision", "released", "status"),
    [
        ("confirmed", False, "final"),
        ("edited", True, "amended"),
        ("rejected", False, "cancelled"),
        ("rejected", True, "entered-in-error"),
    ],
)
def test_fhir_updates_the_report_and_leaves_what_the_machine_observed(
    answer: Any, decision: str, released: bool, status: str
) -> None:
    resources = pytest.importorskip("fhir.resources.R4B")
    machine = to_fhir(ClinicalReport(answer, NOW))
    bundle = to_fhir(report(answer, decision, said=EDITS, released=released))
    resources.get_fhir_model_class("Bundle").model_validate(bundle)
    first, before = bundle["entry"][0], machine["entry"][0]
    assert first["request"]["method"] == "PUT"
    assert first["request"]["url"] == f"DiagnosticReport?{before['request']['ifNoneExist']}"
    told = first["resource"]
    assert told["identifier"] == before["resource"]["identifier"]
    assert (told["status"], told["issued"]) == (status, "2026-11-21T09:45:00+00:00")
    assert told["performer"] == told["resultsInterpreter"] == [{"display": "dr-weber"}]
    assert (
        f"The automatic answer was: {before['resource']['conclusion'][:30]}"
        in (told["text"]["div"])
    )
    ours = bundle["entry"][1 : len(machine["entry"])]
    assert ours == machine["entry"][1:], "the machine's own are sent as they were"
    read = {e["resource"]["code"]["text"]: e["resource"] for e in bundle["entry"][len(ours) + 1 :]}
    if decision == "rejected":
        assert read == {} and "conclusionCode" not in told
        return
    flutter = read["atrial flutter"]
    assert (flutter["status"], flutter["valueBoolean"]) == (status, True)
    assert flutter["performer"] == [{"display": "dr-weber"}] and "device" not in flutter
    assert read["sinus tachycardia"]["valueBoolean"] is False
    assert read["sinus tachycardia"]["note"][0]["text"] == "atrial flutter with 2:1 conduction"
    assert "valueBoolean" not in read["T wave inversion"]
    codes = [code["coding"][0]["code"] for code in told["conclusionCode"]]
    assert "164890007" in codes and "427084000" not in codes


def test_a_verified_sr_names_its_reader_and_what_was_before(answer: Any) -> None:
    pytest.importorskip("pydicom")
    from ecgfoundry.reports.dicom import DicomStudy, report_sr

    plain = ClinicalReport(answer, NOW)
    study = DicomStudy.of_report(plain)
    machine = report_sr(plain, study)
    first = report_sr(report(answer, "edited", said=EDITS), study, "KH Nord")
    review = Review("dr-weber", "rejected", LATER, 11, before=9, released=True)
    second = report_sr(ClinicalReport(answer, NOW, review=review), study)
    assert (machine.VerificationFlag, machine.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert (first.VerificationFlag, first.PreliminaryFlag) == ("VERIFIED", "FINAL")
    (who,) = first.VerifyingObserverSequence
    assert (str(who.VerifyingObserverName), who.VerifyingOrganization) == ("dr-weber", "KH Nord")
    assert who.VerificationDateTime == "20261121094500+0000"

    def before(document: Any) -> list[str]:
        (of_study,) = document.PredecessorDocumentsSequence
        return [
            one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
            for one in of_study.ReferencedSeriesSequence
        ]

    assert before(first) == [machine.SOPInstanceUID]
    assert before(second) == [machine.SOPInstanceUID, first.SOPInstanceUID]
    assert len({machine.SOPInstanceUID, first.SOPInstanceUID, second.SOPInstanceUID}) == 3
    assert first.SeriesInstanceUID == second.SeriesInstanceUID != machine.SeriesInstanceUID
    values = first.to_json()
    assert "Electrocardiographic atrial flutter" in values and "Looks like digitalis" in values
    assert "427084000" not in values, "what the reader takes back is no finding"
    assert "MDC" not in second.to_json(), "of a rejected answer nothing is told as measured"


def test_paper_says_it_first(answer: Any) -> None:
    review = report(answer, "edited", said=EDITS, comment="<b>Repeat</b>").review
    page = html_report([ReportItem(None, answer, review=review)])
    assert "Read by dr-weber, 2026-11-21 09:45:00 UTC+00:00: edited." in page
    assert "&lt;b&gt;Repeat&lt;/b&gt;" in page
    assert "Not present: <s>sinus tachycardia</s>" in page
    assert "Research use only. Unconfirmed." not in page
    assert "Research use only. Unconfirmed." in html_report([ReportItem(None, answer)])
