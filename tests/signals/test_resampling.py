"""Resampling against the analytic answer for sines, and against np.interp."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.errors import SamplingRateError
from ecgfoundry.signals.resampling import (
    fill_gaps_linear,
    rational_ratio,
    resample_linear,
    resample_polyphase,
)


@pytest.mark.parametrize("source", [100, 125, 128, 250, 257, 300, 360, 400, 512, 1000])
@pytest.mark.parametrize("target", [200.0, 500.0])
def test_polyphase_keeps_a_sine_in_place(source: float, target: float) -> None:
    time = np.arange(10 * source) / source
    x = np.sin(2 * np.pi * 5 * time)[None]
    y = resample_polyphase(x, source, target)[0]
    assert len(y) == pytest.approx(10 * target, abs=1)
    wanted = np.sin(2 * np.pi * 5 * np.arange(len(y)) / target)
    inner = slice(int(0.3 * target), -int(0.3 * target))
    np.testing.assert_allclose(y[inner], wanted[inner], atol=5e-3)


def test_polyphase_suppresses_what_would_alias() -> None:
    x = np.sin(2 * np.pi * 180 * np.arange(5000) / 500)[None]
    assert np.abs(resample_polyphase(x, 500, 200)[0, 100:-100]).max() < 0.02


@given(
    source=st.sampled_from([62.5, 100.0, 257.0, 300.0, 360.0, 1000.0]),
    samples=st.integers(2, 700),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40)
def test_linear_equals_interp_on_the_true_time_base(source: float, samples: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(2, samples))
    y = resample_linear(x, source, 500.0)
    time = np.arange(y.shape[1]) / 500.0
    for row, out in zip(x, y, strict=True):
        wanted = np.interp(time, np.arange(samples) / source, row)
        np.testing.assert_allclose(out, wanted, atol=1e-5)


def test_missing_samples_stay_missing_at_their_times() -> None:
    x = np.ones((1, 1000))
    x[0, 400:500] = np.nan
    for function in (resample_polyphase, resample_linear):
        y = function(x, 500, 250)
        missing = np.flatnonzero(np.isnan(y[0]))
        assert abs(missing[0] - 200) <= 1 and abs(missing[-1] - 249) <= 1


def test_absurd_rates_are_refused() -> None:
    assert rational_ratio(360, 500) == pytest.approx(25 / 18)
    with pytest.raises(SamplingRateError):
        rational_ratio(500, 1e-9)


def test_gaps_are_bridged_by_straight_lines() -> None:
    filled = fill_gaps_linear(np.array([[0, np.nan, np.nan, 3.0], [np.nan] * 4]))
    np.testing.assert_allclose(filled, [[0, 1, 2, 3], [0, 0, 0, 0]])
