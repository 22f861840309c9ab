"""What one recording shows is the same in every output: no figure, word or doubt of its own.

Terminal, JSON, CSV, HTML, page, FHIR, HL7, DICOM SR, sentences and MCP are made from one answer; a
stored answer (JSON) gives the same documents as a fresh one. No expected value stands here: the
outputs are compared with each other, and with what the list of statements says.
"""

from __future__ import annotations

import datetime as dt
import html
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.experiments.hostile_signals import as_leads
from rich.console import Console

import ecgfoundry
from ecgfoundry.criteria import Statement, state
from ecgfoundry.criteria.decisions import decided_by_network, join
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.stating import with_median_beat
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.reports.clinical import ClinicalReport
from ecgfoundry.reports.fhir import to_fhir
from ecgfoundry.reports.hl7 import to_oru
from ecgfoundry.reports.html.report import ReportItem, html_report
from ecgfoundry.reports.prose import prose
from ecgfoundry.reports.tables import csv_rows, terminal_table
from ecgfoundry.reports.told import with_caveat
from ecgfoundry.service.reading import reading_document, words_of_present
from ecgfoundry.tasks.finding import Finding
from ecgfoundry.vocabularies.types import Target

pytest.importorskip("fastapi", reason="what the page shows needs the extra 'serve'")

NOW = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
DOUBT = "this may be no ECG"
AGE_UNKNOWN = "The age is not known; the limits are those of adults."
FILES = (
    "cinc2021/E07500.hea", "cinc2021/HR06005.hea", "cinc2017/A00001.hea", "cinc2017/A00005.hea",
    "dicom/waveform_ecg.dcm", "philips/129DYPRG.xml", "ludb/8.hea", "mitdb/201_450s.hea",
)  # fmt: skip


def recording_of(name: str, fixtures: Path) -> Recording:
    if name.startswith("sample:"):
        return ecgfoundry.read(name)
    if name == "may be no ECG":
        x = as_leads("slope of a pressure", np.random.default_rng([1, 7]), 2500, 250.0, 1, False)
        return Recording.from_array(x, sampling_rate=250.0, leads=("I",), unit="mV")
    return ecgfoundry.read(fixtures / name)


def outputs(answer: Interpretation, recording: Recording) -> dict[str, str]:
    """Every output as text, its white space and escapes taken out."""
    buffer = io.StringIO()
    terminal_table([answer], console=Console(file=buffer, width=500))
    page = html_report([ReportItem(recording, answer, lambda *_: recording)])
    page = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    report = ClinicalReport(answer, NOW, recording=recording)
    entries = [entry["resource"] for entry in to_fhir(report)["entry"]]
    (conclusion,) = [one["conclusion"] for one in entries if "conclusion" in one]
    reading = reading_document(answer, {})
    shown = [f"{'possible ' * one['possible']}{one['words']}" for one in reading["statements"]]
    found = {
        "terminal": buffer.getvalue(),
        "CSV": "\n".join(",".join(row) for row in csv_rows([answer])),
        "HTML": html.unescape(re.sub(r"<[^>]+>", " ", page)),
        "page": ", ".join([*shown, reading["doubt"] or ""]),
        "worklist": ", ".join(words_of_present(answer)),
        "FHIR": conclusion,
        "HL7": to_oru(report).replace("\\R\\", "~").replace("\\T\\", "&"),
    }
    if answer.measurements is not None:
        found["sentences"] = prose(answer.measurements, answer.statements)
    return {name: re.sub(r"\s+", " ", text) for name, text in found.items()}


def fixture_answers(fixtures: Path, name: str) -> tuple[Interpretation, Recording]:
    recording = recording_of(name, fixtures)
    return ecgfoundry.interpret(recording), recording


@pytest.mark.parametrize("name", ["sample:12-lead", "sample:single-lead", *FILES])
def test_of_a_file(name: str, fixtures: Path) -> None:
    answer, recording = fixture_answers(fixtures, name)
    agree(answer, recording)
    a_stored_answer_says_the_same(answer, recording)


def agree(answer: Interpretation, recording: Recording) -> None:
    found = outputs(answer, recording)
    lines = words_of_present(answer)
    assert len(set(lines)) == len(lines)
    by_criteria = {one.name for one in answer.statements if one.group != "network"}
    shown = {one["name"] for one in reading_document(answer, {})["statements"]}
    for words in lines:
        for name in ("page", "worklist", "FHIR"):
            assert words in found[name], (name, words)
    for one in reading_document(answer, {})["statements"]:
        if one["name"] not in by_criteria:
            continue  # a class of the network, which tables show under its own name
        words = f"{'possible ' * one['possible']}{one['words']}"
        for name in ("terminal", "HTML", "HL7", "sentences"):
            assert words.lower() in found[name].lower(), (name, words)
    # Nothing else is told as present.
    told = found["FHIR"].partition("Present: ")[2].partition(". ")[0]
    assert told == ", ".join(lines)
    assert found["HL7"].count("8601-7") == len(shown & by_criteria)
    measured = answer.measurements
    assert measured is not None
    reading = reading_document(answer, {})
    for notice in (*answer.warnings, *measured.notices):
        for name in ("terminal", "HTML", "FHIR", "HL7"):
            assert found[name].count(notice.message) == 1, (name, notice.message)
        assert reading["notices"].count(notice.message) == 1
        assert notice.code in found["CSV"]
    for label in ("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms"):
        value = measured.values[label].value
        if value is not None:
            for name in ("terminal", "HTML", "sentences"):
                assert re.search(rf"\b{round(value)}\b", found[name]), (name, label)


def a_stored_answer_says_the_same(answer: Interpretation, recording: Recording) -> None:
    stored = Interpretation.from_dict(json.loads(json.dumps(answer.to_dict())))
    assert stored.to_dict() == answer.to_dict()
    stored = with_median_beat(stored, recording)
    made: tuple[Callable[[ClinicalReport], object], ...] = (to_fhir, to_oru)
    for make in made:
        fresh = make(ClinicalReport(answer, NOW, recording=recording))
        assert make(ClinicalReport(stored, NOW, recording=recording)) == fresh
    assert reading_document(stored, {}) == reading_document(answer, {})
    assert outputs(stored, recording) == outputs(answer, recording)


def test_a_doubt_is_told_once_and_in_the_same_words(fixtures: Path) -> None:
    answer, recording = fixture_answers(fixtures, "may be no ECG")
    (notice,) = [one for one in answer.warnings if DOUBT in one.message]
    found = outputs(answer, recording)
    found.pop("worklist")
    for name, text in found.items():
        assert text.count(DOUBT) == 1, name
        assert f"Nothing is stated: {notice.message}." in text, name
        assert "marked present" not in text, name
    assert words_of_present(answer) == []
    a_stored_answer_says_the_same(answer, recording)


def joined(
    recording: Recording, said: dict[str, tuple[float, bool]], subject: Subject
) -> tuple[Interpretation, Recording]:
    """An answer whose network says this of these targets, each with the threshold 0.5."""
    findings = tuple(
        Finding(Target(name, "rhythm"), probability, 0.5, present, calibrated=True)
        for name, (probability, present) in said.items()
    )
    recording = replace(recording, subject=subject)
    measured = ecgfoundry.measure(recording)
    stated = state(measured, age=subject.age, sex=subject.sex, decided=decided_by_network(findings))
    answer = replace(
        ecgfoundry.interpret(recording),
        findings=findings,
        measurements=measured,
        statements=join(stated, findings),
    )
    return answer, recording


def test_what_the_criteria_deny_is_told_nowhere_as_present(fixtures: Path) -> None:
    """A network that sees bradycardia at 117 per minute, and no premature beats where two are."""
    sample = ecgfoundry.read("sample:12-lead")
    said = {"SINUS BRADYCARDIA": (0.9, True), "PREMATURE VENTRICULAR COMPLEXES": (0.1, False)}
    answer, recording = joined(sample, said, Subject(age=60.0, sex="male"))
    agree(answer, recording)
    found = outputs(answer, recording)
    for name in ("page", "worklist", "FHIR", "HL7", "sentences"):
        assert "bradycardia" not in found[name].lower(), name
    for name in ("terminal", "HTML"):
        assert "the criteria decide: absent" in found[name], name
    for name in ("terminal", "HTML", "page", "worklist", "FHIR", "HL7"):
        assert "possible premature ventricular complexes" in found[name], name
    for name in ("terminal", "CSV", "HTML", "HL7", "sentences"):
        assert "The network says absent." in found[name], name


def test_a_caveat_stands_behind_reasons_or_alone() -> None:
    """CSV had ". The network says absent." of a statement without measurements."""
    sample = ecgfoundry.read("sample:12-lead")
    said = {"PREMATURE VENTRICULAR COMPLEXES": (0.1, False)}
    answer, _ = joined(sample, said, Subject(age=60.0, sex="male"))
    bare = tuple(replace(one, evidence=(), probability=None) for one in answer.statements)
    cells = [row[-1] for row in csv_rows([replace(answer, statements=bare)])]
    assert "possible: The network says absent." in cells
    one: Statement = bare[0]
    assert with_caveat("QRS 120 ms", replace(one, caveat="")) == "QRS 120 ms"
    assert with_caveat("", replace(one, caveat="")) == ""


@pytest.mark.parametrize(
    ("subject", "known"), [(Subject(), False), (Subject(age=40.0, sex="female"), True)]
)
def test_whose_limits_these_are(fixtures: Path, subject: Subject, known: bool) -> None:
    sample = ecgfoundry.read(fixtures / "cinc2021" / "E07500.hea")
    answer, recording = joined(sample, {}, subject)
    found = outputs(answer, recording)
    for name in ("terminal", "FHIR", "HL7", "sentences"):
        assert found[name].count(AGE_UNKNOWN) == (not known), name
    assert (AGE_UNKNOWN in found["HTML"]) is not known
    a_stored_answer_says_the_same(answer, recording)


def test_of_a_child_no_limit_of_adults_is_used(fixtures: Path) -> None:
    sample = ecgfoundry.read("sample:12-lead")
    answer, recording = joined(sample, {}, Subject(age=3.0, sex="female"))
    agree(answer, recording)
    found = outputs(answer, recording)
    for name in ("terminal", "CSV", "page", "worklist", "FHIR", "HL7", "sentences"):
        assert "tachycardia" not in found[name], name
