"""P waves and how they stand to the QRS complexes."""

from __future__ import annotations

import numpy as np

from ecgfoundry.measurements.delineation import BeatWaves
from ecgfoundry.measurements.values import AtrialActivity, Beats

__all__ = ["atrial_activity"]


def atrial_activity(beats: Beats, waves: BeatWaves, sampling_rate: float) -> AtrialActivity:
    """Return the P waves before the QRS complexes and their PR intervals.

    Parameters
    ----------
    beats : Beats
    waves : BeatWaves
        Boundaries of all leads together, in samples.
    sampling_rate : float
        Hz.
    """
    if len(beats) == 0:
        return AtrialActivity.none()
    pr_ms = (waves.qrs_onset - waves.p_onset) * (1000.0 / sampling_rate)
    there = np.flatnonzero(np.isfinite(waves.p_peak))
    return AtrialActivity(waves.p_peak[there] / sampling_rate, there.astype(np.int64), pr_ms)
