"""A lead that is named and holds nothing is answered for as one that is not named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.inference.predictor import Predictor, SourceTask, load_model
from ecgfoundry.recording import Recording


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return load_model("ptbxl-superclass-12lead")


def _emptied(whole: Recording, leads: tuple[str, ...], value: float) -> Recording:
    signal = np.array(whole.signal)
    signal[[whole.leads.index(lead) for lead in leads]] = value
    return replace(whole, signal=signal)


@pytest.mark.parametrize("value", [np.nan, 0.0])
@pytest.mark.parametrize(
    ("empty", "absent"),
    [
        (("V1", "V2"), ("V1", "V2")),
        (("III", "aVR", "aVL", "aVF"), ()),  # they follow from I and II
        (("V1", "V2", "V3", "V4", "V5", "V6"), ("V1", "V2", "V3", "V4", "V5", "V6")),
    ],
)
def test_empty_leads_are_absent(
    predictor: Predictor, empty: tuple[str, ...], absent: tuple[str, ...], value: float
) -> None:
    whole = ecgfoundry.read("sample:12-lead")
    without = whole.select([lead for lead in whole.leads if lead not in empty])
    emptied = _emptied(whole, empty, value)
    wanted, found = predictor.interpret(without), predictor.interpret(emptied)
    for one, other in zip(wanted.findings, found.findings, strict=True):
        assert one.name == other.name and one.present == other.present
        assert one.probability == pytest.approx(other.probability, abs=1e-6)
    said = [notice.leads for notice in found.warnings if notice.code == "leads-absent"]
    assert said == [absent] * bool(absent)
    assert not set(absent) & set(found.leads_used)
    tasks = [SourceTask(one, one, None, None) for one in (without, emptied)]
    for one, other in zip(*(a.findings for a in predictor.interpret_many(tasks)), strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-5)
