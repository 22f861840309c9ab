"""Metrics of predicted quantities, as functions of a few sums so that they bootstrap cheaply."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import SignalError

__all__ = ["REGRESSION_MEASURES", "regression_from_sums", "regression_measures", "regression_terms"]

REGRESSION_MEASURES = (
    "mae", "rmse", "r2", "pearson", "concordance", "bias", "agreement_low", "agreement_high"
)  # fmt: skip

Float64 = NDArray[np.float64]


def regression_terms(truth: ArrayLike, predicted: ArrayLike) -> Float64:
    """Return what is summed over records, (records, 9), centred on the mean truth.

    Columns: 1, error, absolute error, truth, predicted, truth^2, truth x predicted, predicted^2,
    error^2. Records with NaN contribute nothing.

    Raises
    ------
    SignalError
        The lengths differ, or a value is infinite: no mean of it means anything.
    """
    y = np.asarray(truth, dtype=np.float64)
    p = np.asarray(predicted, dtype=np.float64)
    if y.shape != p.shape or y.ndim != 1:
        raise SignalError(f"truth {y.shape} and predictions {p.shape} do not belong together")
    if np.isinf(y).any() or np.isinf(p).any():
        raise SignalError("a true or a predicted quantity is infinite")
    known = ~(np.isnan(y) | np.isnan(p))
    # Centring keeps the sums of squares from cancelling (sodium is 140 with a spread of 4).
    centre = float(y[known].mean()) if known.any() else 0.0
    y, p = np.where(known, y - centre, 0.0), np.where(known, p - centre, 0.0)
    error = p - y
    return np.stack(
        [known.astype(np.float64), error, np.abs(error), y, p, y * y, y * p, p * p, error * error],
        axis=1,
    )


def regression_from_sums(sums: ArrayLike) -> dict[str, Float64]:
    """Return every measure of ``REGRESSION_MEASURES`` from sums (..., 9) of the terms.

    ``r2`` is ``1 - SS_error / SS_total`` about the mean of the truth at hand. ``concordance`` is
    Lin's coefficient (Biometrics 1989) with moments over n. The limits of agreement (Bland and
    Altman 1986) are bias -+ 1.96 standard deviations (n - 1) of predicted minus true. ``nan``
    where a denominator is 0.
    """
    n, e, a, y, p, yy, yp, pp, ee = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = yy - y * y / n
        spread = pp - p * p / n
        both = yp - y * p / n
        bias = e / n
        deviation = np.sqrt(np.maximum(ee - e * e / n, 0.0) / (n - 1.0))
        # A rest of rounding is not a spread.
        flat = total <= 1e-12 * np.maximum(yy, 1e-300)
        still = spread <= 1e-12 * np.maximum(pp, 1e-300)
        result = {
            "mae": a / n,
            "rmse": np.sqrt(ee / n),
            "r2": np.where(flat, np.nan, 1.0 - ee / total),
            "pearson": np.where(flat | still, np.nan, both / np.sqrt(total * spread)),
            "concordance": np.where(
                flat & still, np.nan, 2.0 * both / (total + spread + n * (p / n - y / n) ** 2)
            ),
            "bias": bias,
            "agreement_low": bias - 1.959963984540054 * deviation,
            "agreement_high": bias + 1.959963984540054 * deviation,
        }
    return {name: np.where(n > 0, value, np.nan) for name, value in result.items()}


def regression_measures(truth: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Return every measure of ``REGRESSION_MEASURES`` on the records where both are known."""
    sums = regression_terms(truth, predicted).sum(axis=0)
    return {name: float(value) for name, value in regression_from_sums(sums).items()}
