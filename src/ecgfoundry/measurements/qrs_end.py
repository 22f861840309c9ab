"""The late end of a QRS complex: a slow last part that most leads hardly show.

In right bundle branch block the last forces point to the front and to the right. They are large in
V1 and V2 and slow everywhere, often after a plateau, so that fewer leads than are needed for a
common end (:func:`ecgfoundry.measurements.lead_fusion.fuse_leads`) still move. On the median beat,
where noise is low, all leads together show them: as speed of the heart vector.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.boundaries import BeatWaves
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.signals.filters import gaussian

__all__ = ["late_end", "with_late_end"]

Float64 = NDArray[np.float64]

SCALE_S = 0.004
FAST_SHARE = 0.10
"""A part of the complex moves at a tenth of the fastest part at least; T waves are slower (our
choice: on LUDB no narrow complex becomes wider by it)."""
FOOT_SHARE = 0.05
PLATEAU_S = 0.045
REACH_S = 0.09
"""How long a plateau may last, and how far behind the common end is looked."""
LEAST_S = 0.008
FEWEST_LEADS = 6


def late_end(beat: MedianBeat) -> float | None:
    """Return the column at which the QRS complex of all leads together ends.

    Parameters
    ----------
    beat : MedianBeat
        Of six leads at least; with fewer, each lead was looked at already.

    Returns
    -------
    float or None
        The given end, or a later one; None where there is no QRS complex.
    """
    begin, end = beat.boundaries.get("qrs_onset"), beat.boundaries.get("qrs_offset")
    if begin is None or end is None or not (math.isfinite(begin) and math.isfinite(end)):
        return None
    rows = np.isfinite(beat.values).all(axis=1)
    if rows.sum() < FEWEST_LEADS:
        return end
    speed = _speed(beat.values[rows], beat.sampling_rate)
    rate, first = beat.sampling_rate, round(end)
    top = float(speed[max(0, round(begin)) : first + 1].max(initial=0.0))
    last = min(speed.size - 1, first + round(REACH_S * rate))
    fast = np.flatnonzero(speed[first : last + 1] >= FAST_SHARE * top)
    reached = 0
    for column in fast[fast > LEAST_S * rate]:
        if column - reached > PLATEAU_S * rate:
            break
        reached = int(column)
    if reached == 0:
        return end
    slow = np.flatnonzero(speed[first + reached : last + 1] <= FOOT_SHARE * top)
    return float(first + reached + (slow[0] if slow.size else 0))


def _speed(values: Float64, rate: float) -> Float64:
    """Root of the summed squared slopes, mV per column."""
    slope = gaussian(values, SCALE_S * rate, derivative=1)
    result: Float64 = np.sqrt(np.square(slope).sum(axis=0))
    return result


def with_late_end(waves: BeatWaves, beat: MedianBeat | None) -> tuple[BeatWaves, MedianBeat | None]:
    """Move the QRS end of the median beat, and by as much those of all beats."""
    end = None if beat is None else late_end(beat)
    if beat is None or end is None:
        return waves, beat
    by = end - beat.boundaries["qrs_offset"]
    if by <= 0:
        return waves, beat
    moved = replace(waves, qrs_offset=waves.qrs_offset + by)
    return moved, replace(beat, boundaries={**beat.boundaries, "qrs_offset": end})
