"""Heart rate variability against NeuroKit2 0.3.0 and against the power of sine waves."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.hrv import NormalIntervals, _evenly, hrv


def breathing(count: int) -> np.ndarray:
    """RR intervals in s, to 0.1 ms: 0.8 s with 50 ms at 0.1 Hz and 30 ms at 0.25 Hz."""
    time, intervals = 0.0, []
    for _ in range(count):
        slow, fast = np.sin(2 * np.pi * 0.1 * time), np.sin(2 * np.pi * 0.25 * time)
        intervals.append(round(0.8 + 0.05 * slow + 0.03 * fast, 4))
        time += intervals[-1]
    return np.array(intervals)


def beats_of(intervals: np.ndarray, label: str | np.ndarray = "N", **fields: np.ndarray) -> Beats:
    samples = np.rint(np.concatenate([[0], np.cumsum(intervals)]) * 10_000).astype(np.int64)
    return Beats.from_samples(samples, 10_000.0, label=label, **fields)


@pytest.mark.parametrize(
    ("count", "sdnn", "rmssd", "pnn50"),
    # neurokit2.hrv_time(peaks, sampling_rate=10000): HRV_SDNN, HRV_RMSSD, HRV_pNN50.
    [(400, 41.272818, 30.439061, 11.75), (1800, 41.255033, 30.485530, 12.0)],
)
def test_time_domain_is_that_of_neurokit2(
    count: int, sdnn: float, rmssd: float, pnn50: float
) -> None:
    values = hrv(beats_of(breathing(count)))
    assert values["sdnn_ms"].value == pytest.approx(sdnn, abs=1e-4)
    assert values["rmssd_ms"].value == pytest.approx(rmssd, abs=1e-4)
    assert values["pnn50_percent"].value == pytest.approx(pnn50, abs=0.06)
    assert values["nn_share_percent"].value == 100.0


def test_the_triangular_index_needs_twenty_minutes() -> None:
    # neurokit2: HRV_HTI of the longer series, whose bins are 7.8125 ms too.
    assert hrv(beats_of(breathing(1800)))["hrv_triangular_index"].value == pytest.approx(13.235294)
    short = hrv(beats_of(breathing(400)))["hrv_triangular_index"]
    assert short.value is None
    assert "20 minutes" in str(short.reason)


def test_power_of_sine_waves_is_half_their_square() -> None:
    """50 ms at 0.1 Hz: 1,250 ms2 of LF; 30 ms at 0.25 Hz: 450 ms2 of HF."""
    values = hrv(beats_of(breathing(400)))
    assert values["lf_ms2"].value == pytest.approx(1250, rel=0.02)
    assert values["hf_ms2"].value == pytest.approx(450, rel=0.02)
    assert values["lf_hf_ratio"].value == pytest.approx(1250 / 450, rel=0.02)
    assert "Welch" in values["lf_ms2"].method


def test_only_intervals_between_normal_beats_count() -> None:
    """A premature beat and its pause change nothing but the share that is used."""
    intervals = np.tile([0.8, 0.84], 30)
    label = np.full(61, "N")
    usual = hrv(beats_of(intervals))
    intervals[20:22] = 0.5, 1.14
    label[21] = "V"
    with_ectopic = hrv(beats_of(intervals, label))
    # 60 intervals of 800 and 840 ms alternately: standard deviation 20 ms, differences 40 ms.
    assert usual["sdnn_ms"].value == pytest.approx(20.0 * np.sqrt(60 / 59))
    assert with_ectopic["sdnn_ms"].value == pytest.approx(20.0 * np.sqrt(58 / 57))
    assert with_ectopic["rmssd_ms"].value == pytest.approx(40.0)
    assert with_ectopic["nn_share_percent"].value == pytest.approx(100 * 58 / 60)


def test_paced_beats_are_not_normal_ones() -> None:
    values = hrv(beats_of(np.full(30, 0.8), paced=np.ones(31, bool)))
    assert values["sdnn_ms"].value is None
    assert values["nn_share_percent"].value == 0.0


def test_a_gap_is_no_interval() -> None:
    intervals = np.full(30, 0.8)
    intervals[10] = 9.0
    values = hrv(beats_of(intervals))
    assert values["sdnn_ms"].value == pytest.approx(0.0, abs=1e-9)
    assert values["nn_share_percent"].value == pytest.approx(100 * 29 / 30)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_too_few_intervals_give_none_with_the_reason(count: int) -> None:
    values = hrv(beats_of(np.full(max(count - 1, 0), 0.8))[:count])
    for name in ("sdnn_ms", "rmssd_ms", "pnn50_percent", "lf_ms2", "lf_hf_ratio"):
        assert values[name].value is None
        assert values[name].reason


def test_equal_intervals_have_no_ratio_of_powers() -> None:
    values = hrv(beats_of(np.full(400, 0.8)))
    assert values["lf_ms2"].value == pytest.approx(0.0, abs=1e-12)
    ratio = values["lf_hf_ratio"]
    assert ratio.value is None or ratio.value >= 0.0


def test_two_weeks_are_worked_on_in_pieces(monkeypatch):
    """Spline and spectrum of pieces are those of the whole, by scipy."""
    from scipy.interpolate import CubicSpline
    from scipy.signal import welch

    from ecgfoundry.measurements import hrv as module

    random = np.random.default_rng(1996)
    knots = np.cumsum(random.uniform(0.5, 1.2, 3000))
    values = random.normal(800.0, 50.0, 3000)
    times = np.arange(knots[0], knots[-1], 0.25)
    monkeypatch.setattr(module, "SPLINE_KNOTS", 700)
    whole = CubicSpline(knots, values)(times)
    np.testing.assert_allclose(module._spline(knots, values, times), whole, rtol=1e-12)
    monkeypatch.setattr(module, "BLOCK_WINDOWS", 4)
    power = welch(whole, 4.0, "hann", nperseg=1024, detrend="linear")[1]
    np.testing.assert_allclose(module._welch(whole, 1024)[1], power, rtol=1e-9)


@pytest.mark.parametrize(("seconds", "words"), [(299, "; 299 s, not the 5 min"), (300, None)])
def test_what_is_shorter_than_the_five_minutes_of_the_standard_says_so(
    seconds: int, words: str | None
) -> None:
    method = str(hrv(beats_of(np.ones(seconds)))["sdnn_ms"].method)
    assert ("not the 5 min" in method) == (words is not None)
    assert words is None or words in method


def test_straight_lines_cross_the_gaps() -> None:
    """One behind the first interval, from 1,000 ms at 1 s to 600 ms at 9 s; none at the end.

    In its middle 800 ms. A spline through the same points is above 1,000 ms there or below 600.
    """
    end_s = np.array([1.0, 9.0, 9.6, 10.3, 11.1, 12.0])
    nn_s = np.array([1.0, 0.6, 0.7, 0.8, 0.9, 1.0])
    follows = np.array([False, False, True, True, True, True])
    even = _evenly(NormalIntervals(nn_s, end_s, follows, 1.0))
    np.testing.assert_allclose(even[:33:4], np.linspace(1000.0, 600.0, 9), atol=1e-9)
