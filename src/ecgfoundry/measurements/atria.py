"""P waves and how they stand to the QRS complexes: conducted ones, and those that none follows.

P waves before QRS complexes come from the delineation. Where their distance from the complex is
steady, their median shape is looked for once more between the T wave and the next P wave: a wave
that no complex follows is blocked, as in second-degree block.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.delineation import BeatWaves
from ecgfoundry.measurements.medians import median_of_rows
from ecgfoundry.measurements.values import AtrialActivity, Beats

__all__ = ["atrial_activity", "blocked_p_waves"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

SEARCH_RATE_HZ = 125.0
TEMPLATE_S = 0.070
"""The shape of P reaches 70 ms to both sides of its peak."""
LEAST_TEMPLATE = 3
ALIKE, LEAST_SIZE, LARGEST_SIZE = 0.90, 0.6, 1.7
"""A blocked P wave is so like the others, and of their size (our choice)."""
MIDDLE = (0.40, 0.60)
"""It comes when the sinus node is due: in the middle between the P waves around it. U waves, which
look alike, come soon after T."""
BEHIND_T_S, BEFORE_P_S = 0.04, 0.20
"""Not closer behind the end of T, nor before the next P wave (our choice)."""
LEAST_STRETCH_S = 0.16
LEAST_HEIGHT = 3.0
"""The shape stands so far out of the noise between the waves: median P over median difference."""


def atrial_activity(
    beats: Beats, waves: BeatWaves, blocked: Float64, sampling_rate: float
) -> AtrialActivity:
    """Return all P waves and the PR intervals.

    Parameters
    ----------
    beats : Beats
    waves : BeatWaves
        Boundaries of all leads together, in samples.
    blocked : ndarray (waves,)
        Samples of P waves that no QRS complex follows.
    sampling_rate : float
        Hz.
    """
    if len(beats) == 0:
        return AtrialActivity.none()
    pr_ms = (waves.qrs_onset - waves.p_onset) * (1000.0 / sampling_rate)
    there = np.flatnonzero(np.isfinite(waves.p_peak))
    times = np.concatenate([waves.p_peak[there], blocked]) / sampling_rate
    before = np.concatenate([there, np.full(blocked.size, -1)]).astype(np.int64)
    order = np.argsort(times, kind="stable")
    return AtrialActivity(times[order], before[order], pr_ms)


def blocked_p_waves(
    signal: Float64, sampling_rate: float, beats: Int64, waves: BeatWaves
) -> Float64:
    """Return the samples of the peaks of P waves that no QRS complex follows.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        Without gaps and pacing spikes.
    sampling_rate : float
        Hz.
    beats : ndarray, int64 (beats,)
    waves : BeatWaves
        Boundaries of all leads together, in samples.
    """
    nothing = np.empty(0)
    begin, end = _stretches(beats, waves, sampling_rate)
    conducted = waves.p_peak[np.isfinite(waves.p_peak)]
    if begin.size == 0 or conducted.size < LEAST_TEMPLATE:
        return nothing
    factor = max(1, int(sampling_rate // SEARCH_RATE_HZ))
    length = signal.shape[1] // factor
    x = signal[:, : length * factor].reshape(signal.shape[0], length, factor).mean(axis=2)
    rate = sampling_rate / factor
    reach = round(TEMPLATE_S * rate)
    pieces = _levelled(x, np.rint(conducted / factor).astype(np.int64), reach)
    shape = median_of_rows(pieces, axis=1)
    noise = np.sqrt(np.mean(np.square(pieces - shape[:, None]), axis=(1, 2)))
    weight = 1.0 / np.maximum(noise, 1e-9)
    if np.sqrt(np.mean(np.square(shape * weight[:, None]))) < LEAST_HEIGHT / 2.0:
        return nothing
    found = []
    for low, high in zip(begin / factor, end / factor, strict=True):
        places = np.arange(max(reach, round(low)), min(length - reach - 1, round(high)) + 1)
        if places.size == 0:
            continue
        best = _best(x, places, reach, shape, weight)
        if best is not None and _due(best * factor, waves.p_peak):
            found.append(best * factor + (factor - 1) / 2)
    return np.asarray(found)


def _stretches(beats: Int64, waves: BeatWaves, rate: float) -> tuple[Float64, Float64]:
    """Return where a P wave without a complex may stand: from T to the next P or QRS."""
    if beats.size < 2:
        return np.empty(0), np.empty(0)
    begin = waves.t_offset[:-1] + BEHIND_T_S * rate
    following = np.where(
        np.isfinite(waves.p_onset[1:]), waves.p_onset[1:], waves.qrs_onset[1:] - 0.1 * rate
    )
    end = following - BEFORE_P_S * rate
    with np.errstate(invalid="ignore"):
        room = end - begin >= LEAST_STRETCH_S * rate
    return begin[room], end[room]


def _levelled(x: Float64, places: Int64, reach: int) -> Float64:
    """Pieces around places, each less the straight line between its ends: (leads, places, n)."""
    index = np.clip(places[:, None] + np.arange(-reach, reach + 1), 0, x.shape[1] - 1)
    pieces = x[:, index]
    share = np.linspace(0.0, 1.0, 2 * reach + 1)
    line: Float64 = pieces[..., :1] * (1.0 - share) + pieces[..., -1:] * share
    return pieces - line


def _due(place: float, p_peak: Float64) -> bool:
    """Whether a place lies in the middle between the two P waves around it."""
    there = p_peak[np.isfinite(p_peak)]
    after = int(np.searchsorted(there, place))
    if not 0 < after < there.size:
        return False
    share = (place - there[after - 1]) / (there[after] - there[after - 1])
    return bool(MIDDLE[0] <= share <= MIDDLE[1])


def _best(x: Float64, places: Int64, reach: int, shape: Float64, weight: Float64) -> float | None:
    """Return the place most like the shape, all leads together; None where none is like it."""
    pieces = _levelled(x, places, reach) * weight[:, None, None]
    wanted = shape * weight[:, None]
    product = (pieces * wanted[:, None]).sum(axis=(0, 2))
    norm = float(np.square(wanted).sum())
    own = np.square(pieces).sum(axis=(0, 2))
    alike = product / np.sqrt(np.maximum(own * norm, 1e-30))
    size = product / norm
    alike[(size < LEAST_SIZE) | (size > LARGEST_SIZE)] = -1.0
    best = int(alike.argmax())
    return float(places[best]) if alike[best] >= ALIKE else None
