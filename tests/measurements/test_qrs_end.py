"""The slow last part of a QRS complex is part of it; a T wave is not."""

from __future__ import annotations

import numpy as np

from ecgfoundry.measurements.boundaries import BOUNDARIES, BeatWaves
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.qrs_end import late_end, with_late_end

RATE = 500.0


def beat(late_mv: float, rows: int = 8) -> MedianBeat:
    """QRS of 80 ms ending at column 120, a plateau, then a fall from column 140 to 155 in V1."""
    columns = np.arange(600)
    narrow = np.interp(columns, [80, 95, 108, 120], [0.0, 1.5, -0.4, 0.0])
    late = np.interp(columns, [110, 120, 140, 155], [0.0, late_mv, late_mv, 0.0])
    t = 0.4 * np.exp(-0.5 * ((columns - 260) / 25.0) ** 2)
    values = np.tile(narrow + t, (rows, 1))
    values[0] += late
    values[1] += 0.5 * late
    return MedianBeat(
        leads=tuple(f"lead {n}" for n in range(rows)),
        values=values,
        sampling_rate=RATE,
        fiducial=95,
        boundaries={"qrs_onset": 80.0, "qrs_offset": 120.0},
        likeness=np.ones(8),
        noise_mv=np.full(rows, 0.01),
        beats_used=8,
    )


def test_a_late_fall_in_two_leads_belongs_to_the_complex() -> None:
    end = late_end(beat(0.8))
    assert end is not None
    assert abs(end - 155) <= 4  # 8 ms


def test_without_it_the_end_stays_and_t_is_left_alone() -> None:
    assert late_end(beat(0.0)) == 120.0


def test_few_leads_stay_as_they_are() -> None:
    assert late_end(beat(0.8, rows=3)) == 120.0


def test_all_beats_move_with_the_median_beat() -> None:
    arrays = {name: np.array([120.0, 620.0]) for name in BOUNDARIES}
    waves, moved = with_late_end(BeatWaves(**arrays), beat(0.8))
    assert moved is not None
    by = moved.boundaries["qrs_offset"] - 120.0
    assert 30 <= by <= 38
    np.testing.assert_array_equal(waves.qrs_offset, [120.0 + by, 620.0 + by])
    np.testing.assert_array_equal(waves.t_offset, [120.0, 620.0])
