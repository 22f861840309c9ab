"""What a task decides, as questions with classes of which one is the answer."""

from __future__ import annotations

import numpy as np

from ecgfoundry.tasks import Readout, Thresholds, make_task
from ecgfoundry.vocabularies import Target, Vocabulary

NAN = np.nan
TARGETS = (
    Target("A", "diagnosis"),
    Target("B", "diagnosis"),
    Target("beside", "modifier", standalone=False),
    Target("C", "rhythm"),
)
VOCABULARY = Vocabulary("v", TARGETS)


def test_each_target_with_a_threshold_is_a_question_of_its_own() -> None:
    thresholds = Thresholds((0.5, None, 0.1, 0.2), criterion="-", fitted_on="-")
    names = VOCABULARY.names
    task = make_task("multilabel", columns=names, vocabulary=VOCABULARY)
    task = task.with_readout(Readout(thresholds=thresholds))
    assert task.questions == (("absent", "A"), ("absent", "C"))
    assert task.choices(np.array([0.5, 0.9, 0.9, 0.1])) == (1, 0)
    assert task.choices(np.array([0.4, 0.0, 0.0, 0.2])) == (0, 1)
    truth = task.true_choices(np.array([[1.0, 0, 0, 0], [0, 1, 1, NAN], [NAN, 0, 0, 1]]))
    assert truth.tolist() == [[1, 0], [0, -1], [-1, 1]]
    none = make_task("multilabel", columns=names, vocabulary=VOCABULARY)
    assert none.questions == () and none.choices(np.array([0.5, 0.9, 0.9, 0.1])) == ()
    assert none.true_choices(np.zeros((3, 4))).shape == (3, 0)


def test_targets_that_exclude_each_other_are_one_question() -> None:
    three = Vocabulary("v", TARGETS[:2] + TARGETS[3:])
    task = make_task("multiclass", columns=("v",), vocabulary=three)
    assert task.questions == (("A", "B", "C"),)
    assert task.choices(np.array([0.2, 0.5, 0.3])) == (1,)
    assert task.true_choices(np.array([[2.0], [NAN], [0.0]])).tolist() == [[2], [-1], [0]]
