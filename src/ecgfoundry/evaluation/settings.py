"""The choices of an evaluation, in one place, so that the report can state every one of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["MINIMUM_CLAIM", "Settings"]

MINIMUM_CLAIM = 30
"""Positives and negatives (patients) under which a row shows counts but no claim."""


@dataclass(frozen=True)
class Settings:
    """How an evaluation is done.

    Attributes
    ----------
    draws : int
        Bootstrap draws of patients. 0 computes no bootstrap interval.
    seed : int
    level : float
        Coverage of every interval.
    controls : bool
        Whether controls are fitted.
    subgroups : bool
    false_discovery_rate : float
        At which a gain over a control is called a gain, after Benjamini and Hochberg.
    """

    draws: int = 1000
    seed: int = 0
    level: float = 0.95
    controls: bool = True
    subgroups: bool = True
    false_discovery_rate: float = 0.05

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)
