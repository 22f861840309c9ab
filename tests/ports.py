"""Ports for what a test starts, and ports at which nobody answers."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["free_port", "unanswered_port"]

_LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Return a port at which nothing listens.

    The system gives ports of a range of its own to every connection that is opened; one of those
    may be taken before the test's own program listens there. So one below them is drawn.
    """
    given = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    for _ in range(1000):
        port = _LOWEST + secrets.randbelow(given - _LOWEST) if given > _LOWEST + 5000 else 0
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(trial.getsockname()[1])
    raise AssertionError("this machine has no free port")


@contextmanager
def unanswered_port() -> Iterator[int]:
    """Give a port that refuses connections, and that nobody else gets meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and does not listen
        yield int(held.getsockname()[1])
