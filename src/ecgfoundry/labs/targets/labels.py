"""Labels of ECG segments: which result belongs to which segment, and what it says.

One rule, our choice, stated once: a segment is complete at its END, so times are compared from
there. A result is BEFORE-ECG or AFTER-ECG by the sign of ``result time - segment end``: 0 or more
means that the ECG was there before the result, which is the only case a real-time claim may use.

Arrays come out: int8 targets with -1 for "missing: mask it" - a missing value is never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import ManifestError
from ecgfoundry.extras import require_polars

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "DIRECTIONS",
    "MASKED",
    "WINDOW_MINUTES",
    "IndicatorLabels",
    "LabelRule",
    "label_segments",
]

WINDOW_MINUTES = 60.0
"""Furthest time between a segment and its result (CardioLab, MIMIC-IV: nearest within an hour)."""

MASKED = -1
DIRECTIONS = ("low", "high", "any")

_TIMES = ("result_time", "order_time")
_RELATIONS = ("nearest", "before")
_FAR_US = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class LabelRule:
    """How a segment gets its result.

    Parameters
    ----------
    time : {"result_time", "order_time"}
        Which time of the result counts. MC-MED has no time of specimen collection.
    window_minutes : float or None
        Furthest distance in time; None is the whole visit.
    relation : {"nearest", "before"}
        "nearest" takes the closest result, whichever side; at equal distance the one that the
        ECG was before. "before" takes the next result after the segment's end and no other: the
        only rule for a claim about real time.
    """

    time: str = "result_time"
    window_minutes: float | None = WINDOW_MINUTES
    relation: str = "nearest"

    def __post_init__(self) -> None:
        if self.time not in _TIMES or self.relation not in _RELATIONS:
            raise ManifestError(
                f"there is no label rule with time '{self.time}' and relation '{self.relation}'",
                remedy=f"time is one of {', '.join(_TIMES)}; relation of {', '.join(_RELATIONS)}",
            )
        if self.window_minutes is not None and not self.window_minutes > 0:
            raise ManifestError("the window of a label rule is not a positive number of minutes")


@dataclass(frozen=True)
class IndicatorLabels:
    """One indicator on every segment; all arrays have one entry per segment, in their order.

    Parameters
    ----------
    indicator : str
    value : ndarray of float32
        Canonical unit, NaN where there is none.
    censoring : ndarray of int8
        +1 where the true value is above ``value``, -1 below, else 0.
    verdict : ndarray of int8
        -1 low, 0 inside, 1 high, 2 abnormal without direction; -128 where it is not known.
    minutes : ndarray of float32
        Result time minus segment end; NaN where there is no result.
    """

    indicator: str
    value: NDArray[np.float32]
    censoring: NDArray[np.int8]
    verdict: NDArray[np.int8]
    minutes: NDArray[np.float32]

    @property
    def ecg_before_result(self) -> NDArray[np.bool_]:
        """Whether the segment was complete when the result came; False where there is none."""
        before: NDArray[np.bool_] = self.minutes >= 0
        return before

    def target(self, direction: str, *, real_time: bool = False) -> NDArray[np.int8]:
        """Return the binary target: 1, 0, or -1 for "masked".

        Parameters
        ----------
        direction : {"low", "high", "any"}
            A value that is abnormal in the other direction is 0 for "low" and "high": it is
            known not to be on this side. One of unstated direction is masked there.
        real_time : bool
            Mask every segment that was not complete before its result.
        """
        if direction not in DIRECTIONS:
            raise ManifestError(f"there is no direction '{direction}'")
        known = self.verdict != _UNKNOWN
        if direction == "any":
            positive = known & (self.verdict != 0)
        else:
            known &= self.verdict != 2
            positive = self.verdict == (-1 if direction == "low" else 1)
        if real_time:
            known &= self.ecg_before_result
        return np.where(known, positive, MASKED).astype(np.int8)


_UNKNOWN = -128


def label_segments(
    segments: pl.DataFrame,
    results: pl.DataFrame,
    indicators: Sequence[str],
    rule: LabelRule | None = None,
) -> dict[str, IndicatorLabels]:
    """Give every segment its result of every indicator.

    Parameters
    ----------
    segments : DataFrame
        ``visit`` and ``end_time`` (naive UTC), one row per segment, in any order. A segment
        without a time gets results only by a rule for the whole visit, and then no ``minutes``.
    results : DataFrame
        The ``table`` of :class:`ecgfoundry.labs.targets.results.Results`.
    indicators : sequence of str
        Names of the catalogue.
    rule : LabelRule, optional

    Returns
    -------
    dict
        Indicator -> labels in the order of ``segments``.

    Notes
    -----
    Of several results at one time the first row that has a verdict counts, laboratory before point
    of care (our choice: laboratory methods are the more exact ones).
    """
    pl = require_polars("labelling segments")
    rule = rule or LabelRule()
    # Sorted once for all indicators; the joins below need order within a visit.
    keys = segments.select("visit", pl.col("end_time").cast(pl.Datetime("us")))
    left = keys.with_row_index("segment").sort("end_time", maintain_order=True)
    timed = left.filter(pl.col("end_time").is_not_null())
    wanted = results.filter(pl.col("indicator").is_in(list(indicators)))
    parts = _prepared(wanted, rule).partition_by("indicator", as_dict=True)
    labels = {}
    for indicator in indicators:
        part = parts.get((indicator,))
        if part is None:
            labels[indicator] = _empty(indicator, len(segments))
            continue
        joined = _nearest(timed, part, rule)
        if rule.window_minutes is None and len(timed) < len(left):
            joined = pl.concat([joined, _anywhere(left, part)], how="diagonal")
        labels[indicator] = _as_labels(indicator, joined, len(segments))
    return labels


def _prepared(results: pl.DataFrame, rule: LabelRule) -> pl.DataFrame:
    """Sort results by time; keep one per visit, indicator and time."""
    pl = require_polars("labelling segments")
    known = pl.col("verdict").is_not_null()
    order = [pl.col("time"), ~known, pl.col("method") != "laboratory", pl.col("row")]
    return (
        results.with_columns(pl.col(rule.time).cast(pl.Datetime("us")).alias("time"))
        .filter(pl.col("time").is_not_null())
        .sort(order)
        .unique(["visit", "indicator", "time"], keep="first", maintain_order=True)
        .select("visit", "indicator", "time", "value", "censoring", "verdict")
    )


def _nearest(segments: pl.DataFrame, part: pl.DataFrame, rule: LabelRule) -> pl.DataFrame:
    pl = require_polars("labelling segments")
    right = part.drop("indicator")
    after = segments.join_asof(
        right, left_on="end_time", right_on="time", by="visit", strategy="forward",
        coalesce=False, check_sortedness=False,
    )  # fmt: skip
    gap = (pl.col("time") - pl.col("end_time")).dt.total_microseconds()
    after = after.with_columns(gap.alias("gap"))
    if rule.relation == "nearest":
        before = segments.join_asof(
            right, left_on="end_time", right_on="time", by="visit", strategy="backward",
            coalesce=False, check_sortedness=False,
        ).with_columns(gap.alias("gap"))  # fmt: skip
        # Both joins keep the order of the segments, so that rows answer each other.
        closer = before["gap"].abs().fill_null(_FAR_US) < after["gap"].abs().fill_null(_FAR_US)
        chosen = pl.when(pl.lit(closer))
        columns = ("value", "censoring", "verdict", "gap")
        after = after.with_columns(
            chosen.then(pl.lit(before[name])).otherwise(pl.col(name)).alias(name)
            for name in columns
        )
    if rule.window_minutes is not None:
        limit = round(rule.window_minutes * 60e6)
        after = after.filter(pl.col("gap").abs() <= limit)
    return after.filter(pl.col("gap").is_not_null()).select(
        "segment", "value", "censoring", "verdict", "gap"
    )


def _anywhere(left: pl.DataFrame, part: pl.DataFrame) -> pl.DataFrame:
    """Give segments without a clock the first result of their visit."""
    pl = require_polars("labelling segments")
    first = part.unique("visit", keep="first", maintain_order=True)
    clockless = left.filter(pl.col("end_time").is_null()).select("segment", "visit")
    return clockless.join(first, on="visit").select("segment", "value", "censoring", "verdict")


def _as_labels(indicator: str, joined: pl.DataFrame, count: int) -> IndicatorLabels:
    labels = _empty(indicator, count)
    places = joined["segment"].to_numpy()
    labels.value[places] = joined["value"].fill_null(np.nan).to_numpy()
    labels.censoring[places] = joined["censoring"].fill_null(0).to_numpy()
    labels.verdict[places] = joined["verdict"].fill_null(_UNKNOWN).to_numpy()
    labels.minutes[places] = joined["gap"].fill_null(np.nan).to_numpy() / 60e6
    return labels


def _empty(indicator: str, count: int) -> IndicatorLabels:
    return IndicatorLabels(
        indicator,
        np.full(count, np.nan, np.float32),
        np.zeros(count, np.int8),
        np.full(count, _UNKNOWN, np.int8),
        np.full(count, np.nan, np.float32),
    )
