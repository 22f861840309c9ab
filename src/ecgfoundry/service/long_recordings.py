"""A long recording as the page shows it: a Holter's tables, the course of the rate, all beats."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgfoundry.engines import process_pool
from ecgfoundry.inference.holter import HolterReport, HolterSettings, measure_holter
from ecgfoundry.measurements.beat_list import Beats

if TYPE_CHECKING:
    from ecgfoundry.service.work import Work

__all__ = ["holter_document", "holter_of_file", "rate_by_minute"]

MINUTE_S = 60.0


def holter_of_file(work: Work, tell: Callable[[float], None]) -> dict[str, Any]:
    """Measure the recording of a request in this process, and tell how far it is.

    Raises
    ------
    EcgFoundryError
    """
    settings = HolterSettings(lead=work.lead)
    with tempfile.TemporaryDirectory(prefix="holter-") as folder:
        report = measure_holter(
            Path(work.path),
            folder,
            settings,
            options=work.options,
            engine=process_pool(1),
            progress=lambda done: tell(done.done_s / max(done.total_s, 1e-9)),
        )
    return holter_document(report, work.name)


def holter_document(report: HolterReport, name: str) -> dict[str, Any]:
    """Return the JSON form of a Holter report with what a timeline needs.

    Returns
    -------
    dict
        As :meth:`~ecgfoundry.inference.holter.HolterReport.to_dict`, and ``rate``: of every minute
        lowest, median and highest rate of its intervals, /min, None without one; ``beat_list``:
        ``milliseconds`` and ``labels`` (a letter each) of all beats.
    """
    beats = report.beats
    return report.to_dict() | {
        "file": name,
        "rate": rate_by_minute(beats, report.duration_s),
        "beat_list": {
            "milliseconds": np.round(1000 * beats.time_s).astype(int).tolist(),
            "labels": "".join(beats.label.tolist()),
        },
    }


def rate_by_minute(beats: Beats, duration_s: float) -> dict[str, list[float | None]]:
    """Return the rate of every minute, /min: 5th, 50th and 95th percentile of its intervals.

    An interval counts for the minute in which it ends.
    """
    minutes = max(1, -(-int(duration_s) // int(MINUTE_S)))
    result: dict[str, list[float | None]] = {"low": [], "median": [], "high": []}
    known = np.isfinite(beats.rr_s)
    rates, times = 60.0 / beats.rr_s[known], beats.time_s[known]
    edges = np.searchsorted(times, MINUTE_S * np.arange(minutes + 1))
    for first, last in pairwise(edges):
        part = rates[first:last]
        values = np.quantile(part, (0.05, 0.5, 0.95)) if part.size else (None, None, None)
        for key, value in zip(result, values, strict=True):
            result[key].append(None if value is None else round(float(value), 1))
    return result
