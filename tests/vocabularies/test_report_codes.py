"""The codes of the 12SL dictionary that change what the codes beside them mean, as literals.

Source: the statement dictionary of HEEDB, as read in public code (ELM-Research/ECG-Data).
"""

from __future__ import annotations

import pytest

from ecgfoundry.vocabularies import labels_of_12sl_codes, labels_of_statements
from ecgfoundry.vocabularies.statements import normalize_statement

# 22: normal sinus rhythm; 360: left atrial enlargement; 440: right bundle branch block.
DOUBT = ["1680", "1682", "1694", "843", "845", "846"]
CHANGE = ["1405", "1406", "1407", "1408", "1409", "1411", "1412", "1415", "1416", "1417", "1418"]
SILENT = [
    "177", "179", "211", "212", "233", "830", "831", "832", "833", "844", "1139", "1400", "1410",
    "1510", "1511", "1665", "1666", "1683", "163", "176", "33", "325",
    *(str(code) for code in (1450, 1451, 1452, 1453, 1454, 1455, 1457, 1458, 1459)),
    "1537", "1538", "1580", "1621", "1622",
]  # fmt: skip
NOT_SILENT = ["1449", "1456", "1460", "1536", "1623", "834", "1684"]


@pytest.mark.parametrize("code", DOUBT)
def test_a_word_of_doubt_opens_the_next_statement_only(code: str) -> None:
    found = labels_of_12sl_codes(["22", code, "360", "440"])
    assert found.positive == {"NORMAL SINUS RHYTHM", "RIGHT BUNDLE BRANCH BLOCK"}
    assert found.open == {"LEFT ATRIAL ENLARGEMENT"}
    assert (found.statements, found.unmapped) == (3, ())


@pytest.mark.parametrize("code", [*DOUBT])
def test_a_doubt_at_the_end_opens_every_diagnosis_but_no_rhythm(code: str) -> None:
    found = labels_of_12sl_codes(["22", "360", code])
    assert found.positive == {"NORMAL SINUS RHYTHM"}
    assert found.open == {"LEFT ATRIAL ENLARGEMENT"}


@pytest.mark.parametrize("code", CHANGE)
def test_a_word_of_change_opens_both_neighbours(code: str) -> None:
    found = labels_of_12sl_codes(["22", "360", code, "440", "1699"])
    assert found.positive == {"NORMAL SINUS RHYTHM", "ABNORMAL ECG"}
    assert found.open == {"LEFT ATRIAL ENLARGEMENT", "RIGHT BUNDLE BRANCH BLOCK"}
    assert found.statements == 4


def test_or_opens_both_neighbours_and_nothing_farther() -> None:
    found = labels_of_12sl_codes(["22", "360", "178", "440", "1699"])
    assert found.positive == {"NORMAL SINUS RHYTHM", "ABNORMAL ECG"}
    assert found.open == {"LEFT ATRIAL ENLARGEMENT", "RIGHT BUNDLE BRANCH BLOCK"}


@pytest.mark.parametrize("code", SILENT)
def test_a_silent_part_is_no_statement(code: str) -> None:
    found = labels_of_12sl_codes(["22", code])
    assert (found.statements, found.unmapped) == (1, ())
    assert found.positive == {"NORMAL SINUS RHYTHM"} and not found.open


@pytest.mark.parametrize("code", NOT_SILENT)
def test_a_code_beside_the_silent_ones_is_a_statement(code: str) -> None:
    assert labels_of_12sl_codes(["22", code]).statements == 2


def test_a_comparison_ends_the_doubt_and_what_is_this_ecg() -> None:
    # A doubt before "when compared with ECG of" has no statement of this ECG to open.
    found = labels_of_12sl_codes(["22", "1680", "1301", "1250", "360"])
    assert found.positive == {"NORMAL SINUS RHYTHM", "QT HAS LENGTHENED"}
    assert found.open == frozenset()
    # Within a comparison "has replaced" is what is said, and opens nothing.
    assert labels_of_12sl_codes(["1301", "1250", "1415"]).positive == {"QT HAS LENGTHENED"}
    assert labels_of_12sl_codes(["1250", "1415"]).open == {"QT HAS LENGTHENED"}


def test_a_label_that_is_stated_plainly_is_not_open_as_well() -> None:
    found = labels_of_12sl_codes(["1680", "360", "360"])
    assert found.positive == {"LEFT ATRIAL ENLARGEMENT"} and found.open == frozenset()
    infarct = "nferior infarct - age undetermined"
    said = labels_of_statements([f"Possible i{infarct}", f"I{infarct}"])
    assert said.positive == {"INFERIOR INFARCT"} and said.open == frozenset()


def test_statements_without_a_label_are_told_in_order() -> None:
    found = labels_of_statements(["Zebra crossing", "Sinus rhythm", " Another. ", "* * *"])
    assert found.unmapped == ("zebra crossing", "another")
    assert found.statements == 3 and found.positive == {"SINUS RHYTHM"}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("*** CONSIDER ACUTE ST ELEVATION MI ***", "consider acute st elevation mi"),
        ("-- .,;: Sinus \t rhythm.,;:- ", "sinus rhythm"),
        ("SUMMARY:  Abnormal   ECG", "abnormal ecg"),
        ("rsr’ pattern", "rsr' pattern"),
        ("In summary: normal", "in summary: normal"),
    ],
)
def test_the_plain_form_of_a_statement(text: str, plain: str) -> None:
    assert normalize_statement(text) == plain
