"""The HTTP interface: routes, and what happens around every request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecgfoundry._version import __version__
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.samples import SAMPLES, sample_path
from ecgfoundry.service.live.routes import add_stream_routes
from ecgfoundry.service.problems import Problem, ProblemError, problem_of, problem_response
from ecgfoundry.service.recordings import add_recording_routes
from ecgfoundry.service.security import (
    AUDIT,
    HEADERS,
    RateLimit,
    Tokens,
    check_host,
    client_name,
)
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.state import ServiceState

__all__ = ["create_app"]

_LOG = logging.getLogger("ecgfoundry.service")
_PAGE = Path(__file__).with_name("page")
_OPEN = ("/health", "/ready", "/", "/favicon.ico")
"""Addresses that need no token: whether the service is alive, and the page, which holds nothing."""

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
        docs_url=None,  # the usual pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = state
    _add_error_handlers(app)
    app.add_middleware(_Around, state=state)
    _add_service_routes(app, state)
    add_recording_routes(app, state)
    add_stream_routes(app, state)
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
        self._tokens = Tokens(state.settings.tokens)
        self._limit = RateLimit(state.settings.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        request = Request(scope)
        address = request.client.host if request.client else None
        caller = client_name(None, address)

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            path = scope["path"]
            if path not in _OPEN and not path.startswith("/page/"):
                token = self._tokens.check(request.headers.get("authorization"))
                caller = client_name(token, address)
                self._limit.check(caller)
            check_host(request.url.hostname, self._state.settings)
            await self._app(scope, receive, dressed)
        except ProblemError as error:
            await problem_response(error.problem)(scope, receive, dressed)
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
            AUDIT.info("%s %s %s %d %.0fms", caller, scope["method"], route, status, 1e3 * seconds)


def _route(scope: Scope) -> str:
    """Return the pattern of the address, never the address: it may hold an identifier."""
    return getattr(scope.get("route"), "path", "other")


def _sample_files(name: str) -> dict[str, Path]:
    header = sample_path(name)
    return {path.name: path for path in header.parent.glob(f"{header.stem}.*")}


def _add_service_routes(app: FastAPI, state: ServiceState) -> None:
    @app.get("/health", tags=["service"], summary="Is the process alive?")
    async def health() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    @app.get("/ready", tags=["service"], summary="Is a worker loaded and may requests come?")
    async def ready() -> dict[str, str]:
        if state.closing or not state.pool.ready:
            words = "the service is stopping" if state.closing else "no worker is loaded yet"
            raise ProblemError(Problem(503, "not-ready", words, retry_after_s=1))
        return {"status": "ready"}

    @app.get("/metrics", tags=["service"], summary="Figures for Prometheus")
    async def metrics() -> Response:
        state.telemetry.waiting.set(state.pool.waiting)
        return Response(state.telemetry.text(), media_type="text/plain; version=0.0.4")

    @app.get("/v1/models", tags=["models"], summary="The models that may be asked for")
    async def models() -> dict[str, list[dict[str, Any]]]:
        return {"models": await asyncio.to_thread(state.describe_models)}

    @app.get("/v1/models/{name}", tags=["models"], summary="One model: everything in its bundle")
    async def model(name: str) -> dict[str, Any]:
        return await asyncio.to_thread(state.describe_model, name)

    @app.get("/v1/models/{name}/card", tags=["models"], summary="Its model card, Markdown")
    async def card(name: str) -> Response:
        text = await asyncio.to_thread(state.model_card, name)
        return Response(text, media_type="text/markdown; charset=utf-8")

    @app.get("/v1/formats", tags=["models"], summary="The file formats that are read")
    async def formats() -> dict[str, list[dict[str, Any]]]:
        from ecgfoundry.formats.registry import formats as known

        return {
            "formats": [
                {
                    "name": reader.name,
                    "description": reader.description,
                    "extensions": list(reader.extensions),
                    "verified_on": reader.verified_on,
                }
                for reader in known()
            ]
        }

    @app.get("/v1/samples", tags=["models"], summary="Real ECGs to try things on")
    async def samples() -> dict[str, dict[str, list[str]]]:
        return {"samples": {name: sorted(_sample_files(name)) for name in SAMPLES}}

    @app.get("/v1/samples/{name}/{file}", tags=["models"], summary="One file of a sample")
    async def sample(name: str, file: str) -> Response:
        known = _sample_files(name) if name in SAMPLES else {}
        if file not in known:
            raise ProblemError(Problem(404, "not-found", "there is no such sample"))
        return Response(known[file].read_bytes(), media_type="application/octet-stream")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response((_PAGE / "index.html").read_bytes(), media_type="text/html; charset=utf-8")

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return Response((_PAGE / "icon.svg").read_bytes(), media_type="image/svg+xml")
