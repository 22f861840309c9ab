"""Labels against a plain loop over every segment and every result."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pl = pytest.importorskip("polars")

from ecgfoundry.errors import LeakageError, ManifestError  # noqa: E402
from ecgfoundry.labs.targets.labels import LabelRule, label_segments  # noqa: E402
from ecgfoundry.manifest.leakage import check_leakage  # noqa: E402

START = dt.datetime(2221, 7, 3, 12)


def at(minutes: float | None) -> dt.datetime | None:
    return None if minutes is None else START + dt.timedelta(minutes=minutes)


def segment_table(rows: list[tuple[str, float | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        [(visit, at(minutes)) for visit, minutes in rows],
        schema={"visit": pl.String, "end_time": pl.Datetime("us")},
        orient="row",
    )


def result_table(rows: list[tuple]) -> pl.DataFrame:
    """Rows of (visit, minutes, value, verdict, method)."""
    return pl.DataFrame(
        [
            (visit, at(minutes - 20), at(minutes), "potassium", method, value, 0, verdict, number)
            for number, (visit, minutes, value, verdict, method) in enumerate(rows)
        ],
        schema={
            "visit": pl.String,
            "order_time": pl.Datetime("us"),
            "result_time": pl.Datetime("us"),
            "indicator": pl.String,
            "method": pl.String,
            "value": pl.Float64,
            "censoring": pl.Int8,
            "verdict": pl.Int8,
            "row": pl.UInt32,
        },
        orient="row",
    )


def by_loop(segments: list, results: list, rule: LabelRule) -> list[tuple[float, float] | None]:
    """The rule as it reads, one pair at a time: (value, minutes) or None."""
    shift = -20 if rule.time == "order_time" else 0
    answers: list[tuple[float, float] | None] = []
    for visit, end in segments:
        best = None
        for number, (owner, minutes, value, verdict, method) in enumerate(results):
            if owner != visit:
                continue
            gap = minutes + shift - end
            if rule.relation == "before" and gap < 0:
                continue
            if rule.window_minutes is not None and abs(gap) > rule.window_minutes:
                continue
            rank = (abs(gap), gap < 0, verdict is None, method != "laboratory", number)
            if best is None or rank < best[0]:
                best = (rank, value, gap)
        answers.append(None if best is None else (best[1], best[2]))
    return answers


visits = st.sampled_from(["7", "98767007", "12"])
minutes = st.integers(-90, 200).map(float)
results_strategy = st.lists(
    st.tuples(
        visits,
        minutes,
        st.integers(1, 99).map(float),
        st.sampled_from([-1, 0, 1, 2, None]),
        st.sampled_from(["laboratory", "point-of-care"]),
    ),
    max_size=12,
)
rules = st.builds(
    LabelRule,
    time=st.sampled_from(["result_time", "order_time"]),
    window_minutes=st.sampled_from([None, 5.0, 60.0]),
    relation=st.sampled_from(["nearest", "before"]),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(visits, minutes), max_size=12), results_strategy, rules)
def test_the_join_equals_a_loop_over_all_pairs(segments, results, rule):
    labels = label_segments(
        segment_table(segments), result_table(results), ["potassium", "sodium"], rule
    )
    expected = by_loop(segments, results, rule)
    found = labels["potassium"]
    for position, answer in enumerate(expected):
        if answer is None:
            assert np.isnan(found.value[position]) and np.isnan(found.minutes[position])
            assert found.target("any")[position] == -1
        else:
            assert found.value[position] == answer[0]
            assert found.minutes[position] == answer[1]
            assert found.ecg_before_result[position] == (answer[1] >= 0)
    assert np.isnan(labels["sodium"].value).all()


def test_targets_know_their_direction_and_mask_what_is_not_known():
    rows = [("1", 0, 6.0, 1, "laboratory"), ("2", 0, 2.9, -1, "laboratory")]
    rows += [("3", 0, 4.0, 0, "laboratory"), ("4", 0, np.nan, 2, "laboratory")]
    rows += [("5", 0, 5.0, None, "laboratory")]
    segments = segment_table([(str(k), -10.0) for k in range(1, 7)])
    found = label_segments(segments, result_table(rows), ["potassium"])["potassium"]
    assert found.target("high").tolist() == [1, 0, 0, -1, -1, -1]
    assert found.target("low").tolist() == [0, 1, 0, -1, -1, -1]
    assert found.target("any").tolist() == [1, 1, 0, 1, -1, -1]
    with pytest.raises(ManifestError):
        found.target("sideways")


def test_a_real_time_target_uses_only_ecg_from_before_the_result():
    results = result_table([("1", 0, 6.0, 1, "laboratory")])
    segments = segment_table([("1", -5.0), ("1", 0.0), ("1", 5.0)])
    nearest = label_segments(segments, results, ["potassium"])["potassium"]
    assert nearest.target("high").tolist() == [1, 1, 1]
    assert nearest.target("high", real_time=True).tolist() == [1, 1, -1]
    before = label_segments(segments, results, ["potassium"], LabelRule(relation="before"))
    assert before["potassium"].target("high").tolist() == [1, 1, -1]


def test_a_segment_without_a_clock_is_labelled_only_by_the_whole_visit():
    results = result_table([("1", 0, 6.0, 1, "laboratory")])
    segments = segment_table([("1", None), ("1", 5.0)])
    by_time = label_segments(segments, results, ["potassium"])["potassium"]
    assert by_time.target("high").tolist() == [-1, 1]
    rule = LabelRule(window_minutes=None)
    whole = label_segments(segments, results, ["potassium"], rule)["potassium"]
    assert whole.target("high").tolist() == [1, 1]
    assert whole.target("high", real_time=True).tolist() == [-1, -1]


def test_a_patient_in_two_splits_is_refused():
    table = pl.DataFrame({"patient": ["a", "a", "b"], "split": ["train", None, "test"]})
    check_leakage(table)
    with pytest.raises(LeakageError, match="1 patient"):
        check_leakage(table.with_columns(split=pl.Series(["train", "test", "test"])))


def test_an_unknown_rule_is_refused():
    with pytest.raises(ManifestError):
        LabelRule(time="collection_time")
    with pytest.raises(ManifestError):
        LabelRule(window_minutes=0)
