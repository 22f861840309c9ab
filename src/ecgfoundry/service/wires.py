"""A running service's wires to a hospital: what listens, and what sends."""

from __future__ import annotations

import asyncio

from ecgfoundry.formats.base import Limits
from ecgfoundry.service.hospital import Hospital
from ecgfoundry.service.kept import KeptRecordings
from ecgfoundry.service.receivers.dicom import DicomListener
from ecgfoundry.service.receivers.taking import Take
from ecgfoundry.service.senders.outbox import Outbox
from ecgfoundry.service.workers import WorkerPool

__all__ = ["Wires"]


class Wires:
    """Receivers and outbox, from :meth:`start` to :meth:`close`.

    Parameters
    ----------
    hospital : Hospital
    kept : KeptRecordings
    pool : WorkerPool
    limits : Limits
        Of reading a recording.
    take : callable
        What is done with what a receiver gets.
    """

    def __init__(
        self,
        hospital: Hospital,
        kept: KeptRecordings,
        pool: WorkerPool,
        limits: Limits,
        take: Take,
    ) -> None:
        self.outbox = Outbox(
            hospital.destinations, kept, pool, limits, hospital.worklist, hospital.zone
        )
        self.listener = None if hospital.dicom is None else DicomListener(hospital.dicom, take)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen and send.

        Raises
        ------
        ServiceError
            Nothing can listen where the file says.
        """
        self._task = asyncio.create_task(self.outbox.run())
        if self.listener is not None:
            self.listener.start()

    async def close(self) -> None:
        """Take nothing new; what is being sent is sent again after the next start."""
        if self.listener is not None:
            await asyncio.to_thread(self.listener.close)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
