"""Which statements a reader gets, and which beats count for them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import ecgfoundry
from ecgfoundry.criteria import Statement, criteria, state
from ecgfoundry.criteria.reading import COMBINATIONS, DEGREES, SAYS_AS_WELL, for_reading
from ecgfoundry.reports.told import told_words
from ecgfoundry.vocabularies import load_vocabulary


def said(name: str, *, possible: bool = False) -> Statement:
    codes = criteria[name].codes if name in criteria else {}
    return Statement(name, "rate", True, codes=codes, possible=possible)


def test_every_name_is_a_statement() -> None:
    known = {*criteria, *load_vocabulary("ecgfounder-150").names}
    named = {*SAYS_AS_WELL, *(name for names in SAYS_AS_WELL.values() for name in names)}
    assert named <= known
    assert not [name for name, names in SAYS_AS_WELL.items() if name in names]


def test_what_another_statement_says_is_left_out() -> None:
    stated = [
        said("MARKED SINUS BRADYCARDIA"), said("SINUS BRADYCARDIA"), said("SINUS RHYTHM"),
        said("LEFT AXIS DEVIATION"), Statement("PROLONGED QT", "qt", False),
    ]  # fmt: skip
    shown = [statement.name for statement in for_reading(stated)]
    assert shown == ["MARKED SINUS BRADYCARDIA", "LEFT AXIS DEVIATION"]


def test_a_possible_degree_stands_in_the_line_of_the_certain_one() -> None:
    stated = [
        said("MARKED SINUS BRADYCARDIA", possible=True),
        said("SINUS BRADYCARDIA"),
        said("SINUS RHYTHM"),
    ]
    (line,) = for_reading(stated)
    assert (line.name, line.possible) == ("SINUS BRADYCARDIA", False)
    assert line.possibly == ("MARKED SINUS BRADYCARDIA",)
    assert told_words(line) == "sinus bradycardia, possibly marked sinus bradycardia"
    stated = [said("NORMAL SINUS RHYTHM", possible=True), said("SINUS RHYTHM", possible=True)]
    (line,) = for_reading(stated)
    assert told_words(line) == "possible normal sinus rhythm"


def test_what_is_more_than_a_degree_keeps_its_line() -> None:
    stated = [said("ACUTE MI", possible=True), said("ST ELEVATION")]
    assert [told_words(one) for one in for_reading(stated)] == [
        "possible acute MI", "ST elevation",
    ]  # fmt: skip


@pytest.mark.parametrize(("whole", "parts"), COMBINATIONS.items())
def test_of_two_things_each_is_as_sure_as_it_is(whole: str, parts: tuple[str, str]) -> None:
    sure, unsure = parts
    stated = [said(whole, possible=True), said(sure), said(unsure, possible=True)]
    shown = {one.name: one.possible for one in for_reading(stated)}
    assert shown == {sure: False, unsure: True}
    stated = [said(whole), said(sure), said(unsure)]
    assert [one.name for one in for_reading(stated)] == [whole]
    assert set(parts) <= set(SAYS_AS_WELL[whole])


def test_a_degree_says_what_it_is_a_degree_of() -> None:
    assert set(SAYS_AS_WELL) >= DEGREES
    for name in sorted(DEGREES - set(COMBINATIONS)):
        stated = [said(name, possible=True), *map(said, SAYS_AS_WELL[name])]
        shown = for_reading(stated)
        assert name not in {one.name for one in shown}
        assert [one.possibly for one in shown if one.possibly] == [(name,)]


def test_one_code_has_one_line() -> None:
    """Two lines of one SNOMED CT code are one thing told twice (or with two degrees of surety)."""
    by_code: dict[str, list[str]] = {}
    for criterion in criteria.values():
        if code := criterion.codes.get("SNOMED CT"):
            by_code.setdefault(code, []).append(criterion.name)
    demand = "10370003"  # four kinds of pacing that the terminology does not tell apart
    for code, names in by_code.items():
        for sure, unsure in itertools.permutations(names, 2) if code != demand else ():
            shown = for_reading([said(sure), said(unsure, possible=True)])
            assert len(shown) == 1, (sure, unsure)


def test_unlikely_classes_of_beats_make_no_tachycardia(fixtures: Path) -> None:
    # A00005 of CinC 2017 is labelled atrial fibrillation; three unsure beats in a row are no VT.
    measured = ecgfoundry.measure(fixtures / "cinc2017" / "A00005.hea")
    by_name = {statement.name: statement for statement in state(measured)}
    assert by_name["VENTRICULAR TACHYCARDIA"].present is not True
