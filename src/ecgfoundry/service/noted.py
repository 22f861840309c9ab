"""Audit rows that may be a second late: who looked at what, and who was sent away.

What changes something writes its row in its own transaction. Looking must not wait for a disk, so
these rows are gathered and written together; a killed process loses those of its last second.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.service.database.audit import Event, write_audit
from ecgfoundry.service.database.connection import Database
from ecgfoundry.service.logs import REQUEST
from ecgfoundry.service.threads import to_its_end

__all__ = ["Noted"]

_LOG = logging.getLogger("ecgfoundry.service")
_MOST = 50_000
_EVERY_S = 1.0


class Noted:
    """Gathers rows, from any thread."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=_MOST)

    def note(self, event: Event) -> None:
        """Add a row."""
        self._events.append(replace(event, request=event.request or REQUEST.get()))

    def write(self, database: Database) -> None:
        """Write what was gathered; where that fails, it waits for the next time."""
        events = []
        while self._events:
            events.append(self._events.popleft())
        if not events:
            return
        try:
            with database.writing() as session:
                write_audit(session, *events)
        except EcgFoundryError as error:
            self._events.extendleft(reversed(events))
            _LOG.error("the audit trail cannot be written: %s", error.problem)

    async def run(self, database: Database) -> None:
        """Write again and again, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await to_its_end(self.write, database)
