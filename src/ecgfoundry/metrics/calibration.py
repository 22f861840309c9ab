"""Calibrators: an affine map of the logits, fitted by likelihood on validation data.

All methods are one map, ``scale * logit + offset``, before the sigmoid (multilabel) or the softmax
(multiclass), so that a bundle stores two short lists and every runtime applies them alike:

- ``temperature``: one scale for all targets, no offset (Guo et al. 2017);
- ``platt``: a scale and an offset per target, for multilabel (Platt 1999);
- ``vector``: a scale and an offset per class, for multiclass (Guo et al. 2017).

Fitting is penalised towards the identity (our choice) so that a target with a handful of
positives cannot get an absurd slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.documents import Document, Fields, JsonObject
from ecgfoundry.errors import SignalError
from ecgfoundry.metrics.classification import expected_calibration_error

__all__ = [
    "Calibrator",
    "calibration_error",
    "cross_fitted_probabilities",
    "fit_calibrator",
    "log_softmax",
    "sigmoid",
    "softmax",
]

PENALTY = 1e-2
"""Weight of ``(scale - 1)^2 + 0.1 offset^2`` against the mean negative log-likelihood."""

Float64 = NDArray[np.float64]


def sigmoid(x: ArrayLike) -> Float64:
    """Return ``1 / (1 + exp(-x))`` without overflow."""
    from scipy.special import expit

    result: Float64 = expit(np.asarray(x, dtype=np.float64))
    return result


def log_softmax(x: ArrayLike) -> Float64:
    """Return the logarithm of the softmax over the last axis."""
    array = np.asarray(x, dtype=np.float64)
    shifted = array - array.max(axis=-1, keepdims=True)
    result: Float64 = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def softmax(x: ArrayLike) -> Float64:
    """Return the softmax over the last axis."""
    result: Float64 = np.exp(log_softmax(x))
    return result


@dataclass(frozen=True)
class Calibrator:
    """``scale * logits + offset``, per target."""

    method: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def identity(cls, targets: int) -> Calibrator:
        """Return the map that changes nothing."""
        return cls("identity", (1.0,) * targets, (0.0,) * targets)

    @classmethod
    def from_dict(cls, document: Document) -> Calibrator:
        """Build from the JSON form in a bundle."""
        own = Fields(document)
        return cls(own.text("method"), own.numbers("scale"), own.numbers("offset"))

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {"method": self.method, "scale": list(self.scale), "offset": list(self.offset)}

    def apply(self, logits: ArrayLike) -> Float64:
        """Return calibrated logits (..., targets)."""
        scale, offset = self._arrays
        return np.asarray(logits, dtype=np.float64) * scale + offset

    @cached_property
    def _arrays(self) -> tuple[Float64, Float64]:
        return np.asarray(self.scale), np.asarray(self.offset)

    def probabilities(self, logits: ArrayLike, *, multiclass: bool) -> Float64:
        """Return calibrated probabilities (..., targets)."""
        calibrated = self.apply(logits)
        return softmax(calibrated) if multiclass else sigmoid(calibrated)


def _negative_log_likelihood(calibrated: Float64, labels: Float64, multiclass: bool) -> float:
    if multiclass:
        rows = np.arange(len(labels))
        return float(-log_softmax(calibrated)[rows, labels.astype(np.int64)].mean())
    known = ~np.isnan(labels)
    y, z = labels[known], calibrated[known]
    return float((np.logaddexp(0.0, z) - y * z).mean())


def fit_calibrator(
    logits: ArrayLike, labels: ArrayLike, *, method: str, multiclass: bool
) -> Calibrator:
    """Fit a calibrator on validation data.

    Parameters
    ----------
    logits : array_like (n, targets)
    labels : array_like
        Multiclass: (n,) class numbers. Multilabel: (n, targets) of 0, 1 or NaN (not known).
    method : {"temperature", "platt", "vector"}
    multiclass : bool

    Raises
    ------
    SignalError
        No data, or a method that does not fit the kind of target.
    """
    from scipy.optimize import minimize

    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    allowed = ("temperature", "vector") if multiclass else ("temperature", "platt")
    if method not in allowed:
        raise SignalError(f"calibration '{method}' is not one of {', '.join(allowed)} here")
    if z.ndim != 2 or len(z) == 0 or len(z) != len(y):
        raise SignalError(f"logits {z.shape} and labels {y.shape} cannot be calibrated together")
    targets = z.shape[1]

    def unpack(parameters: Float64) -> Calibrator:
        if method == "temperature":
            scale = (float(np.exp(parameters[0])),) * targets
            return Calibrator(method, scale, (0.0,) * targets)
        scale_values = np.exp(parameters[:targets])
        return Calibrator(
            method, tuple(map(float, scale_values)), tuple(map(float, parameters[targets:]))
        )

    def objective(parameters: Float64) -> float:
        calibrator = unpack(parameters)
        loss = _negative_log_likelihood(calibrator.apply(z), y, multiclass)
        away = np.square(np.asarray(calibrator.scale) - 1.0).mean()
        away += 0.1 * np.square(np.asarray(calibrator.offset)).mean()
        return loss + PENALTY * float(away)

    start = np.zeros(1 if method == "temperature" else 2 * targets)
    # The logarithm of the scale is fitted: a calibrator never reverses the order of the scores.
    best = minimize(objective, start, method="L-BFGS-B")
    return unpack(best.x)


def cross_fitted_probabilities(
    logits: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike,
    *,
    method: str,
    multiclass: bool,
    folds: int = 5,
    seed: int = 0,
) -> Float64:
    """Probabilities of each row from a calibrator that never saw its group.

    This is what may be reported on the same data that the final calibrator is fitted on.
    """
    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    fold_of_group = np.random.default_rng(seed).permutation(len(names)) % folds
    fold = fold_of_group[member]
    result = np.full(z.shape, np.nan)
    for k in range(folds):
        inside, outside = fold != k, fold == k
        if outside.any():
            calibrator = fit_calibrator(z[inside], y[inside], method=method, multiclass=multiclass)
            result[outside] = calibrator.probabilities(z[outside], multiclass=multiclass)
    return result


def calibration_error(probabilities: Float64, labels: ArrayLike, *, multiclass: bool) -> float:
    """Expected calibration error of an answer, 15 equal-width bins.

    Multiclass: of the top class. Multilabel: the mean over the targets.
    """
    y = np.asarray(labels, dtype=np.float64)
    if multiclass:
        top = probabilities.argmax(axis=1)
        return expected_calibration_error(probabilities.max(axis=1), top == y)
    errors: Sequence[float] = [
        expected_calibration_error(probabilities[known, k], y[known, k])
        for k in range(probabilities.shape[1])
        if (known := ~np.isnan(y[:, k])).any()
    ]
    return float(np.mean(errors))
