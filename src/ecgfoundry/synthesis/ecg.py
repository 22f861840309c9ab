"""A physiological ECG of one lead: beats as sums of Gaussians, a rhythm with dynamics, noise.

The beat follows McSharry et al. (IEEE TBME 2003): each wave is a Gaussian with its own place, width
and height; here in time instead of phase, so that PR, QRS and QT are what they are set to. RR
intervals have respiratory sinus arrhythmia, slow drift and correlated noise. All numbers are our
choice within textbook ranges of lead II, unless a source stands beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOISE_FREE", "BeatShape", "Noise", "Rhythm", "beat_times", "simulate_ecg"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

REACH = 4.0
"""Standard deviations over which a wave is drawn; beyond, less than 0.04 % of it is left."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When beats come.

    Parameters
    ----------
    rate : float
        Mean, per minute.
    respiration : float
        Breaths per minute.
    sinus_arrhythmia : float
        Amplitude as a share of the mean RR.
    variability : float
        Standard deviation of the correlated noise as a share of the mean RR.
    """

    rate: float = 75.0
    respiration: float = 15.0
    sinus_arrhythmia: float = 0.02
    variability: float = 0.015


@dataclass(frozen=True, slots=True)
class BeatShape:
    """Intervals in ms, heights in mV.

    ``qtc`` is for a heart rate of 60 per minute; QT follows Fridericia (``QTc * RR^(1/3)``).
    ``t_asymmetry`` is the width of the rising limb of T over that of the falling one;
    ``p_separation`` the distance of the two halves of P (a bifid P at large ones); ``slur`` the
    height of a notch at the end of QRS.

    Three move no peak height, interval or area to first order, only shape: ``p_balance`` makes the
    first half of P lower and the second higher by this share (-1 to 1; a large second half is that
    of the left atrium); ``r_skew`` takes mV from the rising limb of R and gives them to the falling
    one (a late peak); ``st_bend`` takes mV from the early part of the way from J to the peak of T
    and gives them to the late part (a concave ST at positive, a convex one at negative values).
    """

    pr: float = 160.0
    qrs: float = 92.0
    qtc: float = 410.0
    p_height: float = 0.12
    r_height: float = 1.0
    q_height: float = -0.08
    s_height: float = -0.18
    st_level: float = 0.0
    t_height: float = 0.32
    t_asymmetry: float = 1.6
    p_separation: float = 28.0
    slur: float = 0.1
    p_balance: float = 0.0
    r_skew: float = 0.0
    st_bend: float = 0.0


@dataclass(frozen=True, slots=True)
class Noise:
    """What a bedside monitor adds; amplitudes in mV, rates per minute.

    ``muscle`` is the standard deviation of white noise, ``wander`` the amplitude of baseline
    wander, ``mains`` that of mains at ``mains_hz``; ``motion_rate`` bursts of ``motion`` mV last
    one to three seconds; ``loss_rate`` electrode losses last 2 to 20 s.
    """

    muscle: float = 0.015
    wander: float = 0.1
    mains: float = 0.01
    mains_hz: float = 60.0
    motion: float = 0.5
    motion_rate: float = 0.3
    loss_rate: float = 0.05


NOISE_FREE = Noise(0.0, 0.0, 0.0, 60.0, 0.0, 0.0, 0.0)


def beat_times(rhythm: Rhythm, duration_s: float, generator: np.random.Generator) -> Float64:
    """Return the times of the R peaks in seconds, from before 0 to after the end."""
    mean = 60.0 / rhythm.rate
    count = int(duration_s / mean * 1.3) + 8
    nominal = np.arange(count) * mean
    phase = generator.uniform(0, 2 * np.pi, 2)
    breathing = np.sin(2 * np.pi * rhythm.respiration / 60.0 * nominal + phase[0])
    drift = 0.02 * np.sin(2 * np.pi * nominal / 180.0 + phase[1])
    from scipy.signal import lfilter

    # AR(1) with a memory of about five beats.
    white = generator.normal(0.0, np.sqrt(1 - 0.8**2), count)
    correlated = lfilter([1.0], [1.0, -0.8], white)
    share = rhythm.sinus_arrhythmia * breathing + rhythm.variability * correlated + drift
    intervals = mean * np.clip(1.0 + share, 0.5, 1.6)
    times = np.cumsum(intervals) - 2.0 * mean * generator.uniform(0.5, 1.0)
    inside: Float64 = times[times < duration_s + 1.0]
    return inside


def simulate_ecg(
    rhythm: Rhythm,
    shape: BeatShape,
    noise: Noise,
    *,
    duration_s: float,
    sampling_rate: float,
    generator: np.random.Generator,
) -> Float32:
    """Simulate one lead.

    Returns
    -------
    ndarray of float32 (samples,)
        mV; NaN where the electrode is off.
    """
    samples = round(duration_s * sampling_rate)
    beats = beat_times(rhythm, duration_s, generator)
    signal = np.zeros(samples, dtype=np.float32)
    intervals = np.diff(beats, append=beats[-1] + 60.0 / rhythm.rate)
    before = np.concatenate([intervals[:1], intervals[:-1]])  # QT follows the interval before
    for centre, left, right, height in _waves(shape, before):
        _draw(signal, beats + centre, left, right, height, sampling_rate)
    _add_noise(signal, noise, sampling_rate, generator)
    return signal


def _waves(
    shape: BeatShape, before: Float64
) -> list[tuple[Float64 | float, Float64 | float, Float64 | float, float]]:
    """Return (place relative to R, width of the rising limb, of the falling one, s; height, mV)."""
    qrs = shape.qrs / 1000.0
    onset = -0.45 * qrs
    qt = shape.qtc / 1000.0 * np.cbrt(before)
    p_place = onset - shape.pr / 1000.0 + 0.05
    apart = shape.p_separation / 2000.0
    width = 0.11 * qt
    ratio = np.sqrt(shape.t_asymmetry)
    t_left, t_right = width * ratio, width / ratio
    t_place = onset + qt - 2.0 * t_right  # the tangent at the falling limb ends at QT
    st_place = (0.55 * qrs + t_place) / 2.0
    st_width = (t_place - 0.55 * qrs) / 3.0
    # Two equal bumps of opposite sign: what one adds to an area, the other takes away.
    limb, bend, reach = 0.1 * qrs, t_place - 1.1 * t_left, 0.25 * t_left
    return [
        (p_place - apart, 0.014, 0.014, shape.p_height * (1.0 - shape.p_balance)),
        (p_place + apart, 0.014, 0.014, shape.p_height * (1.0 + shape.p_balance)),
        (-limb, qrs / 16, qrs / 16, -shape.r_skew),
        (limb, qrs / 16, qrs / 16, shape.r_skew),
        (bend - reach, 0.7 * reach, 0.7 * reach, -shape.st_bend),
        (bend + reach, 0.7 * reach, 0.7 * reach, shape.st_bend),
        (-0.3 * qrs, qrs / 14, qrs / 14, shape.q_height * shape.r_height),
        (0.0, qrs / 9, qrs / 9, shape.r_height),
        (0.3 * qrs, qrs / 12, qrs / 12, shape.s_height * shape.r_height),
        (0.47 * qrs, qrs / 14, qrs / 14, shape.slur),
        (st_place, st_width, st_width, shape.st_level),
        (t_place, t_left, t_right, shape.t_height),
    ]


def _draw(
    signal: Float32,
    centres: Float64,
    left: Float64 | float,
    right: Float64 | float,
    height: float,
    sampling_rate: float,
) -> None:
    """Add one wave of every beat: beats x window samples at once, only where the wave is."""
    if height == 0.0:
        return
    left = np.broadcast_to(left, centres.shape)
    right = np.broadcast_to(right, centres.shape)
    before = int(np.ceil(REACH * float(left.max()) * sampling_rate))
    after = int(np.ceil(REACH * float(right.max()) * sampling_rate))
    nearest = np.rint(centres * sampling_rate).astype(np.int64)
    offsets = np.arange(-before, after + 1)
    places = nearest[:, np.newaxis] + offsets
    t = (places / sampling_rate - centres[:, np.newaxis]).astype(np.float32)
    width = np.where(
        t < 0, left[:, np.newaxis].astype(np.float32), right[:, np.newaxis].astype(np.float32)
    )
    t /= width
    np.square(t, out=t)
    t *= -0.5
    np.exp(t, out=t)
    t *= np.float32(height)
    inside = (places >= 0) & (places < len(signal))
    # bincount adds where the windows of neighbouring beats overlap; fancy += would lose one.
    signal += np.bincount(places[inside], weights=t[inside], minlength=len(signal)).astype(
        np.float32
    )


def _add_noise(
    signal: Float32, noise: Noise, sampling_rate: float, generator: np.random.Generator
) -> None:
    samples = len(signal)
    minutes = samples / sampling_rate / 60.0
    if noise.muscle:
        signal += np.float32(noise.muscle) * generator.standard_normal(samples, dtype=np.float32)
    t = np.arange(samples, dtype=np.float32) / np.float32(sampling_rate)
    if noise.wander:
        for frequency in generator.uniform(0.05, 0.4, 3):
            phase = generator.uniform(0, 2 * np.pi)
            part = np.sin(np.float32(2 * np.pi * frequency) * t + np.float32(phase))
            signal += np.float32(noise.wander / 2) * part
    if noise.mains:
        phase = generator.uniform(0, 2 * np.pi)
        omega = np.float32(2 * np.pi * noise.mains_hz)
        signal += np.float32(noise.mains) * np.sin(omega * t + np.float32(phase))
    for _ in range(generator.poisson(noise.motion_rate * minutes)):
        start, length = _stretch(samples, 1.0, 3.0, sampling_rate, generator)
        burst = np.cumsum(generator.standard_normal(length, dtype=np.float32))
        burst *= np.float32(noise.motion) / (np.abs(burst).max() + np.float32(1e-6))
        signal[start : start + length] += burst * np.hanning(length).astype(np.float32)
    for _ in range(generator.poisson(noise.loss_rate * minutes)):
        start, length = _stretch(samples, 2.0, 20.0, sampling_rate, generator)
        kind = generator.integers(3)  # no samples, a flat line, or a saturated amplifier
        signal[start : start + length] = (np.nan, 0.0, 5.0)[kind]


def _stretch(
    samples: int, low_s: float, high_s: float, rate: float, generator: np.random.Generator
) -> tuple[int, int]:
    length = min(int(generator.uniform(low_s, high_s) * rate), samples)
    return int(generator.integers(0, max(samples - length, 1))), length
