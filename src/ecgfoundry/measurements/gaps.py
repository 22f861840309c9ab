"""Where a recording has no signal, and which RR intervals are not believed because of it.

Beats may hide in a gap: an interval across it may be two, and none is counted that may be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["absent_stretches", "believed_intervals", "held_stretches"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

GAP_S = 0.03
"""Beats may hide in a gap of all leads that is longer: in three recordings none was lost in 20 ms
over its R peak, all were in 80 ms."""
LONG_GAP_S = 0.3
NEAR_BEATS = 8
LONGER = 1.25
"""An RR interval across a gap of all leads is not believed if the gap is longer than the first, or
the interval so much longer than the median of eight to either side (a hidden beat doubles it)."""
HELD_S, HELD_ALONE_S, STILL_S = 0.3, 0.6, 0.05
MOST_HELD, MOST_HELD_PER_S = 2, 0.25
"""One value in all leads for the first, in a lone lead for the second: what a recorder writes where
data were lost. Of 1,100 acceptable recordings and as many lone leads six have such a stretch, two
of them lost data; scaled leads of few steps have 0.54 s at most. With more stretches of 50 ms than
the last two allow, the signal has no noise or few steps."""


def absent_stretches(absent: Bool, rate: float) -> Int64:
    """Return where every lead is missing for long enough to hide a beat: (begin, end) samples."""
    nothing = np.concatenate([[False], absent.all(axis=0), [False]])
    edges = np.flatnonzero(np.diff(nothing.astype(np.int8))).reshape(-1, 2)
    return edges[edges[:, 1] - edges[:, 0] > GAP_S * rate].astype(np.int64)


def held_stretches(signal: NDArray[np.floating], rate: float) -> Int64:
    """Return where every lead has one value for long, as where data were lost: (begin, end).

    A signal without noise has one value between all of its waves: there nothing was lost.
    """
    still = (np.diff(signal, axis=1) == 0).all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(np.int8)))
    runs = edges.reshape(-1, 2).astype(np.int64)
    length_s = (runs[:, 1] - runs[:, 0]) / rate
    least = HELD_S if len(signal) > 1 else HELD_ALONE_S
    some = max(MOST_HELD, MOST_HELD_PER_S * signal.shape[1] / rate)
    if (length_s >= STILL_S).sum() > some:
        return np.empty((0, 2), np.int64)
    return runs[length_s >= least]


def believed_intervals(sample: Int64, gaps: Int64, rate: float) -> Float64:
    """Return RR intervals in samples; NaN for the first beat and across gaps that may hide a beat.

    In a short gap none hides where the interval is not longer than those around it.

    Parameters
    ----------
    sample : ndarray, int64 (beats,)
    gaps : ndarray, int64 (gaps, 2)
        Begin and end in samples.
    rate : float
        Hz.
    """
    rr = np.concatenate([np.full(min(sample.size, 1), np.nan), np.diff(sample)])
    around = rr.copy()
    for begin, end in gaps:
        first, last = np.searchsorted(sample, [begin, end])
        for after in range(max(1, int(first)), min(int(last), sample.size - 1) + 1):
            near = around[max(1, after - NEAR_BEATS) : after + NEAR_BEATS + 1]
            if end - begin > LONG_GAP_S * rate or rr[after] > LONGER * float(np.median(near)):
                rr[after] = np.nan
    return rr
