"""From outputs to calibration, thresholds, intervals and figures: limits from both sides."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.tasks import TASKS, Outputs, Readout, TargetScale, Task  # noqa: E402
from ecgfoundry.tasks.regression import residual_quantiles  # noqa: E402
from ecgfoundry.training.data.windows import StoredWindows  # noqa: E402
from ecgfoundry.training.results.outputs import record_outputs, window_embeddings  # noqa: E402
from ecgfoundry.vocabularies import Target, Vocabulary  # noqa: E402

NAN = math.nan


def make_task(kind: str, outputs: int = 1, *, unit: str | None = None, **more: object) -> Task:
    names = tuple(f"t{k}" for k in range(outputs))
    targets = tuple(Target(name, "diagnosis", unit=unit) for name in names)
    columns = names[:1] if kind == "multiclass" else names
    return TASKS[kind](columns=columns, vocabulary=Vocabulary("v", targets), **more)


def whole(logits: np.ndarray) -> Outputs:
    every = np.arange(len(logits))
    return Outputs(every, logits, logits, every)


# --- outputs of windows and records ---------------------------------------------------------------


class Sums(torch.nn.Module):
    """The sum of a window and twice it; features are the first sample and what is present."""

    def forward(self, x: torch.Tensor, presence: torch.Tensor | None = None) -> torch.Tensor:
        total = x.sum(dim=(1, 2))
        if presence is not None:
            total = total + 100 * presence.sum(dim=1)
        return torch.stack([total, 2 * total], dim=1)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0, :1]


def stored() -> StoredWindows:
    signal = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((5, 2, 3), np.float32)
    presence = np.array([[1, 1], [1, 0], [1, 1], [0, 0], [1, 1]], np.float32)
    return StoredWindows(signal, presence, np.array([0, 0, 2, 2, 3]), {}, {}, {})


@pytest.mark.parametrize("batch", [1, 2, 3, 32])
def test_a_record_is_the_mean_of_its_windows(batch: int) -> None:
    found = record_outputs(Sums(), stored(), [0, 2], takes_presence=False, batch=batch)
    assert found.rows.tolist() == [0, 2]
    # Windows 0, 1 | 2, 3 with sums 0, 6 | 12, 18.
    assert found.windows.tolist() == [[0, 0], [6, 12], [12, 24], [18, 36]]
    assert found.records.tolist() == [[3, 6], [15, 30]]
    assert found.owner.tolist() == [0, 0, 1, 1]
    masked = record_outputs(Sums(), stored(), [0], takes_presence=True, batch=batch)
    assert masked.windows[:, 0].tolist() == [200, 106]
    features = window_embeddings(Sums(), stored(), np.array([4, 1]), takes_presence=False)
    assert features.tolist() == [[4], [1]] and features.dtype == np.float32


# --- calibration ----------------------------------------------------------------------------------


def labelled(positives: int, negatives: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose order is nearly that of the labels."""
    labels = np.array([1.0] * positives + [0.0] * negatives)
    logits = np.concatenate([np.linspace(-1, 3, positives), np.linspace(-3, 1, negatives)])
    return logits[:, None], labels[:, None]


@pytest.mark.parametrize(
    ("positives", "negatives", "fitted"),
    [(10, 10, True), (9, 30, False), (30, 9, False), (10, 40, True)],
)
def test_ten_of_each_are_needed_to_calibrate(positives: int, negatives: int, fitted: bool) -> None:
    logits, labels = labelled(positives, negatives)
    task = make_task("binary").calibrated(whole(logits), labels)
    calibration, thresholds = (task.readout.to_dict()[k] for k in ("calibration", "thresholds"))
    assert (calibration is not None) is fitted and (thresholds is not None) is fitted
    if fitted:
        assert calibration["record"]["scale"] != [1.0]
        assert calibration["fitted_on"] == f"{len(labels)} recordings of the validation split"
        assert thresholds["criterion"] == "largest F1"
        assert task.calibrates == (True,) and not task.readout.uncalibrated
    else:
        words = "fewer than 10 positives or negatives in the validation split"
        assert task.calibrates == (False,) and task.readout.uncalibrated == {"t0": words}


def test_a_target_with_too_few_stays_as_it_is_beside_one_with_enough() -> None:
    logits, labels = labelled(12, 12)
    rare = labels.copy()
    rare[9:12] = NAN  # nine positives are left
    both = np.concatenate([labels, rare], axis=1)
    task = make_task("multilabel", 2)
    task = task.calibrated(whole(np.concatenate([logits, logits], axis=1)), both)
    calibration, thresholds = (task.readout.to_dict()[k] for k in ("calibration", "thresholds"))
    for part in ("record", "window"):
        assert calibration[part]["scale"][1] == 1.0 and calibration[part]["offset"][1] == 0.0
        assert calibration[part]["scale"][0] != 1.0
    assert thresholds["values"][0] is not None and thresholds["values"][1] is None
    assert calibration["fitted_on"].startswith("24 recordings")
    # Nine positives: its number is that of the network, and the bundle says so.
    assert task.calibrates == (True, False)


def test_windows_are_calibrated_on_their_own_outputs() -> None:
    logits, labels = labelled(20, 20)
    owner = np.repeat(np.arange(40), 2)
    outputs = Outputs(np.arange(40), logits, 5 * logits[owner], owner)
    calibration = make_task("binary").calibrated(outputs, labels).readout.to_dict()["calibration"]
    # Logits five times as large need a scale about a fifth as large.
    ratio = calibration["record"]["scale"][0] / calibration["window"]["scale"][0]
    assert ratio == pytest.approx(5.0, rel=0.15)


@pytest.mark.parametrize(
    ("counts", "method"),
    [((10, 10), "vector"), ((9, 11), "temperature"), ((10, 9), None), ((0, 20), "temperature")],
)
def test_classes_need_twenty_and_ten_each_for_own_scales(
    counts: tuple[int, int], method: str | None
) -> None:
    classes = np.repeat([0.0, 1.0, NAN], [*counts, 3])[:, None]
    logits = np.random.default_rng(0).normal(0, 1, (len(classes), 2))
    task = make_task("multiclass", 2).calibrated(whole(logits), classes)
    calibration = task.readout.to_dict()["calibration"]
    assert task.readout.thresholds is None
    assert task.calibrates == (method is not None,) * 2
    assert (None if calibration is None else calibration["record"]["method"]) == method
    if method is not None:
        assert calibration["window"]["method"] == method
        assert calibration["fitted_on"].startswith(f"{sum(counts)} recordings")


def test_values_are_not_calibrated() -> None:
    task = make_task("regression").fitted(np.array([[50.0], [70.0]]))
    truth = 60 + 10 * np.ones((30, 1)) + np.arange(30.0)[:, None]
    found = task.calibrated(whole(np.ones((30, 1))), truth).readout
    assert found.calibration is None and found.thresholds is None
    # Mean 60, deviation 10; residuals 0 to 29, whose outermost ranks are the interval's.
    assert found.scale == TargetScale((10.0,), (60.0,), ((0.0, 29.0),))


# --- the interval of a value ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [
        # Ranks floor((n + 1) 0.05) and ceil((n + 1) 0.95), counted from 1; the ends if beyond.
        (10, 1, 10),
        (18, 1, 18),
        (19, 1, 19),
        (20, 1, 20),
        (38, 1, 38),
        (39, 2, 38),
        (40, 2, 39),
        (59, 3, 57),
        (99, 5, 95),
        (100, 5, 96),
        (119, 6, 114),
        (999, 50, 950),
    ],
)
def test_ranks_of_the_interval(count: int, low: int, high: int) -> None:
    residuals = np.arange(1, count + 1, dtype=float)
    values = np.random.default_rng(0).permutation(residuals) + 70.0
    found = residual_quantiles(np.full((count, 1), 70.0), values[:, None])
    assert found == ((low, high),)


def test_the_interval_needs_ten_values_and_leaves_missing_ones_out() -> None:
    values = np.concatenate([np.arange(1.0, 10.0), [NAN] * 5])[:, None]
    assert residual_quantiles(np.zeros((14, 1)), values) is None
    values[9] = 10.0
    assert residual_quantiles(np.zeros((14, 1)), values) == ((1.0, 10.0),)


# --- figures of the card --------------------------------------------------------------------------


def test_values_are_measured_against_the_mean_with_intervals_by_patient() -> None:
    """Intervals: 1,000 draws of patients, quantiles 2.5 and 97.5 %.

    The literals are from a loop of NumPy alone: eight patients with two errors each, the roots of 1
    to 16, draw d by ``Generator(PCG64([0, d])).integers(0, 8, 8)``.
    """
    scale = TargetScale((10.0,), (50.0,))
    task = make_task("regression", unit="years", readout=Readout(scale=scale))
    truth = np.arange(44.0, 60.0)
    errors = np.sqrt(np.arange(1.0, 17.0)) * np.tile([1.0, -1.0], 8)
    outputs = ((truth + errors - 50.0) / 10.0)[:, None]
    groups = list("aabbccddeeffgghh")
    mean, blind = task.measure(outputs, truth[:, None], groups, data="test")
    assert (mean.name, mean.target, mean.records) == ("mean absolute error (years)", "t0", 16)
    assert mean.data == "test, per record"
    assert mean.value == pytest.approx(2.7793248)
    assert (mean.low, mean.high) == pytest.approx((2.1771468, 3.3271131), abs=1e-6)
    assert mean.note == "8 people; from 30 on intervals hold"
    assert blind.name == "the same of always answering the training mean"
    assert blind.value == pytest.approx((6 * 7 / 2 + 9 * 10 / 2) / 16)
    plain = task.measure(outputs, truth[:, None], groups, data="test", intervals=False)
    assert plain[0].low is None and plain[0].high is None


def test_figures_per_patient() -> None:
    scale = TargetScale((1.0,), (0.0,))
    task = make_task("regression", aggregate="patient", readout=Readout(scale=scale))
    outputs, truth = np.array([[1.0], [3.0], [6.0]]), np.array([[0.0], [5.0], [6.5]])
    mean, _ = task.measure(outputs, truth, ["a", "a", "b"], data="test", intervals=False)
    assert (mean.value, mean.records) == (pytest.approx(0.5), 2)
    assert (mean.name, mean.data) == ("mean absolute error", "test, per patient")


def test_every_class_has_its_area() -> None:
    task = make_task("multiclass", 3)
    outputs = np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.4, 1.0], [1.0, 3.0, 0.0]])
    truth = np.array([[0.0], [1.0], [2.0], [NAN]])
    found = task.measure(outputs, truth, list("abcd"), data="d", intervals=False)
    assert [(m.name, m.target, m.value, m.records) for m in found] == [
        ("AUROC", "t0", 1.0, 3), ("AUROC", "t1", 1.0, 3), ("AUROC", "t2", 1.0, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(("outputs", "listed"), [(40, 40), (41, 1)])
def test_undefined_areas_are_listed_for_up_to_forty_targets(outputs: int, listed: int) -> None:
    truth = np.zeros((4, outputs))
    truth[:2, 0] = 1.0
    task = make_task("multilabel", outputs)
    found = task.measure(truth.copy(), truth, list("abcd"), data="d", intervals=False)
    assert len(found) == listed
    assert found[0].value == 1.0
    assert all(m.value is None for m in found[1:])


@pytest.mark.parametrize(("patients", "figures"), [(10, 2), (9, 0)])
def test_the_calibration_error_needs_ten_patients(patients: int, figures: int) -> None:
    logits, labels = labelled(20, 20)
    groups = [f"p{k % patients}" for k in range(40)]
    task = make_task("binary").calibrated(whole(logits), labels)
    found = task.measure(logits, labels, groups, data="d", calibration=True, intervals=False)
    errors = [m for m in found if "calibration error" in m.name]
    assert len(errors) == figures
    if figures:
        assert errors[0].name == "expected calibration error before calibration"
        assert errors[1].data == "d, per record, cross-fitted by patient"
        assert errors[0].records == errors[1].records == 40
        # Before: |mean probability - share of positives| in each of 15 bins, scikit-learn-free.
        p = 1 / (1 + np.exp(-logits[:, 0]))
        bins = np.floor(p * 15).astype(int)
        error = sum(abs((p - labels[:, 0])[bins == b].sum()) for b in range(15)) / 40
        assert errors[0].value == pytest.approx(error)
