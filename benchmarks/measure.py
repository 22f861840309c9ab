"""Alternating measurements: a ratio within one run survives a noisy machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

HEADER = (
    "| row | ours | ours, ms | reference, ms | ratio | share of peak | target | reference |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    name, ours_name, reference_name, target, note : str
    ours, reference : tuple of float
        Seconds per item, one for each run.
    multiply_adds : float, optional
        Of ours, per item, on one core; gives the share of the measured peak of matrix products.
    """

    name: str
    ours: tuple[float, ...]
    reference: tuple[float, ...]
    reference_name: str
    ours_name: str = ""
    target: str = ""
    note: str = ""
    multiply_adds: float | None = None

    @property
    def ratios(self) -> tuple[float, ...]:
        """Reference over ours, run by run; above 1 ours is faster."""
        return tuple(b / a for a, b in zip(self.ours, self.reference, strict=True))

    @property
    def ratio(self) -> float:
        """Median over the runs."""
        return float(np.median(self.ratios))

    def line(self, peak: float) -> str:
        """Return the line; ``peak`` in FLOP/s of one core."""
        low, high = min(self.ratios), max(self.ratios)
        share = ""
        if self.multiply_adds is not None:
            share = f"{2 * self.multiply_adds / float(np.median(self.ours)) / peak:.0%}"
        return (
            f"| {self.name} | {self.ours_name} | {_milliseconds(self.ours)} | "
            f"{_milliseconds(self.reference)} | **{self.ratio:.2f}** ({low:.2f}-{high:.2f}) | "
            f"{share} | {self.target} | "
            f"{self.reference_name}{'; ' + self.note if self.note else ''} |"
        )


@dataclass(frozen=True)
class Fact:
    """A line without a reference."""

    name: str
    ours_name: str
    value: str
    target: str = ""

    def line(self, peak: float) -> str:
        """Return the line."""
        return f"| {self.name} | {self.ours_name} | {self.value} |  |  |  | {self.target} |  |"


def _milliseconds(seconds: tuple[float, ...]) -> str:
    low, high = 1e3 * min(seconds), 1e3 * max(seconds)
    return f"{1e3 * float(np.median(seconds)):.3g} ({low:.3g}-{high:.3g})"


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
    multiply_adds: float | None = None,
    clock: Callable[[], float] = time.process_time,
    runs: int = 5,
    minimum_s: float = 0.15,
    warm: bool = True,
) -> Row:
    """Time both in turn, ``runs`` times; a ratio above 1 means that ours is faster.

    Parameters
    ----------
    name, reference_name, ours_name, target, note, multiply_adds
        See :class:`Row`.
    ours, reference : callable
    items, reference_items : int
        What one call does (records, windows); times are per item.
    clock : callable
        Processor time of this process by default, which other processes disturb least;
        ``time.perf_counter`` for what runs on several cores or in several processes.
    runs : int
    minimum_s : float
        Each is called until it takes so long.
    warm : bool
        Call each once before the clock starts.
    """
    counts = [_calls(function, clock, minimum_s, warm) for function in (ours, reference)]
    sizes = (items, items if reference_items is None else reference_items)
    times: list[list[float]] = [[], []]
    for _ in range(runs):
        for k, function in enumerate((ours, reference)):
            times[k].append(_time(function, counts[k], clock) / sizes[k])
    return Row(
        name, tuple(times[0]), tuple(times[1]), reference_name, ours_name, target, note,
        multiply_adds,
    )  # fmt: skip


def _calls(
    function: Callable[[], object], clock: Callable[[], float], minimum_s: float, warm: bool
) -> int:
    if warm:
        function()
    if minimum_s <= 0:
        return 1
    return max(1, round(minimum_s / max(_time(function, 1, clock), 1e-6)))


def _time(function: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(calls):
        function()
    return (clock() - start) / calls
