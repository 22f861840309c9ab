"""Who runs the tasks of a build: this process, a pool of processes, or a cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from typing import Any

from ecgfoundry.corpus.tasks import TaskSpec
from ecgfoundry.errors import CorpusError

__all__ = ["Engine", "process_pool"]

Engine = Callable[[Callable[[TaskSpec], dict[str, Any]], Sequence[TaskSpec]], Iterator[Any]]
"""(function, tasks) -> the results, in any order. It may run a task twice, never leave one out."""


def process_pool(workers: int) -> Engine:
    """Return an engine of ``workers`` processes; one worker is this process itself."""
    if workers < 1:
        raise CorpusError(f"{workers} workers cannot build anything")

    def run(
        function: Callable[[TaskSpec], dict[str, Any]], specs: Sequence[TaskSpec]
    ) -> Iterator[Any]:
        if workers == 1 or len(specs) < 2:
            yield from map(function, specs)
            return
        yield from _pooled(function, specs, min(workers, len(specs)))

    return run


def _pooled(
    function: Callable[[TaskSpec], dict[str, Any]], specs: Sequence[TaskSpec], workers: int
) -> Iterator[Any]:
    # Spawned, because a fork copies the locks of the thread pools of polars and BLAS.
    context = multiprocessing.get_context("spawn")
    parent = os.getpid()
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting = iter(specs)
        running: set[Future[Any]] = set()
        try:
            while True:
                # Few tasks wait in the pool, so that a long manifest is not pickled at once.
                while len(running) < 2 * workers and (spec := next(waiting, None)) is not None:
                    running.add(pool.submit(function, replace(spec, parent=parent)))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
