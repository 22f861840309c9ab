"""What statements rest on, in the words that every report, message and page has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecgfoundry.criteria import Evidence, Statement, criteria
from ecgfoundry.criteria.measured_words import MEASUREMENTS, unknown_in_words
from ecgfoundry.criteria.rules import limits_of
from ecgfoundry.reports.evidence_words import (
    because,
    evidence_in_words,
    evidence_name,
    listed_in_words,
)


def item(
    name: str, value: float | None, unit: str, limit: str, lead: str | None = None
) -> Evidence:
    return Evidence(name, value, unit, limit, True, "", lead)


def test_all_that_criteria_compare_has_words() -> None:
    compared = {
        limit.name for criterion in criteria.values() for limit in limits_of(criterion.rule)
    }
    assert compared - set(MEASUREMENTS) == set()


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (item("rr_successive_percent", 48.2, "%", ">= 10"),
         "successive RR intervals differ by 48 % (limit ≥ 10 %)"),
        (item("paced_share_percent", 0.0, "%", "< 50"),
         "no paced beats (limit < 50 %)"),
        (item("normal_share_percent", 100.0, "%", ">= 50"),
         "100 % of the beats are not ectopic (limit ≥ 50 %)"),
        (item("nn_spread_ms", 181.6, "ms", "> 120"),
         "sinus RR intervals differ by up to 182 ms (limit > 120 ms)"),
        (item("heart_rate_bpm", 48.3, "/min", "< 50"), "heart rate 48/min (limit < 50/min)"),
        (item("longest_pause_s", 2.63, "s", "> 2"), "longest pause 2.6 s (limit > 2.0 s)"),
        (item("qrs_axis_deg", -61.0, "deg", "< -44.999"), "QRS axis −61° (limit < −45°)"),
        (item("st_j_mv", 0.31, "mV", ">= 0.2", "V2"),
         "ST level at J in V2 0.31 mV (limit ≥ 0.20 mV)"),
        (item("t_mv", -0.2, "mV", "< 0", "V5"), "T amplitude in V5 −0.20 mV (negative)"),
        (item("r_mv", 0.45, "mV", "> 0", "aVR"), "R amplitude in aVR 0.45 mV"),
        (item("p_terminal_mv_ms", 5.25, "mV ms", ">= 4", "V1"),
         "P terminal force in V1 5.2 mV ms (limit ≥ 4.0 mV ms)"),
        (item("r_over_s", 1.62, "1", "> 1", "V1"), "R/S ratio in V1 1.62 (limit > 1)"),
        (item("ventricular_premature_count", 1.0, "1", ">= 1"), "1 ventricular premature beat"),
        (item("ventricular_premature_count", 3.0, "1", ">= 1"), "3 ventricular premature beats"),
        (item("blocked_p_count", 0.0, "1", "<= 0"), "no blocked P waves"),
        (item("ventricular_run_beats", 5.0, "1", ">= 3"),
         "a run of 5 ventricular beats (limit ≥ 3)"),
        (item("pr_ms change", 24.0, "ms", "beyond ±15"),
         "PR interval changed by +24 ms (usual variation ±15 ms)"),
        (item("t_mv change", -0.21, "mV", "beyond ±0.1", "V4"),
         "T amplitude in V4 changed by −0.21 mV (usual variation ±0.10 mV)"),
        (item("probability", 0.998, "1", ">= 0.41"),
         "probability of the network >0.99 (limit ≥ 0.41)"),
        (item("qrs_notched", 1.0, "1", ">= 1", "V5"), "QRS notched in V5"),
        (item("p_notched", 0.0, "1", ">= 1", "II"), "P wave not notched in II"),
        (item("p_axis_known", 0.0, "1", "< 1"), "P axis not known"),
        (item("WITH 1ST DEGREE AV BLOCK", 1.0, "1", "present"), "1st degree AV block"),
        (replace(item("initial_q_mv", None, "mV", "> -0.05", "I"),
                 reason="there is no Q wave in I"), "there is no Q wave in I"),
    ],
)  # fmt: skip
def test_evidence_reads_as_it_would_be_written(evidence: Evidence, words: str) -> None:
    assert evidence_in_words(evidence) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (119.6, "QRS duration 119.6 ms (limit < 120 ms)"),
        (119.96, "QRS duration 119.96 ms (limit < 120 ms)"),
        (119.4, "QRS duration 119 ms (limit < 120 ms)"),
    ],
)
def test_a_value_is_not_printed_as_the_limit_that_it_is_not(value: float, words: str) -> None:
    assert evidence_in_words(item("qrs_ms", value, "ms", "< 120")) == words


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (item("rr_successive_percent", 48.2, "%", ">= 10"),
         "difference between successive RR intervals (limit ≥ 10 %)"),
        (item("qtc_ms", 471.0, "ms", ">= 460"), "QTc after Fridericia (limit ≥ 460 ms)"),
        (item("blocked_p_count", 2.0, "1", "<= 0"), "blocked P waves"),
    ],
)  # fmt: skip
def test_a_coded_value_is_named_by_what_was_compared(evidence: Evidence, words: str) -> None:
    assert evidence_name(evidence) == words


def test_what_is_missing_is_called_by_its_name() -> None:
    words = "P terminal force in V1 could not be measured"
    assert unknown_in_words("p_terminal_mv_ms", "V1") == words


def test_leads_with_the_same_limit_stand_together() -> None:
    statement = Statement(
        "ST DEPRESSION", "st_t", True,
        (
            item("st_j_mv", -0.091, "mV", "<= -0.05", "V2"),
            item("t_mv", -0.2, "mV", "<= -0.1", "V2"),
            item("st_j_mv", -0.12, "mV", "<= -0.05", "V3"),
            item("qrs_notched", 1.0, "1", ">= 1", "V2"),
            item("qrs_notched", 1.0, "1", ">= 1", "V3"),
        ),
    )  # fmt: skip
    assert because(statement, {}) == (
        "ST level at J −0.09 mV in V2, −0.12 mV in V3 (limit ≤ −0.05 mV), "
        "T amplitude in V2 −0.20 mV (limit ≤ −0.10 mV), QRS notched in V2, QRS notched in V3"
    )
    assert because(statement, {}, shown=1) == (
        "ST level at J −0.09 mV in V2, −0.12 mV in V3 (limit ≤ −0.05 mV), and 3 more"
    )
    network = replace(statement, decided_by="both", probability=0.999, evidence=())
    assert because(network, {}) == "network probability >0.99"


def test_changes_of_several_leads_stand_together() -> None:
    changes = [item("st_j_mv change", -0.24, "mV", "beyond ±0.05", lead) for lead in ("V4", "V5")]
    assert listed_in_words([*changes, item("qtc_ms change", 60.0, "ms", "beyond ±30")]) == [
        "ST level at J changed by −0.24 mV in V4, −0.24 mV in V5 (usual variation ±0.05 mV)",
        "QTc after Fridericia changed by +60 ms (usual variation ±30 ms)",
    ]


def test_limits_of_one_value_stand_together() -> None:
    rate = [item("heart_rate_bpm", 75.2, "/min", limit) for limit in (">= 60", "<= 100")]
    assert listed_in_words(rate) == ["heart rate 75/min (limits ≥ 60/min and ≤ 100/min)"]
    amplitude = [item("r_mv", 0.4, "mV", limit, "V1") for limit in ("> 0", ">= 0.3")]
    assert listed_in_words(amplitude) == ["R amplitude in V1 0.40 mV (limit ≥ 0.30 mV)"]
    wave = [item("p_mv", 0.3, "mV", limit, "II") for limit in ("> 0", ">= 0.25", ">= 0.25")]
    assert listed_in_words(wave) == ["P amplitude in II 0.30 mV (positive, limit ≥ 0.25 mV)"]
    count = [item("fusion_count", 2.0, "1", limit) for limit in (">= 1", "> 0")]
    assert listed_in_words(count) == ["2 fusion beats"]


def test_values_of_two_beats_in_one_lead_are_both_told() -> None:
    two = [item("p_mv", value, "mV", ">= 0.25", "II") for value in (0.3, 0.4)]
    assert listed_in_words(two) == [
        "P amplitude in II 0.30 mV (limit ≥ 0.25 mV)",
        "P amplitude in II 0.40 mV (limit ≥ 0.25 mV)",
    ]
