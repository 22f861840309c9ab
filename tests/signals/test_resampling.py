"""Resampling against the analytic answer for sines, and against np.interp."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.signal as ss
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


# --- ratios -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "ratio"),
    [
        (500.0, 500.0, Fraction(1)),
        (360.0, 500.0, Fraction(25, 18)),
        (257.0, 500.0, Fraction(500, 257)),
        (62.5, 500.0, Fraction(8)),
        (333.3, 500.0, Fraction(500 * 10, 3333).limit_denominator(2000)),
        (1999.0, 2000.0, Fraction(2000, 1999)),  # denominators up to 2000 are kept
        (2000.0, 1999.0, Fraction(1999, 2000)),
        (1.0, 1_000_000.0, Fraction(1_000_000)),
        (500.00004, 500.0, Fraction(1)),  # 8e-8 off
        # Rates are taken to six digits: 50000/25703 and 10009/10000, with denominators to 2000.
        (257.03, 500.0, Fraction(3165, 1627)),
        (1.0, 1.0009, Fraction(1112, 1111)),
    ],
)
def test_ratios_are_small_fractions(source: float, target: float, ratio: Fraction) -> None:
    assert rational_ratio(source, target) == ratio


def test_finer_ratios_are_rounded_to_denominators_of_2000() -> None:
    """2001/2002 has none, and 2001/2000 has."""
    assert rational_ratio(2000.0, 2001.0) == Fraction(2001, 2000)
    assert rational_ratio(2002.0, 2001.0) == Fraction(1999, 2000)
    # 1/1999 and 1/2000 are kept; 1/2001 is 5e-4 from 1/2000.
    assert rational_ratio(2000.0, 1.0) == Fraction(1, 2000)
    with pytest.raises(SamplingRateError, match="2001 Hz cannot be resampled to 1 Hz") as caught:
        rational_ratio(2001.0, 1.0)
    assert caught.value.remedy == "Check the stated sampling rate"


def test_a_ratio_may_be_off_by_one_in_ten_thousand() -> None:
    """1/1000.09 is 9e-5 from 1/1000, 1/1000.11 is 1.1e-4, and no other fraction is nearer."""
    assert rational_ratio(1000.09, 1.0) == Fraction(1, 1000)
    with pytest.raises(SamplingRateError):
        rational_ratio(1000.11, 1.0)


# --- polyphase ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "up", "down"),
    [(500.0, 200.0, 2, 5), (360.0, 500.0, 25, 18), (250.0, 500.0, 2, 1), (1000.0, 200.0, 1, 5)],
)
def test_polyphase_is_scipys(source: float, target: float, up: int, down: int) -> None:
    """The same filter and edges: Kaiser, beta 5, lines beyond the ends, less the median."""
    generator = np.random.default_rng(4)
    x = np.cumsum(generator.normal(size=(2, 1001)), axis=1) + 40.0 * generator.random((2, 1)) ** 8
    x[0, :100] += 30.0  # the median is far from the mean
    centre = np.median(x, axis=1, keepdims=True)
    wanted = centre + ss.resample_poly(
        x - centre, up, down, axis=1, window=("kaiser", 5.0), padtype="line"
    )
    given = resample_polyphase(x, source, target)
    assert given.dtype == np.float32 and given.shape == (2, -(-1001 * up // down))
    np.testing.assert_allclose(given, wanted, rtol=2e-7, atol=1e-6)


def test_an_electrode_offset_comes_through_without_a_ripple() -> None:
    x = np.full((1, 1000), 300.0)
    np.testing.assert_array_equal(resample_polyphase(x, 360.0, 500.0), np.float32(300.0))


def test_the_same_rate_and_empty_signals_are_copied() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    same = resample_polyphase(x, 500.0, 500.0)
    np.testing.assert_array_equal(same, x)
    assert same is not x and not np.shares_memory(same, x)
    assert resample_polyphase(np.zeros((2, 0)), 500.0, 200.0).shape == (2, 0)
    assert resample_linear(np.zeros((2, 0)), 500.0, 200.0).shape == (2, 0)


def test_a_sample_is_missing_where_its_nearest_is() -> None:
    """500 to 200 Hz: sample k stands at 2.5 k, and halves are rounded to even."""
    x = np.ones((1, 20))
    x[0, [2, 8, 19]] = np.nan
    # 0, 2.5, 5, 7.5, 10, 12.5, 15, 17.5 -> 0, 2, 5, 8, 10, 12, 15, 18
    missing = np.isnan(resample_polyphase(x, 500.0, 200.0)[0])
    np.testing.assert_array_equal(np.flatnonzero(missing), [1, 3])
    # 200 to 500 Hz: at 0.4 k; 18.4, 18.8, 19.2, 19.6 -> 18, 19, 19, 20, of which there is none.
    missing = np.isnan(resample_polyphase(x, 200.0, 500.0)[0])
    np.testing.assert_array_equal(np.flatnonzero(missing), [4, 5, 6, 19, 20, 21, 47, 48, 49])


# --- linear -------------------------------------------------------------------------------------


def test_linear_by_hand() -> None:
    x = np.array([[0.0, 10.0, 40.0]])
    np.testing.assert_allclose(
        resample_linear(x, 250.0, 500.0), [[0.0, 5.0, 10.0, 25.0, 40.0, 40.0]]
    )
    np.testing.assert_allclose(resample_linear(x, 400.0, 500.0), [[0.0, 8.0, 28.0, 40.0]])
    np.testing.assert_allclose(resample_linear(x, 1000.0, 500.0), [[0.0, 40.0]])  # 1.5 -> 2
    np.testing.assert_allclose(resample_linear(x[:, :1], 1000.0, 100.0), [[0.0]])  # at least one
    assert resample_linear(x, 500.0, 500.0).dtype == np.float32
    assert resample_linear(x, 250.0, 500.0).dtype == np.float32


def test_linear_beside_a_gap() -> None:
    """At a sample itself its missing neighbour does not matter; between them it does."""
    x = np.array([[1.0, 2.0, np.nan, 4.0, 5.0]])
    given = resample_linear(x, 250.0, 500.0)[0]
    np.testing.assert_allclose(given[[0, 1, 2, 6, 7, 8, 9]], [1.0, 1.5, 2.0, 4.0, 4.5, 5.0, 5.0])
    assert np.isnan(given[3:6]).all()


def test_gaps_at_the_ends_repeat_the_nearest_value() -> None:
    filled = fill_gaps_linear(np.array([[np.nan, np.nan, 7.0, np.nan, 1.0, np.nan]]))
    np.testing.assert_array_equal(filled, [[7.0, 7.0, 7.0, 4.0, 1.0, 1.0]])
    whole = np.array([[1.0, 2.0]], dtype=np.float32)
    assert fill_gaps_linear(whole).dtype == np.float64


@given(
    source=st.sampled_from([100.0, 250.0, 360.0, 1000.0]),
    function=st.sampled_from([resample_polyphase, resample_linear]),
    gain=st.floats(0.1, 10.0),
    seed=st.integers(0, 100),
)
@settings(max_examples=30)
def test_resampling_is_linear_in_the_signal(source, function, gain: float, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(1, 200))
    np.testing.assert_allclose(
        function(gain * x + 3.0, source, 500.0),
        gain * function(x, source, 500.0) + 3.0,
        atol=2e-3 if function is resample_polyphase else 1e-5,
    )


@pytest.mark.parametrize("shape", [(2, 0), (0,)])
def test_nothing_at_another_rate_is_nothing(shape: tuple[int, ...]) -> None:
    found = resample_polyphase(np.zeros(shape), 250.0, 100.0)
    assert found.shape == shape and found.dtype == np.float32
