"""Whether what stands before the QRS complexes repeats from beat to beat, as P waves do.

Beat by beat a P wave of 50 uV is lost in muscle noise, on the T wave of a fast rhythm, or in a
fibrillation that by chance shows a wave at the right place. All leads and all beats together tell:
P waves look alike in every beat, whereas noise and fibrillatory waves do not. The figure is the
correlation of what stands before one complex with the mean of the same before the others
(leave-one-out, all leads in one vector, each in units of its own noise, straight lines taken away).
Its limits were chosen on records of LUDB, CinC 2020/2021 and PTB-XL that were looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.boundaries import BeatWaves
from ecgfoundry.measurements.delineation import wave_of_one_beat
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.signals.filters import gaussian

__all__ = ["p_likeness", "with_repeating_p"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

P_BOUNDARIES = ("p_onset", "p_peak", "p_offset")
INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""The other limb leads say nothing that I and II do not."""
FEWEST_LEADS, FEWEST_BEATS = 3, 5
BEFORE_S = (0.22, 0.05)
"""From 220 to 50 ms before the QRS onset: where P waves are at PR intervals of 100 to 220 ms, and
most of one at longer ones (our choice)."""
SMOOTHING_S = 0.008
REPEATS, CHANCE = 0.65, 0.25
"""From the first on there are P waves; under the second there are none (our choice, between what
rhythms with and without them have; see above)."""
BEST_FIFTH = 0.60
"""P waves stay where a fifth of the beats is more alike than this: atria with two rhythms."""
EARLY = 0.88
"""A beat that comes after less than 88 % of the usual interval may have another P wave (our
choice); what is usual is told from the others."""
OWN = 0.35
"""A single beat has the P wave of the others from this likeness on."""
REACH_OF_RR, REACH_S = 0.55, 0.36
LEAST_PEAK_S, MOST_S = 0.06, 0.16
"""The peak of P lies 60 ms or more before the QRS onset, else it is a slur of the complex; P is not
longer than 160 ms, else it is a flutter wave (our choice)."""
GUARD_S = 0.008
FAST_RR_S, REGULAR, AFTER_QRS_S, BEFORE_P_S = 0.6, 0.1, 0.04, 0.06
"""Above 100/min, where RR varies by less than 10 %, the wave before the complex may be T: then
another one has to stand between the complex and 60 ms before the next P wave."""


def p_likeness(
    signal: Float64,
    sampling_rate: float,
    leads: Sequence[str],
    onset: NDArray[np.floating],
    usual: Bool,
) -> Float64:
    """Return how alike each beat's signal before the QRS complex is to that of the usual ones.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV, no gaps.
    sampling_rate : float
        Hz.
    leads : sequence of str
        Names of the rows.
    onset : ndarray (beats,)
        Begin of the QRS complexes in samples; NaN where it is not known.
    usual : ndarray of bool (beats,)
        Beats that make up the mean.

    Returns
    -------
    ndarray, float64 (beats,)
        -1 to 1; NaN where a beat is not whole, and everywhere with fewer than three independent
        leads or five usual beats.
    """
    result = np.full(onset.size, np.nan)
    rows = [row for row, lead in enumerate(leads) if lead in INDEPENDENT]
    first, last = (round(seconds * sampling_rate) for seconds in BEFORE_S)
    with np.errstate(invalid="ignore"):
        whole = (onset - first >= 0) & (onset < signal.shape[1])
    if len(rows) < FEWEST_LEADS or (whole & usual).sum() < FEWEST_BEATS:
        return result
    step = max(1, round(0.004 * sampling_rate))
    columns = np.arange(-first, -last, step)
    places = np.rint(onset[whole]).astype(np.int64)[:, None] + columns
    smooth = gaussian(signal[rows], SMOOTHING_S * sampling_rate)
    pieces = _without_line(smooth[:, places])
    noise = np.median(np.abs(pieces - np.median(pieces, axis=1, keepdims=True)), axis=(1, 2))
    pieces = pieces[noise > 0] / noise[noise > 0][:, None, None]
    if len(pieces) < FEWEST_LEADS:
        return result
    vectors = pieces.transpose(1, 0, 2).reshape(int(whole.sum()), -1)
    member = usual[whole]
    rest = vectors[member].sum(axis=0) - np.where(member[:, None], vectors, 0.0)
    size = np.linalg.norm(vectors, axis=1) * np.linalg.norm(rest, axis=1)
    product = np.einsum("bc,bc->b", vectors, rest)
    result[whole] = np.divide(product, size, out=np.zeros(size.size), where=size > 0)
    return result


def _without_line(pieces: Float64) -> Float64:
    line = np.linspace(-1.0, 1.0, pieces.shape[-1])
    slope = (pieces @ line) / float(line @ line)
    result: Float64 = pieces - pieces.mean(axis=-1, keepdims=True) - slope[..., None] * line
    return result


def with_repeating_p(
    waves: BeatWaves,
    beat: MedianBeat | None,
    signal: Float64,
    sampling_rate: float,
    beats: Int64,
    usual: Bool,
) -> tuple[BeatWaves, MedianBeat | None]:
    """Take P waves away that do not repeat, and find those that only the median beat shows.

    Parameters
    ----------
    waves : BeatWaves
        Of all leads together.
    beat : MedianBeat or None
        Of the same leads as ``signal``.
    signal : ndarray (leads, samples)
        mV, no gaps.
    sampling_rate : float
        Hz.
    beats : ndarray, int64 (beats,)
    usual : ndarray of bool (beats,)
        Beats of the dominant class.
    """
    if beat is None or "qrs_onset" not in beat.boundaries or beats.size < FEWEST_BEATS:
        return waves, beat
    begin = beat.boundaries["qrs_onset"] - beat.fiducial
    interval = np.diff(beats, prepend=beats[0] - np.median(np.diff(beats)))
    usual = usual & (interval >= EARLY * np.median(interval))
    likeness = p_likeness(signal, sampling_rate, beat.leads, beats + begin, usual)
    known = likeness[usual & np.isfinite(likeness)]
    if known.size < FEWEST_BEATS:
        return waves, beat
    repeats, there = float(np.median(known)), np.isfinite(waves.p_peak)
    if repeats < CHANCE and np.quantile(known, 0.8) < BEST_FIFTH:
        return _without_p(waves, beat) if there.any() else (waves, beat)
    missing = ~there & (np.nan_to_num(likeness, nan=-1.0) >= OWN)
    if repeats < REPEATS or not missing.any():
        return waves, beat
    shown = set(P_BOUNDARIES) <= set(beat.boundaries) and 2 * there[usual].sum() >= usual.sum()
    found = {n: beat.boundaries[n] for n in P_BOUNDARIES} if shown else _of_median(beat, beats)
    if found is None:
        return waves, beat
    moved = {
        name: np.where(missing, beats + column - beat.fiducial, getattr(waves, name))
        for name, column in found.items()
    }
    return replace(waves, **moved), replace(beat, boundaries={**beat.boundaries, **found})


def _without_p(waves: BeatWaves, beat: MedianBeat) -> tuple[BeatWaves, MedianBeat]:
    nothing = np.full_like(waves.p_peak, np.nan)
    kept = {name: value for name, value in beat.boundaries.items() if name not in P_BOUNDARIES}
    return replace(waves, **dict.fromkeys(P_BOUNDARIES, nothing)), replace(beat, boundaries=kept)


def _of_median(beat: MedianBeat, beats: Int64) -> dict[str, float] | None:
    begin, end = beat.boundaries["qrs_onset"], beat.boundaries.get("qrs_offset")
    rows = np.isfinite(beat.values).all(axis=1) & (np.ptp(beat.values, axis=1) > 0)
    if end is None or not rows.any():
        return None
    rate, values, qrs = beat.sampling_rate, beat.values[rows], (begin, end)
    rr = float(np.median(np.diff(beats)))
    first = beat.fiducial - min(REACH_OF_RR * rr, REACH_S * rate)
    between = (max(first, 0.0), begin - GUARD_S * rate)
    found = wave_of_one_beat(values, rate, beat.fiducial, qrs, between)
    onset, peak, offset = found
    # What cannot be told is NaN, and no comparison with it holds.
    if not (begin - peak >= LEAST_PEAK_S * rate and offset - onset <= MOST_S * rate):
        return None
    if rr < FAST_RR_S * rate and np.diff(beats).std() < REGULAR * rr:
        behind = (end + AFTER_QRS_S * rate, peak + rr - BEFORE_P_S * rate)
        if not np.isfinite(wave_of_one_beat(values, rate, beat.fiducial, qrs, behind)[1]):
            return None
    return dict(zip(P_BOUNDARIES, found, strict=True))
