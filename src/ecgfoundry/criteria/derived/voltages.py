"""Sums, ratios and slopes of the waves of the median beat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ecgfoundry.criteria.derived.common import named, of_lead
from ecgfoundry.criteria.quantity import Quantity, unit_of
from ecgfoundry.criteria.types import MEDIAN
from ecgfoundry.criteria.variability import repeat_of
from ecgfoundry.leads import LIMB_LEADS, PRECORDIAL_LEADS

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case


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


@named("sokolow_lyon_mv")
def _sokolow(case: Case) -> Quantity:
    """S in V1 and the larger R of V5 and V6."""
    highs = [_highest(case, lead) for lead in ("V5", "V6")]
    high = max(highs, key=lambda q: -1.0 if q.number is None else q.number)
    return _sum("sokolow_lyon_mv", _deepest(case, "V1"), high)


@named("cornell_mv")
def _cornell(case: Case) -> Quantity:
    """R in aVL and S in V3."""
    return _sum("cornell_mv", _highest(case, "aVL"), _deepest(case, "V3"))


@named("peguero_mv")
def _peguero(case: Case) -> Quantity:
    """The deepest S of any lead and S in V4."""
    depths = [_deepest(case, lead) for lead in LIMB_LEADS + PRECORDIAL_LEADS]
    missing = next((q for q in depths if q.number is None), None)
    if missing is not None:
        return missing
    return _sum("peguero_mv", min(depths, key=lambda q: q.number or 0.0), _deepest(case, "V4"))


@named("right_sokolow_mv")
def _right_sokolow(case: Case) -> Quantity:
    """R in V1 and the larger S of V5 and V6."""
    depths = [_deepest(case, lead) for lead in ("V5", "V6")]
    deep = max(depths, key=lambda q: -1.0 if q.number is None else abs(q.number))
    return _sum("right_sokolow_mv", _highest(case, "V1"), deep)


@of_lead("qrs_span_mv")
def _span(case: Case, lead: str) -> Quantity:
    """Highest less lowest point of the QRS complex."""
    parts = [case.quantity(n, lead) for n in ("q_mv", "r_mv", "s_mv", "r2_mv", "s2_mv")]
    numbers = [part.number for part in parts if part.number is not None]
    if len(numbers) < len(parts):
        return Quantity.unknown("mV", next(p.reason or "" for p in parts if p.number is None))
    return Quantity(max(numbers) - min(numbers), "mV", beat=MEDIAN)


def _ratio(case: Case, lead: str, above: str, below: str, *, endless: bool = True) -> Quantity:
    """One wave over another; ``endless``: what is there over one that is not."""
    first, second = case.quantity(above, lead), case.quantity(below, lead)
    if first.number is None or second.number is None:
        return Quantity.unknown("1", first.reason or second.reason or "not measured")
    if second.number == 0.0:
        if endless and first.number:
            return Quantity(None, "1", second.reason, beat=MEDIAN, endless=True)
        return Quantity(0.0, "1", beat=MEDIAN)
    ratio = abs(first.number / second.number)
    shares = [
        repeat_of(name).around(part) / abs(part) if part else 0.0
        for name, part in ((above, first.number), (below, second.number))
    ]
    # Two waves that change each for itself; of one that is not there the ratio stays zero.
    factor = 1.0 + math.hypot(*shares)
    return Quantity(ratio, "1", beat=MEDIAN, reach=(ratio / factor, ratio * factor))


@of_lead("initial_q_mv")
def _initial_q(case: Case, lead: str) -> Quantity:
    """Q before an R wave that is higher; a QS or Qr, as beyond a late transition, is none."""
    q, r = case.quantity("q_mv", lead), case.quantity("r_mv", lead)
    if q.value is not None and r.number is not None and abs(q.value) > r.number:
        return Quantity(None, "mV", f"the complex of {lead} is a QS or Qr", MEDIAN, absent=True)
    return q


@of_lead("r_over_s")
def _r_over_s(case: Case, lead: str) -> Quantity:
    return _ratio(case, lead, "r_mv", "s_mv")


@of_lead("r2_over_r")
def _r2_over_r(case: Case, lead: str) -> Quantity:
    return _ratio(case, lead, "r2_mv", "r_mv")


@of_lead("s_over_r_duration")
def _s_over_r(case: Case, lead: str) -> Quantity:
    return _ratio(case, lead, "s_ms", "r_ms")


@of_lead("t_over_r")
def _t_over_r(case: Case, lead: str) -> Quantity:
    return _ratio(case, lead, "t_mv", "r_mv", endless=False)


@of_lead("st_fall_mv")
def _st_fall(case: Case, lead: str) -> Quantity:
    """How far the ST segment falls from J to J + 80 ms."""
    first, last = case.quantity("st_j_mv", lead), case.quantity("st_j80_mv", lead)
    if first.value is None or last.value is None:
        return Quantity.unknown("mV", first.reason or last.reason or "not measured")
    return Quantity(first.value - last.value, "mV", beat=MEDIAN)
