"""Logits of recordings and windows, calibration and the figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.inference.runtimes.base import without_padding
from ecgfoundry.io import write_json
from ecgfoundry.metrics.calibration import (
    Calibrator,
    calibration_error,
    cross_fitted_probabilities,
    fit_calibrator,
    log_softmax,
    softmax,
)
from ecgfoundry.metrics.classification import (
    auroc,
    confusion_matrix,
    f1_scores,
)
from ecgfoundry.metrics.intervals import metric_interval, statistic_interval
from ecgfoundry.models.networks.rhythm import RhythmNet
from ecgfoundry.tasks import TASKS, Calibration, Readout
from ecgfoundry.training.recipes.rhythm_single_lead.data import (
    ATRIAL,
    LABELS,
    Array,
    Data,
    prepared,
)
from ecgfoundry.vocabularies import load_vocabulary


def record_logits(
    network: torch.nn.Module, recordings: Sequence[Sequence[Array]]
) -> NDArray[np.float64]:
    """Mean of the window logits of each recording, (recordings, classes)."""
    counts = [len(cut) for cut in recordings]
    logits = window_logits(network, [window for cut in recordings for window in cut])
    ends = np.cumsum(counts)
    return np.stack([logits[e - n : e].mean(0) for e, n in zip(ends, counts, strict=True)])


def window_logits(
    network: torch.nn.Module, inputs: Sequence[Array], *, batch: int = 64
) -> NDArray[np.float64]:
    """Logits of standardized windows, (windows, classes)."""
    network.eval()
    with torch.no_grad():
        pieces = [
            network(torch.from_numpy(without_padding(np.stack(inputs[i : i + batch])[:, None])))
            .double()
            .numpy()
            for i in range(0, len(inputs), batch)
        ]
    return np.concatenate(pieces)


def figures(logits: NDArray[np.float64], classes: NDArray[np.int64]) -> dict[str, float]:
    """F1 of each class and their mean over N, A and O, AF AUROC and log loss of logits."""
    scores = f1_scores(classes, logits.argmax(1), len(LABELS))
    log_probabilities = log_softmax(logits)
    return {
        "f1_mean_NAO": float(scores[:3].mean()),
        **{f"f1_{label}": float(score) for label, score in zip(LABELS, scores, strict=True)},
        "auroc_A": auroc(classes == ATRIAL, atrial_odds(logits)),
        "log_loss": float(-log_probabilities[np.arange(len(classes)), classes].mean()),
    }


def atrial_odds(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds of atrial fibrillation against all other classes."""
    log_probabilities = log_softmax(logits)
    others = np.delete(log_probabilities, ATRIAL, axis=1)
    return log_probabilities[:, ATRIAL] - np.logaddexp.reduce(others, axis=1)


def report(
    logits: NDArray[np.float64],
    classes: NDArray[np.int64],
    calibrator: Calibrator,
    *,
    probabilities: NDArray[np.float64] | None = None,
    intervals: bool = True,
) -> dict[str, Any]:
    """Figures of one part of the data.

    Parameters
    ----------
    logits : ndarray
        (records, classes), before calibration.
    classes : ndarray of int
        Reference classes.
    calibrator : Calibrator
        Used for the figures unless ``probabilities`` are given.
    probabilities : ndarray, optional
        Calibrated probabilities from elsewhere, for instance cross-fitted ones.
    intervals : bool
        Whether to add 95 % intervals by recording; None where there is none.

    Returns
    -------
    dict
        JSON-ready.
    """
    if probabilities is None:
        probabilities = calibrator.probabilities(logits, multiclass=True)
    calibrated = np.log(probabilities)
    before = figures(logits, classes)
    answer: dict[str, Any] = {
        "records": len(classes),
        **figures(calibrated, classes),
        "accuracy": float((calibrated.argmax(1) == classes).mean()),
        "ece_before": calibration_error(softmax(logits), classes, multiclass=True),
        "ece_after": calibration_error(probabilities, classes, multiclass=True),
        **{f"{name}_before": before[name] for name in ("f1_mean_NAO", "auroc_A", "log_loss")},
        "confusion": confusion_matrix(classes, calibrated.argmax(1), len(LABELS)).tolist(),
    }
    if intervals:

        def statistic(rows: NDArray[np.int64]) -> float:
            return figures(calibrated[rows], classes[rows])["f1_mean_NAO"]

        mean = statistic_interval(statistic, np.arange(len(classes)))
        area = metric_interval("auroc", classes == ATRIAL, atrial_odds(calibrated))
        answer |= {"f1_mean_NAO_ci95": mean.ends, "auroc_A_ci95": area.ends}
    return answer


def measure(data: Data, network: RhythmNet, output: Path, *, holdout: bool) -> dict[str, Any]:
    """Calibrate on the validation part, write ``calibration.json``, and give the figures.

    Record level: recordings as the bundle answers them. Window level: every 30-s window with the
    label of its recording.
    """
    rows = data.rows("validation")
    classes = data.classes[rows]
    cut = data.windows(rows)
    logits = record_logits(network, cut)
    record = fit_calibrator(logits, classes, method="vector", multiclass=True)
    of_record = np.repeat(np.arange(len(rows)), [len(x) for x in cut])
    of_windows = window_logits(network, [x for windows in cut for x in windows])
    window = fit_calibrator(of_windows, classes[of_record], method="vector", multiclass=True)
    fitted_on = f"CinC 2017 validation part, {len(rows)} records, {len(of_windows)} windows"
    readout = Readout(Calibration(record, window, fitted_on=fitted_on))
    measured, truth = [logits], [classes]

    def cross_fitted(z: NDArray[np.float64], y: NDArray[np.int64], groups: Any) -> Any:
        return cross_fitted_probabilities(z, y, groups, method="vector", multiclass=True)

    groups = np.arange(len(rows))
    metrics: dict[str, Any] = {
        "classes": list(LABELS),
        "validation": report(
            logits, classes, record, probabilities=cross_fitted(logits, classes, groups)
        ),
        "validation_windows": report(
            of_windows,
            classes[of_record],
            window,
            probabilities=cross_fitted(of_windows, classes[of_record], of_record),
            intervals=False,
        ),
        "validation_10s": short_windows(data, network, rows, record, window),
    }
    if holdout:
        rows = data.rows("holdout")
        logits = record_logits(network, data.windows(rows))
        metrics["holdout"] = report(logits, data.classes[rows], record)
        metrics["holdout_10s"] = short_windows(data, network, rows, record, window)
        measured.append(logits)
        truth.append(data.classes[rows])
    # The present class is the most probable one: there are no thresholds.
    readout = with_sets(readout, np.concatenate(measured), np.concatenate(truth), holdout=holdout)
    write_json(output / "calibration.json", readout.to_dict())
    return metrics


def with_sets(
    readout: Readout, logits: NDArray[np.float64], classes: NDArray[np.int64], *, holdout: bool
) -> Readout:
    """Add prediction sets from recordings that no weight was learned from.

    Parameters
    ----------
    readout : Readout
    logits : ndarray (records, classes)
    classes : ndarray of int (records,)
    holdout : bool
        Whether the hold-out is among them; for the words.
    """
    task = TASKS["multiclass"].answering(load_vocabulary("cinc2017-rhythm"), readout)
    # The data set names no people.
    who = [str(k) for k in range(len(classes))]
    parts = "validation part and hold-out" if holdout else "validation part"
    source = f"CinC 2017 {parts}, {len(classes)} records"
    values = classes[:, None].astype(np.float64)
    return task.with_sets(logits, values, who, source=source).readout


def short_windows(
    data: Data,
    network: RhythmNet,
    rows: NDArray[np.intp],
    record: Calibrator,
    window: Calibrator,
) -> dict[str, Any]:
    """Figures from windows of 10 s, zero-padded: what a live stream offers.

    ``records``: mean of the 10-s logits of each recording. ``windows``: every 10-s window with
    the label of its recording, which is wrong where the finding lies in another window.
    """
    cut = prepared([data.raw[i] for i in rows], 10.0)
    counts = [len(x) for x in cut]
    logits = window_logits(network, [x for windows in cut for x in windows])
    ends = np.cumsum(counts)
    means = np.stack([logits[e - n : e].mean(0) for e, n in zip(ends, counts, strict=True)])
    classes = data.classes[rows]
    return {
        "records": report(means, classes, record, intervals=False),
        "windows": report(logits, np.repeat(classes, counts), window, intervals=False),
    }
