"""STOW-RS: ECG objects by HTTP (DICOM PS3.18 10.5), with the token of an owner."""

from __future__ import annotations

import asyncio
import io
import re
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from ecgfoundry.errors import EcgFoundryError, MissingExtraError
from ecgfoundry.service.openapi import answers
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.receivers.taking import ECG_CLASSES
from ecgfoundry.service.receiving import enqueue_job, keep_recording
from ecgfoundry.service.route_parts import caller_of, described
from ecgfoundry.service.state import ServiceState

__all__ = ["add_stow_routes"]

_PATH = "/dicom-web/studies"
_ANSWER = "application/dicom+json"
_BODY_S = 300.0
"""Time for a body to arrive; as for every upload."""
_NO_CLASS, _NO_ROOM, _CANNOT = 0x0122, 0xA700, 0xC000
"""Failure reasons of PS3.18 table I.2-2: class not supported, out of resources, not understood."""
_PARTS = 500
_CONTENT: dict[str, Any] = {_ANSWER: {"schema": {"type": "object"}}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"multipart/related": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def add_stow_routes(app: FastAPI, state: ServiceState) -> None:
    """Add the routes that store objects."""

    async def store(request: Request, study: str | None) -> Response:
        caller = caller_of(request)
        caller.needs("write")
        parts = _parts(request.headers.get("content-type", ""), await _body(request, state))
        stored, failed = [], []
        for content in parts:
            kind, instance, problem = await asyncio.to_thread(
                _take, state, content, study, caller.owner, caller.name
            )
            row = {"00081150": _uid(kind), "00081155": _uid(instance)}
            if problem is None:
                stored.append(row)
            else:
                failed.append(row | {"00081197": {"vr": "US", "Value": [problem]}})
        document: dict[str, Any] = {}
        if stored:
            document["00081199"] = {"vr": "SQ", "Value": stored}
        if failed:
            document["00081198"] = {"vr": "SQ", "Value": failed}
        status = 200 if not failed else 202 if stored else 409
        return JSONResponse(document, status, media_type=_ANSWER)

    tag = "hospital"

    @app.post(
        _PATH,
        **described(
            tag,
            "Store ECG objects (DICOM STOW-RS): each is kept, and its interpretation ordered",
            answers(_CONTENT, "What was stored, and what was not"),
            body=_BODY,
        ),
    )
    async def store_any(request: Request) -> Response:
        return await store(request, None)

    @app.post(
        _PATH + "/{study}",
        **described(
            tag,
            "Store ECG objects of one study (DICOM STOW-RS)",
            answers(_CONTENT, "What was stored, and what was not"),
            body=_BODY,
        ),
    )
    async def store_study(study: str, request: Request) -> Response:
        return await store(request, study)


async def _body(request: Request, state: ServiceState) -> bytes:
    limit = state.settings.body_bytes
    too_large = Problem(413, "limit", f"a request may have {limit:,} bytes and this one has more")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise ProblemError(too_large)
    except TimeoutError:
        words = f"the request did not come to its end within {_BODY_S:g} s"
        raise ProblemError(Problem(408, "slow", words)) from None
    return bytes(body)


def _parts(kind: str, body: bytes) -> list[bytes]:
    """Return the objects of a body of the kind multipart/related (RFC 2387).

    Raises
    ------
    ProblemError
    """
    found = re.search(r'boundary="?([^";,\s]{1,200})"?', kind)
    if not kind.lower().startswith("multipart/related") or found is None:
        words = 'objects come as multipart/related; type="application/dicom", with a boundary'
        raise ProblemError(Problem(415, "media-type", words))
    pieces = (b"\r\n" + body).split(b"\r\n--" + found[1].encode())
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise ProblemError(Problem(400, "request", "the parts do not come to an end"))
    if len(pieces) - 2 > _PARTS:
        raise ProblemError(Problem(413, "limit", f"a request may have {_PARTS} objects"))
    return [piece.partition(b"\r\n\r\n")[2] for piece in pieces[1:-1]]


def _take(
    state: ServiceState, content: bytes, study: str | None, owner: str, name: str
) -> tuple[str, str, int | None]:
    """Keep one object; return its class, its instance, and why it was not kept."""
    try:
        import pydicom
    except ImportError:
        raise MissingExtraError.for_extra("receiving DICOM objects", "hospital") from None
    tags = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"]
    try:
        header = pydicom.dcmread(io.BytesIO(content), specific_tags=tags)
        kind, instance = str(header.SOPClassUID), str(header.SOPInstanceUID)
        of_study = str(header.get("StudyInstanceUID", ""))
    except Exception:  # pydicom raises what it meets
        return "", "", _CANNOT
    if kind not in ECG_CLASSES:
        return kind, instance, _NO_CLASS
    if study is not None and study != of_study:
        return kind, instance, _CANNOT
    source = f"stow:{name}"
    try:
        recording, _ = keep_recording(state, content, f"{instance}.dcm", owner, source)
        enqueue_job(state, recording, owner, source)
    except ProblemError as error:
        if error.problem.status == 403:
            raise
        return kind, instance, _NO_ROOM
    except EcgFoundryError:
        return kind, instance, _NO_ROOM
    state.jobs.wake()
    return kind, instance, None


def _uid(value: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [value]} if value else {"vr": "UI"}
