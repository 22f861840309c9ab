"""Paired comparison of two classifiers at thresholds, and correction for many comparisons.

The paired tests of AUROCs stand in ``delong`` (analytic) and ``resampling`` (bootstrap).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import SignalError

__all__ = ["benjamini_hochberg", "cohen_kappa", "mcnemar"]

MCNEMAR_EXACT_BELOW = 25
"""Discordant pairs under which the binomial test is the one to report (a common rule; Fagerland
et al. 2013 find the chi-squared form too liberal in small samples)."""


def mcnemar(
    labels: ArrayLike, called_a: ArrayLike, called_b: ArrayLike
) -> dict[str, float | int | str]:
    """Compare which of two sets of decisions is wrong more often (McNemar 1947).

    Parameters
    ----------
    labels, called_a, called_b : array_like (n,)
        0 or 1; a record with NaN in any of the three is left out.

    Returns
    -------
    dict
        ``only_a_wrong``, ``only_b_wrong``; ``p_exact`` (binomial, two-sided), ``p_chi2`` (without
        continuity correction, as published for CODE-test), ``p_chi2_corrected`` (with it);
        ``p`` is the exact one under 25 discordant pairs, else the corrected chi-squared, and
        ``method`` says which. Without discordant pairs nothing distinguishes the two: every p is
        ``nan``.
    """
    from scipy.stats import binomtest, chi2

    table = np.stack([np.asarray(v, dtype=np.float64) for v in (labels, called_a, called_b)])
    table = table[:, ~np.isnan(table).any(axis=0)]
    if not np.isin(table, (0.0, 1.0)).all():
        raise SignalError("McNemar's test compares decisions: 0 or 1")
    wrong_a, wrong_b = table[1] != table[0], table[2] != table[0]
    b, c = int((wrong_a & ~wrong_b).sum()), int((~wrong_a & wrong_b).sum())
    result: dict[str, float | int | str] = {"only_a_wrong": b, "only_b_wrong": c}
    if b + c == 0:
        nan = float("nan")
        return result | {
            "p_exact": nan, "p_chi2": nan, "p_chi2_corrected": nan, "p": nan, "method": "none"
        }  # fmt: skip
    exact = float(binomtest(b, b + c, 0.5).pvalue)
    plain = float(chi2.sf((b - c) ** 2 / (b + c), 1))
    corrected = float(chi2.sf((abs(b - c) - 1) ** 2 / (b + c), 1))
    small = b + c < MCNEMAR_EXACT_BELOW
    return result | {
        "p_exact": exact,
        "p_chi2": plain,
        "p_chi2_corrected": corrected,
        "p": exact if small else corrected,
        "method": "exact" if small else "chi2-corrected",
    }


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted so that a cut at q keeps the false discovery rate below q.

    Benjamini and Hochberg 1995. An undefined p-value stays undefined and is not counted among the
    comparisons.
    """
    p = np.asarray(p_values, dtype=np.float64)
    result = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    if len(known):
        order = known[np.argsort(p[known], kind="stable")]
        scaled = p[order] * len(known) / np.arange(1, len(known) + 1)
        result[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return result


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Agreement of two raters beyond chance (Cohen 1960), for any number of unordered classes.

    Parameters
    ----------
    first, second : array_like (n,)
        The class that each rater gave, as a number; a record that either left out (NaN) does not
        count.

    Returns
    -------
    float
        ``nan`` without records, and where chance alone explains all: both gave one and the same
        class throughout.

    Raises
    ------
    SignalError
        The raters did not rate the same number of records.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise SignalError(f"ratings {a.shape} and {b.shape} do not belong together")
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    if not len(a):
        return float("nan")
    classes = np.union1d(a, b)
    if len(classes) == 1:
        return float("nan")
    observed = float((a == b).mean())
    chance = float(sum((a == name).mean() * (b == name).mean() for name in classes))
    return (observed - chance) / (1.0 - chance)
