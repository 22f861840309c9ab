"""The tables and what is done with them, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the service needs the extra 'serve'")

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select
from tests.service.postgresql import Cluster

from ecgfoundry.errors import DiskFullError, ServiceError
from ecgfoundry.service.database import connection, deliveries, jobs, recordings, reviews
from ecgfoundry.service.database.audit import Event, audit_since, forget_audit, write_audit
from ecgfoundry.service.database.connection import Database, sqlite_url
from ecgfoundry.service.database.jobs import JobOrder
from ecgfoundry.service.database.recordings import NewRecording, StoredFile, Worklist
from ecgfoundry.service.database.tables import Base, Delivery, Recording, Result

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path / "service.sqlite")
    else:
        url = request.getfixturevalue("postgresql").new_database()
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def database(empty: Database) -> Database:
    empty.upgrade()
    return empty


def recording(name: str = "a.edf", owner: str = "ward 3", **fields: Any) -> NewRecording:
    plain = name.encode("ascii", "replace").decode().replace("\x00", "0")
    file = StoredFile(plain, f"{plain:0<64}"[:64], 1000)
    return NewRecording(owner, f"{owner}{plain:0<64}"[:64], name, (file,), **fields)


def put(database: Database, *new: NewRecording) -> list[str]:
    with database.writing() as session:
        return [recordings.add_recording(session, one).id for one in new]


def order(database: Database, count: int = 1, **fields: Any) -> str:
    names = put(database, *(recording(f"{n}.edf", kept=False) for n in range(count)))
    with database.writing() as session:
        listed = tuple((name, "called") for name in names)
        return jobs.add_job(session, JobOrder("ward 3", "diagnose", listed, **fields)).id


# ------------------------------------------------------------------------------------ the tables


def test_the_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    with database._engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
    assert database.revision() == "0002"


def test_what_is_there_survives_another_upgrade_and_a_way_back(database: Database) -> None:
    put(database, recording())
    database.upgrade()
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Recording)) == 1
    database.downgrade("base")
    assert database.revision() is None
    database.upgrade()
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Recording)) == 0


def test_tables_of_a_later_version_are_left_alone(database: Database) -> None:
    with database.writing() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ServiceError, match=r"later version of ecgfoundry \(revision 9999\)"):
        database.upgrade()
    with pytest.raises(ServiceError, match="later version"):
        database.downgrade("base")


def test_a_revision_that_does_not_exist_is_said(database: Database) -> None:
    with pytest.raises(ServiceError, match="the tables stay as they are"):
        database.downgrade("0000")
    assert database.revision() == "0002"


def test_replicas_that_start_together_make_the_tables_once(empty: Database) -> None:
    others = [Database(empty.url.render_as_string(hide_password=False)) for _ in range(4)]
    failures: list[Exception] = []

    def upgrade(one: Database) -> None:
        try:
            one.upgrade()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=upgrade, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert empty.revision() == "0002"
    for one in others:
        one.close()


def test_a_new_file_that_another_service_is_opening_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "service.sqlite"
    with contextlib.closing(sqlite3.connect(path, check_same_thread=False)) as other:
        other.execute("CREATE TABLE of_theirs (number INTEGER)")
        other.execute("BEGIN IMMEDIATE")  # SQLite does not wait for this one to change its mode
        ended = threading.Timer(0.3, other.rollback)
        ended.start()
        database = Database(sqlite_url(path))
        database.upgrade()
        ended.join()
    assert database.revision() == "0002"
    database.close()


def test_a_file_that_another_service_mends_after_a_crash_is_waited_for(tmp_path: Path) -> None:
    """SQLite says SQLITE_BUSY_RECOVERY then."""
    asked: list[str] = []

    class Connection:
        def execute(self, words: str) -> sqlite3.Cursor:
            asked.append(words)
            if len(asked) < 3:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorname = "SQLITE_BUSY_RECOVERY"
                raise error
            return sqlite3.connect(":memory:").execute("SELECT 1")

    connection._write_ahead(Connection())  # type: ignore[arg-type]
    assert asked == ["PRAGMA journal_mode=WAL"] * 3


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u@h/x", "'mysql' is no database that the service knows"),
        ("no address", "cannot be understood"),
    ],
)
def test_addresses_that_are_none(url: str, words: str) -> None:
    with pytest.raises(ServiceError, match=words):
        Database(url)


def test_a_database_that_cannot_keep_every_name_is_refused(postgresql: Cluster) -> None:
    for encoding in ("SQL_ASCII", "LATIN1"):
        database = Database(postgresql.new_database(encoding))
        with pytest.raises(ServiceError, match=f"keeps text as {encoding}, and not as UTF-8"):
            database.upgrade()
        assert database.revision() is None
        database.close()


def test_a_database_that_does_not_answer_is_said_without_its_password() -> None:
    database = Database("postgresql://ecg:very-secret@127.0.0.1:1/none")
    with pytest.raises(ServiceError, match="the database does not answer") as caught:
        database.upgrade()
    assert "very-secret" not in f"{caught.value}{caught.value.__cause__}{database.url}"


def test_a_full_disk_is_said_and_changes_nothing(small_disk: Path) -> None:
    database = Database(sqlite_url(small_disk / "service.sqlite"))
    database.upgrade()
    job = order(database)
    with database.writing() as session:
        jobs.claim_jobs(session, "a", limit=1, lease_s=60)
        (result,) = jobs.waiting_results(session, job)
    for _ in range(2):
        with pytest.raises(DiskFullError, match="no room left"), database.writing() as session:
            assert jobs.store_answer(session, "a", result.id, bytes(2_000_000), failed=False)
    with database.writing() as session:  # there is room for what is small
        assert jobs.store_answer(session, "a", result.id, b"{}", failed=False)
    database.close()


# -------------------------------------------------------------------------------------- recordings


def test_everybody_lists_what_is_theirs_page_by_page(database: Database) -> None:
    ours = put(database, *(recording(f"{n}.edf") for n in range(5)))
    put(database, recording("x.edf", "ward 9"), recording("job.edf", kept=False))
    seen: list[str] = []
    cursor = None
    with database.reading() as session:
        for _ in range(3):
            page = recordings.list_recordings(session, Worklist("ward 3"), limit=2, cursor=cursor)
            seen += [row.id for row in page.rows]
            cursor = page.cursor
        assert cursor is None
        assert len(recordings.list_recordings(session, Worklist(), limit=9).rows) == 6
        for nonsense in ("?", "bm90IGE=", "MjAyNi0wMS0wMSB4"):
            with pytest.raises(ValueError, match="no cursor"):
                recordings.list_recordings(session, Worklist(), limit=2, cursor=nonsense)
    assert sorted(seen) == sorted(ours)


def test_a_worklist_is_searched_by_what_the_header_says(database: Database) -> None:
    first, second = put(database, recording("1.edf"), recording("2.edf"))
    about = {
        "file": "1.edf",
        "subject": {"identifier": "P-0042", "name": "Größe 100%_X"},
        "start_time": "2026-03-01T10:00:00+01:00",
    }
    with database.writing() as session:
        assert set(recordings.undescribed(session, 10)) == {first, second}
        content = recording("1.edf").content
        recordings.describe(session, first, content, about)
        recordings.describe(session, second, "f" * 64, about)  # of files that were replaced
        recordings.describe(session, second, recording("2.edf").content, None)
        assert recordings.undescribed(session, 10) == []

        def found(**fields: Any) -> list[str]:
            wanted = Worklist("ward 3", **fields)
            return [row.id for row in recordings.list_recordings(session, wanted, limit=9).rows]

        assert found(words="p-0042 größe") == [first]
        assert found(words="100%_x") == [first]
        assert found(words="%") == [first]
        assert found(words="p_0042") == []
        assert found(patient="P-0042") == [first]
        assert found(words="2.EDF") == [second]
        assert found(after=NOON.replace(year=2099)) == []
        assert len(found(before=NOON.replace(year=2099))) == 2


def test_text_that_a_database_cannot_hold_is_held_without_it(database: Database) -> None:
    put(database, recording("a\x00b\ud800.edf"))
    with database.reading() as session:
        (row,) = recordings.list_recordings(session, Worklist(words="a\x00B"), limit=9).rows
        assert row.name == "a\ufffdb?.edf"


def test_a_removed_recording_takes_everything_about_it_along(database: Database) -> None:
    (name,) = put(database, recording())
    with database.writing() as session:
        job = jobs.add_job(session, JobOrder("ward 3", "diagnose", ((name, "a.edf"),)))
        jobs.claim_jobs(session, "a", limit=1, lease_s=60)
        (result,) = jobs.waiting_results(session, job.id)
        assert jobs.store_answer(session, "a", result.id, b'{"name": "Doe"}', failed=False)
        assert jobs.finish_job(session, "a", job.id)
        row = recordings.find_recording(session, name, "ward 3")
        assert row is not None
        assert recordings.find_recording(session, name, "ward 9") is None
        reviews.add_review(session, row, reader="dr", decision="confirmed")
        assert recordings.referenced(session, [row.files[0].sha256, "0" * 64]) == {
            row.files[0].sha256
        }
        recordings.remove_recording(session, row)
    with database.reading() as session:
        for table in (Recording, Result):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        assert reviews.reviews_of(session, name) == []
        assert recordings.referenced(session, [f"{'a.edf':0<64}"]) == set()


def test_files_are_replaced_as_a_whole(database: Database) -> None:
    (name,) = put(database, recording("1.edf"))
    other = NewRecording(
        "ward 3",
        "9" * 64,
        "2.hea",
        (StoredFile("2.hea", "1" * 64, 5), StoredFile("2.dat", "2" * 64, 7)),
    )
    with database.writing() as session:
        row = recordings.find_recording(session, name, None)
        assert row is not None
        recordings.replace_files(session, row, other)
    with database.reading() as session:
        row = recordings.find_recording(session, name, None)
        assert row is not None
        assert [file.name for file in row.files] == ["2.hea", "2.dat"]
        assert (row.bytes, row.content) == (12, "9" * 64)
        assert recordings.kept_bytes(session) == 12


@pytest.mark.parametrize("content", ["same", "other"])
def test_what_was_said_of_other_content_is_not_said_of_the_new(
    database: Database, content: str
) -> None:
    """Files put in the place of a recording may be of another person."""
    first = recording("a.edf")
    (name,) = put(database, first)
    with database.writing() as session:
        asked = {"idempotency_key": f"diagnose {name}"}
        told = jobs.add_job(session, JobOrder("ward 3", "diagnose", ((name, "a.edf"),), **asked)).id
        own = {"idempotency_key": "of a client"}
        running = jobs.add_job(session, JobOrder("ward 3", "labs", ((name, "a.edf"),), **own)).id
        jobs.claim_jobs(session, "a", limit=2, lease_s=60)
        (result,) = jobs.waiting_results(session, told)
        (waiting,) = jobs.waiting_results(session, running)
        jobs.store_answer(session, "a", result.id, b'{"name": "Doe"}', failed=False)
        jobs.finish_job(session, "a", told)
        row = recordings.find_recording(session, name, None)
        assert row is not None
        row.identity = {"patient": "4711"}
        reviews.add_review(session, row, reader="dr", decision="confirmed")
        deliveries.enqueue(session, destination="emr", recording_id=name, kind="k")
        new = replace(first, name="b.edf") if content == "same" else recording("b.edf")
        assert (new.content == first.content) == (content == "same")
        recordings.replace_files(session, row, new)
    with database.writing() as session:
        about = (
            len(reviews.latest_answers(session, [name])),
            len(reviews.reviews_of(session, name)),
            session.scalar(
                select(func.count()).select_from(Delivery).where(Delivery.recording_id == name)
            ),
            jobs.job_with_key(session, "ward 3", f"diagnose {name}") is not None,
        )
        assert about == ((1, 1, 1, True) if content == "same" else (0, 0, 0, False))
        # What a client has named is that job, and the answer stays with the job that asked.
        assert jobs.job_with_key(session, "ward 3", "of a client") is not None
        kept_answer = session.get(Result, result.id)
        assert kept_answer is not None and kept_answer.answer == b'{"name": "Doe"}'
        # An answer that comes now is about the old content, and is not filed under the recording.
        late = jobs.store_answer(session, "a", waiting.id, b"{}", failed=False)
        assert late is not None
        assert late.recording_id == (name if content == "same" else None)


def test_the_oldest_are_found_by_age_and_by_count(database: Database) -> None:
    names = put(database, *(recording(f"{n}.edf") for n in range(3)))
    with database.writing() as session:
        for number, name in enumerate(names):
            row = recordings.find_recording(session, name, None)
            assert row is not None
            row.created_at = NOON + dt.timedelta(days=number)
    with database.reading() as session:
        old = recordings.older_than(session, NOON + dt.timedelta(days=1, hours=1))
        assert [row.id for row in old] == names[:2]
        assert [row.id for row in recordings.beyond_count(session, 1)] == [names[1], names[0]]


# -------------------------------------------------------------------------------------------- jobs


def test_a_silent_replica_loses_its_job_and_may_write_nothing(database: Database) -> None:
    job = order(database, 2)
    with database.writing() as session:
        assert [j.id for j in jobs.claim_jobs(session, "a", limit=9, lease_s=30, at=NOON)] == [job]
        assert jobs.claim_jobs(session, "b", limit=9, lease_s=30, at=NOON) == []
        first, second = jobs.waiting_results(session, job)
        assert jobs.store_answer(session, "a", first.id, b"1", failed=False) is not None
        assert jobs.store_answer(session, "a", first.id, b"2", failed=False) is None
        later = NOON + dt.timedelta(seconds=29)
        assert jobs.extend_claims(session, "a", {job: 0.5}, lease_s=30, at=later) == {job}
        assert jobs.claim_jobs(session, "b", limit=9, lease_s=30, at=later) == []
        later += dt.timedelta(seconds=31)
        assert len(jobs.claim_jobs(session, "b", limit=9, lease_s=30, at=later)) == 1
        assert jobs.extend_claims(session, "a", {job: 0.9}, lease_s=30, at=later) == set()
        assert jobs.store_answer(session, "a", second.id, b"2", failed=False) is None
        assert not jobs.finish_job(session, "a", job)
        assert not jobs.finish_job(session, "b", job), "one answer is missing"
        assert jobs.store_answer(session, "b", second.id, b"22", failed=True) is not None
        assert jobs.finish_job(session, "b", job)
        assert jobs.answers_of(session, job) == [b"1", b"22"]
        assert jobs.counts_of(session, [job])[job] == jobs.Counts(2, 2, 1)
        assert jobs.answer_bytes(session) == [(job, 3)]
        assert session.scalar(select(func.count()).select_from(Recording)) == 0


def test_what_a_replica_has_in_hand_it_does_not_begin_again(database: Database) -> None:
    """Its claim ran out while the database did not answer; others may have the job, it has it."""
    job = order(database)
    with database.writing() as session:
        jobs.claim_jobs(session, "a", limit=9, lease_s=30, at=NOON)
        late = NOON + dt.timedelta(seconds=31)
        assert not jobs.claim_jobs(session, "a", limit=9, lease_s=30, doing=(job,), at=late)
        assert jobs.extend_claims(session, "a", {job: 0.5}, lease_s=30, at=late) == {job}
        later = late + dt.timedelta(seconds=31)
        (again,) = jobs.claim_jobs(session, "a", limit=9, lease_s=30, at=later)
        assert (again.id, again.claims) == (job, 2)


def test_claims_without_a_result_are_counted(database: Database) -> None:
    job = order(database, 2)
    with database.writing() as session:
        for number in range(1, 4):
            (claimed,) = jobs.claim_jobs(session, "a", limit=1, lease_s=9)
            assert claimed.claims == number
            assert jobs.let_go(session, "a") == 1
        (claimed,) = jobs.claim_jobs(session, "a", limit=1, lease_s=9)
        (first, _) = jobs.waiting_results(session, job)
        jobs.store_answer(session, "a", first.id, b"1", failed=False)
        assert claimed.claims == 1


def test_many_that_claim_at_once_share_without_overlap(database: Database) -> None:
    for _ in range(40):
        order(database)
    taken: list[str] = []
    barrier = threading.Barrier(4)

    def claim(replica: str) -> None:
        barrier.wait()
        while True:
            with database.writing() as session:
                names = [job.id for job in jobs.claim_jobs(session, replica, limit=3, lease_s=60)]
            taken.extend(names)
            if not names:
                return

    threads = [threading.Thread(target=claim, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 40


def test_jobs_are_listed_filtered_and_forgotten(database: Database) -> None:
    first, second = order(database), order(database, idempotency_key="k", request="r")
    with database.writing() as session:
        jobs.claim_jobs(session, "a", limit=1, lease_s=60)
        assert [j.id for j in jobs.list_jobs(session, "ward 3").rows] == [second, first]
        assert [j.id for j in jobs.list_jobs(session, None, state="running").rows] == [first]
        assert jobs.list_jobs(session, "ward 9").rows == []
        assert jobs.list_jobs(session, None, kind="labs").rows == []
        assert jobs.unfinished(session) == (2, 0)
        found = jobs.job_with_key(session, "ward 3", "k")
        assert found is not None
        assert found.id == second
        assert jobs.job_with_key(session, "ward 9", "k") is None
        jobs.remove_job(session, second)
        assert jobs.find_job(session, second, None) is None
        assert jobs.find_job(session, first, "ward 9") is None
        assert session.scalar(select(func.count()).select_from(Result)) == 1


def test_answers_about_kept_recordings_stay_when_the_job_goes(database: Database) -> None:
    (kept,) = put(database, recording())
    with database.writing() as session:
        job = jobs.add_job(session, JobOrder("ward 3", "diagnose", ((kept, "a.edf"),)))
        jobs.claim_jobs(session, "a", limit=1, lease_s=60)
        (result,) = jobs.waiting_results(session, job.id)
        jobs.store_answer(session, "a", result.id, b"{}", failed=False, summary={"m": 1})
        jobs.finish_job(session, "a", job.id)
        jobs.remove_job(session, job.id)
    with database.reading() as session:
        answer = reviews.latest_answers(session, [kept])[kept]
        assert (answer.answer, answer.summary, answer.job_id) == (b"{}", {"m": 1}, None)


# --------------------------------------------------------------------- reviews, deliveries, audit


def test_reviews_are_only_added(database: Database) -> None:
    (name,) = put(database, recording())
    with database.writing() as session:
        row = recordings.find_recording(session, name, None)
        assert row is not None
        statements = [{"name": "atrial fibrillation", "present": False, "note": "artefact"}]
        reviews.add_review(session, row, reader="a", decision="edited", statements=statements)
        reviews.add_review(session, row, reader="b", decision="rejected", comment="leads")
    with database.reading() as session:
        found = reviews.reviews_of(session, name)
        assert [(r.reader, r.decision, r.comment) for r in found] == [
            ("a", "edited", ""),
            ("b", "rejected", "leads"),
        ]
        assert found[0].statements == statements
        done = recordings.list_recordings(session, Worklist(review="done"), limit=9).rows
        assert [row.decision for row in done] == ["rejected"]
        assert recordings.list_recordings(session, Worklist(review="open"), limit=9).rows == []


def test_deliveries_go_in_order_and_the_dead_hold_up_nobody(database: Database) -> None:
    with database.writing() as session:
        first, second, other = (
            deliveries.enqueue(session, destination=to, recording_id=None, kind="k", at=NOON).id
            for to in ("pacs", "pacs", "ehr")
        )

        def due(seconds: float) -> list[int]:
            moment = NOON + dt.timedelta(seconds=seconds)
            return [d.id for d in deliveries.claim_due(session, moment, 9, lease_s=60)]

        assert due(-1) == []
        assert due(1) == [first, other]
        assert due(2) == [], "the second waits for the first"
        retry = NOON + dt.timedelta(seconds=30)
        deliveries.mark_failed(session, first, "refused", retry_at=retry)
        deliveries.mark_delivered(session, other)
        assert due(29) == []
        assert due(31) == [first]
        assert due(92) == [first], "its sender has died"
        deliveries.mark_failed(session, first, "refused for good", retry_at=None)
        assert due(93) == [second]
        deliveries.mark_delivered(session, second)
        states = {d.id: (d.state, d.attempts) for d in deliveries.list_deliveries(session)}
        assert states == {
            first: ("dead", 3),
            second: ("delivered", 1),
            other: ("delivered", 1),
        }
        deliveries.mark_failed(session, second, "late", retry_at=None)
        assert not deliveries.revive(session, second), "what has arrived stays so"
        assert deliveries.revive(session, first)
        assert [d.id for d in deliveries.list_deliveries(session, state="waiting")] == [first]


def test_the_audit_trail_is_read_backwards_and_expires(database: Database) -> None:
    events = [
        Event("token:1", "recording.kept", subject="r", content="c" * 64, at=NOON),
        Event("token:2", "recording.removed", subject="r", content="c" * 64),
    ]
    with database.writing() as session:
        write_audit(session, *events)
        write_audit(session)
    with database.writing() as session:
        newest, oldest = audit_since(session, subject="r")
        assert (newest.action, oldest.action, oldest.at) == (
            "recording.removed",
            "recording.kept",
            NOON,
        )
        assert [row.id for row in audit_since(session, before=newest.id)] == [oldest.id]
        assert audit_since(session, who="token:9") == []
        forget_audit(session, NOON + dt.timedelta(days=1))
        assert [row.id for row in audit_since(session)] == [newest.id]


def test_times_are_utc_in_the_file(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "x.sqlite"))
    database.upgrade()
    east = dt.timezone(dt.timedelta(hours=2))
    with database.writing() as session:
        write_audit(session, Event("a", "b", at=dt.datetime(2026, 7, 1, 1, 30, tzinfo=east)))
    database.close()
    with sqlite3.connect(tmp_path / "x.sqlite") as plain:
        assert plain.execute("SELECT at FROM audit").fetchone() == ("2026-06-30 23:30:00.000000",)
