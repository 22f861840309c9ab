"""What every word of a result means, and where the window of a label ends."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

pl = pytest.importorskip("polars")

from ecgfoundry.errors import LeakageError  # noqa: E402
from ecgfoundry.labs.targets.labels import LabelRule, label_segments  # noqa: E402
from ecgfoundry.labs.targets.results import indicator_results  # noqa: E402
from ecgfoundry.labs.targets.values import parse_value, parse_values  # noqa: E402
from ecgfoundry.manifest.leakage import check_leakage  # noqa: E402

WORDS = {
    "negative": "NEG · Negative · None · None seen · none detected · Not detected · not seen · "
    "Absent · nonreactive · NON-REACTIVE · non reactive · Normal · No growth · no · undetected · "
    "not present · Negative for opiates",
    "positive": "POS · Positive · Detected · Present · Reactive · Trace · Small · Moderate · Large "
    "· Few · Many · Rare · Occasional · Abnormal · Yes · 1+ · 2+ · 3+ · 4+ · 1 + · + · ++ · +++ · "
    "++++ · POSITIVE A",
    "failed": "Hemolyzed · specimen clotted · QNS · Quantity not sufficient · insufficient · "
    "Cancelled · Not performed · not done · Unable to calculate · TNP · Test not run · Not calc · "
    "Unsatisfactory · lipemic · lipemia · Icteric · contaminated · error · Not reported · Pending "
    "· Not applicable · N/A · NA · Rejected · discarded · NEGATIVE, hemolyzed",
    "unknown": "see note · 1:80 · 12.5.1 · 5+ · 0+ · negation · posture · nope · terrors · "
    "spending · normality · 5 mg · < · 4.1 4.2 · <4-5 · A+",
}  # fmt: skip


@pytest.mark.parametrize("kind", WORDS)
def test_every_word_is_understood_alike_in_text_and_in_columns(kind: str) -> None:
    texts = WORDS[kind].split(" · ")
    for text in texts:
        found = parse_value(text)
        assert (found.kind, found.value, found.censoring) == (kind, None, 0), text
    column = pl.DataFrame({"text": texts}).select(parse_values("text"))
    assert column["kind"].to_list() == [kind] * len(texts)


@pytest.mark.parametrize(
    ("text", "kind", "value", "censoring"),
    [
        ("<5", "censored", 5.0, -1),
        ("<=5", "censored", 5.0, -1),
        ("≤5", "censored", 5.0, -1),
        ("less than 5", "censored", 5.0, -1),
        ("under 5", "censored", 5.0, -1),
        ("below 5", "censored", 5.0, -1),
        ("&lt;5", "censored", 5.0, -1),
        (">5", "censored", 5.0, 1),
        (">=5", "censored", 5.0, 1),
        ("≥5", "censored", 5.0, 1),
        ("greater than 5", "censored", 5.0, 1),
        ("over 5", "censored", 5.0, 1),
        ("above 5", "censored", 5.0, 1),
        ("&gt;5", "censored", 5.0, 1),
        ("> or = 5", "censored", 5.0, 1),
        ("< or = 5 mg/dL", "censored", 5.0, -1),
        ("1,234,567.5", "numeric", 1_234_567.5, 0),
        ("+7", "numeric", 7.0, 0),
        ("7.", "numeric", 7.0, 0),
        ("1.5e3", "numeric", 1500.0, 0),
        ("1E-3", "numeric", 0.001, 0),
        ("99%", "numeric", 99.0, 0),
        ("4.1 H", "numeric", 4.1, 0),
        ("4.1 (LL)", "numeric", 4.1, 0),
        ("4.1 crit", "numeric", 4.1, 0),
        ("4.1 HIGH", "numeric", 4.1, 0),
        ("4.1!!", "numeric", 4.1, 0),
        ("4.1 10^3/uL", "numeric", 4.1, 0),
        ("9e299", "numeric", 9e299, 0),
        ("1e300", "unknown", None, 0),
        (">1e300", "unknown", None, 0),
        ("1-1e300", "unknown", None, 0),
        ("5 - 10", "range", 7.5, 0),
        ("5–10", "range", 7.5, 0),
        ("5 to 10", "range", 7.5, 0),
        ("5-5", "range", 5.0, 0),
        ("0-4 /HPF", "range", 2.0, 0),
        ("12,34", "unknown", None, 0),  # a decimal comma or a slip: not guessed
        ("1,2345", "unknown", None, 0),
    ],
)
def test_numbers_of_every_form(text: str, kind: str, value: float | None, censoring: int) -> None:
    found = parse_value(text)
    assert (found.kind, found.value, found.censoring) == (kind, value, censoring)
    ((a, b, c),) = pl.DataFrame({"text": [text]}).select(parse_values("text")).iter_rows()
    assert (a, b, c) == (kind, value, censoring)


FLAGS = {
    0: "Normal · N",
    -1: "Low · L · LL · low panic · Critical low",
    1: "High · H · HH · High panic · critical high",
    2: "Abnormal · A · AA · Panic · Critical",
    None: "odd · ",
}


@pytest.mark.parametrize("verdict", FLAGS)
def test_what_the_flag_of_a_row_without_limits_says(verdict: int | None) -> None:
    flags = FLAGS[verdict].split(" · ")
    rows = pl.DataFrame(
        {"component": ["POTASSIUM"] * len(flags), "value": ["4.0"] * len(flags), "flag": flags}
    )
    assert indicator_results(rows).table["verdict"].to_list() == [verdict] * len(flags)


@pytest.mark.parametrize(
    ("value", "used"),
    [("1", True), ("0.99", False), ("12", True), ("12.01", False), (">12.5", True), ("<0.5", True)],
)
def test_the_limits_of_what_can_be_are_possible_themselves(value: str, used: bool) -> None:
    """Potassium: 1 to 12 mmol/L. A censored value beyond them is a limit of the device."""
    rows = pl.DataFrame({"component": ["POTASSIUM"], "value": [value], "unit": ["mmol/L"]})
    found = indicator_results(rows)
    assert found.counts == ({"used": 1} if used else {"value not possible": 1})


START = dt.datetime(2221, 7, 3, 12)


def labelled(
    ends_s: list[float], results_s: list[float], rule: LabelRule | None = None
) -> list[tuple[float, float]]:
    """Value and minutes of segments that end, and results (10, 20, …) that come, at these times.

    An order is given two hours before its result.
    """
    segments = pl.DataFrame(
        {"visit": ["v"] * len(ends_s), "end_time": [START + dt.timedelta(0, s) for s in ends_s]},
        schema={"visit": pl.String, "end_time": pl.Datetime("us")},
    )
    times = [START + dt.timedelta(0, s) for s in results_s]
    results = pl.DataFrame(
        {
            "visit": ["v"] * len(times),
            "order_time": [t - dt.timedelta(hours=2) for t in times],
            "result_time": times,
            "indicator": ["potassium"] * len(times),
            "method": ["laboratory"] * len(times),
            "value": [10.0 * (k + 1) for k in range(len(times))],
            "censoring": [1] * len(times),
            "verdict": [1] * len(times),
            "row": list(range(len(times))),
        },
        schema_overrides={
            "order_time": pl.Datetime("us"), "result_time": pl.Datetime("us"),
            "censoring": pl.Int8, "verdict": pl.Int8,
        },
    )  # fmt: skip
    found = label_segments(segments, results, ["potassium"], rule)["potassium"]
    assert (found.censoring == np.where(np.isnan(found.value), 0, 1)).all()
    return [(float(v), float(m)) for v, m in zip(found.value, found.minutes, strict=True)]


NONE = (pytest.approx(np.nan, nan_ok=True), pytest.approx(np.nan, nan_ok=True))


@pytest.mark.parametrize("side", [-1, 1])
def test_the_usual_window_ends_after_an_hour(side: int) -> None:
    """CardioLab (MIMIC-IV): the nearest result within 60 minutes, the sixtieth included."""
    assert labelled([0.0], [side * 3600.0]) == [(10.0, side * 60.0)]
    assert labelled([0.0], [side * 3600.001]) == [NONE]


def test_a_window_of_another_length_and_of_the_whole_visit() -> None:
    rule = LabelRule(window_minutes=0.5)
    assert labelled([0.0, 1.0], [30.5], rule) == [NONE, (10.0, pytest.approx(29.5 / 60))]
    assert labelled([0.0], [90_000.0], LabelRule(window_minutes=None)) == [(10.0, 1500.0)]


def test_the_nearest_counts_and_at_equal_distance_the_later_one() -> None:
    assert labelled([0.0], [-60.0, 61.0]) == [(10.0, -1.0)]
    assert labelled([0.0], [-61.0, 60.0]) == [(20.0, 1.0)]
    assert labelled([0.0], [-60.0, 60.0]) == [(20.0, 1.0)]
    before = LabelRule(relation="before")
    assert labelled([0.0], [-1.0, 600.0, 900.0], before) == [(20.0, 10.0)]
    assert labelled([0.0], [0.0], before) == [(10.0, 0.0)]
    assert labelled([0.001], [0.0], before) == [NONE]


def test_the_order_counts_where_it_is_asked_for() -> None:
    assert labelled([0.0], [7200.0], LabelRule(time="order_time")) == [(10.0, 0.0)]
    assert labelled([0.0], [7200.0]) == [NONE]


def test_leaks_count_patients_and_not_rows() -> None:
    table = pl.DataFrame(
        {
            "patient": ["a", "a", "a", "b", "b", None, None],
            "split": ["train", "train", "test", "test", "test", "train", "test"],
        }
    )
    with pytest.raises(LeakageError, match="^1 patient"):
        check_leakage(table)
    check_leakage(table.filter(pl.col("patient") != "a"))
