"""Which statements a reader gets, and which beats count for them."""

from __future__ import annotations

from pathlib import Path

import ecgfoundry
from ecgfoundry.criteria import Statement, criteria, state
from ecgfoundry.criteria.reading import SAYS_AS_WELL, for_reading
from ecgfoundry.vocabularies import load_vocabulary


def said(name: str, *, possible: bool = False) -> Statement:
    return Statement(name, "rate", True, possible=possible)


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


def test_a_possible_statement_hides_no_certain_one() -> None:
    stated = [said("MARKED SINUS BRADYCARDIA", possible=True), said("SINUS BRADYCARDIA")]
    assert [statement.name for statement in for_reading(stated)] == [
        "MARKED SINUS BRADYCARDIA", "SINUS BRADYCARDIA",
    ]  # fmt: skip


def test_unlikely_classes_of_beats_make_no_tachycardia(fixtures: Path) -> None:
    # A00005 of CinC 2017 is labelled atrial fibrillation; three unsure beats in a row are no VT.
    measured = ecgfoundry.measure(fixtures / "cinc2017" / "A00005.hea")
    by_name = {statement.name: statement for statement in state(measured)}
    assert by_name["VENTRICULAR TACHYCARDIA"].present is not True
