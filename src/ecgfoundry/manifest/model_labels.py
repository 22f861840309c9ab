"""The labels of a table, as the outputs of a model mean them.

A column of text classes trains a network with an output per class (or, of two, one for the second);
the same table, and the ``split.csv`` of the run, which holds the classes as numbers, have to serve
for measuring that network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import ManifestError
from ecgfoundry.manifest.reading import MappedManifest
from ecgfoundry.manifest.table import Manifest
from ecgfoundry.manifest.targets import mark_problem
from ecgfoundry.tasks import Task

__all__ = ["ModelLabels", "labels_of_model"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ModelLabels:
    """Labels of some outputs of a model.

    Attributes
    ----------
    names : tuple of str
        Outputs with labels, in the order of the model.
    values : float64 (rows, names)
        0, 1 or a quantity; NaN is missing.
    unused : tuple of str
        Targets of the table that the model does not answer.
    manifest : Manifest
        The rows, with these labels as their targets.
    """

    names: tuple[str, ...]
    values: Float64
    unused: tuple[str, ...]
    manifest: Manifest


def labels_of_model(data: MappedManifest, task: Task) -> ModelLabels:
    """Find the labels of a model's outputs in a table.

    Parameters
    ----------
    data : MappedManifest
    task : Task
        Of the model's bundle.

    A target serves for the output of its name; for ``NAME: CLASS``, where it holds the two classes
    as text or as 0 and 1; and, where all outputs are about one column, for all of them: where its
    classes are theirs by name, or, under the name that the model was trained with, by number.

    Raises
    ------
    ManifestError
        No target of the table is one of the model, or a class is none of the model's.
    """
    vocabulary = task.vocabulary
    columns: dict[str, Float64] = {}
    unused = []
    for name in data.targets or data.manifest.target_names:
        values = data.manifest.targets([name])[:, 0]
        problem = mark_problem(name, values)
        if problem is not None:
            raise problem
        found = _outputs_of(name, values, data.classes.get(name), task, data)
        if not found:
            unused.append(name)
        columns |= found
    names = tuple(name for name in vocabulary.names if name in columns)
    if not names:
        there = ", ".join(data.manifest.target_names) or "none"
        raise ManifestError(
            f"no target column ({there}) is a target of {vocabulary.name} "
            f"({', '.join(vocabulary.names)})",
            path=data.manifest.folder,
            remedy="Name the columns as the model names its targets, or choose them with --target",
        )
    table = np.stack([columns[name] for name in names], axis=1)
    rows = tuple(
        replace(
            row,
            targets={n: None if np.isnan(v) else float(v) for n, v in zip(names, own, strict=True)},
        )
        for row, own in zip(data.manifest.rows, table, strict=True)
    )
    return ModelLabels(names, table, tuple(unused), data.manifest.with_rows(rows))


def _outputs_of(
    name: str,
    values: Float64,
    texts: tuple[str, ...] | None,
    task: Task,
    data: MappedManifest,
) -> dict[str, Float64]:
    outputs = task.vocabulary.names
    if texts is None:
        if name in outputs:
            return {name: values}
        of_two = [output for output in outputs if output.startswith(f"{name}: ")]
        if len(of_two) == 1 and set(values[~np.isnan(values)]) <= {0.0, 1.0}:
            return {of_two[0]: values}
        known = values[~np.isnan(values)]
        is_own = task.one_column and name == task.vocabulary.name and len(known) > 0
        if is_own and name in data.words and task.levels > 2:
            return _of_outputs(_named(name, values, data.words[name], task, data), task)
        if is_own and (known == np.round(known)).all():
            if known.min() < 0 or known.max() >= task.levels:
                raise ManifestError(
                    f"'{name}' holds the class {known.max():g}, and the model has the classes "
                    f"0 to {task.levels - 1}",
                    path=data.manifest.folder,
                )
            return _of_outputs(values, task)
        return {}
    by_text = {f"{name}: {text}": k for k, text in enumerate(texts)}
    two = {output: by_text[output] for output in outputs if output in by_text}
    if two:
        return {
            output: np.where(np.isnan(values), np.nan, values == place)
            for output, place in two.items()
        }
    if not task.exclusive or not set(texts) & set(outputs):
        return {}
    places = {text: float(k) for k, text in enumerate(texts)}
    return _of_outputs(_named(name, values, places, task, data), task)


def _named(
    name: str, values: Float64, words: Mapping[str, float], task: Task, data: MappedManifest
) -> Float64:
    """Return the position of each value's word among the model's outputs; NaN is missing."""
    outputs = task.vocabulary.names
    numbers = np.full(len(values), np.nan)
    for word, value in words.items():
        if word not in outputs:
            raise ManifestError(
                f"'{name}' holds the class '{word}', which the model does not know",
                path=data.manifest.folder,
                remedy=f"Its classes are {', '.join(outputs)}; leave other cells empty",
            )
        numbers[values == value] = outputs.index(word)
    return numbers


def _of_outputs(numbers: Float64, task: Task) -> dict[str, Float64]:
    column = numbers[:, None]
    return {name: task.truth_of(k, column) for k, name in enumerate(task.vocabulary.names)}
