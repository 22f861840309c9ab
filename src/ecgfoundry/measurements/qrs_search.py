"""Where the QRS complex of every beat begins and ends in every lead: how far its slopes reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.wave_search import Windows

__all__ = ["find_complexes"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

QRS_REACH_BEFORE_S, QRS_REACH_AFTER_S = 0.14, 0.18
QRS_ONSET_SHARE, QRS_OFFSET_SHARE = 0.07, 0.10
QRS_GAP_S = 0.028
"""The modulus vanishes for a moment at every peak of the complex; longer than this it is over."""
NOISE_FACTOR = 2.5
"""A slope counts when it stands this far above the lead's usual one between the waves."""


def find_complexes(w: Windows, noise: NDArray[np.floating]) -> tuple[Float64, Float64, Float64]:
    """Return onset and offset columns and the height of the complex in mV (leads, beats)."""
    modulus = np.abs(w.slope)
    reach = round(0.08 * w.rate)
    core = modulus[..., w.zero - reach : w.zero + reach + 1]
    top = core.max(axis=-1)
    heights = w.x[..., w.zero - reach : w.zero + reach + 1]
    height = heights.max(axis=-1) - heights.min(axis=-1)
    start = w.zero - reach + core.argmax(axis=-1)
    gap = max(1, round(QRS_GAP_S * w.rate))
    before = round(QRS_REACH_BEFORE_S * w.rate)
    after = round(QRS_REACH_AFTER_S * w.rate)
    floor = NOISE_FACTOR * noise
    threshold = np.maximum(QRS_ONSET_SHARE * top, np.minimum(floor, 0.2 * top))
    onset = _outward(modulus, threshold, start, w.zero - before, gap, backwards=True)
    threshold = np.maximum(QRS_OFFSET_SHARE * top, np.minimum(floor, 0.2 * top))
    offset = _outward(modulus, threshold, start, w.zero + after, gap, backwards=False)
    dead = ~(top > 0)
    onset[dead] = offset[dead] = np.nan
    return onset, offset, height


def _outward(
    modulus: Float64,
    threshold: Float64,
    start: Int64,
    limit: int,
    gap: int,
    *,
    backwards: bool,
) -> Float64:
    """Walk away from ``start`` until the modulus stays below the threshold for ``gap`` columns.

    Returns the last column above the threshold, NaN where the limit came first.
    """
    above = modulus >= threshold[..., None]
    if backwards:
        above = above[..., ::-1]
        start = above.shape[-1] - 1 - start
        limit = above.shape[-1] - 1 - limit
    width = above.shape[-1]
    columns = np.arange(width)
    # The next column above the threshold, seen from each column.
    following = np.where(above, columns, width + gap)
    following = np.minimum.accumulate(following[..., ::-1], axis=-1)[..., ::-1]
    following = np.concatenate(
        [following[..., 1:], np.full((*following.shape[:-1], 1), width + gap)], axis=-1
    )
    ends = above & (following - columns > gap) & (columns >= start[..., None])
    result = ends.argmax(axis=-1).astype(np.float64)
    result[~ends.any(axis=-1) | (result > limit)] = np.nan
    return (width - 1 - result) if backwards else result
