"""Features of the pulse wave, on pulses whose times are known."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.measurements.pulse import PULSE_FEATURES, pulse_feature_matrix, pulse_features
from ecgfoundry.synthesis.ecg import Rhythm
from ecgfoundry.synthesis.pulse import simulate_pulse

RATE = 125.0


def drawn(period_s: float, rise_s: float, fall_s: float, seconds: float = 10.0) -> np.ndarray:
    """Raised cosines: up in ``rise_s``, down in ``fall_s``, flat until the next."""
    t = np.arange(round(seconds * RATE)) / RATE % period_s
    up = 0.5 * (1 - np.cos(np.pi * t / rise_s))
    down = 0.5 * (1 + np.cos(np.pi * np.clip((t - rise_s) / fall_s, 0.0, 1.0)))
    return np.where(t < rise_s, up, down)


def measured(window: np.ndarray) -> dict[str, float]:
    return dict(zip(PULSE_FEATURES, pulse_features(window, RATE), strict=True))


def test_rate_and_widths_are_those_that_were_drawn() -> None:
    """A raised cosine is at half of its height halfway through each limb: width (rise + fall) / 2.
    At a quarter and three quarters it is a third of a limb away from there.
    """
    found = measured(drawn(0.75, 0.25, 0.45))
    assert found["pulse_rate_bpm"] == pytest.approx(80.0, abs=0.5)
    assert found["pulse_interval_sd_ms"] < 8.0
    assert found["width_50_ms"] == pytest.approx(350.0, abs=20.0)
    assert found["width_25_ms"] == pytest.approx(700.0 * 2 / 3, abs=35.0)
    assert found["width_75_ms"] == pytest.approx(700.0 / 3, abs=20.0)
    assert found["rise_ms"] == pytest.approx(250.0, abs=45.0)
    assert found["likeness"] > 0.999 and found["height_variation"] < 0.02


def test_a_larger_reflected_wave_is_a_higher_shoulder_and_a_wider_pulse() -> None:
    found = {}
    for reflection in (0.5, 1.5):
        window = simulate_pulse(
            Rhythm(rate=60.0), reflection=reflection, duration_s=10.0, sampling_rate=RATE,
            generator=np.random.default_rng(2),
        )  # fmt: skip
        found[reflection] = measured(window)
        assert found[reflection]["pulse_rate_bpm"] == pytest.approx(60.0, abs=2.0)
    assert found[1.5]["shoulder"] > found[0.5]["shoulder"] + 0.2
    assert found[1.5]["width_25_ms"] > found[0.5]["width_25_ms"] + 80.0


def test_scale_and_offset_change_nothing() -> None:
    window = drawn(0.8, 0.2, 0.4)
    np.testing.assert_allclose(
        pulse_features(window, RATE), pulse_features(900.0 * window - 40.0, RATE), rtol=1e-6
    )


@pytest.mark.parametrize(
    "window",
    [
        np.zeros(1250),
        np.full(1250, np.nan),
        np.where(np.arange(1250) < 400, np.nan, drawn(0.8, 0.2, 0.4)),
        drawn(0.8, 0.2, 0.4)[:200],
        np.arange(1250.0),
    ],
    ids=["flat", "missing", "a third missing", "short", "slope"],
)
def test_what_is_no_pulse_has_no_numbers(window: np.ndarray) -> None:
    assert np.isnan(pulse_features(window, RATE)).all()


def test_a_small_gap_is_filled() -> None:
    window = drawn(0.8, 0.2, 0.4)
    window[300:320] = np.nan
    assert measured(window)["pulse_rate_bpm"] == pytest.approx(75.0, abs=0.5)
    assert pulse_feature_matrix(np.empty((0, 1250)), RATE).shape == (0, 12)
