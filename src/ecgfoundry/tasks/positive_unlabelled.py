"""Several targets of which only the positives are sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from ecgfoundry.metrics.conformal import COVERAGE
from ecgfoundry.tasks.base import Float64
from ecgfoundry.tasks.multilabel import Multilabel

__all__ = ["PositiveUnlabelled"]


@dataclass(frozen=True, kw_only=True)
class PositiveUnlabelled(Multilabel):
    """1 is annotated; 0 is "not annotated", which may be a missing positive."""

    kind: ClassVar[str] = "positive-unlabelled"
    losses: ClassVar[tuple[str, ...]] = ("hill", "hill-positive")
    known_limits: ClassVar[tuple[str, ...]] = (
        "Targets that were not annotated were not known to be absent.",
    )

    def with_sets(
        self,
        outputs: Float64,
        values: Float64,
        groups: Sequence[str],
        *,
        source: str,
        coverage: float = COVERAGE,
        crossed: bool = False,
    ) -> Self:
        """Return the task without sets: a record that is not annotated is not one without it."""
        del outputs, values, groups, source, coverage, crossed
        return self
