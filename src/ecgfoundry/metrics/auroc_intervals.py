r"""The interval of an AUROC that evaluations report, and the flag where it cannot be trusted.

DeLong's interval is symmetric and takes its variance from the placement values at hand. With 30
positives and an AUROC of 0.95 that variance is often far too small, because the few hard
positives happen to be missing: the plain interval then covers the truth in 86 to 89 of 100
samples (``benchmarks/experiments/interval_coverage.py``; the table stands in
``docs/evaluation.md``). What is reported instead keeps DeLong's variance clustered by patient
and

- moderates it, where it is smaller, with the variance that two normal distributions of equal
  spread would give at the same AUROC, worth ``PRIOR_PATIENTS`` patients against the patients of
  the smaller class,
- is symmetric on the logit scale,
- uses Student's t with the patients of the smaller class less one as degrees of freedom.

The three are known pieces (Obuchowski 1997; the moderation follows the empirical-Bayes variances
of Smyth 2004; Pepe 2003); their combination and the weight are our choice. With hundreds of
patients in each class it is DeLong's interval on the logit scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.metrics.delong import (
    auroc_covariance,
    logit_interval,
    newcombe_interval,
    normal_quantile,
    wald_interval,
)

__all__ = ["AurocInterval", "auroc_interval", "binormal_variance", "is_reliable"]

PRIOR_PATIENTS = 30
"""Patients that the model's variance is worth (our choice, by the coverage simulation)."""

RELIABLE_PATIENTS = 30
"""Patients with a positive, and without, that the coverage simulation starts from."""
RELIABLE_AUROC = (0.6, 0.95)
"""Estimates between which coverage of normal scores was shown to be 93 to 97 %, except for 92 to 93
with 30 positives of wider spread at 0.95; outside it the row is flagged."""

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


def is_reliable(auroc: float, positive_patients: int, negative_patients: int) -> bool:
    """Whether the interval stands where its coverage was shown to be 93 to 97 %."""
    low, high = RELIABLE_AUROC
    return (
        min(positive_patients, negative_patients) >= RELIABLE_PATIENTS
        # A hair for rounding: 0.95 itself is inside.
        and low - 1e-9 <= auroc <= high + 1e-9
    )


def binormal_variance(auroc: float, positives: int, negatives: int) -> float:
    """Variance of the AUROC of independent records from two normals of equal spread.

    ``(t(1 - t) + (m + n - 2)(Q - t^2)) / (mn)`` (Hanley and McNeil 1982), where Q, the probability
    that two positives both score above one negative, is the bivariate normal probability with
    correlation one half: ``t - 2 T(Phi^-1(t), 1 / sqrt 3)`` with Owen's T.
    """
    from scipy.special import ndtri, owens_t

    both = auroc - 2.0 * float(owens_t(ndtri(auroc), 1.0 / np.sqrt(3.0)))
    spread = (positives + negatives - 2) * (both - auroc * auroc)
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
    from scipy.special import stdtrit

    found = auroc_covariance(labels, [scores], patients=patients)
    value, variance = float(found.auroc[0]), float(found.covariance[0, 0])
    smaller = min(found.positive_patients, found.negative_patients)
    low, high, method = float("nan"), float("nan"), "none"
    if 0.0 < value < 1.0 and smaller >= 2:
        model = binormal_variance(value, found.positives, found.negatives)
        if found.independent[0] > 0.0 and variance > 0.0:
            # How much the clusters widen it, from two variances that share their error.
            model *= float(np.clip(variance / found.independent[0], 0.2, 50.0))
        weight = PRIOR_PATIENTS / (PRIOR_PATIENTS + smaller - 1)
        moderated = variance + weight * max(model - variance, 0.0)
        # The t quantile instead of the normal one, as a factor of the standard error.
        factor = float(stdtrit(smaller - 1, 0.5 + level / 2.0)) / normal_quantile(level)
        low, high = logit_interval(value, moderated * factor**2, level=level)
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
        is_reliable(value, found.positive_patients, found.negative_patients),
    )
