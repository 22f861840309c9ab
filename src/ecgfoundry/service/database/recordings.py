"""Recordings in the database: kept, found, listed by page, replaced, removed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, delete, exists, func, select, update
from sqlalchemy.orm import Session, selectinload

from ecgfoundry.service.database.pages import Page, newest_first
from ecgfoundry.service.database.tables import (
    Delivery,
    Job,
    Recording,
    RecordingFile,
    Result,
    Review,
    now,
)

__all__ = [
    "NewRecording",
    "StoredFile",
    "Worklist",
    "add_recording",
    "beyond_count",
    "describe",
    "find_recording",
    "identify",
    "kept_bytes",
    "kept_with_content",
    "list_recordings",
    "older_than",
    "referenced",
    "remove_recording",
    "replace_files",
    "undescribed",
    "without_a_job",
]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the blob store: its hash, its size, and the safe name under which it is read."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class NewRecording:
    """What is put in. ``files``: the one that is read first; ``content``: SHA-256 of them all."""

    owner: str
    content: str
    name: str
    files: tuple[StoredFile, ...]
    source: str = "http"
    kept: bool = True

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Worklist:
    """Which recordings are wanted.

    ``owner`` None: those of everybody. ``review``: "open" or "done". ``words``: all must stand in
    the name, the identifier or the file name. ``after``, ``before``: when it was put in.
    """

    owner: str | None = None
    review: str | None = None
    words: str = ""
    patient: str | None = None
    after: dt.datetime | None = None
    before: dt.datetime | None = None


def add_recording(session: Session, new: NewRecording) -> Recording:
    """Put a recording in, whose files are in the blob store."""
    recording = Recording(
        owner=new.owner,
        content=new.content,
        name=new.name[:255],
        source=new.source[:100],
        bytes=new.bytes,
        kept=new.kept,
        words=new.name.lower(),
        files=_rows(new.files),
    )
    session.add(recording)
    session.flush()
    return recording


def _rows(files: Iterable[StoredFile]) -> list[RecordingFile]:
    return [
        RecordingFile(position=place, name=file.name, sha256=file.sha256, bytes=file.bytes)
        for place, file in enumerate(files)
    ]


def find_recording(session: Session, name: str, owner: str | None) -> Recording | None:
    """Return a recording with its files; ``owner`` None: whoever it belongs to."""
    query = select(Recording).where(Recording.id == name).options(selectinload(Recording.files))
    return session.scalar(_owned(query, owner))


def kept_with_content(session: Session, owner: str, content: str) -> Recording | None:
    """Return the recording that this owner keeps already, by its content."""
    query = select(Recording).where(
        Recording.owner == owner, Recording.content == content, Recording.kept
    )
    return session.scalar(query.order_by(Recording.created_at).limit(1))


def kept_bytes(session: Session) -> int:
    """Return how much is kept altogether."""
    return int(session.scalar(select(func.sum(Recording.bytes)).where(Recording.kept)) or 0)


def list_recordings(
    session: Session, wanted: Worklist, *, limit: int, cursor: str | None = None
) -> Page[Recording]:
    """Return a page of kept recordings, the newest first.

    Raises
    ------
    ValueError
        The cursor is none of ours.
    """
    query = _owned(select(Recording).where(Recording.kept), wanted.owner)
    if wanted.review is not None:
        reviewed = Recording.decision.is_not(None)
        query = query.where(reviewed if wanted.review == "done" else ~reviewed)
    if wanted.patient is not None:
        query = query.where(Recording.patient == wanted.patient)
    for word in wanted.words.lower().split():
        query = query.where(Recording.words.contains(word, autoescape=True))
    if wanted.after is not None:
        query = query.where(Recording.created_at >= wanted.after)
    if wanted.before is not None:
        query = query.where(Recording.created_at < wanted.before)
    return newest_first(session, query, Recording, limit=limit, cursor=cursor)


def replace_files(session: Session, recording: Recording, new: NewRecording) -> None:
    """Put other files in the place of those of a recording, and read its header anew.

    Of another content nothing is known that was said before: it may be of another person.
    """
    if recording.content != new.content:
        recording.identity = recording.decision = None
        _part_from_answers(session, recording.id)
    recording.content, recording.name, recording.bytes = new.content, new.name[:255], new.bytes
    recording.words, recording.about, recording.described_at = new.name.lower(), None, None
    recording.patient = recording.taken_at = None
    session.execute(delete(RecordingFile).where(RecordingFile.recording_id == recording.id))
    session.expire(recording, ["files"])
    recording.files = _rows(new.files)


def _part_from_answers(session: Session, name: str) -> None:
    """Part a recording from answers, reviews and deliveries about what it was.

    The answers stay with the jobs that asked for them. What is still to be answered or delivered
    finds no recording any more, and says so; who asks again by the same key gets another job.
    """
    jobs = select(Result.job_id).where(Result.recording_id == name)
    own_key = Job.idempotency_key.endswith(f" {name}", autoescape=True)
    session.execute(
        update(Job).where(Job.id.in_(jobs), own_key).values(idempotency_key=None),
        execution_options={"synchronize_session": False},
    )
    session.execute(delete(Review).where(Review.recording_id == name))
    of_no_job = Result.job_id.is_(None)  # nobody could ask for them any more
    session.execute(delete(Result).where(Result.recording_id == name, of_no_job))
    for table in (Result, Delivery):
        session.execute(update(table).where(table.recording_id == name).values(recording_id=None))


def remove_recording(session: Session, recording: Recording) -> None:
    """Remove a recording with its reviews and all answers about it."""
    session.execute(
        delete(Result).where(Result.recording_id == recording.id, Result.state != "waiting")
    )
    session.execute(delete(Recording).where(Recording.id == recording.id))


def undescribed(session: Session, limit: int) -> Sequence[str]:
    """Return kept recordings whose header nobody has read yet, the oldest first."""
    query = select(Recording.id).where(Recording.described_at.is_(None), Recording.kept)
    return session.scalars(query.order_by(Recording.created_at).limit(limit)).all()


def describe(session: Session, name: str, content: str, about: dict[str, Any] | None) -> None:
    """Note what the header of a recording says; None: it cannot be read."""
    fields: dict[str, Any] = {"described_at": now()}
    if about is not None:
        subject = about.get("subject") or {}
        stated = [subject.get(key) for key in ("identifier", "name")] + [about.get("file")]
        fields |= {
            "about": about,
            "patient": _short(subject.get("identifier"), 255),
            "taken_at": _short(about.get("start_time"), 40),
            "words": " ".join(str(word) for word in stated if word).lower(),
        }
    # Not where the files were replaced meanwhile: their header is another.
    same = and_(Recording.id == name, Recording.content == content)
    session.execute(update(Recording).where(same).values(**fields))
    recording = session.get(Recording, name, populate_existing=True)
    if recording is not None and recording.identity:
        identify(recording, recording.identity)


def identify(recording: Recording, identity: dict[str, Any]) -> None:
    """Note who the person is and which order it was, so that a worklist finds it by these."""
    recording.identity = identity
    if identity.get("patient"):
        recording.patient = _short(identity["patient"], 255)
    known = recording.words.split()
    said = (str(identity.get(key) or "") for key in ("patient", "name", "accession"))
    more = [word for text in said for word in text.lower().split() if word not in known]
    recording.words = " ".join([*known, *more])


def _short(value: Any, length: int) -> str | None:
    return None if value is None else str(value)[:length]


def older_than(session: Session, moment: dt.datetime, limit: int = 1000) -> Sequence[Recording]:
    """Return kept recordings that were put in before a moment."""
    query = select(Recording).where(Recording.kept, Recording.created_at < moment)
    return session.scalars(query.order_by(Recording.created_at).limit(limit)).all()


def beyond_count(session: Session, count: int, limit: int = 1000) -> Sequence[Recording]:
    """Return kept recordings beyond the newest ``count``."""
    query = select(Recording).where(Recording.kept)
    newest = query.order_by(Recording.created_at.desc(), Recording.id.desc())
    return session.scalars(newest.offset(count).limit(limit)).all()


def referenced(session: Session, hashes: Iterable[str]) -> set[str]:
    """Return those of the hashes that a recording needs."""
    query = select(RecordingFile.sha256).where(RecordingFile.sha256.in_(list(hashes)))
    return set(session.scalars(query.distinct()))


def without_a_job(session: Session, moment: dt.datetime) -> Sequence[Recording]:
    """Return recordings of jobs that are gone, put in before a moment."""
    asked = exists().where(Result.recording_id == Recording.id, Result.job_id.is_not(None))
    query = select(Recording).where(~Recording.kept, Recording.created_at < moment, ~asked)
    return session.scalars(query.limit(1000)).all()


def _owned(query: Select[Any], owner: str | None) -> Select[Any]:
    return query if owner is None else query.where(Recording.owner == owner)
