"""Figures that are looked up when somebody asks for them: queue, deliveries, memory, disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.service.database.deliveries import delivery_counts
from ecgfoundry.service.database.jobs import queue_figures
from ecgfoundry.service.database.recordings import kept_bytes
from ecgfoundry.service.drift import ModelDrift
from ecgfoundry.service.state import ServiceState
from ecgfoundry.service.telemetry import Telemetry
from ecgfoundry.service.worker_limits import resident_bytes

__all__ = ["look_up"]


def look_up(state: ServiceState) -> bytes:
    """Return all figures, ready to be scraped."""
    telemetry = state.telemetry
    telemetry.waiting.set(state.pool.waiting)
    telemetry.database.set(_look_into_database(state))
    processes = {"service": [os.getpid()], "workers": state.pool.processes}
    for kind, numbers in (processes | {"lanes": state.live.processes}).items():
        used = [size for size in map(resident_bytes, numbers) if size is not None]
        telemetry.memory.labels(kind).set(sum(used))
    places = {"data": state.data_folder, "temporary": state.workspace.root}
    for place, folder in places.items():
        telemetry.disk.labels(place).set(_free(folder))
    for labels, drift in state.drift.look().items():
        _set_drift(telemetry, labels, drift)
    return telemetry.text()


def _set_drift(telemetry: Telemetry, labels: tuple[str, str], drift: ModelDrift) -> None:
    telemetry.drift_people.labels(*labels).set(drift.people)
    if drift.shift is not None:
        telemetry.drift.labels(*labels).set(drift.shift.distance)
        telemetry.drift_limit.labels(*labels).set(drift.shift.limit)
    if drift.quality is not None:
        quality = drift.quality
        for verdict, of, share in (
            ("refused", "reference", quality.refused_reference),
            ("refused", "now", quality.refused),
            ("usable", "reference", quality.flagged_reference),
            ("usable", "now", quality.flagged),
        ):
            telemetry.drift_verdicts.labels(*labels, verdict, of).set(share)
        telemetry.drift_verdicts_p.labels(*labels).set(quality.p_value)
    for one in drift.prevalence:
        for figure in ("reference", "estimated", "low", "high"):
            share = getattr(one, figure)
            telemetry.drift_prevalence.labels(*labels, one.target, figure).set(share)


def _look_into_database(state: ServiceState) -> int:
    telemetry = state.telemetry
    try:
        with state.kept.database.reading() as session:
            jobs, oldest = queue_figures(session)
            deliveries, kept = delivery_counts(session), kept_bytes(session)
    except EcgFoundryError:  # the other figures are needed most when it is down
        return 0
    telemetry.oldest.set(oldest)
    telemetry.kept.set(kept)
    for name, count in jobs.items():
        telemetry.jobs.labels(name).set(count)
    for name, count in deliveries.items():
        telemetry.deliveries.labels(name).set(count)
    return 1


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
