"""The outbox at work: every answer to every destination that wants it, in order, until it is taken.

What is to be sent is noted in the transaction that writes the answer, so nothing is lost between
the two. It is written and sent later, by whichever replica has a hand free; a receiver that gets a
document twice, because a replica died in between, knows it by its identifier.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.service.database.audit import Event, write_audit
from ecgfoundry.service.database.deliveries import claim_due, enqueue, mark_delivered, mark_failed
from ecgfoundry.service.database.tables import Delivery, Recording, now
from ecgfoundry.service.database.tables import Result as Answer
from ecgfoundry.service.handlers import Work
from ecgfoundry.service.hospital import Destination
from ecgfoundry.service.kept import KeptRecordings
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.senders.documents import DocumentOrder
from ecgfoundry.service.senders.errors import DeliveryError
from ecgfoundry.service.workers import WorkerPool

__all__ = ["Outbox", "delivery_out"]

_LOG = logging.getLogger("ecgfoundry.service.outbox")
_POLL_S = 1.0
"""So often the outbox looks for what is due (our choice)."""
_LEASE_S = 600.0
"""Longer than a document may take to be written and handed over (our choice)."""
_LONGEST_PAUSE_S = 30.0
_STOPPING = 503
_MADE_ONLY_ONCE = "diagnose"


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: int
    destination: str
    recording: str | None
    kind: str
    attempts: int
    order: DocumentOrder | None
    name: str = ""
    content: str = ""


class Outbox:
    """What goes out, and this replica's part of sending it.

    Parameters
    ----------
    destinations : mapping of str to Destination
    kept : KeptRecordings
    pool : WorkerPool
        Where documents are written.
    limits : Limits
        Of reading a recording.
    """

    def __init__(
        self,
        destinations: Mapping[str, Destination],
        kept: KeptRecordings,
        pool: WorkerPool,
        limits: Limits,
    ) -> None:
        self._destinations, self._kept, self._pool = destinations, kept, pool
        self._limits = limits
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def note(self, session: Session, answer: Answer) -> None:
        """Note what follows from an answer, in the transaction that writes it."""
        if answer.kind != _MADE_ONLY_ONCE or answer.state != "done" or answer.recording_id is None:
            return
        recording = session.get(Recording, answer.recording_id)
        if recording is None or not recording.kept:
            return
        for destination in self._destinations.values():
            if destination.wants(recording.owner, recording.source):
                for kind in destination.documents:
                    enqueue(
                        session,
                        destination=destination.name,
                        recording_id=recording.id,
                        kind=kind,
                        payload_key=str(answer.id),
                    )

    def wake(self) -> None:
        """Look now whether something is due."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        pause = _POLL_S
        try:
            while True:
                try:
                    claimed = await asyncio.to_thread(self._claimed)
                    pause = _POLL_S
                except EcgFoundryError as error:
                    _LOG.error("the outbox cannot be read: %s", error.problem)
                    claimed, pause = [], min(2 * pause, _LONGEST_PAUSE_S)
                for one in claimed:
                    self._sending[one.id] = asyncio.create_task(self._send(one))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)
                self._wake.clear()
        finally:
            for task in self._sending.values():
                task.cancel()
            await asyncio.gather(*self._sending.values(), return_exceptions=True)

    # ------------------------------------------------------------------------------------ inside

    def _claimed(self) -> list[_Claimed]:
        with self._kept.database.writing() as session:
            rows = claim_due(session, lease_s=_LEASE_S)
            return [self._with_order(session, row) for row in rows]

    def _with_order(self, session: Session, row: Delivery) -> _Claimed:
        destination = self._destinations.get(row.destination)
        answer = session.get(Answer, int(row.payload_key)) if row.payload_key else None
        recording = session.get(Recording, row.recording_id) if row.recording_id else None
        order = None
        if destination and recording and answer and answer.answer and answer.finished_at:
            order = DocumentOrder(
                row.kind,  # type: ignore[arg-type]
                answer.answer,
                answer.finished_at,
                recording.id,
                destination.patient_system,
                destination.time_zone,
                destination.parties,
            )
        return _Claimed(
            row.id,
            row.destination,
            row.recording_id,
            row.kind,
            row.attempts,
            order,
            "" if recording is None else recording.name,
            "" if recording is None else recording.content,
        )

    async def _send(self, one: _Claimed) -> None:
        try:
            try:
                await self._attempt(one)
            except DeliveryError as error:
                await asyncio.to_thread(self._failed, one, error)
            except EcgFoundryError as error:
                failed = DeliveryError(error.problem, permanent=True)
                await asyncio.to_thread(self._failed, one, failed)
            except asyncio.CancelledError:
                self._failed(one, DeliveryError("the service was stopped"), at_once=True)
                raise
            else:
                await asyncio.to_thread(self._arrived, one)
        except EcgFoundryError as error:  # the database: its lease runs out, and it is sent again
            _LOG.error("what became of a delivery cannot be noted: %s", error.problem)
        finally:
            self._sending.pop(one.id, None)
            self._wake.set()

    async def _attempt(self, one: _Claimed) -> None:
        destination = self._destinations.get(one.destination)
        if destination is None:
            raise DeliveryError("there is no such destination any more", permanent=True)
        if one.order is None or one.recording is None:
            raise DeliveryError("the recording or its answer is gone", permanent=True)
        kept = self._kept.using(one.recording, None)
        try:
            path, _ = await asyncio.to_thread(kept.__enter__)
        except ProblemError as error:
            raise DeliveryError(error.problem.detail, permanent=True) from None
        try:
            options = ReadOptions(limits=self._limits)
            work = Work("document", str(path), one.name, options, document=one.order)
            result = await self._pool.submit(work, patient=True)
        except ProblemError as error:
            raise DeliveryError(error.problem.detail) from None
        finally:
            kept.__exit__(None, None, None)
        if result.problem is not None:
            words = f"the document cannot be written: {result.problem.detail}"
            raise DeliveryError(words, permanent=result.problem.status != _STOPPING)
        await asyncio.to_thread(destination.send, result.body)

    def _arrived(self, one: _Claimed) -> None:
        with self._kept.database.writing() as session:
            mark_delivered(session, one.id)
            self._audit(session, one, "ok")

    def _failed(self, one: _Claimed, error: DeliveryError, *, at_once: bool = False) -> None:
        destination = self._destinations.get(one.destination)
        pause: float | None = None
        if at_once:
            pause = 0.0
        elif destination is not None and not error.permanent:
            pause = destination.retries.pause_s(one.attempts)
        retry_at = None if pause is None else now() + dt.timedelta(seconds=pause)
        with self._kept.database.writing() as session:
            mark_failed(session, one.id, error.problem, retry_at=retry_at)
            if retry_at is None:
                self._audit(session, one, "dead")
        # What a receiver says may hold names; it stands in the database, and not in the log.
        state = "is dead" if retry_at is None else "is tried again"
        _LOG.warning("delivery %d to %s %s", one.id, one.destination, state)

    def _audit(self, session: Session, one: _Claimed, outcome: str) -> None:
        event = Event(f"to:{one.destination}", f"sent.{one.kind}", outcome, one.recording,
                      one.content or None)  # fmt: skip
        write_audit(session, event)


def delivery_out(row: Delivery) -> dict[str, object]:
    """Return what a list says of a delivery."""
    return {
        "delivery": row.id,
        "destination": row.destination,
        "kind": row.kind,
        "recording": row.recording_id,
        "state": row.state,
        "attempts": row.attempts,
        "next_attempt": _moment(row.next_attempt_at) if row.state == "waiting" else None,
        "last_error": row.last_error,
        "created": _moment(row.created_at),
        "delivered": None if row.delivered_at is None else _moment(row.delivered_at),
    }


def _moment(value: dt.datetime) -> str:
    return value.isoformat(timespec="milliseconds")
