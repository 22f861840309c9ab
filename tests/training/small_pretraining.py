"""A small pretraining run as a program: for tests that start several of it, or let it die.

``DIES`` in its environment says when: "before 3", "after 4" of its checkpoints has its name.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.preprocessing import get_preprocessing
from ecgfoundry.tasks import make_task
from ecgfoundry.training.data.sources import ArraySource
from ecgfoundry.training.distributed import joined_world
from ecgfoundry.training.initialization import NewNetwork
from ecgfoundry.training.pretraining import PretrainSettings, pretrain
from ecgfoundry.vocabularies import Target, Vocabulary

SPEC = InputSpec("any-single", ("I",), get_preprocessing("ptbxl-bandpass@1"))
TASK = make_task(
    kind="positive-unlabelled",
    columns=("fast", "large"),
    vocabulary=Vocabulary("two", (Target("fast", "rhythm"), Target("large", "diagnosis"))),
)
NETWORK = {"leads": 1, "widths": (16, 16), "blocks": (1, 1)}


def beats(count: int, *, leads: int = 2, seed: int = 0) -> ArraySource:
    """Windows of 10 s at 100 Hz whose rate and T wave follow the two targets."""
    generator = np.random.default_rng(seed)
    time = np.arange(1000) / 100.0
    values = generator.integers(0, 2, (count, 2)).astype(np.float64)
    signal = np.zeros((count, leads, 1000), np.float32)
    for k, (fast, large) in enumerate(values):
        period = 0.5 if fast else 0.9
        phase = (time + generator.uniform(0, 1)) % period
        wave = np.exp(-(((phase - 0.2) / 0.02) ** 2)) + (0.6 if large else 0.1) * np.exp(
            -(((phase - 0.42) / 0.04) ** 2)
        )
        gain = generator.uniform(0.7, 1.3, (leads, 1))
        signal[k] = gain * wave + generator.normal(0, 0.05, (leads, 1000))
    return ArraySource(
        signal, 100.0, ("I", "II")[:leads], values, [f"p{k // 2}" for k in range(count)]
    )


def die(moment: str, number: int) -> None:
    """Let this process be killed as a checkpoint gets its name."""
    rename, count = Path.replace, 0

    def replace(path: Path, target: Path) -> Path:
        nonlocal count
        is_checkpoint = Path(target).name == "last.checkpoint"
        count += is_checkpoint
        dies = is_checkpoint and count == number
        if dies and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        renamed = rename(path, target)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return renamed

    Path.replace = replace  # type: ignore[method-assign,assignment]


def main(output: Path, batch: int, epochs: int, windows: int) -> None:
    """Run, or continue, and write the losses of each epoch."""
    settings = PretrainSettings.of(
        epochs=epochs, batch=batch, learning_rate=3e-3, patience=None, validation_share=0.15,
        lead_replacement=0.0 if batch == 16 else 0.5, checkpoint_every=1, ema_decay=0.9,
        deterministic=True, threads=1, seed=3,
    )  # fmt: skip
    with joined_world(device="cpu") as world:
        result = pretrain(
            [beats(windows)], output, network=NewNetwork("net1d-tiny", SPEC, NETWORK), task=TASK,
            settings=settings, world=world,
        )  # fmt: skip
        if world.first:
            losses = [row["loss"] for row in result.fit.curves]
            (output / "losses.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    if dies := os.environ.get("DIES"):
        die(dies.split()[0], int(dies.split()[1]))
    main(Path(sys.argv[1]), *(int(text) for text in sys.argv[2:5]))
