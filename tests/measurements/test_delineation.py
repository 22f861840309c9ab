"""Wave boundaries against planted waves and against cardiologists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.measurements.boundaries import BOUNDARIES, LeadWaves
from ecgfoundry.measurements.delineation import delineate
from ecgfoundry.measurements.intervals import (
    beat_intervals,
    lead_amplitudes,
    median_beat,
)
from ecgfoundry.measurements.lead_fusion import fuse_leads

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
# Raised cosines of known length: onset and offset from R in s, height in mV.
P, QRS, T = (-0.18, -0.08, 0.15), (-0.045, 0.045, 1.2), (0.20, 0.38, 0.35)


def bump(time: np.ndarray, begin: float, end: float, height: float) -> np.ndarray:
    inside = (time >= begin) & (time <= end)
    return np.where(
        inside, height * 0.5 * (1 - np.cos(2 * np.pi * (time - begin) / (end - begin))), 0.0
    )


def planted(rate: float, gains=(1.0,), *, waves=(P, QRS, T), duration: float = 10.0):
    time = np.arange(round(duration * rate)) / rate
    beats = np.arange(0.7, duration - 0.6, 0.9)
    x = sum(bump(time - beat, *wave) for beat in beats for wave in waves)
    return np.stack([gain * x for gain in gains]), beats * rate


@pytest.mark.parametrize("rate", [250.0, 360.0, 500.0, 1000.0])
def test_planted_waves_are_measured(rate: float) -> None:
    x, _ = planted(rate, (1.0, 0.6, -0.8, 0.4, 0.9, -0.5))
    x = x + 0.002 * np.random.default_rng(0).normal(size=x.shape)
    beats = find_beats(x, rate)
    waves = fuse_leads(delineate(x, rate, beats), rate)
    found = {
        name: np.median((getattr(waves, name) - beats)[1:-1]) / rate * 1000 for name in BOUNDARIES
    }
    # A raised cosine fades out slowly: what the eye calls its end lies inside its support.
    limits = {
        "p_onset": (-180, 22), "p_peak": (-130, 8), "p_offset": (-80, 22), "qrs_onset": (-45, 14),
        "qrs_offset": (45, 14), "t_onset": (200, 40), "t_peak": (290, 10), "t_offset": (380, 40),
    }  # fmt: skip
    for name, (wanted, tolerance) in limits.items():
        assert abs(found[name] - wanted) <= tolerance, name


def test_no_p_wave_is_made_up() -> None:
    x, _ = planted(500.0, (1.0, 0.5, -0.5), waves=(QRS, T))
    x = x + 0.004 * np.random.default_rng(1).normal(size=x.shape)
    beats = find_beats(x, 500.0)
    waves = fuse_leads(delineate(x, 500.0, beats), 500.0)
    assert np.isfinite(waves.p_peak).mean() < 0.3
    assert np.isfinite(waves.qrs_onset).all()


def test_a_cardiologists_record() -> None:
    """LUDB 8: QRS and T of every lead; atrial fibrillation, so no P wave is drawn or found."""
    recording = ecgfoundry.read(FIXTURES / "ludb" / "8.hea")
    beats = find_beats(recording.signal, 500.0)
    waves = delineate(recording.signal, 500.0, beats)
    errors: dict[str, list[float]] = {"qrs_onset": [], "qrs_offset": [], "t_offset": []}
    for row, lead in enumerate(recording.leads):
        marks = [mark for mark in recording.annotations if mark.lead == lead]
        assert not [mark for mark in marks if mark.text == "p"]
        for number, mark in enumerate(marks):
            sides = {"N": (("qrs_onset", -1), ("qrs_offset", 1)), "t": (("t_offset", 1),)}
            for name, step in sides.get(mark.text, ()):
                side = number + step
                if not (0 <= side < len(marks) and marks[side].text in ("(", ")")):
                    continue  # the recording ends within the wave
                wanted = marks[number + step].time_s
                distance = getattr(waves, name)[row] / 500 - wanted
                errors[name].append(float(distance[np.nanargmin(np.abs(distance))]) * 1000)
    assert np.isnan(waves.p_peak).all()
    assert abs(np.median(errors["qrs_onset"])) < 15 and abs(np.median(errors["qrs_offset"])) < 20
    assert abs(np.median(errors["t_offset"])) < 40


@pytest.mark.parametrize("x", [np.zeros((2, 2500)), np.full((2, 2500), np.nan), np.ones((1, 40))])
def test_bad_signals_give_nan(x: np.ndarray) -> None:
    for beats in (np.array([20]), np.empty(0, np.int64)):
        waves = delineate(x, 250.0, beats)
        for name in BOUNDARIES:
            values = getattr(waves, name)
            assert values.shape == (len(x), len(beats))
            assert np.isnan(values).all()


def test_a_missing_lead_is_nan_and_the_others_are_not_changed_by_much() -> None:
    x, _ = planted(500.0, (1.0, 0.6, 0.5))
    beats = find_beats(x, 500.0)
    whole = delineate(x, 500.0, beats)
    x[1] = np.nan
    part = delineate(x, 500.0, beats)
    assert np.isnan(part.qrs_onset[1]).all()
    np.testing.assert_array_equal(part.qrs_onset[[0, 2]], whole.qrs_onset[[0, 2]])


def test_the_fused_onset_is_the_earliest_confirmed_one() -> None:
    base = np.array([50.0, 100, 101, 102, 103, 104, 105, 130])[:, None]
    arrays = {name: np.full((8, 1), 300.0) for name in BOUNDARIES}
    arrays |= {"qrs_onset": base, "qrs_offset": 400.0 - base, "p_onset": np.full((8, 1), np.nan)}
    fused = fuse_leads(LeadWaves(**arrays), 500.0)
    assert fused.qrs_onset.tolist() == [100.0]  # 50 stands alone
    assert fused.qrs_offset.tolist() == [300.0]
    assert np.isnan(fused.p_onset).all()


def test_amplitudes_of_planted_waves() -> None:
    q, s = (-0.06, -0.03, -0.2), (0.03, 0.07, -0.5)
    x, _ = planted(1000.0, (1.0,), waves=(P, q, (-0.03, 0.03, 1.2), s, T))
    beats = find_beats(x, 1000.0)
    waves = fuse_leads(delineate(x, 1000.0, beats), 1000.0)
    beat = median_beat(x, 1000.0, beats, waves, [str(k) for k in range(len(x))])
    assert beat is not None
    figures = lead_amplitudes(beat, 0)
    wanted = {"r_mv": 1.2, "q_mv": -0.2, "s_mv": -0.5, "t_mv": 0.35, "p_mv": 0.15, "st_mv": 0.0}
    for name, value in wanted.items():
        assert figures[name] == pytest.approx(value, abs=0.03), name
    # Areas of raised cosines: half height times length.
    assert figures["t_area_mv_ms"] == pytest.approx(0.5 * 0.35 * 180, rel=0.06)
    intervals = beat_intervals(waves, np.diff(beats), 1000.0)
    assert intervals["qt_ms"] == pytest.approx(440, abs=45)
    assert np.median(np.diff(beats)) == 900
