"""The search for one wave, P or T, in a window around every beat of every lead.

A wave is a bump: the steepest pair of opposite slopes between two columns. It begins and ends where
its slopes have faded to a share of their steepest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.wave_kernel import search_waves

__all__ = ["WaveLimits", "Windows", "find_wave"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

BEFORE_S, AFTER_S = 0.45, 0.80
PEAK_REACH_S = 0.10
"""From the peak to its steepest slopes."""
LEAST_ROOM_S = 0.08
"""A wave is not looked for in less."""
T_LOBE_S = 0.16
T_LOBE_DEPTH = 0.5
T_LOBE_SHARE = 0.45
"""A second lobe of the T wave this high, the other way, belongs to it (biphasic)."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows around every beat of every lead; beyond an end its value is repeated.

    Parameters
    ----------
    x : ndarray (leads, samples)
        mV, as it is for the QRS complex, smoothed and without it for P and T.
    slope : ndarray (leads, samples)
        Wavelet, mV per sample.
    beats : ndarray, int64 (beats,)
        Samples of the R peaks.
    rate : float
        Hz.
    span_s : (float, float)
        How far a window reaches before and behind the R peak, s.
    """

    x: Float64
    slope: Float64
    beats: Int64
    rate: float
    span_s: tuple[float, float] = (BEFORE_S, AFTER_S)

    @property
    def zero(self) -> int:
        """The column of the R peak."""
        return round(self.span_s[0] * self.rate)

    @property
    def width(self) -> int:
        """Columns of a window."""
        return self.zero + round(self.span_s[1] * self.rate) + 1

    def cut(self, rows: Float64, low: int = 0, high: int | None = None) -> Float64:
        """Cut the columns from ``low`` to before ``high`` out: (leads, beats, columns)."""
        columns = np.arange(low, self.width if high is None else high) - self.zero
        return rows.take((self.beats[:, None] + columns).clip(0, rows.shape[1] - 1), axis=1)


@dataclass(frozen=True, slots=True)
class WaveLimits:
    """What a wave of one kind is like.

    Parameters
    ----------
    shares : (float, float)
        Of the steepest slope, at which its onset and its offset have faded.
    longest : (float, float)
        From the peak to the steepest slope before and behind it at most, s.
    guide : float
        A lead's peak is so near to that of all leads, s.
    lobes : bool
        Whether a second lobe the other way may belong to it.
    """

    shares: tuple[float, float]
    longest: tuple[float, float]
    guide: float
    lobes: bool


def find_wave(
    w: Windows,
    first: Float64,
    last: Float64,
    limits: WaveLimits,
    *,
    least: Float64,
    usual: Float64 | None = None,
) -> tuple[Float64, Float64, Float64]:
    """Find the wave with the steepest pair of slopes between two columns of each row.

    Parameters
    ----------
    w : Windows
    first, last : ndarray (leads, beats)
        Columns.
    limits : WaveLimits
    least : ndarray (leads, beats)
        How high it is at least, mV.
    usual : ndarray (beats, columns), optional
        How likely its peak is at every column.

    Returns
    -------
    onset, peak, offset : ndarray (leads, beats)
        Columns, NaN where there is no such wave.
    """
    low, high = max(0, math.floor(first.min()) - 1), math.ceil(last.max()) + 2
    if high - low < 3:
        return tuple(np.full_like(first, np.nan) for _ in range(3))  # type: ignore[return-value]
    high = min(high, w.width)
    places = {
        "zero": w.zero,
        "width": w.width,
        "low": low,
        "high": high,
        "reach": round(PEAK_REACH_S * w.rate),
        "room": LEAST_ROOM_S * w.rate,
        "guide": limits.guide * w.rate,
        "before": limits.longest[0] * w.rate,
        "behind": limits.longest[1] * w.rate,
        "onset_share": limits.shares[0],
        "offset_share": limits.shares[1],
        "lobe_reach": round(T_LOBE_S * w.rate) if limits.lobes else -1.0,
        "lobe_share": T_LOBE_SHARE,
        "lobe_depth": T_LOBE_DEPTH,
    }
    found = search_waves(places, (w.x, w.slope), w.beats, (first, last), least, usual)
    if found is not None:
        return found
    pieces = _Pieces(w.cut(w.x, low, high), w.cut(w.slope, low, high), w.rate)
    likely = None if usual is None else usual[:, low:high]
    onset, peak, offset = _find_by_numpy(pieces, first - low, last - low, limits, least, likely)
    return onset + low, peak + low, offset + low


@dataclass(frozen=True, eq=False)
class _Pieces:
    """What :class:`Windows` are of, cut out: (leads, beats, columns)."""

    x: Float64
    slope: Float64
    rate: float


def _find_by_numpy(
    w: _Pieces,
    first: Float64,
    last: Float64,
    limits: WaveLimits,
    least: Float64,
    usual: Float64 | None,
) -> tuple[Float64, Float64, Float64]:
    """Do what ``native/waves.c`` does, with the same answers."""
    shares, longest, guide = limits.shares, limits.longest, limits.guide
    columns = np.arange(w.x.shape[-1])
    inside = (columns >= first[..., None]) & (columns <= last[..., None])
    room = last - first >= LEAST_ROOM_S * w.rate
    slope = np.where(inside, w.slope, 0.0)
    reach = round(PEAK_REACH_S * w.rate)
    # A bump has its steepest rise before its peak and its steepest fall after it: their sum is
    # largest at the peak, for waves up and, with the sign turned, for waves down.
    rise_before = _running_maximum(slope, reach, behind=True)
    fall_after = _running_maximum(-slope, reach, behind=False)
    fall_before = _running_maximum(-slope, reach, behind=True)
    rise_after = _running_maximum(slope, reach, behind=False)
    up = np.minimum(rise_before, fall_after)
    down = np.minimum(fall_before, rise_after)
    score = np.where(inside, np.maximum(up, down), -1.0)
    # Where the leads together show the wave, each lead has it too, if it has it at all.
    profile = np.where(inside, score, 0.0).sum(axis=0)
    if usual is not None:
        # The usual place chooses the wave; where the wave is, the leads say.
        chosen = (profile * usual).argmax(axis=-1)
        profile[np.abs(columns - chosen[:, None]) > guide * w.rate] = -1.0
    together = profile.argmax(axis=-1)
    guided = inside & (np.abs(columns - together[:, None]) <= guide * w.rate)
    score = np.where(guided, score, -1.0)
    best = score.argmax(axis=-1)
    take = best[..., None]
    upwards = np.take_along_axis(up >= down, take, axis=-1)[..., 0]
    sign = np.where(upwards, 1.0, -1.0)
    peak = _peak_near(w.x, inside, best, sign, reach, columns)
    before = _steepest(slope * sign[..., None], peak, longest[0] * w.rate, columns, before=True)
    after = _steepest(-slope * sign[..., None], peak, longest[1] * w.rate, columns, before=False)
    onset = _fade(slope * sign[..., None], before, shares[0], columns, backwards=True)
    offset = _fade(-slope * sign[..., None], after, shares[1], columns, backwards=False)
    if limits.lobes:
        offset = _second_lobe(w, slope, sign, peak, (onset, offset), shares[1], columns)
    value = np.take_along_axis(w.x, peak[..., None], axis=-1)[..., 0]
    rows = np.nan_to_num(np.stack([onset, offset]), nan=0.0).astype(np.int64)
    feet = [np.take_along_axis(w.x, row[..., None], axis=-1)[..., 0] for row in rows]
    prominence = sign * (value - (feet[0] + feet[1]) / 2)
    shown = score.max(axis=-1) > 0
    good = room & shown & np.isfinite(onset) & np.isfinite(offset) & (prominence >= least)
    nothing = ~good
    result = [onset, peak.astype(np.float64), offset]
    for part in result:
        part[nothing] = np.nan
    return result[0], result[1], result[2]


def _running_maximum(values: Float64, reach: int, *, behind: bool) -> Float64:
    """Maximum over this column and ``reach`` before it (behind) or after it."""
    from scipy.ndimage import maximum_filter1d

    size = reach + 1
    origin = (size // 2) if behind else -((size - 1) // 2)
    # scipy's window of an even size leans to the left by one.
    if behind and size % 2 == 0:
        origin = size // 2 - 1
    if not behind:
        origin = -(size // 2)
    result: Float64 = maximum_filter1d(values, size, axis=-1, origin=origin, mode="nearest")
    return result


def _peak_near(
    smooth: Float64, inside: Bool, best: Int64, sign: Float64, reach: int, columns: Int64
) -> Int64:
    near = inside & (np.abs(columns - best[..., None]) <= reach // 2)
    values = np.where(near, smooth * sign[..., None], -np.inf)
    return values.argmax(axis=-1)


def _steepest(slope: Float64, peak: Int64, reach: float, columns: Int64, *, before: bool) -> Int64:
    distance = (peak[..., None] - columns) if before else (columns - peak[..., None])
    values = np.where((distance >= 0) & (distance <= reach), slope, -np.inf)
    return values.argmax(axis=-1)


def _fade(
    slope: Float64, steepest: Int64, share: float, columns: Int64, *, backwards: bool
) -> Float64:
    """Return the first column beyond the steepest one at which its slope has fallen to a share."""
    top = np.take_along_axis(slope, steepest[..., None], axis=-1)
    beyond = (columns <= steepest[..., None]) if backwards else (columns >= steepest[..., None])
    faded = beyond & (slope < share * top)
    if backwards:
        found = faded.shape[-1] - 1 - faded[..., ::-1].argmax(axis=-1)
    else:
        found = faded.argmax(axis=-1)
    result = found.astype(np.float64)
    result[~faded.any(axis=-1) | ~(top[..., 0] > 0)] = np.nan
    return result


def _second_lobe(
    w: _Pieces,
    slope: Float64,
    sign: Float64,
    peak: Int64,
    feet: tuple[Float64, Float64],
    share: float,
    columns: Int64,
) -> Float64:
    """Extend the end over a second lobe the other way that is high enough (biphasic T).

    The lobe dips below the foot of the wave; a U or P wave behind T rises from there.
    """
    onset, offset = feet
    begin = np.nan_to_num(offset, nan=0.0)
    reach = round(T_LOBE_S * w.rate)
    distance = columns - begin[..., None]
    rise = np.where((distance >= 0) & (distance <= reach), slope * sign[..., None], -np.inf)
    column = rise.argmax(axis=-1)
    top = np.take_along_axis(rise, column[..., None], axis=-1)[..., 0]
    fall = np.where(
        (columns >= peak[..., None]) & (columns <= begin[..., None]), -slope * sign[..., None], 0.0
    ).max(axis=-1)
    second = np.isfinite(offset) & (top > T_LOBE_SHARE * fall) & (fall > 0)
    extended = _fade(slope * sign[..., None], column, share, columns, backwards=False)
    ends = np.nan_to_num(np.stack([onset, extended]), nan=0.0).astype(np.int64)
    foot, after = (np.take_along_axis(w.x, end[..., None], axis=-1)[..., 0] for end in ends)
    within = (columns >= begin[..., None]) & (columns <= column[..., None])
    lowest = np.where(within, w.x * sign[..., None], np.inf).min(axis=-1)
    with np.errstate(invalid="ignore"):
        second &= foot * sign - lowest >= T_LOBE_DEPTH * (after * sign - lowest)
    result: Float64 = np.where(second & np.isfinite(extended), extended, offset)
    return result
