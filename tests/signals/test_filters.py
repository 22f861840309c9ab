"""Filters against the formulas of the textbooks and SciPy with its defaults written out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal as ss
from hypothesis import given
from hypothesis import strategies as st

from ecgfoundry.signals.filters import (
    butterworth_ba,
    butterworth_sos,
    joint_zscore,
    median_baseline,
    notch,
    zero_phase_ba,
    zero_phase_sos,
    zscore_each,
)


def analytic_gain(
    frequency: float, order: int, cutoff: tuple[float, ...], kind: str, rate: float
) -> float:
    """Gain of a digital Butterworth filter: bilinear transform with prewarped cut-offs."""
    warped = np.tan(np.pi * frequency / rate)
    edges = [np.tan(np.pi * edge / rate) for edge in cutoff]
    if kind == "lowpass":
        ratio = warped / edges[0]
    elif kind == "highpass":
        ratio = edges[0] / warped
    else:
        low, high = edges
        ratio = (warped**2 - low * high) / (warped * (high - low))
    return float(1.0 / np.sqrt(1.0 + ratio ** (2 * order)))


@pytest.mark.parametrize(
    ("order", "cutoff", "kind", "rate"),
    [
        (2, (0.5,), "highpass", 500.0),
        (2, (50.0,), "lowpass", 500.0),
        (4, (0.67, 40.0), "bandpass", 500.0),
        (3, (0.5, 40.0), "bandpass", 200.0),
    ],
)
@pytest.mark.parametrize("frequency", [0.4, 0.5, 0.67, 5.0, 40.0, 50.0, 70.0])
def test_butterworth_gains(
    order: int, cutoff: tuple[float, ...], kind: str, rate: float, frequency: float
) -> None:
    wanted = analytic_gain(frequency, order, cutoff, kind, rate)
    _, (given,) = ss.sosfreqz(butterworth_sos(order, cutoff, kind, rate), [frequency], fs=rate)
    assert abs(given) == pytest.approx(wanted, rel=1e-6)
    b, a = butterworth_ba(order, cutoff, kind, rate)
    _, (given,) = ss.freqz(b, a, [frequency], fs=rate)
    assert abs(given) == pytest.approx(wanted, rel=1e-2)  # the form is numerically poor
    for edge in cutoff:
        assert analytic_gain(edge, order, cutoff, kind, rate) == pytest.approx(np.sqrt(0.5))


def test_the_notch_is_50_hz_over_its_quality_wide() -> None:
    """-3 dB points at distance 50/30 Hz (in the tangent of the half angle), nothing at 50 Hz."""
    b, a = notch(50.0, 30.0, 500.0)
    half = np.tan(np.pi / 30.0 * 50.0 / 500.0)
    centre = 2 * np.pi * 50.0 / 500.0
    # |H|^2 = 1/2 where cos w - cos w0 = +-half * sin w: solved on a fine grid.
    grid = np.linspace(48.0, 52.0, 400_001)
    angle = 2 * np.pi * grid / 500.0
    inside = np.abs(np.cos(angle) - np.cos(centre)) < half * np.sin(angle)
    edges = grid[inside][[0, -1]]
    assert edges[1] - edges[0] == pytest.approx(50.0 / 30.0, rel=1e-3)
    _, gains = ss.freqz(b, a, [0.0, *edges, 50.0, 249.0], fs=500.0)
    np.testing.assert_allclose(np.abs(gains[:3]), [1.0, np.sqrt(0.5), np.sqrt(0.5)], rtol=1e-4)
    assert abs(gains[3]) < 1e-12 and abs(gains[4]) == pytest.approx(1.0, abs=1e-3)


def test_forwards_and_backwards_with_odd_edges() -> None:
    x = np.cumsum(np.random.default_rng(3).normal(size=(2, 3, 400)), axis=-1)
    b, a = ss.butter(4, [0.67, 40], btype="bandpass", fs=500)
    wanted = ss.filtfilt(b, a, x, axis=-1, padtype="odd", padlen=27, method="pad")
    np.testing.assert_allclose(zero_phase_ba(b, a, x), wanted, rtol=1e-9, atol=1e-9)
    sos = ss.butter(3, [0.5, 40], btype="bandpass", fs=200, output="sos")
    wanted = ss.sosfiltfilt(sos, x, axis=-1, padtype="odd", padlen=21)
    np.testing.assert_allclose(zero_phase_sos(sos, x), wanted, rtol=1e-9, atol=1e-9)
    for filtered in (zero_phase_ba(b, a, x), zero_phase_sos(sos, x)):
        assert filtered.flags.c_contiguous and filtered.dtype == np.float64


def test_the_running_median_by_hand() -> None:
    x = np.array([[5.0, 1.0, 4.0, 2.0, 9.0], [-1.0, -2.0, -3.0, -4.0, -5.0]])
    # Of 3, zeros beyond the ends: (0 5 1) (5 1 4) (1 4 2) (4 2 9) (2 9 0).
    np.testing.assert_array_equal(
        median_baseline(x, 3), [[1.0, 4.0, 2.0, 4.0, 2.0], [-1.0, -2.0, -3.0, -4.0, -4.0]]
    )
    # Of 5: (0 0 5 1 4) (0 5 1 4 2) (5 1 4 2 9) (1 4 2 9 0) (4 2 9 0 0).
    np.testing.assert_array_equal(median_baseline(x, 5)[0], [1.0, 2.0, 4.0, 2.0, 2.0])
    np.testing.assert_array_equal(median_baseline(x[0], 3), [1.0, 4.0, 2.0, 4.0, 2.0])


def test_z_scores_by_hand() -> None:
    x = np.array([[1.0, 3.0], [5.0, 7.0]])  # mean 4, squares 9 + 1 + 1 + 9 over 4: deviation 2.236
    np.testing.assert_allclose(
        joint_zscore(x, epsilon=0.0), np.array([[-3.0, -1.0], [1.0, 3.0]]) / np.sqrt(5.0)
    )
    np.testing.assert_allclose(
        joint_zscore(x, epsilon=1.0), np.array([[-3.0, -1.0], [1.0, 3.0]]) / (np.sqrt(5.0) + 1.0)
    )
    np.testing.assert_array_equal(joint_zscore(np.full((2, 4), 0.5), epsilon=1e-8), 0.0)
    np.testing.assert_allclose(zscore_each(x, flat_below=1e-6), [[-1.0, 1.0], [-1.0, 1.0]])


def test_a_row_is_flat_below_the_limit_and_not_at_it() -> None:
    x = np.array([[-0.25, 0.25], [-0.24, 0.24], [0.0, 0.0]])
    np.testing.assert_array_equal(
        zscore_each(x, flat_below=0.25), [[-1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    )


@given(seed=st.integers(0, 1000), gain=st.floats(0.01, 100.0), offset=st.floats(-100.0, 100.0))
def test_filters_are_linear_and_z_scores_forget_gain_and_offset(
    seed: int, gain: float, offset: float
) -> None:
    x, y = np.random.default_rng(seed).normal(size=(2, 1, 300))
    sos = butterworth_sos(2, (0.5,), "highpass", 500.0)
    together = zero_phase_sos(sos, gain * x + y + offset)
    apart = gain * zero_phase_sos(sos, x) + zero_phase_sos(sos, y)  # an offset leaves nothing
    np.testing.assert_allclose(together, apart, atol=1e-8 * (gain + abs(offset) + 1.0))
    np.testing.assert_allclose(
        zscore_each(gain * x + offset, flat_below=1e-9), zscore_each(x, flat_below=1e-9), atol=1e-9
    )
