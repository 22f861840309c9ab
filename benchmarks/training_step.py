"""One full fine-tuning step, eager fp32 against our modes; and the linear probe.

    python -m benchmarks.training_step [--leads 12] [--batch 32] [--rounds 5] [--probe]

The released-width Net1D, AdamW, random windows of 5,000 samples, one thread. The modes alternate
within each round, so that the ratio survives a busy machine; times are of the process's CPU. A
ratio above 1 is faster than eager fp32. bf16 is fast only where the processor multiplies it (AMX,
AVX512-BF16) or on a GPU: the header says what this one has. On CUDA: ``--device cuda``.
"""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.limits import NETWORK_GMAC
from benchmarks.measure import Row, compare
from benchmarks.sizes import Sizes
from ecgfoundry.inference.runtimes.hardware import has_bfloat16
from ecgfoundry.models.registry import create_model
from ecgfoundry.tasks import make_task
from ecgfoundry.training.channels_last import fast_form
from ecgfoundry.training.probing import fit_linear_probe
from ecgfoundry.vocabularies import Target, Vocabulary

MODES = {
    "eager fp32": (False, False),
    "eager bf16 autocast": (False, True),
    "channels-last fp32": (True, False),
    "channels-last bf16 autocast": (True, True),
}


def step(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: torch.Tensor,
    y: torch.Tensor,
    bf16: bool,
) -> None:
    """One step of fine-tuning."""
    context = torch.autocast(x.device.type, dtype=torch.bfloat16) if bf16 else nullcontext()
    with context:
        logits = module(x)
    loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def processor() -> str:
    """What of bf16 the processor has."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "unknown processor"
    found = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return ", ".join(found) or "none of AVX2, AVX-512, AMX"


def training(leads: int, batch: int, rounds: int, device: str) -> None:
    """Print the table of training modes."""
    torch.manual_seed(0)
    x, y = torch.randn(batch, leads, 5000, device=device), torch.ones(batch, 150, device=device)
    times: dict[str, list[float]] = {name: [] for name in MODES}
    network = create_model(f"net1d-{leads}lead").to(device).train()
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-6)
    clock = time.process_time if device == "cpu" else time.perf_counter
    for number in range(rounds + 1):
        for name, (channels_last, bf16) in MODES.items():
            module = fast_form(network) if channels_last else network
            started = clock()
            step(module, optimizer, x, y, bf16)
            if device != "cpu":
                torch.cuda.synchronize()
            if number:  # the first round warms up
                times[name].append(clock() - started)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} thread(s), "
          f"{processor()}; {leads} lead(s), batch {batch}")  # fmt: skip
    print("| mode | records/s | ratio to eager fp32 (range) |\n| --- | --- | --- |")
    for name, own in times.items():
        ratios = np.array(times["eager fp32"]) / np.array(own)
        print(f"| {name} | {batch / np.median(own):.2f} | {np.median(ratios):.2f} "
              f"({ratios.min():.2f}-{ratios.max():.2f}) |")  # fmt: skip


def compared_steps(leads: int, sizes: Sizes) -> list[Row]:
    """Return rows for the table: our fastest exact mode, and bf16 where the processor has it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batch = sizes.network_batch
    x, y = torch.randn(batch, leads, 5000), torch.ones(batch, 150)
    name = sizes.architecture or f"net1d-{leads}lead"
    network = create_model(name, leads=leads, classes=150).train()
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-6)
    modes = ["channels-last fp32"]
    if has_bfloat16():
        modes.append("channels-last bf16 autocast")
    return [
        compare(
            f"fine-tuning step, {leads}-lead, batch {batch}, one thread",
            ours=lambda mode=mode: step(fast_form(network), optimizer, x, y, MODES[mode][1]),
            reference=lambda: step(network, optimizer, x, y, False),
            reference_name="PyTorch eager fp32",
            ours_name=mode,
            target="3.2",
            items=batch,
            # Forward, gradients of the inputs and of the weights: three products a layer.
            multiply_adds=3e9 * NETWORK_GMAC[leads] if sizes.architecture is None else None,
            runs=sizes.runs,
            minimum_s=0.0,
        )
        for mode in modes
    ]


def probe(records: int = 10_000, features: int = 1024, targets: int = 150) -> None:
    """Print the time of a linear probe, all four penalties, on cached embeddings."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((records + 2000, features)).astype(np.float32)
    truth = x @ generator.standard_normal((features, targets)).astype(np.float32) / 32
    y = (truth + generator.standard_normal(truth.shape) > 1).astype(np.float64)
    names = tuple(f"t{k}" for k in range(targets))
    task = make_task(
        kind="multilabel", columns=names,
        vocabulary=Vocabulary("t", tuple(Target(name, "diagnosis") for name in names)),
    )  # fmt: skip
    cpu, wall = time.process_time(), time.perf_counter()
    found = fit_linear_probe(x[:records], y[:records], task, validation=(x[records:], y[records:]))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    figures = task.figures(found(x[records:]), y[records:])
    print(
        f"probe of {records} x {features} embeddings on {targets} targets: {cpu:.1f} CPU-s, "
        f"{wall:.1f} s; penalty {found.penalty:g}, AUROC {figures['macro_auroc']:.3f}"
    )


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leads", type=int, default=12, choices=(1, 12))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--probe", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.probe:
        probe()
    else:
        training(arguments.leads, arguments.batch, arguments.rounds, arguments.device)


if __name__ == "__main__":
    main()
