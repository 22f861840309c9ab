"""What an electrocardiograph prints: intervals, axes, amplitudes, from beats and their waves.

Intervals are medians over the beats of the boundaries that all leads show together. Amplitudes and
areas are measured on the *median beat*, sample by sample the median of those beats that look like
the usual one, each less its own level just before the QRS complex; ectopic beats and artefacts
hardly count there. This is how resting electrocardiographs measure (for example P. W. Macfarlane,
B. Devine, E. Clark, "The University of Glasgow (Uni-G) ECG analysis program", Comput Cardiol
32:451, 2005).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.axes import axis_degrees, frontal_plane
from ecgfoundry.measurements.boundaries import BOUNDARIES, BeatWaves
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.median_beat_kernel import Averaged, average_beats
from ecgfoundry.measurements.medians import median, median_of_rows

__all__ = [
    "MedianBeat",
    "beat_intervals",
    "beat_likeness",
    "corrected_qt_ms",
    "frontal_axes",
    "lead_amplitudes",
    "median_beat",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

LEVEL_S = 0.02
"""The zero line of a beat is the median of the 20 ms before its QRS complex (PQ level)."""
SPAN_S = (0.35, 0.60)
LIKENESS_S = 0.08
LIKENESS = 0.8
"""A beat belongs to the usual ones when its QRS complex correlates with theirs at least so."""
ST_POINT_S = 0.06
"""ST level at J + 60 ms (our choice; J + 60 and J + 80 ms are both customary)."""
QTC_RATES_BPM = (40.0, 150.0)
"""Outside, the correction formulas mean nothing and QTc is not given (our choice)."""
AXIS_LEAST = 0.05
"""An axis is given when its vector is at least this share of the mean absolute area: otherwise the
direction is chance (our choice)."""


def corrected_qt_ms(qt_ms: float, rr_ms: float) -> dict[str, float]:
    """Return QT corrected for the rate after Bazett (1920) and Fridericia (1920), in ms.

    ``QT / sqrt(RR)`` and ``QT / cbrt(RR)`` with RR in seconds; NaN outside 40 to 150 beats/min.

    Examples
    --------
    >>> corrected_qt_ms(400.0, 1000.0)
    {'bazett': 400.0, 'fridericia': 400.0}
    """
    rate = 60000.0 / rr_ms if rr_ms > 0 else math.nan
    if not QTC_RATES_BPM[0] <= rate <= QTC_RATES_BPM[1]:
        return {"bazett": math.nan, "fridericia": math.nan}
    seconds = rr_ms / 1000.0
    return {"bazett": qt_ms / math.sqrt(seconds), "fridericia": qt_ms / math.cbrt(seconds)}


def beat_intervals(waves: BeatWaves, rr: Float64, sampling_rate: float) -> dict[str, float]:
    """Return PR, P, QRS, QT, JT and T-peak-to-end in ms, medians over the beats, and QTc.

    NaN where fewer than half of the beats (at least two) show what is needed. ``rr`` holds RR
    intervals in samples, NaN where one is not known.
    """
    to_ms = 1000.0 / sampling_rate
    known = rr[np.isfinite(rr)]
    rr_ms = median(known) * to_ms if known.size else math.nan
    result = {
        "pr_ms": _median_span(waves.p_onset, waves.qrs_onset) * to_ms,
        "p_duration_ms": _median_span(waves.p_onset, waves.p_offset) * to_ms,
        "qrs_ms": _median_span(waves.qrs_onset, waves.qrs_offset) * to_ms,
        "qt_ms": _median_span(waves.qrs_onset, waves.t_offset) * to_ms,
        "jt_ms": _median_span(waves.qrs_offset, waves.t_offset) * to_ms,
        "t_peak_end_ms": _median_span(waves.t_peak, waves.t_offset) * to_ms,
    }
    corrected = corrected_qt_ms(result["qt_ms"], rr_ms)
    result["qtc_bazett_ms"] = corrected["bazett"]
    result["qtc_fridericia_ms"] = corrected["fridericia"]
    return result


def _median_span(begin: Float64, end: Float64) -> float:
    spans = end - begin
    there = spans[np.isfinite(spans)]
    if there.size < min(2, spans.size) or there.size == 0 or 2 * there.size < spans.size:
        return math.nan
    return median(there)


def median_beat(
    signal: Float64,
    sampling_rate: float,
    beats: Int64,
    waves: BeatWaves,
    leads: Sequence[str],
    *,
    usual: NDArray[np.bool_] | None = None,
    span_s: tuple[float, float] = SPAN_S,
) -> MedianBeat | None:
    """Average the usual beats of a recording; None where there is no whole beat.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV without gaps (see :func:`ecgfoundry.measurements.beats.fill_gaps`).
    sampling_rate : float
        Hz.
    beats : ndarray, int64 (beats,)
    waves : BeatWaves
    leads : sequence of str
        Names of the rows.
    usual : ndarray of bool (beats,), optional
        The beats of the dominant class; by default those like the median of all.
    span_s : (float, float)
        Seconds before and after the R peak.
    """
    zero, behind = round(span_s[0] * sampling_rate), round(span_s[1] * sampling_rate)
    whole = (beats - zero >= 0) & (beats + behind < signal.shape[1])
    if usual is not None and (whole & usual).any():
        whole &= usual
    if not whole.any():
        return None
    positions = beats[whole]
    relative = {name: _middle((getattr(waves, name) - beats)[whole]) for name in BOUNDARIES}
    onset = relative["qrs_onset"]
    start = zero + (round(onset) if math.isfinite(onset) else -round(0.05 * sampling_rate))
    level = max(0, start - max(1, round(LEVEL_S * sampling_rate))), max(1, start)
    reach = round(LIKENESS_S * sampling_rate)
    found = average_beats(signal, positions, (zero, behind), level, reach, LIKENESS)
    if found is None:
        found = _average_by_numpy(signal, positions, (zero, behind), level, reach)
    everywhere = np.full(beats.size, np.nan)
    everywhere[whole] = found.likeness
    boundaries = {k: value + zero for k, value in relative.items() if math.isfinite(value)}
    return MedianBeat(
        tuple(leads), found.values, sampling_rate, zero, boundaries, everywhere, found.noise,
        found.used,
    )  # fmt: skip


def _average_by_numpy(
    signal: Float64, beats: Int64, span: tuple[int, int], level: tuple[int, int], reach: int
) -> Averaged:
    """Do what ``native/median_beat.c`` does, with the same answers but for rounding."""
    pieces = signal[:, beats[:, None] + np.arange(-span[0], span[1] + 1)]  # leads, beats, columns
    pieces -= median_of_rows(pieces[..., slice(*level)])[..., None]
    likeness = _likeness(pieces, span[0], reach)
    alike = likeness >= LIKENESS
    if not alike.any():
        alike = np.ones_like(alike)
    chosen = pieces if alike.all() else pieces[:, alike]
    values = median_of_rows(chosen, axis=1)
    noise = np.full(signal.shape[0], math.nan)
    if alike.sum() > 1:
        chosen -= values[:, None]
        noise = np.sqrt(np.mean(np.square(chosen, out=chosen), axis=(1, 2)))
    return Averaged(values, noise, likeness, int(alike.sum()))


def _middle(values: Float64) -> float:
    there = values[np.isfinite(values)]
    return median(there) if 2 * there.size >= values.size and there.size else math.nan


def beat_likeness(signal: Float64, sampling_rate: float, beats: Int64) -> Float64:
    """Return the correlation of every beat's QRS complex, all leads in one, with the median one.

    Beats at an end of the recording are compared as far as they are there, the edge repeated.
    """
    zero = round(LIKENESS_S * sampling_rate)
    index = np.clip(beats[:, None] + np.arange(-zero, zero + 1), 0, signal.shape[1] - 1)
    pieces = np.nan_to_num(signal[:, index])
    return _likeness(pieces, zero, zero)


def _likeness(pieces: Float64, zero: int, reach: int) -> Float64:
    """Correlate each beat's QRS complex, all leads in one vector, with the median of all beats."""
    complexes = pieces[..., zero - reach : zero + reach + 1]
    complexes = complexes.transpose(1, 0, 2).reshape(pieces.shape[1], -1)
    reference = median_of_rows(complexes, axis=0)
    complexes = complexes - complexes.mean(axis=1, keepdims=True)
    reference = reference - reference.mean()
    norm = np.linalg.norm(complexes, axis=1) * np.linalg.norm(reference)
    return np.divide(complexes @ reference, norm, out=np.zeros(len(norm)), where=norm > 0)


def lead_amplitudes(beat: MedianBeat, row: int) -> dict[str, float]:
    """Return amplitudes (mV) and areas (mV ms) of one lead of a median beat.

    ``r_mv`` is the highest point of the QRS complex (0 if nothing is positive), ``q_mv`` and
    ``s_mv`` the lowest ones before and after it (as negative numbers; the whole complex is S, that
    is QS, when nothing is positive), ``st_mv`` the level at J + 60 ms, ``p_mv`` and ``t_mv`` the
    largest deflections of those waves either way.
    """
    rate, x = beat.sampling_rate, beat.values[row]
    to_ms = 1000.0 / rate
    result = dict.fromkeys(_LEAD_FIGURES, math.nan)
    if not np.isfinite(x).all() or np.ptp(x) == 0:
        return result
    qrs = _piece(
        x, beat.boundaries.get("qrs_onset", math.nan), beat.boundaries.get("qrs_offset", math.nan)
    )
    if qrs.size:
        peak = int(qrs.argmax())
        positive = bool(qrs[peak] > 0)
        result["r_mv"] = max(float(qrs[peak]), 0.0)
        result["q_mv"] = min(float(qrs[: peak + 1].min()), 0.0) if positive else 0.0
        result["s_mv"] = min(float(qrs[peak:].min() if positive else qrs.min()), 0.0)
        result["qrs_area_mv_ms"] = float(qrs.sum()) * to_ms
        result["qrs_size_mv_ms"] = float(np.abs(qrs).sum()) * to_ms
        j = beat.boundaries["qrs_offset"]
        point = round(j + ST_POINT_S * rate)
        if point < x.size:
            half = max(1, round(0.004 * rate))
            result["st_mv"] = float(np.mean(x[max(0, point - half) : point + half + 1]))
            start = round(j)
            result["st_slope_mv_s"] = (result["st_mv"] - float(x[start])) / ST_POINT_S
    t = _piece(
        x, beat.boundaries.get("t_onset", math.nan), beat.boundaries.get("t_offset", math.nan)
    )
    if t.size > 2:
        highest = int(np.abs(t).argmax())
        result["t_mv"] = float(t[highest])
        result["t_area_mv_ms"] = float(t.sum()) * to_ms
        # 0.5 is a symmetrical wave; a usual T wave rises slowly and falls fast.
        result["t_rise_share"] = highest / (t.size - 1)
    p = _piece(
        x, beat.boundaries.get("p_onset", math.nan), beat.boundaries.get("p_offset", math.nan)
    )
    if p.size > 2:
        p = p - np.linspace(p[0], p[-1], p.size)
        result["p_mv"] = float(p[np.abs(p).argmax()])
        result["p_area_mv_ms"] = float(p.sum()) * to_ms
    return result


_LEAD_FIGURES = (
    "p_mv", "p_area_mv_ms", "q_mv", "r_mv", "s_mv", "qrs_area_mv_ms", "qrs_size_mv_ms",
    "st_mv", "st_slope_mv_s", "t_mv", "t_area_mv_ms", "t_rise_share",
)  # fmt: skip


def _piece(x: Float64, begin: float, end: float) -> Float64:
    if not (math.isfinite(begin) and math.isfinite(end)):
        return np.empty(0)
    return x[max(0, round(begin)) : max(0, round(end) + 1)]


def frontal_axes(
    amplitudes: Mapping[str, Mapping[str, float]], leads: Sequence[str]
) -> dict[str, float]:
    """Return the axes of P, QRS and T in degrees, from the net areas in I and aVF.

    NaN where I or aVF is neither recorded nor derivable: areas are linear, so that II and III
    serve as well.
    """
    result = {}
    for wave in ("p", "qrs", "t"):
        areas = {
            lead: amplitudes[lead][f"{wave}_area_mv_ms"] for lead in leads if lead in amplitudes
        }
        first, foot = frontal_plane(areas)
        size = [abs(value) for value in areas.values() if math.isfinite(value)]
        strong = size and math.hypot(first, foot) >= AXIS_LEAST * (sum(size) / len(size))
        result[f"{wave}_axis_degrees"] = axis_degrees(first, foot) if strong else math.nan
    return result
