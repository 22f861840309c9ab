"""What an epoch of each recipe's network costs: samples per second of one core, and operations.

    python -m benchmarks.training_cost [--steps 2] [--batch 8] [--only s4-causal,net1d-1lead]

A step is forward, backward and AdamW on random windows of the recipe's length, one thread, times of
the process's CPU (so that a busy machine disturbs little, though not nothing). Operations are
counted by PyTorch (``FlopCounterMode``: products and convolutions, forward and backward). Days of a
GPU are **calculated**, not run: operations over a share of the dense bf16 peak (H100 SXM, 989
Tflop/s, NVIDIA's data sheet); 30 % is our assumption, from what is usual of networks with large
products, and small ones reach less.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ecgfoundry.models.registry import create_model

PEAK = 989e12
SHARE = 0.3
EPOCH = {12: 10_000_000, 1: 20_000_000}
"""Leads -> windows: ten million 12-lead ECGs, twenty million segments of lead II."""


@dataclass(frozen=True)
class Kind:
    """A network as its recipe trains it."""

    recipe: str
    architecture: str
    leads: int
    samples: int
    classes: int = 150


KINDS = (
    Kind("ecgfounder_pretrain, _finetune", "net1d", 12, 5000),
    Kind("labs_mcmed, ecgfounder one lead", "net1d", 1, 5000),
    Kind("labs_mcmed, small", "net1d-tiny", 1, 5000),
    Kind("ecg_cpc", "s4-causal", 12, 1000),
    Kind("ecg_cpc, small", "s4-small-causal", 12, 1000),
    Kind("cinc2017_rhythm", "rhythm-net", 1, 6000, 4),
    Kind("ptbxl_superclass, diagnosis_12lead", "lead-subset-net", 12, 2500, 25),
    Kind("ECG-FM's size", "ecg-fm", 12, 2500, 17),
)


def network_of(kind: Kind) -> nn.Module:
    """Return fresh weights, the same every time."""
    torch.manual_seed(0)
    settings = (
        {} if kind.architecture in ("rhythm-net", "lead-subset-net") else {"leads": kind.leads}
    )
    return create_model(kind.architecture, classes=kind.classes, **settings)


def inputs_of(kind: Kind, batch: int, device: str = "cpu") -> list[torch.Tensor]:
    """Return random windows (batch, leads, samples), and which leads are there if that is asked."""
    inputs = [torch.randn(batch, kind.leads, kind.samples, device=device)]
    if kind.architecture == "lead-subset-net":
        inputs.append(torch.ones(batch, kind.leads, device=device))
    return inputs


def measured(kind: Kind, *, batch: int, steps: int) -> tuple[float, float]:
    """Return CPU seconds and operations of one window's share of a step."""
    network = network_of(kind).train()
    optimizer = torch.optim.AdamW(network.parameters())
    inputs = inputs_of(kind, batch)
    wanted = torch.zeros(batch, kind.classes)

    def step() -> None:
        loss = nn.functional.binary_cross_entropy_with_logits(network(*inputs), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    with FlopCounterMode(display=False) as counter:
        step()
    start = time.process_time()
    for _ in range(steps):
        step()
    spent = time.process_time() - start
    return spent / (steps * batch), counter.get_total_flops() / batch


def line(kind: Kind, seconds: float, operations: float) -> str:
    """Return a line of the table."""
    windows = EPOCH[kind.leads]
    core_days = windows * seconds / 86_400
    gpu_hours = windows * operations / (PEAK * SHARE) / 3600
    return (
        f"| {kind.recipe} | {kind.architecture}, {kind.leads} x {kind.samples} | "
        f"{1 / seconds:.3g} | {operations / 1e9:.3g} | {windows / 1e6:.0f} M | "
        f"{core_days:.3g} | {gpu_hours:.2g} |"
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    torch.set_num_threads(1)
    only = set(filter(None, given.only.split(",")))
    print(
        "| recipe | network, input | windows/s of a core | Gflop a window | windows of an epoch | "
        "core-days an epoch | GPU-hours an epoch, calculated |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind in KINDS:
        if not only or kind.architecture in only:
            seconds, operations = measured(kind, batch=given.batch, steps=given.steps)
            print(line(kind, seconds, operations), flush=True)


if __name__ == "__main__":
    main()
