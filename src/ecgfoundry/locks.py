"""One process at a time in a folder, on every system."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ecgfoundry.errors import EcgFoundryError, FileAccessError

__all__ = ["locked"]

_LOG = logging.getLogger("ecgfoundry.locks")
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""What a system answers where another process has the lock."""


@contextmanager
def locked(path: Path, refusal: EcgFoundryError, *, stays: bool = True) -> Iterator[None]:
    """Hold a lock file while the block runs; the system lets go of it when the process ends.

    Where a file system has no locks at all, the block runs without one, and the log says so.

    Parameters
    ----------
    path : Path
        The lock file; its folder must exist.
    refusal : EcgFoundryError
        Raised where another process holds the lock.
    stays : bool
        Leave the file behind. Without, it is removed while the lock is still held.

    Raises
    ------
    FileAccessError
        The lock file cannot be written.
    """
    with contextlib.ExitStack() as held:
        while True:
            try:
                stream = held.enter_context(path.open("a+b"))
            except OSError as error:
                raise FileAccessError(
                    f"cannot be written: {error.strerror or error}", path=path
                ) from None
            if not _take(stream):
                raise refusal
            if _is_still(path, stream):
                break
            # Whoever had it removed the file meanwhile: another may hold a new one of this name.
            held.close()
        if not stays:
            held.callback(_remove, path)
        yield


def _is_still(path: Path, stream: IO[bytes]) -> bool:
    """Whether the open file is the one that has this name now."""
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    """Remove the lock file; where open files cannot be (Windows), it stays."""
    with contextlib.suppress(OSError):
        path.unlink()


def _take(stream: IO[bytes]) -> bool:
    """Lock the first byte of a file, without waiting; both locks end when the file is closed."""
    system: Any
    try:
        try:
            import fcntl as system
        except ImportError:  # Windows
            import msvcrt as system

            stream.seek(0)
            system.locking(stream.fileno(), system.LK_NBLCK, 1)
        else:
            system.flock(stream, system.LOCK_EX | system.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        _LOG.warning(
            "%s: this file system has no locks (%s): nothing keeps a second run out",
            stream.name, error.strerror,
        )  # fmt: skip
    return True
