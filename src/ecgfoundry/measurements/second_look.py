"""Is it an ECG? A second look at what passes: its usual beat, its intervals, its whole spectrum.

The thirteen figures of :mod:`ecgfoundry.measurements.recognition` are about complexes alone. What
imitates a QRS complex (the slope of a pulse, a heel's strike, valves on a breastbone) differs from
an ECG in what surrounds it: how much of the beat is at rest, what stands before and behind the
complex and how wide it is, how the power is spread from the drift of electrodes to the noise, and
how size and intervals change from beat to beat. Boosted trees (``second_look.json``,
``benchmarks/experiments/second_look.py``) know these figures beside the thirteen. They refuse
nothing; where they see no ECG there is a doubt.

All figures are of the lead that counts most. They are ratios: no unit, gain or polarity matters.
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.measurements.beats import Detection
from ecgfoundry.measurements.medians import median
from ecgfoundry.measurements.trees import Trees

__all__ = ["SECOND_FIGURES", "UNLIKE_AN_ECG", "second_look_trees", "second_row"]

FILE = "second_look.json"

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

UNLIKE_AN_ECG = -0.4
UNLIKE_IN_SILENCE = -1.2
"""Log-odds of an ECG under which there is a doubt; the second where complexes stand in next to
nothing, as programs draw ECGs. Chosen by cross-validation over records and kinds: of 9,902 windows
of records that the gate reads 33 more are in doubt (17 of them of MIT-BIH), of 7,312 that are drawn
78 more, and of 2,766 that are no ECG and of a kind that is left out 69 in 100 instead of 38."""

BEFORE_S, BEHIND_S = 0.3, 0.5
"""The beat reaches so far, at most half the usual interval."""
COMPLEX_S = 0.08
"""The highest deflection within this is the middle of the complex."""
EDGE_S, AWAY_S = 0.12, 0.1
"""Slopes of the complex are steepest within the first; beyond the second is no complex."""
QUIET_SHARES = (0.03, 0.12, 0.25)
"""Slopes under these shares of the steepest are rest."""
P_S, T_S = (-0.28, -0.08), (0.1, 0.48)
"""Where P and T waves stand, after the middle of the complex."""
BEAT_HZ = (1.0, 3.0, 6.0, 10.0, 15.0, 20.0, 25.0, 32.0)
SIGNAL_HZ = (0.3, 0.7, 1.5, 3.0, 6.0, 12.0, 25.0, 45.0)
"""Edges of the bands of the beat and of the signal: 0.3 to 0.7 Hz is drift and breathing."""
LEAST_POWER = 1e-7
TRANSFORM = 1024
ALIKE = 0.8
"""Complexes with this correlation are of one shape, as in recognition."""
NOTHING = -1.0
"""Stands for what a window does not have."""

_SIDE = ("height", "time", "width", "slope", "range")
SECOND_FIGURES = (
    *("interval", "interval_spread", "interval_deviation", "interval_change"),
    *("interval_shortest", "interval_longest", "least_alike"),
    *("peak", "lowest", "quarter_before", "quarter_behind", "up_over_down", "curvature"),
    *(f"quiet_{share}" for share in QUIET_SHARES),
    *("slope_away", "skewness", "peakedness", "slope_peakedness", "slope_80", "slope_50"),
    *("level_before", "level_behind", "level_change"),
    *(f"{wave}_{figure}" for wave in ("p", "t") for figure in _SIDE),
    *(f"beat_{low:g}_hz" for low in BEAT_HZ[:-1]),
    "beat_centre_hz",
    *("gain_spread", "gain_alternation", "restlessness"),
    *("signal_skewness", "signal_peakedness", "signal_slope_peakedness"),
    *(f"signal_{low:g}_hz" for low in SIGNAL_HZ[:-1]),
)
"""What the trees see beside the figures of recognition."""


@functools.cache
def second_look_trees() -> Trees:
    """Return the trees of the installation."""
    text = (files("ecgfoundry.measurements") / FILE).read_text(encoding="utf-8")
    return Trees.from_dict(json.loads(text))


def second_row(found: Detection, beats: Int64, kept: Int64, likeness: Float64) -> Float64:
    """Measure what :data:`SECOND_FIGURES` names, (figures,); :data:`NOTHING` for what there is not.

    Parameters
    ----------
    found : Detection
    beats : ndarray of int64
        Samples of ``found.coarse``, one at least.
    kept : ndarray of int64 (m,)
        Numbers of the beats whose complexes were compared.
    likeness : ndarray (m, m)
        Their correlations.
    """
    lead = found.coarse[int(np.argmax(found.shares))]
    rate = found.rate
    usual = median(np.diff(beats)) / rate if beats.size > 1 else 2 * BEHIND_S
    figures = _intervals(np.diff(beats) / rate)
    figures["least_alike"] = _least_alike(likeness)
    alike = likeness >= ALIKE
    chosen = beats[kept[alike[alike.sum(axis=1).argmax()]]] if kept.size else beats
    pieces = _pieces(lead, chosen if chosen.size else beats, rate, usual)
    beat = np.median(pieces, axis=0)
    middle = _middle(beat, rate, usual)
    figures |= _shape(beat, middle, rate)
    figures |= _changes(pieces, beat, middle, rate)
    figures |= _whole(lead, rate)
    row = np.array([figures.get(name, np.nan) for name in SECOND_FIGURES])
    return np.nan_to_num(row, nan=NOTHING, posinf=1e6, neginf=-1e6)


def _intervals(intervals: Float64) -> dict[str, float]:
    """Of the intervals in s, over the usual one."""
    if intervals.size == 0:
        return {}
    usual = median(intervals)
    result = {
        "interval": usual,
        "interval_shortest": float(intervals.min()) / usual,
        "interval_longest": float(intervals.max()) / usual,
    }
    if intervals.size > 2:
        result["interval_spread"] = float(intervals.std() / intervals.mean())
        result["interval_deviation"] = median(np.abs(intervals - usual)) / usual
        result["interval_change"] = median(np.abs(np.diff(intervals))) / usual
    return result


def _least_alike(likeness: Float64) -> float:
    """Correlation of complexes that nine in ten pairs have."""
    if len(likeness) < 2:
        return float("nan")
    return float(np.percentile(likeness[~np.eye(len(likeness), dtype=bool)], 10))


def _reach(rate: float, usual: float) -> tuple[int, int]:
    return int(min(BEFORE_S, usual / 2) * rate), int(min(BEHIND_S, usual / 2) * rate)


def _pieces(lead: Float64, beats: Int64, rate: float, usual: float) -> Float64:
    """Cut the beats out, (beats, samples), each about its median."""
    before, behind = _reach(rate, usual)
    whole = beats[(beats >= before) & (beats < lead.size - behind)]
    index = (whole if whole.size else beats)[:, None] + np.arange(-before, behind + 1)
    pieces = lead[np.clip(index, 0, lead.size - 1)]
    return pieces - np.median(pieces, axis=1, keepdims=True)


def _middle(beat: Float64, rate: float, usual: float) -> int:
    """Return the sample of the highest deflection of the complex."""
    place, reach = _reach(rate, usual)[0], round(COMPLEX_S * rate)
    first = max(0, place - reach)
    return first + int(np.abs(beat - np.median(beat))[first : place + reach + 1].argmax())


def _shape(beat: Float64, middle: int, rate: float) -> dict[str, float]:
    """Of the usual beat: its complex upward, its height 1, its usual level 0."""
    level = np.median(beat)
    upward = 1.0 if beat[middle] >= level else -1.0
    y = upward * (beat - level) / max(float(np.ptp(beat)), 1e-12)
    time = (np.arange(y.size) - middle) / rate
    slope = np.gradient(y) * rate
    steepest = max(float(np.abs(slope).max()), 1e-9)
    near, away = np.abs(time) <= EDGE_S, np.abs(time) > AWAY_S
    up, down = float(slope[near].max()), -float(slope[near].min())
    bend = float(np.abs(np.gradient(slope)[near]).max()) * rate
    low = np.flatnonzero(y <= y[middle] / 4) - middle
    result = {
        "peak": float(y[middle]),
        "lowest": float(y.min()),
        "quarter_before": -float(low[low < 0].max(initial=-middle)) / rate,
        "quarter_behind": float(low[low > 0].min(initial=y.size - 1 - middle)) / rate,
        "up_over_down": float(np.log((max(up, 0.0) + 0.1) / (max(down, 0.0) + 0.1))),
        "curvature": bend / max(up, down, 1e-9) ** 2,
        "slope_away": float(np.abs(slope[away]).max(initial=0.0)) / steepest,
    }
    for share in QUIET_SHARES:
        result[f"quiet_{share}"] = float((np.abs(slope) < share * steepest).mean())
    result["skewness"], result["peakedness"] = _moments(y)
    result["slope_peakedness"] = _moments(slope)[1]
    energy = np.cumsum(slope * slope)
    places = np.searchsorted(energy / max(float(energy[-1]), 1e-12), (0.1, 0.25, 0.75, 0.9))
    result["slope_80"] = float(places[3] - places[0]) / rate
    result["slope_50"] = float(places[2] - places[1]) / rate
    result["level_before"] = _level(y, (time > -AWAY_S) & (time < -0.06))
    result["level_behind"] = _level(y, (time > 0.06) & (time < AWAY_S))
    result["level_change"] = result["level_behind"] - result["level_before"]
    for wave, (first, last) in (("p", P_S), ("t", T_S)):
        place = (time >= first) & (time <= last)
        result |= _wave(wave, y[place], time[place], slope[place] / steepest, rate)
    power = np.abs(np.fft.rfft((y - y.mean()) * np.hanning(y.size), TRANSFORM)) ** 2
    hertz = np.fft.rfftfreq(TRANSFORM, 1 / rate)
    result |= {f"beat_{k}": v for k, v in _bands(power, hertz, BEAT_HZ).items()}
    moving = np.abs(np.fft.rfft((slope - slope.mean()) * np.hanning(y.size), TRANSFORM)) ** 2
    result["beat_centre_hz"] = float(hertz @ moving) / max(float(moving.sum()), 1e-15)
    return result


def _moments(x: Float64) -> tuple[float, float]:
    """Return skewness and kurtosis."""
    centred = x - x.mean()
    square = centred * centred
    size = float(np.sqrt(square.mean())) + 1e-12
    return float((square * centred).mean()) / size**3, float((square * square).mean()) / size**4


def _level(y: Float64, place: NDArray[np.bool_]) -> float:
    return float(np.median(y[place])) if place.any() else float("nan")


def _wave(wave: str, y: Float64, time: Float64, slope: Float64, rate: float) -> dict[str, float]:
    """Of a stretch beside the complex: the highest deflection from the line through its ends."""
    if y.size < 6:
        return {}
    bent = y - np.linspace(y[0], y[-1], y.size)
    top = int(np.abs(bent).argmax())
    figures = (
        bent[top],
        time[top],
        (np.abs(bent) > abs(bent[top]) / 2).sum() / rate,
        np.abs(slope).max(),
        np.ptp(y),
    )
    return {f"{wave}_{name}": float(v) for name, v in zip(_SIDE, figures, strict=True)}


def _bands(
    power: NDArray[np.floating], hertz: NDArray[np.floating], edges: tuple[float, ...]
) -> dict[str, float]:
    """Decimal logarithm of the share of the power from the first edge on in every band."""
    places = np.searchsorted(hertz, edges)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    total = max(float(sums[-1] - sums[places[0]]), 1e-15)
    shares = np.log10(np.diff(sums[places]) / total + LEAST_POWER)
    return {
        f"{low:g}_hz": float(share)
        for low, high, share in zip(edges[:-1], edges[1:], shares, strict=True)
        if high <= hertz[-1]
    }


def _changes(pieces: Float64, beat: Float64, middle: int, rate: float) -> dict[str, float]:
    """How beats differ from the usual one: in size, every other one, and where they move."""
    if len(pieces) < 3:
        return {}
    gain = (pieces @ beat) / max(float(beat @ beat), 1e-12)
    rest = pieces - gain[:, None] * beat
    moving = np.diff(rest, axis=1).std(axis=0)
    time = np.abs(np.arange(moving.size) - middle) / rate
    near, away = moving[time < 0.06], moving[time > AWAY_S]
    result = {"gain_spread": float(gain.std())}
    if len(pieces) > 3:
        result["gain_alternation"] = abs(float(gain[::2].mean() - gain[1::2].mean()))
    if near.size and away.size:
        scale = 1e-9 * max(float(np.ptp(beat)), 1e-12)
        ratio = (float(near.mean()) + scale) / (float(away.mean()) + scale)
        result["restlessness"] = float(np.log(ratio))
    return result


def _whole(lead: Float64, rate: float) -> dict[str, float]:
    """Of the whole window."""
    x = lead - lead.mean()
    skewness, peakedness = _moments(x)
    power = np.abs(np.fft.rfft(x * np.hanning(x.size))) ** 2
    result = {
        "signal_skewness": abs(skewness),
        "signal_peakedness": peakedness,
        "signal_slope_peakedness": _moments(np.diff(x))[1],
    }
    bands = _bands(power, np.fft.rfftfreq(x.size, 1 / rate), SIGNAL_HZ)
    return result | {f"signal_{name}": share for name, share in bands.items()}
