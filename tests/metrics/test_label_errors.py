"""Suspicious labels by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.errors import SignalError
from ecgfoundry.metrics.label_errors import label_suspicion


def test_scores_by_hand() -> None:
    """Means of the given classes: 0 of (0.9, 0.7, 0.2) = 0.6, 1 of (0.9, 0.7) = 0.8."""
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7]])
    found = label_suspicion(p, [0, 0, 0, 1, 1])
    # (p1 - 0.8) - (p0 - 0.6) for label 0, the other way round for label 1.
    assert found.score == pytest.approx([-1.0, -0.6, 0.4, -0.6, -0.2])
    assert found.suggested.tolist() == [1, 1, 1, 0, 0]
    assert found.confident.tolist() == [False, False, True, False, False]


def test_a_class_is_measured_by_its_own_mean() -> None:
    """0.5 is much for a class whose own records have 0.4, and little for one that has 0.9."""
    p = np.array([[0.5, 0.5, 0.0], [0.9, 0.0, 0.1], [0.6, 0.4, 0.0], [0.1, 0.5, 0.4]])
    found = label_suspicion(p, [0, 0, 1, 2])
    # Means: 0.7, 0.4 and 0.4. The last one: 0.5 - 0.4 of class 1 against 0.4 - 0.4.
    assert found.score[3] == pytest.approx(0.1)
    assert found.suggested[3] == 1 and found.confident[3]
    assert found.score[0] == pytest.approx((0.5 - 0.4) - (0.5 - 0.7))


def test_what_is_not_labelled_and_classes_that_nobody_bears() -> None:
    p = np.array([[0.2, 0.1, 0.7], [0.6, 0.4, 0.0], [0.3, 0.7, 0.0], [np.nan] * 3])
    found = label_suspicion(p, [-1, 0, 1, 1])
    assert np.isnan(found.score[[0, 3]]).all() and found.suggested.tolist() == [-1, 1, 0, -1]
    assert not found.confident[[0, 3]].any()
    for wrong in ([0, 1], [3, 0, 0, 0], [-1, -1, -1, -1]):
        with pytest.raises(SignalError, match="do not go together"):
            label_suspicion(p, wrong)
