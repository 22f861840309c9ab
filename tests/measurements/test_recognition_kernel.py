"""What finds and recognises beats and measures noise: by the kernels and by NumPy the same."""

from __future__ import annotations

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry import native
from ecgfoundry.measurements.beats import detect
from ecgfoundry.measurements.recognition import Recognition, recognise

# Sums are taken in another order.
ROUNDING = 1e-9


def both_ways(
    monkeypatch: pytest.MonkeyPatch, signal: np.ndarray, rate: float
) -> tuple[Recognition, Recognition]:
    found = []
    for way in ("0", "auto"):
        monkeypatch.setenv(native.VARIABLE, way)
        if way != "0" and not native.status().available:
            pytest.skip(f"no compiled kernels: {native.status().reason}")
        found.append(recognise(signal, rate))
    return found[0], found[1]


def assert_same(one: Recognition, other: Recognition) -> None:
    assert one.reason == other.reason
    np.testing.assert_array_equal(one.beats, other.beats)
    assert one.figures == pytest.approx(other.figures, rel=ROUNDING, abs=ROUNDING)
    assert (one.snr_db is None) == (other.snr_db is None)
    if one.snr_db is not None:
        np.testing.assert_allclose(one.snr_db, other.snr_db, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("sample", ["12-lead", "single-lead"])
@pytest.mark.parametrize("noise_mv", [0.0, 0.1, 0.3])
def test_samples_in_noise(monkeypatch: pytest.MonkeyPatch, sample: str, noise_mv: float) -> None:
    recording = ecgfoundry.read(ecgfoundry.sample_path(sample))
    rng = np.random.default_rng(0)
    signal = recording.signal + rng.normal(0.0, noise_mv, recording.signal.shape)
    signal[-1, 700:800] = np.nan
    one, other = both_ways(monkeypatch, signal, recording.sampling_rate)
    assert len(one.figures) >= 12 and (one.reason is not None or one.snr_db is not None)
    assert_same(one, other)


@pytest.mark.parametrize("step_mv", [0.5, 0.1, 0.02])
def test_signals_of_few_levels(monkeypatch: pytest.MonkeyPatch, step_mv: float) -> None:
    """Most samples are equal, as of a coarse converter: what is sought by rank still ends."""
    recording = ecgfoundry.read(ecgfoundry.sample_path("12-lead"))
    signal = np.round(recording.signal / step_mv) * step_mv
    one, other = both_ways(monkeypatch, signal, recording.sampling_rate)
    assert one.beats.size > 5
    assert_same(one, other)


@pytest.mark.parametrize("beats", [1, 2, 3, 8, 9, 120])
def test_any_number_of_beats(monkeypatch: pytest.MonkeyPatch, beats: int) -> None:
    """120 beats are more than the kernel sorts side by side."""
    rate = 200.0
    time = np.arange(round((1.0 + 0.7 * beats) * rate)) / rate
    x = np.random.default_rng(beats).normal(0.0, 0.02, time.size)
    for beat in range(beats):
        x += np.exp(-0.5 * ((time - 0.8 - 0.7 * beat) / 0.012) ** 2)
    one, other = both_ways(monkeypatch, np.stack([x, -0.5 * x]), rate)
    assert one.beats.size == beats
    assert ("members" in one.figures) == (beats >= 9)
    assert_same(one, other)


def test_a_beat_at_an_end_has_no_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    time = np.arange(600) / 200.0
    x = np.exp(-0.5 * ((time - 2.95) / 0.012) ** 2)
    one, other = both_ways(monkeypatch, x[np.newaxis], 200.0)
    assert set(one.figures) == {"rate", "contrast"} and one.reason == "no-beats"
    assert_same(one, other)


@pytest.mark.parametrize("seconds", [1.1, 3.0, 9.0])  # one block, two, and eight
@pytest.mark.parametrize("leads", [1, 2, 3])
def test_the_energy_in_which_beats_are_found(
    monkeypatch: pytest.MonkeyPatch, leads: int, seconds: float
) -> None:
    """Of three leads the last one has no slope but that of rounding."""
    rate = 200.0
    time = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(leads)
    beats = sum(np.exp(-0.5 * ((time - at) / 0.012) ** 2) for at in np.arange(0.5, seconds, 0.8))
    x = np.stack([beats, -0.3 * beats, 1e-9 * time])[:leads]
    x[:2] += rng.normal(0.0, 0.02, x[:2].shape)
    found = []
    for way in ("0", "auto"):
        monkeypatch.setenv(native.VARIABLE, way)
        if way != "0" and not native.status().available:
            pytest.skip(f"no compiled kernels: {native.status().reason}")
        found.append(detect(x, rate))
    one, other = found
    assert one is not None and other is not None
    assert one.beats.size == other.beats.size == len(np.arange(0.5, seconds, 0.8))
    np.testing.assert_array_equal(one.beats, other.beats)
    np.testing.assert_allclose(one.shares, other.shares, rtol=ROUNDING, atol=ROUNDING)
    np.testing.assert_allclose(one.band, other.band, rtol=ROUNDING, atol=ROUNDING)


def test_without_any_slope_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = np.linspace(0.0, 1e-9, 600)[np.newaxis]
    for way in ("0", "auto"):
        monkeypatch.setenv(native.VARIABLE, way)
        assert detect(ramp, 200.0) is None
