"""What was sent becomes files in a folder of its own, which is gone when the answer is there.

Names from outside serve only to tell files apart and to repeat in the answer: on disk a file has
the safe part of its last component.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.recording_files import recordings_among, safe_name

__all__ = ["KeptRecordings", "Upload", "received"]

_CHUNK = 1 << 20
_PARTS = 4096
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

    def content_hash(self) -> str:
        """Return one SHA-256 for all files and their names, in whatever order they were sent."""
        hashes = []
        for path in self.paths:
            with path.open("rb") as file:
                hashes.append(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}")
        return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()

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
async def received(request: Request, *, limit: int) -> AsyncIterator[Upload]:
    """Take the files of a request: multipart parts ``file``, a raw body, or samples as JSON.

    Raises
    ------
    ProblemError
        There is no file (400), or more than ``limit`` bytes (413).
    """
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limit:
        raise ProblemError(_too_large(limit))
    folder = Path(tempfile.mkdtemp(prefix="ecgfoundry-"))
    try:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        take = {"multipart/form-data": _multipart, "application/json": _samples}.get(kind, _raw)
        try:
            async with asyncio.timeout(_BODY_S):
                upload = await take(request, folder, limit)
        except TimeoutError:
            words = f"the request did not come to its end within {_BODY_S:g} s"
            raise ProblemError(Problem(408, "slow", words)) from None
        yield upload
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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

    def count(self, chunk: bytes) -> None:
        self.size += len(chunk)
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
            with sink.path_for(part.filename).open("xb") as file:
                while chunk := await part.read(_CHUNK):
                    sink.count(chunk)
                    file.write(chunk)
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


async def _raw(request: Request, folder: Path, limit: int) -> Upload:
    sink = _Sink(folder, limit)
    with sink.path_for(request.query_params.get("filename")).open("xb") as file:
        async for chunk in request.stream():
            sink.count(chunk)
            file.write(chunk)
    return sink.upload()


async def _samples(request: Request, folder: Path, limit: int) -> Upload:
    """Samples and what is known about them, as JSON; kept as an array beside its description."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise ProblemError(_too_large(limit))
    try:
        document = json.loads(bytes(body))
        signal = np.array(
            [[np.nan if v is None else v for v in row] for row in document["signal"]], np.float32
        )
        stated = {
            "sampling_rate": float(document["sampling_rate"]),
            "leads": [str(lead) for lead in document["leads"]],
            "unit": str(document["unit"]),
        }
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        words = f"the samples cannot be understood ({type(error).__name__}: {str(error)[:100]})"
        remedy = 'Send {"signal": [[...], ...], "sampling_rate": 500, "leads": ["I"], "unit": "mV"}'
        raise ProblemError(Problem(400, "request", words, remedy)) from None
    if signal.ndim != 2 or signal.size == 0:
        raise ProblemError(Problem(400, "request", "'signal' needs one row of samples per lead"))
    path = folder / "samples.npz"
    arrays = {"signal": signal} | {key: np.array(value) for key, value in stated.items()}
    np.savez(path, allow_pickle=False, **arrays)
    return Upload(folder, (path,), ("samples",), len(body))


class KeptRecordings:
    """Recordings that were asked to be kept: one folder each, named by the hash of the content.

    Parameters
    ----------
    folder : Path or None
        None: nothing is kept.
    limit : int
        Bytes that may be kept together.
    """

    def __init__(self, folder: Path | None, limit: int) -> None:
        self._folder, self._limit = folder, limit
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def keep(self, upload: Upload) -> str:
        """Keep the files of an upload; return the name by which they are found."""
        root = self._root()
        identifier = upload.content_hash()
        target = root / identifier
        if not target.exists():
            used = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
            if used + upload.size > self._limit:
                raise ProblemError(
                    Problem(413, "limit", "no room is left for kept recordings",
                            "Delete some with DELETE /v1/recordings/{id}")
                )  # fmt: skip
            partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=root))
            for path in upload.paths:
                shutil.copyfile(path, partial / path.name)
            order = [path.name for path in upload.paths]
            names = {"files": order, "names": list(upload.names)}
            (partial / ".names.json").write_text(json.dumps(names), encoding="utf-8")
            try:
                partial.rename(target)
            except OSError:  # somebody was faster with the same content
                shutil.rmtree(partial, ignore_errors=True)
        return identifier

    def find(self, identifier: str) -> tuple[Path, str]:
        """Return (path, name) of a kept recording."""
        target = self._target(identifier)
        document = json.loads((target / ".names.json").read_text(encoding="utf-8"))
        files: Sequence[str] = document["files"]
        paths = tuple(target / safe_name(name) for name in files)
        return Upload(target, paths, tuple(document["names"]), 0).recording

    def delete(self, identifier: str) -> None:
        """Remove a kept recording."""
        shutil.rmtree(self._target(identifier), ignore_errors=True)

    def _root(self) -> Path:
        if self._folder is None:
            raise ProblemError(
                Problem(403, "not-kept", "this service keeps no recordings",
                        "Start it with --keep-folder FOLDER")
            )  # fmt: skip
        return self._folder

    def _target(self, identifier: str) -> Path:
        root = self._root()
        if not re.fullmatch(r"[0-9a-f]{64}", identifier) or not (root / identifier).is_dir():
            raise ProblemError(Problem(404, "recording-not-found", "no such recording is kept"))
        return root / identifier
