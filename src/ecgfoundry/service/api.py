"""The HTTP interface: routes, and what happens around every request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecgfoundry._version import __version__
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.samples import SAMPLES, sample_path
from ecgfoundry.service.comparing_routes import add_comparing_routes
from ecgfoundry.service.database.audit import Event
from ecgfoundry.service.drift import REFERENCES
from ecgfoundry.service.figures import look_up
from ecgfoundry.service.live.routes import add_stream_routes
from ecgfoundry.service.logs import REQUEST, request_name
from ecgfoundry.service.openapi import answers, content, describe, objects
from ecgfoundry.service.problems import Problem, ProblemError, problem_of
from ecgfoundry.service.query_params import check_parameters
from ecgfoundry.service.receivers.stow import add_stow_routes
from ecgfoundry.service.recordings import add_recording_routes
from ecgfoundry.service.responses import AUDIT, HEADERS, problem_response
from ecgfoundry.service.senders.routes import add_delivery_routes
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.state import ServiceState

__all__ = ["create_app"]

_LOG = logging.getLogger("ecgfoundry.service")
_PAGE = Path(__file__).with_name("page")
_OPEN = ("/health", "/ready", "/", "/favicon.ico")
"""Addresses that need no token: whether the service is alive, and the page, which holds nothing."""

_REFUSED = (401, 403, 429)
_GONE = 499
"""In the log and the figures: the client went away before it was answered (as nginx writes it)."""

_DESCRIPTION = """\
ECG files or samples in, named and calibrated findings out.

Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details with a stable `code`.
A recording that was read but is no usable ECG is **not** an error: the answer has `refused`.

**Not a medical device. For research only.**
"""


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """Build the service.

    Parameters
    ----------
    settings : ServiceSettings, optional

    Returns
    -------
    FastAPI
        To be served by any ASGI server; the workers start and end with it.
    """
    chosen = settings or ServiceSettings()
    state = ServiceState(chosen)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state.start()
        yield
        await state.close()

    app = FastAPI(
        title="ecgfoundry",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        dependencies=[Depends(check_parameters)],
        docs_url=None,  # the usual pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = state
    _add_error_handlers(app)
    app.add_middleware(_Around, state=state)
    _add_service_routes(app, state)
    _add_model_routes(app, state)
    add_recording_routes(app, state)
    add_comparing_routes(app, state)
    add_stream_routes(app, state)
    add_delivery_routes(app, state)
    add_stow_routes(app, state)
    describe(app, tokens_required=chosen.identified, open_paths=_OPEN)
    app.mount("/page", StaticFiles(directory=_PAGE), name="page")
    return app


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(ProblemError)
    async def on_problem(request: Request, error: ProblemError) -> Response:
        return problem_response(error.problem)

    @app.exception_handler(EcgFoundryError)
    async def on_typed(request: Request, error: EcgFoundryError) -> Response:
        return problem_response(problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem_response(Problem(400, "request", f"{where}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        response = problem_response(Problem(error.status_code, "request", str(error.detail)))
        response.headers.update(error.headers or {})
        return response


class _Around:
    """Around every request: who calls, security headers, figures, the audit log.

    Plain ASGI: Starlette's own base for it starts tasks and a stream for every request.
    """

    def __init__(self, app: ASGIApp, state: ServiceState) -> None:
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        named = request_name(_header(scope, b"x-request-id"))
        token = REQUEST.set(named)
        method = scope["method"]
        if method == "HEAD":  # every address that can be read has one: the same without the body
            scope = {**scope, "method": "GET"}
        request = Request(scope)
        address = request.client.host if request.client else None
        name = f"address:{address or 'unknown'}"

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = named
                for header, value in HEADERS.items():
                    headers.setdefault(header, value)
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        try:
            self._state.gate.check_request(request, method)
            path = scope["path"]
            if path not in _OPEN and not path.startswith("/page/"):
                caller = await self._state.gate.admit(request.headers.get("authorization"), address)
                request.state.caller, name = caller, caller.name
            await self._app(scope, receive, dressed)
        except ProblemError as error:
            await problem_response(error.problem)(scope, receive, dressed)
        except ClientDisconnect:  # nobody is there to be answered, and nothing of ours failed
            status = _GONE
        except Exception as error:  # the last resort: no request brings the service down
            _LOG.error("unexpected %s on %s", type(error).__name__, _route(scope))
            if status:  # the answer has begun: all that is left is to end the connection
                raise
            words = f"an unexpected {type(error).__name__}"
            await problem_response(Problem(500, "unexpected", words))(scope, receive, dressed)
        finally:
            route, seconds = _route(scope), time.perf_counter() - start
            telemetry = self._state.telemetry
            telemetry.requests.labels(route, str(status)).inc()
            telemetry.seconds.labels(route).observe(seconds)
            if status in _REFUSED:
                self._state.note(Event(name, "request.refused", str(status)))
            more = {
                "who": name,
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(1e3 * seconds),
            }
            AUDIT.info("%s %s %s %d %dms", *more.values(), extra=more)
            REQUEST.reset(token)


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def _route(scope: Scope) -> str:
    """Return the pattern of the address, never the address: it may hold an identifier."""
    return getattr(scope.get("route"), "path", "other")


def _sample_files(name: str) -> dict[str, Path]:
    header = sample_path(name)
    return {path.name: path for path in header.parent.glob(f"{header.stem}.*")}


def _answered(tag: str, summary: str, success: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": [tag],
        "summary": summary,
        "responses": answers(success, summary),
        "response_class": Response,
    }


def _add_service_routes(app: FastAPI, state: ServiceState) -> None:
    @app.get("/health", **_answered("service", "Is the process alive?", objects("Health")))
    async def health() -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    @app.get(
        "/ready",
        **_answered("service", "Is a worker loaded and may requests come?", objects("Readiness")),
    )
    async def ready() -> Response:
        if state.closing or not state.pool.ready:
            words = "the service is stopping" if state.closing else "no worker is loaded yet"
            raise ProblemError(Problem(503, "not-ready", words, retry_after_s=1))
        await asyncio.to_thread(state.kept.database.revision)  # 503, where it does not answer
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", **_answered("service", "Figures for Prometheus", content("text/plain")))
    async def metrics() -> Response:
        text = await asyncio.to_thread(look_up, state)
        return Response(text, media_type="text/plain; version=0.0.4")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response((_PAGE / "index.html").read_bytes(), media_type="text/html; charset=utf-8")

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return Response((_PAGE / "icon.svg").read_bytes(), media_type="image/svg+xml")


def _add_model_routes(app: FastAPI, state: ServiceState) -> None:
    @app.get(
        "/v1/models", **_answered("models", "The models that may be asked for", objects("Models"))
    )
    async def models() -> Response:
        listed = await asyncio.to_thread(state.models.describe_models)
        drift = await asyncio.to_thread(state.drift.look)
        for one in listed:
            seen = {source: drift.get((one["name"], source)) for source in REFERENCES}
            one["drift"] = {k: v.to_dict() for k, v in seen.items() if v is not None} or None
        return JSONResponse({"models": listed})

    @app.get(
        "/v1/models/{name}",
        **_answered(
            "models",
            "One model: everything in its bundle",
            objects("Model"),
        ),
    )
    async def model(name: str) -> Response:
        return JSONResponse(await asyncio.to_thread(state.models.describe_model, name))

    @app.get(
        "/v1/models/{name}/card",
        **_answered("models", "Its model card, Markdown", content("text/markdown")),
    )
    async def card(name: str) -> Response:
        text = await asyncio.to_thread(state.models.model_card, name)
        return Response(text, media_type="text/markdown; charset=utf-8")

    @app.get(
        "/v1/formats", **_answered("models", "The file formats that are read", objects("Formats"))
    )
    async def formats() -> Response:
        from ecgfoundry.formats.registry import formats as known

        listed = [
            {
                "name": reader.name,
                "description": reader.description,
                "extensions": list(reader.extensions),
                "verified_on": reader.verified_on,
            }
            for reader in known()
        ]
        return JSONResponse({"formats": listed})

    @app.get("/v1/samples", **_answered("models", "Real ECGs to try things on", objects("Samples")))
    async def samples() -> Response:
        return JSONResponse({"samples": {name: sorted(_sample_files(name)) for name in SAMPLES}})

    @app.get(
        "/v1/samples/{name}/{file}",
        **_answered(
            "models", "One file of a sample", content("application/octet-stream", binary=True)
        ),
    )
    async def sample(name: str, file: str) -> Response:
        known = _sample_files(name) if name in SAMPLES else {}
        if file not in known:
            raise ProblemError(Problem(404, "not-found", "there is no such sample"))
        return Response(known[file].read_bytes(), media_type="application/octet-stream")
