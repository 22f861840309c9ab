"""What the values of targets look like: how many of each class, and what may be a mistake."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import ManifestError
from ecgfoundry.manifest.checks import Problem
from ecgfoundry.manifest.classes import plain_word
from ecgfoundry.manifest.reading import MappedManifest

__all__ = ["class_counts", "class_warnings", "mark_problem", "target_problems"]

MARKS = frozenset({-1.0, 9.0, 99.0, 999.0, -9.0, -99.0, -999.0, 8.0, 88.0})
"""Numbers that tables use for "missing" or "uncertain" (SPSS, REDCap, CheXpert)."""
FEW = 3
RARE = 0.01
"""A class of fewer recordings, or of a smaller share, is probably a typing error (our choice)."""


def class_counts(data: MappedManifest) -> list[str]:
    """Return one line per target of classes: how many recordings each has, which is positive."""
    lines = []
    for name, column in zip(data.targets, data.manifest.targets(data.targets).T, strict=True):
        known = column[~np.isnan(column)]
        words = data.classes.get(name)
        if words is None and not set(np.unique(known)) <= {0.0, 1.0}:
            continue
        labels: Mapping[float, str] = dict(enumerate(words or ("0", "1")))
        counts = [f"{int((known == k).sum())} {label}" for k, label in labels.items()]
        positive = f"; '{labels[1]}' is positive" if len(labels) == 2 else ""
        missing = (
            f", {len(column) - len(known)} without a label" if len(column) > len(known) else ""
        )
        lines.append(f"{name}: {', '.join(counts)}{missing}{positive}")
    return lines


def class_warnings(data: MappedManifest) -> list[str]:
    """Return what looks like a typing error among text classes: rare ones, other spellings."""
    lines = [
        f"{name}: {' and '.join(map(repr, sorted(words)))} are all read as {value:g}"
        for name, words in data.words.items()
        if len(words) > 1
        for value in words.values()
        if set(words.values()) == {value}
    ][:1]
    values = data.manifest.targets(data.targets)
    for name, words in data.classes.items():
        column = values[:, data.targets.index(name)]
        counts = Counter(column[~np.isnan(column)].astype(int).tolist())
        total = sum(counts.values())
        spelled: dict[str, list[str]] = defaultdict(list)
        for word in words:
            spelled[plain_word(word)].append(word)
        for same in spelled.values():
            if len(same) > 1:
                lines.append(f"{name}: {' and '.join(map(repr, same))} count as different classes")
        for k, word in enumerate(words):
            if counts[k] < FEW or counts[k] < RARE * total:
                lines.append(
                    f"{name}: the class '{word}' has only {counts[k]} of {total} recordings; a "
                    "typing error?"
                )
    return lines


def mark_problem(
    name: str, values: NDArray[np.float64], *, counted: str = "recordings"
) -> ManifestError | None:
    """Return the refusal of a 0/1 target with numbers that stand for "missing" or "uncertain".

    Parameters
    ----------
    name : str
    values : ndarray (records,)
        NaN is missing.
    counted : str
        What the values are those of.
    """
    known = values[~np.isnan(values)]
    levels = set(np.unique(known).tolist())
    marks = sorted(levels - {0.0, 1.0})
    if not marks or not {0.0, 1.0} <= levels or not set(marks) <= MARKS:
        return None
    shown = ", ".join(f"{mark:g}" for mark in marks)
    count = int(np.isin(known, marks).sum())
    return ManifestError(
        f"'{name}' is 0, 1 and {shown} ({count} {counted}), which looks like a mark for missing "
        "or uncertain",
        remedy="Leave these cells empty; or, if it is a measured value or a class, say so with "
        "--task regression or --task multiclass",
    )


def target_problems(data: MappedManifest) -> list[Problem]:
    """Return marks among 0 and 1 (errors) and probable typing errors (warnings) as problems."""
    values = data.manifest.targets(data.targets)
    marks = [mark_problem(n, column) for n, column in zip(data.targets, values.T, strict=True)]
    found = [
        Problem("mark-among-labels", "error", error.problem, 1, remedy=error.remedy or "")
        for error in marks
        if error is not None
    ]
    warned = [Problem("class-spelling", "warning", line, 1) for line in class_warnings(data)]
    return [*found, *warned]
