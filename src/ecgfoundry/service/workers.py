"""A pool of worker processes: bounded, batching, and whole again after a crash.

Each worker takes up to ``batch`` waiting requests at a time. A worker that dies is replaced and
its requests are done again, each alone, so that one that kills workers harms no other; the second
death in its hands ends it with a problem (422). A worker that takes too long is killed and
replaced; a request that was being done alone is answered with 413, those of a batch are done again,
alone.
A worker may use only so much memory: what needs more is answered with 413.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ecgfoundry.errors import FileAccessError
from ecgfoundry.service.handlers import Worker
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.processes import spared_from_interrupts
from ecgfoundry.service.work import Result, Work
from ecgfoundry.service.worker_limits import bound_memory
from ecgfoundry.service.workspace import Workspace

__all__ = ["WorkerPool"]

_LOG = logging.getLogger("ecgfoundry.service.workers")
_DEATHS = 2
_LONGEST_PAUSE_S = 30.0
_SPAWN_AGAIN_S = 2.0
"""After a worker could not be started, for want of disk or memory (our choice)."""


@dataclass(eq=False)
class _Task:
    work: Work
    answer: asyncio.Future[Result]
    patient: bool = False
    tell: Callable[[float], None] = lambda share: None
    deaths: int = 0
    accepted: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far the worker is with one of its requests."""

    number: int
    share: float


@dataclass(eq=False)
class _Process:
    process: Any
    connection: Connection
    folder: Path
    ready: bool = False
    tasks: list[_Task] = field(default_factory=list)
    deadline: asyncio.TimerHandle | None = None


def _main(connection: Connection, arguments: dict[str, Any]) -> None:
    """Run a worker process until the connection closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends us
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    warm, memory = arguments.pop("warm", ()), arguments.pop("memory_bytes", None)
    tempfile.tempdir = arguments.pop("folder")
    worker = Worker(**arguments)
    for name in warm:
        worker.predictor(name)
    # Measuring needs it, and it takes seconds to load: not while the first caller waits.
    importlib.import_module("scipy.signal")
    # The service may end while this process starts, or while it works: then nobody listens.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        _serve(connection, worker, memory)


def _serve(connection: Connection, worker: Worker, memory: int | None) -> None:
    loaded = -1
    connection.send("ready")
    while True:
        if memory is not None and worker.loaded != loaded:  # a model is no file of somebody
            loaded = worker.loaded
            bound_memory(memory)
        try:
            works = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(
            worker.run(works, lambda number, share: connection.send(_Progress(number, share)))
        )


class WorkerPool:
    """Worker processes behind one ``submit``.

    Parameters
    ----------
    workers, queue, batch : int
    timeout_s : float
        For what a worker has in its hands: a request, or a batch of short ones.
    arguments : dict
        Of :class:`~ecgfoundry.service.handlers.Worker`; ``warm``: models to load at the start;
        ``memory_bytes``: how much a worker may use beyond what it has with them.
    workspace : Workspace
        Each worker has a folder in it for its temporary files, which goes when it is replaced.
    on_restart : callable, optional
        Called with a reason ("crash" or "timeout") when a worker is replaced.
    on_result : callable, optional
        Called with everything that a worker has answered.
    """

    def __init__(
        self,
        *,
        workers: int,
        queue: int,
        batch: int,
        timeout_s: float,
        arguments: dict[str, Any],
        workspace: Workspace,
        on_restart: Callable[[str], None] = lambda reason: None,
        on_result: Callable[[Result], None] = lambda result: None,
    ) -> None:
        self._size, self._queue, self._batch = workers, queue, batch
        self._timeout_s, self._arguments, self._on_restart = timeout_s, arguments, on_restart
        self._workspace, self._on_result = workspace, on_result
        self._context = multiprocessing.get_context("spawn")
        self._waiting: deque[_Task] = deque()
        self._patient: deque[_Task] = deque()
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._unfinished = 0
        self._recent_s = 0.5
        self._failures = 0

    @property
    def waiting(self) -> int:
        """Requests that no worker has taken yet."""
        return len(self._waiting) + len(self._patient)

    @property
    def processes(self) -> list[int]:
        """Process numbers of the workers."""
        return [p.process.pid for p in self._all]

    @property
    def ready(self) -> bool:
        """Whether at least one worker is loaded."""
        return any(entry.ready for entry in self._all)

    def start(self) -> None:
        """Start the workers; they load their models in the background."""
        for _ in range(self._size):
            self._spawn()

    async def submit(
        self,
        work: Work,
        *,
        patient: bool = False,
        tell: Callable[[float], None] = lambda share: None,
    ) -> Result:
        """Have a request done.

        Parameters
        ----------
        work : Work
        patient : bool
            It waits, however long the queue is, and leaves one worker to those who are not.
        tell : callable
            Called now and then with the share of a long recording that is done.

        Raises
        ------
        ProblemError
            The queue is full (429), or the service is stopping (503).
        """
        if self._closing:
            raise ProblemError(Problem(503, "stopping", "the service is stopping"))
        if not patient and len(self._waiting) >= self._queue:
            seconds = max(1, round(len(self._waiting) * self._recent_s / self._size))
            words = "all workers are busy and the queue is full"
            raise ProblemError(Problem(429, "busy", words, "Try again later", seconds))
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        task = _Task(work, future, patient, tell)
        self._unfinished += 1
        self._empty.clear()
        self._queue_of(task).append(task)
        self._dispatch()
        try:
            return await asyncio.shield(task.answer)
        finally:
            if not task.answer.done():  # the caller went away: nobody waits for it
                with contextlib.suppress(ValueError):
                    self._queue_of(task).remove(task)
                    task.answer.cancel()
                    self._finished(1)

    async def close(self, grace_s: float = 30.0) -> None:
        """Finish what was accepted, then end the workers.

        What is not finished after ``grace_s`` is answered with 503: nobody waits for ever.
        """
        self._closing = True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._empty.wait(), grace_s)
        late = Result(problem=Problem(503, "stopping", "the service has stopped before the answer"))
        held = [task for entry in self._all for task in entry.tasks]
        for task in [*self._waiting, *self._patient, *held]:
            self._answer(task, late)
        for process in list(self._all):
            self._drop(process)
            process.connection.close()
            process.process.join(0.5)
            self._end(process)

    # ------------------------------------------------------------------------------- the workers

    def _spawn(self) -> None:
        """Start a worker.

        Raises
        ------
        DiskFullError, FileAccessError
            There is no place for its folder.
        """
        folder = self._workspace.folder("worker")
        here, there = self._context.Pipe()
        process = self._context.Process(
            target=_main, args=(there, self._arguments | {"folder": str(folder)}), daemon=True
        )
        with spared_from_interrupts():
            process.start()
        there.close()
        entry = _Process(process, here, folder)
        self._all.add(entry)
        asyncio.get_running_loop().add_reader(here.fileno(), self._receive, entry)

    def _drop(self, entry: _Process) -> None:
        self._all.discard(entry)
        if entry in self._idle:
            self._idle.remove(entry)
        if entry.deadline is not None:
            entry.deadline.cancel()
        with contextlib.suppress(OSError, ValueError):
            asyncio.get_running_loop().remove_reader(entry.connection.fileno())

    @staticmethod
    def _end(entry: _Process) -> None:
        """Kill a process, and remove what it was about to unpack."""
        entry.connection.close()
        entry.process.kill()
        shutil.rmtree(entry.folder, ignore_errors=True)

    def _receive(self, entry: _Process) -> None:
        try:
            message = entry.connection.recv()
        except (EOFError, OSError):
            self._replace(entry, "crash")
            return
        self._failures = 0
        if isinstance(message, _Progress):
            entry.tasks[message.number].tell(message.share)
            return
        tasks, entry.tasks = entry.tasks, []
        if entry.deadline is not None:
            entry.deadline.cancel()
        entry.ready = True
        if message != "ready":
            for task, result in zip(tasks, message, strict=True):
                self._on_result(result)
                self._answer(task, result)
        self._idle.append(entry)
        self._dispatch()

    def _replace(self, entry: _Process, reason: str) -> None:
        self._drop(entry)
        self._end(entry)
        self._on_restart(reason)
        tasks, entry.tasks = entry.tasks, []
        for number, task in enumerate(tasks):
            task.deaths += 1
            if reason == "timeout" and len(tasks) == 1:
                words = f"to read it took longer than {self._limit(task):g} s and was ended"
                remedy = "Long recordings: POST /v1/jobs, which have more time"
                problem = Problem(413, "timeout", words, None if task.patient else remedy)
                self._answer(task, Result(problem=problem))
            elif task.deaths >= _DEATHS:
                words = "the recording ended the process that read it, twice"
                self._answer(task, Result(problem=Problem(422, "worker-crashed", words)))
            else:
                self._queue_of(task).insert(number, task)
        # A worker that cannot even start must not be started for ever at full speed.
        self._failures += 1
        delay = 0.0 if self._failures < 5 else min(2.0 ** (self._failures - 5), _LONGEST_PAUSE_S)
        asyncio.get_running_loop().call_later(delay, self._spawn_if_needed)

    def _spawn_if_needed(self) -> None:
        """Start a worker in the place of one that ended, as soon as there is room for it.

        A stopping pool still finishes what it accepted.
        """
        if self._closing and not self._unfinished:
            return
        try:
            self._spawn()
        except (FileAccessError, OSError) as error:
            _LOG.error("no worker can be started, and it is tried again: %s", error)
            asyncio.get_running_loop().call_later(_SPAWN_AGAIN_S, self._spawn_if_needed)

    # ------------------------------------------------------------------------------ the requests

    def _queue_of(self, task: _Task) -> deque[_Task]:
        return self._patient if task.patient else self._waiting

    def _limit(self, task: _Task) -> float:
        return self._timeout_s if task.work.timeout_s is None else task.work.timeout_s

    def _next_queue(self) -> deque[_Task] | None:
        """Those who wait for their answer first; the patient never take the last worker."""
        if self._waiting:
            return self._waiting
        busy = sum(any(task.patient for task in entry.tasks) for entry in self._all)
        return self._patient if self._patient and busy < max(self._size - 1, 1) else None

    def _dispatch(self) -> None:
        while self._idle and (queue := self._next_queue()):
            entry = self._idle.pop()
            # What has seen a worker die is done alone, so that it can harm nothing else.
            share = -(-len(queue) // (len(self._idle) + 1))
            wanted = 1 if queue[0].deaths else min(self._batch, share)
            tasks: list[_Task] = []
            while queue and len(tasks) < wanted:
                if tasks and queue[0].deaths:
                    break
                tasks.append(queue.popleft())
            entry.tasks = tasks
            entry.deadline = asyncio.get_running_loop().call_later(
                max(map(self._limit, tasks)), self._replace, entry, "timeout"
            )
            try:
                entry.connection.send([task.work for task in tasks])
            except (BrokenPipeError, OSError):
                self._replace(entry, "crash")

    def _answer(self, task: _Task, result: Result) -> None:
        if not task.answer.done():
            task.answer.set_result(result)
            self._recent_s += 0.1 * (time.monotonic() - task.accepted - self._recent_s)
        self._finished(1)

    def _finished(self, count: int) -> None:
        self._unfinished -= count
        if self._unfinished == 0:
            self._empty.set()
