"""A small training under torchrun, or alone: ``python -m tests.training.small_sharding OUT HOW``.

``HOW`` is "whole" (one process), "shared" (weights shared between the processes), or "continued"
(the same, stopped in the second epoch and started again).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ecgfoundry.models.registry import create_model
from ecgfoundry.training.distributed import World, joined_world
from ecgfoundry.training.fit_settings import FitSettings
from ecgfoundry.training.loop import fit

SIZES = {
    "leads": 2,
    "width": 64,
    "layers": 2,
    "hidden": 32,
    "channels": 16,
    "reach": 8,
    "groups": 4,
}
EPOCHS, STEPS, BATCH = 3, 3, 8
LOSS = torch.nn.functional.binary_cross_entropy_with_logits


class StoppedError(Exception):
    """Stands for a run that is killed."""


def train(world: World, out: Path, *, shard: bool, stop: bool = False) -> None:
    """Train, and write what came out on the first process."""
    torch.manual_seed(0)
    network = create_model("ecg-fm", classes=3, **SIZES)
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(16, 2, 160)).astype(np.float32))
    y = (x.mean((1, 2)) > 0).float()[:, None].repeat(1, 3)

    def batches(epoch: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        for step in range(STEPS):
            if stop and (epoch, step) == (1, 1):
                raise StoppedError
            rows = generator.permutation(16)[:BATCH][world.rank :: world.size]
            yield x[rows], y[rows]

    def evaluate(selected: torch.nn.Module) -> dict[str, float]:
        return {"error": float(LOSS(selected(x), y))}

    result = fit(
        network, batches, LOSS,
        settings=FitSettings(
            epochs=EPOCHS, steps_per_epoch=STEPS, learning_rate=1e-3, gradient_clip=0.5,
            ema_decay=0.9, monitor="error", monitor_mode="min", shard=shard, checkpoint_every=1,
        ),
        evaluate=evaluate, checkpoint=out.with_suffix(".checkpoint"), world=world,
    )  # fmt: skip
    if world.first:
        losses = [row["loss"] for row in result.curves]
        torch.save({"losses": losses, "given": network.state_dict(), **vars(result)}, out)


def main() -> None:
    """Run as the arguments say."""
    out, how = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    with joined_world(device="cpu") as world:
        if how == "continued":
            try:
                train(world, out, shard=True, stop=True)
            except StoppedError:
                world.wait()
        train(world, out, shard=how != "whole")


if __name__ == "__main__":
    main()
