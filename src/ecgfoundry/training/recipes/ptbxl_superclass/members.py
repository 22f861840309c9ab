"""What a member of a committee learns: settings, batches of views, and the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ecgfoundry.leads import LIMB_LEADS, STANDARD_12_LEADS
from ecgfoundry.models.networks.lead_subset import BeatViews, LeadSubsetNet
from ecgfoundry.training.data import lead_augmentation
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.recipes.ptbxl_superclass.data import TARGETS, Array
from ecgfoundry.training.recipes.ptbxl_superclass.views import ViewBank, pack, unpack

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


Views = NDArray[np.float16] | NDArray[np.float32]


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
        return disturbed(
            bank.average[copy, chosen],
            bank.spread[copy, chosen],
            bank.rhythm[copy, chosen],
            bank.scales[copy, chosen],
            presence,
            generator,
        )

    def _single(self, chosen: NDArray[np.intp], generator: np.random.Generator) -> Tensor:
        bank, copy = self.bank, self._copies(chosen, generator)
        lead, presence = single_leads(len(chosen), generator)
        return disturbed(
            bank.single_average[copy, chosen],
            bank.single_spread[copy, chosen],
            bank.single_rhythm[copy, chosen, lead],
            np.zeros((len(chosen), len(LIMB_LEADS)), dtype=np.float16),
            presence,
            generator,
        )

    def _copies(
        self, chosen: NDArray[np.intp], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        return generator.integers(0, len(self.bank.average), len(chosen))


def single_leads(count: int, generator: np.random.Generator) -> tuple[NDArray[np.int64], Array]:
    """Draw the lead that each row shows; return their numbers, and the presence of all leads."""
    leads = len(STANDARD_12_LEADS)
    lead = generator.integers(0, leads, count)
    lead[generator.random(count) < LEAD_I_SHARE] = 0
    presence = np.zeros((count, leads), dtype=np.float32)
    presence[np.arange(count), lead] = 1.0
    return lead, presence


def disturbed(
    average: Views,
    spread: Views,
    rhythm: Views,
    scales: Views,
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


class OnViews(nn.Module):
    """The network behind its first part: packed views -> logits."""

    def __init__(self, network: LeadSubsetNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, packed: Tensor) -> Tensor:
        """Logits (batch, targets) of packed views."""
        views, presence = unpack(packed)
        network = self.network
        return network.classifier(network.dropout(network.embed(views, presence)))


def multitask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy, summed over targets and averaged over rows.

    A target that is not known (NaN) has no part in it. The first half of the rows are records with
    many leads, the second half the same records with one lead. The target of the latter is mixed
    with the answer to the former, without gradient: what one lead cannot show is not worth learning
    by heart.
    """
    half = len(logits) // 2
    answer = logits[:half].detach().sigmoid()
    single = (1 - AGREEMENT) * targets[half:] + AGREEMENT * answer
    target_weight = torch.full((logits.shape[1],), AUXILIARY_WEIGHT, device=logits.device)
    target_weight[: len(TARGETS)] = 1.0
    wanted = torch.cat([targets[:half], single])
    known = wanted.isfinite()
    loss = functional.binary_cross_entropy_with_logits(
        logits, torch.where(known, wanted, 0.0), weight=target_weight * known, reduction="none"
    ).sum(dim=1)
    return (loss[:half].mean() + SINGLE_WEIGHT * loss[half:].mean()) / 2
