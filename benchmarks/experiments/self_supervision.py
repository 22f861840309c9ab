"""Does learning from signals alone help, and which way of it? Like for like, on other targets.

    python -m benchmarks.experiments.self_supervision --data ../shared/data --output FOLDER

Two small networks of one lead (10 s at 62.5 Hz): a causal S4 and a Net1D. Each starts from random
weights, from four rhythm classes of CinC 2017 (labels), or from the same windows without labels
(cpc, masked, jepa). All pretrainings have the same windows, batches, steps and augmentations. Then
MI, STTC, CD and HYP are learned from lead I of the PTB-XL subset: none of them was a target of a
pretraining, and the people are others. Either all weights are trained (``full``), or a linear layer
is fitted on the embeddings (``probe``); from 50, 200 and all training records (folds 1-6), drawn
twice, twice and once. The figure is the macro AUROC of the test records (folds 7-9), the mean
over the draws. Nothing is stopped or chosen by the outcome: steps, rates and penalty were fixed
beforehand (our choice). Intervals, also of the gains, are from 1,000 bootstrap draws of the test
patients, the same for all arms; they do not contain the choice of other seeds.

Every unit leaves a file in the output folder and is skipped when that is there: an interrupted run
continues. ``results.json`` and ``table.md`` are written at the end, whatever they say;
``--report-only`` writes them from the units that are there.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly

from benchmarks.experiments.pretrain_transfer import RECIPE
from ecgfoundry.metrics.bootstrap import bootstrap_ranks
from ecgfoundry.metrics.classification import macro_auroc
from ecgfoundry.metrics.resampling import PatientResampling
from ecgfoundry.models.registry import create_model
from ecgfoundry.preprocessing import standardize_window
from ecgfoundry.tasks import make_task
from ecgfoundry.training.data.augmentations import Compose
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.loop import fit
from ecgfoundry.training.objectives import OBJECTIVES
from ecgfoundry.training.probing import fit_linear_probe
from ecgfoundry.training.recipes.rhythm_single_lead import read as read_cinc2017
from ecgfoundry.training.self_supervised import mean_loss
from ecgfoundry.training.settings import SelfSupervisionSettings
from ecgfoundry.vocabularies import Target, Vocabulary

TARGETS = ("MI", "STTC", "CD", "HYP")
NETWORKS: dict[str, tuple[str, dict[str, object]]] = {
    "S4": ("s4-causal", {"leads": 1, "width": 48, "layers": 3, "dropout": 0.1}),
    "Net1D": (
        "net1d-tiny",
        {"leads": 1, "widths": (16, 32, 32, 80, 80, 128, 128), "blocks": (2,) * 7},
    ),
}
STARTS = {
    "S4": ("random", "labels", "cpc", "masked", "jepa"),
    "Net1D": ("random", "labels", "masked"),
}
MODES = ("full", "probe")
SIZES: dict[str, int | None] = {"50": 50, "200": 200, "all": None}
DRAWS = {"50": 2, "200": 2, "all": 1}
STEPS = {"50": 60, "200": 80, "all": 160}
BATCH = 16
PRETRAIN_STEPS, PRETRAIN_BATCH = 400, 32
BOOTSTRAP = 1000
PENALTY = 1e-2
AUGMENTED = Compose.of(("shift", "scale", "noise"))
OBJECTIVE = SelfSupervisionSettings(piece_ms=96.0, steps_ahead=8, masked_ms=208.0)
"""Six and thirteen samples at 62.5 Hz; what comes up to 0.77 s later is predicted."""
TASK = make_task(
    kind="multilabel",
    columns=TARGETS,
    vocabulary=Vocabulary("superclasses", tuple(Target(name, "diagnosis") for name in TARGETS)),
)

Array = NDArray[np.float32]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Shape:
    """Windows of both networks."""

    rows: int = 1
    samples: int = 625
    sampling_rate: float = 62.5


SHAPE = Shape()


@dataclass(frozen=True)
class Records:
    """Lead I of the PTB-XL subset: (records, 1, 625) and what is known of it."""

    signal: Array
    labels: NDArray[np.float64]
    patients: NDArray[np.str_]
    test: NDArray[np.bool_]


def kept(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the arrays of a file, which is made once, whole or not at all."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"part-{path.name}")
        np.savez(part, **make())
        part.replace(path)
    with np.load(path) as content:
        return dict(content)


def slower(signal: np.ndarray) -> np.ndarray:
    """(…, 2500) at 250 Hz to (…, 625) at 62.5 Hz, standardized anew."""
    x = resample_poly(signal, 1, 4, axis=-1)
    x = x - x.mean(axis=-1, keepdims=True)
    return (x / np.maximum(x.std(axis=-1, keepdims=True), 1e-6)).astype(np.float16)


def cinc2017(data: Path) -> dict[str, np.ndarray]:
    """The middle ten seconds of every record of CinC 2017 that is long enough, and its class."""
    recordings = read_cinc2017(data / "cinc2017_training2017.zip")
    windows, classes = [], []
    for signal, label in zip(recordings.raw, recordings.classes, strict=True):
        if len(signal) >= 3000:
            start = (len(signal) - 3000) // 2
            windows.append(standardize_window(signal[None, start : start + 3000], 300.0, RECIPE))
            classes.append(label)
    return {"x": slower(np.stack(windows)), "y": np.array(classes)}


def ptbxl(data: Path) -> dict[str, np.ndarray]:
    """Lead I of both parts of the PTB-XL subset with the four superclasses."""
    folder = data / "ptbxl_subset"
    with (folder / "labels.csv").open() as stream:
        rows = {int(row["ecg_id"]): row for row in csv.DictReader(stream)}
    signals, own = [], []
    for part in ("train", "val"):
        archive = np.load(folder / f"ptbxl_z250_{part}.npz")
        lead = np.cumsum(archive["delta"][:, :1], axis=2, dtype=np.int16)
        signals.append(slower(lead / float(archive["scale"])))
        own += [rows[int(number)] for number in archive["ecg_id"]]
    return {
        "x": np.concatenate(signals),
        "y": np.array([[float(row[f"super_class:{name}"]) for name in TARGETS] for row in own]),
        "patient": np.array([row["patient_id"] for row in own]),
        "fold": np.array([int(row["strat_fold"]) for row in own]),
    }


def batches(
    x: Array, y: NDArray[np.float32] | None, steps: int, batch: int, mask: object = None
) -> Callable[[int, np.random.Generator], Iterator[tuple[object, ...]]]:
    """Augmented batches drawn from shuffled passes, with targets or with what is hidden."""

    def sample(epoch: int, generator: np.random.Generator) -> Iterator[tuple[object, ...]]:
        passes = -(-steps * batch // len(x))
        order = np.concatenate([generator.permutation(len(x)) for _ in range(passes)])
        for k in range(steps):
            own = order[k * batch : (k + 1) * batch]
            changed = AUGMENTED(x[own], generator, sampling_rate=SHAPE.sampling_rate)
            signal = torch.from_numpy(np.ascontiguousarray(changed, dtype=np.float32))
            if y is not None:
                yield signal, torch.from_numpy(y[own])
                continue
            hidden = [mask(generator) for _ in own]  # type: ignore[operator]
            if hidden[0] is None:
                yield (signal,)
            else:
                yield ((signal, torch.from_numpy(np.stack(hidden))),)

    return sample


def pretrained(
    network: str, start: str, data: Path, output: Path, say: Say
) -> dict[str, torch.Tensor] | None:
    """Return the weights of a start; None: random ones."""
    if start == "random":
        return None
    weights = output / "pretrained" / f"{network}-{start}.pt"
    if not weights.is_file():
        weights.parent.mkdir(parents=True, exist_ok=True)
        content = kept(output / "cinc2017.npz", lambda: cinc2017(data))
        x, y = content["x"].astype(np.float32), content["y"]
        say(f"{network}, {start}: pretraining on {len(x)} windows")
        encoder = build(network, None, 4, seed=0)
        module, loss, wanted, mask = encoder, mean_loss, None, None
        if start == "labels":
            counts = np.bincount(y, minlength=4)
            weight = torch.tensor((counts.sum() / (4 * counts)) ** 0.5, dtype=torch.float32)
            wanted = y[:, None].astype(np.float32)

            def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
                return torch.nn.functional.cross_entropy(logits, target[:, 0].long(), weight=weight)
        else:
            module = OBJECTIVES[start](encoder, SHAPE, OBJECTIVE)
            mask = module.mask
        started = time.process_time()
        fit(
            module,
            batches(x, wanted, PRETRAIN_STEPS, PRETRAIN_BATCH, mask),  # type: ignore[arg-type]
            loss,
            settings=FitSettings(
                epochs=1, steps_per_epoch=PRETRAIN_STEPS, learning_rate=1e-3,
                schedule="one-cycle", weight_decay=0.01, ema_decay=0.99, seed=0,
                checkpoint_every=50,
            ),
            checkpoint=weights.with_suffix(".checkpoint"),
            report=lambda row: say(
                f"{network}, {start}: loss {row['loss']:.4f}, "
                f"{time.process_time() - started:.0f} CPU-s"
            ),
        )  # fmt: skip
        torch.save(encoder.state_dict(), weights.with_suffix(".part"))
        weights.with_suffix(".part").replace(weights)
    state: dict[str, torch.Tensor] = torch.load(weights, weights_only=True)
    return state


def build(
    network: str, state: dict[str, torch.Tensor] | None, classes: int, seed: int
) -> torch.nn.Module:
    """A network with the weights of a start and a fresh classifier."""
    torch.manual_seed(seed)
    name, configuration = NETWORKS[network]
    made = create_model(name, classes=4, **configuration)
    if state is not None:
        made.load_state_dict(state)
    if classes != 4 or state is not None:
        made.reset_classifier(classes)  # type: ignore[operator]
    return made


def computed(call: Callable[[torch.Tensor], torch.Tensor], x: Array) -> NDArray[np.float64]:
    """Outputs of a function of windows."""
    with torch.inference_mode():
        parts = [call(torch.from_numpy(x[k : k + 64])).double() for k in range(0, len(x), 64)]
        return torch.cat(parts).numpy()


def training_rows(records: Records, size: str, draw: int) -> NDArray[np.intp]:
    """A draw of training records; each target has three positives at least."""
    rows = np.flatnonzero(~records.test)
    wanted = SIZES[size]
    if wanted is None:
        return rows
    generator = np.random.default_rng([wanted, draw])
    while True:
        chosen = np.sort(generator.choice(rows, wanted, replace=False))
        if (records.labels[chosen].sum(axis=0) >= 3).all():
            return chosen


def scores(
    network: str,
    state: dict[str, torch.Tensor] | None,
    mode: str,
    records: Records,
    rows: NDArray[np.intp],
    size: str,
    draw: int,
) -> NDArray[np.float64]:
    """Train on some records and score the test records."""
    made = build(network, state, len(TARGETS), seed=draw)
    outside = records.signal[records.test]
    if mode == "probe":
        embed = made.eval().forward_features
        probe = fit_linear_probe(
            computed(embed, records.signal[rows]).astype(np.float32),  # type: ignore[arg-type]
            records.labels[rows], TASK, penalties=(PENALTY,),
        )  # fmt: skip
        return probe(computed(embed, outside))  # type: ignore[arg-type]
    wanted = records.labels[rows].astype(np.float32)
    fit(
        made,
        batches(records.signal[rows], wanted, STEPS[size], BATCH),  # type: ignore[arg-type]
        TASK.make_loss(records.labels[rows]),
        settings=FitSettings(
            epochs=1, steps_per_epoch=STEPS[size], learning_rate=5e-4 if state else 1e-3,
            schedule="one-cycle", ema_decay=0.98, seed=draw,
        ),
    )  # fmt: skip
    return computed(made.eval(), outside)


def arms() -> Iterator[tuple[str, str, str]]:
    """Yield (network, start, mode) in the order of the table."""
    for network, starts in STARTS.items():
        for mode in MODES:
            for start in starts:
                yield network, start, mode


def unit_file(output: Path, arm: tuple[str, str, str], size: str, draw: int) -> Path:
    """Where the scores of one unit stand."""
    return output / "scores" / f"{'-'.join(arm)}-{size}-{draw}.npz"


def load_records(data: Path, output: Path) -> Records:
    """Read the PTB-XL subset, once."""
    content = kept(output / "ptbxl.npz", lambda: ptbxl(data))
    return Records(
        content["x"].astype(np.float32), content["y"], content["patient"], content["fold"] > 6
    )


def collect(data: Path, output: Path, say: Say) -> None:
    """Compute the units that are missing, the small ones of all arms first, jepa last."""
    records = load_records(data, output)
    counts = records.labels[records.test].sum(axis=0).astype(int)
    say(
        f"{int((~records.test).sum())} records train, {int(records.test.sum())} test, of them "
        + ", ".join(f"{count} {name}" for name, count in zip(TARGETS, counts, strict=True))
    )
    for late in (False, True):
        for size in SIZES:
            for draw in range(DRAWS[size]):
                for arm in arms():
                    if (arm[1] == "jepa") is late:
                        unit(data, output, records, arm, size, draw, say)


def unit(
    data: Path,
    output: Path,
    records: Records,
    arm: tuple[str, str, str],
    size: str,
    draw: int,
    say: Say,
) -> None:
    """Compute the scores of one unit, unless they are there."""
    file = unit_file(output, arm, size, draw)
    if file.is_file():
        return
    network, start, mode = arm
    state = pretrained(network, start, data, output, say)
    started = time.process_time()
    rows = training_rows(records, size, draw)
    found = kept(file, lambda: {"scores": scores(network, state, mode, records, rows, size, draw)})[
        "scores"
    ]
    figure = macro_auroc(records.labels[records.test], found)
    spent = time.process_time() - started
    say(f"{', '.join(arm)}, {size} records, draw {draw}: {figure:.4f}, {spent:.0f} CPU-s")


def measure(data: Path, output: Path) -> dict[str, dict[str, float]]:
    """Macro AUROC of each arm and size, and what it gains, paired, over the starts beside it."""
    records = load_records(data, output)
    labels, patients = records.labels[records.test], records.patients[records.test]
    files = {
        (*arm, size): [unit_file(output, arm, size, draw) for draw in range(DRAWS[size])]
        for arm in arms()
        for size in SIZES
    }
    whole = {key: own for key, own in files.items() if all(file.is_file() for file in own)}
    scored = [kept(file, dict)["scores"] for own in whole.values() for file in own]
    drawn = bootstrap_ranks(labels, scored, PatientResampling.of(patients), draws=BOOTSTRAP).auroc
    values: dict[tuple[str, str, str, str], NDArray[np.float64]] = {}
    first = 0
    for key, own in whole.items():
        last = first + len(own)
        figure = np.mean([macro_auroc(labels, found) for found in scored[first:last]])
        values[key] = np.append(figure, drawn[first:last].mean(axis=(0, 1)))
        first = last
    result: dict[str, dict[str, float]] = {}
    for (network, start, mode, size), found in values.items():
        row = {"auroc": found[0]} | _interval(found)
        for other in ("random", "labels"):
            beside = values.get((network, other, mode, size))
            if start not in (other, "random") and beside is not None:
                gain = found - beside
                row |= {f"over {other}": gain[0]} | _interval(gain, f"over {other} ")
        result[" | ".join((network, start, mode, size))] = {
            name: round(float(value), 4) for name, value in row.items()
        }
    return result


def _interval(values: NDArray[np.float64], prefix: str = "") -> dict[str, float]:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return {f"{prefix}low": float(low), f"{prefix}high": float(high)}


def table(results: dict[str, dict[str, float]]) -> str:
    """The results as Markdown."""
    lines = [
        "| network, start | mode | " + " | ".join(f"{size} records" for size in SIZES) + " |",
        "| --- | --- |" + " --- |" * len(SIZES),
    ]
    for network, start, mode in arms():
        cells = []
        for size in SIZES:
            row = results.get(" | ".join((network, start, mode, size)))
            if row is None:
                cells.append("not run")
                continue
            cell = f"{row['auroc']:.3f} ({row['low']:.3f}-{row['high']:.3f})"
            for other in ("random", "labels"):
                name = f"over {other}"
                if name in row:
                    cell += (
                        f"; {row[name]:+.3f} ({row[f'{name} low']:+.3f} to "
                        f"{row[f'{name} high']:+.3f})"
                    )
            cells.append(cell)
        lines.append(f"| {network}, {start} | {mode} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--report-only", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        print(line, flush=True)

    if not arguments.report_only:
        collect(arguments.data, arguments.output, say)
    results = measure(arguments.data, arguments.output)
    (arguments.output / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (arguments.output / "table.md").write_text(table(results))
    say(table(results))


if __name__ == "__main__":
    main()
