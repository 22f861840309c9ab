"""Signals that are no ECG, as sensors and simulators of them give: by landmarks, harmonics, echoes.

Kinds as in :mod:`benchmarks.experiments.hostile_signals`, made other ways again: curves through
landmarks (as simulators draw a pulse), sums of harmonics with fixed phases, magnitudes, and
envelopes; each goes through the filters of some recorder.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.signal import butter, hilbert, savgol_filter, sosfilt, sosfiltfilt

from benchmarks.experiments.hostile_signals import Generator, Kind

__all__ = ["SENSORS"]

Float64 = NDArray[np.float64]


def _turns(r: Generator, samples: int, rate: float, least: float, most: float) -> Float64:
    """Phase of a rhythm in turns: intervals vary with breathing, from one to the next, or not."""
    hertz = r.uniform(least, most)
    breath, own = r.uniform(0, 0.08), r.choice([0.0, 0.01, 0.03, 0.06])
    count = int(samples / rate * hertz * 1.5) + 8
    moment = np.arange(count) / hertz
    swing = np.sin(2 * np.pi * (r.uniform(0.15, 0.35) * moment + r.uniform()))
    interval = np.maximum(0.4, 1 + breath * swing + own * r.normal(size=count)) / hertz
    starts = np.concatenate([[0.0], np.cumsum(interval)]) - r.uniform(0, 1) / hertz
    phase = np.interp(np.arange(samples) / rate, starts, np.arange(starts.size))
    return phase + (1.0 if phase[0] < 0 else 0.0)


def _recorded(make: Kind, most_noise: float = 0.04) -> Kind:
    """Put a signal through the filters of some recorder, with its noise and drift."""

    def passed(r: Generator, samples: int, rate: float) -> Float64:
        x = np.asarray(make(r, samples, rate), dtype=np.float64)
        x = (x - x.mean()) / max(float(x.std()), 1e-12)
        if r.uniform() < 0.3:
            hertz = np.linspace(0, rate / 2, samples // 2 + 1)
            pink = np.exp(2j * np.pi * r.uniform(size=hertz.size)) / np.sqrt(np.maximum(hertz, 0.1))
            drift = np.fft.irfft(pink, samples)
            x = x + r.uniform(0, 2 * most_noise) * drift / drift.std()
        x = x + r.uniform(0, most_noise) * r.normal(size=samples)
        if r.uniform() < 0.5:
            cut = min(r.choice([10.0, 15.0, 20.0, 30.0, 40.0, 100.0]), 0.42 * rate)
            x = sosfiltfilt(butter(int(r.integers(1, 4)), cut, fs=rate, output="sos"), x)
        if r.uniform() < 0.5:
            low = r.choice([0.05, 0.3, 0.5, 1.0])
            x = sosfilt(butter(int(r.integers(1, 3)), low, "highpass", fs=rate, output="sos"), x)
        return r.choice([-1.0, 1.0], p=[0.25, 0.75]) * x

    return passed


def _through(
    r: Generator, turns: Float64, at: Sequence[float], height: Sequence[float], smooth: bool
) -> Float64:
    """Return the curve of each turn through landmarks, their heights a little other each turn."""
    curve = CubicSpline if smooth else PchipInterpolator
    places = np.concatenate([np.asarray(at) - 1, at, np.asarray(at) + 1])
    shape = curve(places, np.tile(height, 3))
    number = np.floor(turns).astype(int)
    size = 1 + r.uniform(0, 0.1) * r.normal(size=number.max() + 2)
    return shape(turns % 1.0) * size[number]


def _pulse(r: Generator, samples: int, rate: float) -> Float64:
    """A pulse wave through onset, peak, notch and second peak."""
    turns = _turns(r, samples, rate, 0.7, 2.6)
    peak, notch = r.uniform(0.12, 0.28), r.uniform(0.36, 0.5)
    low, echo = r.uniform(0.25, 0.6), r.uniform(0.02, 0.2)
    at = [0.0, peak, notch, notch + r.uniform(0.06, 0.14), r.uniform(0.75, 0.9)]
    height = [0.0, 1.0, low, low + echo, low * r.uniform(0.1, 0.5)]
    return _through(r, turns, at, height, bool(r.integers(2)))


def _vessel(r: Generator, samples: int, rate: float) -> Float64:
    """A pressure through landmarks: a steep foot, a shoulder, an incisura of 10 to 40 ms."""
    turns = _turns(r, samples, rate, 0.7, 2.4)
    rise, notch, depth = r.uniform(0.06, 0.16), r.uniform(0.3, 0.45), r.uniform(0.05, 0.3)
    level = r.uniform(0.4, 0.75)
    at = [0, 0.4 * rise, rise, notch - 0.04, notch, notch + r.uniform(0.015, 0.05), 0.8]
    height = [0, r.uniform(0.3, 0.6), 1, level, level - depth, level + r.uniform(-0.5, 0.3) * depth]
    return _through(r, turns, at, [*height, r.uniform(0.1, 0.25)], bool(r.integers(2)))


def _harmonics(r: Generator, samples: int, rate: float) -> Float64:
    """A pulse as its first five to twelve harmonics, whose sizes fall off."""
    turns, fall, lag = _turns(r, samples, rate, 0.7, 2.5), r.uniform(0.8, 2.2), r.uniform(-1.5, 1.5)
    return np.sum(
        [
            r.uniform(0.6, 1.2) * k**-fall * np.cos(2 * np.pi * k * turns + lag * (k - 1) ** 0.7)
            for k in range(1, int(r.integers(6, 13)))
        ],
        axis=0,
    )


def _derivative(make: Kind, order: int) -> Kind:
    """Derivative by a polynomial over 20 to 120 ms, as programs make it."""

    def derived(r: Generator, samples: int, rate: float) -> Float64:
        width = max(5, int(r.uniform(0.02, 0.12) * rate) // 2 * 2 + 1)
        return savgol_filter(make(r, samples, rate), width, 3, deriv=order)

    return derived


def _bumps(
    r: Generator, turns: Float64, bumps: Sequence[tuple[float, float, float]], jitter: float = 0.0
) -> Float64:
    """Sum (size, place, width in turns), each of its own size at every turn."""
    x, number = np.zeros(turns.size), np.floor(turns).astype(int)
    for size, place, width in bumps:
        sizes = size * (1 + jitter * r.normal(size=number.max() + 2))
        away = (turns % 1.0 - place + 0.5) % 1.0 - 0.5
        x += sizes[number] * np.exp(-0.5 * (away / width) ** 2)
    return x


def _vibration(r: Generator, samples: int, rate: float) -> Float64:
    """The breastbone: some wavelets at the opening, some at the closing of the valves."""
    hertz = r.uniform(0.8, 2.0)
    within = (_turns(r, samples, rate, hertz, hertz) % 1.0) / hertz
    x = np.zeros(samples)
    for at, most in ((0.1, 1.0), (0.4, r.uniform(0.1, 0.8))):
        for _ in range(int(r.integers(1, 4))):
            moment, width = at + r.uniform(-0.03, 0.04), r.uniform(0.01, 0.05)
            tone = np.cos(2 * np.pi * (r.uniform(5, 35) * (within - moment) + r.uniform()))
            x += most * r.uniform(0.3, 1) * np.exp(-0.5 * ((within - moment) / width) ** 2) * tone
    return x


def _sounds(r: Generator, samples: int, rate: float) -> Float64:
    """Heart sounds: noise of 20 Hz and more in two windows, a murmur between them or none."""
    turns = _turns(r, samples, rate, 0.8, 2.2)
    windows = [(1, 0.1, r.uniform(0.02, 0.05)), (r.uniform(0.3, 1), r.uniform(0.35, 0.5), 0.03)]
    if r.uniform() < 0.4:
        windows.append((r.uniform(0.1, 0.4), 0.25, 0.08))
    sos = butter(2, (min(20, 0.2 * rate), min(90, 0.45 * rate)), "bandpass", fs=rate, output="sos")
    return sosfiltfilt(sos, r.normal(size=samples)) * _bumps(r, turns, windows, 0.1)


def _envelope(make: Kind) -> Kind:
    """The envelope by Hilbert, by squares, by their logarithm or by a running root mean square."""

    def enveloped(r: Generator, samples: int, rate: float) -> Float64:
        size = np.abs(hilbert(make(r, samples, rate)))
        size /= size.max()
        way = r.integers(4)
        if way == 1:
            size = size**2
        elif way == 2:
            size = -(size**2) * np.log(size**2 + 1e-4)
        elif way == 3:
            size = np.log(size + 0.02)
        cut = min(r.uniform(5, 25), 0.4 * rate)
        return sosfiltfilt(butter(2, cut, fs=rate, output="sos"), size)

    return enveloped


def _magnitude(r: Generator, samples: int, rate: float) -> Float64:
    """Length of the acceleration of a walk or a run: two peaks a stride, gravity taken off."""
    turns = _turns(r, samples, rate, 0.7, 1.6)
    axes = [
        _bumps(
            r, turns,
            [(r.normal(), r.uniform(), r.uniform(0.01, 0.12)) for _ in range(6)], r.uniform(0, 0.2),
        )
        for _ in range(3)
    ]  # fmt: skip
    return np.sqrt((1 + axes[0]) ** 2 + axes[1] ** 2 + axes[2] ** 2) - 1


def _stride(r: Generator, samples: int, rate: float) -> Float64:
    """Turning of a shank or a wrist: a swing, and a sharp dip where heel and toe meet the floor."""
    turns, width = _turns(r, samples, rate, 0.7, 1.8), r.uniform(0.008, 0.04)
    bumps = [
        (1, 0.3, 0.1), (-r.uniform(0.3, 1.2), 0.5, width),
        (-r.uniform(0.2, 1.5), r.uniform(0.8, 0.95), r.uniform(0.8, 2) * width),
    ]  # fmt: skip
    return _bumps(r, turns, bumps, 0.08)


def _hip(r: Generator, samples: int, rate: float) -> Float64:
    """Acceleration at the hip: a heel strike of 10 to 40 ms and its echo, the body's rise."""
    turns, width = _turns(r, samples, rate, 1.4, 2.8), r.uniform(0.015, 0.06)
    bumps = [
        (1, 0.1, width), (-r.uniform(0, 0.9), 0.1 + r.uniform(1.8, 3) * width, 1.2 * width),
        (r.uniform(0, 0.5), 0.1 + r.uniform(3.5, 5) * width, 1.5 * width),
        (r.uniform(0.1, 0.8), 0.45, 0.12),
    ]  # fmt: skip
    number = np.floor(turns).astype(int)
    side = np.where(number % 2, 1.0, r.uniform(0.5, 1.0))
    return side * _bumps(r, turns, bumps, r.uniform(0, 0.15))


def _shaken(r: Generator, samples: int, rate: float) -> Float64:
    """Something shaken, stirred or scrubbed: a bent sine of 2 to 6 Hz that comes and goes."""
    turns = 2 * np.pi * _turns(r, samples, rate, 1.5, 6)
    size = 1 + 0.5 * np.sin(2 * np.pi * r.uniform(0.05, 0.4) * np.arange(samples) / rate)
    return size * np.tanh(
        r.uniform(0.5, 4) * (np.sin(turns) + r.uniform(0, 0.6) * np.sin(2 * turns))
    )


def _ballistic(r: Generator, samples: int, rate: float) -> Float64:
    """H to N waves of a bed or a scale: a resonance of 3 to 9 Hz that each ejection strikes."""
    hertz = r.uniform(0.8, 1.8)
    within = (_turns(r, samples, rate, hertz, hertz) % 1.0) / hertz
    tone, decay = r.uniform(3, 9), r.uniform(0.06, 0.2)
    rise = np.clip(within / r.uniform(0.05, 0.15), 0, 1) ** 2
    return rise * np.exp(-within / decay) * np.sin(2 * np.pi * tone * within)


def _impedance(r: Generator, samples: int, rate: float) -> Float64:
    """dZ/dt through its landmarks A, B, C, X, Y, O."""
    turns = _turns(r, samples, rate, 0.8, 2.2)
    c = r.uniform(0.2, 0.3)
    at = [0.0, c - 0.12, c - 0.07, c, c + 0.15, c + 0.19, c + 0.25, c + 0.33, 0.9]
    height = [0, -0.1, 0.05, 1, r.uniform(-0.1, 0.1), -r.uniform(0.2, 0.6), -0.05]
    return _through(r, turns, at, [*height, r.uniform(0.1, 0.45), 0], bool(r.integers(2)))


def _mu(r: Generator, samples: int, rate: float) -> Float64:
    """Arches of a brain's mu rhythm or the notched sawtooth of dreams, 2 to 11 Hz, with noise."""
    turns = _turns(r, samples, rate, 2, 11)
    arch = np.abs(np.sin(np.pi * turns)) ** r.uniform(0.4, 1.2)
    saw = turns % 1.0
    x = np.where(r.uniform() < 0.5, arch, saw)
    return x / x.std() + r.uniform(0.1, 0.8) * _walk(r, samples)


def _walk(r: Generator, samples: int) -> Float64:
    """Noise whose power falls off with the frequency."""
    x = np.zeros(samples)
    noise, keep = r.normal(size=samples), r.uniform(0.8, 0.99)
    for lag in range(1, 40):
        x[lag:] += keep**lag * noise[:-lag]
    return (x - x.mean()) / x.std()


def _evoked(r: Generator, samples: int, rate: float) -> Float64:
    """Responses to flashes or clicks: three to five waves of 30 to 150 ms after each, in an EEG."""
    hertz = r.uniform(0.8, 3)
    bumps = [
        (
            r.choice([-1, 1]) * r.uniform(0.3, 1),
            hertz * r.uniform(0.05, 0.3),
            hertz * r.uniform(0.01, 0.04),
        )
        for _ in range(int(r.integers(2, 6)))
    ]
    x = _bumps(r, _turns(r, samples, rate, hertz, hertz), bumps, 0.15)
    return x / x.std() + r.uniform(0.05, 0.5) * _walk(r, samples)


def _discharges(r: Generator, samples: int, rate: float) -> Float64:
    """Periodic discharges: a spike, its undershoot and a slow wave, 0.5 to 3.5 a second."""
    hertz, width = r.uniform(0.5, 3.5), r.uniform(0.008, 0.04)
    wave, behind = r.uniform(0.04, 0.12), r.uniform(0.12, 0.3)
    bumps = [
        (1, 0.1 * hertz, width * hertz),
        (-r.uniform(0, 0.7), (0.1 + 2.2 * width) * hertz, 1.3 * width * hertz),
        (r.choice([-1, 1]) * r.uniform(0.2, 1.2), (0.1 + behind) * hertz, wave * hertz),
    ]  # fmt: skip
    x = _bumps(r, _turns(r, samples, rate, hertz, hertz), bumps, r.uniform(0, 0.3))
    return x / x.std() + r.uniform(0.05, 0.4) * _walk(r, samples)


def _power_of_sine(r: Generator, samples: int, rate: float) -> Float64:
    """A sine, rectified or not, to some power: peaks, cusps or flat tops."""
    turns = r.uniform(0.4, 4) * np.arange(samples) / rate + r.uniform()
    sine = np.sin(2 * np.pi * turns)
    kind, power = r.integers(3), r.choice([0.5, 1.0, 2.0, 3.0, 5.0, 9.0])
    if kind == 0:
        return np.abs(sine) ** power
    if kind == 1:
        return np.maximum(sine, 0) ** power
    return np.sign(sine) * np.abs(sine) ** power


def _trains(r: Generator, samples: int, rate: float) -> Float64:
    """One function a period: exponential, Lorentzian, trapezoid, two exponentials, ringing."""
    hertz, width = r.uniform(0.5, 3), r.uniform(0.03, 0.15)
    time = (hertz * np.arange(samples) / rate + r.uniform()) % 1.0 / hertz - 0.3 / hertz
    after, way = np.maximum(time, 0), r.integers(5)
    if way == 0:
        return np.exp(-np.abs(time) / width)
    if way == 1:
        return 1 / (1 + (time / width) ** 2)
    if way == 2:
        return np.clip((2 * width - np.abs(time)) / (r.uniform(0.2, 1.5) * width), 0, 1)
    if way == 3:
        return np.exp(-after / width) - np.exp(-after / (r.uniform(0.1, 0.7) * width))
    return np.exp(-after / width) * np.sin(2 * np.pi * r.uniform(2, 15) * after)


def _radar(r: Generator, samples: int, rate: float) -> Float64:
    """A chest by radar or its impedance: breathing with harmonics, the heart on it."""
    breath = 2 * np.pi * _turns(r, samples, rate, 0.15, 0.5)
    x = np.sin(breath) + 0.3 * np.sin(2 * breath + r.uniform(0, 6))
    x += r.uniform(0.02, 0.4) * _pulse(r, samples, rate)
    return x + r.uniform(0, 0.2) * _vibration(r, samples, rate)


def _skin(r: Generator, samples: int, rate: float) -> Float64:
    """Skin conductance: responses of a second and more on a level, by an amplifier for AC."""
    x, time = np.zeros(samples), np.arange(samples) / rate
    for at in np.cumsum(r.exponential(r.uniform(0.8, 4), 60)) - 3:
        after = np.maximum(time - at, 0)
        x += r.uniform(0.2, 1) * (np.exp(-after / r.uniform(1, 4)) - np.exp(-after / 0.4))
    return x


def _grip(r: Generator, samples: int, rate: float) -> Float64:
    """Muscle in bursts that recur: their noise, rectified and smoothed or not."""
    turns = _turns(r, samples, rate, 0.5, 3)
    size = _bumps(r, turns, [(1, 0.5, r.uniform(0.02, 0.12))], 0.2) + r.uniform(0.01, 0.2)
    sos = butter(2, (15, min(120, 0.45 * rate)), "bandpass", fs=rate, output="sos")
    x = size * sosfilt(sos, r.normal(size=samples))
    if r.uniform() < 0.5:
        return x
    return sosfiltfilt(butter(2, r.uniform(4, 20), fs=rate, output="sos"), np.abs(x))


def _doppler(r: Generator, samples: int, rate: float) -> Float64:
    """Speed of blood in a vessel, or of a fetal valve: one or two flows a beat over zero."""
    turns = _turns(r, samples, rate, 0.8, 2.8)
    first, second = r.uniform(0.04, 0.12), r.uniform(0.03, 0.08)
    bumps = [(1, 0.2, first), (r.uniform(0, 0.8), r.uniform(0.45, 0.7), second)]
    rough = 1 + r.uniform(0, 0.2) * r.normal(size=samples)
    return np.maximum(_bumps(r, turns, bumps, 0.05) - r.uniform(0, 0.3), 0) * rough


SENSORS: dict[str, Kind] = {
    "pulse through landmarks": _recorded(_pulse),
    "slope of a pulse through landmarks": _recorded(_derivative(_pulse, 1)),
    "second slope of a pulse through landmarks": _recorded(_derivative(_pulse, 2)),
    "pressure through landmarks": _recorded(_vessel),
    "slope of a pressure through landmarks": _recorded(_derivative(_vessel, 1)),
    "second slope of a pressure through landmarks": _recorded(_derivative(_vessel, 2)),
    "pulse of harmonics": _recorded(_harmonics),
    "slope of a pulse of harmonics": _recorded(_derivative(_harmonics, 1)),
    "wavelets of a breastbone": _recorded(_vibration, 0.15),
    "envelope of a breastbone": _recorded(_envelope(_vibration)),
    "noise of heart sounds": _recorded(_sounds, 0.1),
    "envelope of noise of heart sounds": _recorded(_envelope(_sounds)),
    "length of an acceleration": _recorded(_magnitude, 0.1),
    "turning of a limb": _recorded(_stride, 0.1),
    "acceleration at the hip": _recorded(_hip, 0.15),
    "something shaken": _recorded(_shaken, 0.1),
    "resonance of a bed": _recorded(_ballistic, 0.15),
    "impedance through landmarks": _recorded(_impedance, 0.08),
    "arches of an EEG": _recorded(_mu, 0.1),
    "evoked potentials": _recorded(_evoked, 0.1),
    "periodic discharges": _recorded(_discharges, 0.1),
    "power of a sine": _recorded(_power_of_sine),
    "trains of functions": _recorded(_trains),
    "radar on a chest": _recorded(_radar, 0.1),
    "skin conductance": _recorded(_skin),
    "grips": _recorded(_grip),
    "speed of blood": _recorded(_doppler, 0.08),
}
