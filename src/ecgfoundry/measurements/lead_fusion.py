"""One boundary of all leads from one per lead: the earliest onset, or the latest offset, confirmed.

The rule is that of P. Laguna, R. Jane, P. Caminal, Comput Biomed Res 27:45 (1994), which J. P.
Martinez et al., IEEE Trans Biomed Eng 51:570 (2004), use too: a boundary counts when other leads
have theirs close to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.boundaries import BOUNDARIES, BeatWaves, LeadWaves

__all__ = ["fuse_leads", "median_over_leads"]

Float64 = NDArray[np.float64]

CONFIRMING_LEADS = 5
CONFIRM_ONSET_S, CONFIRM_OFFSET_S = 0.012, 0.016
"""An onset of all leads is the earliest that five others confirm within 12 ms (Laguna et al.,
Martinez et al.: k = 3, 4 to 12 ms by boundary); five gave smaller errors."""
P_CONFIRMING_LEADS, P_CONFIRM_S = 6, 0.008
"""P waves are low, and their feet are told less surely: half of twelve leads agree within 8 ms."""


def fuse_leads(waves: LeadWaves, sampling_rate: float) -> BeatWaves:
    """Unite the leads: earliest confirmed onset, latest confirmed offset, median peak.

    With fewer than six leads there is nothing to outvote with, and the median is taken.
    """
    values = np.stack([getattr(waves, name) for name in BOUNDARIES])
    late = np.array([name.endswith("offset") for name in BOUNDARIES])
    values[late] *= -1.0  # the latest offset is the earliest one, seen from behind
    ordered = np.sort(values, axis=1)  # NaN last
    united = _middle(ordered)
    for row, name in enumerate(BOUNDARIES):
        others, seconds = CONFIRMING_LEADS, CONFIRM_OFFSET_S
        if name.startswith("p_"):
            others, seconds = P_CONFIRMING_LEADS, P_CONFIRM_S
        elif name.endswith("onset"):
            seconds = CONFIRM_ONSET_S
        if not name.endswith("peak") and values.shape[1] > others:
            _confirm(united[row], ordered[row], others, seconds * sampling_rate)
    united[late] *= -1.0
    return BeatWaves(**dict(zip(BOUNDARIES, united, strict=True)))


def median_over_leads(values: Float64) -> Float64:
    """Median over the leads, (leads, beats) to (beats,); NaN unless half of them have a value."""
    return _middle(np.sort(values, axis=0))


def _middle(ordered: Float64) -> Float64:
    """Return the median of values in order, NaN last: (..., leads, beats) to (..., beats)."""
    leads = ordered.shape[-2]
    there = np.isfinite(ordered).sum(axis=-2, keepdims=True)
    low, high = np.maximum((there - 1) // 2, 0), np.minimum(there // 2, leads - 1)
    pair = np.take_along_axis(ordered, np.concatenate([low, high], axis=-2), axis=-2)
    middle: Float64 = (pair[..., 0, :] + pair[..., 1, :]) / 2
    middle[there[..., 0, :] * 2 < leads] = np.nan
    return middle


def _confirm(united: Float64, ordered: Float64, others: int, tolerance: float) -> None:
    """Put the smallest value that ``others`` larger ones follow within the tolerance.

    Where too few agree, the median that stands there is the best that can be said.
    """
    near = ordered[others:] - ordered[:-others] <= tolerance
    beats = np.flatnonzero(near.any(axis=0))
    united[beats] = ordered[near[:, beats].argmax(axis=0), beats]
