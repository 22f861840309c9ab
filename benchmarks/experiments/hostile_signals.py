"""Signals that are no ECG, by kind: noise, waves of generators, other body signals, devices.

Each kind is a function of a generator of random numbers, a length and a sampling rate, and gives
one channel of about 1 mV; parameters are drawn anew at each call, so that a limit cannot be fitted
to one of them. :func:`as_leads` makes several leads of it: alike but for gain, or each its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, chirp, sawtooth, sosfilt, sosfiltfilt, square

__all__ = ["KINDS", "as_leads"]

Float64 = NDArray[np.float64]
Generator = np.random.Generator
Kind = Callable[[Generator, int, float], Float64]


def _time(samples: int, rate: float) -> Float64:
    return np.arange(samples) / rate


def _coloured(r: Generator, samples: int, exponent: float) -> Float64:
    frequency = np.fft.rfftfreq(samples)
    size = np.where(frequency > 0, frequency, np.inf) ** (-exponent / 2)
    spectrum = size * (r.normal(size=frequency.size) + 1j * r.normal(size=frequency.size))
    x = np.fft.irfft(spectrum, samples)
    return x / x.std()


def _band(r: Generator, samples: int, rate: float, low: float, high: float) -> Float64:
    margin = round(4 * rate)
    sos = butter(3, (low, min(high, 0.45 * rate)), "bandpass", fs=rate, output="sos")
    x = sosfiltfilt(sos, r.normal(size=samples + 2 * margin))[margin:-margin]
    return x / x.std()


def _phase(r: Generator, samples: int, rate: float, hertz: float, variation: float) -> Float64:
    """Phase in turns of a rhythm whose rate wanders slowly."""
    wander = _band(r, samples, rate, 0.05, 0.4)
    return np.cumsum(hertz * (1.0 + variation * wander)) / rate + r.uniform()


def _noise(x: Float64, r: Generator, most: float) -> Float64:
    return x + r.uniform(0, most) * x.std() * r.normal(size=x.size)


def _sines(r: Generator, samples: int, rate: float) -> Float64:
    time, x = _time(samples, rate), np.zeros(samples)
    for _ in range(r.integers(2, 6)):
        x += r.uniform(0.3, 1) * np.sin(2 * np.pi * (r.uniform(0.3, 25) * time + r.uniform()))
    return x


def _harmonic_sines(r: Generator, samples: int, rate: float) -> Float64:
    time, base, x = _time(samples, rate), r.uniform(0.6, 4), np.zeros(samples)
    for k in range(1, r.integers(3, 6)):
        x += r.uniform(0.2, 1) / k * np.sin(2 * np.pi * (k * base * time + r.uniform()))
    return x


def _eeg(r: Generator, samples: int, rate: float) -> Float64:
    alpha = _band(r, samples, rate, 8.5, 11.5) * (1 + 0.8 * _band(r, samples, rate, 0.1, 0.8))
    return _coloured(r, samples, r.uniform(0.8, 1.4)) + r.uniform(0.5, 2.5) * alpha


def _walking(r: Generator, samples: int, rate: float) -> Float64:
    """Vertical acceleration: harmonics of the step rate, a softened blow at each step."""
    turns = _phase(r, samples, rate, r.uniform(1.5, 2.2), 0.02)
    x = sum(
        r.uniform(0.3, 1) / k * np.sin(2 * np.pi * (k * turns + r.uniform())) for k in range(1, 5)
    )
    within = turns % 1.0
    blow = np.exp(-within / 0.06) * np.sin(2 * np.pi * within / 0.12)
    return _noise(x + r.uniform(0, 0.8) * blow, r, 0.3)


def _ppg(r: Generator, samples: int, rate: float) -> Float64:
    turns = _phase(r, samples, rate, r.uniform(0.7, 2.5), 0.02) % 1.0
    peak, notch = r.uniform(0.15, 0.25), r.uniform(0.4, 0.5)
    x = np.exp(-0.5 * ((turns - peak) / 0.09) ** 2)
    x += r.uniform(0.1, 0.5) * np.exp(-0.5 * ((turns - notch) / 0.1) ** 2)
    return _noise(x + 0.2 * _band(r, samples, rate, 0.15, 0.4), r, 0.05)


def _pressure(r: Generator, samples: int, rate: float) -> Float64:
    """Arterial pressure: a steep rise over 80 to 150 ms, a notch, an exponential fall."""
    base = r.uniform(0.8, 2.2)
    within = (_phase(r, samples, rate, base, 0.02) % 1.0) / base
    rise = r.uniform(0.08, 0.15)
    up = 0.5 - 0.5 * np.cos(np.pi * np.clip(within / rise, 0, 1))
    x = up * np.exp(-np.maximum(within - rise, 0) / r.uniform(0.25, 0.5))
    x -= r.uniform(0, 0.15) * np.exp(-0.5 * ((within - 0.3) / 0.02) ** 2)
    # The transducer and its line pass up to about 12 Hz.
    sos = butter(2, 12.0, fs=rate, output="sos")
    return _noise(sosfiltfilt(sos, x), r, 0.03)


def _respiration(r: Generator, samples: int, rate: float) -> Float64:
    turns = _phase(r, samples, rate, r.uniform(0.15, 0.6), 0.08)
    x = np.sin(2 * np.pi * turns) + 0.3 * np.sin(4 * np.pi * turns + r.uniform(0, 6))
    return _noise(x, r, 0.1)


def _emg(r: Generator, samples: int, rate: float) -> Float64:
    """Bursts of muscle noise with the rhythm of a movement."""
    turns = _phase(r, samples, rate, r.uniform(0.4, 1.5), 0.1) % 1.0
    return _band(r, samples, rate, 20, 90) * (0.1 + np.exp(-0.5 * ((turns - 0.5) / 0.15) ** 2))


def _eyes(r: Generator, samples: int, rate: float) -> Float64:
    """Saccades: steps of the corneal potential at irregular moments."""
    steps = np.zeros(samples)
    at = r.integers(0, samples, r.integers(8, 25))
    steps[at] = r.normal(size=at.size)
    sos = butter(1, min(30.0, 0.4 * rate), fs=rate, output="sos")
    return _noise(sosfiltfilt(sos, np.cumsum(steps)), r, 0.05)


def _calibration(r: Generator, samples: int, rate: float) -> Float64:
    """Pulses of 1 mV and 0.1 to 0.3 s."""
    turns = (_time(samples, rate) / r.uniform(0.5, 2.0) + r.uniform()) % 1.0
    return np.where(turns < r.uniform(0.15, 0.4), 1.0, 0.0) + 0.002 * r.normal(size=samples)


def _rails(r: Generator, samples: int, rate: float) -> Float64:
    """An electrode that is off: the amplifier at one rail or the other, mains at times."""
    edges = np.sort(r.integers(0, samples, r.integers(2, 12)))
    level = np.where(np.searchsorted(edges, np.arange(samples)) % 2, 5.0, -5.0)
    return level + r.uniform(0, 0.05) * np.sin(2 * np.pi * 50 * _time(samples, rate))


def _mains(r: Generator, samples: int, rate: float) -> Float64:
    turns = r.choice([50.0, 60.0]) * _time(samples, rate) + r.uniform()
    return np.sin(2 * np.pi * turns) * (1 + r.uniform(0, 0.5) * _band(r, samples, rate, 0.3, 2))


def _through_highpass(make: Kind) -> Kind:
    """A recorder's first-order high pass turns levels into decays."""

    def passed(r: Generator, samples: int, rate: float) -> Float64:
        sos = butter(1, r.uniform(0.05, 3.0), "highpass", fs=rate, output="sos")
        return _noise(sosfilt(sos, make(r, samples, rate)), r, 0.02)

    return passed


def _stimulator(r: Generator, samples: int, rate: float) -> Float64:
    """Two-phase pulses of 0.5 to 3 ms, 0.5 to 3 a second."""
    x = np.zeros(samples)
    period, width = int(rate / r.uniform(0.5, 3)), max(1, int(rate * r.uniform(0.0005, 0.003)))
    for at in range(int(r.integers(0, period)), samples - 2 * width, period):
        x[at : at + width] = 1.0
        x[at + width : at + 2 * width] = -r.uniform(0.5, 1)
    sos = butter(1, 0.5, "highpass", fs=rate, output="sos")
    return sosfilt(sos, x) + 0.005 * r.normal(size=samples)


def _electrode_pops(r: Generator, samples: int, rate: float) -> Float64:
    """Steps of an electrode's potential that fade within 0.2 to 1 s."""
    x, time = np.zeros(samples), _time(samples, rate)
    for at in np.cumsum(r.exponential(1.2, 40)):
        x += r.normal() * np.exp(-np.maximum(time - at, 0) / r.uniform(0.2, 1.0)) * (time >= at)
    return _noise(x, r, 0.03)


def _tremor(r: Generator, samples: int, rate: float) -> Float64:
    """Bursts of muscle noise, 4 to 7 a second, on the movement that they make."""
    turns = _phase(r, samples, rate, r.uniform(4, 7), 0.03) % 1.0
    bursts = np.exp(-0.5 * ((turns - 0.5) / 0.12) ** 2)
    return _band(r, samples, rate, 15, 90) * bursts + 0.3 * np.sin(2 * np.pi * turns)


def _compressions(r: Generator, samples: int, rate: float) -> Float64:
    """What the compressions of a chest leave in the leads."""
    turns = 2 * np.pi * _phase(r, samples, rate, r.uniform(1.5, 2.2), 0.02)
    x = np.sin(turns) ** 3 + r.uniform(0, 0.5) * np.sin(2 * turns + r.uniform(0, 6))
    return _noise(x + 0.2 * np.sin(3 * turns + 1), r, 0.15)


def _within_beats(r: Generator, samples: int, rate: float, fastest: float) -> Float64:
    """Seconds since the last heartbeat."""
    base = r.uniform(0.8, fastest)
    return (_phase(r, samples, rate, base, 0.02) % 1.0) / base


def _heart_sounds(r: Generator, samples: int, rate: float) -> Float64:
    within = _within_beats(r, samples, rate, 2.0)
    first = np.exp(-0.5 * ((within - 0.1) / 0.03) ** 2)
    second = 0.6 * np.exp(-0.5 * ((within - 0.42) / 0.025) ** 2)
    x = first * np.sin(2 * np.pi * r.uniform(30, 60) * within)
    return _noise(x + second * np.sin(2 * np.pi * r.uniform(40, 80) * within), r, 0.05)


def _ballistocardiogram(r: Generator, samples: int, rate: float) -> Float64:
    """The heart's blow on a bed: a few waves of 4 to 7 Hz."""
    within = _within_beats(r, samples, rate, 1.6)
    blow = np.exp(-0.5 * ((within - 0.25) / 0.08) ** 2)
    rest = 0.3 * np.exp(-0.5 * ((within - 0.5) / 0.1) ** 2)
    x = blow * np.cos(2 * np.pi * r.uniform(4, 7) * (within - 0.25))
    x += rest * np.cos(2 * np.pi * 5 * (within - 0.5))
    return _noise(x + 0.4 * _band(r, samples, rate, 0.15, 0.4), r, 0.1)


def _seismocardiogram(r: Generator, samples: int, rate: float) -> Float64:
    """Vibrations of the breastbone when the valves open and close, 12 to 25 Hz."""
    within = _within_beats(r, samples, rate, 1.8)
    opening = np.exp(-0.5 * ((within - 0.15) / 0.03) ** 2)
    closing = 0.4 * np.exp(-0.5 * ((within - 0.45) / 0.03) ** 2)
    x = opening * np.sin(2 * np.pi * r.uniform(12, 25) * within)
    return _noise(x + closing * np.sin(2 * np.pi * r.uniform(12, 25) * within), r, 0.15)


def _pressure_slope(r: Generator, samples: int, rate: float) -> Float64:
    """The first derivative of an arterial pressure, as monitors show it."""
    return np.gradient(_pressure(r, samples, rate)) * rate


def _capnogram(r: Generator, samples: int, rate: float) -> Float64:
    turns = _phase(r, samples, rate, r.uniform(0.15, 0.6), 0.05) % 1.0
    plateau = np.clip((turns - 0.3) / 0.05, 0, 1) * np.clip((0.9 - turns) / 0.03, 0, 1)
    return _noise(plateau * (1 + 0.1 * turns), r, 0.02)


def _speech(r: Generator, samples: int, rate: float) -> Float64:
    envelope = np.maximum(_band(r, samples, rate, 1, 6), 0)
    pitch = min(0.35 * rate, r.uniform(90, 200)) * (1 + 0.05 * _band(r, samples, rate, 0.5, 2))
    voice = np.sin(2 * np.pi * np.cumsum(pitch) / rate)
    return _noise(envelope * (voice + 0.5 * r.normal(size=samples)), r, 0.02)


def _test_pattern(r: Generator, samples: int, rate: float) -> Float64:
    """A generator that shows a line, a sine, a square or a triangle wave for two seconds each."""
    length = int(2 * rate)
    time = _time(length, rate)
    waves = (
        np.zeros(length), np.sin(2 * np.pi * r.uniform(1, 10) * time),
        square(4 * np.pi * time), sawtooth(4 * np.pi * time, 0.5),
    )  # fmt: skip
    x = np.concatenate([waves[r.integers(4)] for _ in range(samples // length + 1)])[:samples]
    return x + 0.005 * r.normal(size=samples)


def _spike_and_wave(r: Generator, samples: int, rate: float) -> Float64:
    """An EEG in an absence: a spike and a slow wave, 2.5 to 4 a second."""
    turns = _phase(r, samples, rate, r.uniform(2.5, 4), 0.03) % 1.0
    spike = -np.exp(-0.5 * ((turns - 0.2) / r.uniform(0.02, 0.05)) ** 2)
    wave = np.exp(-0.5 * ((turns - 0.6) / 0.15) ** 2)
    x = r.uniform(0.6, 1.5) * spike + r.uniform(0.5, 1.2) * wave
    return _noise(x + 0.07 * _eeg(r, samples, rate), r, 0.05)


def _taps(r: Generator, samples: int, rate: float) -> Float64:
    """Blows against a cable: ringing transients, each its own, at irregular moments."""
    x, time = np.zeros(samples), _time(samples, rate)
    for at in np.cumsum(r.exponential(0.9, 30)):
        after = np.maximum(time - at, 0)
        ring = np.sin(2 * np.pi * (r.uniform(4, 25) * after + r.uniform()))
        x += r.normal() * ring * np.exp(-after / r.uniform(0.03, 0.2)) * (time >= at)
    return _noise(x, r, 0.1)


def _slope_of(make: Kind) -> Kind:
    """The first derivative, smoothed over 20 to 60 ms as a monitor does."""

    def sloped(r: Generator, samples: int, rate: float) -> Float64:
        width = max(1, round(r.uniform(0.02, 0.06) * rate))
        x = np.gradient(make(r, samples, rate)) * rate
        return _noise(np.convolve(x, np.hanning(width + 2) / width, "same"), r, 0.03)

    return sloped


def _wide_pressure(r: Generator, samples: int, rate: float) -> Float64:
    """Pressure by a catheter with the transducer in its tip: nothing is smoothed."""
    within = _within_beats(r, samples, rate, 2.2)
    rise = r.uniform(0.04, 0.12)
    x = np.clip(within / rise, 0, 1) ** r.uniform(1, 2) * np.exp(
        -np.maximum(within - rise, 0) / r.uniform(0.15, 0.6)
    )
    x -= r.uniform(0, 0.3) * np.exp(-0.5 * ((within - r.uniform(0.25, 0.35)) / 0.015) ** 2)
    return _noise(sosfiltfilt(butter(2, 25.0, fs=rate, output="sos"), x), r, 0.03)


def _impedance_slope(r: Generator, samples: int, rate: float) -> Float64:
    """dZ/dt of impedance cardiography: C wave, X, O."""
    within = _within_beats(r, samples, rate, 1.8)
    x = np.exp(-0.5 * ((within - 0.15) / r.uniform(0.03, 0.06)) ** 2)
    x -= r.uniform(0.1, 0.5) * np.exp(-0.5 * ((within - 0.32) / 0.025) ** 2)
    x += r.uniform(0.1, 0.4) * np.exp(-0.5 * ((within - 0.42) / 0.05) ** 2)
    return _noise(x + 0.1 * _band(r, samples, rate, 0.15, 0.4), r, 0.05)


def _intracranial(r: Generator, samples: int, rate: float) -> Float64:
    """Intracranial or venous pressure: three humps a beat."""
    within, width = _within_beats(r, samples, rate, 2.0), r.uniform(0.03, 0.06)
    x = sum(
        r.uniform(0.4, 1) * np.exp(-0.5 * ((within - at) / width) ** 2)
        for at in (0.12, 0.24, r.uniform(0.34, 0.44))
    )
    return _noise(x + 0.5 * _band(r, samples, rate, 0.1, 0.3), r, 0.05)


def _sharp_waves(r: Generator, samples: int, rate: float) -> Float64:
    """Periodic discharges of an EEG, 0.7 to 2.5 a second: two or three phases over 60 to 200 ms."""
    hertz = r.uniform(0.7, 2.5)
    within = (_phase(r, samples, rate, hertz, 0.05) % 1.0) / hertz
    width = r.uniform(0.02, 0.05)
    x = np.exp(-0.5 * ((within - 0.2) / width) ** 2)
    x -= r.uniform(0.2, 0.9) * np.exp(-0.5 * ((within - 0.2 - 2.5 * width) / (1.3 * width)) ** 2)
    x -= r.uniform(0, 0.6) * np.exp(-0.5 * ((within - 0.5) / 0.1) ** 2)
    return _noise(x + r.uniform(0.05, 0.15) * _eeg(r, samples, rate), r, 0.03)


def _spiky_eeg(r: Generator, samples: int, rate: float) -> Float64:
    """Spikes of 20 to 70 ms at irregular moments on the background."""
    x, time = _eeg(r, samples, rate) * 0.3, _time(samples, rate)
    for at in np.cumsum(r.exponential(1 / r.uniform(0.4, 2), 300)):
        if at > time[-1]:
            break
        near = slice(max(0, int((at - 0.5) * rate)), int((at + 1) * rate))
        spike = np.exp(-0.5 * ((time[near] - at) / r.uniform(0.01, 0.03)) ** 2)
        wave = np.exp(-0.5 * ((time[near] - at - 0.2) / 0.07) ** 2)
        x[near] += r.uniform(0.6, 3) * (spike - 0.5 * wave)
    return x


def _sound_envelope(r: Generator, samples: int, rate: float) -> Float64:
    """Heart sounds as an instrument shows them: rectified and smoothed."""
    sos = butter(2, r.uniform(8, 25), fs=rate, output="sos")
    return _noise(sosfiltfilt(sos, np.abs(_heart_sounds(r, samples, rate))), r, 0.04)


def _steps_at_the_ankle(r: Generator, samples: int, rate: float) -> Float64:
    """Running or a watch at the wrist: a strike that rings at 5 to 20 Hz, every other one lower."""
    turns = _phase(r, samples, rate, r.uniform(1.2, 3.0), 0.03)
    hertz = r.uniform(1.2, 3.0)
    within, odd = (turns % 1.0) / hertz, np.floor(turns) % 2
    ring = np.exp(-within / r.uniform(0.02, 0.1)) * np.cos(2 * np.pi * r.uniform(5, 20) * within)
    x = ring * np.where(odd == 1, 1.0, r.uniform(0.3, 1)) * np.clip(within / 0.015, 0, 1)
    swing = np.sin(np.pi * turns + r.uniform(0, 6))
    return _noise(x + r.uniform(0, 0.6) * swing, r, 0.2)


def _humps(r: Generator, samples: int, rate: float) -> Float64:
    """One smooth hump a period: a Gaussian, a raised cosine, sinc or half a sine.

    Not as narrow as a QRS complex: a train of those is what some programs draw as an ECG.
    """
    hertz = r.uniform(0.5, 4)
    time = (_time(samples, rate) * hertz + r.uniform()) % 1.0 / hertz - 0.5 / hertz
    width = r.uniform(0.08, 0.2)
    x = (
        np.exp(-0.5 * (time / (0.5 * width)) ** 2),
        np.where(np.abs(time) < width, 0.5 + 0.5 * np.cos(np.pi * time / width), 0.0),
        np.sinc(time / width), np.where(np.abs(time) < width, np.cos(np.pi * time / 2 / width), 0),
    )[r.integers(4)]  # fmt: skip
    return _noise(x, r, 0.05)


def _bursts(r: Generator, samples: int, rate: float) -> Float64:
    """A stretch of a sine or a chirp once a period, as ultrasound and tone bursts."""
    hertz = r.uniform(0.4, 2.5)
    within = (_time(samples, rate) * hertz + r.uniform()) % 1.0 / hertz
    length, tone, sweep = r.uniform(0.1, 0.6), r.uniform(2, 25), r.uniform(-10, 20)
    x = np.sin(2 * np.pi * (tone * within + 0.5 * sweep * within**2))
    return _noise(x * np.sin(np.pi * np.clip(within / length, 0, 1)) ** 2, r, 0.05)


def _template(r: Generator, samples: int, rate: float) -> Float64:
    """A random shape of 0.3 to 1 s, the same at every beat."""
    hertz, low = r.uniform(0.6, 2.2), r.uniform(0.3, 4)
    length = int(r.uniform(0.3, 1.0) * rate)
    shape = _band(r, length, rate, low, low + r.uniform(2, 12)) * np.hanning(length)
    within = (_phase(r, samples, rate, hertz, 0.03) % 1.0) / hertz * rate
    return _noise(np.interp(within, np.arange(length), shape, right=0.0), r, 0.05)


def _counter(r: Generator, samples: int, rate: float) -> Float64:
    """A counter that overflows, or the bits of one that is shown as levels."""
    if r.uniform() < 0.5:
        return np.floor(np.arange(samples) * r.uniform(0.1, 50)) % r.choice([100, 128, 256, 1000])
    hold = max(1, int(rate / r.uniform(2, 30)))
    return np.repeat(r.integers(0, r.integers(2, 9), samples // hold + 1), hold)[:samples] * 1.0


def _dropouts(r: Generator, samples: int, rate: float) -> Float64:
    """A level with short holes or ones, by the clock or by chance."""
    x, gap = r.uniform(0, 0.01) * r.normal(size=samples), r.uniform(0.25, 2)
    by_chance = r.uniform() < 0.5
    for k in range(int(samples / rate / gap) + 1):
        at = int((r.uniform(0, samples / rate) if by_chance else (k + 0.5) * gap) * rate)
        x[at : at + max(1, int(r.uniform(0.004, 0.1) * rate))] -= 1.0
    return x


def _blinks(r: Generator, samples: int, rate: float) -> Float64:
    x, time = 0.1 * _eeg(r, samples, rate), _time(samples, rate)
    for at in np.cumsum(r.uniform(0.4, 3.0, 300)):
        if at > time[-1]:
            break
        x += r.uniform(0.5, 1.5) * np.exp(-0.5 * ((time - at) / r.uniform(0.04, 0.1)) ** 2)
    return x


def _any_band(r: Generator, samples: int, rate: float) -> Float64:
    low = r.uniform(0.5, 12)
    return _band(r, samples, rate, low, low + r.uniform(2, 25))


def _wave(shape: Callable[[Float64], Float64], most_noise: float) -> Kind:
    """Return a periodic wave of 0.4 to 8 Hz with noise of up to this share of its size."""

    def make(r: Generator, samples: int, rate: float) -> Float64:
        return _noise(shape(2 * np.pi * r.uniform(0.4, 8) * _time(samples, rate)), r, most_noise)

    return make


KINDS: dict[str, Kind] = {
    "white noise": lambda r, n, f: r.normal(size=n),
    "pink noise": lambda r, n, f: _coloured(r, n, 1.0),
    "brown noise": lambda r, n, f: _coloured(r, n, 2.0),
    "random walk": lambda r, n, f: np.cumsum(r.normal(size=n)) / 20,
    "noise 0.5-5 Hz": lambda r, n, f: _band(r, n, f, 0.5, 5),
    "noise 1-15 Hz": lambda r, n, f: _band(r, n, f, 1, 15),
    "noise 5-40 Hz": lambda r, n, f: _band(r, n, f, 5, 40),
    "noise of any band": _any_band,
    "sine": lambda r, n, f: np.sin(2 * np.pi * r.uniform(0.2, 30) * _time(n, f)),
    "sum of sines": _sines,
    "harmonic sines": _harmonic_sines,
    "sine in noise": _wave(np.sin, 1.0),
    "chirp": lambda r, n, f: chirp(_time(n, f), r.uniform(0.1, 3), n / f, r.uniform(5, 40)),
    "triangle wave": _wave(lambda turns: sawtooth(turns, 0.5), 0.1),
    "sawtooth": _wave(sawtooth, 0.1),
    "square wave": _wave(square, 0.1),
    "pulses": _calibration,
    "mains": _mains,
    "rails": _rails,
    "EEG": _eeg,
    "EMG bursts": _emg,
    "eye movements": _eyes,
    "walking": _walking,
    "PPG": _ppg,
    "pressure": _pressure,
    "respiration": _respiration,
    "blows": _taps,
    "square wave through a high pass": _through_highpass(_wave(square, 0.0)),
    "sawtooth through a high pass": _through_highpass(_wave(sawtooth, 0.0)),
    "pulses through a high pass": _through_highpass(_calibration),
    "stimulator": _stimulator,
    "electrode pops": _electrode_pops,
    "tremor": _tremor,
    "compressions of the chest": _compressions,
    "heart sounds": _heart_sounds,
    "ballistocardiogram": _ballistocardiogram,
    "seismocardiogram": _seismocardiogram,
    "slope of a pressure": _pressure_slope,
    "capnogram": _capnogram,
    "speech": _speech,
    "test pattern": _test_pattern,
    "spike and wave": _spike_and_wave,
    "slope of a catheter's pressure": _slope_of(_wide_pressure),
    "catheter's pressure": _wide_pressure,
    "slope of a PPG": _slope_of(_ppg),
    "impedance cardiogram": _impedance_slope,
    "intracranial pressure": _intracranial,
    "sharp waves of an EEG": _sharp_waves,
    "spikes of an EEG": _spiky_eeg,
    "envelope of heart sounds": _sound_envelope,
    "steps at the ankle": _steps_at_the_ankle,
    "humps": _humps,
    "bursts of a tone": _bursts,
    "repeated shape": _template,
    "counter": _counter,
    "dropouts": _dropouts,
    "blinks": _blinks,
    "flat": lambda r, n, f: np.full(n, r.normal()),
    "flat with noise": lambda r, n, f: 0.003 * r.normal(size=n),
}


def as_leads(
    kind: str | Kind, r: Generator, samples: int, rate: float, leads: int, alike: bool
) -> Float64:
    """Return (leads, samples): one signal at several gains with a little noise, or each its own."""
    make = KINDS[kind] if isinstance(kind, str) else kind
    if not alike or leads == 1:
        return np.stack([make(r, samples, rate) for _ in range(leads)])
    x = make(r, samples, rate)
    own = 0.02 * x.std() * r.normal(size=(leads, samples))
    return np.outer(r.uniform(0.3, 1.5, leads) * r.choice([-1, 1], leads), x) + own
