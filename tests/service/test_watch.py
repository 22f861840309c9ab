"""A watched folder: each recording once, whatever happens, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from ecgfoundry.errors import FileAccessError
from ecgfoundry.samples import sample_path
from ecgfoundry.schemas import schema_problems
from ecgfoundry.service.watch import FolderWatch, Watched


def put_sample(folder: Path, name: str = "single-lead") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    header = sample_path(name)
    for path in header.parent.glob(f"{header.stem}.*"):
        shutil.copy(path, folder / path.name)


def look(watch: FolderWatch) -> list[Watched]:
    told: list[Watched] = []
    asyncio.run(watch.run(once=True, tell=told.append))
    return told


@pytest.mark.slow
def test_each_recording_is_done_once_and_a_bad_one_is_put_aside(tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    put_sample(folder / "ward 3")
    put_sample(folder, "12-lead")
    (folder / "broken.edf").write_bytes(b"0       " + b"x" * 40)
    (folder / ".hidden.csv").write_text("1,2,3")
    told = look(FolderWatch(folder, output))
    done = [w for w in told if w.answer is not None]
    (bad,) = [w for w in told if w.problem is not None]
    assert len(done) == 2
    for watched in done:
        document = json.loads(watched.answer.read_text())
        assert schema_problems("interpretation", document) == []
        assert document["findings"]
    (letter,) = (folder / "dead-letters").iterdir()
    assert (letter / "broken.edf").read_bytes().startswith(b"0 ")
    assert json.loads((letter / "reason.json").read_text())["code"] == bad.problem.code
    assert not (folder / "broken.edf").exists()

    assert look(FolderWatch(folder, output)) == []  # again, as after a restart
    put_sample(folder / "copy")  # the same content under another name
    assert look(FolderWatch(folder, output)) == []
    assert sorted(p.name for p in output.iterdir()) == sorted(w.answer.name for w in done)


@pytest.mark.slow
def test_answers_beside_the_recordings_are_no_recordings(tmp_path: Path) -> None:
    put_sample(tmp_path)
    for format in ("json", "fhir"):
        watch = FolderWatch(tmp_path, format=format)
        assert len(look(watch)) == 1
        assert look(watch) == []
    assert {p.suffix for p in tmp_path.iterdir() if p.is_file()} == {".hea", ".mat", ".json"}


def test_a_file_that_is_still_arriving_is_left_alone(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path, settle_s=0.05)
    path = tmp_path / "x.csv"
    path.write_text("half")
    assert watch._settled([path]) is False
    path.write_text("half and more")
    import time

    time.sleep(0.06)
    assert watch._settled([path]) is False  # it has changed since
    time.sleep(0.06)
    assert watch._settled([path]) is True
    assert watch._settled([path]) is False  # done


def test_a_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError):
        FolderWatch(tmp_path / "none")
