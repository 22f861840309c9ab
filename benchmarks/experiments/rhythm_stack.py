"""What a linear layer of measured features adds to the rhythm network, on recordings it never saw.

``python -m benchmarks.experiments.rhythm_stack --data FOLDER --work WORK``

FOLDER holds CinC 2017 (``training2017.zip`` or ``cinc2017_training2017.zip``, and its labels of
version 3), and ``WORK/rhythm-single-lead/measured`` is the network of ``ecgfoundry train-defaults
--work WORK`` that learned from three quarters of it. What it answers and what is measured is kept
in ``WORK/rhythm-single-lead/stack``, so that an interrupted run continues; the seconds printed are
processor time, one thread.

The layers (multinomial logistic, ridge) are fitted on the three quarters, which the network knows,
and looked at on the quarter left out. The ridge is chosen inside the three quarters, by log loss,
crossed by recording; nothing is chosen by F1, nor on the quarter left out. Base and layers are
calibrated alike there (vector scaling, crossed by recording). Labels are of version 2, also where
the layers learn, and of the recording also where one 10-s window answers. Gains are over the
network's own answer, paired, with 95 % intervals by recording. ``changed`` is the share of answers
that noise of 5 to 40 Hz at 6 dB changes, as on the model's card. Layers that "learned in noise too"
learn every recording twice, as it is and in such noise at 0 to 20 dB.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from benchmarks.experiments.held_aside import ARCHIVES
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.features import FEATURE_NAMES, hand_crafted_features
from ecgfoundry.metrics.calibration import cross_fitted_probabilities, fit_calibrator
from ecgfoundry.metrics.classification import f1_scores
from ecgfoundry.metrics.intervals import statistic_interval
from ecgfoundry.models.networks.rhythm import RhythmNet
from ecgfoundry.signals.windows import window_bounds
from ecgfoundry.training.recipes.ensembles import save_arrays
from ecgfoundry.training.recipes.rhythm_single_lead import read_network
from ecgfoundry.training.recipes.rhythm_single_lead.data import (
    LABELS,
    SOURCE_RATE,
    Array,
    load,
    prepared,
)
from ecgfoundry.training.recipes.rhythm_single_lead.measuring import (
    SHORT_S,
    figures,
    record_logits,
    window_logits,
    with_noise,
)

FOLDS = 3
"""Of the recipe."""
MEASURED = tuple(
    name for name in FEATURE_NAMES if name.split("_")[0] not in ("reference", *STANDARD_12_LEADS)
)
"""Features of a recording; those of a lead's voltages and forms are left out (our choice)."""
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse ridge, scikit-learn's ``C``."""

LEARNED_DB = (0.0, 20.0)
"""Noise that layers learn in, signal over noise: as the network's second stage (our choice)."""

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """What network and measurement say of recordings.

    Attributes
    ----------
    whole : float64 (recordings, classes)
        Mean logits of the 30-s windows.
    short : float64 (windows, classes)
        Logits of the 10-s windows.
    recording : int (windows,)
        Of each 10-s window, in rising order.
    features, short_features : float64 (recordings, F) and (windows, F)
        :data:`MEASURED`; NaN = not measurable.
    """

    whole: Float64
    short: Float64
    recording: Int64
    features: Float64
    short_features: Float64

    @property
    def answers(self) -> Float64:
        """Columns of the network alone: whole, and mean, largest and least of the 10-s logits."""
        starts = np.searchsorted(self.recording, np.arange(len(self.whole)))
        mean = np.add.reduceat(self.short, starts) / np.bincount(self.recording)[:, None]
        ends = [of.reduceat(self.short, starts) for of in (np.maximum, np.minimum)]
        return np.concatenate([self.whole, mean, *ends], axis=1)


@dataclass(frozen=True)
class Tidy:
    """Turns features into columns: standardized, clipped, with a mark where one is missing."""

    kept: NDArray[np.bool_]
    centre: Float64
    spread: Float64
    sometimes_missing: NDArray[np.bool_]

    @classmethod
    def of(cls, features: Float64) -> Tidy:
        """Learn centre (median) and spread (standard deviation); what never varies is dropped."""
        seen = np.isfinite(features).sum(axis=0) > 1
        spread = np.zeros(features.shape[1])
        spread[seen] = np.nanstd(features[:, seen], axis=0)
        kept = spread > 1e-9
        missing = np.isnan(features[:, kept]).any(axis=0)
        return cls(kept, np.nanmedian(features[:, kept], axis=0), spread[kept], missing)

    def columns(self, features: Float64) -> Float64:
        """Return columns without NaN; a missing feature stands at its median."""
        missing = np.isnan(features[:, self.kept])
        scaled = np.clip((features[:, self.kept] - self.centre) / self.spread, -4.0, 4.0)
        filled = np.where(missing, 0.0, scaled)
        return np.concatenate([filled, missing[:, self.sometimes_missing]], axis=1)


def layer(columns: Float64, classes: Int64, recording: Int64) -> Callable[[Float64], Float64]:
    """Fit a logistic layer; return what gives its log probabilities of other columns."""
    centre, spread = columns.mean(axis=0), columns.std(axis=0) + 1e-9
    scaled = (columns - centre) / spread

    def crossed(strength: float) -> float:
        found = cross_val_predict(
            LogisticRegression(C=strength, max_iter=500), scaled, classes,
            groups=recording, cv=GroupKFold(5), method="predict_log_proba",
        )  # fmt: skip
        return log_loss(found, classes)

    best = min(STRENGTHS, key=crossed)
    fitted = LogisticRegression(C=best, max_iter=500).fit(scaled, classes)

    def answer(others: Float64) -> Float64:
        found: Float64 = fitted.predict_log_proba((others - centre) / spread)
        return found

    return answer


def seen(network: RhythmNet, signals: Sequence[Array], path: Path) -> Seen:
    """Ask the network and measure, or read what an earlier run has kept."""
    if not path.exists():
        clock = time.process_time()
        whole = record_logits(network, prepared(signals))
        cut = prepared(signals, SHORT_S)
        short = window_logits(network, [window for windows in cut for window in windows])
        asked = time.process_time()
        pieces = [
            x[start:stop]
            for x in signals
            for start, stop in window_bounds(len(x), SOURCE_RATE, SHORT_S)
        ]
        arrays = {
            "whole": whole,
            "short": short,
            "recording": np.repeat(np.arange(len(cut)), [len(windows) for windows in cut]),
            "features": measured(signals),
            "short_features": measured(pieces),
        }
        save_arrays(path, arrays)
        took = asked - clock, time.process_time() - asked
        print(f"{path.stem}: network {took[0]:.0f} s, features {took[1]:.0f} s", flush=True)
    with np.load(path) as stored:
        return Seen(**stored)


def measured(signals: Sequence[Array]) -> Float64:
    """Features of one lead each, (signals, F)."""
    rows = [hand_crafted_features(x[None], SOURCE_RATE, ("I",)) for x in signals]
    return np.array([[row[name] for name in MEASURED] for row in rows])


def calibrated(logits: Float64, classes: Int64, recording: Int64) -> Float64:
    """Log probabilities, crossed by recording."""
    return np.log(
        cross_fitted_probabilities(logits, classes, recording, method="vector", multiclass=True)
    )


def mean_f1(answers: Float64, classes: Int64) -> float:
    """Mean F1 of normal, AF and other at the most probable class."""
    return float(f1_scores(classes, answers.argmax(axis=1), len(LABELS))[:3].mean())


def log_loss(answers: Float64, classes: Int64) -> float:
    """Mean log loss."""
    return float(-answers[np.arange(len(classes)), classes].mean())


def row(name: str, answers: Float64, base: Float64, classes: Int64, recording: Int64) -> str:
    """Return a line of the table; gains are over ``base``."""
    statistics = (mean_f1, log_loss)
    cells = [name, *(f"{statistic(answers, classes):.4f}" for statistic in statistics)]
    for statistic in statistics:

        def gain(rows: Int64, statistic: Callable[[Float64, Int64], float] = statistic) -> float:
            own, its = (statistic(z[rows], classes[rows]) for z in (answers, base))
            return own - its

        if answers is base:
            cells.append("")
        else:
            found = statistic_interval(gain, recording)
            cells.append(f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})")
    cells.append(f"{figures(answers, classes)['auroc_A']:.4f}")
    return "| " + " | ".join(cells) + " |"


HEAD = "| {} | F1 | log loss | gain of F1 | of log loss | AF AUROC |\n" + "| --- " * 6 + "|"


def compare(
    lessons: Mapping[str, tuple[Seen, ...]], known: Int64, left: Seen, classes: Int64, noisy: Seen
) -> None:
    """Fit on what the network knows, print what the rest says.

    Parameters
    ----------
    lessons : mapping
        Name of a way to learn: the same recordings, once for each state they are learned in.
    known : int (recordings,)
        Their classes.
    left, noisy : Seen
        The recordings left out, as they are and in noise.
    classes : int (recordings,)
        Their classes.
    """
    every = np.arange(len(classes))
    answers = {"the network": (left.whole, noisy.whole)}
    for way, states in lessons.items():
        for name, columns in _of_recordings(states).items():
            x = np.concatenate([columns(state) for state in states])
            who = np.tile(np.arange(len(known)), len(states))
            found = layer(x, known[who], who)
            answers[name + way] = found(columns(left)), found(columns(noisy))
    _print(answers, classes, every, "whole recordings")

    answers = {"the network": (left.short, noisy.short)}
    for way, states in lessons.items():
        for name, columns in _of_windows(states).items():
            x = np.concatenate([columns(state) for state in states])
            who = np.concatenate([state.recording for state in states])
            found = layer(x, known[who], who)
            answers[name + way] = found(columns(left)), found(columns(noisy))
    _print(answers, classes[left.recording], left.recording, "one 10-s window")


def _of_recordings(states: Sequence[Seen]) -> dict[str, Callable[[Seen], Float64]]:
    """What a layer may read of whole recordings, by name."""
    tidy = Tidy.of(np.concatenate([state.features for state in states]))
    return {
        "logits of 30 s": lambda of: of.whole,
        "and of 10 s (mean, largest, least)": lambda of: of.answers,
        "logits of 30 s, features": lambda of: _beside(of.whole, tidy, of.features),
        "all of them": lambda of: _beside(of.answers, tidy, of.features),
    }


def _of_windows(states: Sequence[Seen]) -> dict[str, Callable[[Seen], Float64]]:
    """What a layer may read of one 10-s window, by name."""
    tidy = Tidy.of(np.concatenate([state.short_features for state in states]))
    return {
        "its logits": lambda of: of.short,
        "its logits, features": lambda of: _beside(of.short, tidy, of.short_features),
    }


def _beside(answers: Float64, tidy: Tidy, features: Float64) -> Float64:
    return np.concatenate([answers, tidy.columns(features)], axis=1)


def _print(
    answers: Mapping[str, tuple[Float64, Float64]], classes: Int64, recording: Int64, what: str
) -> None:
    """Print what answers without and with noise are worth; the first is the base."""
    print("\n" + HEAD.format(what))
    base = None
    for name, (clean, _) in answers.items():
        calm = calibrated(clean, classes, recording)
        base = calm if base is None else base
        print(row(name, calm, base, classes, recording), flush=True)
    print(f"\n| {what}, in noise | changed | F1 | AF AUROC |\n| --- | --- | --- | --- |")
    for name, (clean, disturbed) in answers.items():
        calibrator = fit_calibrator(clean, classes, method="vector", multiclass=True)
        before, after = (
            np.log(calibrator.probabilities(z, multiclass=True)) for z in (clean, disturbed)
        )
        changed = (before.argmax(axis=1) != after.argmax(axis=1)).mean()
        found = figures(after, classes)
        print(f"| {name} | {changed:.1%} | {found['f1_mean_NAO']:.4f} | {found['auroc_A']:.4f} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    archive = next(
        (chosen.data / name for name in ARCHIVES if (chosen.data / name).is_file()), None
    )
    if archive is None:
        parser.error(f"{chosen.data} holds neither {' nor '.join(ARCHIVES)}")
    data = load(archive, FOLDS)
    folder = chosen.work / "rhythm-single-lead"
    network = read_network(folder / "measured")
    known, left = data.learned, data.left_out
    ratios = np.random.default_rng(6).uniform(*LEARNED_DB, len(known))
    clean, disturbed, others, noisy = (
        seen(network, signals(), folder / "stack" / f"{name}.npz")
        for name, signals in (
            ("known", lambda: [data.raw[i] for i in known]),
            ("known_noisy", lambda: with_noise(data, known, ratios)),
            ("left_out", lambda: [data.raw[i] for i in left]),
            ("noisy", lambda: with_noise(data, left)),
        )
    )
    lessons = {"": (clean,), "; learned in noise too": (clean, disturbed)}
    compare(lessons, data.classes[known], others, data.classes[left], noisy)


if __name__ == "__main__":
    main()
