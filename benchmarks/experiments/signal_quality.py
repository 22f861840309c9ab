"""Train and measure the model signal-quality (``src/ecgfoundry/measurements/signal_quality.json``).

``python -m benchmarks.experiments.signal_quality --data FOLDER [--output FILE]``

FOLDER holds ``cinc2011_quality.npz`` and ``cinc2017_training2017.zip`` (with
``cinc2017_reference_v3.csv``). The window's trees learn from the 448 records of CinC 2011. The
lead's trees learn from the leads of these records (a lead has its record's label, a twelfth of its
weight), from leads of acceptable records that were spoiled, and from 10 s of CinC 2017 ("noisy"
against the rest). Cross-validation is by record, in five folds; the trees are as many and as deep
in every fold as in the end.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.quality_features import (
    LEAD_FEATURES,
    WINDOW_FEATURES,
    lead_features,
    window_features,
)
from ecgfoundry.measurements.recognition import recognise
from ecgfoundry.measurements.trees import Trees
from ecgfoundry.metrics.calibration import cross_fitted_probabilities, fit_calibrator
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.metrics.intervals import statistic_interval
from ecgfoundry.signals.quality import assess_windows
from ecgfoundry.training.recipes.rhythm_single_lead.data import read, revised

FOLDS = 5
SEED = 0
WINDOW_TREES = {"n_estimators": 150, "learning_rate": 0.05, "max_features": 0.05}
LEAD_TREES = {"n_estimators": 80, "learning_rate": 0.08, "max_features": 0.3}
DEPTH = 3
SPOILED_SHARE = 0.3  # of the leads of an acceptable record, in its second copy
OTHERS = 1000  # records of CinC 2017 that are not noisy
CINC2017_WEIGHT = 0.5
WINDOW_S = 10.0

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """Features of one window, and whether the gate reads it."""

    leads: Float64
    window: Float64
    read: bool


def measure(signal: Float64, rate: float, names: tuple[str, ...]) -> Measured:
    """Measure one window as the gate does, also where the gate refuses it."""
    (quality,) = assess_windows(signal[np.newaxis], rate, names)
    rows = [row for row, name in enumerate(names) if name in quality.leads]
    figures = [quality.leads[names[row]] for row in rows]
    readable = [row for row in rows if quality.leads[names[row]].readable]
    snr, recognised, is_read = np.full(len(names), np.nan), {}, False
    if quality.refusal is None:
        found = recognise(signal[readable], rate)
        recognised, is_read = found.figures, found.reason is None
        if found.snr_db is not None:
            snr[readable] = found.snr_db
    leads = lead_features(signal[rows], rate, figures, snr[rows])
    return Measured(leads, window_features(leads, recognised, len(rows) - len(readable)), is_read)


def spoiled(lead: Float64, rate: float, generator: np.random.Generator) -> Float64:
    """Spoil a lead: noise of 5 to 40 Hz, wander, electrode motion, a flat part, a rail."""
    samples, size = lead.size, max(float(np.std(lead)), 0.05)
    hertz = np.fft.rfftfreq(samples, 1.0 / rate)
    time = np.arange(samples) / rate
    kind = generator.integers(5)
    if kind == 0:
        band = np.fft.rfft(generator.standard_normal(samples)) * ((hertz >= 5) & (hertz <= 40))
        noise = np.fft.irfft(band, samples)
        return lead + noise / noise.std() * size * 10.0 ** (generator.uniform(0.0, 10.0) / 20.0)
    if kind == 1:
        wander = np.sin(2 * np.pi * (generator.uniform(0.1, 0.5) * time + generator.uniform()))
        return lead + wander * generator.uniform(2.0, 6.0)
    if kind == 2:
        steps = np.zeros(samples)
        for start in generator.integers(0, samples, generator.integers(3, 9)):
            steps[start:] += generator.normal(0.0, 2.0) * np.exp(-time[: samples - start] / 0.4)
        return lead + steps
    start = int(generator.uniform(0.0, 0.4) * samples)
    stop = start + int(generator.uniform(0.4, 0.6) * samples)
    result = lead.copy()
    if kind == 3:
        result[start:stop] = result[start]
        return result
    result[start:stop] = generator.choice((-1.0, 1.0)) * generator.uniform(3.0, 5.0)
    return result


def fitted(
    features: Float64,
    labels: NDArray[np.int64],
    weights: Float64,
    *,
    depth: int = DEPTH,
    **numbers: Any,
) -> Trees:
    """Fit boosted trees."""
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(
        max_depth=depth, subsample=0.5, random_state=SEED, **numbers
    ).fit(features, labels, sample_weight=weights)
    prior = float(model.init_.class_prior_[1])
    nodes, leaves = 2**depth - 1, 2**depth
    feature = np.zeros((len(model.estimators_), nodes), dtype=np.int64)
    threshold = np.zeros(feature.shape)
    leaf = np.zeros((len(feature), leaves))
    for row, (one,) in enumerate(model.estimators_):
        tree = one.tree_

        def copy(node: int, place: int, row: int = row, tree: Any = tree) -> None:
            if place >= nodes:
                leaf[row, place - nodes] = model.learning_rate * tree.value[node, 0, 0]
                return
            ends = tree.children_left[node] < 0
            if not ends:
                feature[row, place] = tree.feature[node]
                threshold[row, place] = tree.threshold[node]
            # A leaf above the last level answers alike on both sides.
            copy(node if ends else tree.children_left[node], 2 * place + 1)
            copy(node if ends else tree.children_right[node], 2 * place + 2)

        copy(0, 0)
    start = float(np.log(prior / (1.0 - prior)))
    trees = Trees(feature, threshold, leaf, start, 1.0, 0.0)
    difference = np.abs(trees.logits(features) - model.decision_function(features)).max()
    if difference > 1e-3:
        raise SystemExit(f"the trees differ from those that were fitted by {difference:.3g}")
    return trees


def interval(labels: NDArray[np.int64], scores: Float64) -> dict[str, Any]:
    """AUROC with its interval by record."""

    def statistic(chosen: NDArray[np.int64]) -> float:
        return auroc(labels[chosen], scores[chosen])

    rows = np.arange(len(labels))
    return {"auroc": auroc(labels, scores), "ci95": statistic_interval(statistic, rows).ends}


def folds_of(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Five folds with the same share of each label."""
    generator, fold = np.random.default_rng(seed), np.empty(len(labels), dtype=np.int64)
    for value in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == value))
        fold[rows] = np.arange(len(rows)) % FOLDS
    return fold


def calibrated(trees: Trees, logits: Float64, labels: NDArray[np.int64]) -> dict[str, Any]:
    """JSON form of trees with the calibration of their out-of-fold answers."""
    found = fit_calibrator(logits[:, None], labels[:, None], method="platt", multiclass=False)
    document = found.to_dict()
    return {
        "start": round(trees.start, 6),
        "scale": round(float(np.ravel(document["scale"])[0]), 6),
        "offset": round(float(np.ravel(document["offset"])[0]), 6),
        "feature": trees.feature.tolist(),
        "threshold": [[float(f"{v:.6g}") for v in row] for row in trees.threshold],
        "leaf": [[float(f"{v:.5g}") for v in row] for row in trees.leaf],
    }


def cinc2017(data: Path) -> tuple[Float64, NDArray[np.int64]]:
    """Features of 10 s from the middle of records, and whether they are not "noisy" (v3)."""
    records = read(data / "cinc2017_training2017.zip")
    classes = revised(records, data / "cinc2017_reference_v3.csv")
    noisy = np.flatnonzero(classes == 3)
    others = np.random.default_rng(SEED).permutation(np.flatnonzero(classes != 3))[:OTHERS]
    features = []
    for row in (*noisy, *others):
        signal = np.asarray(records.raw[row], dtype=np.float64) / 1000.0
        start = max(0, (signal.size - 3000) // 2)
        features.append(measure(signal[None, start : start + 3000], 300.0, ("I",)).leads[0])
    return np.stack(features), np.repeat([0, 1], [len(noisy), len(others)])


def main() -> None:
    """Train, measure, and write the model where ``--output`` says so."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with np.load(arguments.data / "cinc2011_quality.npz") as stored:
        # Differences in int16 whose sum wraps around.
        signal = np.cumsum(stored["delta"], axis=2, dtype=np.int16) / 200.0
        labels = stored["acceptable"].astype(np.int64)
    own = [measure(one, 500.0, STANDARD_12_LEADS) for one in signal]
    generator = np.random.default_rng(SEED)
    good = np.flatnonzero(labels)
    hurt = generator.random((len(good), 12)) < SPOILED_SHARE
    second = []
    for row, chosen in zip(good, hurt, strict=True):
        copy = signal[row].copy()
        for lead in np.flatnonzero(chosen):
            copy[lead] = spoiled(copy[lead], 500.0, generator)
        second.append(measure(copy, 500.0, STANDARD_12_LEADS).leads)
    window = np.stack([one.window for one in own])
    leads, spoiled_leads = np.stack([one.leads for one in own]), np.stack(second)
    outside, outside_labels = cinc2017(arguments.data)

    def lead_trees(rows: NDArray[np.intp], others: NDArray[np.intp]) -> Trees:
        copies = np.isin(good, rows)
        parts = (leads[rows], spoiled_leads[copies])
        features = [part.reshape(-1, len(LEAD_FEATURES)) for part in parts]
        truth = (np.repeat(labels[rows], 12), 1 - hurt[copies].ravel(), outside_labels[others])
        weights = [np.full(len(part), 1.0 / 12.0) for part in features]
        return fitted(
            np.concatenate([*features, outside[others]]),
            np.concatenate(truth).astype(np.int64),
            np.concatenate([*weights, np.full(len(others), CINC2017_WEIGHT)]),
            **LEAD_TREES,
        )

    def window_trees(rows: NDArray[np.intp]) -> Trees:
        return fitted(window[rows], labels[rows], np.ones(len(rows)), **WINDOW_TREES)

    report: dict[str, Any] = {"records": len(labels), "acceptable": int(labels.sum())}
    together = []
    for seed in range(3):
        fold = folds_of(labels, seed)
        answer = np.zeros(len(labels))
        for number in range(FOLDS):
            tested = fold == number
            answer[tested] = window_trees(np.flatnonzero(~tested)).logits(window[tested])
        together.append(answer)
        by_fold = [auroc(labels[fold == k], answer[fold == k]) for k in range(FOLDS)]
        report[f"twelve leads, folds drawn with {seed}"] = interval(labels, answer) | {
            "folds": by_fold
        }
    refused = np.array([not one.read for one in own])
    with_gate = np.where(refused, together[0].min() - 1.0, together[0])
    report["twelve leads, what the gate refuses is the worst"] = interval(labels, with_gate)
    read_rows = np.flatnonzero(~refused)
    report["twelve leads, of those that the gate reads"] = interval(
        labels[read_rows], together[0][read_rows]
    )
    crossed = cross_fitted_probabilities(
        together[0][:, None],
        labels[:, None],
        np.arange(len(labels)),
        method="platt",
        multiclass=False,
    )[:, 0]
    for limit in (0.1, 0.2, 0.5):
        under = crossed < limit
        report[f"under {limit}"] = {
            "acceptable": float(under[labels == 1].mean()),
            "not acceptable": float(under[labels == 0].mean()),
        }

    fold, outside_fold = folds_of(labels, 0), folds_of(outside_labels, 0)
    of_leads, of_spoiled = np.zeros((len(labels), 12)), np.zeros((len(good), 12))
    of_outside = np.zeros(len(outside))
    for number in range(FOLDS):
        tested, away = fold == number, outside_fold == number
        trees = lead_trees(np.flatnonzero(~tested), np.flatnonzero(~away))
        width = len(LEAD_FEATURES)
        of_leads[tested] = trees.logits(leads[tested].reshape(-1, width)).reshape(-1, 12)
        copies = tested[good]
        of_spoiled[copies] = trees.logits(spoiled_leads[copies].reshape(-1, width)).reshape(-1, 12)
        of_outside[away] = trees.logits(outside[away])
    truth = 1 - hurt.ravel()
    report["a lead that was spoiled"] = {
        "auroc": auroc(truth, of_spoiled.ravel()),
        "leads": int(truth.size),
    }
    report["CinC 2017, noisy, one lead"] = interval(outside_labels, of_outside)
    report["the worst lead speaks for twelve"] = interval(labels, of_leads.min(axis=1))
    print(json.dumps(report, indent=2, default=float))
    if arguments.output is not None:
        all_labels = np.concatenate([truth, outside_labels])
        all_logits = np.concatenate([of_spoiled.ravel(), of_outside])
        every = lead_trees(np.arange(len(labels)), np.arange(len(outside)))
        document = {
            "name": "signal-quality",
            "version": "1.0.0",
            "about": "docs/quality.md; benchmarks/experiments/signal_quality.py",
            "lead_features": LEAD_FEATURES,
            "window_features": WINDOW_FEATURES,
            "window": calibrated(window_trees(np.arange(len(labels))), together[0], labels),
            "lead": calibrated(every, all_logits, all_labels),
        }
        text = json.dumps(document, separators=(",", ":"))
        arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
