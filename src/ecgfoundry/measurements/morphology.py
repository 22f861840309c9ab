"""The waves of one lead on its median beat: amplitudes, durations, notches, ST, P terminal force.

A part of the QRS complex counts as a wave of its own from 20 uV and 6 ms on, the customary least
wave of computer measurement (CSE Working Party, Eur Heart J 6:815, 1985). Amplitudes count from
the level just before the QRS complex; those of P from the line between its feet.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.morphology_kernel import FIGURES, measure_morphology
from ecgfoundry.measurements.values import LeadMeasurements

__all__ = ["lead_measurements", "measure_leads"]

Float64 = NDArray[np.float64]

LEAST_WAVE_MV, LEAST_WAVE_S = 0.020, 0.006
NOTCH_SHARE, NOTCH_MV = 0.05, 0.03
"""A notch is a dip of 5 % of the wave and of 30 uV at least between two peaks (our choice)."""
SECOND_PEAK_SHARE = 0.5
"""A peak behind a notch counts as R' from half of the height of R on (our choice)."""
P_NOTCH_S, P_NOTCH_MV, P_NOTCH_SHARE = 0.040, 0.020, 0.12
P_SMOOTHING_S = 0.010
"""Two peaks of P 40 ms apart are a sign of the left atrium (AHA/ACCF/HRS 2009, part V); the dip
between them is our choice."""
DELTA_SLOPE_SHARE = 0.40
DELTA_LEAST_S, DELTA_LONGEST_S, DELTA_LEAST_SHARE = 0.020, 0.070, 0.15
"""A slurred upstroke: 20 to 70 ms at less than 40 % of the steepest slope, in which the wave
reaches 15 % of its height or more (our choice). A bell-shaped wave has 9 % of its height there."""
DELTA_BEGIN_SHARE = 0.04
SLOPE_S = 0.008
ST_S = (0.0, 0.040, 0.060, 0.080)
ST_HALF_S = 0.004
"""ST levels are means over 8 ms."""
T_OTHER_MV, T_OTHER_SHARE = 0.05, 0.10
"""A second part of the T wave of opposite sign counts from here on (our choice)."""
P_TERMINAL_LEAST_MV = 0.010
P_TERMINAL_LEAD = "V1"


@dataclass(frozen=True, slots=True)
class _Wave:
    """One part of the QRS complex of one sign: columns from ``begin`` to before ``end``."""

    begin: int
    end: int
    peak: int
    height: float  # signed, mV


_LIMITS: Mapping[str, float | tuple[float, ...]] = {
    "least_wave_mv": LEAST_WAVE_MV, "least_wave_s": LEAST_WAVE_S,
    "notch_share": NOTCH_SHARE, "notch_mv": NOTCH_MV, "second_peak_share": SECOND_PEAK_SHARE,
    "p_notch_s": P_NOTCH_S, "p_notch_mv": P_NOTCH_MV, "p_notch_share": P_NOTCH_SHARE,
    "p_smoothing_s": P_SMOOTHING_S, "delta_slope_share": DELTA_SLOPE_SHARE,
    "delta_least_s": DELTA_LEAST_S, "delta_longest_s": DELTA_LONGEST_S,
    "delta_least_share": DELTA_LEAST_SHARE, "delta_begin_share": DELTA_BEGIN_SHARE,
    "slope_s": SLOPE_S, "st_s": ST_S, "st_half_s": ST_HALF_S,
    "t_other_mv": T_OTHER_MV, "t_other_share": T_OTHER_SHARE,
    "p_terminal_least_mv": P_TERMINAL_LEAST_MV,
}  # fmt: skip
_NOTCHES = tuple(name for name in FIGURES if name.endswith("_notched"))


def measure_leads(
    beat: MedianBeat, snr_db: Mapping[str, float | None]
) -> dict[str, LeadMeasurements]:
    """Measure every lead of a median beat; see :func:`lead_measurements`.

    Parameters
    ----------
    beat : MedianBeat
    snr_db : mapping
        Signal to noise by lead.
    """
    sides = {
        wave: (
            beat.boundaries.get(f"{wave}_onset", math.nan),
            beat.boundaries.get(f"{wave}_offset", math.nan),
        )
        for wave in ("p", "qrs", "t")
    }
    terminal = beat.leads.index(P_TERMINAL_LEAD) if P_TERMINAL_LEAD in beat.leads else -1
    table = measure_morphology(beat.values, beat.sampling_rate, sides, _LIMITS, terminal=terminal)
    if table is None:
        return {lead: lead_measurements(beat, lead, snr_db=snr_db[lead]) for lead in beat.leads}
    result = {}
    for lead, row in zip(beat.leads, table.tolist(), strict=True):
        figures: dict[str, float | bool | None] = {
            name: None if math.isnan(v) else v for name, v in zip(FIGURES, row, strict=True)
        }
        for name in _NOTCHES:
            figures[name] = None if figures[name] is None else figures[name] == 1.0
        result[lead] = LeadMeasurements(snr_db=snr_db[lead], **figures)  # type: ignore[arg-type]
    return result


def lead_measurements(
    beat: MedianBeat, lead: str, *, snr_db: float | None = None
) -> LeadMeasurements:
    """Measure one lead of a median beat; everything is None where the lead is missing or flat."""
    x = beat.lead(lead)
    if not np.isfinite(x).all() or np.ptp(x) == 0:
        return LeadMeasurements(snr_db=snr_db)
    figures: dict[str, float | bool | None] = {"snr_db": snr_db}
    onset, offset = (beat.boundaries.get(f"qrs_{side}") for side in ("onset", "offset"))
    if onset is not None and offset is not None:
        figures |= _qrs(x, onset, offset, beat.sampling_rate)
        figures |= _st(x, offset, beat)
    figures |= _t_wave(x, beat)
    figures |= _p_wave(x, beat, terminal=lead == P_TERMINAL_LEAD)
    return LeadMeasurements(**figures)  # type: ignore[arg-type]


# --- QRS -----------------------------------------------------------------------------------------


def _qrs(x: Float64, onset: float, offset: float, rate: float) -> dict[str, float | bool | None]:
    to_ms = 1000.0 / rate
    first, last = max(0, round(onset)), min(x.size - 1, round(offset))
    if last - first < 2:
        return {}
    waves = _qrs_waves(x, first, last, rate)
    result: dict[str, float | bool | None] = {
        "qrs_area_mv_ms": float(x[first : last + 1].sum()) * to_ms
    }
    if not waves:
        return result
    result["qrs_ms"] = (waves[-1].end - waves[0].begin) * to_ms
    for name, wave in _named(waves).items():
        result[f"{name}_mv"] = wave.height
        result[f"{name}_ms"] = (wave.end - wave.begin) * to_ms
    positive = [wave for wave in waves if wave.height > 0]
    if positive:
        result["r_peak_time_ms"] = (_last_peak(x, positive[-1]) - onset) * to_ms
    largest = max(waves, key=lambda wave: abs(wave.height))
    result["qrs_notched"] = _notched(x, largest)
    result["delta_ms"] = _slur_ms(x, first, waves, rate)
    return result


def _qrs_waves(x: Float64, first: int, last: int, rate: float) -> list[_Wave]:
    """Cut the complex where it crosses the level before it; small parts join their neighbours."""
    piece = x[first : last + 1]
    signs = np.sign(piece).astype(int)
    edges = [0, *(np.flatnonzero(np.diff(signs) != 0) + 1).tolist(), piece.size]
    least = LEAST_WAVE_S * rate
    waves: list[_Wave] = []
    for begin, end in itertools.pairwise(edges):
        peak = begin + int(np.abs(piece[begin:end]).argmax())
        height = float(piece[peak])
        if abs(height) < LEAST_WAVE_MV or end - begin < least:
            continue
        wave = _Wave(first + begin, first + end, first + peak, height)
        if waves and (waves[-1].height > 0) == (height > 0):
            before = waves.pop()
            higher = max(before, wave, key=lambda part: abs(part.height))
            wave = _Wave(before.begin, wave.end, higher.peak, higher.height)
        waves.append(wave)
    return waves


def _named(waves: list[_Wave]) -> dict[str, _Wave]:
    """Give the waves their letters: Q before the first R; then S, R', S'; alone and down: QS."""
    names = ("r", "s", "r2", "s2") if waves[0].height > 0 else ("q", "r", "s", "r2", "s2")
    return dict(zip(names, waves, strict=False))


def _notched(x: Float64, wave: _Wave) -> bool:
    """Whether the wave has two peaks with a dip between them."""
    piece = x[wave.begin : wave.end] * math.copysign(1.0, wave.height)
    return _deepest_dip(piece) >= max(NOTCH_MV, NOTCH_SHARE * abs(wave.height))


def _last_peak(x: Float64, wave: _Wave) -> int:
    """Return the column of the last peak of a wave that is notched, else of its only one.

    The second peak of a notched R is its R', which the level before the complex does not cut off.
    """
    piece = x[wave.begin : wave.end] * math.copysign(1.0, wave.height)
    top = wave.peak - wave.begin
    deep = max(NOTCH_MV, NOTCH_SHARE * abs(wave.height))
    rest = piece[top:]
    right = np.maximum.accumulate(rest[::-1])[::-1]
    # Behind a dip from which the wave rises again by so much stands another peak.
    risen = np.flatnonzero((right - rest >= deep) & (right >= SECOND_PEAK_SHARE * piece[top]))
    if risen.size == 0:
        return wave.peak
    dip = int(risen[-1])
    return wave.peak + dip + int(rest[dip:].argmax())


def _deepest_dip(piece: Float64) -> float:
    """Return how deep the wave falls between two of its peaks, less the lower peak."""
    if piece.size < 3:
        return 0.0
    left = np.maximum.accumulate(piece)
    right = np.maximum.accumulate(piece[::-1])[::-1]
    return float((np.minimum(left, right) - piece).max())


def _slur_ms(x: Float64, first: int, waves: list[_Wave], rate: float) -> float | None:
    """Return the duration of a slow first part of the upstroke (or downstroke) of the complex."""
    wave = next(w for w in waves if abs(w.height) >= 0.5 * max(abs(v.height) for v in waves))
    if wave is not waves[0]:
        return None  # Q before R: the wave does not begin with the complex
    limb = x[first : wave.peak + 1] * math.copysign(1.0, wave.height)
    reach = max(1, round(SLOPE_S * rate))
    if limb.size < 3 * reach:
        return None
    slope = limb[reach:] - limb[:-reach]
    fast = np.flatnonzero(slope >= DELTA_SLOPE_SHARE * slope.max())
    if fast.size == 0:  # it falls from something short that stands before it
        return None
    slow = int(fast[0]) + reach // 2
    height = abs(wave.height)
    begun = np.flatnonzero(limb >= max(LEAST_WAVE_MV, DELTA_BEGIN_SHARE * height))
    seconds, share = (slow - int(begun[0])) / rate, float(limb[slow]) / height
    if DELTA_LEAST_S <= seconds <= DELTA_LONGEST_S and share >= DELTA_LEAST_SHARE:
        return seconds * 1000.0
    return None


# --- ST, T, P ------------------------------------------------------------------------------------


def _st(x: Float64, offset: float, beat: MedianBeat) -> dict[str, float | bool | None]:
    rate = beat.sampling_rate
    half = max(0, round(ST_HALF_S * rate))
    levels: list[float | None] = []
    for seconds in ST_S:
        column = round(offset + seconds * rate)
        inside = column + half < x.size
        level = float(x[column - half : column + half + 1].sum()) / (2 * half + 1)
        levels.append(level if inside else None)
    j, j40, j60, j80 = levels
    slope = None if j is None or j80 is None else (j80 - j) / ST_S[-1]
    return {
        "st_j_mv": j, "st_j40_mv": j40, "st_j60_mv": j60, "st_j80_mv": j80, "st_slope_mv_s": slope
    }  # fmt: skip


def _t_wave(x: Float64, beat: MedianBeat) -> dict[str, float | bool | None]:
    piece = _between(x, beat, "t")
    if piece is None:
        return {}
    peak = int(np.abs(piece).argmax())
    height = float(piece[peak])
    result: dict[str, float | bool | None] = {
        "t_mv": height,
        "t_area_mv_ms": float(piece.sum()) * 1000.0 / beat.sampling_rate,
    }
    other = float((-math.copysign(1.0, height) * piece).max())
    if other >= max(T_OTHER_MV, T_OTHER_SHARE * abs(height)):
        result["t2_mv"] = -math.copysign(other, height)
    return result


def _p_wave(x: Float64, beat: MedianBeat, *, terminal: bool) -> dict[str, float | bool | None]:
    piece = _between(x, beat, "p")
    if piece is None:
        return {}
    to_ms = 1000.0 / beat.sampling_rate
    piece = piece - np.linspace(piece[0], piece[-1], piece.size)
    peak = int(np.abs(piece).argmax())
    height = float(piece[peak])
    result: dict[str, float | bool | None] = {
        "p_mv": height,
        "p_ms": (beat.boundaries["p_offset"] - beat.boundaries["p_onset"]) * to_ms,
        "p_area_mv_ms": float(piece.sum()) * to_ms,
        "p_notched": _p_notched(piece * math.copysign(1.0, height), beat.sampling_rate),
    }
    if terminal:
        result["p_terminal_mv_ms"] = _terminal_force(piece, to_ms)
    return result


def _p_notched(piece: Float64, rate: float) -> bool:
    least = max(P_NOTCH_MV, P_NOTCH_SHARE * float(piece.max()))
    if _deepest_dip(piece) < least:
        return False
    from scipy.ndimage import uniform_filter1d

    piece = uniform_filter1d(piece, max(1, round(P_SMOOTHING_S * rate)))
    dip = _deepest_dip(piece)
    if dip < max(P_NOTCH_MV, P_NOTCH_SHARE * float(piece.max())):
        return False
    left = np.maximum.accumulate(piece)
    right = np.maximum.accumulate(piece[::-1])[::-1]
    middle = int((np.minimum(left, right) - piece).argmax())
    peaks = int(piece[:middle].argmax()), middle + int(piece[middle:].argmax())
    return bool(peaks[1] - peaks[0] >= P_NOTCH_S * rate)


def _terminal_force(piece: Float64, to_ms: float) -> float | None:
    """Return depth times duration of the negative end of the P wave; None if it has none.

    J. J. Morris et al., "P-wave analysis in valvular heart disease", Circulation 29:242 (1964).
    """
    lowest = int(piece.argmin())
    depth = -float(piece[lowest])
    if depth < P_TERMINAL_LEAST_MV:
        return None
    if lowest < int(piece.argmax()) and piece.max() >= P_TERMINAL_LEAST_MV:
        return None  # negative first, then positive: nothing terminal
    negative = piece < 0
    begin = lowest
    while begin > 0 and negative[begin - 1]:
        begin -= 1
    end = lowest
    while end < piece.size - 1 and negative[end + 1]:
        end += 1
    return depth * (end - begin + 1) * to_ms


def _between(x: Float64, beat: MedianBeat, wave: str) -> Float64 | None:
    begin, end = (beat.boundaries.get(f"{wave}_{side}") for side in ("onset", "offset"))
    if begin is None or end is None:
        return None
    piece = x[max(0, round(begin)) : round(end) + 1]
    return piece if piece.size > 2 else None
