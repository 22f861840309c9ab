"""What an engine is, and the choice of one by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from ecgfoundry.errors import EngineError

__all__ = ["ENGINES", "Engine", "make_engine"]

ENGINES = ("processes", "ray")
"""Names of the engines: a pool of processes on this machine, a Ray cluster."""

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """(function, tasks) -> the results, in any order.

    ``function`` is one of a module, so that another process can import it; tasks and results are
    small and survive pickling. What tasks need in common, such as a loaded model, ``function``
    keeps for itself between calls. An engine may run a task twice, also at the same time, and
    never leaves one out. An exception of a task ends the run and is raised as it is.
    """

    def __call__(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """Run the tasks."""
        ...


def make_engine(
    name: str = "processes", *, workers: int | None = None, address: str | None = None
) -> Engine:
    """Return an engine by name.

    Parameters
    ----------
    name : {"processes", "ray"}
    workers : int, optional
        Processes (1 by default: this process), or tasks at once on the cluster (by default one per
        processor that it has).
    address : str, optional
        Of a Ray cluster (see :func:`ecgfoundry.engines.cluster.ray_cluster`).

    Raises
    ------
    EngineError
        There is no such engine, or the arguments do not fit it.
    MissingExtraError
        Ray is not installed.
    """
    from ecgfoundry.engines.cluster import ray_cluster
    from ecgfoundry.engines.pool import process_pool

    if name == "ray":
        return ray_cluster(address, workers=workers)
    if name != "processes":
        raise EngineError(f"there is no engine '{name}'", remedy=f"There are {', '.join(ENGINES)}")
    if address is not None:
        raise EngineError(
            "a pool of processes has no address", remedy="Set --engine ray, or leave it out"
        )
    return process_pool(workers or 1)
