"""Train the trees of the second look (``src/ecgfoundry/measurements/second_look.json``).

``python -m benchmarks.experiments.second_look --data FOLDER [--output FILE] [--csv FILE]``; FOLDER
as in :mod:`benchmarks.experiments.gate`. Windows of records and drawn ECGs are those of
:mod:`benchmarks.experiments.ecg_recognition` (nothing of DS2 of MIT-BIH, of Brugada-HUCA or of the
records of CinC 2017 that are reported), and some of them through a high pass of monitors once more;
signals that are no ECG are of its kinds and of :mod:`benchmarks.experiments.hostile_sensors`. The
kinds of :mod:`benchmarks.experiments.hostile_aside` train nothing. What is printed comes from trees
that know neither the record nor the kind: of the windows that the gate reads, how many are in
doubt.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from benchmarks.experiments import made_ecgs
from benchmarks.experiments.beat_classes import DS2
from benchmarks.experiments.ecg_recognition import (
    DRAWN,
    LENGTHS_S,
    NO_ECG,
    RATES,
    readable_leads,
    records,
)
from benchmarks.experiments.hostile_sensors import SENSORS
from benchmarks.experiments.hostile_signals import as_leads
from benchmarks.experiments.signal_quality import fitted
from ecgfoundry.measurements.recognition import FIGURES, SILENCE, examine
from ecgfoundry.measurements.second_look import SECOND_FIGURES, UNLIKE_AN_ECG, UNLIKE_IN_SILENCE

Float64 = NDArray[np.float64]
Generator = np.random.Generator

KINDS = NO_ECG | SENSORS
HOSTILE, REFUSED = 120, 30
"""Signals of a kind; of those that the gate refuses only so many train."""
BY_THE_CLOCK = 600
EVEN: dict[str, tuple[Callable[[Generator], tuple[Float64, float]], int, int]] = {
    "made: by the clock": (partial(made_ecgs.planted, variation=0.0), BY_THE_CLOCK, 67),
    "made: paced by the clock": (
        partial(made_ecgs.planted, kind="paced", variation=0.0), BY_THE_CLOCK, 71,
    ),
}  # fmt: skip
"""Rhythms without any variation, as of simulators and pacemakers: by what, how many, their seed."""
HIGH_PASSED = 4
"""Every so many windows of records train through a high pass, too."""
HIGH_PASS_HZ = (0.5, 2.0)
WEIGHTS = {"CinC 2017, chose the limits": 6.0, "mitbih": 10.0}
ECG_WEIGHT, PASSED_WEIGHT = 4.0, 6.0
"""Of a window that is an ECG, and of a hostile one that the gate reads; others count 1."""
TREES = {
    "depth": 4, "n_estimators": 300, "learning_rate": 0.08, "max_features": 0.2,
    "min_samples_leaf": 10,
}  # fmt: skip
FOLDS = 4


@dataclass(frozen=True, eq=False)
class Window:
    """Figures of a window, what it is, and what the gate says of it without a second look."""

    kind: str
    record: str
    is_ecg: bool
    row: Float64
    is_read: bool
    is_doubted: bool


def measured(kind: str, record: str, is_ecg: bool, x: Float64, rate: float) -> Window | None:
    """Measure as the gate does; None where there is nothing for the trees to see."""
    leads = readable_leads(x, rate)
    seen = None if leads is None else examine(leads, rate)
    if seen is None:
        return None
    return Window(kind, record, is_ecg, seen.row, seen.reason is None, seen.doubtful)


def hostile(kind: str, number: int) -> tuple[Float64, float]:
    """Make a signal that is no ECG, one in six with twelve leads."""
    g = np.random.default_rng([number + 8_000_000, zlib.crc32(kind.encode())])
    rate, seconds = float(g.choice(RATES)), g.choice(LENGTHS_S)
    leads = 12 if number % 6 == 5 else 1
    return as_leads(KINDS[kind], g, round(seconds * rate), rate, leads, bool(number % 2)), rate


def positives(folder: Path) -> Iterator[Window | None]:
    """Yield windows that are ECGs."""
    g = np.random.default_rng(61)
    for number, (kind, who, x, rate) in enumerate(records(folder)):
        if kind == "mitbih" and int(who) in DS2:
            continue
        yield measured(kind, who, True, x, rate)
        if number % HIGH_PASSED == 0:
            cut = g.uniform(*HIGH_PASS_HZ)
            sos = butter(int(g.integers(1, 3)), cut, "highpass", fs=rate, output="sos")
            passed = sosfiltfilt(sos, np.nan_to_num(x), axis=1)
            yield measured(f"{kind}, high pass", who, True, passed, rate)
    for kind, (make, count, seed) in (DRAWN | EVEN).items():
        for k in range(count):
            yield measured(kind, f"{k}", True, *make(np.random.default_rng([k, seed])))


def windows(folder: Path) -> list[Window]:
    """Measure everything."""
    found = [window for window in positives(folder) if window is not None]
    for kind in KINDS:
        refused = 0
        for k in range(HOSTILE):
            window = measured(kind, f"{k}", False, *hostile(kind, k))
            if window is None:
                continue
            refused += not window.is_read
            if window.is_read or refused <= REFUSED:
                found.append(window)
    return found


def weight(window: Window) -> float:
    """Return what a wrong answer about a window costs."""
    if not window.is_ecg:
        return PASSED_WEIGHT if window.is_read else 1.0
    return WEIGHTS.get(window.kind, ECG_WEIGHT)


def fold_of(window: Window) -> int:
    """Return in which part a window is left out: a kind that is no ECG as a whole."""
    record = f"{window.kind.removesuffix(', high pass')}{window.record}"
    name = record if window.is_ecg else window.kind
    return zlib.crc32(name.encode()) % FOLDS


def main() -> None:
    """Train, print what the trees say of records and kinds they did not see, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--csv", type=Path, help="kind, record, read, doubted, log-odds, members")
    options = parser.parse_args()
    all_ = windows(options.data)
    x = np.stack([window.row for window in all_])
    truth = np.array([window.is_ecg for window in all_], dtype=np.int64)
    weights = np.array([weight(window) for window in all_])
    fold = np.array([fold_of(window) for window in all_])
    if options.output is not None:
        trees = fitted(x, truth, weights, **TREES)
        document = {
            "figures": [*FIGURES, *SECOND_FIGURES],
            "start": round(trees.start, 6),
            "scale": 1.0,
            "offset": 0.0,
            "feature": trees.feature.tolist(),
            "threshold": [[float(f"{v:.6g}") for v in row] for row in trees.threshold],
            "leaf": [[float(f"{v:.5g}") for v in row] for row in trees.leaf],
        }
        options.output.write_text(json.dumps(document, separators=(",", ":")) + "\n")
    score = np.zeros(len(all_))
    for number in range(FOLDS):
        own = fold == number
        score[own] = fitted(x[~own], truth[~own], weights[~own], **TREES).logits(x[own])
    total, before, after = Counter[str](), Counter[str](), Counter[str]()
    for window, odds in zip(all_, score, strict=True):
        total[window.kind] += window.is_read
        before[window.kind] += window.is_read and window.is_doubted
        silent = window.row[FIGURES.index("contrast")] >= SILENCE
        unlike = odds < (UNLIKE_IN_SILENCE if silent else UNLIKE_AN_ECG)
        after[window.kind] += window.is_read and (window.is_doubted or unlike)
    print("| windows of | read | in doubt at the first look | and at the second |")
    print("| --- | --- | --- | --- |")
    for kind, count in total.items():
        print(f"| {kind} | {count} | {before[kind]} | {after[kind]} |")
    if options.csv is not None:
        lines = [
            f'"{w.kind}",{w.record},{w.is_ecg},{w.is_read},{w.is_doubted},{odds:.4f},{w.row[3]:.3f}'
            for w, odds in zip(all_, score, strict=True)
        ]
        options.csv.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
