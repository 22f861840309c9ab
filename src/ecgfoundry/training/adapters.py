"""Low-rank adapters (LoRA): few numbers learn, and become part of the weights at the end.

Every matrix or kernel ``W`` of the encoder computes as ``W + alpha / rank * B A`` while it is
trained; ``A`` has ``rank`` rows, ``B`` as many columns and begins as zeros (Hu et al. 2021, arXiv
2106.09685). ``W`` itself and all biases and norms stay; the classifier learns as ever. After
:func:`merge_adapters` the network is an ordinary one again: same names, same shapes.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.stages import classifier_of

__all__ = ["LowRank", "add_adapters", "merge_adapters"]


class LowRank(nn.Module):
    """What is added to one weight.

    Parameters
    ----------
    weight : Tensor
        (outputs, ...); a kernel is taken as a matrix of as many columns as a row has numbers.
    rank : int
    alpha : float
        The addition is ``alpha / rank`` times the product.
    """

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        rows, columns = weight.shape[0], weight[0].numel()
        rank = min(rank, rows, columns)
        self.scale = alpha / rank
        self.down = nn.Parameter(torch.empty(rank, columns))
        self.up = nn.Parameter(torch.zeros(rows, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with its addition."""
        added: Tensor = weight + self.scale * (self.up @ self.down).view_as(weight)
        return added


def add_adapters(network: nn.Module, *, rank: int, alpha: float) -> int:
    """Freeze a network but for its classifier, and put adapters on its matrices and kernels.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    rank : int
    alpha : float

    Returns
    -------
    int
        How many numbers learn.

    Raises
    ------
    TrainingError
        There is nothing to adapt but the classifier.
    """
    head = classifier_of(network)
    network.requires_grad_(False)
    head.requires_grad_(True)
    adapted: list[Any] = [
        module
        for module in network.modules()
        if isinstance(module, nn.Linear | nn.Conv1d) and module is not head
    ]
    if not adapted:
        raise TrainingError(f"{type(network).__name__} has no linear layer or convolution to adapt")
    for module in adapted:
        adapter = LowRank(module.weight, rank, alpha).to(module.weight.device)
        parametrize.register_parametrization(module, "weight", adapter)
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def merge_adapters(network: nn.Module) -> None:
    """Make what the adapters add part of the weights, in place; all weights can learn again."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    network.requires_grad_(True)
