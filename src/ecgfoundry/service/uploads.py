"""What was sent becomes files in a folder of its own, which is gone when the answer is there.

Names from outside serve only to tell files apart and to repeat in the answer: on disk a file has
the safe part of its last component.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from ecgfoundry.errors import DiskFullError, FileAccessError
from ecgfoundry.io import write_error
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.recording_files import recordings_among, safe_name
from ecgfoundry.service.samples import SAMPLES_NAME
from ecgfoundry.service.workspace import Workspace

__all__ = ["Upload", "received", "take"]

_CHUNK = 1 << 20
_PARTS = 4096
DISK_FULL = Problem(
    507,
    "disk-full",
    "the service has no room left for what was sent; nothing of it was kept",
    "Free space in its folder for temporary files (TMPDIR), then send it again",
)
_BODY_S = 300.0
"""Time for a body to arrive (our choice: 256 MB at 7 Mbit/s): who sends a byte now and then holds
a connection and a folder."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Files of one request: ``paths`` in ``folder``, ``names`` as the caller wrote them."""

    folder: Path
    paths: tuple[Path, ...]
    names: tuple[str, ...]
    size: int

    def recordings(self) -> tuple[list[tuple[Path, str]], list[str]]:
        """Return (file to read, its name) of every recording, and names that belong to none."""
        called = dict(zip(self.paths, self.names, strict=True))
        found = recordings_among(self.paths)
        return [(path, called[path]) for path in found.first], [called[p] for p in found.alone]

    @property
    def recording(self) -> tuple[Path, str]:
        """The file to read, and its name, where all files are one recording.

        Raises
        ------
        ProblemError
            400: they are of several, or one of them belongs to none.
        """
        found, alone = self.recordings()
        if len(found) == 1 and not alone:
            return found[0]
        words = "the files are of several recordings: " + _listed([name for _, name in found])
        if len(found) < 2:
            words = f"these files are no part of the recording: {_listed(alone)}"
        remedy = "Send the files of one recording at a time, or all of them as a job: POST /v1/jobs"
        raise ProblemError(Problem(400, "several-recordings", words, remedy))


def _listed(names: Sequence[str], most: int = 8) -> str:
    """Names for a message; of very many, the first."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


@asynccontextmanager
async def received(request: Request, workspace: Workspace, *, limit: int) -> AsyncIterator[Upload]:
    """Give the files of a request, which are gone with it; see :func:`take`."""
    upload = await take(request, workspace, limit=limit)
    try:
        yield upload
    finally:
        await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)


async def take(request: Request, workspace: Workspace, *, limit: int) -> Upload:
    """Take the files of a request: multipart parts ``file``, a raw body, or samples as JSON.

    The folder of the upload belongs to the caller. Nothing stays where this fails.

    Raises
    ------
    ProblemError
        There is no file (400), it came too slowly (408), it has more than ``limit`` bytes (413), or
        there is no room for it (507).
    """
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limit:
        raise ProblemError(_too_large(limit))
    try:
        folder = workspace.folder("upload")
    except FileAccessError as error:
        raise _unwritten(error) from None
    try:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        by_kind = {"multipart/form-data": _multipart, "application/json": _samples}
        async with asyncio.timeout(_BODY_S):
            return await by_kind.get(kind, _raw)(request, folder, limit)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, TimeoutError):
            words = f"the request did not come to its end within {_BODY_S:g} s"
            raise ProblemError(Problem(408, "slow", words)) from None
        if isinstance(error, OSError):
            raise _unwritten(write_error(error, folder)) from None
        raise


def _unwritten(error: FileAccessError) -> ProblemError:
    """Say it without the names of the service's folders."""
    if isinstance(error, DiskFullError):
        return ProblemError(DISK_FULL)
    words = f"what was sent {error.problem}"
    return ProblemError(Problem(500, "file-access", words))


def _too_large(limit: int) -> Problem:
    return Problem(413, "limit", f"a request may have {limit:,} bytes and this one has more")


class _Sink:
    """Writes files of a request and counts."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit, self.size = folder, limit, 0
        self.paths: list[Path] = []
        self.names: list[str] = []

    def path_for(self, name: str | None) -> Path:
        path = self.folder / safe_name(name)
        if path in self.paths:
            raise ProblemError(Problem(400, "request", f"two files are called '{path.name}'"))
        self.paths.append(path)
        self.names.append((name or path.name)[:255])
        return path

    def count(self, size: int) -> None:
        self.size += size
        if self.size > self.limit:
            raise ProblemError(_too_large(self.limit))

    def upload(self) -> Upload:
        if not self.paths or self.size == 0:
            raise ProblemError(
                Problem(400, "request", "no file was sent", "Send it as the field 'file'")
            )
        return Upload(self.folder, tuple(self.paths), tuple(self.names), self.size)


async def _multipart(request: Request, folder: Path, limit: int) -> Upload:
    sink = _Sink(folder, limit)
    try:
        form = await _limited(request, limit).form(max_files=_PARTS, max_fields=64)
    except MultiPartException as error:
        raise ProblemError(Problem(400, "request", f"the form is damaged: {error}")) from None
    try:
        for part in form.getlist("file"):
            if not isinstance(part, UploadFile):
                raise ProblemError(Problem(400, "request", "the field 'file' is no file"))
            sink.count(part.size or 0)
            await asyncio.to_thread(_copy, part.file, sink.path_for(part.filename))
        return sink.upload()
    finally:
        await form.close()


def _limited(request: Request, limit: int) -> Request:
    """Return the request with a body that stops at the limit, whatever its headers say."""
    count = 0

    async def receive() -> Any:
        nonlocal count
        message = await request.receive()
        count += len(message.get("body", b""))
        if count > limit + 65536:  # the borders between the parts are not the caller's fault
            raise ProblemError(_too_large(limit))
        return message

    return Request(request.scope, receive)


def _copy(source: Any, target: Path) -> None:
    source.seek(0)
    with target.open("xb") as file:
        shutil.copyfileobj(source, file, _CHUNK)


async def _raw(request: Request, folder: Path, limit: int) -> Upload:
    sink = _Sink(folder, limit)
    await _write_body(request, sink, sink.path_for(request.query_params.get("filename")))
    return sink.upload()


async def _samples(request: Request, folder: Path, limit: int) -> Upload:
    """Samples and what is known about them, as JSON, which a worker reads: it may take a while."""
    sink = _Sink(folder, limit)
    await _write_body(request, sink, sink.path_for(SAMPLES_NAME))
    sink.names[:] = ["samples"]
    return sink.upload()


async def _write_body(request: Request, sink: _Sink, path: Path) -> None:
    """Write a body as it comes, in pieces that are worth a thread."""
    waiting = bytearray()
    with path.open("xb") as file:
        async for chunk in request.stream():
            sink.count(len(chunk))
            waiting += chunk
            if len(waiting) >= _CHUNK:
                await asyncio.to_thread(file.write, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(file.write, bytes(waiting))
