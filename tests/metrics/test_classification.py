"""Metrics against scikit-learn, and against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.metrics.classification import (
    auroc,
    confusion_matrix,
    expected_calibration_error,
    f1_scores,
    macro_auroc,
)

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="the oracle needs scikit-learn")


@given(
    pairs=st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=60),
)
@settings(max_examples=60)
def test_auroc_equals_scikit_learn_with_ties(pairs: list[tuple[bool, int]]) -> None:
    labels, scores = np.array(pairs, dtype=float).T
    if len(set(labels)) < 2:
        assert np.isnan(auroc(labels, scores))
    else:
        assert auroc(labels, scores) == pytest.approx(
            sklearn_metrics.roc_auc_score(labels, scores), abs=1e-12
        )


def test_missing_labels_are_left_out() -> None:
    assert auroc([0, 1, np.nan], [0.1, 0.9, 0.0]) == 1.0


def test_macro_skips_undefined_targets_instead_of_counting_zero() -> None:
    labels = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert macro_auroc(labels, np.array([[0.0, 1.0], [1.0, 0.0]])) == 1.0
    assert np.isnan(macro_auroc(labels[:, 1:], np.zeros((2, 1))))


def test_f1_and_confusion_equal_scikit_learn(random_generator) -> None:
    truth, predicted = random_generator.integers(0, 4, (2, 300))
    np.testing.assert_array_equal(
        confusion_matrix(truth, predicted, 4), sklearn_metrics.confusion_matrix(truth, predicted)
    )
    np.testing.assert_allclose(
        f1_scores(truth, predicted, 4), sklearn_metrics.f1_score(truth, predicted, average=None)
    )
    assert np.isnan(f1_scores([0, 1], [0, 1], 3)[2])


def test_calibration_error_by_hand() -> None:
    # Bin of 0.9: 3 of 4 true -> gap 0.15; bin of 0.1: 0 of 2 -> gap 0.1.
    p = [0.9, 0.9, 0.9, 0.9, 0.1, 0.1]
    y = [1, 1, 1, 0, 0, 0]
    assert expected_calibration_error(p, y, bins=10) == pytest.approx((4 * 0.15 + 2 * 0.1) / 6)
    assert expected_calibration_error([1.0], [1.0]) == 0.0
