"""What stays on the server, and what must not: kept and held recordings, full disks, restarts."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient
from tests.service.conftest import LocalClient, started
from tests.service.waiting import finished, until

from ecgfoundry.errors import DiskFullError
from ecgfoundry.samples import sample_path
from ecgfoundry.service import kept as kept_module
from ecgfoundry.service import state as state_module
from ecgfoundry.service.api import create_app
from ecgfoundry.service.blobs import BlobStore
from ecgfoundry.service.database.connection import Database, sqlite_url
from ecgfoundry.service.database.tables import Recording
from ecgfoundry.service.kept import KeptRecordings
from ecgfoundry.service.live.hub import LiveHub
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.retention import remove_unneeded
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.tokens import Caller
from ecgfoundry.service.uploads import Upload
from ecgfoundry.service.workspace import Workspace

WARD = Caller("ward 3", "write", "token:1")


def sample(name: str = "single-lead") -> list[tuple[str, tuple[str, bytes]]]:
    header = sample_path(name)
    paths = sorted(header.parent.glob(f"{header.stem}.*"))
    return [("file", (path.name, path.read_bytes())) for path in paths]


def upload_of(folder: Path, content: bytes) -> Upload:
    folder.mkdir(exist_ok=True)
    (folder / "x.npy").write_bytes(content)
    return Upload(folder, (folder / "x.npy",), ("x.npy",), len(content))


def test_a_recording_is_kept_under_a_random_name(service: TestClient) -> None:
    first = service.post("/v1/recordings", files=sample())
    assert first.status_code == 201
    name = first.json()["recording"]
    assert first.headers["location"] == f"/v1/recordings/{name}"
    second = service.post("/v1/recordings", files=sample())
    assert (second.status_code, second.json()["recording"]) == (200, name), "it is known"
    answer = service.post("/v1/diagnose", params={"recording": name})
    assert answer.json()["file"] == sample_path("single-lead").name
    assert service.delete(f"/v1/recordings/{name}").status_code == 204
    assert service.post("/v1/diagnose", params={"recording": name}).status_code == 404
    for no_name in ("../../etc/passwd", "..", "a" * 32, "A" * 32):
        asked = service.post("/v1/diagnose", params={"recording": no_name})
        assert asked.status_code == 404


@pytest.mark.parametrize(
    ("identity", "subject"),
    [
        (None, ("642341", None, "1971-01-23")),
        ({"patient": "642341"}, ("642341", None, "1971-01-23")),
        # Another number than the file's: the date of birth in the file is not told with it.
        ({"patient": "4711"}, ("4711", None, None)),
        (
            {"patient": "4711", "name": "Roe^Jane", "birth_date": "19420102"},
            ("4711", "Roe^Jane", "1942-01-02"),
        ),
    ],
)
def test_whose_a_kept_recording_is(
    kept: KeptRecordings, identity: dict[str, str] | None, subject: tuple[str | None, ...]
) -> None:
    stated = {"identifier": "642341", "birth_date": "1971-01-23", "age": 42.0, "sex": "female"}
    row = Recording(
        id="a" * 32, name="x.dcm", source="dicom", content="0" * 64, bytes=1, files=[],
        created_at=dt.datetime(2026, 1, 2, tzinfo=dt.UTC), about={"subject": stated},
        identity=identity,
    )  # fmt: skip
    told = kept.entry(row, None)["subject"]
    assert tuple(told.get(key) for key in ("identifier", "name", "birth_date")) == subject


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptRecordings]:
    made = kept_in(tmp_path / "kept", tmp_path / "tmp", 10_000)
    yield made
    made.database.close()


def kept_in(folder: Path, temporary: Path, limit: int) -> KeptRecordings:
    folder.mkdir()
    temporary.mkdir()
    database = Database(sqlite_url(folder / "service.sqlite"))
    database.upgrade()
    return KeptRecordings(database, BlobStore(folder / "blobs"), Workspace(temporary), limit)


def blobs_in(folder: Path) -> list[Path]:
    return [path for path in (folder / "kept" / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["emptied", "cut", "changed", "gone"])
def test_a_damaged_recording_is_told_and_can_be_replaced(
    kept: KeptRecordings, tmp_path: Path, damage: str
) -> None:
    name, _ = kept.keep(upload_of(tmp_path / "sent", b"first content"), WARD)
    (blob,) = blobs_in(tmp_path)
    if damage == "gone":
        blob.unlink()
    else:
        words = {"emptied": b"", "cut": b"first", "changed": b"FIRST content"}
        blob.write_bytes(words[damage])

    def read() -> tuple[bytes, str]:
        with kept.using(name, WARD) as (path, called):
            return path.read_bytes(), called

    with pytest.raises(ProblemError) as told:
        read()
    assert (told.value.problem.status, told.value.problem.code) == (422, "recording-damaged")
    assert f"PUT /v1/recordings/{name}" in (told.value.problem.remedy or "")
    # The same content, sent again, mends it; other content takes its place.
    assert kept.keep(upload_of(tmp_path / "sent", b"first content"), WARD) == (name, False)
    assert read() == (b"first content", "x.npy")
    kept.replace(name, upload_of(tmp_path / "sent", b"second content"), WARD)
    assert read() == (b"second content", "x.npy")
    kept.delete(name, WARD)
    remove_unneeded(kept, older_s=0.0)
    assert blobs_in(tmp_path) == []


def test_content_is_kept_once_and_goes_with_its_last_owner(
    kept: KeptRecordings, tmp_path: Path
) -> None:
    other = Caller("ward 9", "write", "token:2")
    sent = upload_of(tmp_path / "sent", b"content")
    names = {caller.owner: kept.keep(sent, caller)[0] for caller in (WARD, other)}
    assert len(set(names.values())) == 2
    assert len(blobs_in(tmp_path)) == 1
    kept.delete(names["ward 3"], WARD)
    remove_unneeded(kept, older_s=0.0)
    with kept.using(names["ward 9"], other) as (path, _):
        assert path.read_bytes() == b"content"
    kept.delete(names["ward 9"], other)
    remove_unneeded(kept)  # it may be about to be needed again
    assert len(blobs_in(tmp_path)) == 1
    remove_unneeded(kept, older_s=0.0)
    assert blobs_in(tmp_path) == []


def test_room_that_others_are_about_to_fill_is_not_given_twice(tmp_path: Path) -> None:
    kept = kept_in(tmp_path / "kept", tmp_path / "tmp", 2_500)
    outcomes: list[str] = []

    def keep(number: int) -> None:
        try:
            kept.keep(upload_of(tmp_path / f"sent{number}", bytes([number]) * 1_000), WARD)
            outcomes.append("kept")
        except ProblemError as error:
            outcomes.append(error.problem.code)

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["kept"] * 2 + ["limit"] * 4
    remove_unneeded(kept, older_s=0.0)
    assert len(blobs_in(tmp_path)) == 2


def test_a_full_disk_leaves_nothing_behind(small_disk: Path, tmp_path: Path) -> None:
    kept = kept_in(small_disk / "kept", tmp_path / "tmp", 100_000_000)
    with pytest.raises(DiskFullError):
        kept.keep(upload_of(tmp_path / "sent", bytes(3_000_000)), WARD)
    assert blobs_in(small_disk) == []
    name, _ = kept.keep(upload_of(tmp_path / "sent", bytes(1_000)), WARD)
    with kept.using(name, WARD) as (path, called):
        assert (path.stat().st_size, called) == (1_000, "x.npy")
    kept.database.close()


def test_a_full_disk_is_answered_with_507(small_disk: Path) -> None:
    settings = ServiceSettings(workers=1, keep_folder=small_disk / "kept")
    app = create_app(settings)
    with LocalClient(app) as client:
        response = client.post("/v1/recordings", content=bytes(3_000_000))
        problem = response.json()
        assert (response.status_code, problem["code"]) == (507, "disk-full")
        assert problem["remedy"]
        app.state.service.workspace._own = small_disk  # as with TMPDIR on a full disk
        for request in (
            {"content": bytes(3_000_000)},
            {"files": [("file", ("x.npy", bytes(3_000_000)))]},
        ):
            response = client.post("/v1/read", **request)
            assert (response.status_code, response.json()["code"]) == (507, "disk-full")
        app.state.service.workspace._own = None
        small = client.post("/v1/recordings", content=b"1,2,3")
        assert small.status_code == 201
    assert [path.name for path in blobs_in(small_disk)] == [
        "8a6ae15122001229edb8866f56e342af12ae8187203c3e3b33931743e7c0c48d"
    ]


def test_a_held_recording_is_sent_once_and_gone_after_a_while(
    service: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = service.post("/v1/uploads", files=sample("12-lead"))
    assert (held.status_code, held.json()["expires_s"]) == (201, 900.0)
    name = held.json()["recording"]
    direct = service.post("/v1/diagnose", files=sample("12-lead")).json()
    for _ in range(2):
        assert service.post("/v1/diagnose", params={"recording": name}).json() == direct
    job = service.post("/v1/jobs", params={"recording": name}).json()
    assert job["recordings"] == 1
    finished(service, f"/v1/jobs/{job['job']}")
    line = json.loads(service.get(f"/v1/jobs/{job['job']}/results").text)
    assert line["findings"] == direct["findings"]
    assert service.post("/v1/read", params={"recording": name}).status_code == 200
    folder = service.app.state.service.held._all[name].upload.folder
    assert folder.is_dir()
    monkeypatch.setattr(kept_module, "HELD_S", 0.0)
    service.app.state.service.held.forget_old()
    assert not folder.exists()
    assert service.post("/v1/read", params={"recording": name}).status_code == 404


def test_a_held_recording_stays_as_long_as_it_is_read(service: TestClient) -> None:
    name = service.post("/v1/uploads", content=b"1,2,3").json()["recording"]
    held = service.app.state.service.held
    with held.using(name) as (path, _):
        assert service.delete(f"/v1/recordings/{name}").status_code == 204
        assert path.exists()
    assert not path.exists()


def test_held_recordings_are_removed_by_one_thread_while_another_counts(tmp_path: Path) -> None:
    """Housekeeping and DELETE are threads of their own."""
    held = kept_module.HeldRecordings(10**9)
    names = [held.hold(upload_of(tmp_path / str(n), b"1,2"), WARD) for n in range(2)]
    other = threading.Thread(target=held.delete, args=(names[1],))

    class Counted:
        folder = tmp_path / "counted"

        @property
        def size(self) -> int:
            if other.ident is None:
                other.start()
                other.join(0.5)
            return 3

    held._all[names[0]].upload = Counted()  # type: ignore[assignment]
    last = held.hold(upload_of(tmp_path / "last", b"1,2"), WARD)
    other.join()
    assert [held.has(name, WARD) for name in (*names, last)] == [True, False, True]
    with pytest.raises(ProblemError, match="recording-not-found"):
        held.delete(names[1])
    with pytest.raises(ProblemError, match="recording-not-found"), held.using(names[1]):
        pass


def test_samples_that_came_as_json_are_read_again_and_again(service: TestClient) -> None:
    body = {"signal": [[0.0, 0.1, None] * 1000], "sampling_rate": 300, "leads": ["I"], "unit": "mV"}
    name = service.post("/v1/uploads", json=body).json()["recording"]
    for _ in range(2):
        answer = service.post("/v1/read", params={"recording": name}).json()
        assert (answer["samples"], answer["file"]) == (3000, "samples")
    bad = service.post("/v1/read", json=body | {"signal": "?"})
    assert (bad.status_code, bad.json()["code"]) == (400, "request")


def test_folders_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from ecgfoundry.service.workspace import Workspace;"
        "place = Workspace(Path(sys.argv[1]));"
        "(place.folder('upload') / 'patient.edf').write_text('x'); print('ready', flush=True);"
        "sys.stdin.read()"
    )
    others = []
    for _ in range(2):
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        others.append(other)
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
    try:
        others[0].kill()
        others[0].wait()
        assert len(list(tmp_path.glob("service-*/upload-*/patient.edf"))) == 2
        place = Workspace(tmp_path)
        assert place.start() == 1
        assert len(list(tmp_path.glob("service-*/upload-*/patient.edf"))) == 1
        place.close()
        assert len(list(tmp_path.glob("service-*"))) == 1
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_a_file_that_is_finished_during_a_sweep_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its unfinished form was listed, and has its name by the time it is looked at."""
    blobs = BlobStore(tmp_path / "blobs")
    upload = upload_of(tmp_path / "sent", b"1,2")
    file = blobs.put(upload.paths[0], "x.npy")
    listed = Path.iterdir

    def with_unfinished(self: Path) -> Iterator[Path]:
        yield from listed(self)
        if self.name == file.sha256[:2]:
            yield self / ".other.0123456789ab.part"

    monkeypatch.setattr(Path, "iterdir", with_unfinished)

    def needed(hashes: Iterable[str]) -> set[str]:
        return set()

    assert blobs.sweep(needed, older_s=-60.0) == 1
    assert not blobs.is_there(file)


def test_a_service_stops_when_its_threads_have_written_what_they_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end, order = threading.Event(), threading.Event(), []
    close = LiveHub.close

    def slow_cleaning(*given: Any) -> None:
        begun.set()
        assert may_end.wait(300)
        order.append("cleaned")

    async def noted(self: LiveHub) -> None:
        order.append("closing")
        await close(self)

    monkeypatch.setattr(state_module, "clean_up", slow_cleaning)
    monkeypatch.setattr(LiveHub, "close", noted)
    settings = ServiceSettings(workers=1, keep_folder=tmp_path / "kept")
    with LocalClient(create_app(settings)):
        assert begun.wait(300)
        later = threading.Timer(0.5, may_end.set)
        later.start()
    later.join()
    until(lambda: len(order) == 2, "both ends")
    assert order == ["cleaned", "closing"]


def test_what_was_about_to_be_kept_is_removed_at_the_next_start(tmp_path: Path) -> None:
    left = tmp_path / "kept" / "blobs" / "ab" / f".{'ab' * 32}.0123456789ab.part"
    left.parent.mkdir(parents=True)
    left.write_text("of a patient")
    app = create_app(ServiceSettings(workers=1, keep_folder=tmp_path / "kept"))
    with LocalClient(app):
        assert not left.exists()


def post(url: str, files: Path, token: str | None = None) -> Any:
    request = urllib.request.Request(url, files.read_bytes(), {"Content-Type": "application/x"})
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.load(response)


@pytest.mark.slow
def test_after_kill_9_files_go_and_what_was_accepted_stays(tmp_path: Path) -> None:
    """A service that holds a patient's file and a job is killed; the next one goes on with it."""
    long = tmp_path / "long.npz"
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 3000)).astype(np.float32)
    signal_ = np.tile(noise, (1, 360))
    np.savez_compressed(long, signal=signal_, leads=["I"], sampling_rate=300.0, unit="mV")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    options = ("--keep-folder", str(tmp_path / "kept"))
    url, server = started(*options, TMPDIR=str(temporary))
    held = post(f"{url}/v1/uploads", long)["recording"]
    job = post(f"{url}/v1/jobs", long)["job"]
    kept = post(f"{url}/v1/recordings", long)["recording"]
    left = [path for path in temporary.rglob("*") if path.is_file() and path.stat().st_size > 9]
    assert left
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    url, server = started(*options, TMPDIR=str(temporary))
    try:
        assert not [path for path in left if path.exists()]
        until(lambda: got(f"{url}/v1/jobs/{job}")["state"] == "finished", "the end of the job", 0.2)
        state = got(f"{url}/v1/jobs/{job}")
        assert (state["recordings"], state["done"], state["failed"]) == (1, 1, 0)
        (line,) = urllib.request.urlopen(f"{url}{state['results']}").read().splitlines()
        assert json.loads(line)["duration_s"] == 3600.0
        assert [entry["recording"] for entry in got(f"{url}/v1/recordings")["recordings"]] == [kept]
        with pytest.raises(urllib.error.HTTPError) as told:
            post(f"{url}/v1/read?recording={held}", long)
        assert told.value.code == 404
    finally:
        server.terminate()
        server.wait(300)
    assert [path for path in temporary.rglob("*") if path.is_file()] == []


def got(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=300) as response:
        return json.load(response)


@pytest.mark.slow
@pytest.mark.parametrize(("options", "believed"), [((), False), (("127.0.0.1",), True)])
def test_a_gateway_is_believed_only_when_it_was_named(
    tmp_path: Path, options: tuple[str, ...], believed: bool
) -> None:
    """Wrong tokens with ever new X-Forwarded-For: one address, unless a gateway was named."""
    tokens = tmp_path / "tokens"
    tokens.write_text("a-token-of-some-ward\n")
    tokens.chmod(0o600)
    flags = [word for address in options for word in ("--trusted-proxy", address)]
    url, server = started("--tokens", str(tokens), *flags)
    try:

        def status(number: int) -> int:
            headers = {
                "X-Forwarded-For": f"10.0.0.{number}",
                "Authorization": f"Bearer wrong-token-number-{number}",
            }
            request = urllib.request.Request(f"{url}/v1/models", headers=headers)
            with pytest.raises(urllib.error.HTTPError) as told:
                urllib.request.urlopen(request)
            return told.value.code

        # Ten a minute are allowed (docs/service.md).
        assert [status(number) for number in range(10)] == [401] * 10
        if believed:
            assert [status(number) for number in range(10, 20)] == [401] * 10
        else:  # while the machine is busy, another is allowed every six seconds
            until(lambda: status(10) == 429, "the limit", 0.0)
    finally:
        server.terminate()
        server.wait(300)


def test_keeping_a_large_file_does_not_hold_up_others(tmp_path: Path) -> None:
    """The loop goes on while a file is hashed and copied: it is asked many times meanwhile."""
    kept = kept_in(tmp_path / "kept", tmp_path / "tmp", 1_000_000_000)
    sent = upload_of(tmp_path / "sent", bytes(100_000_000))

    async def run() -> int:
        work = asyncio.create_task(asyncio.to_thread(kept.keep, sent, WARD))
        turns = 0
        while not work.done():
            await asyncio.sleep(0)
            turns += 1
        await work
        return turns

    assert asyncio.run(run()) > 3
