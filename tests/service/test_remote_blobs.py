"""Files of recordings in stores that fsspec reaches: one in memory, and one in files."""

from __future__ import annotations

import importlib.util
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")
pytest.importorskip("fsspec", reason="stores need the extra 'stores'")

import fsspec
from tests.ports import unanswered_port
from tests.service.conftest import LocalClient

from ecgfoundry.errors import DatabaseError, IntegrityError, MissingExtraError, ServiceError
from ecgfoundry.samples import sample_path
from ecgfoundry.service import remote_blobs
from ecgfoundry.service.api import create_app
from ecgfoundry.service.database.backup import back_up, restore
from ecgfoundry.service.database.connection import Database, sqlite_url
from ecgfoundry.service.database.recordings import StoredFile
from ecgfoundry.service.remote_blobs import RemoteBlobs
from ecgfoundry.service.settings import ServiceSettings

CONTENT = b"first content"


@pytest.fixture(params=["memory", "file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/ecg"
    return f"file://{tmp_path}/store/ecg"


def source(folder: Path, content: bytes = CONTENT) -> Path:
    path = folder / "sent.npy"
    path.write_bytes(content)
    return path


def only(address: str) -> str:
    store, root = fsspec.core.url_to_fs(address)
    (path,) = store.find(root)
    return str(path)


@pytest.mark.parametrize("damage", ["emptied", "cut", "changed", "gone"])
def test_damage_is_told_and_mended(address: str, tmp_path: Path, damage: str) -> None:
    blobs = RemoteBlobs(address)
    sent = source(tmp_path)
    file = blobs.put(sent, "x.npy")
    assert (file.name, file.bytes) == ("x.npy", 13)
    assert only(address).endswith(f"/ecg/{file.sha256[:2]}/{file.sha256}")
    store = fsspec.core.url_to_fs(address)[0]
    if damage == "gone":
        store.rm_file(only(address))
    else:
        words = {"emptied": b"", "cut": b"first", "changed": b"FIRST content"}
        store.pipe_file(only(address), words[damage])
    given = tmp_path / "given"
    given.mkdir()
    with pytest.raises(IntegrityError):
        blobs.give([file], given)
    assert RemoteBlobs(address).is_there(file) is (damage == "changed")
    assert blobs.put(sent, "x.npy") == file
    assert blobs.give([file], given).read_bytes() == CONTENT
    assert blobs.is_there(file)


def test_many_read_one_file_together(address: str, tmp_path: Path) -> None:
    blobs = RemoteBlobs(address)
    content = bytes(range(256)) * 200
    file = blobs.put(source(tmp_path, content), "x.npy")

    def read(number: int) -> bool:
        folder = tmp_path / f"given{number}"
        folder.mkdir()
        return all(blobs.give([file], folder).read_bytes() == content for _ in range(100))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(read, range(3))) == [True] * 3


def test_a_file_that_is_read_while_it_is_written_again(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = RemoteBlobs(address)
    sent, given = source(tmp_path), tmp_path / "given"
    given.mkdir()
    file = blobs.put(sent, "x.npy")
    store, root = fsspec.core.url_to_fs(address)

    def half(source: str, path: str) -> None:
        store.pipe_file(path, Path(source).read_bytes()[:6])
        assert blobs.give([file], given).read_bytes() == CONTENT
        raise ConnectionError

    monkeypatch.setattr(remote_blobs, "_YOUNG_S", 0.0)
    monkeypatch.setattr(type(store), "put_file", lambda self, *given: half(*given))
    with pytest.raises(DatabaseError):
        blobs.put(sent, "x.npy")
    assert blobs.give([file], given).read_bytes() == CONTENT
    assert store.find(root) == [only(address)]


def test_what_nobody_needs_goes_when_it_is_old(address: str, tmp_path: Path) -> None:
    blobs = RemoteBlobs(address)
    needed = blobs.put(source(tmp_path), "a")
    other = blobs.put(source(tmp_path, b"second"), "b")
    assert blobs.sweep(lambda hashes: set(), older_s=3600.0) == 0
    time.sleep(0.05)
    assert blobs.sweep(lambda hashes: {needed.sha256} & set(hashes), older_s=0.0) == 1
    assert blobs.is_there(needed) and not blobs.is_there(other)


def test_stores_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="--blobs nothing://"):
        RemoteBlobs("nothing://x/y")
    if importlib.util.find_spec("s3fs") is None:
        with pytest.raises(MissingExtraError, match="s3fs"):
            RemoteBlobs("s3://bucket/ecg")
    with (
        unanswered_port() as port,
        pytest.raises(DatabaseError, match=r"\(ftp\) does not answer \(ConnectionRefused"),
    ):
        RemoteBlobs(f"ftp://127.0.0.1:{port}/ecg")
    with pytest.raises(ServiceError, match="no recording is kept"):
        ServiceSettings(blobs="memory://x")


def test_a_service_keeps_its_recordings_there(address: str, tmp_path: Path) -> None:
    header = sample_path("single-lead")
    paths = sorted(header.parent.glob(f"{header.stem}.*"))
    files = [("file", (path.name, path.read_bytes())) for path in paths]
    settings = ServiceSettings(workers=1, port=0, keep_folder=tmp_path / "kept", blobs=address)
    with LocalClient(create_app(settings)) as client:
        name = client.post("/v1/recordings", files=files).json()["recording"]
        assert client.post(f"/v1/read?recording={name}").json()["leads"] == ["ECG"]
        assert not (tmp_path / "kept" / "blobs").exists()
        store, root = fsspec.core.url_to_fs(address)
        assert len(store.find(root)) == 2
        for path in store.find(root):
            store.pipe_file(path, b"damaged")
        told = client.post(f"/v1/read?recording={name}")
        assert (told.status_code, told.json()["code"]) == (422, "recording-damaged")
        assert client.put(f"/v1/recordings/{name}", files=files).status_code == 204
        assert client.post(f"/v1/read?recording={name}").json()["leads"] == ["ECG"]

    # A copy is a folder, and goes into another store of any kind.
    database = Database(sqlite_url(tmp_path / "kept" / "service.sqlite"))
    counts = back_up(database, RemoteBlobs(address), tmp_path / "copy")
    database.close()
    assert (counts["files"], counts["damaged"]) == (2, 0)
    fresh, there = Database(sqlite_url(tmp_path / "new.sqlite")), RemoteBlobs(f"{address}/again")
    assert restore(tmp_path / "copy", fresh, there)["files"] == 2
    fresh.close()
    for path in paths:
        assert there.is_there(_as_stored(path))


def _as_stored(path: Path) -> StoredFile:
    import hashlib

    content = path.read_bytes()
    return StoredFile(path.name, hashlib.sha256(content).hexdigest(), len(content))
