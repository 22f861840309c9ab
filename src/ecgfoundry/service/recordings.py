"""Routes that take a recording: diagnose, labs, embed, read, stored recordings, batch jobs."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from ecgfoundry.service.handlers import Result, Work
from ecgfoundry.service.jobs import Job
from ecgfoundry.service.kept import HELD_S
from ecgfoundry.service.openapi import BODY, answers, content, in_every_format, objects
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.query_params import (
    Excerpt,
    Explained,
    Followed,
    InFormat,
    JobQuestion,
    Question,
    Sent,
    parameters,
)
from ecgfoundry.service.responses import REPORT_POLICY
from ecgfoundry.service.state import ServiceState
from ecgfoundry.service.tokens import Caller
from ecgfoundry.service.uploads import received, take
from ecgfoundry.service.worker_limits import limits_for

__all__ = ["add_recording_routes", "caller_of"]


def caller_of(request: Request) -> Caller:
    """Return who calls, as the gate has found."""
    caller: Caller = request.state.caller
    return caller


@asynccontextmanager
async def _recording(
    request: Request, state: ServiceState, stored: str | None
) -> AsyncIterator[tuple[Path, str]]:
    """Give the recording of a request: a stored one, or the files in its body."""
    if stored is not None:
        async with state.stored.using(stored, caller_of(request)) as found:
            yield found
        return
    limit = state.settings.body_bytes
    async with received(request, state.workspace, limit=limit) as upload:
        yield upload.recording


def _response(result: Result) -> Response:
    if result.problem is not None:
        raise ProblemError(result.problem)
    headers = {}
    if result.media_type.startswith("text/html"):
        headers["Content-Security-Policy"] = REPORT_POLICY
    return Response(result.body, media_type=result.media_type, headers=headers)


def add_recording_routes(app: FastAPI, state: ServiceState) -> None:
    """Add the routes that take a recording."""
    _add_answers(app, state)
    _add_held(app, state)
    _add_kept(app, state)
    _add_jobs(app, state)


def _described(
    tag: str, summary: str, responses: dict[int | str, Any], question: type[BaseModel] | None = None
) -> dict[str, Any]:
    """What a route says of itself; ``question``: it takes a recording, and these parameters."""
    taken = {} if question is None else {"openapi_extra": BODY | parameters(question)}
    return {
        "tags": [tag],
        "summary": summary,
        "responses": responses,
        "response_class": Response,
        **taken,
    }


def _add_answers(app: FastAPI, state: ServiceState) -> None:
    limits = limits_for(state.settings.worker_memory_bytes)

    async def answer(request: Request, asked: Question, **fields: Any) -> Response:
        async with _recording(request, state, asked.recording) as (path, name):
            work = Work(
                path=str(path), name=name, options=asked.options(limits), lead=asked.lead, **fields
            )
            result = await state.pool.submit(work)
        if result.verdict is not None:
            state.telemetry.verdicts.labels(result.verdict).inc()
        return _response(result)

    def described(
        summary: str, question: type[Question], success: dict[str, Any]
    ) -> dict[str, Any]:
        return _described("recordings", summary, answers(success, summary), question)

    @app.post(
        "/v1/diagnose",
        **described(
            "Findings with calibrated probabilities", InFormat, in_every_format("Interpretation")
        ),
    )
    async def diagnose(request: Request) -> Response:
        asked = InFormat.of(request)
        return await answer(request, asked, kind="diagnose", model=asked.model, format=asked.format)

    @app.post(
        "/v1/labs",
        **described(
            "Estimates of laboratory values", Followed, in_every_format("LaboratoryAnswer")
        ),
    )
    async def labs(request: Request) -> Response:
        asked = Followed.of(request)
        chosen = state.models.laboratory_model(asked.model)
        return await answer(
            request, asked, kind="labs", model=chosen, format=asked.format, trend=asked.trend
        )

    @app.post(
        "/v1/embed",
        **described("The network's features of each window", Question, objects("Embeddings")),
    )
    async def embed(request: Request) -> Response:
        asked = Question.of(request)
        return await answer(request, asked, kind="embed", model=asked.model)

    @app.post(
        "/v1/explain",
        **described("Where in the signal a finding comes from", Explained, objects("Explanation")),
    )
    async def explain(request: Request) -> Response:
        asked = Explained.of(request)
        return await answer(request, asked, kind="explain", model=asked.model, target=asked.target)

    @app.post(
        "/v1/read",
        **described("What is in a file, and samples if wanted", Excerpt, objects("Recording")),
    )
    async def read(request: Request) -> Response:
        asked = Excerpt.of(request)
        return await answer(
            request,
            asked,
            kind="read",
            samples=asked.samples,
            filtered=asked.filtered,
            start_s=asked.start_s,
            duration_s=asked.duration_s,
        )


def _add_held(app: FastAPI, state: ServiceState) -> None:
    summary = "Hold a recording for some minutes, to ask several things about it"

    @app.post(
        "/v1/uploads",
        status_code=201,
        **_described(
            "stored recordings", summary, answers(objects("Held"), "Its name", status=201), Sent
        ),
    )
    async def hold(request: Request) -> Response:
        upload = await take(request, state.workspace, limit=state.settings.body_bytes)
        try:
            _ = upload.recording  # the files of one recording, or none of them is held
            identifier = state.held.hold(upload, caller_of(request))
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)
            raise
        return _stored(identifier, {"expires_s": HELD_S})


def _stored(identifier: str, more: dict[str, Any] | None = None) -> Response:
    location = f"/v1/recordings/{identifier}"
    body = {"recording": identifier, **(more or {})}
    return JSONResponse(body, 201, headers={"Location": location})


def _add_kept(app: FastAPI, state: ServiceState) -> None:
    tag, limit = "stored recordings", state.settings.body_bytes

    @app.post(
        "/v1/recordings",
        status_code=201,
        **_described(
            tag,
            "Keep a recording on the server, to look at it part by part",
            answers(objects("Stored"), "Its name", status=201),
            Sent,
        ),
    )
    async def keep(request: Request) -> Response:
        caller = caller_of(request)
        caller.needs("write")
        async with received(request, state.workspace, limit=limit) as upload:
            _ = upload.recording  # the files of one recording, or none of them is kept
            identifier = await asyncio.to_thread(state.kept.keep, upload, caller)
        return _stored(identifier)

    @app.get(
        "/v1/recordings",
        **_described(tag, "What is kept of yours", answers(objects("StoredList"), "A list")),
    )
    async def kept(request: Request) -> Response:
        found = await asyncio.to_thread(state.kept.list, caller_of(request))
        return JSONResponse({"recordings": found})

    @app.put(
        "/v1/recordings/{recording}",
        status_code=204,
        **_described(
            tag,
            "Put other files in the place of a kept recording",
            answers(None, "It was replaced", status=204),
            Sent,
        ),
    )
    async def replace(recording: str, request: Request) -> Response:
        caller = caller_of(request)
        caller.needs("write")
        async with received(request, state.workspace, limit=limit) as upload:
            _ = upload.recording
            await asyncio.to_thread(state.kept.replace, recording, upload, caller)
        return Response(status_code=204)

    @app.delete(
        "/v1/recordings/{recording}",
        status_code=204,
        **_described(
            tag, "Remove a held or kept recording", answers(None, "It was removed", status=204)
        ),
    )
    async def remove(recording: str, request: Request) -> Response:
        await asyncio.to_thread(state.stored.delete, recording, caller_of(request))
        return Response(status_code=204)


def _add_jobs(app: FastAPI, state: ServiceState) -> None:
    @app.post(
        "/v1/jobs",
        status_code=202,
        **_described(
            "jobs",
            "Do something with many files, or with a long one, in the background",
            answers(objects("Job"), "The job, which has begun", status=202),
            JobQuestion,
        ),
    )
    async def start(request: Request) -> Response:
        caller = caller_of(request)
        caller.needs("write")
        asked = JobQuestion.of(request)
        labs = asked.kind == "labs"
        model = state.models.laboratory_model(asked.model) if labs else asked.model
        folder = state.workspace.folder("job")
        try:
            files, size, ignored = await _files_for_job(request, state, asked.recording, folder)
            if len(files) > state.settings.job_files:
                words = f"a job may have {state.settings.job_files} recordings"
                raise ProblemError(Problem(413, "limit", words))
            state.jobs.accept(size)
            works = [
                Work(
                    asked.kind,
                    str(path),
                    name,
                    asked.options(limits_for(state.settings.worker_memory_bytes)),
                    model,
                    asked.lead,
                    trend=asked.trend,
                    timeout_s=state.settings.job_timeout_s,
                )
                for path, name in files
            ]
            job = Job(
                secrets.token_hex(16), caller.owner, works, folder, size=size, ignored=ignored
            )
            state.jobs.start(job)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        location = f"/v1/jobs/{job.identifier}"
        return JSONResponse(job.to_dict(), 202, headers={"Location": location})

    @app.get(
        "/v1/jobs/{job}",
        **_described("jobs", "How far a job is", answers(objects("Job"), "Its state")),
    )
    async def progress(job: str, request: Request) -> Response:
        return JSONResponse(state.jobs.find(job, caller_of(request)).to_dict())

    @app.get(
        "/v1/jobs/{job}/results",
        **_described(
            "jobs",
            "What is done so far, one JSON object a line",
            answers(content("application/x-ndjson"), "A line for each recording"),
        ),
    )
    async def results(job: str, request: Request) -> Response:
        lines = state.jobs.find(job, caller_of(request)).lines()
        return Response(b"".join(lines), media_type="application/x-ndjson")

    @app.delete(
        "/v1/jobs/{job}",
        status_code=204,
        **_described("jobs", "End a job and forget it", answers(None, "It ended", status=204)),
    )
    async def cancel(job: str, request: Request) -> Response:
        await state.jobs.remove(job, caller_of(request))
        return Response(status_code=204)


async def _files_for_job(
    request: Request, state: ServiceState, stored: str | None, folder: Path
) -> tuple[list[tuple[Path, str]], int, tuple[str, ...]]:
    """Put the recordings of a job into its folder; return them, their size, and what is none."""
    if stored is not None:
        async with state.stored.using(stored, caller_of(request)) as (path, name):
            beside = [file for file in path.parent.iterdir() if file.is_file()]
            await asyncio.to_thread(_copy_all, beside, folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        return [(folder / path.name, name)], size, ()
    limit = state.settings.body_bytes
    async with received(request, state.workspace, limit=limit) as upload:
        files, ignored = upload.recordings()
        if not files:
            words = "there is no recording among the files: " + ", ".join(ignored[:8])
            raise ProblemError(Problem(400, "request", words))
        for path in upload.paths:
            path.rename(folder / path.name)  # in one workspace, so nothing is copied
    return [(folder / path.name, name) for path, name in files], upload.size, tuple(ignored)


def _copy_all(files: Sequence[Path], folder: Path) -> None:
    """Give a job its own names for files, where the system can, or else its own files."""
    for file in files:
        try:
            os.link(file, folder / file.name)
        except OSError:
            shutil.copyfile(file, folder / file.name)
