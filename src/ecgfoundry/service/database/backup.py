"""A copy of all that a service holds, in a folder: the tables as a SQLite file, and the blobs.

The copy is that of one moment. It is the same whatever database it came from, so it also brings
a service from SQLite to PostgreSQL, or back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import BigInteger, func, insert, select, text
from sqlalchemy.orm import Session

from ecgfoundry.errors import FileAccessError, IntegrityError, ServiceError
from ecgfoundry.io import write_folder_atomically
from ecgfoundry.service.blobs import Blobs, BlobStore
from ecgfoundry.service.database.connection import Database, sqlite_url
from ecgfoundry.service.database.recordings import StoredFile
from ecgfoundry.service.database.tables import Base, RecordingFile

__all__ = ["back_up", "restore"]

_TABLES = "service.sqlite"
_ROWS = 500


Progress = Callable[[int, int], None]
"""Called with the rows and files that are done, and with all of them."""


def back_up(
    database: Database, blobs: Blobs, target: Path, progress: Progress | None = None
) -> dict[str, int]:
    """Copy everything into a new folder, which is there as a whole or not at all.

    A service may go on meanwhile. A blob that is damaged is left out and counted: the others must
    be safe nevertheless.

    Returns
    -------
    dict
        ``rows``, ``files`` and ``damaged``.

    Raises
    ------
    DiskFullError, FileAccessError, DatabaseError
    """
    if target.exists():
        raise FileAccessError("is there already", path=target, remedy="Name a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with write_folder_atomically(target) as folder, database.reading() as source:
        if not database.sqlite:
            source.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        files = _files(source)
        told = _Told(progress, _count_rows(source) + len(files))
        copy = Database(sqlite_url(folder / _TABLES))
        try:
            copy.upgrade()
            with copy.writing() as session:
                rows = _copy_rows(source, session, told)
        finally:
            copy.close()
        stored = BlobStore(folder / "blobs")
        counts = {"rows": rows, "files": 0, "damaged": 0}
        for file in files:
            told.add(1)
            try:
                _copy_file(file, blobs, stored)
                counts["files"] += 1
            except IntegrityError:
                counts["damaged"] += 1
    return counts


def restore(
    source: Path, database: Database, blobs: Blobs, progress: Progress | None = None
) -> dict[str, int]:
    """Bring a copy into a database without rows, of either kind, and its blobs into a store.

    Jobs that were running when the copy was made wait for a replica again.

    Returns
    -------
    dict
        ``rows`` and ``files``.

    Raises
    ------
    FileAccessError
        There is no copy.
    ServiceError
        The database holds something.
    """
    if not (source / _TABLES).is_file():
        raise FileAccessError("holds no copy of a service", path=source)
    copy = Database(sqlite_url(source / _TABLES))
    try:
        copy.upgrade()
        database.upgrade()
        given = BlobStore(source / "blobs")
        with copy.reading() as old:
            files = _files(old)
            told = _Told(progress, _count_rows(old) + len(files))
            for file in files:  # before the rows: what a row names is there
                if given.is_there(file):
                    _copy_file(file, given, blobs)
                told.add(1)
            with database.writing() as new:
                _refuse_rows(new, database)
                rows = _copy_rows(old, new, told)
                new.execute(
                    text(
                        "UPDATE jobs SET state = 'waiting', replica = NULL, lease_until = NULL "
                        "WHERE state = 'running'"
                    )
                )
                if not database.sqlite:
                    _count_on(new)
    finally:
        copy.close()
    return {"rows": rows, "files": len(files)}


class _Told:
    """Counts what is done and tells it."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total
        self.add(0)

    def add(self, done: int) -> None:
        self._done += done
        if self._progress is not None:
            self._progress(self._done, self._total)


def _copy_file(file: StoredFile, source: Blobs, target: Blobs) -> None:
    """Copy one file; what is damaged is not copied (IntegrityError)."""
    with tempfile.TemporaryDirectory(prefix="ecgfoundry-") as folder:
        target.put(source.give([file], Path(folder)), file.name)


def _count_rows(session: Session) -> int:
    tables = Base.metadata.sorted_tables
    return sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in tables)


def _copy_rows(source: Session, target: Session, told: _Told) -> int:
    count = 0
    for table in Base.metadata.sorted_tables:
        found = source.execute(select(table).execution_options(yield_per=_ROWS)).mappings()
        for part in found.partitions(_ROWS):
            target.execute(insert(table), [dict(row) for row in part])
            count += len(part)
            told.add(len(part))
    return count


def _files(session: Session) -> list[StoredFile]:
    """Every blob that a recording needs, once."""
    query = select(
        func.min(RecordingFile.name), RecordingFile.sha256, func.min(RecordingFile.bytes)
    )
    return [StoredFile(*row) for row in session.execute(query.group_by(RecordingFile.sha256))]


def _refuse_rows(session: Session, database: Database) -> None:
    for table in Base.metadata.sorted_tables:
        if session.execute(select(table).limit(1)).first() is not None:
            raise ServiceError(
                f"the database {database.url.render_as_string()} holds something already",
                remedy="Restore into an empty one, so that nothing is mixed",
            )


def _count_on(session: Session) -> None:
    """Let PostgreSQL count on from the largest number of each table."""
    for table in Base.metadata.sorted_tables:
        number = table.c.get("id")
        if number is not None and isinstance(number.type, BigInteger):
            session.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "  # noqa: S608
                    f"COALESCE((SELECT MAX(id) FROM {table.name}), 1))"
                )
            )
