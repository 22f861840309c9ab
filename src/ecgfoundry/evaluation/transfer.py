"""Temporal and external validation: the figure at home, the figure elsewhere, and the drop."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ecgfoundry.documents import JsonValue
from ecgfoundry.errors import EvaluationError, FileAccessError
from ecgfoundry.evaluation.rows import CLASSES, SetFigure, TransferRow, TransferTable
from ecgfoundry.evaluation.settings import MINIMUM_CLAIM
from ecgfoundry.evaluation.subgroups import SetTable
from ecgfoundry.metrics.delong import normal_quantile

__all__ = ["EarlierEvaluation", "read_metrics", "transfer_from_sets", "transfer_table"]


@dataclass(frozen=True, kw_only=True)
class EarlierEvaluation:
    """What later ones need of a ``metrics.json``.

    Attributes
    ----------
    title : str
        "" where it has none.
    figures : sequence of SetFigure
        One per target of classes.
    thresholds : mapping
        Target -> threshold.
    files : mapping
        Name of an input -> file that it was read from.
    hashes : mapping
        Name of an input -> SHA-256 of the file as it was then.
    learned_from : int
        Evaluated records that the model, or the one it started from, was trained on.
    """

    title: str
    figures: Sequence[SetFigure]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    learned_from: int = 0

    @classmethod
    def from_dict(cls, document: Mapping[str, JsonValue]) -> EarlierEvaluation:
        """Read the JSON form.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is another document.
        """
        given = _mapping(document.get("input"))
        thresholds = _mapping(_mapping(document.get("thresholds")).get("values"))
        targets = document["targets"]
        if not isinstance(targets, Sequence) or isinstance(targets, str):
            raise TypeError("targets")
        return cls(
            title=str(document.get("title") or ""),
            figures=[_figure(row) for row in map(_mapping, targets) if row.get("kind") == CLASSES],
            thresholds={name: _number(value) for name, value in thresholds.items()},
            files={
                name: Path(str(entry["file"]))
                for name, entry in given.items()
                if isinstance(entry, Mapping) and "file" in entry
            },
            hashes={
                name: str(entry["sha256"])
                for name, entry in given.items()
                if isinstance(entry, Mapping) and "sha256" in entry
            },
            learned_from=_whole(given.get("records_learned_from") or 0),
        )


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _number(value: JsonValue) -> float:
    if value is None:
        return math.nan
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _whole(value: JsonValue) -> int:
    return int(_number(value))


def _figure(row: Mapping[str, JsonValue]) -> SetFigure:
    n, positives = _whole(row["n"]), _whole(row["positives"])
    return SetFigure(
        target=str(row["target"]),
        n=n,
        positives=positives,
        auroc=_number(row["auroc"]),
        low=_number(row["auroc_low"]),
        high=_number(row["auroc_high"]),
        standard_error=_number(row.get("auroc_standard_error")),
        positive_patients=_whole(row.get("positive_patients", positives)),
        negative_patients=_whole(row.get("negative_patients", n - positives)),
    )


def read_metrics(path: Path) -> EarlierEvaluation:
    """Read the ``metrics.json`` of an earlier evaluation, or of its folder.

    Raises
    ------
    FileAccessError, EvaluationError
    """
    path = path / "metrics.json" if path.is_dir() else path
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileAccessError(
            f"cannot be opened: {error.strerror}",
            path=path,
            remedy="Give the folder of an earlier evaluation",
        ) from None
    except ValueError as error:
        raise EvaluationError(f"is not JSON: {error}", path=path) from None
    try:
        return EarlierEvaluation.from_dict(_mapping(document))
    except (KeyError, TypeError, ValueError):
        raise EvaluationError("is not the metrics.json of an evaluation", path=path) from None


def _row(home: SetFigure, away: SetFigure, level: float) -> TransferRow:
    """The difference of two AUROCs on different patients, with its interval.

    Normal, from the two standard errors by DeLong's method: the samples are independent.
    """
    nan = float("nan")
    claim = min(home.smaller_class, away.smaller_class) >= MINIMUM_CLAIM
    drop = home.auroc - away.auroc
    spread = float(np.hypot(home.standard_error, away.standard_error))
    half = normal_quantile(level) * spread
    z = drop / spread if spread > 0 else nan
    if not claim:
        drop = half = z = nan
    return TransferRow(
        target=home.target, home=home, away=away, claim=claim,
        drop=drop, drop_low=drop - half, drop_high=drop + half, z=z,
    )  # fmt: skip


def transfer_table(
    home_name: str,
    home: Sequence[SetFigure],
    away_name: str,
    away: Sequence[SetFigure],
    *,
    level: float = 0.95,
) -> TransferTable:
    """Compare figures of the same targets in two sets.

    A target with fewer than ``MINIMUM_CLAIM`` positive or negative patients in either set shows its
    counts and no drop.
    """
    other = {figure.target: figure for figure in away}
    rows = [_row(own, other[own.target], level) for own in home if own.target in other]
    drops = [row.drop for row in rows if not np.isnan(row.drop)]
    mean = float(np.mean(drops)) if drops else float("nan")
    return TransferTable(home_name, away_name, rows, mean, len(drops))


def transfer_from_sets(sets: SetTable, *, level: float = 0.95) -> list[TransferTable]:
    """Return one transfer table per set beside the first."""
    entries = {entry.level: entry for entry in sets.table.levels}
    home = entries[sets.first].targets
    return [
        transfer_table(sets.first, home, name, entry.targets, level=level)
        for name, entry in entries.items()
        if name != sets.first
    ]
