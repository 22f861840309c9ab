"""The rows of ``metrics.json``: one per target, either of classes or of quantities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

__all__ = ["CLASSES", "QUANTITIES", "Row", "rows_of_classes", "rows_of_quantities"]

Row = Mapping[str, Any]
"""Name of a column -> cell; the columns are described in ``docs/evaluation.md``."""
AnyRow = TypeVar("AnyRow", bound=Row)

CLASSES = "classification"
QUANTITIES = "regression"
"""What the column ``kind`` says."""


def rows_of_classes(rows: Iterable[AnyRow]) -> list[AnyRow]:
    """Return the rows of targets that are present or absent."""
    return [row for row in rows if row.get("kind") == CLASSES]


def rows_of_quantities(rows: Iterable[AnyRow]) -> list[AnyRow]:
    """Return the rows of measured values."""
    return [row for row in rows if row.get("kind") == QUANTITIES]
