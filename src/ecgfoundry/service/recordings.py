"""Routes that answer about a recording at once: diagnose, labs, embed, explain, read; uploads."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from ecgfoundry.reports.clinical import PatientLink
from ecgfoundry.service.job_routes import add_job_routes
from ecgfoundry.service.kept import HELD_S
from ecgfoundry.service.kept_routes import add_kept_routes
from ecgfoundry.service.openapi import BODY, answers, in_every_format, objects
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.query_params import (
    Excerpt,
    Explained,
    Followed,
    InFormat,
    Question,
    Sent,
)
from ecgfoundry.service.responses import REPORT_POLICY
from ecgfoundry.service.route_parts import caller_of, described
from ecgfoundry.service.state import ServiceState
from ecgfoundry.service.uploads import received, take
from ecgfoundry.service.work import Result, Work
from ecgfoundry.service.worker_limits import limits_for

__all__ = ["add_recording_routes", "response_of"]


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


def response_of(result: Result) -> Response:
    """Return what a worker has answered; a problem is raised."""
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
    add_kept_routes(app, state)
    add_job_routes(app, state)


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
        return response_of(result)

    def asking(summary: str, question: type[Question], success: dict[str, Any]) -> dict[str, Any]:
        return described("recordings", summary, answers(success, summary), question, body=BODY)

    @app.post(
        "/v1/diagnose",
        **asking(
            "Findings with calibrated probabilities", InFormat, in_every_format("Interpretation")
        ),
    )
    async def diagnose(request: Request) -> Response:
        asked = InFormat.of(request)
        return await answer(
            request,
            asked,
            kind="diagnose",
            model=asked.model,
            format=asked.format,
            patient=PatientLink.said(asked.patient, asked.patient_system),
        )

    @app.post(
        "/v1/labs",
        **asking("Estimates of laboratory values", Followed, in_every_format("LaboratoryAnswer")),
    )
    async def labs(request: Request) -> Response:
        asked = Followed.of(request)
        chosen = state.models.laboratory_model(asked.model)
        return await answer(
            request,
            asked,
            kind="labs",
            model=chosen,
            format=asked.format,
            trend=asked.trend,
            patient=PatientLink.said(asked.patient, asked.patient_system),
        )

    @app.post(
        "/v1/embed",
        **asking("The network's features of each window", Question, objects("Embeddings")),
    )
    async def embed(request: Request) -> Response:
        asked = Question.of(request)
        return await answer(request, asked, kind="embed", model=asked.model)

    @app.post(
        "/v1/explain",
        **asking("Where in the signal a finding comes from", Explained, objects("Explanation")),
    )
    async def explain(request: Request) -> Response:
        asked = Explained.of(request)
        return await answer(request, asked, kind="explain", model=asked.model, target=asked.target)

    @app.post(
        "/v1/holter",
        **asking("Beats, hours and events of a long recording", Question, objects("Holter")),
    )
    async def holter(request: Request) -> Response:
        return await answer(request, Question.of(request), kind="holter")

    @app.post(
        "/v1/read",
        **asking("What is in a file, and samples if wanted", Excerpt, objects("Recording")),
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
        **described(
            "stored recordings",
            summary,
            answers(objects("Held"), "Its name", status=201),
            Sent,
            body=BODY,
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
        body = {"recording": identifier, "expires_s": HELD_S}
        return JSONResponse(body, 201, headers={"Location": f"/v1/recordings/{identifier}"})
