"""How groups are dealt out to folds, and what a model of each fold sees, by hand."""

from __future__ import annotations

import itertools
from typing import ClassVar

import numpy as np
import pytest

from ecgfoundry.models.baselines import cross_validated_predictions, grouped_folds

NAN = float("nan")


def sums(weights: list[float], number: np.ndarray, folds: int) -> list[float]:
    return sorted(float(sum(w for w, k in zip(weights, number, strict=True) if k == fold))
                  for fold in range(folds))  # fmt: skip


def test_large_groups_are_dealt_out_first_to_the_emptiest_fold() -> None:
    """Groups of 9, 7, 6, 5, 4 and 2 records: 9 + 5 + 2 and 7 + 6 + 4, then by thirds."""
    sizes = [2, 9, 4, 7, 6, 5]
    groups = np.repeat(np.arange(6), sizes)
    for seed in range(4):
        number = grouped_folds(groups, folds=2, seed=seed)
        own = number[np.cumsum(sizes) - 1]
        assert sums(sizes, own, 2) == [16, 17]
        assert own[1] == own[5] == own[0] != own[3] == own[4] == own[2]
        thirds = grouped_folds(groups, folds=3, seed=seed)[np.cumsum(sizes) - 1]
        assert sums(sizes, thirds, 3) == [11, 11, 11]  # 9 + 2, 7 + 4, 6 + 5


def test_labels_count_beside_records_each_as_a_share_of_its_sum() -> None:
    """Twelve patients of one record; the first four have the target, and so have their folds."""
    labels = np.array([1.0] * 4 + [0.0] * 7 + [NAN])
    for seed in range(5):
        number = grouped_folds(np.arange(12), folds=4, seed=seed, labels=labels)
        assert sorted(number[:4]) == [0, 1, 2, 3]
        assert np.bincount(number).tolist() == [3, 3, 3, 3]
    two = np.zeros((12, 2))
    two[:4, 0], two[4:8, 1] = 1.0, 1.0
    number = grouped_folds(np.arange(12), folds=4, labels=two)
    assert sorted(number[:4]) == sorted(number[4:8]) == [0, 1, 2, 3]


def test_a_negative_quantity_weighs_by_its_size() -> None:
    labels = np.array([-8.0, 8.0, 0.0, 0.0])
    number = grouped_folds(np.arange(4), folds=2, labels=labels)
    assert np.bincount(number).tolist() == [2, 2]


def test_the_seed_decides_among_equal_groups_only() -> None:
    found = {tuple(grouped_folds(np.arange(10), folds=5, seed=seed)) for seed in range(6)}
    assert len(found) > 1
    usual = grouped_folds(np.arange(10))
    assert tuple(usual) == tuple(grouped_folds(np.arange(10), folds=5, seed=0))
    assert np.bincount(usual).tolist() == [2] * 5


@pytest.mark.parametrize(
    ("groups", "folds", "refused"),
    [(2, 2, False), (2, 3, True), (3, 3, False), (5, 1, True), (5, 0, True), (0, 2, True)],
)
def test_there_are_two_folds_at_least_and_no_more_than_groups(
    groups: int, folds: int, refused: bool
) -> None:
    if refused:
        with pytest.raises(ValueError, match=f"{groups} groups"):
            grouped_folds(np.arange(groups), folds=folds)
    else:
        assert sorted(grouped_folds(np.arange(groups), folds=folds)) == list(range(groups))


class Remembering:
    """A model that predicts how often it has seen the group of a record: never."""

    seen: ClassVar[list[tuple[set[int], int, int]]] = []

    def __init__(self, kind: str) -> None:
        self.kind, self.classes, self.groups = kind, 0, np.empty(0)

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray, seed: int) -> Remembering:
        assert len(X) == len(y) == len(groups)
        assert (X[:, 0] == groups).all()
        self.groups = groups
        self.seen.append((set(groups.tolist()), seed, self.classes))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        own = (X[:, :1] == self.groups[None]).sum(axis=1)
        return np.stack([own, X[:, 0]], axis=1).astype(float)


@pytest.mark.parametrize(("kind", "classes"), [("multiclass", 4), ("multilabel", 0)])
def test_every_record_is_predicted_once_by_a_model_that_never_saw_its_group(
    kind: str, classes: int
) -> None:
    groups = np.repeat(np.arange(12), 3)
    x = groups[:, None].astype(float)
    y = np.tile([0.0, 3.0, 1.0], 12)
    Remembering.seen = []
    found = cross_validated_predictions(
        lambda: Remembering(kind), x, y, groups, seed=9,  # type: ignore[arg-type,return-value]
    )  # fmt: skip
    assert (found[:, 0] == 0).all()
    assert (found[:, 1] == groups).all()
    assert len(Remembering.seen) == 5
    outside = [set(range(12)) - seen for seen, _, _ in Remembering.seen]
    assert sorted(g for fold in outside for g in fold) == list(range(12))
    assert all(not a & b for a, b in itertools.combinations(outside, 2))
    assert {seed for _, seed, _ in Remembering.seen} == {9}
    assert {k for _, _, k in Remembering.seen} == {classes}
