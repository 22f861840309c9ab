"""Routes of kept recordings: the worklist, what readers say, and the audit trail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.service.database.audit import Event, audit_since, write_audit
from ecgfoundry.service.database.recordings import Worklist
from ecgfoundry.service.database.reviews import (
    add_review,
    answer_count,
    answer_identity,
    latest_answers,
    reviewed_answers,
    reviews_of,
)
from ecgfoundry.service.database.tables import Recording, Review
from ecgfoundry.service.identity import Identity
from ecgfoundry.service.jobs import Question
from ecgfoundry.service.openapi import BODY, answers, in_json, objects
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.query_params import AuditList, Kept, RecordingList, Sent, StoredAnswer
from ecgfoundry.service.route_parts import caller_of, described
from ecgfoundry.service.state import ServiceState
from ecgfoundry.service.tokens import Caller
from ecgfoundry.service.uploads import received
from ecgfoundry.service.work import Work
from ecgfoundry.service.worker_limits import limits_for

__all__ = ["add_kept_routes"]

_TAG = "stored recordings"
_LARGEST_REVIEW = 1_000_000


def _text(value: str) -> str:
    if "\x00" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise ValueError("it holds a character that is none")
    return value


Text = Annotated[str, AfterValidator(_text)]


class ReviewedStatement(BaseModel):
    """What a reader says about one statement or finding."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Field(min_length=1, max_length=200)
    present: bool | None
    note: Text = Field("", max_length=2000)


class NewReview(BaseModel):
    """What a reader says about the machine's answer.

    ``sha256``: of the recording that was read, as its entry says it; None: nobody has looked.
    ``answer``: of the machine's answer that was read, likewise; None: there was none to read.
    """

    model_config = ConfigDict(extra="forbid")

    decision: Literal["confirmed", "edited", "rejected"]
    statements: list[ReviewedStatement] = Field(default=[], max_length=500)
    comment: Text = Field("", max_length=10_000)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    answer: str | None = Field(None, pattern="^[0-9a-f]{64}$")


def add_kept_routes(app: FastAPI, state: ServiceState) -> None:
    """Add the routes of kept recordings."""
    _add_keeping(app, state)
    _add_worklist(app, state)
    _add_reviews(app, state)
    _add_audit(app, state)


def _add_keeping(app: FastAPI, state: ServiceState) -> None:
    limit = state.settings.body_bytes

    @app.post(
        "/v1/recordings",
        status_code=201,
        **described(
            _TAG,
            "Keep a recording on the server; the same content of the same owner is kept once",
            answers(objects("Stored"), "Its name", status=201)
            | {200: {"description": "It is kept already", "content": objects("Stored")}},
            Kept,
            body=BODY,
        ),
    )
    async def keep(request: Request) -> Response:
        caller = caller_of(request)
        caller.needs("write")
        asked = Kept.of(request)
        async with received(request, state.workspace, limit=limit) as upload:
            _ = upload.recording  # the files of one recording, or none of them is kept
            said = Identity(asked.patient, asked.patient_system, accession=asked.accession)
            name, new = await asyncio.to_thread(state.kept.keep, upload, caller, identity=said)
        state.describer.wake()
        body: dict[str, Any] = {"recording": name, "new": new, "job": None}
        if asked.diagnose:
            # The key makes it one job for a recording, however often it is sent.
            about = await asyncio.to_thread(state.kept.known, name, caller)
            job, _ = await asyncio.to_thread(
                state.jobs.order, caller, "diagnose", Question(), [about], key=f"diagnose {name}"
            )
            state.jobs.wake()
            body["job"] = job["job"]
        location = {"Location": f"/v1/recordings/{name}"}
        return JSONResponse(body, 201 if new else 200, headers=location)

    @app.put(
        "/v1/recordings/{recording}",
        status_code=204,
        **described(
            _TAG,
            "Put other files in the place of a kept recording",
            answers(None, "It was replaced", status=204),
            Sent,
            body=BODY,
        ),
    )
    async def replace(recording: str, request: Request) -> Response:
        caller = caller_of(request)
        caller.needs("write")
        async with received(request, state.workspace, limit=limit) as upload:
            _ = upload.recording
            await asyncio.to_thread(state.kept.replace, recording, upload, caller)
        state.describer.wake()
        return Response(status_code=204)

    @app.delete(
        "/v1/recordings/{recording}",
        status_code=204,
        **described(
            _TAG, "Remove a held or kept recording", answers(None, "It was removed", status=204)
        ),
    )
    async def remove(recording: str, request: Request) -> Response:
        await asyncio.to_thread(state.stored.delete, recording, caller_of(request))
        return Response(status_code=204)


def _add_worklist(app: FastAPI, state: ServiceState) -> None:
    @app.get(
        "/v1/recordings",
        **described(
            _TAG,
            "What is kept of yours, the newest first: the worklist",
            answers(objects("StoredList"), "A page"),
            RecordingList,
        ),
    )
    async def listed(request: Request) -> Response:
        asked, caller = RecordingList.of(request), caller_of(request)
        wanted = Worklist(
            owner=None if caller.role == "admin" else caller.owner,
            review=asked.review,
            words=asked.q,
            patient=asked.patient,
            after=asked.after,
            before=asked.before,
        )
        entries, cursor = await asyncio.to_thread(
            state.kept.listed, caller, wanted, limit=asked.limit, cursor=asked.cursor
        )
        return JSONResponse({"recordings": entries, "cursor": cursor})

    @app.get(
        "/v1/recordings/{recording}",
        **described(
            _TAG, "What is known of a kept recording", answers(objects("StoredEntry"), "It")
        ),
    )
    async def one(recording: str, request: Request) -> Response:
        def found(caller: Caller) -> dict[str, Any]:
            with state.kept.database.reading() as session:
                row = state.kept.find(session, recording, caller)
                state.kept.note_reading(row, caller)
                return state.kept.entry(row, latest_answers(session, [row.id]).get(row.id))

        return JSONResponse(await asyncio.to_thread(found, caller_of(request)))

    @app.get(
        "/v1/recordings/{recording}/interpretation",
        **described(
            _TAG,
            "The machine's latest stored answer; its ETag is what a review names as 'answer'",
            answers(objects("Interpretation"), "As the job gave it"),
            StoredAnswer,
        ),
    )
    async def interpretation(recording: str, request: Request) -> Response:
        asked, caller = StoredAnswer.of(request), caller_of(request)
        if asked.format == "json":
            body, identity = await asyncio.to_thread(_stored, state, recording, caller)
            return Response(body, media_type="application/json", headers={"ETag": f'"{identity}"'})
        async with state.stored.using(recording, caller) as (path, name):
            # The files first: of others that took their place this answer is none.
            body, identity = await asyncio.to_thread(_stored, state, recording, caller)
            options = ReadOptions(limits=limits_for(state.settings.worker_memory_bytes))
            work = Work("stored", str(path), name, options, format=asked.format, answer=body)
            result = await state.pool.submit(work)
        if result.problem is not None:
            raise ProblemError(result.problem)
        return Response(
            result.body, media_type=result.media_type, headers={"ETag": f'"{identity}"'}
        )


def _stored(state: ServiceState, recording: str, caller: Caller) -> tuple[bytes, str]:
    """Return the latest stored answer about a recording, and its identity.

    Raises
    ------
    ProblemError
        404.
    """
    with state.kept.database.reading() as session:
        row = state.kept.find(session, recording, caller)
        state.kept.note_reading(row, caller)
        answer = latest_answers(session, [row.id]).get(row.id)
        identity = answer_identity(answer)
        if answer is None or answer.answer is None or identity is None:
            remedy = f"Order one: POST /v1/jobs?recording={recording}"
            words = "no interpretation of this recording is stored"
            raise ProblemError(Problem(404, "no-interpretation", words, remedy))
        return answer.answer, identity


def _add_reviews(app: FastAPI, state: ServiceState) -> None:
    @app.post(
        "/v1/recordings/{recording}/reviews",
        status_code=201,
        **described(
            "reviews",
            "Say what a reader says; the machine's answer and earlier reviews stay as they are",
            answers(objects("Review"), "The review", status=201),
            body=in_json("NewReview"),
        ),
    )
    async def review(recording: str, request: Request) -> Response:
        caller = caller_of(request)
        caller.needs("write")
        said = await _review_in(request)

        def add() -> dict[str, Any]:
            with state.kept.database.writing() as session:
                row = state.kept.find(session, recording, caller, alone=True)
                if said.sha256 not in (None, row.content):
                    words = "the recording was replaced after it was read"
                    problem = Problem(409, "recording-replaced", words, "Read it again")
                    raise ProblemError(problem)
                _refuse_another_answer(session, row, said)
                added = add_review(
                    session,
                    row,
                    reader=caller.reader,
                    decision=said.decision,
                    statements=[statement.model_dump() for statement in said.statements],
                    comment=said.comment,
                )
                event = Event(caller.name, f"review.{said.decision}", "ok", row.id, row.content)
                write_audit(session, event)
                if state.wires is not None:
                    state.wires.outbox.note_review(session, row, added)
                return _reviews_out(session, [added])[0]

        made = await asyncio.to_thread(add)
        if state.wires is not None:
            state.wires.outbox.wake()
        return JSONResponse(made, 201)

    @app.get(
        "/v1/recordings/{recording}/reviews",
        **described(
            "reviews",
            "What readers have said, the first first; the last counts",
            answers(objects("Reviews"), "All of them"),
        ),
    )
    async def reviews(recording: str, request: Request) -> Response:
        def found(caller: Caller) -> list[dict[str, Any]]:
            with state.kept.database.reading() as session:
                row = state.kept.find(session, recording, caller)
                state.kept.note_reading(row, caller)
                return _reviews_out(session, reviews_of(session, row.id))

        return JSONResponse({"reviews": await asyncio.to_thread(found, caller_of(request))})


async def _review_in(request: Request) -> NewReview:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _LARGEST_REVIEW:
            raise ProblemError(Problem(413, "limit", "a review may have 1,000,000 bytes"))
    try:
        return NewReview.model_validate(json.loads(content))
    except ValidationError as error:
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        ) from None
    except (ValueError, RecursionError):
        raise ProblemError(Problem(400, "request", "a review is a JSON object")) from None


def _refuse_another_answer(session: Session, recording: Recording, said: NewReview) -> None:
    """Refuse what a reader says of an answer that is not the latest, or may not be.

    Raises
    ------
    ProblemError
        409.
    """
    remedy = f"Read GET /v1/recordings/{recording.id}/interpretation, and send its ETag as 'answer'"
    latest = answer_identity(latest_answers(session, [recording.id]).get(recording.id))
    if "answer" not in said.model_fields_set:
        if answer_count(session, recording.id) > 1:
            words = "several answers are stored, and the review does not say which was read"
            raise ProblemError(Problem(409, "answer-not-named", words, remedy))
    elif latest is not None and said.answer != latest:
        words = "the machine's latest answer is not the one that was read"
        raise ProblemError(Problem(409, "answer-changed", words, remedy))


def _reviews_out(session: Session, reviews: Sequence[Review]) -> list[dict[str, Any]]:
    about = reviewed_answers(session, reviews)
    return [_review_out(one, about[one.id]) for one in reviews]


def _review_out(review: Review, answer: str | None) -> dict[str, Any]:
    return {
        "review": review.id,
        "recording": review.recording_id,
        "reader": review.reader,
        "decision": review.decision,
        "statements": review.statements,
        "comment": review.comment,
        "answer": answer,
        "created": review.created_at.isoformat(timespec="milliseconds"),
    }


def _add_audit(app: FastAPI, state: ServiceState) -> None:
    @app.get(
        "/v1/audit",
        **described(
            "service",
            "The audit trail, the newest first; for the role admin",
            answers(objects("AuditTrail"), "A page"),
            AuditList,
        ),
    )
    async def trail(request: Request) -> Response:
        caller_of(request).needs("admin")
        asked = AuditList.of(request)

        def found() -> list[dict[str, Any]]:
            state.kept.noted.write(state.kept.database)
            with state.kept.database.reading() as session:
                rows = audit_since(
                    session,
                    before=asked.before,
                    subject=asked.subject,
                    who=asked.who,
                    limit=asked.limit,
                )
                return [
                    {
                        "number": row.id,
                        "at": row.at.isoformat(timespec="milliseconds"),
                        "who": row.who,
                        "action": row.action,
                        "subject": row.subject,
                        "content": row.content,
                        "outcome": row.outcome,
                        "request": row.request,
                    }
                    for row in rows
                ]

        return JSONResponse({"rows": await asyncio.to_thread(found)})
