"""Files by their content in any store that fsspec reaches: s3://, gs://, sftp://, file://.

As in a folder, a file has the SHA-256 of its content as its name, is checked whenever it is read,
and the same content, sent again, takes the place of what was damaged.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ecgfoundry.errors import (
    DatabaseError,
    DiskFullError,
    IntegrityError,
    MissingExtraError,
    ServiceError,
)
from ecgfoundry.io import is_full_disk, sha256_of
from ecgfoundry.service.database.recordings import StoredFile

__all__ = ["RemoteBlobs"]

_YOUNG_S = 600.0
"""What was written so long ago is written again when it is sent again, so that it is young and is
not removed as unneeded; it must be less than the age at which that is done (our choice)."""
_SEEN_S = 60.0
"""So long a file that was there is taken to be there by lists (our choice)."""
_IN_PLACE = frozenset({"file", "ftp", "local", "memory", "sftp", "smb", "ssh"})
"""Stores that show a file while it is written; the others show it when it is whole."""
_ONE_AT_A_TIME = threading.RLock()
"""A store in memory has one place of reading per file, whoever reads it."""
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created")
"""Where the stores say when a file was written."""


class RemoteBlobs:
    """A store of one service, or of all replicas of one.

    Parameters
    ----------
    address : str
        As fsspec writes it ("s3://bucket/ecg"). Credentials come from where fsspec's package for
        that store looks for them.

    Raises
    ------
    MissingExtraError
        Fsspec, or its package for this kind of store, is not installed.
    ServiceError
        There is no such kind of store.
    DatabaseError
        It does not answer.
    """

    def __init__(self, address: str) -> None:
        try:
            import fsspec
        except ImportError:
            raise MissingExtraError.for_extra("files in another store", "stores") from None
        self._kind = address.partition("://")[0]
        self._seen: dict[tuple[str, int], float] = {}
        try:
            found = fsspec.get_filesystem_class(self._kind)
        except ImportError as error:
            raise MissingExtraError(str(error), remedy="Install it beside ecgfoundry") from None
        except ValueError as error:
            raise ServiceError(f"--blobs {self._kind}://…: {error}") from None
        with self._told():
            self._store = found(**found._get_kwargs_from_urls(address))
            self._root = str(found._strip_protocol(address)).rstrip("/")
            self._store.makedirs(self._root, exist_ok=True)

    def put(self, source: Path, name: str) -> StoredFile:
        """Store a file; return its hash and size under ``name``.

        Raises
        ------
        DiskFullError, DatabaseError
            The store has no room, or does not answer.
        """
        file = StoredFile(name, sha256_of(source), source.stat().st_size)
        self._seen.pop((file.sha256, file.bytes), None)
        with self._told():
            found = self._about(file.sha256)
            young = found is not None and time.time() - _written(found) < _YOUNG_S
            if young and self._whole(file):
                return file
            self._store.makedirs(f"{self._root}/{file.sha256[:2]}", exist_ok=True)
            self._write(source, self._path(file.sha256))
        return file

    def is_there(self, file: StoredFile) -> bool:
        """Whether a file of this size is there; its content is not read.

        Raises
        ------
        DatabaseError
        """
        key = (file.sha256, file.bytes)
        if time.monotonic() - self._seen.get(key, -_SEEN_S) < _SEEN_S:
            return True
        with self._told():
            found = self._about(file.sha256)
        if found is None or found.get("size") != file.bytes:
            return False
        self._seen[key] = time.monotonic()
        return True

    def give(self, files: Sequence[StoredFile], folder: Path) -> Path:
        """Put files into a folder under their names; return the first of them.

        Raises
        ------
        IntegrityError
            One of them is damaged or gone.
        DatabaseError
        """
        for file in files:
            target = folder / file.name
            with self._told():
                try:
                    self._store.get_file(self._path(file.sha256), str(target))
                except FileNotFoundError:
                    target.unlink(missing_ok=True)
            whole = target.is_file() and target.stat().st_size == file.bytes
            if not whole or sha256_of(target) != file.sha256:
                self._seen.pop((file.sha256, file.bytes), None)
                raise IntegrityError("the stored content is damaged or gone", path=target)
        return folder / files[0].name

    def sweep(self, needed: Callable[[Iterable[str]], set[str]], *, older_s: float) -> int:
        """Remove what nobody needs; return how many files went.

        Parameters
        ----------
        needed : callable
            Returns those of some hashes that are needed.
        older_s : float
            Younger files stay: they may be about to be needed.
        """
        limit = time.time() - older_s
        with self._told():
            listed = self._store.find(self._root, detail=True)
            old = {
                path.rsplit("/", 1)[-1]: path
                for path, about in listed.items()
                if _written(about) < limit
            }
            kept, removed = needed(old) if old else set(), 0
            for name, path in old.items():
                about = self._about(name)  # somebody may have begun to need it a moment ago
                if name not in kept and about is not None and _written(about) < limit:
                    self._store.rm_file(path)
                    removed += 1
        self._seen.clear()
        return removed

    # ------------------------------------------------------------------------------------ inside

    def _path(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def _about(self, sha256: str) -> dict[str, Any] | None:
        self._store.invalidate_cache(self._root)
        try:
            return dict(self._store.info(self._path(sha256)))
        except FileNotFoundError:
            return None

    def _write(self, source: Path, path: str) -> None:
        """Write a file so that whoever reads it meanwhile finds all of it, or what was there."""
        if self._kind not in _IN_PLACE:
            self._store.put_file(str(source), path)
            return
        unfinished = f"{path}.{uuid.uuid4().hex}"
        try:
            self._store.put_file(str(source), unfinished)
            self._store.mv(unfinished, path)
        except BaseException:
            with contextlib.suppress(Exception):
                self._store.rm_file(unfinished)
            raise

    def _whole(self, file: StoredFile) -> bool:
        content = self._store.cat_file(self._path(file.sha256))
        return hashlib.sha256(content).hexdigest() == file.sha256

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        turn = _ONE_AT_A_TIME if self._kind == "memory" else contextlib.nullcontext()
        try:
            with turn:
                yield
        except (DiskFullError, DatabaseError, IntegrityError, FileNotFoundError):
            raise
        except Exception as error:  # every store raises what its package has
            if isinstance(error, OSError) and is_full_disk(error):
                words = "the store of recordings has no room left"
                raise DiskFullError(words, remedy="Free space there, then send it again") from None
            raise DatabaseError(
                f"the store of recordings ({self._kind}) does not answer ({type(error).__name__})",
                remedy="Try again; if it stays so, look at the store and its credentials",
            ) from None


def _written(about: dict[str, Any]) -> float:
    """Return when a file was written, s since 1970; one that does not say it is young for ever."""
    found = next((about[name] for name in _TIMES if about.get(name) is not None), None)
    if isinstance(found, str):
        found = dt.datetime.fromisoformat(found)
    if isinstance(found, dt.datetime):
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()
    return time.time() if found is None else float(found)
