"""A small fine-tuning as a program: for tests that start several of it."""

from __future__ import annotations

import sys
from pathlib import Path

from ecgfoundry.training.distributed import joined_world
from ecgfoundry.training.finetuning import FinetuneSettings, finetune


def main(table: Path, output: Path) -> None:
    """Learn the age from the recordings of a table with splits."""
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv1d(12, 8, 15, stride=5), torch.nn.ReLU(), torch.nn.Conv1d(8, 16, 9, stride=4)
    )
    settings = FinetuneSettings.of(
        epochs=2, batch=8, learning_rate=3e-3, augmentations=(), threads=1, seed=3,
        preprocessing="twelve-lead-100hz@1", test_figures=False,
    )  # fmt: skip
    with joined_world(device="cpu") as world:
        result = finetune(
            table, output, targets=["age"], model=network, settings=settings, world=world
        )
        assert result.bundle.is_dir()  # on every process


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
