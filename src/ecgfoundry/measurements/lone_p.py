"""P waves that no QRS complex follows: blocked ones, and those of atria that beat on their own.

Delineation looks for the P wave before each QRS complex. What stands between the complexes is found
here, in the signal less the usual complex and its T wave, and only where it is regular, because a
U wave or noise may look like a P wave once but not at the time that the other P waves foretell:

* where P waves are known, a wave of their shape that divides a long PP interval evenly
  (second-degree block);
* where none keeps its place before the complexes, waves at equal intervals that have nothing to do
  with RR (complete block). P waves that fall into a complex are put where the others foretell.

All limits are our choice.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.boundaries import BeatWaves
from ecgfoundry.measurements.medians import median, median_of_rows
from ecgfoundry.measurements.nearest import distance_to_nearest
from ecgfoundry.measurements.wave_kernel import bridged
from ecgfoundry.signals.filters import averaged, gaussian

__all__ = ["lone_p_waves"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

WORKING_RATE_HZ = 125.0
QRS_REACH_S, LIKENESS = 0.08, 0.8
SCALE_S = 0.025
"""Half the width of a P wave."""
QRS_MARGIN_S = 0.05
LIKE_SHARE = 0.5
EVEN_SHARE = 0.12
"""A blocked wave stands within 12 % of a PP interval of where it is expected."""
LONG_SHARE = 1.5
EVERY_SHARE = 0.7
"""Blocked waves are looked for in PP intervals of one and a half times the usual; in shorter ones
only if seven in ten hold one behind the T wave (2:1 conduction): the T wave itself stands in the
middle at many a rate, and one that comes and goes is not wholly taken out with the usual one."""
FEWEST_P = 3
PP_RANGE_S = (0.4, 1.3)
FOUND_SHARE = 0.8
LEVEL, TOP_SHARE = 4.0, 0.7
FEWEST_GRID = 6
TOLERANCE_S = 0.04
SAME_S = 0.06
UNRELATED_S = 0.03
"""Waves of their own fall at other places before every complex: those that scatter by less are U
waves, or conducted."""


def lone_p_waves(signal: Float64, sampling_rate: float, beats: Int64, waves: BeatWaves) -> Float64:
    """Return the peaks of P waves that no QRS complex follows.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV, without gaps and spikes.
    sampling_rate : float
        Hz.
    beats : ndarray, int64 (beats,)
    waves : BeatWaves
        Of all leads together.

    Returns
    -------
    ndarray, float64 (waves,)
        Sample numbers, ascending.
    """
    if len(beats) < FEWEST_P or signal.shape[1] < 2 * sampling_rate:
        return np.empty(0)
    factor = max(1, round(sampling_rate / WORKING_RATE_HZ))
    length = signal.shape[1] // factor
    coarse = averaged(signal, factor)
    rate = sampling_rate / factor
    at = np.clip(beats // factor, 0, length - 1)
    marks = {
        name: getattr(waves, name) / factor
        for name in ("p_peak", "qrs_onset", "qrs_offset", "t_offset")
    }
    usual = _usual(coarse, at, rate)
    blank = _complexes(marks, at, length, rate)
    bumps = _bumps(_without_beats(coarse, at, marks, usual, rate), rate, blank)
    p_peak = marks["p_peak"]
    known = np.flatnonzero(np.isfinite(p_peak))
    if known.size >= max(FEWEST_P, len(beats) // 2):
        found = _between(bumps, p_peak, marks["t_offset"], usual, blank)
    else:
        found = _on_their_own(bumps, at, blank, rate)
        if known.size and found.size:
            apart = np.abs(found[:, None] - p_peak[known]).min(axis=1)
            found = found[apart > SAME_S * rate]
    return found * factor + (factor - 1) / 2.0


def _usual(x: Float64, at: Int64, rate: float) -> Bool:
    """Beats whose complex looks like the median one; beside others nothing is looked for."""
    reach = round(QRS_REACH_S * rate)
    index = np.clip(at[:, None] + np.arange(-reach, reach + 1), 0, x.shape[1] - 1)
    pieces = x[:, index].transpose(1, 0, 2)
    pieces = (pieces - pieces.mean(axis=2, keepdims=True)).reshape(at.size, -1)
    middle = median_of_rows(pieces, axis=0)
    size = np.linalg.norm(pieces, axis=1) * np.linalg.norm(middle)
    like = np.divide(pieces @ middle, size, out=np.zeros(at.size), where=size > 0)
    result: Bool = like >= LIKENESS
    return result


def _complexes(marks: dict[str, Float64], at: Int64, length: int, rate: float) -> Bool:
    """Where a QRS complex hides everything else."""
    blank = np.zeros(length, bool)
    margin = QRS_MARGIN_S * rate
    onset = np.where(np.isfinite(marks["qrs_onset"]), marks["qrs_onset"], at - 0.05 * rate)
    offset = np.where(np.isfinite(marks["qrs_offset"]), marks["qrs_offset"], at + 0.06 * rate)
    for begin, end in zip(onset - margin, offset + margin, strict=True):
        blank[max(0, round(begin)) : max(0, round(end) + 1)] = True
    return blank


def _without_beats(
    x: Float64, at: Int64, marks: dict[str, Float64], usual: Bool, rate: float
) -> Float64:
    """Take the median complex and its T wave out of every beat."""
    lengths = marks["t_offset"] - at
    known = lengths[np.isfinite(lengths)]
    behind = round(median(known) if known.size else 0.35 * rate) + 1
    before = round(0.06 * rate)
    whole = usual & (at >= before) & (at + behind < x.shape[1])
    if not whole.any():
        return x
    pieces = x[:, at[whole][:, None] + np.arange(-before, behind + 1)]
    # A straight line between the feet stays: it is the baseline.
    share = np.linspace(0.0, 1.0, pieces.shape[2])
    template = median_of_rows(pieces, axis=1)
    template -= template[:, :1] * (1.0 - share) + template[:, -1:] * share
    result = x.copy()
    for place in at[usual]:
        first, last = max(0, place - before), min(x.shape[1], place + behind + 1)
        result[:, first:last] -= template[:, first - place + before : last - place + before]
    return result


def _bumps(x: Float64, rate: float, blank: Bool) -> Float64:
    """How much each lead looks like the top of a wave of 100 ms: (leads, samples), mV."""
    filled = _bridged(x, blank) if blank.any() and not blank.all() else x
    scale = SCALE_S * rate
    curved: Float64 = -(scale**2) * gaussian(filled, scale, derivative=2)
    return curved


def _bridged(x: Float64, blank: Bool) -> Float64:
    """Draw straight lines where nothing is to be seen."""
    edges = np.flatnonzero(np.diff(blank, prepend=False, append=False)).astype(np.float64)
    begin, end = (np.tile(edges[side::2], (len(x), 1)) for side in (0, 1))
    done = bridged(x, begin, end)
    if done is not None:
        return done
    columns, filled = np.arange(x.shape[1]), x.copy()
    for row in filled:
        row[blank] = np.interp(columns[blank], columns[~blank], row[~blank])
    return filled


def _peaks(score: Float64, level: float) -> Int64:
    middle = score[1:-1]
    found = (middle >= score[:-2]) & (middle > score[2:]) & (middle >= level)
    return np.flatnonzero(found) + 1


def _between(
    bumps: Float64, p_peak: Float64, t_offset: Float64, usual: Bool, blank: Bool
) -> Float64:
    """Waves like the known ones that divide a long PP interval evenly."""
    known = np.flatnonzero(np.isfinite(p_peak))
    places = np.clip(np.rint(p_peak[known]).astype(int), 0, bumps.shape[1] - 1)
    weights = median_of_rows(bumps[:, places])
    size = float(weights @ weights)
    if size <= 0:
        return np.empty(0)
    score = weights @ bumps / size
    # In noise the wave before a complex is not told from others.
    if median(score[places]) < 2.0 * np.percentile(score[~blank], 75):
        return np.empty(0)
    candidates = _peaks(np.where(blank, 0.0, score), LIKE_SHARE)
    beats = [a for a, b in itertools.pairwise(known) if b == a + 1 and usual[a] and usual[b]]
    if not beats:
        return np.empty(0)
    lengths = [float(p_peak[a + 1] - p_peak[a]) for a in beats]
    usual_pp = median(lengths)
    every, longer = [], []
    for beat, length in zip(beats, lengths, strict=True):
        middle = _even(candidates, float(p_peak[beat]), float(p_peak[beat + 1]))
        if middle is not None and length >= LONG_SHARE * usual_pp:
            longer.append(middle)
        elif middle is not None and not middle <= t_offset[beat]:
            every.append(middle)
    if len(every) + len(longer) < EVERY_SHARE * len(beats):
        every = []
    return np.sort(np.asarray(every + longer, dtype=np.float64))


def _even(candidates: Int64, begin: float, end: float) -> float | None:
    """The candidate in the middle between two P waves."""
    middle, room = (begin + end) / 2.0, EVEN_SHARE * (end - begin) / 2.0
    inside = candidates[np.abs(candidates - middle) <= room]
    return float(inside[np.abs(inside - middle).argmin()]) if inside.size else None


def _on_their_own(bumps: Float64, at: Int64, blank: Bool, rate: float) -> Float64:
    """Waves at equal intervals that have no relation to RR."""
    free = ~blank
    if free.sum() < rate:
        return np.empty(0)
    spread = np.median(np.abs(bumps[:, free]), axis=1)
    loud = spread > 0
    if not loud.any():
        return np.empty(0)
    score = np.sqrt(np.square(bumps[loud] / spread[loud][:, None]).mean(axis=0))
    score[blank] = 0.0
    high = score[_peaks(score, LEVEL)]
    if high.size < FEWEST_GRID:
        return np.empty(0)
    # The turns at the feet of a wave are half as high as its top.
    candidates = _peaks(score, max(LEVEL, TOP_SHARE * float(np.percentile(high, 90))))
    best: Float64 = np.empty(0)
    intervals = np.arange(PP_RANGE_S[0] * rate, PP_RANGE_S[1] * rate, 0.5)
    number = np.arange(int(score.size / intervals[0]) + 2)
    for start in candidates[:4]:
        # One row of waves at equal intervals for every interval that is tried.
        rows = (start % intervals)[:, None] + number * intervals[:, None]
        inside = rows < score.size
        seen = free[np.rint(rows).astype(np.int64).clip(max=score.size - 1)] & inside
        hit = (distance_to_nearest(candidates, rows) <= TOLERANCE_S * rate) & inside
        looked = seen.sum(axis=1)
        enough = (looked >= FEWEST_GRID) & (
            (hit & seen).sum(axis=1) / np.maximum(looked, 1) >= FOUND_SHARE
        )
        explained = hit.sum(axis=1) >= FOUND_SHARE * candidates.size
        for row in np.flatnonzero(enough & explained):
            grid = rows[row, inside[row]]
            if grid.size > best.size and _unrelated(grid, at, rate):
                best = grid
    return best


def _unrelated(grid: Float64, at: Int64, rate: float) -> bool:
    last = np.searchsorted(grid, at) - 1
    times = (at - grid[np.maximum(last, 0)])[last >= 0]
    return bool(times.size >= FEWEST_P and times.std() >= UNRELATED_S * rate)
