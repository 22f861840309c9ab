"""Hand-crafted features of a pulse wave (PPG, Pleth): what can be measured without a network.

They stand beside the features of the ECG (:mod:`ecgfoundry.measurements.features`) as the control
of what a network reads from the pulse. Heights are shares of the own pulse, since a bedside pulse
has no unit. Whatever a window does not show is NaN; no signal is an error.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, find_peaks, sosfiltfilt

__all__ = ["PULSE_FEATURES", "pulse_feature_matrix", "pulse_features"]

Float64 = NDArray[np.float64]

BAND_HZ = (0.5, 8.0)
"""Where the pulse is (M. Elgendi, Curr Cardiol Rev 8:14, 2012)."""
SHORTEST_S = 0.3
"""Between two pulses: 200 per minute (our choice)."""
PROMINENCE = 0.3
"""Of a pulse, as a share of the middle 90 % of the window's range: a reflected wave is no pulse of
its own (our choice)."""
FEWEST_PULSES = 3
LARGEST_GAP = 0.2
"""A window of which more is missing is not measured (our choice)."""
SHAPE_POINTS = 100

PULSE_FEATURES = {
    "pulse_rate_bpm": "60 s over the median interval between feet",
    "pulse_interval_sd_ms": "standard deviation of the intervals",
    "rise_ms": "foot to peak, median",
    "width_25_ms": "width at a quarter of the height, of the median pulse",
    "width_50_ms": "the same at half of the height",
    "width_75_ms": "the same at three quarters",
    "late_share": "area after the peak over the area of the median pulse",
    "shoulder": "height of the median pulse 200 ms behind its peak, as a share of the peak",
    "b_over_a": "second derivative: first trough over first crest (Takazawa 1998)",
    "height_variation": "standard deviation over mean of the heights",
    "skewness": "of the window (Elgendi, Bioengineering 3:21, 2016)",
    "likeness": "mean correlation of each pulse with the median one (Orphanidou 2015)",
}
"""Name -> definition. Sources not named are our own."""


def pulse_feature_matrix(windows: NDArray[np.floating], sampling_rate: float) -> Float64:
    """Measure windows (n, samples); return (n, features) in the order of PULSE_FEATURES."""
    rows = [pulse_features(window, sampling_rate) for window in windows]
    return np.stack(rows) if rows else np.empty((0, len(PULSE_FEATURES)))


def pulse_features(window: NDArray[np.floating], sampling_rate: float) -> Float64:
    """Measure one window of a pulse wave.

    Parameters
    ----------
    window : ndarray (samples,)
        Of any unit, peaks upwards; NaN = missing.
    sampling_rate : float
        Hz.

    Returns
    -------
    ndarray of float64 (features,)
        In the order of :data:`PULSE_FEATURES`; NaN where it cannot be had.
    """
    found = np.full(len(PULSE_FEATURES), np.nan)
    x = _filtered(np.asarray(window, dtype=np.float64), sampling_rate)
    if x is None:
        return found
    low, high = np.quantile(x, (0.05, 0.95))
    peaks, _ = find_peaks(
        x, distance=max(1, round(SHORTEST_S * sampling_rate)), prominence=PROMINENCE * (high - low)
    )
    if len(peaks) < FEWEST_PULSES + 1:
        return found
    feet = np.array(
        [first + int(np.argmin(x[first:last])) for first, last in itertools.pairwise(peaks)]
    )
    tops = peaks[1 : len(feet)]  # the peak between each foot and the next
    ms = 1000.0 / sampling_rate
    intervals, heights = np.diff(feet) * ms, x[tops] - x[feet[:-1]]
    if len(tops) < FEWEST_PULSES - 1 or not (heights > 0).all():
        return found
    shapes = _shapes(x, feet, sampling_rate)
    middle = np.median(shapes, axis=0)
    step = _shape_seconds(feet, sampling_rate) * 1000.0 / (SHAPE_POINTS - 1)
    top = int(np.argmax(middle))
    area = float(np.clip(middle, 0.0, None).sum())
    bent = np.diff(middle, 2)
    crest = int(np.argmax(bent[: top + 1])) if top > 0 else 0
    trough = float(bent[crest : top + 10].min()) if bent.size else np.nan
    behind = min(SHAPE_POINTS - 1, top + round(200.0 / step))
    deviation = float(x.std())
    found[:] = (
        60_000.0 / np.median(intervals),
        intervals.std(),
        np.median(tops - feet[:-1]) * ms,
        *(_width(middle, share) * step for share in (0.25, 0.5, 0.75)),
        float(np.clip(middle[top:], 0.0, None).sum()) / area,
        middle[behind] / middle[top],
        trough / bent[crest] if bent[crest] > 0 else np.nan,
        heights.std() / heights.mean(),
        float(((x - x.mean()) ** 3).mean()) / deviation**3,
        np.mean([np.corrcoef(shape, middle)[0, 1] for shape in shapes]),
    )
    return found


def _filtered(x: Float64, sampling_rate: float) -> Float64 | None:
    """Return the window within the band, gaps filled; None where there is nothing to measure."""
    missing = np.isnan(x)
    if missing.mean() > LARGEST_GAP or sampling_rate <= 2.0 * BAND_HZ[1]:
        return None
    if missing.any():
        places = np.arange(len(x))
        x = np.interp(places, places[~missing], x[~missing])
    if len(x) < 2.0 * sampling_rate or np.ptp(x) <= 1e-9 * max(1.0, float(np.abs(x).max())):
        return None
    sections = butter(2, BAND_HZ, btype="bandpass", fs=sampling_rate, output="sos")
    result: Float64 = sosfiltfilt(sections, x - x.mean())
    return result


def _shape_seconds(feet: NDArray[np.intp], sampling_rate: float) -> float:
    """How much of each pulse is compared: the shortest of them, at most a second."""
    return min(1.0, float(np.diff(feet).min()) / sampling_rate)


def _shapes(x: Float64, feet: NDArray[np.intp], sampling_rate: float) -> Float64:
    """Return each pulse from its foot, (pulses, points), 0 at the foot and 1 at its height."""
    seconds = _shape_seconds(feet, sampling_rate)
    places = np.linspace(0.0, seconds * sampling_rate, SHAPE_POINTS)
    every = np.arange(len(x))
    shapes = np.stack([np.interp(foot + places, every, x) - x[foot] for foot in feet[:-1]])
    return shapes / np.maximum(shapes.max(axis=1, keepdims=True), 1e-12)


def _width(shape: Float64, share: float) -> float:
    """Points of a pulse above a share of its height, ends interpolated."""
    level, top = share * float(shape.max()), int(np.argmax(shape))
    before = np.flatnonzero(shape[:top] < level)
    after = np.flatnonzero(shape[top:] < level)
    if not len(before) or not len(after):
        return float("nan")
    i, j = int(before[-1]), top + int(after[0])
    rising = i + (level - shape[i]) / (shape[i + 1] - shape[i])
    falling = j - (level - shape[j]) / (shape[j - 1] - shape[j])
    return float(falling - rising)
