"""A network whose weights, gradients and optimizer are shared between processes (FSDP2).

Each process holds a part of every tensor; a stage is put together when it computes, and taken apart
again. What is written or handed on is whole: a checkpoint is the same file, whether it was shared
or not, and the network that the caller gave ends with the selected weights as ever.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.distributed import World
from ecgfoundry.training.stages import training_stages

__all__ = ["is_shared", "sharded_copy", "shared_like", "whole"]


def sharded_copy(network: nn.Module, world: World) -> nn.Module:
    """Return a copy whose stages, and what is left of it, are shared by ``fully_shard``.

    Parameters
    ----------
    network : nn.Module
        The same weights on all processes; it stays whole, on the CPU.
    world : World
        More than one process.

    Raises
    ------
    TrainingError
        There is one process; or the network counts statistics of batches, which would differ
        between the processes, has adapters, or no classifier (an objective without labels).
    """
    if world.size == 1:
        raise TrainingError(
            "shard needs several processes",
            remedy="Start with: torchrun --nproc-per-node N -m ecgfoundry COMMAND ..., or leave "
            "out --shard",
        )
    if any(isinstance(module, _BatchNorm) for module in network.modules()):
        raise TrainingError(
            f"{type(network).__name__} has batch norms, whose statistics are not shared",
            remedy="Leave out --shard, or take a network without batch norms, such as s4 or ecg-fm",
        )
    if any(hasattr(module, "parametrizations") for module in network.modules()):
        raise TrainingError(
            "adapters are small, and their network is not shared",
            remedy="Leave out --shard, or take --mode full",
        )
    try:
        training_stages(network)
    except TrainingError as error:
        raise TrainingError(
            f"{error.problem}: only training with labels is shared", remedy="Leave out --shard"
        ) from None
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(torch.device(world.device).type, (world.size,))
    copied = copy.deepcopy(network).to(world.device)
    for _, stage in training_stages(copied):
        fully_shard(stage, mesh=mesh)
    fully_shard(copied, mesh=mesh)
    return copied


def is_shared(network: nn.Module) -> bool:
    """Whether a process holds only its part of the network."""
    return any(_is_part(parameter) for parameter in network.parameters())


def _is_part(value: Any) -> bool:
    # Its module takes a second to import: where nobody has, nothing is shared.
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(value, module.DTensor)


def whole(value: Any) -> Any:
    """Put together every shared tensor within a value; all processes have to call it.

    Returns
    -------
    object
        The same containers; tensors that were shared are on the CPU, all others are as they were.
    """
    if _is_part(value):
        return value.full_tensor().detach().cpu()
    if isinstance(value, Mapping):
        return {key: whole(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(whole(part) for part in value)
    return value


def shared_like(value: Tensor, example: Any) -> Tensor:
    """Return this process's part of a whole tensor, cut as the example is."""
    if not _is_part(example):
        return value.to(example.device)
    from torch.distributed.tensor import distribute_tensor

    placed: Tensor = distribute_tensor(
        value.to(example.device), example.device_mesh, example.placements
    )
    return placed
