"""What is red once and deserves a second look, and what is believed at once; on real runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.second_look import LIVE, NUMERIC, First, no_second_look

ROOT = Path(__file__).resolve().parents[1]
ONCE = """
import os, pathlib
import pytest

def is_first(name):
    mark = pathlib.Path(name)
    there = mark.exists()
    mark.touch()
    return not there
"""
RED_ONCE = (
    ONCE
    + """
def test_green(): pass
def test_red_once(): assert not is_first("mark"), "the words of the first time"
"""
)


def looked(folder: Path, path: str, source: str, *options: str) -> tuple[int, str, str]:
    """Run the script on one file of tests; return its exit code, what it said, and its note."""
    file, note = folder / path, folder / "unsteady"
    file.parent.mkdir(parents=True)
    file.write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow: takes long\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ECGFOUNDRY_UNSTEADY": str(note)}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(
        [sys.executable, "-m", "tests.second_look", *options],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, note.read_text() if note.exists() else ""


@pytest.mark.parametrize("options", [(), ("-n", "2", "--dist", "loadfile")])
def test_a_test_that_is_red_once_is_named(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, said, note = looked(tmp_path, "tests/service/test_x.py", RED_ONCE, *options)
    assert code == 0, said
    assert note.splitlines()[0] == "UNSTEADY: tests/service/test_x.py::test_red_once"
    assert "    E   AssertionError: the words of the first time" in note
    assert said.rstrip().endswith(note.rstrip())
    assert "1 failed, 1 passed" in said and "1 passed" in said.partition("a second look at")[2]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("tests/service/test_x.py", "def test_red(): assert False"),
        ("tests/service/test_x.py", ONCE + "def test_skipped():\n"
         "    assert not is_first('mark')\n    pytest.skip('the second time')\n"),
        ("tests/metrics/test_x.py", RED_ONCE),
        ("tests/service/test_x.py", "raise ValueError"),
    ],
    ids=["red twice", "skipped then", "a numeric test", "no test"],
)  # fmt: skip
def test_what_stays_red(tmp_path: Path, path: str, source: str) -> None:
    code, said, note = looked(tmp_path, path, source)
    assert code != 0 and note == ""
    assert "UNSTEADY" not in said


def test_a_process_that_ends_stays_red(tmp_path: Path) -> None:
    source = ONCE + "def test_ends():\n    if is_first('mark'): os._exit(11)\n"
    code, said, note = looked(tmp_path, "tests/service/test_x.py", source, "-n", "1")
    assert (code, note) == (1, ""), said
    assert "no second look: tests/service/test_x.py::test_ends: its process ended" in said


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        (["tests/service/test_x.py::a"], None),
        (["tests/service/a.py::a", "tests/mcp/b.py::b", "tests/test_engines.py::c"], None),
        ([f"tests/service/test_x.py::{k}" for k in range(4)], "4 tests were red"),
        (["tests/service/test_x.py::a", "tests/signals/test_y.py::b"],
         "tests/signals/test_y.py::b drives no server, thread or process"),
        (["tests/service/test_comparing.py::a"],
         "tests/service/test_comparing.py::a drives no server, thread or process"),
        ([], "no test was red"),
    ],
)  # fmt: skip
def test_which_tests_are_run_once_more(tests: list[str], why: str | None) -> None:
    assert no_second_look(First(said=dict.fromkeys(tests, ""))) == why


def test_the_folders_of_the_list_are_there() -> None:
    assert [path for path in (*LIVE, *NUMERIC) if not (ROOT / path).exists()] == []
    assert all(path.startswith(LIVE) for path in NUMERIC)
