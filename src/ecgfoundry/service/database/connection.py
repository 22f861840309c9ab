"""Opening the database: sessions that read, sessions that write, and the version of the tables."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from ecgfoundry.errors import (
    DatabaseError,
    DiskFullError,
    EcgFoundryError,
    MissingExtraError,
    ServiceError,
)
from ecgfoundry.io import is_full_disk

__all__ = ["Database", "sqlite_url"]

_BUSY_S = 30.0
_AGAIN_S = 0.02
_WRITES = "ecgfoundry_writes"
_MIGRATIONS = Path(__file__).with_name("migrations")
_OUR_LOCKS = 0x6563_6764
"""A number of our own for PostgreSQL's advisory locks."""
_UPGRADE = 0
_POSTGRES_DISK_FULL = "53100"


def sqlite_url(path: Path) -> str:
    """Return the address of a SQLite file."""
    return f"sqlite:///{path.absolute()}"


class Database:
    """One database.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME``.

    Raises
    ------
    ServiceError
        The address is none.
    MissingExtraError
        The driver is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise ServiceError(
                "the address of the database cannot be understood",
                remedy="Write sqlite:///FILE or postgresql://USER@HOST/NAME",
            ) from None
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.sqlite = parsed.get_backend_name() == "sqlite"
        if not self.sqlite and parsed.get_backend_name() != "postgresql":
            raise ServiceError(
                f"'{parsed.get_backend_name()}' is no database that the service knows",
                remedy="Use SQLite or PostgreSQL",
            )
        self.url = parsed
        try:
            self._engine = _engine(parsed, sqlite=self.sqlite)
        except (ImportError, NoSuchModuleError):
            raise MissingExtraError.for_extra("PostgreSQL", "serve") from None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session that changes nothing.

        Raises
        ------
        DatabaseError
            It does not answer.
        """
        with self._told(), Session(self._engine) as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session whose changes are all there when the block ends well, or none of them.

        Raises
        ------
        DiskFullError
            There is no room left; nothing was changed.
        DatabaseError
            It does not answer.
        """
        engine = self._engine.execution_options(**{_WRITES: True})
        with self._told(), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def one_at_a_time(self, session: Session, what: int) -> None:
        """Wait until no other session does the same. In SQLite only one writes at a time anyway."""
        if not self.sqlite:
            session.execute(text(f"SELECT pg_advisory_xact_lock({_OUR_LOCKS}, {what:d})"))

    def upgrade(self, revision: str = "head") -> None:
        """Make the tables, or bring them to a revision.

        Raises
        ------
        ServiceError
            The tables were made by a later version of ecgfoundry, or the database is not in UTF-8.
        """
        self._migrate(lambda scripts, present: scripts._upgrade_revs(revision, present))

    def downgrade(self, revision: str) -> None:
        """Bring the tables back to an earlier revision; ``base``: there are none.

        Raises
        ------
        ServiceError
            There is no such revision.
        """
        self._migrate(lambda scripts, present: scripts._downgrade_revs(revision, present))

    def revision(self) -> str | None:
        """Return the revision of the tables; None: there are none."""
        with self._told(), self._engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _migrate(self, steps: Callable[[ScriptDirectory, Any], Any]) -> None:
        """Run revisions in one transaction, while no other process does the same."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(config)
        engine = self._engine.execution_options(**{_WRITES: True})
        with self._told(), engine.begin() as connection:
            if not self.sqlite:
                _refuse_other_encodings(connection)
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_OUR_LOCKS}, {_UPGRADE})"))
            _refuse_later_tables(connection, scripts)
            with EnvironmentContext(config, scripts) as environment:
                environment.configure(
                    connection=connection,
                    fn=lambda present, context: steps(scripts, present),
                    render_as_batch=True,  # SQLite changes a table by making it anew
                )
                try:
                    environment.run_migrations()
                except CommandError as error:
                    raise ServiceError(f"the tables stay as they are: {error}") from None

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            typed = _typed(error)
            if typed is None:
                raise
            raise typed from None


def _refuse_other_encodings(connection: Connection) -> None:
    """A cluster that was made under LANG=C keeps bytes, or not every letter of a name."""
    found = connection.execute(text("SHOW server_encoding")).scalar()
    if found != "UTF8":
        raise ServiceError(
            f"the database keeps text as {found}, and not as UTF-8",
            remedy="Make one with: createdb --encoding UTF8 --template template0 NAME",
        )


def _engine(url: Any, *, sqlite: bool) -> Engine:
    if not sqlite:
        # A connection that the server has closed meanwhile is replaced before it is used.
        return create_engine(
            url,
            connect_args={"client_encoding": "utf8"},  # else that of the database, or bytes
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=10,
        )
    engine = create_engine(url, connect_args={"timeout": _BUSY_S})

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, and tables are in them
        _write_ahead(connection)
        for setting in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}").close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # Who will write takes the lock first: two that read before they write would both fail.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work side by side.

    Changing the mode needs the file for itself, and SQLite does not wait for it as for other
    locks: services that open a new file together would get SQLITE_BUSY at once.
    """
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
        time.sleep(_AGAIN_S)


def _refuse_later_tables(connection: Connection, scripts: ScriptDirectory) -> None:
    present = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if present is not None and present not in known:
        raise ServiceError(
            f"the tables are of a later version of ecgfoundry (revision {present})",
            remedy="Start that version, or with it: ecgfoundry database downgrade FOLDER REVISION",
        )


def _typed(error: DBAPIError) -> EcgFoundryError | None:
    """Return what an error of the driver means for us; None: it is a fault of ours."""
    cause = error.orig
    code = getattr(cause, "sqlstate", None)
    name = getattr(cause, "sqlite_errorname", "")
    if code == _POSTGRES_DISK_FULL or name == "SQLITE_FULL" or _is_full(cause):
        return DiskFullError(
            "the database has no room left; nothing was changed",
            remedy="Free space where the database lies, then send it again",
        )
    if name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_BUSY")) or (
        not name and (error.connection_invalidated or code is None or code[:2] in ("08", "57"))
    ):
        return DatabaseError(
            f"the database does not answer ({name or code or type(cause).__name__})",
            remedy="Try again; if it stays so, look whether the database runs and can be written",
        )
    return None


def _is_full(cause: BaseException | None) -> bool:
    return isinstance(cause, OSError) and is_full_disk(cause)
