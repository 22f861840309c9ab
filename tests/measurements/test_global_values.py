"""Intervals of an irregular rhythm are means of the beats near the median, where there are any."""

from __future__ import annotations

import numpy as np

from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.boundaries import BOUNDARIES, BeatWaves
from ecgfoundry.measurements.global_values import DelineatedBeats, interval_values
from ecgfoundry.measurements.values import Value


def qt(*t_offset: float) -> Value:
    """QT of beats without P waves at irregular intervals, QRS onset at R, at 500 Hz."""
    sample = np.cumsum([100, 400, 250, 520][: len(t_offset)])
    arrays = {name: np.full(sample.size, np.nan) for name in BOUNDARIES}
    arrays |= {"qrs_onset": sample.astype(float), "qrs_offset": sample + 45.0}
    arrays |= {"t_offset": sample + np.array(t_offset)}
    found = DelineatedBeats(
        Beats.from_samples(sample, 500.0), BeatWaves(**arrays), np.ones(sample.size, bool), 500.0
    )
    rates = {
        "rr_variation_percent": Value(30.0, "%"),
        "p_share_percent": Value(0.0, "%"),
        "rr_mean_ms": Value(780.0, "ms"),
    }
    return interval_values(found, rates)["qt_ms"]


def test_the_mean_of_beats_near_the_median() -> None:
    assert qt(190.0, 200.0, 195.0, 199.0).value == 392.0


def test_beats_that_do_not_agree_give_no_value() -> None:
    value = qt(100.0, 260.0)
    assert value.value is None
    assert value.reason == "the beats do not agree on it"
