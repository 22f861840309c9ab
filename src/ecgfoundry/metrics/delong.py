r"""Analytic variance of the AUROC, for independent records and for patients with several.

With one record per patient this is DeLong, DeLong and Clarke-Pearson (Biometrics 1988), computed
from placement values by sorting (Sun and Xu 2014). With several it is its extension to clustered
data by Obuchowski (Biometrics 1997): placement values are summed within each patient, and the
covariance between a patient's positives and the same patient's negatives enters,

.. math:: \mathrm{var}(\hat\theta) = S_{10}/M + S_{01}/N + 2 S_{11}/(MN),

with M positives, N negatives, :math:`I_{10}` patients with a positive, :math:`I_{01}` with a
negative and I patients in all:
:math:`S_{10} = I_{10}/((I_{10}-1)M) \sum_i (X_i - m_i\theta)^2`, :math:`S_{01}` alike, and
:math:`S_{11} = I/(I-1) \sum_i (X_i - m_i\theta)(Y_i - n_i\theta)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import SignalError
from ecgfoundry.metrics.ranking import Placements, known_pairs, split_placements
from ecgfoundry.metrics.resampling import renumbered

__all__ = [
    "AurocVariance",
    "auroc_covariance",
    "delong_interval",
    "delong_test",
    "logit_interval",
    "newcombe_interval",
    "normal_quantile",
    "wald_interval",
]

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class AurocVariance:
    """AUROCs of one or several scores on the same records, and their covariance.

    Attributes
    ----------
    auroc : float64 (scores,)
    covariance : float64 (scores, scores)
        ``nan`` where fewer than two patients have a positive or a negative.
    independent : float64 (scores,)
        Variances if every record stood alone; with one record per patient those of the diagonal.
    positives, negatives : int
        Records.
    positive_patients, negative_patients : int
        Patients with at least one of them.
    effective_positive_patients, effective_negative_patients : float
        ``(sum m)^2 / sum m^2`` over the records m of each patient (Kish 1965): how many patients
        with equally many records they are worth.
    placements : tuple of Placements
        Of each score; empty with one class only.
    """

    auroc: Float64
    covariance: Float64
    independent: Float64
    positives: int
    negatives: int
    positive_patients: int
    negative_patients: int
    effective_positive_patients: float
    effective_negative_patients: float
    placements: tuple[Placements, ...]


def auroc_covariance(
    labels: ArrayLike, scores: Sequence[ArrayLike] | Float64, *, patients: ArrayLike | None = None
) -> AurocVariance:
    """Return AUROCs and their covariance by DeLong's method, clustered by patient if given.

    Parameters
    ----------
    labels : array_like (n,)
        0, 1 or NaN (left out).
    scores : sequence of array_like (n,)
        One or several; a record that lacks any of them is left out of all.
    patients : array_like (n,), optional
        Patient of each record; without it every record stands alone.
    """
    stacked = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    y = np.asarray(labels, dtype=np.float64)
    if stacked.shape[1:] != y.shape:
        raise SignalError(f"labels {y.shape} and scores {stacked.shape} do not belong together")
    complete = ~np.isnan(stacked).any(axis=0) & ~np.isnan(y)
    positive, _ = known_pairs(y[complete], stacked[0][complete])
    stacked = stacked[:, complete]
    if patients is None:
        member = np.arange(len(positive))
    else:
        member, _ = renumbered(np.asarray(patients)[complete])
    return _clustered(positive, stacked, member)


def _clustered(
    positive: NDArray[np.bool_], scores: Float64, member: NDArray[np.int64]
) -> AurocVariance:
    k = len(scores)
    m, n = int(positive.sum()), int((~positive).sum())
    groups = int(member.max()) + 1 if len(member) else 0
    of_positive = np.bincount(member[positive], minlength=groups)
    of_negative = np.bincount(member[~positive], minlength=groups)
    i10, i01 = int((of_positive > 0).sum()), int((of_negative > 0).sum())
    result = np.full(k, np.nan)
    covariance = np.full((k, k), np.nan)
    independent = np.full(k, np.nan)
    placements: list[Placements] = []
    if m and n:
        placements = [split_placements(row[positive], row[~positive]) for row in scores]
        result = np.array([placement.auroc for placement in placements])
        if min(m, n) >= 2:
            independent = np.array(
                [p.positive.var(ddof=1) / m + p.negative.var(ddof=1) / n for p in placements]
            )
        if min(i10, i01) >= 2:
            x = np.array([_sums(member[positive], p.positive, groups) for p in placements])
            z = np.array([_sums(member[~positive], p.negative, groups) for p in placements])
            x -= result[:, None] * of_positive
            z -= result[:, None] * of_negative
            x_part = i10 / (i10 - 1) * (x @ x.T) / m**2
            z_part = i01 / (i01 - 1) * (z @ z.T) / n**2
            both = groups / (groups - 1) * (x @ z.T) / (m * n)
            covariance = x_part + z_part + both + both.T
    effective = _effective(of_positive), _effective(of_negative)
    return AurocVariance(
        result, covariance, independent, m, n, i10, i01, *effective, tuple(placements)
    )


def _effective(counts: NDArray[np.int64]) -> float:
    squares = float((counts.astype(np.float64) ** 2).sum())
    return float(counts.sum()) ** 2 / squares if squares else 0.0


def _sums(member: NDArray[np.int64], values: Float64, groups: int) -> Float64:
    return np.bincount(member, weights=values, minlength=groups).astype(np.float64)


def normal_quantile(level: float) -> float:
    """Return the normal quantile that leaves out both tails: 1.96 for 0.95."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2.0))


def wald_interval(value: float, variance: float, *, level: float = 0.95) -> tuple[float, float]:
    """Return ``value`` plus and minus a normal quantile of standard errors, cut to 0 to 1."""
    half = normal_quantile(level) * np.sqrt(variance)
    return float(np.clip(value - half, 0.0, 1.0)), float(np.clip(value + half, 0.0, 1.0))


def logit_interval(value: float, variance: float, *, level: float = 0.95) -> tuple[float, float]:
    """Return the interval that is symmetric on the logit scale (Pepe 2003, section 5.2.4).

    It stays within 0 to 1 and follows the skew of an AUROC near 1; ``nan`` at 0 and 1.
    """
    if not 0.0 < value < 1.0 or not variance > 0.0:
        return float("nan"), float("nan")
    centre = np.log(value / (1.0 - value))
    half = normal_quantile(level) * np.sqrt(variance) / (value * (1.0 - value))
    low, high = 1.0 / (1.0 + np.exp(-(centre + np.array([-half, half]))))
    return float(low), float(high)


def newcombe_interval(
    value: float, positives: int, negatives: int, *, level: float = 0.95
) -> tuple[float, float]:
    """Return the score-type interval "method 5" of Newcombe (Statistics in Medicine 2006).

    It solves ``|value - theta| = z se(theta)`` with the variance of Hanley and McNeil (1982) and
    both counts replaced by their mean in its second part. It is defined at an AUROC of 0 or 1,
    where every method that estimates the variance from the data gives a width of zero.

    Parameters
    ----------
    value : float
        AUROC.
    positives, negatives : int
        Of independent units: patients.
    """
    from scipy.optimize import brentq

    if not 0.0 <= value <= 1.0 or min(positives, negatives) < 1:
        return float("nan"), float("nan")
    z = normal_quantile(level)
    mean = (positives + negatives) / 2.0 - 1.0

    def distance(theta: float) -> float:
        first = (1.0 - theta) / (2.0 - theta)
        second = theta / (1.0 + theta)
        variance = theta * (1.0 - theta) * (1.0 + mean * (first + second))
        return (value - theta) ** 2 - z * z * variance / (positives * negatives)

    tiny = 1e-12
    low = 0.0 if value <= tiny else brentq(distance, 0.0, value - tiny, xtol=1e-12)
    high = 1.0 if value >= 1.0 - tiny else brentq(distance, value + tiny, 1.0, xtol=1e-12)
    return float(low), float(high)


def delong_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    scale: str = "identity",
) -> tuple[float, float]:
    """Return DeLong's interval of the AUROC.

    Parameters
    ----------
    patients : array_like (n,), optional
        Clusters the variance by patient.
    scale : {"identity", "logit"}
        Where it is symmetric.
    """
    variance = auroc_covariance(labels, [scores], patients=patients)
    value, spread = float(variance.auroc[0]), float(variance.covariance[0, 0])
    if np.isnan(spread):
        return float("nan"), float("nan")
    interval = {"identity": wald_interval, "logit": logit_interval}[scale]
    return interval(value, spread, level=level)


def delong_test(
    labels: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    level: float = 0.95,
) -> dict[str, float]:
    """Compare two AUROCs on the same records.

    Returns
    -------
    dict
        ``difference`` (a minus b), its ``low`` and ``high``, ``z`` and the two-sided ``p``.
        Identical rankings have a difference of 0, an interval of width zero and no test
        (``z`` and ``p`` are ``nan``).
    """
    from scipy.special import ndtr

    both = auroc_covariance(labels, [scores_a, scores_b], patients=patients)
    difference = float(both.auroc[0] - both.auroc[1])
    c = both.covariance
    variance = float(c[0, 0] + c[1, 1] - 2.0 * c[0, 1])
    if np.isnan(variance):
        nan = float("nan")
        return {"difference": difference, "low": nan, "high": nan, "z": nan, "p": nan}
    spread = float(np.sqrt(max(variance, 0.0)))
    half = normal_quantile(level) * spread
    # Below it, the variance is rounding: the two scores rank alike.
    alike = spread < 1e-10
    z = float("nan") if alike else difference / spread
    return {
        "difference": difference,
        "low": difference - half,
        "high": difference + half,
        "z": z,
        "p": float("nan") if alike else float(2.0 * ndtr(-abs(z))),
    }
