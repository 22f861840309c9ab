"""The outbox at work: every answer to every destination that wants it, in order, until it is taken.

What is to be sent is noted in the transaction that writes the answer, or what a reader says of it,
so nothing is lost between the two. It is written and sent later, by whichever replica has a hand
free; a receiver that gets a document twice, because a replica died in between, knows it by its
identifier.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.orm import Session

from ecgfoundry.errors import DatabaseError, EcgFoundryError, FileAccessError
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.reports.reviewed import Review, Said
from ecgfoundry.service.database.audit import Event, write_audit
from ecgfoundry.service.database.deliveries import claim_due, enqueue, mark_delivered, mark_failed
from ecgfoundry.service.database.recordings import identify
from ecgfoundry.service.database.reviews import reviews_of
from ecgfoundry.service.database.tables import Delivery, Recording, now
from ecgfoundry.service.database.tables import Result as Answer
from ecgfoundry.service.database.tables import Review as ReviewRow
from ecgfoundry.service.hospital import Destination
from ecgfoundry.service.identity import Identity
from ecgfoundry.service.kept import KeptRecordings
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.senders.dicom import DicomNode
from ecgfoundry.service.senders.documents import DocumentOrder
from ecgfoundry.service.senders.errors import DeliveryError
from ecgfoundry.service.senders.written import WrittenDocuments
from ecgfoundry.service.threads import to_its_end
from ecgfoundry.service.work import Work
from ecgfoundry.service.workers import WorkerPool

__all__ = ["Outbox", "delivery_out"]

_LOG = logging.getLogger("ecgfoundry.service.outbox")
_POLL_S = 1.0
"""So often the outbox looks for what is due (our choice)."""
_LEASE_S = 600.0
"""Longer than a document may take to be written and handed over (our choice)."""
_WRITING_S = 300.0
"""Within the lease; a request has less, but nobody waits for this answer (our choice)."""
_LONGEST_PAUSE_S = 30.0
_TIMEOUT = "timeout"
"""It may go well when the machine has less to do."""
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
    asked: bool = False


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
    worklist : DicomNode, optional
        What knows the persons and orders of recordings.
    zone : tzinfo, optional
        Of the days in that worklist.
    """

    def __init__(
        self,
        destinations: Mapping[str, Destination],
        kept: KeptRecordings,
        pool: WorkerPool,
        limits: Limits,
        worklist: DicomNode | None = None,
        zone: dt.tzinfo | None = None,
    ) -> None:
        self._destinations, self._kept, self._pool = destinations, kept, pool
        self._limits, self._worklist, self._zone = limits, worklist, zone
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._in_hand: dict[int, _Claimed] = {}
        self._written = WrittenDocuments()
        self._wake, self._asking = asyncio.Event(), asyncio.Lock()

    def note(self, session: Session, answer: Answer) -> None:
        """Note what follows from an answer, in the transaction that writes it."""
        if answer.kind != _MADE_ONLY_ONCE or answer.state != "done" or answer.recording_id is None:
            return
        recording = session.get(Recording, answer.recording_id)
        if recording is None or not recording.kept:
            return
        self._enqueue(session, recording, answer.id, None)

    def note_review(self, session: Session, recording: Recording, review: ReviewRow) -> None:
        """Note what follows from a review, in its transaction; without an answer nothing does."""
        if review.result_id is not None:
            self._enqueue(session, recording, review.result_id, review.id)

    def _enqueue(
        self, session: Session, recording: Recording, answer: int, review: int | None
    ) -> None:
        stage = "machine" if review is None else "reader"
        for destination in self._destinations.values():
            if destination.wants(recording.owner, recording.source, stage):
                for kind in destination.documents:
                    enqueue(
                        session,
                        destination=destination.name,
                        recording_id=recording.id,
                        kind=kind,
                        payload_key=str(answer),
                        review_id=review,
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
                    claimed = await to_its_end(self._claimed)
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
            with contextlib.suppress(EcgFoundryError):  # else their leases run out
                self._give_back()

    # ------------------------------------------------------------------------------------ inside

    def _claimed(self) -> list[_Claimed]:
        with self._kept.database.writing() as session:
            rows = claim_due(session, lease_s=_LEASE_S)
            claimed = [self._with_order(session, row) for row in rows]
        self._in_hand |= {one.id: one for one in claimed}
        return claimed

    def _give_back(self) -> None:
        """Let others send at once what this replica has claimed and not settled."""
        with self._kept.database.writing() as session:
            for one in self._in_hand.values():
                mark_failed(session, one.id, "the service was stopped", retry_at=now())
        self._in_hand.clear()

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
                _review(session, row.review_id),
                Identity.from_dict(recording.identity),
                destination.organization,
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
            recording is not None and bool((recording.identity or {}).get("asked")),
        )

    async def _send(self, one: _Claimed) -> None:
        try:
            try:
                await self._attempt(one)
            except DeliveryError as error:
                if await to_its_end(self._failed, one, error):
                    return  # its document is kept for the next attempt
            except EcgFoundryError as error:
                later = isinstance(error, FileAccessError | DatabaseError)
                failed = DeliveryError(error.problem, permanent=not later)
                await to_its_end(self._failed, one, failed)
            else:
                await to_its_end(self._arrived, one)
            self._written.drop(one.id)
        except EcgFoundryError as error:  # the database: its lease runs out, and it is sent again
            self._in_hand.pop(one.id, None)
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
            if not await asyncio.to_thread(self._is_still, one):
                raise DeliveryError("the recording was replaced meanwhile", permanent=True)
            order = one.order
            if self._worklist is not None and not one.asked:
                async with self._asking:  # destinations of one answer get the same person
                    identity = await self._identified(self._worklist, one, path)
                order = replace(order, identity=identity)
            body = self._written.get(one.id, order)
            if body is None:
                body = await self._made(Work("document", str(path), one.name, document=order))
                self._written.put(one.id, order, body)
        except ProblemError as error:
            raise DeliveryError(error.problem.detail) from None
        finally:
            kept.__exit__(None, None, None)
        await asyncio.to_thread(destination.send, body)

    async def _made(self, work: Work) -> bytes:
        """Let a worker do it, which reads what came from outside."""
        options = ReadOptions(limits=self._limits)
        work = replace(work, options=options, timeout_s=_WRITING_S)
        result = await self._pool.submit(work, patient=True)
        if result.problem is not None:
            words = f"the document cannot be written: {result.problem.detail}"
            later = result.problem.status == _STOPPING or result.problem.code == _TIMEOUT
            raise DeliveryError(words, permanent=not later)
        return result.body

    async def _identified(self, worklist: DicomNode, one: _Claimed, path: Path) -> Identity:
        """Ask the worklist, once for a recording, and keep what it says."""
        from ecgfoundry.service.worklist import OtherPersonError, ask, day_in, identity_in

        said = await asyncio.to_thread(self._said, one)
        if said.asked:
            return said
        read = json.loads(await self._made(Work("identity", str(path), one.name)))
        known = said.filled(Identity.from_dict(read["identity"]))
        found, outcome = Identity(), "nothing to ask by"
        if known.accession or known.patient:
            entries = await asyncio.to_thread(
                ask, worklist, accession=known.accession, patient=known.patient
            )
            day = day_in(self._zone, read["start"])
            try:
                # Who says the number in the request says that the header is somebody else's.
                person = said if said.patient else known
                person = replace(person, accession=known.accession)
                found = identity_in(entries, known=person, day=day)
                if found.unmatched:
                    outcome = "no order of the recording"
                else:
                    outcome = "ok" if found.patient else "several" if entries else "not found"
            except OtherPersonError as error:
                await asyncio.to_thread(self._asked, one, Identity(), "another person")
                raise DeliveryError(error.problem, permanent=True) from None
        identity = replace(said.filled(found), asked=True)
        return await asyncio.to_thread(self._asked, one, identity, outcome)

    def _is_still(self, one: _Claimed) -> bool:
        """Whether the files that are about to be read are those that the answer is about."""
        with self._kept.database.reading() as session:
            recording = session.get(Recording, one.recording)
            return recording is not None and recording.content == one.content

    def _said(self, one: _Claimed) -> Identity:
        with self._kept.database.reading() as session:
            recording = session.get(Recording, one.recording)
            return Identity.from_dict(recording.identity if recording else None)

    def _asked(self, one: _Claimed, identity: Identity, outcome: str) -> Identity:
        """Note what the worklist has said; return what another replica has noted before."""
        with self._kept.database.writing() as session:
            recording = session.get(Recording, one.recording)
            if recording is None or recording.content != one.content:
                raise DeliveryError("the recording was replaced meanwhile", permanent=True)
            noted = Identity.from_dict(recording.identity)
            if noted.asked:
                return noted
            if identity.asked:
                identify(recording, identity.to_dict())
            event = Event("service", "worklist.asked", outcome, one.recording, one.content or None)
            write_audit(session, event)
        return identity

    def _arrived(self, one: _Claimed) -> None:
        with self._kept.database.writing() as session:
            mark_delivered(session, one.id)
            self._audit(session, one, "ok")
        self._in_hand.pop(one.id, None)

    def _failed(self, one: _Claimed, error: DeliveryError) -> bool:
        """Note that a delivery failed; return whether it is tried again."""
        destination = self._destinations.get(one.destination)
        pause: float | None = None
        if destination is not None and not error.permanent:
            pause = destination.retries.pause_s(one.attempts)
        retry_at = None if pause is None else now() + dt.timedelta(seconds=pause)
        with self._kept.database.writing() as session:
            mark_failed(session, one.id, error.problem, retry_at=retry_at)
            if retry_at is None:
                self._audit(session, one, "dead")
        self._in_hand.pop(one.id, None)
        # What a receiver says may hold names; it stands in the database, and not in the log.
        state = "is dead" if retry_at is None else "is tried again"
        _LOG.warning("delivery %d to %s %s", one.id, one.destination, state)
        return retry_at is not None

    def _audit(self, session: Session, one: _Claimed, outcome: str) -> None:
        event = Event(f"to:{one.destination}", f"sent.{one.kind}", outcome, one.recording,
                      one.content or None)  # fmt: skip
        write_audit(session, event)


def _review(session: Session, number: int | None) -> Review | None:
    """Return what a reader has said, with what was said before of the same answer."""
    row = None if number is None else session.get(ReviewRow, number)
    if row is None:
        return None
    earlier = [
        one
        for one in reviews_of(session, row.recording_id)
        if one.id < row.id and one.result_id == row.result_id
    ]
    return Review(
        row.reader,
        row.decision,  # type: ignore[arg-type]
        row.created_at,
        row.id,
        tuple(Said(one["name"], one["present"], one.get("note", "")) for one in row.statements),
        row.comment,
        earlier[-1].id if earlier else None,
        any(one.decision != "rejected" for one in earlier),
    )


def delivery_out(row: Delivery) -> dict[str, object]:
    """Return what a list says of a delivery."""
    return {
        "delivery": row.id,
        "destination": row.destination,
        "kind": row.kind,
        "recording": row.recording_id,
        "review": row.review_id,
        "state": row.state,
        "attempts": row.attempts,
        "next_attempt": _moment(row.next_attempt_at) if row.state == "waiting" else None,
        "last_error": row.last_error,
        "created": _moment(row.created_at),
        "delivered": None if row.delivered_at is None else _moment(row.delivered_at),
    }


def _moment(value: dt.datetime) -> str:
    return value.isoformat(timespec="milliseconds")
