"""Machine reports to the 150: whole statements, doubts, comparisons."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.vocabularies import (
    labels_of_12sl_codes,
    labels_of_statements,
    load_label_map,
    load_vocabulary,
)

CODES = sorted(load_label_map("12sl", "ecgfounder-150").codes)
OTHERS = ["1680", "1682", "1694", "178", "1301", "1405", "1418", "831", "1683", "999999"]


@pytest.mark.parametrize(
    ("codes", "positive", "doubtful"),
    [
        ("22 1684", ["NORMAL SINUS RHYTHM", "NORMAL ECG"], []),
        ("161 171 1699", ["ATRIAL FIBRILLATION", "WITH RAPID VENTRICULAR RESPONSE",
                          "ABNORMAL ECG"], []),
        # Possible left atrial enlargement; the doubt ends with the statement.
        ("19 1680 360 1693", ["SINUS RHYTHM", "BORDERLINE ECG"], ["LEFT ATRIAL ENLARGEMENT"]),
        # Cannot rule out anterior infarct, age undetermined.
        ("22 1682 740 831 1699", ["NORMAL SINUS RHYTHM", "ABNORMAL ECG"], ["ANTERIOR INFARCT"]),
        # Anterior infarct, age undetermined: a plain statement.
        ("740 831", ["ANTERIOR INFARCT"], []),
        # Atrial fibrillation or flutter.
        ("161 178 162", [], ["ATRIAL FIBRILLATION", "ATRIAL FLUTTER"]),
        # When compared with ECG of ...: sinus rhythm has replaced atrial fibrillation.
        ("22 1684 1301 19 1415 161", ["NORMAL SINUS RHYTHM", "NORMAL ECG"], []),
        # ... T wave inversion now evident in lateral leads; QT has lengthened.
        ("22 1699 1301 1220 1452 1250",
         ["NORMAL SINUS RHYTHM", "ABNORMAL ECG", "T WAVE INVERSION NOW EVIDENT IN",
          "QT HAS LENGTHENED"], []),
        # A statement of change without the word that opens the comparison.
        ("22 231 1418 1410", ["NORMAL SINUS RHYTHM"], ["PREMATURE VENTRICULAR COMPLEXES"]),
        # Sorted codes: the doubt has lost its statement, so every diagnosis is open.
        ("22 360 740 1680", ["NORMAL SINUS RHYTHM"],
         ["LEFT ATRIAL ENLARGEMENT", "ANTERIOR INFARCT"]),
        # Minimal voltage criteria, may be normal variant.
        ("22 542", ["NORMAL SINUS RHYTHM"], ["VOLTAGE CRITERIA FOR LEFT VENTRICULAR HYPERTROPHY"]),
        ("288", ["ATRIAL FLUTTER"], []),
        ("", [], []),
    ],
)  # fmt: skip
def test_12sl_reports(codes: str, positive: list[str], doubtful: list[str]) -> None:
    found = labels_of_12sl_codes(codes.split())
    assert found.positive == set(positive)
    assert found.open == set(doubtful)


def test_normal_is_not_inside_abnormal() -> None:
    assert labels_of_12sl_codes(["1699"]).positive == {"ABNORMAL ECG"}
    assert labels_of_12sl_codes(["22"]).positive == {"NORMAL SINUS RHYTHM"}
    assert labels_of_statements(["Abnormal ECG"]).positive == {"ABNORMAL ECG"}
    assert labels_of_statements(["Not a normal ECG"]).positive == frozenset()


def test_unmapped_statements_are_counted_and_joining_words_are_not() -> None:
    found = labels_of_12sl_codes(["22", "105", "831", "77777"])
    assert found.unmapped == ("105", "77777") and found.statements == 3


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*CODES, *OTHERS]), max_size=12))
def test_no_report_contradicts_itself(codes: list[str]) -> None:
    found = labels_of_12sl_codes(codes)
    names = set(load_vocabulary("ecgfounder-150").names)
    assert not found.positive & found.open
    assert (found.positive | found.open) <= names
    assert len(found.unmapped) <= found.statements <= len(codes)
    if "1301" in codes:  # nothing after the comparison adds a finding of this ECG
        before = labels_of_12sl_codes(codes[: codes.index("1301")])
        kinds = {t.name: t.kind for t in load_vocabulary("ecgfounder-150").targets}
        new = found.positive - before.positive
        assert all(kinds[name] == "serial comparison" for name in new)


@pytest.mark.parametrize(
    ("statement", "positive", "doubtful"),
    [
        ("Sinus rhythm", ["SINUS RHYTHM"], []),
        ("SINUS RHYTHM.", ["SINUS RHYTHM"], []),
        ("Sinus rhythm with PAC(s).", ["SINUS RHYTHM", "PREMATURE ATRIAL COMPLEXES",
                                       "PREMATURE SUPRAVENTRICULAR COMPLEXES"], []),
        ("Possible inferior infarct - age undetermined", [], ["INFERIOR INFARCT"]),
        ("Inferior infarct - age undetermined", ["INFERIOR INFARCT"], []),
        ("*** CONSIDER ACUTE ST ELEVATION MI ***", [], ["ACUTE MI / STEMI"]),
        ("--- Warning: Data quality may affect interpretation ---", [], []),
        ("Sinus rhythm with borderline 1st degree A-V block", ["SINUS RHYTHM"],
         ["WITH 1ST DEGREE AV BLOCK"]),
        ("RBBB with left anterior fascicular block",
         ["RBBB AND LEFT ANTERIOR FASCICULAR BLOCK", "RIGHT BUNDLE BRANCH BLOCK",
          "LEFT ANTERIOR FASCICULAR BLOCK"], []),
        ("Summary: Borderline ECG", ["BORDERLINE ECG"], []),
    ],
)  # fmt: skip
def test_mimic_statements(statement: str, positive: list[str], doubtful: list[str]) -> None:
    found = labels_of_statements([statement, "", "  "])
    assert found.positive == set(positive)
    assert found.open == set(doubtful)
    assert found.statements == 1
