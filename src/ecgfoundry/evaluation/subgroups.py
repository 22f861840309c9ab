"""Does it hold for everybody? The same measures by age, sex, site, device and signal quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.rows import SetFigure, SubgroupLevel, SubgroupTable
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.metrics.auroc_intervals import auroc_interval

__all__ = [
    "AGE_BANDS",
    "SET_COLUMNS",
    "SetTable",
    "age_band",
    "levels_of",
    "set_tables",
    "subgroup_tables",
]

AGE_BANDS = ((0.0, 18.0), (18.0, 40.0), (40.0, 65.0), (65.0, 80.0), (80.0, np.inf))
"""Years, from the first to before the second (our choice)."""

SUBGROUP_COLUMNS = ("age", "sex", "site", "device", "quality")
SET_COLUMNS = ("set", "dataset", "split", "period", "year")
"""Columns that say which set or time a record is from; the first one given makes the table of
temporal and external validation."""
FIRST_SETS = ("train", "training", "internal", "development")
"""Names of the set that the others are compared with; else the largest one."""
MOST_LEVELS = 20
"""More levels of a column are gathered as "other" (our choice)."""

Text = NDArray[np.object_]


def age_band(age: float) -> str:
    """Return the band of an age in years; "" for a missing one."""
    for low, high in AGE_BANDS:
        if low <= age < high:
            return f"{low:.0f} and older" if np.isinf(high) else f"{low:.0f} to {high - 1:.0f}"
    return ""


def levels_of(data: EvaluationData, column: str) -> Text | None:
    """Return the level of each record ("" is missing), or None if the column is not there."""
    values = data.covariates.get(column)
    if values is None:
        return None
    if column == "age":
        return np.array([age_band(float(v)) for v in values], dtype=object)
    text = np.array(["" if v is None else str(v) for v in values.tolist()], dtype=object)
    names, counts = np.unique(text[text != ""], return_counts=True)
    if len(names) > MOST_LEVELS:
        kept = set(names[np.argsort(-counts, kind="stable")][: MOST_LEVELS - 1])
        text = np.array([v if v in kept or v == "" else "other" for v in text], dtype=object)
    return text


def _ordered(column: str, levels: Text) -> list[str]:
    names = sorted({str(level) for level in levels if level != ""})
    if column == "age":
        bands = [age_band(low) for low, _ in AGE_BANDS]
        return [band for band in bands if band in names]
    return names


def subgroup_tables(
    data: EvaluationData,
    columns: Sequence[int],
    member: NDArray[np.int64],
    settings: Settings,
) -> list[SubgroupTable]:
    """Return one table per covariate that is there.

    Intervals are the analytic ones; nothing is bootstrapped within subgroups.
    """
    tables = []
    for column in SUBGROUP_COLUMNS:
        levels = levels_of(data, column)
        if levels is None or not (levels != "").any():
            continue
        tables.append(_table(data, columns, member, settings, column, levels))
    return tables


def _table(
    data: EvaluationData,
    columns: Sequence[int],
    member: NDArray[np.int64],
    settings: Settings,
    column: str,
    levels: Text,
) -> SubgroupTable:
    entries = []
    for level in _ordered(column, levels):
        rows = np.flatnonzero(levels == level)
        targets = [
            SetFigure.of(
                data.targets[k],
                auroc_interval(
                    data.labels[rows, k],
                    data.scores[rows, k],
                    patients=member[rows],
                    level=settings.level,
                ),
            )
            for k in columns
        ]
        known = [figure.auroc for figure in targets if not np.isnan(figure.auroc)]
        entries.append(
            SubgroupLevel(
                level=level,
                records=len(rows),
                patients=len(np.unique(member[rows])),
                macro_auroc=float(np.mean(known)) if known else float("nan"),
                macro_targets=len(known),
                targets=targets,
            )
        )
    return SubgroupTable(column, int((levels == "").sum()), entries)


@dataclass(frozen=True)
class SetTable:
    """The sets that a covariate names; the others are compared with the ``first``."""

    table: SubgroupTable
    first: str


def set_tables(
    data: EvaluationData,
    columns: Sequence[int],
    member: NDArray[np.int64],
    settings: Settings,
) -> SetTable | None:
    """Return the table of the sets that a covariate names, with the first set to compare with.

    None when no column of ``SET_COLUMNS`` has two levels.
    """
    for column in SET_COLUMNS:
        levels = levels_of(data, column)
        if levels is None:
            continue
        names = _ordered(column, levels)
        if len(names) < 2:
            continue
        table = _table(data, columns, member, settings, column, levels)
        if column in ("period", "year"):
            first = names[0]
        else:
            sizes = {entry.level: entry.records for entry in table.levels}
            largest = max(names, key=lambda name: sizes[name])
            first = next((n for n in names if n.lower() in FIRST_SETS), largest)
        return SetTable(table, first)
    return None
