"""What readers say about recordings: only ever added, and the latest counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ecgfoundry.service.database.tables import Recording, Result, Review

__all__ = [
    "DECISIONS",
    "add_review",
    "answer_count",
    "answer_identity",
    "latest_answers",
    "reviewed_answers",
    "reviews_of",
]

DECISIONS = ("confirmed", "edited", "rejected")
_ANSWER = "diagnose"
"""The kind of results that readers say something of."""


def answer_identity(result: Result | None) -> str | None:
    """Return what tells one stored answer from another: the SHA-256 of its bytes.

    Two answers of the same bytes say the same, and have the same identity.
    """
    if result is None or result.answer is None:
        return None
    return hashlib.sha256(result.answer).hexdigest()


def add_review(
    session: Session,
    recording: Recording,
    *,
    reader: str,
    decision: str,
    statements: Sequence[Mapping[str, Any]] = (),
    comment: str = "",
) -> Review:
    """Add a review of the machine's latest answer, which stays as it is.

    Whether that is the one that the reader has looked at, the caller has asked before.
    """
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


def latest_answers(session: Session, recordings: Iterable[str]) -> dict[str, Result]:
    """Return the machine's latest answer about each of several recordings, where there is one.

    The latest is the one that was written last, whichever job was ordered first.
    """
    query = select(Result).where(
        Result.recording_id.in_(list(recordings)), Result.kind == _ANSWER, Result.state == "done"
    )
    found = session.scalars(query.order_by(Result.finished_at, Result.id)).all()
    return {str(result.recording_id): result for result in found}


def answer_count(session: Session, recording: str) -> int:
    """Return how many answers about a recording are stored."""
    query = select(func.count(Result.id)).where(
        Result.recording_id == recording, Result.kind == _ANSWER, Result.state == "done"
    )
    return int(session.scalar(query) or 0)


def reviewed_answers(session: Session, reviews: Sequence[Review]) -> dict[int, str | None]:
    """Return the identity of the answer that each review is about, by number of the review."""
    wanted = {review.result_id for review in reviews if review.result_id is not None}
    results = session.scalars(select(Result).where(Result.id.in_(wanted))).all()
    known = {result.id: answer_identity(result) for result in results}
    return {one.id: None if one.result_id is None else known.get(one.result_id) for one in reviews}
