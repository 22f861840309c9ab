"""Quantities that criteria need and that are worked out from other measurements.

Two tables, by name: :data:`DERIVED` for the recording (counts of beats, shares, sums of voltages)
and :data:`LEAD_DERIVED` for one lead. Each function takes a case (and a lead) and returns a
:class:`~ecgfoundry.criteria.quantity.Quantity`, with the reason where there is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.criteria.quantity import Quantity, unit_of
from ecgfoundry.criteria.types import MEDIAN
from ecgfoundry.leads import LIMB_LEADS, PRECORDIAL_LEADS

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case

__all__ = ["DERIVED", "LEAD_DERIVED"]

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]

FEWEST_BEATS = 3
"""Nothing is said about a rhythm from fewer beats (our choice)."""
ESCAPE_LATE = 1.2
"""A beat is late, and may be an escape beat, when it comes after 1.2 times the usual interval
between normal beats (our choice)."""
LEADS_OF_P = ("II", "MLII", "I")
"""Where the direction of P is looked at when there is no axis: the first of these."""
WIDE_BEAT_MS = 120.0

Function = Callable[["Case"], Quantity]
LeadFunction = Callable[["Case", str], Quantity]

_derived: dict[str, Function] = {}
_lead_derived: dict[str, LeadFunction] = {}


def _named(name: str) -> Callable[[Function], Function]:
    def add(function: Function) -> Function:
        _derived[name] = function
        return function

    return add


def _of_lead(name: str) -> Callable[[LeadFunction], LeadFunction]:
    def add(function: LeadFunction) -> LeadFunction:
        _lead_derived[name] = function
        return function

    return add


def _exact(value: float, name: str, beat: int | None = None) -> Quantity:
    return Quantity(float(value), unit_of(name), beat=beat)


# --- rhythm ----------------------------------------------------------------------------------


SURE_OF_CLASS = 0.5
"""Premature and ventricular beats count for statements from this probability on (our choice). The
classifier of beats answers with the rare classes well below it, so that a Holter misses few."""


def _labels(case: Case) -> NDArray[np.str_]:
    beats = case.measurements.beats
    unsure = np.isin(beats.label, ("S", "V", "F")) & (beats.confidence < SURE_OF_CLASS)
    return np.where(unsure, "N", beats.label)


def _enough(case: Case) -> bool:
    return len(case.measurements.beats) >= FEWEST_BEATS


def _few(name: str) -> Quantity:
    return Quantity.unknown(unit_of(name), f"fewer than {FEWEST_BEATS} beats were found")


def _usual_rr_s(case: Case) -> float:
    """Median interval between two neighbouring beats that are both normal, else of all."""
    beats = case.measurements.beats
    normal = beats.label == "N"
    both = normal & np.concatenate([[False], normal[:-1]]) & np.isfinite(beats.rr_s)
    chosen = beats.rr_s[both] if both.sum() >= 2 else beats.rr_s[np.isfinite(beats.rr_s)]
    return float(np.median(chosen)) if chosen.size else float("nan")


@_named("normal_p_share_percent")
def _normal_p_share(case: Case) -> Quantity:
    """Share of the normal beats that have a P wave before them."""
    name = "normal_p_share_percent"
    normal = _labels(case) == "N"
    if not _enough(case) or not normal.any():
        return _few(name)
    before = case.measurements.p_relation.p_before
    if before.size != normal.size:
        return Quantity.unknown("%", "P waves were not looked for")
    return _exact(100.0 * before[normal].mean(), name)


PR_STEADY_MS = 20.0
"""PR intervals are the same within 20 ms, and have lengthened when they differ by more (our choice,
twice the tolerance of IEC 60601-2-25 for PR)."""


@_named("steady_p_share_percent")
def _steady_p_share(case: Case) -> Quantity:
    """Share of the normal beats with a P wave at the usual distance, within 20 ms.

    Fibrillatory waves that are taken for P waves stand at any distance.
    """
    name = "steady_p_share_percent"
    normal = _labels(case) == "N"
    if not _enough(case) or not normal.any():
        return _few(name)
    pr_ms = case.measurements.p_relation.pr_ms
    if pr_ms.size != normal.size:
        return Quantity.unknown("%", "P waves were not looked for")
    pr_ms = pr_ms[normal]
    if not np.isfinite(pr_ms).any():
        return _exact(0.0, name)
    with np.errstate(invalid="ignore"):
        steady = np.abs(pr_ms - np.nanmedian(pr_ms)) <= PR_STEADY_MS
    return _exact(100.0 * steady.mean(), name)


@_named("normal_share_percent")
def _normal_share(case: Case) -> Quantity:
    """Share of the beats that are neither ventricular nor supraventricular premature."""
    if not _enough(case):
        return _few("normal_share_percent")
    labels = _labels(case)
    return _exact(100.0 * ((labels == "N") | (labels == "Q")).mean(), "normal_share_percent")


@_named("rr_successive_percent")
def _rr_successive(case: Case) -> Quantity:
    """Root mean square of successive RR differences over the mean RR, ventricular beats left out.

    The measure of Dash et al., Ann Biomed Eng 37:1701 (2009), who took 10 % as the limit of atrial
    fibrillation.
    """
    name = "rr_successive_percent"
    beats = case.measurements.beats
    ectopic = (beats.label == "V") | (beats.label == "F")
    # An interval counts when neither of its ends is ventricular.
    usable = ~ectopic & ~np.concatenate([[False], ectopic[:-1]]) & np.isfinite(beats.rr_s)
    pairs = usable[1:] & usable[:-1]
    if pairs.sum() < FEWEST_BEATS:
        return _few(name)
    change = np.diff(beats.rr_s)[pairs]
    mean = float(beats.rr_s[usable].mean())
    return _exact(100.0 * float(np.sqrt(np.mean(change * change))) / mean, name)


@_named("nn_spread_ms")
def _nn_spread(case: Case) -> Quantity:
    """Longest less shortest interval between two neighbouring normal beats with P waves."""
    name = "nn_spread_ms"
    beats = case.measurements.beats
    normal = beats.label == "N"
    both = normal & np.concatenate([[False], normal[:-1]]) & np.isfinite(beats.rr_s)
    if both.sum() < FEWEST_BEATS:
        return _few(name)
    rr = beats.rr_s[both]
    return _exact(1000.0 * float(rr.max() - rr.min()), name, int(np.flatnonzero(both)[rr.argmax()]))


@_named("nn_spread_percent")
def _nn_spread_share(case: Case) -> Quantity:
    spread, usual = case.quantity("nn_spread_ms"), _usual_rr_s(case)
    if spread.value is None:
        return Quantity.unknown("%", spread.reason or "")
    return _exact(spread.value / usual / 10.0, "nn_spread_percent")


@_named("p_axis_known")
def _p_axis_known(case: Case) -> Quantity:
    return _exact(case.quantity("p_axis_deg").value is not None, "p_axis_known")


@_named("reference_p_mv")
def _reference_p(case: Case) -> Quantity:
    """P in lead II, MLII or I, the first that is there."""
    for lead in LEADS_OF_P:
        figures = case.measurements.leads.get(lead)
        if figures is not None and figures.p_mv is not None:
            return Quantity(figures.p_mv, "mV", beat=MEDIAN)
    return Quantity.unknown("mV", "no P wave was measured in II or I")


# --- ectopy ----------------------------------------------------------------------------------


def _count_label(name: str, chosen: Callable[[Case], Bool]) -> None:
    def count(case: Case) -> Quantity:
        if not len(case.measurements.beats):
            return _few(name)
        mask = chosen(case)
        first = int(mask.argmax()) if mask.any() else None
        return _exact(int(mask.sum()), name, first)

    _derived[name] = count


def _late(case: Case) -> Bool:
    beats = case.measurements.beats
    with np.errstate(invalid="ignore"):
        late: Bool = beats.rr_s >= ESCAPE_LATE * _usual_rr_s(case)
    return late


def _alone(case: Case) -> Bool:
    """Beats whose neighbour before is not of the same class."""
    labels = _labels(case)
    result: Bool = np.concatenate([[True], labels[1:] != labels[:-1]])
    return result


def _premature_ventricular(case: Case) -> Bool:
    return (_labels(case) == "V") & ~(_late(case) & _alone(case))


def _ventricular_escape(case: Case) -> Bool:
    """Late beats of ventricular class, or late, wide and without a P wave among narrow ones."""
    labels, wide = _labels(case), _wide(case)
    before = case.measurements.p_relation.p_before
    shape = np.zeros(labels.size, bool)
    if before.size == labels.size and wide.mean() < 0.5:
        shape = wide & ~before
    return ((labels == "V") & _alone(case) | shape) & _late(case)


def _junctional_escape(case: Case) -> Bool:
    before = case.measurements.p_relation.p_before
    labels = _labels(case)
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
    labels, before = _labels(case), case.measurements.p_relation.p_before
    return (labels == "S") & (before if before.size == labels.size else np.zeros(labels.size, bool))


_count_label("ventricular_premature_count", _premature_ventricular)
_count_label("ventricular_escape_count", _ventricular_escape)
_count_label("junctional_escape_count", _junctional_escape)
_count_label("supraventricular_premature_count", lambda case: _labels(case) == "S")
_count_label("premature_with_p_count", _p_of_premature)
_count_label("fusion_count", lambda case: _labels(case) == "F")
_count_label("wide_premature_count", lambda case: (_labels(case) == "S") & _wide(case))


def _runs(mask: Bool) -> list[tuple[int, int]]:
    """First and past-the-last position of each stretch of True."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return list(
        zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True)
    )


def _longest_ventricular_run(case: Case) -> tuple[int, int]:
    return max(_runs(_labels(case) == "V"), key=lambda run: run[1] - run[0], default=(0, 0))


@_named("ventricular_run_beats")
def _ventricular_run(case: Case) -> Quantity:
    """Beats of the longest run of ventricular beats."""
    begin, end = _longest_ventricular_run(case)
    return _exact(end - begin, "ventricular_run_beats", begin if end > begin else None)


@_named("ventricular_run_bpm")
def _ventricular_run_rate(case: Case) -> Quantity:
    """Rate within the longest run of ventricular beats."""
    begin, end = _longest_ventricular_run(case)
    if end - begin < 2:
        return Quantity.unknown("/min", "there is no run of ventricular beats")
    rr = case.measurements.beats.rr_s[begin + 1 : end]
    return _exact(60.0 / float(np.mean(rr)), "ventricular_run_bpm", begin)


@_named("ventricular_couplet_count")
def _couplets(case: Case) -> Quantity:
    runs = [run for run in _runs(_labels(case) == "V") if run[1] - run[0] == 2]
    return _exact(len(runs), "ventricular_couplet_count", runs[0][0] if runs else None)


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
        count, first = _pattern_length(_labels(case), kind, period)
        return _exact(count, name, first)

    _derived[name] = longest


_pattern("ventricular_bigeminy_beats", "V", 2)
_pattern("atrial_bigeminy_beats", "S", 2)
_pattern("ventricular_trigeminy_beats", "V", 3)


# --- pauses ----------------------------------------------------------------------------------


def _sinus_intervals(case: Case) -> tuple[Float64, NDArray[np.int64]]:
    """Intervals that no premature beat begins or ends, and the beats that end them."""
    beats = case.measurements.beats
    normal = (beats.label == "N") | (beats.label == "Q")
    usable = np.isfinite(beats.rr_s) & np.concatenate([[False], normal[:-1]])
    places = np.flatnonzero(usable)
    return beats.rr_s[places], places


@_named("longest_pause_s")
def _longest_pause(case: Case) -> Quantity:
    """Longest interval after a normal beat: pauses after premature beats are theirs."""
    rr, places = _sinus_intervals(case)
    if rr.size == 0:
        return _few("longest_pause_s")
    return _exact(float(rr.max()), "longest_pause_s", int(places[rr.argmax()]))


@_named("pause_over_usual")
def _pause_over_usual(case: Case) -> Quantity:
    """The longest pause over the usual interval."""
    pause, usual = case.quantity("longest_pause_s"), _usual_rr_s(case)
    if pause.value is None or not np.isfinite(usual):
        return _few("pause_over_usual")
    beat = pause.beat if isinstance(pause.beat, int) else None
    return _exact(pause.value / usual, "pause_over_usual", beat)


@_named("blocked_p_in_pause_count")
def _blocked_in_pause(case: Case) -> Quantity:
    """P waves inside the longest pause that no QRS complex follows."""
    name = "blocked_p_in_pause_count"
    pause = case.quantity("longest_pause_s")
    if not isinstance(pause.beat, int):
        return _few(name)
    beats, atria = case.measurements.beats, case.measurements.p_relation
    begin, end = beats.time_s[pause.beat - 1], beats.time_s[pause.beat]
    inside = (atria.p_time_s > begin) & (atria.p_time_s < end) & (atria.p_beat < 0)
    return _exact(int(inside.sum()), name, pause.beat)


@_named("sinus_shortening_count")
def _shortening(case: Case) -> Quantity:
    """Intervals just before the longest pause that each are shorter than the one before."""
    name = "sinus_shortening_count"
    pause = case.quantity("longest_pause_s")
    if not isinstance(pause.beat, int):
        return _few(name)
    before = case.measurements.beats.rr_s[: pause.beat][::-1]
    count = 0
    for later, earlier in itertools.pairwise(before):
        if not earlier - later >= SHORTENING_S:
            break
        count += 1
    return _exact(count, name, pause.beat)


SHORTENING_S = 0.02
"""Two intervals differ when they do so by 20 ms, more than a beat's time is uncertain by."""


# --- atria and ventricles --------------------------------------------------------------------


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


@_named("blocked_p_count")
def _blocked_p(case: Case) -> Quantity:
    """P waves between two beats that no QRS complex follows."""
    dropped = _dropped(case)
    total = sum(count for _, count in dropped)
    return _exact(total, "blocked_p_count", dropped[0][0] if dropped else None)


def _single_drops(case: Case) -> list[int]:
    """Beats before a single blocked P wave whose own and whose previous PR are known."""
    return [
        beat
        for beat, count in _dropped(case)
        if count == 1 and np.isfinite([_pr(case, beat), _pr(case, beat - 1)]).all()
    ]


@_named("wenckebach_count")
def _wenckebach(case: Case) -> Quantity:
    """Blocked P waves after PR has lengthened, with a shorter PR in the beat after the pause."""
    found = [
        beat
        for beat in _single_drops(case)
        if _pr(case, beat) - _pr(case, beat - 1) > 0
        and _pr(case, beat) - _pr(case, beat + 1) > PR_STEADY_MS
    ]
    return _exact(len(found), "wenckebach_count", found[0] if found else None)


@_named("steady_drop_count")
def _steady_drops(case: Case) -> Quantity:
    """Blocked P waves with the same PR before and after, two conducted beats at least before."""
    found = [
        beat
        for beat in _single_drops(case)
        if abs(_pr(case, beat) - _pr(case, beat - 1)) <= PR_STEADY_MS
        and abs(_pr(case, beat) - _pr(case, beat + 1)) <= PR_STEADY_MS
    ]
    return _exact(len(found), "steady_drop_count", found[0] if found else None)


@_named("two_to_one_percent")
def _two_to_one(case: Case) -> Quantity:
    """Share of the RR intervals that hold one blocked P wave and end with a conducted one."""
    name = "two_to_one_percent"
    intervals = len(case.measurements.beats) - 1
    if intervals < FEWEST_BEATS - 1:
        return _few(name)
    found = [b for b, count in _dropped(case) if count == 1 and np.isfinite(_pr(case, b + 1))]
    return _exact(100.0 * len(found) / intervals, name, found[0] if found else None)


@_named("last_p_to_qrs_spread_ms")
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
    return _exact(1000.0 * float(times.std()), name)


@_named("atrial_wave_bpm")
def _atrial_wave_rate(case: Case) -> Quantity:
    """The atrial rate; where no P or flutter wave was found there is none, which is an answer."""
    rate = case.quantity("atrial_rate_bpm")
    if rate.value is None and case.measurements.p_relation.p_time_s.size == 0:
        return Quantity(None, "/min", "no P or flutter waves were found", absent=True)
    return rate


@_named("pp_variation_percent")
def _pp_variation(case: Case) -> Quantity:
    pp = case.measurements.p_relation.pp_ms
    if pp.size < FEWEST_BEATS:
        return Quantity.unknown("%", "too few P waves were found")
    return _exact(100.0 * float(pp.std() / pp.mean()), "pp_variation_percent")


@_named("atrial_over_ventricular")
def _rate_ratio(case: Case) -> Quantity:
    """Atrial over ventricular rate."""
    atrial = case.quantity("atrial_rate_bpm")
    ventricular = case.quantity("heart_rate_bpm")
    if atrial.value is None or not ventricular.value:
        return Quantity.unknown("1", atrial.reason or ventricular.reason or "no rate")
    return _exact(atrial.value / ventricular.value, "atrial_over_ventricular")


# --- pacing ----------------------------------------------------------------------------------


def _spikes(kind: str) -> Function:
    name = f"{kind}_spike_count"

    def count(case: Case) -> Quantity:
        found = [spike for spike in case.measurements.pacing if spike.kind == kind]
        return _exact(len(found), name)

    _derived[name] = count
    return count


def _spike_share(kind: str) -> Function:
    name = f"{kind}_spikes_per_beat_percent"

    def share(case: Case) -> Quantity:
        if not _enough(case):
            return _few(name)
        found = [spike for spike in case.measurements.pacing if spike.kind == kind]
        return _exact(100.0 * len(found) / len(case.measurements.beats), name)

    _derived[name] = share
    return share


for _kind in ("atrial", "ventricular"):
    _spikes(_kind)
    _spike_share(_kind)


@_named("spike_count")
def _all_spikes(case: Case) -> Quantity:
    return _exact(len(case.measurements.pacing), "spike_count")


@_named("spike_without_capture_count")
def _lost(case: Case) -> Quantity:
    lost = [spike for spike in case.measurements.pacing if spike.captured is False]
    return _exact(len(lost), "spike_without_capture_count")


@_named("paced_share_percent")
def _paced_share(case: Case) -> Quantity:
    if not _enough(case):
        return _few("paced_share_percent")
    return _exact(100.0 * float(case.measurements.beats.paced.mean()), "paced_share_percent")


# --- voltages --------------------------------------------------------------------------------


def _sum(name: str, first: Quantity, second: Quantity) -> Quantity:
    if first.number is None or second.number is None:
        return Quantity.unknown("mV", first.reason or second.reason or "not measured")
    return Quantity(abs(first.number) + abs(second.number), unit_of(name), beat=MEDIAN)


def _deepest(case: Case, lead: str) -> Quantity:
    """The S wave of a lead, or its QS."""
    s, q = case.quantity("s_mv", lead), case.quantity("q_mv", lead)
    figures = case.measurements.leads.get(lead)
    return q if figures is not None and figures.qs else s


def _highest(case: Case, lead: str) -> Quantity:
    """The larger of R and R'."""
    r, r2 = case.quantity("r_mv", lead), case.quantity("r2_mv", lead)
    return r2 if (r2.number or 0.0) > (r.number or 0.0) else r


@_named("sokolow_lyon_mv")
def _sokolow(case: Case) -> Quantity:
    """S in V1 and the larger R of V5 and V6."""
    highs = [_highest(case, lead) for lead in ("V5", "V6")]
    high = max(highs, key=lambda q: -1.0 if q.number is None else q.number)
    return _sum("sokolow_lyon_mv", _deepest(case, "V1"), high)


@_named("cornell_mv")
def _cornell(case: Case) -> Quantity:
    """R in aVL and S in V3."""
    return _sum("cornell_mv", _highest(case, "aVL"), _deepest(case, "V3"))


@_named("peguero_mv")
def _peguero(case: Case) -> Quantity:
    """The deepest S of any lead and S in V4."""
    depths = [_deepest(case, lead) for lead in LIMB_LEADS + PRECORDIAL_LEADS]
    missing = next((q for q in depths if q.number is None), None)
    if missing is not None:
        return missing
    return _sum("peguero_mv", min(depths, key=lambda q: q.number or 0.0), _deepest(case, "V4"))


@_named("right_sokolow_mv")
def _right_sokolow(case: Case) -> Quantity:
    """R in V1 and the larger S of V5 and V6."""
    depths = [_deepest(case, lead) for lead in ("V5", "V6")]
    deep = max(depths, key=lambda q: -1.0 if q.number is None else abs(q.number))
    return _sum("right_sokolow_mv", _highest(case, "V1"), deep)


@_of_lead("qrs_span_mv")
def _span(case: Case, lead: str) -> Quantity:
    """Highest less lowest point of the QRS complex."""
    parts = [case.quantity(n, lead) for n in ("q_mv", "r_mv", "s_mv", "r2_mv", "s2_mv")]
    numbers = [part.number for part in parts if part.number is not None]
    if len(numbers) < len(parts):
        return Quantity.unknown("mV", next(p.reason or "" for p in parts if p.number is None))
    return Quantity(max(numbers) - min(numbers), "mV", beat=MEDIAN)


def _ratio(case: Case, lead: str, above: str, below: str, without: float) -> Quantity:
    first, second = case.quantity(above, lead), case.quantity(below, lead)
    if first.number is None or second.number is None:
        return Quantity.unknown("1", first.reason or second.reason or "not measured")
    if second.number == 0.0:
        return Quantity(without if first.number else 0.0, "1", beat=MEDIAN)
    return Quantity(abs(first.number / second.number), "1", beat=MEDIAN)


NO_S_RATIO = 99.0
"""R/S in a lead without S, where the ratio has no value: beyond every limit."""


@_of_lead("initial_q_mv")
def _initial_q(case: Case, lead: str) -> Quantity:
    """Q before an R wave that is higher; a QS or Qr, as beyond a late transition, is none."""
    q, r = case.quantity("q_mv", lead), case.quantity("r_mv", lead)
    if q.value is not None and r.number is not None and abs(q.value) > r.number:
        return Quantity(None, "mV", f"the complex of {lead} is a QS or Qr", MEDIAN, absent=True)
    return q


@_of_lead("r_over_s")
def _r_over_s(case: Case, lead: str) -> Quantity:
    return _ratio(case, lead, "r_mv", "s_mv", NO_S_RATIO)


@_of_lead("r2_over_r")
def _r2_over_r(case: Case, lead: str) -> Quantity:
    return _ratio(case, lead, "r2_mv", "r_mv", NO_S_RATIO)


@_of_lead("s_over_r_duration")
def _s_over_r(case: Case, lead: str) -> Quantity:
    return _ratio(case, lead, "s_ms", "r_ms", NO_S_RATIO)


@_of_lead("t_over_r")
def _t_over_r(case: Case, lead: str) -> Quantity:
    return _ratio(case, lead, "t_mv", "r_mv", 0.0)


@_of_lead("st_fall_mv")
def _st_fall(case: Case, lead: str) -> Quantity:
    """How far the ST segment falls from J to J + 80 ms."""
    first, last = case.quantity("st_j_mv", lead), case.quantity("st_j80_mv", lead)
    if first.value is None or last.value is None:
        return Quantity.unknown("mV", first.reason or last.reason or "not measured")
    return Quantity(first.value - last.value, "mV", beat=MEDIAN)


DERIVED: Mapping[str, Function] = MappingProxyType(_derived)
LEAD_DERIVED: Mapping[str, LeadFunction] = MappingProxyType(_lead_derived)
