"""What a running service holds: workers, figures, recordings, jobs, live streams."""

from __future__ import annotations

import asyncio

from ecgfoundry.models.bundle import available_bundles
from ecgfoundry.service.catalogue import ModelCatalogue
from ecgfoundry.service.gate import Gate
from ecgfoundry.service.jobs import JobLedger, Jobs
from ecgfoundry.service.kept import HeldRecordings, KeptRecordings, StoredRecordings
from ecgfoundry.service.live.hub import LiveHub
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.telemetry import Telemetry
from ecgfoundry.service.workers import WorkerPool
from ecgfoundry.service.workspace import Workspace

__all__ = ["ServiceState"]

_HOUSEKEEPING_S = 60.0


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
        self.workspace = Workspace()
        self.kept = KeptRecordings(settings.keep_folder, settings.keep_bytes)
        self.held = HeldRecordings(4 * settings.body_bytes)
        self.stored = StoredRecordings(self.held, self.kept)
        self.closing = False
        self._housekeeping: asyncio.Task[None] | None = None
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
            },
            workspace=self.workspace,
            on_restart=lambda reason: self.telemetry.restarts.labels(reason).inc(),
        )
        ledger = JobLedger(settings.keep_folder, self.workspace)
        self.jobs = Jobs(self.pool, ledger, waiting_bytes=max(8 * settings.body_bytes, 1))
        self.live = LiveHub(settings, self.telemetry, self.models)

    def start(self) -> None:
        """Clear what dead processes have left, and start the workers."""
        self.workspace.start()
        self.kept.sweep()
        self.jobs.start_up()
        self.pool.start()
        self.live.start()
        self._housekeeping = asyncio.create_task(self._keep_house())

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            await asyncio.to_thread(self.held.forget_old)

    async def close(self) -> None:
        """Take nothing new, finish what was accepted, end the workers."""
        self.closing = True
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        await self.live.close()
        await self.jobs.close()
        await self.pool.close()
        self.kept.close()
        self.workspace.close()
