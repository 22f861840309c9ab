"""Files: written whole or not at all, hashed, and JSON documents."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecgfoundry.errors import (
    DiskFullError,
    FileAccessError,
    LimitError,
    TableError,
)

__all__ = [
    "read_json",
    "sha256_of",
    "write_atomically",
    "write_folder_atomically",
    "write_json",
    "write_whole",
]

LARGEST_JSON = 256_000_000
"""Bytes of a JSON document that are read at most (our choice; the largest written are the metrics
of an evaluation of hundreds of targets, some tens of megabytes)."""
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_CHUNK = 1 << 20


def _unwritten(error: OSError, path: Path) -> FileAccessError:
    """Return the error of a file or folder that could not be written."""
    if error.errno in _NO_SPACE:
        return DiskFullError(
            "cannot be written: no space is left",
            path=path,
            remedy="Free space, or choose another folder; nothing was changed",
        )
    return FileAccessError(f"cannot be written: {error.strerror or error}", path=path)


@contextmanager
def write_atomically(path: str | Path, *, sync: bool = False) -> Iterator[Path]:
    """Give a temporary file in the same folder that becomes ``path`` when the block ends well.

    Parameters
    ----------
    path : str or Path
        What is written; its folder must exist.
    sync : bool
        Wait until the content is on the disk before the name changes, for a file that must survive
        a power cut.

    Yields
    ------
    Path
        Hidden, ending in ``.part``; no two writers share it. It is removed if the block fails.

    Raises
    ------
    DiskFullError
        There is no room, or no quota, left.
    FileAccessError
        The folder is not there, or nothing may be written into it.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield temporary
        if sync:
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        other = error.filename is not None and Path(str(error.filename)) != temporary
        if other and error.errno not in _NO_SPACE:
            raise  # another file, that the block has read
        raise _unwritten(error, path) from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_folder_atomically(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` that becomes it when the block ends well.

    Parameters
    ----------
    path : str or Path
        A folder that is not there yet; its parent must exist.

    Yields
    ------
    Path
        An empty folder for its owner only, hidden, ending in ``.part``. It is removed with what is
        in it if the block fails.

    Raises
    ------
    DiskFullError
        There is no room, or no quota, left.
    FileAccessError
        The parent is not there, or nothing may be written into it, or ``path`` is there already.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex[:12]}.part")
    try:
        temporary.mkdir(mode=0o700)
        yield temporary
        temporary.rename(path)
    except OSError as error:
        raise _unwritten(error, path) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file at once or not at all, and its folder where it is missing.

    Raises
    ------
    DiskFullError, FileAccessError
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(error, path) from None
    with write_atomically(path) as temporary:
        temporary.write_bytes(content)


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits.

    Raises
    ------
    FileAccessError
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise FileAccessError(f"cannot be read: {error.strerror}", path=path) from None
    return digest.hexdigest()


def write_json(path: str | Path, document: Any, *, indent: int | None = 1) -> None:
    """Write a JSON document in UTF-8, whole or not at all.

    Raises
    ------
    ValueError
        A number is NaN or infinite, which JSON has no word for.
    DiskFullError, FileAccessError
    """
    text = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | Path, *, limit: int = LARGEST_JSON) -> Any:
    """Read a JSON document.

    Parameters
    ----------
    path : str or Path
    limit : int
        Bytes; a larger file is refused unread.

    Raises
    ------
    FileAccessError, LimitError
    TableError
        It is not JSON in UTF-8.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > limit:
            raise LimitError(f"has {size} bytes, more than the limit of {limit}", path=path)
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise FileAccessError(f"cannot be opened: {error.strerror}", path=path) from None
    except (ValueError, RecursionError) as error:
        raise TableError(f"is not JSON: {error}", path=path) from None
