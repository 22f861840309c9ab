"""Does pretraining on single-lead CinC 2017 help to find AF in lead I of PTB-XL?

    python -m benchmarks.experiments.pretrain_transfer --data ../shared/data --output FOLDER

A small Net1D learns the four rhythm classes of CinC 2017 (one lead, 10-s windows, 125 Hz). Then
AFIB (98 of 1,442 records of the PTB-XL subset, lead I) is learned from 50, 200 and all training
records by four arms and two more:

- ``fine-tuned``: from the pretrained weights, all weights trained;
- ``from scratch``: the same network, the same steps, random weights;
- ``random encoder + probe``: a linear layer on the embeddings of the untrained network;
- ``hand-crafted + logistic`` and ``hand-crafted + boosting``: measured ECG features of lead I;
- ``pretrained + probe``: a linear layer on the embeddings of the pretrained network.

Five folds by patient, stratified; 50 and 200 are drawn twice, stratified, from each fold's training
part. Nothing is stopped or chosen by the outcome: steps and rates were fixed beforehand (our
choice). The figure is the AUROC of each fold's unseen records, averaged over folds and draws;
intervals, also of what fine-tuning gains over each other arm, are from 1,000 bootstrap draws of
patients, the same for all arms.

Every unit leaves a file in the output folder and is skipped when that is there: an interrupted
run continues. ``table.md`` and ``results.json`` are written at the end, whatever they say.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.manifest.splits import fold_by_patient
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.models.registry import create_model
from ecgfoundry.preprocessing import standardize_window
from ecgfoundry.signals.windows import window_bounds
from ecgfoundry.tasks import make_task
from ecgfoundry.training.data.augmentations import Compose
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.loop import fit
from ecgfoundry.training.probing import fit_linear_probe
from ecgfoundry.training.recipes.rhythm_single_lead import read as read_cinc2017
from ecgfoundry.vocabularies import Target, Vocabulary

RECIPE = "ptbxl-bandpass@1"  # what the PTB-XL subset was standardized with, at 250 Hz
RATE = 125.0  # Hz, every second sample; the recipe's band ends at 40 Hz
NETWORK = {"leads": 1, "widths": (16, 32, 32, 80, 80, 128, 128), "blocks": (2,) * 7}
FOLDS, DRAWS, BOOTSTRAP = 5, 2, 1000
SIZES: dict[str, int | None] = {"50": 50, "200": 200, "all": None}
STEPS = {"50": 150, "200": 250, "all": 400}
BATCH = 16
PRETRAIN_EPOCHS, PRETRAIN_BATCH = 6, 32
ARMS = (
    "fine-tuned", "from scratch", "pretrained + probe", "random encoder + probe",
    "hand-crafted + logistic", "hand-crafted + boosting",
)  # fmt: skip
AUGMENTED = Compose.of(("shift", "scale", "noise", "masking"))
TASK = make_task(
    kind="binary", columns=("AFIB",), vocabulary=Vocabulary("afib", (Target("AFIB", "rhythm"),))
)

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Target12:
    """Lead I of the PTB-XL subset."""

    full: Array  # (records, 1, 2500), 250 Hz
    labels: NDArray[np.float64]
    patients: list[str]
    fold: NDArray[np.int64]

    @property
    def signal(self) -> Array:
        """(records, 1, 1250) at 125 Hz."""
        return self.full[:, :, ::2]


def load_target(data: Path) -> Target12:
    """Read the training part of the PTB-XL subset."""
    folder = data / "ptbxl_subset"
    archive = np.load(folder / "ptbxl_z250_train.npz")
    lead = np.cumsum(archive["delta"][:, :1], axis=2, dtype=np.int16) / float(archive["scale"])
    with (folder / "labels.csv").open() as stream:
        rows = {int(row["ecg_id"]): row for row in csv.DictReader(stream)}
    own = [rows[int(ecg_id)] for ecg_id in archive["ecg_id"]]
    labels = np.array([float(row["rhythm:AFIB"]) for row in own])
    patients = [row["patient_id"] for row in own]
    table = Manifest(
        tuple(
            ManifestRow(str(k), "-", patient=patient, targets={"AFIB": label})
            for k, (patient, label) in enumerate(zip(patients, labels, strict=True))
        ),
        folder,
    )
    fold = fold_by_patient(table, ("AFIB",), folds=FOLDS, seed=0)
    return Target12(lead.astype(np.float32), labels, patients, fold)


def cinc_windows(data: Path, output: Path) -> tuple[Array, NDArray[np.int64]]:
    """Ten-second windows of CinC 2017 at 125 Hz with the class of their record."""
    cache = output / "cinc2017.npz"
    if not cache.is_file():
        recordings = read_cinc2017(data / "cinc2017_training2017.zip")
        windows, classes = [], []
        for signal, label in zip(recordings.raw, recordings.classes, strict=True):
            for start, stop in window_bounds(len(signal), 300.0, 10.0):
                x = standardize_window(signal[None, start:stop], 300.0, RECIPE)
                windows.append(x[:, ::2].astype(np.float16))
                classes.append(label)
        np.savez(output / "cinc2017.part.npz", x=np.stack(windows), y=np.array(classes))
        (output / "cinc2017.part.npz").replace(cache)
    content = np.load(cache)
    return content["x"].astype(np.float32), content["y"]


def batches(
    x: Array, y: NDArray[np.float32], steps: int, batch: int, seed: int
) -> Callable[[int, np.random.Generator], object]:
    """Augmented batches; an epoch is ``steps`` of them, drawn from shuffled passes."""

    def sample(epoch: int, generator: np.random.Generator) -> object:
        passes = -(-steps * batch // len(x))
        order = np.concatenate([generator.permutation(len(x)) for _ in range(passes)])
        for k in range(steps):
            own = order[k * batch : (k + 1) * batch]
            signal = AUGMENTED(x[own], generator, sampling_rate=RATE)
            yield torch.from_numpy(np.ascontiguousarray(signal)), torch.from_numpy(y[own])

    return sample


def pretrain(data: Path, output: Path, say: Callable[[str], None]) -> dict[str, torch.Tensor]:
    """Learn the rhythm classes of CinC 2017, once."""
    weights = output / "pretrained.pt"
    if weights.is_file():
        state: dict[str, torch.Tensor] = torch.load(weights, weights_only=True)
        return state
    x, y = cinc_windows(data, output)
    say(f"pretraining on {len(x)} windows")
    steps = len(x) // PRETRAIN_BATCH
    torch.manual_seed(0)
    network = create_model("net1d-tiny", classes=4, **NETWORK)
    counts = np.bincount(y, minlength=4)
    weight = torch.tensor((counts.sum() / (4 * counts)) ** 0.5, dtype=torch.float32)

    def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, target[:, 0].long(), weight=weight)

    result = fit(
        network,
        batches(x, y[:, None].astype(np.float32), steps, PRETRAIN_BATCH, 0),  # type: ignore[arg-type]
        loss,
        settings=FitSettings(
            epochs=PRETRAIN_EPOCHS, steps_per_epoch=steps, learning_rate=1e-3, schedule="one-cycle",
            weight_decay=0.01, ema_decay=0.999, seed=0, checkpoint_every=50,
        ),
        checkpoint=output / "pretrain.checkpoint",
        curves=output / "pretrain.curves.jsonl",
        report=lambda row: say(f"pretraining {json.dumps(row)}"),
    )  # fmt: skip
    torch.save(result.state, output / "pretrained.part")
    (output / "pretrained.part").replace(weights)
    return result.state


def build(state: dict[str, torch.Tensor] | None, seed: int) -> torch.nn.Module:
    """A network with pretrained or random weights and a fresh classifier of one output."""
    torch.manual_seed(seed)
    network = create_model("net1d-tiny", classes=4, **NETWORK)
    if state is not None:
        network.load_state_dict(state)
    network.reset_classifier(1)
    return network


def trained_scores(
    state: dict[str, torch.Tensor] | None,
    target: Target12,
    inside: NDArray[np.intp],
    outside: NDArray[np.intp],
    size: str,
    seed: int,
) -> NDArray[np.float64]:
    """Train all weights on some records and score the unseen ones."""
    network = build(state, seed)
    y = target.labels[inside, None].astype(np.float32)
    fit(
        network,
        batches(target.signal[inside], y, STEPS[size], BATCH, seed),  # type: ignore[arg-type]
        TASK.make_loss(y.astype(np.float64)),
        settings=FitSettings(
            epochs=1, steps_per_epoch=STEPS[size], learning_rate=5e-4 if state else 1e-3,
            schedule="one-cycle", ema_decay=0.98, seed=seed,
        ),
    )  # fmt: skip
    return run(network, target.signal[outside], features=False)[:, 0]


def run(network: torch.nn.Module, x: Array, *, features: bool) -> NDArray[np.float64]:
    """Logits or embeddings of (records, 1, samples)."""
    network.eval()
    call = network.forward_features if features else network
    with torch.inference_mode():
        return np.concatenate(
            [
                call(torch.from_numpy(np.ascontiguousarray(x[k : k + 64]))).double().numpy()
                for k in range(0, len(x), 64)
            ]
        )


def probe_scores(
    embeddings: Array, target: Target12, inside: NDArray[np.intp], outside: NDArray[np.intp]
) -> NDArray[np.float64]:
    """A linear layer on embeddings, penalty 1e-2 fixed beforehand."""
    probe = fit_linear_probe(
        embeddings[inside], target.labels[inside, None], TASK, penalties=(1e-2,)
    )
    return probe(embeddings[outside])[:, 0]


def feature_scores(
    kind: str,
    features: NDArray[np.float64],
    target: Target12,
    inside: NDArray[np.intp],
    outside: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Logistic regression or gradient boosting on hand-crafted features."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import RobustScaler

    y = target.labels[inside]
    if kind == "logistic":
        model = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True),
            RobustScaler(),
            LogisticRegression(C=0.1, max_iter=2000),
        )
    else:
        model = HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.05, min_samples_leaf=5, random_state=0
        )
    model.fit(features[inside], y)
    scores: NDArray[np.float64] = model.predict_proba(features[outside])[:, 1]
    return scores


def hand_crafted(target: Target12, output: Path) -> NDArray[np.float64] | None:
    """Features of lead I; None where the feature module is not installed."""
    cache = output / "features.npy"
    if cache.is_file():
        return np.load(cache)
    try:
        from ecgfoundry.measurements.features import feature_matrix
    except ImportError:
        return None
    values = feature_matrix(target.full, 250.0, ("I",))
    # Columns that are never measured from one lead say nothing; absurd ratios are cut.
    values = np.clip(values[:, ~np.isnan(values).all(axis=0)], -1e6, 1e6)
    np.save(output / "features.part.npy", values)
    (output / "features.part.npy").replace(cache)
    return values


def training_rows(target: Target12, fold: int, size: str, draw: int) -> NDArray[np.intp]:
    """Stratified draw of training records outside a fold."""
    rows = np.flatnonzero(target.fold != fold)
    wanted = SIZES[size]
    if wanted is None:
        return rows
    generator = np.random.default_rng([fold, wanted, draw])
    positive = rows[target.labels[rows] > 0.5]
    negative = rows[target.labels[rows] < 0.5]
    share = len(positive) / len(rows)
    count = max(2, round(wanted * share))
    chosen = np.concatenate(
        [
            generator.choice(positive, count, replace=False),
            generator.choice(negative, wanted - count, replace=False),
        ]
    )
    return np.sort(chosen)


def collect(data: Path, output: Path, say: Callable[[str], None]) -> dict[str, np.ndarray]:
    """Scores (records) of every arm, size and draw; NaN where an arm could not run."""
    target = load_target(data)
    say(f"{len(target.labels)} records, {int(target.labels.sum())} AFIB")
    state = pretrain(data, output, say)
    features = hand_crafted(target, output)
    embeddings = {
        "pretrained + probe": run(build(state, 0), target.signal, features=True),
        "random encoder + probe": run(build(None, 0), target.signal, features=True),
    }
    scores: dict[str, np.ndarray] = {}
    for size in SIZES:
        for draw in range(1 if SIZES[size] is None else DRAWS):
            for arm in ARMS:
                name = f"{arm} | {size} | {draw}"
                file = output / "scores" / f"{name.replace(' ', '').replace('|', '_')}.npy"
                if not file.is_file():
                    if arm.startswith("hand-crafted") and features is None:
                        say(f"{name}: no feature module here; left out")
                        continue
                    started = time.process_time()
                    values = np.full(len(target.labels), np.nan)
                    for fold in range(FOLDS):
                        values[target.fold == fold] = _one(
                            arm, size, draw, fold, target, state, embeddings, features
                        )
                    file.parent.mkdir(parents=True, exist_ok=True)
                    np.save(file.with_name(f"part-{file.name}"), values)
                    file.with_name(f"part-{file.name}").replace(file)
                    say(f"{name}: {_mean_auroc(target, values, None):.4f}, "
                        f"{time.process_time() - started:.0f} CPU-s")  # fmt: skip
                scores[name] = np.load(file)
    return scores


def _one(arm, size, draw, fold, target, state, embeddings, features):  # type: ignore[no-untyped-def]
    inside = training_rows(target, fold, size, draw)
    outside = np.flatnonzero(target.fold == fold)
    seed = 100 * draw + fold
    if arm == "fine-tuned":
        return trained_scores(state, target, inside, outside, size, seed)
    if arm == "from scratch":
        return trained_scores(None, target, inside, outside, size, seed)
    if arm in embeddings:
        return probe_scores(embeddings[arm].astype(np.float32), target, inside, outside)
    return feature_scores(arm.rsplit(" ", 1)[1], features, target, inside, outside)


def _mean_auroc(target: Target12, values: np.ndarray, rows: np.ndarray | None) -> float:
    """Mean over the folds of the AUROC of their own records."""
    rows = np.arange(len(values)) if rows is None else rows
    own = [
        auroc(target.labels[part], values[part])
        for fold in range(FOLDS)
        if len(part := rows[target.fold[rows] == fold])
    ]
    return float(np.mean(own))


def evaluate(target: Target12, scores: dict[str, np.ndarray]) -> dict[str, object]:
    """Mean AUROC of every arm and size, and the paired gain of fine-tuning over the others."""
    patients = np.unique(target.patients)
    member = np.searchsorted(patients, target.patients)
    rows_of = [np.flatnonzero(member == k) for k in range(len(patients))]
    generator = np.random.default_rng(0)
    draws: list[np.ndarray] = []
    while len(draws) < BOOTSTRAP:
        chosen = generator.integers(0, len(patients), len(patients))
        rows = np.concatenate([rows_of[k] for k in chosen])
        # Redrawn where a fold loses all its positives: the mean would be undefined.
        if all(target.labels[rows[target.fold[rows] == fold]].any() for fold in range(FOLDS)):
            draws.append(rows)
    values: dict[tuple[str, str], np.ndarray] = {}
    for size in SIZES:
        for arm in ARMS:
            own = [v for name, v in scores.items() if name.startswith(f"{arm} | {size} | ")]
            if own:
                values[arm, size] = np.array(
                    [
                        np.mean([_mean_auroc(target, v, rows) for v in own])
                        for rows in [None, *draws]
                    ]
                )
    result: dict[str, object] = {}
    for (arm, size), found in values.items():
        row = {"auroc": found[0], "low": np.quantile(found[1:], 0.025),
               "high": np.quantile(found[1:], 0.975)}  # fmt: skip
        if arm != ARMS[0]:
            gain = values[ARMS[0], size] - found
            low, high = np.quantile(gain[1:], (0.025, 0.975))
            row |= {"gain": gain[0], "gain_low": low, "gain_high": high}
        result[f"{arm} | {size}"] = {key: round(float(value), 4) for key, value in row.items()}
    return result


def table(results: dict[str, object]) -> str:
    """The results as Markdown."""
    lines = ["| arm | " + " | ".join(f"{size} records" for size in SIZES) + " |",
             "| --- | " + " | ".join("---" for _ in SIZES) + " |"]  # fmt: skip
    for arm in ARMS:
        cells = []
        for size in SIZES:
            row = results.get(f"{arm} | {size}")
            if not isinstance(row, dict):
                cells.append("not run")
                continue
            cell = f"{row['auroc']:.3f} ({row['low']:.3f}–{row['high']:.3f})"
            if "gain" in row:
                cell += f"; {row['gain']:+.3f} ({row['gain_low']:+.3f} to {row['gain_high']:+.3f})"
            cells.append(cell)
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        print(line, flush=True)

    scores = collect(arguments.data, arguments.output, say)
    results = evaluate(load_target(arguments.data), scores)
    (arguments.output / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (arguments.output / "table.md").write_text(table(results))
    say(table(results))


if __name__ == "__main__":
    main()
