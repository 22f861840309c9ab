"""``ecgfoundry deliveries``: what was sent to other systems, what is dead, and sending it again."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ecgfoundry.cli.saying import print_json
from ecgfoundry.cli.vocabulary import Json, JsonResult

if TYPE_CHECKING:
    from ecgfoundry.service.database.connection import Database

app = App(name="deliveries", help="What was sent to other systems, and what could not be.")


@app.command(name="list")
def list_(
    keep_folder: Path,
    *,
    database: str | None = None,
    state: Literal["waiting", "sending", "delivered", "dead"] | None = None,
    destination: str | None = None,
    limit: int = 100,
    json: Json = False,
) -> int:
    """List deliveries, the newest first.

    Parameters
    ----------
    keep_folder
        The keep folder of the service.
    database
        Address of its database, where it is not in that folder; also in ECGFOUNDRY_DATABASE.
    state
        Only those in this state.
    destination
        Only those to this destination.
    limit
        At most so many.
    json
        One JSON object a line.
    """
    from ecgfoundry.service.database.deliveries import list_deliveries
    from ecgfoundry.service.senders.outbox import delivery_out

    opened = _opened(keep_folder, database)
    with opened.reading() as session:
        found = list_deliveries(session, destination=destination, state=state, limit=limit)
        rows = [delivery_out(row) for row in found]
    for row in rows:
        if json:
            print_json(row)
        else:
            tried = f"tried {row['attempts']} times" if row["attempts"] else "not tried yet"
            words = f": {row['last_error']}" if row["last_error"] else ""
            print(f"{row['delivery']}  {row['destination']}  {row['kind']}  {row['state']}  "
                  f"{tried}{words}")  # fmt: skip
    return 0


@app.command
def retry(
    keep_folder: Path,
    *numbers: int,
    dead: Annotated[bool, Parameter(name="--dead", negative="")] = False,
    database: str | None = None,
    json: JsonResult = False,
) -> int:
    """Send dead deliveries again; a running service does it at once.

    Parameters
    ----------
    keep_folder
        The keep folder of the service.
    numbers
        As the list names them.
    dead
        All that are dead.
    database
        Address of its database, where it is not in that folder; also in ECGFOUNDRY_DATABASE.
    """
    from ecgfoundry.service.database.deliveries import list_deliveries, revive

    if not numbers and not dead:
        print("ecgfoundry: give numbers of deliveries, or --dead for all", file=sys.stderr)
        return 2
    opened = _opened(keep_folder, database)
    with opened.writing() as session:
        chosen = list(numbers)
        if dead:
            chosen += [row.id for row in list_deliveries(session, state="dead", limit=100_000)]
        revived = [number for number in dict.fromkeys(chosen) if revive(session, number)]
    missing = [str(number) for number in numbers if number not in revived]
    if json:
        print_json({"revived": revived, "not_dead": [int(number) for number in missing]})
    else:
        print(f"{len(revived)} to be sent again")
    if missing:
        print(f"ecgfoundry: not dead: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


def _opened(keep_folder: Path, address: str | None) -> Database:
    import importlib.util

    from ecgfoundry.errors import FileAccessError, MissingExtraError

    if importlib.util.find_spec("sqlalchemy") is None:
        raise MissingExtraError.for_extra("the database of a service", "serve")
    from ecgfoundry.service.database.connection import Database, sqlite_url

    chosen = address or os.environ.get("ECGFOUNDRY_DATABASE")
    if chosen:
        return Database(chosen)
    path = keep_folder / "service.sqlite"
    if not path.is_file():
        raise FileAccessError("there is no database of a service", path=path)
    return Database(sqlite_url(path))
