"""Shifts of quality and prevalence against numbers that follow from how the records were made."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.metrics.shifts import GateVerdicts, class_shares, prevalence_shifts, quality_shift


def gate(good: int, usable: int, refused: int) -> GateVerdicts:
    verdicts = np.array(["good"] * good + ["usable"] * usable + ["refused"] * refused, dtype=object)
    return GateVerdicts(verdicts, np.arange(len(verdicts)))


def test_prevalence_of_one_target_is_that_of_rogan_and_gladen() -> None:
    # (0.41 - 0.2) / (0.9 + 0.8 - 1) = 0.3
    found = class_shares(np.array([[320.0, 10.0], [80.0, 90.0]]), np.array([590.0, 410.0]))
    np.testing.assert_allclose(found, [0.7, 0.3], rtol=1e-12)
    # Fewer answers than false alarms at home: none, and never fewer than none.
    found = class_shares(np.array([[320.0, 10.0], [80.0, 90.0]]), np.array([900.0, 100.0]))
    np.testing.assert_allclose(found, [1.0, 0.0], atol=1e-12)


def test_prevalence_of_three_classes_solves_the_confusions() -> None:
    joint = np.array([[80.0, 20.0, 10.0], [10.0, 60.0, 10.0], [10.0, 20.0, 80.0]])
    # A half, 0.3 and 0.2 of the classes: 0.8*0.5 + 0.2*0.3 + 0.1*0.2 = 0.48, and so on.
    found = class_shares(joint, np.array([480.0, 250.0, 270.0]))
    np.testing.assert_allclose(found, [0.5, 0.3, 0.2], rtol=1e-12)


def test_what_is_not_told_apart_is_not_estimated() -> None:
    found = class_shares(np.array([[50.0, 50.0], [50.0, 50.0]]), np.array([10.0, 20.0]))
    assert np.isnan(found).all()


def test_quality_is_compared_by_person() -> None:
    found = quality_shift(gate(90, 8, 2), gate(50, 30, 20), seed=0)
    assert (found.refused_reference, found.refused) == (0.02, 0.2)
    assert (found.flagged_reference, found.flagged) == (0.08, 0.3)
    assert found.p_value == 0.001  # the smallest of 999 permutations
    # Three people against three, one of each kind: 2 of the 20 ways to deal them are as far.
    three = quality_shift(gate(3, 0, 0), gate(0, 0, 3), seed=0)
    assert three.p_value == pytest.approx(0.1, abs=0.03)
    # The same records of one person on either side prove nothing.
    alone = GateVerdicts(gate(0, 0, 30).verdicts, np.zeros(30))
    one = GateVerdicts(gate(30, 0, 0).verdicts, np.zeros(30))
    assert quality_shift(one, alone, seed=0).p_value == 1.0


def of_people(joint: list[list[int]]) -> np.ndarray:
    """One record of each person: (people, answers, classes)."""
    cells = np.array(joint)
    return np.eye(cells.size)[np.repeat(np.arange(cells.size), cells.ravel())].reshape(
        -1, *cells.shape
    )


def test_shifts_of_people_need_no_labels_of_the_new_ones() -> None:
    """Sensitivity 0.9 and specificity 0.8 of 500; of 100 new ones 62 are said to have it."""
    home = of_people([[320, 10], [80, 90]])
    away = of_people([[38], [62]])[:, :, 0]
    absent, present = prevalence_shifts(home, away, ("absent", "AF"), draws=200)
    assert (absent.target, present.target) == ("absent", "AF")
    assert (present.reference, present.answered_reference) == (0.2, 0.34)
    assert present.answered == 0.62 and present.estimated == pytest.approx(0.6)
    assert present.low < 0.6 < present.high and present.shifted is True
    assert np.isnan(present.observed) and present.problem == ""
    without = prevalence_shifts(home, away, ("absent", "AF"), draws=0)
    assert without[1].estimated == pytest.approx(0.6) and without[1].shifted is None
