"""Cross-validation by group: no patient is ever scored by a model that has seen them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.tasks import TASKS

if TYPE_CHECKING:
    from ecgfoundry.models.baselines.base import Baseline

__all__ = ["cross_validated_predictions", "grouped_folds"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def grouped_folds(
    groups: ArrayLike, *, folds: int = 5, seed: int = 0, labels: ArrayLike | None = None
) -> Int64:
    """Deal groups out to folds.

    Parameters
    ----------
    groups : array-like (records,)
        Patient of every record.
    folds : int
    seed : int
    labels : array-like (records,) or (records, targets), optional
        Numbers, NaN = unknown. With them, groups are dealt out so that the sums of every column
        are about equal in all folds (greedily, large groups first).

    Returns
    -------
    int64 (records,)
        Number of the fold; all records of a group have one number.

    Raises
    ------
    ValueError
        There are fewer groups than folds, or fewer than two folds.
    """
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    count = int(member.max()) + 1 if member.size else 0
    if folds < 2 or count < folds:
        raise ValueError(f"{count} groups cannot be dealt out to {folds} folds (2 at least)")
    size = np.bincount(member).astype(np.float64)
    weight = size[:, None]
    if labels is not None:
        values = np.nan_to_num(np.asarray(labels, dtype=np.float64).reshape(member.size, -1))
        sums = np.stack([np.bincount(member, column, count) for column in values.T], axis=1)
        weight = np.concatenate([weight, sums], axis=1)
    # Rare things first and large groups first: what is dealt out last evens out least.
    total = np.maximum(weight.sum(axis=0), 1e-12)
    share = weight / total
    order = np.random.default_rng(seed).permutation(count)
    order = order[np.argsort(-np.abs(share[order]).max(axis=1), kind="stable")]
    filled = np.zeros((folds, share.shape[1]))
    number = np.zeros(count, np.int64)
    for group in order:
        cost = ((filled + share[group]) ** 2 - filled**2).sum(axis=1)
        number[group] = int(np.argmin(cost))
        filled[number[group]] += share[group]
    result: Int64 = number[member]
    return result


def cross_validated_predictions(
    build: Callable[[], Baseline],
    X: Float64,
    y: Float64,
    groups: ArrayLike,
    *,
    folds: int = 5,
    seed: int = 0,
) -> Float64:
    """Return predictions for every record from models that never saw its group.

    Parameters
    ----------
    build : callable
        Makes an unfitted baseline.
    X : ndarray (records, columns)
    y : ndarray (records,) or (records, targets)
    groups : array-like (records,)
    folds, seed : int

    Returns
    -------
    float64 (records, outputs)
    """
    owners = np.asarray(groups)
    number = grouped_folds(owners, folds=folds, seed=seed, labels=y)
    result: Float64 | None = None
    for fold in range(folds):
        outside = number == fold
        model = build()
        if TASKS[model.kind].exclusive:
            model.classes = int(np.nanmax(y)) + 1
        model.fit(X[~outside], y[~outside], owners[~outside], seed)
        part = model.predict(X[outside])
        if result is None:
            result = np.full((len(X), part.shape[1]), np.nan)
        result[outside] = part
    assert result is not None  # noqa: S101 - there are at least two folds
    return result
