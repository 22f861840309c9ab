"""Hand-crafted ECG features: what can be measured without a network, under stable names.

They are the control of every evaluation: what a network adds is what it knows beyond them. The
table :data:`FEATURES` says of each what it is, in which unit, and where its definition comes from.
Whatever a signal does not show is NaN; no signal is an error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.leads import STANDARD_12_LEADS, canonical_lead
from ecgfoundry.measurements.beats import fill_gaps, find_beats, readable_rows
from ecgfoundry.measurements.boundaries import BeatWaves
from ecgfoundry.measurements.delineation import delineate
from ecgfoundry.measurements.gaps import absent_stretches, believed_intervals, held_stretches
from ecgfoundry.measurements.intervals import (
    beat_intervals,
    frontal_axes,
    lead_amplitudes,
    median_beat,
)
from ecgfoundry.measurements.lead_fusion import fuse_leads
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.signals.quality import lead_quality

__all__ = ["FEATURES", "FEATURE_NAMES", "Feature", "feature_matrix", "hand_crafted_features"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

REFERENCE_LEADS = ("II", "MLII", "I")
"""The lead that speaks for a recording: the first of these, else the first readable one."""
ATRIAL_BAND_HZ = (4.0, 9.0)
"""Fibrillatory waves: 4 to 9 Hz (A. Bollmann et al., Europace 8:911, 2006)."""
BANDS_HZ = {"low": (0.5, 5.0), "middle": (5.0, 15.0), "high": (15.0, 40.0)}
"""P and T waves; most of the QRS complex; its steep parts (our choice)."""
PREMATURE_SHARE = 0.8
"""A beat is premature when its RR interval is under this share of the median one (our choice)."""

_TASK_FORCE = "Task Force of ESC/NASPE, Circulation 93:1043 (1996)"
_HERE = "our definition"
_MEDIAN = "ecgfoundry.measurements.intervals, on the median beat"
_DELINEATION = "ecgfoundry.measurements.delineation, median over the beats"
_AHA = "AHA/ACCF/HRS 2009 recommendations, part V, J Am Coll Cardiol 53:992"


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its name, its unit ("1" for a pure number), what it is, and from where."""

    name: str
    unit: str
    definition: str
    source: str


def _record_features() -> tuple[Feature, ...]:
    return (
        Feature("heart_rate_bpm", "/min", "60 s over the median RR interval", _HERE),
        Feature("beats_per_s", "1/s", "number of beats over the time with a signal", _HERE),
        Feature("rr_median_ms", "ms", "median RR interval", _HERE),
        Feature("rr_shortest_ms", "ms", "shortest RR interval", _HERE),
        Feature("rr_longest_ms", "ms", "longest RR interval", _HERE),
        Feature("rr_sd_ms", "ms", "standard deviation of the RR intervals (SDNN)", _TASK_FORCE),
        Feature("rr_rmssd_ms", "ms", "root mean square of successive differences", _TASK_FORCE),
        Feature("rr_pnn50", "1", "share of successive differences above 50 ms", _TASK_FORCE),
        Feature("rr_variation", "1", "standard deviation over mean of the RR intervals", _HERE),
        Feature("premature_share", "1", "RR intervals under 0.8 of the median one", _HERE),
        Feature("p_share", "1", "share of beats with a P wave", _HERE),
        Feature("p_scatter_ms", "ms", "median deviation of the P peak's distance to R", _HERE),
        Feature("pr_ms", "ms", "P onset to QRS onset", _DELINEATION),
        Feature("p_duration_ms", "ms", "P onset to P offset", _DELINEATION),
        Feature("qrs_ms", "ms", "QRS onset to QRS offset", _DELINEATION),
        Feature("qt_ms", "ms", "QRS onset to T offset", _DELINEATION),
        Feature("jt_ms", "ms", "QRS offset to T offset", _DELINEATION),
        Feature("t_peak_end_ms", "ms", "T peak to T offset", _DELINEATION),
        Feature("qtc_bazett_ms", "ms", "QT over the root of RR in s", "Bazett 1920"),
        Feature("qtc_fridericia_ms", "ms", "QT over the cube root of RR in s", "Fridericia 1920"),
        Feature("p_axis_degrees", "degrees", "frontal axis of the net P area, I and aVF", _MEDIAN),
        Feature("qrs_axis_degrees", "degrees", "the same of the QRS complex", _MEDIAN),
        Feature("t_axis_degrees", "degrees", "the same of the T wave", _MEDIAN),
        Feature("qrs_t_angle_degrees", "degrees", "angle between QRS and T axis, 0 to 180", _HERE),
        Feature("sokolow_lyon_mv", "mV", "S in V1 + larger R of V5, V6", f"Sokolow 1949; {_AHA}"),
        Feature("cornell_mv", "mV", "R in aVL + S in V3", f"Casale 1985; {_AHA}"),
        Feature("beat_likeness", "1", "median correlation of the beats' QRS complexes", _MEDIAN),
        Feature("unlike_share", "1", "beats whose correlation is below 0.8", _MEDIAN),
        Feature("residual_mv", "mV", "root mean square of the beats around the median", _MEDIAN),
        Feature("qrs_span_mv", "mV", "height of the QRS complex, mean over the leads", _MEDIAN),
        Feature("atrial_share", "1", "power at 4-9 Hz between T offset and QRS onset", _HERE),
        Feature("power_low", "1", "share of power at 0.5-5 Hz of 0.5-40 Hz, reference lead", _HERE),
        Feature("power_middle", "1", "share at 5-15 Hz", _HERE),
        Feature("power_high", "1", "share at 15-40 Hz", _HERE),
        Feature("spectral_entropy", "1", "entropy of the power at 0.5-40 Hz, 0 to 1", _HERE),
        Feature("missing_share", "1", "missing samples, mean over leads", "signals.quality"),
        Feature("flat_share", "1", "flat seconds, mean over leads", "signals.quality"),
        Feature("noise_share", "1", "power above 40 Hz, median over leads", "signals.quality"),
        Feature("mains_share", "1", "power at 50 and 60 Hz, median over leads", "signals.quality"),
        Feature("wander_share", "1", "power below 0.5 Hz, median over leads", "signals.quality"),
    )


_LEAD_FEATURES: tuple[tuple[str, str, str], ...] = (
    ("p_mv", "mV", "largest deflection of the P wave from its feet"),
    ("p_area_mv_ms", "mV ms", "net area of the P wave"),
    ("q_mv", "mV", "lowest point of the QRS complex before R, at most 0"),
    ("r_mv", "mV", "highest point of the QRS complex, at least 0"),
    ("s_mv", "mV", "lowest point after R, at most 0; of the whole complex if there is no R"),
    ("qrs_area_mv_ms", "mV ms", "net area of the QRS complex"),
    ("qrs_size_mv_ms", "mV ms", "absolute area of the QRS complex"),
    ("st_mv", "mV", "level at J + 60 ms"),
    ("st_slope_mv_s", "mV/s", "slope from J to J + 60 ms"),
    ("t_mv", "mV", "largest deflection of the T wave"),
    ("t_area_mv_ms", "mV ms", "net area of the T wave"),
    ("t_rise_share", "1", "share of the T wave that lies before its largest deflection"),
)


def _all_features() -> tuple[Feature, ...]:
    result = list(_record_features())
    for name, unit, words in _LEAD_FEATURES:
        result.append(Feature(f"reference_{name}", unit, f"{words}, reference lead", _MEDIAN))
    for lead in STANDARD_12_LEADS:
        for name, unit, words in _LEAD_FEATURES:
            result.append(Feature(f"{lead}_{name}", unit, f"{words}, lead {lead}", _MEDIAN))
    return tuple(result)


FEATURES: tuple[Feature, ...] = _all_features()
"""Every feature in the order of the columns of :func:`feature_matrix`."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)


def hand_crafted_features(
    signal: NDArray[np.floating], sampling_rate: float, leads: Sequence[str]
) -> dict[str, float]:
    """Measure a recording of about 10 s, or of up to a minute.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV, NaN = missing; unfiltered. Arrays that were standardized give features too, of which
        those in mV then mean standard deviations.
    sampling_rate : float
        Hz.
    leads : sequence of str
        Names of the rows, any set of leads. Names other than the twelve serve for the features of
        the recording and of the reference lead (II, else MLII, else I, else the first readable).

    Returns
    -------
    dict of str to float
        Every name of :data:`FEATURES`, in that order; NaN = not measurable. The same input gives
        the same bits.

    Raises
    ------
    ValueError
        The array is not (leads, samples) with one name per row, or the rate is not positive.
    """
    array = np.asarray(signal, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != len(leads):
        raise ValueError(f"signal has shape {array.shape}; ({len(leads)}, samples) is needed")
    if not (math.isfinite(sampling_rate) and sampling_rate > 0):
        raise ValueError(f"the sampling rate is {sampling_rate!r}, not a positive number of Hz")
    result = dict.fromkeys(FEATURE_NAMES, math.nan)
    array = np.where(np.isfinite(array), array, np.nan)
    # An absurd value (a saturated double, say) would overflow in squares.
    array = np.clip(array, -1e6, 1e6)
    result.update(_quality(array, sampling_rate))
    rows = readable_rows(array)
    if rows.size == 0:
        return result
    names = [canonical_lead(leads[row]) or str(leads[row]) for row in rows]
    x, rows_missing = fill_gaps(array[rows]), array[rows]
    reference = next((names.index(lead) for lead in REFERENCE_LEADS if lead in names), 0)
    result.update(_spectrum(x[reference], sampling_rate))
    beats = find_beats(rows_missing, sampling_rate)
    if beats.size:
        absent = absent_stretches(~np.isfinite(rows_missing), sampling_rate)
        gaps = np.concatenate([absent, held_stretches(rows_missing, sampling_rate)])
        rr = believed_intervals(beats, gaps, sampling_rate)
        recorded = array.shape[1] - int(np.diff(gaps, axis=1).sum())
        result["beats_per_s"] = beats.size * sampling_rate / recorded
        result.update(_rhythm(rr, sampling_rate))
        waves = fuse_leads(delineate(rows_missing, sampling_rate, beats), sampling_rate)
        result.update(_waves(waves, beats, rr, sampling_rate))
        result["atrial_share"] = _atrial_share(x[reference], waves, sampling_rate)
        beat = median_beat(x, sampling_rate, beats, waves, names)
        if beat is not None:
            result.update(_morphology(beat, names, reference))
    return result


def feature_matrix(
    signals: NDArray[np.floating] | Sequence[NDArray[np.floating]],
    sampling_rate: float,
    leads: Sequence[str],
    *,
    processes: int = 1,
) -> Float64:
    """Measure many recordings of the same leads and rate.

    Parameters
    ----------
    signals : ndarray (recordings, leads, samples) or sequence of ndarray (leads, samples)
        Lengths may differ in a sequence.
    sampling_rate : float
        Hz.
    leads : sequence of str
    processes : int
        Worker processes; the result does not depend on it.

    Returns
    -------
    float64 (recordings, features)
        Columns as :data:`FEATURE_NAMES`.
    """
    names = tuple(leads)
    if processes <= 1 or len(signals) < 2:
        rows = [_row(signal, sampling_rate, names) for signal in signals]
    else:
        from concurrent.futures import ProcessPoolExecutor
        from functools import partial
        from multiprocessing import get_context

        work = partial(_row, sampling_rate=sampling_rate, leads=names)
        chunk = max(1, len(signals) // (8 * processes))
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            rows = list(pool.map(work, signals, chunksize=chunk))
    return np.asarray(rows, dtype=np.float64).reshape(len(signals), len(FEATURE_NAMES))


def _row(signal: NDArray[np.floating], sampling_rate: float, leads: tuple[str, ...]) -> list[float]:
    return list(hand_crafted_features(signal, sampling_rate, leads).values())


def _quality(array: Float64, sampling_rate: float) -> dict[str, float]:
    if array.size == 0:
        return {"missing_share": 1.0}
    figures = [lead_quality(row, sampling_rate) for row in array]
    result = {
        "missing_share": float(np.mean([figure.missing_share for figure in figures])),
        "flat_share": float(np.mean([figure.flat_share for figure in figures])),
    }
    for name in ("noise_share", "mains_share", "wander_share"):
        values = [value for f in figures if (value := getattr(f, name)) is not None]
        result[name] = float(np.median(values)) if values else math.nan
    return result


def _spectrum(x: Float64, sampling_rate: float) -> dict[str, float]:
    """Shares of power of the reference lead, by one tapered transform."""
    if x.size < 2 * sampling_rate:
        return {}
    power = np.abs(np.fft.rfft((x - x.mean()) * np.hanning(x.size))) ** 2
    frequency = np.fft.rfftfreq(x.size, 1.0 / sampling_rate)
    inside = (frequency >= 0.5) & (frequency < 40.0)
    total = float(power[inside].sum())
    if total <= 0:
        return {}
    result = {}
    for name, (low, high) in BANDS_HZ.items():
        chosen = (frequency >= low) & (frequency < high)
        result[f"power_{name}"] = float(power[chosen].sum()) / total
    share = power[inside] / total
    share = share[share > 0]
    result["spectral_entropy"] = float(-(share * np.log(share)).sum() / math.log(inside.sum()))
    return result


def _rhythm(rr: Float64, sampling_rate: float) -> dict[str, float]:
    """Features of RR intervals in samples; no difference is taken across one that is not known."""
    rr = rr[1:] * (1000.0 / sampling_rate)
    change = np.diff(rr)
    rr, change = rr[np.isfinite(rr)], change[np.isfinite(change)]
    if rr.size == 0:
        return {}
    result = {
        "heart_rate_bpm": 60_000.0 / float(np.median(rr)),
        "rr_median_ms": float(np.median(rr)),
        "rr_shortest_ms": float(rr.min()),
        "rr_longest_ms": float(rr.max()),
        "premature_share": float((rr < PREMATURE_SHARE * np.median(rr)).mean()),
    }
    if rr.size >= 2:
        result["rr_sd_ms"] = float(rr.std(ddof=1))
        result["rr_variation"] = float(rr.std(ddof=1) / rr.mean())
    if change.size:
        result["rr_rmssd_ms"] = float(np.sqrt(np.mean(change * change)))
        result["rr_pnn50"] = float((np.abs(change) > 50.0).mean())
    return result


def _waves(waves: BeatWaves, beats: Int64, rr: Float64, sampling_rate: float) -> dict[str, float]:
    result = beat_intervals(waves, rr, sampling_rate)
    there = np.isfinite(waves.p_peak)
    result["p_share"] = float(there.mean())
    if there.sum() >= 2:
        distance = (beats - waves.p_peak)[there] * (1000.0 / sampling_rate)
        result["p_scatter_ms"] = float(np.median(np.abs(distance - np.median(distance))))
    return result


def _atrial_share(x: Float64, waves: BeatWaves, sampling_rate: float) -> float:
    """Share of power at 4 to 9 Hz of 0.5 to 25 Hz in the stretches between T and QRS.

    Fibrillatory waves fill them; with sinus rhythm they hold the P wave and noise. The stretches
    are laid end to end, each less its straight line.
    """
    pieces = []
    begin, end = waves.t_offset[:-1], waves.qrs_onset[1:]
    for low, high in zip(begin, end, strict=True):
        if math.isfinite(low) and math.isfinite(high) and high - low > 0.12 * sampling_rate:
            piece = x[max(0, round(low)) : max(0, round(high))]
            piece = piece - np.linspace(piece[0], piece[-1], piece.size)
            pieces.append(piece)
    joined = np.concatenate(pieces) if pieces else np.empty(0)
    if joined.size < sampling_rate:
        return math.nan
    power = np.abs(np.fft.rfft(joined - joined.mean())) ** 2
    frequency = np.fft.rfftfreq(joined.size, 1.0 / sampling_rate)
    total = float(power[(frequency >= 0.5) & (frequency <= 25.0)].sum())
    inside = (frequency >= ATRIAL_BAND_HZ[0]) & (frequency <= ATRIAL_BAND_HZ[1])
    return float(power[inside].sum()) / total if total > 0 else math.nan


def _morphology(beat: MedianBeat, names: Sequence[str], reference: int) -> dict[str, float]:
    amplitudes = {name: lead_amplitudes(beat, row) for row, name in enumerate(names)}
    result: dict[str, float] = {}
    for lead, figures in amplitudes.items():
        if lead in STANDARD_12_LEADS:
            result |= {f"{lead}_{name}": value for name, value in figures.items()}
    result |= {f"reference_{k}": v for k, v in amplitudes[names[reference]].items()}
    axes = frontal_axes(amplitudes, names)
    result |= axes
    angle = abs(axes["qrs_axis_degrees"] - axes["t_axis_degrees"])
    result["qrs_t_angle_degrees"] = min(angle, 360.0 - angle) if math.isfinite(angle) else math.nan
    result["sokolow_lyon_mv"] = _sum(
        _minus(result.get("V1_s_mv")), _larger(result.get("V5_r_mv"), result.get("V6_r_mv"))
    )
    result["cornell_mv"] = _sum(result.get("aVL_r_mv"), _minus(result.get("V3_s_mv")))
    likeness = beat.likeness[np.isfinite(beat.likeness)]
    result["beat_likeness"] = float(np.median(likeness))
    result["unlike_share"] = float((likeness < 0.8).mean())
    result["residual_mv"] = float(np.sqrt(np.mean(np.square(beat.noise_mv))))
    spans = [f["r_mv"] - min(f["q_mv"], f["s_mv"]) for f in amplitudes.values()]
    finite = [span for span in spans if math.isfinite(span)]
    result["qrs_span_mv"] = float(np.mean(finite)) if finite else math.nan
    return result


def _minus(value: float | None) -> float:
    return math.nan if value is None else -value


def _larger(first: float | None, second: float | None) -> float:
    if first is None or second is None:
        return math.nan
    return max(first, second)


def _sum(first: float | None, second: float | None) -> float:
    return math.nan if first is None or second is None else first + second
