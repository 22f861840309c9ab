"""The signal to noise between 5 and 40 Hz, against noise of a power that was chosen."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry import load_model, measure, read, sample_path
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.inference.live.stream import LiveStream
from ecgfoundry.measurements.gate import judge_window
from ecgfoundry.measurements.noise import signal_to_noise_db
from ecgfoundry.measurements.recognition import recognise
from ecgfoundry.recording import Recording

RATE = 250.0
SECONDS = 20


def band_limited(generator: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Noise of power 1 between two frequencies, and none outside."""
    samples = round(SECONDS * RATE)
    frequency = np.fft.rfftfreq(samples, 1 / RATE)
    spectrum = np.fft.rfft(generator.standard_normal(samples))
    spectrum[(frequency < low) | (frequency > high)] = 0.0
    noise = np.fft.irfft(spectrum, samples)
    return noise / noise.std()


def bursts(intervals_s: list[float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Waves of 18 Hz under a bell of 25 ms, all inside the band, and the places of the bells.

    Their power is the integral of the squared bell over two, per interval.
    """
    t = np.arange(round(SECONDS * RATE)) / RATE
    times = np.arange(0.5, SECONDS, 0.8) if intervals_s is None else 0.5 + np.cumsum(intervals_s)
    x = np.zeros(t.size)
    for time in times:
        x += np.exp(-0.5 * ((t - time) / 0.025) ** 2) * np.cos(2 * np.pi * 18.0 * (t - time))
    return x, np.rint(times * RATE).astype(np.int64)


@pytest.mark.parametrize("level_db", [20, 12, 6, 0])
@pytest.mark.parametrize(("low", "high"), [(5, 40), (5, 12), (12, 25), (25, 38)])
def test_noise_of_a_chosen_power_is_measured(level_db: float, low: float, high: float) -> None:
    beats, places = bursts()
    # The power of the beats by its integral: pi^(1/2) 25 ms / 2 in every 0.8 s.
    power = np.sqrt(np.pi) * 0.025 / 2 / 0.8
    assert np.mean(np.square(beats)) == pytest.approx(power, rel=0.02)
    noise = band_limited(np.random.default_rng(level_db), low, high)
    x = beats + noise * np.sqrt(power * 10 ** (-level_db / 10))
    alike = np.ones((places.size, places.size), bool)
    found = signal_to_noise_db(np.stack([x, 7.0 * x + 3.0]), places, alike, RATE)
    assert found is not None
    assert found == pytest.approx([level_db] * 2, abs=1.5)
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_neighbours_that_come_early_are_no_noise() -> None:
    """In fibrillation the next complex falls into the piece of the one before."""
    intervals = [0.4, 0.9, 0.45, 1.0, 0.42, 0.7] * 4
    x, places = bursts(intervals)
    noise = band_limited(np.random.default_rng(0), 5, 40) * 0.01
    power = np.mean(np.square(x))
    found = signal_to_noise_db((x + noise)[None], places, np.ones((places.size,) * 2, bool), RATE)
    assert found is not None
    assert found[0] == pytest.approx(10 * np.log10(power / 1e-4), abs=2.0)


def test_a_beat_of_another_shape_is_no_noise() -> None:
    x, places = bursts()
    t = np.arange(x.size) / RATE
    ectopic = 5 * np.exp(-0.5 * ((t - places[8] / RATE - 0.1) / 0.04) ** 2)
    x += ectopic
    alike = np.ones((places.size,) * 2, bool)
    alike[8], alike[:, 8] = False, False
    alike[8, 8] = True
    x += 0.01 * band_limited(np.random.default_rng(0), 5, 40)
    apart = signal_to_noise_db(x[None], places, alike, RATE)
    together = signal_to_noise_db(x[None], places, np.ones_like(alike), RATE)
    assert apart is not None and together is not None
    assert apart[0] > together[0] + 10.0


def test_the_ends_of_the_scale() -> None:
    x, places = bursts()
    alike = np.ones((places.size,) * 2, bool)
    noise = band_limited(np.random.default_rng(1), 5, 40)
    still, drowned = signal_to_noise_db(np.stack([x, 1e-3 * x + noise]), places, alike, RATE)
    assert still == pytest.approx(60.0, abs=12.0)
    assert drowned == -10.0
    assert signal_to_noise_db(x[None], places[:1], alike[:1, :1], RATE) is None
    assert signal_to_noise_db(x[None, :200], places[:2], alike[:2, :2], RATE) is None


# --- in the gate ----------------------------------------------------------------------------------


def noisy(recording: Recording, level_db: float, rows: slice = slice(None)) -> Recording:
    """Level noise between 5 and 40 Hz, so far under the power of each lead in this band."""
    x = recording.signal.astype(np.float64)
    frequency = np.fft.rfftfreq(x.shape[1], 1 / recording.sampling_rate)
    inside = (frequency >= 5) & (frequency <= 40)
    generator = np.random.default_rng(11)
    added = np.fft.irfft(np.fft.rfft(generator.standard_normal(x.shape)) * inside, x.shape[1])
    power = np.fft.irfft(np.fft.rfft(x) * inside, x.shape[1]).std(axis=1, keepdims=True)
    added *= power / added.std(axis=1, keepdims=True) * 10 ** (-level_db / 20)
    x[rows] += added[rows]
    return Recording(x.astype(np.float32), recording.sampling_rate, recording.leads)


def codes(recording: Recording) -> dict[str, tuple[str, ...]]:
    found = judge_window(recording.signal, recording.sampling_rate, recording.leads)
    assert found.refusal is None
    return {notice.code: notice.leads for notice in found.warnings}


def test_the_gate_warns_of_six_decibels_and_not_of_eighteen() -> None:
    clean = read(sample_path("12-lead"))
    assert "noise-in-band" not in codes(clean)
    assert "noise-in-band" not in codes(noisy(clean, 18.0))
    assert codes(noisy(clean, 6.0))["noise-in-band"] == clean.leads


def test_a_quarter_of_the_leads_is_measured_and_half_is_warned_of() -> None:
    clean = read(sample_path("12-lead"))
    some = noisy(clean, 0.0, slice(0, 3))
    found = judge_window(some.signal, some.sampling_rate, some.leads)
    assert "noise-in-band" not in codes(some)
    assert all(found.leads[lead].snr_db < 3 for lead in some.leads[:3])
    assert all(found.leads[lead].snr_db > 12 for lead in some.leads[3:])
    assert codes(noisy(clean, 6.0, slice(0, 6)))["noise-in-band"] == clean.leads[:6]


def test_who_does_not_ask_gets_no_figures_and_the_same_verdict() -> None:
    clean = read(sample_path("12-lead"))
    spoilt = noisy(clean, 6.0)
    found = judge_window(spoilt.signal, spoilt.sampling_rate, spoilt.leads, describe="nothing")
    assert found.refusal is None
    assert found.acceptable is None
    assert found.leads["II"].snr_db is None
    assert "noise-in-band" not in [notice.code for notice in found.warnings]
    still = np.sin(2 * np.pi * 7.0 * np.arange(5000) / 500.0)[np.newaxis].repeat(12, axis=0)
    refusals = [
        judge_window(still, 500.0, clean.leads, describe=how).refusal for how in ("all", "nothing")
    ]
    assert [refusal and refusal.code for refusal in refusals] == ["no-beats", "no-beats"]


def test_interpretation_stream_and_measurements_say_the_same() -> None:
    model = load_model("rhythm-single-lead-edge")
    spoilt = noisy(read(sample_path("12-lead")).select(["I"]), 4.0)
    told = model.interpret(spoilt)
    assert "noise-in-band" in [notice.code for notice in told.warnings]
    figure = told.to_dict()["quality"]["leads"]["I"]["snr_db"]
    assert figure == pytest.approx(4.0, abs=1.5)
    assert measure(spoilt).leads["I"].snr_db == pytest.approx(figure, abs=1e-3)
    stream = LiveStream(model, ["I"], spoilt.sampling_rate)
    live = stream.run(LiveFrame(spoilt.signal))
    assert "noise-in-band" in [notice.code for notice in live[-1].warnings]


@pytest.mark.parametrize(("low", "high"), [(0.5, 5), (1, 12), (5, 15), (5, 40), (15, 40), (1, 100)])
@pytest.mark.parametrize("leads", [1, 12])
def test_noise_alone_of_any_band_is_refused(low: float, high: float, leads: int) -> None:
    generator = np.random.default_rng([round(10 * low), round(high), leads])
    x = np.stack([band_limited(generator, low, high) for _ in range(leads)])
    found = judge_window(x, RATE, [f"lead {k}" for k in range(leads)])
    assert found.refusal is not None
    assert found.refusal.code in ("no-beats", "not-an-ecg")
    assert recognise(x, RATE).reason is not None
