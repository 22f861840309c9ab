"""Statements on constructed ECGs, from the signal on: one that shows each, and a near miss."""

from __future__ import annotations

import pytest
from tests.criteria.constructed import CONSTRUCTED

import ecgfoundry
from ecgfoundry.criteria import Statement, state
from ecgfoundry.synthesis.planted import Planted, paint


def stated(planted: Planted) -> dict[str, Statement]:
    measured = ecgfoundry.measure(paint(planted))
    return {s.name: s for s in state(measured, age=55.0, sex="male")}


@pytest.mark.parametrize("name", list(CONSTRUCTED))
def test_a_constructed_ecg_shows_the_statement_and_a_near_miss_does_not(name: str) -> None:
    shows, misses = CONSTRUCTED[name]
    found = stated(shows)[name]
    assert found.present is True, (
        found.reason,
        [(e.name, e.lead, e.value, e.limit, e.met) for e in found.evidence if not e.met],
    )
    assert stated(misses)[name].present is not True
