"""A training command on every process of a Ray cluster, as one run.

``python -m ecgfoundry.cli.ray_train --workers 8 finetune labels.csv --target age --output run``
does what ``torchrun --nproc-per-node 8 -m ecgfoundry finetune ...`` does, over all nodes of a
cluster.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from ecgfoundry.errors import EcgFoundryError, EngineError

TRAINS = ("finetune", "pretrain", "labs train")
"""Commands whose processes share the batches; any other would be done several times."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0, or 1 with one line of what is wrong and what to do."""
    parser = argparse.ArgumentParser(
        prog="python -m ecgfoundry.cli.ray_train", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--workers", type=int, required=True, help="processes over all nodes")
    parser.add_argument("--gpus", action="store_true", help="each process gets a GPU")
    parser.add_argument(
        "--ray-address",
        help="HOST:PORT of the cluster, or auto; else RAY_ADDRESS, else one on this machine alone",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help=f"one of {', '.join(TRAINS)}")
    options = parser.parse_args(arguments)
    try:
        _start(options)
    except EcgFoundryError as error:
        print(f"ecgfoundry: {error}", file=sys.stderr)
        return 1
    return 0


def _start(options: argparse.Namespace) -> None:
    from ecgfoundry.cli.main import app
    from ecgfoundry.training.on_ray import train_on_ray

    path, _, _ = app.parse_commands(options.command)
    if " ".join(path) not in TRAINS:
        raise EngineError(
            f"'{' '.join(path)}' trains nothing in several processes",
            remedy=f"There are {', '.join(TRAINS)}",
        )
    train_on_ray(
        partial(_carry_out, options.command),
        workers=options.workers, gpus=options.gpus, address=options.ray_address,
    )  # fmt: skip


def _carry_out(command: Sequence[str]) -> None:
    """Run a command in this process; its errors are the caller's to tell."""
    from ecgfoundry.cli.main import app

    app(command, exit_on_error=False, print_error=False, result_action="return_value")


if __name__ == "__main__":
    # By its name: the workers import what they are given.
    from ecgfoundry.cli import ray_train

    sys.exit(ray_train.main())
