"""Who runs the tasks of a long job: this process, a pool of processes, or a Ray cluster.

``corpus build``, ``embed`` and ``infer`` cut their work into tasks, hand them to an engine, and put
the pieces together. An engine knows nothing about ECGs, and a task nothing about engines: it is a
pure function of what it is given, writes its files under a name of its own, renames them into place
and may be run anywhere, twice, or twice at the same time. So the files are the same for every
engine, and what is lost with a machine is made again.
"""

from __future__ import annotations

from ecgfoundry.engines.base import ENGINES, Engine, make_engine
from ecgfoundry.engines.cluster import ray_cluster
from ecgfoundry.engines.pool import is_orphaned, process_pool

__all__ = ["ENGINES", "Engine", "is_orphaned", "make_engine", "process_pool", "ray_cluster"]
