"""The usual beat of a recording, lead by lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MedianBeat"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MedianBeat:
    """The usual beat of every lead: sample by sample the median of the dominant class.

    Attributes
    ----------
    leads : tuple of str
    values : ndarray (leads, columns)
        mV above the level before the QRS complex; NaN for a lead that is missing.
    sampling_rate : float
        Hz, at which the recording was measured
        (:func:`ecgfoundry.measurements.stretches.measuring_rate`).
    fiducial : int
        Column of the R peak.
    boundaries : mapping
        Column, a float, of "p_onset", "p_peak", "p_offset", "qrs_onset", "qrs_offset", "t_onset",
        "t_peak", "t_offset" of all leads together. What was not found has no key.
    likeness : ndarray (beats,)
        Correlation of every beat's QRS complex with the usual one; NaN for beats that are cut off.
    noise_mv : ndarray (leads,)
        Root mean square of the usual beats around their median; NaN with a single beat.
    beats_used : int
        How many beats went into it.
    """

    leads: tuple[str, ...]
    values: Float64
    sampling_rate: float
    fiducial: int
    boundaries: Mapping[str, float]
    likeness: Float64
    noise_mv: Float64
    beats_used: int

    def lead(self, name: str) -> Float64:
        """Return one lead (columns,), mV."""
        return self.values[self.leads.index(name)]
