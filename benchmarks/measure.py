"""Alternating measurements: a ratio within one run survives a noisy machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RUNS = 5
MINIMUM_S = 0.15


@dataclass(frozen=True)
class Row:
    """One line of the table; times in seconds per call."""

    name: str
    ours: float
    reference: float
    ratios: tuple[float, ...]
    reference_name: str
    ours_name: str = ""
    target: str = ""
    note: str = ""

    @property
    def ratio(self) -> float:
        """Median over the runs; above 1 ours is faster."""
        return float(np.median(self.ratios))

    def __str__(self) -> str:
        low, high = min(self.ratios), max(self.ratios)
        ours = f"{self.ours_name} " if self.ours_name else ""
        return (
            f"| {self.name} | {ours}| {1e3 * self.ours:.3g} | {1e3 * self.reference:.3g} | "
            f"**{self.ratio:.2f}** ({low:.2f}-{high:.2f}) | {self.target} | "
            f"{self.reference_name}{'; ' + self.note if self.note else ''} |"
        )


def compare(
    name: str,
    *,
    ours: Callable[[], object],
    reference: Callable[[], object],
    reference_name: str,
    ours_name: str = "",
    target: str = "",
    note: str = "",
    items: int = 1,
    reference_items: int | None = None,
    clock: Callable[[], float] = time.process_time,
    runs: int = RUNS,
    minimum_s: float = MINIMUM_S,
) -> Row:
    """Time both in turn, ``runs`` times; a ratio above 1 means that ours is faster.

    Parameters
    ----------
    items, reference_items : int
        What one call does (records, windows); times are per item.
    clock : callable
        Processor time of this process by default, which other processes disturb least;
        ``time.perf_counter`` for what runs on several cores or in several processes.
    """
    counts = [_calls(ours, clock, minimum_s), _calls(reference, clock, minimum_s)]
    sizes = (items, items if reference_items is None else reference_items)
    times: list[list[float]] = [[], []]
    for _ in range(runs):
        for k, function in enumerate((ours, reference)):
            times[k].append(_time(function, counts[k], clock) / sizes[k])
    ratios = tuple(b / a for a, b in zip(*times, strict=True))
    return Row(
        name, float(np.median(times[0])), float(np.median(times[1])), ratios, reference_name,
        ours_name, target, note,
    )  # fmt: skip


def _calls(function: Callable[[], object], clock: Callable[[], float], minimum_s: float) -> int:
    function()  # warm
    if minimum_s <= 0:
        return 1
    return max(1, round(minimum_s / max(_time(function, 1, clock), 1e-6)))


def _time(function: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(calls):
        function()
    return (clock() - start) / calls
