"""Tasks: tables of losses, limits between kinds, weights and figures by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.errors import TrainingError  # noqa: E402
from ecgfoundry.tasks import (  # noqa: E402
    TASKS,
    Readout,
    TargetScale,
    Task,
    infer_task,
    patient_means,
)
from ecgfoundry.tasks import make_task as task_of_kind  # noqa: E402
from ecgfoundry.vocabularies import Target, Vocabulary  # noqa: E402

NAN = np.nan


def make_task(kind: str, outputs: int = 1, **more: object) -> Task:
    names = tuple(f"t{k}" for k in range(outputs))
    targets = tuple(Target(name, "diagnosis") for name in names)
    columns = names[:1] if kind == "multiclass" else names
    return task_of_kind(kind, columns=columns, vocabulary=Vocabulary("v", targets), **more)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)[:, None]


# --- which losses, which kinds --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "default", "fitting", "target_kind", "monitor"),
    [
        ("binary", "bce", {"bce", "focal"}, "multilabel", ("macro_auroc", "max")),
        ("multilabel", "bce", {"bce", "focal", "hill", "hill-positive"}, "multilabel",
         ("macro_auroc", "max")),
        ("positive-unlabelled", "hill", {"hill", "hill-positive"}, "multilabel",
         ("macro_auroc", "max")),
        ("multiclass", "cross-entropy", {"cross-entropy"}, "multiclass", ("macro_auroc", "max")),
        ("regression", "huber", {"huber"}, "regression", ("mae_in_sd", "min")),
    ],
)  # fmt: skip
def test_kinds(
    kind: str, default: str, fitting: set[str], target_kind: str, monitor: tuple[str, str]
) -> None:
    assert tuple(TASKS)[:5] == (
        "binary", "multiclass", "multilabel", "positive-unlabelled", "regression"
    )  # fmt: skip
    task = make_task(kind)
    assert (task.loss, task.target_kind, task.monitor(column(0, 1, NAN))) == (
        default,
        target_kind,
        monitor,
    )
    assert (task.balance, task.aggregate) == (False, "record")
    for loss in ("bce", "focal", "hill", "hill-positive", "cross-entropy", "huber"):
        if loss in fitting:
            assert make_task(kind, loss=loss).loss == loss
        else:
            with pytest.raises(TrainingError, match="does not fit"):
                make_task(kind, loss=loss)


def test_columns_that_do_not_fit_the_kind() -> None:
    words = Vocabulary("v", (Target("a", "diagnosis"), Target("b", "diagnosis")))
    for kind in ("binary", "multiclass"):
        with pytest.raises(TrainingError, match="has one target, not 2"):
            task_of_kind(kind, columns=("a", "b"), vocabulary=words)
    with pytest.raises(TrainingError, match="1 targets and a vocabulary of 2"):
        task_of_kind("multilabel", columns=("a",), vocabulary=words)
    with pytest.raises(TrainingError, match="per record or patient"):
        make_task("binary", aggregate="visit")


@pytest.mark.parametrize(
    ("values", "kind", "outputs"),
    [
        (range(10), "multiclass", 10),  # ten classes are the most
        (range(11), "regression", 1),
        ((0, 5, 9), "multiclass", 10),
        ((0, 5, 10), "regression", 1),
        ((-1, 0, 1), "regression", 1),
        ((0, 1, 1.5), "regression", 1),
        ((0, 1), "binary", 1),
        ((1, 2), "multiclass", 3),
    ],
)
def test_limits_between_kinds(values: object, kind: str, outputs: int) -> None:
    task = infer_task(column(*values, NAN), ["a"])
    assert (task.kind, task.outputs) == (kind, outputs)


def test_words_of_an_inferred_task() -> None:
    task = infer_task(column(0, 2), ["rhythm"])
    assert task.vocabulary.names == ("rhythm 0", "rhythm 1", "rhythm 2")
    task = infer_task(column(0, 1), ["sex"], classes={"sex": ("female", "male")})
    assert task.vocabulary.names == ("sex: male",)
    task = infer_task(column(1.5, 2.5), ["potassium"], unit="mmol/L")
    assert (task.vocabulary.targets[0].unit, task.vocabulary.targets[0].kind) == (
        "mmol/L", "measurement",
    )  # fmt: skip
    task = infer_task(column(1.5, 2.5), ["Age"])
    assert (task.vocabulary.targets[0].unit, task.vocabulary.targets[0].kind) == (
        "years", "demographic",
    )  # fmt: skip
    assert infer_task(column(1.5, 2.5), ["potassium"]).vocabulary.targets[0].unit is None
    with pytest.raises(TrainingError, match="one target of several classes"):
        infer_task(np.zeros((2, 2)), ["a", "b"], classes={"a": ("x", "y", "z")})
    document = infer_task(column(0, 1), ["a"], balance=True, aggregate="patient").to_dict()
    assert document["balance"] is True and document["aggregate"] == "patient"
    assert (document["kind"], document["columns"], document["loss"]) == ("binary", ["a"], "bce")


# --- scales and weights ---------------------------------------------------------------------------


def test_a_scale_is_mean_and_deviation_of_what_is_known() -> None:
    scale = TargetScale.of(np.array([[20.0, 1.0], [40.0, NAN], [NAN, 3.0], [60.0, 3.0]]))
    assert scale.offset == pytest.approx((40.0, 7 / 3))
    assert scale.scale == pytest.approx((16.3299316, 0.9428090))  # ddof 0
    assert scale.standardized(np.array([[56.3299316, 7 / 3]])) == pytest.approx(
        np.array([[1.0, 0.0]]), abs=1e-7
    )
    assert scale.physical(np.array([[-2.0, 1.0]]))[0] == pytest.approx(
        [40 - 2 * 16.3299316, 3.2761424]
    )
    TargetScale.of(column(1.0, 1.5))
    with pytest.raises(TrainingError, match="target 0"):
        TargetScale.of(column(1.0, NAN))


def loss_of(task: Task, training: np.ndarray, logits: list[float], target: float) -> float:
    function = task.make_loss(training)
    return float(function(torch.tensor([logits]), torch.tensor([[float(target)]])))


def test_balanced_losses_weigh_against_rarity() -> None:
    # Classes 0, 0, 0, 1 and none of class 2: weights 4 / (3 * 3), 4 / (3 * 1), 4 / (3 * 1).
    training = column(0, 0, 0, 1, NAN)
    uniform = [0.0, 0.0, 0.0]
    for balance, expected in ((False, (1, 1, 1)), (True, (4 / 9, 4 / 3, 4 / 3))):
        task = make_task("multiclass", 3, balance=balance)
        found = [loss_of(task, training, uniform, k) / math.log(3) for k in range(3)]
        assert found == pytest.approx(expected, rel=1e-6)
    # Three negatives per positive.
    task = make_task("binary", balance=True)
    assert loss_of(task, training, [0.0], 1.0) == pytest.approx(3 * math.log(2), rel=1e-6)
    assert loss_of(task, training, [0.0], 0.0) == pytest.approx(math.log(2), rel=1e-6)
    plain = make_task("binary")
    assert loss_of(plain, training, [0.0], 1.0) == pytest.approx(math.log(2), rel=1e-6)
    values = make_task("regression", balance=True)
    assert loss_of(values, column(1.0, 2.0), [0.5], 0.0) == pytest.approx(0.125)


# --- figures --------------------------------------------------------------------------------------


def test_figures_of_binary_targets() -> None:
    task = make_task("multilabel", 2)
    outputs = np.array([[math.log(3), 0.0], [0.0, 1.0], [-math.log(3), 2.0], [5.0, NAN]])
    values = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [NAN, NAN]])
    figures = task.figures(outputs, values)
    # First target: both positives above the negative; second: above one of two.
    assert figures["auroc t0"] == 1.0 and figures["auroc t1"] == 0.5
    assert figures["macro_auroc"] == 0.75
    # ln(4/3), ln 2, ln(4/3); ln 2, ln(1 + e^-1), ln(1 + e^2)
    assert figures["loss"] == pytest.approx(
        (2 * 0.2876821 + 2 * 0.6931472 + 0.3132617 + 2.1269280) / 6, abs=1e-7
    )
    assert set(figures) == {"macro_auroc", "auroc t0", "auroc t1", "loss"}
    nothing = task.figures(outputs, np.full_like(values, NAN))
    assert math.isnan(nothing["loss"]) and math.isnan(nothing["macro_auroc"])


@pytest.mark.parametrize(("outputs", "listed"), [(1, 0), (2, 2), (20, 20), (21, 0)])
def test_single_targets_are_listed_up_to_twenty(outputs: int, listed: int) -> None:
    task = make_task("multilabel", outputs)
    figures = task.figures(np.zeros((2, outputs)), np.eye(2)[:, :1].repeat(outputs, 1))
    assert sum(name.startswith("auroc ") for name in figures) == listed


def test_figures_of_classes() -> None:
    task = make_task("multiclass", 3)
    # Probabilities (1, 2, 5) / 8, (4, 3, 1) / 8 and (2, 5, 1) / 8, the last without a class.
    outputs = np.log([[1.0, 2.0, 5.0], [4.0, 3.0, 1.0], [2.0, 5.0, 1.0], [1.0, 1.0, 1.0]])
    values = column(2, 0, 0, NAN)
    figures = task.figures(outputs, values)
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["loss"] == pytest.approx((0.4700036 + 0.6931472 + 1.3862944) / 3, abs=1e-7)
    assert figures["macro_auroc"] == 1.0
    np.testing.assert_allclose(task.probabilities(outputs)[0], [0.125, 0.25, 0.625])
    assert math.isnan(task.figures(outputs, np.full((4, 1), NAN))["loss"])


def test_the_auroc_of_a_class_ranks_its_probability_against_all_others() -> None:
    # Logits of class 0 rank the records the wrong way round, its probabilities the right way.
    task = make_task("multiclass", 2)
    outputs = np.array([[1.0, 0.0], [2.0, 5.0], [0.0, -2.0], [3.0, 4.0]])
    assert task.figures(outputs, column(0, 1, 0, 1))["macro_auroc"] == 1.0


def test_figures_of_values() -> None:
    task = make_task("regression", 2)
    known = task.with_readout(Readout(scale=TargetScale((10.0, 2.0), (60.0, 4.0))))
    outputs = np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]])  # 60, 70, 50 and 6, 4, 4
    values = np.array([[64.0, 5.0], [68.0, NAN], [50.0, NAN]])
    figures = known.figures(outputs, values)
    assert figures["mae t0"] == pytest.approx(2.0)  # 4, 2, 0
    assert figures["mae t1"] == pytest.approx(1.0)
    # Pearson: deviations 0, 10, -10 against 3.333, 7.333, -10.667: 180 / sqrt(200 * 178.667).
    assert figures["r t0"] == pytest.approx(0.9522163, abs=1e-6)
    assert math.isnan(figures["r t1"])
    assert figures["mae_in_sd"] == pytest.approx((0.2 + 0.5) / 2)
    with pytest.raises(TrainingError, match="needs the scale"):
        task.figures(outputs, values)


def test_means_of_patients() -> None:
    outputs = np.array([[1.0], [2.0], [6.0], [10.0], [20.0]])
    values = np.array([[0.0, 60.0], [NAN, 62.0], [0.0, NAN], [1.0, NAN], [0.0, 70.0]])
    means, truth, names = patient_means(outputs, values, ["b", "b", "b", "a", "a"])
    assert names == ["a", "b"]
    assert means.tolist() == [[15.0], [3.0]]
    np.testing.assert_array_equal(truth, [[NAN, 70.0], [0.0, 61.0]])
