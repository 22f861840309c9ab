"""What derived quantities share: their tables by name, beats and classes of a case."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.criteria.quantity import Quantity, unit_of

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case


FEWEST_BEATS = 3
"""Nothing is said about a rhythm from fewer beats (our choice)."""
ESCAPE_LATE = 1.2
"""A beat is late, and may be an escape beat, when it comes after 1.2 times the usual interval
between normal beats (our choice)."""
LEADS_OF_P = ("II", "MLII", "I")
"""Where the direction of P is looked at when there is no axis: the first of these."""
WIDE_BEAT_MS = 120.0
LEADS_OF_WIDTH = 6
EARLY = 0.9
"""A beat is early when it comes before 0.9 times the usual interval (our choice)."""

Function = Callable[["Case"], Quantity]
LeadFunction = Callable[["Case", str], Quantity]

derived: dict[str, Function] = {}
lead_derived: dict[str, LeadFunction] = {}


def named(name: str) -> Callable[[Function], Function]:
    """Put a function of a case into the table of the recording."""

    def add(function: Function) -> Function:
        derived[name] = function
        return function

    return add


def of_lead(name: str) -> Callable[[LeadFunction], LeadFunction]:
    """Put a function of a case and a lead into the table of one lead."""

    def add(function: LeadFunction) -> LeadFunction:
        lead_derived[name] = function
        return function

    return add


def exact(value: float, name: str, beat: int | None = None) -> Quantity:
    """Return a quantity in the unit of its name."""
    return Quantity(float(value), unit_of(name), beat=beat)


SURE_OF_CLASS = 0.5
"""Premature and ventricular beats count for statements from this probability on (our choice). The
classifier of beats answers with the rare classes well below it, so that a Holter misses few."""


RUN_BEATS = 3
"""Ventricular beats that follow each other are a run from three on (AHA/ACC/HRS 2007)."""


def labels_of(case: Case) -> NDArray[np.str_]:
    """Return the classes of the beats (beats,); an unsure premature or ventricular one is N.

    A ventricular complex is wide (AHA/ACCF/HRS 2009, part III: 120 ms or more). One that twelve
    leads show to be narrower is supraventricular: S where it is early, else N. One lead or two do
    not show the whole width.

    Single and paired ventricular beats whose QRS complex has no begin or end are Q: a movement of
    the electrode looks like them. Runs stay, because ventricular flutter has no ends either.
    """
    beats = case.measurements.beats
    unsure = np.isin(beats.label, ("S", "V", "F")) & (beats.confidence < SURE_OF_CLASS)
    labels = np.where(unsure, "N", beats.label)
    if len(case.measurements.leads) >= LEADS_OF_WIDTH:
        with np.errstate(invalid="ignore"):
            width_ms = 1000.0 * (beats.qrs_offset_s - beats.qrs_onset_s)
            narrow = (labels == "V") & (width_ms < WIDE_BEAT_MS)
            early = beats.rr_s < EARLY * usual_rr_s(case)
        labels = np.where(narrow, np.where(early, "S", "N"), labels)
    labels = np.where((labels == "S") & _on_time(case, labels), "N", labels)
    bounded = np.isfinite(beats.qrs_onset_s) & np.isfinite(beats.qrs_offset_s)
    if bounded.all() or not bounded.any():  # none: nothing was delineated
        return labels
    ventricular = labels == "V"
    starts = np.flatnonzero(np.diff(ventricular, prepend=~ventricular[:1]))
    lengths = np.diff(starts, append=labels.size)
    in_run = np.repeat(lengths >= RUN_BEATS, lengths)
    return np.where(ventricular & ~bounded & ~in_run, "Q", labels)


def _on_time(case: Case, labels: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Whether a beat behind ventricular ones comes when the sinus node was due.

    Behind an interpolated beat the interval is short, and the sinus beat is not premature.
    """
    times = case.measurements.beats.time_s
    ventricular = np.isin(labels, ("V", "F"))
    before = np.maximum.accumulate(np.where(ventricular, -1, np.arange(labels.size)))
    last = np.concatenate([[-1], before[:-1]]).astype(np.int64)
    behind = np.concatenate([[False], ventricular[:-1]]) & (last >= 0)
    result: NDArray[np.bool_] = behind & (times - times[last] >= EARLY * usual_rr_s(case))
    return result


def has_enough(case: Case) -> bool:
    """Whether there are beats enough to speak of a rhythm."""
    return len(case.measurements.beats) >= FEWEST_BEATS


def too_few(name: str) -> Quantity:
    """Return the quantity of a rhythm of too few beats."""
    return Quantity.unknown(unit_of(name), f"fewer than {FEWEST_BEATS} beats were found")


def usual_rr_s(case: Case) -> float:
    """Median interval between two neighbouring beats that are both normal, else of all."""
    beats = case.measurements.beats
    normal = beats.label == "N"
    both = normal & np.concatenate([[False], normal[:-1]]) & np.isfinite(beats.rr_s)
    chosen = beats.rr_s[both] if both.sum() >= 2 else beats.rr_s[np.isfinite(beats.rr_s)]
    return float(np.median(chosen)) if chosen.size else float("nan")
