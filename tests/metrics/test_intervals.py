"""The one interval of a metric: its draws, its rules, and its notes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ecgfoundry.metrics.auroc_intervals import auroc_interval
from ecgfoundry.metrics.intervals import (
    DRAWS,
    METRICS,
    Interval,
    interval_of_draws,
    metric_interval,
    statistic_interval,
)
from ecgfoundry.metrics.metric import stated

NAN = math.nan
EVEN = np.arange(1001) / 1000  # 0, 0.001 ... 1: quantiles are themselves
BESIDE = "the bootstrap lies beside the value: the interval holds less often than it says"


def test_percentiles_of_the_draws() -> None:
    found = interval_of_draws(0.5, EVEN, people=30)
    assert (found.low, found.high) == pytest.approx((0.025, 0.975))
    assert (found.value, found.method, found.level, found.people) == (0.5, "bootstrap", 0.95, 30)
    assert found.note is None and found.reliable
    narrow = interval_of_draws(0.5, EVEN, people=30, level=0.5)
    assert (narrow.low, narrow.high) == pytest.approx((0.25, 0.75)) and narrow.level == 0.5


@pytest.mark.parametrize(
    ("people", "classes", "note"),
    [
        (30, True, None),
        (29, True, "29 people in the smaller class; from 30 on intervals hold"),
        (29, False, "29 people; from 30 on intervals hold"),
    ],
)
def test_fewer_than_thirty_people_are_said(people: int, classes: bool, note: str | None) -> None:
    found = interval_of_draws(0.5, EVEN, people=people, classes=classes)
    assert found.note == note and found.reliable is (note is None)


def test_draws_that_lie_beside_the_value_are_said() -> None:
    """Standard deviation of 0, 0.001 ... 1: 0.2890; a quarter of it is 0.0722."""
    assert interval_of_draws(0.5 + 0.0720, EVEN, people=99).note is None
    assert interval_of_draws(0.5 + 0.0725, EVEN, people=99).note == BESIDE


def test_no_interval_has_the_width_zero() -> None:
    same = np.ones(1000)
    nothing = interval_of_draws(1.0, same, people=40)
    assert math.isnan(nothing.low) and math.isnan(nothing.high) and not nothing.reliable
    assert nothing.method == "none"
    # Wilson (1927) of 10 of 10: n / (n + z^2) to 1.
    share = interval_of_draws(1.0, same, people=40, of_people=10)
    assert (share.low, share.high) == pytest.approx((10 / (10 + 1.959964**2), 1.0), abs=1e-6)
    assert share.method == "wilson" and share.reliable
    # One draw in a thousand differs: the percentiles are still equal.
    nearly = np.where(np.arange(1000) == 0, 0.5, 1.0)
    assert math.isnan(interval_of_draws(1.0, nearly, people=40).low)


def test_half_of_the_draws_have_to_be_defined() -> None:
    halves = np.concatenate([np.linspace(0, 1, 500), np.full(500, NAN)])
    assert interval_of_draws(0.5, halves, people=30).low == pytest.approx(0.025)
    less = np.concatenate([np.linspace(0, 1, 499), np.full(501, NAN)])
    assert math.isnan(interval_of_draws(0.5, less, people=30).low)
    assert math.isnan(interval_of_draws(NAN, halves, people=30).low)
    assert math.isnan(interval_of_draws(0.5, [], people=30).low)


def draws_of(groups: int, number: int, *, seed: int = 0) -> np.ndarray:
    """Patients of a draw, by NumPy alone."""
    return np.random.Generator(np.random.PCG64([seed, number])).integers(0, groups, groups)


def test_a_statistic_is_computed_on_draws_of_patients() -> None:
    groups = np.array(["b", "a", "a", "c", "c", "c"])
    values = np.array([5.0, 1.0, 2.0, 7.0, 8.0, 9.0])

    def statistic(rows: np.ndarray) -> float:
        return NAN if len(rows) < 5 else float(values[rows].mean())

    for level, draws in ((0.95, 1000), (0.8, 40)):
        own: list[float] = []
        number = 0
        while len(own) < draws:
            picked = ["abc"[k] for k in draws_of(3, number)]
            rows = np.concatenate([np.flatnonzero(groups == name) for name in picked])
            number += 1
            if len(rows) >= 5:
                own.append(values[rows].mean())
        options = {} if draws == 1000 else {"level": level, "draws": draws}
        found = statistic_interval(statistic, groups, **options)
        tail = (1 - level) / 2
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(own, [tail, 1 - tail])))
        assert found.value == pytest.approx(32 / 6) and found.people == 3
    assert DRAWS == 1000


def test_ten_times_as_many_draws_are_tried() -> None:
    calls = 0

    def rarely(rows: np.ndarray) -> float:
        nonlocal calls
        calls += 1
        return float(calls) if calls % 10 == 0 else NAN

    statistic_interval(rarely, np.arange(3), draws=5)
    assert calls == 51  # and once on the data
    never = statistic_interval(lambda rows: 1.0 if len(rows) > 9 else NAN, np.arange(3), draws=5)
    assert math.isnan(never.low) and math.isnan(never.value)


def test_copies_of_a_patients_records_do_not_narrow_it() -> None:
    values = np.random.default_rng(3).normal(size=40)
    single = statistic_interval(lambda rows: float(values[rows].mean()), np.arange(40), seed=1)
    copied = np.repeat(values, 20)
    many = statistic_interval(
        lambda rows: float(copied[rows].mean()), np.repeat(np.arange(40), 20), seed=1
    )
    assert (many.low, many.high) == pytest.approx((single.low, single.high))
    # The analytic 95 % interval of a mean: +- 1.96 s / sqrt(n).
    half = 1.96 * values.std(ddof=1) / np.sqrt(40)
    assert single.high - single.low == pytest.approx(2 * half, rel=0.12)


def test_metrics_by_name() -> None:
    assert METRICS[:4] == ("auroc", "auprc", "mae", "rmse")
    with pytest.raises(ValueError, match="no metric 'f2'; known are auroc"):
        metric_interval("f2", [0, 1], [0.1, 0.2])


def test_the_area_has_its_own_interval_and_notes() -> None:
    generator = np.random.default_rng(5)
    for each, note in ((30, None), (29, "29 people in the smaller class")):
        y = np.repeat([1.0, 0.0], [each, 60])
        s = generator.normal(size=len(y)) + y
        found, area = metric_interval("auroc", y, s), auroc_interval(y, s)
        assert (found.value, found.low, found.high) == (area.auroc, area.low, area.high)
        assert found.people == each and found.method == "delong-moderated"
        assert (note is None and found.reliable) or str(found.note).startswith(str(note))
    beyond = metric_interval("auroc", np.repeat([0.0, 1.0], 40), np.arange(80))
    assert beyond.value == 1.0 and beyond.low < 1.0 and "outside the range" in str(beyond.note)
    nothing = metric_interval("auroc", [1.0, 1.0], [0.1, 0.2])
    assert math.isnan(nothing.value) and nothing.note is None and not nothing.reliable


def test_errors_are_drawn_by_patient_with_those_that_have_no_value() -> None:
    """A patient without a value is drawn like the others: three, of whom two count."""
    truth, said = np.array([1.0, 2.0, NAN]), np.array([2.0, 5.0, 7.0])
    found = metric_interval("mae", truth, said, draws=200)
    own = []
    for number in range(200):
        errors = np.array([1.0, 3.0, NAN])[draws_of(3, number)]
        own.append(np.nanmean(errors) if not np.isnan(errors).all() else NAN)
    expected = np.nanquantile(own, [0.025, 0.975])
    assert found.value == 2.0 and (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.people == 2 and found.note == "2 people; from 30 on intervals hold"


def test_precision_is_drawn_by_patient() -> None:
    """Average precision of each draw from scikit-learn."""
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(2)
    y = (generator.random(40) < 0.4).astype(float)
    s = generator.normal(size=40) + y
    found = metric_interval("auprc", y, s, draws=100)
    own = []
    for number in range(200):
        rows = draws_of(40, number)
        if 0 < y[rows].sum() < 40 and len(own) < 100:
            own.append(metrics.average_precision_score(y[rows], s[rows]))
    assert found.value == pytest.approx(metrics.average_precision_score(y, s))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(own, [0.025, 0.975])))
    assert found.people == min(int(y.sum()), 40 - int(y.sum()))


def test_the_smaller_class_counts_the_people() -> None:
    """35 people with the finding and 5 without it: five are too few, whoever has the finding."""
    answers = np.arange(40) % 7 / 7
    for label in (0.0, 1.0):
        y = np.repeat([label, 1.0 - label], [35, 5])
        found = metric_interval("auprc", y, answers, draws=20)
        assert found.people == 5 and str(found.note).startswith("5 people in the smaller class")


def test_json_holds_no_nan() -> None:
    assert stated(None) is None and stated(NAN) is None
    assert stated(0.25) == 0.25


def test_an_interval_is_a_value() -> None:
    one = Interval(0.5, NAN, NAN, "none", 0.95, 40)
    assert not one.reliable  # nothing speaks against it, but there is none
