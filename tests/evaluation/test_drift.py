"""Drift against numbers that follow from how the records were made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecgfoundry.evaluation.cohort import EvaluationData, Thresholds
from ecgfoundry.evaluation.drift import drift
from ecgfoundry.evaluation.evaluate import evaluate
from ecgfoundry.evaluation.report.report import evaluation_report
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.metrics.shifts import GateVerdicts

QUICK = Settings(draws=200)
DECIDED = Thresholds({"AF": 0.5}, "by hand")


def af(true_positive: int, missed: int, false_alarm: int, right: int, **more) -> EvaluationData:
    """So many records of each kind, each of a person of its own."""
    counts = (true_positive, missed, false_alarm, right)
    label = np.repeat([1.0, 1.0, 0.0, 0.0], counts)[:, None]
    score = np.repeat([0.9, 0.1, 0.9, 0.1], counts)[:, None]
    return EvaluationData(("AF",), label, score, np.arange(sum(counts)), **more)


HOME = af(90, 10, 80, 320)
"""Sensitivity 0.9, specificity 0.8, prevalence 0.2."""


def gate(good: int, usable: int, refused: int) -> GateVerdicts:
    verdicts = np.array(["good"] * good + ["usable"] * usable + ["refused"] * refused, dtype=object)
    return GateVerdicts(verdicts, np.arange(len(verdicts)))


def test_a_shift_is_found_and_the_same_prevalence_is_none() -> None:
    away = af(540, 60, 80, 320, fit=HOME, thresholds=DECIDED)  # the same rates, 600 of 1000
    found, _ = drift(away, QUICK)
    assert found is not None
    (shift,) = found.prevalence
    assert (shift.reference, shift.observed) == (0.2, 0.6)
    assert shift.answered_reference == pytest.approx(0.34)
    assert shift.answered == pytest.approx(0.62)
    assert shift.estimated == pytest.approx(0.6)
    assert 0.5 < shift.low < 0.6 < shift.high < 0.7 and shift.shifted is True
    same, _ = drift(replace(HOME, fit=HOME, thresholds=DECIDED), QUICK)
    assert same is not None
    assert same.prevalence[0].estimated == pytest.approx(0.2)
    assert same.prevalence[0].shifted is False


def test_few_records_and_few_people_are_said() -> None:
    few, _ = drift(af(20, 20, 20, 20, fit=af(4, 5, 20, 20), thresholds=DECIDED), QUICK)
    assert few is not None and np.isnan(few.prevalence[0].estimated)
    assert few.prevalence[0].problem == "a class has fewer than 10 reference records"
    one_person = replace(af(54, 6, 8, 32, fit=HOME, thresholds=DECIDED), patients=np.zeros(100))
    found, _ = drift(one_person, QUICK)
    assert found is not None and found.prevalence[0].estimated == pytest.approx(0.6)
    assert found.prevalence[0].shifted is None
    assert found.prevalence[0].problem == "no interval: fewer than 30 people"


def test_classes_that_exclude_each_other_are_estimated_together() -> None:
    def of(joint: list[list[int]], **more) -> EvaluationData:
        said, truth = np.indices((3, 3)).reshape(2, 9).repeat(np.ravel(joint), axis=1)
        eye = np.eye(3)
        rows = np.arange(len(said))
        return EvaluationData(("N", "A", "O"), eye[truth], eye[said], rows, multiclass=True, **more)

    home = of([[80, 20, 10], [10, 60, 10], [10, 20, 80]])
    away = of([[400, 60, 20], [50, 180, 20], [50, 60, 160]], fit=home)
    found, _ = drift(away, QUICK)
    assert found is not None
    assert [s.estimated for s in found.prevalence] == pytest.approx([0.5, 0.3, 0.2])
    assert [s.observed for s in found.prevalence] == pytest.approx([0.5, 0.3, 0.2])


def test_embeddings_are_compared_by_person() -> None:
    generator = np.random.default_rng(0)
    home = replace(HOME, embeddings=generator.normal(size=(500, 6)))
    moved = af(30, 10, 20, 40, embeddings=generator.normal(0.8, 1, size=(100, 6)), fit=home)
    found, _ = drift(replace(moved, thresholds=DECIDED), QUICK)
    assert found is not None and found.embeddings is not None
    assert found.embeddings.shifted and found.embeddings.points == 100
    assert found.embeddings.p_value == 0.001  # the smallest of 999 permutations
    # A hundred records of forty people are forty points, of which one has no embedding at first.
    repeated = replace(moved, patients=np.arange(100) % 40)
    repeated.embeddings[0] = np.nan
    found, _ = drift(repeated, QUICK)
    assert found is not None and found.embeddings is not None and found.embeddings.points == 40
    # A few people are not compared, and neither is a table of scores, which has no embeddings.
    found, _ = drift(replace(moved, patients=np.arange(100) % 20, thresholds=DECIDED), QUICK)
    assert found is not None and found.embeddings is None
    found, _ = drift(replace(moved, embeddings=None, thresholds=DECIDED), QUICK)
    assert found is not None and found.embeddings is None


def test_the_evaluation_and_its_report_say_it() -> None:
    generator = np.random.default_rng(1)
    home = replace(HOME, gate=gate(490, 5, 5), embeddings=generator.normal(size=(500, 3)))
    away = af(540, 60, 80, 320, fit=home, thresholds=DECIDED, gate=gate(900, 0, 100),
              embeddings=generator.normal(1, 1, size=(1000, 3)))  # fmt: skip
    evaluation = evaluate(away, replace(QUICK, controls=False))
    document = evaluation.document["drift"]
    assert document["prevalence"][0]["shifted"] is True
    assert document["quality"]["refused"] == 0.1 and document["reference_records"] == 500
    assert document["embeddings"]["shifted"] is True and document["embeddings"]["points"] == 1000
    page = evaluation_report(evaluation)
    assert "of 1,000 people from 500 in validation, beyond" in page
    assert 'id="drift"' in page and "10.0% of 1,000 records refused" in page
    without = evaluate(replace(away, fit=None), replace(QUICK, controls=False))
    assert without.document["drift"] is None
    assert "no validation records" in str(without.document["not_computed"]["drift"])
    assert "Not computed: no validation records" in evaluation_report(without)
