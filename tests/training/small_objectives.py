"""A small run without labels as a program: for tests that kill it or start several of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.preprocessing import get_preprocessing
from ecgfoundry.training.distributed import joined_world
from ecgfoundry.training.initialization import NewNetwork
from ecgfoundry.training.self_supervised import pretrain_encoder
from ecgfoundry.training.settings import PretrainSettings
from tests.training.small_pretraining import beats

SPEC = InputSpec("any-single", ("I",), get_preprocessing("twelve-lead-100hz@1"))
S4 = NewNetwork(
    "s4-small-causal", SPEC, {"leads": 1, "width": 8, "state": 4, "layers": 1, "dropout": 0.0}
)
NET1D = NewNetwork("net1d-tiny", SPEC, {"leads": 1, "widths": (16, 16), "blocks": (1, 1)})


def settings(objective: str, **more: object) -> PretrainSettings:
    """Settings of a run of seconds."""
    common = {
        "objective": objective, "epochs": 2, "batch": 16, "learning_rate": 3e-3, "patience": None,
        "validation_share": 0.25, "lead_replacement": 0.0, "ema_decay": 0.9, "threads": 1,
        "deterministic": True, "seed": 3, "piece_ms": 200.0, "steps_ahead": 4,
    }  # fmt: skip
    return PretrainSettings.of(**common | more)


def main(output: Path, objective: str, epochs: int, windows: int) -> None:
    """Run, or continue, and write the losses of each epoch."""
    chosen = settings(objective, epochs=epochs, checkpoint_every=1)
    network = NET1D if objective == "masked" else S4
    with joined_world(device="cpu") as world:
        result = pretrain_encoder(
            [beats(windows)], output, network=network, settings=chosen, world=world
        )
        if world.first:
            losses = [row["loss"] for row in result.fit.curves]
            (output / "losses.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
