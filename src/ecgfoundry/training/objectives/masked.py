"""Masked reconstruction: hidden pieces of a window are drawn from what is left of it."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.objectives.base import Objective, WindowShape, projection
from ecgfoundry.training.settings import SelfSupervisionSettings

__all__ = ["MaskedReconstruction"]

HIDDEN = 256
"""Width between the two layers that draw the signal (our choice)."""


class MaskedReconstruction(Objective):
    """Mean squared error of the hidden samples.

    All leads are hidden at the same times, or the others would give the answer away. A hidden
    sample is 0, the mean of a standardized window. Each position of the network draws the stretch
    of signal that it stands for.
    """

    name: ClassVar[str] = "masked"
    description: ClassVar[str] = "masked reconstruction: hidden pieces are drawn from the rest"
    references: ClassVar[tuple[str, ...]] = ("https://arxiv.org/abs/2111.06377",)

    def __init__(
        self, network: nn.Module, spec: WindowShape, settings: SelfSupervisionSettings
    ) -> None:
        super().__init__(network, spec, settings)
        self.pieces(settings.masked_ms)  # refused here, not in the first batch
        self.stretch = math.ceil(self.samples / self.positions())
        self.draw = projection(self.network.features, HIDDEN, self.rows * self.stretch)

    def mask(self, generator: np.random.Generator) -> NDArray[np.bool_]:
        """Draw which samples are hidden."""
        return self.drawn_pieces(generator)

    def forward(self, signal: Tensor, mask: Tensor | None = None) -> Tensor:
        """See :meth:`Objective.forward`."""
        error, hidden = self._errors(signal, mask)
        return error / hidden

    def figures(self, signal: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return the loss, and the share of the hidden samples' power that was drawn."""
        error, hidden = self._errors(signal, mask)
        # Of a prediction of 0 everywhere, that is: what is hidden.
        blind = signal.square() if mask is None else signal.square() * mask.unsqueeze(1)
        power = blind.sum(dim=(1, 2)).clamp(min=1e-6)
        return {"loss": error / hidden, "explained": 1.0 - error / power}

    def _errors(self, signal: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        if mask is None:
            raise TrainingError("masked reconstruction needs to be told what is hidden")
        features = self.network.forward_sequence(signal * ~mask.unsqueeze(1))
        drawn = self.draw(features).unflatten(-1, (self.rows, self.stretch))
        # batch, positions, rows, stretch to batch, rows, samples.
        drawn = drawn.transpose(1, 2).flatten(2)[..., : self.samples].float()
        error = ((drawn - signal).square() * mask.unsqueeze(1)).sum(dim=(1, 2))
        return error, mask.sum(dim=1) * self.rows
