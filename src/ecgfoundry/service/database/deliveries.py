"""What has to reach other systems (outbox): in order for each destination, until it is there.

A delivery that is being sent has a lease; when its sender dies, another takes it up. So a message
may arrive twice, and is never lost: receivers know it by its identifier.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from ecgfoundry.service.database.tables import Delivery, now

__all__ = [
    "STATES",
    "claim_due",
    "delivery_counts",
    "enqueue",
    "list_deliveries",
    "mark_delivered",
    "mark_failed",
    "revive",
    "superseded",
]

STATES = ("waiting", "sending", "delivered", "dead")
_LEASE_S = 120.0
"""Longer than one attempt to send may take (our choice)."""


def enqueue(
    session: Session,
    *,
    destination: str,
    recording_id: str | None,
    kind: str,
    payload_key: str | None = None,
    review_id: int | None = None,
    at: dt.datetime | None = None,
) -> Delivery:
    """Add a delivery, in the same transaction as what is to be told."""
    delivery = Delivery(
        destination=destination,
        recording_id=recording_id,
        kind=kind,
        payload_key=payload_key,
        review_id=review_id,
        next_attempt_at=at or now(),
    )
    session.add(delivery)
    session.flush()
    return delivery


def claim_due(
    session: Session, at: dt.datetime | None = None, limit: int = 16, *, lease_s: float = _LEASE_S
) -> Sequence[Delivery]:
    """Claim deliveries that are due: of every destination the oldest that has not arrived.

    What comes after it waits until it has arrived or is dead. Other replicas that ask now skip it.
    """
    moment = at or now()
    earlier = aliased(Delivery)
    blocked = exists().where(
        earlier.destination == Delivery.destination,
        earlier.id < Delivery.id,
        earlier.state.in_(("waiting", "sending")),
    )
    due = or_(
        and_(Delivery.state == "waiting", Delivery.next_attempt_at <= moment),
        and_(Delivery.state == "sending", Delivery.lease_until < moment),
    )
    query = select(Delivery).where(due, ~blocked).order_by(Delivery.id).limit(limit)
    claimed = session.scalars(query.with_for_update(of=Delivery, skip_locked=True)).all()
    for delivery in claimed:
        delivery.state, delivery.attempts = "sending", delivery.attempts + 1
        delivery.lease_until = moment + dt.timedelta(seconds=lease_s)
    session.flush()
    return claimed


def mark_delivered(session: Session, delivery: int) -> None:
    """It has arrived."""
    _mark(session, delivery, state="delivered", delivered_at=now(), last_error=None)


def mark_failed(
    session: Session, delivery: int, error: str, *, retry_at: dt.datetime | None
) -> None:
    """It did not arrive: try again at ``retry_at``; None: it is dead, and the next may go."""
    if retry_at is None:
        _mark(session, delivery, state="dead", last_error=error[:2000])
    else:
        _mark(session, delivery, state="waiting", next_attempt_at=retry_at, last_error=error[:2000])


def _mark(session: Session, delivery: int, **values: object) -> None:
    unsettled = and_(Delivery.id == delivery, Delivery.state.in_(("waiting", "sending")))
    session.execute(update(Delivery).where(unsettled).values(lease_until=None, **values))


def superseded(session: Session, delivery: int) -> bool:
    """Whether something later of the same recording and kind has gone the same way.

    An automatic answer after the word of a reader would stand for it.
    """
    row = session.get(Delivery, delivery)
    if row is None or row.recording_id is None:
        return False
    later = select(Delivery.id).where(
        Delivery.id > row.id,
        Delivery.destination == row.destination,
        Delivery.recording_id == row.recording_id,
        Delivery.kind == row.kind,
        Delivery.state.in_(("sending", "delivered")),
    )
    return session.scalar(later.limit(1)) is not None


def revive(session: Session, delivery: int) -> bool:
    """Let a dead delivery be sent again; return whether there was one that may be."""
    if superseded(session, delivery):
        return False
    dead = and_(Delivery.id == delivery, Delivery.state == "dead")
    changed = session.execute(
        update(Delivery).where(dead).values(state="waiting", next_attempt_at=now())
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def delivery_counts(session: Session) -> dict[str, int]:
    """Return how many deliveries are in each state."""
    counted = session.execute(select(Delivery.state, func.count()).group_by(Delivery.state)).all()
    return dict.fromkeys(STATES, 0) | {state: int(count) for state, count in counted}


def list_deliveries(
    session: Session,
    *,
    recording_id: str | None = None,
    destination: str | None = None,
    state: str | None = None,
    limit: int = 100,
) -> Sequence[Delivery]:
    """Return deliveries, the newest first."""
    query = select(Delivery)
    for column, value in (
        (Delivery.recording_id, recording_id),
        (Delivery.destination, destination),
        (Delivery.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    return session.scalars(query.order_by(Delivery.id.desc()).limit(limit)).all()
