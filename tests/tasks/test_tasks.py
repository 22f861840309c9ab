"""Tasks: what is inferred from values, what is measured, what may not be combined."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.errors import TrainingError
from ecgfoundry.tasks import TargetScale, infer_task, patient_means
from ecgfoundry.tasks.regression import residual_quantiles

NAN = np.nan


@pytest.mark.parametrize(
    ("values", "classes", "kind", "outputs", "loss"),
    [
        ([[0], [1], [NAN]], {}, "binary", 1, "bce"),
        ([[0, 1], [1, NAN]], {}, "multilabel", 2, "bce"),
        ([[0], [1], [2], [NAN]], {}, "multiclass", 3, "cross-entropy"),
        ([[0], [1], [2]], {"a": ("AF", "N", "O")}, "multiclass", 3, "cross-entropy"),
        ([[0], [1]], {"a": ("female", "male")}, "binary", 1, "bce"),
        ([[71.0], [23.0]], {}, "regression", 1, "huber"),
        ([[0.5], [1.0]], {}, "regression", 1, "huber"),
    ],
)
def test_the_kind_is_seen_from_the_values(
    values: list[list[float]], classes: dict[str, tuple[str, ...]], kind: str, outputs: int,
    loss: str,
) -> None:  # fmt: skip
    table = np.array(values, dtype=float)
    task = infer_task(table, ["a", "b"][: table.shape[1]], classes=classes)
    assert (task.kind, task.outputs, task.loss) == (kind, outputs, loss)
    if classes.get("a") == ("female", "male"):
        assert task.vocabulary.names == ("a: male",)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(TrainingError, match="does not fit a regression"):
        infer_task(np.array([[1.5], [2.0]]), ["age"], loss="bce")
    with pytest.raises(TrainingError, match="targets of 0 and 1"):
        infer_task(np.array([[1.5], [2.0]]), ["age"], kind="binary")
    with pytest.raises(TrainingError, match="no task 'ranking'"):
        infer_task(np.array([[0.0], [1.0]]), ["a"], kind="ranking")


def test_age_has_years_and_a_scale_in_them() -> None:
    ages = np.array([[20.0], [40.0], [NAN], [60.0]])
    task = infer_task(ages, ["age"])
    assert task.vocabulary.targets[0].unit == "years"
    scale = TargetScale.of(ages)
    assert scale.offset == (40.0,) and scale.scale[0] == pytest.approx(np.std([20, 40, 60]))
    np.testing.assert_allclose(scale.physical(scale.standardized(ages)), ages)
    outputs = scale.standardized(np.array([[25.0], [40.0], [40.0], [50.0]]))
    figures = task.fitted(ages).figures(outputs, ages)
    assert figures["mae age"] == pytest.approx((5 + 0 + 10) / 3)
    with pytest.raises(TrainingError, match="two different values"):
        TargetScale.of(np.ones((5, 1)))


def test_an_undefined_figure_is_nan_not_zero() -> None:
    task = infer_task(np.array([[0.0], [1.0]]), ["a"])
    assert np.isnan(task.figures(np.zeros((3, 1)), np.ones((3, 1)))["macro_auroc"])


def test_interval_holds_its_coverage_on_new_values() -> None:
    generator = np.random.default_rng(0)
    inside = []
    for _ in range(300):
        residual = generator.standard_exponential((40, 1))
        low, high = residual_quantiles(np.zeros((40, 1)), residual)[0]
        inside.append(
            np.mean((new := generator.standard_exponential(200)) >= low) - np.mean(new > high)
        )
    assert 0.895 <= np.mean(inside) <= 0.96
    assert residual_quantiles(np.zeros((5, 1)), np.zeros((5, 1))) is None


def test_patients_are_averaged_and_contradictions_left_out() -> None:
    outputs = np.array([[1.0], [3.0], [5.0], [7.0]])
    values = np.array([[1.0], [1.0], [0.0], [1.0]])
    means, truth, patients = patient_means(outputs, values, ["a", "a", "b", "b"])
    assert means.tolist() == [[2.0], [6.0]] and patients == ["a", "b"]
    assert truth[0, 0] == 1.0 and np.isnan(truth[1, 0])
    _, ages, _ = patient_means(outputs[:2], np.array([[60.0], [62.0]]), ["a", "a"])
    assert ages.tolist() == [[61.0]]
