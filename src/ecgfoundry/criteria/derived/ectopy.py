"""Premature and escape beats, runs, couplets and patterns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.criteria.derived.common import (
    ESCAPE_LATE,
    FEWEST_BEATS,
    WIDE_BEAT_MS,
    derived,
    exact,
    labels_of,
    named,
    too_few,
    usual_rr_s,
)
from ecgfoundry.criteria.quantity import Quantity

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case

Bool = NDArray[np.bool_]


def _count_label(name: str, chosen: Callable[[Case], Bool]) -> None:
    def count(case: Case) -> Quantity:
        if not len(case.measurements.beats):
            return too_few(name)
        mask = chosen(case)
        first = int(mask.argmax()) if mask.any() else None
        return exact(int(mask.sum()), name, first)

    derived[name] = count


def _late(case: Case) -> Bool:
    beats = case.measurements.beats
    with np.errstate(invalid="ignore"):
        late: Bool = beats.rr_s >= ESCAPE_LATE * usual_rr_s(case)
    return late


def _alone(case: Case) -> Bool:
    """Beats whose neighbour before is not of the same class."""
    labels = labels_of(case)
    result: Bool = np.concatenate([[True], labels[1:] != labels[:-1]])
    return result


def _premature_ventricular(case: Case) -> Bool:
    return (labels_of(case) == "V") & ~(_late(case) & _alone(case))


def _ventricular_escape(case: Case) -> Bool:
    """Late beats of ventricular class, or late, wide and without a P wave among narrow ones."""
    labels, wide = labels_of(case), _wide(case)
    before = case.measurements.p_relation.p_before
    shape = np.zeros(labels.size, bool)
    if before.size == labels.size and wide.mean() < 0.5:
        shape = wide & ~before
    return ((labels == "V") & _alone(case) | shape) & _late(case)


def _junctional_escape(case: Case) -> Bool:
    before = case.measurements.p_relation.p_before
    labels = labels_of(case)
    if before.size != labels.size:
        return np.zeros(labels.size, bool)
    # A late beat without a P wave, among beats that have them.
    usual = (labels == "N") & before
    return (labels == "N") & _late(case) & ~before & bool(usual.sum() >= FEWEST_BEATS)


def _wide(case: Case) -> Bool:
    beats = case.measurements.beats
    with np.errstate(invalid="ignore"):
        wide: Bool = (beats.qrs_offset_s - beats.qrs_onset_s) * 1000.0 >= WIDE_BEAT_MS
    return wide


def _p_of_premature(case: Case) -> Bool:
    labels, before = labels_of(case), case.measurements.p_relation.p_before
    return (labels == "S") & (before if before.size == labels.size else np.zeros(labels.size, bool))


_count_label("ventricular_premature_count", _premature_ventricular)
_count_label("ventricular_escape_count", _ventricular_escape)
_count_label("junctional_escape_count", _junctional_escape)
_count_label("supraventricular_premature_count", lambda case: labels_of(case) == "S")
_count_label("premature_with_p_count", _p_of_premature)
_count_label("fusion_count", lambda case: labels_of(case) == "F")
_count_label("wide_premature_count", lambda case: (labels_of(case) == "S") & _wide(case))


def _runs(mask: Bool) -> list[tuple[int, int]]:
    """First and past-the-last position of each stretch of True."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return list(
        zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True)
    )


def _longest_ventricular_run(case: Case) -> tuple[int, int]:
    return max(_runs(labels_of(case) == "V"), key=lambda run: run[1] - run[0], default=(0, 0))


@named("ventricular_run_beats")
def _ventricular_run(case: Case) -> Quantity:
    """Beats of the longest run of ventricular beats."""
    begin, end = _longest_ventricular_run(case)
    return exact(end - begin, "ventricular_run_beats", begin if end > begin else None)


@named("ventricular_run_bpm")
def _ventricular_run_rate(case: Case) -> Quantity:
    """Rate within the longest run of ventricular beats."""
    begin, end = _longest_ventricular_run(case)
    if end - begin < 2:
        return Quantity.unknown("/min", "there is no run of ventricular beats")
    rr = case.measurements.beats.rr_s[begin + 1 : end]
    return exact(60.0 / float(np.mean(rr)), "ventricular_run_bpm", begin)


@named("ventricular_couplet_count")
def _couplets(case: Case) -> Quantity:
    runs = [run for run in _runs(labels_of(case) == "V") if run[1] - run[0] == 2]
    return exact(len(runs), "ventricular_couplet_count", runs[0][0] if runs else None)


def _pattern_length(labels: NDArray[np.str_], kind: str, period: int) -> tuple[int, int | None]:
    """Longest number of ectopic beats that follow each other at a distance of ``period`` beats."""
    places = np.flatnonzero(labels == kind)
    best, first = 0, None
    for start in places:
        count = 1
        while start + count * period < labels.size and labels[start + count * period] == kind:
            between = labels[start + (count - 1) * period + 1 : start + count * period]
            if kind in between:
                break
            count += 1
        if count > best:
            best, first = count, int(start)
    return best, first


def _pattern(name: str, kind: str, period: int) -> None:
    def longest(case: Case) -> Quantity:
        count, first = _pattern_length(labels_of(case), kind, period)
        return exact(count, name, first)

    derived[name] = longest


_pattern("ventricular_bigeminy_beats", "V", 2)
_pattern("atrial_bigeminy_beats", "S", 2)
_pattern("ventricular_trigeminy_beats", "V", 3)
