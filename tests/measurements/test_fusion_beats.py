"""Beats that are the sum of a usual and a ventricular one, and what must not be taken for that."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.measurements.beat_classes import with_fusion
from ecgfoundry.measurements.beat_features import BEAT_FEATURES
from ecgfoundry.measurements.fusion_beats import fusion_beats
from ecgfoundry.measurements.templates import BeatPieces, cluster_pieces

# Two V and a run, and beats f that were called V: when the sinus beat was due, 0.8 s after it.
BEATS = "NNNNNVNNNNNVNNNNNfNNNNNVNNNNfNNNNNVNNNNN"
COLUMNS = np.arange(-90, 121)
NARROW = np.exp(-0.5 * np.square(COLUMNS / 3.0)) - 0.3 * np.exp(-0.5 * np.square((COLUMNS - 8) / 4))
WIDE = np.exp(-0.5 * np.square((COLUMNS + 12) / 8.0)) - np.exp(-0.5 * np.square((COLUMNS - 6) / 8))


def drawn(beats=BEATS, usual=0.5, ventricular=0.5):
    """One lead of beats 0.8 s apart; f is the sum of so much of both forms."""
    form = {"N": NARROW, "V": WIDE, "f": usual * NARROW + ventricular * WIDE}
    noise = np.random.default_rng(3).normal(0.0, 0.01, (len(beats), COLUMNS.size))
    values = np.stack([form[kind] for kind in beats]) + noise
    return BeatPieces(
        values[np.newaxis].astype(np.float32),
        int(np.flatnonzero(COLUMNS == 0)[0]),
        0.8 * np.arange(1, len(beats) + 1),
        np.zeros(len(beats), bool),
    )


def found(pieces, beats=BEATS, since=1.0, certainty=0.95):
    """Return the beats, with F for those that are fused; V comes at 0.6 of the usual interval."""
    early = np.where(np.array(list(beats)) == "f", since, 0.6)
    sure = np.full(len(beats), certainty)
    called = np.array([kind in "Vf" for kind in beats])
    fused = fusion_beats(pieces.vectors, pieces.clusters, called, sure, early)
    return "".join("F" if is_fused else kind for is_fused, kind in zip(fused, beats, strict=True))


@pytest.mark.parametrize(("usual", "ventricular"), [(0.5, 0.5), (0.6, 0.6), (0.8, 0.45)])
def test_the_sum_of_both_forms_when_the_sinus_beat_was_due_is_fused(usual, ventricular):
    pieces = drawn(usual=usual, ventricular=ventricular)
    assert found(pieces) == BEATS.replace("f", "F")
    # 0.9 to 1.2 usual intervals: an earlier beat and one behind a pause have the ventricles alone.
    assert found(pieces, since=0.91) == found(pieces, since=1.19) == BEATS.replace("f", "F")
    assert found(pieces, since=0.89) == found(pieces, since=1.21) == BEATS


@pytest.mark.parametrize(("usual", "ventricular"), [(0.35, 0.8), (0.8, 0.35), (0.0, 1.0)])
def test_less_than_four_tenths_of_one_form_is_not_enough(usual, ventricular):
    assert found(drawn(usual=usual, ventricular=ventricular)) == BEATS


def test_behind_a_ventricular_beat_it_is_part_of_a_run():
    beats = BEATS.replace("NNf", "NVf")
    assert found(drawn(beats), beats) == beats


def test_the_ventricular_form_is_known_from_three_sure_beats_on():
    pieces = drawn()
    assert found(pieces, certainty=0.89) == BEATS
    two = "NNNNNVNNNNNVNNNNNfNNNNNNNNNN"
    assert found(drawn(two), two) == two
    three = "NNNNNVNNNNNVNNNNNfNNNVNNNNNN"
    assert found(drawn(three), three) == three.replace("f", "F")


def test_a_ventricular_form_like_the_usual_one_says_nothing():
    # The usual form at half its size: its parts could be any.
    beats = BEATS.replace("f", "V")
    values = np.stack([NARROW if kind == "N" else 0.5 * NARROW for kind in beats])
    pieces = drawn(beats)
    pieces = BeatPieces(
        values[np.newaxis].astype(np.float32), pieces.zero, pieces.centre_s, pieces.missing
    )
    called = np.array([kind == "V" for kind in beats])
    assert cluster_pieces(pieces).sizes.size == 2
    certain = np.ones(len(beats))
    assert not fusion_beats(pieces.vectors, pieces.clusters, called, certain, certain).any()


def test_nothing_is_fused_without_beats_or_forms():
    none = BeatPieces(np.zeros((1, 3, 211), np.float32), 90, np.arange(3.0), np.zeros(3, bool))
    every, one = np.ones(3, bool), np.ones(3)
    assert not fusion_beats(none.vectors, none.clusters, every, one, one).any()
    pieces = drawn("NNN")
    assert not fusion_beats(pieces.vectors, pieces.clusters, ~every, one, one).any()


def test_the_probability_of_v_goes_to_f():
    pieces = drawn()
    table = np.zeros((len(BEATS), len(BEAT_FEATURES)))
    since = np.where(np.array(list(BEATS)) == "V", np.log(0.6), 0.0)
    table[:, BEAT_FEATURES.index("usual_since")] = since
    label = np.array([kind if kind == "N" else "V" for kind in BEATS])
    probability = np.where(
        (label == "V")[:, np.newaxis], [0.02, 0.0, 0.93, 0.05], [0.9, 0.1, 0.0, 0.0]
    )
    called, stated = with_fusion(label, probability, table, pieces, ("N", "S", "V", "F"))
    assert "".join(called) == BEATS.replace("f", "F")
    np.testing.assert_allclose(stated[BEATS.index("f")], [0.02, 0.0, 0.0, 0.98])
    np.testing.assert_array_equal(stated[called != "F"], probability[called != "F"])
