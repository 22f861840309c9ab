"""Settings of the training, and its batches: records mixed with others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfoundry.leads import LIMB_LEADS
from ecgfoundry.training.data import lead_augmentation
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.recipes.ptbxl_superclass.data import Array
from ecgfoundry.training.recipes.ptbxl_superclass.members import BATCH, disturbed, single_leads
from ecgfoundry.training.recipes.ptbxl_superclass.views import ViewBank

SETTINGS = FitSettings(
    epochs=26,
    steps_per_epoch=1,
    learning_rate=4e-3,
    warmup=0.25,
    weight_decay=0.05,
    gradient_clip=5.0,
    ema_decay=0.99,
)
"""Our choice; no selection: the averaged weights of the last epoch are kept."""

MIXUP = 0.4
"""Both parameters of the beta distribution of the shares in which half of a batch's records are
mixed with others (Zhang et al., mixup, ICLR 2018). That it helps is not shown: the card has the
runs."""


@dataclass(frozen=True)
class Sampler:
    """Draws batches of views: each record with many leads, then each with one.

    Attributes
    ----------
    bank : ViewBank
    rows : ndarray of int
        The records to learn from.
    targets : ndarray
        float32 (all records, targets), NaN where it is not known.
    """

    bank: ViewBank
    rows: NDArray[np.intp]
    targets: Array

    def __call__(self, epoch: int, generator: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
        """Yield (packed views, targets) of one epoch."""
        order = generator.permutation(self.rows)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            mates, share = self._mates(len(chosen), generator)
            partner = chosen[mates]
            packed = torch.cat(
                [
                    self._many(chosen, partner, share, generator),
                    self._single(chosen, partner, share, generator),
                ]
            )
            mixed = share * self.targets[chosen] + (1 - share) * self.targets[partner]
            # An unknown target of a partner that has no share would make the product unknown.
            targets = torch.from_numpy(np.where(share < 1, mixed, self.targets[chosen]))
            yield packed, torch.cat([targets, targets])

    def _mates(self, count: int, generator: np.random.Generator) -> tuple[NDArray[np.intp], Array]:
        """Whom each record of a batch is mixed with, and its own share, (batch, 1)."""
        share = generator.beta(MIXUP, MIXUP, (count, 1))
        share = np.where(generator.random((count, 1)) < 0.5, np.maximum(share, 1.0 - share), 1.0)
        return generator.permutation(count), share.astype(np.float32)

    def _many(
        self,
        chosen: NDArray[np.intp],
        partner: NDArray[np.intp],
        share: Array,
        generator: np.random.Generator,
    ) -> Tensor:
        bank = self.bank
        own, theirs = (self._copies(rows, generator) for rows in (chosen, partner))
        presence = lead_augmentation.draw_lead_subsets(len(chosen), generator)

        def mixed(views: NDArray[np.float16]) -> Array:
            return _blend(views[own, chosen], views[theirs, partner], share)

        return disturbed(
            mixed(bank.average),
            mixed(bank.spread),
            mixed(bank.rhythm),
            mixed(bank.scales),
            presence,
            generator,
        )

    def _single(
        self,
        chosen: NDArray[np.intp],
        partner: NDArray[np.intp],
        share: Array,
        generator: np.random.Generator,
    ) -> Tensor:
        bank = self.bank
        own, theirs = (self._copies(rows, generator) for rows in (chosen, partner))
        lead, presence = single_leads(len(chosen), generator)

        def mixed(views: NDArray[np.float16]) -> Array:
            return _blend(views[own, chosen], views[theirs, partner], share)

        rhythm = bank.single_rhythm
        return disturbed(
            mixed(bank.single_average),
            mixed(bank.single_spread),
            _blend(rhythm[own, chosen, lead], rhythm[theirs, partner, lead], share),
            np.zeros((len(chosen), len(LIMB_LEADS)), dtype=np.float32),
            presence,
            generator,
        )

    def _copies(
        self, chosen: NDArray[np.intp], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        return generator.integers(0, len(self.bank.average), len(chosen))


def _blend(own: NDArray[np.float16], theirs: NDArray[np.float16], share: Array) -> Array:
    """Mix two records' views, (batch, ...), by the first one's share (batch, 1)."""
    by = share.reshape(-1, *[1] * (own.ndim - 1))
    result: Array = by * own.astype(np.float32) + (1 - by) * theirs.astype(np.float32)
    return result
