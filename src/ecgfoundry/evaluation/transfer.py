"""Temporal and external validation: the figure at home, the figure elsewhere, and the drop."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import EvaluationError, FileAccessError
from ecgfoundry.evaluation.settings import MINIMUM_CLAIM
from ecgfoundry.metrics.delong import normal_quantile

__all__ = ["independent_drop", "read_metrics", "transfer_from_sets", "transfer_table"]


def independent_drop(
    home: Mapping[str, Any], away: Mapping[str, Any], *, level: float = 0.95
) -> dict[str, float]:
    """Difference of two AUROCs on different patients (home less away), with its interval.

    Normal, from the two standard errors by DeLong's method: the samples are independent.
    """
    nan = float("nan")
    a, b = _number(home.get("auroc")), _number(away.get("auroc"))
    errors = (
        _number(home.get("auroc_standard_error")),
        _number(away.get("auroc_standard_error")),
    )
    drop = a - b
    half = normal_quantile(level) * float(np.hypot(*errors))
    z = drop / float(np.hypot(*errors)) if np.hypot(*errors) > 0 else nan
    return {"drop": drop, "drop_low": drop - half, "drop_high": drop + half, "z": z}


def _number(value: object) -> float:
    return float("nan") if value is None else float(value)  # type: ignore[arg-type]


def transfer_table(
    home_name: str,
    home: Sequence[Mapping[str, Any]],
    away_name: str,
    away: Sequence[Mapping[str, Any]],
    *,
    level: float = 0.95,
) -> dict[str, Any]:
    """Compare rows of the same targets in two sets.

    A target with fewer than ``MINIMUM_CLAIM`` positives or negatives in either set shows its counts
    and no drop.
    """
    other = {row["target"]: row for row in away}
    rows = []
    for row in home:
        there = other.get(row["target"])
        if there is None:
            continue
        claim = _enough(row) and _enough(there)
        cells: dict[str, Any] = {
            "target": row["target"],
            "home_n": row["n"],
            "home_positives": row["positives"],
            "home_auroc": _number(row["auroc"]),
            "home_low": _number(row["auroc_low"]),
            "home_high": _number(row["auroc_high"]),
            "away_n": there["n"],
            "away_positives": there["positives"],
            "away_auroc": _number(there["auroc"]),
            "away_low": _number(there["auroc_low"]),
            "away_high": _number(there["auroc_high"]),
            "claim": claim,
        }
        drop = independent_drop(row, there, level=level)
        if not claim:
            drop = dict.fromkeys(drop, float("nan"))
        rows.append(cells | drop)
    drops = [row["drop"] for row in rows if not np.isnan(row["drop"])]
    return {
        "home": home_name,
        "away": away_name,
        "rows": rows,
        "mean_drop": float(np.mean(drops)) if drops else float("nan"),
        "targets": len(drops),
    }


def _enough(row: Mapping[str, Any]) -> bool:
    positives = row.get("positive_patients", row["positives"])
    negatives = row.get("negative_patients", row["n"] - row["positives"])
    return min(int(positives), int(negatives)) >= MINIMUM_CLAIM


def transfer_from_sets(table: Mapping[str, Any], *, level: float = 0.95) -> list[dict[str, Any]]:
    """Return one transfer table per set beside the first."""
    entries = {entry["level"]: entry for entry in table["levels"]}
    home = entries[table["first"]]["targets"]
    return [
        transfer_table(table["first"], home, name, entry["targets"], level=level)
        for name, entry in entries.items()
        if name != table["first"]
    ]


def read_metrics(path: Path) -> dict[str, Any]:
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
            remedy="Give the folder that an earlier 'ecgfoundry evaluate' wrote",
        ) from None
    except ValueError as error:
        raise EvaluationError(f"is not JSON: {error}", path=path) from None
    if not isinstance(document, dict) or not isinstance(document.get("targets"), list):
        raise EvaluationError("is not the metrics.json of an evaluation", path=path)
    return document
