"""Delimited text window by window, in bounded memory: a day of CSV is never in memory as a whole.

The text is gone through twice (counting the rows, then yielding windows), and once more in
between where the rate comes from a time column, whose uniformity is checked before the first
window is given out. The windows equal parts of what a read of the whole text gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import FormatError, SignalError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.delimited.columns import (
    ColumnPlan,
    check_uniform,
    plan_columns,
    rate_of_step,
    recording_of_rows,
    time_step,
)
from ecgfoundry.formats.delimited.table import iterate_table
from ecgfoundry.recording import Recording, check_sampling_rate

__all__ = ["windows"]


def windows(
    path: Path,
    options: ReadOptions,
    window_s: float,
    start_s: float,
    duration_s: float | None,
) -> Iterator[Recording]:
    """Yield consecutive windows of a text; parameters and errors as in ``registry.iterate``."""
    plan, rows = _survey(path, options)
    rate = check_sampling_rate(plan.stated.sampling_rate)
    begin, width = round(start_s * rate), round(window_s * rate)
    if begin >= rows:
        raise SignalError(
            f"the part starts at {start_s:g} s, the recording has {rows / rate:g} s", path=path
        )
    if width < 1:
        raise SignalError(f"a window of {window_s} s is shorter than one sample", path=path)
    end = rows if duration_s is None else min(begin + round(duration_s * rate), rows)
    for values in _cut(path, begin, end, width):
        yield recording_of_rows(values, plan, options, path)


def _cut(path: Path, begin: int, end: int, width: int) -> Iterator[NDArray[np.float64]]:
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


def _survey(path: Path, options: ReadOptions) -> tuple[ColumnPlan, int]:
    """Return the plan of the columns with the rate put in, and the number of rows."""
    plan: ColumnPlan | None = None
    rows = 0
    first = last = np.nan
    finite = True
    sample: list[NDArray[np.float64]] = []
    for layout, block in iterate_table(path):
        if plan is None:
            plan = plan_columns(layout, path, options)
        if plan.time is not None and len(block):
            times = block[:, plan.time[0]]
            first, last = (times[0] if rows == 0 else first), times[-1]
            finite = finite and bool(np.isfinite(times).all())
            sample = [*sample[:8], times[:: max(len(times) // 200, 1)].copy()]
        rows += len(block)
    if plan is None or rows == 0:
        raise FormatError("the text is no table of numbers", path=path)
    if plan.time is None:
        return plan, rows
    number, unit = plan.time
    step = time_step(first, last if finite else np.nan, rows, path)
    row = 0
    for _, block in iterate_table(path):
        check_uniform(block[:, number], first, step, row, path)
        row += len(block)
    rate = rate_of_step(step, last - first, np.concatenate(sample), unit, path)
    return replace(plan, stated=replace(plan.stated, sampling_rate=rate)), rows
