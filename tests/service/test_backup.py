"""Copies of a service, brought back, also into the other kind of database; figures about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from sqlalchemy import select
from starlette.testclient import TestClient
from tests.service.postgresql import Cluster
from tests.service.waiting import until

from ecgfoundry.cli.main import app as commands
from ecgfoundry.errors import FileAccessError, ServiceError
from ecgfoundry.service.blobs import BlobStore
from ecgfoundry.service.database import deliveries, jobs, recordings, reviews
from ecgfoundry.service.database.audit import Event, write_audit
from ecgfoundry.service.database.backup import back_up, restore
from ecgfoundry.service.database.connection import Database, sqlite_url
from ecgfoundry.service.database.jobs import JobOrder
from ecgfoundry.service.database.recordings import NewRecording
from ecgfoundry.service.database.tables import Base, Job


def filled(url: str, folder: Path) -> tuple[Database, BlobStore]:
    """A service with something of every kind: 3 recordings with 3 files, 2 jobs with 2 places for
    answers, a review, a delivery and a row of the audit trail: 13 rows."""
    folder.mkdir()
    database, blobs = Database(url), BlobStore(folder / "blobs")
    database.upgrade()
    sent = folder / "sent"
    names = []
    for number in range(3):
        sent.write_bytes(bytes([number]) * 1000)
        file = blobs.put(sent, "x.npy")
        with database.writing() as session:
            new = NewRecording("ward 3", file.sha256, "x.npy", (file,))
            names.append(recordings.add_recording(session, new).id)
    sent.unlink()
    with database.writing() as session:
        for name in names[:2]:
            jobs.add_job(session, JobOrder("ward 3", "diagnose", ((name, "Größe.npy"),)))
        (job,) = jobs.claim_jobs(session, "a", limit=1, lease_s=60)
        (result,) = jobs.waiting_results(session, job.id)
        answer = b'{"n": "\xc3\xa4"}'
        jobs.store_answer(session, "a", result.id, answer, failed=False, summary={"n": [1, None]})
        row = recordings.find_recording(session, names[0], None)
        assert row is not None
        reviews.add_review(session, row, reader="dr", decision="edited", comment="ä")
        deliveries.enqueue(session, destination="pacs", recording_id=names[0], kind="report")
        write_audit(session, Event("a", "b", subject=names[0]))
    return database, blobs


def rows(database: Database) -> dict[str, list[Any]]:
    with database.reading() as session:
        found = {
            table.name: sorted(map(tuple, session.execute(select(table)).all()), key=str)
            for table in Base.metadata.sorted_tables
        }
        session.expunge_all()
        return found


@pytest.mark.parametrize(
    "kind", ["sqlite to sqlite", "sqlite to postgresql", "postgresql to sqlite"]
)
def test_a_copy_is_the_same_in_either_database(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    def address(which: str, folder: str) -> str:
        if which == "sqlite":
            return sqlite_url(tmp_path / f"{folder}.sqlite")
        cluster: Cluster = request.getfixturevalue("postgresql")
        return cluster.new_database()

    before, after = kind.split(" to ")
    database, blobs = filled(address(before, "from"), tmp_path / "from")
    told: list[tuple[int, int]] = []
    counts = back_up(database, blobs, tmp_path / "copy", lambda *done: told.append(done))
    assert counts == {"rows": 13, "files": 3, "damaged": 0}
    assert told[-1] == (16, 16) and told == sorted(told)
    told.clear()
    (tmp_path / "to").mkdir()
    new, store = Database(address(after, "to")), BlobStore(tmp_path / "to" / "blobs")
    brought = restore(tmp_path / "copy", new, store, lambda *done: told.append(done))
    assert brought == {"rows": 13, "files": 3}
    assert told[-1] == (16, 16) and told == sorted(told)
    with database.writing() as session:
        jobs.let_go(session)  # what was running waits, as after the restoration
    assert rows(new) == rows(database)
    for row in rows(new)["recording_files"]:
        store.check(row[3], 1000)
    with new.writing() as session:  # it goes on counting and working
        write_audit(session, Event("a", "later"))
        assert len(jobs.claim_jobs(session, "b", limit=9, lease_s=60)) == 2
    with pytest.raises(ServiceError, match="holds something already"):
        restore(tmp_path / "copy", new, store)
    for one in (database, new):
        one.close()


def test_a_damaged_file_does_not_keep_the_others_from_being_copied(tmp_path: Path) -> None:
    database, blobs = filled(sqlite_url(tmp_path / "x.sqlite"), tmp_path / "from")
    with database.reading() as session:
        page = recordings.list_recordings(session, recordings.Worklist(), limit=1)
        damaged = page.rows[0].content
    blobs.path(damaged).write_bytes(b"x")
    assert back_up(database, blobs, tmp_path / "copy") == {"rows": 13, "files": 2, "damaged": 1}
    with pytest.raises(FileAccessError, match="is there already"):
        back_up(database, blobs, tmp_path / "copy")
    with pytest.raises(FileAccessError, match="holds no copy"):
        restore(tmp_path / "from", database, blobs)
    database.close()


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> tuple[int, str]:
        code = commands(["database", *words], result_action="return_value")
        return code, capsys.readouterr().out.strip()

    old, new, copy = (str(tmp_path / name) for name in ("old", "new", "copy"))
    database, _ = filled(sqlite_url(tmp_path / "old.sqlite"), tmp_path / "old")
    database.close()
    (tmp_path / "old.sqlite").rename(tmp_path / "old" / "service.sqlite")
    assert run("status", old)[1].endswith("service.sqlite: revision 0002")
    assert run("backup", old, copy) == (0, f"{copy}: 13 rows, 3 files")
    assert run("restore", copy, new) == (0, f"{new}: 13 rows, 3 files")
    assert run("downgrade", new, "base") == (0, "revision none")
    assert run("upgrade", new) == (0, "revision 0002")


def test_figures_say_what_waits_and_what_is_left(service: TestClient) -> None:
    database = service.app.state.service.kept.database

    def at_rest() -> bool:
        with database.reading() as session:
            return jobs.unfinished(session) == (0, 0)

    until(at_rest, "the end of what other tests have asked for")
    text = service.get("/metrics").text

    def value(name: str) -> float:
        (found,) = re.findall(rf"^ecgfoundry_{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found)

    with database.reading() as session:
        finished = len(session.scalars(select(Job).where(Job.state == "finished")).all())
    assert value('jobs{state="finished"}') == finished
    assert value('jobs{state="waiting"}') == 0
    assert value('deliveries{state="dead"}') == 0
    assert value("database_up") == 1
    assert value('disk_free_bytes{place="data"}') > 1e6
    assert value('memory_bytes{process="workers"}') > 1e7
    assert value('memory_bytes{process="service"}') > 1e7


@pytest.mark.slow
def test_a_database_that_is_gone_is_told(tmp_path: Path, postgresql: Cluster) -> None:
    """The service lives, is not ready, and answers 503; its figures say why."""
    from tests.service.conftest import LocalClient

    from ecgfoundry.service.api import create_app
    from ecgfoundry.service.settings import ServiceSettings

    url = postgresql.new_database()
    settings = ServiceSettings(workers=1, database=url, keep_folder=tmp_path / "kept")
    with LocalClient(create_app(settings)) as client:
        assert client.post("/v1/recordings", content=b"1,2").status_code == 201
        name = re.findall(r"/(ecg_\w+)\?", url)[0]
        postgresql.run("dropdb", "-h", str(postgresql.folder), "-U", "ecg", "--force", name)
        until(lambda: client.get("/ready").json()["code"] != "not-ready", "its models")
        for answer in (
            client.post("/v1/recordings", content=b"1,2"),
            client.get("/v1/jobs"),
            client.get("/ready"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "database"), answer.text
        assert client.get("/health").status_code == 200
        assert "ecgfoundry_database_up 0.0" in client.get("/metrics").text
