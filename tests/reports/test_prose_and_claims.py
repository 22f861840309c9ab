"""A report in sentences, and the sentences of a foreign text that contradict the measurements.

The recording is JS20000 of the CinC 2021 challenge (shipped sample): its own header says sinus
tachycardia (427084000), premature atrial complexes (284470004) and ST-T change (55930002).
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.criteria import Evidence, Statement
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.claims import CheckedSentence, check_text
from ecgfoundry.reports.evidence_words import in_words
from ecgfoundry.reports.prose import prose, sentences

NAMES = {
    "SINUS RHYTHM": True,
    "SINUS TACHYCARDIA": True,
    "ATRIAL FIBRILLATION": False,
    "VENTRICULAR TACHYCARDIA": False,
    "PREMATURE ATRIAL COMPLEXES": True,
    "LEFT BUNDLE BRANCH BLOCK": False,
    "RIGHT BUNDLE BRANCH BLOCK": False,
    "WITH 1ST DEGREE AV BLOCK": False,
    "LEFT VENTRICULAR HYPERTROPHY": None,
}


NUMBERS = {
    "heart_rate_bpm": 117.0, "pr_ms": 160.0, "qrs_ms": 88.0, "qt_ms": 364.0, "qtc_ms": 455.0,
    "qtc_bazett_ms": 508.0, "qtc_framingham_ms": 439.0, "qtc_hodges_ms": 464.0,
    "qrs_axis_deg": 66.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def measured() -> Measurements:
    """The sample with the numbers above in place of its own: the texts are held against them."""
    real = ecgfoundry.measure(ecgfoundry.read(ecgfoundry.sample_path("12-lead")))
    given = {
        name: replace(real.values[name], value=value, reason=None)
        for name, value in NUMBERS.items()
    }
    return replace(real, values={**real.values, **given})


@pytest.fixture(scope="module")
def statements() -> list[Statement]:
    return [
        Statement(name, "rhythm", present, reason=None if present is not None else "no age")
        for name, present in NAMES.items()
    ]


def one(text: str, measured: Measurements, statements: list[Statement]) -> CheckedSentence:
    (checked,) = check_text(text, measured, statements)
    return checked


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        # 117/min, PR 160, QRS 88, QTc 439 (Framingham) to 508 ms (Bazett), QRS axis 66 degrees.
        ("Heart rate 117 bpm", "supported"),
        ("Ventricular rate is 110 beats per minute.", "supported"),
        ("HR: 75 bpm", "contradicts"),
        ("PR interval of 0.16 s", "supported"),
        ("PR 240 ms", "contradicts"),
        ("QRS duration: 0.09 sec", "supported"),
        ("QRS is wide at 140 ms", "contradicts"),
        ("A narrow QRS complex.", "supported"),
        ("QTc 410 ms", "supported"),
        ("QTc(B) 508 ms", "supported"),
        ("QTc 400 ms", "contradicts"),
        ("Normal axis.", "supported"),
        ("QRS axis -45\u00b0", "contradicts"),
        ("QRS axis \u221245 degrees", "contradicts"),
        ("Bradycardia.", "contradicts"),
        ("Tachycardia.", "supported"),
        ("Sinus tachycardia with PACs.", "supported"),
        ("Atrial fibrillation.", "contradicts"),
        ("There is no atrial fibrillation.", "supported"),
        ("Atrial fibrillation is not seen.", "supported"),
        ("No sinus rhythm.", "contradicts"),
        ("No axis deviation, LBBB or RBBB.", "supported"),
        ("No ischaemia, premature atrial complexes.", "unchecked"),
        ("No atrial fibrillation, but left bundle branch block.", "contradicts"),
        ("Cannot rule out first-degree AV block.", "unchecked"),
        ("Left ventricular hypertrophy.", "unchecked"),
        ("ST depression in V4 to V6", "supported"),
        ("ST elevation in V4", "contradicts"),
        ("ST-segment elevation in the inferior leads.", "contradicts"),
        ("No ST depression in V4.", "contradicts"),
        ("T wave inversion in V5 and V6.", "supported"),
        ("Inferior ST elevation.", "contradicts"),
        ("The patient should drink water.", "unchecked"),
        # Denied behind the name.
        ("Atrial fibrillation is no longer present.", "supported"),
        ("Sinus rhythm is no longer present.", "contradicts"),
        ("Atrial fibrillation: none", "supported"),
        ("Sinus rhythm: no.", "contradicts"),
        ("Sinus rhythm: no AF.", "supported"),
        ("Atrial fibrillation absent.", "supported"),
        ("Sinus rhythm has been lost.", "contradicts"),
        ("Atrial fibrillation has resolved.", "supported"),
        ("Atrial fibrillation unlikely.", "unchecked"),
        ("AF?", "unchecked"),
        # Of another ECG.
        ("History of atrial fibrillation.", "unchecked"),
        ("Previous ECG: sinus rhythm.", "unchecked"),
        ("Previously the QRS was 160 ms.", "unchecked"),
        ("QRS 160 ms on the previous ECG.", "unchecked"),
        ("ST elevation in V4 on the prior ECG.", "unchecked"),
        ("The previous ECG showed bradycardia.", "unchecked"),
        ("Compared with the previous ECG, QRS 160 ms.", "contradicts"),
        # Another quantity under a word of this one.
        ("Respiratory rate of 16/min.", "unchecked"),
        ("Sampling rate 500 Hz.", "unchecked"),
        ("Mains frequency 50 Hz.", "unchecked"),
        ("Maximum heart rate of 150 bpm.", "unchecked"),
        ("The rate is 117/min with a QRS complex of 0.8 mV.", "supported"),
        ("QRS width 2.3 mm.", "unchecked"),
        ("Heart rate 117 ms.", "unchecked"),
        # Lists and ranges.
        ("QT/QTc 364/455 ms", "supported"),
        ("QT/QTcB 364/508 ms", "supported"),
        ("QT/QTc-Baz 364/600 ms", "contradicts"),
        ("QT/QTc 455/455 ms", "contradicts"),
        ("PR/QRS 160/140 ms", "contradicts"),
        ("Heart rate 100-130 bpm", "supported"),
        ("Heart rate between 60 and 80 bpm", "contradicts"),
        ("QRS 60\u2013115 ms", "supported"),
        ("PR 160-ms", "supported"),
        # Units in words and with a comma.
        ("QTc 0,46 Sek.", "supported"),
        ("QRS 0,16 s", "contradicts"),
        ("PR 0.16 seconds", "supported"),
    ],
)
def test_sentences_against_the_measurements(
    text: str, verdict: str, measured: Measurements, statements: list[Statement]
) -> None:
    assert one(text, measured, statements).verdict == verdict


def test_a_sentence_says_what_was_found(
    measured: Measurements, statements: list[Statement]
) -> None:
    text = "Sinus rhythm. The heart rate is 60/min, PR 160 ms."
    first, second = check_text(text, measured, statements)
    assert text[second.start :] == "The heart rate is 60/min, PR 160 ms."
    assert [claim.agrees for claim in second.claims] == [False, True]
    assert second.claims[0].about == "heart_rate_bpm"
    assert second.claims[0].found == "117 /min"
    assert first.to_dict()["verdict"] == "supported"


def test_no_value_is_no_contradiction(measured: Measurements) -> None:
    from ecgfoundry.measurements.values import missing

    values = {**measured.values, "pr_ms": missing("ms", "no P wave was found")}
    (checked,) = check_text("PR 300 ms.", replace(measured, values=values))
    assert checked.verdict == "unchecked"
    assert checked.claims[0].found == "no P wave was found"


def test_a_possible_statement_neither_supports_nor_contradicts(measured: Measurements) -> None:
    possible = Statement("WITH 1ST DEGREE AV BLOCK", "av", True, possible=True)
    (checked,) = check_text("First degree AV block.", measured, [possible])
    assert checked.verdict == "unchecked"


def test_what_was_refused_has_nothing_to_compare_with() -> None:
    flat = np.zeros((1, 5000), np.float32)
    recording = ecgfoundry.Recording.from_array(flat, sampling_rate=500, leads=["I"], unit="mV")
    measured = ecgfoundry.measure(recording)
    assert not measured.readable
    (checked,) = check_text("Heart rate 117 bpm.", measured)
    assert checked.verdict == "unchecked"
    (sentence,) = sentences(measured)
    assert sentence.text.startswith("This recording was not measured: ")


def test_every_sentence_of_our_own_report_cites_and_none_contradicts(
    measured: Measurements,
) -> None:
    from ecgfoundry.criteria import state

    stated = state(measured, age=84, sex="female")
    text = prose(measured, stated, file="JS20000.hea")
    body = text.splitlines()[1:-1]
    assert body[0] == "The heart rate is 117/min over 19 beats. [heart_rate_bpm, beats]"
    assert all(re.fullmatch(r".+\. \[[^\]]+\]", line) for line in body)
    assert not [one for one in check_text(text, measured, stated) if one.verdict == "contradicts"]
    assert text.startswith("JS20000.hea\n")
    assert text.endswith("Not a medical device. Research use only. Unconfirmed.\n")


def test_a_statement_stands_with_its_numbers_and_not_with_those_of_another(
    measured: Measurements,
) -> None:
    rhythm = Evidence("p_axis_deg", 52.0, "deg", "< 90", True, "textbook")
    rate = Evidence("heart_rate_bpm", 117.0, "/min", "> 100", True, "AHA 2007")
    part = Evidence("SINUS RHYTHM", 1.0, "1", "present", True, "AHA 2007")
    stated = [
        Statement("SINUS RHYTHM", "rhythm", True, (rhythm,)),
        Statement("SINUS TACHYCARDIA", "rate", True, (part, rhythm, rate)),
    ]
    *_, sinus = sentences(measured, stated[:1])
    *_, before, fast = sentences(measured, stated)
    assert "rhythm" not in before.text, "the tachycardia says it as well"
    assert sinus.text == "Sinus rhythm: P axis 52\u00b0 (limit < 90\u00b0)."
    assert str(sinus) == f"{sinus.text} [p_axis_deg, SINUS RHYTHM]"
    assert fast.text == "Sinus tachycardia: heart rate 117/min (limit > 100/min), sinus rhythm."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LEFT BUNDLE BRANCH BLOCK", "left bundle branch block"),
        ("WITH 2ND DEGREE AV BLOCK MOBITZ II", "2nd degree AV block Mobitz II"),
        ("RSR' PATTERN IN V1", "RSR' pattern in V1"),
        ("R IN AVL", "R in aVL"),
        ("BRUGADA TYPE 1 PATTERN", "Brugada type 1 pattern"),
    ],
)
def test_names_as_words(name: str, words: str) -> None:
    assert in_words(name) == words
