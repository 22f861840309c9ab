"""More signals that are no ECG: what a clinic, a wearable or a bench puts on a wire.

Kinds as in :mod:`benchmarks.experiments.hostile_signals`, of which they are neither variants by
name nor by their formulas where both imitate one thing; trees learn from both. Those of
:mod:`benchmarks.experiments.hostile_aside` stay aside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, hilbert, lfilter, sosfilt, sosfiltfilt

from benchmarks.experiments.hostile_signals import Generator, Kind

__all__ = ["CLINIC"]

Float64 = NDArray[np.float64]


def _time(samples: int, rate: float) -> Float64:
    return np.arange(samples) / rate


def _moments(r: Generator, samples: int, rate: float, hertz: float, jitter: float) -> Float64:
    """Moments of events in seconds: each is early or late by itself, the rate does not wander."""
    count = int(samples / rate * hertz) + 3
    even = (np.arange(count) - r.uniform(0, 1)) / hertz
    return even + jitter / hertz * r.normal(size=count)


def _events(
    samples: int, rate: float, moments: Float64, shape: Callable[[Float64, int], Float64]
) -> Float64:
    """Sum ``shape(seconds since the moment, its number)`` over 1.5 s around each moment."""
    x, time = np.zeros(samples), _time(samples, rate)
    for number, at in enumerate(moments):
        near = slice(max(0, int((at - 0.5) * rate)), max(0, int((at + 1.5) * rate)))
        x[near] += shape(time[near] - at, number)
    return x


def _hump(t: Float64, at: float, width: float) -> Float64:
    return np.exp(-0.5 * ((t - at) / width) ** 2)


def _gamma(t: Float64, rise: float, order: float) -> Float64:
    """A rise and a fall: (t/rise)^order exp(order (1 - t/rise)) from 0 on."""
    u = np.maximum(t, 0.0) / rise
    return u**order * np.exp(order * (1 - u))


def _ring(t: Float64, hertz: float, fade: float) -> Float64:
    return np.exp(-np.maximum(t, 0) / fade) * np.sin(2 * np.pi * hertz * t) * (t >= 0)


def _drawn(r: Generator, samples: int, rate: float, low: float, high: float) -> Float64:
    """Noise of a band, by a two-pole filter run once."""
    sos = butter(2, (low, min(high, 0.45 * rate)), "bandpass", fs=rate, output="sos")
    lead_in = round(3 * rate)
    x = sosfilt(sos, r.normal(size=samples + lead_in))[lead_in:]
    return x / max(x.std(), 1e-12)


def _brain(r: Generator, samples: int, rate: float) -> Float64:
    """Background of an EEG: an autoregressive walk and a rhythm that comes and goes."""
    slow = lfilter(
        [1.0], [1.0, -np.exp(-1 / (r.uniform(0.03, 0.15) * rate))], r.normal(size=samples)
    )
    return slow / slow.std() + r.uniform(0, 0.8) * _drawn(r, samples, rate, 7, 12)


def _derived(make: Kind, times: int, low_pass: tuple[float, float]) -> Kind:
    """A derivative, through the single-pole filter of a recorder on the way and after it."""

    def derived(r: Generator, samples: int, rate: float) -> Float64:
        x = make(r, samples, rate)
        sos = butter(1, min(r.uniform(*low_pass), 0.4 * rate), fs=rate, output="sos")
        for _ in range(times):
            x = np.diff(sosfilt(sos, x), prepend=0.0)
            x[: round(0.05 * rate)] = 0.0
        return x / max(x.std(), 1e-12) + r.uniform(0, 0.06) * r.normal(size=samples)

    return derived


def _finger(r: Generator, samples: int, rate: float) -> Float64:
    """Pulse of a finger: gamma curves of the forward and the returning wave, breathing on it."""
    hertz = r.uniform(0.7, 2.6)
    rise, back = r.uniform(0.1, 0.2), r.uniform(0.18, 0.35)
    order, share = r.uniform(1.5, 3.5), r.uniform(0.0, 0.6)
    x = _events(
        samples, rate, _moments(r, samples, rate, hertz, 0.03),
        lambda t, k: _gamma(t, rise, order) + share * _gamma(t - back, rise, order + 1),
    )  # fmt: skip
    return x * (1 + 0.15 * _drawn(r, samples, rate, 0.1, 0.4)) + 0.005 * r.normal(size=samples)


def _ventricle(r: Generator, samples: int, rate: float) -> Float64:
    """Pressure in a ventricle: up and down within 60 to 120 ms, a plateau, near zero between."""
    hertz = r.uniform(0.8, 2.2)
    up, down, lasts = r.uniform(0.015, 0.04), r.uniform(0.02, 0.05), r.uniform(0.18, 0.35)
    dome = r.uniform(0, 0.4)

    def beat(t: Float64, number: int) -> Float64:
        gate = 1 / (1 + np.exp(-(t - 0.1) / up)) - 1 / (1 + np.exp(-(t - 0.1 - lasts) / down))
        return gate * (1 + dome * np.sin(np.pi * np.clip((t - 0.1) / lasts, 0, 1)))

    x = _events(samples, rate, _moments(r, samples, rate, hertz, 0.02), beat)
    return x + 0.01 * r.normal(size=samples)


def _flow(r: Generator, samples: int, rate: float) -> Float64:
    """Speed of the blood by Doppler: a triangle of systole with a rough edge, an undershoot."""
    hertz, lasts = r.uniform(0.8, 2.2), r.uniform(0.2, 0.35)
    peak, under = r.uniform(0.25, 0.45), r.uniform(0, 0.4)

    def beat(t: Float64, number: int) -> Float64:
        up = np.clip(t / (peak * lasts), 0, 1) * np.clip((lasts - t) / ((1 - peak) * lasts), 0, 1)
        return up - under * _hump(t, lasts + 0.06, 0.03)

    x = _events(samples, rate, _moments(r, samples, rate, hertz, 0.03), beat)
    return x * (1 + r.uniform(0, 0.2) * r.normal(size=samples)) + 0.02 * r.normal(size=samples)


def _apex(r: Generator, samples: int, rate: float) -> Float64:
    """Apex cardiogram or carotid pulse: an a wave, a steep E point, a hollow, a filling wave."""
    hertz, sharp = r.uniform(0.8, 1.8), r.uniform(0.02, 0.05)

    def beat(t: Float64, number: int) -> Float64:
        wave = 0.25 * _hump(t, 0.05, 0.03) + _hump(t, 0.18, sharp) + 0.6 * _hump(t, 0.28, 0.07)
        return wave - 0.5 * _hump(t, 0.45, 0.04) + 0.3 * _hump(t, 0.55, 0.05)

    x = _events(samples, rate, _moments(r, samples, rate, hertz, 0.03), beat)
    return x + 0.2 * _drawn(r, samples, rate, 0.15, 0.4) + 0.02 * r.normal(size=samples)


def _sharp_and_slow(r: Generator, samples: int, rate: float) -> Float64:
    """Slow spike-wave complexes, 1.5 to 4 a second, a spike of two phases before each wave."""
    hertz = r.uniform(1.5, 4.0)
    width, second = r.uniform(0.01, 0.04), r.uniform(0, 0.7)
    height, place = r.uniform(0.3, 1.2), r.uniform(0.5, 0.65)

    def complex_(t: Float64, number: int) -> Float64:
        spike = _hump(t, 0.0, width) - second * _hump(t, 2.2 * width, 1.2 * width)
        return spike - height * _hump(t, place / hertz, 0.2 / hertz)

    jitter = r.uniform(0.01, 0.06)
    moments = _moments(r, samples, rate, hertz, jitter)
    sizes = r.uniform(0.75, 1.25, moments.size)
    x = _events(samples, rate, moments, lambda t, k: float(sizes[k]) * complex_(t, k))
    return x + r.uniform(0.05, 0.2) * _brain(r, samples, rate)


def _polyspikes(r: Generator, samples: int, rate: float) -> Float64:
    """Groups of three to six spikes, now and then or in a row, on a background."""
    hertz, count = r.uniform(0.4, 2.0), int(r.integers(3, 7))
    apart, width = r.uniform(0.03, 0.08), r.uniform(0.008, 0.02)
    x = _events(
        samples, rate, _moments(r, samples, rate, hertz, r.uniform(0.02, 0.3)),
        lambda t, k: sum(_hump(t, apart * n, width) for n in range(count))
        - 0.6 * _hump(t, apart * count + 0.15, 0.08),
    )  # fmt: skip
    return x + r.uniform(0.1, 0.3) * _brain(r, samples, rate)


def _periodic(r: Generator, samples: int, rate: float) -> Float64:
    """Triphasic waves of an encephalopathy, 1 to 3 a second."""
    hertz, width = r.uniform(1.0, 3.0), r.uniform(0.025, 0.07)

    def wave(t: Float64, number: int) -> Float64:
        return (
            -0.4 * _hump(t, -2 * width, width) + _hump(t, 0, width)
            - 0.6 * _hump(t, 3 * width, 1.8 * width)
        )  # fmt: skip

    x = _events(samples, rate, _moments(r, samples, rate, hertz, 0.08), wave)
    return x + r.uniform(0.1, 0.35) * _brain(r, samples, rate)


def _spindles(r: Generator, samples: int, rate: float) -> Float64:
    """Sleep: spindles of 11 to 16 Hz for half a second to two, K complexes."""
    moments = _moments(r, samples, rate, r.uniform(0.15, 0.6), 0.3)
    hertz, lasts = r.uniform(11, 16), r.uniform(0.12, 0.4)

    def event(t: Float64, number: int) -> Float64:
        if number % 3 == 2:
            return 2 * (_hump(t, 0.1, 0.05) - 0.8 * _hump(t, 0.4, 0.15))
        return _hump(t, 0.4, lasts) * np.sin(2 * np.pi * hertz * t)

    return _events(samples, rate, moments, event) + 0.3 * _brain(r, samples, rate)


def _suppression(r: Generator, samples: int, rate: float) -> Float64:
    """Burst suppression of an EEG: half a second of all bands, then seconds of next to nothing."""
    moments = _moments(r, samples, rate, r.uniform(0.2, 1.2), 0.2)
    envelope = _events(samples, rate, moments, lambda t, k: _hump(t, 0.2, 0.1))
    return envelope * _drawn(r, samples, rate, 1, 20) + 0.02 * r.normal(size=samples)


def _muscle_envelope(r: Generator, samples: int, rate: float) -> Float64:
    """Rectified, smoothed muscle of a movement that recurs: chewing, pedalling, gripping."""
    hertz, width = r.uniform(0.6, 2.2), r.uniform(0.03, 0.12)
    moments = _moments(r, samples, rate, hertz, 0.06)
    sizes = r.uniform(0.6, 1.3, moments.size)
    effort = _events(samples, rate, moments, lambda t, k: float(sizes[k]) * _hump(t, 0.2, width))
    raw = np.abs(_drawn(r, samples, rate, 20, 120)) * (0.03 + effort)
    return sosfiltfilt(butter(2, r.uniform(4, 20), fs=rate, output="sos"), raw)


def _fasciculations(r: Generator, samples: int, rate: float) -> Float64:
    """Potentials of one or a few motor units, each with its shape, 1 to 12 a second."""
    x = 0.02 * r.normal(size=samples)
    for _ in range(int(r.integers(1, 4))):
        width, size = r.uniform(0.002, 0.006), r.uniform(0.4, 1.2)
        phases = r.normal(size=4)
        moments = _moments(r, samples, rate, r.uniform(1, 12), r.uniform(0.05, 0.3))
        x += _events(
            samples, rate, moments,
            lambda t, k, width=width, size=size, phases=phases: size * sum(
                phases[n] * _hump(t, 2 * width * n, width) for n in range(4)
            ),
        )  # fmt: skip
    return x


def _nystagmus(r: Generator, samples: int, rate: float) -> Float64:
    """Eyes that drift and jump back within 30 to 60 ms, 1 to 5 a second, by an amplifier for AC."""
    hertz, back = r.uniform(1, 5), r.uniform(0.03, 0.06)
    phase = (_time(samples, rate) * hertz + 0.05 * _drawn(r, samples, rate, 0.2, 2)) % 1.0
    x = np.where(phase < 1 - back * hertz, phase, (1 - phase) / max(back * hertz, 1e-3))
    sos = butter(1, r.uniform(0.05, 1.5), "highpass", fs=rate, output="sos")
    return sosfilt(sos, x) + 0.03 * r.normal(size=samples)


def _gait(r: Generator, samples: int, rate: float) -> Float64:
    """Acceleration of a trunk, a wrist or a foot: a strike, the ringing of the strap, a swing."""
    hertz = r.uniform(0.7, 3.2)
    strike, fade, tone = r.uniform(0.01, 0.04), r.uniform(0.02, 0.12), r.uniform(5, 25)
    push, delay = r.uniform(-0.5, 0.8), r.uniform(0.15, 0.45)
    moments = _moments(r, samples, rate, hertz, r.uniform(0.01, 0.06))
    limp = r.uniform(0.5, 1.0)
    sizes = r.uniform(0.8, 1.2, moments.size) * np.where(np.arange(moments.size) % 2, 1.0, limp)

    def step(t: Float64, number: int) -> Float64:
        wave = _hump(t, 0.0, strike) + 0.8 * _ring(t, tone, fade)
        return float(sizes[number]) * (wave + push * _hump(t, delay, 0.06))

    x = _events(samples, rate, moments, step)
    turns = 2 * np.pi * hertz * _time(samples, rate)
    for k in (1, 2, 3):
        x += r.uniform(0, 0.4) / k * np.sin(k * turns + r.uniform(0, 6))
    return x + r.uniform(0.02, 0.1) * _drawn(r, samples, rate, 0.5, 30)


def _strap(r: Generator, samples: int, rate: float) -> Float64:
    """An electrode that is pulled at each step: a fast shift and a slow return, each its own."""
    moments = _moments(r, samples, rate, r.uniform(0.8, 3.0), 0.05)
    sizes, fades = r.uniform(0.5, 1.4, moments.size), r.uniform(0.05, 0.3, moments.size)
    rise = r.uniform(0.01, 0.04)

    def pull(t: Float64, number: int) -> Float64:
        shift = float(sizes[number]) / (1 + np.exp(-t / rise))
        return shift * np.exp(-np.maximum(t, 0) / fades[number])

    x = _events(samples, rate, moments, pull)
    return x + 0.05 * _drawn(r, samples, rate, 0.3, 10)


def _knocks(r: Generator, samples: int, rate: float) -> Float64:
    """A machine that knocks in time: each knock rings the same."""
    tone, fade = r.uniform(6, 60), r.uniform(0.01, 0.12)
    moments = _moments(r, samples, rate, r.uniform(0.6, 4), r.uniform(0, 0.03))
    x = _events(samples, rate, moments, lambda t, k: _ring(t, tone, fade))
    return x + r.uniform(0, 0.1) * r.normal(size=samples)


def _sounds_squared(r: Generator, samples: int, rate: float) -> Float64:
    """Energy of heart sounds, as programs draw it: of Hilbert or of Shannon, smoothed."""
    hertz, gap = r.uniform(0.8, 2.2), r.uniform(0.22, 0.38)
    one, two = r.uniform(0.01, 0.03), r.uniform(0.008, 0.025)
    moments = _moments(r, samples, rate, hertz, 0.03)
    loud, soft = r.uniform(0.7, 1.3, moments.size), r.uniform(0.2, 1.0)
    envelope = _events(
        samples, rate, moments,
        lambda t, k: float(loud[k]) * (_hump(t, 0.05, one) + soft * _hump(t, 0.05 + gap, two)),
    )  # fmt: skip
    raw = envelope * _drawn(r, samples, rate, 25, 150) + 0.02 * r.normal(size=samples)
    energy = np.abs(hilbert(raw)) ** r.choice([1.0, 2.0])
    return sosfiltfilt(butter(2, r.uniform(6, 20), fs=rate, output="sos"), energy)


def _snore(r: Generator, samples: int, rate: float) -> Float64:
    """Snoring or a cough by a microphone or a belt: bursts with breathing."""
    moments = _moments(r, samples, rate, r.uniform(0.2, 1.0), 0.1)
    width = r.uniform(0.05, 0.4)
    envelope = _events(samples, rate, moments, lambda t, k: _hump(t, 0.3, width))
    return envelope * _drawn(r, samples, rate, 15, 90) + 0.03 * r.normal(size=samples)


def _ventilator(r: Generator, samples: int, rate: float) -> Float64:
    """Flow of a ventilator: a square breath in, an exponential breath out, the valve's knocks."""
    hertz, share = r.uniform(0.2, 1.0), r.uniform(0.25, 0.4)
    within = (_time(samples, rate) * hertz + r.uniform()) % 1.0
    out = -np.exp(-(within - share) / r.uniform(0.05, 0.3))
    return np.where(within < share, 0.7, out) + 0.02 * _drawn(r, samples, rate, 5, 25)


def _oscillation(r: Generator, samples: int, rate: float) -> Float64:
    """A cuff that deflates: pulses that grow and fade on a falling pressure, or those alone."""
    time, width = _time(samples, rate), r.uniform(0.05, 0.09)
    moments = _moments(r, samples, rate, r.uniform(0.8, 2.0), 0.03)
    pulses = _events(samples, rate, moments, lambda t, k: _gamma(t, width, 2.0))
    bell = _hump(time, r.uniform(0.2, 0.8) * time[-1], 0.25 * time[-1] + 0.1)
    x = pulses * bell - (r.uniform(0, 2) * time / time[-1] if r.uniform() < 0.5 else 0)
    return x + 0.005 * r.normal(size=samples)


def _rheogram(r: Generator, samples: int, rate: float) -> Float64:
    """Impedance of a chest: a wave a beat on that of breathing."""
    hertz = r.uniform(0.8, 2.0)
    moments = _moments(r, samples, rate, hertz, 0.03)
    wide = r.uniform(0.06, 0.12)
    x = _events(samples, rate, moments, lambda t, k: -_gamma(t, wide, 1.5))
    breath = np.sin(2 * np.pi * r.uniform(0.15, 0.4) * _time(samples, rate))
    return x + r.uniform(0.5, 4) * breath + 0.01 * r.normal(size=samples)


def _steps_of_a_calibrator(r: Generator, samples: int, rate: float) -> Float64:
    """A staircase or a pulse up and down, its edges by an RC member, through a recorder's AC."""
    hold = max(2, round(r.uniform(0.1, 0.8) * rate))
    ladder = np.array(r.choice([0.0, 0.25, 0.5, 1.0], size=samples // hold + 1))
    x = np.repeat(ladder, hold)[:samples]
    fast = np.exp(-1 / (r.uniform(0.001, 0.02) * rate))
    x = lfilter([1 - fast], [1, -fast], x)
    return sosfilt(butter(1, r.uniform(0.05, 0.5), "highpass", fs=rate, output="sos"), x)


def _pulses_of_a_bench(r: Generator, samples: int, rate: float) -> Float64:
    """Rectangles of 20 to 200 ms by a generator, as they are or with a return through a wire."""
    hertz, width = r.uniform(0.5, 4), r.uniform(0.02, 0.2)
    x = ((_time(samples, rate) * hertz + r.uniform()) % 1.0 < hertz * width).astype(float)
    if r.uniform() < 0.5:
        sos = butter(1, r.uniform(0.5, 8), "highpass", fs=rate, output="sos")
        x = sosfilt(sos, x)
    return x + r.uniform(0, 0.02) * r.normal(size=samples)


def _nerve_stimulation(r: Generator, samples: int, rate: float) -> Float64:
    """TENS: trains of pulses that a recorder's low pass makes soft, each with its decay."""
    moments = _moments(r, samples, rate, r.uniform(1, 10), 0.0)
    fade, size = r.uniform(0.005, 0.06), r.uniform(-0.8, 0.8)
    x = _events(
        samples, rate, moments,
        lambda t, k: _hump(t, 0, 0.003) + size * np.exp(-np.maximum(t, 0) / fade) * (t >= 0),
    )  # fmt: skip
    return x + 0.01 * r.normal(size=samples)


def _lost_packets(r: Generator, samples: int, rate: float) -> Float64:
    """A slow wave or a constant of which packets are lost: zero, the last value, or the rail."""
    base = _drawn(r, samples, rate, 0.05, 0.5) * r.uniform(0, 0.3) + r.uniform(0.5, 3)
    x = base + r.uniform(0, 0.01) * r.normal(size=samples)
    size, hertz = max(1, round(r.uniform(0.004, 0.15) * rate)), r.uniform(0.4, 3)
    how, jitter = int(r.integers(3)), r.choice([0.0, 0.2])
    for at in _moments(r, samples, rate, hertz, float(jitter)):
        first = round(at * rate)
        if 0 < first < samples:
            x[first : first + size] = (0.0, x[first - 1], -2.0)[how]
    return x


def _glitches(r: Generator, samples: int, rate: float) -> Float64:
    """Single wrong samples, in time or not, of a wire or a converter."""
    x = 0.02 * _drawn(r, samples, rate, 0.5, 20)
    for at in _moments(r, samples, rate, r.uniform(0.5, 4), float(r.choice([0.0, 0.3]))):
        first = round(at * rate)
        if 0 <= first < samples:
            x[first : first + int(r.integers(1, 3))] += r.choice([-1.0, 1.0])
    return x


def _rings_of_edges(r: Generator, samples: int, rate: float) -> Float64:
    """A square wave through a recorder whose filter rings at each edge."""
    hertz, tone = r.uniform(0.4, 2.5), r.uniform(5, 30)
    x = np.sign(np.sin(2 * np.pi * hertz * _time(samples, rate) + r.uniform(0, 6)))
    order = int(r.integers(4, 9))
    x = sosfilt(butter(order, min(tone, 0.4 * rate), fs=rate, output="sos"), x)
    if r.uniform() < 0.7:
        x = sosfilt(butter(1, r.uniform(0.3, 5), "highpass", fs=rate, output="sos"), x)
    return x + 0.01 * r.normal(size=samples)


def _tonic(r: Generator, samples: int, rate: float) -> Float64:
    """Clonic jerks: a burst of muscle and a jerk of the cable, 1 to 4 a second."""
    moments = _moments(r, samples, rate, r.uniform(1, 4), 0.06)
    width = r.uniform(0.02, 0.08)
    envelope = _events(samples, rate, moments, lambda t, k: _hump(t, 0.1, width))
    jerk = _events(samples, rate, moments, lambda t, k: _ring(t - 0.1, 4.0, 0.12))
    return envelope * _drawn(r, samples, rate, 20, 100) + r.uniform(0, 1) * jerk


def _voice_of_lines(r: Generator, samples: int, rate: float) -> Float64:
    """A screen's or a motor's lines that beat with one another."""
    time, base = _time(samples, rate), r.uniform(8, 0.4 * rate)
    apart: Sequence[float] = r.uniform(0.5, 4, 3)
    x = sum(np.sin(2 * np.pi * (base + n * float(d)) * time) for n, d in enumerate(apart))
    return np.asarray(x) + 0.02 * r.normal(size=samples)


CLINIC: dict[str, Kind] = {
    "pulse of a finger": _finger,
    "slope of a finger's pulse": _derived(_finger, 1, (8.0, 40.0)),
    "second slope of a finger's pulse": _derived(_finger, 2, (6.0, 20.0)),
    "pressure in a ventricle": _ventricle,
    "slope of the pressure in a ventricle": _derived(_ventricle, 1, (15.0, 60.0)),
    "flow by Doppler": _flow,
    "apex cardiogram": _apex,
    "slope of an apex cardiogram": _derived(_apex, 1, (10.0, 40.0)),
    "sharp and slow waves": _sharp_and_slow,
    "polyspikes": _polyspikes,
    "triphasic waves": _periodic,
    "sleep spindles": _spindles,
    "burst suppression": _suppression,
    "envelope of a muscle": _muscle_envelope,
    "fasciculations": _fasciculations,
    "nystagmus": _nystagmus,
    "gait": _gait,
    "pulled electrode": _strap,
    "knocks": _knocks,
    "energy of heart sounds": _sounds_squared,
    "snoring": _snore,
    "ventilator": _ventilator,
    "oscillations in a cuff": _oscillation,
    "rheogram": _rheogram,
    "staircase": _steps_of_a_calibrator,
    "pulses of a bench": _pulses_of_a_bench,
    "nerve stimulation": _nerve_stimulation,
    "lost packets": _lost_packets,
    "glitches": _glitches,
    "edges that ring": _rings_of_edges,
    "clonic jerks": _tonic,
    "lines that beat": _voice_of_lines,
}
