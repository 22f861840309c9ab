"""Contrastive predictive coding: from what has been, tell which piece of the window comes next."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.objectives.base import Objective, WindowShape, projection
from ecgfoundry.training.settings import SelfSupervisionSettings

__all__ = ["ContrastiveCoding"]

LATENT = 128
"""Size of a piece's latent (our choice; 512 in the published networks, which are wider)."""


class ContrastiveCoding(Objective):
    """InfoNCE over the latents of future pieces.

    A window is cut into pieces; a small network makes each a latent. From the features of the
    causal network at the end of piece ``j``, a linear map per step predicts the latent of piece
    ``j + k``, for ``k`` from 1 to ``steps_ahead``. The loss is the cross-entropy of finding it
    among all pieces of the same window by the scaled inner product.

    Negatives are of the same window, as in the published training on ECGs (Mehari and Strodthoff
    2022): what tells pieces apart is then the course of the signal, not the person or the noise.
    All pieces are candidates, where the published code draws 128.
    """

    name: ClassVar[str] = "cpc"
    description: ClassVar[str] = (
        "contrastive predictive coding: which piece of the window comes next, among all its pieces"
    )
    references: ClassVar[tuple[str, ...]] = (
        "https://arxiv.org/abs/1807.03748",
        "https://doi.org/10.1016/j.compbiomed.2021.105114",
    )

    def __init__(
        self, network: nn.Module, spec: WindowShape, settings: SelfSupervisionSettings
    ) -> None:
        super().__init__(network, spec, settings)
        if not getattr(network, "causal", False):
            raise TrainingError(
                f"{type(network).__name__} sees the future that the objective cpc is to predict",
                remedy="Use --architecture s4-causal or s4-small-causal",
            )
        self.length, self.count = self.pieces(settings.piece_ms)
        if settings.steps_ahead > self.count - 2:
            raise TrainingError(
                f"{settings.steps_ahead} steps ahead of {self.count} pieces",
                remedy="Name fewer --steps-ahead, or a shorter --piece-ms",
            )
        stride = math.ceil(self.samples / self.positions())
        # The position whose features have seen piece j and nothing after it.
        ends = (torch.arange(1, self.count + 1) * self.length) // stride - 1
        self.register_buffer("ends", ends.clamp(min=0), persistent=False)
        self.latents = projection(self.rows * self.length, LATENT, LATENT)
        self.predict = nn.ModuleList(
            nn.Linear(self.network.features, LATENT) for _ in range(settings.steps_ahead)
        )

    def forward(self, signal: Tensor, mask: Tensor | None = None) -> Tensor:
        """See :meth:`Objective.forward`; nothing is hidden."""
        loss, _ = self._compared(signal)
        return loss

    def figures(self, signal: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return the loss, and the share of pieces that were found."""
        loss, found = self._compared(signal)
        return {"loss": loss, "accuracy": found}

    def _compared(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        whole = signal[..., : self.count * self.length]
        cut = whole.unflatten(-1, (self.count, self.length)).transpose(1, 2).flatten(2)
        latents = self.latents(cut)  # batch, pieces, latent
        context = self.network.forward_sequence(signal)[:, self.ends]
        losses, found = [], []
        for step, predict in enumerate(self.predict, start=1):
            predicted = predict(context[:, :-step])
            # batch, candidates, predictions: cross_entropy wants the classes second.
            likeness = torch.matmul(latents, predicted.transpose(1, 2)) / math.sqrt(LATENT)
            right = torch.arange(step, self.count, device=signal.device).expand(len(signal), -1)
            losses.append(
                functional.cross_entropy(likeness.float(), right, reduction="none").mean(dim=1)
            )
            found.append((likeness.argmax(dim=1) == right).float().mean(dim=1))
        return torch.stack(losses).mean(dim=0), torch.stack(found).mean(dim=0)
