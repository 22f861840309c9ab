"""The simulated ECG has the intervals and heights that it was told to have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecgfoundry.synthesis.ecg import (
    NOISE_FREE,
    BeatShape,
    Noise,
    Rhythm,
    beat_times,
    simulate_ecg,
)

RATE = 500.0
STEADY = Rhythm(rate=60.0, sinus_arrhythmia=0.0, variability=0.0)


def one(shape: BeatShape, rhythm: Rhythm = STEADY, noise: Noise = NOISE_FREE) -> np.ndarray:
    return simulate_ecg(rhythm, shape, noise, duration_s=20, sampling_rate=RATE,
                        generator=np.random.default_rng(0))  # fmt: skip


def mean_beat(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return time around R in ms, and the mean beat."""
    peaks = np.flatnonzero((signal[1:-1] > signal[:-2]) & (signal[1:-1] >= signal[2:])) + 1
    peaks = peaks[signal[peaks] > 0.7 * signal.max()]
    peaks = peaks[(peaks > 250) & (peaks < len(signal) - 350)]
    beat = np.mean([signal[p - 200 : p + 300] for p in peaks], axis=0)
    return (np.arange(500) - 200) * 2.0, beat


@pytest.mark.parametrize("rate", [45.0, 75.0, 120.0])
def test_the_rate(rate: float):
    beats = beat_times(Rhythm(rate=rate), 300.0, np.random.default_rng(1))
    inside = beats[(beats >= 0) & (beats < 300)]
    assert len(inside) / 5 == pytest.approx(rate, rel=0.04)
    assert np.diff(beats).min() > 0.45 * 60 / rate


def test_potassium_raises_t_and_widens_qrs_and_calcium_shortens_qt():
    """Each parameter moves its own part of the beat, and in its direction."""
    t, plain = mean_beat(one(BeatShape()))
    late = t > 150
    _, tall = mean_beat(one(BeatShape(t_height=0.64)))
    assert tall[late].max() == pytest.approx(2 * plain[late].max(), rel=0.03)
    _, wide = mean_beat(one(BeatShape(qrs=140)))
    middle = np.abs(t) < 60
    assert (wide[middle] > 0.5).sum() > 1.3 * (plain[middle] > 0.5).sum()
    _, short = mean_beat(one(BeatShape(qtc=340)))
    assert t[late][short[late].argmax()] < t[late][plain[late].argmax()] - 40
    _, early = mean_beat(one(BeatShape(pr=220)))
    before = t < -60
    shift = t[before][early[before].argmax()] - t[before][plain[before].argmax()]
    assert shift == pytest.approx(-60, abs=8)


@pytest.mark.parametrize(
    ("name", "value", "first", "last"),
    [("p_balance", 0.5, -260, -50), ("r_skew", 0.3, -60, 60), ("st_bend", 0.07, 60, 300)],
)
def test_what_moves_only_shape_moves_no_area(name: str, value: float, first: int, last: int):
    """Each changes its own part of the beat: less early, as much more late, and the other way."""
    shape = BeatShape(p_separation=42.0)
    plain = one(shape)
    peaks = np.flatnonzero((plain[1:-1] > plain[:-2]) & (plain[1:-1] >= plain[2:])) + 1
    peak = int(next(p for p in peaks if plain[p] > 0.7 and p > 500))
    beat = slice(peak - 250, peak + 250)  # one second, the whole of a beat at 60 per minute
    t = np.arange(-250, 250) * 2.0
    for sign in (1.0, -1.0):
        change = sign * (one(replace(shape, **{name: sign * value})) - plain)[beat]
        inside = (t >= first) & (t <= last)
        assert np.abs(change[inside]).max() > 0.03
        assert np.abs(change[~inside]).max() < 1e-3
        assert abs(change.sum()) < 0.005 * np.abs(change).sum()
        assert t[change.argmin()] < t[change.argmax()]
    # The peak of T stays what it was.
    bent = one(replace(shape, st_bend=0.07))[beat]
    assert bent[t > 200].max() == pytest.approx(plain[beat][t > 200].max(), rel=0.02)


def test_qt_follows_the_rate_by_fridericia():
    t, slow = mean_beat(one(BeatShape()))
    _, fast = mean_beat(one(BeatShape(), replace(STEADY, rate=100.0)))
    window = (t > 150) & (t < 420)
    peaks = [t[window][beat[window].argmax()] for beat in (slow, fast)]
    # T lies at QT less two widths of 0.11 QT / sqrt(asymmetry), from the onset of QRS.
    onset, factor = -0.45 * 92, 1 - 2 * 0.11 / np.sqrt(1.6)
    for peak, rr in zip(peaks, (1.0, 0.6), strict=True):
        assert peak == pytest.approx(onset + factor * 410 * np.cbrt(rr), abs=5)


def test_waves_of_neighbouring_beats_add():
    """At a high rate T and the next P overlap: the sum is that of each drawn alone."""
    quick = replace(STEADY, rate=150.0)
    whole = one(BeatShape(), quick)
    silent = replace(BeatShape(), r_height=0.0, q_height=0.0, s_height=0.0, slur=0.0)
    parts = one(replace(silent, t_height=0.0), quick) + one(replace(silent, p_height=0.0), quick)
    parts = parts + one(replace(BeatShape(), p_height=0.0, t_height=0.0), quick)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_noise_is_what_it_is_called():
    clean = one(BeatShape())
    muscle = one(BeatShape(), noise=replace(NOISE_FREE, muscle=0.05)) - clean
    assert muscle.std() == pytest.approx(0.05, rel=0.03)
    mains = one(BeatShape(), noise=replace(NOISE_FREE, mains=0.1)) - clean
    spectrum = np.abs(np.fft.rfft(mains))
    assert np.fft.rfftfreq(len(mains), 1 / RATE)[spectrum.argmax()] == pytest.approx(60.0)
    wander = one(BeatShape(), noise=replace(NOISE_FREE, wander=0.3)) - clean
    power = np.abs(np.fft.rfft(wander)) ** 2
    assert power[: round(0.6 * 20)].sum() > 0.95 * power.sum()
    lossy = simulate_ecg(STEADY, BeatShape(), replace(NOISE_FREE, loss_rate=3.0), duration_s=300,
                         sampling_rate=RATE, generator=np.random.default_rng(0))  # fmt: skip
    assert np.isnan(lossy).any() and (lossy == 5.0).any()
