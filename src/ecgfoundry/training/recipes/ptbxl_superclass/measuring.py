"""Logits of lead subsets, calibration, thresholds and the figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfoundry.documents import JsonObject
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.metrics.calibration import (
    Calibrator,
    calibration_error,
    cross_fitted_probabilities,
    fit_calibrator,
    sigmoid,
)
from ecgfoundry.metrics.classification import auroc, macro_auroc
from ecgfoundry.metrics.intervals import statistic_interval
from ecgfoundry.models.networks.lead_subset import LeadSubsetNet
from ecgfoundry.training.recipes.ptbxl_superclass.data import (
    REDUCED,
    TARGETS,
    Array,
    Float64,
    all_leads,
)
from ecgfoundry.training.recipes.ptbxl_superclass.members import OnViews
from ecgfoundry.training.recipes.ptbxl_superclass.views import pack


def presence_of(leads: Sequence[str]) -> Array:
    """Presence mask (12,) of named leads."""
    return np.array([lead in leads for lead in STANDARD_12_LEADS], dtype=np.float32)


def subset_views(signal: Array, leads: Sequence[str], *, batch: int = 64) -> Tensor:
    """Packed views of records of which only some leads are there: the network's own first part."""
    present = torch.from_numpy(presence_of(leads))
    network = LeadSubsetNet()
    pieces = []
    with torch.no_grad():
        for start in range(0, len(signal), batch):
            x = torch.from_numpy(signal[start : start + batch])
            presence = present.expand(len(x), -1)
            pieces.append(pack(network.beat_views(x, presence), presence))
    return torch.cat(pieces)


def logits_of(network: LeadSubsetNet, packed: Tensor, *, batch: int = 64) -> Float64:
    """Logits (records, 5) from packed views: ``forward`` but for its first part."""
    head = OnViews(network).eval()
    with torch.no_grad():
        return np.concatenate([head(part).double().numpy() for part in packed.split(batch)])


def figures(targets: Array, logits: Float64) -> dict[str, float]:
    """AUROC of each target and their mean."""
    return {
        "macro": macro_auroc(targets, logits),
        **{name: auroc(targets[:, k], logits[:, k]) for k, name in enumerate(TARGETS)},
    }


def interval(
    statistic: Callable[[NDArray[np.int64]], float], patients: NDArray[np.int64]
) -> list[float] | None:
    """95 % interval by patient; None where there is none."""
    return statistic_interval(statistic, patients).ends


def best_thresholds(
    probabilities: Float64, targets: Array, patients: NDArray[np.int64], *, draws: int = 500
) -> list[float]:
    """Thresholds with the highest F1, as the median over bootstrap draws of patients.

    F1 because the classes are rare and a finding is read as a claim; with a handful of positives a
    single draw's best threshold jumps, its median over draws does not (our choice).
    """
    _, member = np.unique(patients, return_inverse=True)
    groups = [np.flatnonzero(member == k) for k in range(member.max() + 1)]
    generator = np.random.default_rng(0)
    grid = np.linspace(0.02, 0.98, 97)
    found = []
    for _ in range(draws):
        rows = np.concatenate([groups[k] for k in generator.integers(0, len(groups), len(groups))])
        said = probabilities[rows, :, None] >= grid
        true = targets[rows, :, None] > 0.5
        hits = (said & true).sum(axis=0)
        f1 = 2 * hits / np.maximum(said.sum(axis=0) + true.sum(axis=0), 1)
        # The middle of the plateau.
        top = f1 >= f1.max(axis=1, keepdims=True) - 1e-12
        found.append([float(np.median(grid[row])) for row in top])
    return [round(float(value), 3) for value in np.median(found, axis=0)]


def fit_calibrators(
    answers: Mapping[str, Float64], targets: Array
) -> tuple[Calibrator, Calibrator]:
    """Return the calibrators of twelve leads and of reduced ones.

    Parameters
    ----------
    answers : mapping of str to ndarray (records, targets)
        Logits for each lead subset: all leads, and those of :data:`REDUCED`.
    targets : ndarray (records, targets)
    """
    every = fit_calibrator(answers[all_leads()], targets, method="platt", multiclass=False)
    reduced = fit_calibrator(
        np.concatenate([answers[name] for name in REDUCED]),
        np.tile(targets, (len(REDUCED), 1)),
        method="platt",
        multiclass=False,
    )
    return every, reduced


def calibration_document(every: Calibrator, reduced: Calibrator, *, fitted_on: str) -> JsonObject:
    """Return ``calibration`` as in a bundle; ``fitted_on`` is the name of the records."""
    return {
        "record": every.to_dict(),
        # A record has one window of 10 s.
        "window": every.to_dict(),
        "reduced_leads": reduced.to_dict(),
        "fitted_on": f"{fitted_on}; reduced_leads on {'; '.join(REDUCED)}",
    }


def calibrate(
    answers: Mapping[str, Float64], targets: Array, patients: NDArray[np.int64], *, fitted_on: str
) -> JsonObject:
    """Return ``calibration`` and ``thresholds``, those of the highest F1, as in a bundle.

    Parameters
    ----------
    answers, targets
        See :func:`fit_calibrators`.
    patients : ndarray (records,)
    fitted_on : str
        Name of these records.
    """
    every, reduced = fit_calibrators(answers, targets)
    probabilities = every.probabilities(answers[all_leads()], multiclass=False)
    return {
        "calibration": calibration_document(every, reduced, fitted_on=fitted_on),
        "thresholds": {
            "values": best_thresholds(probabilities, targets, patients),
            "criterion": "highest F1, median over 500 bootstrap draws of patients",
            "fitted_on": fitted_on,
        },
    }


def calibration_figures(
    document: Mapping[str, Any], answers: Mapping[str, Float64], targets: Array
) -> JsonObject:
    """Measure a calibration on records that it was not fitted on.

    Parameters
    ----------
    document : mapping
        From :func:`calibrate`.
    answers, targets
        Of other records.

    Returns
    -------
    dict
        For all leads and for each reduced lead set: mean expected calibration error and log loss
        before, with the calibration for twelve leads (``record``) and with that for reduced leads;
        for all leads also sensitivity and specificity at the thresholds.
    """
    calibrators = {"before": Calibrator.identity(len(TARGETS))} | {
        name: Calibrator.from_dict(document["calibration"][name])
        for name in ("record", "reduced_leads")
    }
    result: JsonObject = {
        subset: {
            name: {
                "ece": calibration_error(
                    calibrator.probabilities(answers[subset], multiclass=False),
                    targets,
                    multiclass=False,
                ),
                "log_loss": _log_loss(calibrator.apply(answers[subset]), targets),
            }
            for name, calibrator in calibrators.items()
        }
        for subset in (all_leads(), *REDUCED)
    }
    probabilities = calibrators["record"].probabilities(answers[all_leads()], multiclass=False)
    said = probabilities >= np.asarray(document["thresholds"]["values"])
    true = targets > 0.5
    result["at the thresholds, all leads"] = {
        target: {
            "sensitivity": float(said[true[:, k], k].mean()),
            "specificity": float(1.0 - said[~true[:, k], k].mean()),
        }
        for k, target in enumerate(TARGETS)
    }
    return result


def cross_fitted_errors(
    answers: Mapping[str, Float64], targets: Array, patients: NDArray[np.int64]
) -> dict[str, dict[str, float]]:
    """Calibration error of all leads and of each reduced lead set, before and after calibration.

    After: every record is judged by a calibrator that never saw its patient.
    """

    def crossed(names: Sequence[str]) -> Float64:
        return cross_fitted_probabilities(
            np.concatenate([answers[name] for name in names]),
            np.tile(targets, (len(names), 1)),
            np.tile(patients, len(names)),
            method="platt",
            multiclass=False,
        ).reshape(len(names), *targets.shape)

    after = {all_leads(): crossed([all_leads()])[0]}
    after |= dict(zip(REDUCED, crossed(REDUCED), strict=True))
    return {
        name: {
            "before": calibration_error(sigmoid(answers[name]), targets, multiclass=False),
            "after, cross-fitted": calibration_error(probabilities, targets, multiclass=False),
        }
        for name, probabilities in after.items()
    }


def _log_loss(logits: Float64, targets: Array) -> float:
    return float((np.logaddexp(0.0, logits) - targets * logits).mean())


def auroc_table(
    targets: Array, patients: NDArray[np.int64], answers: Mapping[str, Float64]
) -> JsonObject:
    """AUROC of each lead subset, with the interval of the mean."""
    table: JsonObject = {}
    for name, logits in answers.items():

        def statistic(chosen: NDArray[np.int64], logits: Float64 = logits) -> float:
            return macro_auroc(targets[chosen], logits[chosen])

        table[name] = figures(targets, logits) | {"macro_ci95": interval(statistic, patients)}
    return {"auroc": table, "records": len(targets), "positives": targets.sum(axis=0).tolist()}
