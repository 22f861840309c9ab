"""Count what a network computes: the multiply-adds of one window, layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["multiply_adds"]

COUNTED = (nn.Conv1d, nn.Conv2d, nn.Linear)


def multiply_adds(network: nn.Module, shape: tuple[int, int]) -> int:
    """Count the multiply-adds of convolutions and linear layers for one window.

    Everything else (norms that are folded into convolutions, activations, pooling) is linear in
    the samples and left out, as the published counts of networks do.

    Parameters
    ----------
    network : nn.Module
        Run once on ones, in evaluation mode; its mode afterwards is the one before.
    shape : tuple (leads, samples)
        Of the window, without padding; for networks that take no presence mask.

    Returns
    -------
    int
        Multiply-adds: outputs of each layer times the weights that each output reads.
    """
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = module.get_parameter("weight")
        total += output.numel() * (weight.numel() // weight.shape[0])

    handles = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, COUNTED)
    ]
    training = network.training
    try:
        network.eval()
        with torch.no_grad():
            network(torch.ones((1, *shape), device=next(network.parameters()).device))
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    return total
