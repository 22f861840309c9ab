"""Reads the headers of kept recordings, so that a worklist can say whose they are.

A worker does it, as with everything that came from outside. Which recordings are still to be read
stands in the database: those that came in before a restart, or through another door, are found.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.base import Limits, ReadOptions
from ecgfoundry.service.database.recordings import describe, find_recording, undescribed
from ecgfoundry.service.kept import KeptRecordings
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.threads import to_its_end
from ecgfoundry.service.work import Work
from ecgfoundry.service.workers import WorkerPool

__all__ = ["Describer"]

_LOG = logging.getLogger("ecgfoundry.service.describing")
_POLL_S = 2.0
_TOGETHER = 8
_SAID = (
    "file",
    "format",
    "leads",
    "sampling_rate",
    "duration_s",
    "start_time",
    "subject",
    "device",
    "measurements",
    "statements",
)
"""What is remembered of a header."""


class Describer:
    """Reads headers in the background.

    Parameters
    ----------
    pool : WorkerPool
    kept : KeptRecordings
    limits : Limits
    """

    def __init__(self, pool: WorkerPool, kept: KeptRecordings, limits: Limits) -> None:
        self._pool, self._kept, self._options = pool, kept, ReadOptions(limits=limits)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at once for what was kept."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                names = await asyncio.to_thread(self._names)
                await asyncio.gather(*(self._describe(name) for name in names))
            except EcgFoundryError as error:
                _LOG.error("no header can be read: %s", error)
                names = []
            if len(names) == _TOGETHER:
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _POLL_S)
            self._wake.clear()

    def _names(self) -> list[tuple[str, str]]:
        with self._kept.database.reading() as session:
            found = [
                find_recording(session, name, None) for name in undescribed(session, _TOGETHER)
            ]
            return [(row.id, row.content) for row in found if row is not None]

    async def _describe(self, which: tuple[str, str]) -> None:
        about: dict[str, Any] | None = None
        kept = self._kept.using(which[0], None)
        try:
            path, name = await asyncio.to_thread(kept.__enter__)
        except ProblemError:  # damaged, or gone meanwhile
            await to_its_end(self._write, which, None)
            return
        try:
            result = await self._pool.submit(
                Work("read", str(path), name, self._options), patient=True
            )
        except ProblemError:  # the service is stopping
            return
        finally:
            kept.__exit__(None, None, None)
        if result.problem is None:
            document = json.loads(result.body)
            about = {key: document.get(key) for key in _SAID}
        elif result.problem.status == 503:
            return
        await to_its_end(self._write, which, about)

    def _write(self, which: tuple[str, str], about: dict[str, Any] | None) -> None:
        with self._kept.database.writing() as session:
            describe(session, *which, about)
