"""What one worker may use: memory, and how much a file may become in it."""

from __future__ import annotations

import os
from pathlib import Path

from ecgfoundry.formats.base import Limits

__all__ = ["bound_memory", "limits_for", "resident_bytes"]

_STATUS = Path("/proc/self/status")


def limits_for(memory_bytes: int) -> Limits:
    """Return what files may announce where a worker has so many bytes for one of them.

    A sample is unpacked, converted and standardized: 16 bytes of the memory for each; a file that
    is parsed as a whole may have a quarter of it, and text, which becomes objects, an eighth (our
    choice).
    """
    return Limits(
        samples=memory_bytes // 16,
        file_bytes=memory_bytes // 4,
        text_bytes=memory_bytes // 8,
    )


def bound_memory(more_bytes: int) -> int | None:
    """Let this process have so many more bytes of memory of its own than now; return the limit.

    Beyond it an allocation fails, which is an answer, instead of the machine running out of memory,
    which is none. Counted is what it may write (Linux 4.7 and later), not its address space: the
    allocators of Polars and Arrow reserve a gigabyte of that when the first Parquet file is read,
    and every request after it would fail. None where the system does not tell and bound it.
    """
    try:
        import resource

        status = _STATUS.read_text(encoding="ascii", errors="replace")
        (kibibytes,) = (
            int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData:")
        )
    except (ImportError, OSError, ValueError):
        return None
    limit = 1024 * kibibytes + more_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    return limit


def resident_bytes(process: int) -> int | None:
    """Return the memory that a process has in hand; None where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
