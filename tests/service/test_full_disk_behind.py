"""No room for temporary files: what works in the background waits, says so, and goes on."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from tests.service.conftest import LocalClient
from tests.service.waiting import finished, until

from ecgfoundry.errors import DiskFullError, OutputInUseError
from ecgfoundry.locks import locked
from ecgfoundry.samples import sample_path
from ecgfoundry.service import workers as workers_module
from ecgfoundry.service.api import create_app
from ecgfoundry.service.receiving import keep_recording
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.workspace import Workspace


@pytest.fixture
def full_disk(small_disk: Path) -> Iterator[Path]:
    """A file system on which not even a folder can be made any more."""
    mount = shutil.which("mount") or "mount"
    made = subprocess.run(
        [mount, "-o", "remount,size=1m,nr_inodes=40", str(small_disk)],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("this user may not limit the number of files")
    fill(small_disk)
    return small_disk


def fill(disk: Path) -> None:
    (disk / "fill").mkdir(exist_ok=True)
    with pytest.raises(OSError, match="No space left"):
        for number in range(100):
            (disk / "fill" / f"{number}-{os.urandom(4).hex()}").touch()


def give_room(disk: Path) -> None:
    shutil.rmtree(disk / "fill")


def upload(name: str = "single-lead") -> list[tuple[str, tuple[str, bytes]]]:
    header = sample_path(name)
    paths = sorted(header.parent.glob(f"{header.stem}.*"))
    return [("file", (path.name, path.read_bytes())) for path in paths]


def test_a_folder_for_temporary_files_names_the_disk_and_the_remedy(full_disk: Path) -> None:
    workspace = Workspace(full_disk)
    workspace._own = full_disk
    with pytest.raises(DiskFullError) as raised:
        workspace.folder("reading")
    assert str(raised.value) == (
        f"{full_disk}: cannot be written: no space is left. "
        "Free space, or choose another folder; nothing was changed"
    )


def test_what_waits_goes_on_when_there_is_room(
    full_disk: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The receivers, the jobs and the workers outlive a full disk."""
    monkeypatch.setattr(workers_module, "_SPAWN_AGAIN_S", 0.1)
    app = create_app(ServiceSettings(workers=1, keep_folder=tmp_path / "kept"))
    caplog.set_level(logging.ERROR, logger="ecgfoundry.service")
    with LocalClient(app) as client:
        state = app.state.service
        until(lambda: state.pool.ready, "a worker")
        own, state.workspace._own = state.workspace._own, full_disk

        def said(words: str) -> bool:
            return any(words in record.getMessage() for record in caplog.records)

        # An object that a device sends now is not kept, and the receiver can tell it to wait.
        with pytest.raises(DiskFullError):
            keep_recording(state, b"1,2,3", "a.csv", "ward", "dicom:CART")
        # What came in before is neither read nor answered now.
        state.workspace._own = own
        recording = client.post("/v1/recordings", files=upload()).json()["recording"]
        state.workspace._own = full_disk
        job = client.post("/v1/jobs", params={"recording": recording}).json()["job"]
        until(lambda: said("a job waits"), "the words of the job")
        # A worker that ends now cannot be replaced yet.
        os.kill(state.pool.processes[0], signal.SIGKILL)
        until(lambda: said("no worker can be started"), "the words of the pool")
        assert not any(task.done() for task in state._background)
        give_room(full_disk)
        assert finished(client, f"/v1/jobs/{job}")["failed"] == 0
        state.workspace._own = own


def test_a_lock_without_room_for_its_file_is_a_full_disk(full_disk: Path) -> None:
    """Of a run of `infer` or `holter`, and of a service."""
    with pytest.raises(DiskFullError), locked(full_disk / ".lock", OutputInUseError("taken")):
        pass


def test_a_header_that_there_is_no_room_to_read_is_a_full_disk(
    full_disk: Path, tmp_path: Path
) -> None:
    """It is no damaged file: whoever reads headers says so and tries again."""
    app = create_app(ServiceSettings(workers=1, keep_folder=tmp_path / "kept"))
    with LocalClient(app) as client:
        state = app.state.service
        name = client.post("/v1/recordings", files=upload()).json()["recording"]
        content = client.get(f"/v1/recordings/{name}").json()
        assert content["recording"] == name
        own, state.workspace._own = state.workspace._own, full_disk
        with pytest.raises(DiskFullError):
            asyncio.run(state.describer._describe((name, "0" * 64)))
        state.workspace._own = own
