"""P waves and how they stand to the QRS complexes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.boundaries import BeatWaves

__all__ = ["AtrialActivity", "atrial_activity"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


CONDUCTED_S = (0.04, 0.36)
"""From the peak of a P wave to the QRS onset: PR of 90 to 410 ms (our choice)."""
HALF_P_S = 0.05
"""From the begin to the peak of a usual P wave, where only its peak was found."""


@dataclass(frozen=True, eq=False)
class AtrialActivity:
    """P waves and how they stand to the QRS complexes: what rhythm criteria need.

    Attributes
    ----------
    p_time_s : ndarray (waves,)
        Peak of every P wave that was found, those without a QRS complex included.
    p_beat : ndarray, int64 (waves,)
        Number of the beat that the wave stands before; -1 for none (blocked or dissociated).
    pr_ms : ndarray (beats,)
        PR interval of every beat, NaN where there is no P wave before it.
    """

    p_time_s: Float64
    p_beat: Int64
    pr_ms: Float64

    @property
    def p_before(self) -> NDArray[np.bool_]:
        """Whether a P wave stands before each QRS complex: bool (beats,)."""
        return np.isfinite(self.pr_ms)

    @property
    def pp_ms(self) -> Float64:
        """Intervals between neighbouring P peaks, (waves - 1,)."""
        return np.diff(self.p_time_s) * 1000.0

    @property
    def blocked(self) -> int:
        """How many P waves no QRS complex follows."""
        return int((self.p_beat < 0).sum())

    @classmethod
    def none(cls, beats: int = 0) -> AtrialActivity:
        """No P wave at all."""
        return cls(np.empty(0), np.empty(0, np.int64), np.full(beats, np.nan))


def atrial_activity(
    beats: Beats, waves: BeatWaves, sampling_rate: float, lone: Float64 | None = None
) -> AtrialActivity:
    """Return the P waves and the PR intervals of the beats that have one.

    Parameters
    ----------
    beats : Beats
    waves : BeatWaves
        Boundaries of all leads together, in samples.
    sampling_rate : float
        Hz.
    lone : ndarray (waves,), optional
        Peaks of P waves that delineation did not see
        (:func:`ecgfoundry.measurements.lone_p.lone_p_waves`), in samples. One that stands at the
        distance of a PR interval before a beat without a P wave belongs to that beat.
    """
    if len(beats) == 0:
        return AtrialActivity.none()
    pr_ms = (waves.qrs_onset - waves.p_onset) * (1000.0 / sampling_rate)
    there = np.flatnonzero(np.isfinite(waves.p_peak))
    times, numbers = waves.p_peak[there] / sampling_rate, there.astype(np.int64)
    if lone is None or lone.size == 0:
        return AtrialActivity(times, numbers, pr_ms)
    alone = lone / sampling_rate
    belongs = np.full(alone.size, -1, dtype=np.int64)
    onset = waves.qrs_onset / sampling_rate
    for beat in np.flatnonzero(np.isnan(pr_ms) & np.isfinite(onset)):
        gap = onset[beat] - alone
        before = np.flatnonzero((gap >= CONDUCTED_S[0]) & (gap <= CONDUCTED_S[1]))
        if before.size:
            belongs[before[-1]] = beat
            pr_ms[beat] = 1000.0 * (gap[before[-1]] + HALF_P_S)
    every, owner = np.concatenate([times, alone]), np.concatenate([numbers, belongs])
    order = np.argsort(every, kind="stable")
    return AtrialActivity(every[order], owner[order], pr_ms)
