"""Occlusion: hide a part of a lead and see how the score falls.

M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, for
images. A hidden stretch of an ECG is a straight line from where it begins to where it ends, so that
hiding makes no step that would look like a wave. It needs nothing but the network's answers, and so
works on every runtime.

A stretch is either a span of time, or the same part of *every* beat at once. The second is for
findings that stand in the shape of the beats: a network that sees ten alike beats loses nothing
when a wave is hidden in one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["beat_spans", "hide", "occlude", "time_spans"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Spans = Sequence[tuple[tuple[int, int], ...]]

TIME_WIDTH_S, TIME_STEP_S = 0.40, 0.20
"""A span about as long as a QT interval, half of it overlapping the next (our choice)."""
BEAT_WIDTH_S, BEAT_STEP_S = 0.08, 0.04
BEAT_BEFORE_S, BEAT_AFTER_S = 0.28, 0.52
"""Parts of the beat from before the P wave to behind the T wave, 80 ms each (our choice)."""
BATCH = 64


def time_spans(
    samples: int,
    sampling_rate: float,
    *,
    width_s: float = TIME_WIDTH_S,
    step_s: float = TIME_STEP_S,
) -> list[tuple[tuple[int, int], ...]]:
    """Return overlapping spans over a window, each as one (start, stop) in samples.

    Every sample is covered; the first and the last span are cut at the ends of the window.
    """
    width, step = max(2, round(width_s * sampling_rate)), max(1, round(step_s * sampling_rate))
    starts = range(step - width, samples, step)
    spans = [(max(0, start), min(samples, start + width)) for start in starts]
    return [(span,) for span in spans if span[1] - span[0] > 1]


def beat_spans(
    beats: Int64,
    samples: int,
    sampling_rate: float,
    *,
    width_s: float = BEAT_WIDTH_S,
    step_s: float = BEAT_STEP_S,
) -> list[tuple[tuple[int, int], ...]]:
    """Return, for each part of the beat, its spans in all beats.

    Parts reach no further than the middle between beats at fast rates.
    """
    before, after = BEAT_BEFORE_S * sampling_rate, BEAT_AFTER_S * sampling_rate
    if len(beats) > 1:
        usual = float(np.median(np.diff(beats)))
        before, after = min(before, 0.4 * usual), min(after, 0.6 * usual)
    width, step = max(2, round(width_s * sampling_rate)), max(1, round(step_s * sampling_rate))
    result = []
    for offset in range(-round(before), round(after) - width + 1, step):
        spans = [
            (max(0, int(beat) + offset), min(samples, int(beat) + offset + width)) for beat in beats
        ]
        kept = tuple(span for span in spans if span[1] - span[0] > 1)
        if kept:
            result.append(kept)
    return result


def hide(window: Float32, rows: Sequence[int], spans: Sequence[tuple[int, int]]) -> Float32:
    """Return a copy of (leads, samples) with straight lines in the spans of some rows."""
    result = window.copy()
    last = window.shape[1] - 1
    for start, stop in spans:
        # From the last sample before to the first behind; at an end the other side's value holds.
        left, right = start - 1, stop
        weights = np.arange(1, stop - start + 1, dtype=np.float32) / np.float32(stop - start + 1)
        for row in rows:
            first = window[row, left] if left >= 0 else window[row, min(right, last)]
            final = window[row, right] if right <= last else first
            result[row, start:stop] = first + (final - first) * weights
    return result


def occlude(
    score: Callable[[Float32], Float64],
    window: Float32,
    spans: Spans,
    *,
    rows: Sequence[Sequence[int]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Float64, float]:
    """Return the occlusion map of a window.

    Parameters
    ----------
    score : callable
        (windows, leads, samples) -> (windows,).
    window : float32 (leads, samples)
        Standardized; a row of NaN is an absent lead.
    spans : sequence
        What is hidden at once, as :func:`time_spans` and :func:`beat_spans` give it.
    rows : sequence of sequence of int, optional
        Groups of rows that are hidden together; by default every row that is there by itself.
    progress : callable (done, total), optional
        Hidings.

    Returns
    -------
    map : float64 (leads, samples)
        The mean fall of the score over the hidings that covered a sample; 0 where none did, NaN in
        absent rows.
    score : float
        Of the whole window.
    """
    present = ~np.isnan(window).all(axis=1)
    groups = [[int(row)] for row in np.flatnonzero(present)] if rows is None else rows
    jobs = [(group, parts) for group in groups for parts in spans]
    whole = float(score(window[None])[0])
    total = np.zeros(window.shape)
    count = np.zeros(window.shape)
    for start in range(0, len(jobs), BATCH):
        part = jobs[start : start + BATCH]
        hidden = np.stack([hide(window, group, parts) for group, parts in part])
        falls = whole - np.asarray(score(hidden), dtype=np.float64)
        for (group, parts), fall in zip(part, falls, strict=True):
            for first, last in parts:
                for row in group:
                    total[row, first:last] += fall
                    count[row, first:last] += 1
        if progress is not None:
            progress(start + len(part), len(jobs))
    result = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    result[~present] = np.nan
    return result, whole
