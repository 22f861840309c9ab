"""The audit trail: who, what content, when, with what outcome. Rows are added and expire."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from ecgfoundry.service.database.tables import Audit, now

__all__ = ["Event", "audit_since", "forget_audit", "write_audit"]


@dataclass(frozen=True, slots=True)
class Event:
    """``subject``: a random name; ``content``: the SHA-256 of a recording. Nothing of a patient."""

    who: str
    action: str
    outcome: str = "ok"
    subject: str | None = None
    content: str | None = None
    request: str | None = None
    at: dt.datetime = field(default_factory=now)


def write_audit(session: Session, *events: Event) -> None:
    """Add rows, in the same transaction as what is done."""
    if events:
        names = ("at", "who", "action", "content", "subject", "outcome", "request")
        rows = [{name: getattr(event, name) for name in names} for event in events]
        session.execute(insert(Audit), rows)


def audit_since(
    session: Session,
    *,
    before: int | None = None,
    subject: str | None = None,
    who: str | None = None,
    limit: int = 100,
) -> Sequence[Audit]:
    """Return rows, the newest first; ``before``: only those with a smaller number."""
    query = select(Audit)
    if before is not None:
        query = query.where(Audit.id < before)
    for column, value in ((Audit.subject, subject), (Audit.who, who)):
        if value is not None:
            query = query.where(column == value)
    return session.scalars(query.order_by(Audit.id.desc()).limit(limit)).all()


def forget_audit(session: Session, moment: dt.datetime) -> None:
    """Remove rows of before a moment."""
    session.execute(delete(Audit).where(Audit.at < moment))
