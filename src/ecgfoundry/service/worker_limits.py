"""What one worker may use: memory, and how much a file may become in it."""

from __future__ import annotations

import os
from pathlib import Path

from ecgfoundry.formats.base import Limits

__all__ = ["bound_memory", "limits_for", "resident_bytes"]

_STATM = Path("/proc/self/statm")


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
    """Let this process have so many more bytes of address space than now; return the limit.

    Beyond it an allocation fails, which is an answer, instead of the machine running out of memory,
    which is none. Only where the system tells and bounds the size of a process: elsewhere None.
    """
    try:
        import resource

        pages = int(_STATM.read_text(encoding="ascii").split()[0])
    except (ImportError, OSError, ValueError):
        return None
    limit = pages * os.sysconf("SC_PAGE_SIZE") + more_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    return limit


def resident_bytes(process: int) -> int | None:
    """Return the memory that a process has in hand; None where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
