"""What a GPU makes of every recipe's network, in ten minutes: training and answers a second.

    python -m benchmarks.gpu [--minutes 10] [--output gpu.json] [--only net1d,s4-causal]

For every network of :mod:`benchmarks.training_cost` on random windows: steps of training (forward,
backward, AdamW) in fp32 and under bf16 autocast, and forward passes under bf16, with the largest
batch of 32 to 1,024 windows (a power of two) that fits into the memory of the device. Times are of
the clock, after three steps that are not counted. The minutes are shared among what is still to be
measured; what no time was left for is said. FILE is written after every row, so that a run that is
cut keeps its rows. No data are read: a loader that cannot keep up is not seen here.
"""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.training_cost import EPOCH, KINDS, Kind, inputs_of, network_of
from ecgfoundry.io import write_json

BATCHES = (1024, 512, 256, 128, 64, 32)
WARM = 3
MODES = ("training fp32", "training bf16", "answers bf16")


@dataclass(frozen=True)
class Row:
    """One network in one mode.

    Attributes
    ----------
    windows_per_s : float
    memory_gib : float or None
        The most that the device held; None: it does not say.
    epoch_hours : float
        Ten million 12-lead windows, or twenty million of one lead, at this rate.
    """

    network: str
    leads: int
    samples: int
    mode: str
    batch: int
    steps: int
    seconds: float
    windows_per_s: float
    memory_gib: float | None
    epoch_hours: float

    def line(self) -> str:
        """Return a line of the table."""
        memory = "" if self.memory_gib is None else f"{self.memory_gib:.1f}"
        return (
            f"| {self.network}, {self.leads} x {self.samples} | {self.mode} | {self.batch} | "
            f"{self.windows_per_s:.4g} | {memory} | {self.epoch_hours:.3g} |"
        )


def measured(kind: Kind, mode: str, device: str, seconds: float, batches: tuple[int, ...]) -> Row:
    """Return the figures of the largest batch that fits; ``seconds`` is what may be spent.

    Raises
    ------
    torch.OutOfMemoryError
        Not even the smallest batch fits.
    """
    for batch in batches:
        try:
            return _measured(kind, mode, device, seconds, batch)
        except torch.OutOfMemoryError:
            if batch == batches[-1]:
                raise
        torch.cuda.empty_cache()
    raise AssertionError("there is a batch")


def _measured(kind: Kind, mode: str, device: str, seconds: float, batch: int) -> Row:
    cuda = device.startswith("cuda")
    trains, half = mode.startswith("training"), mode.endswith("bf16")
    network = network_of(kind).to(device).train(trains)
    optimizer = torch.optim.AdamW(network.parameters())
    inputs = inputs_of(kind, batch, device)
    wanted = torch.zeros(batch, kind.classes, device=device)
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)

    def step() -> None:
        context = torch.autocast(device.split(":")[0], dtype=torch.bfloat16)
        with context if half else nullcontext(), torch.set_grad_enabled(trains):
            logits = network(*inputs)
        if trains:
            loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), wanted)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        if cuda:
            torch.cuda.synchronize(device)

    for _ in range(WARM):
        step()
    start, steps = time.perf_counter(), 0
    while steps < WARM or time.perf_counter() - start < seconds:
        step()
        steps += 1
    spent = time.perf_counter() - start
    rate = steps * batch / spent
    return Row(
        network=kind.architecture,
        leads=kind.leads,
        samples=kind.samples,
        mode=mode,
        batch=batch,
        steps=steps,
        seconds=spent,
        windows_per_s=rate,
        memory_gib=torch.cuda.max_memory_allocated(device) / 2**30 if cuda else None,
        epoch_hours=EPOCH[kind.leads] / rate / 3600,
    )


def about(device: str) -> dict[str, str]:
    """Return what was measured on."""
    words = {"torch": torch.__version__, "device": device}
    if device.startswith("cuda"):
        found = torch.cuda.get_device_properties(device)
        words["device"] = f"{found.name}, {found.total_memory / 2**30:.0f} GiB"
        words["cuda"] = str(torch.version.cuda)
    return words


def _write(path: Path, host: dict[str, str], rows: list[Row], left: list[str]) -> None:
    document = {**host, "rows": [asdict(row) for row in rows], "not_measured": left}
    write_json(path, document)


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    parser.add_argument("--only", default="")
    parser.add_argument("--most", type=int, default=BATCHES[0], help="windows of a batch")
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("PyTorch finds no CUDA device here; --device cpu tries the script itself")
    only = set(filter(None, given.only.split(",")))
    jobs = [(k, m) for k in KINDS if not only or k.architecture in only for m in MODES]
    batches = tuple(b for b in BATCHES if b <= given.most) or (given.most,)
    ends = time.monotonic() + 60 * given.minutes
    host, rows, left = about(given.device), [], []
    print(", ".join(f"{name} {words}" for name, words in host.items()))
    print("| network, input | mode | batch | windows/s | GiB | hours an epoch |\n"
          "| --- | --- | --- | --- | --- | --- |")  # fmt: skip
    for number, (kind, mode) in enumerate(jobs):
        remaining = ends - time.monotonic()
        if remaining <= 0:
            left.append(f"{kind.architecture} {mode}")
            continue
        # Half of a share, because making a network and looking for its batch take time too.
        seconds = 0.5 * remaining / (len(jobs) - number)
        try:
            rows.append(measured(kind, mode, given.device, seconds, batches))
        except torch.OutOfMemoryError:
            left.append(f"{kind.architecture} {mode}: {batches[-1]} windows do not fit")
            continue
        print(rows[-1].line(), flush=True)
        _write(given.output, host, rows, left)
    if left:
        _write(given.output, host, rows, left)
        print(f"not measured: {'; '.join(left)}")


if __name__ == "__main__":
    main()
