"""Which task the values of a table ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import TrainingError
from ecgfoundry.tasks.base import Task
from ecgfoundry.tasks.registry import TASKS
from ecgfoundry.vocabularies.types import Vocabulary

__all__ = ["infer_task"]

MOST_CLASSES = 10
"""A column of more distinct whole numbers is taken for a measured value (our choice)."""

Float64 = NDArray[np.float64]


def infer_task(
    values: Float64,
    columns: Sequence[str],
    *,
    classes: Mapping[str, Sequence[str]] | None = None,
    kind: str = "auto",
    unit: str | None = None,
    **more: Any,
) -> Task:
    """Make a task from the values of the chosen columns.

    Parameters
    ----------
    values : ndarray (records, columns)
        NaN is missing.
    columns : sequence of str
    classes : mapping, optional
        Column -> names of its classes, where it held text.
    kind : str
        One of :data:`ecgfoundry.tasks.TASKS`, or "auto": text or up to ten whole numbers beyond 0
        and 1 are multiclass, 0 and 1 binary or (several columns) multilabel, everything else a
        regression.
    unit : str, optional
        Of a regression's values. For a column called "age": "years".
    **more
        ``loss``, ``balance`` and ``aggregate`` of :class:`ecgfoundry.tasks.Task`.

    Raises
    ------
    TrainingError
        The values do not fit the kind.
    """
    names, texts = tuple(columns), dict(classes or {})
    chosen = TASKS[_kind_of(values, names, texts) if kind == "auto" else kind]
    targets = chosen.targets_of(names, values, texts, unit)
    vocabulary = Vocabulary("-".join(names)[:80] or "targets", targets, "columns of the manifest")
    return chosen(columns=names, vocabulary=vocabulary, **more)


def _kind_of(values: Float64, names: tuple[str, ...], texts: Mapping[str, Sequence[str]]) -> str:
    if any(len(texts.get(name, ())) > 2 for name in names):
        if len(names) > 1:
            raise TrainingError("only one target of several classes can be learned at a time")
        return "multiclass"
    known = values[~np.isnan(values)]
    levels = np.unique(known)
    if set(levels) <= {0.0, 1.0}:
        return "binary" if len(names) == 1 else "multilabel"
    whole = bool((levels == np.round(levels)).all() and levels.min() >= 0)
    if len(names) == 1 and whole and len(levels) <= MOST_CLASSES and levels.max() < MOST_CLASSES:
        return "multiclass"
    return "regression"
