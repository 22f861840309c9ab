"""Pacing spikes: where they are, a signal without them, and what they did.

A spike jumps within a sample or two out of a level line, in several leads at the same moment, and
is over within 30 ms: no wave of the heart does that. A low-pass filter or a low sampling rate
widens and lowers it until it cannot be told; then nothing is found, which does not mean that no
pacemaker is at work. Many devices remove spikes and draw marks in their place, which look alike. A
steep filter makes a tall one ring: it swings to both sides for some samples before and after.

The warning ``pacemaker-spikes`` of the gate (:mod:`ecgfoundry.signals.quality`) counts spikes in
each lead by itself and does not place them; why there are two stands there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.medians import median_of_rows, quantiles_of_rows

__all__ = ["PacingSpike", "Spikes", "describe_spikes", "find_spikes", "without_spikes"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

LEAST_RATE_HZ = 455.0
"""The rise of a spike is looked for within :data:`JUMP_S`, which is less than a sample at a lower
rate: of 362 records without a pacemaker 4 had one at 360 Hz, and in records 104 and 217 of MIT-BIH,
which are paced, none was found."""
JUMP_S = 0.0022
"""Rise of a spike; one sample at 500 Hz, two at 1 kHz."""
LEVEL_S = 0.012
LEVEL_SHARE = 0.20
"""The 12 ms before it vary by less than this share of the jump: a QRS complex has begun by then."""
JUMP_RANGE_SHARE = 0.10
"""Least jump as a share of the lead's range (0.5th to 99.5th percentile)."""
LONGEST_S = 0.030
END_SHARE = 0.15
"""It is back at the level before it, to within 15 % of the jump, by then: else it is a step."""
PEAK_SHARE = 1.25
"""It has its peak at once; a wave of the heart goes on rising."""
RINGING_SHARE = 0.25
"""One that rings is known by jumps to and fro of a quarter of the lead's range: the upstroke of a
QRS complex takes 10 ms and more, a fifth of it in one jump (our choice)."""
RINGING_S = 0.008
"""Ringing of less than a jump goes on so long before and after it (our choice)."""
LEAST_SPIKES = 3
"""Fewer in a stretch are taken for glitches of the electrodes, as the quality gate does."""
LEAST_LEADS = 2
DISTANCE_S = 0.040
VENTRICULAR_S = 0.060
"""A QRS complex that a spike made begins within 60 ms (our choice; latency is 20 to 40 ms)."""
ATRIAL_S = 0.350
"""A spike in the atria has its QRS complex within 350 ms (the longest AV delay that is set)."""
REFRACTORY_S = 0.300
"""A spike this soon after a QRS complex finds the ventricles refractory: it cannot capture."""


@dataclass(frozen=True, slots=True)
class PacingSpike:
    """A pacing spike: its time, the chamber it is meant for, and whether that answered.

    ``kind`` is "atrial", "ventricular" or "unknown"; ``captured`` None where it cannot be told.
    """

    time_s: float
    kind: str = "unknown"
    captured: bool | None = None


@dataclass(frozen=True, eq=False)
class Spikes:
    """Sample numbers of the first sample of each spike, and of the last: int64 (spikes,)."""

    begin: Int64
    end: Int64

    def at_rate(self, own: float, rate: float) -> Spikes:
        """Return the same spikes in samples of another rate than their own, Hz."""
        begin, end = (
            np.rint(side * (rate / own)).astype(np.int64) for side in (self.begin, self.end)
        )
        return Spikes(begin, end)


def find_spikes(signal: NDArray[np.floating], sampling_rate: float) -> Spikes:
    """Find pacing spikes.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV, unfiltered, without gaps.
    sampling_rate : float
        Hz. Under 455 Hz nothing is found.
    """
    none = Spikes(np.empty(0, np.int64), np.empty(0, np.int64))
    x = np.asarray(signal)
    width = max(1, int(JUMP_S * sampling_rate))
    level = max(3, round(LEVEL_S * sampling_rate))
    longest = round(LONGEST_S * sampling_rate)
    if sampling_rate < LEAST_RATE_HZ or x.shape[1] < 2 * sampling_rate:
        return none
    low, high = quantiles_of_rows(x[:, ::4], (0.005, 0.995))
    spread = np.maximum(high - low, 1e-9)
    rise = x[:, width:] - x[:, :-width]
    steep = np.abs(rise) >= JUMP_RANGE_SHARE * spread[:, None]
    rows, columns = np.divmod(np.flatnonzero(steep), rise.shape[1])
    inside = (columns >= level) & (columns < x.shape[1] - width - longest - 1)
    rows, columns = rows[inside], columns[inside]
    if columns.size == 0:
        return none
    follow = rise[rows[:, None], columns[:, None] + np.arange(longest)]
    most = np.abs(follow).max(axis=1)
    before = x[rows[:, None], columns[:, None] + np.arange(-level + 1, 1)]
    unrest = np.ptp(before, axis=1)
    # No jump is higher than the most: what that leaves out need not be looked at.
    calm = unrest <= LEVEL_SHARE * most
    rows, columns, unrest, before = rows[calm], columns[calm], unrest[calm], before[calm]
    follow, most = follow[calm], most[calm]
    if columns.size == 0:
        return none
    tall = np.maximum(RINGING_SHARE * spread[rows], LEVEL_SHARE * most)[:, None]
    rings = _swings(follow >= tall, follow <= -tall)
    follow = np.abs(follow)
    height = np.where(rings, most, follow[:, 0])
    calm = unrest <= LEVEL_SHARE * height
    rows, columns, height, rings = rows[calm], columns[calm], height[calm], rings[calm]
    away = np.abs(
        x[rows[:, None], columns[:, None] + width + np.arange(longest + 1)]
        - median_of_rows(before[calm])[:, None]
    )
    ended = away <= END_SHARE * height[:, None]
    back = ended.any(axis=1) & (away.max(axis=1) <= PEAK_SHARE * height)
    # One that rings crosses the level before it is over.
    over = longest - (follow[calm] >= END_SHARE * height[:, None])[:, ::-1].argmax(axis=1)
    last = np.where(rings, over, ended.argmax(axis=1))[back]
    rows, columns = rows[back], columns[back]
    found = _in_common(rows, columns, columns + width + last, x.shape[0], sampling_rate)
    if not rings[back].any():
        return found
    around = round(RINGING_S * sampling_rate)
    return Spikes(np.maximum(found.begin - around, 0), found.end + around)


def _swings(up: Bool, down: Bool) -> Bool:
    """Which rows jump one way, the other, and back again; a spike that does not ring is over."""
    result: Bool = np.zeros(len(up), bool)
    for one, other in ((up, down), (down, up)):
        turned = np.logical_or.accumulate(other & np.logical_or.accumulate(one, axis=1), axis=1)
        result |= (one & turned).any(axis=1)
    return result


def _in_common(rows: Int64, begin: Int64, end: Int64, leads: int, sampling_rate: float) -> Spikes:
    """Unite what leads show at the same moment; what one lead of several shows is an artefact."""
    order = np.argsort(begin, kind="stable")
    rows, begin, end = rows[order], begin[order], end[order]
    near = max(1, round(0.004 * sampling_rate))
    groups = np.split(np.arange(begin.size), np.flatnonzero(np.diff(begin) > near) + 1)
    found: list[tuple[int, int]] = []
    for group in groups:
        if np.unique(rows[group]).size < min(LEAST_LEADS, leads):
            continue
        first, last = int(begin[group[0]]) + 1, int(end[group].max())
        if found and first - found[-1][0] < DISTANCE_S * sampling_rate:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    if len(found) < LEAST_SPIKES:
        found = []
    pairs = np.asarray(found, dtype=np.int64).reshape(-1, 2)
    return Spikes(pairs[:, 0], pairs[:, 1])


def without_spikes(signal: Float64, spikes: Spikes) -> Float64:
    """Return the signal with a straight line in place of every spike."""
    if spikes.begin.size == 0:
        return signal
    result = signal.copy()
    for begin, end in zip(spikes.begin, spikes.end, strict=True):
        first, last = max(0, int(begin) - 1), min(signal.shape[1] - 1, int(end) + 1)
        share = np.linspace(0.0, 1.0, last - first + 1)
        result[:, first : last + 1] = (
            signal[:, first, None] * (1.0 - share) + signal[:, last, None] * share
        )
    return result


def describe_spikes(
    spikes: Spikes,
    sampling_rate: float,
    qrs_onset: Float64,
    qrs_offset: Float64,
    p_onset: Float64,
) -> tuple[tuple[PacingSpike, ...], Bool]:
    """Say of every spike which chamber it is for and whether that answered.

    Parameters
    ----------
    spikes : Spikes
    sampling_rate : float
        Hz.
    qrs_onset, qrs_offset, p_onset : ndarray (beats,)
        Sample numbers, NaN where unknown.

    Returns
    -------
    tuple of PacingSpike, and ndarray of bool (beats,)
        The second says which beats a ventricular spike made.
    """
    paced = np.zeros(qrs_onset.size, bool)
    result = []
    for begin in spikes.begin:
        with np.errstate(invalid="ignore"):
            later = np.flatnonzero(qrs_offset >= begin)
        beat = int(later[0]) if later.size else -1
        gap = (qrs_onset[beat] - begin) / sampling_rate if beat >= 0 else np.inf
        kind, captured = "unknown", None
        if abs(gap) <= VENTRICULAR_S:
            kind, captured = "ventricular", True
            paced[beat] = True
        elif 0 < gap <= ATRIAL_S:
            delay = (p_onset[beat] - begin) / sampling_rate
            kind = "atrial"
            captured = True if np.isfinite(delay) and -0.02 <= delay <= 0.12 else None
        elif gap > 0 and qrs_onset.size:
            # Without a later beat, the last one is the earlier one: index -1 again.
            earlier = qrs_onset[beat - 1] if beat > 0 else qrs_onset[-1] if beat < 0 else np.nan
            since = (begin - earlier) / sampling_rate
            captured = False if np.isfinite(since) and since > REFRACTORY_S else None
        result.append(PacingSpike(float(begin / sampling_rate), kind, captured))
    return tuple(result), paced
