"""Jobs: what is done with recordings in the background, by whichever replica has a hand free.

The queue is in the database (:mod:`ecgfoundry.service.database.jobs`). Every replica claims jobs,
says while it works that it is still there, and writes every answer once. What a replica that died
had in hand, another does, or the same one after its restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy.exc import IntegrityError as ConstraintError
from sqlalchemy.orm import Session

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.service.database import jobs as queue
from ecgfoundry.service.database.audit import Event, write_audit
from ecgfoundry.service.database.connection import Database
from ecgfoundry.service.database.jobs import Counts, JobOrder
from ecgfoundry.service.database.recordings import NewRecording, add_recording
from ecgfoundry.service.database.tables import Job, new_name, now
from ecgfoundry.service.database.tables import Result as Row
from ecgfoundry.service.kept import KeptRecordings
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.threads import to_its_end
from ecgfoundry.service.tokens import Caller
from ecgfoundry.service.work import Result, Work
from ecgfoundry.service.workers import WorkerPool
from ecgfoundry.signals.quality import Notice

__all__ = ["KINDS", "JobLimits", "Jobs", "Question"]

_LOG = logging.getLogger("ecgfoundry.service.jobs")
_JOBS_AT_ONCE = 8
_AT_ONCE = 8
"""Jobs of a replica at a time, and recordings of a job at a time (our choice)."""
_POLL_S = 1.0
"""So often a replica looks for what others have put into the queue (our choice)."""
_CLAIMS = 5
"""A job that was taken up so often without one more answer is given up: its recordings end the
service itself, not only a worker."""
_LONGEST_PAUSE_S = 30.0
_STOPPING = 503
KINDS = ("diagnose", "reading", "labs", "embed", "read", "holter")
"""What a job can do with every recording; reading: diagnose, with what a page shows of it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about every recording of a job; it is held as JSON."""

    model: str | None = None
    lead: str | None = None
    trend: bool = False
    leads: tuple[str, ...] | None = None
    unit: str | None = None
    sampling_rate: float | None = None
    mains: float | None = None

    @classmethod
    def of(cls, document: dict[str, Any]) -> Question:
        """Read it; what a later version has added is not known here."""
        known = {name: document[name] for name in cls.__slots__ if name in document}
        if known.get("leads") is not None:
            known["leads"] = tuple(known["leads"])
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """Return what is not left to itself."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}

    def work(self, kind: str, limits: Limits, timeout_s: float) -> Work:
        """Return the request, still without a recording."""
        options = ReadOptions(
            leads=self.leads,
            unit=self.unit,
            sampling_rate=self.sampling_rate,
            mains_frequency=self.mains,
            limits=limits,
        )
        doing, form = ("diagnose", "reading") if kind == "reading" else (kind, "json")
        return Work(
            doing,
            "",
            "",
            options,
            self.model,
            self.lead,
            form,
            trend=self.trend,
            timeout_s=timeout_s,
        )


@dataclass(frozen=True, slots=True)
class JobLimits:
    """``unfinished``, ``waiting_bytes``: jobs, and their files, that may wait or run together."""

    reading: Limits = field(default_factory=Limits)
    timeout_s: float = 3600.0
    unfinished: int = 10_000
    waiting_bytes: int = 1 << 31
    lease_s: float = 30.0


@dataclass(eq=False)
class _Running:
    job: Job
    total: int
    done: int
    task: asyncio.Task[None] | None = None
    shares: dict[int, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return min((self.done + sum(self.shares.values())) / max(self.total, 1), 1.0)


class Jobs:
    """The jobs of a service, and this replica's part of the work.

    Parameters
    ----------
    pool : WorkerPool
    kept : KeptRecordings
    limits : JobLimits

    Attributes
    ----------
    replica : str
    on_answer : list of callable
        Called with the session and the row of every answer, in the transaction that writes it:
        what follows from an answer follows once.
    """

    def __init__(self, pool: WorkerPool, kept: KeptRecordings, limits: JobLimits) -> None:
        self._pool, self._kept, self._limits = pool, kept, limits
        self.replica = new_name()
        self.on_answer: list[Callable[[Session, Row], None]] = []
        self._running: dict[str, _Running] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def _database(self) -> Database:
        return self._kept.database

    @property
    def running(self) -> int:
        """Jobs that this replica does now."""
        return len(self._running)

    def start(self) -> None:
        """Begin to work."""
        self._tasks = [asyncio.create_task(part()) for part in (self._claim, self._stay)]

    async def close(self) -> None:
        """Give back what is not finished, so that another takes it up."""
        running = [one.task for one in self._running.values() if one.task is not None]
        for task in [*self._tasks, *running]:
            task.cancel()
        await asyncio.gather(*self._tasks, *running, return_exceptions=True)
        with contextlib.suppress(EcgFoundryError):
            await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        with self._database.writing() as session:
            queue.let_go(session, self.replica)

    # -------------------------------------------------------------------------- what is asked for

    def order(
        self,
        caller: Caller,
        kind: str,
        question: Question,
        recordings: Sequence[NewRecording | tuple[str, str]],
        *,
        ignored: tuple[str, ...] = (),
        key: str | None = None,
        request: str | None = None,
    ) -> tuple[dict[str, Any], bool]:
        """Accept a job; return its state, and whether it is new.

        Parameters
        ----------
        recordings : sequence
            New ones, which end with the job; or (name, what to call it) of kept ones.
        key, request : str, optional
            Idempotency key, and a hash of all that was asked with it.

        Raises
        ------
        ProblemError
            409: the key was used for something else. 429: too many jobs are waiting.
        DiskFullError
        """
        try:
            with self._database.writing() as session:
                known = None if key is None else queue.job_with_key(session, caller.owner, key)
                if known is not None:
                    return self._same(session, known, request), False
                self._check_room(session, recordings)
                names = []
                for one in recordings:
                    if isinstance(one, NewRecording):
                        row = add_recording(session, replace(one, kept=False))
                        names.append((row.id, one.name))
                    else:
                        names.append(one)
                size = sum(r.bytes for r in recordings if isinstance(r, NewRecording))
                job = queue.add_job(
                    session,
                    JobOrder(
                        caller.owner,
                        kind,
                        tuple(names),
                        question.to_dict(),
                        size,
                        ignored,
                        key,
                        request,
                    ),
                )
                write_audit(session, Event(caller.name, "job.accepted", "ok", job.id))
                state = self._described(job, Counts(len(names)))
        except ConstraintError:  # another replica was asked the same at the same time
            with self._database.reading() as session:
                known = None if key is None else queue.job_with_key(session, caller.owner, key)
                if known is None:
                    raise
                return self._same(session, known, request), False
        return state, True

    def _same(self, session: Session, known: Job, request: str | None) -> dict[str, Any]:
        if known.request != request:
            words = "this Idempotency-Key was used for another job"
            raise ProblemError(Problem(409, "idempotency-key", words, "Use a new key"))
        return self._described(known, queue.counts_of(session, [known.id])[known.id])

    def _check_room(
        self, session: Session, recordings: Sequence[NewRecording | tuple[str, str]]
    ) -> None:
        count, size = queue.unfinished(session)
        more = sum(r.bytes for r in recordings if isinstance(r, NewRecording))
        if count >= self._limits.unfinished or size + more > self._limits.waiting_bytes:
            raise ProblemError(Problem(429, "busy", "too many jobs are waiting", None, 30))

    def wake(self) -> None:
        """Look at once for what was accepted."""
        self._wake.set()

    # ------------------------------------------------------------------------------ what is known

    def state(self, name: str, caller: Caller) -> dict[str, Any]:
        """Return how far a job is.

        Raises
        ------
        ProblemError
            404: there is none, or it belongs to somebody else.
        """
        with self._database.reading() as session:
            job = self._find(session, name, caller)
            return self._described(job, queue.counts_of(session, [name]).get(name, Counts()))

    def answers(self, name: str, caller: Caller) -> list[bytes]:
        """Return the answers that are there, one line each.

        Raises
        ------
        As :meth:`state`.
        """
        with self._database.reading() as session:
            self._find(session, name, caller)
            return queue.answers_of(session, name)

    def listed(
        self,
        caller: Caller,
        *,
        state: str | None,
        kind: str | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return a page of jobs that the caller may see, and the cursor of the next.

        Raises
        ------
        ProblemError
            400: the cursor is none.
        """
        owner = None if caller.role == "admin" else caller.owner
        with self._database.reading() as session:
            try:
                page = queue.list_jobs(
                    session, owner, state=state, kind=kind, limit=limit, cursor=cursor
                )
            except ValueError as error:
                raise ProblemError(Problem(400, "request", f"cursor: {error}")) from None
            counts = queue.counts_of(session, [job.id for job in page.rows])
            states = [self._described(job, counts.get(job.id, Counts())) for job in page.rows]
            return states, page.cursor

    def remove(self, name: str, caller: Caller) -> None:
        """End a job and forget it; a replica that does it gives it up.

        Raises
        ------
        As :meth:`state`.
        """
        with self._database.writing() as session:
            self._find(session, name, caller)
            write_audit(session, Event(caller.name, "job.removed", "ok", name))
            queue.remove_job(session, name)

    def stop(self, name: str) -> None:
        """Do no more for a job that is gone."""
        running = self._running.get(name)
        if running is not None and running.task is not None:
            running.task.cancel()

    def _find(self, session: Session, name: str, caller: Caller) -> Job:
        owner = None if caller.role == "admin" else caller.owner
        job = None
        if re.fullmatch(r"[0-9a-f]{32}", name):
            job = queue.find_job(session, name, owner)
        if job is None:
            raise ProblemError(Problem(404, "job-not-found", "there is no such job"))
        return job

    def _described(self, job: Job, counts: Counts) -> dict[str, Any]:
        here = self._running.get(job.id)
        share = 1.0 if job.state == "finished" else job.progress if here is None else here.share
        share = max(share, counts.done / counts.total) if counts.total else 1.0
        begun = job.started_at or job.created_at
        seconds = max(((job.finished_at or now()) - begun).total_seconds(), 0.0)
        if job.started_at is None:
            seconds = 0.0
        rate = counts.done / seconds if seconds > 0 and counts.done else None
        return {
            "job": job.id,
            "kind": job.kind,
            "state": job.state,
            "created": job.created_at.isoformat(timespec="milliseconds"),
            "progress": round(share, 4),
            "recordings": counts.total,
            "ignored_files": list(job.ignored),
            "done": counts.done,
            "failed": counts.failed,
            "seconds": round(seconds, 3),
            "recordings_per_second": None if rate is None else round(rate, 3),
            "seconds_left": round(seconds * (1 - share) / share, 1) if share > 0 else None,
            "results": f"/v1/jobs/{job.id}/results",
        }

    # ------------------------------------------------------------------------------- what is done

    async def _claim(self) -> None:
        pause = _POLL_S
        while True:
            free = _JOBS_AT_ONCE - len(self._running)
            claimed: list[_Running] = []
            if free > 0:
                try:
                    claimed = await to_its_end(self._claimed, free, tuple(self._running))
                    pause = _POLL_S
                except EcgFoundryError as error:
                    _LOG.error("no job can be claimed: %s", error.problem)
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
            for one in claimed:
                self._running[one.job.id] = one
                one.task = asyncio.create_task(self._run(one))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            self._wake.clear()

    def _claimed(self, free: int, doing: tuple[str, ...]) -> list[_Running]:
        lease_s = self._limits.lease_s
        with self._database.writing() as session:
            jobs = queue.claim_jobs(session, self.replica, limit=free, lease_s=lease_s, doing=doing)
            counts = queue.counts_of(session, [job.id for job in jobs])
            known = {job.id: counts.get(job.id, Counts()) for job in jobs}
            return [_Running(job, known[job.id].total, known[job.id].done) for job in jobs]

    async def _stay(self) -> None:
        """Say again and again that this replica is at its jobs; give up those that it has lost."""
        while True:
            await asyncio.sleep(self._limits.lease_s / 3)
            progress = {name: one.share for name, one in self._running.items()}
            if not progress:
                continue
            try:
                ours = await asyncio.to_thread(self._extended, progress)
            except EcgFoundryError as error:
                _LOG.error("the claims cannot be extended: %s", error.problem)
                continue
            for name in progress.keys() - ours:
                self.stop(name)

    def _extended(self, progress: dict[str, float]) -> set[str]:
        with self._database.writing() as session:
            return queue.extend_claims(
                session, self.replica, progress, lease_s=self._limits.lease_s
            )

    async def _run(self, one: _Running) -> None:
        job = one.job
        try:
            rows = await self._insistently(self._waiting, job.id)
            turns = asyncio.Semaphore(_AT_ONCE)

            async def answer(row: Row) -> None:
                async with turns:
                    await self._answer(one, row)

            async with asyncio.TaskGroup() as group:
                for row in rows:
                    group.create_task(answer(row))
            await self._insistently(self._finished, job.id)
        except* Exception as errors:
            # Its claim runs out, and it is taken up again, a few times at most.
            _LOG.error("a job was given up: %s", [type(e).__name__ for e in errors.exceptions])
        finally:
            self._running.pop(job.id, None)
            self._wake.set()

    async def _answer(self, one: _Running, row: Row) -> None:
        if one.job.claims > _CLAIMS:
            words = "the recording ended the service that read it, again and again"
            result = Result(problem=Problem(422, "service-crashed", words))
        else:
            result = await self._asked(one, row)
        if result.problem is not None and result.problem.status == _STOPPING:
            raise asyncio.CancelledError
        await self._insistently(self._stored, row, result, one.job.question.get("model"))
        one.shares.pop(row.position, None)
        one.done += 1

    async def _asked(self, one: _Running, row: Row) -> Result:
        gone = Problem(
            404, "recording-not-found", "the recording was deleted or replaced meanwhile"
        )
        if row.recording_id is None:
            return Result(problem=gone)
        question = Question.of(one.job.question)
        work = question.work(one.job.kind, self._limits.reading, self._limits.timeout_s)

        def tell(share: float) -> None:
            one.shares[row.position] = share

        kept = self._kept.using(row.recording_id, None)
        try:
            path, _ = await self._insistently(kept.__enter__)
        except ProblemError as error:
            return Result(problem=error.problem)
        try:
            # The files that were given now are those that were asked about, or the row knows.
            if not await self._insistently(self._is_of, row):
                return Result(problem=gone)
            asked = replace(work, path=str(path), name=row.name)
            return await self._pool.submit(asked, patient=True, tell=tell)
        except ProblemError as error:
            return Result(problem=error.problem)
        finally:
            # Not awaited in a thread: this also runs when the job is given up.
            kept.__exit__(None, None, None)

    async def _insistently(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Do something with the database or the disk; wait while it has no room or no answer."""
        pause = _POLL_S
        while True:
            try:
                return await asyncio.to_thread(function, *arguments)
            except EcgFoundryError as error:
                _LOG.error("a job waits: %s", error.problem)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _waiting(self, name: str) -> Sequence[Row]:
        with self._database.reading() as session:
            rows = queue.waiting_results(session, name)
            session.expunge_all()
            return rows

    def _is_of(self, row: Row) -> bool:
        """Whether what is to be answered is still about the same recording, of the same content."""
        with self._database.reading() as session:
            now_known = session.get(Row, row.id)
            return now_known is not None and now_known.recording_id == row.recording_id

    def _stored(self, row: Row, result: Result, model: str | None) -> None:
        line = _line(row, result, model)
        with self._database.writing() as session:
            written = queue.store_answer(
                session,
                self.replica,
                row.id,
                line,
                failed=result.problem is not None,
                summary=result.summary,
            )
            if written is not None:
                for follow in self.on_answer:
                    follow(session, written)

    def _finished(self, name: str) -> None:
        with self._database.writing() as session:
            queue.finish_job(session, self.replica, name)

    # ------------------------------------------------------------------------------ what is kept

    def expire(self, kept_s: float, answer_bytes: int) -> int:
        """Forget finished jobs that are old, or whose answers are too many; return how many."""
        with self._database.writing() as session:
            names = set(queue.finished_before(session, now() - dt.timedelta(seconds=kept_s)))
            held = 0
            for name, size in queue.answer_bytes(session):
                held += size
                if held > answer_bytes:
                    names.add(name)
            for name in sorted(names):
                queue.remove_job(session, name)
                write_audit(session, Event("service", "job.expired", "ok", name))
            return len(names)


def _line(row: Row, result: Result, model: str | None) -> bytes:
    """One line of results; a failure has the form that the command line gives it."""
    if result.problem is None:
        return result.body + b"\n"
    reason = Notice(result.problem.code, result.problem.detail)
    answer = Interpretation.unreadable(reason, row.name, model)
    return json.dumps(answer.to_dict(), ensure_ascii=False).encode() + b"\n"
