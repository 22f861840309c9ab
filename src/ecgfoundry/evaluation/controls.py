"""Controls: what simpler knowledge reaches on the same records.

A network that reads waveforms has to be compared with what needs none: the prevalence, age and
sex, the heart rate; with hand-crafted ECG features; and with the same network before training (a
random encoder). Every control is scored on exactly the records where the network is scored, and is
fitted on validation records if there are any, else within the evaluated records, each patient
being scored by a model that never saw them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import MissingExtraError
from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.metrics.calibration import sigmoid
from ecgfoundry.metrics.resampling import renumbered

__all__ = ["CONTROLS", "ControlScores", "control_scores", "covariate_design", "patient_folds"]

CONTROLS: Mapping[str, str] = {
    "prevalence_only": "prevalence only",
    "age_sex": "age + sex",
    "heart_rate": "heart rate",
    "age_sex_rate": "age + sex + heart rate",
    "features": "hand-crafted ECG features",
    "random_encoder": "random encoder",
}
"""Name in files -> in words, in the order of the report."""

FOLDS = 5
"""Parts of the patients for cross-fitting (our choice)."""
FIT_RECORDS = 100_000
"""Records that a control is fitted on at most, drawn by a fixed seed (our choice)."""
MINIMUM_EACH = 5
"""Positives and negatives that a fit needs (our choice)."""
RIDGE = 1.0
"""Penalty on standardized coefficients in units of one record (our choice)."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ControlScores:
    """Scores of the controls that could be computed, and why the others could not.

    Attributes
    ----------
    scores : mapping
        Control -> float64 (records, targets); NaN where it has none.
    not_computed : mapping
        Control -> reason.
    fitted_on : str
    """

    scores: Mapping[str, Float64]
    not_computed: Mapping[str, str]
    fitted_on: str


def control_scores(data: EvaluationData, *, seed: int = 0) -> ControlScores:
    """Fit and apply every control that the data allow."""
    scores: dict[str, Float64] = {}
    missing: dict[str, str] = {}
    designs: dict[str, tuple[Float64, Float64 | None]] = {}
    for name in ("age_sex", "heart_rate", "age_sex_rate"):
        reason = _missing_covariates(data, name)
        if reason:
            missing[name] = reason
            continue
        fit_design = None
        if data.fit is not None and not _missing_covariates(data.fit, name):
            fit_design = covariate_design(data.fit, name)
        designs[name] = covariate_design(data, name), fit_design
    for name in ("features", "random_encoder"):
        if name not in data.features:
            missing[name] = data.not_computed.get(name, "needs the signals: give BUNDLE MANIFEST")
            continue
        fit_design = data.fit.features.get(name) if data.fit is not None else None
        designs[name] = np.asarray(data.features[name], np.float64), fit_design
    folds = patient_folds(data.patients, seed=seed)
    prevalence, use_fit = np.full(data.scores.shape, np.nan), data.fit is not None
    for k, _ in enumerate(data.targets):
        source = data.fit.labels[:, k] if data.fit is not None else data.labels[:, k]
        known = source[~np.isnan(source)]
        if len(known):
            prevalence[:, k] = known.mean()
    scores["prevalence_only"] = np.where(np.isnan(data.scores), np.nan, prevalence)
    for name, (design, fit_design) in designs.items():
        if name in data.features:
            try:
                values = _signal_scores(data, design, fit_design, folds, seed)
            except MissingExtraError as error:
                missing[name] = error.problem
                continue
        else:
            values = np.full(data.scores.shape, np.nan)
            for k in range(len(data.targets)):
                values[:, k] = _scores_of(data, k, design, fit_design, folds, seed)
        if np.isnan(values).all():
            missing[name] = f"too few records of both kinds to fit it ({MINIMUM_EACH} of each)"
            continue
        scores[name] = np.where(np.isnan(data.scores), np.nan, values)
    fitted_on = (
        f"{FOLDS} parts of the evaluated patients, each scored by a model fitted on the others"
    )
    if use_fit and data.fit is not None:
        fitted_on = (
            f"the {len(data.fit)} validation records (where they have what a control needs; else "
            f"{fitted_on})"
        )
    return ControlScores(scores, missing, fitted_on)


def _missing_covariates(data: EvaluationData, name: str) -> str | None:
    wanted = {
        "age_sex": ("age", "sex"),
        "heart_rate": ("heart_rate",),
        "age_sex_rate": ("age", "sex", "heart_rate"),
    }[name]
    absent = []
    for column in wanted:
        values = data.covariates.get(column)
        if values is None:
            absent.append(f"no {column.replace('_', ' ')} was given")
        elif values.dtype == object and not any(values):
            absent.append(f"{column} is empty")
        elif values.dtype != object and np.isnan(values.astype(np.float64)).all():
            absent.append(f"{column.replace('_', ' ')} is empty")
    return "; ".join(absent) or None


def covariate_design(data: EvaluationData, name: str) -> Float64:
    """Return the columns that a covariate control is fitted on.

    Age and sex: age and its square, female, male, and whether each is missing. Heart rate: rate
    and its square (slow and fast can both mean something), and whether it is missing. All three:
    the columns of both. Missing numbers become 0 after centring (our choice).
    """

    def number(column: str) -> list[Float64]:
        values = data.covariates[column].astype(np.float64)
        gone = np.isnan(values)
        # Fixed centres and scales, so that fitting and scoring records share them.
        centre, scale = {"age": (60.0, 20.0), "heart_rate": (75.0, 20.0)}[column]
        z = np.where(gone, 0.0, (values - centre) / scale)
        return [z, z * z, gone.astype(np.float64)]

    if name == "heart_rate":
        return np.stack(number("heart_rate"), axis=1)
    if name == "age_sex_rate":
        parts = [covariate_design(data, "age_sex"), covariate_design(data, "heart_rate")]
        return np.concatenate(parts, axis=1)
    sex = data.covariates["sex"]
    # Any two values tell the sexes apart as well as their names do.
    names = sorted({str(value) for value in sex if value})[:4]
    flags = [(sex == value).astype(np.float64) for value in names[1:]]
    flags.append((sex == "").astype(np.float64))
    return np.stack([*number("age"), *flags], axis=1)


def patient_folds(patients: NDArray[np.generic], *, seed: int = 0) -> NDArray[np.int64]:
    """Return the fold of each record; all records of a patient stand in one."""
    member, groups = renumbered(patients)
    return (np.random.default_rng(seed).permutation(groups) % FOLDS)[member]


def _scores_of(
    data: EvaluationData,
    target: int,
    design: Float64,
    fit_design: Float64 | None,
    folds: NDArray[np.int64],
    seed: int,
) -> Float64:
    result = np.full(len(data), np.nan)
    fitting = _CLASSES if target in data.classes else _QUANTITIES
    readable = ~np.isnan(design).any(axis=1)
    if fit_design is not None and data.fit is not None:
        y = data.fit.labels[:, target]
        usable = ~np.isnan(y) & ~np.isnan(fit_design).any(axis=1)
        if fit_design.shape[1] == design.shape[1] and fitting.enough(y[usable]):
            model = _fit(fit_design[usable], y[usable], fitting, seed)
            result[readable] = model(design[readable])
            return result
    y = data.labels[:, target]
    usable = ~np.isnan(y) & readable
    for fold in range(FOLDS):
        inside, outside = usable & (folds != fold), readable & (folds == fold)
        if not outside.any():
            continue
        if not fitting.enough(y[inside]):
            return np.full(len(data), np.nan)  # a fold without scores would not be comparable
        result[outside] = _fit(design[inside], y[inside], fitting, seed)(design[outside])
    return result


def _signal_scores(
    data: EvaluationData,
    design: Float64,
    fit_design: Float64 | None,
    folds: NDArray[np.int64],
    seed: int,
) -> Float64:
    """Scores of a linear model on many columns, which chooses its own penalty within the fit."""
    from ecgfoundry.models.baselines import create_baseline

    result = np.full(data.scores.shape, np.nan)
    readable: NDArray[np.bool_] = np.asarray(~np.isnan(design).all(axis=1))
    parts: list[tuple[NDArray[np.bool_], Float64, Float64, NDArray[np.generic]]] = []
    if fit_design is not None and data.fit is not None:
        parts.append((readable, fit_design, data.fit.labels, data.fit.patients))
    else:
        for fold in range(FOLDS):
            inside = readable & (folds != fold)
            outside: NDArray[np.bool_] = np.asarray(readable & (folds == fold))
            parts.append((outside, design[inside], data.labels[inside], data.patients[inside]))
    for own, fitting in ((data.classes, _CLASSES), (data.quantities, _QUANTITIES)):
        columns = [
            k
            for k in own
            if all(fitting.enough(y[:, k][~np.isnan(y[:, k])]) for _, _, y, _ in parts)
        ]
        if not columns:
            continue
        for outside, x, y, patients in parts:
            if outside.any():
                known = ~np.isnan(x).all(axis=1)
                model = create_baseline("linear", fitting.task)
                model.fit(x[known], y[known][:, columns], patients[known], seed)
                result[np.ix_(np.flatnonzero(outside), np.asarray(columns))] = model.predict(
                    design[outside]
                )
    return result


@dataclass(frozen=True, slots=True)
class _Fitting:
    """How targets of a kind are fitted: the kind of their task, its minimum, and its model."""

    task: str
    enough: Callable[[Float64], bool]
    solve: Callable[[Float64, Float64, Float64], Float64]
    link: Callable[[Float64], Float64]


def _enough_of_each(y: Float64) -> bool:
    positives = int(y.sum())
    return min(positives, len(y) - positives) >= MINIMUM_EACH


def _enough_values(y: Float64) -> bool:
    return len(y) >= 2 * MINIMUM_EACH


def _ridge(z: Float64, y: Float64, penalty: Float64) -> Float64:
    return np.asarray(np.linalg.solve(z.T @ z + np.diag(penalty), z.T @ y), dtype=np.float64)


def _fit(x: Float64, y: Float64, fitting: _Fitting, seed: int) -> _Linear:
    if len(y) > FIT_RECORDS:
        rows = np.sort(np.random.default_rng(seed).choice(len(y), FIT_RECORDS, replace=False))
        x, y = x[rows], y[rows]
    centre = x.mean(axis=0)
    scale = x.std(axis=0)
    scale[scale < 1e-12] = np.inf  # a constant column says nothing
    z = np.concatenate([(x - centre) / scale, np.ones((len(x), 1))], axis=1)
    penalty = np.full(z.shape[1], RIDGE)
    penalty[-1] = 0.0
    return _Linear(fitting.solve(z, y, penalty), centre, scale, fitting.link)


@dataclass(frozen=True, eq=False)
class _Linear:
    beta: Float64
    centre: Float64
    scale: Float64
    link: Callable[[Float64], Float64]

    def __call__(self, x: Float64) -> Float64:
        return self.link(((x - self.centre) / self.scale) @ self.beta[:-1] + self.beta[-1])


def _ridge_logistic(z: Float64, y: Float64, penalty: Float64) -> Float64:
    """Penalized maximum likelihood by Newton's method; the penalty keeps separated data finite."""
    from scipy.special import expit

    beta = np.zeros(z.shape[1])
    share = np.clip(y.mean(), 1e-6, 1 - 1e-6)
    beta[-1] = np.log(share / (1.0 - share))

    def loss(values: Float64) -> float:
        eta = z @ values
        return float((np.logaddexp(0.0, eta) - y * eta).sum() + 0.5 * (penalty * values**2).sum())

    best = loss(beta)
    for _ in range(50):
        mean = expit(z @ beta)
        gradient = z.T @ (mean - y) + penalty * beta
        hessian = (z * (mean * (1.0 - mean))[:, None]).T @ z + np.diag(penalty)
        hessian[np.diag_indices_from(hessian)] += 1e-9
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while (value := loss(beta - size * step)) > best + 1e-9 and size > 1e-6:
            size /= 2.0
        beta, done = beta - size * step, best - value < 1e-8 * max(1.0, abs(best))
        best = value
        if done:
            break
    return beta


_CLASSES = _Fitting("multilabel", _enough_of_each, _ridge_logistic, sigmoid)
_QUANTITIES = _Fitting("regression", _enough_values, _ridge, lambda values: values)
