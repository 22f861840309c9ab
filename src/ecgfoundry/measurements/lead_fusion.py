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
    result = {}
    for name in BOUNDARIES:
        values = getattr(waves, name)
        others, seconds = CONFIRMING_LEADS, CONFIRM_OFFSET_S
        if name.startswith("p_"):
            others, seconds = P_CONFIRMING_LEADS, P_CONFIRM_S
        elif name.endswith("onset"):
            seconds = CONFIRM_ONSET_S
        if name.endswith("peak") or values.shape[0] <= others:
            result[name] = median_over_leads(values)
        elif name.endswith("onset"):
            result[name] = _confirmed(values, others, seconds * sampling_rate)
        else:
            result[name] = -_confirmed(-values, others, seconds * sampling_rate)
    return BeatWaves(**result)


def median_over_leads(values: Float64) -> Float64:
    """Median over the leads, (leads, beats) to (beats,); NaN unless half of them have a value."""
    there = np.isfinite(values).sum(axis=0)
    ordered = np.sort(values, axis=0)  # NaN last
    columns = np.arange(values.shape[1])
    low = ordered[np.maximum((there - 1) // 2, 0), columns]
    high = ordered[np.maximum(there // 2, 0).clip(max=values.shape[0] - 1), columns]
    middle: Float64 = np.where(there * 2 >= values.shape[0], (low + high) / 2, np.nan)
    return middle


def _confirmed(values: Float64, others: int, tolerance: float) -> Float64:
    """Return the smallest value that ``others`` larger ones follow within the tolerance."""
    ordered = np.sort(values, axis=0)
    with np.errstate(invalid="ignore"):
        near = ordered[others:] - ordered[:-others] <= tolerance
    first = near.argmax(axis=0)
    chosen = ordered[first, np.arange(values.shape[1])]
    # Where too few agree, the median is the best that can be said.
    result: Float64 = np.where(near.any(axis=0), chosen, median_over_leads(values))
    return result
