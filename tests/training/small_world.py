"""Processes that join, use a wrapped network once and part, as a program."""

from __future__ import annotations

import weakref

import torch
from torch.nn.parallel import DistributedDataParallel

from ecgfoundry.training.distributed import joined_world


def use() -> weakref.ref[torch.nn.Module]:
    """Wrap a network, as hooks and schedulers do in a cycle of references."""
    wrapped = DistributedDataParallel(torch.nn.Linear(3, 1))
    wrapped(torch.ones(2, 3)).sum().backward()
    wrapped.hook = [wrapped.modules]
    return weakref.ref(wrapped)


if __name__ == "__main__":
    with joined_world(device="cpu"):
        left = use()
    assert left() is None, "it keeps the group of the processes, which then end with an abort"
