"""Training of teachers and students."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfoundry.metrics.calibration import fit_calibrator
from ecgfoundry.models.networks.rhythm import RhythmNet
from ecgfoundry.training.data import augmentation
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.recipes.ensembles import member_state, save_arrays
from ecgfoundry.training.recipes.rhythm_single_lead.data import (
    LABELS,
    SAMPLING_RATE,
    Array,
    Data,
    standardized,
)
from ecgfoundry.training.recipes.rhythm_single_lead.measuring import figures, record_logits
from ecgfoundry.training.recipes.rhythm_single_lead.sources import KnownRhythm

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

TAUGHT_SHARE = 0.5  # weight of a teacher's answer to the crop itself (our choice)


@dataclass(frozen=True)
class Diet:
    """How leads of other data sets are drawn.

    Attributes
    ----------
    rows : int
        Of the ``BATCH`` rows.
    balance : float
        Power of :func:`ecgfoundry.training.data.augmentation.balanced_order`.
    blocks : bool
        Whether sinus rhythm with bundle-branch block is drawn like a class of its own.
    """

    rows: int
    balance: float
    blocks: bool


NO_OTHERS = Diet(rows=0, balance=0.0, blocks=False)


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
    teacher : RhythmNet, optional
        Its answer to the very crop, as it was augmented, makes up ``TAUGHT_SHARE`` of the target:
        a crop need not show what the recording's label says.
    others : sequence of KnownRhythm
        Recordings of other data sets, of which one lead at a time is drawn.
    diet : Diet
        How many of the ``BATCH`` rows they take, and which.
    band_noise : float
        Share of the crops that get noise of 5 to 40 Hz.
    """

    signals: Sequence[Array]
    classes: NDArray[np.int64]
    targets: Array
    steps: int
    crop_shares: Sequence[float]
    teacher: RhythmNet | None = None
    others: Sequence[KnownRhythm] = ()
    diet: Diet = NO_OTHERS
    band_noise: float = 0.0

    def __call__(self, epoch: int, generator: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
        """Yield (inputs, targets) of one epoch."""
        own = BATCH - self.diet.rows
        order = augmentation.balanced_order(
            self.classes, self.steps * own, generator, power=BALANCE
        )
        others = iter(self._others(generator))
        for rows in order.reshape(self.steps, own):
            length = round(generator.choice(CROPS, p=self.crop_shares) * SAMPLING_RATE)
            drawn = list(islice(others, self.diet.rows))
            signals = [*(self.signals[i] for i in rows), *(signal for signal, _ in drawn)]
            inputs = torch.from_numpy(self._inputs(signals, length, generator))
            known = np.eye(len(LABELS), dtype=np.float32)[[label for _, label in drawn]]
            targets = torch.from_numpy(np.concatenate([self.targets[rows], known]))
            if self.teacher is not None:
                with torch.no_grad():
                    taught = torch.softmax(self.teacher(inputs), dim=1)
                targets = (1 - TAUGHT_SHARE) * targets + TAUGHT_SHARE * taught
            yield inputs, targets

    def _others(self, generator: np.random.Generator) -> Iterator[tuple[Array, int]]:
        """Yield one lead and its class at a time; rare classes come more often."""
        if not self.diet.rows:
            return
        groups = np.array([one.group(blocks=self.diet.blocks) for one in self.others])
        count = self.steps * self.diet.rows
        for i in augmentation.balanced_order(groups, count, generator, power=self.diet.balance):
            leads = self.others[i].leads
            yield leads[generator.integers(len(leads))], self.others[i].label

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
        if self.band_noise:
            batch = augmentation.add_band_noise(
                batch, generator, sampling_rate=SAMPLING_RATE, probability=self.band_noise
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


def train_member(
    name: str,
    *,
    data: Data,
    rows: NDArray[np.intp],
    targets: Array,
    settings: FitSettings,
    crop_shares: Sequence[float],
    output: Path,
    architecture: Mapping[str, Any] | None = None,
    teacher: RhythmNet | None = None,
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
    architecture : mapping, optional
        Arguments of the network; ``ARCHITECTURE`` by default.
    teacher : RhythmNet, optional
        See :class:`Sampler`.

    Returns
    -------
    RhythmNet
        In evaluation mode.
    """
    torch.manual_seed(settings.seed)
    network = RhythmNet(**(ARCHITECTURE if architecture is None else architecture))
    steps = len(rows) // BATCH
    validation = data.rows("validation")

    @cache
    def inputs() -> list[list[Array]]:
        return data.windows(validation)

    state = member_state(
        name,
        network,
        lambda: Sampler(
            [data.filtered[i] for i in rows],
            data.classes[rows],
            targets,
            steps,
            crop_shares,
            teacher,
        ),
        soft_cross_entropy,
        folder=output / "members",
        settings=replace(settings, steps_per_epoch=steps),
        evaluate=lambda one: figures(record_logits(one, inputs()), data.classes[validation]),
    )
    network.load_state_dict(state)
    return network.eval()


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
        with np.load(path) as stored:
            return dict(zip(stored["rows"].tolist(), stored["logits"], strict=True))
    answers: dict[int, NDArray[np.float64]] = {}
    for fold, network in enumerate(networks):
        rows = data.rows(f"fold{fold}")
        answers.update(zip(rows.tolist(), record_logits(network, data.windows(rows)), strict=True))
    values = np.stack(list(answers.values()))
    save_arrays(path, {"rows": np.array(list(answers)), "logits": values})
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
