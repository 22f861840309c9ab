"""Delimited text window by window, in bounded memory: a day of CSV is never in memory as a whole.

The text is gone through twice (counting the rows, then yielding windows), and once more in
between where the rate comes from a time column, whose uniformity is checked before the first
window is given out. The windows equal parts of what a read of the whole text gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.delimited.columns import (
    ColumnPlan,
    check_gap,
    check_uniform,
    first_gap,
    plan_columns,
    rate_of_step,
    time_step,
    typical_step,
    unit_of_times,
    with_rate,
)
from ecgfoundry.formats.delimited.counters import CounterCheck
from ecgfoundry.formats.delimited.table import iterate_table

__all__ = ["cut_rows", "survey"]

_BEGINNING_ROWS = 1000
"""Kept of a long text, so that its columns can be described (our choice)."""


def cut_rows(path: Path, begin: int, end: int, width: int) -> Iterator[NDArray[np.float64]]:
    """Yield rows begin to end of a table, ``width`` at a time."""
    waiting: list[NDArray[np.float64]] = []
    held = row = 0
    for _, block in iterate_table(path):
        part = block[max(begin - row, 0) : max(end - row, 0)]
        row += len(block)
        if len(part):
            waiting.append(part)
            held += len(part)
        while held >= width:
            joined = np.concatenate(waiting)
            yield joined[:width]
            waiting, held = [joined[width:]], held - width
        if row >= end:
            break
    if held:
        yield np.concatenate(waiting)


def survey(path: Path, options: ReadOptions) -> tuple[ColumnPlan, int, NDArray[np.float64]]:
    """Return the plan of the columns with the rate put in, the number of rows, and the first.

    Raises
    ------
    FormatError, SamplingRateError
    """
    plan: ColumnPlan | None = None
    beginning = np.empty((0, 0))
    rows = 0
    first = last = np.nan
    finite = True
    typical = np.nan
    gap: tuple[int, float, float] | None = None
    sample: list[NDArray[np.float64]] = []
    counters: dict[int, CounterCheck] = {}
    for layout, block in iterate_table(path):
        if plan is None:
            plan = plan_columns(layout, path, options)
            counters = {n: CounterCheck((plan.names or [])[n]) for n in plan.counters}
            beginning = block[:_BEGINNING_ROWS].copy()
        if plan.time is not None and len(block):
            times = block[:, plan.time[0]]
            typical = typical_step(times) if rows == 0 else typical
            joined = times if rows == 0 else np.concatenate(([last], times))
            gap = gap or first_gap(joined, typical, max(rows - 1, 0))
            first, last = (times[0] if rows == 0 else first), times[-1]
            finite = finite and bool(np.isfinite(times).all())
            sample = [*sample[:8], times[:: max(len(times) // 200, 1)].copy()]
        for place, counter in counters.items():
            counter.feed(block[:, place])
        rows += len(block)
    for counter in counters.values():
        counter.finish(path)
    if plan is None or rows == 0:
        raise FormatError("the text is no table of numbers", path=path)
    if plan.time is None:
        return plan, rows, beginning
    number, _ = plan.time
    step = time_step(first, last if finite else np.nan, rows, path)
    check_gap(gap, path)
    row = 0
    for _, block in iterate_table(path):
        check_uniform(block[:, number], first, step, row, path)
        row += len(block)
    rate = rate_of_step(step, last - first, np.concatenate(sample), unit_of_times(plan), path)
    return with_rate(plan, rate, path), rows, beginning
