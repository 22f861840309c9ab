"""Which class a beat is of: a rule from prematurity, width and shape.

The classes are those of ANSI/AAMI EC57: N, S, V, F, Q (:data:`~.values.BEAT_LABELS`). A paced beat
is Q. A beat unlike the usual one that is wide is V; one like the usual one that comes early is S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.delineation import BeatWaves
from ecgfoundry.measurements.intervals import beat_likeness

__all__ = ["BeatClasses", "classify_beats"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

ALIKE = 0.80
UNLIKE = 0.70
EARLY_SHARE = 0.82
"""A beat is premature when its interval is under this share of the median of those around it."""
AROUND_BEATS = 8
WIDER_S, WIDE_S = 0.020, 0.110


@dataclass(frozen=True, eq=False)
class BeatClasses:
    """Label, confidence (NaN: unknown), template (0: the usual beats, -1: none) of each beat.

    ``usual`` says which beats are of the dominant class: measurements are made on them.
    """

    label: NDArray[np.str_]
    confidence: Float64
    template: Int64
    usual: Bool

    @classmethod
    def none(cls) -> BeatClasses:
        """No beat."""
        return cls(np.empty(0, "<U1"), np.empty(0), np.empty(0, np.int64), np.empty(0, bool))

    def chosen(self, which: Bool) -> BeatClasses:
        """Return some of the beats."""
        return BeatClasses(
            self.label[which], self.confidence[which], self.template[which], self.usual[which]
        )


def classify_beats(
    signal: Float64,
    sampling_rate: float,
    beats: Int64,
    leads: Sequence[str],
    waves: BeatWaves,
    paced: Bool,
) -> BeatClasses:
    """Say of every beat which class it is of.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        mV or any unit.
    sampling_rate : float
        Hz.
    beats : ndarray, int64 (beats,)
    leads : sequence of str
        Names of the rows.
    waves : BeatWaves
        Boundaries of all leads together.
    paced : ndarray of bool (beats,)
        Which beats a pacing spike made.
    """
    count = len(beats)
    if count == 0:
        return BeatClasses.none()
    likeness = beat_likeness(signal, sampling_rate, beats)
    width = (waves.qrs_offset - waves.qrs_onset) / sampling_rate
    alike = likeness >= ALIKE
    if not alike.any():
        alike = np.ones(count, bool)
    known = width[alike & np.isfinite(width)]
    usual_width = float(np.median(known)) if known.size else np.nan
    early = _early(beats)
    with np.errstate(invalid="ignore"):
        wide = (width > WIDE_S) & (width > usual_width + WIDER_S)
    label = np.full(count, "N")
    label[early & alike & ~wide] = "S"
    label[(likeness < UNLIKE) & wide] = "V"
    label[paced] = "Q"
    template = np.where(alike, 0, -1).astype(np.int64)
    usual = alike & (label != "V")
    if not usual.any():
        usual = alike
    return BeatClasses(label, np.full(count, np.nan), template, usual)


def _early(beats: Int64) -> Bool:
    """Whether each beat comes clearly before its time."""
    result = np.zeros(beats.size, bool)
    rr = np.diff(beats).astype(np.float64)
    if rr.size < 3:
        return result
    padded = np.pad(rr, AROUND_BEATS, mode="reflect" if rr.size > AROUND_BEATS else "edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND_BEATS + 1)
    middle = np.median(views, axis=1)
    # Where every interval differs, as in atrial fibrillation, none is early.
    steady = np.median(np.abs(views - middle[:, None]), axis=1) < 0.06 * middle
    result[1:] = (rr < EARLY_SHARE * middle) & steady
    return result
