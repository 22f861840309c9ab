"""Joint-embedding prediction (JEPA): the features of hidden pieces, not their samples."""

from __future__ import annotations

import copy
import math
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.objectives.base import Objective, WindowShape, projection
from ecgfoundry.training.settings import SelfSupervisionSettings

__all__ = ["JointEmbedding"]

HIDDEN = 256
"""Width between the two layers of the predictor (our choice)."""


class JointEmbedding(Objective):
    """Smooth L1 distance to what a teacher sees in the hidden pieces.

    The teacher is the moving average of the network, ``teacher_decay`` per batch; it sees the whole
    window, the network what is left of it. The teacher's features are normalized at each position,
    without which both could agree on a constant (I-JEPA, arXiv 2301.08243).
    """

    name: ClassVar[str] = "jepa"
    description: ClassVar[str] = (
        "joint-embedding prediction: what a slower copy of the network sees in hidden pieces"
    )
    references: ClassVar[tuple[str, ...]] = ("https://arxiv.org/abs/2301.08243",)

    def __init__(
        self, network: nn.Module, spec: WindowShape, settings: SelfSupervisionSettings
    ) -> None:
        super().__init__(network, spec, settings)
        self.pieces(settings.masked_ms)
        self.count = self.positions()
        stretch = math.ceil(self.samples / self.count)
        if settings.masked_ms * self.rate / 1000.0 < stretch:
            raise TrainingError(
                f"a position of the network stands for {1000 * stretch / self.rate:g} ms, and a "
                f"hidden piece has {settings.masked_ms:g} ms",
                remedy=f"Use --masked-ms {math.ceil(1000 * stretch / self.rate)} or more, or an "
                "architecture that keeps more of the time, such as s4",
            )
        self.teacher = copy.deepcopy(network).requires_grad_(False)
        self.predict = projection(self.network.features, HIDDEN, self.network.features)

    def mask(self, generator: np.random.Generator) -> NDArray[np.bool_]:
        """Draw which samples are hidden."""
        return self.drawn_pieces(generator)

    def forward(self, signal: Tensor, mask: Tensor | None = None) -> Tensor:
        """See :meth:`Objective.forward`; in training the teacher follows first."""
        if mask is None:
            raise TrainingError("joint-embedding prediction needs to be told what is hidden")
        self._follow()
        with torch.no_grad():
            wanted = self.teacher.eval().forward_sequence(signal).float()
            wanted = functional.layer_norm(wanted, wanted.shape[-1:])
        predicted = self.predict(self.network.forward_sequence(signal * ~mask.unsqueeze(1)))
        distance = functional.smooth_l1_loss(predicted.float(), wanted, reduction="none").mean(-1)
        # A position counts as far as its stretch of the signal is hidden.
        share = functional.adaptive_avg_pool1d(mask.float().unsqueeze(1), self.count).squeeze(1)
        result: Tensor = (distance * share).sum(dim=1) / share.sum(dim=1)
        return result

    @torch.no_grad()
    def _follow(self) -> None:
        if not self.training:
            return
        decay = self.settings.teacher_decay
        pairs = zip(self.teacher.parameters(), self.network.parameters(), strict=True)
        for theirs, ours in pairs:
            theirs.lerp_(ours, 1.0 - decay)
        for theirs, ours in zip(self.teacher.buffers(), self.network.buffers(), strict=True):
            theirs.copy_(ours)
