"""Where the QRS complex of every beat begins and ends in every lead: how far its slopes reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.wave_kernel import search_complexes
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


MOST_SHARE = 0.2
"""But it counts from this share of the steepest slope on, however noisy the lead is."""
CORE_S = 0.08
"""The steepest slope stands so near to the R peak."""


def find_complexes(w: Windows, noise: NDArray[np.floating]) -> tuple[Float64, Float64, Float64]:
    """Return onset and offset, in samples from the R peak, and height in mV (leads, beats).

    Parameters
    ----------
    w : Windows
    noise : ndarray (leads,)
        The usual slope between the waves.
    """
    limits = {
        "zero": w.zero, "width": w.width, "core": round(CORE_S * w.rate),
        "gap": max(1, round(QRS_GAP_S * w.rate)),
        "before": round(QRS_REACH_BEFORE_S * w.rate), "after": round(QRS_REACH_AFTER_S * w.rate),
        "onset_share": QRS_ONSET_SHARE, "offset_share": QRS_OFFSET_SHARE,
        "noise_factor": NOISE_FACTOR, "most_share": MOST_SHARE,
    }  # fmt: skip
    found = search_complexes((w.x, w.slope), w.beats, noise, limits)
    return _by_numpy(w, noise) if found is None else found


def _by_numpy(w: Windows, noise: NDArray[np.floating]) -> tuple[Float64, Float64, Float64]:
    """Do what ``native/complexes.c`` does, with the same answers."""
    modulus = np.abs(w.cut(w.slope))
    reach = round(CORE_S * w.rate)
    core = modulus[..., w.zero - reach : w.zero + reach + 1]
    top = core.max(axis=-1)
    height = np.ptp(w.cut(w.x, w.zero - reach, w.zero + reach + 1), axis=-1)
    start = w.zero - reach + core.argmax(axis=-1)
    gap = max(1, round(QRS_GAP_S * w.rate))
    before = round(QRS_REACH_BEFORE_S * w.rate)
    after = round(QRS_REACH_AFTER_S * w.rate)
    calm = np.minimum(NOISE_FACTOR * noise[:, None], MOST_SHARE * top)
    threshold = np.maximum(QRS_ONSET_SHARE * top, calm)
    onset = _outward(modulus, threshold, start, w.zero - before, gap, backwards=True)
    threshold = np.maximum(QRS_OFFSET_SHARE * top, calm)
    offset = _outward(modulus, threshold, start, w.zero + after, gap, backwards=False)
    dead = ~(top > 0)
    onset[dead] = offset[dead] = np.nan
    return onset - w.zero, offset - w.zero, height


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
