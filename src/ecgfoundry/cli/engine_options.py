"""The options that say who does the tasks of a long job; the same for every such command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from ecgfoundry.engines import Engine

__all__ = ["EngineOptions"]


@Parameter(name="*")
@dataclass(frozen=True)
class EngineOptions:
    """Who does the work; what is written is the same.

    Parameters
    ----------
    workers
        Processes, each with one thread in the network; what the command chooses without it. Of Ray:
        tasks at once, by default one per processor.
    engine
        Processes of this machine, or a Ray cluster.
    ray_address
        HOST:PORT of the cluster, or auto; else RAY_ADDRESS, else one on this machine alone.
    """

    workers: int | None = None
    engine: Literal["processes", "ray"] = "processes"
    ray_address: str | None = None

    @property
    def is_cluster(self) -> bool:
        """Whether processes of this machine are not enough."""
        return self.engine == "ray" or self.ray_address is not None

    def make(self) -> Engine:
        """Return the engine."""
        from ecgfoundry.engines import make_engine

        return make_engine(self.engine, workers=self.workers, address=self.ray_address)
