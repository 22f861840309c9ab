"""Starting processes that Ctrl-C does not reach."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

__all__ = ["spared_from_interrupts"]


@contextmanager
def spared_from_interrupts() -> Iterator[None]:
    """Let processes that are started in the block never get SIGINT, also not while they start.

    Ctrl-C goes to all processes of a terminal. It is for the service, which ends the others when
    they have finished what they have in hand.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows: they ignore it once they run
        yield
        return
    # The tracker of multiprocessing lifts the block when it is started: it must run before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
