"""Premature and escape beats, runs, couplets and patterns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.criteria.derived.common import (
    ESCAPE_LATE,
    FEWEST_BEATS,
    counted,
    derived,
    exact,
    named,
    too_few,
)
from ecgfoundry.criteria.quantity import Quantity
from ecgfoundry.criteria.variability import repeat_of
from ecgfoundry.measurements.settled_classes import (
    CLASS_REPEAT,
    SURE_OF_CLASS,
    WIDE_BEAT_MS,
    usual_rr_s,
)

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case
    from ecgfoundry.measurements.results import Measurements

Bool = NDArray[np.bool_]


def _count(
    name: str,
    chosen: Callable[[Measurements], Bool],
    around: Callable[[Measurements, float], Bool] | None = None,
) -> None:
    """Put a count of beats into the table; all of them are its evidence, the first one by name.

    Without the beats whose class the classifier hardly prefers the count is another, and so it is
    not firm. ``around`` chooses them with another limit of their width (ms): neither is it where it
    would be another count within the repeat variability of a QRS complex.
    """

    def count(case: Case) -> Quantity:
        if not len(case.measurements.beats):
            return too_few(name)
        mask = chosen(case.measurements)
        first = int(mask.argmax()) if mask.any() else None
        count = exact(int(mask.sum()), name, first)
        sure = float((mask & ~_hardly(case.measurements)).sum())
        if around is None:
            return replace(count, reach=(sure, float(mask.sum())))
        margin = repeat_of("qrs_ms").around(WIDE_BEAT_MS)
        fewest, most = (
            float(around(case.measurements, WIDE_BEAT_MS + wider).sum())
            for wider in (margin, -margin)
        )
        return replace(count, reach=(min(fewest, most, sure), max(fewest, most)))

    derived[name] = count
    counted[name] = lambda measurements: np.flatnonzero(chosen(measurements))


def _hardly(measurements: Measurements) -> Bool:
    """Ectopic beats (beats,) whose class is one only just, within what a probability changes by."""
    beats = measurements.beats
    with np.errstate(invalid="ignore"):
        unsure = beats.confidence < SURE_OF_CLASS + CLASS_REPEAT
    result: Bool = unsure & np.isin(beats.label, ("S", "V", "F"))
    return result


def _of_class(letter: str) -> Callable[[Measurements], Bool]:
    return lambda measurements: measurements.beats.label == letter


def _late(measurements: Measurements) -> Bool:
    beats = measurements.beats
    with np.errstate(invalid="ignore"):
        late: Bool = beats.rr_s >= ESCAPE_LATE * usual_rr_s(beats)
    return late


def _alone(measurements: Measurements) -> Bool:
    """Beats whose neighbour before is not of the same class."""
    labels = measurements.beats.label
    result: Bool = np.concatenate([[True], labels[1:] != labels[:-1]])
    return result


def _premature_ventricular(measurements: Measurements) -> Bool:
    return (measurements.beats.label == "V") & ~(_late(measurements) & _alone(measurements))


def _ventricular_escape(measurements: Measurements, wide_ms: float = WIDE_BEAT_MS) -> Bool:
    """Late beats of ventricular class, or late, wide and without a P wave among narrow ones."""
    labels, wide = measurements.beats.label, _wide(measurements, wide_ms)
    before = measurements.p_relation.p_before
    shape = np.zeros(labels.size, bool)
    if before.size == labels.size and wide.mean() < 0.5:
        shape = wide & ~before
    return ((labels == "V") & _alone(measurements) | shape) & _late(measurements)


def _junctional_escape(measurements: Measurements) -> Bool:
    before = measurements.p_relation.p_before
    labels = measurements.beats.label
    if before.size != labels.size:
        return np.zeros(labels.size, bool)
    # A late beat without a P wave, among beats that have them.
    usual = (labels == "N") & before
    return (labels == "N") & _late(measurements) & ~before & bool(usual.sum() >= FEWEST_BEATS)


def _wide(measurements: Measurements, wide_ms: float) -> Bool:
    beats = measurements.beats
    with np.errstate(invalid="ignore"):
        wide: Bool = (beats.qrs_offset_s - beats.qrs_onset_s) * 1000.0 >= wide_ms
    return wide


def _wide_premature(measurements: Measurements, wide_ms: float = WIDE_BEAT_MS) -> Bool:
    return (measurements.beats.label == "S") & _wide(measurements, wide_ms)


def _premature_with_p(measurements: Measurements) -> Bool:
    labels, before = measurements.beats.label, measurements.p_relation.p_before
    return (labels == "S") & (before if before.size == labels.size else np.zeros(labels.size, bool))


_count("ventricular_premature_count", _premature_ventricular)
_count("ventricular_escape_count", _ventricular_escape, _ventricular_escape)
_count("junctional_escape_count", _junctional_escape)
_count("supraventricular_premature_count", _of_class("S"))
_count("premature_with_p_count", _premature_with_p)
_count("fusion_count", _of_class("F"))
_count("wide_premature_count", _wide_premature, _wide_premature)


def _runs(mask: Bool) -> list[tuple[int, int]]:
    """First and past-the-last position of each stretch of True."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return list(
        zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True)
    )


def _longest_ventricular_run(measurements: Measurements) -> tuple[int, int]:
    return max(
        _runs(measurements.beats.label == "V"), key=lambda run: run[1] - run[0], default=(0, 0)
    )


@named("ventricular_run_beats")
def _ventricular_run(case: Case) -> Quantity:
    """Beats of the longest run of ventricular beats."""
    begin, end = _longest_ventricular_run(case.measurements)
    return exact(end - begin, "ventricular_run_beats", begin if end > begin else None)


counted["ventricular_run_beats"] = lambda m: np.arange(*_longest_ventricular_run(m))


@named("ventricular_run_bpm")
def _ventricular_run_rate(case: Case) -> Quantity:
    """Rate within the longest run of ventricular beats."""
    begin, end = _longest_ventricular_run(case.measurements)
    if end - begin < 2:
        return Quantity.unknown("/min", "there is no run of ventricular beats")
    rr = case.measurements.beats.rr_s[begin + 1 : end]
    return exact(60.0 / float(np.mean(rr)), "ventricular_run_bpm", begin)


def _couplets(measurements: Measurements) -> list[tuple[int, int]]:
    return [run for run in _runs(measurements.beats.label == "V") if run[1] - run[0] == 2]


@named("ventricular_couplet_count")
def _couplet_count(case: Case) -> Quantity:
    pairs = _couplets(case.measurements)
    return exact(len(pairs), "ventricular_couplet_count", pairs[0][0] if pairs else None)


counted["ventricular_couplet_count"] = lambda m: np.array(
    [beat for begin, end in _couplets(m) for beat in range(begin, end)], dtype=np.int64
)


def _longest_pattern(labels: NDArray[np.str_], kind: str, period: int) -> range:
    """The most ectopic beats that follow each other at a distance of ``period`` beats."""
    best = range(0)
    for start in np.flatnonzero(labels == kind).tolist():
        count = 1
        while start + count * period < labels.size and labels[start + count * period] == kind:
            between = labels[start + (count - 1) * period + 1 : start + count * period]
            if kind in between:
                break
            count += 1
        if count > len(best):
            best = range(start, start + count * period, period)
    return best


def _pattern(name: str, kind: str, period: int) -> None:
    def longest(case: Case) -> Quantity:
        found = _longest_pattern(case.measurements.beats.label, kind, period)
        return exact(len(found), name, found[0] if found else None)

    derived[name] = longest
    counted[name] = lambda m: np.array(
        _longest_pattern(m.beats.label, kind, period), dtype=np.int64
    )


_pattern("ventricular_bigeminy_beats", "V", 2)
_pattern("atrial_bigeminy_beats", "S", 2)
_pattern("ventricular_trigeminy_beats", "V", 3)
