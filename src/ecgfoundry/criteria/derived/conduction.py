"""Blocked P waves, dissociation, and atrial against ventricular rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgfoundry.criteria.derived.common import FEWEST_BEATS, exact, named, too_few
from ecgfoundry.criteria.derived.rhythm import PR_STEADY_MS
from ecgfoundry.criteria.quantity import Quantity

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case


def _dropped(case: Case) -> list[tuple[int, int]]:
    """Where P waves are blocked: (last beat before, number of blocked P waves in that interval)."""
    beats, atria = case.measurements.beats, case.measurements.p_relation
    result = []
    for number in range(len(beats) - 1):
        begin, end = beats.time_s[number], beats.time_s[number + 1]
        inside = (atria.p_time_s > begin) & (atria.p_time_s < end) & (atria.p_beat < 0)
        if inside.any():
            result.append((number, int(inside.sum())))
    return result


def _pr(case: Case, beat: int) -> float:
    pr = case.measurements.p_relation.pr_ms
    return float(pr[beat]) if 0 <= beat < pr.size else float("nan")


@named("blocked_p_count")
def _blocked_p(case: Case) -> Quantity:
    """P waves between two beats that no QRS complex follows."""
    dropped = _dropped(case)
    total = sum(count for _, count in dropped)
    return exact(total, "blocked_p_count", dropped[0][0] if dropped else None)


def _single_drops(case: Case) -> list[int]:
    """Beats before a single blocked P wave whose own and whose previous PR are known.

    None of the beats around is premature: after one the next is late without any block.
    """
    premature = np.isin(case.measurements.beats.label, ("S", "V", "F"))
    return [
        beat
        for beat, count in _dropped(case)
        if count == 1
        and np.isfinite([_pr(case, beat), _pr(case, beat - 1)]).all()
        and not premature[max(0, beat - 1) : beat + 2].any()
    ]


DROP_OVER_RR = 1.5
"""A dropped beat leaves twice the interval before it; so much of it at least (our choice)."""


def _leaves_a_pause(case: Case, beat: int) -> bool:
    rr = case.measurements.beats.rr_s
    return bool(rr[beat + 1] >= DROP_OVER_RR * rr[beat])


@named("wenckebach_count")
def _wenckebach(case: Case) -> Quantity:
    """Blocked P waves after PR has lengthened, with a shorter PR in the beat after the pause."""
    found = [
        beat
        for beat in _single_drops(case)
        if _pr(case, beat) - _pr(case, beat - 1) > 0
        and _pr(case, beat) - _pr(case, beat + 1) > PR_STEADY_MS
    ]
    return exact(len(found), "wenckebach_count", found[0] if found else None)


@named("steady_drop_count")
def _steady_drops(case: Case) -> Quantity:
    """Blocked P waves that leave a pause, with the same PR in two beats before it and one after."""
    found = [
        beat
        for beat in _single_drops(case)
        if abs(_pr(case, beat) - _pr(case, beat - 1)) <= PR_STEADY_MS
        and abs(_pr(case, beat) - _pr(case, beat + 1)) <= PR_STEADY_MS
        and _leaves_a_pause(case, beat)
    ]
    return exact(len(found), "steady_drop_count", found[0] if found else None)


@named("two_to_one_percent")
def _two_to_one(case: Case) -> Quantity:
    """Share of the RR intervals that hold one blocked P wave and end with a conducted one."""
    name = "two_to_one_percent"
    intervals = len(case.measurements.beats) - 1
    if intervals < FEWEST_BEATS - 1:
        return too_few(name)
    found = [b for b, count in _dropped(case) if count == 1 and np.isfinite(_pr(case, b + 1))]
    return exact(100.0 * len(found) / intervals, name, found[0] if found else None)


@named("last_p_to_qrs_spread_ms")
def _dissociation(case: Case) -> Quantity:
    """Standard deviation of the time from the last P wave before each beat to its R peak.

    Without relation the last P wave is anywhere within a PP interval T before the beat, which
    scatters by T / sqrt(12): 230 ms at 75 P waves per minute. With one it hardly scatters, also
    where every second wave is blocked.
    """
    name = "last_p_to_qrs_spread_ms"
    beats, atria = case.measurements.beats, case.measurements.p_relation
    last = np.searchsorted(atria.p_time_s, beats.time_s, side="left") - 1
    known = last >= 0
    if known.sum() < FEWEST_BEATS or atria.p_time_s.size < 2 * FEWEST_BEATS:
        return Quantity.unknown("ms", "too few P waves were found")
    times = beats.time_s[known] - atria.p_time_s[last[known]]
    return exact(1000.0 * float(times.std()), name)


@named("atrial_wave_bpm")
def _atrial_wave_rate(case: Case) -> Quantity:
    """The atrial rate; where no P or flutter wave was found there is none, which is an answer."""
    rate = case.quantity("atrial_rate_bpm")
    if rate.value is None and case.measurements.p_relation.p_time_s.size == 0:
        return Quantity(None, "/min", "no P or flutter waves were found", absent=True)
    return rate


@named("pp_variation_percent")
def _pp_variation(case: Case) -> Quantity:
    pp = case.measurements.p_relation.pp_ms
    if pp.size < FEWEST_BEATS:
        return Quantity.unknown("%", "too few P waves were found")
    return exact(100.0 * float(pp.std() / pp.mean()), "pp_variation_percent")


@named("atrial_over_ventricular")
def _rate_ratio(case: Case) -> Quantity:
    """Atrial over ventricular rate."""
    atrial = case.quantity("atrial_rate_bpm")
    ventricular = case.quantity("heart_rate_bpm")
    if atrial.value is None or not ventricular.value:
        return Quantity.unknown("1", atrial.reason or ventricular.reason or "no rate")
    return exact(atrial.value / ventricular.value, "atrial_over_ventricular")
