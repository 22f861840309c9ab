"""Twelve leads with planted findings: shapes, rhythms, spikes and reversed leads that are known.

Each lead is a sum of deflections with their own begin, peak and end, so that a Q wave of 40 ms, an
R-peak time or an ST level is exactly what was planted. I, II and V1 to V6 are drawn; III, aVR, aVL
and aVF follow by Einthoven's and Goldberger's rules. Atria and ventricles have times of their own,
so that every relation of P waves and complexes can be planted. For tests of criteria and for
teaching; never for training. Recordings say that they are synthetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording, Subject

__all__ = [
    "DRAWN_LEADS",
    "NORMAL",
    "P_NORMAL",
    "Deflection",
    "Planted",
    "Shape",
    "changed",
    "paint",
]

Float64 = NDArray[np.float64]

DRAWN_LEADS: tuple[str, ...] = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


@dataclass(frozen=True, slots=True)
class Deflection:
    """One wave: raised cosines from ``start`` to ``peak`` and from ``peak + hold`` to ``end``.

    Times in ms from the QRS onset (of P waves from the P onset), height in mV.
    """

    start: float
    peak: float
    end: float
    mv: float
    hold: float = 0.0

    def sampled(self, t_ms: Float64) -> Float64:
        """Return the wave at times in ms."""
        rise = np.clip((t_ms - self.start) / (self.peak - self.start), 0.0, 1.0)
        fall = np.clip((self.end - t_ms) / (self.end - self.peak - self.hold), 0.0, 1.0)
        height: Float64 = 0.25 * self.mv * (1 - np.cos(np.pi * rise)) * (1 - np.cos(np.pi * fall))
        return height


Shape = Mapping[str, tuple[Deflection, ...]]


def _qrs(q: float, r: float, s: float, t: float, *, peak: float = 38.0) -> tuple[Deflection, ...]:
    """A complex of 90 ms and a T wave that ends at 380 ms."""
    waves = [Deflection(190.0, 300.0, 380.0, t)]
    start = 16.0 if q else 0.0
    if q:
        waves.append(Deflection(0.0, 8.0, 17.0, q))
    end = 72.0 if s else 90.0
    if r:
        waves.append(Deflection(start, peak, end, r))
    if s:
        waves.append(Deflection(end - 12.0, end + 2.0, 90.0, s))
    return tuple(waves)


def _right(r: float, s: float, t: float) -> tuple[Deflection, ...]:
    """RS of a right chest lead."""
    return (
        Deflection(0.0, 18.0, 34.0, r),
        Deflection(28.0, 52.0, 90.0, s),
        Deflection(190.0, 300.0, 380.0, t),
    )


NORMAL: Shape = {
    "I": _qrs(-0.04, 0.6, -0.08, 0.2),
    "II": _qrs(-0.05, 1.1, -0.1, 0.3),
    "V1": _right(0.2, -0.9, 0.08),
    "V2": _right(0.4, -1.2, 0.4),
    "V3": _right(0.7, -0.8, 0.45),
    "V4": _qrs(0.0, 1.2, -0.35, 0.4),
    "V5": _qrs(-0.05, 1.2, -0.15, 0.35),
    "V6": _qrs(-0.06, 1.0, -0.06, 0.3),
}
"""A healthy adult: QRS 90 ms, QT 380 ms, axis about 55 degrees."""

P_NORMAL: Shape = {
    lead: (Deflection(0.0, 50.0, 100.0, height),)
    for lead, height in {
        "I": 0.08, "II": 0.14, "V1": 0.05, "V2": 0.06, "V3": 0.06, "V4": 0.06, "V5": 0.06,
        "V6": 0.06,
    }.items()
}  # fmt: skip
"""P of 100 ms, axis about 55 degrees."""


def changed(shape: Shape, leads: Mapping[str, Sequence[Deflection]], *, add: bool = False) -> Shape:
    """Return a shape with other waves in some leads, instead of the old ones or beside them."""
    result = dict(shape)
    for lead, waves in leads.items():
        result[lead] = (*(result[lead] if add else ()), *waves)
    return result


@dataclass(frozen=True)
class Planted:
    """What is planted.

    Parameters
    ----------
    ventricles : sequence of (float, Shape)
        QRS onsets in seconds, each with its shape.
    atria : sequence of (float, Shape)
        P onsets in seconds, each with its shape.
    duration_s, sampling_rate : float
    waves_hz : float
        Rate of flutter (a saw) or fibrillatory waves; 0 for none.
    waves_mv : float
        Their height in II.
    irregular : bool
        Fibrillatory instead of flutter waves.
    spikes : sequence of float
        Times of pacing spikes, seconds.
    spike_mv : float
    noise_mv : float
        Standard deviation of white noise.
    seed : int
    """

    ventricles: Sequence[tuple[float, Shape]]
    atria: Sequence[tuple[float, Shape]] = ()
    duration_s: float = 10.0
    sampling_rate: float = 500.0
    waves_hz: float = 0.0
    waves_mv: float = 0.15
    irregular: bool = False
    spikes: Sequence[float] = field(default_factory=tuple)
    spike_mv: float = 2.0
    noise_mv: float = 0.005
    seed: int = 1


def paint(planted: Planted, *, age: float = 55.0, sex: str = "male") -> Recording:
    """Draw the twelve leads.

    Returns
    -------
    Recording
        In mV; the identifier of the subject says that it is synthetic.
    """
    t = np.arange(round(planted.duration_s * planted.sampling_rate)) / planted.sampling_rate
    rows = {lead: np.zeros(t.size) for lead in DRAWN_LEADS}
    for events in (planted.ventricles, planted.atria):
        for onset, shape in events:
            for lead, waves in shape.items():
                _add(rows[lead], waves, onset, planted.sampling_rate)
    generator = np.random.default_rng(planted.seed)
    _add_atrial_waves(rows, t, planted, generator)
    for lead, row in rows.items():
        row += planted.noise_mv * generator.standard_normal(t.size)
        for spike in planted.spikes:
            first = round(spike * planted.sampling_rate)
            # One millisecond, in chest leads smaller.
            row[first : first + 1] += planted.spike_mv * (1.0 if lead in ("I", "II") else 0.6)
    one, two = rows["I"], rows["II"]
    rows |= {
        "III": two - one,
        "aVR": -(one + two) / 2.0,
        "aVL": one - two / 2.0,
        "aVF": two - one / 2.0,
    }
    return Recording.from_array(
        np.stack([rows[lead] for lead in STANDARD_12_LEADS]),
        sampling_rate=planted.sampling_rate,
        leads=STANDARD_12_LEADS,
        unit="mV",
        subject=Subject(age=age, sex=sex, identifier="synthetic"),
    )


def _add(row: Float64, waves: Sequence[Deflection], onset_s: float, rate: float) -> None:
    for wave in waves:
        first = max(0, int((onset_s + wave.start / 1000.0) * rate))
        last = min(row.size, int((onset_s + wave.end / 1000.0) * rate) + 2)
        if last > first:
            t_ms = (np.arange(first, last) / rate - onset_s) * 1000.0
            row[first:last] += wave.sampled(t_ms)


ATRIAL_SHARES = {
    "I": 0.3,
    "II": 1.0,
    "V1": 0.9,
    "V2": 0.5,
    "V3": 0.3,
    "V4": 0.2,
    "V5": 0.2,
    "V6": 0.2,
}


def _add_atrial_waves(
    rows: dict[str, Float64], t: Float64, planted: Planted, generator: np.random.Generator
) -> None:
    if planted.waves_hz <= 0:
        return
    if planted.irregular:
        wave = (
            sum(
                np.sin(2 * np.pi * planted.waves_hz * factor * t + generator.uniform(0, 2 * np.pi))
                for factor in (0.83, 1.0, 1.13, 1.31)
            )
            / 2.0
        )
    else:
        phase = (planted.waves_hz * t) % 1.0
        wave = np.where(phase < 0.7, phase / 0.35 - 1.0, 1.0 - (phase - 0.7) / 0.15)
    for lead, row in rows.items():
        row += 0.5 * planted.waves_mv * ATRIAL_SHARES[lead] * wave
