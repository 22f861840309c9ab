"""Augmented copies with noise where the beats are."""

from __future__ import annotations

import numpy as np

from ecgfoundry.training.data import lead_augmentation
from ecgfoundry.training.recipes.diagnosis_12lead.sources import SAMPLING_RATE
from ecgfoundry.training.recipes.ptbxl_superclass.data import Array
from ecgfoundry.training.recipes.ptbxl_superclass.views import augmented as without_band_noise

__all__ = ["augmented", "band_noise"]


def augmented(signal: Array, generator: np.random.Generator) -> Array:
    """One augmented copy of standardized windows (batch, 12, samples)."""
    return band_noise(without_band_noise(signal, generator), generator)


def band_noise(signal: Array, generator: np.random.Generator) -> Array:
    """Add noise of 5 to 40 Hz, 3 to 20 dB below the signal, to two windows of five.

    Muscles and electrodes disturb where the beats are. Its spectrum falls or is level, leads are
    disturbed unlike one another. Zeros on the right, of a shorter recording, stay.
    """
    count, leads, samples = signal.shape
    frequency = np.fft.rfftfreq(samples, 1.0 / SAMPLING_RATE)
    level = ((frequency >= 5.0) & (frequency <= 40.0)).astype(np.float32)
    falling = level / np.maximum(frequency, 1.0)
    shape = np.where(generator.random((count, 1, 1)) < 0.5, level, falling)
    white = np.fft.rfft(generator.standard_normal(signal.shape, dtype=np.float32))
    noise = lead_augmentation.standardize_leads(np.fft.irfft(white * shape, samples))
    decibels = generator.uniform(3.0, 20.0, (count, 1, 1)) + generator.normal(
        0.0, 3.0, (count, leads, 1)
    )
    size = 10.0 ** (-decibels / 20.0) * (generator.random((count, 1, 1)) < 0.4)
    result = signal + noise * size * (signal != 0.0)
    disturbed: Array = lead_augmentation.standardize_leads(result)
    return disturbed
