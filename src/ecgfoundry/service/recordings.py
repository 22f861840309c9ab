"""Routes that take a recording: diagnose, labs, embed, read, kept recordings, batch jobs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.service.problems import MEDIA_TYPE, Problem, ProblemError
from ecgfoundry.service.security import REPORT_POLICY
from ecgfoundry.service.state import ServiceState
from ecgfoundry.service.uploads import Upload, received
from ecgfoundry.service.work import Result, Work

__all__ = ["add_recording_routes"]

Name = Annotated[
    str | None, Query(max_length=100, description="A model of /v1/models; by default what suits")
]
Lead = Annotated[str | None, Query(max_length=40, description="Read only this lead")]
Leads = Annotated[
    str | None,
    Query(max_length=2000, description="Lead names in order, comma-separated, if not stated"),
]
Unit = Annotated[str | None, Query(max_length=20, description="Unit of the samples, if not stated")]
Rate = Annotated[
    float | None, Query(gt=0, le=100_000, description="Sampling rate in Hz, if not stated")
]
Mains = Annotated[float | None, Query(gt=0, le=1000, description="Mains frequency in Hz: 50 or 60")]
Kept = Annotated[
    str | None, Query(max_length=64, description="A kept recording, instead of a file")
]
TargetName = Annotated[
    str | None, Query(max_length=200, description="A finding; by default the most probable")
]
Format = Annotated[Literal["json", "fhir", "html", "pdf"], Query(description="Of the answer")]
Kind = Annotated[
    Literal["diagnose", "labs", "embed", "read"], Query(description="What is done with each file")
]
Trend = Annotated[bool, Query(description="Follow the estimates through a long recording")]

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


def _asked(
    leads: Leads = None,
    unit: Unit = None,
    sampling_rate: Rate = None,
    mains: Mains = None,
    lead: Lead = None,
    recording: Kept = None,
) -> dict[str, Any]:
    """What every question about a recording may say."""
    names = tuple(name.strip() for name in leads.split(",")) if leads else None
    options = ReadOptions(
        leads=names, unit=unit, sampling_rate=sampling_rate, mains_frequency=mains
    )
    return {"options": options, "lead": lead, "kept": recording}


Asked = Annotated[dict[str, Any], Depends(_asked)]


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
    async def answer(request: Request, kept: str | None, **fields: Any) -> Response:
        async with _recording(request, state, kept) as (path, name):
            result = await state.pool.submit(Work(path=str(path), name=name, **fields))
        if result.verdict is not None:
            state.telemetry.verdicts.labels(result.verdict).inc()
        return _response(result)

    def described(summary: str, responses: dict[int | str, Any]) -> dict[str, Any]:
        return {
            "tags": ["recordings"],
            "summary": summary,
            "openapi_extra": _BODY,
            "responses": responses,
        }

    interpreted = _interpretation_response()

    @app.post("/v1/diagnose", **described("Findings with calibrated probabilities", interpreted))
    async def diagnose(
        request: Request, asked: Asked, model: Name = None, format: Format = "json"
    ) -> Response:
        return await answer(request, **asked, kind="diagnose", model=model, format=format)

    @app.post("/v1/labs", **described("Estimates of laboratory values", interpreted))
    async def labs(
        request: Request,
        asked: Asked,
        model: Name = None,
        format: Format = "json",
        trend: Trend = False,
    ) -> Response:
        chosen = state.laboratory_model(model)
        return await answer(request, **asked, kind="labs", model=chosen, format=format, trend=trend)

    @app.post("/v1/embed", **described("The network's features of each window", _FAILURES))
    async def embed(request: Request, asked: Asked, model: Name = None) -> Response:
        return await answer(request, **asked, kind="embed", model=model)

    @app.post("/v1/explain", **described("Where in the signal a finding comes from", _FAILURES))
    async def explain(
        request: Request, asked: Asked, model: Name = None, target: TargetName = None
    ) -> Response:
        return await answer(request, **asked, kind="explain", model=model, target=target)

    @app.post("/v1/read", **described("What is in a file, and samples if wanted", _FAILURES))
    async def read(
        request: Request,
        asked: Asked,
        samples: Annotated[bool, Query(description="Send samples too, up to 60 s")] = False,
        filtered: Annotated[bool, Query(description="Band-passed, 0.67-40 Hz")] = False,
        start_s: Annotated[float, Query(ge=0, le=1e8)] = 0.0,
        duration_s: Annotated[float | None, Query(gt=0, le=60)] = None,
    ) -> Response:
        return await answer(
            request,
            **asked,
            kind="read",
            samples=samples,
            filtered=filtered,
            start_s=start_s,
            duration_s=duration_s,
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
        openapi_extra=_BODY,
        responses=_FAILURES,
    )
    async def start(
        request: Request,
        asked: Asked,
        model: Name = None,
        kind: Kind = "diagnose",
        trend: Trend = False,
    ) -> JSONResponse:
        if kind == "labs":
            model = state.laboratory_model(model)
        if asked["kept"] is not None:
            raise ProblemError(Problem(400, "request", "a job takes files, no kept recording"))
        async with received(request, limit=state.settings.body_bytes) as upload:
            files = _recordings_of(upload)
            if len(files) > state.settings.job_files:
                words = f"a job may have {state.settings.job_files} recordings"
                raise ProblemError(Problem(413, "limit", words))
            folder = Path(tempfile.mkdtemp(prefix="ecgfoundry-job-"))
            for path in upload.paths:
                shutil.move(path, folder / path.name)
        works = [
            Work(
                kind,
                str(folder / path.name),
                name,
                asked["options"],
                model,
                asked["lead"],
                trend=trend,
                timeout_s=state.settings.job_timeout_s,
            )
            for path, name in files
        ]
        job = state.jobs.start(works, folder, upload.size)
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


def _recordings_of(upload: Upload) -> list[tuple[Path, str]]:
    """Recordings among the files of a batch; side files of WFDB headers are none of their own."""
    from ecgfoundry.inference.files import without_sidecars

    own = set(without_sidecars(upload.paths))
    return [
        (path, name) for path, name in zip(upload.paths, upload.names, strict=True) if path in own
    ]
