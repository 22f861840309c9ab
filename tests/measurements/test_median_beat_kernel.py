"""The median beat: by the kernel and by NumPy the same."""

from __future__ import annotations

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry import native
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.measurements.delineation import delineate
from ecgfoundry.measurements.intervals import median_beat
from ecgfoundry.measurements.lead_fusion import fuse_leads
from ecgfoundry.measurements.median_beat import MedianBeat


def both_ways(
    monkeypatch: pytest.MonkeyPatch, signal: np.ndarray, rate: float, beats: np.ndarray
) -> tuple[MedianBeat, MedianBeat]:
    waves = fuse_leads(delineate(signal, rate, beats), rate)
    found = []
    for way in ("0", "auto"):
        monkeypatch.setenv(native.VARIABLE, way)
        if way != "0" and not native.status().available:
            pytest.skip(f"no compiled kernels: {native.status().reason}")
        leads = [f"lead {row}" for row in range(len(signal))]
        found.append(median_beat(signal, rate, beats, waves, leads))
    assert found[0] is not None and found[1] is not None
    return found[0], found[1]


def assert_same(one: MedianBeat, other: MedianBeat) -> None:
    assert one.beats_used == other.beats_used
    # A median is a value, or the mean of two: nothing is rounded otherwise.
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_allclose(one.noise_mv, other.noise_mv, rtol=1e-9)
    np.testing.assert_allclose(one.likeness, other.likeness, rtol=0, atol=1e-9)


def test_beats_unlike_the_others_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = ecgfoundry.read(ecgfoundry.sample_path("12-lead"))
    signal, rate = recording.signal.astype(np.float64), recording.sampling_rate
    one, other = both_ways(monkeypatch, signal, rate, find_beats(signal, rate))
    assert one.beats_used < np.isfinite(one.likeness).sum()
    assert_same(one, other)


@pytest.mark.parametrize("count", [1, 2, 7, 120])
def test_any_number_of_beats(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """120 beats are more than the kernel sorts side by side; the first has no whole window."""
    rate = 250.0
    at = 0.2 + 0.8 * np.arange(count + 1)
    time = np.arange(round((at[-1] + 1.0) * rate)) / rate
    x = sum(np.exp(-0.5 * ((time - beat) / 0.012) ** 2) for beat in at)
    noise = np.random.default_rng(count).normal(0.0, 0.05, (2, time.size))
    signal = np.stack([x, -0.5 * x]) + noise
    one, other = both_ways(monkeypatch, signal, rate, np.rint(at * rate).astype(np.int64))
    assert one.beats_used == count
    assert np.isnan(one.noise_mv).all() == (count == 1)
    assert_same(one, other)


def test_beats_of_which_none_is_like_the_median_all_count(monkeypatch: pytest.MonkeyPatch) -> None:
    rate, signal = 250.0, np.random.default_rng(3).normal(0.0, 1.0, (3, 5000))
    one, other = both_ways(monkeypatch, signal, rate, np.arange(200, 4800, 200))
    assert one.beats_used == 23
    assert_same(one, other)
