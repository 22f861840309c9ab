"""Baselines learn what is there, nothing where there is nothing, and the same thing every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.models.baselines import (
    BASELINES,
    age_sex_matrix,
    create_baseline,
    cross_validated_predictions,
    grouped_folds,
    heart_rate_matrix,
    random_embeddings,
)

pytest.importorskip("sklearn")
from sklearn.metrics import roc_auc_score


def records(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two columns matter, one is noise, one is missing throughout, one has holes and an outlier."""
    generator = np.random.default_rng(seed)
    groups = generator.integers(0, n // 3, n)
    x = generator.normal(size=(n, 5))
    logit = 1.5 * x[:, 0] - 2.0 * x[:, 1]
    y = np.stack(
        [generator.random(n) < 1 / (1 + np.exp(-logit)), generator.random(n) < 0.3], axis=1
    ).astype(float)
    y[::17, 0] = np.nan
    x[:, 3] = np.nan
    x[generator.random(n) < 0.2, 4] = np.nan
    x[7, 0] = 1e12
    x[9, 1] = np.inf
    return x, y, groups


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("kind", ["multilabel", "multiclass", "regression"])
def test_every_baseline_of_every_kind(name: str, kind: str) -> None:
    x, y, groups = records(240)
    target = np.nan_to_num(y[:, 0]) + y[:, 1] if kind == "multiclass" else y
    model = create_baseline(name, kind).fit(x, target, groups, 0)
    answer = model.predict(x)
    assert answer.shape == (240, 3 if kind == "multiclass" else 2)
    assert np.isfinite(answer).all()
    if kind != "regression":
        assert (answer >= 0).all() and (answer <= 1).all()
    if kind == "multiclass":
        np.testing.assert_allclose(answer.sum(1), 1)
    again = create_baseline(name, kind).fit(x, target, groups, 0).predict(x)
    assert np.array_equal(answer, again)


@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_what_is_there_is_found_and_what_is_not_is_not(name: str) -> None:
    x, y, groups = records()
    answer = cross_validated_predictions(lambda: create_baseline(name), x, y, groups, seed=1)
    known = np.isfinite(y[:, 0])
    assert roc_auc_score(y[known, 0], answer[known, 0]) > 0.83
    assert 0.4 < roc_auc_score(y[:, 1], answer[:, 1]) < 0.6


def test_the_prevalence_ignores_unknown_answers() -> None:
    y = np.array([[1.0], [np.nan], [0.0], [0.0], [1.0], [1.0]])
    model = create_baseline("prevalence").fit(np.zeros((6, 1)), y)
    np.testing.assert_allclose(model.predict(np.zeros((2, 1))), 0.6)


def test_linear_is_the_textbook_ridge() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 3))
    y = x @ [1.0, -2.0, 0.5] + 3.0 + 0.01 * generator.normal(size=400)
    model = create_baseline("linear", "regression").fit(x, y[:, None])
    new = generator.normal(size=(50, 3))
    np.testing.assert_allclose(model.predict(new)[:, 0], new @ [1.0, -2.0, 0.5] + 3.0, atol=0.05)


@pytest.mark.parametrize("name", BASELINES)
def test_a_target_without_both_answers_gets_its_mean(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    y = np.zeros((50, 2))
    y[:, 1] = np.nan
    answer = create_baseline(name).fit(x, y).predict(x)
    assert (answer[:, 0] == 0).all()
    assert np.isnan(answer[:, 1]).all()


@given(
    groups=st.lists(st.integers(0, 12), min_size=30, max_size=120),
    seed=st.integers(0, 1000),
    folds=st.integers(2, 5),
)
@settings(max_examples=40)
def test_folds_never_split_a_group(groups: list[int], seed: int, folds: int) -> None:
    if len(set(groups)) < folds:
        with pytest.raises(ValueError, match="groups"):
            grouped_folds(groups, folds=folds, seed=seed)
        return
    number = grouped_folds(groups, folds=folds, seed=seed)
    assert np.array_equal(number, grouped_folds(groups, folds=folds, seed=seed))
    assert set(number) <= set(range(folds))
    for group in set(groups):
        assert len(set(number[np.asarray(groups) == group])) == 1


def test_folds_share_rare_positives() -> None:
    labels = np.zeros(500)
    labels[:10] = 1
    number = grouped_folds(np.arange(500), folds=5, seed=3, labels=labels)
    assert np.bincount(number[:10]).tolist() == [2] * 5
    assert np.ptp(np.bincount(number)) <= 5


def test_inputs_of_the_simple_controls() -> None:
    matrix = age_sex_matrix([60, 80, np.nan, 40], ["female", "male", "male", None])
    assert matrix[0].tolist() == [0, 0, 1, 0]
    assert matrix[1].tolist() == [1, 1, 0, 0]
    assert np.isnan(matrix[2, 0]) and np.isnan(matrix[3, 2])
    assert heart_rate_matrix([80, 40, 120]).tolist() == [[0, 0, 0], [-2, 1, 0], [2, 0, 1]]


def test_random_embeddings_depend_on_the_seed_alone() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    x = np.random.default_rng(0).normal(size=(3, 12, 500)).astype(np.float32)
    x[1, 4] = np.nan
    settings = {"widths": (16, 32), "blocks": (1, 1)}
    before = torch.random.get_rng_state()
    first = random_embeddings("net1d", x, seed=5, configuration=settings)
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.shape == (3, 32) and np.isfinite(first).all()
    torch.manual_seed(99)
    assert np.array_equal(
        first, random_embeddings("net1d", x, seed=5, batch_size=3, configuration=settings)
    )
    assert not np.array_equal(first, random_embeddings("net1d", x, seed=6, configuration=settings))
