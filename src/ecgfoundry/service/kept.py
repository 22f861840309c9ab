"""Recordings that stay on the server because somebody asked for it.

Kept recordings lie in the keep folder until they are deleted. Held ones are for a page that asks
many times about one file: they are gone some minutes after their last use, and with the process.
Both have random names, and belong to the owner of the token that sent them.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgfoundry.errors import EcgFoundryError, ServiceError
from ecgfoundry.io import sha256_of, write_folder_atomically, write_json
from ecgfoundry.locks import locked
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.recording_files import safe_name
from ecgfoundry.service.tokens import Caller
from ecgfoundry.service.uploads import Upload

__all__ = ["HELD_S", "HeldRecordings", "KeptRecordings", "StoredRecordings"]

HELD_S = 900.0
"""A held recording is gone so long after its last use (our choice)."""
_INDEX = ".recording.json"
_NAME = re.compile(r"[0-9a-f]{32}")


def _none() -> ProblemError:
    return ProblemError(Problem(404, "recording-not-found", "no such recording is kept"))


def _no_room(remedy: str) -> ProblemError:
    return ProblemError(Problem(413, "limit", "no room is left for recordings", remedy))


class KeptRecordings:
    """Recordings on the disk: one folder each, below a folder for their owner.

    Parameters
    ----------
    folder : Path or None
        None: nothing is kept.
    limit : int
        Bytes that may be kept together.
    """

    def __init__(self, folder: Path | None, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._lock, self._coming = threading.Lock(), 0
        self._checked: dict[Path, tuple[int, int]] = {}
        self._held = contextlib.ExitStack()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def sweep(self) -> None:
        """Remove what a dead process was about to write; not while another service works here."""
        if self._folder is None:
            return
        taken = ServiceError("another service keeps recordings here", path=self._folder)
        try:
            self._held.enter_context(locked(self._folder / ".lock", taken))
        except ServiceError:
            return
        for left in [*self._folder.glob(".*.part"), *self._folder.glob("*/.*.part")]:
            shutil.rmtree(left, ignore_errors=True)

    def close(self) -> None:
        """Let go of the folder."""
        self._held.close()

    def keep(self, upload: Upload, caller: Caller) -> str:
        """Keep the files of an upload; return the name by which they are found.

        Raises
        ------
        ProblemError
            403: nothing is kept here. 413: no room is left.
        DiskFullError
            Nothing of it stays.
        """
        identifier = secrets.token_hex(16)
        with self._room_for(upload):
            self._write(upload, self._place(caller.owner) / identifier)
        return identifier

    def replace(self, identifier: str, upload: Upload, caller: Caller) -> None:
        """Put other files in the place of a recording, damaged or not, in one step.

        Raises
        ------
        As :meth:`keep`, and ProblemError 404.
        """
        target = self._target(identifier, caller)
        with self._room_for(upload):
            new = target.with_name(secrets.token_hex(16))
            self._write(upload, new)
            old = target.with_name(f".{identifier}.part")
            target.rename(old)
            new.rename(target)
            shutil.rmtree(old, ignore_errors=True)

    def find(self, identifier: str, caller: Caller) -> tuple[Path, str]:
        """Return (path, name) of a recording.

        Raises
        ------
        ProblemError
            404: there is none, or it belongs to somebody else. 422: its files are damaged.
        """
        target = self._target(identifier, caller)
        try:
            document = json.loads((target / _INDEX).read_text(encoding="utf-8"))
            entries = document["files"]
            paths = tuple(target / safe_name(entry["file"]) for entry in entries)
            for path, entry in zip(paths, entries, strict=True):
                self._check(path, entry)
            names = tuple(str(entry["name"]) for entry in entries)
            return Upload(target, paths, names, 0).recording
        except (OSError, ValueError, KeyError, TypeError, EcgFoundryError):
            words = f"the files of the kept recording {identifier} are damaged"
            remedy = f"Send them again with PUT /v1/recordings/{identifier}, or DELETE it"
            raise ProblemError(Problem(422, "recording-damaged", words, remedy)) from None

    def delete(self, identifier: str, caller: Caller) -> None:
        """Remove a recording."""
        shutil.rmtree(self._target(identifier, caller), ignore_errors=True)

    def list(self, caller: Caller) -> list[dict[str, Any]]:
        """Return what the caller may see: name, time, size, and whether its index is there."""
        root = self._root()
        owners = root.glob("owner-*") if caller.role == "admin" else [self._place(caller.owner)]
        found = []
        for folder in sorted(path for owner in owners for path in owner.glob("*")):
            if not _NAME.fullmatch(folder.name):
                continue
            try:
                document = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
                kept, state = document["kept"], "kept"
            except (OSError, ValueError, KeyError, TypeError):
                kept, state = None, "damaged"
            size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
            found.append({"recording": folder.name, "kept": kept, "bytes": size, "state": state})
        return found

    # ------------------------------------------------------------------------------- the folders

    def _root(self) -> Path:
        if self._folder is None:
            remedy = "Start it with --keep-folder FOLDER"
            raise ProblemError(Problem(403, "not-kept", "this service keeps no recordings", remedy))
        return self._folder

    def _place(self, owner: str) -> Path:
        # The owner stands in the path, so that a damaged recording still has one.
        return self._root() / f"owner-{hashlib.sha256(owner.encode()).hexdigest()[:16]}"

    def _target(self, identifier: str, caller: Caller) -> Path:
        root = self._root()
        if not _NAME.fullmatch(identifier):
            raise _none()
        places = root.glob("owner-*") if caller.role == "admin" else [self._place(caller.owner)]
        for place in places:
            if (place / identifier).is_dir():
                return place / identifier
        raise _none()

    @contextlib.contextmanager
    def _room_for(self, upload: Upload) -> Iterator[None]:
        with self._lock:
            root = self._root()
            used = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
            if used + self._coming + upload.size > self._limit:
                raise _no_room("Delete some with DELETE /v1/recordings/{id}")
            self._coming += upload.size
        try:
            yield
        finally:
            with self._lock:
                self._coming -= upload.size

    def _write(self, upload: Upload, target: Path) -> None:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        with write_folder_atomically(target) as folder:
            entries = []
            for path, name in zip(upload.paths, upload.names, strict=True):
                copied = folder / path.name
                shutil.copyfile(path, copied)
                entries.append(
                    {
                        "file": path.name,
                        "name": name,
                        "bytes": copied.stat().st_size,
                        "sha256": sha256_of(copied),
                    }
                )
            now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            write_json(folder / _INDEX, {"kept": now, "files": entries})

    def _check(self, path: Path, entry: dict[str, Any]) -> None:
        found = path.stat()
        state = (found.st_size, found.st_mtime_ns)
        if self._checked.get(path) == state:
            return
        if found.st_size != entry["bytes"] or sha256_of(path) != entry["sha256"]:
            raise ValueError("the content is another")
        self._checked[path] = state


@dataclass(slots=True)
class _Held:
    upload: Upload
    owner: str
    used: float
    users: int = 0
    gone: bool = False

    def release(self) -> None:
        if self.gone and not self.users:
            shutil.rmtree(self.upload.folder, ignore_errors=True)


class HeldRecordings:
    """Recordings that are held for a while, in the folder in which they were received.

    Parameters
    ----------
    limit : int
        Bytes that may be held together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._all: dict[str, _Held] = {}

    def hold(self, upload: Upload, caller: Caller) -> str:
        """Hold the files of an upload, whose folder is removed with it; return its name.

        Raises
        ------
        ProblemError
            413: others hold too much.
        """
        self.forget_old()
        if sum(held.upload.size for held in self._all.values()) + upload.size > self._limit:
            raise _no_room("Send the file with each question, or try again later")
        identifier = secrets.token_hex(16)
        self._all[identifier] = _Held(upload, caller.owner, time.monotonic())
        return identifier

    def forget_old(self) -> None:
        """Remove what nobody has asked about for a while."""
        now = time.monotonic()
        for identifier, held in list(self._all.items()):
            if not held.users and now - held.used > HELD_S:
                self._remove(identifier)

    def has(self, identifier: str, caller: Caller) -> bool:
        """Whether the caller holds a recording of this name."""
        return identifier in self._all and caller.sees(self._all[identifier].owner)

    @contextlib.contextmanager
    def using(self, identifier: str) -> Iterator[tuple[Path, str]]:
        """Give (path, name); its files stay as long as they are used."""
        held = self._all[identifier]
        held.users += 1
        try:
            yield held.upload.recording
        finally:
            held.users -= 1
            held.used = time.monotonic()
            held.release()

    def delete(self, identifier: str) -> None:
        """Remove a recording, when nobody uses it any more."""
        self._remove(identifier)

    def _remove(self, identifier: str) -> None:
        held = self._all.pop(identifier)
        held.gone = True
        held.release()


class StoredRecordings:
    """Held and kept recordings by one kind of name."""

    def __init__(self, held: HeldRecordings, kept: KeptRecordings) -> None:
        self._held, self._kept = held, kept

    @contextlib.asynccontextmanager
    async def using(self, identifier: str, caller: Caller) -> AsyncIterator[tuple[Path, str]]:
        """Give (path, name) of a recording.

        Raises
        ------
        ProblemError
            404, 422.
        """
        if self._held.has(identifier, caller):
            with self._held.using(identifier) as found:
                yield found
            return
        try:
            found = await asyncio.to_thread(self._kept.find, identifier, caller)
        except ProblemError as error:
            raise (_none() if error.problem.code == "not-kept" else error) from None
        yield found

    def delete(self, identifier: str, caller: Caller) -> None:
        """Remove a recording; one that is kept needs a token that may write.

        Raises
        ------
        ProblemError
            403, 404.
        """
        if self._held.has(identifier, caller):
            self._held.delete(identifier)
            return
        caller.needs("write")
        self._kept.delete(identifier, caller)
