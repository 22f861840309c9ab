"""A pool of processes on one machine; with one worker, this process itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from ecgfoundry.engines.base import Engine
from ecgfoundry.errors import EngineError

__all__ = ["is_orphaned", "process_pool", "start_worker"]

T = TypeVar("T")
R = TypeVar("R")

_parent: int | None = None  # of a worker process: who started it


def start_worker(parent: int) -> None:
    """Prepare a worker process of ``parent``: one thread in whatever it computes with.

    Threads that compete for cores cost several times what they bring.
    """
    global _parent
    _parent = parent
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"


def is_orphaned() -> bool:
    """Whether this is a worker whose parent is gone: its task should stop before it commits."""
    return _parent is not None and os.getppid() != _parent


def process_pool(workers: int) -> Engine:
    """Return an engine of ``workers`` processes; one worker is this process itself.

    Raises
    ------
    EngineError
        ``workers`` is less than one; when it runs: a worker died.
    """
    if workers < 1:
        raise EngineError(f"{workers} workers cannot do anything", remedy="Give one or more")

    def run(function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        if workers == 1 or len(tasks) < 2:
            yield from map(function, tasks)
            return
        yield from _pooled(function, tasks, min(workers, len(tasks)))

    return run


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back for a moment; processes that begin meanwhile never get it.

    The mask is this thread's alone, and what begins inherits it. Another thread may still take the
    signal, of which Python then tells the main thread: it notes it, and is told afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    held: list[int] = []
    usual = signal.getsignal(signal.SIGINT)
    is_told = threading.current_thread() is threading.main_thread() and usual is not None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if is_told:
        signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        if is_told:
            signal.signal(signal.SIGINT, usual)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if held:
            signal.raise_signal(signal.SIGINT)


def _pooled(function: Callable[[T], R], tasks: Sequence[T], workers: int) -> Iterator[R]:
    # Spawned, because a fork copies the locks of the thread pools of polars, BLAS and the runtimes.
    with ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_worker,
        initargs=(os.getpid(),),
    ) as pool:
        waiting = iter(tasks)
        running: set[Future[R]] = set()
        try:
            while True:
                # Few tasks wait in the pool, so that a long manifest is not pickled at once.
                while len(running) < 2 * workers:
                    try:
                        task = next(waiting)
                    except StopIteration:
                        break
                    with _without_interrupts():  # a worker that starts must not be stopped half-way
                        running.add(pool.submit(function, task))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise EngineError(
                "a worker process died, most likely for want of memory",
                remedy="Run the same command again: it goes on from here; with fewer --workers",
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
