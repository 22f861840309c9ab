"""Columns that number the samples: a number that is left out is a sample that was lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import SamplingRateError

__all__ = ["CounterCheck"]

MOST_ODD = 0.5
"""Share of the steps that may be odd; beyond it the column counts something else (our choice)."""
_MOST_RETURNS = 1000


class CounterCheck:
    """Follow a column block by block, in bounded memory.

    Numbers may go by any step, and turn over (0 to 15, again and again).
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._last: float | None = None
        self._step: float | None = None
        self._low, self._high = np.inf, -np.inf
        self._row = self._steps = self._odd = 0
        self._gap: tuple[int, float, float] | None = None
        self._returns: dict[float, tuple[int, int, float, float]] = {}

    def feed(self, values: NDArray[np.float64]) -> None:
        """Take the next rows of the column."""
        if not len(values):
            return
        known = values if self._last is None else np.concatenate(([self._last], values))
        first = self._row + len(values) - len(known)
        steps = np.diff(known)
        forward = steps[steps > 0]
        if self._step is None and len(forward):
            self._step = float(np.median(forward))
        self._steps += len(steps)
        self._low = min(self._low, float(np.nanmin(values, initial=np.inf)))
        self._high = max(self._high, float(np.nanmax(values, initial=-np.inf)))
        for place in np.flatnonzero(steps != self._step).tolist():
            before, after = float(known[place]), float(known[place + 1])
            if not after < before:
                self._odd += 1
                self._gap = self._gap or (first + place + 1, before, after)
            elif len(self._returns) < _MOST_RETURNS or after - before in self._returns:
                count, *found = self._returns.get(
                    after - before, (0, first + place + 1, before, after)
                )
                self._returns[after - before] = (count + 1, *found)  # type: ignore[assignment]
        self._last, self._row = float(known[-1]), self._row + len(values)

    def finish(self, path: Path) -> None:
        """Raise SamplingRateError that names the first place where a sample is missing."""
        turn = self._low - self._high
        returns = {step: found for step, found in self._returns.items() if step != turn}
        # A single return to the lowest number is the start of another count.
        once = self._returns.get(turn)
        if once is not None and once[0] == 1 and self._steps > 0 and not self._turns_over():
            returns[turn] = once
        odd = self._odd + sum(count for count, *_ in returns.values())
        if self._step is None or not odd or odd > MOST_ODD * self._steps:
            return
        places = [(place, before, after) for _, place, before, after in returns.values()]
        place, before, after = min([*places, *([self._gap] if self._gap else [])])
        raise SamplingRateError(
            f"samples are missing: '{self._name}' goes from {before:g} to {after:g} at sample "
            f"{place}",
            path=path,
            remedy="Put empty cells into the gap, or read the parts between gaps",
        )

    def _turns_over(self) -> bool:
        """Whether the highest number is one less than a power of two, or ten, as counters have."""
        high = round(self._high) + 1
        return high & (high - 1) == 0 or str(high).rstrip("0") == "1"
