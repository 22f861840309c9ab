"""Random changes to training signals that leave their labels true.

Pure functions from arrays to arrays: the input is never changed, and all randomness comes from the
generator that is passed in. Batches are float arrays (batch, leads, samples). Strengths are stated
relative to the standard deviation of each lead, so that they mean the same before and after
standardization. The ranges are the caller's; what a recipe chooses is our choice unless it names
a source.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.leads import project_frontal

Array = NDArray[np.float32]


def random_crop(
    signal: Array, length: int, generator: np.random.Generator, *, speed: float = 1.0
) -> Array:
    """Cut a random piece and play it at another speed.

    Parameters
    ----------
    signal : ndarray
        (leads, samples).
    length : int
        Samples wanted.
    generator : numpy.random.Generator
        Draws the start.
    speed : float
        Above 1 the heart beats faster: ``length * speed`` samples of the source are interpolated
        linearly to ``length``.

    Returns
    -------
    ndarray
        (leads, n) with ``n = length``, or fewer where the source is too short.
    """
    samples = signal.shape[1]
    length = min(length, int((samples - 1) / speed) + 1)
    span = (length - 1) * speed
    room = samples - 1 - span
    if speed == 1.0:
        start = int(generator.integers(int(room) + 1))
        return signal[:, start : start + length].copy()
    positions = generator.uniform(0.0, max(room, 0.0)) + speed * np.arange(length)
    source = np.arange(samples)
    return np.stack([np.interp(positions, source, lead) for lead in signal]).astype(signal.dtype)


def flip_sign(batch: Array, generator: np.random.Generator, *, probability: float = 0.5) -> Array:
    """Turn whole recordings upside down (a device held the other way round)."""
    signs = np.where(generator.random(len(batch)) < probability, -1.0, 1.0)
    return batch * signs[:, None, None].astype(batch.dtype)


def scale_amplitude(batch: Array, generator: np.random.Generator, *, spread: float = 0.2) -> Array:
    """Multiply each lead by a log-normal factor whose logarithm deviates by ``spread``."""
    factors = np.exp(generator.normal(0.0, spread, batch.shape[:2]))
    return batch * factors[:, :, None].astype(batch.dtype)


def add_noise(
    batch: Array,
    generator: np.random.Generator,
    *,
    probability: float = 0.5,
    largest: float = 0.2,
) -> Array:
    """Add white noise to some recordings.

    Its standard deviation is drawn from 0 to ``largest`` times that of the lead.
    """
    size = _strength(batch, generator, probability, largest)
    noise = generator.standard_normal(batch.shape, dtype=np.float32)
    return batch + (noise * size).astype(batch.dtype)


def add_baseline_wander(
    batch: Array,
    generator: np.random.Generator,
    *,
    sampling_rate: float,
    probability: float = 0.3,
    largest: float = 0.5,
    band: tuple[float, float] = (0.15, 0.7),
) -> Array:
    """Add a slow wave to some recordings.

    Parameters
    ----------
    batch : ndarray
        (batch, leads, samples).
    generator : numpy.random.Generator
        Source of randomness.
    sampling_rate : float
        In Hz.
    probability : float
        Share of the recordings that are changed.
    largest : float
        The amplitude is drawn from 0 to this many standard deviations of the lead.
    band : tuple of float
        Range of the frequency in Hz: breathing and slow movement.

    Returns
    -------
    ndarray
        The changed batch.
    """
    size = _strength(batch, generator, probability, largest)
    shape = (*batch.shape[:2], 1)
    frequency = generator.uniform(*band, shape)
    phase = generator.uniform(0.0, 2 * np.pi, shape)
    time = np.arange(batch.shape[2]) / sampling_rate
    return batch + (size * np.sin(2 * np.pi * frequency * time + phase)).astype(batch.dtype)


def add_band_noise(
    batch: Array,
    generator: np.random.Generator,
    *,
    sampling_rate: float,
    probability: float = 0.5,
    snr_db: tuple[float, float] = (0.0, 20.0),
    band: tuple[float, float] = (5.0, 40.0),
    tilt: tuple[float, float] = (0.0, 1.0),
    partial: float = 0.5,
    shortest: float = 0.2,
) -> Array:
    """Add noise within the ECG's own band, which no filter takes out, to some recordings.

    Parameters
    ----------
    batch : ndarray
        (batch, leads, samples).
    generator : numpy.random.Generator
        Source of randomness.
    sampling_rate : float
        In Hz.
    probability : float
        Share of the recordings that are changed.
    snr_db : tuple of float
        Range of the signal-to-noise ratio in dB: variance of the lead over that of the noise.
    band : tuple of float
        Range of the noise in Hz; none lies outside.
    tilt : tuple of float
        The power falls with the frequency to this power: 0 is white, 1 is 1/f.
    partial : float
        Share of the changed recordings in which the noise covers one piece only.
    shortest : float
        Shortest piece, as a share of the recording.

    Returns
    -------
    ndarray
        The changed batch.
    """
    changed = batch.copy()
    samples = batch.shape[2]
    frequency = np.fft.rfftfreq(samples, 1 / sampling_rate)
    inside = (frequency >= band[0]) & (frequency <= band[1])
    for row in np.flatnonzero(generator.random(len(batch)) < probability):
        power = generator.uniform(*tilt)
        shape = inside * np.maximum(frequency, band[0]) ** (-power / 2)
        spectrum = np.fft.rfft(generator.standard_normal(batch.shape[1:])) * shape
        noise = np.fft.irfft(spectrum, samples)
        noise /= noise.std(axis=1, keepdims=True) + 1e-12
        size = batch[row].std(axis=1, keepdims=True) * 10 ** (-generator.uniform(*snr_db) / 20)
        piece = slice(None)
        if generator.random() < partial:
            piece = _random_piece(samples, (round(shortest * samples), samples), generator)
        changed[row, :, piece] += (size * noise)[:, piece].astype(batch.dtype)
    return changed


def add_bursts(
    batch: Array,
    generator: np.random.Generator,
    *,
    probability: float = 0.2,
    largest: float = 1.0,
    duration: tuple[int, int],
) -> Array:
    """Add one burst of white noise, such as muscle activity, to some recordings.

    Parameters
    ----------
    batch : ndarray
        (batch, leads, samples).
    generator : numpy.random.Generator
        Source of randomness.
    probability : float
        Share of the recordings that are changed.
    largest : float
        The standard deviation is drawn from 0 to this many standard deviations of the lead.
    duration : tuple of int
        Shortest and longest burst in samples.

    Returns
    -------
    ndarray
        The changed batch.
    """
    size = _strength(batch, generator, probability, largest)
    changed = batch.copy()
    for row in np.flatnonzero(size.any(axis=(1, 2))):
        piece = _random_piece(batch.shape[2], duration, generator)
        shape = changed[row, :, piece].shape
        changed[row, :, piece] += size[row] * generator.standard_normal(shape, dtype=np.float32)
    return changed


def cut_out(
    batch: Array,
    generator: np.random.Generator,
    *,
    probability: float = 0.3,
    duration: tuple[int, int],
) -> Array:
    """Replace one piece of some recordings by 0, in all leads at once.

    ``duration`` gives the shortest and longest piece in samples.
    """
    changed = batch.copy()
    for row in np.flatnonzero(generator.random(len(batch)) < probability):
        changed[row, :, _random_piece(batch.shape[2], duration, generator)] = 0.0
    return changed


def drop_leads(batch: Array, generator: np.random.Generator, *, probability: float = 0.1) -> Array:
    """Set single leads to 0; at least one lead of each recording stays."""
    kept = generator.random(batch.shape[:2]) >= probability
    kept[np.arange(len(batch)), generator.integers(batch.shape[1], size=len(batch))] = True
    return batch * kept[:, :, None].astype(batch.dtype)


def mix(
    batch: Array, targets: Array, generator: np.random.Generator, *, alpha: float = 0.2
) -> tuple[Array, Array]:
    """Mixup (Zhang et al. 2018): weighted means of pairs of recordings and of their targets.

    Parameters
    ----------
    batch : ndarray
        (batch, leads, samples).
    targets : ndarray
        (batch, classes).
    generator : numpy.random.Generator
        Source of randomness.
    alpha : float
        The weight is drawn from Beta(alpha, alpha), once per recording.

    Returns
    -------
    tuple of ndarray
        Mixed batch and targets.
    """
    partner = generator.permutation(len(batch))
    weight = generator.beta(alpha, alpha, len(batch)).astype(batch.dtype)
    weight = np.maximum(weight, 1 - weight)
    signal_weight = weight[:, None, None]
    mixed = signal_weight * batch + (1 - signal_weight) * batch[partner]
    return mixed, weight[:, None] * targets + (1 - weight[:, None]) * targets[partner]


def balanced_order(
    classes: NDArray[np.integer],
    size: int,
    generator: np.random.Generator,
    *,
    power: float = 0.5,
) -> NDArray[np.intp]:
    """Draw the recordings of one epoch, the rare classes more often.

    A class with a share s of the recordings is drawn in proportion to s ** (1 - power): 0 draws
    as the data are, 1 draws all classes alike. Systematic resampling: each recording comes as
    often as its weight says, give or take one.

    Parameters
    ----------
    classes : ndarray of int
        Class of each recording.
    size : int
        Recordings to draw.
    generator : numpy.random.Generator
        Source of randomness.
    power : float
        See above.

    Returns
    -------
    ndarray of int
        ``size`` indices in random order.
    """
    counts = np.bincount(classes)
    weights = counts[classes].astype(float) ** -power
    order = generator.permutation(len(classes))
    cumulative = np.cumsum(weights[order])
    points = (np.arange(size) + generator.random()) / size * cumulative[-1]
    drawn = order[np.minimum(np.searchsorted(cumulative, points, side="right"), len(order) - 1)]
    return generator.permutation(drawn)


def _strength(
    batch: Array, generator: np.random.Generator, probability: float, largest: float
) -> Array:
    """Strength per lead, (batch, leads, 1); 0 in recordings that stay as they are."""
    chosen = generator.random(len(batch)) < probability
    strength = generator.uniform(0.0, largest, len(batch)) * chosen
    return (strength[:, None, None] * batch.std(axis=2, keepdims=True)).astype(np.float32)


def _random_piece(samples: int, duration: tuple[int, int], generator: np.random.Generator) -> slice:
    length = min(int(generator.integers(duration[0], duration[1] + 1)), samples)
    start = int(generator.integers(samples - length + 1))
    return slice(start, start + length)


PAPER_ANGLES_DEGREES: tuple[float, ...] = (-90.0, -60.0, -30.0, 30.0, 60.0, 90.0)
"""Axes that ECGFounder's single-lead training replaces lead I by: -aVF, -III, aVL, -aVR, II and
aVF (relayed from the paper)."""


def replace_lead(
    lead_i: Array,
    lead_ii: Array,
    generator: np.random.Generator,
    *,
    probability: float = 0.5,
    angles: tuple[float, ...] = PAPER_ANGLES_DEGREES,
) -> Array:
    """Replace lead I by the projection onto another frontal axis (ECGFounder, p 0.5, relayed).

    Parameters
    ----------
    lead_i, lead_ii : ndarray (batch, samples)
        With one common scale (mV, or standardized together).
    generator : numpy.random.Generator
        Source of randomness.
    probability : float
        Share of the recordings that are changed.
    angles : tuple of float
        Degrees clockwise from lead I, drawn with equal chance.

    Returns
    -------
    ndarray (batch, samples)
    """
    chosen = generator.random(len(lead_i)) < probability
    angle = generator.choice(np.asarray(angles), len(lead_i))
    result = lead_i.copy()
    for row in np.flatnonzero(chosen):
        result[row] = project_frontal(lead_i[row], lead_ii[row], float(angle[row]))
    return result


def shift_time(batch: Array, generator: np.random.Generator, *, largest: int) -> Array:
    """Move recordings by up to ``largest`` samples either way, zeros coming in."""
    changed = np.zeros_like(batch)
    samples = batch.shape[2]
    for row, move in enumerate(generator.integers(-largest, largest + 1, len(batch))):
        if move >= 0:
            changed[row, :, move:] = batch[row, :, : samples - move]
        else:
            changed[row, :, :move] = batch[row, :, -move:]
    return changed


def add_mains(
    batch: Array,
    generator: np.random.Generator,
    *,
    sampling_rate: float,
    probability: float = 0.2,
    largest: float = 0.2,
) -> Array:
    """Add hum at 50 or 60 Hz, one phase for all leads, to some recordings."""
    size = _strength(batch, generator, probability, largest)
    frequency = generator.choice(np.array([50.0, 60.0]), (len(batch), 1, 1))
    phase = generator.uniform(0.0, 2 * np.pi, (len(batch), 1, 1))
    time = np.arange(batch.shape[2]) / sampling_rate
    return batch + (size * np.sin(2 * np.pi * frequency * time + phase)).astype(batch.dtype)
