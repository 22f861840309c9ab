"""Routes of jobs: ordered, listed, looked at, ended."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from ecgfoundry.service.database.recordings import NewRecording
from ecgfoundry.service.jobs import Question
from ecgfoundry.service.kept import KeptRecordings
from ecgfoundry.service.openapi import BODY, answers, content, objects
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.query_params import JobList, JobQuestion
from ecgfoundry.service.route_parts import caller_of, described
from ecgfoundry.service.state import ServiceState
from ecgfoundry.service.uploads import Upload, received

__all__ = ["add_job_routes"]

_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "A name of your own for this order: sent again, it gives the same job",
}

Recordings = list[NewRecording | tuple[str, str]]


def add_job_routes(app: FastAPI, state: ServiceState) -> None:
    """Add the routes of jobs."""
    _add_order(app, state)

    @app.get(
        "/v1/jobs",
        **described(
            "jobs", "Your jobs, the newest first", answers(objects("Jobs"), "A page"), JobList
        ),
    )
    async def listed(request: Request) -> Response:
        asked = JobList.of(request)
        jobs, cursor = await asyncio.to_thread(
            state.jobs.listed,
            caller_of(request),
            state=asked.state,
            kind=asked.kind,
            limit=asked.limit,
            cursor=asked.cursor,
        )
        return JSONResponse({"jobs": jobs, "cursor": cursor})

    @app.get(
        "/v1/jobs/{job}",
        **described("jobs", "How far a job is", answers(objects("Job"), "Its state")),
    )
    async def progress(job: str, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(state.jobs.state, job, caller_of(request)))

    @app.get(
        "/v1/jobs/{job}/results",
        **described(
            "jobs",
            "What is done so far, one JSON object a line",
            answers(content("application/x-ndjson"), "A line for each recording"),
        ),
    )
    async def results(job: str, request: Request) -> Response:
        lines = await asyncio.to_thread(state.jobs.answers, job, caller_of(request))
        return Response(b"".join(lines), media_type="application/x-ndjson")

    @app.delete(
        "/v1/jobs/{job}",
        status_code=204,
        **described("jobs", "End a job and forget it", answers(None, "It ended", status=204)),
    )
    async def cancel(job: str, request: Request) -> Response:
        await asyncio.to_thread(state.jobs.remove, job, caller_of(request))
        state.jobs.stop(job)
        return Response(status_code=204)


def _add_order(app: FastAPI, state: ServiceState) -> None:
    @app.post(
        "/v1/jobs",
        status_code=202,
        **described(
            "jobs",
            "Do something with many files, or with a long one, in the background",
            answers(objects("Job"), "The job, which was accepted", status=202),
            JobQuestion,
            body=BODY,
            headers=(_KEY,),
        ),
    )
    async def order(request: Request) -> Response:
        caller = caller_of(request)
        caller.needs("write")
        asked = JobQuestion.of(request)
        key = request.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= 255:
            words = "an Idempotency-Key has 1 to 255 characters"
            raise ProblemError(Problem(400, "request", words))
        labs = asked.kind == "labs"
        question = Question(
            state.models.laboratory_model(asked.model) if labs else asked.model,
            asked.lead,
            asked.trend,
            asked.lead_names,
            asked.unit,
            asked.sampling_rate,
            asked.mains,
        )
        recordings, ignored = await _recordings_of(request, state, asked.recording)
        if len(recordings) > state.settings.job_files:
            words = f"a job may have {state.settings.job_files} recordings"
            raise ProblemError(Problem(413, "limit", words))
        job, _ = await asyncio.to_thread(
            state.jobs.order,
            caller,
            asked.kind,
            question,
            recordings,
            ignored=ignored,
            key=key,
            request=_fingerprint(asked.kind, question, recordings),
        )
        state.jobs.wake()
        return JSONResponse(job, 202, headers={"Location": f"/v1/jobs/{job['job']}"})


async def _recordings_of(
    request: Request, state: ServiceState, stored: str | None
) -> tuple[Recordings, tuple[str, ...]]:
    """Return the recordings of a job, and the names of files that are none."""
    caller = caller_of(request)
    if stored is None:
        async with received(request, state.workspace, limit=state.settings.body_bytes) as upload:
            found, ignored = upload.recordings()
            if not found:
                words = "there is no recording among the files: " + ", ".join(ignored[:8])
                raise ProblemError(Problem(400, "request", words))
            return await asyncio.to_thread(_put, state.kept, upload, caller.owner), tuple(ignored)
    if state.held.has(stored, caller):
        with state.held.using_upload(stored) as held:
            return await asyncio.to_thread(_put, state.kept, held, caller.owner), ()
    return [await asyncio.to_thread(state.kept.known, stored, caller)], ()


def _put(kept: KeptRecordings, upload: Upload, owner: str) -> Recordings:
    return list(kept.put(upload, owner))


def _fingerprint(kind: str, question: Question, recordings: Recordings) -> str:
    """The SHA-256 of all that was asked."""
    listed = [[r.name, r.content] if isinstance(r, NewRecording) else list(r) for r in recordings]
    document = json.dumps([kind, question.to_dict(), listed], sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()
