"""The baselines themselves: prevalence, a linear model, boosted trees.

Every baseline takes columns as they are measured, with NaN where something could not be measured,
and brings its own imputation and scaling, fitted on the training part alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import MissingExtraError
from ecgfoundry.models.baselines.base import Baseline, Float64
from ecgfoundry.models.baselines.folds import grouped_folds
from ecgfoundry.tasks import TASKS, Task

__all__ = ["BASELINES", "Boosting", "Linear", "Prevalence", "create_baseline"]


PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Strengths that the linear model chooses from, by groups within the training part. Per record and
column of unit deviation (our choice)."""
INNER_FOLDS = 3
MOST_DEVIATIONS = 5.0
"""Scaled columns are clipped here: one absurd measurement must not carry a record (our choice)."""
FEWEST_EACH = 2
"""Positives and negatives without which a target is answered with its prevalence."""
TREES = 150
LEARNING_RATE = 0.06
LEAVES = 15
FEWEST_IN_LEAF = 20
"""Settings of the boosted trees, fixed: a baseline is not tuned on what it is compared on (our
choice)."""


class _Base:
    """Targets one by one, unknown answers left out, class numbers turned into columns."""

    def __init__(self, kind: str = "multilabel", *, classes: int | None = None) -> None:
        if kind not in TASKS:
            raise ValueError(f"kind is {kind!r}; one of {', '.join(TASKS)} is needed")
        self.kind = kind
        self.task = TASKS[kind]
        self.classes = classes
        self._models: list[Callable[[Float64], Float64]] = []

    def fit(self, X: Float64, y: Float64, groups: ArrayLike | None = None, seed: int = 0) -> _Base:
        """See :class:`Baseline`."""
        x = _matrix(X)
        values = np.asarray(y, dtype=np.float64)
        if len(values) != len(x):
            raise ValueError(f"X has {len(x)} records and y has {len(values)}")
        owners = np.arange(len(x)) if groups is None else np.asarray(groups)
        if self.task.exclusive:
            values = self._indicators(values)
        values = values.reshape(len(x), -1)
        self._models = []
        for column in values.T:
            known = np.isfinite(column)
            self._models.append(self._fit_one(x[known], column[known], owners[known], seed))
        return self

    def predict(self, X: Float64) -> Float64:
        """See :class:`Baseline`."""
        if not self._models:
            raise ValueError("predict was called before fit")
        x = _matrix(X)
        result = np.stack([model(x) for model in self._models], axis=1)
        if self.task.exclusive:
            # One model against the rest each: made to sum to 1.
            result = np.maximum(result, 1e-9)
            result = result / result.sum(axis=1, keepdims=True)
        return result

    def _indicators(self, values: Float64) -> Float64:
        flat = values.reshape(-1)
        known = np.isfinite(flat)
        count = self.classes or (int(flat[known].max()) + 1 if known.any() else 1)
        self.classes = count
        columns = (flat[:, None] == np.arange(count)).astype(np.float64)
        columns[~known] = np.nan
        return columns

    def _fit_one(
        self, x: Float64, y: Float64, groups: NDArray[Any], seed: int
    ) -> Callable[[Float64], Float64]:
        if y.size == 0:
            return _Constant(float("nan"))
        if self.task.decides and min(y.sum(), y.size - y.sum()) < FEWEST_EACH:
            return _Constant(float(y.mean()))
        return self._fit_known(x, y, groups, seed)

    def _fit_known(
        self, x: Float64, y: Float64, groups: NDArray[Any], seed: int
    ) -> Callable[[Float64], Float64]:
        raise NotImplementedError


class Prevalence(_Base):
    """The mean of the training answers for everybody: what knowing nothing gives."""

    def _fit_known(
        self, x: Float64, y: Float64, groups: NDArray[Any], seed: int
    ) -> Callable[[Float64], Float64]:
        return _Constant(float(y.mean()))


class Linear(_Base):
    """Logistic or ridge regression with a penalty chosen by groups within the training part."""

    def _fit_known(
        self, x: Float64, y: Float64, groups: NDArray[Any], seed: int
    ) -> Callable[[Float64], Float64]:
        penalty = self._choose(x, y, groups, seed)
        return self._with(penalty, x, y)

    def _choose(self, x: Float64, y: Float64, groups: NDArray[Any], seed: int) -> float:
        if len(np.unique(groups)) < INNER_FOLDS:
            return PENALTIES[len(PENALTIES) // 2]
        number = grouped_folds(groups, folds=INNER_FOLDS, seed=seed, labels=_for_dealing(y))
        losses = np.zeros(len(PENALTIES))
        for fold in range(INNER_FOLDS):
            inside, outside = number != fold, number == fold
            if self.task.decides and len(np.unique(y[inside])) < 2:
                continue
            # Imputation and scaling do not depend on the penalty.
            columns = _Columns.of(x[inside])
            z = columns(x[inside])
            for place, penalty in enumerate(PENALTIES):
                answer = self._fitted(penalty, columns, z, y[inside])(x[outside])
                losses[place] += _loss(y[outside], answer, self.task)
        return PENALTIES[int(np.argmin(losses))]

    def _with(self, penalty: float, x: Float64, y: Float64) -> Callable[[Float64], Float64]:
        columns = _Columns.of(x)
        return self._fitted(penalty, columns, columns(x), y)

    def _fitted(
        self, penalty: float, columns: _Columns, z: Float64, y: Float64
    ) -> Callable[[Float64], Float64]:
        linear = _sklearn("linear_model")
        if z.shape[1] == 0:
            return _Constant(float(y.mean()))
        # scikit-learn sums over records; a penalty per record keeps its meaning at any size.
        model = (
            linear.LogisticRegression(C=1.0 / (penalty * len(y)), max_iter=1000)
            if self.task.decides
            else linear.Ridge(alpha=penalty * len(y))
        )
        model.fit(z, y)
        return _Fitted(columns, model, self.task.decides)


class Boosting(_Base):
    """Boosted trees (histogram gradient boosting) with fixed settings; they take NaN as it is."""

    def _fit_known(
        self, x: Float64, y: Float64, groups: NDArray[Any], seed: int
    ) -> Callable[[Float64], Float64]:
        ensemble = _sklearn("ensemble")
        settings = {
            "max_iter": TREES,
            "learning_rate": LEARNING_RATE,
            "max_leaf_nodes": LEAVES,
            "min_samples_leaf": min(FEWEST_IN_LEAF, max(1, len(y) // 10)),
            "l2_regularization": 1.0,
            # Its own early stopping would split patients at random.
            "early_stopping": False,
            "random_state": seed,
        }
        # scikit-learn's binning stumbles over columns without a single value.
        columns = _Present(np.flatnonzero(np.isfinite(x).any(axis=0)))
        if columns.index.size == 0:
            return _Constant(float(y.mean()))
        model = (
            ensemble.HistGradientBoostingClassifier(**settings)
            if self.task.decides
            else ensemble.HistGradientBoostingRegressor(**settings)
        )
        model.fit(columns(x), y)
        return _Fitted(columns, model, self.task.decides)


BASELINES: Mapping[str, tuple[type[_Base], str]] = {
    "prevalence": (Prevalence, "the mean of the training answers"),
    "linear": (Linear, "logistic or ridge regression"),
    "boosting": (Boosting, "gradient-boosted trees"),
}
"""Name -> class and description."""


def create_baseline(name: str, kind: str = "multilabel", *, classes: int | None = None) -> Baseline:
    """Make an unfitted baseline by its name in :data:`BASELINES`.

    Raises
    ------
    ValueError
        There is none of this name or kind.
    """
    if name not in BASELINES:
        raise ValueError(f"there is no baseline {name!r}; known are: {', '.join(BASELINES)}")
    return BASELINES[name][0](kind, classes=classes)


@dataclass(frozen=True)
class _Constant:
    value: float

    def __call__(self, x: Float64) -> Float64:
        return np.full(len(x), self.value)


@dataclass(frozen=True, eq=False)
class _Present:
    index: NDArray[np.int64]

    def __call__(self, x: Float64) -> Float64:
        return x[:, self.index]


def _middle_and_scale(x: Float64) -> tuple[Float64, Float64]:
    """Return the median and a robust standard deviation of each column; 1 where there is none."""
    low, middle, high = np.quantile(x, (0.25, 0.5, 0.75), axis=0)
    # 1.349 interquartile ranges are a standard deviation of a normal distribution.
    spread = (high - low) / 1.349
    spread = np.where(spread == 0.0, x.std(axis=0), spread)
    return middle, np.where(spread > 0, spread, 1.0)


@dataclass(frozen=True, eq=False)
class _Columns:
    """Median imputation with a flag per incomplete column, robust scaling, clipping."""

    index: NDArray[np.int64]
    median: Float64
    scale: Float64
    flagged: NDArray[np.int64]

    @classmethod
    def of(cls, x: Float64) -> _Columns:
        there = np.isfinite(x)
        whole: NDArray[np.bool_] = np.asarray(there.all(axis=0))
        varies = np.zeros(x.shape[1], dtype=bool)
        varies[whole] = np.ptp(x[:, whole], axis=0) > 0 if len(x) else False
        # A column with gaps says something even where its values are all alike.
        index = np.flatnonzero(varies | (there.any(axis=0) & ~whole))
        median, scale = np.zeros(index.size), np.ones(index.size)
        complete = whole[index]
        if complete.any():
            median[complete], scale[complete] = _middle_and_scale(x[:, index[complete]])
        for position in np.flatnonzero(~complete):
            values = x[there[:, index[position]], index[position]]
            middle, spread = _middle_and_scale(values[:, None])
            median[position], scale[position] = middle[0], spread[0]
        flagged = index[~there[:, index].all(axis=0)] if index.size else index
        return cls(index, median, scale, flagged)

    def __call__(self, x: Float64) -> Float64:
        chosen = x[:, self.index]
        filled = np.where(np.isfinite(chosen), chosen, self.median)
        z = np.clip((filled - self.median) / self.scale, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        flags = (~np.isfinite(x[:, self.flagged])).astype(np.float64)
        return np.concatenate([z, flags], axis=1)


@dataclass(frozen=True, eq=False)
class _Fitted:
    columns: Callable[[Float64], Float64]
    model: Any
    decides: bool

    def __call__(self, x: Float64) -> Float64:
        z = self.columns(x)
        found = self.model.predict_proba(z)[:, 1] if self.decides else self.model.predict(z)
        return np.asarray(found, dtype=np.float64)


def _matrix(X: Float64) -> Float64:
    x = np.asarray(X, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"X has shape {x.shape}; (records, columns) is needed")
    return np.where(np.isfinite(x), x, np.nan)


def _for_dealing(y: Float64) -> Float64:
    """Numbers that may be summed: labels as they are, measurements above their median."""
    return y if set(np.unique(y)) <= {0.0, 1.0} else (y > np.median(y)).astype(np.float64)


def _loss(y: Float64, answer: Float64, task: type[Task]) -> float:
    if not task.decides:
        return float(np.square(y - answer).sum())
    p = np.clip(answer, 1e-6, 1 - 1e-6)
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).sum())


def _sklearn(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"sklearn.{module}")
    except ImportError:
        raise MissingExtraError.for_extra("fitting a baseline", "data") from None
