"""Who runs the tasks of a long job: this process, a pool of processes, or a Ray cluster.

``corpus build``, ``embed`` and ``infer`` cut their work into tasks, hand them to an engine, and put
the pieces together. An engine knows nothing about ECGs, and a task nothing about engines: it is a
pure function of what it is given, writes its files under a name of its own, renames them into place
and may be run anywhere, twice, or twice at the same time. So the files are the same for every
engine, and what is lost with a machine is made again.
"""

from __future__ import annotations

from ecgfoundry.engines.base import ENGINES, Engine
from ecgfoundry.engines.cluster import ray_cluster
from ecgfoundry.engines.pool import is_orphaned, process_pool
from ecgfoundry.errors import EngineError

__all__ = ["ENGINES", "Engine", "is_orphaned", "make_engine", "process_pool", "ray_cluster"]


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
    if name == "ray":
        return ray_cluster(address, workers=workers)
    if name != "processes":
        raise EngineError(f"there is no engine '{name}'", remedy=f"There are {', '.join(ENGINES)}")
    if address is not None:
        raise EngineError(
            "a pool of processes has no address", remedy="Set --engine ray, or leave it out"
        )
    return process_pool(workers or 1)
