"""The tables. Times are UTC; names of recordings and jobs are random and tell nothing."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

__all__ = [
    "Audit",
    "Base",
    "Delivery",
    "Job",
    "Moment",
    "Recording",
    "RecordingFile",
    "Result",
    "Review",
    "new_name",
    "now",
]


def new_name() -> str:
    """Return a random name, 32 hexadecimal digits."""
    return secrets.token_hex(16)


def now() -> dt.datetime:
    """Return the time, UTC."""
    return dt.datetime.now(dt.UTC)


class Moment(TypeDecorator[dt.datetime]):
    """A time with its zone. SQLite holds none, so UTC is written and read there."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> Any:
        """Write UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        """Read UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Words(TypeDecorator[str]):
    """Text that came from outside: without what one database or the other cannot hold."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Write it; the sign for unreadable stands where a NUL or half a character was."""
        if value is None:
            return None
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class Base(DeclarativeBase):
    """All tables. Constraints have names, so that migrations can change them anywhere."""


Base.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

_Number = BigInteger().with_variant(Integer, "sqlite")
"""A number that counts up: SQLite does so only for its own kind of integers."""


class Recording(Base):
    """A recording whose files lie in the blob store.

    ``kept``: somebody asked for it, and it is listed; else it is a job's, and gone with it.
    ``about`` is what its header says (identifier, name, time, device), None until it was read;
    ``patient``, ``taken_at`` and ``words`` are from there, for the worklist.
    """

    __tablename__ = "recordings"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_name)
    owner: Mapped[str] = mapped_column(Words)
    content: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the files, with their names where there are several."""
    name: Mapped[str] = mapped_column(Words)
    """What the sender called the file that is read."""
    source: Mapped[str] = mapped_column(Words)
    bytes: Mapped[int] = mapped_column(BigInteger)
    kept: Mapped[bool] = mapped_column()
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    described_at: Mapped[dt.datetime | None] = mapped_column(Moment)
    about: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    patient: Mapped[str | None] = mapped_column(Words)
    """The identifier in the file; the same person where the owner is the same."""
    taken_at: Mapped[str | None] = mapped_column(Words)
    """As the file states it, with or without a zone."""
    words: Mapped[str] = mapped_column(Words, default="")
    """What a search looks through, in small letters."""
    decision: Mapped[str | None] = mapped_column(String(20))
    """Of the latest review; None: it is open."""
    identity: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Who the person is, and which order it was, as the request or the worklist says."""

    files: Mapped[list[RecordingFile]] = relationship(
        order_by="RecordingFile.position", cascade="all, delete-orphan", passive_deletes=True
    )

    __table_args__ = (
        Index("ix_recordings_owner_content", "owner", "content"),
        Index("ix_recordings_listed", "kept", "created_at", "id"),
        Index(None, "described_at"),
        Index(None, "owner", "patient"),
    )


class RecordingFile(Base):
    """One file of a recording; position 0 is the one that is read."""

    __tablename__ = "recording_files"

    recording_id: Mapped[str] = mapped_column(
        ForeignKey("recordings.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    """The safe name under which it is read."""
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index(None, "sha256"),)


class Job(Base):
    """Something to be done with recordings: waiting, running (until ``lease_until``), finished."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_name)
    owner: Mapped[str] = mapped_column(Words)
    kind: Mapped[str] = mapped_column(String(20))
    question: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """Model, lead and what the files do not say themselves."""
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    ignored: Mapped[list[str]] = mapped_column(JSON, default=list)
    progress: Mapped[float] = mapped_column(Double, default=0.0)
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    started_at: Mapped[dt.datetime | None] = mapped_column(Moment)
    finished_at: Mapped[dt.datetime | None] = mapped_column(Moment)
    replica: Mapped[str | None] = mapped_column(String(32))
    """The process that does it; what another one writes for it is refused."""
    lease_until: Mapped[dt.datetime | None] = mapped_column(Moment)
    claims: Mapped[int] = mapped_column(default=0)
    """Taken up so often since its last result."""
    idempotency_key: Mapped[str | None] = mapped_column(Words)
    request: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of what was asked with that key."""

    __table_args__ = (
        UniqueConstraint("owner", "idempotency_key"),
        Index(None, "state", "created_at"),
        Index("ix_jobs_listed", "owner", "created_at", "id"),
    )


class Result(Base):
    """What a job is to say, and then says, about one recording. The answer is never changed."""

    __tablename__ = "results"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    position: Mapped[int] = mapped_column()
    recording_id: Mapped[str | None] = mapped_column(
        ForeignKey("recordings.id", ondelete="SET NULL")
    )
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(Words)
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    """waiting, done or failed."""
    summary: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """In a few words what the answer says: for lists, which do not read long answers."""
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    """JSON, one line."""
    finished_at: Mapped[dt.datetime | None] = mapped_column(Moment)

    __table_args__ = (
        UniqueConstraint("job_id", "position"),
        Index(None, "recording_id", "kind", "id"),
    )


class Review(Base):
    """What a reader says about a recording; only ever added. The latest counts."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    recording_id: Mapped[str] = mapped_column(ForeignKey("recordings.id", ondelete="CASCADE"))
    result_id: Mapped[int | None] = mapped_column(ForeignKey("results.id", ondelete="SET NULL"))
    """The machine's answer that was looked at."""
    reader: Mapped[str] = mapped_column(Words)
    decision: Mapped[str] = mapped_column(String(20))
    statements: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    comment: Mapped[str] = mapped_column(Words)
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)

    __table_args__ = (Index(None, "recording_id", "id"),)


class Delivery(Base):
    """Something that has to reach another system (outbox): waiting, sending, delivered, dead."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    destination: Mapped[str] = mapped_column(String(100))
    recording_id: Mapped[str | None] = mapped_column(
        ForeignKey("recordings.id", ondelete="SET NULL")
    )
    kind: Mapped[str] = mapped_column(String(40))
    payload_key: Mapped[str | None] = mapped_column(String(255))
    """The result that it tells of."""
    review_id: Mapped[int | None] = mapped_column(ForeignKey("reviews.id", ondelete="SET NULL"))
    """What a reader has said of that result; None: the machine's answer as it stands."""
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    lease_until: Mapped[dt.datetime | None] = mapped_column(Moment)
    last_error: Mapped[str | None] = mapped_column(Words)
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    delivered_at: Mapped[dt.datetime | None] = mapped_column(Moment)

    __table_args__ = (Index(None, "destination", "state", "id"), Index(None, "recording_id"))


class Audit(Base):
    """Who did what to which content, when, and with what outcome. Nothing of a patient."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    who: Mapped[str] = mapped_column(Words)
    action: Mapped[str] = mapped_column(String(60))
    content: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the recording."""
    subject: Mapped[str | None] = mapped_column(String(64))
    """The random name of the recording or the job."""
    outcome: Mapped[str] = mapped_column(String(60))
    request: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (Index(None, "at"),)
