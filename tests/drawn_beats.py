"""ECGs of which every beat was placed and drawn by hand: sinus, atrial and ventricular ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# (place from R in s, standard deviation in s, height in mV) of each wave.
SHAPES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "N": (
        (-0.16, 0.020, 0.12),
        (-0.025, 0.008, -0.08),
        (0.0, 0.011, 1.0),
        (0.028, 0.010, -0.2),
        (0.30, 0.045, 0.30),
    ),
    # An inverted P close to the same QRS complex.
    "S": (
        (-0.12, 0.015, -0.10),
        (-0.025, 0.008, -0.08),
        (0.0, 0.011, 1.0),
        (0.028, 0.010, -0.2),
        (0.30, 0.045, 0.30),
    ),
    # No P, broad, T the other way.
    "V": ((0.0, 0.034, 1.5), (0.085, 0.030, -0.6), (0.34, 0.060, -0.45)),
}
SECOND_LEAD = {"N": (-0.4, 0.9), "S": (-0.4, 0.9), "V": (0.8, -0.5)}
"""Of a second lead: factor of the QRS complex and of the other waves."""


def drawn(
    times: Sequence[float],
    kinds: Sequence[str],
    *,
    rate: float = 250.0,
    leads: int = 1,
    noise: float = 0.01,
    seed: int = 3,
) -> NDArray[np.float64]:
    """Draw the beats: (leads, samples), mV, to 1.5 s behind the last one."""
    generator = np.random.default_rng(seed)
    samples = round((times[-1] + 1.5) * rate)
    signal = generator.normal(0.0, noise, (leads, samples))
    t = np.arange(samples) / rate
    for time, kind in zip(times, kinds, strict=True):
        for place, width, height in SHAPES[kind]:
            middle, reach = round((time + place) * rate), round(6 * width * rate) + 1
            near = slice(max(0, middle - reach), middle + reach)
            wave = height * np.exp(-0.5 * np.square((t[near] - time - place) / width))
            signal[0, near] += wave
            if leads > 1:
                signal[1, near] += wave * SECOND_LEAD[kind][abs(place) > 0.1]
    return signal


def rhythm(beats: str, *, interval: float = 0.8, start: float = 1.0) -> list[float]:
    """Place the beats of a string such as "NNVNNS".

    A sinus beat comes 0.8 s after the one before, with respiration (2 %), an ectopic one after 60 %
    of that; behind V stands a full pause, behind S an interval as usual.
    """
    times = [start]
    for number in range(1, len(beats)):
        before, kind = beats[number - 1], beats[number]
        share = 0.6 if kind in "VS" else 1.4 if before == "V" else 1.0
        breathing = 1.0 + 0.02 * np.sin(2 * np.pi * times[-1] / 4.0)
        times.append(times[-1] + interval * share * breathing)
    return times
