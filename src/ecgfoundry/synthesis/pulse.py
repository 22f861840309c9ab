"""Simulated pulse waves (Pleth): a systolic and a reflected wave per beat, breathing and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.synthesis.ecg import Rhythm, beat_times

__all__ = ["simulate_pulse"]

SYSTOLIC = (0.18, 0.065, 1.0)
REFLECTED = (0.42, 0.11, 0.45)
"""Delay after the beat (s), width (standard deviation, s) and height of the two waves: our choice,
near what a finger shows (M. Elgendi, Curr Cardiol Rev 8:14, 2012)."""
TRANSIT_S = 0.2
"""From the R wave to the finger."""


def simulate_pulse(
    rhythm: Rhythm,
    *,
    reflection: float = 1.0,
    duration_s: float,
    sampling_rate: float,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Simulate a pulse wave.

    Parameters
    ----------
    rhythm : Rhythm
        Of the ECG beside it; the beats themselves are drawn anew.
    reflection : float
        Factor on the height of the reflected wave.
    duration_s, sampling_rate : float
        Seconds and Hz.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray of float32 (samples,)
        No unit; the systolic wave is about 1 high.
    """
    samples = round(duration_s * sampling_rate)
    t = np.arange(samples) / sampling_rate
    breathing = np.sin(2 * np.pi * rhythm.respiration / 60.0 * t + generator.uniform(0, 2 * np.pi))
    signal = 0.1 * breathing + 0.01 * generator.standard_normal(samples)
    for beat in beat_times(rhythm, duration_s, generator):
        height = 1.0 + 0.05 * float(generator.standard_normal())
        for delay, width, share in (SYSTOLIC, (*REFLECTED[:2], REFLECTED[2] * reflection)):
            centre = beat + TRANSIT_S + delay
            first = max(0, int((centre - 4 * width) * sampling_rate))
            last = min(samples, int((centre + 4 * width) * sampling_rate) + 1)
            if last > first:
                z = (t[first:last] - centre) / width
                signal[first:last] += height * share * np.exp(-0.5 * z * z)
    return signal.astype(np.float32)
