"""What an engine is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

__all__ = ["ENGINES", "Engine"]

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
