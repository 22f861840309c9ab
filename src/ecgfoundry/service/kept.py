"""Recordings that stay on the server because somebody asked for it.

Kept recordings stand in the database and lie in the blob store until they are deleted or expire.
Held ones are for a page that asks many times about one file: they are gone some minutes after their
last use, and with the process. Both have random names, and belong to the owner of the token that
sent them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from ecgfoundry.errors import IntegrityError
from ecgfoundry.formats.common.moments import day_of
from ecgfoundry.service.blobs import Blobs
from ecgfoundry.service.database.audit import Event, write_audit
from ecgfoundry.service.database.connection import Database
from ecgfoundry.service.database.recordings import (
    NewRecording,
    StoredFile,
    Worklist,
    add_recording,
    find_recording,
    identify,
    kept_bytes,
    kept_with_content,
    list_recordings,
    remove_recording,
    replace_files,
)
from ecgfoundry.service.database.reviews import answer_identity, latest_answers
from ecgfoundry.service.database.tables import Recording, Result
from ecgfoundry.service.identity import Identity
from ecgfoundry.service.noted import Noted
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.recording_files import files_by_recording
from ecgfoundry.service.tokens import Caller
from ecgfoundry.service.uploads import Upload
from ecgfoundry.service.workspace import Workspace

__all__ = [
    "HELD_S",
    "HeldRecordings",
    "KeptRecordings",
    "StoredRecordings",
    "recording_not_found",
    "stored_files",
]

HELD_S = 900.0
"""A held recording is gone so long after its last use (our choice)."""
_NAME = re.compile(r"[0-9a-f]{32}")
_KEEPING = 1
"""Keeping is done by one replica at a time, so that they never keep more than there is room for."""


def recording_not_found() -> ProblemError:
    """There is none of this name, or it is somebody else's: nobody is told which."""
    return ProblemError(Problem(404, "recording-not-found", "no such recording is kept"))


def _no_room(remedy: str) -> ProblemError:
    return ProblemError(Problem(413, "limit", "no room is left for recordings", remedy))


def stored_files(recording: Recording) -> tuple[StoredFile, ...]:
    """Return the files of a recording as the blob store knows them."""
    return tuple(StoredFile(file.name, file.sha256, file.bytes) for file in recording.files)


class KeptRecordings:
    """Recordings in the database and the blob store.

    Parameters
    ----------
    database : Database
    blobs : Blobs
    workspace : Workspace
        Where files lie under their names while they are read.
    limit : int
        Bytes that may be kept together; 0: nothing is kept for anybody.
    """

    def __init__(self, database: Database, blobs: Blobs, workspace: Workspace, limit: int) -> None:
        self.database, self.blobs, self.noted = database, blobs, Noted()
        self._workspace, self._limit = workspace, limit

    def put(self, upload: Upload, owner: str, *, source: str = "http") -> list[NewRecording]:
        """Store the files of an upload; return its recordings, which nobody knows of yet.

        Raises
        ------
        DiskFullError
            Nothing was changed.
        """
        called = dict(zip(upload.paths, upload.names, strict=True))
        found = []
        for first, paths in files_by_recording(upload.paths).items():
            files = tuple(self.blobs.put(path, path.name) for path in paths)
            found.append(NewRecording(owner, _content_of(files), called[first], files, source))
        return found

    def keep(
        self,
        upload: Upload,
        caller: Caller,
        *,
        source: str = "http",
        identity: Identity | None = None,
    ) -> tuple[str, bool]:
        """Keep the recording of an upload; return its name, and whether it is new.

        What its owner keeps already is recognised by its content; what is said of the person now
        counts for it then.

        Raises
        ------
        ProblemError
            403: nothing is kept here. 413: no room is left.
        DiskFullError
            Nothing of it stays.
        """
        self._check_allowed()
        (new,) = self.put(upload, caller.owner, source=source)
        with self.database.writing() as session:
            self.database.one_at_a_time(session, _KEEPING)
            known = kept_with_content(session, caller.owner, new.content)
            if known is not None:
                known_now, outcome, name = known, "known already", known.id
            else:
                self._check_room(session, new.bytes)
                known_now = add_recording(session, new)
                outcome, name = "ok", known_now.id
            if identity is not None and identity.to_dict():
                identify(known_now, identity.to_dict())
            event = Event(caller.name, "recording.kept", outcome, name, new.content)
            write_audit(session, event)
        return name, known is None

    def replace(self, name: str, upload: Upload, caller: Caller) -> None:
        """Put other files in the place of a recording, damaged or not, in one step.

        Raises
        ------
        As :meth:`keep`, and ProblemError 404.
        """
        with self.database.reading() as session:
            self._found(session, name, caller)
        (new,) = self.put(upload, caller.owner)
        with self.database.writing() as session:
            self.database.one_at_a_time(session, _KEEPING)
            recording = self._found(session, name, caller)
            self._check_room(session, new.bytes - recording.bytes)
            replace_files(session, recording, new)
            write_audit(session, Event(caller.name, "recording.replaced", "ok", name, new.content))

    @contextlib.contextmanager
    def using(self, name: str, caller: Caller | None) -> Iterator[tuple[Path, str]]:
        """Give (path, name) of a recording; ``caller`` None: the service itself.

        Raises
        ------
        ProblemError
            404: there is none, or it belongs to somebody else. 422: its files are damaged.
        DiskFullError, FileAccessError
            There is no place to read them from.
        """
        with self.database.reading() as session:
            recording = self._found(session, name, caller)
            files, called = stored_files(recording), recording.name
            if caller is not None:
                self.note_reading(recording, caller)
        folder = self._workspace.folder("reading")
        try:
            yield self._given(name, files, folder), called
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _given(self, name: str, files: tuple[StoredFile, ...], folder: Path) -> Path:
        try:
            return self.blobs.give(files, folder)
        except IntegrityError:
            words = f"the files of the kept recording {name} are damaged"
            remedy = f"Send them again with PUT /v1/recordings/{name}, or DELETE it"
            raise ProblemError(Problem(422, "recording-damaged", words, remedy)) from None

    def delete(self, name: str, caller: Caller) -> None:
        """Remove a recording with all that is known of it; that it was there stays in the audit."""
        with self.database.writing() as session:
            recording = self._found(session, name, caller)
            event = Event(caller.name, "recording.removed", "ok", name, recording.content)
            write_audit(session, event)
            remove_recording(session, recording)

    def listed(
        self, caller: Caller, wanted: Worklist, *, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return a page of what the caller may see, and the cursor of the next page.

        Raises
        ------
        ProblemError
            400: the cursor is none. 403: nothing is kept here.
        """
        self._check_allowed()
        with self.database.reading() as session:
            try:
                page = list_recordings(session, wanted, limit=limit, cursor=cursor)
            except ValueError as error:
                raise ProblemError(Problem(400, "request", f"cursor: {error}")) from None
            latest = latest_answers(session, [row.id for row in page.rows])
            return [self.entry(row, latest.get(row.id)) for row in page.rows], page.cursor

    def entry(self, row: Recording, answer: Result | None) -> dict[str, Any]:
        """Return what a list says of a recording; ``answer``: the machine's latest."""
        about = row.about or {}
        subject = dict(about.get("subject") or {})
        known = row.identity or {}
        if known.get("patient") and subject.get("identifier") not in (None, known["patient"]):
            subject.pop("birth_date", None)  # that of the number in the file
        if born := day_of(str(known.get("birth_date") or "")):
            subject["birth_date"] = born.isoformat()
        said = {"identifier": "patient", "name": "name", "sex": "sex", "accession": "accession"}
        for key, name in said.items():
            value = known.get(name)
            if value and (key == "identifier" or not subject.get(key)):
                subject[key] = value
        whole = all(self.blobs.is_there(file) for file in stored_files(row))
        return {
            "recording": row.id,
            "file": row.name,
            "source": row.source,
            "kept": row.created_at.isoformat(timespec="seconds"),
            "bytes": row.bytes,
            "sha256": row.content,
            "state": "kept" if whole else "damaged",
            "unmatched": known.get("unmatched"),
            "described": row.described_at is not None,
            "taken": row.taken_at,
            "subject": subject,
            "device": about.get("device") or {},
            "leads": about.get("leads"),
            "duration_s": about.get("duration_s"),
            "answer": None
            if answer is None
            else (answer.summary or {}) | {"sha256": answer_identity(answer)},
            "review": row.decision,
        }

    # ------------------------------------------------------------------------------------ inside

    def _found(self, session: Session, name: str, caller: Caller | None) -> Recording:
        owner = None if caller is None or caller.role == "admin" else caller.owner
        recording = find_recording(session, name, owner) if _NAME.fullmatch(name) else None
        if recording is None or (caller is not None and not recording.kept):
            if caller is not None:
                self.noted.note(Event(caller.name, "recording.read", "not found"))
            raise recording_not_found()
        return recording

    def note_reading(self, recording: Recording, caller: Caller) -> None:
        """Note who looks at a recording."""
        event = Event(caller.name, "recording.read", "ok", recording.id, recording.content)
        self.noted.note(event)

    def find(
        self, session: Session, name: str, caller: Caller, *, alone: bool = False
    ) -> Recording:
        """Return the row of a kept recording; ``alone``: whoever wants to change it waits.

        Raises
        ------
        ProblemError
            404: there is none, or it belongs to somebody else.
        """
        recording = self._found(session, name, caller)
        if alone:
            session.refresh(recording, with_for_update={"of": Recording})
        return recording

    def refuse_two_persons(self, one: str, other: str, caller: Caller) -> None:
        """Refuse a comparison of kept recordings that are said to be of two people.

        What stands in the files is compared by whoever reads them; what requests and the worklist
        have said stands here.

        Raises
        ------
        ProblemError
            422.
        """
        owner = None if caller.role == "admin" else caller.owner
        people = []
        with self.database.reading() as session:
            for name in (one, other):
                row = find_recording(session, name, owner)
                if row is None:  # it is held, or whoever reads it says so
                    return
                people.append(replace(Identity.from_dict(row.identity), patient=row.patient))
        if people[0].contradicts(people[1]):
            words = "the recordings are of two persons: by what was said when they were kept"
            remedy = "If it is one person, say so: same_person=true"
            raise ProblemError(Problem(422, "signal", words, remedy))

    def known(self, name: str, caller: Caller) -> tuple[str, str]:
        """Return the name of a kept recording, and what it was called.

        Raises
        ------
        ProblemError
            404: there is none, or it belongs to somebody else.
        """
        with self.database.reading() as session:
            recording = self._found(session, name, caller)
            return recording.id, recording.name

    def _check_allowed(self) -> None:
        if not self._limit:
            remedy = "Start it with --keep-folder FOLDER"
            raise ProblemError(Problem(403, "not-kept", "this service keeps no recordings", remedy))

    def _check_room(self, session: Session, more: int) -> None:
        if kept_bytes(session) + more > self._limit:
            raise _no_room("Delete some with DELETE /v1/recordings/{id}")


def _content_of(files: Sequence[StoredFile]) -> str:
    """The SHA-256 of one file; of several, of their names and hashes in order."""
    if len(files) == 1:
        return files[0].sha256
    listed = sorted(f"{file.name} {file.sha256}" for file in files)
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


@dataclass(slots=True)
class _Held:
    upload: Upload
    owner: str
    used: float
    users: int = 0
    gone: bool = False


class HeldRecordings:
    """Recordings that are held for a while, in the folder in which they were received.

    Any thread may ask.

    Parameters
    ----------
    limit : int
        Bytes that may be held together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._all: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def hold(self, upload: Upload, caller: Caller) -> str:
        """Hold the files of an upload, whose folder is removed with it; return its name.

        Raises
        ------
        ProblemError
            413: others hold too much.
        """
        self.forget_old()
        identifier = secrets.token_hex(16)
        with self._lock:
            if sum(held.upload.size for held in self._all.values()) + upload.size > self._limit:
                raise _no_room("Send the file with each question, or try again later")
            self._all[identifier] = _Held(upload, caller.owner, time.monotonic())
        return identifier

    def forget_old(self) -> None:
        """Remove what nobody has asked about for a while."""
        now = time.monotonic()
        with self._lock:
            old = [
                identifier
                for identifier, held in self._all.items()
                if not held.users and now - held.used > HELD_S
            ]
            forgotten = [self._all.pop(identifier) for identifier in old]
        for held in forgotten:
            _remove_files(held)

    def has(self, identifier: str, caller: Caller) -> bool:
        """Whether the caller holds a recording of this name."""
        held = self._all.get(identifier)
        return held is not None and caller.sees(held.owner)

    @contextlib.contextmanager
    def using(self, identifier: str) -> Iterator[tuple[Path, str]]:
        """Give (path, name); its files stay as long as they are used.

        Raises
        ------
        ProblemError
            404: it was removed a moment ago.
        """
        with self.using_upload(identifier) as upload:
            yield upload.recording

    @contextlib.contextmanager
    def using_upload(self, identifier: str) -> Iterator[Upload]:
        """Give all files of a recording; they stay as long as they are used.

        Raises
        ------
        ProblemError
            404: it was removed a moment ago.
        """
        with self._lock:
            held = self._all.get(identifier)
            if held is None:
                raise recording_not_found()
            held.users += 1
        try:
            yield held.upload
        finally:
            with self._lock:
                held.users -= 1
                held.used = time.monotonic()
                unneeded = held.gone and not held.users
            if unneeded:
                _remove_files(held)

    def delete(self, identifier: str) -> None:
        """Remove a recording, when nobody uses it any more.

        Raises
        ------
        ProblemError
            404: it was removed a moment ago.
        """
        with self._lock:
            held = self._all.pop(identifier, None)
            if held is None:
                raise recording_not_found()
            held.gone = True
            unneeded = not held.users
        if unneeded:
            _remove_files(held)


def _remove_files(held: _Held) -> None:
    shutil.rmtree(held.upload.folder, ignore_errors=True)


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
        kept = self._kept.using(identifier, caller)
        found = await asyncio.to_thread(kept.__enter__)
        try:
            yield found
        finally:
            await asyncio.to_thread(kept.__exit__, None, None, None)

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
