"""What can be known to fail before a run is begun: device, batch, leads."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ecgfoundry.errors import EcgFoundryError, TrainingError
from ecgfoundry.models.bundle import InputSpec

__all__ = ["check_batch", "check_device", "check_input"]


def check_device(device: str) -> None:
    """Refuse a device that PyTorch does not have here.

    Raises
    ------
    TrainingError
    """
    try:
        kind = torch.device(device).type
        if kind != "cpu":
            torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        words = str(error).splitlines()[0]
        raise TrainingError(
            f"there is no device '{device}' here: {words}", remedy="Use --device cpu"
        ) from None


def check_input(network: nn.Module, spec: InputSpec, takes_presence: bool) -> None:
    """Refuse an input that the network cannot compute with.

    Raises
    ------
    TrainingError
    """
    try:
        with torch.no_grad():
            copy.deepcopy(network).eval()(*_example(spec, 2, takes_presence))
    except (RuntimeError, EcgFoundryError) as error:
        words = getattr(error, "problem", str(error)).splitlines()[0]
        raise TrainingError(
            f"the network does not take {spec.rows} lead(s) of {spec.samples} samples ({words})",
            remedy="Choose the leads with --leads (a one-lead network: --leads I), or another "
            "--architecture or --preprocessing",
        ) from None


def check_batch(network: nn.Module, spec: InputSpec, batch: int, takes_presence: bool) -> None:
    """Refuse a batch of one window where the network normalizes over the batch.

    Raises
    ------
    TrainingError
    """
    if batch < 1:
        raise TrainingError(f"a batch has at least one window, not {batch}")
    if batch > 1:
        return
    try:
        with torch.no_grad():  # a copy: the statistics of the network must not move
            copy.deepcopy(network).train()(*_example(spec, 1, takes_presence))
    except ValueError:
        raise TrainingError(
            "this network normalizes over the windows of a batch, which one window does not allow",
            remedy="Use --batch 2 or more",
        ) from None


def _example(spec: InputSpec, batch: int, takes_presence: bool) -> list[torch.Tensor]:
    signal = torch.randn(batch, spec.rows, spec.samples, generator=torch.Generator().manual_seed(0))
    return [signal, torch.ones(batch, spec.rows)] if takes_presence else [signal]
