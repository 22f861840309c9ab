"""Training on a cluster that has Ray: the same work in several processes, joined by Ray Train.

Ray Train places the processes on the nodes and makes their process group;
:func:`ecgfoundry.training.distributed.joined_world` finds it there. So what runs is what runs under
``torchrun``. Every node sees the same files under the same paths, as for
:mod:`ecgfoundry.engines.cluster`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecgfoundry.engines.cluster import connected, node_versions, refuse_other_versions
from ecgfoundry.errors import EngineError, MissingExtraError
from ecgfoundry.extras import is_installed, require_torch

__all__ = ["train_on_ray"]

_SURROUNDINGS = {
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",  # PyTorch is imported from a shared disk
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # else every line is shown twice
}


def train_on_ray(
    work: Callable[[], object],
    *,
    workers: int,
    gpus: bool = False,
    address: str | None = None,
    show_output: bool = True,
) -> None:
    """Do the same work in several processes of a Ray cluster that train one network together.

    Parameters
    ----------
    work : callable
        Called without arguments in every process, in the current folder; it can be imported on
        every node, and trains in the world that
        :func:`ecgfoundry.training.distributed.joined_world` gives.
    workers : int
        Processes, each with a processor (and a GPU) of its own.
    gpus : bool
        Whether each process gets a GPU; the group is then NCCL's, else gloo's.
    address : str, optional
        As in :func:`ecgfoundry.engines.ray_cluster`.
    show_output : bool
        Whether what the processes print is printed here.

    Raises
    ------
    MissingExtraError
        Ray Train or PyTorch is not installed.
    EngineError
        ``workers`` is less than one, no cluster answers, it has too few processors or GPUs, a node
        has another version of this package, or a process was lost.
    EcgFoundryError
        What the work itself raises.
    """
    if workers < 1:
        raise EngineError(f"{workers} workers cannot do anything", remedy="Give one or more")
    require_torch("training")
    # What Ray Train imports of its own extra.
    if not all(is_installed(module) for module in ("ray", "pyarrow", "pandas")):
        raise MissingExtraError.for_extra("training on Ray", "scale")
    for name, value in _SURROUNDINGS.items():
        os.environ.setdefault(name, value)
    with (
        connected(address, workers, show_output=show_output),
        # Every node must reach what Ray Train writes of its own; nothing of it is needed later.
        tempfile.TemporaryDirectory(prefix=".ray-train-", dir=Path.cwd()) as notes,
    ):
        _refuse_want(workers, gpus)
        _fit(work, workers, gpus, notes)


def _refuse_want(workers: int, gpus: bool) -> None:
    """Stop where the cluster can never have the processes; Ray would wait for it."""
    import ray

    has = ray.cluster_resources()
    for kind, wanted in (("CPU", workers), ("GPU", workers if gpus else 0)):
        if has.get(kind, 0) < wanted:
            raise EngineError(
                f"{workers} workers need {wanted} {kind}s, and the cluster has "
                f"{int(has.get(kind, 0))}",
                remedy="Give fewer workers, or add nodes with 'ray start --address HEAD:6379'",
            )


def _fit(work: Callable[[], object], workers: int, gpus: bool, notes: str) -> None:
    from ray.train import RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchTrainer

    trainer = TorchTrainer(
        _carry_out,
        train_loop_config={"work": work, "folder": Path.cwd(), "versions": node_versions()},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpus),
        run_config=RunConfig(storage_path=notes),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        raise _cause(error) from None


def _carry_out(task: dict[str, Any]) -> None:
    refuse_other_versions(task["versions"])
    os.chdir(task["folder"])
    task["work"]()


def _cause(error: Exception) -> Exception:
    """Return what the first of the processes that failed raised, where it is not Ray's own."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    for _, failure in sorted(failures.items()):
        if not type(failure).__module__.startswith("ray."):
            return failure
    text = str(error).strip().splitlines()
    return EngineError(
        f"the cluster lost the training ({text[-1] if text else type(error).__name__})",
        remedy="Run the same command again: it goes on from its last checkpoint",
    )
