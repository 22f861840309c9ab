"""Signals that are no ECG, made as their source makes them: flow into a vessel, a blow on a mass.

Kinds as in :mod:`benchmarks.experiments.hostile_signals`. There and in
:mod:`benchmarks.experiments.hostile_clinic` waves are drawn by formulas; here most come out of a
system that something drives (a windkessel, a resonant line, a mass on a spring, an oscillator that
relaxes, an amplifier that saturates), so that their corners are those of the system.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from benchmarks.experiments.hostile_signals import Generator, Kind

__all__ = ["PHYSICS"]

Float64 = NDArray[np.float64]


def _intervals(r: Generator, seconds: float, least: float, most: float) -> tuple[Float64, Float64]:
    """Return moments of events and the intervals behind them in s; breathing moves them."""
    usual, depth, breath = r.uniform(least, most), r.uniform(0, 0.06), r.uniform(0.15, 0.4)
    jitter = r.choice([0.005, 0.03, 0.1, 0.25])
    at, moments, lengths = -usual * r.uniform(), [], []
    while at < seconds + usual:
        length = usual * (1 + depth * np.sin(2 * np.pi * breath * at)) * np.exp(jitter * r.normal())
        moments.append(at)
        lengths.append(length)
        at += length
    return np.array(moments), np.array(lengths)


def _train(
    r: Generator, samples: int, rate: float, least: float, most: float,
    shape: Callable[[Float64, float], Float64],
) -> Float64:  # fmt: skip
    """Add ``shape(seconds since an event, interval)`` at events ``least`` to ``most`` s apart."""
    time, x = np.arange(samples) / rate, np.zeros(samples)
    for at, length in zip(*_intervals(r, samples / rate, least, most), strict=True):
        first = max(0, int(np.ceil(at * rate)))
        last = min(samples, first + int(2 * length * rate))
        x[first:last] += shape(time[first:last] - at, length)
    return x


def _resonant(x: Float64, rate: float, hertz: float, damping: float) -> Float64:
    """Pass a signal through a mass on a spring, of unit gain at 0 Hz (bilinear transform)."""
    warped = 2 * rate * np.tan(np.pi * min(hertz, 0.4 * rate) / rate)
    k, square = 2 * rate, warped * warped
    ahead = k * k + 2 * damping * warped * k + square
    a = [1.0, (2 * square - 2 * k * k) / ahead, (k * k - 2 * damping * warped * k + square) / ahead]
    y: Float64 = lfilter(np.array([1.0, 2.0, 1.0]) * square / ahead, a, x)
    return y


def _smooth(x: Float64, rate: float, hertz: float) -> Float64:
    y: Float64 = sosfilt(butter(1, min(hertz, 0.4 * rate), fs=rate, output="sos"), x)
    return y


def _with_noise(r: Generator, x: Float64, most: float) -> Float64:
    x = x - x.mean()
    size = max(float(x.std()), 1e-12)
    y: Float64 = x / size + r.uniform(0, most) * r.normal(size=x.size)
    return y


def _ejection(r: Generator, samples: int, rate: float) -> Float64:
    """Flow out of the heart: half a sine that leans to its beginning, a short backflow."""
    share, lean, back = r.uniform(0.25, 0.38), r.uniform(0.5, 1.0), r.uniform(0, 0.35)

    def beat(t: Float64, length: float) -> Float64:
        lasts = share * min(length, 1.0)
        u = np.clip(t / lasts, 0, 1)
        closing = np.exp(-0.5 * ((t - lasts - 0.015) / 0.012) ** 2)
        return np.sin(np.pi * u**lean) - back * closing

    return _train(r, samples, rate, 0.4, 1.3, beat)


def _windkessel(r: Generator, samples: int, rate: float) -> Float64:
    """Pressure of a vessel into which the heart ejects, through a line that rings at 8 to 40 Hz."""
    flow, decay = _ejection(r, samples, rate), np.exp(-1 / (r.uniform(0.4, 2.0) * rate))
    pressure = lfilter([1 - decay], [1, -decay], flow) + r.uniform(0, 0.05) * flow
    return _resonant(pressure, rate, r.uniform(8, 40), r.uniform(0.15, 0.8))


def _slope(make: Kind, low: float, high: float) -> Kind:
    def sloped(r: Generator, samples: int, rate: float) -> Float64:
        x = _smooth(np.diff(make(r, samples, rate), prepend=0.0), rate, r.uniform(low, high))
        x[: round(0.2 * rate)] = 0.0
        return _with_noise(r, x, 0.05)

    return sloped


def _plain(make: Kind, noise: float) -> Kind:
    return lambda r, samples, rate: _with_noise(r, make(r, samples, rate), noise)


def _venous(r: Generator, samples: int, rate: float) -> Float64:
    """Pressure of a central vein: a and c waves, x descent, v wave, y descent."""
    a, v, width = r.uniform(0.5, 1.2), r.uniform(0.5, 1.2), r.uniform(0.02, 0.05)

    def beat(t: Float64, length: float) -> Float64:
        def hump(at: float, wide: float) -> Float64:
            y: Float64 = np.exp(-0.5 * ((t - at * length) / wide) ** 2)
            return y

        waves = a * hump(0.15, width) + 0.5 * hump(0.27, 0.7 * width) + v * hump(0.6, 1.5 * width)
        return waves - 0.6 * hump(0.4, 1.5 * width)

    return _with_noise(r, _train(r, samples, rate, 0.45, 1.3, beat), 0.06)


def _strikes(r: Generator, samples: int, rate: float) -> Float64:
    """Steps: blows of 5 to 20 ms on a body that rings, left and right unlike, and their sway."""
    left, width = r.uniform(0.4, 1.0), r.uniform(0.005, 0.02)
    blow = _train(r, samples, rate, 0.33, 0.9, lambda t, length: np.exp(-0.5 * (t / width) ** 2))
    sides = _train(r, samples, rate, 0.33, 0.9, lambda t, length: np.exp(-0.5 * (t / width) ** 2))
    x = _resonant(
        blow + left * sides * r.integers(0, 2), rate, r.uniform(4, 18), r.uniform(0.1, 0.5)
    )
    sway = _train(
        r, samples, rate, 0.4, 1.2, lambda t, length: np.sin(np.pi * np.clip(t / length, 0, 1))
    )
    return _with_noise(r, x / max(x.std(), 1e-12) + r.uniform(0, 0.8) * sway, 0.15)


def _fingertaps(r: Generator, samples: int, rate: float) -> Float64:
    """Tapping on a table or a sensor: a push, and the board's ringing."""
    hertz, damping = r.uniform(12, 45), r.uniform(0.08, 0.4)
    push = _train(r, samples, rate, 0.25, 1.2, lambda t, length: (t < 0.02) * 1.0)
    return _with_noise(r, _resonant(push, rate, hertz, damping) - r.uniform(0.6, 1) * push, 0.1)


def _relaxing(r: Generator, samples: int, rate: float) -> Float64:
    """FitzHugh and Nagumo's oscillator: it charges and fires, 0.6 to 4 times a second."""
    speed, drive, slow = r.uniform(25, 110), r.uniform(0.35, 1.1), r.uniform(0.04, 0.12)
    v, w, fine = -1.0, -0.5, 4
    x = np.zeros(samples)
    step = speed / rate / fine
    kicks = r.uniform(0, 0.02) * r.normal(size=samples)
    for k in range(samples):
        for _ in range(fine):
            v, w = v + step * (v - v**3 / 3 - w + drive), w + step * slow * (v + 0.7 - 0.8 * w)
        v = min(max(v + kicks[k], -3.0), 3.0)
        x[k] = v
    return _with_noise(r, x, 0.03)


def _membrane(r: Generator, samples: int, rate: float) -> Float64:
    """Potentials of a cell or a nerve: a stroke, a plateau or none, and back."""
    rise, lasts, down = r.uniform(0.002, 0.02), r.uniform(0.01, 0.35), r.uniform(0.01, 0.08)

    def beat(t: Float64, length: float) -> Float64:
        up = 1 - np.exp(-t / rise)
        return up / (1 + np.exp(np.clip((t - lasts) / down, -50, 50)))

    return _with_noise(r, _smooth(_train(r, samples, rate, 0.3, 1.5, beat), rate, 60.0), 0.04)


def _formants(r: Generator, samples: int, rate: float) -> Float64:
    """Sound that was slowed down or stored at a wrong rate: pulses of a voice, each rings."""
    pulses = _train(r, samples, rate, 0.2, 1.3, lambda t, length: (t < 0.012) * 1.0)
    x = sum(
        r.uniform(0.2, 1) * _resonant(pulses, rate, r.uniform(2, 25), r.uniform(0.03, 0.25))
        for _ in range(3)
    )
    return _with_noise(r, np.asarray(x), 0.1)


def _valves(r: Generator, samples: int, rate: float) -> Float64:
    """The breastbone when valves move: the forces of ejection on a chest of 8 to 30 Hz."""
    force = np.diff(_ejection(r, samples, rate), prepend=0.0)
    return _with_noise(r, _resonant(force, rate, r.uniform(8, 30), r.uniform(0.08, 0.4)), 0.12)


def _modulated(r: Generator, samples: int, rate: float) -> Float64:
    """A tone of 3 to 60 Hz whose loudness or pitch goes up and down 0.5 to 3 times a second."""
    time, slow = np.arange(samples) / rate, r.uniform(0.5, 3)
    turn = 2 * np.pi * (slow * time + r.uniform())
    tone = r.uniform(3, min(60.0, 0.4 * rate))
    if r.uniform() < 0.5:
        loud = np.maximum(0, 1 + r.uniform(0.5, 3) * np.sin(turn)) ** r.integers(1, 6)
        return _with_noise(r, loud * np.sin(2 * np.pi * tone * time), 0.05)
    return _with_noise(r, np.sin(2 * np.pi * tone * time + r.uniform(1, 12) * np.sin(turn)), 0.05)


def _chirps(r: Generator, samples: int, rate: float) -> Float64:
    """Chirps of 0.1 to 0.5 s, up or down between 2 and 40 Hz, once an event."""
    low, high, lasts = r.uniform(2, 10), r.uniform(10, 40), r.uniform(0.1, 0.5)
    if r.uniform() < 0.5:
        low, high = high, low

    def beat(t: Float64, length: float) -> Float64:
        u = np.clip(t / lasts, 0, 1)
        return np.sin(2 * np.pi * lasts * (low * u + (high - low) * u * u / 2)) * np.sin(np.pi * u)

    return _with_noise(r, _train(r, samples, rate, 0.3, 1.5, beat), 0.06)


def _telegraph(r: Generator, samples: int, rate: float) -> Float64:
    """Two levels that change at random, through an amplifier for AC and its low pass."""
    level = np.cumsum(r.uniform(size=samples) < r.uniform(0.5, 4) / rate) % 2 * 1.0
    sos = butter(1, r.uniform(0.3, 8), "highpass", fs=rate, output="sos")
    return _with_noise(r, _smooth(sosfilt(sos, level), rate, r.uniform(10, 60)), 0.03)


def _switching(r: Generator, samples: int, rate: float) -> Float64:
    """A supply's edges: each rings at 8 to 45 Hz (as it is after sampling), ripple between."""
    width = r.uniform(0.05, 0.5)
    gate = _train(r, samples, rate, 0.2, 1.2, lambda t, length: (t < width * length) * 1.0)
    x = _resonant(gate, rate, r.uniform(8, 45), r.uniform(0.05, 0.4))
    sos = butter(1, r.uniform(0.5, 6), "highpass", fs=rate, output="sos")
    return _with_noise(r, sosfilt(sos, x), 0.05)


def _clipped(r: Generator, samples: int, rate: float) -> Float64:
    """Something slow that an amplifier cannot follow: the top, the bottom or both are cut off."""
    time = np.arange(samples) / rate
    x = np.sin(2 * np.pi * (r.uniform(0.4, 4) * time + r.uniform()))
    x = x + r.uniform(0, 0.5) * _smooth(r.normal(size=samples), rate, 5.0)
    x = np.clip(x, -r.uniform(0.05, 1), r.uniform(0.05, 1))
    sos = butter(int(r.integers(1, 3)), r.uniform(0.3, 10), "highpass", fs=rate, output="sos")
    return _with_noise(r, np.tanh(r.uniform(0.5, 6) * sosfilt(sos, x)), 0.03)


def _ramps(r: Generator, samples: int, rate: float) -> Float64:
    """Counters and scans: a ramp and its return, through an amplifier for AC."""
    back = r.uniform(0.01, 0.1)

    def beat(t: Float64, length: float) -> Float64:
        return np.clip(t / length, 0, 1) * np.clip((length - t) / (back * length), 0, 1)

    x = _train(r, samples, rate, 0.25, 1.5, beat)
    sos = butter(1, r.uniform(0.3, 12), "highpass", fs=rate, output="sos")
    return _with_noise(r, _smooth(sosfilt(sos, x), rate, r.uniform(8, 60)), 0.04)


def _coarse_steps(r: Generator, samples: int, rate: float) -> Float64:
    """A converter with few steps: a slow wave becomes a staircase."""
    time = np.arange(samples) / rate
    x = np.sin(2 * np.pi * r.uniform(0.2, 2) * time) + r.uniform(0, 0.3) * r.normal(size=samples)
    step = r.uniform(0.2, 1.2)
    return _with_noise(r, _smooth(np.round(_smooth(x, rate, 4.0) / step), rate, 40.0), 0.02)


def _muscle_bursts(r: Generator, samples: int, rate: float) -> Float64:
    """Chewing, shivering, a hand that grips: trapezoids of muscle noise with the cable's shift."""
    lasts, edge = r.uniform(0.05, 0.4), r.uniform(0.01, 0.06)
    effort = _train(
        r, samples, rate, 0.25, 1.6,
        lambda t, length: np.clip(t / edge, 0, 1) * np.clip((lasts - t) / edge, 0, 1),
    )  # fmt: skip
    sos = butter(2, (r.uniform(8, 25), 0.4 * min(rate, 250.0)), "bandpass", fs=rate, output="sos")
    raw = sosfilt(sos, r.normal(size=samples))
    shift = r.uniform(0, 3) * raw.std() * _smooth(effort, rate, 4.0)
    return _with_noise(r, raw * (0.05 + effort) + shift, 0.02)


def _pump(r: Generator, samples: int, rate: float) -> Float64:
    """Rollers of a pump or of dialysis: two unlike humps a turn in a line that rings."""
    second, width = r.uniform(0.5, 1), r.uniform(0.04, 0.12)

    def turn(t: Float64, length: float) -> Float64:
        one = np.exp(-0.5 * ((t / length - 0.25) / width) ** 2)
        return one + second * np.exp(-0.5 * ((t / length - 0.75) / width) ** 2)

    x = _resonant(_train(r, samples, rate, 0.6, 2.2, turn), rate, r.uniform(6, 30), 0.3)
    return _with_noise(r, x, 0.04)


def _scanner(r: Generator, samples: int, rate: float) -> Float64:
    """Gradients of a scanner: the same train of lobes at every repetition."""
    lobes, lasts = int(r.integers(2, 9)), r.uniform(0.03, 0.3)
    sizes = r.normal(size=lobes)

    def train(t: Float64, length: float) -> Float64:
        place = np.floor(t / lasts * lobes).astype(np.int64)
        return np.where((t >= 0) & (place < lobes), sizes[np.clip(place, 0, lobes - 1)], 0.0)

    x = _smooth(_train(r, samples, rate, 0.3, 1.5, train), rate, r.uniform(8, 40))
    return _with_noise(r, x, 0.05)


def _alpha_and_blinks(r: Generator, samples: int, rate: float) -> Float64:
    """A brain's alpha rhythm by two poles, and blinks that an amplifier for AC turns back."""
    turn, radius = 2 * np.pi * r.uniform(8, 12) / rate, np.exp(-1 / (r.uniform(0.1, 0.6) * rate))
    alpha = lfilter([1.0], [1, -2 * radius * np.cos(turn), radius**2], r.normal(size=samples))
    width = r.uniform(0.06, 0.12)
    blinks = _train(
        r, samples, rate, 0.7, 4.0, lambda t, length: np.exp(-0.5 * ((t - 0.2) / width) ** 2)
    )
    sos = butter(1, r.uniform(0.1, 3), "highpass", fs=rate, output="sos")
    x = sosfilt(sos, r.uniform(2, 8) * blinks) + alpha / alpha.std() * r.uniform(0.2, 1)
    return _with_noise(r, x, 0.2)


def _mains_and_harmonics(r: Generator, samples: int, rate: float) -> Float64:
    """Mains with odd harmonics, whose size a dimmer or a loose wire changes."""
    time, base = np.arange(samples) / rate, r.choice([50.0, 60.0])
    x = sum(
        r.uniform(0, 1) / k * np.sin(2 * np.pi * (k * base * time + r.uniform()))
        for k in (1, 3, 5, 7)
    )
    loose = _train(r, samples, rate, 0.3, 2, lambda t, length: np.exp(-t / 0.1))
    return _with_noise(r, np.asarray(x) * (0.2 + r.uniform(0, 2) * loose), 0.05)


def _belt(r: Generator, samples: int, rate: float) -> Float64:
    """A belt for breathing: breaths, coughs, and the heart's shocks on it."""
    breath = _train(r, samples, rate, 2, 6, lambda t, length: np.sin(np.pi * np.clip(t / 2, 0, 1)))
    shocks = np.diff(_ejection(r, samples, rate), prepend=0.0) * rate / 20
    cough = _train(r, samples, rate, 1, 5, lambda t, length: (t < 0.08) * r.uniform(0, 1))
    x = breath + r.uniform(0, 0.5) * _resonant(shocks, rate, r.uniform(4, 12), 0.3)
    return _with_noise(r, x + _resonant(cough, rate, r.uniform(3, 10), 0.4), 0.05)


PHYSICS: dict[str, Kind] = {
    "windkessel": _plain(_windkessel, 0.04),
    "slope of a windkessel": _slope(_windkessel, 8, 60),
    "flow of a windkessel": _plain(_ejection, 0.06),
    "slope of the flow": _slope(_ejection, 8, 40),
    "venous pressure": _venous,
    "strikes of feet": _strikes,
    "finger taps": _fingertaps,
    "relaxation oscillator": _relaxing,
    "potentials of a cell": _membrane,
    "slowed sound": _formants,
    "valves on the breastbone": _valves,
    "modulated tone": _modulated,
    "chirps": _chirps,
    "random telegraph": _telegraph,
    "switching supply": _switching,
    "clipped waves": _clipped,
    "ramps through AC": _ramps,
    "coarse steps": _coarse_steps,
    "bursts of muscle": _muscle_bursts,
    "roller pump": _pump,
    "gradients of a scanner": _scanner,
    "alpha and blinks": _alpha_and_blinks,
    "mains and harmonics": _mains_and_harmonics,
    "belt": _belt,
}
