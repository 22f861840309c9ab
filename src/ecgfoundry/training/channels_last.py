"""Net1D computed with the channels innermost: the same numbers, the layout that fast kernels want.

The module below holds no parameters of its own: it runs a :class:`Net1D` as 2-D convolutions of
height 1 in PyTorch's channels-last layout, and pads the input to 16 channels, without which a
one-lead network is slow (measured elsewhere: x 1.7). Gradients go to the network's own tensors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgfoundry.models.networks.net1d import Block, Net1D, SameConvolution, same_padding

__all__ = ["INPUT_CHANNELS", "ChannelsLastNet1D", "fast_form"]

INPUT_CHANNELS = 16
"""Channels of the padded input."""


class ChannelsLastNet1D(nn.Module):
    """A Net1D's forward pass in channels-last layout.

    Parameters
    ----------
    network : Net1D
        Whose parameters are used; without batch norm (as released).
    """

    def __init__(self, network: Net1D) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of (batch, leads, samples)."""
        logits: Tensor = self.network.dense(self.forward_features(x))
        return logits

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the embedding, (batch, features)."""
        network = self.network
        missing = max(INPUT_CHANNELS - x.shape[1], 0)
        stem = network.first_conv
        weight = functional.pad(stem.conv.weight, (0, 0, 0, missing))
        # (batch, channels, 1, n), channels innermost in memory.
        x = functional.pad(x, (0, 0, 0, missing)).unsqueeze(2)
        x = x.contiguous(memory_format=torch.channels_last)
        x = functional.silu(_convolution(x, stem, weight))
        for stage in network.stage_list:
            for block in stage.block_list:
                x = _block(x, block)
        return x.mean(dim=(2, 3))


def fast_form(network: nn.Module) -> nn.Module:
    """Return the channels-last form of a network that has one, else the network itself."""
    if isinstance(network, Net1D) and not network.use_batch_norm:
        return ChannelsLastNet1D(network)
    return network


def _convolution(x: Tensor, module: SameConvolution, weight: Tensor | None = None) -> Tensor:
    convolution = module.conv
    left, right = same_padding(int(x.shape[-1]), module.kernel_size, module.stride)
    if left or right:
        x = functional.pad(x, (left, right))
    kernel = (convolution.weight if weight is None else weight).unsqueeze(2)
    return functional.conv2d(
        x,
        kernel.contiguous(memory_format=torch.channels_last),
        convolution.bias,
        stride=(1, module.stride),
        groups=convolution.groups,
    )


def _block(x: Tensor, block: Block) -> Tensor:
    shortcut = _halve(x) if block.downsample else x
    if not block.first_block:
        x = functional.silu(x)
    x = _convolution(x, block.conv1)
    x = _convolution(functional.silu(x), block.conv2)
    x = _convolution(functional.silu(x), block.conv3)
    excitation = functional.silu(block.se_fc1(x.mean(dim=(2, 3))))
    excitation = torch.sigmoid(block.se_fc2(excitation))[:, :, None, None]
    missing = block.outputs - int(shortcut.shape[1])
    if missing:
        shortcut = functional.pad(shortcut, (0, 0, 0, 0, missing // 2, missing - missing // 2))
    return x * excitation + shortcut


def _halve(x: Tensor) -> Tensor:
    """As :func:`ecgfoundry.models.networks.net1d.halve_maximum`, along the last axis."""
    samples = int(x.shape[-1])
    even = samples - samples % 2
    pairs = functional.max_pool2d(x[..., :even], (1, 2))
    if even == samples:
        return pairs
    return torch.cat([pairs, functional.relu(x[..., even:])], dim=-1)
