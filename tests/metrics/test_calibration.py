"""Calibrators: known miscalibration is undone, order is kept, nothing is fitted on itself."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from ecgfoundry.errors import SignalError
from ecgfoundry.metrics.calibration import (
    Calibrator,
    calibration_error,
    cross_fitted_probabilities,
    fit_calibrator,
    log_softmax,
    sigmoid,
    softmax,
)


def test_sigmoid_and_softmax_are_stable_and_equal_scipy(random_generator) -> None:
    x = random_generator.normal(scale=300, size=(20, 4))
    np.testing.assert_allclose(softmax(x), scipy.special.softmax(x, axis=1), atol=1e-12)
    np.testing.assert_allclose(log_softmax(x), scipy.special.log_softmax(x, axis=1), atol=1e-9)
    np.testing.assert_allclose(sigmoid(x), scipy.special.expit(x))


def test_a_known_temperature_is_found(random_generator) -> None:
    true_logits = random_generator.normal(scale=2, size=(20_000, 4))
    labels = np.array([random_generator.choice(4, p=p) for p in softmax(true_logits)])
    found = fit_calibrator(3 * true_logits, labels, method="temperature", multiclass=True)
    assert found.scale[0] == pytest.approx(1 / 3, rel=0.08) and set(found.offset) == {0.0}
    before = calibration_error(softmax(3 * true_logits), labels, multiclass=True)
    after = calibration_error(
        found.probabilities(3 * true_logits, multiclass=True), labels, multiclass=True
    )
    assert before > 0.1 and after < 0.02


def test_known_platt_parameters_are_found_in_spite_of_missing_labels(random_generator) -> None:
    logits = random_generator.normal(scale=2, size=(30_000, 2))
    truth = np.array([[1.5, 0.6], [0.7, -0.5]])
    labels = random_generator.uniform(size=logits.shape) < sigmoid(logits * truth[0] + truth[1])
    labels = labels.astype(float)
    labels[::7, 0] = np.nan
    found = fit_calibrator(logits, labels, method="platt", multiclass=False)
    np.testing.assert_allclose(found.scale, truth[0], rtol=0.1)
    np.testing.assert_allclose(found.offset, truth[1], atol=0.15)


def test_order_is_never_reversed() -> None:
    """Even labels that contradict the scores leave the scale positive."""
    logits = np.linspace(-3, 3, 50)[:, None]
    labels = (logits < 0).astype(float)
    found = fit_calibrator(logits, labels, method="platt", multiclass=False)
    assert found.scale[0] > 0


def test_cross_fitting_never_uses_a_row_for_itself(random_generator) -> None:
    logits = random_generator.normal(size=(60, 3))
    labels = random_generator.integers(0, 3, 60).astype(float)
    groups = np.repeat(np.arange(20), 3)
    arguments = {"method": "vector", "multiclass": True}
    whole = cross_fitted_probabilities(logits, labels, groups, **arguments)
    for group in (0, 7):
        inside = groups == group
        changed = np.where(inside, (labels + 1) % 3, labels)
        again = cross_fitted_probabilities(logits, changed, groups, **arguments)
        np.testing.assert_allclose(again[inside], whole[inside], atol=1e-12)


def test_round_trip_and_refusals() -> None:
    calibrator = Calibrator("platt", (1.0, 2.0), (0.0, -1.0))
    assert Calibrator.from_dict(calibrator.to_dict()) == calibrator
    np.testing.assert_allclose(Calibrator.identity(2).apply([[1.0, 2.0]]), [[1.0, 2.0]])
    with pytest.raises(SignalError, match="not one of temperature, vector"):
        fit_calibrator(np.zeros((2, 2)), np.zeros(2), method="platt", multiclass=True)
    with pytest.raises(SignalError, match="cannot be calibrated"):
        fit_calibrator(np.zeros((0, 2)), np.zeros(0), method="vector", multiclass=True)
