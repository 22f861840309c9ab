"""What is fitted after the training and what is said with it, worked out by hand.

A fit on frequencies that are exactly the probabilities has nothing to correct: the likelihood and
the penalty are both best at scale 1 and offset 0.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ecgfoundry.metrics.calibration import Calibrator
from ecgfoundry.signals.quality import Notice
from ecgfoundry.tasks import TASKS, Outputs, Readout, TargetScale, Task, make_task
from ecgfoundry.tasks.finding import Finding, WindowResult
from ecgfoundry.tasks.multilabel import fit_targets
from ecgfoundry.tasks.readout import Calibration, PredictionSets, Thresholds
from ecgfoundry.tasks.regression import residual_quantiles
from ecgfoundry.vocabularies import Target, Vocabulary

NAN = math.nan


def task_of(kind: str, *names: str, unit: str | None = None) -> Task:
    targets = tuple(Target(name, "diagnosis", unit=unit) for name in names)
    columns = names[:1] if TASKS[kind].one_column and len(names) > 1 else names
    return make_task(kind, columns=columns, vocabulary=Vocabulary("v", targets))


def binary(*groups: tuple[float, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels (records, 1) of groups: logit, positives, negatives."""
    logits = np.concatenate([np.full(yes + no, z) for z, yes, no in groups])
    labels = np.concatenate([np.repeat([1.0, 0.0], [yes, no]) for _, yes, no in groups])
    return logits[:, None], labels[:, None]


CERTAIN = binary((-math.log(3), 5, 15), (math.log(3), 15, 5))
"""Probabilities of 1/4 and 3/4, as often as they say."""


@pytest.mark.parametrize(
    ("kind", "zero_one", "decides", "exclusive", "one_column"),
    [
        ("binary", True, True, False, True),
        ("multilabel", True, True, False, False),
        ("positive-unlabelled", True, True, False, False),
        ("multiclass", False, True, True, True),
        ("regression", False, False, False, False),
    ],
)
def test_what_the_kinds_are(
    kind: str, zero_one: bool, decides: bool, exclusive: bool, one_column: bool
) -> None:
    own = TASKS[kind]
    assert (own.zero_one, own.decides, own.exclusive, own.one_column) == (
        zero_one,
        decides,
        exclusive,
        one_column,
    )


# --- targets that are there or not ----------------------------------------------------------------


def test_a_target_is_fitted_from_ten_positives_and_ten_negatives_on() -> None:
    for yes, no, fitted in ((10, 10, True), (9, 30, False), (30, 9, False)):
        assert bool(fit_targets(*binary((0.5, yes, no)))) is fitted


def test_what_is_already_calibrated_stays_and_the_threshold_has_the_largest_f1() -> None:
    """All positive: F1 2/3; those of 3/4 alone: precision and recall 3/4. Between the two: 1/2."""
    logits, labels = CERTAIN
    found = fit_targets(logits, labels)[0]
    assert (found.scale, found.offset) == pytest.approx((1.0, 0.0), abs=1e-4)
    assert found.threshold == pytest.approx(0.5, abs=1e-4)
    unlabelled = np.concatenate([labels, [[NAN]] * 40])
    again = fit_targets(np.concatenate([logits, np.full((40, 1), 9.0)]), unlabelled)[0]
    assert again == found


def test_a_target_with_few_labels_keeps_its_calibration() -> None:
    """Twenty records have the first target alone labelled; the second was calibrated before."""
    logits, labels = CERTAIN
    outputs = np.hstack([logits, logits])
    values = np.hstack([labels, np.full_like(labels, NAN)])
    task = task_of("multilabel", "a", "b")
    new, fitted = task.recalibrated(outputs, values, source="here")
    assert fitted == ("a",) and new.calibrates == (True, False)
    assert dict(new.readout.uncalibrated) == {
        "b": "fewer than 10 positives or negatives with a label"
    }
    before = Calibrator("platt", (2.0, 3.0), (0.1, 0.2))
    old = task.with_readout(
        Readout(Calibration(before, before, fitted_on="there"),
                Thresholds((0.3, 0.4), "largest F1", "there"))
    )  # fmt: skip
    new, _ = old.recalibrated(outputs, values, source="here")
    calibration, thresholds = new.readout.calibration, new.readout.thresholds
    assert calibration is not None and thresholds is not None
    assert calibration.record.scale == pytest.approx((1.0, 3.0), abs=1e-4)
    assert calibration.record.offset == pytest.approx((0.0, 0.2), abs=1e-4)
    assert thresholds.values == pytest.approx((0.5, 0.4), abs=1e-4)
    assert new.calibrates == (True, True) and not new.readout.uncalibrated
    assert calibration.fitted_on == "here; 1 of 2 targets (a); the others: there"
    assert thresholds.criterion == "largest F1"
    other = replace(old.readout, thresholds=Thresholds((0.3, 0.4), "sensitivity 0.9", "there"))
    new, _ = old.with_readout(other).recalibrated(outputs, values, source="here")
    assert new.readout.thresholds is not None
    assert new.readout.thresholds.criterion == "largest F1 (a); the others: sensitivity 0.9"


def test_validation_records_calibrate_and_say_what_they_could_not() -> None:
    logits, labels = CERTAIN
    outputs = Outputs.of_single_windows(np.hstack([logits, logits]))
    values = np.hstack([labels, np.full_like(labels, NAN)])
    readout = task_of("multilabel", "a", "b").calibrated(outputs, values).readout
    assert readout.calibration is not None and readout.thresholds is not None
    assert readout.calibration.fitted_on == "40 recordings of the validation split"
    assert readout.thresholds.values[0] == pytest.approx(0.5, abs=1e-4)
    assert readout.thresholds.values[1] is None
    assert readout.uncalibrated == {
        "b": "fewer than 10 positives or negatives in the validation split"
    }


def test_answers_thresholds_and_windows() -> None:
    """Scale 2 on a logit of ln 2 is ln 4: 4/5; a window has a calibrator of its own."""
    task = task_of("multilabel", "a", "b").with_readout(
        Readout(
            Calibration(
                Calibrator("platt", (2.0, 1.0), (0.0, 0.0)),
                Calibrator("platt", (1.0, 1.0), (0.0, math.log(3))),
            ),
            Thresholds((0.8, None), "hand", "hand"),
        )
    )
    outputs = np.array([math.log(2), 0.0])
    assert task.answers(outputs) == pytest.approx([0.8, 0.5])
    assert task.answers(outputs, level="window") == pytest.approx([2 / 3, 0.75])
    assert task.answers(outputs, level="reduced_leads") == pytest.approx([0.8, 0.5])
    assert task.present(np.array([0.8, 0.9])) == [True, None]
    assert task.present(np.array([0.79, 0.9])) == [False, None]
    window = task.window(outputs, 5.0, 10.0)
    assert window.to_dict() == {
        "start_s": 5.0,
        "duration_s": 10.0,
        "probabilities": {"a": 0.666667, "b": 0.75},
        "present": [],
        "refused": None,
    }
    refused = task.window(None, 0.0, 2.0, refused=Notice("flat", "the lead is flat"))
    assert refused.to_dict() == {
        "start_s": 0.0,
        "duration_s": 2.0,
        "refused": {"code": "flat", "message": "the lead is flat"},
    }
    for each in (window, refused):
        assert WindowResult.from_dict(each.to_dict()).to_dict() == each.to_dict()
    long = task.long_findings({"a": 0.25, "b": None})
    assert [(f.present, f.burden, f.probability) for f in long] == [
        (True, 0.25, None),
        (None, None, None),
    ]
    assert task.long_findings({"a": 0.0})[0].present is False


def test_sets_on_test_records_hold_the_truth_and_decide() -> None:
    """Probabilities 1/5 and 4/5; present from 0.5, not absent beyond 0.7.

    Of a: 4/5 with the target, 1/5 without it and 1/5 with it: two of three hold the truth. Of b:
    nothing excludes its presence, so no set decides; its two labelled records hold the truth.
    """
    low, high = -math.log(4), math.log(4)
    task = task_of("multilabel", "a", "b").with_readout(
        Readout(sets=PredictionSets(0.9, (0.5, None), (0.7, 0.9), "hand"))
    )
    outputs = np.array([[high, low], [low, low], [low, high]])
    values = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, NAN]])
    found = task.held_out_metrics(outputs, values, "test")
    assert [(m.name, m.target, m.records, m.value) for m in found] == [
        ("truth within the sets of stated coverage 0.9", "a", 3, pytest.approx(2 / 3)),
        ("share decided by the sets", "a", 3, 1.0),
        ("truth within the sets of stated coverage 0.9", "b", 2, 1.0),
        ("share decided by the sets", "b", 2, 0.0),
    ]
    assert task_of("multilabel", "a").held_out_metrics(outputs, values, "test") == []


def test_areas_of_a_card_are_those_of_the_answers() -> None:
    """Of four pairs of a positive and a negative three are in order."""
    task = task_of("binary", "a")
    outputs = np.array([[1.0], [3.0], [2.0], [4.0]])
    values = np.array([[0.0], [0.0], [1.0], [1.0]])
    (plain,) = task.measure(outputs, values, list("abcd"), data="test", intervals=False)
    assert (plain.name, plain.value, plain.records) == ("AUROC", 0.75, 4)
    assert (plain.data, plain.target, plain.low) == ("test, per record", "a", None)


# --- classes --------------------------------------------------------------------------------------


def classes(*groups: tuple[tuple[float, ...], tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Logits of probabilities, and classes as often as counted."""
    logits = np.concatenate([np.tile(np.log(p), (sum(n), 1)) for p, n in groups])
    truth = np.concatenate([np.repeat(np.arange(len(n)), n) for _, n in groups])
    return logits, truth[:, None].astype(float)


def test_classes_that_are_as_frequent_as_they_say_need_no_scaling() -> None:
    logits, truth = classes(((0.5, 0.3, 0.2), (50, 30, 20)), ((0.2, 0.3, 0.5), (20, 30, 50)))
    task = task_of("multiclass", "n", "a", "o")
    readout = task.calibrated(Outputs.of_single_windows(logits), truth).readout
    assert readout.calibration is not None
    for one in (readout.calibration.record, readout.calibration.window):
        assert one.method == "vector"
        assert one.scale == pytest.approx((1.0, 1.0, 1.0), abs=1e-3)
        assert np.ptp(one.offset) == pytest.approx(0.0, abs=1e-3)
    assert readout.calibration.fitted_on == "200 recordings of the validation split"


def test_one_temperature_where_a_class_is_rare_and_none_below_twenty_records() -> None:
    logits, truth = classes(((0.45, 0.45, 0.1), (9, 9, 2)))
    task = task_of("multiclass", "n", "a", "o")
    readout = task.calibrated(Outputs.of_single_windows(logits), truth).readout
    assert readout.calibration is not None
    assert readout.calibration.record.method == "temperature"
    few = task.calibrated(Outputs.of_single_windows(logits[1:]), truth[1:]).readout
    assert few.calibration is None
    assert few.uncalibrated["n"].startswith("fewer than 20 recordings with a class")


def test_the_class_of_a_record_is_the_one_label_that_is_true() -> None:
    labels = np.array([[0.0, 0, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, NAN]])
    found = task_of("multiclass", "n", "a", "o").columns_of(labels)
    np.testing.assert_array_equal(found, [[2.0], [0.0], [NAN], [NAN], [NAN]])


# --- values ---------------------------------------------------------------------------------------

YEARS = Readout(scale=TargetScale((10.0,), (60.0,), ((-4.0, 6.0),)))


def test_a_value_comes_with_its_interval() -> None:
    task = task_of("regression", "age", unit="years").with_readout(YEARS)
    (finding,) = task.findings(np.array([0.5]))
    assert (finding.value, finding.low, finding.high) == (65.0, 61.0, 71.0)
    document = finding.to_dict()
    assert (document["value"], document["low"], document["high"]) == (65.0, 61.0, 71.0)
    assert document["unit"] == "years" and document["probability"] is None
    assert Finding.from_dict(document) == finding
    bare = task.with_readout(Readout(scale=TargetScale((10.0,), (60.0,))))
    (finding,) = bare.findings(np.array([0.5]))
    assert (finding.value, finding.low, finding.high) == (65.0, None, None)
    assert task.present(np.array([65.0])) == [None] and task.long_findings({"age": 1.0}) == ()
    window = task.window(np.array([-1.0]), 0.0, 10.0)
    assert window.to_dict() == {
        "start_s": 0.0, "duration_s": 10.0, "values": {"age": 50.0}, "refused": None,
    }  # fmt: skip


def test_the_share_inside_the_interval_takes_in_its_ends() -> None:
    """Answers 60; truths 56 and 66 are the ends, 55.9 and 66.1 outside; one is unknown."""
    task = task_of("regression", "age", unit="years").with_readout(YEARS)
    values = np.array([[56.0], [66.0], [55.9], [66.1], [NAN]])
    (metric,) = task.held_out_metrics(np.zeros((5, 1)), values, "test")
    assert (metric.value, metric.records, metric.target) == (0.5, 4, "age")


def test_errors_of_a_card_stand_beside_those_of_the_training_mean() -> None:
    task = task_of("regression", "age", unit="years").with_readout(YEARS)
    outputs, values = np.array([[0.0], [1.0], [2.0]]), np.array([[62.0], [69.0], [NAN]])
    found = task.measure(outputs, values, list("abc"), data="test", intervals=False)
    assert [(m.name, m.value, m.records) for m in found] == [
        ("mean absolute error (years)", 1.5, 2),  # 2 and 1
        ("the same of always answering the training mean", 5.5, 2),  # 2 and 9
    ]


def test_a_correlation_needs_two_records_that_differ_however_little() -> None:
    task = task_of("regression", "x").with_readout(Readout(scale=TargetScale((0.5,), (0.0,))))
    one = task.figures(np.array([[1.0]]), np.array([[0.5]]))
    assert math.isnan(one["r x"]) and one["mae x"] == 0.0
    two = task.figures(np.array([[0.0], [1.0]]), np.array([[0.1], [0.2]]))
    assert two["r x"] == pytest.approx(1.0)
    flat = task.figures(np.array([[1.0], [1.0]]), np.array([[0.1], [0.2]]))
    assert math.isnan(flat["r x"])


def test_ranks_of_the_interval() -> None:
    """Residuals 1 to n, ranks floor(0.05 (n + 1)) and ceil(0.95 (n + 1)), within the records."""
    for count, low, high in ((10, 1, 10), (19, 1, 19), (39, 2, 38), (99, 5, 95)):
        truth = np.arange(1.0, count + 1)[:, None]
        assert residual_quantiles(np.zeros((count, 1)), truth) == ((low, high),)
    assert residual_quantiles(np.zeros((9, 1)), np.arange(9.0)[:, None]) is None
