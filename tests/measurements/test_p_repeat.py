"""P waves are what repeats before the complexes, in noise too; noise that passes for one is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ecgfoundry.measurements.boundaries import BOUNDARIES, BeatWaves
from ecgfoundry.measurements.intervals import median_beat
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.p_repeat import p_likeness, with_repeating_p

RATE = 500.0
LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
BEATS = np.arange(400, 5800, 400)
"""R peaks 0.8 s apart."""


def strip(p_mv: float, noise_mv: float, seed: int = 1) -> NDArray[np.float64]:
    """QRS of 1 mV and 80 ms; P of 80 ms whose peak lies 130 ms before R; noise to 30 Hz."""
    columns = np.arange(6000)
    one = np.zeros(6000)
    for beat in BEATS:
        one += np.interp(columns, [beat - 20, beat, beat + 20], [0.0, 1.0, 0.0])
        one += p_mv * np.exp(-0.5 * ((columns - beat + 65) / 10.0) ** 2)
    signal = np.tile(one, (len(LEADS), 1))
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=signal.shape), axis=1)
    spectrum[:, np.fft.rfftfreq(6000, 1 / RATE) > 30.0] = 0.0
    noise = np.fft.irfft(spectrum, axis=1)
    return signal + noise_mv * noise / noise.std()


def waves(p: bool) -> BeatWaves:
    """Boundaries as drawn: QRS from 40 ms before to 40 ms after R."""
    at = BEATS.astype(float)
    arrays = {name: np.full(at.size, np.nan) for name in BOUNDARIES}
    arrays |= {"qrs_onset": at - 20, "qrs_offset": at + 20}
    if p:
        arrays |= {"p_onset": at - 85, "p_peak": at - 65, "p_offset": at - 45}
    return BeatWaves(**arrays)


def both(signal: NDArray[np.float64], p: bool) -> tuple[BeatWaves, MedianBeat]:
    usual = np.ones(BEATS.size, bool)
    drawn = waves(p)
    median = median_beat(signal, RATE, BEATS, drawn, LEADS, usual=usual, span_s=(0.45, 0.3))
    assert median is not None
    found, beat = with_repeating_p(drawn, median, signal, RATE, BEATS, usual)
    assert beat is not None
    return found, beat


@pytest.mark.parametrize("scale", [1.0, 0.05])
def test_a_low_p_wave_in_noise_is_found_in_the_median_beat(scale: float) -> None:
    found, beat = both(scale * strip(0.06, 0.02), p=False)
    # Peak 90 ms before the QRS onset, begin (2.5 SD) 50 ms before the peak.
    np.testing.assert_allclose((found.p_peak - found.qrs_onset) / RATE, -0.09, atol=0.016)
    np.testing.assert_allclose((found.qrs_onset - found.p_onset) / RATE, 0.14, atol=0.03)
    assert beat.boundaries["p_peak"] == pytest.approx(beat.fiducial - 65, abs=8)


def test_noise_has_no_p_wave() -> None:
    found, beat = both(strip(0.0, 0.05), p=False)
    assert np.isnan(found.p_peak).all()
    assert "p_peak" not in beat.boundaries


def test_what_does_not_repeat_is_taken_away() -> None:
    found, beat = both(strip(0.0, 0.05), p=True)
    assert np.isnan(found.p_onset).all()
    assert "p_onset" not in beat.boundaries


def test_what_repeats_stays_and_a_missed_one_is_added() -> None:
    drawn = waves(p=True)
    peak = drawn.p_peak.copy()
    peak[3] = np.nan
    signal, usual = strip(0.1, 0.02), np.ones(BEATS.size, bool)
    median = median_beat(signal, RATE, BEATS, drawn, LEADS, usual=usual, span_s=(0.45, 0.3))
    found, _ = with_repeating_p(replace(drawn, p_peak=peak), median, signal, RATE, BEATS, usual)
    np.testing.assert_array_equal(found.p_peak, BEATS - 65.0)


def test_likeness_of_equal_beats_is_one_and_of_an_inverted_one_minus_one() -> None:
    signal = strip(0.1, 0.0)
    begin, end = BEATS[5] - 110, BEATS[5] - 25
    signal[:, begin:end] *= -1.0
    signal += 1e-6 * np.random.default_rng(2).normal(size=signal.shape)  # noise is the unit
    usual = np.arange(BEATS.size) != 5
    found = p_likeness(signal, RATE, LEADS, BEATS - 20.0, usual)
    np.testing.assert_allclose(found[usual], 1.0, atol=1e-3)
    assert found[5] == pytest.approx(-1.0, abs=0.01)


def test_one_lead_says_nothing() -> None:
    usual = np.ones(BEATS.size, bool)
    found = p_likeness(strip(0.1, 0.0)[:1], RATE, ("II",), BEATS - 20.0, usual)
    assert np.isnan(found).all()


def test_a_flat_lead_changes_nothing() -> None:
    signal = strip(0.1, 0.01)
    usual = np.ones(BEATS.size, bool)
    flat = np.vstack([signal, np.zeros(signal.shape[1])])
    found = p_likeness(signal[:7], RATE, LEADS[:-1], BEATS - 20.0, usual)
    beside = p_likeness(flat[[*range(7), 8]], RATE, LEADS, BEATS - 20.0, usual)
    np.testing.assert_array_equal(beside, found)
