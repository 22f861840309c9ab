"""Laboratory estimates as trends: a sliding mean of windows, its interval, and its direction.

A laboratory value hardly changes within minutes while single ten-second windows scatter, so windows
are averaged in the logits, as :mod:`ecgfoundry.labs.estimates` averages those of a recording.
The interval is that of this mean: how far it could lie elsewhere with other windows of the same
signal. It is **not** an interval of the laboratory value; how well a model knows that at all is its
AUROC and, of measured values, the interval of its bundle.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import ModelNotFoundError
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.warnings import SYNTHETIC_WORDS, trained_on_synthetic
from ecgfoundry.inference.windows import InputLeads, WindowSource, prepare_together
from ecgfoundry.labs.estimates import KIND
from ecgfoundry.labs.upright import upright
from ecgfoundry.measurements.gate import is_doubted
from ecgfoundry.models.bundle import Bundle
from ecgfoundry.vocabularies.types import Target

__all__ = ["LaboratoryTrend", "Trend", "TrendPoint", "laboratory_timeline", "trend_words"]

Float64 = NDArray[np.float64]

SPAN_S = 300.0
"""Length of the sliding mean (our choice: thirty windows, and short against how values change)."""
EVERY_S = 10.0
"""A window every so often: no two of them share samples."""
CONFIDENCE = 0.90
"""Of the interval of the mean and of the test of its direction (our choice)."""
FEWEST_WINDOWS = 3
FEWEST_FOR_DIRECTION = 9  # a line through fewer points says little about its slope (our choice)
_MOST_CORRELATED = 0.95
_POINTS = 360


@dataclass(frozen=True, slots=True)
class Trend:
    """One indicator: where its sliding mean stands and where it goes.

    Parameters
    ----------
    target : Target
    estimate : float
        Probability of being beyond its limit, or the value in the target's unit.
    low, high : float or None
        90 % interval of the mean; None with fewer than three windows.
    value_low, value_high : float or None
        Of a measured value: the interval of the bundle around the mean.
    direction : str
        "rising", "falling", "steady", or "unknown" with fewer than nine windows.
    change : float or None
        Difference between the ends of the straight line through the windows, in the estimate's
        unit.
    """

    target: Target
    estimate: float
    low: float | None
    high: float | None
    value_low: float | None
    value_high: float | None
    direction: str
    change: float | None

    def to_dict(self) -> JsonObject:
        """Return the JSON form, without what is not known."""
        fields = {
            name: round(value, 6) if isinstance(value, float) else value
            for name in self.__slots__
            if name != "target" and (value := getattr(self, name)) is not None
        }
        return {**self.target.to_dict(), **fields}


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """The trends at one time, of so many windows that could be read and so many that could not."""

    time_s: float
    windows: int
    refused_windows: int
    trends: tuple[Trend, ...]

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "time_s": round(self.time_s, 4),
            "windows": self.windows,
            "refused_windows": self.refused_windows,
            "estimates": [trend.to_dict() for trend in self.trends],
        }


class LaboratoryTrend:
    """The sliding mean of one signal.

    Parameters
    ----------
    bundle : Bundle
        Multilabel or regression, with laboratory indicators.
    span_s : float
        Windows older than this count no more.

    Raises
    ------
    ModelNotFoundError
        The bundle has no laboratory indicator, or excludes targets from each other.
    """

    def __init__(self, bundle: Bundle, *, span_s: float = SPAN_S) -> None:
        targets = bundle.vocabulary.targets
        self._shown = [k for k, target in enumerate(targets) if target.kind == KIND]
        if not self._shown or bundle.task.exclusive:
            raise ModelNotFoundError(
                f"{bundle.name} has no laboratory indicator",
                remedy="Give a bundle of 'ecgfoundry labs train'",
            )
        self._bundle, self._span_s = bundle, span_s
        self._windows: deque[tuple[float, Float64]] = deque()
        self._refused: deque[float] = deque()

    def add(self, logits: NDArray[np.floating] | None, time_s: float) -> TrendPoint | None:
        """Take the logits (targets,) of the window that ends at ``time_s``; None: it was refused.

        Returns
        -------
        TrendPoint or None
            None while no window of the span could be read.
        """
        if logits is None:
            self._refused.append(time_s)
        else:
            self._windows.append((time_s, np.asarray(logits, np.float64)))
        oldest = time_s - self._span_s
        while self._windows and self._windows[0][0] <= oldest:
            self._windows.popleft()
        while self._refused and self._refused[0] <= oldest:
            self._refused.popleft()
        if not self._windows:
            return None
        times = np.array([time for time, _ in self._windows])
        stacked = np.stack([values for _, values in self._windows])
        trends = _trends(self._bundle, times, stacked, self._shown)
        return TrendPoint(time_s, len(times), len(self._refused), trends)

    def forget(self) -> None:
        """Begin anew: the signal is another one."""
        self._windows.clear()
        self._refused.clear()


def _trends(
    bundle: Bundle, times: Float64, logits: Float64, shown: Sequence[int]
) -> tuple[Trend, ...]:
    """What windows (windows, targets) at ``times`` (s) say together."""
    mean = logits.mean(axis=0)
    half, slope, certain = _interval_and_slope(times, logits)
    ends = slope * (times[-1] - times[0])
    directed = len(times) >= FEWEST_FOR_DIRECTION
    # Straight through the calibration: it is monotone, so the ends of an interval stay its ends.
    middle, low, high, first, last = bundle.task.answers(
        np.stack([mean, mean - half, mean + half, mean - ends / 2, mean + ends / 2])
    )
    low, high = np.minimum(low, high), np.maximum(low, high)
    change = last - first
    scale = bundle.task.readout.scale
    spread = None if scale is None else scale.residuals
    known = len(times) >= FEWEST_WINDOWS
    result = []
    for k in shown:
        direction = "unknown"
        if directed:
            direction = "steady"
            if certain[k]:
                direction = "rising" if change[k] > 0 else "falling"
        result.append(
            Trend(
                bundle.vocabulary.targets[k],
                float(middle[k]),
                float(low[k]) if known else None,
                float(high[k]) if known else None,
                None if spread is None else float(middle[k] + spread[k][0]),
                None if spread is None else float(middle[k] + spread[k][1]),
                direction,
                float(change[k]) if directed else None,
            )
        )
    return tuple(result)


def _interval_and_slope(
    times: Float64, values: Float64
) -> tuple[Float64, Float64, NDArray[np.bool_]]:
    """Return (half width of the mean's interval, slope per s, whether it is surely not 0).

    Neighbouring windows resemble each other, so they count as fewer: with correlation ``r`` from
    one to the next as ``n (1 - r) / (1 + r)`` (the usual figure for a first-order autoregression).
    Student's t with that many windows less one (mean) or two (slope).
    """
    from scipy.stats import t as student

    count, targets = values.shape
    if count < FEWEST_WINDOWS:
        none = np.zeros(targets)
        return none, none, np.zeros(targets, bool)
    share = 0.5 + CONFIDENCE / 2
    centred = values - values.mean(axis=0)
    counted = _effective(centred)
    deviation = centred.std(axis=0, ddof=1)
    half = student.ppf(share, np.maximum(counted - 1, 1)) * deviation / np.sqrt(counted)
    moved = times - times.mean()
    square = float(moved @ moved)
    slope = moved @ centred / square if square > 0 else np.zeros(targets)
    rest = centred - moved[:, np.newaxis] * slope
    apart = _effective(rest)
    freedom = np.maximum(apart - 2, 1)
    error = np.sqrt((rest**2).sum(axis=0) / max(count - 2, 1) / max(square, 1e-12))
    error *= np.sqrt(count / apart)
    certain = np.abs(slope) > student.ppf(share, freedom) * error
    return half, slope, certain


def _effective(centred: Float64) -> Float64:
    """How many independent windows so many correlated ones are worth, per target; at least 2."""
    power = (centred**2).sum(axis=0)
    products = (centred[1:] * centred[:-1]).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(power > 0, products / power, 0.0)
    r = np.clip(r, 0.0, _MOST_CORRELATED)
    return np.maximum(len(centred) * (1 - r) / (1 + r), 2.0)


def laboratory_timeline(
    predictor: Predictor, source: WindowSource, *, lead: str | None = None
) -> JsonObject:
    """Follow the estimates through a long recording.

    At most 360 windows are read, evenly over the recording; the sliding mean is as long as thirty
    of them, and never shorter than five minutes. A window that may be no ECG counts as refused.

    Returns
    -------
    dict
        ``every_s``, ``span_s`` and ``points`` (:meth:`TrendPoint.to_dict`).

    Raises
    ------
    ModelNotFoundError
        The bundle has no laboratory indicator.
    LeadError
        The recording has no lead for the model.
    """
    spec = predictor.bundle.input
    leads = InputLeads.choose(spec, source.leads, lead=lead)
    source, _ = upright(predictor.bundle, source, leads)
    rate = source.sampling_rate
    length = round(spec.window_s * rate)
    count = max((source.samples - length) // length + 1, 1)
    step = length * math.ceil(count / _POINTS)
    every_s = step / rate
    span_s = max(SPAN_S, 30 * every_s)
    trend = LaboratoryTrend(predictor.bundle, span_s=span_s)
    points = []
    starts = range(0, max(source.samples - length, 0) + 1, step)
    for chunk in (starts[k : k + 32] for k in range(0, len(starts), 32)):
        parts = [(source.part(at, min(at + length, source.samples)), leads, at) for at in chunk]
        prepared = prepare_together(parts, spec)
        shown = [None if is_doubted(made.quality) else made.standardized for made in prepared]
        readable = [window for window in shown if window is not None]
        logits = iter(predictor.logits(np.stack(readable)) if readable else ())
        for made, window in zip(prepared, shown, strict=True):
            values = None if window is None else next(logits)
            point = trend.add(values, made.stop / rate)
            if point is not None:
                points.append(point.to_dict())
    return {"every_s": round(every_s, 4), "span_s": round(span_s, 4), "points": points}


def trend_words(bundle: Bundle) -> list[str]:
    """Return the sentences that stand under every trend."""
    lines = [
        "Estimates from an ECG. None replaces a laboratory measurement. Not a medical device.",
        "The band is the 90 % interval of the sliding mean, not of the laboratory value.",
    ]
    if bundle.task.decides and bundle.task.readout.calibration is None:
        lines.append("The probabilities are not calibrated.")
    return [f"SYNTHETIC: {SYNTHETIC_WORDS}", *lines] if trained_on_synthetic(bundle) else lines
