"""P waves between the complexes are found where they were planted, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from tests.criteria.constructed import COMPLETE, PVC, STEADY, TWO_TO_ONE, WENCKEBACH, sinus

import ecgfoundry
from ecgfoundry.measurements.lone_p import _on_their_own, _usual
from ecgfoundry.synthesis.planted import NORMAL, P_NORMAL, Planted, paint


def p_peaks(planted: Planted) -> np.ndarray:
    return ecgfoundry.measure(paint(planted)).p_relation.p_time_s


def all_found(planted: Planted) -> None:
    # The peak of a planted P wave is 50 ms behind its begin.
    wanted = np.array([onset + 0.05 for onset, _ in planted.atria])
    found = p_peaks(planted)
    assert found.size == wanted.size
    np.testing.assert_allclose(found, wanted, atol=0.04)


def test_a_dropped_beat_leaves_its_p_wave() -> None:
    all_found(STEADY)
    relation = ecgfoundry.measure(paint(STEADY)).p_relation
    assert relation.blocked == 2
    np.testing.assert_allclose(relation.p_time_s[relation.p_beat < 0], [2.75, 6.75], atol=0.03)


def test_every_second_p_wave_is_blocked() -> None:
    all_found(TWO_TO_ONE)
    assert ecgfoundry.measure(paint(TWO_TO_ONE)).p_relation.blocked == 6


def test_pr_that_lengthens_until_a_beat_drops() -> None:
    relation = ecgfoundry.measure(paint(WENCKEBACH)).p_relation
    pr = relation.pr_ms[:6]
    assert (np.diff(pr)[[0, 1, 3, 4]] > 30.0).all()
    assert pr[3] < pr[2] - 60.0


def test_atria_that_beat_on_their_own() -> None:
    measured = ecgfoundry.measure(paint(COMPLETE))
    assert measured.atrial_rate_bpm is not None
    assert abs(measured.atrial_rate_bpm - 83.3) < 2.0  # 60 / 0.72 s
    assert measured.heart_rate_bpm is not None
    assert abs(measured.heart_rate_bpm - 38.7) < 0.5  # 60 / 1.55 s


def test_sinus_rhythm_and_rhythms_without_p_waves_have_none_of_their_own() -> None:
    assert ecgfoundry.measure(paint(sinus())).p_relation.blocked == 0
    assert ecgfoundry.measure(paint(sinus(rr=1.2))).p_relation.blocked == 0
    assert ecgfoundry.measure(paint(sinus(p=None))).p_relation.p_time_s.size == 0


def test_a_t_wave_that_changes_is_no_blocked_p_wave() -> None:
    """Eleven beats with a flat T wave after ventricular ones, then nine with a usual one.

    At 70/min the T wave stands in the middle between two P waves.
    """
    flat = {
        lead: tuple(wave for wave in waves if wave.start != 190.0) for lead, waves in NORMAL.items()
    }
    ventricles, atria, at = [], [], 0.6
    for shape, count in ((flat, 11), (NORMAL, 9)):
        for _ in range(count):
            ventricles.append((at, shape))
            atria.append((at - 0.18, P_NORMAL))
            if shape is flat:
                ventricles.append((at + 0.52, PVC))
            at += 0.86 if shape is NORMAL else 1.7
    planted = Planted(ventricles, atria, duration_s=at)
    assert ecgfoundry.measure(paint(planted)).p_relation.blocked == 0


@pytest.mark.parametrize(("left_out", "found"), [((5, 8), 13), ((2, 5, 8, 11), 0)])
def test_four_of_five_waves_at_equal_intervals_must_be_there(
    left_out: tuple[int, ...], found: int
) -> None:
    """13 places every 0.8 s at 125 Hz: 11 of them are 85 %, 9 are 69 %; the beats are unrelated."""
    bumps = np.tile([1.0, -1.0], 625)[None]
    places = 20 + 100 * np.array([k for k in range(13) if k not in left_out])
    bumps[0, places] = 10.0
    beats = np.arange(60, 1250, 137)
    waves = _on_their_own(bumps, beats, np.zeros(1250, bool), 125.0)
    assert waves.size == found


def test_a_beat_on_a_flat_line_is_like_no_other() -> None:
    x = np.zeros((1, 1000))
    beats = np.array([100, 300, 500, 700])
    for beat in beats[:3]:
        x[0, beat - 5 : beat + 6] = np.bartlett(11)
    assert _usual(x, beats, 125.0).tolist() == [True, True, True, False]
