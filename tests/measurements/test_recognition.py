"""What is an ECG and what is none, from made signals whose kind is known, and from real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.experiments import made_ecgs
from benchmarks.experiments.hostile_signals import KINDS, as_leads

import ecgfoundry
from ecgfoundry.measurements.gate import judge_window, too_little_ecg
from ecgfoundry.measurements.recognition import broken_limit, recognise
from ecgfoundry.signals.quality import Notice

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
IMITATIONS = (
    *("harmonic sines", "walking", "PPG", "pressure", "blows", "pulses", "stimulator"),
    *("ballistocardiogram", "seismocardiogram", "tremor", "repeated shape"),
    *("catheter's pressure", "sharp waves of an EEG", "dropouts", "humps", "bursts of a tone"),
)
"""Kinds of which some signal now and then looks like a tachycardia or a row of beats."""
UNTOLD = (
    *("slope of a pressure", "slope of a catheter's pressure", "slope of a PPG"),
    *("spike and wave", "steps at the ankle"),
)
"""Kinds that are often too like QRS complexes for any of the figures (docs/quality.md)."""


def bump(time: np.ndarray, at: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((time - at) / width) ** 2)


def rhythm(
    times: np.ndarray, *, qrs_s: float = 0.08, height: float = 1.0, noise: float = 0.02, rate=250.0
) -> np.ndarray:
    """Ten seconds of Q, R, S and T, in mV; noise as a share of R."""
    time = np.arange(round(10 * rate)) / rate
    x = np.zeros(time.size)
    unit = qrs_s / 8
    for at in times:
        x += bump(time, at, 1.2 * unit) - 0.15 * bump(time, at - 2.5 * unit, unit)
        x += 0.25 * bump(time, at + min(0.28, 1.5 * qrs_s + 0.1), 0.04)
        x -= 0.25 * bump(time, at + 2.6 * unit, 1.1 * unit)
    generator = np.random.default_rng(0)
    return height * (x + noise * generator.normal(size=x.size))


def irregular(seed: int, mean: float) -> np.ndarray:
    generator = np.random.default_rng(seed)
    times = 0.3 + np.cumsum(mean * generator.uniform(0.6, 1.5, 80))
    return times[times < 9.8]


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(rhythm(np.arange(0.5, 9.8, 0.85)), id="sinus rhythm"),
        pytest.param(rhythm(irregular(1, 0.6)), id="atrial fibrillation"),
        pytest.param(rhythm(irregular(2, 0.38)), id="rapid atrial fibrillation"),
        pytest.param(rhythm(np.arange(0.7, 9.8, 2.4)), id="25 per minute"),
        pytest.param(rhythm(np.arange(0.4, 9.8, 60 / 220)), id="220 per minute"),
        pytest.param(rhythm(np.arange(0.4, 9.8, 0.2), qrs_s=0.06), id="300 per minute"),
        pytest.param(rhythm(np.arange(0.5, 9.8, 0.85), height=0.1, noise=0.05), id="low voltage"),
        pytest.param(rhythm(np.arange(0.5, 9.8, 0.9), qrs_s=0.16), id="bundle-branch block"),
        pytest.param(
            rhythm(np.arange(0.5, 9.8, 1.5)) + rhythm(np.arange(1.0, 9.8, 1.5), qrs_s=0.2),
            id="bigeminy",
        ),
        pytest.param(-rhythm(np.arange(0.5, 9.8, 0.85)), id="upside down"),
    ],
)
def test_rhythms_are_ecgs(x: np.ndarray) -> None:
    found = recognise(x[None], 250.0)
    assert found.reason is None, found.figures
    assert found.words == ""


def test_a_paced_rhythm_is_an_ecg() -> None:
    times = np.arange(0.5, 9.8, 0.9)
    x = rhythm(times, qrs_s=0.16, rate=500.0)
    for at in times:
        x[round((at - 0.06) * 500)] += 3.0
    assert recognise(x[None], 500.0).reason is None


@pytest.mark.parametrize("qrs_s", [0.12, 0.16, 0.2])
@pytest.mark.parametrize("bpm", [160, 200])
def test_ventricular_tachycardia_is_an_ecg(bpm: int, qrs_s: float) -> None:
    time = np.arange(2500) / 250
    x = sum(
        bump(time, at, qrs_s / 5) + 0.35 * bump(time, at - 0.24 * qrs_s, qrs_s / 10)
        - 0.3 * bump(time, at + qrs_s / 2 + 15 / bpm, 0.05)
        for at in np.arange(0.4, 9.8, 60 / bpm)
    )  # fmt: skip
    x = x + 0.02 * np.random.default_rng(1).normal(size=x.size)
    assert recognise(x[None], 250.0).reason is None


@pytest.mark.parametrize("interval_s", [0.42, 0.52, 0.6])
@pytest.mark.parametrize("drift_mv", [0.0, 0.3])
def test_beats_from_two_places_in_the_ventricles_are_an_ecg(
    interval_s: float, drift_mv: float
) -> None:
    """Wide complexes up and down in turn, each with a large T wave: MIT-BIH 223 from 10 min on."""
    time = np.arange(3600) / 360
    x = drift_mv * np.sin(2 * np.pi * 0.25 * time)
    for number, at in enumerate(np.arange(0.3, 9.9, interval_s)):
        late = min(0.25, 0.48 * interval_s)
        if number % 2:
            x += 0.3 * bump(time, at - 0.045, 0.012) - 1.0 * bump(time, at, 0.035)
            x += 0.5 * bump(time, at + late, 0.07)
        else:
            x += 1.5 * bump(time, at, 0.025) - 0.7 * bump(time, at + late, 0.09)
    assert recognise(x[None], 360.0).reason is None


@pytest.mark.parametrize("width_s", [0.008, 0.012, 0.02, 0.03])
@pytest.mark.parametrize("bpm", [50, 72, 110])
def test_one_gaussian_a_beat_is_an_ecg(width_s: float, bpm: int) -> None:
    """Programs draw ECGs so; nothing tells one from a narrow complex without a T wave."""
    time = np.arange(5000) / 500
    x = sum(bump(time, at, width_s) for at in np.arange(0.3, 9.9, 60 / bpm))
    noise = np.random.default_rng(bpm).normal(0, 0.01, (3, 5000))
    assert recognise(np.array([[0.7], [1.0], [-0.8]]) * x + noise, 500.0).reason is None


@pytest.mark.parametrize(
    ("make", "most"), [(made_ecgs.ventricular, 6), (made_ecgs.ringing, 1), (made_ecgs.planted, 1)]
)
def test_few_drawn_ecgs_are_refused(make: Any, most: int) -> None:
    """Of 24 that trained nothing; a fifth of the beats of the ventricles is next to a sine wave."""
    refused = 0
    for number in range(24):
        x, rate = make(np.random.default_rng([number, 2027]))
        refused += recognise(x, rate, noise=False).reason is not None
    assert refused <= most


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("ludb/8.hea", 500.0),
        ("cinc2017/A00001.hea", 300.0),
        ("cinc2017/A00005.hea", 300.0),
        ("cinc2021/E07500.hea", 500.0),
        ("cinc2021/JS20000.hea", 500.0),
        ("mitdb/201_450s.hea", 360.0),
    ],
)
def test_real_recordings_are_ecgs_window_by_window(name: str, rate: float) -> None:
    recording = ecgfoundry.read(FIXTURES / name)
    assert recording.sampling_rate == rate
    length = round(10 * rate)
    for start in range(0, recording.samples - length + 1, length):
        window = recording.signal[:, start : start + length]
        assert recognise(window, rate).reason is None, start
        assert recognise(window[:1], rate).reason is None, start


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in IMITATIONS + UNTOLD])
@pytest.mark.parametrize("leads", [1, 12])
def test_what_is_no_ecg_is_refused(kind: str, leads: int) -> None:
    for seed, rate in enumerate((250.0, 500.0, 300.0)):
        generator = np.random.default_rng([seed, 77])
        x = as_leads(kind, generator, round(10 * rate), rate, leads, alike=seed % 2 == 0)
        assert judge_window(x, rate, [f"x{k}" for k in range(leads)]).refusal is not None, seed


def test_of_the_waves_that_imitate_beats_one_in_five_passes_at_most() -> None:
    passed = {
        kind: sum(
            recognise(as_leads(kind, np.random.default_rng([k, 5]), 2500, 250.0, 1, True), 250.0)
            .reason is None
            for k in range(10)
        )
        for kind in IMITATIONS
    }  # fmt: skip
    assert max(passed.values()) <= 2, passed


def test_the_words_say_why() -> None:
    noise = np.random.default_rng(0).normal(size=(2, 2500))
    refusal = judge_window(noise, 250.0, ("I", "II")).refusal
    assert refusal is not None
    assert (refusal.code, refusal.leads) == ("no-beats", ("I", "II"))
    assert "no heartbeats are found" in refusal.message
    assert "asystole" in refusal.message
    time = np.arange(2500) / 250
    saw = (time * 1.3) % 1.0
    refusal = judge_window(saw[None], 250.0, ("II",)).refusal
    assert refusal is not None and refusal.code == "not-an-ecg"
    assert refusal.message.startswith("not read as an ECG (II): the waves are steep on one side")


def test_a_lead_without_beats_does_not_matter_beside_one_with_them() -> None:
    x = rhythm(np.arange(0.5, 9.8, 0.85))
    noise = np.random.default_rng(3).normal(size=(3, x.size))
    quality = judge_window(np.concatenate([noise, x[None]]), 250.0, ("I", "II", "III", "V1"))
    assert quality.refusal is None
    assert judge_window(noise, 250.0, ("I", "II", "III")).refusal is not None


@pytest.mark.parametrize("change", [1e-3, 50.0])
def test_neither_unit_nor_offset_matters(change: float) -> None:
    x = rhythm(np.arange(0.5, 9.8, 0.85))[None]
    one, other = recognise(x, 250.0), recognise(change * x + 3 * change, 250.0)
    assert one.beats.tolist() == other.beats.tolist()
    assert one.figures == pytest.approx(other.figures, rel=1e-6)


def test_beats_at_the_very_ends_alone_are_none() -> None:
    """Of none of the beats that are found the complex is whole."""
    x = np.random.default_rng(3).normal(size=(1, 2500)) * 1e-3
    x[0, 4:8], x[0, -8:-4] = 1.0, 1.0
    assert recognise(x, 250.0).reason is not None


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
@pytest.mark.parametrize("qrs_s", [0.12, 0.16, 0.18])
def test_bundle_branch_block_is_an_ecg_in_any_noise(qrs_s: float, noise: float) -> None:
    x = rhythm(np.arange(0.5, 9.8, 0.9), qrs_s=qrs_s, noise=noise)
    assert recognise(x[None], 250.0).reason is None


def test_the_narrow_complexes_of_an_infant_are_an_ecg() -> None:
    """QRS of 40 ms at 170 per minute has next to nothing under 8 Hz, as a stimulator's pulses."""
    x = rhythm(np.arange(0.3, 9.8, 60 / 172), qrs_s=0.04, rate=500.0)
    assert recognise(x[None], 500.0).reason is None


@pytest.mark.parametrize(
    ("mirror", "focus", "reason"),
    [(0.86, 0.65, "mirror"), (0.86, 0.67, "unlike"), (0.84, 0.65, "unlike"),
     (0.93, 0.99, "mirror"), (0.91, 0.99, "unlike")],
)  # fmt: skip
def test_what_is_the_same_upside_down_is_told_first(mirror: float, focus: float, reason: str):
    """Above 0.92 by itself, above 0.85 where no place is steep; here nothing recurs, too."""
    figures = {"steepness": 0.5, "mirror": mirror, "focus": focus, "likeness": 0.0}
    assert broken_limit(figures) == reason


@pytest.mark.parametrize(
    ("foreign", "read", "flat", "refused"),
    [(9, 1, 0, True), (45, 5, 50, True), (8, 1, 0, False), (4, 0, 0, False), (30, 0, 0, False),
     (44, 5, 0, False), (0, 10, 90, False)],
)  # fmt: skip
def test_a_few_windows_that_look_like_an_ecg_are_not_believed(
    foreign: int, read: int, flat: int, refused: bool
) -> None:
    """One in ten at most, of ten and more; flat windows count neither way."""
    none = Notice("no-beats", "no heartbeats are found", ("I",))
    said = too_little_ecg([*[none] * foreign, *[None] * read, *[Notice("flat", "-")] * flat])
    assert (said is not None) == refused
    if said is not None:
        words = f"only {read} of {read + foreign} windows look like an ECG"
        assert (said.code, said.leads) == ("not-an-ecg", ("I",))
        assert said.message.startswith(words)
