"""What a running service holds: workers, figures, recordings, jobs, live streams."""

from __future__ import annotations

import asyncio
import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.models.bundle import available_bundles
from ecgfoundry.service.blobs import blobs_at
from ecgfoundry.service.catalogue import ModelCatalogue
from ecgfoundry.service.database.audit import Event
from ecgfoundry.service.database.connection import Database, sqlite_url
from ecgfoundry.service.database.jobs import let_go
from ecgfoundry.service.describing import Describer
from ecgfoundry.service.drift import DriftWatch, new_salt, reference_of
from ecgfoundry.service.gate import Gate
from ecgfoundry.service.jobs import JobLimits, Jobs
from ecgfoundry.service.kept import HeldRecordings, KeptRecordings, StoredRecordings
from ecgfoundry.service.live.hub import LiveHub
from ecgfoundry.service.receivers.taking import Taken
from ecgfoundry.service.receiving import enqueue_job, keep_recording
from ecgfoundry.service.retention import clean_up, remove_unneeded
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.telemetry import Telemetry
from ecgfoundry.service.threads import to_its_end
from ecgfoundry.service.work import Result
from ecgfoundry.service.worker_limits import limits_for
from ecgfoundry.service.workers import WorkerPool
from ecgfoundry.service.workspace import DataFolder, Workspace

if TYPE_CHECKING:
    from ecgfoundry.service.wires import Wires

__all__ = ["ServiceState"]

_LOG = logging.getLogger("ecgfoundry.service")
_HOUSEKEEPING_S = 60.0
_CLEANING_EVERY = 10


class ServiceState:
    """Everything that lives as long as the service.

    Parameters
    ----------
    settings : ServiceSettings
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.gate = Gate(settings)
        self.telemetry = Telemetry()
        self.models = ModelCatalogue(settings.models, synthetic_ok=settings.synthetic_ok)
        self.drift = DriftWatch(
            lambda model, source: reference_of(self.models.bundle(model), source)
        )
        self.workspace = Workspace()
        self.held = HeldRecordings(4 * settings.body_bytes)
        self.closing = False
        self._data = DataFolder(settings.keep_folder, self.workspace, settings.port)
        self._background: list[asyncio.Task[None]] = []
        self.pool = WorkerPool(
            workers=settings.workers,
            queue=settings.queue,
            batch=settings.batch,
            timeout_s=settings.timeout_s,
            arguments={
                "models": settings.models,
                "synthetic_ok": settings.synthetic_ok,
                "warm": tuple(available_bundles()),
                "memory_bytes": settings.worker_memory_bytes,
                "salt": new_salt(),
            },
            workspace=self.workspace,
            on_restart=lambda reason: self.telemetry.restarts.labels(reason).inc(),
            on_result=self._note_drift,
        )
        self.live = LiveHub(settings, self.telemetry, self.models, self.drift.take)

    def _note_drift(self, result: Result) -> None:
        if result.seen is not None:
            self.drift.take(result.seen)

    @cached_property
    def data_folder(self) -> Path:
        """Where what outlives this process lies."""
        return self._data.open()

    @cached_property
    def kept(self) -> KeptRecordings:
        """The recordings, in a database that is opened when it is first needed."""
        folder = self.data_folder
        database = Database(self.settings.database or sqlite_url(folder / "service.sqlite"))
        database.upgrade()
        limit = self.settings.keep_bytes if self.settings.keep_folder is not None else 0
        return KeptRecordings(
            database, blobs_at(self.settings.blobs, folder), self.workspace, limit
        )

    @cached_property
    def stored(self) -> StoredRecordings:
        """Held and kept recordings."""
        return StoredRecordings(self.held, self.kept)

    @cached_property
    def jobs(self) -> Jobs:
        """The jobs of all replicas, and this one's part of the work."""
        settings = self.settings
        limits = JobLimits(
            limits_for(settings.worker_memory_bytes),
            settings.job_timeout_s,
            settings.unfinished_jobs,
            8 * settings.body_bytes,
            settings.lease_s,
        )
        return Jobs(self.pool, self.kept, limits)

    @cached_property
    def wires(self) -> Wires | None:
        """Receivers and outbox, where there is a hospital."""
        hospital = self.settings.hospital
        if hospital is None:
            return None
        from ecgfoundry.service.wires import Wires

        limits = limits_for(self.settings.worker_memory_bytes)
        return Wires(hospital, self.kept, self.pool, limits, self._take)

    def _take(self, content: bytes, name: str, owner: str, source: str) -> Taken:
        """Keep what a receiver has got, and order its interpretation; called in its threads."""
        recording, new = keep_recording(self, content, name, owner, source)
        enqueue_job(self, recording, owner, source)
        return Taken(recording, new)

    @cached_property
    def describer(self) -> Describer:
        """What reads the headers of kept recordings."""
        return Describer(self.pool, self.kept, limits_for(self.settings.worker_memory_bytes))

    def note(self, event: Event) -> None:
        """Note in the audit trail what need not be there at once; not before there is one."""
        if "kept" in self.__dict__:
            self.kept.noted.note(event)

    def start(self) -> None:
        """Clear what dead processes have left, take up what they had in hand, start the workers."""
        self.workspace.start()
        database = self.kept.database
        if self._data.alone and database.sqlite:
            # Nobody else works here: whoever had a job, or was about to keep a file, is dead.
            with database.writing() as session:
                let_go(session)
            remove_unneeded(self.kept, older_s=0.0)
        self.pool.start()
        if self.wires is not None:
            self.jobs.on_answer.append(self.wires.outbox.note)
            self.wires.start()
        self.jobs.start()
        self.live.start()
        self._background = [
            asyncio.create_task(part)
            for part in (
                self._keep_house(),
                self.describer.run(),
                self.kept.noted.run(self.kept.database),
            )
        ]

    async def _keep_house(self) -> None:
        turn = 0
        while True:
            await asyncio.to_thread(self.held.forget_old)
            if turn % _CLEANING_EVERY == 0:
                try:
                    await to_its_end(clean_up, self.kept, self.jobs, self.settings.retention)
                except (EcgFoundryError, OSError) as error:
                    _LOG.error("old things were not removed (%s)", type(error).__name__)
            turn += 1
            await asyncio.sleep(_HOUSEKEEPING_S)

    async def close(self) -> None:
        """Take nothing new, finish what was accepted, end the workers."""
        self.closing = True
        for task in self._background:
            task.cancel()
        # What their threads still write is written before the database is closed.
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.live.close()
        if self.wires is not None:
            await self.wires.close()
        await self.jobs.close()
        await self.pool.close()
        await asyncio.to_thread(self.kept.noted.write, self.kept.database)
        self.kept.database.close()
        self._data.close()
        self.workspace.close()
