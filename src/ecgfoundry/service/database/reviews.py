"""What readers say about recordings: only ever added, and the latest counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ecgfoundry.service.database.tables import Recording, Result, Review

__all__ = ["DECISIONS", "add_review", "latest_answers", "reviews_of"]

DECISIONS = ("confirmed", "edited", "rejected")


def add_review(
    session: Session,
    recording: Recording,
    *,
    reader: str,
    decision: str,
    statements: Sequence[Mapping[str, Any]] = (),
    comment: str = "",
) -> Review:
    """Add a review of the machine's latest answer, which stays as it is."""
    answer = latest_answers(session, [recording.id]).get(recording.id)
    review = Review(
        recording_id=recording.id,
        result_id=None if answer is None else answer.id,
        reader=reader,
        decision=decision,
        statements=[dict(statement) for statement in statements],
        comment=comment,
    )
    session.add(review)
    recording.decision = decision
    session.flush()
    return review


def reviews_of(session: Session, recording: str) -> Sequence[Review]:
    """Return the reviews of a recording, the oldest first."""
    query = select(Review).where(Review.recording_id == recording)
    return session.scalars(query.order_by(Review.id)).all()


def latest_answers(
    session: Session, recordings: Iterable[str], kind: str = "diagnose"
) -> dict[str, Result]:
    """Return the machine's latest answer about each of several recordings, where there is one."""
    query = select(Result).where(
        Result.recording_id.in_(list(recordings)), Result.kind == kind, Result.state == "done"
    )
    found = session.scalars(query.order_by(Result.id)).all()
    return {str(result.recording_id): result for result in found}
