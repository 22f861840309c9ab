"""Several targets of which only the positives are sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
