"""Every criterion on measurements that fire and on a near miss, and the rules that join them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.criteria.building import Built
from tests.criteria.cases import CASES, LEFT_BLOCK, RIGHT_BLOCK, spikes

from ecgfoundry import measure, sample_path
from ecgfoundry.criteria import Statement, criteria, state
from ecgfoundry.criteria.exclusions import CONTRADICTIONS, EXCLUSIONS
from ecgfoundry.criteria.rules import AllOf, AnyOf, ByPerson, Limit, Not, limits_of
from ecgfoundry.criteria.stating import CHILD
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.signals.quality import Notice
from ecgfoundry.vocabularies import load_vocabulary
from ecgfoundry.vocabularies.label_maps import sctid_is_valid

OWN = [name for name in criteria if criteria.origin(name).startswith("ecgfoundry.")]


def stated(built: Built) -> dict[str, Statement]:
    return {s.name: s for s in state(built.measurements(), age=built.age, sex=built.sex)}


@pytest.mark.parametrize("name", OWN)
def test_every_criterion_fires_and_has_a_near_miss(name: str) -> None:
    fires, misses = CASES[name]
    statement = stated(fires)[name]
    assert statement.present is True, [e.to_dict() for e in statement.evidence]
    assert statement.evidence
    assert stated(misses)[name].present is False


def test_at_least_seventy_names_of_the_vocabulary() -> None:
    names = set(load_vocabulary("ecgfounder-150").names)
    assert len([name for name in OWN if name in names]) == 110


def test_a_healthy_adult_has_sinus_rhythm_and_nothing_else() -> None:
    found = stated(Built())
    assert [s.name for s in found.values() if s.present] == ["NORMAL SINUS RHYTHM", "SINUS RHYTHM"]
    assert [s.name for s in found.values() if s.present is None] == []


def test_codes_have_a_valid_check_digit_and_the_vocabularys_stay() -> None:
    for criterion in criteria.values():
        code = criterion.codes.get("SNOMED CT")
        assert code is None or sctid_is_valid(code), criterion.name
    assert criteria["RIGHT BUNDLE BRANCH BLOCK"].codes == {"SNOMED CT": "59118001"}
    assert criteria["ST DEPRESSION"].codes == {"SNOMED CT": "429622005"}


def test_every_limit_names_its_source() -> None:
    for criterion in criteria.values():
        assert all(limit.source for limit in limits_of(criterion.rule)), criterion.name


def test_tables_name_statements_that_exist() -> None:
    networks = [load_vocabulary(name).names for name in ("ecgfounder-150", "ptbxl-superclass")]
    known = set(criteria).union(*networks)
    for exclusion in EXCLUSIONS:
        assert exclusion.by in known
        assert set(exclusion.statements) <= known
    assert {name for group in CONTRADICTIONS for name in group} <= known


# --- shapes of bundle branch blocks that part III and the Minnesota code name beside the usual ones


@pytest.mark.parametrize(
    ("r2_mv", "v6_s_ms", "i_s_ms", "present"),
    [
        (0.8, 20.0, 55.0, True),  # R' above R in V1: a broad S in I is enough
        (0.8, 55.0, 20.0, True),  # or in V6
        (0.8, 20.0, 20.0, False),
        (0.15, 20.0, 55.0, False),  # r' below r: part III asks for both
        (0.15, 55.0, 55.0, True),
    ],
)
def test_right_block_with_a_broad_s_in_one_lead(
    r2_mv: float, v6_s_ms: float, i_s_ms: float, present: bool
) -> None:
    leads = {
        "V1": {**RIGHT_BLOCK["V1"], "r2_mv": r2_mv},
        "I": {**RIGHT_BLOCK["I"], "s_ms": i_s_ms},
        "V6": {**RIGHT_BLOCK["V6"], "s_ms": v6_s_ms},
    }
    found = stated(Built(leads=leads, values={"qrs_ms": 130.0}))["RIGHT BUNDLE BRANCH BLOCK"]
    assert found.present is present


@pytest.mark.parametrize(
    ("v5_s_mv", "i_r_peak_ms", "present"),
    [(-1.5, 75.0, True), (-1.5, 55.0, False), (-0.2, 75.0, False)],
)
def test_left_block_with_displaced_transition(
    v5_s_mv: float, i_r_peak_ms: float, present: bool
) -> None:
    # RS in V5: its R is early there, and the late one is that of I.
    leads = {
        "I": {**LEFT_BLOCK["I"], "r_peak_time_ms": i_r_peak_ms},
        "V1": LEFT_BLOCK["V1"],
        "V5": {"q_mv": None, "q_ms": None, "r_mv": 0.5, "s_mv": v5_s_mv, "r_peak_time_ms": 24.0},
        "V6": {"q_mv": None, "q_ms": None, "r_mv": 2.0, "r_ms": 86.0, "r_peak_time_ms": 56.0},
    }
    found = stated(Built(leads=leads, values={"qrs_ms": 140.0}))["LEFT BUNDLE BRANCH BLOCK"]
    assert found.present is present


# --- missing measurements, children, sex, what is no ECG ---------------------------------------


def test_a_missing_measurement_is_neither_present_nor_absent() -> None:
    found = stated(Built(values={"pr_ms": None}))["WITH 1ST DEGREE AV BLOCK"]
    assert found.present is None
    assert found.reason == "taken away by the test"


def test_a_missing_lead_is_named() -> None:
    found = stated(Built(leads={"V1": None}))
    assert found["LEFT ATRIAL ENLARGEMENT"].present is None
    assert found["BRUGADA TYPE 1 PATTERN"].reason == "lead V1 is not there or cannot be read"
    # What the other leads decide stays decided.
    assert found["RIGHT BUNDLE BRANCH BLOCK"].present is False


def test_a_wave_that_is_not_there_is_an_answer() -> None:
    found = stated(Built())["INFERIOR INFARCT"]
    assert found.present is False
    assert {e.value for e in found.evidence if e.name == "q_mv"} == {None}
    assert {e.reason for e in found.evidence if e.lead == "II"} == {"there is no Q wave in II"}


def test_limits_for_adults_are_not_applied_to_children() -> None:
    child = replace(CASES["RIGHT AXIS DEVIATION"][0], age=15.9)
    assert stated(child)["RIGHT AXIS DEVIATION"].present is None
    assert stated(child)["RIGHT AXIS DEVIATION"].reason == CHILD
    assert stated(replace(child, age=16.0))["RIGHT AXIS DEVIATION"].present is True
    # A beat class has no limit by age.
    ectopic = replace(CASES["PREMATURE VENTRICULAR COMPLEXES"][0], age=8.0)
    assert stated(ectopic)["PREMATURE VENTRICULAR COMPLEXES"].present is True


def test_an_unknown_age_is_said() -> None:
    found = stated(Built(values={"qrs_axis_deg": 120.5}, age=None))["RIGHT AXIS DEVIATION"]
    assert found.present is True
    assert "age is not known" in found.caveat


@pytest.mark.parametrize(
    ("age", "sex", "level", "present"),
    [
        # Fourth Universal Definition: V2-V3 0.25 men under 40, 0.2 men, 0.15 women.
        (35.0, "male", 0.24, False),
        (35.0, "male", 0.25, True),
        (45.0, "male", 0.2, True),
        (45.0, "female", 0.15, True),
        (45.0, "female", 0.14, False),
        (None, "male", 0.22, None),
        (None, None, 0.26, True),
        (45.0, None, 0.17, None),
        (45.0, None, 0.1, False),
    ],
)
def test_st_elevation_in_v2_and_v3_by_age_and_sex(
    age: float | None, sex: str | None, level: float, present: bool | None
) -> None:
    built = Built(leads={"V2": {"st_j_mv": level}, "V3": {"st_j_mv": level}}, age=age, sex=sex)
    found = stated(built)["ANTERIOR INJURY PATTERN"]
    assert found.present is present
    if present is None:
        assert "depends on the person" in (found.reason or "")


def test_what_is_no_ecg_has_no_statement() -> None:
    measured = Built().measurements()
    refused = Measurements(
        beats=measured.beats[:0],
        leads={},
        values={},
        median=None,
        refused=Notice("not-an-ecg", "no beats"),
    )
    assert state(refused) == ()


def test_amplitudes_that_are_no_millivolts_decide_nothing() -> None:
    measured = replace(Built().measurements(), calibrated=False)
    found = {s.name: s for s in state(measured, age=50.0, sex="male")}
    assert found["LOW VOLTAGE QRS"].present is None
    assert found["LOW VOLTAGE QRS"].reason == "the amplitudes of this file are not in mV"
    assert found["SINUS RHYTHM"].present is True


# --- possible ----------------------------------------------------------------------------------


def test_possible_is_a_value_within_its_repeat_variability_of_the_limit() -> None:
    # PR repeats within 8 ms: 205 may be 197 in the next recording, 212 may not be under 200.
    near = stated(Built(values={"pr_ms": 205.0}))["WITH 1ST DEGREE AV BLOCK"]
    far = stated(Built(values={"pr_ms": 212.0}))["WITH 1ST DEGREE AV BLOCK"]
    assert (near.present, near.possible) == (True, True)
    assert (far.present, far.possible) == (True, False)


def test_worse_and_better_change_places_under_not() -> None:
    built = Built(values={"pr_ms": 205.0}).measurements()
    from ecgfoundry.criteria.case import Case

    case = Case(built, 50.0, "male", lambda name, case: criteria[name].rule.evaluate(case))
    over = Limit("pr_ms", ">", 200.0)
    assert over.evaluate(case).truths == (True, False, True)
    assert Not(over).evaluate(case).truths == (False, False, True)
    unknown = Limit("rmssd_ms", ">", 1.0)
    assert AllOf(over, unknown).evaluate(case).present is None
    assert AnyOf(over, unknown).evaluate(case).present is True
    assert AllOf(Not(over), unknown).evaluate(case).present is False
    person = ByPerson(men=over, women=Not(over))
    assert person.evaluate(case).present is True


# --- exclusions and contradictions -------------------------------------------------------------


def test_left_bundle_branch_block_hides_infarcts_voltages_and_st() -> None:
    block, _ = CASES["LEFT BUNDLE BRANCH BLOCK"]
    leads = {
        **block.leads,
        "III": {"q_ms": 40.0, "q_mv": -0.3},
        "aVF": {"q_ms": 40.0, "q_mv": -0.3},
    }
    found = stated(replace(block, leads=leads))
    assert found["LEFT BUNDLE BRANCH BLOCK"].present is True
    for name in ("INFERIOR INFARCT", "ACUTE MI / STEMI", "R IN AVL", "ST DEPRESSION"):
        assert found[name].present is None
        assert "LEFT BUNDLE BRANCH BLOCK" in (found[name].reason or "")
    # What was measured is still shown.
    assert any(e.name == "q_ms" and e.value == 40.0 for e in found["INFERIOR INFARCT"].evidence)


def test_fibrillation_has_no_statements_on_p_waves() -> None:
    found = stated(CASES["ATRIAL FIBRILLATION"][0])
    for name in ("LEFT ATRIAL ENLARGEMENT", "WITH 1ST DEGREE AV BLOCK", "WITH SHORT PR"):
        assert found[name].present is None
    assert found["SINUS RHYTHM"].present is False


def test_paced_ventricles_have_no_bundle_branch_block() -> None:
    block, _ = CASES["RIGHT BUNDLE BRANCH BLOCK"]
    paced = CASES["VENTRICULAR-PACED RHYTHM"][0]
    found = stated(replace(block, spikes=paced.spikes, paced=True))
    assert found["VENTRICULAR-PACED RHYTHM"].present is True
    assert found["RIGHT BUNDLE BRANCH BLOCK"].present is None
    assert found["LEFT AXIS DEVIATION"].present is None


@pytest.mark.parametrize(("count", "told"), [(7, None), (5, None), (4, True)])
def test_paced_complexes_hide_the_block_where_most_beats_are_paced(
    count: int, told: bool | None
) -> None:
    """Ten beats: the median beat is a paced one from five paced ones on."""
    block, _ = CASES["LEFT BUNDLE BRANCH BLOCK"]
    paced = [beat < count for beat in range(10)]
    built = stated(replace(block, spikes=spikes("v", count), paced=paced))
    assert built["VENTRICULAR-PACED COMPLEXES"].present is True
    assert built["LEFT BUNDLE BRANCH BLOCK"].present is told


@pytest.mark.parametrize(
    ("labels", "rr_s"),
    [
        # No pause: what was taken for a P wave belongs to the T wave.
        ("NNNNNNN", 0.8),
        # The pause is that after a premature beat.
        ("NNVNNNN", (0.8, 0.8, 0.5, 1.1, 0.8, 0.8, 0.8)),
        ("NNNVNNN", (0.8, 0.8, 0.8, 1.6, 0.8, 0.8, 0.8)),
    ],
)
def test_without_a_pause_of_its_own_no_beat_was_dropped(
    labels: str, rr_s: float | tuple[float, ...]
) -> None:
    fires, _ = CASES["WITH 2ND DEGREE AV BLOCK MOBITZ II"]
    found = stated(replace(fires, labels=labels, rr_s=rr_s))
    assert found["WITH 2ND DEGREE AV BLOCK MOBITZ II"].present is False


def test_a_movement_of_the_electrode_is_no_ventricular_couplet() -> None:
    """The single-lead sample: fibrillation, and at 15.3 s a swing of 2.7 mV over half a second."""
    measured = measure(sample_path("single-lead"))
    found = {one.name: one for one in state(measured)}
    assert found["ATRIAL FIBRILLATION"].present is True
    assert found["VENTRICULAR COUPLETS"].present is False
    assert found["PREMATURE VENTRICULAR COMPLEXES"].present is False


def test_contradictions_are_shown_on_both_sides() -> None:
    found = stated(
        Built(leads={n: {"st_j_mv": 0.2, "st_slope_mv_s": 1.0} for n in ("V4", "V5", "V6")})
    )
    assert found["EARLY REPOLARIZATION"].present is True
    assert found["LATERAL INJURY PATTERN"].present is True
    flutter = stated(Built(values={"atrial_rate_bpm": 300.0}))
    assert flutter["SINUS RHYTHM"].contradicts == ("ATRIAL FLUTTER",)
    assert "SINUS RHYTHM" in flutter["ATRIAL FLUTTER"].contradicts


def test_evidence_names_lead_beat_value_limit_and_source() -> None:
    found = stated(CASES["R IN AVL"][0])["R IN AVL"]
    (evidence,) = found.evidence
    assert evidence.to_dict() == {
        "name": "r_mv",
        "lead": "aVL",
        "beat": "median",
        "value": 1.1,
        "unit": "mV",
        "limit": ">= 1.1",
        "met": True,
        "source": "Sokolow and Lyon, Am Heart J 37:161, 1949",
        "reason": None,
    }
    premature = stated(CASES["PREMATURE VENTRICULAR COMPLEXES"][0])
    beat = next(e for e in premature["PREMATURE VENTRICULAR COMPLEXES"].evidence if e.value == 1.0)
    assert beat.beat == 3


def test_another_package_adds_a_criterion() -> None:
    assert criteria.origin("LONG T PEAK TO END") == "ecgfoundry-plugin 1.0"
    assert stated(Built(values={"t_peak_end_ms": 111.0}))["LONG T PEAK TO END"].present is True


def test_a_criterion_can_be_added_from_outside() -> None:
    from ecgfoundry.criteria import Criterion

    own = Criterion("VERY FAST", "rate", Limit("heart_rate_bpm", ">", 250.0, "a test"))
    with criteria.temporarily(own):
        assert stated(Built())["VERY FAST"].present is False
    assert "VERY FAST" not in criteria
