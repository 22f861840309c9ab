"""What goes by itself: recordings by age and count, finished jobs, files that nobody needs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from ecgfoundry.service.database.audit import Event, forget_audit, write_audit
from ecgfoundry.service.database.recordings import (
    beyond_count,
    older_than,
    referenced,
    remove_recording,
    without_a_job,
)
from ecgfoundry.service.database.tables import Recording, now
from ecgfoundry.service.jobs import Jobs
from ecgfoundry.service.kept import KeptRecordings
from ecgfoundry.service.settings import Retention

__all__ = ["clean_up", "remove_unneeded"]

_ABANDONED = dt.timedelta(hours=1)


def clean_up(kept: KeptRecordings, jobs: Jobs, keeping: Retention) -> None:
    """Remove what has had its time; every recording that goes leaves a row in the audit trail."""
    jobs.expire(keeping.jobs_s, keeping.answer_bytes)
    with kept.database.writing() as session:
        gone: dict[str, Recording] = {}
        if keeping.days is not None:
            limit = now() - dt.timedelta(days=keeping.days)
            gone |= {row.id: row for row in older_than(session, limit)}
        if keeping.count is not None:
            gone |= {row.id: row for row in beyond_count(session, keeping.count)}
        for row in gone.values():
            write_audit(session, Event("service", "recording.expired", "ok", row.id, row.content))
            remove_recording(session, row)
        for row in without_a_job(session, now() - _ABANDONED):
            remove_recording(session, row)
        if keeping.audit_days is not None:
            forget_audit(session, now() - dt.timedelta(days=keeping.audit_days))
    remove_unneeded(kept)


def remove_unneeded(kept: KeptRecordings, *, older_s: float = _ABANDONED.total_seconds()) -> None:
    """Remove files that no recording needs."""

    def needed(hashes: Iterable[str]) -> set[str]:
        with kept.database.reading() as session:
            return referenced(session, hashes)

    kept.blobs.sweep(needed, older_s=older_s)
