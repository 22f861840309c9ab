"""Limits of prediction sets: by hand, and their coverage on numbers whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.errors import SignalError
from ecgfoundry.metrics.conformal import class_limits, lower_limit, people_needed


def test_how_many_people_a_coverage_needs() -> None:
    """n scores part the line into n + 1 equally likely pieces; 1 of 10 needs 9, 1 of 20 19."""
    assert [people_needed(c) for c in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]
    for wrong in (0.4, 1.0):
        with pytest.raises(SignalError, match="not within 0.5 and 1"):
            people_needed(wrong)


def test_limits_by_hand() -> None:
    nine = np.arange(1, 10) / 10
    assert lower_limit(nine) == pytest.approx(0.1)
    assert lower_limit(nine[:8]) is None
    # Of 14, position 0.1 * 15 = 1.5: midway between the lowest and the next.
    assert lower_limit(np.arange(14.0)) == pytest.approx(0.5)
    assert lower_limit(np.arange(19.0), coverage=0.95) == pytest.approx(0.0)
    assert lower_limit([]) is None


def test_a_person_counts_once() -> None:
    """A tenth person with a hundred records of the score 0 is one of ten, not 100 of 109."""
    people = [str(k) for k in range(9)] + ["many"] * 100
    scores = [*(np.arange(1, 10) / 10), *[0.0] * 100]
    # Ten people, position 0.1 * 11 = 1.1: a tenth of the way from 0 to 0.1.
    assert lower_limit(scores, people) == pytest.approx(0.01)
    assert lower_limit(scores[9:], people[9:]) is None


def test_rare_classes_share_a_limit() -> None:
    """Twelve people of class 0, six of class 1, four of class 2, nobody of class 3."""
    classes = np.repeat([0, 1, 2], [12, 6, 4])
    scores = np.full((22, 4), np.nan)
    scores[np.arange(22), classes] = [*np.linspace(0.5, 0.9, 12), *np.arange(1, 11) / 20]
    limits, shared = class_limits(scores, classes)
    assert shared == [1, 2, 3]
    assert limits is not None
    # Class 0: position 1.3 of 13. The ten others: position 1.1 of 11, from 0.05 in steps of 0.05.
    assert limits == pytest.approx([0.5 + 0.3 * 0.4 / 11, 0.055, 0.055, 0.055])
    # With three of class 1 the two rare ones have seven people, and class 0 joins them.
    fewer = np.r_[0:15, 18:22]
    limits, shared = class_limits(scores[fewer], classes[fewer])
    assert shared == [0, 1, 2, 3] and limits is not None and len(set(limits)) == 1
    assert class_limits(scores[:8], classes[:8]) == (None, [0, 1, 2, 3])


@pytest.mark.slow
@pytest.mark.parametrize("people", [9, 15, 30, 50])
def test_the_coverage_of_new_people_is_the_stated_one(people: int) -> None:
    """Mean over 1,500 studies; its standard error is below 0.003."""
    rng = np.random.default_rng(people)
    limits = [lower_limit(rng.random(people)) for _ in range(1500)]
    # A uniform score reaches a limit with the probability 1 - limit.
    assert 1 - np.mean(np.array(limits, dtype=float)) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(("between", "low", "high"), [(1.0, 0.88, 0.92), (0.0, 0.89, 0.94)])
def test_people_with_many_records(between: float, low: float, high: float) -> None:
    """15 people of 20 records that are all alike, or not at all; a little more is covered then."""
    rng, held = np.random.default_rng(3), []
    who = np.repeat(np.arange(15), 20).tolist()
    for _ in range(120):
        own = rng.normal(size=(15, 1)) * between + rng.normal(size=(15, 20)) * (1 - between)
        limit = lower_limit(own.ravel(), who)
        new = rng.normal(size=1000) * between + rng.normal(size=1000) * (1 - between)
        held.append((new >= limit).mean())
    assert low < np.mean(held) < high
