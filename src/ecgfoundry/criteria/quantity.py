"""A measurement as a rule sees it: a value with its unit, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ecgfoundry.criteria.types import Beat

__all__ = ["Quantity", "unit_of"]

_UNITS = (
    ("_mv_ms", "mV ms"),
    ("_mv_s", "mV/s"),
    ("_bpm", "/min"),
    ("_percent", "%"),
    ("_deg", "deg"),
    ("_ms", "ms"),
    ("_mv", "mV"),
    ("_s", "s"),
)


def unit_of(name: str) -> str:
    """Return the unit that the end of a name stands for; "1" for pure numbers.

    Examples
    --------
    >>> unit_of("qrs_ms"), unit_of("p_terminal_mv_ms"), unit_of("ventricular_premature_count")
    ('ms', 'mV ms', '1')
    >>> unit_of("r_over_s")  # a ratio, not a time
    '1'
    """
    if "_over_" in name:
        return "1"
    return next((unit for ending, unit in _UNITS if name.endswith(ending)), "1")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measurement as a rule sees it.

    Attributes
    ----------
    value : float or None
    unit : str
    reason : str or None
        Why there is no value.
    beat : int, "median" or None
    absent : bool
        The wave is not there: compared as zero, shown as no value.
    endless : bool
        A ratio to a wave that is not there: beyond every upper limit, shown as no value.
    reach : (float, float) or None
        What it might be the next time, by the repeat variability of what it is made of. None: its
        own (:mod:`ecgfoundry.criteria.variability`).
    """

    value: float | None
    unit: str
    reason: str | None = None
    beat: Beat = None
    absent: bool = False
    endless: bool = False
    reach: tuple[float, float] | None = None

    @property
    def number(self) -> float | None:
        """The value to compare."""
        return math.inf if self.endless else 0.0 if self.absent else self.value

    @classmethod
    def unknown(cls, unit: str, reason: str) -> Quantity:
        """Return a measurement that could not be had."""
        return cls(None, unit, reason)
