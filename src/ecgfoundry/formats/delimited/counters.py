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

    Numbers may go by any step, and turn over (0 to 15, again and again). A row without a number, as
    of a gap that was filled with empty cells, counts as one.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._last: tuple[int, float] | None = None
        self._step: float | None = None
        self._low, self._high = np.inf, -np.inf
        self._row = self._steps = self._odd = 0
        self._gap: tuple[int, float, float] | None = None
        self._returns: dict[float, tuple[int, int, float, float]] = {}

    def feed(self, values: NDArray[np.float64]) -> None:
        """Take the next rows of the column."""
        there = np.isfinite(values)
        rows, numbers = self._row + np.flatnonzero(there), values[there]
        self._row += len(values)
        if not len(numbers):
            return
        self._low = min(self._low, float(numbers.min()))
        self._high = max(self._high, float(numbers.max()))
        if self._last is not None:
            rows = np.concatenate(([self._last[0]], rows))
            numbers = np.concatenate(([self._last[1]], numbers))
        self._last = int(rows[-1]), float(numbers[-1])
        steps, apart = np.diff(numbers), np.diff(rows)
        forward = steps[(steps > 0) & (apart == 1)]
        if self._step is None and len(forward):
            self._step = float(np.median(forward))
        self._steps += len(steps)
        usual = np.nan if self._step is None else self._step
        for place in np.flatnonzero(steps != usual * apart).tolist():
            before, after = float(numbers[place]), float(numbers[place + 1])
            if not after < before:
                self._odd += 1
                self._gap = self._gap or (int(rows[place + 1]), before, after)
            elif apart[place] == 1 and (
                len(self._returns) < _MOST_RETURNS or after - before in self._returns
            ):
                count, *found = self._returns.get(
                    after - before, (0, int(rows[place + 1]), before, after)
                )
                self._returns[after - before] = (count + 1, *found)  # type: ignore[assignment]

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
