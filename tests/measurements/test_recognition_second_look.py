"""A second look at what passes the gate: figures of the usual beat, and what they tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files

import numpy as np
import pytest
from benchmarks.experiments.hostile_sensors import SENSORS
from tests.measurements.test_hostile_sensors import hostile

from ecgfoundry.measurements.recognition import FIGURES, examine, recognise
from ecgfoundry.measurements.second_look import (
    NOTHING,
    SECOND_FIGURES,
    second_look_trees,
)

RATE = 250.0
SIGMA_S = 0.012


def drawn(
    gains: Callable[[int], float] = lambda beat: 1.0, t_wave: float = 0.0, seconds: int = 10
) -> np.ndarray:
    """Gaussian complexes every 0.8 s with a T wave 0.24 s later, in 0.2 % noise."""
    time = np.arange(round(seconds * RATE)) / RATE
    x = 0.002 * np.random.default_rng(2).normal(size=time.size)
    for beat, at in enumerate(np.arange(0.4, seconds, 0.8)):
        x += gains(beat) * np.exp(-0.5 * ((time - at) / SIGMA_S) ** 2)
        x += gains(beat) * t_wave * np.exp(-0.5 * ((time - at - 0.24) / 0.04) ** 2)
    return x[None]


def figures(x: np.ndarray, rate: float = RATE) -> dict[str, float]:
    seen = examine(x, rate)
    assert seen is not None
    return dict(zip((*FIGURES, *SECOND_FIGURES), seen.row.tolist(), strict=True))


def test_the_usual_beat_of_drawn_complexes() -> None:
    found = figures(drawn(t_wave=-0.25))
    assert found["interval"] == pytest.approx(0.8, abs=0.005)
    assert found["interval_spread"] < 0.01
    # A Gaussian is at a quarter of its height at sqrt(2 ln 4) = 1.665 of its width.
    for side in ("quarter_before", "quarter_behind"):
        assert found[side] == pytest.approx(1.665 * SIGMA_S, abs=1.5 / RATE)
    assert found["peak"] == pytest.approx(0.8, abs=0.02)  # 1 of 1.25
    assert found["lowest"] == pytest.approx(-0.2, abs=0.02)
    assert found["t_time"] == pytest.approx(0.24, abs=0.02)
    assert found["t_height"] == pytest.approx(-0.2, abs=0.03)
    assert abs(found["p_height"]) < 0.02
    assert abs(found["up_over_down"]) < 0.1
    assert found["gain_alternation"] < 0.01


def test_every_other_beat_lower() -> None:
    found = figures(drawn(lambda beat: 1.0 if beat % 2 else 0.8))
    assert found["gain_alternation"] == pytest.approx(0.2 / 0.9, abs=0.03)
    assert found["gain_spread"] == pytest.approx(0.1 / 0.9, abs=0.02)


def test_neither_unit_nor_offset_nor_polarity_matters() -> None:
    x = drawn(t_wave=0.3)
    usual = figures(x)
    for changed in (1000.0 * x, -x, x + 5.0):
        for name, value in figures(changed).items():
            assert value == pytest.approx(usual[name], rel=1e-3, abs=1e-3), name


def test_what_one_beat_cannot_show_is_said_to_be_nothing() -> None:
    time = np.arange(round(2.5 * RATE)) / RATE
    x = np.exp(-0.5 * ((time - 1.2) / SIGMA_S) ** 2)
    found = figures(x[None] + 0.002 * np.random.default_rng(0).normal(size=(1, x.size)))
    for name in ("interval_spread", "least_alike", "gain_spread", "gain_alternation"):
        assert found[name] == NOTHING


def test_the_trees_know_these_figures() -> None:
    text = (files("ecgfoundry.measurements") / "second_look.json").read_text(encoding="utf-8")
    assert json.loads(text)["figures"] == [*FIGURES, *SECOND_FIGURES]
    assert int(second_look_trees().feature.max()) < len(FIGURES) + len(SECOND_FIGURES)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_drawn_ecgs_are_not_in_doubt(noise: float) -> None:
    """Without noise they stand in next to nothing, where the second look has a limit of its own."""
    own = noise * np.random.default_rng(9).normal(size=(1, 2500))
    for x in (drawn(), drawn(t_wave=0.25), drawn(lambda beat: 1.0 + 0.05 * (beat % 3))):
        found = recognise(x + own, RATE)
        assert found.reason is None and not found.doubtful


def test_most_of_what_passes_the_first_look_is_in_doubt_at_the_second() -> None:
    """Of 108 signals of sensors 35 pass the gate, 19 of them without a doubt at the first look."""
    sure = 0
    for kind in SENSORS:
        for number in range(4):
            x, rate = hostile(kind, number, 77)
            found = recognise(x[None], rate)
            sure += found.reason is None and not found.doubtful
    assert sure <= 10  # 7 when it was written
