"""The text of a result: one rule in two forms, against each other and against what it says."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pl = pytest.importorskip("polars")

from ecgfoundry.labs.targets.values import KINDS, parse_value, parse_values  # noqa: E402


def by_column(texts: list[str | None]) -> list[tuple]:
    table = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})
    return list(table.select(parse_values("text")).iter_rows())


def by_text(texts: list[str | None]) -> list[tuple]:
    return [(p.kind, p.value, p.censoring) for p in map(parse_value, texts)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4.1", ("numeric", 4.1, 0)),
        ("-3.2", ("numeric", -3.2, 0)),
        (".5", ("numeric", 0.5, 0)),
        ("1,234.5 (H)", ("numeric", 1234.5, 0)),
        ("12 mg/dL", ("numeric", 12.0, 0)),
        ("7.35*", ("numeric", 7.35, 0)),
        (">10.0", ("censored", 10.0, 1)),
        ("&lt;0.01", ("censored", 0.01, -1)),
        ("Greater than 90", ("censored", 90.0, 1)),
        ("≤ 5", ("censored", 5.0, -1)),
        ("5-10", ("range", 7.5, 0)),
        ("10-5", ("unknown", None, 0)),
        ("Negative", ("negative", None, 0)),
        ("Not Detected", ("negative", None, 0)),
        ("non-reactive", ("negative", None, 0)),
        ("Detected", ("positive", None, 0)),
        ("2+", ("positive", None, 0)),
        ("Trace", ("positive", None, 0)),
        ("HEMOLYZED", ("failed", None, 0)),
        ("Test not performed", ("failed", None, 0)),
        ("see note", ("unknown", None, 0)),
        ("1:80", ("unknown", None, 0)),
        ("12.5.1", ("unknown", None, 0)),
        ("1e999", ("unknown", None, 0)),
        ("", ("missing", None, 0)),
        ("  \n", ("missing", None, 0)),
        (None, ("missing", None, 0)),
        # An information separator, a next line, a no-break and a figure space are spaces.
        ("0\x1f", ("numeric", 0.0, 0)),
        ("\x8512\xa0mg/dL", ("numeric", 12.0, 0)),
        ("<\u20075", ("censored", 5.0, -1)),
        ("\x1c\u3000", ("missing", None, 0)),
    ],
)
def test_what_a_text_says(text, expected):
    assert by_text([text]) == [expected]
    assert by_column([text]) == [expected]


PIECES = ["<", ">", "<=", "4", "1,234", "10.0", ".", "-", " ", "neg", "Positive", "+", "mg/dL"]
PIECES += ["*", "\n", "%", "to", "&gt;", "hemolyzed", "e5", "QNS", "Trace", "greater than", "(H)"]
pieces = st.sampled_from(PIECES)
texts = st.one_of(
    st.none(), st.lists(pieces, max_size=5).map("".join), st.text(max_size=12), st.floats().map(str)
)


@settings(max_examples=15)
@given(st.lists(texts, min_size=40, max_size=80))
def test_the_column_form_equals_the_text_form(column):
    found = by_column(column)
    assert found == by_text(column)
    assert {kind for kind, _, _ in found} <= set(KINDS)


@given(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
def test_every_number_is_read_as_itself(number):
    assert parse_value(repr(number)).value == number
    assert parse_value(f">{number!r}").value == number


def test_all_real_rows_are_read(shared_data: Path):
    with (shared_data / "labs_eicu_demo" / "lab.csv").open(newline="", encoding="utf-8") as stream:
        column = [row["labresulttext"] for row in csv.DictReader(stream)]
    found = by_column(column)
    assert found == by_text(column)
    assert Counter(kind for kind, _, _ in found) == {"numeric": 29_863, "censored": 98}
