"""The database of an earlier version, with everything in it, on its way up and back.

The rows are what the first revision holds, written as SQL and not by the code of today.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the service needs the extra 'serve'")

from sqlalchemy import text
from tests.service.conftest import LocalClient

from ecgfoundry.cli.main import main
from ecgfoundry.samples import sample_path
from ecgfoundry.service.api import create_app
from ecgfoundry.service.database.connection import Database, sqlite_url
from ecgfoundry.service.settings import Retention, ServiceSettings

KEPT, OF_A_JOB, JOB = "a" * 32, "b" * 32, "c" * 32
_FILES = sorted(sample_path("single-lead").parent.glob(f"{sample_path('single-lead').stem}.*"))
FILES = sorted(_FILES, key=lambda path: path.suffix != ".hea")
HASHES = [hashlib.sha256(path.read_bytes()).hexdigest() for path in FILES]
ABOUT = {"subject": {"identifier": "4711"}, "leads": ["ECG"], "duration_s": 30.0, "file": "ä.hea"}
ANSWER = b'{"findings": [], "file": "x"}'
AT = "2026-03-01 12:00:00.000000"
"""UTC."""


def rows() -> dict[str, list[dict[str, Any]]]:
    """All columns of the first revision, in the order in which they refer to each other."""
    recording = {
        "owner": "this machine", "content": "d" * 64, "name": "ä.hea", "source": "dicom:CART1",
        "bytes": sum(path.stat().st_size for path in FILES), "created_at": AT, "described_at": AT,
        "about": json.dumps(ABOUT), "patient": "4711", "taken_at": None, "words": "4711 ä.hea",
    }  # fmt: skip
    delivery = {
        "destination": "pacs", "recording_id": KEPT, "payload_key": "7", "attempts": 3,
        "next_attempt_at": AT, "lease_until": None, "created_at": AT,
    }  # fmt: skip
    return {
        "recordings": [
            {"id": KEPT, "kept": True, "decision": "edited", **recording},
            {"id": OF_A_JOB, "kept": False, "decision": None, **recording},
        ],
        "recording_files": [
            {"recording_id": KEPT, "position": place, "name": path.name, "sha256": sha256,
             "bytes": path.stat().st_size}
            for place, (path, sha256) in enumerate(zip(FILES, HASHES, strict=True))
        ],
        "jobs": [
            {"id": JOB, "owner": "this machine", "kind": "diagnose", "question": "{}",
             "state": "finished", "bytes": 1, "ignored": "[]", "progress": 1.0, "created_at": AT,
             "started_at": AT, "finished_at": AT, "replica": None, "lease_until": None,
             "claims": 1, "idempotency_key": "k", "request": "e" * 64},
        ],
        "results": [
            {"id": 7, "job_id": JOB, "position": 0, "recording_id": KEPT, "kind": "diagnose",
             "name": "ä.hea", "state": "done", "summary": json.dumps({"present": []}),
             "answer": ANSWER, "finished_at": AT},
        ],
        "reviews": [
            {"id": 3, "recording_id": KEPT, "result_id": 7, "reader": "dr-weber",
             "decision": "edited", "comment": "noise", "created_at": AT,
             "statements": json.dumps([{"name": "AF", "present": False, "note": ""}])},
        ],
        "deliveries": [
            {"id": 1, "kind": "dicom-sr", "state": "delivered", "last_error": None,
             "delivered_at": AT, **delivery},
            {"id": 2, "kind": "dicom-pdf", "state": "dead", "last_error": "refused",
             "delivered_at": None, **delivery},
        ],
        "audit": [
            {"id": 5, "at": AT, "who": "dr-weber", "action": "review.edited", "content": "d" * 64,
             "subject": KEPT, "outcome": "ok", "request": None},
        ],
    }  # fmt: skip


def fill(database: Database) -> None:
    with database.writing() as session:
        for table, found in rows().items():
            for row in found:
                given = row
                if not database.sqlite:
                    given = {k: f"{v}+00" if v == AT else v for k, v in row.items()}
                names = ", ".join(given)
                marks = ", ".join(f":{name}" for name in given)
                session.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), given)
            if not database.sqlite and isinstance(found[0].get("id"), int):
                number = f"pg_get_serial_sequence('{table}', 'id')"
                session.execute(text(f"SELECT setval({number}, {found[-1]['id']})"))


def held(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What stands in the columns of the first revision."""
    found = {}
    with database.reading() as session:
        for table, given in rows().items():
            query = text(f"SELECT {', '.join(given[0])} FROM {table} ORDER BY 1, 2")
            found[table] = [tuple(map(repr, row)) for row in session.execute(query)]
    return found


def command(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0


@pytest.fixture(params=["sqlite", "postgresql"])
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A filled database of the first revision."""
    if request.param == "sqlite":
        (tmp_path / "kept").mkdir()
        url = sqlite_url(tmp_path / "kept" / "service.sqlite")
    else:
        url = request.getfixturevalue("postgresql").new_database()
    database = Database(url)
    database.upgrade("0001")
    fill(database)
    yield database
    database.close()


def test_everything_survives_the_way_up_and_back(earlier: Database, tmp_path: Path) -> None:
    before = held(earlier)
    assert {table: len(found) for table, found in before.items()} == {
        "recordings": 2, "recording_files": 2, "jobs": 1, "results": 1, "reviews": 1,
        "deliveries": 2, "audit": 1,
    }  # fmt: skip
    earlier.upgrade()
    assert held(earlier) == before
    with earlier.writing() as session:
        session.execute(text("UPDATE deliveries SET review_id = 3 WHERE id = 2"))
        session.execute(text("UPDATE recordings SET identity = '{}' WHERE kept"))
    # As docs/service-operations.md says: the later version brings the tables back.
    folder, url = str(tmp_path / "kept"), earlier.url.render_as_string(hide_password=False)
    command(["database", "downgrade", folder, "0001", "--database", url])
    assert earlier.revision() == "0001"
    # What a reader's delivery is, the earlier version does not know; all else is as it was.
    assert held(earlier) == before | {"deliveries": before["deliveries"][:1]}
    command(["database", "upgrade", folder, "--database", url])
    assert held(earlier) == before | {"deliveries": before["deliveries"][:1]}
    with earlier.writing() as session:  # numbers go on, and what belongs together goes together
        session.execute(text(f"DELETE FROM recordings WHERE id = '{KEPT}'"))
        for table in ("reviews", "recording_files"):
            assert session.scalar(text(f"SELECT COUNT(*) FROM {table}")) == 0, table
        assert session.scalar(text("SELECT recording_id FROM deliveries")) is None


def test_a_service_goes_on_where_the_version_before_has_ended(
    earlier: Database, tmp_path: Path
) -> None:
    shelf = tmp_path / "kept" / "blobs"
    for path, sha256 in zip(FILES, HASHES, strict=True):
        (shelf / sha256[:2]).mkdir(parents=True)
        (shelf / sha256[:2] / sha256).write_bytes(path.read_bytes())
    settings = ServiceSettings(
        workers=1,
        port=0,
        keep_folder=tmp_path / "kept",
        retention=Retention(jobs_s=1e9),
        database=None if earlier.sqlite else earlier.url.render_as_string(hide_password=False),
    )
    earlier.close()
    with LocalClient(create_app(settings)) as client:
        (entry,) = client.get("/v1/recordings?q=4711").json()["recordings"]
        assert (entry["recording"], entry["state"], entry["review"]) == (KEPT, "kept", "edited")
        assert client.get(f"/v1/recordings/{KEPT}/interpretation").content == ANSWER
        (review,) = client.get(f"/v1/recordings/{KEPT}/reviews").json()["reviews"]
        assert (review["reader"], review["comment"]) == ("dr-weber", "noise")
        assert client.post(f"/v1/read?recording={KEPT}").json()["leads"] == ["ECG"]
        job = client.get(f"/v1/jobs/{JOB}").json()
        assert (job["state"], job["done"]) == ("finished", 1)
        states = [row["state"] for row in client.get("/v1/deliveries").json()["deliveries"]]
        assert states == ["dead", "delivered"]
        made = client.post(f"/v1/recordings/{KEPT}/reviews", json={"decision": "confirmed"})
        assert made.status_code == 201 and made.json()["review"] > 3
