"""What derived quantities share: their tables by name, and when there are beats enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.criteria.quantity import Quantity, unit_of

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case
    from ecgfoundry.measurements.results import Measurements


FEWEST_BEATS = 3
"""Nothing is said about a rhythm from fewer beats (our choice)."""
ESCAPE_LATE = 1.2
"""A beat is late, and may be an escape beat, when it comes after 1.2 times the usual interval
between normal beats (our choice)."""
LEADS_OF_P = ("II", "MLII", "I")
"""Where the direction of P is looked at when there is no axis: the first of these."""

Function = Callable[["Case"], Quantity]
LeadFunction = Callable[["Case", str], Quantity]
BeatsFunction = Callable[["Measurements"], NDArray[np.int64]]

derived: dict[str, Function] = {}
lead_derived: dict[str, LeadFunction] = {}
counted: dict[str, BeatsFunction] = {}
"""Of what counts beats: which ones, as positions in ``measurements.beats``."""


def named(name: str) -> Callable[[Function], Function]:
    """Put a function of a case into the table of the recording."""

    def add(function: Function) -> Function:
        derived[name] = function
        return function

    return add


def of_lead(name: str) -> Callable[[LeadFunction], LeadFunction]:
    """Put a function of a case and a lead into the table of one lead."""

    def add(function: LeadFunction) -> LeadFunction:
        lead_derived[name] = function
        return function

    return add


def exact(value: float, name: str, beat: int | None = None) -> Quantity:
    """Return a quantity in the unit of its name."""
    return Quantity(float(value), unit_of(name), beat=beat)


def has_enough(case: Case) -> bool:
    """Whether there are beats enough to speak of a rhythm."""
    return len(case.measurements.beats) >= FEWEST_BEATS


def too_few(name: str) -> Quantity:
    """Return the quantity of a rhythm of too few beats."""
    return Quantity.unknown(unit_of(name), f"fewer than {FEWEST_BEATS} beats were found")
