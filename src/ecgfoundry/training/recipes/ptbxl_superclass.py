"""Recipe of the bundle ``ptbxl-superclass-12lead``: five diagnostic classes, any subset of leads.

Data: a part of PTB-XL 1.0.3 (Wagner et al. 2020; CC BY 4.0), 12 leads, 10 s, 250 Hz, already in the
form of the preprocessing ``ptbxl-bandpass@1``: band-passed and standardized lead by lead. Folds 1-8
train, fold 9 calibrates; patients do not cross folds (checked when the data are read).

The way to the weights:

1. Views: each record's averaged beats, from all leads and from every single lead alone, of the
   record itself and of augmented copies (frontal axis turned, time stretched, noise, shortened
   recordings, beats left out). The network's first part has no parameters, so that its output can
   be made once and training only runs the rest.
2. Members: each learns the five classes and, beside them, the finer statements, forms and rhythms
   of the same records, which are dropped afterwards. Every batch shows each record twice: with
   many leads and with a single one.
3. Cross-validation: for each group of folds, a committee of members trained on the other folds.
   All out-of-fold figures are of these committees, through the network's own ``forward``.
4. The committee trained on folds 1-8 is rounded to float16; fold 9 gives calibration, thresholds
   and one last figure. With 183 records that calibration is a rough one, so the same is also
   fitted on the out-of-fold logits, and each is measured on the other's records.

Every stage leaves a file and is skipped when that file is there: an interrupted run continues.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ecgfoundry.leads import LIMB_LEADS, PRECORDIAL_LEADS, STANDARD_12_LEADS
from ecgfoundry.metrics.calibration import (
    Calibrator,
    calibration_error,
    cross_fitted_probabilities,
    fit_calibrator,
    sigmoid,
)
from ecgfoundry.metrics.classification import auroc, grouped_bootstrap, macro_auroc
from ecgfoundry.models.networks.lead_subset import (
    POSITIONS,
    RHYTHM_FIGURES,
    BeatViews,
    LeadSubsetNet,
    average_beats,
    limb_scales,
    locate_beats,
)
from ecgfoundry.models.onnx_export import round_to_float16
from ecgfoundry.models.onnx_graph import fits_float16
from ecgfoundry.training import lead_augmentation
from ecgfoundry.training.loop import FitSettings, fit

__all__ = ["TARGETS", "read", "run"]

TARGETS = ("NORM", "MI", "STTC", "CD", "HYP")
"""PTB-XL's diagnostic superclasses in the order of the logits."""

FOLD_GROUPS = {
    4: ((1, 2), (3, 4), (5, 6), (7, 8)),
    8: tuple((fold,) for fold in range(1, 9)),
}
TRAINING_FOLDS = tuple(range(1, 9))
CALIBRATION_FOLD = 9

ARCHITECTURE: dict[str, Any] = {
    "members": 1,
    "lead_channels": 32,
    "channels": 96,
    "kernel": 5,
    "blocks": 1,
    "time_maps": 2,
    "dropout": 0.3,
    "channel_dropout": 0.1,
}

MEMBER = FitSettings(
    epochs=20,
    steps_per_epoch=1,
    learning_rate=4e-3,
    warmup=0.25,
    weight_decay=0.05,
    gradient_clip=5.0,
    ema_decay=0.99,
)
"""Our choice; no selection: the averaged weights of the last epoch are kept."""

BATCH = 64  # records; each gives one row with many leads and one with a single lead
AUXILIARY_WEIGHT = 0.2  # of each auxiliary target beside 1 for each of the five classes
AUXILIARY_POSITIVES = 8  # an auxiliary target with fewer positives in the training rows is left out
SINGLE_WEIGHT = 0.7  # of a single-lead row in the loss
LEAD_I_SHARE = 0.3  # of single-lead rows that show lead I; the rest any lead alike
AGREEMENT = 0.5  # share of a single-lead row's target that the many-lead row's answer gives

Array = NDArray[np.float32]
Float64 = NDArray[np.float64]


def lead_subsets() -> dict[str, tuple[str, ...]]:
    """Rows of the tables: what is measured -> the leads that the network is given.

    Where two limb leads are measured, the network is given all six, because the others are derived
    from them before standardization; "I+II" and "six limb leads" are therefore one row, and so are
    "I+II+V1-V6" and the twelve.
    """
    subsets: dict[str, tuple[str, ...]] = {"12 leads (also I+II+V1-V6)": STANDARD_12_LEADS}
    subsets.update({lead: (lead,) for lead in STANDARD_12_LEADS})
    subsets["I+II (also six limb leads)"] = LIMB_LEADS
    for chest in (("V1",), ("V2",), ("V5",), ("V2", "V5"), ("V1", "V3", "V5")):
        subsets["+".join(("I", "II", *chest))] = (*LIMB_LEADS, *chest)
    for pair in (("I", "V2"), ("I", "V5"), ("II", "V1"), ("II", "V5")):
        subsets["+".join(pair)] = pair
    subsets["V1-V6"] = PRECORDIAL_LEADS
    return subsets


REDUCED = ("I", "II", "I+II (also six limb leads)", "I+II+V1", "I+V5")
"""Lead sets that the calibration for reduced leads is fitted on, each record once per set."""


# ---------------------------------------------------------------------------------------- the data


@dataclass(frozen=True)
class Records:
    """The data set in memory.

    Attributes
    ----------
    signal : ndarray
        float32 (records, 12, 2500), standardized.
    targets : ndarray
        float32 (records, 5), 0 or 1, in the order of ``TARGETS``.
    auxiliary : ndarray
        float32 (records, statements), 0 or 1: subclasses, forms and rhythms.
    fold : ndarray of int
        ``strat_fold``.
    patient : ndarray of int
    """

    signal: Array
    targets: Array
    auxiliary: Array
    fold: NDArray[np.int64]
    patient: NDArray[np.int64]

    def rows(self, *folds: int) -> NDArray[np.intp]:
        """Return the indices of the records in these folds."""
        return np.flatnonzero(np.isin(self.fold, folds))


def read(data: Path) -> Records:
    """Read ``ptbxl_z250_train.npz``, ``ptbxl_z250_val.npz`` and ``labels.csv``.

    Parameters
    ----------
    data : Path
        Folder of the three files. Signals are differences in int16 whose sum wraps around.

    Raises
    ------
    ValueError
        A patient is in two folds.
    """
    with (data / "labels.csv").open(newline="", encoding="utf-8") as file:
        table = {int(row["ecg_id"]): row for row in csv.DictReader(file)}
    signals, rows = [], []
    for part in ("train", "val"):
        with np.load(data / f"ptbxl_z250_{part}.npz") as stored:
            whole = np.cumsum(stored["delta"], axis=2, dtype=np.int16)
            signals.append(whole.astype(np.float32) / np.float32(stored["scale"]))
            rows += [table[int(name)] for name in stored["ecg_id"]]
    finer = [name for name in rows[0] if name.split(":")[0] in {"sub_class", "form", "rhythm"}]
    fold = np.array([int(row["strat_fold"]) for row in rows])
    patient = np.array([int(row["patient_id"]) for row in rows])
    pairs = np.unique(np.stack([patient, fold]), axis=1)
    if pairs.shape[1] != len(np.unique(patient)):
        raise ValueError(f"{data}: a patient is in two folds; cross-validation would be too good")
    # Training records first: the views are made of these alone and are counted like them.
    order = np.argsort(fold == CALIBRATION_FOLD, kind="stable")
    return Records(
        signal=np.concatenate(signals)[order],
        targets=_columns(rows, [f"super_class:{target}" for target in TARGETS])[order],
        auxiliary=_columns(rows, finer)[order],
        fold=fold[order],
        patient=patient[order],
    )


def _columns(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> Array:
    return np.array([[float(row[name]) for name in names] for row in rows], dtype=np.float32)


# --------------------------------------------------------------------------------------- the views


@dataclass(frozen=True)
class ViewBank:
    """Views of every record, float16; the first axis counts the copies, copy 0 is the record.

    Attributes
    ----------
    average, spread : ndarray (copies, records, 12, positions)
        Beats located in all leads together.
    rhythm, scales : ndarray (copies, records, 6)
    single_average, single_spread : ndarray (copies, records, 12, positions)
        Beats located in each lead alone.
    single_rhythm : ndarray (copies, records, 12, 6)
    """

    average: NDArray[np.float16]
    spread: NDArray[np.float16]
    rhythm: NDArray[np.float16]
    scales: NDArray[np.float16]
    single_average: NDArray[np.float16]
    single_spread: NDArray[np.float16]
    single_rhythm: NDArray[np.float16]


def augmented(signal: Array, generator: np.random.Generator) -> Array:
    """One augmented copy of standardized windows (batch, 12, samples). Sizes are our choice."""
    count, _, samples = signal.shape
    angle = generator.normal(0.0, 11.5, count) * (generator.random(count) < 0.7)
    signal = lead_augmentation.rotate_frontal_axis(signal, angle)
    stretch = 1.0 + 0.06 * np.clip(generator.standard_normal(count), -2, 2)
    signal = lead_augmentation.stretch_time(signal, stretch)
    signal = lead_augmentation.add_noise(signal, generator)
    length = np.where(
        generator.random(count) < 0.2, generator.integers(samples // 2, samples, count), samples
    )
    result = np.zeros_like(signal)
    for row, kept in enumerate(length):
        # A shorter recording: standardized alone, zeros on the right, as the preprocessing does.
        result[row, :, :kept] = lead_augmentation.standardize_leads(signal[row, :, :kept])
    return result


def views_of(
    signal: Array, generator: np.random.Generator | None
) -> tuple[NDArray[np.float16], ...]:
    """Fields of :class:`ViewBank` for one copy of some records.

    With a generator, beats are left out of the averages and misplaced by up to 2 samples.
    """
    x = torch.from_numpy(signal)
    count, leads, samples = x.shape
    with torch.no_grad():
        average, spread, rhythm = _beats(x, generator)
        one = _beats(x.reshape(count * leads, 1, samples), generator)
    single = [part.reshape(count, leads, -1) for part in one]
    fields = (average, spread, rhythm, limb_scales(x), *single)
    return tuple(field.numpy().astype(np.float16) for field in fields)


def _beats(x: Tensor, generator: np.random.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
    position, valid = locate_beats(x, torch.ones(x.shape[:2]))
    if generator is None:
        return average_beats(x, position, valid)
    dropped = generator.random((len(x), 1)) * 0.7
    kept = torch.from_numpy(generator.random(valid.shape) > dropped).float()
    too_few = (valid * kept).sum(dim=1, keepdim=True) < 2
    kept = torch.where(too_few, torch.ones_like(kept), kept)
    shift = torch.from_numpy(generator.integers(-2, 3, len(x)))
    return average_beats(x, position, valid, kept=kept, shift=shift)


def make_bank(signal: Array, *, copies: int, seed: int, path: Path, batch: int = 64) -> ViewBank:
    """Make all views, or read them back if they are there."""
    names = list(ViewBank.__dataclass_fields__)
    if not path.exists():
        generator = np.random.default_rng([seed, 1])
        made = []
        for copy in range(copies):
            pieces = []
            for start in range(0, len(signal), batch):
                x = signal[start : start + batch]
                if copy:
                    x = augmented(x, generator)
                pieces.append(views_of(x, generator if copy else None))
            made.append([np.concatenate(parts) for parts in zip(*pieces, strict=True)])
        stacked = [np.stack(parts) for parts in zip(*made, strict=True)]
        _save_arrays(path, dict(zip(names, stacked, strict=True)))
    with np.load(path) as stored:
        return ViewBank(**{name: stored[name] for name in names})


def pack(views: BeatViews, presence: Tensor) -> Tensor:
    """Views and presence of a batch in one tensor (batch, numbers), as the loop passes it on."""
    parts = (views.average, views.spread, views.rhythm, views.limb_scales, presence)
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def unpack(packed: Tensor) -> tuple[BeatViews, Tensor]:
    """Undo :func:`pack`."""
    leads, limb = len(STANDARD_12_LEADS), len(LIMB_LEADS)
    beat = leads * POSITIONS
    average, spread, rhythm, scales, presence = packed.split(
        [beat, beat, RHYTHM_FIGURES, limb, leads], dim=1
    )
    shape = (len(packed), leads, POSITIONS)
    return BeatViews(average.reshape(shape), spread.reshape(shape), rhythm, scales), presence


@dataclass(frozen=True)
class Sampler:
    """Draws batches of views: each record with many leads, then each with one.

    Attributes
    ----------
    bank : ViewBank
    rows : ndarray of int
        The records to learn from.
    targets : ndarray
        float32 (all records, targets).
    """

    bank: ViewBank
    rows: NDArray[np.intp]
    targets: Array

    def __call__(self, epoch: int, generator: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
        """Yield (packed views, targets) of one epoch."""
        order = generator.permutation(self.rows)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            packed = torch.cat([self._many(chosen, generator), self._single(chosen, generator)])
            targets = torch.from_numpy(self.targets[chosen])
            yield packed, torch.cat([targets, targets])

    def _many(self, chosen: NDArray[np.intp], generator: np.random.Generator) -> Tensor:
        bank, copy = self.bank, self._copies(chosen, generator)
        presence = lead_augmentation.draw_lead_subsets(len(chosen), generator)
        return _disturbed(
            bank.average[copy, chosen],
            bank.spread[copy, chosen],
            bank.rhythm[copy, chosen],
            bank.scales[copy, chosen],
            presence,
            generator,
        )

    def _single(self, chosen: NDArray[np.intp], generator: np.random.Generator) -> Tensor:
        bank, copy = self.bank, self._copies(chosen, generator)
        count, leads = len(chosen), len(STANDARD_12_LEADS)
        lead = generator.integers(0, leads, count)
        lead[generator.random(count) < LEAD_I_SHARE] = 0
        presence = np.zeros((count, leads), dtype=np.float32)
        presence[np.arange(count), lead] = 1.0
        return _disturbed(
            bank.single_average[copy, chosen],
            bank.single_spread[copy, chosen],
            bank.single_rhythm[copy, chosen, lead],
            np.zeros((count, len(LIMB_LEADS)), dtype=np.float16),
            presence,
            generator,
        )

    def _copies(
        self, chosen: NDArray[np.intp], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        return generator.integers(0, len(self.bank.average), len(chosen))


def _disturbed(
    average: NDArray[np.float16],
    spread: NDArray[np.float16],
    rhythm: NDArray[np.float16],
    scales: NDArray[np.float16],
    presence: Array,
    generator: np.random.Generator,
) -> Tensor:
    """Pack views with absent leads zeroed and slight disturbances (sizes are our choice)."""
    there = presence[:, :, None]
    gain = 1.0 + 0.15 * generator.standard_normal(there.shape, dtype=np.float32)
    noise = 0.03 * generator.standard_normal(average.shape, dtype=np.float32)
    views = BeatViews(
        torch.from_numpy((average.astype(np.float32) * gain + noise) * there),
        torch.from_numpy(spread.astype(np.float32) * gain * there),
        torch.from_numpy(rhythm.astype(np.float32)),
        torch.from_numpy(scales + 0.05 * generator.standard_normal(scales.shape, dtype=np.float32)),
    )
    return pack(views, torch.from_numpy(presence))


# ------------------------------------------------------------------------------------ the training


class _OnViews(nn.Module):
    """The network behind its first part: packed views -> logits."""

    def __init__(self, network: LeadSubsetNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, packed: Tensor) -> Tensor:
        views, presence = unpack(packed)
        network = self.network
        return network.classifier(network.dropout(network.embed(views, presence)))


def multitask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy, summed over targets and averaged over rows.

    The first half of the rows are records with many leads, the second half the same records with
    one lead. The target of the latter is mixed with the answer to the former, without gradient:
    what one lead cannot show is not worth learning by heart.
    """
    half = len(logits) // 2
    answer = logits[:half].detach().sigmoid()
    single = (1 - AGREEMENT) * targets[half:] + AGREEMENT * answer
    target_weight = torch.full((logits.shape[1],), AUXILIARY_WEIGHT, device=logits.device)
    target_weight[: len(TARGETS)] = 1.0
    loss = functional.binary_cross_entropy_with_logits(
        logits, torch.cat([targets[:half], single]), weight=target_weight, reduction="none"
    ).sum(dim=1)
    return (loss[:half].mean() + SINGLE_WEIGHT * loss[half:].mean()) / 2


def train_member(
    name: str,
    *,
    records: Records,
    bank: ViewBank,
    rows: NDArray[np.intp],
    settings: FitSettings,
    output: Path,
) -> LeadSubsetNet:
    """Train one member, or load it if it is there.

    Parameters
    ----------
    name : str
        Names the files in ``output/members``.
    records : Records
    bank : ViewBank
    rows : ndarray of int
        The records to learn from.
    settings : FitSettings
        Epochs, rates and seed; ``steps_per_epoch`` is set here.
    output : Path
        The recipe's folder.

    Returns
    -------
    LeadSubsetNet
        With the five classes alone, in evaluation mode.
    """
    folder = output / "members"
    weights = folder / f"{name}.safetensors"
    network = LeadSubsetNet(len(TARGETS), **ARCHITECTURE)
    if weights.exists():
        network.load_state_dict(load_file(weights))
        return network.eval()
    frequent = records.auxiliary[rows].sum(axis=0) >= AUXILIARY_POSITIVES
    targets = np.concatenate([records.targets, records.auxiliary[:, frequent]], axis=1)
    torch.manual_seed(settings.seed)
    student = LeadSubsetNet(targets.shape[1], **ARCHITECTURE)
    fit(
        _OnViews(student),
        Sampler(bank, rows, targets),
        multitask_loss,
        settings=replace(settings, steps_per_epoch=len(rows) // BATCH),
        checkpoint=folder / f"{name}.checkpoint",
        curves=folder / f"{name}.curves.jsonl",
        report=lambda row: print(name, json.dumps(row), flush=True),
    )
    state = student.state_dict()
    for part in ("classifier.weight", "classifier.bias"):
        state[part] = state[part][: len(TARGETS)].clone()
    network.load_state_dict(state)
    folder.mkdir(parents=True, exist_ok=True)
    _save_weights(weights, network.state_dict())
    (folder / f"{name}.checkpoint").unlink(missing_ok=True)
    return network.eval()


# --------------------------------------------------------------------------------------- measuring


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
    head = _OnViews(network).eval()
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
) -> list[float]:
    """95 % interval from 1,000 bootstrap draws of patients."""
    low, high, _ = grouped_bootstrap(statistic, patients)
    return [low, high]


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


def cross_validate(
    records: Records,
    bank: ViewBank,
    *,
    groups: Sequence[Sequence[int]],
    members: int,
    settings: FitSettings,
    output: Path,
) -> dict[str, Float64]:
    """Out-of-fold logits for every lead subset, (records of folds 1-8, 5) each.

    The logits are also kept in ``out_of_fold.npz``.
    """
    path = output / "out_of_fold.npz"
    if path.exists():
        with np.load(path) as stored:
            return {name: stored[name] for name in stored.files}
    training = records.rows(*TRAINING_FOLDS)
    committees = []
    for number, folds in enumerate(groups):
        rows = records.rows(*[fold for fold in TRAINING_FOLDS if fold not in folds])
        networks = [
            train_member(
                f"folds-without-{'-'.join(map(str, folds))}-member{k}",
                records=records,
                bank=bank,
                rows=rows,
                settings=replace(settings, seed=settings.seed * 1000 + number * 10 + k),
                output=output,
            )
            for k in range(members)
        ]
        committees.append((folds, LeadSubsetNet.committee(networks)))
    answers = {}
    for name, leads in lead_subsets().items():
        packed = subset_views(records.signal[training], leads)
        answers[name] = np.zeros((len(training), len(TARGETS)))
        for folds, committee in committees:
            chosen = np.flatnonzero(np.isin(records.fold[training], folds))
            answers[name][chosen] = logits_of(committee, packed[chosen])
    _save_arrays(path, answers)
    return answers


def calibrate(
    answers: Mapping[str, Float64], targets: Array, patients: NDArray[np.int64], *, fitted_on: str
) -> dict[str, Any]:
    """Fit calibration and thresholds.

    Parameters
    ----------
    answers : mapping of str to ndarray (records, 5)
        Logits for each lead subset; the first is that of all leads.
    targets : ndarray (records, 5)
    patients : ndarray (records,)
    fitted_on : str
        Name of these records.

    Returns
    -------
    dict
        ``calibration`` (for twelve leads and for reduced ones) and ``thresholds``, as in a bundle.
    """
    logits = answers[_all_leads()]
    record = fit_calibrator(logits, targets, method="platt", multiclass=False)
    reduced = fit_calibrator(
        np.concatenate([answers[name] for name in REDUCED]),
        np.tile(targets, (len(REDUCED), 1)),
        method="platt",
        multiclass=False,
    )
    probabilities = record.probabilities(logits, multiclass=False)
    return {
        "calibration": {
            "record": record.to_dict(),
            # A record has one window of 10 s.
            "window": record.to_dict(),
            "reduced_leads": reduced.to_dict(),
            "fitted_on": f"{fitted_on}; reduced_leads on {'; '.join(REDUCED)}",
        },
        "thresholds": {
            "values": best_thresholds(probabilities, targets, patients),
            "criterion": "highest F1, median over 500 bootstrap draws of patients",
            "fitted_on": fitted_on,
        },
    }


def calibration_figures(
    document: Mapping[str, Any], answers: Mapping[str, Float64], targets: Array
) -> dict[str, Any]:
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
    result: dict[str, Any] = {
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
        for subset in (_all_leads(), *REDUCED)
    }
    probabilities = calibrators["record"].probabilities(answers[_all_leads()], multiclass=False)
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

    after = {_all_leads(): crossed([_all_leads()])[0]}
    after |= dict(zip(REDUCED, crossed(REDUCED), strict=True))
    return {
        name: {
            "before": calibration_error(sigmoid(answers[name]), targets, multiclass=False),
            "after, cross-fitted": calibration_error(probabilities, targets, multiclass=False),
        }
        for name, probabilities in after.items()
    }


def _all_leads() -> str:
    return next(iter(lead_subsets()))


def _log_loss(logits: Float64, targets: Array) -> float:
    return float((np.logaddexp(0.0, logits) - targets * logits).mean())


def run(
    data: Path,
    output: Path,
    *,
    seed: int = 1,
    threads: int = 1,
    folds: int = 4,
    members: int = 4,
    copies: int = 12,
    epochs: int = MEMBER.epochs,
) -> dict[str, Any]:
    """Cross-validate, train, calibrate and measure the bundle's network.

    Parameters
    ----------
    data : Path
        Folder with ``ptbxl_z250_train.npz``, ``ptbxl_z250_val.npz`` and ``labels.csv``.
    output : Path
        Folder for the results and for what an interrupted run continues from.
    seed : int
        Decides the weights, together with the data and the number of threads.
    threads : int
        CPU threads of torch.
    folds : {4, 8}
        Groups of the cross-validation: pairs of folds, or single folds.
    members : int
        Networks in each committee.
    copies : int
        Views of each record, the first of them without augmentation.
    epochs : int
        Passes of each member over the records.

    Returns
    -------
    dict
        What is written to ``metrics.json``.

    Notes
    -----
    Writes ``model.safetensors`` (float16), ``config.json``, ``calibration.json`` (with thresholds),
    ``metrics.json``, ``curves.jsonl`` and ``out_of_fold.npz``.
    """
    torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    records = read(data)
    training = records.rows(*TRAINING_FOLDS)
    settings = replace(MEMBER, seed=seed, threads=threads, epochs=epochs)
    bank = make_bank(records.signal[training], copies=copies, seed=seed, path=output / "views.npz")
    answers = cross_validate(
        records,
        bank,
        groups=FOLD_GROUPS[folds],
        members=members,
        settings=settings,
        output=output,
    )
    final = [
        train_member(
            f"final-member{k}",
            records=records,
            bank=bank,
            rows=training,
            settings=replace(settings, seed=seed * 1000 + 900 + k),
            output=output,
        )
        for k in range(members)
    ]
    network = round_to_float16(LeadSubsetNet.committee(final)).eval()
    stored = {
        name: tensor.half() if fits_float16(tensor.numpy()) else tensor
        for name, tensor in network.state_dict().items()
    }
    _save_weights(output / "model.safetensors", stored)
    _write(output / "config.json", {"name": "lead-subset-net", "configuration": network.config})
    curves = [
        json.dumps({"member": path.name.split(".")[0], **json.loads(line)}) + "\n"
        for path in sorted((output / "members").glob("*.curves.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    (output / "curves.jsonl").write_text("".join(curves), encoding="utf-8")

    rows = records.rows(CALIBRATION_FOLD)
    last = {
        name: logits_of(network, subset_views(records.signal[rows], leads))
        for name, leads in lead_subsets().items()
    }
    # Fold 9 alone has 22 infarctions and 14 hypertrophies: too few. The out-of-fold answers of
    # folds 1-8 are validation data as well, and the calibration is fitted on both.
    everybody = np.concatenate([training, rows])
    pooled = {name: np.concatenate([answers[name], last[name]]) for name in answers}
    fold_9, out_of_fold, both = (
        (answer, records.targets[chosen], records.patient[chosen])
        for answer, chosen in ((last, rows), (answers, training), (pooled, everybody))
    )
    _write(
        output / "calibration.json",
        calibrate(
            *both,
            fitted_on=f"PTB-XL folds 1-8 out of fold and fold 9, {len(everybody)} records",
        ),
    )
    metrics = {
        "targets": list(TARGETS),
        "parameters": sum(p.numel() for p in network.parameters()),
        "members": members,
        "out_of_fold": _table(records, training, answers) | {"groups": len(FOLD_GROUPS[folds])},
        "fold_9": _table(records, rows, last),
        "calibration": {
            "records": len(everybody),
            "cross-fitted": cross_fitted_errors(*both),
            "if fitted on fold 9, measured out of fold": calibration_figures(
                calibrate(*fold_9, fitted_on="fold 9"), *out_of_fold[:2]
            ),
            "if fitted out of fold, measured on fold 9": calibration_figures(
                calibrate(*out_of_fold, fitted_on="out of fold"), *fold_9[:2]
            ),
        },
    }
    _write(output / "metrics.json", metrics)
    return metrics


def _table(
    records: Records, rows: NDArray[np.intp], answers: Mapping[str, Float64]
) -> dict[str, Any]:
    """AUROC of each lead subset, with the interval of the mean."""
    targets, patients = records.targets[rows], records.patient[rows]
    table: dict[str, Any] = {}
    for name, logits in answers.items():

        def statistic(chosen: NDArray[np.int64], logits: Float64 = logits) -> float:
            return macro_auroc(targets[chosen], logits[chosen])

        table[name] = figures(targets, logits) | {"macro_ci95": interval(statistic, patients)}
    return {"auroc": table, "records": len(rows), "positives": targets.sum(axis=0).tolist()}


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _save_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    # The kernels are in channels-last layout; the file holds plain rows.
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def _save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **arrays)
    partial.replace(path)
