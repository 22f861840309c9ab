"""Averaged beats of every record and of augmented copies, made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfoundry.leads import LIMB_LEADS, STANDARD_12_LEADS
from ecgfoundry.models.networks.lead_subset import (
    POSITIONS,
    RHYTHM_FIGURES,
    BeatViews,
    average_beats,
    limb_scales,
    locate_beats,
)
from ecgfoundry.training.data import lead_augmentation
from ecgfoundry.training.recipes.ensembles import save_arrays
from ecgfoundry.training.recipes.ptbxl_superclass.data import Array

Augment = Callable[[Array, np.random.Generator], Array]


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


def make_bank(
    signal: Array,
    *,
    copies: int,
    seed: int,
    path: Path,
    augment: Augment = augmented,
    batch: int = 64,
) -> ViewBank:
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
                    x = augment(x, generator)
                pieces.append(views_of(x, generator if copy else None))
            made.append([np.concatenate(parts) for parts in zip(*pieces, strict=True)])
        stacked = [np.stack(parts) for parts in zip(*made, strict=True)]
        save_arrays(path, dict(zip(names, stacked, strict=True)))
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
