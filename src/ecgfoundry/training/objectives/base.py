"""What every self-supervised objective is: a network that answers with losses while it learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.settings import SelfSupervisionSettings
from ecgfoundry.training.stages import classifier_of

__all__ = ["Objective", "WindowShape", "projection"]


class WindowShape(Protocol):
    """What an objective asks of an input, such as :class:`ecgfoundry.models.bundle.InputSpec`."""

    @property
    def rows(self) -> int:
        """Leads."""
        ...

    @property
    def samples(self) -> int:
        """Per lead and window."""
        ...

    @property
    def sampling_rate(self) -> float:
        """Hz."""
        ...


class Objective(nn.Module, ABC):
    """A network together with what it is trained through, which is thrown away afterwards.

    Called with windows it gives one loss for each of them, so that a loss of many processes is the
    mean of theirs. A loss depends on its own window alone: negatives and masks are of that window.

    Parameters
    ----------
    network : nn.Module
        With ``forward_sequence``: features over time before their mean, (batch, positions,
        features). Its classifier does not learn.
    spec : WindowShape
        What goes in.
    settings : SelfSupervisionSettings

    Raises
    ------
    TrainingError
        The network has no features over time.
    """

    name: ClassVar[str]
    """What it is called in settings."""
    description: ClassVar[str]
    """What is learned, for the card of the bundle."""
    references: ClassVar[tuple[str, ...]] = ()
    """Where it was described."""

    def __init__(
        self, network: nn.Module, spec: WindowShape, settings: SelfSupervisionSettings
    ) -> None:
        super().__init__()
        if not hasattr(network, "forward_sequence"):
            raise TrainingError(
                f"{type(network).__name__} gives no features over time, which the objective "
                f"{self.name} learns from",
                remedy="Use --architecture s4, s4-causal or net1d, or give the network a method "
                "forward_sequence",
            )
        self.network: Any = network
        self.settings = settings
        self.rows, self.samples, self.rate = spec.rows, spec.samples, spec.sampling_rate
        # A parameter that takes no part would keep other processes waiting for its gradient.
        classifier_of(network).requires_grad_(False)

    def mask(self, generator: np.random.Generator) -> NDArray[np.bool_] | None:
        """Draw which samples of a window are hidden, (samples,); None: the objective hides none."""
        del generator
        return None

    @abstractmethod
    def forward(self, signal: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the loss of each window (batch,).

        Parameters
        ----------
        signal : Tensor
            (batch, rows, samples), standardized, absent leads 0.
        mask : Tensor, optional
            Boolean (batch, samples), of an objective that hides samples.
        """

    def figures(self, signal: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return what is measured on held-out windows: name to a figure of each (batch,)."""
        return {"loss": self(signal, mask)}

    def pieces(self, milliseconds: float) -> tuple[int, int]:
        """Return samples of a piece of a window, and how many whole pieces it has.

        Raises
        ------
        TrainingError
            The window has fewer than four pieces of this length.
        """
        length = max(1, round(milliseconds * self.rate / 1000.0))
        count = self.samples // length
        if count < 4:
            raise TrainingError(
                f"a window of {self.samples / self.rate:g} s has {count} pieces of "
                f"{milliseconds:g} ms, too few to learn one from the others",
                remedy="Name shorter pieces",
            )
        return length, count

    def drawn_pieces(self, generator: np.random.Generator) -> NDArray[np.bool_]:
        """Draw the hidden pieces of a window, ``masked_share`` of all, as samples."""
        length, count = self.pieces(self.settings.masked_ms)
        hidden = min(max(round(self.settings.masked_share * count), 1), count - 1)
        mask = np.zeros(self.samples, dtype=bool)
        for piece in generator.permutation(count)[:hidden]:
            mask[piece * length : (piece + 1) * length] = True
        return mask

    def positions(self) -> int:
        """Return how many positions over time the network makes of a window."""
        training = self.network.training
        weight = next(self.network.parameters())
        with torch.no_grad():
            window = torch.zeros(1, self.rows, self.samples, device=weight.device)
            count = int(self.network.eval().forward_sequence(window).shape[1])
        self.network.train(training)
        return count


def projection(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return two linear layers with a GELU between them."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))
