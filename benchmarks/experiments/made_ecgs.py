"""ECGs that were drawn: every rhythm at 20 to 300 per minute, paced, wide, of one lead and twelve.

What the gate must pass beside records. Complexes are those of :mod:`ecgfoundry.synthesis.planted`
(raised cosines) and of :mod:`ecgfoundry.synthesis.ecg` (Gaussians), with durations, heights, axes
and relations that are drawn anew each time.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt, sosfiltfilt

from ecgfoundry.synthesis.ecg import BeatShape, Noise, Rhythm, simulate_ecg
from ecgfoundry.synthesis.planted import DRAWN_LEADS, Deflection, Planted, Shape, paint

__all__ = ["RHYTHMS", "bare", "planted", "ringing", "simulated", "ventricular"]

Float64 = NDArray[np.float64]
Generator = np.random.Generator

RATES = (100, 125, 200, 250, 300, 360, 500, 1000)
LENGTHS_S = (5.0, 8.0, 10.0, 10.0, 10.0, 20.0)
PAINTED_HZ = 1000.0

RHYTHMS: dict[str, tuple[float, float, float, float]] = {
    "sinus": (40, 180, 70, 115),
    "slow": (20, 40, 80, 180),
    "block of a bundle": (45, 140, 120, 180),
    "fibrillation": (40, 200, 70, 150),
    "flutter": (70, 150, 75, 110),
    "supraventricular": (150, 300, 50, 100),
    "ventricular": (110, 240, 120, 200),
    "paced": (35, 130, 130, 200),
    "infant": (100, 230, 40, 70),
    "ectopic": (45, 110, 75, 110),
    "complete block": (20, 55, 90, 180),
}
"""Least and largest rate per minute, narrowest and broadest complex in ms."""


RUNS = ("a tachycardia", "a run", "every other beat", "two places")
"""How beats of the ventricles come: from two places they alternate, as in MIT-BIH 223."""


def _complex(g: Generator, qrs: float, qt: float, level: float) -> Shape:
    """Draw a QRS complex and T wave for every lead: q, r, s or R', with notches where it is wide.

    ``level`` scales all heights; an axis turns from lead to lead.
    """
    shape: dict[str, tuple[Deflection, ...]] = {}
    axis, wide = g.uniform(-np.pi, np.pi), qrs > 115
    t_sign = -1.0 if wide or g.uniform() < 0.15 else 1.0
    begin = min(qrs + g.uniform(20, 110), 0.6 * qt)
    for number, lead in enumerate(DRAWN_LEADS):
        net = np.cos(axis + number * np.pi / 5) + 0.25 * g.normal()
        r, s = max(0.05, 0.55 + 0.6 * net), max(0.0, 0.5 - 0.6 * net)
        q = g.uniform(0, 0.15) if g.uniform() < 0.4 else 0.0
        first, top = 0.18 * qrs if q else 0.0, qrs * g.uniform(0.33, 0.48)
        waves = [Deflection(first, top, min(qrs, 1.75 * top), level * r)]
        if q:
            waves.append(Deflection(0.0, 0.1 * qrs, 0.2 * qrs, -level * q))
        if s > 0.08:
            low = 0.72 * qrs
            waves.append(Deflection(0.5 * qrs, low, qrs, -level * s))
        if wide and g.uniform() < 0.6:
            waves.append(Deflection(0.5 * qrs, 0.74 * qrs, qrs, level * g.uniform(0.1, 0.9) * r))
        t = t_sign * g.uniform(0.05, 0.4) * (1 if net > 0 else -0.6)
        waves.append(Deflection(begin, begin + 0.6 * (qt - begin), qt, level * t))
        if g.uniform() < 0.15:
            held = Deflection(
                0.85 * qrs, qrs + 5, begin + 60, level * g.uniform(-0.2, 0.3), 0.5 * begin
            )
            if held.end - held.peak - held.hold > 10:
                waves.append(held)
        shape[lead] = tuple(waves)
    return shape


def _atrial(g: Generator, height: float) -> Shape:
    length = g.uniform(70, 125)
    return {
        lead: (Deflection(0.0, 0.5 * length, length, height * g.uniform(0.3, 1.0)),)
        for lead in DRAWN_LEADS
    }


def planted(
    g: Generator, kind: str | None = None, *, variation: float = 0.03
) -> tuple[Float64, float]:
    """Draw one lead or twelve of one of :data:`RHYTHMS`.

    Parameters
    ----------
    g : numpy.random.Generator
    kind : str, optional
        Drawn where it is not given.
    variation : float
        Standard deviation of the intervals over their mean; 0: by the clock.

    Returns
    -------
    ndarray (leads, samples)
        In mV.
    float
        Sampling rate in Hz.
    """
    kind = kind or str(g.choice(list(RHYTHMS)))
    slowest, fastest, narrowest, broadest = RHYTHMS[kind]
    bpm, seconds = g.uniform(slowest, fastest), float(g.choice(LENGTHS_S))
    interval, qrs = 60.0 / bpm, g.uniform(narrowest, broadest)
    qrs = min(qrs, 0.55 * 1000 * interval)
    qt = min(g.uniform(360, 440) * interval ** (1 / 3) + max(0, qrs - 95), 850 * interval)
    qt = max(qt, qrs + 60)
    level = float(g.choice([0.3, 1.0, 1.0, 1.0, 2.0]))
    shape = _complex(g, qrs, qt, level)
    count = int(seconds / interval * 1.7) + 4
    varied = (
        g.uniform(0.6, 1.5, count)
        if kind == "fibrillation"
        else 1 + variation * g.normal(size=count)
    )
    onsets = np.cumsum(interval * varied) - interval * g.uniform(0.2, 1)
    ventricles = [(float(at), shape) for at in onsets]
    waves_hz, irregular, spikes, atria = 0.0, False, [], []
    if kind == "fibrillation":
        waves_hz, irregular = g.uniform(5, 8), True
    elif kind == "flutter":
        waves_hz = float(g.integers(2, 5)) / interval
    elif kind in ("sinus", "slow", "block of a bundle", "infant", "ectopic", "paced"):
        p, early = _atrial(g, 0.15 * level), min(g.uniform(0.1, 0.24), 0.35 * interval)
        if kind != "paced" or g.uniform() < 0.4:
            atria = [(at - early, p) for at, _ in ventricles]
    elif kind == "complete block":
        p = _atrial(g, 0.15 * level)
        atria = [(at, p) for at in np.arange(0.1, seconds, g.uniform(0.6, 0.9))]
    if kind == "paced":
        spikes = [at - 0.006 for at, _ in ventricles]
        if g.uniform() < 0.3:
            spikes += [at - 0.2 for at, _ in ventricles]
    if kind == "ectopic":
        broad = _complex(g, g.uniform(120, 180), qt + 60, 1.4 * level)
        every = int(g.integers(2, 5))
        ventricles = [
            (at - 0.3 * interval, broad) if k % every == 0 else (at, one)
            for k, (at, one) in enumerate(ventricles)
        ]
    recording = paint(
        Planted(
            ventricles,
            atria,
            duration_s=seconds,
            sampling_rate=PAINTED_HZ,
            waves_hz=waves_hz,
            irregular=irregular,
            waves_mv=level * g.uniform(0.05, 0.2),
            spikes=[at for at in spikes if 0 < at < seconds - 0.01],
            spike_mv=level * g.uniform(0.5, 3),
            noise_mv=level * float(g.choice([0.0, 0.005, 0.02, 0.05])),
            seed=int(g.integers(1 << 30)),
        )
    )
    x = recording.signal.astype(np.float64)
    if g.uniform() < 0.7:
        x = x[[int(g.integers(12))]]
    return _at_a_rate(g, x)


def simulated(g: Generator) -> tuple[Float64, float]:
    """Draw one lead of sums of Gaussians with the noise of a bedside monitor."""
    shape = BeatShape(
        pr=g.uniform(110, 220),
        qrs=g.uniform(70, 170),
        qtc=g.uniform(360, 480),
        p_height=g.uniform(0, 0.2),
        r_height=g.uniform(0.3, 1.8),
        q_height=-g.uniform(0, 0.2),
        s_height=-g.uniform(0, 0.6),
        st_level=g.uniform(-0.1, 0.2),
        t_height=g.uniform(-0.3, 0.5),
        slur=g.uniform(0, 0.2),
    )
    rhythm = Rhythm(g.uniform(35, 170), variability=g.uniform(0.005, 0.15))
    noise = Noise(
        muscle=g.uniform(0, 0.04), wander=g.uniform(0, 0.3), mains=g.uniform(0, 0.04),
        motion=0.0, motion_rate=0.0, loss_rate=0.0,
    )  # fmt: skip
    x = simulate_ecg(
        rhythm,
        shape,
        noise,
        duration_s=float(g.choice(LENGTHS_S)),
        sampling_rate=PAINTED_HZ,
        generator=g,
    )
    return _at_a_rate(g, np.asarray(x, dtype=np.float64)[None])


def bare(g: Generator) -> tuple[Float64, float]:
    """Draw complexes of a few Gaussians alone, in even intervals, with a T wave or without.

    So do programs, and hands that work out an answer on paper.
    """
    rate, seconds = float(g.choice(RATES[3:])), float(g.choice(LENGTHS_S))
    bpm, width = g.uniform(40, 310), g.uniform(0.007, 0.016)
    if bpm < 150 and g.uniform() < 0.25:
        width = g.uniform(0.016, 0.034)
    interval = 60.0 / bpm
    waves = [
        (0.0, width, 1.0),
        (-g.uniform(2, 3) * width, g.uniform(0.7, 1) * width, -g.uniform(0, 0.3)),
        (g.uniform(2, 3) * width, g.uniform(0.7, 1.1) * width, -g.uniform(0, 0.5)),
    ]
    if bpm < 180 and g.uniform() < 0.6:
        waves.append((min(0.3, 0.45 * interval), min(0.05, 0.1 * interval), g.uniform(-0.4, 0.4)))
    if bpm < 140 and g.uniform() < 0.5:
        waves.append((-min(0.16, 0.25 * interval), 0.02, g.uniform(0.03, 0.2)))
    if bpm < 150 and g.uniform() < 0.4:  # one Gaussian a beat, and nothing else
        waves = [(0.0, g.uniform(0.006, 0.033), 1.0)]
    time, x = np.arange(round(seconds * rate)) / rate, 0.0
    for at in np.arange(g.uniform(-0.5, 0.3), seconds, interval):
        x = x + sum(h * np.exp(-0.5 * ((time - at - place) / w) ** 2) for place, w, h in waves)
    x = np.asarray(x) + float(g.choice([0.0, 0.0, 0.01, 0.03])) * g.normal(size=time.size)
    return float(g.choice([-1, 1])) * x[None], rate


def _wave(time: Float64, at: float, rise_s: float, fall_s: float) -> Float64:
    """Return a Gaussian whose two sides have widths of their own."""
    return np.exp(-0.5 * ((time - at) / np.where(time < at, rise_s, fall_s)) ** 2)


def _beat(g: Generator, length_s: float, *, wide: bool) -> list[tuple[float, float, float, float]]:
    """Draw waves of a beat: place, width of each side (s), height. A wide one is smooth."""
    one = length_s * g.uniform(0.12, 0.24)
    waves = [(0.0, one, one * g.uniform(0.6, 1.7), 1.0)]
    if g.uniform() < 0.6:
        behind = length_s * g.uniform(0.35, 0.6)
        waves.append((behind, 0.2 * length_s, 0.2 * length_s, -g.uniform(0.1, 0.9)))
    if wide and g.uniform() < 0.3:
        place, narrow = length_s * g.uniform(-0.35, 0.35), 0.08 * length_s
        waves.append((place, narrow, narrow, g.uniform(-0.3, 0.3)))
    if not wide and g.uniform() < 0.6:
        waves.append((-0.45 * length_s, 0.15 * length_s, 0.15 * length_s, -g.uniform(0.05, 0.3)))
    return waves


def ventricular(g: Generator) -> tuple[Float64, float]:
    """Draw one lead with beats of the ventricles, in one of four :data:`RUNS`.

    Complexes are wide and smooth, with a large T wave of the other sign that begins where they end.
    Their size wanders or alternates, some are fusions with the narrow beats between them, and the
    baseline drifts.
    """
    seconds, kind = float(g.choice(LENGTHS_S)), str(g.choice(RUNS))
    time = np.arange(round(seconds * PAINTED_HZ)) / PAINTED_HZ
    cycle = 60.0 / (g.uniform(80, 180) if kind == "two places" else g.uniform(120, 250))
    length = min(g.uniform(0.12, 0.22), 0.8 * cycle)
    usual = 60.0 / g.uniform(50, 110) if kind in ("a run", "every other beat") else cycle
    tall, early = g.choice([-1, 1]) * g.uniform(0.4, 2.5), g.uniform(0.35, 0.75)
    foci = [_focus(g, length, cycle, tall, wide=True)]
    if kind == "two places":
        foci.append(_focus(g, length, cycle, -tall * g.uniform(0.4, 1), wide=g.uniform() < 0.7))
    narrow = _focus(g, g.uniform(0.07, 0.11), usual, 1.0, wide=False)
    swing, breath = g.choice([0.0, 0.15, 0.4]), g.uniform(0.1, 0.5)
    alternates = g.choice([1.0, 1.0, g.uniform(0.6, 1.0)])
    begin, end = np.sort(g.uniform(0, seconds, 2))
    x, at, number = np.zeros(time.size), -g.uniform(0, cycle), 0
    while at < seconds:
        odd = number % 2 == 1
        if kind == "a run":
            ectopic, step = begin < at < end, cycle if begin < at + usual < end else usual
        elif kind == "every other beat":
            ectopic, step = odd, usual * (early if not odd else 2 - early)
        else:
            ectopic, step = g.uniform() > 0.02, cycle
        share = g.uniform(0.3, 0.7) if ectopic and g.uniform() < 0.06 else float(ectopic)
        size = (1 + swing * np.sin(2 * np.pi * breath * at)) * (alternates if odd else 1.0)
        for factor, focus in ((share * size, foci[number % len(foci)]), (1 - share, narrow)):
            for place, rise, fall, height in focus if factor else ():
                x += factor * height * _wave(time, at + place, rise, fall)
        number, at = number + 1, at + step * (1 + 0.02 * g.normal())
    x += g.uniform(0, 0.3) * np.sin(2 * np.pi * g.uniform(0.1, 0.5) * time + g.uniform(0, 6))
    x += float(g.choice([0.0, 0.005, 0.02, 0.05])) * g.normal(size=time.size)
    return _at_a_rate(g, x[None])


def _focus(
    g: Generator, length_s: float, interval_s: float, tall: float, *, wide: bool
) -> list[tuple[float, float, float, float]]:
    """Draw the waves of the beats of one place, as :func:`_beat`, with a T wave and perhaps a P."""
    waves = _beat(g, length_s, wide=wide)
    late = min(g.uniform(0.2, 0.36) + (0.0 if wide else 0.05), 0.5 * interval_s)
    broad = min(g.uniform(0.04, 0.11), 0.4 * late)
    height = -g.uniform(0.1, 0.8) if wide else g.uniform(-0.15, 0.4)
    waves.append((late, broad, broad * g.uniform(0.5, 0.9), height))
    if not wide and g.uniform() < 0.6:
        waves.append((-min(0.16, 0.25 * interval_s), 0.02, 0.02, 0.1))
    return [(place, rise, fall, tall * size) for place, rise, fall, size in waves]


def ringing(g: Generator) -> tuple[Float64, float]:
    """Draw one lead or two of a paced rhythm whose spikes a filter of the recorder makes ring.

    Before a wide complex stands a spike that decays over some 5 to 40 ms at 30 to 250 Hz, is even
    about its middle (a filter without phase), or went through a low-pass; it may be ten times as
    tall as the complex.
    """
    seconds = float(g.choice(LENGTHS_S))
    time = np.arange(round(seconds * PAINTED_HZ)) / PAINTED_HZ
    interval, latency = 60.0 / g.uniform(40, 125), g.uniform(0.0, 0.06)
    smooth = [_beat(g, g.uniform(0.12, 0.2), wide=True)]
    if g.uniform() < 0.5:  # complexes of one Gaussian
        smooth = [[(0.075, 0.025, 0.025, 1.0)]]
    t_wave, axis = g.uniform(-0.5, 0.3), np.array([[1.0], [g.choice([-1, 1]) * g.uniform(0.4, 1)]])
    tall, hertz = g.choice([-1, 1]) * np.exp(g.uniform(-1, 2.3)), np.exp(g.uniform(3.4, 5.5))
    decay, kind = g.uniform(0.003, 0.015), g.choice(["damped", "even", "filter"])
    offset = np.arange(-60, 61) / PAINTED_HZ
    if kind == "damped":
        spike = np.exp(-offset / decay) * np.cos(2 * np.pi * hertz * offset) * (offset >= 0)
    elif kind == "even":
        spike = np.exp(-np.abs(offset) / decay) * np.cos(2 * np.pi * hertz * offset)
    else:
        low = butter(int(g.integers(2, 7)), g.uniform(40, 200), fs=PAINTED_HZ, output="sos")
        pulse = np.where(np.abs(offset) <= 0.001, 1.0, 0.0)
        spike = (sosfiltfilt if g.uniform() < 0.5 else sosfilt)(low, pulse)
        spike = spike / np.abs(spike).max()
    x = np.zeros((2, time.size))
    at = -g.uniform(0, interval)
    while at < seconds:
        for place, rise, fall, height in smooth[0]:
            x += height * _wave(time, at + latency + place, rise, fall)
        x += t_wave * _wave(time, at + latency + 0.3, 0.05, 0.05)
        middle = round(at * PAINTED_HZ)
        if 60 < middle < time.size - 61:
            x[:, middle - 60 : middle + 61] += tall * spike
        at += interval * (1 + float(g.choice([0.0, 0.002, 0.02])) * g.normal())
    x = x * axis + float(g.choice([0.0, 0.005, 0.02])) * g.normal(size=x.shape)
    return _at_a_rate(g, x[: int(g.integers(1, 3))])


def _at_a_rate(g: Generator, x: Float64) -> tuple[Float64, float]:
    rate = int(g.choice(RATES))
    common = gcd(rate, int(PAINTED_HZ))
    x = resample_poly(x, rate // common, int(PAINTED_HZ) // common, axis=1)
    return float(g.choice([-1, 1])) * x, float(rate)
