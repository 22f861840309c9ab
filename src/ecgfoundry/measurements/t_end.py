"""The end of a low T wave: what all leads together say against a hump that few of them show.

For all leads together the end of T is the latest that others confirm
(:func:`ecgfoundry.measurements.lead_fusion.fuse_leads`). The limb leads confirm each other, because
six of them come from two: where T is low, a hump behind it in I and II is enough to make QT 30 to
90 ms too long. The length of the heart vector on the median beat weighs leads by what they show,
and its steepest line down meets the level behind T 21 +- 8 ms before the common end (173 records of
LUDB; the tangent of E. Lepeschkin, B. Surawicz, Circulation 6:378, 1952). Where it does so more
than 40 ms before, as in 1 of 173 there, the end is put 21 ms behind it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecgfoundry.measurements.boundaries import BeatWaves
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.signals.filters import gaussian

__all__ = ["tangent_end", "with_t_end"]

SCALE_S = 0.010
FIRST_S = 0.06
"""T is looked for so long after the QRS complex, until 30 ms behind its common end."""
LEVEL_S, BEYOND_S = 0.02, 0.03
USUAL_LAG_S, MOST_LAG_S = 0.021, 0.040
FEWEST_LEADS = 6


def tangent_end(beat: MedianBeat) -> float | None:
    """Return the column at which the steepest line down from T meets the level behind it.

    None with fewer than six leads, or where the QRS complex or T has no end.
    """
    first, last = beat.boundaries.get("qrs_offset"), beat.boundaries.get("t_offset")
    rows = np.isfinite(beat.values).all(axis=1)
    if first is None or last is None or rows.sum() < FEWEST_LEADS:
        return None
    rate = beat.sampling_rate
    x = gaussian(beat.values[rows], SCALE_S * rate)
    behind = x[:, round(last) : round(last + LEVEL_S * rate)]
    begin, end = round(first + FIRST_S * rate), round(last + BEYOND_S * rate)
    if behind.shape[1] == 0 or end > x.shape[1] or end - begin < FIRST_S * rate:
        return None
    length = np.sqrt(np.square(x - behind.mean(axis=1, keepdims=True)).sum(axis=0))
    peak = begin + int(length[begin:end].argmax())
    slope = np.gradient(length)
    steepest = peak + int(slope[peak:end].argmin())
    if slope[steepest] >= 0:
        return None
    return steepest - float(length[steepest] / slope[steepest])


def with_t_end(waves: BeatWaves, beat: MedianBeat | None) -> tuple[BeatWaves, MedianBeat | None]:
    """Move the end of T of the median beat, and by as much those of all beats, where it is late."""
    meets = None if beat is None else tangent_end(beat)
    if beat is None or meets is None:
        return waves, beat
    end, rate = beat.boundaries["t_offset"], beat.sampling_rate
    if not end - meets > MOST_LAG_S * rate:
        return waves, beat
    moved = meets + USUAL_LAG_S * rate
    boundaries = {**beat.boundaries, "t_offset": moved}
    return replace(waves, t_offset=waves.t_offset + moved - end), replace(
        beat, boundaries=boundaries
    )
