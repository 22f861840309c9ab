"""WebSocket routes: devices send frames and get answers; others watch.

``/v1/stream``: the device sends one JSON message that opens the stream (with ``token`` where one
is needed), then binary frames (:mod:`ecgfoundry.inference.live.frames`), and ``{"type": "end"}``.
``/v1/streams/{stream}/watch``: the first message is ``{}`` or ``{"token": "..."}``; then frames
and answers come.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from typing import Any

import anyio
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketState

from ecgfoundry.service.gate import Gate
from ecgfoundry.service.live.hub import LiveSession, Outbox
from ecgfoundry.service.live.lanes import text_of
from ecgfoundry.service.openapi import answers, objects
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.responses import AUDIT, problem_response
from ecgfoundry.service.state import ServiceState
from ecgfoundry.service.tokens import Caller

__all__ = ["add_stream_routes"]

_OPENING_S = 10.0
_LARGEST_OPENING = 20_000
_VIEWERS = 64
"""Who may watch one stream at a time (our choice): every frame is sent to each."""


def add_stream_routes(app: FastAPI, state: ServiceState) -> None:
    """Add the routes of live streams."""

    @app.get(
        "/v1/streams",
        tags=["live"],
        summary="The live streams there are",
        responses=answers(objects("Streams"), "A list"),
        response_class=Response,
    )
    async def streams(request: Request) -> Response:
        caller: Caller = request.state.caller
        seen = [one.describe() for one in state.live.sessions if caller.sees(one.owner)]
        return JSONResponse({"streams": seen})

    @app.websocket("/v1/stream")
    async def device(socket: WebSocket) -> None:
        async with _problems_are_told(socket):
            description, caller = await _opening(socket, state.gate)
            caller.needs("write")
            session = await state.live.open(description, caller)
            if session.device is not None:
                words = "this stream has a connection"
                raise ProblemError(Problem(409, "stream-connected", words))
            session.device = Outbox()
            state.live.tell_in_turn(session, _device_message(True), device=False)
            AUDIT.info("%s stream opened", caller.name)
            try:
                await _serve_device(socket, state, session)
            finally:
                session.device = None
                state.live.tell_in_turn(session, _device_message(False), device=False)
                if description.get("resume") is None and not session.received:
                    state.live.end(session)

    @app.websocket("/v1/streams/{stream}/watch")
    async def watch(socket: WebSocket, stream: str) -> None:
        async with _problems_are_told(socket):
            _, caller = await _opening(socket, state.gate)
            session = state.live.find(stream, caller)
            if len(session.viewers) >= _VIEWERS:
                raise ProblemError(Problem(429, "busy", "too many watch this stream", None, 30))
            outbox = Outbox()
            session.viewers.add(outbox)
            # All of it now: what is answered while it is sent comes through the outbox, and once.
            first = [text_of({"type": "opened", **session.describe()})]
            if session.last_answer is not None:
                first.append(session.last_answer)
            if session.points:
                first.append(text_of(session.history()))
            try:
                for message in first:
                    await socket.send_text(message)
                await _until_one_ends(_send(socket, outbox), _drain(socket))
            finally:
                session.viewers.discard(outbox)


async def _serve_device(socket: WebSocket, state: ServiceState, session: LiveSession) -> None:
    outbox = session.device
    assert outbox is not None  # noqa: S101
    await socket.send_json({"type": "opened", **session.describe()})

    async def receive() -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is not None:
                state.live.receive(session, message["bytes"])
            elif _is_end(message.get("text")):
                words = "the device has ended the stream"
                closing = text_of({"type": "closing", "reason": words})
                await state.live.tell_in_turn(session, closing).wait()
                state.live.end(session)
                outbox.end()  # the other part ends when it has sent everything
                await _drain(socket)
                return

    await _until_one_ends(_send(socket, outbox), receive())


def _device_message(connected: bool) -> str:
    """Whether the device is there: those who watch must know that nothing can come from it."""
    return text_of({"type": "device", "connected": connected})


def _is_end(text: str | None) -> bool:
    try:
        document = json.loads(text or "")
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("type") == "end"


async def _opening(socket: WebSocket, gate: Gate) -> tuple[dict[str, Any], Caller]:
    """Accept a connection and read its first message; return it and who sent it."""
    gate.check_names(socket, changing=True)
    address = socket.client.host if socket.client else None
    gate.count_connection(address)
    await socket.accept()
    try:
        text = await asyncio.wait_for(socket.receive_text(), _OPENING_S)
        document = json.loads(text) if len(text) <= _LARGEST_OPENING else None
    except (TimeoutError, ValueError, KeyError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ProblemError(Problem(400, "request", "the first message is a JSON object"))
    authorization = f"Bearer {document.pop('token', '')}"
    return document, await gate.admit(authorization, address, count=False)


async def _send(socket: WebSocket, outbox: Outbox) -> None:
    while (message := await outbox.get()) is not None:
        if isinstance(message, bytes):
            await socket.send_bytes(message)
        else:
            await socket.send_text(message)


async def _drain(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _until_one_ends(*parts: Coroutine[Any, Any, None]) -> None:
    """Run parts side by side until the first of them ends; its error is the error of all."""
    errors: list[Exception] = []
    async with anyio.create_task_group() as group:

        async def run(part: Coroutine[Any, Any, None]) -> None:
            try:
                await part
            except Exception as error:
                errors.append(error)
            group.cancel_scope.cancel()

        for part in parts:
            group.start_soon(run, part)
    if errors:
        raise errors[0]


class _problems_are_told(contextlib.AbstractAsyncContextManager[None]):  # noqa: N801
    """Ends a connection with its problem, and quietly when the other side has gone."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if isinstance(error, ProblemError):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                if self._socket.application_state is not WebSocketState.CONNECTED:
                    await self._socket.send_denial_response(problem_response(error.problem))
                    return True
                await self._socket.send_json(error.problem.to_message())
                await self._socket.close(1013 if error.problem.status == 429 else 1008)
            return True
        if error is None:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._socket.close(1000)
            return False
        return isinstance(error, WebSocketDisconnect | RuntimeError)
