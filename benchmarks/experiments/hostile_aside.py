"""Signals that are no ECG and that neither the limits nor the trees of the gate learned from.

Kinds as in :mod:`benchmarks.experiments.hostile_signals`, each made another way than there. How
many pass was looked at while the two thresholds of the trees were chosen: they are no kept set.
Whoever changes the gate looks at the kinds of that module alone, and counts these once, with a new
seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt, sosfiltfilt

from benchmarks.experiments.hostile_signals import Generator, Kind

__all__ = ["ASIDE", "IMITATIONS"]

Float64 = NDArray[np.float64]


def _onsets(r: Generator, samples: int, rate: float, hertz: float, spread: float) -> Float64:
    """Moments of beats in seconds, intervals drawn one by one (not a wandering phase)."""
    count = int(samples / rate * hertz * 2) + 10
    return np.cumsum(np.maximum(0.25, 1 + spread * r.normal(size=count)) / hertz) - r.uniform(0, 1)


def _placed(samples: int, rate: float, onsets: Float64, shapes: list[Float64]) -> Float64:
    """Add one shape after another at the onsets."""
    x = np.zeros(samples)
    for onset, shape in zip(onsets, shapes, strict=True):
        start = round(onset * rate)
        low, high = max(0, start), min(samples, start + shape.size)
        if high > low:
            x[low:high] += shape[low - start : high - start]
    return x


def _repeated(samples: int, rate: float, onsets: Float64, shape: Float64) -> Float64:
    return _placed(samples, rate, onsets, [shape] * onsets.size)


def _spectrum_noise(r: Generator, samples: int, rate: float, low: float, high: float) -> Float64:
    hertz = np.fft.rfftfreq(samples, 1 / rate)
    inside = (hertz >= low) & (hertz <= high)
    phases = np.exp(2j * np.pi * r.uniform(size=hertz.size))
    x = np.fft.irfft(inside * phases * r.rayleigh(size=hertz.size), samples)
    return x / max(x.std(), 1e-12)


def _pink(r: Generator, samples: int, exponent: float) -> Float64:
    hertz = np.arange(samples // 2 + 1, dtype=float)
    hertz[0] = np.inf
    x = np.fft.irfft(
        hertz ** (-exponent / 2) * np.exp(2j * np.pi * r.uniform(size=hertz.size)), samples
    )
    return x / x.std()


def _pulse(r: Generator, rate: float, hertz: float) -> Float64:
    """A pulse wave of two log-normal humps."""
    time = np.arange(1, round(1.2 / hertz * rate)) / rate * hertz
    x = np.exp(-0.5 * (np.log(time / 0.2) / r.uniform(0.3, 0.45)) ** 2)
    x += r.uniform(0.1, 0.5) * np.exp(-0.5 * (np.log(time / r.uniform(0.45, 0.55)) / 0.2) ** 2)
    return x * np.clip((1.2 - time) / 0.2, 0, 1)


def _ppg(r: Generator, samples: int, rate: float) -> Float64:
    hertz = r.uniform(0.8, 2.2)
    onsets = _onsets(r, samples, rate, hertz, 0.04)
    x = _repeated(samples, rate, onsets, _pulse(r, rate, hertz))
    x *= 1 + 0.1 * np.sin(2 * np.pi * 0.25 * np.arange(samples) / rate)
    return x + 0.003 * r.normal(size=samples)


def _slope(make: Kind, noise: float, cut: float) -> Kind:
    def sloped(r: Generator, samples: int, rate: float) -> Float64:
        x = np.gradient(make(r, samples, rate)) * rate
        x = sosfiltfilt(butter(4, min(cut, 0.4 * rate), fs=rate, output="sos"), x)
        return x / x.std() + noise * r.normal(size=samples)

    return sloped


def _arterial(r: Generator, samples: int, rate: float) -> Float64:
    """Two-element Windkessel with a half sine of flow, pushed through a resonant line."""
    hertz, tau = r.uniform(0.8, 2.0), r.uniform(0.8, 1.8)
    ejection = np.sin(np.pi * np.linspace(0, 1, max(3, round(r.uniform(0.22, 0.32) * rate))))
    flow = _repeated(samples, rate, _onsets(r, samples, rate, hertz, 0.03), ejection)
    x = lfilter([1 / rate], [1, -(1 - 1 / (tau * rate))], flow)
    w, d = 2 * np.pi * r.uniform(10, 20) / rate, r.uniform(0.2, 0.5)
    line = sosfilt(butter(2, min(0.45, w / (2 * np.pi) * (1 + d)) * rate, fs=rate, output="sos"), x)
    return 80 + 40 * line / np.ptp(line) + 0.05 * r.normal(size=samples)


def _breathing(r: Generator, samples: int, rate: float) -> Float64:
    hertz = r.uniform(0.15, 0.5)
    width = round(rate / hertz * 0.9)
    shape = np.sin(np.pi * np.linspace(0, 1, width)) ** r.uniform(0.7, 3)
    x = _repeated(samples, rate, _onsets(r, samples, rate, hertz, 0.1), shape)
    return x + 0.02 * _spectrum_noise(r, samples, rate, 0.8, 8)


def _absence(r: Generator, samples: int, rate: float) -> Float64:
    """Polyspikes and a wave of half a sine, 2.5 to 3.5 a second, on a background of EEG."""
    hertz = r.uniform(2.5, 3.5)
    time = np.arange(round(rate / hertz)) / rate
    spikes, width = int(r.integers(1, 3)), r.uniform(0.012, 0.03)
    shape = sum(np.exp(-0.5 * ((time - 0.05 - 0.06 * k) / width) ** 2) for k in range(spikes))
    shape = shape - r.uniform(0.4, 1) * np.sin(np.pi * np.clip((time - 0.12) * hertz * 1.6, 0, 1))
    x = _repeated(samples, rate, _onsets(r, samples, rate, hertz, 0.03), shape)
    return x + 0.12 * _pink(r, samples, 1)


def _spikes_between(r: Generator, samples: int, rate: float) -> Float64:
    """Interictal spikes, each followed by a slow wave, now and then on alpha and pink noise."""
    time = np.arange(round(0.5 * rate)) / rate
    shape = np.exp(-0.5 * ((time - 0.06) / r.uniform(0.012, 0.025)) ** 2)
    shape -= 0.5 * np.exp(-0.5 * ((time - 0.25) / 0.07) ** 2)
    onsets = np.cumsum(r.exponential(1 / r.uniform(0.3, 1.2), samples)) - 1
    onsets = onsets[onsets < samples / rate]
    shapes = [r.uniform(0.4, 1.2) * shape for _ in onsets]
    x = 3 * _placed(samples, rate, onsets, shapes)
    return x + _pink(r, samples, 1) * 0.5 + 0.6 * _spectrum_noise(r, samples, rate, 8, 12)


def _background(r: Generator, samples: int, rate: float) -> Float64:
    x = r.uniform(0, 1, 4) @ np.stack(
        [_spectrum_noise(r, samples, rate, *b) for b in ((1, 4), (4, 8), (8, 13), (13, 30))]
    )
    return x + 0.1 * _pink(r, samples, 1)


def _muscle(r: Generator, samples: int, rate: float) -> Float64:
    """Laplacian muscle noise under steps and ramps of effort."""
    sos = butter(2, (20, min(150, 0.45 * rate)), "bandpass", fs=rate, output="sos")
    knots = r.uniform(0.02, 1, max(3, int(samples / rate / r.uniform(0.3, 2))) + 1)
    effort = np.interp(np.linspace(0, knots.size - 1, samples), np.arange(knots.size), knots)
    return sosfilt(sos, r.laplace(size=samples)) * effort**2


def _ballistic(r: Generator, samples: int, rate: float) -> Float64:
    """H, I, J, K and L waves as alternating humps."""
    hertz = r.uniform(0.8, 1.6)
    time = np.arange(round(0.6 * rate)) / rate
    width = r.uniform(0.03, 0.045)
    shape = sum(
        size * np.exp(-0.5 * ((time - at) / width) ** 2)
        for size, at in ((0.3, 0.08), (-0.6, 0.16), (1, 0.25), (-0.8, 0.35), (0.35, 0.45))
    )
    onsets = _onsets(r, samples, rate, hertz, 0.05)
    x = _placed(samples, rate, onsets, [r.uniform(0.8, 1.2) * shape for _ in onsets])
    breath = np.sin(2 * np.pi * r.uniform(0.2, 0.3) * np.arange(samples) / rate)
    return x + 0.5 * breath + 0.05 * _pink(r, samples, 1)


def _sound_envelope(r: Generator, samples: int, rate: float) -> Float64:
    """The envelope of heart sounds: two humps a beat, never under zero."""
    hertz = r.uniform(0.8, 2.0)
    time = np.arange(round(0.55 * rate)) / rate
    one, two = r.uniform(0.025, 0.05), r.uniform(0.02, 0.04)
    shape = np.exp(-0.5 * ((time - 0.1) / one) ** 2)
    shape += r.uniform(0.3, 0.9) * np.exp(-0.5 * ((time - 0.1 - r.uniform(0.25, 0.35)) / two) ** 2)
    onsets = _onsets(r, samples, rate, hertz, 0.04)
    x = _placed(samples, rate, onsets, [r.uniform(0.8, 1.2) * shape for _ in onsets])
    rough = np.abs(_spectrum_noise(r, samples, rate, 1, 20))
    return x * (1 + 0.1 * rough) + 0.02 * rough


def _walk(r: Generator, samples: int, rate: float) -> Float64:
    """An accelerometer on the hip: heel strikes left and right, gravity, a wobble."""
    hertz = r.uniform(1.4, 2.4)
    time = np.arange(round(0.7 / hertz * rate)) / rate
    strike = np.exp(-time / r.uniform(0.04, 0.09)) * np.sin(2 * np.pi * r.uniform(4, 10) * time)
    onsets = _onsets(r, samples, rate, hertz, 0.03)
    shapes = [(1 if k % 2 else r.uniform(0.6, 1)) * strike for k in range(onsets.size)]
    bounce = np.sin(2 * np.pi * hertz * np.arange(samples) / rate + r.uniform(0, 6))
    x = _placed(samples, rate, onsets, shapes) + r.uniform(0.1, 0.5) * bounce
    return 1 + x + 0.04 * _spectrum_noise(r, samples, rate, 0.5, 15)


def _train(shape_of: Kind, slowest: float, fastest: float) -> Kind:
    """One shape again and again, at a fixed rate."""

    def make(r: Generator, samples: int, rate: float) -> Float64:
        hertz = r.uniform(slowest, fastest)
        shape = shape_of(r, round(rate / hertz), rate)
        onsets = np.arange(-1.0, samples / rate + 1, 1 / hertz)
        return _repeated(samples, rate, onsets, shape) + 0.003 * r.normal(size=samples)

    return make


def _held(least: float, most: float) -> Kind:
    """One for a share of the period, zero for the rest."""

    def shape(r: Generator, samples: int, rate: float) -> Float64:
        return (np.arange(samples) < r.uniform(least, most) * samples).astype(float)

    return shape


def _sinc(r: Generator, samples: int, rate: float) -> Float64:
    time = (np.arange(samples) - samples / 2) / rate
    return np.sinc(2 * r.uniform(2, 12) * time)


def _chirp_of(r: Generator, samples: int, rate: float) -> Float64:
    time = np.arange(samples) / rate
    low, high = r.uniform(0.5, 5), r.uniform(6, 30)
    return np.sin(2 * np.pi * (low * time + (high - low) * time**2 * rate / samples / 2))


def _long_chirp(r: Generator, samples: int, rate: float) -> Float64:
    time = np.arange(samples) / rate
    low, high = r.uniform(0.1, 2), r.uniform(5, 45)
    ratio, whole = high / low, samples / rate
    return np.sin(2 * np.pi * low * whole / np.log(ratio) * (ratio ** (time / whole) - 1))


def _template(low: float, high: float) -> Kind:
    """Half a second of noise, tapered; repeated it is the same at every beat."""

    def shape(r: Generator, samples: int, rate: float) -> Float64:
        width = min(samples, round(r.uniform(0.3, 0.8) * rate))
        x = _spectrum_noise(r, 4 * width, rate, low, high)[:width] * np.hanning(width)
        return np.pad(x, (0, samples - width))

    return shape


def _calibration(r: Generator, samples: int, rate: float) -> Float64:
    """1-mV steps of 200 ms every 0.4 to 2 s with a rise of some ms, through a 0.05-Hz high pass."""
    period, width = r.uniform(0.4, 2.0), r.uniform(0.1, 0.2)
    x = (np.arange(samples) / rate % period < width).astype(float)
    smooth = sosfilt(butter(2, min(r.uniform(30, 150), 0.4 * rate), fs=rate, output="sos"), x)
    return sosfilt(butter(1, 0.05, "highpass", fs=rate, output="sos"), smooth)


def _counter(r: Generator, samples: int, rate: float) -> Float64:
    step = int(r.integers(1, 200))
    return (np.arange(samples) * step % int(r.choice([256, 1024, 4096, 65536]))).astype(float)


def _bits(r: Generator, samples: int, rate: float) -> Float64:
    hold = max(1, round(rate / r.uniform(1, 40)))
    return np.repeat(r.integers(0, int(r.choice([2, 4, 16])), samples // hold + 1), hold)[
        :samples
    ].astype(float)


def _dropouts(r: Generator, samples: int, rate: float) -> Float64:
    """A constant with short dropouts, regular or not."""
    x = np.ones(samples) + 1e-3 * r.normal(size=samples)
    gap = r.uniform(0.3, 1.5)
    moments = np.arange(0.2, samples / rate, gap)
    if r.uniform() < 0.5:
        moments = moments + r.uniform(-0.4, 0.4, moments.size) * gap
    for moment in moments:
        x[max(0, round(moment * rate)) :][: max(1, round(r.uniform(0.005, 0.08) * rate))] = 0.0
    return x


def _hum(r: Generator, samples: int, rate: float) -> Float64:
    time = np.arange(samples) / rate
    base = float(r.choice([50, 60])) + r.uniform(-0.2, 0.2)
    x = sum(r.uniform(0, 1) / k * np.sin(2 * np.pi * (k * base * time)) for k in (1, 2, 3))
    return x + 0.02 * _pink(r, samples, 1)


ASIDE: dict[str, Kind] = {
    "PPG": _ppg,
    "slope of a PPG": _slope(_ppg, 0.02, 15),
    "arterial pressure": _arterial,
    "slope of an arterial pressure": _slope(_arterial, 0.02, 25),
    "breathing": _breathing,
    "EEG, spikes and waves": _absence,
    "EEG, spikes now and then": _spikes_between,
    "EEG": _background,
    "EMG": _muscle,
    "ballistocardiogram": _ballistic,
    "envelope of heart sounds": _sound_envelope,
    "walking": _walk,
    "square train": _train(_held(0.4, 0.6), 0.5, 4),
    "saw train": _train(lambda r, n, f: np.linspace(0, 1, n) * r.choice([-1, 1]), 0.5, 4),
    "pulse train": _train(_held(0.02, 0.2), 0.5, 4),
    "sinc train": _train(_sinc, 0.6, 3),
    "repeated chirp": _train(_chirp_of, 0.3, 1.5),
    "chirp": _long_chirp,
    "template of 0.5-8 Hz": _train(_template(0.5, 8), 0.6, 2),
    "template of 1-20 Hz": _train(_template(1, 20), 0.6, 2),
    "calibration steps": _calibration,
    "counter": _counter,
    "bits": _bits,
    "constant with dropouts": _dropouts,
    "mains": _hum,
    "1/f noise": lambda r, n, f: _pink(r, n, r.uniform(0.7, 2.2)),
    "noise of 0.5-5 Hz": lambda r, n, f: _spectrum_noise(r, n, f, 0.5, 5),
}
IMITATIONS = ("pulse train", "sinc train", "template of 1-20 Hz", "constant with dropouts")
"""Spikes as sharp as a QRS complex at the rate of a heart: what repeats so may be one."""
