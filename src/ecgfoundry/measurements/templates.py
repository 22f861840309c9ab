"""Beats of one shape: clusters of QRS complexes, from one lead or from several together.

Every beat is cut out around the middle of its QRS complex, at one working rate, band-limited and
without baseline. Two beats are as like as ``2 a.b / (a.a + b.b)`` says, over all leads: 1 for the
same complex, less for another form *or another size*, which a correlation would not see. The
clusters are found one by one, the densest first; each is a *template*, the mean of its beats.

The template of the usual beats is the *reference*: of the frequent templates the one that comes
least prematurely, so that in bigeminy the sinus beats are the usual ones.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.beats import fill_gaps, readable_rows
from ecgfoundry.measurements.medians import median, median_of_rows, quantiles_of_rows
from ecgfoundry.signals.filters import averaged, butterworth_sos, zero_phase_sos

__all__ = [
    "GRID_RATE_HZ",
    "NO_TEMPLATE",
    "BeatPieces",
    "Templates",
    "cluster_beats",
    "cluster_pieces",
    "cut_beats",
]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

GRID_RATE_HZ = 250.0
"""Pieces have a sample each 4 ms, whatever the rate of the recording."""
BEFORE_S, AFTER_S = 0.36, 0.48
"""A piece reaches from before the P wave into the T wave (our choice)."""
QRS_BEFORE_S, QRS_AFTER_S = 0.11, 0.15
"""The part that is compared: QRS complexes to 240 ms, and their end more than their beginning."""
BAND_HZ = (0.5, 40.0)
"""Baseline and muscle noise stay out; the ambulatory band of IEC 60601-2-47."""
CENTRE_S = 0.10
"""The middle of a complex is the centre of its squared slope within this reach of the beat."""
LIKE = 0.85
"""A beat belongs to a template from this likeness on (our choice: noise of -8 dB reaches it)."""
SAME = 0.94
"""Templates more alike than this are one."""
MOST_TEMPLATES = 24
SAMPLED = 256
"""The densest place is looked for among this many of the beats that are left."""
REPEATING_QUANTILE = 0.7
LEAST_WEIGHT = 0.1
NOISE_RATIO = 4.0
"""White noise has a 98th percentile of 3.4 times its median: from 4 on a lead has complexes."""
SPARSE = 3
"""Percentiles are taken of every third sample: they cost more than the filters otherwise."""
FREQUENT_SHARE = 0.34
"""The reference is one of the templates with at least this share of the beats of the largest."""
NO_TEMPLATE = -1
LEAST_RATE_HZ = 50.0


@dataclass(frozen=True, eq=False)
class BeatPieces:
    """Every beat, cut out of every lead at :data:`GRID_RATE_HZ`.

    Attributes
    ----------
    values : ndarray, float32 (leads, beats, columns)
        mV (or the unit that was given), band-limited; the edges repeat beyond the recording, and a
        lead that is not readable is zero.
    zero : int
        Column of the middle of the QRS complex.
    centre_s : ndarray, float64 (beats,)
        Its time from the first sample.
    missing : ndarray, bool (beats,)
        No lead has half of the samples around the complex.
    """

    values: Float32
    zero: int
    centre_s: Float64
    missing: Bool

    @classmethod
    def joined(cls, parts: Sequence[BeatPieces]) -> BeatPieces:
        """Put the beats of several stretches of one recording behind each other."""
        return cls(
            np.concatenate([part.values for part in parts], axis=1),
            parts[0].zero,
            np.concatenate([part.centre_s for part in parts]),
            np.concatenate([part.missing for part in parts]),
        )

    @functools.cached_property
    def vectors(self) -> Float32:
        """The QRS complexes of all leads, one row per beat: see :func:`qrs_vectors`."""
        return qrs_vectors(self)

    @functools.cached_property
    def clusters(self) -> Templates:
        """The shapes of these beats: see :func:`cluster_pieces`."""
        return cluster_pieces(self)

    def chosen(self, which: Bool | slice) -> BeatPieces:
        """Return some of the beats."""
        return BeatPieces(
            self.values[:, which], self.zero, self.centre_s[which], self.missing[which]
        )

    def later(self, seconds: float) -> BeatPieces:
        """Return the same beats, of a stretch that begins ``seconds`` after the recording."""
        return replace(self, centre_s=self.centre_s + seconds) if seconds else self

    def part(self, begin_s: float, end_s: float) -> Float32:
        """Return the columns between two times relative to the middle of the complex."""
        return self.values[..., slice(*self.columns(begin_s, end_s))]

    def columns(self, begin_s: float, end_s: float) -> tuple[int, int]:
        """Return the first column of :meth:`part`, and the first one behind it."""
        begin, end = (self.zero + round(side * GRID_RATE_HZ) for side in (begin_s, end_s))
        return begin, end + 1


@dataclass(frozen=True, eq=False)
class Templates:
    """The shapes of the beats of a recording.

    Attributes
    ----------
    number : ndarray, int64 (beats,)
        Template of each beat, the most frequent is 0; :data:`NO_TEMPLATE` for a beat like none.
    sizes : ndarray, int64 (templates,)
        Beats of each.
    shapes : ndarray, float32 (templates, leads, columns)
        Mean of the pieces of each.
    reference : int
        The template of the usual beats; :data:`NO_TEMPLATE` where there is none.
    likeness : ndarray, float64 (beats,)
        Of each beat to the reference, -1 to 1.
    """

    number: Int64
    sizes: Int64
    shapes: Float32
    reference: int
    likeness: Float64


def cluster_beats(signal: NDArray[np.floating], sampling_rate: float, beats: Int64) -> Templates:
    """Sort the beats of a recording by the shape of their QRS complexes.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV or any unit: the answer does not depend on it. NaN where samples are missing.
    sampling_rate : float
        Hz, 50 at least.
    beats : ndarray, int64 (beats,)
        Sample numbers, as :func:`ecgfoundry.measurements.beats.find_beats` gives them.

    Returns
    -------
    Templates
    """
    return cluster_pieces(cut_beats(signal, sampling_rate, beats))


def cut_beats(signal: NDArray[np.floating], sampling_rate: float, beats: Int64) -> BeatPieces:
    """Cut every beat out of every readable lead, around the middle of its QRS complex.

    Parameters as of :func:`cluster_beats`.

    Raises
    ------
    ValueError
        The signal does not have two dimensions, or the rate is under 50 Hz.
    """
    array = np.asarray(signal, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"signal has {array.ndim} dimensions; (leads, samples) are needed")
    if not sampling_rate >= LEAST_RATE_HZ:
        raise ValueError(f"{sampling_rate!r} Hz is too low for the shape of beats; 50 Hz at least")
    rows = readable_rows(array)
    columns = round((BEFORE_S + AFTER_S) * GRID_RATE_HZ) + 1
    zero = round(BEFORE_S * GRID_RATE_HZ)
    positions = np.asarray(beats, dtype=np.int64)
    values = np.zeros((array.shape[0], positions.size, columns), np.float32)
    if rows.size == 0 or positions.size == 0:
        nothing = np.ones(positions.size, bool)
        return BeatPieces(values, zero, positions / sampling_rate, nothing)
    chosen = array if rows.size == len(array) else array[rows]
    absent = ~np.isfinite(chosen)
    whole = chosen if not absent.any() else fill_gaps(chosen)
    fine, rate = _band_limited(whole, sampling_rate)
    at = positions.astype(np.float64) * (rate / sampling_rate)
    centre = _centres(fine, rate, at)
    values[rows] = _pieces(fine, rate, centre, zero, columns)
    missing = _missing(absent, sampling_rate, positions)
    return BeatPieces(values, zero, centre / rate, missing)


def _band_limited(x: Float64, sampling_rate: float) -> tuple[Float32, float]:
    """Return leads without baseline and muscle noise, and their rate now; they have no gaps."""
    from scipy.signal import resample_poly

    filled = x - median_of_rows(x)[:, None]
    factor = int(sampling_rate // GRID_RATE_HZ)
    if factor > 1:
        # The filter below takes away what the averages fold.
        filled = averaged(filled, factor)
        sampling_rate /= factor
    high = min(BAND_HZ[1], 0.45 * sampling_rate)
    sos = butterworth_sos(2, (BAND_HZ[0], high), "bandpass", sampling_rate)
    padding = min(filled.shape[1] - 1, 3 * (2 * len(sos) + 1))
    if padding > 0 and filled.shape[1] > 3 * (2 * len(sos) + 1):
        filled = zero_phase_sos(sos, filled)
    if sampling_rate < GRID_RATE_HZ:
        # Between so few samples a straight line is not good enough.
        up = int(np.ceil(GRID_RATE_HZ / sampling_rate))
        filled = resample_poly(filled, up, 1, axis=1, padtype="line")
        sampling_rate *= up
    return filled.astype(np.float32), sampling_rate


def _centres(fine: Float32, rate: float, positions: Float64) -> Float64:
    """Return the centre of the squared slope of the complex, all leads together, per beat."""
    slope = np.gradient(fine, axis=1)
    sparse = np.abs(slope[:, ::SPARSE])
    # In a lead of noise the steep parts are hardly steeper than the rest: it must not pull.
    rest, size = quantiles_of_rows(sparse, (0.5, 0.98))
    size[size <= 0] = np.inf
    weight = np.maximum(1.0 - NOISE_RATIO * rest / size, LEAST_WEIGHT) / size
    energy = np.square(slope * weight[:, None].astype(np.float32)).sum(axis=0)
    reach = round(CENTRE_S * rate)
    offsets = np.arange(-reach, reach + 1)
    # A window without edges: a neighbouring wave at its border does not pull.
    taper = np.cos(0.5 * np.pi * offsets / (reach + 1)) ** 2
    centre = positions.astype(np.float64)
    for _ in range(3):
        index = np.clip(np.rint(centre).astype(np.int64)[:, None] + offsets, 0, energy.size - 1)
        weight = energy[index] * taper
        total = weight.sum(axis=1)
        moved = (weight * index).sum(axis=1) / np.where(total > 0, total, 1.0)
        centre = np.where(total > 0, moved, centre)
    return centre


def _pieces(fine: Float32, rate: float, centre: Float64, zero: int, columns: int) -> Float32:
    """Read the leads at the grid around every centre, by straight lines between samples."""
    times = centre[:, None] + (np.arange(columns) - zero) * (rate / GRID_RATE_HZ)
    times = np.clip(times, 0, fine.shape[1] - 1)
    left = np.minimum(times.astype(np.int64), max(0, fine.shape[1] - 2))
    share = (times - left).astype(np.float32)
    right = np.minimum(left + 1, fine.shape[1] - 1)
    low = fine[:, left]
    result: Float32 = low + (fine[:, right] - low) * share
    return result


def _missing(absent: Bool, sampling_rate: float, positions: Int64) -> Bool:
    if not absent.any():
        return np.zeros(positions.size, bool)
    reach = round(CENTRE_S * sampling_rate)
    index = np.clip(positions[:, None] + np.arange(-reach, reach + 1), 0, absent.shape[1] - 1)
    share: NDArray[np.float64] = absent[:, index].mean(axis=2)
    return np.asarray(share.min(axis=0) > 0.5)


def cluster_pieces(pieces: BeatPieces) -> Templates:
    """Sort beats that were cut out already; see :func:`cluster_beats`."""
    count = pieces.values.shape[1]
    number = np.full(count, NO_TEMPLATE, np.int64)
    if count == 0:
        shapes = np.zeros((0, *pieces.values.shape[::2]), np.float32)
        return Templates(number, np.zeros(0, np.int64), shapes, NO_TEMPLATE, np.zeros(0))
    vectors = pieces.vectors
    norms = np.einsum("bc,bc->b", vectors, vectors)
    left = ~pieces.missing & (norms > 0)
    templates: list[Float32] = []
    while left.any() and len(templates) < MOST_TEMPLATES:
        template = _densest(vectors, norms, np.flatnonzero(left))
        member = left
        for _ in range(2):
            member = left & (likeness(vectors, norms, template) >= LIKE)
            if not member.any():
                break
            template = vectors[member].mean(axis=0)
        if not member.any():
            break
        templates.append(template)
        left = left & ~member
    if templates:
        number = _assigned(vectors, norms, np.stack(_united(templates)))
        number[pieces.missing | ~(norms > 0)] = NO_TEMPLATE
    return _described(pieces, vectors, norms, number)


def qrs_vectors(pieces: BeatPieces) -> Float32:
    """Return the QRS complexes of all leads in one row per beat: float32 (beats, values).

    Each lead is scaled to its own complexes, less its mean, at every second column, and counts by
    how well its beats repeat, so that a lead full of noise does not tear the clusters apart.
    """
    part = pieces.part(-QRS_BEFORE_S, QRS_AFTER_S)[..., ::2]
    if part.size == 0:
        return np.zeros((part.shape[1], 0), np.float32)
    part = part - part.mean(axis=2, keepdims=True)
    size = np.sqrt(median_of_rows(np.square(part).mean(axis=2)))
    size[size <= 0] = np.inf
    scaled = part / size[:, None, None]
    if len(scaled) > 1:
        scaled *= _repetition(scaled).astype(np.float32)[:, None, None]
    return np.ascontiguousarray(scaled.transpose(1, 0, 2).reshape(part.shape[1], -1))


def _repetition(scaled: Float32) -> Float64:
    """Return how well the beats of each lead repeat, 1 for the best lead: float64 (leads,)."""
    rows = scaled[:, :: max(1, -(-scaled.shape[1] // SAMPLED))]
    norm = np.einsum("lbc,lbc->lb", rows, rows)
    both = norm[:, :, None] + norm[:, None, :]
    alike = 2.0 * (rows @ rows.transpose(0, 2, 1)) / np.where(both > 0, both, np.inf)
    # The upper part: ectopic beats must not count as noise.
    upper = np.quantile(alike.reshape(len(alike), -1), REPEATING_QUANTILE, axis=1)
    result = np.maximum(upper.astype(np.float64), 0.0)
    best = result.max()
    if not best > 0:
        return np.ones(len(scaled))
    weight: Float64 = np.maximum((result / best) ** 2, LEAST_WEIGHT)
    return weight


def likeness(vectors: Float32, norms: Float32, template: Float32) -> Float64:
    """Return ``2 a.b / (a.a + b.b)`` of every row with the template."""
    both = norms + template @ template
    result: Float64 = (2.0 * (vectors @ template) / np.where(both > 0, both, np.inf)).astype(float)
    return result


def _densest(vectors: Float32, norms: Float32, rows: Int64) -> Float32:
    """Return the beat that most of the others are like, among an even sample of them."""
    step = max(1, -(-rows.size // SAMPLED))
    some = rows[::step]
    x, n = vectors[some], norms[some]
    alike = 2.0 * (x @ x.T) / (n[:, None] + n[None, :])
    neighbours = np.where(alike >= LIKE, alike, 0.0).sum(axis=1)
    return x[int(neighbours.argmax())]


def _united(templates: list[Float32]) -> list[Float32]:
    """Join templates that became alike; the earlier one, which has more beats, stays."""
    kept: list[Float32] = []
    for template in templates:
        norm = float(template @ template)
        alike = [2 * float(template @ k) / (norm + float(k @ k)) for k in kept]
        if not alike or max(alike) < SAME:
            kept.append(template)
    return kept


def _assigned(vectors: Float32, norms: Float32, templates: Float32) -> Int64:
    """Give every beat to the template that it is most like, if it is like one."""
    alike = np.stack([likeness(vectors, norms, template) for template in templates])
    best = alike.argmax(axis=0)
    chosen = np.where(alike.max(axis=0) >= LIKE, best, NO_TEMPLATE)
    sizes = np.bincount(chosen[chosen >= 0], minlength=len(templates))
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(templates), np.int64)
    rank[order] = np.arange(len(templates))
    result: Int64 = np.where(chosen >= 0, rank[np.maximum(chosen, 0)], NO_TEMPLATE)
    return result


def _described(pieces: BeatPieces, vectors: Float32, norms: Float32, number: Int64) -> Templates:
    sizes = np.bincount(number[number >= 0]) if (number >= 0).any() else np.zeros(0, np.int64)
    columns = pieces.values.shape[2]
    if sizes.size == 0:
        shapes = np.zeros((0, pieces.values.shape[0], columns), np.float32)
        return Templates(number, sizes, shapes, NO_TEMPLATE, np.full(number.size, np.nan))
    shapes = np.stack([pieces.values[:, number == k].mean(axis=1) for k in range(sizes.size)])
    reference = _reference(pieces.centre_s, number, sizes)
    usual = vectors[number == reference].mean(axis=0)
    alike = likeness(vectors, norms, usual)
    return Templates(number, sizes.astype(np.int64), shapes, reference, alike)


def _reference(centre_s: Float64, number: Int64, sizes: Int64) -> int:
    """Return the frequent template whose beats come least early."""
    if centre_s.size < 3:
        return 0
    interval = np.diff(centre_s, prepend=np.nan)
    following = np.append(interval[1:], np.nan)
    early = interval / following
    best, latest = 0, -np.inf
    for k in np.flatnonzero(sizes >= FREQUENT_SHARE * sizes[0]):
        values = early[(number == k) & np.isfinite(early)]
        usual = median(values) if values.size else 1.0
        # The most frequent one keeps its place unless another is clearly later.
        if usual > latest + 0.1:
            best, latest = int(k), usual
    return best
