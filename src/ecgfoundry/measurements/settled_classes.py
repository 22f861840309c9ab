"""The classes of the beats of a short recording, where each of them stands in a report.

The classifier is set for a Holter of half an hour (docs/beats.md). Of ten seconds every beat is
read by somebody: here an ectopic beat has to be more likely than not, what the waves around it
contradict is corrected, and what is early by the clock alone is premature: in ten seconds with many
premature beats the classifier does not know which ones are the usual ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.beat_list import Beats

Float64 = NDArray[np.float64]

__all__ = [
    "CLASS_REPEAT",
    "EARLY",
    "RUN_BEATS",
    "SURE_OF_CLASS",
    "WIDE_BEAT_MS",
    "settled_labels",
    "surely_normal",
    "usual_rr_s",
]

SURE_OF_CLASS = 0.5
"""Premature and ventricular beats are called so from this probability on (our choice)."""
CLASS_REPEAT = 0.05
"""How much the probability of a class changes when the recording is changed in ways that say
nothing about the heart (0.02 in 9 of 10 beats of less than 0.8, 0.03 in 19 of 20:
``benchmarks/experiments/unchanged.py`` makes the changes)."""
CUT_BEFORE_S, CUT_AFTER_S = 0.11, 0.15
"""A complex reaches from so long before its middle to so long behind it
(:mod:`ecgfoundry.measurements.templates`)."""
WIDE_BEAT_MS = 120.0
LEADS_OF_WIDTH = 6
CERTAIN, NARROW_BEYOND_DOUBT_MS = 0.9, 100.0
"""The width of one beat is a measurement: a ventricular beat of such a probability has to be so
much narrower to be none (our choice, on records of PTB-XL; see docs/beats.md)."""
PREMATURE = 0.75
"""A beat is premature by the clock alone when it comes before so much of the usual interval and of
the one behind it (our choice, on the same records)."""
USUAL_QUANTILE = 0.75
"""The usual interval then: in bigeminy every second one is short."""
WITH_P_SHARE = 0.6
"""Of the normal beats; in fibrillation any beat may be early."""
EARLY = 0.9
"""A beat is early when it comes before 0.9 times the usual interval (our choice)."""
LARGEST_TEMPLATE = 0
PACED_ALIKE = 2
"""Of the form of so many paced beats a beat is paced, though its spike was not found."""
RUN_BEATS = 3
"""Ventricular beats that follow each other are a run from three on (AHA/ACC/HRS 2007)."""


def settled_labels(
    beats: Beats, leads: int, blocked_p_s: Float64 | None = None, duration_s: float = np.inf
) -> NDArray[np.str_]:
    """Return the classes (beats,); an unsure premature, ventricular or fusion beat is N.

    An ectopic beat at the begin or the end of the recording is Q, but for one whose whole complex
    was found and is ventricular or premature: what is cut off a usual beat makes it look like one,
    most often like a fusion beat.

    A ventricular complex is wide (AHA/ACCF/HRS 2009, part III: 120 ms or more). One that twelve
    leads show to be narrower is supraventricular: S where it is early, else N. One lead or two do
    not show the whole width, and of what the classifier is certain, 100 to 120 ms are no proof.

    A beat is S, too, that comes before three quarters of the usual interval and of the interval
    behind it, in a rhythm with P waves, unless a blocked P wave makes that interval long.

    Single and paired ventricular beats whose QRS complex has no begin or end are Q: a movement of
    the electrode looks like them. Runs stay, because ventricular flutter has no ends either, and so
    does a form that recurs behind usual beats. Q is also a ventricular beat of the form of two
    paced ones: some spikes are lost between two samples.

    Parameters
    ----------
    beats : Beats
        With the classes and probabilities of the classifier, and where each QRS complex is.
    leads : int
        In which they were measured.
    blocked_p_s : ndarray (waves,), optional
        Moments of P waves that no beat follows.
    duration_s : float, optional
        Of the recording.
    """
    if not len(beats):
        return beats.label
    unsure = np.isin(beats.label, ("S", "V", "F")) & (beats.confidence < SURE_OF_CLASS)
    labels = np.where(unsure, "N", beats.label)
    if leads >= LEADS_OF_WIDTH:
        with np.errstate(invalid="ignore"):
            width_ms = 1000.0 * (beats.qrs_offset_s - beats.qrs_onset_s)
            limit_ms = np.where(beats.confidence >= CERTAIN, NARROW_BEYOND_DOUBT_MS, WIDE_BEAT_MS)
            narrow = (labels == "V") & (width_ms < limit_ms)
            early = beats.rr_s < EARLY * usual_rr_s(beats)
        labels = np.where(narrow, np.where(early, "S", "N"), labels)
    labels = np.where((labels == "S") & _on_time(beats, labels), "N", labels)
    labels = _without_ends(beats, labels)
    labels = np.where((labels == "V") & (_paced_alike(beats) >= PACED_ALIKE), "Q", labels)
    blocked = np.empty(0) if blocked_p_s is None else blocked_p_s
    labels = np.where(_early_by_the_clock(beats, labels, blocked), "S", labels)
    at_edge = (beats.time_s < CUT_BEFORE_S) | (beats.time_s > duration_s - CUT_AFTER_S)
    whole = _bounded(beats) & (labels != "F")
    return np.where(at_edge & ~whole & np.isin(labels, ("S", "V", "F")), "Q", labels)


def _bounded(beats: Beats) -> NDArray[np.bool_]:
    """Whether begin and end of each complex (beats,) were found."""
    result: NDArray[np.bool_] = np.isfinite(beats.qrs_onset_s) & np.isfinite(beats.qrs_offset_s)
    return result


def _without_ends(beats: Beats, labels: NDArray[np.str_]) -> NDArray[np.str_]:
    bounded = _bounded(beats)
    if bounded.all() or not bounded.any():  # none: nothing was delineated
        return labels
    ventricular = labels == "V"
    starts = np.flatnonzero(np.diff(ventricular, prepend=~ventricular[:1]))
    lengths = np.diff(starts, append=labels.size)
    in_run = np.repeat(lengths >= RUN_BEATS, lengths)
    return np.where(ventricular & ~bounded & ~in_run & ~_recurs(beats), "Q", labels)


def _recurs(beats: Beats) -> NDArray[np.bool_]:
    """Whether the form of a beat (beats,) is seen again behind usual ones."""
    number = beats.template
    usual_so_far = np.cumsum(number == LARGEST_TEMPLATE)
    alike = number[:, None] == number[None, :]
    apart = usual_so_far[:, None] != usual_so_far[None, :]
    result: NDArray[np.bool_] = (alike & apart).any(axis=1) & (number > LARGEST_TEMPLATE)
    return result


def _paced_alike(beats: Beats) -> NDArray[np.int64]:
    """How many paced beats have the template of each beat (beats,); 0 where it has none."""
    number = beats.template
    # One place more than there are templates, so that -1 points at an empty one.
    paced = beats.paced & (number >= 0)
    counts = np.bincount(number[paced], minlength=int(number.max()) + 2)
    result: NDArray[np.int64] = counts[number]
    return result


def surely_normal(beats: Beats) -> NDArray[np.bool_]:
    """N beats (beats,) but for those that are N because they were unsure.

    Their intervals may be those of premature beats. They have no probability where others have one.
    """
    normal: NDArray[np.bool_] = beats.label == "N"
    known = np.isfinite(beats.confidence)
    return normal & known if known.any() else normal


def usual_rr_s(beats: Beats) -> float:
    """Median interval between two neighbouring beats that are both normal, else of all."""
    normal = surely_normal(beats)
    both = normal & np.concatenate([[False], normal[:-1]]) & np.isfinite(beats.rr_s)
    chosen = beats.rr_s[both] if both.sum() >= 2 else beats.rr_s[np.isfinite(beats.rr_s)]
    return float(np.median(chosen)) if chosen.size else float("nan")


def _early_by_the_clock(
    beats: Beats, labels: NDArray[np.str_], blocked_p_s: Float64
) -> NDArray[np.bool_]:
    """Whether a beat (beats,) that is N so far is premature for its intervals alone."""
    none = np.zeros(labels.size, bool)
    normal, rr = labels == "N", beats.rr_s
    if not normal.any() or np.isfinite(beats.p_s[normal]).mean() < WITH_P_SHARE:
        return none
    if np.isfinite(rr).sum() < RUN_BEATS:
        return none
    after = np.append(rr[1:], np.nan)
    usual = np.nanquantile(rr, USUAL_QUANTILE)
    with np.errstate(invalid="ignore"):
        early = (rr < PREMATURE * usual) & (rr < PREMATURE * after)
    # What may be ventricular stays open, and behind such a beat the next one is no earlier than it.
    early &= normal & np.isin(beats.label, ("N", "S"))
    early[1:] &= ~np.isin(labels[:-1], ("V", "F", "Q"))
    # In Wenckebach's periods of three to two every second interval is long for another reason.
    upto = np.searchsorted(np.sort(blocked_p_s), beats.time_s)
    early[:-1] &= upto[1:] == upto[:-1]
    return early


def _on_time(beats: Beats, labels: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Whether a beat behind ventricular ones comes when the sinus node was due.

    Behind an interpolated beat the interval is short, and the sinus beat is not premature.
    """
    times = beats.time_s
    ventricular = np.isin(labels, ("V", "F"))
    before = np.maximum.accumulate(np.where(ventricular, -1, np.arange(labels.size)))
    last = np.concatenate([[-1], before[:-1]]).astype(np.int64)
    behind = np.concatenate([[False], ventricular[:-1]]) & (last >= 0)
    result: NDArray[np.bool_] = behind & (times - times[last] >= EARLY * usual_rr_s(beats))
    return result
