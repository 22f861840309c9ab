"""The values of a recording as a whole: rates, intervals, QTc, axes; each with its method.

Intervals run from the earliest onset to the latest offset of all leads (CSE convention) and are
medians over the beats of the dominant class. Where the rhythm is irregular and without P waves, QT
is the mean over the beats, as the AHA/ACCF/HRS recommend (part IV, J Am Coll Cardiol 53:982, 2009).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.leads import LIMB_LEADS, limb_disagreement
from ecgfoundry.measurements.atria import AtrialActivity
from ecgfoundry.measurements.axes import (
    KORS_LEADS,
    angle_between,
    axis_degrees,
    frontal_plane,
    spatial_angle_degrees,
)
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.boundaries import BeatWaves
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.values import GLOBAL_VALUES, LeadMeasurements, Value, missing

__all__ = ["DelineatedBeats", "axis_values", "interval_values", "rate_values"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

IRREGULAR_PERCENT = 6.0
"""RR intervals that vary by more, without P waves, are those of atrial fibrillation (our
choice)."""
MEAN_SHARE = 0.15
"""Beats whose QT is further from the median are left out of the mean: their T was mistaken."""
QTC_RATES_BPM = (40.0, 150.0)
"""Outside, the correction formulas mean nothing and QTc is not given (our choice)."""
LEAST_QRS_MS = 30.0
"""No complex is narrower: under it the boundaries are those of a spike or of noise (our choice)."""
AXIS_LEAST_SHARE = 0.05
"""An axis is given when its vector is at least this share of the mean absolute area: otherwise the
direction is chance (our choice)."""
P_WITHIN_NOISE = "P is within the noise of the median beat"
DISAGREEMENT = 0.35
"""Limb leads that are further from I and II than this, in the recording and in the median beat, are
rescaled or misnamed (as the quality gate)."""
NO_BEATS = "no QRS complex was found"


@dataclass(frozen=True, eq=False)
class DelineatedBeats:
    """Beats, their boundaries in samples, and which are of the dominant class."""

    beats: Beats
    waves: BeatWaves
    usual: Bool
    sampling_rate: float

    def spans_ms(self, begin: str, end: str) -> Float64:
        """Return the lengths between two boundaries of the usual beats; NaN where one is not."""
        length = getattr(self.waves, end) - getattr(self.waves, begin)
        spans: Float64 = length[self.usual] * (1000.0 / self.sampling_rate)
        return spans


def rate_values(beats: Beats, atrial: AtrialActivity) -> dict[str, Value]:
    """Return the ventricular rate, RR intervals, share of P waves and atrial rate."""
    names = (
        "heart_rate_bpm", "rr_mean_ms", "rr_median_ms", "rr_shortest_ms", "rr_longest_ms",
        "rr_variation_percent",
    )  # fmt: skip
    rr = beats.rr_s[np.isfinite(beats.rr_s)] * 1000.0
    result: dict[str, Value] = {}
    if rr.size == 0:
        reason = NO_BEATS if len(beats) == 0 else "an RR interval needs two beats"
        result = {name: missing(_unit(name), reason) for name in names}
    else:
        method = f"{rr.size} RR intervals"
        numbers = (60_000.0 / rr.mean(), rr.mean(), np.median(rr), rr.min(), rr.max())
        for name, number in zip(names[:-1], numbers, strict=True):
            result[name] = Value(float(number), _unit(name), method)
        result[names[-1]] = (
            Value(float(100.0 * rr.std(ddof=1) / rr.mean()), "%", method)
            if rr.size > 1
            else missing("%", "one RR interval does not vary")
        )
    result["p_share_percent"] = (
        Value(float(100.0 * atrial.p_before.mean()), "%", f"{len(beats)} beats")
        if len(beats)
        else missing("%", NO_BEATS)
    )
    result["atrial_rate_bpm"] = _atrial_rate(beats, atrial)
    return result


def _atrial_rate(beats: Beats, atrial: AtrialActivity) -> Value:
    pp = atrial.pp_ms[np.isfinite(atrial.pp_ms)]
    if 2 * max(int(atrial.p_before.sum()), atrial.blocked) < len(beats) or pp.size < 2:
        return missing("/min", "P waves were not found before half of the QRS complexes")
    return Value(float(60_000.0 / np.median(pp)), "/min", f"{pp.size} PP intervals, median")


def interval_values(found: DelineatedBeats, rates: Mapping[str, Value]) -> dict[str, Value]:
    """Return P, PR, QRS, QT, JT, T peak to end, and QT corrected in four ways."""
    variation, share = rates["rr_variation_percent"].value, rates["p_share_percent"].value
    irregular = (
        variation is not None and variation > IRREGULAR_PERCENT and share is not None and share < 50
    )
    wave, mean = "no P wave keeps its place before the QRS complexes", irregular
    result = {
        "p_ms": _interval(found, "p_onset", "p_offset", wave),
        "pr_ms": _interval(found, "p_onset", "qrs_onset", wave),
        "qrs_ms": _interval(found, "qrs_onset", "qrs_offset", "the QRS complex has no clear end"),
        "qt_ms": _interval(found, "qrs_onset", "t_offset", "no end of T was found", mean=mean),
        "jt_ms": _interval(found, "qrs_offset", "t_offset", "no end of T was found", mean=mean),
        "t_peak_end_ms": _interval(found, "t_peak", "t_offset", "no end of T was found", mean=mean),
    }
    qrs = result["qrs_ms"]
    if qrs.value is not None and qrs.value < LEAST_QRS_MS:
        few = f"{qrs.value:.0f} ms were found, which no QRS complex is narrow enough for"
        result["qrs_ms"] = missing("ms", few)
        result["jt_ms"] = missing("ms", few)
    return result | _corrected(result["qt_ms"], rates["rr_mean_ms"])


def _interval(
    found: DelineatedBeats, begin: str, end: str, reason: str, *, mean: bool = False
) -> Value:
    if len(found.beats) == 0:
        return missing("ms", NO_BEATS)
    spans = found.spans_ms(begin, end)
    there = spans[np.isfinite(spans)]
    if there.size == 0:
        return missing("ms", reason)
    if 2 * there.size < spans.size or there.size < min(2, spans.size):
        few = f"{there.size} of {spans.size} beats show it, fewer than half"
        return missing("ms", few)
    middle, words = float(np.median(there)), "median"
    if mean:
        there = there[np.abs(there - middle) <= MEAN_SHARE * middle]
        if there.size == 0:  # two beats far apart, and none near their middle
            return missing("ms", "the beats do not agree on it")
        middle, words = float(there.mean()), "mean"
    words = f"{words} over {there.size} of {spans.size} beats, earliest onset to latest offset"
    return Value(middle, "ms", words)


def _corrected(qt: Value, rr: Value) -> dict[str, Value]:
    names = ("qtc_ms", "qtc_bazett_ms", "qtc_framingham_ms", "qtc_hodges_ms")
    if qt.value is None:
        return {name: missing("ms", f"QT is missing: {qt.reason}") for name in names}
    if rr.value is None:
        return {name: missing("ms", "the heart rate is missing") for name in names}
    seconds = rr.value / 1000.0
    rate = 60.0 / seconds
    if not QTC_RATES_BPM[0] <= rate <= QTC_RATES_BPM[1]:
        low, high = QTC_RATES_BPM
        reason = f"{rate:.0f}/min: the formulas hold from {low:.0f} to {high:.0f}/min"
        return {name: missing("ms", reason) for name in names}
    numbers = (
        qt.value / math.cbrt(seconds),
        qt.value / math.sqrt(seconds),
        qt.value + 154.0 * (1.0 - seconds),
        qt.value + 1.75 * (rate - 60.0),
    )
    method = f"QT {qt.value:.0f} ms at a mean RR of {rr.value:.0f} ms"
    return {name: Value(v, "ms", method) for name, v in zip(names, numbers, strict=True)}


# --- axes ----------------------------------------------------------------------------------------


def axis_values(
    beat: MedianBeat | None,
    leads: Mapping[str, LeadMeasurements],
    *,
    calibrated: bool,
    disagreeing: Collection[str] = (),
) -> dict[str, Value]:
    """Return the axes of P, QRS and T and the angles between QRS and T.

    ``disagreeing`` are the limb leads that in the recording itself are not what I and II make of
    them. The median beat alone does not tell: the median of few beats on a moving baseline is not
    the sum of its parts.
    """
    names = ("p_axis_deg", "qrs_axis_deg", "t_axis_deg", "qrs_t_angle_deg")
    spatial = "qrs_t_angle_spatial_deg"
    reason = _no_axes(beat, disagreeing, calibrated=calibrated)
    if reason is not None:
        return {name: missing("deg", reason) for name in (*names, spatial)}
    areas = {
        wave: {
            lead: area
            for lead, figures in leads.items()
            if (area := getattr(figures, f"{wave}_area_mv_ms")) is not None
        }
        for wave in ("p", "qrs", "t")
    }
    result = {f"{wave}_axis_deg": _axis(areas[wave], wave.upper()) for wave in areas}
    if beat is not None and math.hypot(*frontal_plane(areas["p"])) < _p_noise_mv_ms(beat):
        result["p_axis_deg"] = missing("deg", P_WITHIN_NOISE)
    qrs, t = result["qrs_axis_deg"], result["t_axis_deg"]
    if qrs.value is None or t.value is None:
        result[names[3]] = missing("deg", str(qrs.reason or t.reason))
    else:
        result[names[3]] = Value(angle_between(qrs.value, t.value), "deg", "frontal axes")
    angle = spatial_angle_degrees(areas["qrs"], areas["t"])
    if math.isfinite(angle):
        result[spatial] = Value(angle, "deg", "net areas of QRS and T; matrix of Kors 1990")
    else:
        absent = [lead for lead in KORS_LEADS if lead not in areas["qrs"] or lead not in areas["t"]]
        result[spatial] = missing("deg", f"QRS and T are needed in {', '.join(absent)} too")
    return result


def _no_axes(
    beat: MedianBeat | None, disagreeing: Collection[str], *, calibrated: bool
) -> str | None:
    if beat is None:
        return NO_BEATS
    if not calibrated:
        return (
            "each lead was scaled by itself, or a unit or a gain is wrong: amplitudes of different "
            "leads cannot be compared"
        )
    limb = {lead: beat.lead(lead) for lead in beat.leads if lead in LIMB_LEADS}
    limb = {lead: row for lead, row in limb.items() if np.isfinite(row).all()}
    if len(limb) < 2:
        return "two limb leads are needed"
    apart = disagreeing and [
        lead
        for lead, value in limb_disagreement(limb).items()
        if value > DISAGREEMENT and lead in disagreeing
    ]
    if apart:
        return f"{', '.join(apart)} is not what I and II make of it: misnamed or rescaled leads"
    return None


def _axis(areas: Mapping[str, float], wave: str) -> Value:
    first, foot = frontal_plane(areas)
    if not (math.isfinite(first) and math.isfinite(foot)):
        return missing("deg", f"{wave} was not found in two limb leads")
    sizes = [abs(value) for value in areas.values()]
    if math.hypot(first, foot) < AXIS_LEAST_SHARE * (sum(sizes) / len(sizes)):
        return missing("deg", f"{wave} is as large upwards as downwards in the limb leads")
    degrees = axis_degrees(first, foot)
    if not math.isfinite(degrees):
        return missing("deg", f"{wave} has no area in the limb leads")
    return Value(degrees, "deg", "net areas in I and aVF, median beat")


def _p_noise_mv_ms(beat: MedianBeat) -> float:
    """Return what noise makes of the area of P in the worst limb lead; NaN if that is not known.

    The area stands on the line between the two feet of P. Each foot, a sample of a median of n
    beats, is off by 1.25 s / sqrt(n), where a single beat is off by s (1.25: sqrt(pi / 2), the
    price of a median); their mean by 1 / sqrt(2) of that, over the whole length of P. As s is that
    of the whole beat, QRS included, it is rather too much than too little.
    """
    columns = beat.boundaries.get("p_offset", math.nan) - beat.boundaries.get("p_onset", math.nan)
    noise = [float(beat.noise_mv[row]) for row, lead in enumerate(beat.leads) if lead in LIMB_LEADS]
    of_feet = math.sqrt(math.pi / 4.0 / beat.beats_used) * max(noise, default=math.nan)
    return of_feet * columns * 1000.0 / beat.sampling_rate


def _unit(name: str) -> str:
    return GLOBAL_VALUES[name].unit
