"""The simulated ECG in numbers: every wave by its moments, the rhythm and the noise by statistics.

A Gaussian of height h and standard deviations l and r of its two limbs has the area
``h (l + r) sqrt(pi/2)``, from which place, width and height come back.
"""

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

RATE = 1000.0
STEADY = Rhythm(rate=60.0, sinus_arrhythmia=0.0, variability=0.0)
NOTHING = BeatShape(p_height=0.0, r_height=0.0, q_height=0.0, s_height=0.0, t_height=0.0, slur=0.0)


def simulate(
    shape: BeatShape,
    *,
    rhythm: Rhythm = STEADY,
    noise: Noise = NOISE_FREE,
    seconds: float = 12.0,
    rate: float = RATE,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal, and the times of its R peaks: the same seed draws them again."""
    signal = simulate_ecg(rhythm, shape, noise, duration_s=seconds, sampling_rate=rate,
                          generator=np.random.default_rng(seed))  # fmt: skip
    return signal, beat_times(rhythm, seconds, np.random.default_rng(seed))


def moments(shape: BeatShape) -> tuple[float, float, float]:
    """Return place from R (ms), standard deviation (ms) and height (mV) of the one wave drawn."""
    x, beats = simulate(shape)
    found = []
    for beat in beats[(beats > 1) & (beats < 11)]:
        columns = np.arange(round((beat - 0.45) * RATE), round((beat + 0.55) * RATE))
        t, piece = (columns / RATE - beat) * 1000.0, x[columns].astype(np.float64)
        area = piece.sum()
        place = float((t * piece).sum() / area)
        width = float(np.sqrt((np.square(t - place) * piece).sum() / area))
        found.append((place, width, area / (width * np.sqrt(2 * np.pi))))
    return tuple(np.mean(found, axis=0))


# --- the waves of a beat -------------------------------------------------------------------------

# With QRS of 90 ms it begins 40.5 ms before R. P: its middle lies PR less 50 ms before that.
WAVES = {
    "R": ({"r_height": 1.0}, 0.0, 10.0, 1.0),  # a ninth of QRS wide
    "Q": ({"r_height": 1.0, "q_height": -0.2}, -27.0, 6.43, -0.2),  # a 14th, 0.3 before R
    "S": ({"r_height": 1.0, "s_height": -0.4}, 27.0, 7.5, -0.4),  # a 12th, 0.3 behind R
    "slur": ({"slur": 0.3}, 42.3, 6.43, 0.3),  # a 14th, 0.47 behind R
    "first of P": ({"p_height": 0.2, "p_balance": -1.0}, -164.5, 14.0, 0.4),
    "second of P": ({"p_height": 0.2, "p_balance": 1.0}, -136.5, 14.0, 0.4),
}


@pytest.mark.parametrize("wave", WAVES)
def test_place_width_and_height_of_a_wave(wave: str) -> None:
    changes, place, width, height = WAVES[wave]
    shape = replace(NOTHING, qrs=90.0, **changes)
    if wave in ("Q", "S"):  # heights of Q and S are shares of R: what they add to it
        whole, beats = simulate(shape)
        alone, _ = simulate(replace(shape, q_height=0.0, s_height=0.0))
        beat = beats[5]
        columns = np.arange(round((beat - 0.2) * RATE), round((beat + 0.2) * RATE))
        t, piece = (columns / RATE - beat) * 1000.0, (whole - alone)[columns].astype(float)
        centre = float((t * piece).sum() / piece.sum())
        spread = float(np.sqrt((np.square(t - centre) * piece).sum() / piece.sum()))
        found = (centre, spread, piece.sum() / (spread * np.sqrt(2 * np.pi)))
    else:
        found = moments(shape)
    assert found[0] == pytest.approx(place, abs=0.1)
    assert found[1] == pytest.approx(width, rel=0.01)
    assert found[2] == pytest.approx(height, rel=0.01)


def test_heights_of_q_and_s_are_shares_of_r() -> None:
    low, _ = simulate(replace(NOTHING, r_height=1.0, q_height=-0.2, s_height=-0.4))
    high, _ = simulate(replace(NOTHING, r_height=2.5, q_height=-0.2, s_height=-0.4))
    np.testing.assert_allclose(high, 2.5 * low, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"pr": 160.0}, -150.5), ({"pr": 200.0}, -190.5), ({"pr": 160.0, "qrs": 120.0}, -164.0),
    ],
)  # fmt: skip
def test_p_lies_50_ms_behind_its_onset_which_lies_pr_before_qrs(
    changes: dict[str, float], place: float
) -> None:
    """QRS begins at 0.45 of its duration before R."""
    shape = replace(NOTHING, **{"qrs": 90.0, "p_height": 0.1} | changes)
    found, width, height = moments(shape)
    assert found == pytest.approx(place, abs=0.1)
    # Two halves 28 ms apart: sqrt(14^2 + 14^2); together twice the area of one.
    assert width == pytest.approx(19.8, abs=0.1)
    assert height * width == pytest.approx(2 * 0.1 * 14.0, rel=0.01)


@pytest.mark.parametrize(("apart", "width"), [(0.0, 14.0), (28.0, 19.80), (60.0, 33.11)])
def test_the_halves_of_p_lie_as_far_apart_as_they_are_told(apart: float, width: float) -> None:
    """sqrt(14^2 + (apart / 2)^2) ms."""
    found = moments(replace(NOTHING, p_height=0.1, p_separation=apart))
    assert found[1] == pytest.approx(width, abs=0.1)


@pytest.mark.parametrize(
    ("rr", "qtc", "asymmetry"), [(1.0, 400.0, 1.0), (1.0, 360.0, 1.6), (0.729, 400.0, 1.6)]
)
def test_qt_ends_two_widths_behind_the_peak_of_t(rr: float, qtc: float, asymmetry: float) -> None:
    """The tangent at the falling limb of a Gaussian meets zero at two standard deviations.

    QT = QTc RR^(1/3) (Fridericia) from the onset of QRS, 40.5 ms before R; 0.9 at RR of 0.729 s.
    """
    rhythm = replace(STEADY, rate=60.0 / rr)
    shape = replace(NOTHING, qrs=90.0, qtc=qtc, t_asymmetry=asymmetry, t_height=0.4)
    x, beats = simulate(shape, rhythm=rhythm)
    number = 5
    beat, before = beats[number], beats[number] - beats[number - 1]
    qt = qtc * {1.0: 1.0, 0.729: 0.9}[rr] * (before / rr) ** (1 / 3)  # the drift of the rhythm
    columns = np.arange(round((beat + 0.1) * RATE), round((beat + 0.6) * RATE))
    t, piece = (columns / RATE - beat) * 1000.0, x[columns]
    assert piece.max() == pytest.approx(0.4, rel=1e-3)
    above = t[piece > 0.4 * np.exp(-0.5)]  # one standard deviation to either side
    peak, left, right = (
        t[piece.argmax()],
        t[piece.argmax()] - above[0],
        above[-1] - t[piece.argmax()],
    )
    assert peak + 2 * right == pytest.approx(qt - 40.5, abs=4)
    # 0.11 QT, times and over the root of the asymmetry.
    assert left == pytest.approx(0.11 * qt * asymmetry**0.5, abs=1.5)
    assert right == pytest.approx(0.11 * qt / asymmetry**0.5, abs=1.5)


def test_st_lies_half_way_from_j_to_t() -> None:
    """QRS of 90 ms: J at 49.5 ms; the peak of T at -40.5 + 400 (1 - 0.22) = 271.5 ms."""
    shape = replace(NOTHING, qrs=90.0, qtc=400.0, t_asymmetry=1.0, st_level=0.15)
    place, width, height = moments(shape)
    assert place == pytest.approx((49.5 + 271.5) / 2, abs=2.5)  # the drift of the rhythm
    assert width == pytest.approx((271.5 - 49.5) / 3, abs=1.5)
    assert height == pytest.approx(0.15, rel=0.02)


@pytest.mark.parametrize(
    ("name", "value", "low", "high", "drift"),
    [("r_skew", 0.2, -9.0, 9.0, 0.5), ("st_bend", 0.1, 212.1, 234.1, 10.0)],
)
def test_places_of_the_two_bumps_of_opposite_sign(
    name: str, value: float, low: float, high: float, drift: float
) -> None:
    """r_skew: 0.1 QRS before and behind R. st_bend: 1.1 of the rising limb's width (44 ms, 0.11 QT)
    before the peak of T at 271.5 ms, a quarter of it to either side.
    """
    shape = replace(NOTHING, qrs=90.0, qtc=400.0, t_asymmetry=1.0, **{name: value})
    x, beats = simulate(shape)
    beat = beats[5]
    columns = np.arange(round((beat - 0.2) * RATE), round((beat + 0.6) * RATE))
    t, piece = (columns / RATE - beat) * 1000.0, x[columns].astype(float)
    assert piece.sum() == pytest.approx(0.0, abs=1e-3 * np.abs(piece).sum())
    # Half of the first moment over the area of one bump is half of their distance.
    width = {"r_skew": 90 / 16, "st_bend": 0.7 * 11.0}[name]
    area = value * width * np.sqrt(2 * np.pi)
    assert (t * piece).sum() / area == pytest.approx(high - low, rel=0.02)
    second = (np.square(t) * piece).sum() / area
    assert second / (high - low) == pytest.approx(high + low, abs=drift)


def test_a_wave_is_drawn_over_four_standard_deviations() -> None:
    x, beats = simulate(replace(NOTHING, qrs=90.0, r_height=1.0))
    beat = beats[5]
    t = (np.arange(x.size) / RATE - beat) * 1000.0
    near = np.abs(t) < 400
    assert np.abs(t[near & (x > 0)]).max() == pytest.approx(40, abs=1.1)  # of 10 ms
    inside = np.abs(t) < 39
    np.testing.assert_allclose(x[inside], np.exp(-0.5 * (t[inside] / 10) ** 2), atol=2e-5)


@pytest.mark.parametrize("rate", [125.0, 250.0, 999.0])
def test_the_signal_is_sampled_at_its_rate(rate: float) -> None:
    x, beats = simulate(replace(NOTHING, qrs=120.0, r_height=1.0), rate=rate)
    assert (x.dtype, x.shape) == (np.float32, (round(12 * rate),))
    time = np.arange(x.size) / rate
    wanted = sum(np.exp(-0.5 * ((time - beat) * 9 / 0.12) ** 2) for beat in beats)
    np.testing.assert_allclose(x, wanted, atol=5e-4)


# --- defaults ------------------------------------------------------------------------------------


def test_the_defaults_are_those_of_lead_ii_of_a_healthy_adult() -> None:
    assert Rhythm() == Rhythm(75.0, 15.0, 0.02, 0.015)
    assert BeatShape() == BeatShape(
        160.0, 92.0, 410.0, 0.12, 1.0, -0.08, -0.18, 0.0, 0.32, 1.6, 28.0, 0.1, 0.0, 0.0, 0.0
    )
    assert Noise() == Noise(0.015, 0.1, 0.01, 60.0, 0.5, 0.3, 0.05)
    assert Noise(0.0, 0.0, 0.0, 60.0, 0.0, 0.0, 0.0) == NOISE_FREE
    quiet, _ = simulate(BeatShape())
    again, _ = simulate(
        BeatShape(), noise=Noise(muscle=0, wander=0, mains=0, motion_rate=0, loss_rate=0)
    )
    np.testing.assert_array_equal(quiet, again)


# --- rhythm --------------------------------------------------------------------------------------

LONG = 3600.0


def intervals(rhythm: Rhythm, seed: int = 0, seconds: float = LONG) -> np.ndarray:
    return np.diff(beat_times(rhythm, seconds, np.random.default_rng(seed)))


@pytest.mark.parametrize("rate", [50.0, 75.0, 150.0])
def test_beats_cover_the_time_and_a_little_more(rate: float) -> None:
    for seed in range(20):
        beats = beat_times(replace(STEADY, rate=rate), 30.0, np.random.default_rng(seed))
        mean = 60.0 / rate
        assert -1.05 * mean < beats[0] < 0.05 * mean  # so that the first beat is whole
        assert 31.0 - 1.05 * mean < beats[-1] < 31.0
        assert np.diff(beats) == pytest.approx(np.full(beats.size - 1, mean), rel=0.021)


def test_the_drift_is_two_per_cent_in_three_minutes() -> None:
    rr = intervals(STEADY)
    assert rr.max() == pytest.approx(1.02, abs=1e-4)
    assert rr.min() == pytest.approx(0.98, abs=1e-4)
    spectrum = np.abs(np.fft.rfft(rr - rr.mean()))
    assert LONG / spectrum.argmax() == pytest.approx(180, rel=0.01)


@pytest.mark.parametrize(("breaths", "share"), [(15.0, 0.05), (10.0, 0.1)])
def test_respiration_moves_the_intervals(breaths: float, share: float) -> None:
    """A sine over the beats, one a second: so many breaths a minute, of this share of the mean."""
    rr = intervals(replace(STEADY, respiration=breaths, sinus_arrhythmia=share))
    spectrum = np.abs(np.fft.rfft((rr - rr.mean()) * np.hanning(rr.size)))
    frequency = np.fft.rfftfreq(rr.size)
    fast = frequency > 0.05
    assert frequency[fast][spectrum[fast].argmax()] * 60 == pytest.approx(breaths, abs=0.05)
    assert np.sqrt(2) * np.std(rr) == pytest.approx(np.hypot(share, 0.02), rel=0.02)


@pytest.mark.parametrize("rate", [60.0, 120.0])
def test_variability_is_correlated_noise(rate: float) -> None:
    """An autoregressive process: standard deviation as told, 0.8 from one beat to the next."""
    rhythm = replace(STEADY, rate=rate, variability=0.08)
    rr = np.concatenate([intervals(rhythm, seed) for seed in range(4)]) * rate / 60.0
    assert np.sqrt(rr.var() - 0.02**2 / 2) == pytest.approx(0.08, rel=0.06)
    centred = rr - rr.mean()
    for lag, wanted in ((1, 0.8), (2, 0.64), (3, 0.512)):
        found = (centred[:-lag] * centred[lag:]).mean() / rr.var()
        assert found == pytest.approx(wanted, abs=0.04)
    assert rr.mean() == pytest.approx(1.0, rel=0.01)


def test_no_interval_is_under_half_or_over_1_6_of_the_mean() -> None:
    rr = intervals(replace(STEADY, rate=120.0, variability=1.0))
    assert rr.min() == pytest.approx(0.25)
    assert rr.max() == pytest.approx(0.8)


# --- noise ---------------------------------------------------------------------------------------


def noise_of(noise: Noise, *, seconds: float, rate: float = 250.0, seed: int = 0) -> np.ndarray:
    return simulate(NOTHING, noise=noise, seconds=seconds, rate=rate, seed=seed)[0]


def test_muscle_noise_is_white() -> None:
    x = noise_of(replace(NOISE_FREE, muscle=0.03), seconds=400)
    assert x.std() == pytest.approx(0.03, rel=0.01)
    assert np.corrcoef(x[:-1], x[1:])[0, 1] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_mains_is_a_sine_of_its_amplitude(hz: float) -> None:
    x = noise_of(replace(NOISE_FREE, mains=0.2, mains_hz=hz), seconds=20, rate=1000.0)
    assert x.std() == pytest.approx(0.2 / np.sqrt(2), rel=1e-3)
    spectrum = np.abs(np.fft.rfft(x))
    assert spectrum.argmax() == round(20 * hz)
    assert spectrum.max() == pytest.approx(0.2 * x.size / 2, rel=2e-3)


def test_wander_is_three_slow_sines_of_half_its_amplitude() -> None:
    """Each 0.05 to 0.4 Hz: a standard deviation of sqrt(3) / 2 / sqrt(2)."""
    spread, frequencies = [], []
    for seed in range(20):
        x = noise_of(replace(NOISE_FREE, wander=0.4), seconds=600, rate=20.0, seed=seed)
        spread.append(x.std())
        power = np.abs(np.fft.rfft(x * np.hanning(x.size))) ** 2
        share = np.cumsum(power) / power.sum()
        axis = np.fft.rfftfreq(x.size, 1 / 20.0)
        frequencies += [axis[np.searchsorted(share, part)] for part in (0.001, 0.999)]
    assert np.mean(spread) == pytest.approx(0.4 * 0.6124, rel=0.03)
    assert 0.045 < min(frequencies) < 0.09
    assert 0.36 < max(frequencies) < 0.41


def runs(marked: np.ndarray) -> np.ndarray:
    """Lengths of the stretches that are marked."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(int), [0]])))
    return edges[1::2] - edges[::2]


def test_bursts_of_motion() -> None:
    """So many a minute, of one to three seconds, 0.5 mV high at the most."""
    x = noise_of(replace(NOISE_FREE, motion=0.5, motion_rate=1.0), seconds=6000, rate=50.0)
    lengths = runs(x != 0) / 50.0
    assert len(lengths) == pytest.approx(100, abs=25)  # Poisson, some overlap
    alone = lengths[lengths < 3.01]
    assert 0.9 <= alone.min() < 1.3
    assert 2.6 < alone.max() <= 3.0
    assert 0.4 < np.abs(x).max() <= 1.0
    assert np.median(np.abs(x[x != 0])) < 0.3


def test_losses_of_the_electrode() -> None:
    """So many a minute, of 2 to 20 s: no samples, a flat line, or 5 mV, each as often."""
    noise = replace(NOISE_FREE, muscle=0.01, loss_rate=0.5)
    x = noise_of(noise, seconds=30_000, rate=20.0)
    kinds = [np.isnan(x), x == 0.0, x == 5.0]
    lengths = [runs(kind) for kind in kinds]
    lengths = [part[part > 2] / 20.0 for part in lengths]
    counts = [len(part) for part in lengths]
    assert sum(counts) == pytest.approx(250, abs=60)
    assert min(counts) > 50
    every = np.concatenate(lengths)
    assert np.median(every) == pytest.approx(11, abs=1.5)
    assert np.quantile(every, 0.02) > 1.5
    assert np.quantile(every, 0.97) < 22


def test_noise_of_no_amplitude_is_none_and_a_short_signal_is_no_error() -> None:
    assert not noise_of(NOISE_FREE, seconds=5).any()
    x = noise_of(replace(Noise(), motion_rate=500.0, loss_rate=500.0), seconds=0.5)
    assert x.shape == (125,)
