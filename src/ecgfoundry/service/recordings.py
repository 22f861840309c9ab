"""Routes that take a recording: diagnose, labs, embed, read, kept recordings, batch jobs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from ecgfoundry.service.handlers import Result, Work
from ecgfoundry.service.problems import MEDIA_TYPE, Problem, ProblemError
from ecgfoundry.service.query_params import (
    Excerpt,
    Explained,
    Followed,
    InFormat,
    JobQuestion,
    Question,
    parameters,
)
from ecgfoundry.service.security import REPORT_POLICY
from ecgfoundry.service.state import ServiceState
from ecgfoundry.service.uploads import received

__all__ = ["add_recording_routes"]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "description": "The file as the device wrote it. A WFDB recording has several: send all as "
        "`file`. Or samples as JSON.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
            "application/octet-stream": _BINARY,
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["signal", "sampling_rate", "leads", "unit"],
                    "properties": {
                        "signal": {
                            "type": "array",
                            "items": {"type": "array", "items": {"type": ["number", "null"]}},
                        },
                        "sampling_rate": {"type": "number"},
                        "leads": {"type": "array", "items": {"type": "string"}},
                        "unit": {"type": "string"},
                    },
                },
                "example": {
                    "signal": [[0.01, 0.02, None]],
                    "sampling_rate": 500,
                    "leads": ["I"],
                    "unit": "mV",
                },
            },
        },
    }
}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string"},
            "remedy": {"type": "string"},
        },
    }
    return {
        status: {"description": "Problem details", "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


_FAILURES = _problems(400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 501, 503, 504)


def _interpretation_response() -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {
        "application/json": {"schema": {"type": "object", "title": "Interpretation"}},
        "application/fhir+json": {"schema": {"type": "object"}},
        "text/html": {"schema": {"type": "string"}},
        "application/pdf": _BINARY,
    }
    return {200: {"description": "The interpretation", "content": content}, **_FAILURES}


@asynccontextmanager
async def _recording(
    request: Request, state: ServiceState, kept: str | None
) -> AsyncIterator[tuple[Path, str]]:
    """Give the recording of a request: a kept one, or the files in its body."""
    if kept is not None:
        yield state.kept.find(kept)
        return
    async with received(request, limit=state.settings.body_bytes) as upload:
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
    _add_kept(app, state)
    _add_jobs(app, state)


def _add_answers(app: FastAPI, state: ServiceState) -> None:
    async def answer(request: Request, asked: Question, **fields: Any) -> Response:
        async with _recording(request, state, asked.recording) as (path, name):
            work = Work(
                path=str(path), name=name, options=asked.options(), lead=asked.lead, **fields
            )
            result = await state.pool.submit(work)
        if result.verdict is not None:
            state.telemetry.verdicts.labels(result.verdict).inc()
        return _response(result)

    def described(
        summary: str, question: type[Question], responses: dict[int | str, Any] = _FAILURES
    ) -> dict[str, Any]:
        return {
            "tags": ["recordings"],
            "summary": summary,
            "openapi_extra": _BODY | parameters(question),
            "responses": responses,
        }

    interpreted = _interpretation_response()

    @app.post(
        "/v1/diagnose",
        **described("Findings with calibrated probabilities", InFormat, interpreted),
    )
    async def diagnose(request: Request) -> Response:
        asked = InFormat.of(request)
        return await answer(request, asked, kind="diagnose", model=asked.model, format=asked.format)

    @app.post("/v1/labs", **described("Estimates of laboratory values", Followed, interpreted))
    async def labs(request: Request) -> Response:
        asked = Followed.of(request)
        chosen = state.laboratory_model(asked.model)
        return await answer(
            request, asked, kind="labs", model=chosen, format=asked.format, trend=asked.trend
        )

    @app.post("/v1/embed", **described("The network's features of each window", Question))
    async def embed(request: Request) -> Response:
        asked = Question.of(request)
        return await answer(request, asked, kind="embed", model=asked.model)

    @app.post("/v1/explain", **described("Where in the signal a finding comes from", Explained))
    async def explain(request: Request) -> Response:
        asked = Explained.of(request)
        return await answer(request, asked, kind="explain", model=asked.model, target=asked.target)

    @app.post("/v1/read", **described("What is in a file, and samples if wanted", Excerpt))
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


def _add_kept(app: FastAPI, state: ServiceState) -> None:
    @app.post(
        "/v1/recordings",
        tags=["kept recordings"],
        status_code=201,
        summary="Keep a recording on the server, to look at it part by part",
        openapi_extra=_BODY,
        responses=_FAILURES,
    )
    async def keep(request: Request) -> JSONResponse:
        async with received(request, limit=state.settings.body_bytes) as upload:
            _ = upload.recording  # the files of one recording, or none of them is kept
            identifier = state.kept.keep(upload)
        location = f"/v1/recordings/{identifier}"
        return JSONResponse({"recording": identifier}, 201, headers={"Location": location})

    @app.delete(
        "/v1/recordings/{recording}",
        tags=["kept recordings"],
        status_code=204,
        summary="Remove a kept recording",
        responses=_FAILURES,
    )
    async def remove(recording: str) -> Response:
        state.kept.delete(recording)
        return Response(status_code=204)


def _add_jobs(app: FastAPI, state: ServiceState) -> None:
    @app.post(
        "/v1/jobs",
        tags=["jobs"],
        status_code=202,
        summary="Do something with many files, or with a long one, in the background",
        openapi_extra=_BODY | parameters(JobQuestion),
        responses=_FAILURES,
    )
    async def start(request: Request) -> JSONResponse:
        asked = JobQuestion.of(request)
        model = state.laboratory_model(asked.model) if asked.kind == "labs" else asked.model
        if asked.recording is not None:
            raise ProblemError(Problem(400, "request", "a job takes files, no kept recording"))
        async with received(request, limit=state.settings.body_bytes) as upload:
            files, ignored = upload.recordings()
            if not files:
                words = "there is no recording among the files: " + ", ".join(ignored[:8])
                raise ProblemError(Problem(400, "request", words))
            if len(files) > state.settings.job_files:
                words = f"a job may have {state.settings.job_files} recordings"
                raise ProblemError(Problem(413, "limit", words))
            folder = Path(tempfile.mkdtemp(prefix="ecgfoundry-job-"))
            for path in upload.paths:
                shutil.move(path, folder / path.name)
        works = [
            Work(
                asked.kind,
                str(folder / path.name),
                name,
                asked.options(),
                model,
                asked.lead,
                trend=asked.trend,
                timeout_s=state.settings.job_timeout_s,
            )
            for path, name in files
        ]
        job = state.jobs.start(works, folder, upload.size, ignored=ignored)
        location = f"/v1/jobs/{job.identifier}"
        return JSONResponse(job.to_dict(), 202, headers={"Location": location})

    @app.get("/v1/jobs/{job}", tags=["jobs"], summary="How far a job is", responses=_FAILURES)
    async def progress(job: str) -> dict[str, Any]:
        return state.jobs.find(job).to_dict()

    @app.get(
        "/v1/jobs/{job}/results",
        tags=["jobs"],
        summary="What is done so far, one JSON object a line",
        responses=_FAILURES,
    )
    async def results(job: str) -> Response:
        lines = state.jobs.find(job).lines()
        return Response(b"".join(lines), media_type="application/x-ndjson")

    @app.delete(
        "/v1/jobs/{job}", tags=["jobs"], status_code=204, summary="End a job and forget it",
        responses=_FAILURES,
    )  # fmt: skip
    async def cancel(job: str) -> Response:
        await state.jobs.remove(job)
        return Response(status_code=204)
