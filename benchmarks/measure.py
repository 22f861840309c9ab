"""Alternating measurements: a ratio within one run survives a noisy machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RUNS = 7
MINIMUM_S = 0.15


@dataclass(frozen=True)
class Row:
    """One line of the table; times in seconds per call."""

    name: str
    ours: float
    reference: float
    ratios: tuple[float, ...]
    reference_name: str

    def __str__(self) -> str:
        low, middle, high = np.quantile(self.ratios, (0.0, 0.5, 1.0))
        return (
            f"| {self.name} | {1e3 * self.ours:.2f} | {1e3 * self.reference:.2f} | "
            f"{middle:.2f} ({low:.2f}-{high:.2f}) | {self.reference_name} |"
        )


def compare(
    name: str,
    *,
    ours: Callable[[], object],
    reference: Callable[[], object],
    reference_name: str,
) -> Row:
    """Time both in turn, ``RUNS`` times; a ratio above 1 means that ours is faster."""
    counts = [_calls(ours), _calls(reference)]
    times: list[list[float]] = [[], []]
    for _ in range(RUNS):
        for k, function in enumerate((ours, reference)):
            times[k].append(_time(function, counts[k]))
    ratios = tuple(b / a for a, b in zip(*times, strict=True))
    return Row(name, float(np.median(times[0])), float(np.median(times[1])), ratios, reference_name)


def _calls(function: Callable[[], object]) -> int:
    function()
    return max(1, round(MINIMUM_S / max(_time(function, 1), 1e-6)))


def _time(function: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls
