"""Long intervals between beats."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.criteria.derived.common import exact, named, too_few
from ecgfoundry.criteria.quantity import Quantity
from ecgfoundry.measurements.settled_classes import usual_rr_s

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case

Float64 = NDArray[np.float64]


def _sinus_intervals(case: Case) -> tuple[Float64, NDArray[np.int64]]:
    """Intervals that no premature beat begins or ends, and the beats that end them."""
    beats = case.measurements.beats
    normal = (beats.label == "N") | (beats.label == "Q")
    usable = np.isfinite(beats.rr_s) & np.concatenate([[False], normal[:-1]])
    places = np.flatnonzero(usable)
    return beats.rr_s[places], places


@named("longest_pause_s")
def _longest_pause(case: Case) -> Quantity:
    """Longest interval after a normal beat: pauses after premature beats are theirs."""
    rr, places = _sinus_intervals(case)
    if rr.size == 0:
        return too_few("longest_pause_s")
    return exact(float(rr.max()), "longest_pause_s", int(places[rr.argmax()]))


@named("pause_over_usual")
def _pause_over_usual(case: Case) -> Quantity:
    """The longest pause over the usual interval."""
    pause, usual = case.quantity("longest_pause_s"), usual_rr_s(case.measurements.beats)
    if pause.value is None or not np.isfinite(usual):
        return too_few("pause_over_usual")
    beat = pause.beat if isinstance(pause.beat, int) else None
    return exact(pause.value / usual, "pause_over_usual", beat)


@named("blocked_p_in_pause_count")
def _blocked_in_pause(case: Case) -> Quantity:
    """P waves inside the longest pause that no QRS complex follows."""
    name = "blocked_p_in_pause_count"
    pause = case.quantity("longest_pause_s")
    if not isinstance(pause.beat, int):
        return too_few(name)
    beats, atria = case.measurements.beats, case.measurements.p_relation
    begin, end = beats.time_s[pause.beat - 1], beats.time_s[pause.beat]
    inside = (atria.p_time_s > begin) & (atria.p_time_s < end) & (atria.p_beat < 0)
    return exact(int(inside.sum()), name, pause.beat)


@named("sinus_shortening_count")
def _shortening(case: Case) -> Quantity:
    """Intervals just before the longest pause that each are shorter than the one before."""
    name = "sinus_shortening_count"
    pause = case.quantity("longest_pause_s")
    if not isinstance(pause.beat, int):
        return too_few(name)
    before = case.measurements.beats.rr_s[: pause.beat][::-1]
    count = 0
    for later, earlier in itertools.pairwise(before):
        if not earlier - later >= SHORTENING_S:
            break
        count += 1
    return exact(count, name, pause.beat)


SHORTENING_S = 0.02
"""Two intervals differ when they do so by 20 ms, more than a beat's time is uncertain by."""
