"""The card of a model and its evaluation on the same records state the same figures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.comparison import ComparedModel, compare_models
from ecgfoundry.evaluation.evaluate import evaluate
from ecgfoundry.evaluation.report.comparison import comparison_report
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.metrics.calibration import Calibrator
from ecgfoundry.tasks import TASKS, Calibration, Readout, TargetScale, Task
from ecgfoundry.vocabularies import Target, Vocabulary

NAN = math.nan
ONLY_FIGURES = Settings(controls=False, subgroups=False)


def task_of(kind: str, outputs: int, readout: Readout) -> Task:
    words = Vocabulary("v", tuple(Target(f"t{k}", "diagnosis", unit="ms") for k in range(outputs)))
    return TASKS[kind].answering(words, readout)


def evaluated(task: Task, outputs: np.ndarray, values: np.ndarray, who: list[str]) -> list[dict]:
    labels = np.stack([task.truth_of(k, values) for k in range(task.outputs)], axis=1)
    names = task.vocabulary.names
    data = EvaluationData(names, labels, task.answers(outputs), np.array(who, dtype=object))
    return evaluate(data, ONLY_FIGURES).cells()


@pytest.mark.parametrize(
    ("kind", "records"),
    [("multilabel", 6), ("multilabel", 90), ("binary", 90), ("multiclass", 6), ("multiclass", 90)],
)
def test_areas(kind: str, records: int) -> None:
    """Two, three and six records too, of which the old cards said "1.000 (1.000 to 1.000)"."""
    generator = np.random.default_rng(records)
    outputs = 1 if kind == "binary" else 3
    logits = generator.normal(size=(records, outputs))
    if kind == "multiclass":
        values = np.arange(records)[:, None] % 3.0
        logits[np.arange(records), values[:, 0].astype(int)] += 1
    else:
        values = (generator.random((records, outputs)) < 0.5).astype(float)
        values[0], values[1], values[2, 0] = 1, 0, NAN
        logits += values == 1
    # Vector scaling changes the order of the records; the card has to measure what is answered.
    scaled = Calibrator("vector", (1.0, 0.5, 2.0)[:outputs], (0.0, 1.0, -1.0)[:outputs])
    task = task_of(kind, outputs, Readout(Calibration(scaled, scaled)))
    who = [f"p{k // 2}" for k in range(records)]
    rows = evaluated(task, logits, values, who)
    metrics = task.measure(logits, values, who, data="d")
    assert [metric.target for metric in metrics] == [row["target"] for row in rows]
    for metric, row in zip(metrics, rows, strict=True):
        assert metric.name == "AUROC" and metric.records == row["n"]
        assert (metric.value, metric.low, metric.high) == pytest.approx(
            (row["auroc"], row["auroc_low"], row["auroc_high"]), rel=1e-12
        )
        assert metric.low < metric.high
        assert (metric.note is None) is row["auroc_interval_reliable"]


@pytest.mark.parametrize("records", [6, 90])
def test_errors(records: int) -> None:
    generator = np.random.default_rng(1)
    task = task_of("regression", 2, Readout(scale=TargetScale((10.0, 2.0), (60.0, 4.0))))
    outputs = generator.normal(size=(records, 2))
    values = task.answers(outputs) + generator.normal(size=(records, 2))
    values[3, 1] = NAN
    who = [f"p{k // 2}" for k in range(records)]
    rows = evaluated(task, outputs, values, who)
    metrics = task.measure(outputs, values, who, data="d")
    errors = [metric for metric in metrics if metric.name == "mean absolute error (ms)"]
    assert [metric.target for metric in errors] == ["t0", "t1"]
    for metric, row in zip(errors, rows, strict=True):
        assert metric.records == row["n"]
        assert (metric.value, metric.low, metric.high) == pytest.approx(
            (row["mae"], row["mae_low"], row["mae_high"]), rel=1e-12
        )
        assert (metric.note is None) is row["intervals_reliable"] is (records == 90)


@pytest.mark.parametrize(("positives", "reliable"), [(40, True), (12, False)])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_a_comparison_states_the_intervals_of_both_evaluations(
    positives: int, reliable: bool, level: float
) -> None:
    generator = np.random.default_rng(4)
    labels = np.repeat([1.0, 0.0], [positives, 80])[:, None]
    who = np.array([f"p{k}" for k in range(len(labels))], dtype=object)
    noise = generator.normal(size=(2, len(labels)))
    settings = replace(ONLY_FIGURES, level=level)
    models, rows = [], []
    for scores in (labels[:, 0] + noise[0], 0.5 * labels[:, 0] + noise[1]):
        data = EvaluationData(("A",), labels, scores[:, None], who)
        models.append(ComparedModel("m", data, {}))
        rows += evaluate(data, settings).cells()
    found = compare_models(*models, settings)
    (compared,) = found.document["targets"]
    for side, row in zip("ab", rows, strict=True):
        assert compared[f"auroc_{side}"] == row["auroc"]
        assert compared[f"auroc_{side}_low"] == row["auroc_low"]
        assert compared[f"auroc_{side}_high"] == row["auroc_high"]
        assert compared[f"auroc_{side}_interval_reliable"] is row["auroc_interval_reliable"]
        assert row["auroc_interval_reliable"] is reliable
    assert compared["difference_low"] < compared["difference"] < compared["difference_high"]
    assert compared["difference_interval_reliable"] is reliable
    assert found.mean.reliable is reliable
    assert ("&nbsp;‡" in comparison_report(found)) is not reliable


def test_a_model_beside_itself_has_no_interval_of_the_difference() -> None:
    labels = np.repeat([1.0, 0.0], 40)[:, None]
    scores = np.random.default_rng(0).normal(size=(80, 1)) + labels
    model = ComparedModel("m", EvaluationData(("A",), labels, scores, np.arange(80)), {})
    (row,) = compare_models(model, model, ONLY_FIGURES).document["targets"]
    assert row["difference"] == 0.0
    assert math.isnan(row["difference_low"]) and math.isnan(row["bootstrap_p"])
