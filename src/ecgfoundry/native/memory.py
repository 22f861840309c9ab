"""Memory that windows are measured in, kept from one to the next."""

from __future__ import annotations

import functools

__all__ = ["keep_freed_memory"]

_KEPT_BYTES = 1 << 24
"""More than the arrays of a window or of a minute of Holter (our choice)."""


@functools.cache
def keep_freed_memory() -> None:
    """Let the C library keep freed memory of up to 32 MiB instead of giving it back at once.

    An array of a twelve-lead window is so large that glibc asks the system for its pages anew, and
    zeroed, for each one: a fifth of the time of the quality gate. As soon as a block was freed that
    the system had given alone, glibc takes blocks up to its size from its own memory (``mallopt``,
    "dynamic mmap threshold"). A block that is never touched costs nothing. Elsewhere it does
    nothing.
    """
    bytearray(_KEPT_BYTES)
