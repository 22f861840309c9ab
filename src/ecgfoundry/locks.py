"""One process at a time in a folder, on every system."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

from ecgfoundry.errors import EcgFoundryError, OutputInUseError
from ecgfoundry.io import write_error

__all__ = ["locked", "only_writer"]

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
    DiskFullError, FileAccessError
        The lock file cannot be written.
    """
    with contextlib.ExitStack() as held:
        while True:
            try:
                stream = held.enter_context(path.open("a+b"))
            except OSError as error:
                raise write_error(error, path) from None
            if not _take(stream):
                raise refusal
            if _is_still(path, stream):
                break
            # Whoever had it removed the file meanwhile: another may hold a new one of this name.
            held.close()
        if not stays:
            held.callback(_remove, path)
        yield


def only_writer(output: Path, lock: Path) -> AbstractContextManager[None]:
    """Keep other runs from an output: two would write, count and remove the parts of each other.

    Parameters
    ----------
    output : Path
        What is written.
    lock : Path
        The lock file, which goes with the lock; its folder must exist.

    Raises
    ------
    OutputInUseError
        Another process writes there now; nothing was changed.
    DiskFullError, FileAccessError
        The lock file cannot be written.
    """
    refusal = OutputInUseError(
        "another run is writing this output",
        path=output,
        remedy="Wait until it has ended, or choose another --output",
    )
    return locked(lock, refusal, stays=False)


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
