"""Waiting for what a service does in the background."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["LONGEST_S", "finished", "until"]

T = TypeVar("T")
LONGEST_S = 900.0
"""Only what never comes takes so long, however busy the machine is."""


def until(made: Callable[[], T], what: str, every_s: float = 0.05) -> T:
    """Ask again and again until the answer is true, and return it."""
    end = time.monotonic() + LONGEST_S
    while not (answer := made()):
        assert time.monotonic() < end, f"it never came: {what}"
        time.sleep(every_s)
    return answer


def finished(client: Any, address: str) -> dict[str, Any]:
    """Wait for the end of the job at an address, and return its state."""
    until(lambda: client.get(address).json()["state"] == "finished", "the end of the job")
    return dict(client.get(address).json())
