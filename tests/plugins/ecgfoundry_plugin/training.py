"""A training recipe, an augmentation, and the entry of the network; none of it needs PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.models.registry import Architecture
from ecgfoundry.training.recipes.registry import Recipe

if TYPE_CHECKING:
    from ecgfoundry.training.finetuning import FinetuneResult

__all__ = ["NETWORK", "RECIPE", "Quieter", "plugin_finetune"]

NETWORK = Architecture(
    name="plugin-net",
    module="ecgfoundry_plugin.network",
    network="PluginNet",
    description="two convolutions for one lead",
    takes_presence=False,
    example_shape=(1, 6000),
    preprocessing="single-lead-rhythm@1",
    defaults={"leads": 1},
)

RECIPE = Recipe(
    "plugin_finetune", "ecgfoundry_plugin.training", "plugin_finetune",
    "a manifest with one target", "invented for tests",
)  # fmt: skip


def plugin_finetune(data: Path, output: Path) -> FinetuneResult:
    """Fine-tune the network of this package with its own augmentation."""
    from ecgfoundry.training.finetuning import FinetuneSettings, finetune

    settings = FinetuneSettings.of(
        epochs=1, batch=8, threads=1, augmentations=("plugin-quieter",), ema_decay=None
    )
    return finetune(data, output, model="plugin-net", settings=settings)


@dataclass(frozen=True, kw_only=True)
class Quieter:
    """Halve some windows."""

    name: str = "plugin-quieter"
    probability: float = 0.5
    source: str = "half as large, p 0.5: invented for tests"

    def __call__(
        self,
        batch: NDArray[np.float32],
        generator: np.random.Generator,
        *,
        sampling_rate: float,
    ) -> NDArray[np.float32]:
        """Return changed windows of the same shape."""
        chosen = generator.random(len(batch)) < self.probability
        return batch * np.where(chosen, 0.5, 1.0).astype(batch.dtype)[:, None, None]
