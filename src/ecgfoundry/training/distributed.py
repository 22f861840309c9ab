"""Several processes that train one network, started by ``torchrun`` or Ray Train.

Nothing here is needed by one process: :data:`ALONE` answers every question trivially, so the loop
has one form.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ecgfoundry.errors import TrainingError

__all__ = ["ALONE", "World", "best_device", "joined_world"]


@dataclass(frozen=True, slots=True)
class World:
    """One process among all.

    Attributes
    ----------
    rank, size : int
        Number of this process, and how many there are.
    device : str
        Where this process computes.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def share_of(self, batch: int, accumulate: int = 1) -> int:
        """Return this process's part of a step's windows.

        Parameters
        ----------
        batch : int
            Windows per step over all processes.
        accumulate : int
            Batches that make a step.

        Raises
        ------
        TrainingError
            The windows cannot be divided evenly.
        """
        parts = accumulate * self.size
        if batch % parts:
            raise TrainingError(
                f"a batch of {batch} cannot be divided by {accumulate} accumulated batches on "
                f"{self.size} process(es)"
            )
        return batch // parts

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network with gradients averaged over all processes."""
        if self.size == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel

        devices = [torch.device(self.device)] if self.device.startswith("cuda") else None
        wrapped: nn.Module = DistributedDataParallel(network, device_ids=devices)
        return wrapped

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a scalar over all processes."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        torch.distributed.all_reduce(total)
        return total / self.size

    def from_first(self, value: Any) -> Any:
        """Return what the first process has (anything that can be sent)."""
        if self.size == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, in their order, to all."""
        if self.size == 1:
            return [value]
        boxes: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(boxes, value)
        return boxes

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            torch.distributed.barrier()


ALONE = World()


def best_device(local: int = 0) -> str:
    """Return the GPU of this local rank if there is one, else the CPU."""
    return f"cuda:{local}" if torch.cuda.is_available() else "cpu"


@contextmanager
def joined_world(*, device: str = "auto") -> Iterator[World]:
    """Join the processes that were started together; one process alone is a world too.

    A group of processes that is there already (Ray Train makes it) is used, and left to its maker.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", ...}
        "auto": the CUDA device of this process's local rank if there is one, else the CPU.
        The backend is NCCL on CUDA and gloo on the CPU.

    Raises
    ------
    TrainingError
        The environment of ``torchrun`` is incomplete or a process cannot be reached.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    joined = torch.distributed.is_available() and torch.distributed.is_initialized()
    if device == "auto":
        # A GPU that the maker of a gloo group sees was not given to its processes.
        spared = joined and torch.distributed.get_backend() == "gloo"
        device = "cpu" if spared else best_device(local)
    elif device == "cuda":
        device = f"cuda:{local}"
    if joined:
        yield _joined(device)
        return
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World(device=device)
        return
    backend = "nccl" if device.startswith("cuda") else "gloo"
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    try:
        torch.distributed.init_process_group(backend)
    except (ValueError, RuntimeError) as error:
        raise TrainingError(
            f"the processes cannot join: {error}",
            remedy="Start with: torchrun --nproc-per-node N -m ecgfoundry COMMAND ...",
        ) from None
    try:
        yield _joined(device)
    finally:
        # A wrapped network in a cycle of references would keep the group, whose threads then end
        # the process with an abort when they are still there at its exit.
        gc.collect()
        torch.distributed.destroy_process_group()


def _joined(device: str) -> World:
    distributed = torch.distributed
    return World(rank=distributed.get_rank(), size=distributed.get_world_size(), device=device)
