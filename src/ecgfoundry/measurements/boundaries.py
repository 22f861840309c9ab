"""The boundaries of the waves of every beat: per lead, and of all leads together.

All positions are sample numbers of the signal they were found in, as float64, NaN where a wave is
not there or cannot be told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BOUNDARIES", "BeatWaves", "LeadWaves"]

Float64 = NDArray[np.float64]

BOUNDARIES = (
    "p_onset",
    "p_peak",
    "p_offset",
    "qrs_onset",
    "qrs_offset",
    "t_onset",
    "t_peak",
    "t_offset",
)


@dataclass(frozen=True, eq=False)
class LeadWaves:
    """Boundaries of every beat in every lead: float64 (leads, beats), sample numbers."""

    p_onset: Float64
    p_peak: Float64
    p_offset: Float64
    qrs_onset: Float64
    qrs_offset: Float64
    t_onset: Float64
    t_peak: Float64
    t_offset: Float64


@dataclass(frozen=True, eq=False)
class BeatWaves:
    """Boundaries of every beat, of all leads together: float64 (beats,), sample numbers."""

    p_onset: Float64
    p_peak: Float64
    p_offset: Float64
    qrs_onset: Float64
    qrs_offset: Float64
    t_onset: Float64
    t_peak: Float64
    t_offset: Float64
