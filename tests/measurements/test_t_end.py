"""The end of T is where the heart vector says; a hump in the limb leads alone is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.measurements.boundaries import BOUNDARIES, BeatWaves
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.t_end import tangent_end, with_t_end

RATE = 500.0


def beat(end: float) -> MedianBeat:
    """Eight leads with T as a triangle from column 160 over 220 down to 260."""
    t = np.interp(np.arange(700), [160, 220, 260], [0.0, 0.4, 0.0])
    return MedianBeat(
        leads=tuple(f"lead {n}" for n in range(8)),
        values=np.outer([1.0, 0.5, 0.3, -0.3, 0.8, 1.0, 0.9, 0.4], t),
        sampling_rate=RATE,
        fiducial=95,
        boundaries={"qrs_onset": 80.0, "qrs_offset": 120.0, "t_offset": end},
        likeness=np.ones(8),
        noise_mv=np.full(8, 0.01),
        beats_used=8,
    )


def test_the_tangent_of_a_triangle_is_its_side() -> None:
    assert tangent_end(beat(265.0)) == pytest.approx(260.0, abs=1.5)


def test_an_end_near_the_tangent_stays() -> None:
    given = beat(275.0)  # 30 ms behind
    assert with_t_end(BeatWaves(*(np.array([1.0]) for _ in BOUNDARIES)), given)[1] is given


def test_an_end_far_behind_moves_to_21_ms_behind_the_tangent_with_all_beats() -> None:
    arrays = {name: np.array([300.0, 800.0]) for name in BOUNDARIES}
    waves, moved = with_t_end(BeatWaves(**arrays), beat(300.0))  # 80 ms behind
    assert moved is not None
    assert moved.boundaries["t_offset"] == pytest.approx(260.0 + 10.5, abs=1.5)
    by = moved.boundaries["t_offset"] - 300.0
    np.testing.assert_allclose(waves.t_offset, [300.0 + by, 800.0 + by])
    np.testing.assert_array_equal(waves.qrs_offset, [300.0, 800.0])


def test_few_leads_stay_as_they_are() -> None:
    few = beat(300.0)
    few = replace(few, leads=few.leads[:3], values=few.values[:3])
    assert tangent_end(few) is None


def test_qt_of_the_sample_is_near_its_tangents() -> None:
    """Tangents drawn by hand in its leads: 268 to 287 ms; IEC 60601-2-25 allows 25 ms."""
    measured = ecgfoundry.measure(ecgfoundry.sample_path("12-lead"))
    assert measured.qt_ms is not None
    assert 268.0 <= measured.qt_ms <= 287.0 + 25.0
