"""Around an optimizer: the average of the weights, and parameters by decay and rate."""

from __future__ import annotations

import copy
from typing import TypedDict

import torch
from torch import nn

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.sharding import is_shared
from ecgfoundry.training.stages import training_stages

__all__ = ["ParameterGroup", "WeightAverage", "parameter_groups"]


class WeightAverage:
    r"""An exponential moving average of a network's weights and buffers.

    With :math:`d_t = \min(d, (1 + t) / (10 + t))` at update :math:`t = 0, 1, ...` the average
    follows :math:`a \leftarrow d_t a + (1 - d_t) w`. The rising decay is that of TensorFlow's
    ``ExponentialMovingAverage(num_updates=...)``: it keeps the random initial weights from
    lingering in the average of a short run. Integer buffers are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0.0 <= decay < 1.0:
            raise TrainingError(f"the decay of a weight average lies in [0, 1), not {decay}")
        self.decay = decay
        self.updates = 0
        if is_shared(network):  # which cannot be copied: each process averages its own part
            self.network = network
            state = network.state_dict()
            self.state = {name: tensor.detach().clone() for name, tensor in state.items()}
        else:
            self.network = copy.deepcopy(network).eval().requires_grad_(False)
            self.state = dict(self.network.state_dict())

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the present weights of ``network``."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        source = network.state_dict()
        for name, average in self.state.items():
            if average.is_floating_point():
                average.lerp_(source[name].to(average.dtype), 1.0 - decay)
            else:
                average.copy_(source[name])


class ParameterGroup(TypedDict):
    """Parameters that share weight decay and rate, as PyTorch's optimizers take them."""

    params: list[nn.Parameter]
    weight_decay: float
    factor: float


def parameter_groups(
    network: nn.Module, weight_decay: float, layer_decay: float = 1.0
) -> list[ParameterGroup]:
    """Part the parameters: weights, which decay, and biases and norms, which do not.

    Parameters
    ----------
    network : nn.Module
    weight_decay : float
    layer_decay : float
        Below 1, each stage has a rate of its own: that of the stage behind it times this, and the
        classifier the whole (``factor``). What belongs to no stage goes with the first.
    """
    trainable = [p for p in network.parameters() if p.requires_grad]
    if layer_decay == 1.0:
        return _with_and_without_decay(trainable, weight_decay, 1.0)
    stages = training_stages(network)
    depths = {
        id(p): len(stages) - 1 - k for k, (_, part) in enumerate(stages) for p in part.parameters()
    }
    groups: list[ParameterGroup] = []
    for depth in range(len(stages)):
        own = [p for p in trainable if depths.get(id(p), len(stages) - 1) == depth]
        groups += _with_and_without_decay(own, weight_decay, layer_decay**depth)
    return [group for group in groups if group["params"]]


def _with_and_without_decay(
    parameters: list[nn.Parameter], weight_decay: float, factor: float
) -> list[ParameterGroup]:
    return [
        {
            "params": [p for p in parameters if p.ndim > 1],
            "weight_decay": weight_decay,
            "factor": factor,
        },
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, "factor": factor},
    ]
