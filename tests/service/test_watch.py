"""A watched folder: each recording once, whatever happens, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from ecgfoundry.errors import FileAccessError
from ecgfoundry.samples import sample_path
from ecgfoundry.schemas import schema_problems
from ecgfoundry.service import watch as watch_module
from ecgfoundry.service.problems import Problem
from ecgfoundry.service.watch import FolderWatch, Watched
from ecgfoundry.service.work import Result, Work
from ecgfoundry.service.workers import WorkerPool
from ecgfoundry.service.workspace import Workspace


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
    time.sleep(0.06)
    assert watch._settled([path]) is False  # it has changed since
    time.sleep(0.06)
    assert watch._settled([path]) is True
    assert watch._settled([path]) is False  # done


@pytest.mark.parametrize("problem", [None, Problem(415, "format", "it is none")])
def test_what_is_written_anew_while_it_is_read_is_neither_answered_nor_moved(
    tmp_path: Path, problem: Problem | None
) -> None:
    """The answer is about what was there before, and its name would say so."""
    path = tmp_path / "x.csv"
    path.write_text("of one person")

    class Pool:
        async def submit(self, work: Work) -> Result:
            path.write_text("of another")
            return Result(b"{}", problem=problem)

    watch = FolderWatch(tmp_path)
    told = asyncio.run(watch._one(Pool(), [path]))  # type: ignore[arg-type]
    assert told is not None and told.problem is not None and told.problem.code == "changed"
    assert path.read_text() == "of another"
    assert {p.name for p in tmp_path.iterdir()} == {"x.csv", "dead-letters"}
    assert list((tmp_path / "dead-letters").iterdir()) == []


def test_a_watch_that_stops_puts_nothing_aside(tmp_path: Path) -> None:
    """What was not read because of Ctrl-C is no dead letter."""
    put_sample(tmp_path / "in")
    files = sorted((tmp_path / "in").glob("*.hea"))

    async def stopped() -> Watched | None:
        place = Workspace(tmp_path / "temporary")
        pool = WorkerPool(
            workers=1, queue=8, batch=1, timeout_s=60.0, arguments={}, workspace=place
        )
        await pool.close()
        return await FolderWatch(tmp_path / "in")._one(pool, files)

    assert asyncio.run(stopped()) is None
    assert files[0].exists() and list((tmp_path / "in" / "dead-letters").iterdir()) == []


def test_several_files_that_are_too_large_are_all_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "_LARGEST", 4)
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"{name} large")
    watch = FolderWatch(tmp_path)

    async def all_of_them() -> list[Watched | None]:
        files = sorted(tmp_path.glob("*.csv"))
        return [await watch._one(None, [file]) for file in files]  # type: ignore[arg-type]

    told = asyncio.run(all_of_them())
    assert [one and one.problem and one.problem.code for one in told] == ["limit", "limit"]
    letters = sorted(path.name for path in (tmp_path / "dead-letters").rglob("*.csv"))
    assert letters == ["a.csv", "b.csv"] and not list(tmp_path.glob("*.csv"))


def test_a_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError):
        FolderWatch(tmp_path / "none")
