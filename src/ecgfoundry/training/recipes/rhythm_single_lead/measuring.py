"""Logits of recordings and windows, calibration and the figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import TrainingError
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
    SOURCE_RATE,
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
) -> JsonObject:
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
    answer: JsonObject = {
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


def measure(data: Data, network: RhythmNet, output: Path) -> JsonObject:
    """Calibrate on the recordings left out, write ``calibration.json``, and give the figures.

    Parameters
    ----------
    data : Data
    network : RhythmNet
        Has learned from the training part only, and is rounded as it would be shipped.
    output : Path
        The recipe's folder.

    Returns
    -------
    dict
        ``left_out``: recordings as the bundle answers them. ``left_out_windows``: every 30-s window
        with the label of its recording. ``left_out_10s``: see :func:`short_windows`.
        ``left_out_noise``: see :func:`noise_figures`. Wherever a probability or a largest class
        counts, the calibration is cross-fitted by recording.
    """
    rows = data.left_out
    classes = data.classes[rows]
    cut = data.windows(rows)
    logits = record_logits(network, cut)
    record = fit_calibrator(logits, classes, method="vector", multiclass=True)
    of_record = np.repeat(np.arange(len(rows)), [len(x) for x in cut])
    of_windows = window_logits(network, [x for windows in cut for x in windows])
    window = fit_calibrator(of_windows, classes[of_record], method="vector", multiclass=True)
    fitted_on = (
        f"answers of the same recipe to the {len(rows)} records of CinC 2017 "
        f"({len(of_windows)} windows) that it was not shown for this"
    )
    # The present class is the most probable one: there are no thresholds.
    readout = with_sets(Readout(Calibration(record, window, fitted_on=fitted_on)), logits, classes)
    write_json(output / "calibration.json", readout.to_dict())
    return {
        "classes": list(LABELS),
        "left_out": _cross_fitted(logits, classes, np.arange(len(rows)), record),
        "left_out_windows": _cross_fitted(
            of_windows, classes[of_record], of_record, window, intervals=False
        ),
        "left_out_10s": short_windows(data, network, rows),
        "left_out_noise": noise_figures(data, network, rows, logits, record),
    }


def with_sets(readout: Readout, logits: NDArray[np.float64], classes: NDArray[np.int64]) -> Readout:
    """Add prediction sets from recordings that no weight was learned from.

    Parameters
    ----------
    readout : Readout
    logits : ndarray (records, classes)
    classes : ndarray of int (records,)
    """
    task = TASKS["multiclass"].answering(load_vocabulary("cinc2017-rhythm"), readout)
    # The data set names no people.
    who = [str(k) for k in range(len(classes))]
    source = f"CinC 2017, {len(classes)} records that the same recipe was not shown for this"
    values = classes[:, None].astype(np.float64)
    return task.with_sets(logits, values, who, source=source).readout


def _cross_fitted(
    logits: NDArray[np.float64],
    classes: NDArray[np.int64],
    groups: NDArray[np.intp],
    calibrator: Calibrator,
    *,
    intervals: bool = True,
) -> JsonObject:
    probabilities = cross_fitted_probabilities(
        logits, classes, groups, method="vector", multiclass=True
    )
    return report(logits, classes, calibrator, probabilities=probabilities, intervals=intervals)


SHORT_S = 10.0
"""Length of a window of a live stream."""


def short_windows(data: Data, network: RhythmNet, rows: NDArray[np.intp]) -> JsonObject:
    """Figures from windows of 10 s, zero-padded: what a live stream offers.

    ``records``: mean of the 10-s logits of each recording. ``windows``: every 10-s window with
    the label of its recording, which is wrong where the finding lies in another window.
    """
    cut = prepared([data.raw[i] for i in rows], SHORT_S)
    counts = [len(x) for x in cut]
    logits = window_logits(network, [x for windows in cut for x in windows])
    ends = np.cumsum(counts)
    means = np.stack([logits[e - n : e].mean(0) for e, n in zip(ends, counts, strict=True)])
    classes = data.classes[rows]
    answers: JsonObject = {}
    for name, z, groups in (
        ("records", means, np.arange(len(rows))),
        ("windows", logits, np.repeat(np.arange(len(rows)), counts)),
    ):
        calibrator = fit_calibrator(z, classes[groups], method="vector", multiclass=True)
        answers[name] = _cross_fitted(z, classes[groups], groups, calibrator, intervals=False)
    return answers


def short_window_calibration(
    data: Data, measured: RhythmNet, network: RhythmNet, output: Path
) -> JsonObject:
    """Calibrate windows of 10 s, which say less than the windows of 30 s they come from.

    ``calibration.json`` gets the level ``short_window``, fitted on the answers of the network that
    is shipped to the recordings it learned from. That this serves for others is what is measured.

    Parameters
    ----------
    data : Data
    measured : RhythmNet
        Has learned from the training part only.
    network : RhythmNet
        Has learned from all recordings.
    output : Path
        The recipe's folder, with the ``calibration.json`` of :func:`measure`.

    Returns
    -------
    dict
        Of the measured network and the 10-s windows of the recordings left out: ``as_window``, by
        the level ``window``; ``short_window``, by one fitted on the 10-s windows of the recordings
        that it learned from. Log loss, calibration error, shares of answers and of labels that are
        atrial fibrillation.
    """
    readout = Readout.from_dict(json.loads((output / "calibration.json").read_text()))
    calibration = readout.calibration
    if calibration is None:
        raise TrainingError("there is no calibration of windows yet")
    logits, classes = _short_answers(data, measured, data.learned)
    own = fit_calibrator(logits, classes, method="vector", multiclass=True)
    logits, classes = _short_answers(data, measured, data.left_out)
    found: JsonObject = {
        name: _calibration_figures(calibrator.probabilities(logits, multiclass=True), classes)
        for name, calibrator in (("as_window", calibration.window), ("short_window", own))
    }
    every = np.flatnonzero(data.part != "duplicate")
    logits, classes = _short_answers(data, network, every)
    short = fit_calibrator(logits, classes, method="vector", multiclass=True)
    fitted_on = (
        f"10-s windows of the {len(every)} records of CinC 2017 that it learned from "
        f"({len(logits)} windows)"
    )
    calibration = replace(calibration, short_window=short, short_fitted_on=fitted_on)
    write_json(output / "calibration.json", replace(readout, calibration=calibration).to_dict())
    return found


def _short_answers(
    data: Data, network: RhythmNet, rows: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits of every 10-s window of some recordings, and the class of its recording."""
    cut = prepared([data.raw[i] for i in rows], SHORT_S)
    classes = np.repeat(data.classes[rows], [len(windows) for windows in cut])
    return window_logits(network, [x for windows in cut for x in windows]), classes


def _calibration_figures(
    probabilities: NDArray[np.float64], classes: NDArray[np.int64]
) -> dict[str, float]:
    right = probabilities[np.arange(len(classes)), classes]
    return {
        "log_loss": float(-np.log(right).mean()),
        "calibration_error": calibration_error(probabilities, classes, multiclass=True),
        "answered_A": float((probabilities.argmax(1) == ATRIAL).mean()),
        "labelled_A": float((classes == ATRIAL).mean()),
    }


NOISE_DB = 6.0

NOISE_BAND = (5.0, 40.0)  # Hz


def with_noise(
    data: Data, rows: NDArray[np.intp], decibels: float | NDArray[np.float64] = NOISE_DB
) -> list[Array]:
    """Recordings in white noise of 5 to 40 Hz, in mV at 300 Hz; the same at every call.

    The noise is added to the recording before its preprocessing. At 6 dB its power is a quarter of
    that of the recording within 0.5 to 40 Hz.

    Parameters
    ----------
    data : Data
    rows : ndarray of int
        The recordings.
    decibels : float or ndarray (rows,)
        Of signal over noise.
    """
    generator = np.random.default_rng(5)
    noisy = []
    for i, ratio in zip(rows, np.broadcast_to(decibels, len(rows)), strict=True):
        clean = data.raw[i]
        frequency = np.fft.rfftfreq(len(clean), 1 / SOURCE_RATE)
        inside = (frequency >= NOISE_BAND[0]) & (frequency <= NOISE_BAND[1])
        noise = np.fft.irfft(
            np.fft.rfft(generator.standard_normal(len(clean))) * inside, len(clean)
        )
        size = data.filtered[i].std() / noise.std() * 10 ** (-ratio / 20)
        noisy.append((clean + size * noise).astype(np.float32))
    return noisy


def noise_figures(
    data: Data,
    network: RhythmNet,
    rows: NDArray[np.intp],
    logits: NDArray[np.float64],
    calibrator: Calibrator,
) -> dict[str, float]:
    """How the answers change in the noise of :func:`with_noise`.

    Returns
    -------
    dict
        ``changed``: share of the recordings whose most probable class is another; and the figures
        of :func:`figures` in noise, by the labels without.
    """
    before, after = (
        np.log(calibrator.probabilities(z, multiclass=True))
        for z in (logits, record_logits(network, prepared(with_noise(data, rows))))
    )
    changed = float((before.argmax(1) != after.argmax(1)).mean())
    return {"changed": changed, **figures(after, data.classes[rows])}
