"""From a trained network to what a bundle must say: outputs per record, calibration, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgfoundry.metrics.auroc_intervals import RELIABLE_PATIENTS, AurocInterval, auroc_interval
from ecgfoundry.metrics.calibration import (
    Calibrator,
    calibration_error,
    cross_fitted_probabilities,
    fit_calibrator,
)
from ecgfoundry.metrics.classification import auroc, f1_thresholds, grouped_bootstrap
from ecgfoundry.training.data.windows import StoredWindows
from ecgfoundry.training.results.package import Metric
from ecgfoundry.training.tasks import TargetScale, Task, patient_means

__all__ = [
    "COVERAGE",
    "MINIMUM_EACH",
    "Outputs",
    "fit_calibration",
    "measured",
    "record_outputs",
    "residual_quantiles",
    "window_embeddings",
]

Float64 = NDArray[np.float64]

MINIMUM_EACH = 10
"""Positives and negatives that a target needs in the validation split to be calibrated; the same
minimum as in ``inference.recalibration``."""
COVERAGE = 0.9
"""Share of the validation residuals inside the interval of a regression (our choice)."""
BOOTSTRAP_DRAWS = 500


@dataclass(frozen=True)
class Outputs:
    """Outputs of a network for rows of a manifest.

    Attributes
    ----------
    rows : ndarray of int
        Rows that have at least one window.
    records : ndarray (rows, outputs)
        Mean over the windows of each row.
    windows : ndarray (windows, outputs)
    owner : ndarray of int (windows,)
        Place in ``rows`` of each window.
    """

    rows: NDArray[np.intp]
    records: Float64
    windows: Float64
    owner: NDArray[np.intp]


def record_outputs(
    network: nn.Module,
    stored: StoredWindows,
    rows: Sequence[int] | NDArray[np.intp],
    *,
    takes_presence: bool,
    batch: int = 32,
    device: str = "cpu",
) -> Outputs:
    """Run a network over all windows of these rows and average per row, as inference does."""
    positions = np.flatnonzero(np.isin(stored.row, rows))
    outputs = _run(network, stored, positions, takes_presence, batch, device, features=False)
    names, owner = np.unique(stored.row[positions], return_inverse=True)
    sums = np.zeros((len(names), outputs.shape[1]))
    np.add.at(sums, owner, outputs)
    return Outputs(names, sums / np.bincount(owner)[:, None], outputs, owner)


def window_embeddings(
    network: nn.Module,
    stored: StoredWindows,
    positions: NDArray[np.intp],
    *,
    takes_presence: bool,
    batch: int = 32,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Return the features before the classifier, float32 (positions, features)."""
    values = _run(network, stored, positions, takes_presence, batch, device, features=True)
    return values.astype(np.float32)


def _run(
    network: nn.Module,
    stored: StoredWindows,
    positions: NDArray[np.intp],
    takes_presence: bool,
    batch: int,
    device: str,
    *,
    features: bool,
) -> Float64:
    network = network.to(device).eval()
    call = network.forward_features if features else network
    pieces = []
    with torch.inference_mode():
        for start in range(0, len(positions), batch):
            own = positions[start : start + batch]
            arguments = [torch.from_numpy(np.array(stored.signal[own])).to(device)]
            if takes_presence:
                arguments.append(torch.from_numpy(stored.presence[own]).to(device))
            pieces.append(call(*arguments).double().cpu().numpy())
    return np.concatenate(pieces)


def fit_calibration(
    task: Task, outputs: Outputs, values: Float64
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Fit calibration and thresholds of a classification on the validation split.

    Parameters
    ----------
    task : Task
    outputs : Outputs
        Of the validation rows.
    values : ndarray (rows, columns)
        Their targets.

    Returns
    -------
    calibration, thresholds
        As in the bundle schema; None where there is too little data for any target.
    """
    if task.kind == "regression":
        return None, None
    if task.kind == "multiclass":
        return _multiclass_calibration(task, outputs, values[:, 0])
    record, fitted = _platt(outputs.records, values)
    if not fitted:
        return None, None
    window, _ = _platt(outputs.windows, values[outputs.owner])
    probabilities = record.probabilities(outputs.records, multiclass=False)
    best = f1_thresholds(probabilities, values)
    thresholds = [
        best[k] if k in fitted and not np.isnan(best[k]) else None for k in range(task.outputs)
    ]
    known = int((~np.isnan(values)).any(axis=1).sum())
    source = f"{known} recordings of the validation split"
    return (
        {"record": record.to_dict(), "window": window.to_dict(), "fitted_on": source},
        {"values": thresholds, "criterion": "largest F1", "fitted_on": source},
    )


def _multiclass_calibration(
    task: Task, outputs: Outputs, classes: Float64
) -> tuple[dict[str, Any] | None, None]:
    known = ~np.isnan(classes)
    if known.sum() < MINIMUM_EACH * 2:
        return None, None
    counts = np.bincount(classes[known].astype(int), minlength=task.outputs)
    method = "vector" if counts.min() >= MINIMUM_EACH else "temperature"
    record = fit_calibrator(outputs.records[known], classes[known], method=method, multiclass=True)
    own = classes[outputs.owner]
    seen = ~np.isnan(own)
    window = fit_calibrator(outputs.windows[seen], own[seen], method=method, multiclass=True)
    source = f"{int(known.sum())} recordings of the validation split"
    return (
        {"record": record.to_dict(), "window": window.to_dict(), "fitted_on": source},
        None,
    )


def _platt(logits: Float64, values: Float64) -> tuple[Calibrator, list[int]]:
    targets = logits.shape[1]
    scale, offset = [1.0] * targets, [0.0] * targets
    fitted = []
    for k in range(targets):
        known = ~np.isnan(values[:, k])
        positives = int((values[known, k] > 0.5).sum())
        if min(positives, int(known.sum()) - positives) < MINIMUM_EACH:
            continue
        one = fit_calibrator(
            logits[known, k : k + 1], values[known, k : k + 1], method="platt", multiclass=False
        )
        scale[k], offset[k] = one.scale[0], one.offset[0]
        fitted.append(k)
    return Calibrator("platt", tuple(scale), tuple(offset)), fitted


def residual_quantiles(physical: Float64, values: Float64) -> list[list[float]] | None:
    """Return [low, high] per target to add to a value: the interval that validation supports.

    Parameters
    ----------
    physical : ndarray (records, targets)
        What the network said, in physical units.
    values : ndarray (records, targets)
        What was true; NaN is left out.

    Returns
    -------
    list or None
        The 5 % and 95 % quantiles of truth minus answer, at the ranks of split conformal
        prediction (``(n + 1) q``; Vovk et al. 2005), so that a new recording of the same kind
        falls inside with at least 90 % where n is 19 or more. None where a target has fewer than
        :data:`MINIMUM_EACH` values.
    """
    tail = (1 - COVERAGE) / 2
    result = []
    for k in range(values.shape[1]):
        known = ~np.isnan(values[:, k])
        residual = np.sort(values[known, k] - physical[known, k])
        count = len(residual)
        if count < MINIMUM_EACH:
            return None
        # Rounded: (1 - 0.9) / 2 in floating point is a little less than 0.05.
        low = max(int(np.floor(round((count + 1) * tail, 6))) - 1, 0)
        high = min(int(np.ceil((count + 1) * (1 - tail))) - 1, count - 1)
        result.append([float(residual[low]), float(residual[high])])
    return result


def measured(
    task: Task,
    outputs: Float64,
    values: Float64,
    groups: Sequence[str],
    *,
    data: str,
    scale: TargetScale | None = None,
    calibrated: bool = False,
    intervals: bool = True,
) -> list[Metric]:
    """Return the figures of one split for the card, with the intervals that evaluate gives.

    AUROC: :func:`ecgfoundry.metrics.auroc_intervals.auroc_interval`, clustered by patient, with a
    note where it does not hold. Mean absolute error: bootstrap of patients.

    Parameters
    ----------
    outputs, values, groups
        Logits, targets and patient of each record.
    data : str
        What they were measured on, in words.
    scale : TargetScale, optional
        Of a regression.
    calibrated : bool
        Also give the calibration error, cross-fitted by patient (validation split).
    intervals : bool
    """
    if task.aggregate == "patient":
        outputs, values, patients = patient_means(outputs, values, groups)
        groups = patients
    metrics: list[Metric] = []
    where = f"{data}, per {task.aggregate}"

    def add_error(name: str, target: str, rows: Any, error: Float64) -> None:
        own = np.asarray(groups)[rows]
        low = high = None
        if intervals and len(np.unique(own)) > 1:
            low, high, _ = grouped_bootstrap(
                lambda drawn: float(error[drawn].mean()), own, draws=BOOTSTRAP_DRAWS
            )
        metrics.append(
            Metric(
                name, _number(float(error.mean())), where, _number(low), _number(high), target,
                None, len(rows),
            )
        )  # fmt: skip

    def add_auroc(target: str, rows: Any, y: Float64, z: Float64) -> None:
        value = auroc(y, z)
        if not intervals or np.isnan(value):
            metrics.append(Metric("AUROC", _number(value), where, target=target, records=len(rows)))
            return
        _, member = np.unique(np.asarray(groups)[rows], return_inverse=True)
        found = auroc_interval(y, z, patients=member)
        metrics.append(
            Metric(
                "AUROC", value, where, _number(found.low), _number(found.high), target, None,
                len(rows), None if found.reliable else _unreliable(found),
            )
        )  # fmt: skip

    for k, target in enumerate(task.vocabulary.targets):
        if task.kind == "multiclass":
            rows = np.flatnonzero(~np.isnan(values[:, 0]))
            y = (values[rows, 0] == k).astype(np.float64)
            z = task.probabilities(outputs[rows])[:, k]
        else:
            rows = np.flatnonzero(~np.isnan(values[:, k]))
            y, z = values[rows, k], outputs[rows, k]
        if task.kind == "regression":
            if scale is None or not len(rows):
                continue
            answer = z * scale.scale[k] + scale.offset[k]
            error = np.abs(answer - y)
            name = f"mean absolute error ({target.unit})" if target.unit else "mean absolute error"
            add_error(name, target.name, rows, error)
            blind = float(np.abs(y - scale.offset[k]).mean())
            metrics.append(
                Metric(
                    "the same of always answering the training mean", blind, where,
                    None, None, target.name, None, len(rows),
                )
            )  # fmt: skip
        elif len(task.vocabulary) <= 40 or np.unique(y).size > 1:
            add_auroc(target.name, rows, y, z)
    if calibrated and task.kind != "regression":
        metrics += _calibration_metrics(task, outputs, values, groups, where)
    return metrics


def _unreliable(found: AurocInterval) -> str:
    people = min(found.positive_patients, found.negative_patients)
    if people < RELIABLE_PATIENTS:
        return f"{people} people in the smaller class; from {RELIABLE_PATIENTS} on intervals hold"
    return "outside the range in which intervals of this kind were shown to hold"


def _calibration_metrics(
    task: Task, outputs: Float64, values: Float64, groups: Sequence[str], data: str
) -> list[Metric]:
    multiclass = task.kind == "multiclass"
    y = values[:, 0] if multiclass else values
    known = ~np.isnan(y) if multiclass else ~np.isnan(y).all(axis=1)
    z, y, own = outputs[known], y[known], np.asarray(groups)[known]
    if len(np.unique(own)) < 10:
        return []
    before = calibration_error(task.probabilities(z), y, multiclass=multiclass)
    method = "temperature" if multiclass else "platt"
    crossed = cross_fitted_probabilities(z, y, own, method=method, multiclass=multiclass)
    after = calibration_error(crossed, y, multiclass=multiclass)
    return [
        Metric("expected calibration error before calibration", before, data, records=len(z)),
        Metric(
            "expected calibration error after calibration", after,
            f"{data}, cross-fitted by patient", records=len(z),
        ),
    ]  # fmt: skip


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)
