"""Decimation keeps extremes, gaps break the line, rounding does not add up."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.reports.paper.traces import decimate_extremes, finite_runs, trace_path


def _points(d: str) -> list[tuple[float, float]]:
    x = y = 0.0
    points = []
    for command, body in re.findall(r"([Ml])([^Ml]*)", d):
        numbers = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", body)]
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = (dx, dy) if command == "M" else (x + dx, y + dy)
            points.append((x, y))
    return points


def test_a_one_sample_spike_survives_decimation() -> None:
    x = np.arange(100_000) * 0.0025  # 40 samples in each 0.1 mm
    y = np.zeros(100_000)
    y[54_321] = -17.25
    points = _points(trace_path(x, y))
    assert min(y for _, y in points) == -17.25
    spike = next(x for x, y in points if y == -17.25)
    assert abs(spike - 54_321 * 0.0025) <= 0.005
    assert len(points) < 10_000


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-50, 50), min_size=1, max_size=400),
    step=st.sampled_from([0.001, 0.01, 0.05, 0.1, 0.3]),
)
def test_every_bin_keeps_its_extremes_and_the_ends_stay(values: list[float], step: float) -> None:
    y = np.array(values)
    x = 15.0 + np.arange(len(y)) * step
    kept = decimate_extremes(x, y)
    assert kept[0] == 0
    assert kept[-1] == len(y) - 1
    assert (np.diff(kept) > 0).all()
    bins = np.floor((x - x[0]) / 0.1 + 1e-9)
    for number in np.unique(bins):
        inside = np.flatnonzero(bins == number)
        of_bin = y[np.intersect1d(kept, inside)]
        assert of_bin.max() == y[inside].max()
        assert of_bin.min() == y[inside].min()


def test_runs_of_finite_samples() -> None:
    nan = np.nan
    assert finite_runs(np.array([nan, 1, 2, nan, nan, 3])) == [(1, 3), (5, 6)]
    assert finite_runs(np.array([nan, nan])) == []
    assert finite_runs(np.array([1.0])) == [(0, 1)]


def test_missing_samples_break_the_line_and_a_lone_sample_is_a_dot() -> None:
    y = np.array([0.0, 1, np.nan, 5, np.nan, 2, 2])
    d = trace_path(np.arange(7.0), y)
    assert d.count("M") == 3
    assert "M3 5l0 0" in d
    assert trace_path(np.arange(2.0), np.full(2, np.nan)) == ""


def test_rounding_does_not_add_up() -> None:
    x = np.arange(5000) * (25 / 499.7)  # steps that no decimal number holds
    y = np.cumsum(np.full(5000, 0.0033))
    last = _points(trace_path(x, y))[-1]
    assert abs(last[0] - x[-1]) <= 0.0051
    assert abs(last[1] - y[-1]) <= 0.0051
