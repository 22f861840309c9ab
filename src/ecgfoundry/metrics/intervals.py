"""The interval of a metric, one way for all of them.

Cards of models, ``evaluate``, ``compare``, the laboratory report and the recipes take theirs from
here, so that the same records have the same interval everywhere:

- AUROC of a target: :func:`ecgfoundry.metrics.auroc_intervals.auroc_interval`;
- everything else: percentiles of the bootstrap of patients, whose draws are a function of the seed
  alone (:class:`ecgfoundry.metrics.resampling.PatientResampling`);
- no interval has the width zero: a share that is the same in every draw has Wilson's interval with
  the people of its denominator, any other metric has none.

An interval that is not known to hold what it says carries a note: fewer than 30 people (in the
smaller class, where there are classes), an AUROC beyond the range that was simulated, or draws that
lie beside the value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.metrics.auroc_intervals import (
    RELIABLE_PATIENTS,
    AurocInterval,
    auroc_interval,
)
from ecgfoundry.metrics.bootstrap import bootstrap_ranks, bootstrap_sums, patient_sums
from ecgfoundry.metrics.decisions import wilson_interval
from ecgfoundry.metrics.ranking import average_precision
from ecgfoundry.metrics.regression import (
    REGRESSION_MEASURES,
    regression_from_sums,
    regression_terms,
)
from ecgfoundry.metrics.resampling import (
    PatientResampling,
    is_little_biased,
    percentile_interval,
    renumbered,
)

__all__ = [
    "DRAWS",
    "METRICS",
    "Interval",
    "interval_of_draws",
    "metric_interval",
    "statistic_interval",
]

DRAWS = 1000
"""Bootstrap draws of patients (our choice: the ends of an interval then vary by a few per cent of
its width)."""
MOST_TRIES = 10
"""Draws on which a statistic is undefined are replaced; so many times ``draws`` are tried."""
METRICS = ("auroc", "auprc", *REGRESSION_MEASURES)
"""Metrics of one target that :func:`metric_interval` knows by name."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A metric with its interval.

    Attributes
    ----------
    value : float
        ``nan`` where it is undefined.
    low, high : float
        ``nan`` where there is no interval.
    method : str
        "delong-moderated" or "newcombe" (AUROC), "bootstrap", "wilson", or "none".
    level : float
        Coverage that is aimed at.
    people : int
        Patients that it rests on; with classes, those of the smaller one.
    note : str or None
        Why it is not known to hold what it says.
    """

    value: float
    low: float
    high: float
    method: str
    level: float
    people: int
    note: str | None = None

    @property
    def reliable(self) -> bool:
        """Whether there is an interval, and nothing speaks against it."""
        return self.note is None and not math.isnan(self.low)

    @property
    def ends(self) -> list[float] | None:
        """[low, high] as JSON holds it; None where there is no interval."""
        return None if math.isnan(self.low) else [self.low, self.high]

    @classmethod
    def of_auroc(cls, found: AurocInterval, *, level: float = 0.95) -> Interval:
        """Return the interval of an AUROC in this form."""
        people = min(found.positive_patients, found.negative_patients)
        note = None
        if not found.reliable and not math.isnan(found.low):
            note = _few(people, classes=True) or (
                "outside the range in which intervals of this kind were shown to hold"
            )
        return cls(found.auroc, found.low, found.high, found.method, level, people, note)


def _few(people: int, *, classes: bool) -> str | None:
    if people >= RELIABLE_PATIENTS:
        return None
    where = " in the smaller class" if classes else ""
    return f"{people} people{where}; from {RELIABLE_PATIENTS} on intervals hold"


def interval_of_draws(
    value: float,
    drawn: ArrayLike,
    *,
    people: int,
    classes: bool = False,
    of_people: int | None = None,
    level: float = 0.95,
) -> Interval:
    """Return the interval that bootstrap values of a metric give.

    Parameters
    ----------
    value : float
        The metric on the data.
    drawn : array_like (draws,)
        On each draw; ``nan`` where it was undefined (a draw without a positive, say).
    people : int
        Patients that the metric rests on; with ``classes``, those of the smaller class.
    classes : bool
        Whether there are classes.
    of_people : int, optional
        Of a share: patients in its denominator.
    level : float

    Returns
    -------
    Interval
        None with fewer than half of the draws defined.
    """
    values = np.asarray(drawn, dtype=np.float64)
    defined = values[~np.isnan(values)]
    nan = float("nan")
    if math.isnan(value) or not len(defined) or 2 * len(defined) < len(values):
        return Interval(value, nan, nan, "none", level, people)
    low, high = percentile_interval(defined, level=level)
    if low == high:
        if of_people is None:
            return Interval(value, nan, nan, "none", level, people)
        ends = wilson_interval(value * of_people, of_people, level=level)
        low, high = (float(end) for end in ends)
        few = _few(people, classes=classes)
        return Interval(value, low, high, "wilson", level, people, few)
    note = _few(people, classes=classes)
    if note is None and not is_little_biased(defined, value):
        note = "the bootstrap lies beside the value: the interval holds less often than it says"
    return Interval(value, low, high, "bootstrap", level, people, note)


def metric_interval(
    metric: str,
    labels: ArrayLike,
    answers: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Return a metric of one target with its interval.

    Parameters
    ----------
    metric : str
        One of :data:`METRICS`.
    labels : array_like (records,)
        0 and 1 ("auroc", "auprc") or values; NaN is left out.
    answers : array_like (records,)
        Scores or predicted values; NaN is left out.
    patients : array_like (records,), optional
        Of all records, those without a label too: the draws are of all of them. Without it every
        record stands alone.
    level : float
    draws, seed : int
        Of the bootstrap; the AUROC needs none.

    Raises
    ------
    ValueError
        There is no such metric.
    """
    if metric not in METRICS:
        raise ValueError(f"there is no metric {metric!r}; known are {', '.join(METRICS)}")
    y, s = np.asarray(labels, dtype=np.float64), np.asarray(answers, dtype=np.float64)
    who = np.arange(len(y)) if patients is None else np.asarray(patients)
    resampling = PatientResampling.of(who, seed=seed)
    if metric == "auroc":
        found = auroc_interval(y, s, patients=resampling.member, level=level)
        return Interval.of_auroc(found, level=level)
    known = ~(np.isnan(y) | np.isnan(s))
    if metric == "auprc":
        ranks = bootstrap_ranks(y[:, None], [s[:, None]], resampling, draws=draws, precision=True)
        people = min(
            renumbered(resampling.member[known & (y == c)])[1] if (known & (y == c)).any() else 0
            for c in (0.0, 1.0)
        )
        value, drawn = average_precision(y, s), ranks.average_precision[0, 0]
        return interval_of_draws(value, drawn, people=people, classes=True, level=level)
    terms = regression_terms(y, s)
    value = float(regression_from_sums(terms.sum(axis=0))[metric])
    sums = bootstrap_sums(patient_sums(terms, resampling), resampling, draws=draws)
    people = len(np.unique(resampling.member[known]))
    return interval_of_draws(value, regression_from_sums(sums)[metric], people=people, level=level)


def statistic_interval(
    statistic: Callable[[NDArray[np.int64]], float],
    patients: ArrayLike,
    *,
    people: int | None = None,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Return any statistic with its interval, computed anew on every draw of patients.

    Parameters
    ----------
    statistic : callable (row indices) -> float
        ``nan`` when undefined for a draw (a class is missing): such draws are replaced.
    patients : array_like (records,)
    people : int, optional
        Of the smallest class that it rests on; None: all patients.
    level : float
    draws : int
        Defined draws to collect; at most ten times as many are tried.
    seed : int
    """
    resampling = PatientResampling.of(patients, seed=seed)
    order = np.argsort(resampling.member, kind="stable")
    ends = np.cumsum(np.bincount(resampling.member, minlength=resampling.patients))
    rows = np.split(order, ends[:-1])
    values: list[float] = []
    for number in range(MOST_TRIES * draws):
        if len(values) == draws:
            break
        value = statistic(np.concatenate([rows[k] for k in resampling.draw(number)]))
        if not math.isnan(value):
            values.append(value)
    drawn = np.full(draws, np.nan)
    if len(values) == draws:
        drawn[:] = values
    return interval_of_draws(
        statistic(np.arange(len(resampling.member))),
        drawn,
        people=resampling.patients if people is None else people,
        classes=people is not None,
        level=level,
    )
