"""Prediction sets of tasks, in bundles and in words."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.models.bundle import find_bundle, load_bundle
from ecgfoundry.reports.certainty import certainty_text
from ecgfoundry.schemas import schema_problems
from ecgfoundry.tasks import Finding, PredictionSets, Readout, make_task
from ecgfoundry.vocabularies import Target, Vocabulary

TARGETS = tuple(Target(name, "rhythm") for name in ("normal", "AF", "other"))
WORDS = Vocabulary("v", TARGETS)
EXCLUSIVE = PredictionSets(0.9, (0.5, 0.2, 0.25), None, "hand", ("AF",))
APART = PredictionSets(0.9, (0.3, None, 0.6), (0.7, 0.2, 0.4), "hand")


def exclusive(answers: list[float]) -> tuple[Finding, ...]:
    task = make_task("multiclass", columns=("v",), vocabulary=WORDS)
    task = task.with_readout(Readout(sets=EXCLUSIVE))
    return task.findings(np.log(np.array(answers)))


def said(findings: tuple[Finding, ...], kind: str) -> str | None:
    return certainty_text(
        Interpretation(
            file=None,
            model="m",
            model_version="1",
            preprocessing="p@1",
            runtime="r",
            target_kind=kind,
            calibrated=True,
            duration_s=10.0,
            verdict="good",
            findings=findings,
        )
    )


@pytest.mark.parametrize(
    ("answers", "outcomes", "words"),
    [
        ([0.8, 0.15, 0.05], ["p", "a", "a"], "90% sets: normal, all others excluded"),
        ([0.5, 0.2, 0.3], ["pa", "pa", "pa"], "90% sets: normal or AF or other, the"),
        ([0.45, 0.28, 0.27], ["a", "pa", "pa"], "90% sets: AF or other, the model abstains"),
        ([0.49, 0.1, 0.24], ["", "", ""], "no class fits this recording, the model abstains"),
    ],
)  # fmt: skip
def test_classes_that_exclude_each_other(
    answers: list[float], outcomes: list[str], words: str
) -> None:
    sets = EXCLUSIVE.outcomes(np.array(answers))
    assert ["".join(o[0] for o in one) for one in sets] == outcomes
    if sum(answers) == pytest.approx(1.0):
        findings = exclusive(answers)
        assert [f.outcomes for f in findings] == sets
        assert [f.abstains for f in findings] == [len(o) != 1 for o in outcomes]
        assert words in (said(findings, "multiclass") or "")


def test_targets_on_their_own() -> None:
    """None is a limit for which there were too few people: that answer stays possible."""
    found = APART.outcomes(np.array([0.2, 0.9, 0.5]))
    assert found == [("absent",), ("present",), ()]
    found = APART.outcomes(np.array([0.5, 0.1, 0.65]))
    assert found == [("present", "absent"), ("present", "absent"), ("present",)]


def test_only_whole_recordings_have_sets() -> None:
    task = make_task("multilabel", columns=WORDS.names, vocabulary=WORDS)
    task = task.with_readout(Readout(sets=APART))
    outputs = np.zeros(3)
    assert all(f.outcomes is not None for f in task.findings(outputs))
    assert all(f.outcomes is None for f in task.findings(outputs, level="reduced_leads"))
    assert all(f.outcomes is None for f in task.long_findings({"AF": 0.5}))
    # 0.5 of each: normal is open, AF present, other neither.
    assert said(task.findings(outputs), "multilabel") == "90% sets: not decided are normal, other"


def test_json_form_and_back() -> None:
    for finding in exclusive([0.45, 0.28, 0.27]):
        document = finding.to_dict()
        assert Finding.from_dict(document) == finding
    assert document["set"] == ["present", "absent"] and document["abstains"] is True
    assert document["coverage"] == 0.9
    for sets in (EXCLUSIVE, APART):
        readout = Readout(sets=sets)
        assert Readout.from_dict(readout.to_dict()) == readout
    assert "set" not in Finding(TARGETS[0], probability=0.5).to_dict()


def test_fitted_by_person_from_validation_records() -> None:
    """Logits whose probabilities are 0.01 to 0.99; 60 people with the target, 40 without."""
    rng = np.random.default_rng(1)
    p = np.concatenate([rng.uniform(0.3, 1.0, 60), rng.uniform(0.0, 0.6, 40)])[:, None]
    truth = np.repeat([1.0, 0.0], [60, 40])[:, None]
    words = Vocabulary("v", TARGETS[:1])
    task = make_task("multilabel", columns=words.names, vocabulary=words)
    people = [str(k) for k in range(100)]
    sets = task.with_sets(np.log(p / (1 - p)), truth, people, source="s").readout.sets
    assert sets is not None and sets.absent is not None
    # A tenth of 0.3 to 1 is 0.37, nine tenths of 0 to 0.6 are 0.54; four standard errors.
    assert sets.present[0] == pytest.approx(0.37, abs=0.11)
    assert sets.absent[0] == pytest.approx(0.54, abs=0.12)
    unlabelled = make_task("positive-unlabelled", columns=words.names, vocabulary=words)
    assert unlabelled.with_sets(np.log(p / (1 - p)), truth, people, source="s") == unlabelled


def test_the_schema_of_bundles_knows_them() -> None:
    document = load_bundle(find_bundle("rhythm-single-lead")).document
    given = document | {"sets": PredictionSets(0.9, (0.5,) * 4, None, "x").to_dict()}
    assert schema_problems("bundle", given) == []
    assert schema_problems("bundle", given | {"sets": {"coverage": 0.9}})
