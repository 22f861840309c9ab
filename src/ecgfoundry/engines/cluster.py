"""A Ray cluster: tasks spread over its nodes, and given to others when a node is lost.

Every node needs the same version of this package, and the same files under the same paths (input,
output, model): a shared file system. Ray trusts everybody who reaches its ports, so a cluster
belongs into a closed network; the one that is started here, where no address is given, listens on
this machine alone.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ecgfoundry._version import __version__
from ecgfoundry.engines.base import Engine
from ecgfoundry.errors import EngineError, MissingExtraError

__all__ = ["RETRIES", "connected", "node_versions", "ray_cluster", "refuse_other_versions"]

T = TypeVar("T")
R = TypeVar("R")

RETRIES = 8
"""How often a task is given to another worker when its own dies (our choice). A task that kills
every worker, for want of memory, must come to an end some time."""

_STORE_BYTES = 100 * 2**20  # of the shared memory of a cluster of our own; results are a few kB
_START_S = 120  # what a local node may take to start, on a busy machine; Ray's default is 30
_SURROUNDINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_raylet_start_wait_time_s": str(_START_S),
    "RAY_agent_register_timeout_ms": str(1000 * _START_S),
}
_SAME = ("numpy", "polars")  # what the bytes of a result depend on, beside this package


def ray_cluster(address: str | None = None, *, workers: int | None = None) -> Engine:
    """Return an engine on a Ray cluster.

    Parameters
    ----------
    address : str, optional
        ``HOST:PORT`` of a running cluster, or "auto" for the one that this machine belongs to. None
        takes the environment's ``RAY_ADDRESS``, else starts a cluster on this machine alone and
        ends it afterwards.
    workers : int, optional
        Tasks at once; by default one per processor of the cluster, also of nodes that join later.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    EngineError
        ``workers`` is less than one; when it runs: no cluster answers, a node has another version
        of this package, or a task killed all workers that it was given to.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError.for_extra("--engine ray", "scale")
    if workers is not None and workers < 1:
        raise EngineError(f"{workers} workers cannot do anything", remedy="Give one or more")

    def run(function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        if not tasks:
            return
        with connected(address, workers):
            yield from _spread(function, tasks, workers)

    return run


@contextmanager
def connected(
    address: str | None, workers: int | None, *, show_output: bool = False
) -> Iterator[None]:
    """Connect to a cluster for a while; a connection that is there already is left alone.

    Parameters
    ----------
    address, workers
        As in :func:`ray_cluster`.
    show_output : bool
        Whether what the workers print is printed here.

    Raises
    ------
    EngineError
        No cluster answers, or none could be started.
    """
    for name, value in _SURROUNDINGS.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {
        "log_to_driver": show_output,
        "logging_level": logging.ERROR,
        "logging_config": ray.LoggingConfig(log_level="ERROR"),  # of Ray's own processes
    }
    if address == "local":
        options |= {
            "num_cpus": workers,
            "include_dashboard": False,
            "object_store_memory": _STORE_BYTES,
            "_node_ip_address": "127.0.0.1",  # its default is open to the network
        }
    elif (host := address.rpartition(":")[0]).startswith("127."):
        options["_node_ip_address"] = host  # else the outer address, where such a cluster is not
    try:
        ray.init(address=address, **options)
    except Exception as error:  # of Ray, which raises the bare class too
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        if address == "local":
            raise EngineError(
                f"no Ray cluster could be started on this machine ({first})",
                remedy="On a busy machine try again, or start one with 'ray start --head'",
            ) from None
        raise EngineError(
            f"no Ray cluster answers at '{address}' ({first})",
            remedy="Start one with 'ray start --head', or leave --ray-address out",
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _spread(function: Callable[[T], R], tasks: Sequence[T], workers: int | None) -> Iterator[R]:
    import ray
    from ray.exceptions import RayError, RayTaskError

    remote = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(_carry_out)
    versions = node_versions()
    waiting = iter(tasks)
    running: list[Any] = []
    try:
        while True:
            # Few tasks wait in the cluster, so that a long manifest is not in its memory at once.
            limit = workers or 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
            while len(running) < limit:
                try:
                    task = next(waiting)
                except StopIteration:
                    break
                running.append(remote.remote(function, versions, task))
            if not running:
                return
            done, running = ray.wait(running, num_returns=1)
            yield from ray.get(done)
    except RayTaskError as error:  # a subclass of RayError: what the task itself raised
        cause = error.cause
        raise (cause if isinstance(cause, Exception) else EngineError(str(error))) from None
    except RayError as error:
        raise EngineError(
            f"the cluster lost a task {RETRIES + 1} times ({type(error).__name__})",
            remedy="Run the same command again: it goes on from here; with fewer tasks per node, "
            "if its memory was too small",
        ) from None
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def node_versions() -> dict[str, str]:
    """Return the versions that all nodes must have, of this machine."""
    found = {"ecgfoundry": __version__}
    for name in _SAME:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def refuse_other_versions(versions: dict[str, str]) -> None:
    """Stop on a node that has other versions than the machine that gave the task.

    Raises
    ------
    EngineError
    """
    own = node_versions()
    if own != versions:
        different = ", ".join(
            f"{name} {own[name]} instead of {versions[name]}"
            for name in own
            if own[name] != versions[name]
        )
        raise EngineError(
            f"the node {os.uname().nodename} has {different}",
            remedy="Install the same versions on all nodes",
        )


def _carry_out(function: Callable[[T], R], versions: dict[str, str], task: T) -> R:
    refuse_other_versions(versions)
    return function(task)
