"""One process at a time in a folder, on every system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ecgfoundry.errors import EcgFoundryError

__all__ = ["locked"]


@contextmanager
def locked(path: Path, refusal: EcgFoundryError) -> Iterator[None]:
    """Hold a lock file while the block runs; the system lets go of it when the process ends.

    Parameters
    ----------
    path : Path
        The lock file. It stays: removing it would let two processes hold two files of one name.
    refusal : EcgFoundryError
        Raised where another process holds the lock.
    """
    with path.open("a+b") as stream:
        if not _take(stream):
            raise refusal
        yield


def _take(stream: IO[bytes]) -> bool:
    """Lock the first byte of a file, without waiting; both locks end when the file is closed."""
    system: Any
    try:
        import fcntl as system
    except ImportError:  # Windows
        import msvcrt as system

        stream.seek(0)
        try:
            system.locking(stream.fileno(), system.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        system.flock(stream, system.LOCK_EX | system.LOCK_NB)
    except OSError:
        return False
    return True
