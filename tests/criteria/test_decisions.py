"""Who decides where criteria and a network both have an answer."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.criteria.building import Built
from tests.criteria.cases import CASES

from ecgfoundry.criteria import Statement, criteria, decided_by_network, join, state
from ecgfoundry.criteria.decisions import DECIDERS, decider_of
from ecgfoundry.vocabularies import load_vocabulary
from ecgfoundry.vocabularies.exclusive import ALIASES, withheld


@dataclass(frozen=True)
class Found:
    name: str
    probability: float
    threshold: float | None = 0.5
    reason: str | None = None

    @property
    def present(self) -> bool | None:
        return None if self.threshold is None else self.probability >= self.threshold


def joined(built: Built, *findings: Found) -> dict[str, Statement]:
    stated = state(
        built.measurements(), age=built.age, sex=built.sex, decided=decided_by_network(findings)
    )
    return {s.name: s for s in join(stated, findings)}


def test_every_criterion_has_a_decider() -> None:
    stated = state(Built().measurements())
    assert {decider_of(s) for s in stated} == {"network", "criteria", "either"}
    assert set(DECIDERS) <= set(criteria)
    assert set(ALIASES.values()) <= set(criteria)


def test_aliases_name_targets_of_vocabularies() -> None:
    vocabularies = ("cinc2017-rhythm", "code-6", "ptbxl-diagnosis", "ecg-fm-17", "scp-ecg")
    known = {name for one in vocabularies for name in load_vocabulary(one).names}
    assert set(ALIASES) <= known


def test_the_network_decides_on_fibrillation_and_the_rest_follows() -> None:
    fast = Built(values={"heart_rate_bpm": 130.0, "atrial_rate_bpm": 130.0}, rr_s=60 / 130)
    found = joined(fast, Found("atrial fibrillation", 0.97))
    fibrillation = found["ATRIAL FIBRILLATION"]
    assert (fibrillation.present, fibrillation.decided_by) == (True, "network")
    assert fibrillation.probability == 0.97
    assert found["WITH RAPID VENTRICULAR RESPONSE"].present is True
    assert found["LEFT ATRIAL ENLARGEMENT"].present is None
    # The criteria still see P waves, and both sides say that this cannot be.
    assert found["SINUS RHYTHM"].present is True
    assert "ATRIAL FIBRILLATION" in found["SINUS RHYTHM"].contradicts
    assert "SINUS RHYTHM" in fibrillation.contradicts


@pytest.mark.parametrize(
    ("name", "contradicts"),
    [
        ("SEPTAL INFARCT", True),
        ("ST DEPRESSION", True),
        ("LEFT ATRIAL ENLARGEMENT", True),
        ("LEFT BUNDLE BRANCH BLOCK", True),
        ("PROLONGED QT", True),
        # Variants of the normal.
        ("EARLY REPOLARIZATION", False),
        ("RSR' PATTERN IN V1", False),
        ("VOLTAGE CRITERIA FOR LEFT VENTRICULAR HYPERTROPHY", False),
    ],
)
def test_a_network_that_says_normal_is_contradicted(name: str, contradicts: bool) -> None:
    for normal in ("NORMAL ECG", "NORM"):  # as ecgfounder-150 and as PTB-XL name it
        found = joined(CASES[name][0], Found(normal, 0.9))
        assert found[name].present is True and found[normal].present is True
        assert (normal in found[name].contradicts) is contradicts
        assert (name in found[normal].contradicts) is contradicts


def test_a_network_that_names_the_rate_does_not_deny_sinus_rhythm() -> None:
    fast = Built(values={"heart_rate_bpm": 117.0, "atrial_rate_bpm": 117.0}, rr_s=60 / 117)
    tachycardia, sinus = Found("SINUS TACHYCARDIA", 0.81), Found("SINUS RHYTHM", 0.03)
    rhythm = joined(fast, tachycardia, sinus)["SINUS RHYTHM"]
    assert (rhythm.present, rhythm.possible, rhythm.caveat) == (True, False, "")
    assert (rhythm.decided_by, rhythm.probability) == ("criteria", 0.03)
    # Without a rate named, it is a denial.
    rhythm = joined(fast, Found("SINUS TACHYCARDIA", 0.2), sinus)["SINUS RHYTHM"]
    assert (rhythm.possible, rhythm.caveat) == (True, "The network says absent.")


def test_the_network_takes_back_the_criterion_of_fibrillation() -> None:
    found = joined(CASES["ATRIAL FIBRILLATION"][0], Found("ATRIAL FIBRILLATION", 0.1))
    assert found["ATRIAL FIBRILLATION"].present is False
    assert found["ATRIAL FIBRILLATION"].decided_by == "network"
    assert "fibrillation" not in (found["LEFT ATRIAL ENLARGEMENT"].reason or "")


def test_criteria_decide_on_what_is_a_number() -> None:
    found = joined(Built(values={"qrs_axis_deg": -60.0}), Found("LEFT AXIS DEVIATION", 0.2))
    axis = found["LEFT AXIS DEVIATION"]
    assert (axis.present, axis.decided_by, axis.probability) == (True, "criteria", 0.2)
    assert axis.caveat == "The network says absent."


@pytest.mark.parametrize(
    ("probability", "fires", "present", "possible", "decided_by"),
    [
        (0.9, True, True, False, "both"),
        (0.1, False, False, False, "both"),
        (0.1, True, True, True, "criteria"),
        (0.9, False, True, True, "network"),
    ],
)
def test_either_decides_on_shapes(
    probability: float, fires: bool, present: bool, possible: bool, decided_by: str
) -> None:
    base = CASES["LEFT BUNDLE BRANCH BLOCK"][0 if fires else 1]
    found = joined(base, Found("LEFT BUNDLE BRANCH BLOCK", probability))
    block = found["LEFT BUNDLE BRANCH BLOCK"]
    assert (block.present, block.possible, block.decided_by) == (present, possible, decided_by)
    if possible:
        assert block.needs_confirmation
        assert block.caveat in ("The network says absent.", "The criteria say absent.")


def test_the_network_answers_where_the_criteria_cannot_tell() -> None:
    found = joined(Built(leads={"V1": None}), Found("RIGHT VENTRICULAR HYPERTROPHY", 0.8))
    # The axis is normal, so that the criterion is decided without V1.
    assert found["RIGHT VENTRICULAR HYPERTROPHY"].decided_by == "network"
    assert found["RIGHT VENTRICULAR HYPERTROPHY"].possible
    open_one = joined(Built(leads={"V1": None}), Found("LEFT ATRIAL ENLARGEMENT", 0.8))
    assert open_one["LEFT ATRIAL ENLARGEMENT"].present is True
    assert "lead V1 is not there" in open_one["LEFT ATRIAL ENLARGEMENT"].caveat


def test_without_a_threshold_the_criteria_stay() -> None:
    found = joined(CASES["INFERIOR INFARCT"][0], Found("INFERIOR INFARCT", 0.2, None))
    assert (found["INFERIOR INFARCT"].present, found["INFERIOR INFARCT"].decided_by) == (
        True,
        "criteria",
    )


def test_what_only_the_network_knows_comes_last() -> None:
    stated = state(Built().measurements())
    both = join(stated, [Found("NORMAL ECG", 0.8), Found("HYP", 0.3, None)])
    assert [s.name for s in both[len(stated) :]] == ["NORMAL ECG", "HYP"]
    assert (both[-2].present, both[-2].decided_by) == (True, "network")
    assert (both[-1].present, both[-1].decided_by) == (None, "nobody")


@pytest.mark.parametrize(
    ("claims", "left_out"),
    [
        ({"SINUS TACHYCARDIA": 0.81, "ATRIAL FIBRILLATION": 0.58}, {1: 0}),
        ({"SINUS TACHYCARDIA": 0.58, "ATRIAL FIBRILLATION": 0.81}, {0: 1}),
        ({"SINUS TACHYCARDIA": 0.58, "ATRIAL FIBRILLATION": 0.49}, {}),
        ({"ATRIAL FIBRILLATION": 0.58, "NORM": 0.9}, {}),
        # The origin and the rate of one rhythm; fibrillation loses against the first of them.
        ({"SINUS RHYTHM": 0.6, "SINUS TACHYCARDIA": 0.8, "ATRIAL FIBRILLATION": 0.7}, {2: 1}),
        ({"SB": 0.6, "AF": 0.6}, {1: 0}),  # as code-6 names them; of two equal ones the first
        ({"ATRIAL FLUTTER": 0.6, "SUPRAVENTRICULAR TACHYCARDIA": 0.7}, {0: 1}),
    ],
)
def test_of_rhythms_that_exclude_each_other_the_most_probable_is_claimed(
    claims: dict[str, float], left_out: dict[int, int]
) -> None:
    present = [value >= 0.5 for value in claims.values()]
    assert withheld(tuple(claims), list(claims.values()), present) == left_out


def test_a_rhythm_without_a_threshold_takes_no_claim_away() -> None:
    assert withheld(("SINUS RHYTHM", "ATRIAL FIBRILLATION"), [0.9, 0.6], [None, True]) == {}
