"""Gradient checkpointing: activations within a stage are computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from ecgfoundry.training.stages import training_stages

__all__ = ["recomputed"]


@contextmanager
def recomputed(network: Any, wanted: bool) -> Iterator[None]:
    """Within the block, the stages of a network keep their inputs only.

    The numbers are the same (dropout repeats its draw); memory falls, and the forward pass is
    computed twice.

    Parameters
    ----------
    network : nn.Module
        Or what is trained around one, which it calls ``network``.
    wanted : bool
    """
    changed: list[nn.Module] = []
    if wanted:
        for _, stage in training_stages(getattr(network, "network", network))[:-1]:
            stage.forward = _again(stage.forward)
            changed.append(stage)
    try:
        yield
    finally:
        for stage in changed:
            del stage.forward


def _again(forward: Any) -> Any:
    def run(*inputs: Any) -> Any:
        return checkpoint(forward, *inputs, use_reentrant=False)

    return run
