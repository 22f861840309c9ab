"""P waves, normal beats and how regular they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgfoundry.criteria.derived.common import (
    FEWEST_BEATS,
    LEADS_OF_P,
    exact,
    has_enough,
    named,
    too_few,
)
from ecgfoundry.criteria.quantity import Quantity
from ecgfoundry.criteria.types import MEDIAN
from ecgfoundry.measurements.settled_classes import surely_normal, usual_rr_s

if TYPE_CHECKING:
    from ecgfoundry.criteria.case import Case


@named("normal_p_share_percent")
def _normal_p_share(case: Case) -> Quantity:
    """Share of the normal beats that have a P wave before them."""
    name = "normal_p_share_percent"
    normal = case.measurements.beats.label == "N"
    if not has_enough(case) or not normal.any():
        return too_few(name)
    before = case.measurements.p_relation.p_before
    if before.size != normal.size:
        return Quantity.unknown("%", "P waves were not looked for")
    return exact(100.0 * before[normal].mean(), name)


PR_STEADY_MS = 20.0
"""PR intervals are the same within 20 ms, and have lengthened when they differ by more (our choice,
twice the tolerance of IEC 60601-2-25 for PR)."""


@named("steady_p_share_percent")
def _steady_p_share(case: Case) -> Quantity:
    """Share of the normal beats with a P wave at the usual distance, within 20 ms.

    Fibrillatory waves that are taken for P waves stand at any distance.
    """
    name = "steady_p_share_percent"
    normal = case.measurements.beats.label == "N"
    if not has_enough(case) or not normal.any():
        return too_few(name)
    pr_ms = case.measurements.p_relation.pr_ms
    if pr_ms.size != normal.size:
        return Quantity.unknown("%", "P waves were not looked for")
    pr_ms = pr_ms[normal]
    if not np.isfinite(pr_ms).any():
        return exact(0.0, name)
    with np.errstate(invalid="ignore"):
        steady = np.abs(pr_ms - np.nanmedian(pr_ms)) <= PR_STEADY_MS
    return exact(100.0 * steady.mean(), name)


@named("normal_share_percent")
def _normal_share(case: Case) -> Quantity:
    """Share of the beats that are neither ventricular nor supraventricular premature."""
    if not has_enough(case):
        return too_few("normal_share_percent")
    labels = case.measurements.beats.label
    return exact(100.0 * ((labels == "N") | (labels == "Q")).mean(), "normal_share_percent")


@named("rr_successive_percent")
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
        return too_few(name)
    change = np.diff(beats.rr_s)[pairs]
    mean = float(beats.rr_s[usable].mean())
    return exact(100.0 * float(np.sqrt(np.mean(change * change))) / mean, name)


@named("nn_spread_ms")
def _nn_spread(case: Case) -> Quantity:
    """Longest less shortest interval between two neighbouring normal beats with P waves."""
    name = "nn_spread_ms"
    beats = case.measurements.beats
    normal = surely_normal(beats)
    both = normal & np.concatenate([[False], normal[:-1]]) & np.isfinite(beats.rr_s)
    if both.sum() < FEWEST_BEATS:
        return too_few(name)
    rr = beats.rr_s[both]
    return exact(1000.0 * float(rr.max() - rr.min()), name, int(np.flatnonzero(both)[rr.argmax()]))


@named("nn_spread_percent")
def _nn_spread_share(case: Case) -> Quantity:
    spread, usual = case.quantity("nn_spread_ms"), usual_rr_s(case.measurements.beats)
    if spread.value is None:
        return Quantity.unknown("%", spread.reason or "")
    return exact(spread.value / usual / 10.0, "nn_spread_percent")


@named("p_axis_known")
def _p_axis_known(case: Case) -> Quantity:
    return exact(case.quantity("p_axis_deg").value is not None, "p_axis_known")


@named("reference_p_mv")
def _reference_p(case: Case) -> Quantity:
    """P in lead II, MLII or I, the first that is there."""
    for lead in LEADS_OF_P:
        figures = case.measurements.leads.get(lead)
        if figures is not None and figures.p_mv is not None:
            return Quantity(figures.p_mv, "mV", beat=MEDIAN)
    return Quantity.unknown("mV", "no P wave was measured in II or I")
