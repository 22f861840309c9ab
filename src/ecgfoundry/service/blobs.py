"""Files by their content: a folder in which every file has the SHA-256 of its content as its name.

A file is there as a whole or not at all, and stays as it was written: whoever reads it is told when
it was damaged, and the same content, sent again, takes its place.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from ecgfoundry.errors import IntegrityError
from ecgfoundry.io import sha256_of, write_atomically, write_error
from ecgfoundry.service.database.recordings import StoredFile

__all__ = ["BlobStore", "Blobs", "blobs_at"]

_CHUNK = 1 << 20


class Blobs(Protocol):
    """Where the files of recordings lie: a folder, or any store that fsspec reaches."""

    def put(self, source: Path, name: str) -> StoredFile:
        """Store a file; return its hash and size under ``name``."""
        ...

    def is_there(self, file: StoredFile) -> bool:
        """Whether a file of this size is there; its content is not read."""
        ...

    def give(self, files: Sequence[StoredFile], folder: Path) -> Path:
        """Put files into a folder under their names; raise IntegrityError if one is damaged."""
        ...

    def sweep(self, needed: Callable[[Iterable[str]], set[str]], *, older_s: float) -> int:
        """Remove what nobody needs and is older than ``older_s``; return how many files went."""
        ...


def blobs_at(address: str | None, keep_folder: Path) -> Blobs:
    """Return the store at an address of fsspec; None: the folder ``blobs`` in the keep folder.

    Raises
    ------
    MissingExtraError, ServiceError, DatabaseError
        As :class:`~ecgfoundry.service.remote_blobs.RemoteBlobs`.
    """
    if address is None:
        return BlobStore(keep_folder / "blobs")
    from ecgfoundry.service.remote_blobs import RemoteBlobs

    return RemoteBlobs(address)


class BlobStore:
    """Files in a folder that several replicas may share.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._checked: dict[str, tuple[int, int, int]] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, sha256: str) -> Path:
        """Return where the content of a hash lies, or would lie."""
        return self._folder / sha256[:2] / sha256

    def put(self, source: Path, name: str) -> StoredFile:
        """Store a file; return its hash and size under ``name``.

        Raises
        ------
        DiskFullError, FileAccessError
            Nothing of it stays.
        """
        sha256, size = sha256_of(source), source.stat().st_size
        target = self.path(sha256)
        # What is there is young again from now on, and so not removed as unneeded.
        with contextlib.suppress(OSError, IntegrityError):
            os.utime(target)
            self.check(sha256, size)
            return StoredFile(name, sha256, size)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        with write_atomically(target, sync=True) as temporary:
            temporary.touch(mode=0o600, exist_ok=False)
            with source.open("rb") as given, temporary.open("wb") as file:
                shutil.copyfileobj(given, file, _CHUNK)
        self._checked.pop(sha256, None)
        return StoredFile(name, sha256, size)

    def is_there(self, file: StoredFile) -> bool:
        """Whether a file of this size is there; its content is not read."""
        try:
            return self.path(file.sha256).stat().st_size == file.bytes
        except OSError:
            return False

    def check(self, sha256: str, size: int) -> None:
        """Look whether content is what it was.

        Raises
        ------
        IntegrityError
        """
        path = self.path(sha256)
        try:
            found = path.stat()
            state = (found.st_size, found.st_ino, found.st_mtime_ns)
            if self._checked.get(sha256) == state:
                return
            whole = found.st_size == size and sha256_of(path) == sha256
        except OSError:
            whole = False
        if not whole:
            raise IntegrityError("the stored content is damaged or gone", path=path)
        self._checked[sha256] = state

    def give(self, files: Sequence[StoredFile], folder: Path) -> Path:
        """Put files into a folder under their names; return the first of them.

        They are links where the system can: whoever gets them only reads.

        Raises
        ------
        IntegrityError
            One of them is damaged.
        DiskFullError, FileAccessError
        """
        for file in files:
            self.check(file.sha256, file.bytes)
            _linked(self.path(file.sha256), folder / file.name)
        return folder / files[0].name

    def sweep(self, needed: Callable[[Iterable[str]], set[str]], *, older_s: float) -> int:
        """Remove what nobody needs and what was never finished; return how many files went.

        Parameters
        ----------
        needed : callable
            Returns those of some hashes that are needed.
        older_s : float
            Younger files stay: they may be about to be needed.
        """
        removed, limit = 0, time.time() - older_s
        for shelf in sorted(path for path in self._folder.iterdir() if path.is_dir()):
            old = [path for path in shelf.iterdir() if _is_older(path, limit)]
            whole = {path.name for path in old if not path.name.startswith(".")}
            kept = needed(whole) if whole else set()
            for path in old:
                if path.name not in kept:
                    removed += _removed(path, limit)
        return removed


def _is_older(path: Path, limit: float) -> bool:
    """Whether a file is there that was written before; one that another finishes now is not."""
    try:
        return path.stat().st_mtime < limit
    except FileNotFoundError:
        return False


def _removed(path: Path, limit: float) -> bool:
    """Remove a file, unless somebody has begun to need it a moment ago."""
    aside = path.with_name(f".{path.name.lstrip('.')}.gone")
    with contextlib.suppress(OSError):
        path.rename(aside)
        if aside.stat().st_mtime >= limit:
            aside.rename(path)
            return False
        aside.unlink()
        return True
    return False


def _linked(source: Path, target: Path) -> None:
    for make in (os.link, os.symlink):
        with contextlib.suppress(OSError, NotImplementedError):
            make(source, target)
            return
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise write_error(error, target.parent) from None
