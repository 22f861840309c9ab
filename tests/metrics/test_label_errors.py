"""Suspicious labels by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.errors import SignalError
from ecgfoundry.metrics.label_errors import label_suspicion


def test_scores_by_hand() -> None:
    """Entropy in bits (one is the most) over the given probability and 0.001.

    Of 0.9, 0.7 and 0.15: 0.468996, 0.881291 and 0.609840 bits (any table of the binary entropy).
    """
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.15, 0.85], [0.1, 0.9], [0.3, 0.7]])
    found = label_suspicion(p, [0, 0, 0, 1, 1])
    assert found.score == pytest.approx([0.52053, 1.25719, 4.03868, 0.52053, 1.25719], rel=1e-4)
    assert found.suggested.tolist() == [1, 1, 1, 0, 0]
    assert found.confident.tolist() == [False, False, True, False, False]


def test_a_class_is_measured_by_its_own_mean() -> None:
    """0.5 is enough for a class whose own records have 0.4; 0.6 is not for one of 0.7."""
    p = np.array([[0.5, 0.5, 0.0], [0.9, 0.0, 0.1], [0.6, 0.4, 0.0], [0.1, 0.5, 0.4]])
    found = label_suspicion(p, [0, 0, 1, 2])
    assert found.suggested[2:].tolist() == [0, 1]
    assert found.confident.tolist() == [False, False, False, True]
    # 0.1, 0.5 and 0.4: 1.36096 of 1.58496 bits, over 0.401.
    assert found.score[3] == pytest.approx(2.14133, rel=1e-4)


def test_what_is_not_labelled_and_classes_that_nobody_bears() -> None:
    p = np.array([[0.2, 0.1, 0.7], [0.6, 0.4, 0.0], [0.3, 0.7, 0.0], [np.nan] * 3])
    found = label_suspicion(p, [-1, 0, 1, 1])
    assert np.isnan(found.score[[0, 3]]).all() and found.suggested.tolist() == [-1, 1, 0, -1]
    assert not found.confident[[0, 3]].any()
    for wrong in ([0, 1], [3, 0, 0, 0], [-1, -1, -1, -1]):
        with pytest.raises(SignalError, match="do not go together"):
            label_suspicion(p, wrong)
