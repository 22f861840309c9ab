"""Quantities that rules take from beats and waves, counted by hand on drawn measurements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from building import Built

from ecgfoundry.criteria import state
from ecgfoundry.criteria.case import Case
from ecgfoundry.criteria.registry import criteria
from ecgfoundry.criteria.rules import Limit
from ecgfoundry.criteria.variability import Repeat, repeat_of

NAN = float("nan")


def case_of(built: Built) -> Case:
    return Case(
        built.measurements(), 55.0, "male", lambda own, case: criteria[own].rule.evaluate(case)
    )


def quantity(built: Built, name: str, lead: str | None = None) -> float | None:
    found = case_of(built).quantity(name, lead).value
    return None if found is None else float(found)


def intervals(*late: int, count: int = 10, usual: float = 0.8, long: float = 1.2) -> list[float]:
    return [long if beat in late else usual for beat in range(count)]


# --- voltages (healthy adult: building.py) --------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "lead", "expected"),
    [
        ("sokolow_lyon_mv", None, 0.9 + 1.2),  # S in V1, R in V5
        ("cornell_mv", None, 0.3 + 0.8),  # R in aVL, S in V3
        ("peguero_mv", None, 1.2 + 0.4),  # the deepest S is in V2; S in V4
        ("right_sokolow_mv", None, 0.2 + 0.2),  # R in V1, S in V5
        ("qrs_span_mv", "V5", 1.2 + 0.2),
        ("r_over_s", "V1", 0.2 / 0.9),
        ("t_over_r", "II", 0.3),
        ("s_over_r_duration", "V1", 50 / 22),
    ],
)
def test_sums_and_ratios_of_the_healthy_adult(name: str, lead: str | None, expected: float) -> None:
    assert quantity(Built(), name, lead) == pytest.approx(expected)


def test_a_ratio_to_a_wave_that_is_not_there_has_no_number() -> None:
    """R over S without an S is beyond every limit; nobody shall read a number that was not had."""
    built = Built(leads={"I": {"s_mv": None, "s_ms": None}})
    case = case_of(built)
    for comparison, met in ((">", True), ("<", False)):
        verdict = Limit("r_over_s", comparison, 1.0, lead="I").evaluate(case)
        (shown,) = verdict.evidence
        assert (verdict.present, verdict.firm) == (met, met)
        assert (shown.value, shown.unit) == (None, "1")
        assert shown.reason == "there is no S wave in I"
    # Nothing over nothing is no large ratio.
    nothing = Built(leads={"I": {"s_mv": None, "r_mv": None}})
    assert quantity(nothing, "r_over_s", "I") == 0.0


# Shares of the waves: the larger of 0.04 mV (R') or 0.05 mV (R) and 8 %, over the wave.
@pytest.mark.parametrize(
    ("r2", "r", "present", "firm", "loose"),
    [
        # 0.5/0.5: sqrt(0.08^2 + 0.1^2) = 0.128 around 1
        (1.12 * 0.5, 0.5, True, False, True),
        (1.14 * 0.5, 0.5, True, True, True),
        (0.90 * 0.5, 0.5, False, False, True),
        (0.86 * 0.5, 0.5, False, False, False),
        # The case that was one thing at 250 Hz and another at 500 Hz.
        (0.2255, 0.2090, True, False, True),
        (0.2160, 0.2233, False, False, True),
    ],
)
def test_a_ratio_is_as_firm_as_its_two_waves(
    r2: float, r: float, present: bool, firm: bool, loose: bool
) -> None:
    case = case_of(Built(leads={"V1": {"r2_mv": r2, "r_mv": r}}))
    assert Limit("r2_over_r", ">", 1.0, lead="V1").evaluate(case).truths == (present, firm, loose)
    # The other way round: what is better for the one is worse for the other.
    other = Limit("r2_over_r", "<=", 1.0, lead="V1").evaluate(case)
    assert other.truths == (not present, not loose, not firm)


def test_a_second_r_wave_counts_where_it_is_higher() -> None:
    assert quantity(Built(leads={"aVL": {"r2_mv": 0.5}}), "cornell_mv") == pytest.approx(1.3)
    assert quantity(Built(leads={"aVL": {"r2_mv": 0.2}}), "cornell_mv") == pytest.approx(1.1)


# --- premature and late beats ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "name", "expected"),
    [
        ("NNNNNNNNNN", "ventricular_bigeminy_beats", 0),
        ("NVNVNVNNNN", "ventricular_bigeminy_beats", 3),
        ("NVNVVNVNNN", "ventricular_bigeminy_beats", 2),  # the pair breaks the row
        ("NNVVVNNNNN", "ventricular_bigeminy_beats", 1),
        ("NNVNNVNNVN", "ventricular_trigeminy_beats", 3),
        ("NNVNVVNNNN", "ventricular_trigeminy_beats", 1),
        ("NSNSNSNSNN", "atrial_bigeminy_beats", 4),
        ("NVVNNVVNVN", "ventricular_couplet_count", 2),
        ("NVVVNVVNNN", "ventricular_couplet_count", 1),
        ("NVVVNVVNNN", "ventricular_run_beats", 3),
        ("NNNNNNNNNN", "ventricular_run_beats", 0),
        ("NVNNVNNSFN", "ventricular_premature_count", 2),
        ("NVNNVNNSFN", "supraventricular_premature_count", 1),
        ("NVNNVNNSFN", "fusion_count", 1),
        ("NVNNVNNSFN", "normal_share_percent", 60),
    ],
)
def test_counts_of_classes(labels: str, name: str, expected: int) -> None:
    assert quantity(Built(labels=labels), name) == expected


def test_a_late_ventricular_beat_after_another_is_no_escape() -> None:
    """Usual 0.8 s: late is from 0.96 s on."""
    for labels, escapes, premature in (("NNVVNNNNNN", 0, 2), ("NNNVNNNNNN", 1, 0)):
        built = Built(labels=labels, rr_s=intervals(3))
        assert quantity(built, "ventricular_escape_count") == escapes, labels
        assert quantity(built, "ventricular_premature_count") == premature, labels
    for late, escapes in ((0.97, 1), (0.95, 0)):
        built = Built(labels="NNNVNNNNNN", rr_s=intervals(3, long=late))
        assert quantity(built, "ventricular_escape_count") == escapes


def test_a_late_beat_without_p_wave_is_junctional_or_if_wide_ventricular() -> None:
    pr = [None if beat == 4 else 160.0 for beat in range(10)]
    built = Built(rr_s=intervals(4), pr_ms=pr)
    assert quantity(built, "junctional_escape_count") == 1
    assert quantity(built, "ventricular_escape_count") == 0
    for width, escapes in ((120.5, 1), (119.0, 0)):
        wide = Built(rr_s=intervals(4), pr_ms=pr, width_ms=[*[90.0] * 4, width, *[90.0] * 5])
        assert quantity(wide, "ventricular_escape_count") == escapes
    assert quantity(Built(rr_s=intervals(4)), "junctional_escape_count") == 0


@pytest.mark.parametrize(
    ("width", "present", "firm", "loose"),
    [
        (129.0, True, True, True),  # a QRS complex repeats within 8 ms
        (127.0, True, False, True),
        (119.0, False, False, True),
        (111.0, False, False, False),
    ],
)
def test_a_count_of_wide_beats_is_as_firm_as_their_width(
    width: float, present: bool, firm: bool, loose: bool
) -> None:
    built = Built(labels="NNNNSNNNNN", width_ms=[*[90.0] * 4, width, *[90.0] * 5])
    verdict = Limit("wide_premature_count", ">=", 1.0).evaluate(case_of(built))
    assert verdict.truths == (present, firm, loose)
    escape = Built(
        rr_s=intervals(4), pr_ms=[None if beat == 4 else 160.0 for beat in range(10)],
        width_ms=[*[90.0] * 4, width, *[90.0] * 5],
    )  # fmt: skip
    verdict = Limit("ventricular_escape_count", ">=", 1.0).evaluate(case_of(escape))
    assert verdict.truths == (present, firm, loose)


def test_the_rate_of_a_run_is_that_of_its_own_intervals() -> None:
    """Two intervals of 0.4 s within the run; the one before it does not count."""
    rr = [0.8, 0.8, 0.6, 0.4, 0.4, 1.2, 0.8, 0.8, 0.8, 0.8]
    assert quantity(Built(labels="NNVVVNNNNN", rr_s=rr), "ventricular_run_bpm") == pytest.approx(
        150.0
    )
    assert quantity(Built(labels="NNVNNNNNNN"), "ventricular_run_bpm") is None


# --- pauses, P waves, regularity ------------------------------------------------------------------


def test_the_longest_pause_follows_a_normal_beat() -> None:
    rr = intervals(6, long=2.0)
    assert quantity(Built(rr_s=rr), "longest_pause_s") == pytest.approx(2.0)
    assert quantity(Built(rr_s=rr), "pause_over_usual") == pytest.approx(2.5)
    after_premature = Built(labels="NNNNNVNNNN", rr_s=rr)
    assert quantity(after_premature, "longest_pause_s") == pytest.approx(0.8)
    blocked = Built(rr_s=rr, blocked_s=(5.5,))  # beats at 4.5 and 6.5 s
    assert quantity(blocked, "blocked_p_in_pause_count") == 1
    assert quantity(blocked, "blocked_p_count") == 1


def test_intervals_that_shorten_before_a_pause() -> None:
    """0.90, 0.85, 0.80, then 1.6: twice shorter, by more than 20 ms each."""
    rr = [0.9, 0.9, 0.9, 0.85, 0.80, 1.6, 0.9, 0.9, 0.9, 0.9]
    assert quantity(Built(rr_s=rr), "sinus_shortening_count") == 2
    rr[4] = 0.835  # by 15 ms
    assert quantity(Built(rr_s=rr), "sinus_shortening_count") == 0


def test_shares_of_beats_with_p_waves() -> None:
    """Of nine normal beats six have a P wave, five of them at 160 ms and one 21 ms off."""
    pr: list[float | None] = [160.0, 160.0, 160.0, 181.0, 160.0, 160.0, None, None, None, 160.0]
    built = Built(labels="NNNNNNNNNV", pr_ms=pr)
    assert quantity(built, "normal_p_share_percent") == pytest.approx(100 * 6 / 9)
    assert quantity(built, "steady_p_share_percent") == pytest.approx(100 * 5 / 9)
    pr[3] = 179.0
    assert quantity(Built(labels="NNNNNNNNNV", pr_ms=pr), "steady_p_share_percent") == (
        pytest.approx(100 * 6 / 9)
    )


def test_how_irregular_the_intervals_are() -> None:
    """0.8 and 1.0 s in turn: every difference 0.2 s over a mean of 0.9 s (nine intervals)."""
    rr = [0.8, 1.0] * 5
    built = Built(rr_s=rr)
    known = rr[1:]
    assert quantity(built, "rr_successive_percent") == pytest.approx(
        100 * 0.2 / (sum(known) / len(known)), rel=1e-3
    )
    assert quantity(built, "nn_spread_ms") == pytest.approx(200.0, abs=0.5)


def test_every_second_p_wave_is_blocked() -> None:
    """Blocked P waves in the middle of four of nine intervals."""
    built = Built(rr_s=1.6, blocked_s=tuple(0.5 + 1.6 * k + 0.6 for k in range(4)))
    assert quantity(built, "two_to_one_percent") == pytest.approx(100 * 4 / 9)
    assert quantity(built, "blocked_p_count") == 4


@pytest.mark.parametrize(
    ("pr", "wenckebach", "steady"),
    [
        ((160.0, 200.0, 160.0), 1, 0),  # lengthens before the pause, short after it
        ((160.0, 160.0, 160.0), 0, 1),
        ((160.0, 160.0, 185.0), 0, 0),
        ((160.0, 181.0, 160.0), 1, 0),
        ((160.0, 175.0, 160.0), 0, 1),  # within 20 ms
    ],
)
def test_single_blocked_p_waves(
    pr: tuple[float, float, float], wenckebach: int, steady: int
) -> None:
    """The P wave between the sixth and the seventh beat is blocked: PR of those around it."""
    every = [160.0] * 10
    every[4:7] = pr
    built = Built(rr_s=intervals(6, long=1.6), pr_ms=every, blocked_s=(5.2,))
    assert quantity(built, "wenckebach_count") == wenckebach
    assert quantity(built, "steady_drop_count") == steady


def test_a_steady_drop_leaves_one_and_a_half_intervals() -> None:
    for pause, drops in ((1.21, 1), (1.19, 0)):
        built = Built(rr_s=intervals(6, long=pause), blocked_s=(5.0,))
        assert quantity(built, "steady_drop_count") == drops


def test_the_last_p_wave_scatters_only_without_relation() -> None:
    assert quantity(Built(), "last_p_to_qrs_spread_ms") == pytest.approx(0.0, abs=1.5)
    # 50 ms earlier before every second beat: 25 ms to either side of the mean.
    built = Built(pr_ms=[160.0, 210.0] * 5)
    assert quantity(built, "last_p_to_qrs_spread_ms") == pytest.approx(25.0, abs=1.5)


# --- how much a measurement repeats ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "absolute", "share"),
    # "python -m benchmarks.experiments.statements --repeat", rounded; see variability.py.
    [
        ("heart_rate_bpm atrial_rate_bpm", 3.0, 0.05),
        ("p_ms", 12.0, 0.0),
        ("pr_ms", 10.0, 0.0),
        ("qrs_ms q_ms r_ms s_ms", 8.0, 0.0),
        ("qt_ms", 16.0, 0.0),
        ("jt_ms qtc_ms qtc_framingham_ms qtc_hodges_ms p_axis_deg t_axis_deg", 20.0, 0.0),
        ("qtc_bazett_ms", 24.0, 0.0),
        ("qrs_axis_deg", 6.0, 0.0),
        ("p_mv st_j_mv st_j40_mv st_j60_mv", 0.035, 0.0),
        ("p_terminal_mv_ms", 1.5, 0.0),
        ("q_mv initial_q_mv", 0.03, 0.08),
        ("r_mv s_mv", 0.05, 0.08),
        ("r2_mv", 0.04, 0.08),
        ("r_peak_time_ms", 4.0, 0.0),
        ("st_j80_mv", 0.04, 0.0),
        ("t_mv", 0.05, 0.15),
        ("sokolow_lyon_mv cornell_mv peguero_mv", 0.06, 0.06),
        ("qrs_span_mv", 0.04, 0.06),
        ("ventricular_couplet_count", 0.0, 0.0),
    ],
)
def test_repeat_variability(names: str, absolute: float, share: float) -> None:
    for name in names.split():
        assert repeat_of(name) == Repeat(absolute, share), name


def test_the_larger_of_distance_and_share_counts() -> None:
    t = repeat_of("t_mv")
    assert t.around(0.2) == 0.05 and t.around(-1.0) == pytest.approx(0.15)
    assert np.isclose(repeat_of("heart_rate_bpm").around(100.0), 5.0)


@pytest.mark.parametrize(("confidence", "firm"), [(0.50, False), (0.54, False), (0.56, True)])
def test_a_count_is_as_firm_as_the_classes_of_its_beats(confidence: float, firm: bool) -> None:
    """What is a premature beat from 0.5 on is one for certain from 0.55 on."""
    measured = Built(labels="NNNVNNNNNN").measurements()
    of_beats = np.where(measured.beats.label == "V", confidence, 0.9)
    measured = replace(measured, beats=replace(measured.beats, confidence=of_beats))
    (stated,) = (one for one in state(measured) if one.name == "PREMATURE VENTRICULAR COMPLEXES")
    assert stated.present
    assert stated.possible is not firm
