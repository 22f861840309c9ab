"""Jobs in the database: a queue that several replicas share, and in which nothing is done twice.

A replica claims a job for some seconds and says again and again that it is still at it. A job whose
replica is silent for longer is claimed by another, which goes on with what has no answer yet. An
answer is written only while the claim holds, and only where there is none: once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, case, delete, func, or_, select, update
from sqlalchemy.orm import Session

from ecgfoundry.service.database.pages import Page, newest_first
from ecgfoundry.service.database.reviews import answer_identity, latest_answers
from ecgfoundry.service.database.tables import Job, Recording, Result, new_name, now

__all__ = [
    "Counts",
    "JobOrder",
    "add_job",
    "answer_bytes",
    "answers_of",
    "claim_jobs",
    "counts_of",
    "extend_claims",
    "find_job",
    "finish_job",
    "finished_before",
    "job_with_key",
    "let_go",
    "list_jobs",
    "queue_figures",
    "remove_job",
    "store_answer",
    "unfinished",
    "waiting_results",
]


@dataclass(frozen=True, slots=True)
class JobOrder:
    """A job that is to be done: ``recordings`` are (name of the recording, what to call it)."""

    owner: str
    kind: str
    recordings: tuple[tuple[str, str], ...]
    question: dict[str, Any] = field(default_factory=dict)
    bytes: int = 0
    ignored: tuple[str, ...] = ()
    idempotency_key: str | None = None
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many recordings a job has, how many have an answer, and how many of these failed."""

    total: int = 0
    done: int = 0
    failed: int = 0


def add_job(session: Session, order: JobOrder) -> Job:
    """Put a job in the queue, with a place for every answer."""
    job = Job(
        id=new_name(),
        owner=order.owner,
        kind=order.kind,
        question=order.question,
        bytes=order.bytes,
        ignored=list(order.ignored),
        idempotency_key=order.idempotency_key,
        request=order.request,
    )
    session.add(job)
    session.flush()
    session.add_all(
        Result(job_id=job.id, position=place, recording_id=name, kind=order.kind, name=called[:255])
        for place, (name, called) in enumerate(order.recordings)
    )
    session.flush()
    return job


def find_job(session: Session, name: str, owner: str | None) -> Job | None:
    """Return a job; ``owner`` None: whoever it belongs to."""
    query = select(Job).where(Job.id == name)
    return session.scalar(query if owner is None else query.where(Job.owner == owner))


def job_with_key(session: Session, owner: str, key: str) -> Job | None:
    """Return the job that an owner has ordered with an idempotency key."""
    return session.scalar(select(Job).where(Job.owner == owner, Job.idempotency_key == key))


def list_jobs(
    session: Session,
    owner: str | None,
    *,
    state: str | None = None,
    kind: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Page[Job]:
    """Return a page of jobs, the newest first.

    Raises
    ------
    ValueError
        The cursor is none of ours.
    """
    query = select(Job)
    for column, value in ((Job.owner, owner), (Job.state, state), (Job.kind, kind)):
        if value is not None:
            query = query.where(column == value)
    return newest_first(session, query, Job, limit=limit, cursor=cursor)


def counts_of(session: Session, names: Iterable[str]) -> Mapping[str, Counts]:
    """Return the counts of several jobs."""
    done = func.sum(case((Result.state != "waiting", 1), else_=0))
    failed = func.sum(case((Result.state == "failed", 1), else_=0))
    query = select(Result.job_id, func.count(), done, failed).where(Result.job_id.in_(list(names)))
    rows = session.execute(query.group_by(Result.job_id)).all()
    return {name: Counts(total, int(d), int(f)) for name, total, d, f in rows}


def unfinished(session: Session) -> tuple[int, int]:
    """Return how many jobs are waiting or running, and the bytes of their files."""
    query = select(func.count(), func.coalesce(func.sum(Job.bytes), 0))
    count, size = session.execute(query.where(Job.state != "finished")).one()
    return int(count), int(size)


def queue_figures(session: Session, at: dt.datetime | None = None) -> tuple[dict[str, int], float]:
    """Return how many jobs are in each state, and the age in s of the one waiting for longest."""
    states = session.execute(select(Job.state, func.count()).group_by(Job.state)).all()
    oldest = session.scalar(select(func.min(Job.created_at)).where(Job.state == "waiting"))
    age = 0.0 if oldest is None else ((at or now()) - oldest).total_seconds()
    return {"waiting": 0, "running": 0, "finished": 0} | {s: int(n) for s, n in states}, age


# ---------------------------------------------------------------------------------------- the work


def claim_jobs(
    session: Session,
    replica: str,
    *,
    limit: int,
    lease_s: float,
    doing: Collection[str] = (),
    at: dt.datetime | None = None,
) -> Sequence[Job]:
    """Claim jobs that nobody does, the oldest first. Other replicas that ask now skip these.

    ``doing``: what the replica itself has in hand. Where it could not say so in time, as when the
    database did not answer, its claim has run out; it goes on, and does not begin a second time.
    """
    moment = at or now()
    lost = and_(Job.state == "running", Job.lease_until < moment, Job.id.not_in(list(doing)))
    free = or_(Job.state == "waiting", lost)
    query = select(Job).where(free).order_by(Job.created_at).limit(limit)
    jobs = session.scalars(query.with_for_update(skip_locked=True)).all()
    for job in jobs:
        job.state, job.replica = "running", replica
        job.lease_until = moment + dt.timedelta(seconds=lease_s)
        job.started_at = job.started_at or moment
        job.claims += 1
    session.flush()
    return jobs


def extend_claims(
    session: Session,
    replica: str,
    progress: Mapping[str, float],
    *,
    lease_s: float,
    at: dt.datetime | None = None,
) -> set[str]:
    """Say that a replica is still at its jobs; return those that are still its own."""
    until = (at or now()) + dt.timedelta(seconds=lease_s)
    ours = set()
    # In one order everywhere: two replicas that lock rows crosswise would wait for each other.
    for name, share in sorted(progress.items()):
        claimed = and_(Job.id == name, Job.replica == replica, Job.state == "running")
        changed = session.execute(
            update(Job).where(claimed).values(lease_until=until, progress=share)
        )
        if changed.rowcount:  # type: ignore[attr-defined]
            ours.add(name)
    return ours


def waiting_results(session: Session, job: str) -> Sequence[Result]:
    """Return what a job has still to answer, in order."""
    query = select(Result).where(Result.job_id == job, Result.state == "waiting")
    return session.scalars(query.order_by(Result.position)).all()


def store_answer(
    session: Session,
    replica: str,
    result: int,
    answer: bytes,
    *,
    failed: bool,
    summary: dict[str, Any] | None = None,
) -> Result | None:
    """Write an answer, if the claim holds and there is none yet; return it, or None.

    A recording that a reader has reviewed is open again where the answer says something else.
    """
    # Whoever reviews the recording waits until this answer is there or not.
    about = select(Recording).join(Result, Result.recording_id == Recording.id)
    recording = session.scalar(about.where(Result.id == result).with_for_update(of=Recording))
    # So does who claims the job.
    query = (
        select(Job)
        .join(Result, Result.job_id == Job.id)
        .where(Result.id == result, Job.replica == replica, Job.state == "running")
    )
    job = session.scalar(query.with_for_update(of=Job))
    if job is None:
        return None
    row = session.get(Result, result)
    if row is None or row.state != "waiting":
        return None
    before = None if recording is None else latest_answers(session, [recording.id])
    row.state, row.answer, row.summary = "failed" if failed else "done", answer, summary
    row.finished_at = now()
    if recording is not None and row.kind == "diagnose" and not failed:
        known = before.get(recording.id) if before else None
        if answer_identity(known) != answer_identity(row):
            recording.decision = None
    job.claims = 1
    session.flush()
    return row


def finish_job(session: Session, replica: str, name: str) -> bool:
    """End a job all of whose answers are there; its own recordings go. Return whether it ended."""
    query = select(Job).where(Job.id == name, Job.replica == replica, Job.state == "running")
    job = session.scalar(query.with_for_update())
    waiting = select(Result.id).where(Result.job_id == name, Result.state == "waiting")
    if job is None or session.scalar(waiting.limit(1)) is not None:
        return False
    job.state, job.finished_at, job.progress = "finished", now(), 1.0
    job.replica = job.lease_until = None
    _remove_recordings_of(session, name)
    return True


def let_go(session: Session, replica: str | None = None) -> int:
    """Put running jobs back into the queue: those of a replica, or of whoever has died."""
    query = update(Job).where(Job.state == "running")
    if replica is not None:
        query = query.where(Job.replica == replica)
    changed = session.execute(query.values(state="waiting", replica=None, lease_until=None))
    return int(changed.rowcount)  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------- what it gave


def answers_of(session: Session, name: str) -> list[bytes]:
    """Return the answers of a job that are there, in order."""
    query = select(Result.answer).where(Result.job_id == name, Result.answer.is_not(None))
    return [answer for answer in session.scalars(query.order_by(Result.position)) if answer]


def answer_bytes(session: Session) -> Sequence[tuple[str, int]]:
    """Return finished jobs, the newest first, each with the bytes of its answers."""
    size = func.coalesce(func.sum(func.length(Result.answer)), 0)
    query = select(Job.id, size).join(Result, Result.job_id == Job.id, isouter=True)
    ended = query.where(Job.state == "finished").group_by(Job.id, Job.finished_at)
    return [(name, int(s)) for name, s in session.execute(ended.order_by(Job.finished_at.desc()))]


def finished_before(session: Session, moment: dt.datetime, limit: int = 1000) -> Sequence[str]:
    """Return jobs that ended before a moment."""
    query = select(Job.id).where(Job.state == "finished", Job.finished_at < moment)
    return session.scalars(query.limit(limit)).all()


def remove_job(session: Session, name: str) -> None:
    """Forget a job. Answers about kept recordings stay with these, all others go."""
    _remove_recordings_of(session, name)
    kept = select(Recording.id).where(Recording.kept)
    session.execute(
        delete(Result).where(
            Result.job_id == name,
            or_(
                Result.state == "waiting",
                Result.recording_id.is_(None),
                Result.recording_id.not_in(kept),
            ),
        )
    )
    session.execute(delete(Job).where(Job.id == name))


def _remove_recordings_of(session: Session, name: str) -> None:
    """Remove the recordings that were sent for a job alone."""
    own = select(Result.recording_id).where(Result.job_id == name)
    session.execute(delete(Recording).where(Recording.id.in_(own), ~Recording.kept))
