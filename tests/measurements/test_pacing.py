"""Pacing spikes: planted ones are found and named, and paced beats are measured from the QRS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgfoundry import Recording, measure, read
from ecgfoundry.measurements.pacing import describe_spikes, find_spikes, without_spikes

NAN = float("nan")


def paced_ecg(rate: float, *, spike_mv: float, latency_s: float = 0.03) -> np.ndarray:
    """Two leads of 10 s at 60/min: wide complexes (140 ms), each ``latency_s`` behind a spike."""
    time = np.arange(round(10 * rate)) / rate
    x = np.zeros((2, time.size))
    for beat in np.arange(0.6, 9.8, 1.0):
        for at, width, height in ((0.075, 0.025, 1.2), (0.35, 0.05, -0.4)):
            x += height * np.exp(-0.5 * ((time - beat - latency_s - at) / width) ** 2)
        start = round(beat * rate)
        x[:, start : start + max(1, round(0.001 * rate))] += spike_mv * np.array([[1.0], [-0.6]])
    return x


@pytest.mark.parametrize("rate", [500.0, 1000.0])
@pytest.mark.parametrize("height", [0.5, 2.0, -1.0])
def test_planted_spikes_are_found(rate: float, height: float) -> None:
    found = find_spikes(paced_ecg(rate, spike_mv=height), rate)
    assert found.begin / rate == pytest.approx(np.arange(0.6, 9.8, 1.0), abs=0.003)
    assert (found.end - found.begin).max() <= 0.004 * rate


def test_a_tall_spike_that_a_steep_filter_makes_ring_is_found() -> None:
    """A pulse through a band-pass of 50 to 200 Hz: 10 mV, 12 ms to each side, both signs."""
    rate, reach = 500.0, 6
    clean = paced_ecg(rate, spike_mv=0.0)
    t = np.arange(-reach, reach + 1) / rate
    ringing = (4.0 * np.sinc(400.0 * t) - np.sinc(100.0 * t)) * np.hanning(2 * reach + 1)
    dirty = clean.copy()
    for beat in np.arange(0.6, 9.8, 1.0):
        middle = round(beat * rate)
        dirty[:, middle - reach : middle + reach + 1] += np.outer([3.4, -2.0], ringing)
    found = find_spikes(dirty, rate)
    assert found.begin / rate == pytest.approx(np.arange(0.6, 9.8, 1.0) - 0.016, abs=0.006)
    assert found.end / rate == pytest.approx(np.arange(0.6, 9.8, 1.0) + 0.016, abs=0.006)
    assert np.abs(without_spikes(dirty, found) - clean).max() < 0.1
    measured = measure(Recording(signal=dirty, sampling_rate=rate, leads=("I", "II")))
    assert measured.beats.paced.all()
    assert set(measured.beats.label.tolist()) == {"Q"}
    assert measured.qrs_ms == pytest.approx(149, abs=12)


@pytest.mark.parametrize("rate", [500.0, 1000.0])
def test_without_spikes_the_ecg_is_what_it_was(rate: float) -> None:
    clean = paced_ecg(rate, spike_mv=0.0)
    dirty = paced_ecg(rate, spike_mv=1.5)
    mended = without_spikes(dirty, find_spikes(dirty, rate))
    assert np.abs(mended - clean).max() < 0.02


def test_an_ecg_without_a_pacemaker_has_no_spikes(fixtures: Path) -> None:
    for name in ("cinc2021/JS20000.hea", "philips/129DYPRG.xml"):
        recording = read(fixtures / name)
        assert find_spikes(recording.signal.astype(float), recording.sampling_rate).begin.size == 0


def test_too_slow_a_signal_has_no_spikes_that_can_be_told() -> None:
    assert find_spikes(paced_ecg(250.0, spike_mv=1.5), 250.0).begin.size == 0


def test_steps_and_single_glitches_are_no_spikes() -> None:
    rate = 500.0
    steps = paced_ecg(rate, spike_mv=0.0)
    for place in (1000, 2100, 3300, 4400):
        steps[:, place:] += 0.5
    assert find_spikes(steps, rate).begin.size == 0
    glitch = paced_ecg(rate, spike_mv=0.0)
    glitch[:, 1000] += 1.0
    assert find_spikes(glitch, rate).begin.size == 0
    one_lead = paced_ecg(rate, spike_mv=0.0)
    one_lead[0, 100:4600:500] += 1.0
    assert find_spikes(one_lead, rate).begin.size == 0


def test_a_paced_beat_is_measured_from_the_qrs_complex() -> None:
    signal = paced_ecg(500.0, spike_mv=1.5, latency_s=0.04)
    with_spikes = measure(Recording(signal=signal, sampling_rate=500.0, leads=("I", "II")))
    signal = paced_ecg(500.0, spike_mv=0.0, latency_s=0.04)
    without = measure(Recording(signal=signal, sampling_rate=500.0, leads=("I", "II")))
    assert len(with_spikes.pacing) == 10
    assert {spike.kind for spike in with_spikes.pacing} == {"ventricular"}
    assert all(spike.captured for spike in with_spikes.pacing)
    assert with_spikes.beats.paced.all()
    assert set(with_spikes.beats.label.tolist()) == {"Q"}
    assert with_spikes.qrs_ms is not None
    assert without.qrs_ms is not None
    # The complex is a Gaussian of 25 ms: 5.7 standard deviations of the smoothed one, 149 ms.
    assert with_spikes.qrs_ms == pytest.approx(149, abs=12)
    assert with_spikes.qrs_ms == pytest.approx(without.qrs_ms, abs=8)
    assert "paced" in {notice.code for notice in with_spikes.notices}


def test_what_spikes_are_for_is_told_by_what_follows() -> None:
    """At 1 kHz: before P, before QRS, after QRS within its refractory time, and into nothing."""
    signal = np.zeros((2, 12_000))
    for place in (800, 1000, 3200, 5400, 7800):
        signal[:, place] = 1.0
    spikes = find_spikes(signal + 1e-4 * np.sin(np.arange(12_000)), 1000.0)
    assert spikes.begin == pytest.approx([800, 1000, 3200, 5400, 7800], abs=1)
    onset = np.array([1030.0, 3100.0, 9000.0])
    described, paced = describe_spikes(
        spikes, 1000.0, onset, onset + 100.0, np.array([830.0, NAN, NAN])
    )
    assert [spike.kind for spike in described] == [
        "atrial", "ventricular", "unknown", "unknown", "unknown"
    ]  # fmt: skip
    assert [spike.captured for spike in described] == [True, True, None, False, False]
    assert paced.tolist() == [True, False, False]
