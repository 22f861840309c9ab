"""Is a probability what it says? Brier score, calibration line, reliability curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.metrics.classification import expected_calibration_error
from ecgfoundry.metrics.decisions import wilson_interval
from ecgfoundry.metrics.ranking import known_pairs
from ecgfoundry.metrics.resampling import renumbered

__all__ = [
    "CALIBRATION_MEASURES",
    "CalibrationLine",
    "ReliabilityCurve",
    "brier_score",
    "calibration_line",
    "calibration_measures",
    "reliability_curve",
]

CLIP = 1e-6
"""Probabilities are kept this far from 0 and 1 before the logit (our choice); 0 and 1 themselves
have no logit, and a single one would decide the line."""

_MOST_STEPS = 100
_THINNED_FROM = 100_000
"""Records from which the calibration line is first fitted to a fiftieth, to begin near it."""

CALIBRATION_MEASURES = (
    "brier",
    "brier_skill",
    "ece",
    "calibration_slope",
    "calibration_intercept",
    "calibration_in_the_large",
    "calibration_slope_low",
    "calibration_slope_high",
)

Float64 = NDArray[np.float64]


def brier_score(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared distance of the probability from what happened; ``nan`` without records."""
    positive, p = known_pairs(labels, probabilities)
    return float(np.square(p - positive).mean()) if len(p) else float("nan")


@dataclass(frozen=True)
class CalibrationLine:
    """Logistic recalibration ``logit P(y = 1) = intercept + slope logit(p)`` (Cox 1958).

    A slope below 1 says that probabilities are too extreme. ``in_the_large`` is the intercept with
    the slope held at 1: above 0, events are more frequent than predicted. Standard errors are of
    the sandwich form, clustered by patient where patients are given.
    """

    slope: float
    intercept: float
    in_the_large: float
    slope_error: float
    intercept_error: float
    in_the_large_error: float


def calibration_line(
    labels: ArrayLike, probabilities: ArrayLike, *, patients: ArrayLike | None = None
) -> CalibrationLine:
    """Fit the calibration line by maximum likelihood.

    Parameters
    ----------
    labels : array_like (n,)
    probabilities : array_like (n,)
        0 to 1.
    patients : array_like (n,), optional

    Returns
    -------
    CalibrationLine
        All ``nan`` when there is one class only; slope and intercept ``nan`` when the classes are
        separated (the likelihood has no maximum) or all probabilities are equal.
    """
    y_all = np.asarray(labels, dtype=np.float64)
    p_all = np.asarray(probabilities, dtype=np.float64)
    known = ~(np.isnan(y_all) | np.isnan(p_all))
    positive, p = known_pairs(y_all, p_all)
    nan = float("nan")
    if not positive.any() or positive.all():
        return CalibrationLine(nan, nan, nan, nan, nan, nan)
    y = positive.astype(np.float64)
    clipped = np.clip(p, CLIP, 1.0 - CLIP)
    z = np.log(clipped / (1.0 - clipped))
    member = np.arange(len(y)) if patients is None else np.asarray(patients)[known]
    ones = np.ones_like(z)
    large, large_error = _logistic(ones[:, None], y, z, member)
    separated = z[positive].min() >= z[~positive].max() or z[positive].max() <= z[~positive].min()
    if separated or np.ptp(z) < 1e-12:
        return CalibrationLine(nan, nan, large[0], nan, nan, large_error[0])
    both, errors = _logistic(np.stack([ones, z], axis=1), y, np.zeros_like(z), member)
    return CalibrationLine(both[1], both[0], large[0], errors[1], errors[0], large_error[0])


def _logistic(
    design: Float64, y: Float64, offset: Float64, member: NDArray[np.int64]
) -> tuple[list[float], list[float]]:
    """Newton's method; coefficients and their clustered standard errors, ``nan`` if it diverges."""
    from scipy.special import expit

    undefined = [float("nan")] * design.shape[1]
    beta = _start(design, y, offset)
    eta = design @ beta + offset
    best = _log_likelihood(eta, y)
    for _ in range(_MOST_STEPS):
        mean = expit(eta)
        weight = mean * (1.0 - mean)
        gradient = design.T @ (y - mean)
        information = (design * weight[:, None]).T @ design
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return undefined, undefined
        allowed = best - 1e-12 * max(1.0, abs(best))  # rounding is not a step too long
        eta = design @ (beta + step) + offset
        while (value := _log_likelihood(eta, y)) < allowed:
            step = step / 2.0
            eta = design @ (beta + step) + offset
            if np.abs(step).max() < 1e-14:
                break
        beta, best = beta + step, value
        if not np.isfinite(beta).all() or np.abs(beta).max() > 1e4:
            return undefined, undefined
        if np.abs(step).max() < 1e-11:
            break
    mean = expit(eta)
    information = (design * (mean * (1.0 - mean))[:, None]).T @ design
    who, _ = renumbered(member)
    scores = np.stack(
        [np.bincount(who, weights=column * (y - mean)) for column in design.T], axis=1
    )
    groups, (rows, columns) = len(scores), design.shape
    bread = np.linalg.inv(information)
    # The usual small-sample factor of clustered covariances (Cameron and Miller 2015, eq. 12).
    factor = groups / max(groups - 1, 1) * (rows - 1) / max(rows - columns, 1)
    covariance = bread @ (scores.T @ scores) @ bread * factor
    return [float(b) for b in beta], [float(e) for e in np.sqrt(np.diag(covariance))]


def _start(design: Float64, y: Float64, offset: Float64) -> Float64:
    """Return where Newton's method begins: the answer of every 50th record if there are many."""
    beta = np.zeros(design.shape[1])
    if len(y) >= _THINNED_FROM:
        few = slice(None, None, 50)
        found, _ = _logistic(design[few], y[few], offset[few], np.arange(len(y[few])))
        if not np.isnan(found).any():
            return np.array(found)
    if design.shape[1] == 2:  # near the usual answer: slope 1
        beta[1] = 1.0
    return beta


def _log_likelihood(eta: Float64, y: Float64) -> float:
    # log(1 + exp(eta)), whose parts are quick and cannot overflow.
    softplus = np.maximum(eta, 0.0) + np.log(1.0 + np.exp(-np.abs(eta)))
    return float((y * eta - softplus).sum())


@dataclass(frozen=True)
class ReliabilityCurve:
    """Observed share of events against predicted probability, bin by bin; empty bins left out.

    Attributes
    ----------
    predicted, observed : float64 (bins,)
        Mean probability and share of events of each bin.
    low, high : float64 (bins,)
        Wilson's 95 % interval of the share.
    count : int64 (bins,)
    """

    predicted: Float64
    observed: Float64
    low: Float64
    high: Float64
    count: NDArray[np.int64]


def reliability_curve(
    labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 10, strategy: str = "quantile"
) -> ReliabilityCurve:
    """Return the reliability curve.

    Parameters
    ----------
    bins : int
        10 (our choice).
    strategy : {"quantile", "uniform"}
        Bins of equal count (our choice for the figures: none is empty), or of equal width.
    """
    positive, p = known_pairs(labels, probabilities)
    if not len(p):
        empty = np.empty(0)
        return ReliabilityCurve(empty, empty, empty, empty, np.empty(0, np.int64))
    if strategy == "quantile":
        edges = np.unique(np.quantile(p, np.linspace(0.0, 1.0, bins + 1)))
        index = np.searchsorted(edges[1:-1], p, side="left")
    else:
        index = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(index, minlength=bins)
    used = count > 0
    events = np.bincount(index, weights=positive, minlength=bins)[used]
    predicted = np.bincount(index, weights=p, minlength=bins)[used]
    low, high = wilson_interval(events, count[used])
    return ReliabilityCurve(
        predicted / count[used], events / count[used], low, high, count[used].astype(np.int64)
    )


def calibration_measures(
    labels: ArrayLike, probabilities: ArrayLike, *, patients: ArrayLike | None = None
) -> dict[str, float]:
    """Return Brier score, its share of the prevalence-only one, ECE, slope and intercept.

    ``brier_skill`` is ``1 - Brier / (prevalence (1 - prevalence))``: 0 for a model that says the
    prevalence to everybody. Nothing is computed (``nan``) unless all scores lie in 0 to 1.
    """
    y = np.asarray(labels, dtype=np.float64)
    positive, p = known_pairs(y, probabilities)
    if not len(p) or p.min() < 0.0 or p.max() > 1.0:
        return dict.fromkeys(CALIBRATION_MEASURES, float("nan"))
    brier = brier_score(y, probabilities)
    share = float(positive.mean())
    constant = share * (1.0 - share)
    line = calibration_line(y, probabilities, patients=patients)
    half = 1.959963984540054 * line.slope_error
    return {
        "brier": brier,
        "brier_skill": 1.0 - brier / constant if constant > 0 else float("nan"),
        "ece": expected_calibration_error(p, positive),
        "calibration_slope": line.slope,
        "calibration_intercept": line.intercept,
        "calibration_in_the_large": line.in_the_large,
        "calibration_slope_low": line.slope - half,
        "calibration_slope_high": line.slope + half,
    }
