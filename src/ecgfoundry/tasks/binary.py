"""One target, present or absent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ecgfoundry.tasks.multilabel import Multilabel

__all__ = ["Binary"]


@dataclass(frozen=True, kw_only=True)
class Binary(Multilabel):
    """A column of 0 and 1, or of two text classes; it answers as one of several targets."""

    kind: ClassVar[str] = "binary"
    losses: ClassVar[tuple[str, ...]] = ("bce", "focal")
    one_column: ClassVar[bool] = True
