"""The choices of an evaluation, in one place, so that the report can state every one of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from ecgfoundry.documents import JsonObject

__all__ = ["FEWEST_DRAWS", "MINIMUM_CLAIM", "Settings"]

MINIMUM_CLAIM = 30
"""Positives and negatives (patients) under which a row shows counts but no claim."""

DRAW_BUDGET = 20_000_000_000
"""Records times targets times draws, from which fewer draws are made (our choice): several minutes
of one core. 1000 draws of 150 targets fit up to 133,000 records."""
FEWEST_DRAWS = 200
"""Draws that are made however large the input is (our choice): with so many records the interval is
narrow, and the sampling error of its ends is a small part of a small width."""


@dataclass(frozen=True)
class Settings:
    """How an evaluation is done.

    Attributes
    ----------
    draws : int
        Bootstrap draws of patients. 0 computes no bootstrap interval.
    draw_budget : int or None
        Records x targets x draws above which fewer draws are made, at least ``FEWEST_DRAWS``;
        None makes all of them.
    draws_asked : int or None
        What was asked for, where fewer were made.
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
    draw_budget: int | None = DRAW_BUDGET
    draws_asked: int | None = None
    seed: int = 0
    level: float = 0.95
    controls: bool = True
    subgroups: bool = True
    false_discovery_rate: float = 0.05

    @classmethod
    def of(cls, *, draws: int | None, seed: int, controls: bool = True) -> Settings:
        """Return settings; a number of draws that is given is kept whatever the size."""
        if draws is None:
            return cls(seed=seed, controls=controls)
        return cls(draws=draws, draw_budget=None, seed=seed, controls=controls)

    def for_size(self, records: int, targets: int) -> Settings:
        """Return the settings with the draws that an input of this size gets."""
        if self.draw_budget is None or self.draws <= FEWEST_DRAWS:
            return self
        affordable = self.draw_budget // max(1, records * targets)
        draws = min(self.draws, max(FEWEST_DRAWS, affordable))
        return self if draws == self.draws else replace(self, draws=draws, draws_asked=self.draws)

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return asdict(self)
