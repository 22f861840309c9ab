"""``ecgfoundry database``: the service's tables brought up to date, copied, and brought back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from ecgfoundry.cli.saying import print_json, progress
from ecgfoundry.cli.vocabulary import JsonResult

if TYPE_CHECKING:
    from ecgfoundry.service.blobs import Blobs
    from ecgfoundry.service.database.connection import Database

app = App(name="database", help="What a service holds: versions of its tables, copies.")


def address_of(option: str | None) -> str | None:
    """Return the address of the database: an option, a variable, or the file that one names.

    Raises
    ------
    ServiceError
        The file cannot be read.
    """
    import os

    from ecgfoundry.errors import ServiceError

    file = os.environ.get("ECGFOUNDRY_DATABASE_FILE")
    found = option or os.environ.get("ECGFOUNDRY_DATABASE") or None
    if found is None and file:
        try:
            found = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            words = f"the address of the database cannot be read: {error}"
            raise ServiceError(words, path=file) from None
    return found


def _opened(
    keep_folder: Path, address: str | None, store: str | None = None
) -> tuple[Database, Blobs]:
    import importlib.util

    from ecgfoundry.errors import MissingExtraError

    if importlib.util.find_spec("sqlalchemy") is None:
        raise MissingExtraError.for_extra("the service's database", "serve")
    from ecgfoundry.service.blobs import blobs_at
    from ecgfoundry.service.database.connection import Database, sqlite_url

    keep_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = address_of(address) or sqlite_url(keep_folder / "service.sqlite")
    return Database(url), blobs_at(store, keep_folder)


def _print(tables: Database, *, json: bool, where: bool = False) -> None:
    address, revision = tables.url.render_as_string(), tables.revision()
    if json:
        print_json({"database": address, "revision": revision})
    else:
        print(
            f"{address}: revision {revision or 'none'}"
            if where
            else f"revision {revision or 'none'}"
        )


@app.command
def status(keep_folder: Path, *, database: str | None = None, json: JsonResult = False) -> int:
    """Say which revision the tables have.

    Parameters
    ----------
    keep_folder
        The folder of the service (serve --keep-folder).
    database
        Address of its database, if it is PostgreSQL; or the variable ECGFOUNDRY_DATABASE, or a
        file with it that the variable ECGFOUNDRY_DATABASE_FILE names.
    """
    tables, _ = _opened(keep_folder, database)
    _print(tables, json=json, where=True)
    return 0


@app.command
def upgrade(keep_folder: Path, *, database: str | None = None, json: JsonResult = False) -> int:
    """Bring the tables up to date; a service that starts does the same.

    Parameters
    ----------
    keep_folder, database
        As for status.
    """
    tables, _ = _opened(keep_folder, database)
    tables.upgrade()
    _print(tables, json=json)
    return 0


@app.command
def downgrade(
    keep_folder: Path, revision: str, *, database: str | None = None, json: JsonResult = False
) -> int:
    """Bring the tables back to the revision of an earlier version, before it is started.

    Parameters
    ----------
    keep_folder, database
        As for status.
    revision
        As the earlier version's 'database status' names it. What only later tables hold is lost.
    """
    tables, _ = _opened(keep_folder, database)
    tables.downgrade(revision)
    _print(tables, json=json)
    return 0


@app.command
def backup(
    keep_folder: Path,
    output: Path,
    *,
    database: str | None = None,
    blobs: str | None = None,
    json: JsonResult = False,
) -> int:
    """Copy tables and recordings of one moment into a new folder; the service may go on.

    Parameters
    ----------
    keep_folder, database
        As for status.
    output
        A folder that is not there yet.
    blobs
        As for serve, where the files lie in another store.
    """
    from ecgfoundry.service.database.backup import back_up

    with progress("Copying") as bar:
        counts = back_up(*_opened(keep_folder, database, blobs), output, bar.update)
    if json:
        print_json({"folder": output} | counts)
        return 1 if counts["damaged"] else 0
    print(f"{output}: {counts['rows']} rows, {counts['files']} files")
    if counts["damaged"]:
        print(f"{counts['damaged']} files are damaged or gone and are not in the copy")
    return 1 if counts["damaged"] else 0


@app.command
def restore(
    source: Path,
    keep_folder: Path,
    *,
    database: str | None = None,
    blobs: str | None = None,
    json: JsonResult = False,
) -> int:
    """Bring a copy back, into an empty folder and an empty database of either kind.

    Parameters
    ----------
    source
        The folder that 'database backup' has made.
    keep_folder, database
        As for status.
    blobs
        As for serve, where the files lie in another store.
    """
    from ecgfoundry.service.database.backup import restore as bring_back

    with progress("Copying") as bar:
        counts = bring_back(source, *_opened(keep_folder, database, blobs), bar.update)
    if json:
        print_json({"folder": keep_folder} | counts)
    else:
        print(f"{keep_folder}: {counts['rows']} rows, {counts['files']} files")
    return 0
