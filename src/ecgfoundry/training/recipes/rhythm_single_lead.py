"""Recipe of the bundle ``rhythm-single-lead``: rhythm from one lead of any length.

Data: the training set of the PhysioNet/CinC Challenge 2017 (Clifford et al. 2017; ODC-By 1.0),
single-lead AliveCor recordings of 9 to 61 s at 300 Hz, labels version 2: normal, atrial
fibrillation, other rhythm, noisy.

The way to the weights:

1. The recordings are parted into training (75 %), validation (10 %) and hold-out (15 %) by a hash
   of their names, class by class.
2. Teachers: inside the training part, one network per fold learns from the other folds and
   predicts the fold it has not seen.
3. Students: networks of the same kind learn from all training recordings. Their targets are the
   reference labels blended with the teachers' out-of-fold probabilities, which takes weight from
   labels that no teacher can explain; a good share of the labels of this data set is disputed.
4. The committee of the students is rounded to float16 and calibrated on the validation part. The
   hold-out is measured once, at the end.

Every stage leaves a file and is skipped when that file is there: an interrupted run continues.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

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
    grouped_bootstrap,
)
from ecgfoundry.models.networks.rhythm import RhythmNet
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.models.onnx_graph import fits_float16
from ecgfoundry.preprocessing import standardize_window
from ecgfoundry.signals.filters import butterworth_sos, zero_phase_sos
from ecgfoundry.signals.resampling import resample_polyphase
from ecgfoundry.signals.windows import window_bounds
from ecgfoundry.training import augmentation
from ecgfoundry.training.loop import FitSettings, fit

LABELS = ("N", "A", "O", "~")
"""The data set's labels in the order of the logits."""
ATRIAL = LABELS.index("A")
NAMES = ("normal", "atrial fibrillation", "other rhythm", "noisy")

SOURCE_RATE = 300.0  # Hz, of every recording of the data set
SOURCE_GAIN = 1000.0  # units per mV, of every recording of the data set

PREPROCESSING = "single-lead-rhythm@1"
# Its parameters, for the training crops.
SAMPLING_RATE = 200.0  # Hz
BAND = (0.5, 40.0)  # Hz
FILTER_ORDER = 3
CLIP = 15.0  # standard deviations

HOLDOUT_SHARE = 0.15
VALIDATION_SHARE = 0.10

ARCHITECTURE: dict[str, Any] = {
    "classes": len(LABELS),
    "members": 1,
    "stem_channels": 16,
    "channels": [32, 64, 96, 112],
    "kernels": [7, 5, 5],
    "dilations": [1, 2, 4],
    "attention_heads": 2,
    "dropout": 0.3,
}

BATCH = 32
CROPS = (10.0, 15.0, 20.0, 30.0)  # s, one length per batch
TEACHER_CROP_SHARES = (0.3, 0.3, 0.3, 0.1)
STUDENT_CROP_SHARES = (0.2, 0.25, 0.3, 0.25)
BALANCE = 0.3  # power of augmentation.balanced_order
LABEL_SMOOTHING = 0.05
TEACHER_SHARE = 0.5  # weight of the out-of-fold probabilities in the students' targets

Array = NDArray[np.float32]


# ------------------------------------------------------------------------------------ the signals


def filtered(signal: Array) -> Array:
    """First steps of the preprocessing, on a whole recording: 200 Hz and the band-pass.

    Training crops are cut from this and standardized one by one; everything that is measured goes
    through :func:`ecgfoundry.preprocessing.standardize_window` instead.

    Parameters
    ----------
    signal : ndarray
        (samples,) in mV at 300 Hz.

    Returns
    -------
    ndarray
        float32 (samples,) at 200 Hz.
    """
    x = resample_polyphase(signal[None], SOURCE_RATE, SAMPLING_RATE).astype(np.float64)
    sections = butterworth_sos(FILTER_ORDER, BAND, "bandpass", SAMPLING_RATE)
    return zero_phase_sos(sections, x)[0].astype(np.float32)


def standardized(crop: Array, length: int) -> Array:
    """Last steps, on a training crop: z-score (ddof 0), clip, zeros to ``length`` samples."""
    deviation = crop.std()
    x = (crop - crop.mean()) / deviation if deviation > 1e-6 else np.zeros_like(crop)
    return np.pad(np.clip(x, -CLIP, CLIP), (0, length - len(x))).astype(np.float32)


def prepared(raw: Sequence[Array], window_s: float = 30.0) -> list[list[Array]]:
    """Standardized windows of each recording, exactly as the bundle sees them.

    ``window_s`` below 30 gives shorter windows, padded with zeros to 30 s.
    """
    return [
        [
            standardize_window(signal[None, start:stop], SOURCE_RATE, PREPROCESSING)[0]
            for start, stop in window_bounds(len(signal), SOURCE_RATE, window_s)
        ]
        for signal in raw
    ]


@dataclass(frozen=True)
class Recordings:
    """The data set in memory.

    Attributes
    ----------
    names : list of str
        Record names.
    classes : ndarray of int
        Index into ``LABELS``.
    raw : list of ndarray
        mV at 300 Hz.
    """

    names: list[str]
    classes: NDArray[np.int64]
    raw: list[Array]


def read(data_zip: Path) -> Recordings:
    """Read ``training2017.zip`` as PhysioNet publishes it (or a part of it)."""
    with zipfile.ZipFile(data_zip) as archive:
        members = {Path(name).name: name for name in archive.namelist()}
        if "REFERENCE.csv" not in members:
            raise FileNotFoundError(
                f"{data_zip}: no REFERENCE.csv inside; give the training2017.zip of the "
                "PhysioNet/CinC Challenge 2017"
            )
        reference = archive.read(members["REFERENCE.csv"]).decode().split()
        rows = sorted(line.split(",") for line in reference)
        raw = []
        for name, _ in rows:
            content = scipy.io.loadmat(io.BytesIO(archive.read(members[f"{name}.mat"])))["val"]
            raw.append((content[0] / SOURCE_GAIN).astype(np.float32))
    return Recordings(
        names=[name for name, _ in rows],
        classes=np.array([LABELS.index(label) for _, label in rows]),
        raw=raw,
    )


# --------------------------------------------------------------------------------------- the parts


def parts(recordings: Recordings, folds: int) -> list[str]:
    """Part of each recording: ``holdout``, ``validation`` or ``fold0``, ``fold1`` ...

    Within each class the recordings are sorted by the SHA-256 of their name. A training recording
    whose samples also occur in another part is marked ``duplicate`` and not used.
    """
    part = [""] * len(recordings.names)
    for label in range(len(LABELS)):
        members = [i for i, c in enumerate(recordings.classes) if c == label]
        members.sort(key=lambda i: _hash(f"ecgfoundry-cinc2017:{recordings.names[i]}"))
        holdout = round(HOLDOUT_SHARE * len(members))
        validation = holdout + round(VALIDATION_SHARE * len(members))
        for rank, i in enumerate(members):
            if rank < holdout:
                part[i] = "holdout"
            elif rank < validation:
                part[i] = "validation"
            else:
                part[i] = f"fold{rank % folds}"
    content = [hashlib.sha256(signal.tobytes()).hexdigest() for signal in recordings.raw]
    outside = {c for c, p in zip(content, part, strict=True) if not p.startswith("fold")}
    return [
        "duplicate" if p.startswith("fold") and c in outside else p
        for c, p in zip(content, part, strict=True)
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ------------------------------------------------------------------------------------ the training


@dataclass(frozen=True)
class Sampler:
    """Draws augmented batches from the training recordings.

    Attributes
    ----------
    signals : list of ndarray
        Filtered recordings at 200 Hz, (samples,).
    classes : ndarray of int
        Reference class of each, which sets how often it is drawn.
    targets : ndarray
        (recordings, classes): target probabilities.
    steps : int
        Batches per epoch.
    crop_shares : sequence of float
        How often each length of ``CROPS`` is used.
    """

    signals: Sequence[Array]
    classes: NDArray[np.int64]
    targets: Array
    steps: int
    crop_shares: Sequence[float]

    def __call__(self, epoch: int, generator: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
        """Yield (inputs, targets) of one epoch."""
        order = augmentation.balanced_order(
            self.classes, self.steps * BATCH, generator, power=BALANCE
        )
        for rows in order.reshape(self.steps, BATCH):
            length = round(generator.choice(CROPS, p=self.crop_shares) * SAMPLING_RATE)
            batch = self._inputs([self.signals[i] for i in rows], length, generator)
            yield torch.from_numpy(batch), torch.from_numpy(self.targets[rows])

    def _inputs(
        self, signals: Sequence[Array], length: int, generator: np.random.Generator
    ) -> Array:
        batch = np.zeros((len(signals), 1, length), np.float32)
        counts = []
        for row, signal in enumerate(signals):
            # The heart rate carries class information: never more than a tenth off (our choice).
            speed = generator.uniform(0.9, 1.1) if generator.random() < 0.5 else 1.0
            crop = augmentation.random_crop(signal[None], length, generator, speed=speed)
            counts.append(crop.shape[1])
            batch[row, :, : crop.shape[1]] = crop
        second = round(SAMPLING_RATE)
        batch = augmentation.flip_sign(batch, generator, probability=0.3)
        batch = augmentation.add_noise(batch, generator, probability=0.4, largest=0.25)
        batch = augmentation.add_baseline_wander(
            batch, generator, sampling_rate=second, probability=0.3, largest=0.5
        )
        batch = augmentation.add_bursts(
            batch, generator, probability=0.15, largest=1.0, duration=(second // 2, 3 * second)
        )
        batch = augmentation.cut_out(
            batch, generator, probability=0.25, duration=(second // 4, 2 * second)
        )
        for row, count in enumerate(counts):
            batch[row, 0] = standardized(batch[row, 0, :count], length)
        return augmentation.scale_amplitude(batch, generator, spread=0.15)


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy with probabilities as targets, smoothed over the classes."""
    smooth = targets * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / targets.shape[1]
    return -(smooth * torch.log_softmax(logits, dim=1)).sum(1).mean()


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
            network(torch.from_numpy(np.stack(inputs[i : i + batch])[:, None])).double().numpy()
            for i in range(0, len(inputs), batch)
        ]
    return np.concatenate(pieces)


@dataclass(frozen=True)
class Data:
    """The recordings in the forms that training and evaluation need."""

    names: list[str]
    classes: NDArray[np.int64]
    part: NDArray[np.str_]
    raw: list[Array]
    filtered: list[Array]

    def rows(self, *wanted: str) -> NDArray[np.intp]:
        """Return the indices of the recordings in these parts."""
        return np.flatnonzero(np.isin(self.part, wanted))

    def windows(self, rows: Sequence[int] | NDArray[np.intp]) -> list[list[Array]]:
        """Standardized windows of these recordings."""
        return prepared([self.raw[i] for i in rows])


def train_member(
    name: str,
    *,
    data: Data,
    rows: NDArray[np.intp],
    targets: Array,
    settings: FitSettings,
    crop_shares: Sequence[float],
    output: Path,
) -> RhythmNet:
    """Train one member, or load it if it is there.

    Parameters
    ----------
    name : str
        Names the files in ``output/members``.
    data : Data
        The recordings.
    rows : ndarray of int
        The recordings to learn from.
    targets : ndarray
        Target probabilities of these rows, (rows, classes).
    settings : FitSettings
        Epochs, rates and seed; ``steps_per_epoch`` is set here.
    crop_shares : sequence of float
        How often each length of ``CROPS`` is used.
    output : Path
        The recipe's folder.

    Returns
    -------
    RhythmNet
        In evaluation mode.
    """
    folder = output / "members"
    torch.manual_seed(settings.seed)
    network = RhythmNet(**ARCHITECTURE)
    weights = folder / f"{name}.safetensors"
    if weights.exists():
        network.load_state_dict(load_file(weights))
        return network.eval()
    steps = len(rows) // BATCH
    validation = data.rows("validation")
    inputs = data.windows(validation)

    def evaluate(candidate: torch.nn.Module) -> dict[str, float]:
        return figures(record_logits(candidate, inputs), data.classes[validation])

    result = fit(
        network,
        Sampler([data.filtered[i] for i in rows], data.classes[rows], targets, steps, crop_shares),
        soft_cross_entropy,
        settings=replace(settings, steps_per_epoch=steps),
        evaluate=evaluate,
        checkpoint=folder / f"{name}.checkpoint",
        curves=folder / f"{name}.curves.jsonl",
        report=lambda row: print(name, json.dumps(row), flush=True),
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_file(result.state, weights)
    return network.eval()


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


def load(data_zip: Path, folds: int) -> Data:
    """Read, part and filter the recordings."""
    recordings = read(data_zip)
    return Data(
        names=recordings.names,
        classes=recordings.classes,
        part=np.array(parts(recordings, folds)),
        raw=recordings.raw,
        filtered=[filtered(x) for x in recordings.raw],
    )


TEACHER = FitSettings(
    epochs=14,
    steps_per_epoch=1,
    learning_rate=2e-3,
    warmup=0.2,
    weight_decay=0.05,
    gradient_clip=2.0,
    ema_decay=0.998,
    evaluate_every=4,
)
"""Our choice; no selection: the averaged weights of the last epoch are kept."""


def teachers(data: Data, *, folds: int, seed: int, threads: int, output: Path) -> list[RhythmNet]:
    """One network per fold, each trained on the other folds."""
    networks = []
    for fold in range(folds):
        rows = data.rows(*(f"fold{k}" for k in range(folds) if k != fold))
        networks.append(
            train_member(
                f"teacher{fold}",
                data=data,
                rows=rows,
                targets=np.eye(len(LABELS), dtype=np.float32)[data.classes[rows]],
                settings=replace(TEACHER, seed=seed * 100 + fold, threads=threads),
                crop_shares=TEACHER_CROP_SHARES,
                output=output,
            )
        )
    return networks


STUDENT = replace(TEACHER, epochs=18)


def out_of_fold_logits(
    data: Data, networks: Sequence[RhythmNet], output: Path
) -> dict[int, NDArray[np.float64]]:
    """Record logits of each training recording from the teacher that has not seen it."""
    path = output / "members" / "out_of_fold.npz"
    if path.exists():
        stored = np.load(path)
        return dict(zip(stored["rows"].tolist(), stored["logits"], strict=True))
    answers: dict[int, NDArray[np.float64]] = {}
    for fold, network in enumerate(networks):
        rows = data.rows(f"fold{fold}")
        answers.update(zip(rows.tolist(), record_logits(network, data.windows(rows)), strict=True))
    np.savez(path, rows=np.array(list(answers)), logits=np.stack(list(answers.values())))
    return answers


def blended_targets(
    data: Data, rows: NDArray[np.intp], answers: dict[int, NDArray[np.float64]]
) -> Array:
    """Blend the reference labels with the out-of-fold probabilities, (rows, classes).

    The out-of-fold logits are first brought to one temperature on the reference labels.
    """
    logits = np.stack([answers[i] for i in rows.tolist()])
    temperature = fit_calibrator(logits, data.classes[rows], method="temperature", multiclass=True)
    soft = temperature.probabilities(logits, multiclass=True)
    hard = np.eye(len(LABELS))[data.classes[rows]]
    return ((1 - TEACHER_SHARE) * hard + TEACHER_SHARE * soft).astype(np.float32)


def students(
    data: Data,
    networks: Sequence[RhythmNet],
    *,
    folds: int,
    count: int,
    seed: int,
    threads: int,
    output: Path,
) -> list[RhythmNet]:
    """Train networks on all training recordings with blended targets."""
    rows = data.rows(*(f"fold{k}" for k in range(folds)))
    targets = blended_targets(data, rows, out_of_fold_logits(data, networks, output))
    return [
        train_member(
            f"student{k}",
            data=data,
            rows=rows,
            targets=targets,
            settings=replace(STUDENT, seed=seed * 100 + 50 + k, threads=threads),
            crop_shares=STUDENT_CROP_SHARES,
            output=output,
        )
        for k in range(count)
    ]


# ------------------------------------------------------------------- the figures and the hand-over


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
        Whether to add 95 % intervals (1,000 bootstrap draws of recordings).

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
        for name in ("f1_mean_NAO", "auroc_A"):

            def statistic(rows: NDArray[np.int64], name: str = name) -> float:
                return figures(calibrated[rows], classes[rows])[name]

            low, high, _ = grouped_bootstrap(statistic, np.arange(len(classes)))
            answer[f"{name}_ci95"] = [low, high]
    return answer


def run(
    data_zip: Path,
    output: Path,
    *,
    seed: int = 1,
    threads: int = 1,
    folds: int = 3,
    student_count: int = 4,
    committee: Sequence[str] | None = None,
    measure_holdout: bool = False,
) -> dict[str, Any]:
    """Train, calibrate and measure the bundle's network.

    Parameters
    ----------
    data_zip : Path
        ``training2017.zip`` of the challenge.
    output : Path
        Folder for the results and for what an interrupted run continues from.
    seed : int
        Decides the weights, together with the data and the number of threads.
    threads : int
        CPU threads of torch.
    folds : int
        Teachers.
    student_count : int
        Students.
    committee : sequence of str, optional
        Members that are joined, for instance ``["teacher0", "student0"]``; None joins the
        students (with the teachers the validation log loss was higher).
    measure_holdout : bool
        Look at the hold-out. Once, when nothing will be changed any more.

    Returns
    -------
    dict
        What is written to ``metrics.json``.

    Notes
    -----
    Writes ``model.safetensors`` (float16), ``config.json``, ``calibration.json``,
    ``metrics.json``, ``curves.jsonl``, ``splits.csv``.
    """
    output.mkdir(parents=True, exist_ok=True)
    data = load(data_zip, folds)
    with (output / "splits.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["record", "label", "part"])
        labels = [LABELS[c] for c in data.classes]
        writer.writerows(zip(data.names, labels, data.part, strict=True))

    members = teachers(data, folds=folds, seed=seed, threads=threads, output=output)
    members += students(
        data,
        members,
        folds=folds,
        count=student_count,
        seed=seed,
        threads=threads,
        output=output,
    )
    names = [f"teacher{k}" for k in range(folds)] + [f"student{k}" for k in range(student_count)]
    chosen = list(committee) if committee is not None else names[folds:]
    joined = RhythmNet.committee([members[names.index(name)] for name in chosen])
    network = round_to_float16(joined).eval()
    stored = {
        name: tensor.half() if fits_float16(tensor.numpy()) else tensor
        for name, tensor in network.state_dict().items()
    }
    save_file(stored, output / "model.safetensors")
    _write(output / "config.json", {"name": "rhythm-net", "configuration": network.config})
    curves = [
        json.dumps({"member": name, **json.loads(line)}) + "\n"
        for name in names
        for line in (output / "members" / f"{name}.curves.jsonl").read_text().splitlines()
    ]
    (output / "curves.jsonl").write_text("".join(curves), encoding="utf-8")

    metrics = measure(data, network, output, holdout=measure_holdout)
    answers = out_of_fold_logits(data, members, output)
    metrics["teachers_out_of_fold"] = {
        "records": len(answers),
        **figures(np.stack(list(answers.values())), data.classes[list(answers)]),
    }
    metrics["committee"] = chosen
    metrics["parameters"] = sum(p.numel() for p in network.parameters())
    _write(output / "metrics.json", metrics)
    return metrics


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
    _write(
        output / "calibration.json",
        {
            "calibration": {
                "record": record.to_dict(),
                "window": window.to_dict(),
                "fitted_on": f"CinC 2017 validation part, {len(rows)} records, "
                f"{len(of_windows)} windows",
            },
            "thresholds": None,  # the present class is the most probable one
        },
    )

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
    return metrics


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


def _write(path: Path, document: dict[str, Any]) -> None:
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
