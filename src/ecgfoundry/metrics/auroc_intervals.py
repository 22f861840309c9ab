r"""The interval of an AUROC that evaluations report, and the flag where it cannot be trusted.

DeLong's interval is symmetric and takes its variance from the placement values at hand. With 30
positives and an AUROC of 0.95 that variance is often far too small, because the few hard
positives happen to be missing: the plain interval then covers the truth in 86 to 89 of 100
samples (``benchmarks/experiments/interval_coverage.py``; the table stands in
``docs/evaluation.md``). What is reported instead keeps DeLong's variance clustered by patient
and

- moderates it, where it is smaller, with the variance that two normal distributions would give at
  the same AUROC and at the ratio of their spreads that the sample shows, worth ``PRIOR_PATIENTS``
  patients against the patients of the smaller class,
- is symmetric on the logit scale, about the logit of the AUROC less its bias (second-order delta
  method: the logit of an unbiased estimate near 1 is too large on average),
- uses Student's t, with Satterthwaite's degrees of freedom from the patients of the two classes,
  and widens it by one part in the patients of the smaller class.

The pieces are known (Obuchowski 1997; the moderation follows the empirical-Bayes variances of
Smyth 2004; Pepe 2003; Welch 1947; the normal-deviate quantiles are the binormal ROC line of
Metz 1978); their combination, the weight and the last widening are our choice, by the simulation.
With hundreds of patients in each class it is DeLong's interval on the logit scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.metrics.delong import (
    AurocVariance,
    auroc_covariance,
    newcombe_interval,
    wald_interval,
)

__all__ = [
    "AurocInterval",
    "auroc_interval",
    "binormal_parts",
    "binormal_variance",
    "is_reliable",
    "spread_ratio",
]

PRIOR_PATIENTS = 60
"""Patients that the model's variance is worth (our choice, by the coverage simulation)."""
SPREADS = (0.4, 2.5)
"""Ratios of the spreads between which an estimate is kept (our choice)."""
MOST_BIAS = 0.5
"""Largest correction of the centre, in standard errors (our choice)."""

RELIABLE_PATIENTS = 30
"""Patients with a positive, and without, that the coverage simulation starts from."""
RELIABLE_EFFECTIVE = 15
"""Patients with equally many records that those of a class have to be worth (our choice, by the
simulation): a few patients with most of the records are no thirty."""
RELIABLE_AUROC = (0.6, 0.95)
"""Estimates between which rows were shown to hold the truth in 93 to 97 %; outside it the row is
flagged."""

_SHARES = np.arange(1, 10) / 10.0
_LEAST_QUANTILES = 3

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class AurocInterval:
    """AUROC with its interval and what it rests on.

    Attributes
    ----------
    auroc, low, high : float
    method : str
        "delong-moderated"; "newcombe" where the data give no variance (an AUROC of 0 or 1, or one
        patient only in a class); "none" with one class.
    standard_error : float
        Of DeLong's method, clustered by patient.
    delong_low, delong_high : float
        The plain interval: symmetric, normal, clustered by patient.
    positives, negatives, positive_patients, negative_patients : int
    reliable : bool
    """

    auroc: float
    low: float
    high: float
    method: str
    standard_error: float
    delong_low: float
    delong_high: float
    positives: int
    negatives: int
    positive_patients: int
    negative_patients: int
    reliable: bool


def is_reliable(found: AurocVariance) -> bool:
    """Whether the interval stands where its coverage was shown to be 93 to 97 %."""
    low, high = RELIABLE_AUROC
    patients = min(found.positive_patients, found.negative_patients)
    effective = min(found.effective_positive_patients, found.effective_negative_patients)
    return bool(
        patients >= RELIABLE_PATIENTS
        and effective >= RELIABLE_EFFECTIVE
        # A hair for rounding: 0.95 itself is inside.
        and low - 1e-9 <= found.auroc[0] <= high + 1e-9
    )


def spread_ratio(found: AurocVariance) -> float:
    """Return the ratio of the positives' spread to the negatives', on the scale of normal deviates.

    The deciles of the smaller class, placed within the larger one and taken to normal deviates,
    lie on a line whose slope is the ratio of the spreads if some monotone function of the scores
    is normal in both classes. Deciles beyond the scores of the larger class are left out; with
    fewer than three left the ratio is 1.
    """
    from scipy.special import ndtri

    placements = found.placements[0]
    smaller_is_positive = found.positive_patients <= found.negative_patients
    # Both are shares of the other class on the worse side, so that their slopes are positive.
    values, other = placements.positive, found.negatives
    if not smaller_is_positive:
        values, other = placements.negative, found.positives
    placed = np.quantile(values, _SHARES)
    resolved = (placed * other >= 1.5) & ((1.0 - placed) * other >= 1.5)
    if resolved.sum() < _LEAST_QUANTILES:
        return 1.0
    deviates = ndtri(_SHARES[resolved])
    deviates = deviates - deviates.mean()
    slope = float(deviates @ ndtri(placed[resolved]) / (deviates @ deviates))
    slope = float(np.clip(slope, *SPREADS))
    return slope if smaller_is_positive else 1.0 / slope


def binormal_parts(auroc: float, *, ratio: float = 1.0) -> tuple[float, float]:
    """Return the variances of the placement values of positives and of negatives.

    For two normal distributions with ``ratio`` of the spread of positives to that of negatives.
    ``Q - t^2``, where Q is the probability that one positive scores above two negatives (for the
    negatives: that two positives score above one negative), a bivariate normal probability with
    correlation ``ratio^2 / (1 + ratio^2)`` (``1 / (1 + ratio^2)``), by Owen's T.
    """
    from scipy.special import ndtri, owens_t

    deviate, square = ndtri(auroc), ratio * ratio
    of_positives = auroc - 2.0 * float(owens_t(deviate, 1.0 / np.sqrt(1.0 + 2.0 * square)))
    of_negatives = auroc - 2.0 * float(owens_t(deviate, np.sqrt(square / (square + 2.0))))
    return of_positives - auroc * auroc, of_negatives - auroc * auroc


def binormal_variance(auroc: float, positives: int, negatives: int, *, ratio: float = 1.0) -> float:
    """Variance of the AUROC of independent records from two normal distributions.

    ``(t(1 - t) + (n - 1) V10 + (m - 1) V01) / (mn)`` for m positives and n negatives (Hanley and
    McNeil 1982), with the variances of :func:`binormal_parts`.
    """
    of_positives, of_negatives = binormal_parts(auroc, ratio=ratio)
    spread = (negatives - 1) * of_positives + (positives - 1) * of_negatives
    return float((auroc * (1.0 - auroc) + spread) / (positives * negatives))


def auroc_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    level: float = 0.95,
) -> AurocInterval:
    """Return the AUROC with the interval that is reported.

    Parameters
    ----------
    labels : array_like (n,)
        0, 1 or NaN (left out).
    scores : array_like (n,)
    patients : array_like (n,), optional
        Patient of each record; without it every record stands alone.
    level : float
        Coverage.
    """
    found = auroc_covariance(labels, [scores], patients=patients)
    value, variance = float(found.auroc[0]), float(found.covariance[0, 0])
    smaller = min(found.positive_patients, found.negative_patients)
    low, high, method = float("nan"), float("nan"), "none"
    if 0.0 < value < 1.0 and smaller >= 2:
        low, high = _moderated(found, level)
        method = "delong-moderated"
    elif not np.isnan(value):
        low, high = newcombe_interval(
            value, found.positive_patients, found.negative_patients, level=level
        )
        method = "newcombe"
    plain = (float("nan"), float("nan"))
    if not np.isnan(variance):
        plain = wald_interval(value, variance, level=level)
    return AurocInterval(
        value,
        low,
        high,
        method,
        float(np.sqrt(variance)),
        *plain,
        found.positives,
        found.negatives,
        found.positive_patients,
        found.negative_patients,
        is_reliable(found),
    )


def _moderated(found: AurocVariance, level: float) -> tuple[float, float]:
    from scipy.special import expit, logit, stdtrit

    value, variance = float(found.auroc[0]), float(found.covariance[0, 0])
    patients = found.positive_patients, found.negative_patients
    smaller = min(patients)
    ratio = spread_ratio(found)
    model = binormal_variance(value, found.positives, found.negatives, ratio=ratio)
    if found.independent[0] > 0.0 and variance > 0.0:
        # How much the clusters widen it, from two variances that share their error.
        model *= float(np.clip(variance / found.independent[0], 0.2, 50.0))
    weight = PRIOR_PATIENTS / (PRIOR_PATIENTS + smaller - 1)
    moderated = variance + weight * max(model - variance, 0.0)
    parts = binormal_parts(value, ratio=ratio)
    shares = [part / count for part, count in zip(parts, patients, strict=True)]
    freedom = sum(shares) ** 2 / sum(
        share**2 / (count - 1) for share, count in zip(shares, patients, strict=True)
    )
    error = float(np.sqrt(moderated)) / (value * (1.0 - value))
    bias = (value - 0.5) * error**2  # half the second derivative of the logit times the variance
    bias = float(np.clip(bias, -MOST_BIAS * error, MOST_BIAS * error))
    half = float(stdtrit(freedom, 0.5 + level / 2.0)) * (1.0 + 1.0 / smaller) * error
    centre = float(logit(value)) - bias
    low, high = expit(centre - half), expit(centre + half)
    return float(low), float(high)
