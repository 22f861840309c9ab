"""Filter designs in closed form, as the sections that the kernels and the exported recipes run.

NumPy alone: ``scipy.signal`` takes two seconds to import, and a receiver of an exported model need
not have it (this file is part of the export, as it stands). The formulas are the textbook ones
(analogue Butterworth prototype, band transform, bilinear transform with prewarping; the notch as in
``scipy.signal.iirnotch``), and tests compare every design with SciPy's.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

__all__ = ["ZeroPhaseFilter", "band_pass", "high_pass", "low_pass", "notch"]

Section = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class ZeroPhaseFilter:
    """Second-order sections that run forwards and backwards over an odd extension.

    Parameters
    ----------
    sections : tuple of (b0, b1, b2, 1, a1, a2)
    gain : float
        In front of the first section.
    pad : int
        Samples of odd extension on each side: three times the number of coefficients of the
        whole filter, SciPy's default.
    zeros_at_ends : bool
        Whether every section is (1 - z^-2) over its poles, which saves half the arithmetic.
    """

    sections: tuple[Section, ...]
    gain: float
    pad: int
    zeros_at_ends: bool


@functools.lru_cache(maxsize=64)
def band_pass(order: int, low_hz: float, high_hz: float, sampling_rate: float) -> ZeroPhaseFilter:
    """Design a Butterworth band-pass of ``2 * order`` poles.

    Its zeros are ``order`` times 1 and ``order`` times -1; each section gets one of each.
    """
    low, high = (4.0 * math.tan(math.pi * f / sampling_rate) for f in (low_hz, high_hz))
    width, centre = high - low, math.sqrt(low * high)
    sections: list[Section] = []
    gain = 1.0
    # Prototype poles of the upper half plane, and -1 where the order is odd. Each becomes two
    # analogue poles, of which the digital images are paired with their conjugates; the two of the
    # real one are a pair themselves (a conjugate one, or real where the band is wide).
    for k in range(order // 2):
        half = np.exp(1j * np.pi * (2 * k + order + 1) / (2 * order)) * width / 2
        root = np.sqrt(half * half - centre * centre)
        for analogue in (half + root, half - root):
            pole = (4.0 + analogue) / (4.0 - analogue)
            sections.append((1.0, 0.0, -1.0, 1.0, -2.0 * float(pole.real), float(abs(pole)) ** 2))
            gain *= 4.0 * width / float(abs(4.0 - analogue)) ** 2
    if order % 2:
        scale = 16.0 + 4.0 * width + centre * centre
        a1 = (2.0 * centre * centre - 32.0) / scale
        a2 = (16.0 - 4.0 * width + centre * centre) / scale
        sections.append((1.0, 0.0, -1.0, 1.0, a1, a2))
        gain *= 4.0 * width / scale
    sections.sort(key=lambda section: section[5])
    return ZeroPhaseFilter(tuple(sections), gain, 3 * (2 * order + 1), True)


def _one_sided(
    order: int, cutoff_hz: float, sampling_rate: float, *, high: bool
) -> ZeroPhaseFilter:
    tangent = math.tan(math.pi * cutoff_hz / sampling_rate)
    sections: list[Section] = []
    for k in range(order // 2):
        # Twice the cosine of a prototype pole's angle; in this form exactly sqrt(2) at order 2.
        damping = math.sqrt(2.0 + 2.0 * math.cos(math.pi * (order - 1 - 2 * k) / order))
        scale = 1.0 / (1.0 + damping * tangent + tangent * tangent)
        a1 = 2.0 * (tangent * tangent - 1.0) * scale
        a2 = (1.0 - damping * tangent + tangent * tangent) * scale
        b0 = scale if high else tangent * tangent * scale
        sections.append((b0, -2.0 * b0 if high else 2.0 * b0, b0, 1.0, a1, a2))
    if order % 2:
        b0 = (1.0 if high else tangent) / (1.0 + tangent)
        sections.append((b0, -b0 if high else b0, 0.0, 1.0, (tangent - 1.0) / (1.0 + tangent), 0.0))
    return ZeroPhaseFilter(tuple(sections), 1.0, 3 * (order + 1), False)


@functools.lru_cache(maxsize=16)
def high_pass(order: int, cutoff_hz: float, sampling_rate: float) -> ZeroPhaseFilter:
    """Design a Butterworth high-pass."""
    return _one_sided(order, cutoff_hz, sampling_rate, high=True)


@functools.lru_cache(maxsize=16)
def low_pass(order: int, cutoff_hz: float, sampling_rate: float) -> ZeroPhaseFilter:
    """Design a Butterworth low-pass."""
    return _one_sided(order, cutoff_hz, sampling_rate, high=False)


@functools.lru_cache(maxsize=16)
def notch(frequency_hz: float, quality: float, sampling_rate: float) -> ZeroPhaseFilter:
    """Design a notch of second order with its -3 dB points ``frequency / quality`` apart."""
    angle = 2.0 * math.pi * frequency_hz / sampling_rate
    gain = 1.0 / (1.0 + math.tan(angle / quality / 2.0))
    middle = -2.0 * gain * math.cos(angle)
    section = (gain, middle, gain, 1.0, middle, 2.0 * gain - 1.0)
    return ZeroPhaseFilter((section,), 1.0, 9, False)
