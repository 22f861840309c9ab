"""Net1D: the network of ECGFounder, and smaller ones of the same kind.

A one-dimensional bottleneck residual network with grouped convolutions and squeeze-excite. Tensor
names, their order and every shape are those of the published checkpoints, so that their state
dicts load strictly (checked against a listing of the published 12-lead file).

Where a number is explained with "code", it was read in the authors' repository
(github.com/PKUDigitalHealth/ECGFounder, MIT); "derived" was computed by us.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgfoundry.documents import JsonObject
from ecgfoundry.models.networks.sequence import SequenceNetwork, check_windows

__all__ = [
    "RELEASED_BLOCKS",
    "RELEASED_WIDTHS",
    "Net1D",
    "halve_maximum",
    "same_padding",
    "widen_channels",
]

RELEASED_WIDTHS: tuple[int, ...] = (64, 160, 160, 400, 400, 1024, 1024)
"""Channels of the seven stages of the released network (code)."""

RELEASED_BLOCKS: tuple[int, ...] = (2, 2, 2, 3, 3, 4, 4)
"""Blocks of the seven stages of the released network (code)."""


class Net1D(SequenceNetwork):
    """ECG windows to logits: stem, stages of residual blocks, mean over time, one linear layer.

    The defaults are the released ECGFounder: 12 leads, 150 classes, 30,819,014 parameters
    (derived; 30,807,750 with one lead). The first block of every stage halves the time
    resolution, and so does the stem: 5000 samples become 2500, 1250, 625, 313, 157, 79, 40, 20.

    Parameters
    ----------
    classes : int
        Number of logits.
    leads : int
        Input channels.
    first_channels : int, optional
        Channels after the stem; None: those of the first stage, as released (code).
    widths : sequence of int
        Channels of each stage, multiples of ``group_width``.
    blocks : sequence of int
        Residual blocks in each stage.
    kernel_size : int
        Samples, of the stem and of every grouped convolution; 16 (code).
    group_width : int
        Channels in one group of a grouped convolution; 16 (code).
    use_batch_norm : bool
        False (code): the batch-norm tensors stand in the state dict, as in the published files,
        but take no part in the computation and get no gradient.

    Raises
    ------
    ValueError
        Widths and blocks do not go together.
    """

    def __init__(
        self,
        classes: int = 150,
        *,
        leads: int = 12,
        first_channels: int | None = None,
        widths: Sequence[int] = RELEASED_WIDTHS,
        blocks: Sequence[int] = RELEASED_BLOCKS,
        kernel_size: int = 16,
        group_width: int = 16,
        use_batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks) or not widths or min(blocks) < 1:
            raise ValueError(
                f"widths {tuple(widths)} and blocks {tuple(blocks)} must name one positive number "
                "per stage each"
            )
        if any(width % group_width for width in widths):
            raise ValueError(f"widths {tuple(widths)} must be multiples of {group_width}")
        first_channels = widths[0] if first_channels is None else first_channels
        if sorted([first_channels, *widths]) != [first_channels, *widths]:
            raise ValueError(f"channels {(first_channels, *widths)} must not shrink")
        self.config: JsonObject = {
            "classes": classes,
            "leads": leads,
            "first_channels": first_channels,
            "widths": list(widths),
            "blocks": list(blocks),
            "kernel_size": kernel_size,
            "group_width": group_width,
            "use_batch_norm": use_batch_norm,
        }
        self.leads = leads
        self.features = widths[-1]
        self.use_batch_norm = use_batch_norm
        self.first_conv = SameConvolution(leads, first_channels, kernel_size, stride=2)
        self.first_bn = nn.BatchNorm1d(first_channels)
        self.stage_list = nn.ModuleList()
        inputs = first_channels
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            self.stage_list.append(
                Stage(
                    inputs,
                    width,
                    count,
                    kernel_size=kernel_size,
                    group_width=group_width,
                    use_batch_norm=use_batch_norm,
                    first_stage=stage == 0,
                )
            )
            inputs = width
        self.dense = nn.Linear(self.features, classes)
        if not use_batch_norm:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm1d):
                    # Without a gradient they are left alone by weight decay and by distributed
                    # training, which otherwise waits for gradients that never come.
                    module.requires_grad_(False)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the embedding of each window, (batch, features): the mean over time."""
        return self._convolved(x).mean(dim=-1)

    def forward_sequence(self, x: Tensor) -> Tensor:
        """Return the features over time, (batch, positions, features).

        Position k of n stands for the k-th stretch of ``ceil(samples / n)`` samples, and has seen
        more on both sides.
        """
        return self._convolved(x).transpose(1, 2)

    def _convolved(self, x: Tensor) -> Tensor:
        check_windows(x, self.leads)
        x = self.first_conv(x)
        if self.use_batch_norm:
            x = self.first_bn(x)
        x = functional.silu(x)
        for stage in self.stage_list:
            x = stage(x)
        return x


class Stage(nn.Module):
    """Residual blocks of one width; the first halves the time resolution."""

    def __init__(
        self,
        inputs: int,
        width: int,
        count: int,
        *,
        kernel_size: int,
        group_width: int,
        use_batch_norm: bool,
        first_stage: bool,
    ) -> None:
        super().__init__()
        self.block_list = nn.ModuleList(
            Block(
                inputs if position == 0 else width,
                width,
                kernel_size=kernel_size,
                group_width=group_width,
                use_batch_norm=use_batch_norm,
                downsample=position == 0,
                first_block=first_stage and position == 0,
            )
            for position in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, n) to (batch, width, ceil(n / 2))."""
        for block in self.block_list:
            x = block(x)
        return x


class Block(nn.Module):
    """[Swish] 1x1 - Swish - grouped k=16 - Swish - 1x1 - squeeze-excite, beside a shortcut.

    The very first block of the network skips its first batch norm and Swish: the stem has just
    done both (code).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel_size: int,
        group_width: int,
        use_batch_norm: bool,
        downsample: bool,
        first_block: bool,
    ) -> None:
        super().__init__()
        self.outputs = outputs
        self.use_batch_norm = use_batch_norm
        self.downsample = downsample
        self.first_block = first_block
        self.bn1 = nn.BatchNorm1d(inputs)
        self.conv1 = SameConvolution(inputs, outputs, 1)
        self.bn2 = nn.BatchNorm1d(outputs)
        self.conv2 = SameConvolution(
            outputs,
            outputs,
            kernel_size,
            stride=2 if downsample else 1,
            groups=outputs // group_width,
        )
        self.bn3 = nn.BatchNorm1d(outputs)
        self.conv3 = SameConvolution(outputs, outputs, 1)
        self.se_fc1 = nn.Linear(outputs, outputs // 2)
        self.se_fc2 = nn.Linear(outputs // 2, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, n) to (batch, outputs, n), or ceil(n / 2) positions."""
        shortcut = halve_maximum(x) if self.downsample else x
        if not self.first_block:
            x = self._activate(x, self.bn1)
        x = self.conv1(x)
        x = self.conv2(self._activate(x, self.bn2))
        x = self.conv3(self._activate(x, self.bn3))
        excitation = functional.silu(self.se_fc1(x.mean(dim=-1)))
        excitation = torch.sigmoid(self.se_fc2(excitation))
        return x * excitation.unsqueeze(-1) + widen_channels(shortcut, self.outputs)

    def _activate(self, x: Tensor, norm: nn.Module) -> Tensor:
        return functional.silu(norm(x) if self.use_batch_norm else x)


class SameConvolution(nn.Module):
    """Convolution with zero padding such that n positions become ceil(n / stride)."""

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.conv = nn.Conv1d(inputs, outputs, kernel_size, stride=stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, n) to (batch, outputs, ceil(n / stride))."""
        left, right = same_padding(int(x.shape[-1]), self.kernel_size, self.stride)
        if left or right:
            x = functional.pad(x, (left, right))
        return self.conv(x)


def same_padding(samples: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Return the zeros to add on the left and on the right (code).

    In all ``max(0, (ceil(samples / stride) - 1) * stride + kernel_size - samples)``, of which the
    left gets half, rounded down.

    Examples
    --------
    >>> same_padding(5000, 16, 2), same_padding(625, 16, 2), same_padding(20, 16, 1)
    ((7, 7), (7, 8), (7, 8))
    """
    total = max(0, ((samples + stride - 1) // stride - 1) * stride + kernel_size - samples)
    return total // 2, total - total // 2


def halve_maximum(x: Tensor) -> Tensor:
    """Return the maximum of each two positions, (..., n) to (..., ceil(n / 2)).

    The authors' code adds one zero on the right and pools 2 by 2 without remainder. With an even
    length that zero is left over and is never looked at; with an odd length it is the partner of
    the last sample, which therefore becomes max(last, 0). Written so, without a padding,
    because ONNX Runtime (1.31.1 measured, from its basic optimisation level on) joins a zero
    padding and a max pool into one pool that pads with minus infinity: another function for
    negative values.
    """
    samples = int(x.shape[-1])
    even = samples - samples % 2
    if even == samples:
        return functional.max_pool1d(x, 2)
    last = functional.relu(x[..., even:])
    if even == 0:
        return last
    return torch.cat([functional.max_pool1d(x[..., :even], 2), last], dim=-1)


def widen_channels(x: Tensor, channels: int) -> Tensor:
    """Add channels of zeros on both sides, the smaller half before (code).

    (batch, inputs, n) to (batch, channels, n).
    """
    missing = channels - int(x.shape[1])
    if missing == 0:
        return x
    return functional.pad(x, (0, 0, missing // 2, missing - missing // 2))
