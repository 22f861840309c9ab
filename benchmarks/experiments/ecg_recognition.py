"""Train the trees of the gate (``src/ecgfoundry/measurements/ecg_recognition.json``).

``python -m benchmarks.experiments.ecg_recognition --data FOLDER [--output FILE]``; FOLDER as in
:mod:`benchmarks.experiments.gate`. Positive are windows of records (:data:`RECORDS`), as they are
and at another rate, of another length, through a low or high pass, and ECGs that were made
(:data:`DRAWN`); negative are the kinds of :mod:`benchmarks.experiments.hostile_signals`,
:mod:`benchmarks.experiments.hostile_clinic` and :mod:`benchmarks.experiments.hostile_physics`. The
figures are those by which
:mod:`ecgfoundry.measurements.recognition` sets its limits. What is printed comes from trees that
know neither the record nor the kind: they learned from three quarters of the records and from three
quarters of the kinds. Records of CinC 2017 that the gate's page reports are never seen here, and
kinds of :mod:`benchmarks.experiments.hostile_aside` train nothing. Neither do the records of DS2 of
MIT-BIH, which the project tests on, nor Brugada-HUCA, of which weights may not be shipped
(CC BY-SA).
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfiltfilt

from benchmarks.experiments import made_ecgs
from benchmarks.experiments.beat_classes import DS2
from benchmarks.experiments.gate import sets
from benchmarks.experiments.hostile_clinic import CLINIC
from benchmarks.experiments.hostile_physics import PHYSICS
from benchmarks.experiments.hostile_signals import KINDS, as_leads
from benchmarks.experiments.signal_quality import fitted
from ecgfoundry.measurements.recognition import (
    DOUBTED,
    FIGURES,
    FORGIVEN,
    broken_limit,
    figures_row,
    recognise,
)
from ecgfoundry.signals.quality import assess_windows

RECORDS = {
    "CinC 2011, acceptable": 3.0, "CinC 2017, chose the limits": 1.6, "PTB-XL subset, val": 3.0,
    "ludb": 3.0, "mitbih": 60.0, "cinc2021": 2.0,
}  # fmt: skip
"""Sets, and windows of each record."""
MADE, HOSTILE = 1500, 90
"""Made rhythms, and signals of each hostile kind."""
WEIGHTS = {
    "CinC 2017, chose the limits": 6.0, "mitbih": 8.0, "record": 4.0, "made": 4.0,
    "made: beats of the ventricles": 6.0, "made: spikes that ring": 2.0,
}  # fmt: skip
"""Of a window that is an ECG."""
SINE_WEIGHT = 0.5
"""Of drawn beats of the ventricles that break a limit: many are next to a sine wave."""
PASSED_WEIGHT = 6.0
"""Of a hostile signal that breaks no limit: these are what the trees are for. Others count 1."""
TREES = {
    "depth": 4, "n_estimators": 200, "learning_rate": 0.1, "max_features": 0.35,
    "min_samples_leaf": 10,
}  # fmt: skip
"""Weights, depth and number: the best of some twenty-five by what :func:`main` and a gate print."""
FOLDS = 4
RATES = (100, 125, 200, 250, 300, 360, 500, 1000)
LENGTHS_S = (5, 8, 10, 10, 10, 20)

Float64 = NDArray[np.float64]
Generator = np.random.Generator


@dataclass(frozen=True, eq=False)
class Window:
    """Figures of a window, what it is, and by which limit it is refused."""

    kind: str
    record: str
    is_ecg: bool
    row: Float64
    broken: str | None


def readable_leads(x: Float64, rate: float) -> Float64 | None:
    """Return the leads of a window that can be read; None where it cannot."""
    names = [f"lead {row}" for row in range(len(x))]
    (quality,) = assess_windows(x[None], rate, names)
    if quality.refusal is not None:
        return None
    rows = [
        k for k, name in enumerate(names) if name in quality.leads and quality.leads[name].readable
    ]
    return x[rows]


def measured(kind: str, record: str, is_ecg: bool, x: Float64, rate: float) -> Window | None:
    """Measure as the gate does; None where there is nothing for the trees to see."""
    leads = readable_leads(x, rate)
    if leads is None:
        return None
    figures = recognise(leads, rate).figures
    if "steepness" not in figures:
        return None
    return Window(kind, record, is_ecg, figures_row(figures)[0], broken_limit(figures))


def _part(g: Generator, x: Float64, rate: float) -> Float64:
    samples = round(g.choice(LENGTHS_S) * rate)
    if x.shape[1] <= samples:
        return x
    start = int(g.integers(0, x.shape[1] - samples + 1))
    return x[:, start : start + samples]


def _through_a_recorder(g: Generator, x: Float64, rate: float) -> tuple[Float64, float]:
    """Through filters of recorders, and at one of their rates."""
    if g.uniform() < 0.25 and rate >= 200:
        cut = g.choice([20, 25, 30, 35, 40])
        sos = butter(int(g.integers(1, 4)), cut, fs=rate, output="sos")
        x = sosfiltfilt(sos, x, axis=1)
    if g.uniform() < 0.2:
        x = sosfiltfilt(
            butter(1, g.uniform(0.05, 0.8), "highpass", fs=rate, output="sos"), x, axis=1
        )
    if g.uniform() < 0.4:
        new = int(g.choice([100, 125, 200, 250, 500, 1000]))
        common = gcd(new, int(rate))
        return resample_poly(x, new // common, int(rate) // common, axis=1), float(new)
    return x, rate


def records(folder: Path) -> Iterator[tuple[str, str, Float64, float]]:
    """Yield windows of records: set, record, signal, rate."""
    g = np.random.default_rng(1)
    for kind, jobs in sets(folder):
        if kind not in RECORDS:
            continue
        for record, signal, rate in jobs:
            x = np.asarray(signal, dtype=np.float64)
            if kind == "CinC 2011, acceptable":
                for row in x:
                    yield kind, record, row[None], rate
            x = np.nan_to_num(x)
            windows = int(RECORDS[kind]) + (g.uniform() < RECORDS[kind] % 1)
            for k in range(windows):
                part = _part(g, x, rate)
                if len(part) > 1 and g.uniform() < 0.75:
                    part = part[[int(g.integers(len(part)))]]
                yield kind, record, *(_through_a_recorder(g, part, rate) if k else (part, rate))


def _bump(time: Float64, at: float, width: float) -> Float64:
    return np.exp(-0.5 * ((time - at) / width) ** 2)


RHYTHMS = (
    ("narrow", 35, 150, 0.07, 0.11),
    ("broad, notched", 40, 130, 0.12, 0.18),
    ("broad, smooth", 40, 130, 0.12, 0.2),
    ("ventricular", 120, 230, 0.12, 0.2),
    ("of an infant", 110, 230, 0.035, 0.06),
    ("narrow, fast", 200, 310, 0.05, 0.08),
)
"""Complexes, their least and largest rate per minute, and duration in s."""


def rhythm(g: Generator) -> tuple[Float64, float]:
    """Make complexes of one of :data:`RHYTHMS` with P and T waves, some noise or none."""
    rate = float(g.choice([100, 250, 300, 500, 1000]))
    time = np.arange(round(g.choice([5, 8, 10, 10]) * rate)) / rate
    kind, slowest, fastest, narrowest, broadest = RHYTHMS[int(g.integers(len(RHYTHMS)))]
    bpm, qrs_s = g.uniform(slowest, fastest), g.uniform(narrowest, broadest)
    interval, at, fibrillates = 60 / bpm, 0.2, g.uniform() < 0.2
    r, q, s = g.uniform(0.5, 1.2), g.uniform(0, 0.2), g.uniform(0, 0.5)
    t, p, unit = g.uniform(-0.3, 0.4), g.uniform(0, 0.15), qrs_s / 8
    if fastest > 300 and g.uniform() < 0.5:
        t = p = 0.0
    notch = 0.3 if kind == "broad, notched" else 0.0
    x = np.zeros(time.size)
    while at < time[-1]:
        if kind == "ventricular":
            x += r * _bump(time, at, qrs_s / 5) + 0.3 * _bump(time, at - 0.24 * qrs_s, qrs_s / 10)
            x -= 0.3 * _bump(time, at + qrs_s / 2 + 0.25 * interval, 0.05)
        else:
            x += r * _bump(time, at, 1.2 * unit) - q * _bump(time, at - 2.5 * unit, unit)
            x += notch * _bump(time, at + 1.8 * unit, 0.7 * unit)
            x -= s * _bump(time, at + 2.6 * unit, 1.1 * unit)
            behind = min(0.28, 1.5 * qrs_s + 0.1, 0.45 * interval)
            x += t * _bump(time, at + behind, min(0.045, 0.1 * interval))
            if not fibrillates:
                x += p * _bump(time, at - min(0.16, 0.25 * interval), 0.02)
        at += interval * (g.uniform(0.6, 1.5) if fibrillates else 1 + 0.02 * g.normal())
    if g.uniform() < 0.7:
        x += g.uniform(0, 0.05) * g.normal(size=time.size)
        x += g.uniform(0, 0.2) * np.sin(2 * np.pi * g.uniform(0.1, 0.4) * time)
    return (g.choice([-1, 1]) * x)[None], rate


DRAWN: dict[str, tuple[Callable[[Generator], tuple[Float64, float]], int, int]] = {
    "made: complexes of Gaussians in noise": (rhythm, MADE, 99),
    "made: nothing but Gaussians": (made_ecgs.bare, MADE // 2, 47),
    "made: a simulated lead": (made_ecgs.simulated, MADE // 3, 43),
    "made: planted rhythms": (made_ecgs.planted, MADE, 41),
    "made: beats of the ventricles": (made_ecgs.ventricular, MADE, 53),
    "made: spikes that ring": (made_ecgs.ringing, MADE // 2, 59),
}
"""ECGs that were made: by what, how many, and their seed."""
NO_ECG = KINDS | CLINIC | PHYSICS


def hostile(kind: str, number: int) -> tuple[Float64, float]:
    """Make a signal that is no ECG, one in six with twelve leads."""
    g = np.random.default_rng([number + 7_000_000, zlib.crc32(kind.encode())])
    rate, seconds = float(g.choice(RATES)), g.choice(LENGTHS_S)
    leads = 12 if number % 6 == 5 else 1
    return as_leads(NO_ECG[kind], g, round(seconds * rate), rate, leads, bool(number % 2)), rate


def windows(folder: Path) -> list[Window]:
    """Measure everything."""
    found = [
        measured(kind, who, True, x, rate)
        for kind, who, x, rate in records(folder)
        if not (kind == "mitbih" and int(who) in DS2)
    ]
    for kind, (make, count, seed) in DRAWN.items():
        for k in range(count):
            found.append(measured(kind, f"{k}", True, *make(np.random.default_rng([k, seed]))))
    for kind in NO_ECG:
        for k in range(HOSTILE):
            found.append(measured(kind, f"{k}", False, *hostile(kind, k)))
    return [window for window in found if window is not None]


def weight(window: Window) -> float:
    """Return what a wrong answer about a window costs."""
    if not window.is_ecg:
        return 1.0 if window.broken is not None else PASSED_WEIGHT
    if window.kind == "made: beats of the ventricles" and window.broken is not None:
        return SINE_WEIGHT
    usual = WEIGHTS["made" if window.kind in DRAWN else "record"]
    return WEIGHTS.get(window.kind, usual)


def fold_of(window: Window) -> int:
    """Return in which part a window is left out: a kind that is no ECG as a whole."""
    name = window.kind if not window.is_ecg else f"{window.kind}{window.record}"
    return zlib.crc32(name.encode()) % FOLDS


def main() -> None:
    """Train, print what the trees say of records they did not see, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    all_ = windows(options.data)
    x = np.stack([window.row for window in all_])
    truth = np.array([window.is_ecg for window in all_], dtype=np.int64)
    broken = np.array([window.broken is not None for window in all_])
    weights = np.array([weight(window) for window in all_])
    fold = np.array([fold_of(window) for window in all_])
    score = np.zeros(len(all_))
    for number in range(FOLDS):
        own = fold == number
        score[own] = fitted(x[~own], truth[~own], weights[~own], **TREES).logits(x[own])
    refused = (score < DOUBTED) | (broken & (score < FORGIVEN))
    total, before, after = (
        Counter(w.kind for w, is_in in zip(all_, chosen, strict=True) if is_in)
        for chosen in (np.ones(len(all_), bool), broken, refused)
    )
    print("| windows of | all | refused by the limits | and with the trees |")
    print("| --- | --- | --- | --- |")
    for kind, count in total.items():
        print(f"| {kind} | {count} | {before[kind]} | {after[kind]} |")
    if options.output is not None:
        trees = fitted(x, truth, weights, **TREES)
        document = {
            "figures": list(FIGURES),
            "start": round(trees.start, 6),
            "scale": 1.0,
            "offset": 0.0,
            "feature": trees.feature.tolist(),
            "threshold": [[float(f"{v:.6g}") for v in row] for row in trees.threshold],
            "leaf": [[float(f"{v:.5g}") for v in row] for row in trees.leaf],
        }
        options.output.write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
