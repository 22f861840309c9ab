"""Batches in the background: one job, many recordings, progress, and results as they come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.io import read_json, write_json
from ecgfoundry.service.handlers import Result, Work
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.tokens import Caller
from ecgfoundry.service.workers import WorkerPool
from ecgfoundry.service.workspace import Workspace
from ecgfoundry.signals.quality import Notice

__all__ = ["KINDS", "Job", "JobLedger", "Jobs"]

_KEPT_S = 3600.0
_LOST_S = 7 * 86400.0
"""How long a job is remembered that a restart has lost (our choice)."""
_MAXIMUM_JOBS = 100
_AT_ONCE = 8
_ANSWER_BYTES = 500_000_000
"""Answers of finished jobs that are held; beyond it the oldest job is forgotten (our choice)."""
KINDS = ("diagnose", "labs", "embed", "read")
"""What a job can do with every recording."""


@dataclass(eq=False)
class Job:
    """One batch. ``answers`` holds one line per recording, in order, None while it is not done."""

    identifier: str
    owner: str
    works: list[Work]
    folder: Path
    started: float = field(default_factory=time.monotonic)
    finished: float | None = None
    answers: list[bytes | None] = field(default_factory=list)
    shares: dict[int, float] = field(default_factory=dict)
    size: int = 0
    failed: int = 0
    task: asyncio.Task[None] | None = None
    ignored: tuple[str, ...] = ()
    """Names of files that were sent and belong to no recording."""

    def __post_init__(self) -> None:
        self.answers = [None] * len(self.works)

    @property
    def done(self) -> int:
        """Recordings that have an answer."""
        return sum(answer is not None for answer in self.answers)

    def to_dict(self) -> dict[str, Any]:
        """Return the state of the job."""
        done, total = self.done, len(self.works)
        share = 1.0 if done == total else (done + sum(self.shares.values())) / total
        seconds = (self.finished or time.monotonic()) - self.started
        rate = done / seconds if seconds > 0 and done else None
        return {
            "job": self.identifier,
            "kind": self.works[0].kind,
            "state": "finished" if self.finished is not None else "running",
            "progress": round(min(share, 1.0), 4),
            "recordings": total,
            "ignored_files": list(self.ignored),
            "done": done,
            "failed": self.failed,
            "seconds": round(seconds, 3),
            "recordings_per_second": None if rate is None else round(rate, 3),
            "seconds_left": round(seconds * (1 - share) / share, 1) if share > 0 else None,
            "results": f"/v1/jobs/{self.identifier}/results",
        }

    def lines(self) -> list[bytes]:
        """Return the answers so far, one JSON object a line."""
        return [answer for answer in self.answers if answer is not None]


class JobLedger:
    """Which jobs were accepted, and by whose wish: this outlives the process, the jobs do not.

    Parameters
    ----------
    folder : Path, optional
        The keep folder; without one, the root of the workspace, which a restart of the machine may
        clear.
    workspace : Workspace
    """

    def __init__(self, folder: Path | None, workspace: Workspace) -> None:
        self._folder, self._workspace = folder, workspace

    def _path(self, identifier: str) -> Path:
        root = self._workspace.root if self._folder is None else self._folder
        return root / ".jobs" / f"{identifier}.json"

    def start_up(self) -> None:
        """Make the place, and forget jobs of long ago."""
        place = self._path("").parent
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in place.glob("*.json"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _LOST_S:
                    path.unlink()

    def add(self, job: Job) -> None:
        """Note a job that was accepted."""
        path = self._path(job.identifier)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(path, {"owner": job.owner})

    def remove(self, identifier: str) -> None:
        """Forget a job whose end was seen."""
        self._path(identifier).unlink(missing_ok=True)

    def knows(self, identifier: str, caller: Caller) -> bool:
        """Whether the caller's job was accepted by a process that is gone."""
        try:
            return caller.sees(str(read_json(self._path(identifier))["owner"]))
        except (EcgFoundryError, KeyError, TypeError):
            return False


class Jobs:
    """The jobs of a service.

    Parameters
    ----------
    pool : WorkerPool
    ledger : JobLedger
    waiting_bytes : int
        Files of all running jobs together.
    """

    def __init__(self, pool: WorkerPool, ledger: JobLedger, *, waiting_bytes: int) -> None:
        self._pool, self._ledger, self._waiting_bytes = pool, ledger, waiting_bytes
        self._jobs: dict[str, Job] = {}

    def start_up(self) -> None:
        """Look what a process before this one has accepted."""
        self._ledger.start_up()

    def accept(self, size: int) -> None:
        """Refuse a job for which there is no room.

        Raises
        ------
        ProblemError
            429: too many jobs are running.
        """
        self._forget()
        running = [job.size for job in self._jobs.values() if job.finished is None]
        if len(running) >= _MAXIMUM_JOBS or sum(running) + size > self._waiting_bytes:
            raise ProblemError(Problem(429, "busy", "too many jobs are running", None, 30))

    def start(self, job: Job) -> None:
        """Start a job; its folder is removed at its end.

        Raises
        ------
        DiskFullError
        """
        self._ledger.add(job)
        self._jobs[job.identifier] = job
        job.task = asyncio.get_running_loop().create_task(self._run(job))

    def find(self, identifier: str, caller: Caller) -> Job:
        """Return a job by its name.

        Raises
        ------
        ProblemError
            404: there is none, or it belongs to somebody else. 410: a restart has lost it.
        """
        none = Problem(404, "job-not-found", "there is no such job")
        if not re.fullmatch(r"[0-9a-f]{32}", identifier):
            raise ProblemError(none)
        job = self._jobs.get(identifier)
        if job is not None and caller.sees(job.owner):
            return job
        if job is None and self._ledger.knows(identifier, caller):
            words = "the service was started anew and has lost this job"
            remedy = "Submit it again: POST /v1/jobs"
            raise ProblemError(Problem(410, "job-lost", words, remedy))
        raise ProblemError(none)

    async def remove(self, identifier: str, caller: Caller) -> None:
        """End a job and forget its answers."""
        try:
            job = self.find(identifier, caller)
        except ProblemError as error:
            if error.problem.code != "job-lost":
                raise
        else:
            if job.task is not None:
                job.task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await job.task
            self._jobs.pop(identifier, None)
        self._ledger.remove(identifier)

    async def close(self) -> None:
        """Let running jobs finish what is being done; the rest of them is given up."""
        for job in self._jobs.values():
            if job.task is not None:
                job.task.cancel()
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: Job) -> None:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> None:
            def tell(share: float) -> None:
                job.shares[number] = share

            async with turns:
                try:
                    result = await self._pool.submit(job.works[number], patient=True, tell=tell)
                except ProblemError as error:  # the service is stopping
                    result = Result(problem=error.problem)
            job.shares.pop(number, None)
            job.failed += result.problem is not None
            job.answers[number] = _line(job.works[number], result)

        try:
            await asyncio.gather(*(one(number) for number in range(len(job.works))))
        finally:
            job.finished = time.monotonic()
            shutil.rmtree(job.folder, ignore_errors=True)

    def _forget(self) -> None:
        now = time.monotonic()
        for identifier, job in list(self._jobs.items()):
            if job.finished is not None and now - job.finished > _KEPT_S:
                self._drop(identifier)
        done = [job for job in self._jobs.values() if job.finished is not None]
        held = {job.identifier: sum(map(len, job.lines())) for job in done}
        for job in sorted(done, key=lambda job: job.finished or 0.0):
            if sum(held.values()) <= _ANSWER_BYTES:
                break
            self._drop(job.identifier)
            del held[job.identifier]

    def _drop(self, identifier: str) -> None:
        del self._jobs[identifier]
        self._ledger.remove(identifier)


def _line(work: Work, result: Result) -> bytes:
    """One line of results; a failure has the form that the command line gives it."""
    if result.problem is None:
        return result.body + b"\n"
    reason = Notice(result.problem.code, result.problem.detail)
    answer = Interpretation.unreadable(reason, work.name, work.model)
    return json.dumps(answer.to_dict(), ensure_ascii=False).encode() + b"\n"
