"""Whole runs on a tiny repository: what is noticed, what resumes, what the time limit does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cosmic_ray.work_db import WorkDB

from tests.mutation import __main__ as command
from tests.mutation import covering
from tests.mutation.choose import Mutant, find_mutants
from tests.mutation.plan import REPOSITORY, load_plan
from tests.mutation.session import Outcome, Session

VERDICTS = """
[[verdict]]
module = "limits.py"
function = "double"
operator = "core/NumberReplacer"
line = "return 2 * value"
occurrence = 0
verdict = "not equivalent"
reason = "the test uses 0 alone"

[[verdict]]
module = "limits.py"
function = "unused"
operator = "core/NumberReplacer"
line = "return value + 7"
occurrence = 1
verdict = "equivalent"
reason = "nobody calls it"
"""


def run(root: Path, *options: str) -> int:
    return command.main(["--root", str(root), "limits", "--all", *options])


def outcomes(root: Path) -> dict[str, Outcome]:
    """Return the outcomes that a session holds, by the change."""
    database = WorkDB(str(root / "build" / "mutants" / "limits.sqlite"), WorkDB.Mode.open)
    found = {
        " ".join(result.diff.split()): Outcome(**json.loads(result.output))
        for _, result in database.results
    }
    database.close()
    return found


@pytest.mark.slow
def test_a_whole_run(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny / "tests/mutation/verdicts.toml").write_text(VERDICTS)
    docs = tiny / "testing.md"
    docs.write_text("# Tests\n\n<!-- mutants: begin -->\n<!-- mutants: end -->\n\nThe end.\n")
    before = {path: path.read_bytes() for path in tiny.rglob("*") if path.is_file()}

    assert run(tiny, "--workers", "2", "--docs", str(docs)) == 0

    found = outcomes(tiny)
    assert {change for change, outcome in found.items() if not outcome.noticed} == {
        "return 2 * value -> return 3 * value",
        "return 2 * value -> return 1 * value",
        "return value + 7 -> return value + 8",
        "return value + 7 -> return value + 6",
        "return value + 7 -> return value - 7",
    }
    noticed = {change: outcome.test.partition("::")[2] for change, outcome in found.items()}
    assert noticed["LIMIT = 0.6 -> LIMIT = 0.75"] == "test_limit"
    # In this process a cache was filled by an earlier test; the other is seen in a subprocess.
    assert noticed["return 3 -> return 4"] == "test_scaled"
    assert noticed["return 11 -> return 12"] == "test_told_in_another_process"
    assert len(found) == 15
    row = "| limits | 15 | 10 | 67 % (42 % to 85 %) | 1 | 71 % | 90 % |"
    assert row in capsys.readouterr().out
    written = docs.read_text()
    assert row in written and written.endswith("\n\nThe end.\n")
    assert written.count(": not judged") == 3
    assert "+ 8`: not judged" in written
    # What changes nothing is counted in the row; its reason stands in verdicts.toml alone.
    assert "value + 6`" not in written and "nobody calls it" not in written
    assert "3 * value`: not equivalent: the test uses 0 alone" in written
    del before[docs]
    assert {path: path.read_bytes() for path in before} == before

    assert run(tiny) == 0  # again: nothing is left to do
    printed = capsys.readouterr().out
    assert "15 mutants, 0 to run" in printed and row in printed


@pytest.mark.slow
def test_a_stopped_run_goes_on(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory(dir=tiny, prefix="build") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutation", "--root", str(tiny), "--all"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "TMPDIR": folder},
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("survived"):
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(900) == 130
        assert not list(Path(folder).iterdir())  # the copy is gone
    done = outcomes(tiny)
    assert 1 <= len(done) < 15

    left = 15 - len(done)
    assert run(tiny, "--sample", "15", "--list") == 0
    capsys.readouterr()
    assert run(tiny, "--minutes", "0") == 0
    assert f"15 mutants, {left} to run" in capsys.readouterr().out
    assert outcomes(tiny) == done


@pytest.mark.slow
def test_a_mutant_that_never_ends_is_noticed(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "src/tiny/limits.py").write_text(
        "def count(n, step):\n    while n:\n        n = n - step\n    return n\n"
    )
    (tiny / "tests/test_limits.py").write_text(
        "from tiny.limits import count\n\ndef test_count():\n    assert count(3, 1) == 0\n"
    )
    (tiny / "tests/test_slow.py").write_text(  # the limit of one test holds, not that of all
        "import time\n\ndef test_slow():\n    time.sleep(1)\n"
    )
    monkeypatch.setattr(covering, "LEAST_LIMIT_S", 2.0)
    assert command.main(["--root", str(tiny), "--all"]) == 0
    printed = capsys.readouterr().out
    assert "timed out: src/tiny/limits.py:3 n = n - step -> n = n + step" in printed
    assert outcomes(tiny)["n = n - step -> n = n + step"].noticed


@pytest.mark.slow
def test_tests_that_fail_before_any_change_judge_nothing(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "tests/test_limits.py").write_text(
        "from tiny.limits import double\n\n"
        "def test_wrong():\n    assert double(1) == 3\n\n"
        "def test_right():\n    assert double(1) == 2\n"
    )
    assert command.main(["--root", str(tiny), "--sample", "2", "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert "fails on the unchanged source: tests/test_limits.py::test_wrong" in printed
    assert all(o.test != "tests/test_limits.py::test_wrong" for o in outcomes(tiny).values())


def test_no_test_at_all_is_an_error(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny / "tests/test_limits.py").write_text("import nothing_of_this_name\n")
    assert run(tiny) == 2
    assert "nothing_of_this_name" in capsys.readouterr().err


def test_how_long_an_outcome_stands(tiny: Path) -> None:
    (tiny / "tests/test_more.py").write_text("def test_more(): ...\n")
    mutants = _mutants(tiny)
    noticed, survived, unseen = mutants[:3]

    def session() -> Session:
        plan = load_plan(tiny)
        return Session(tiny / "build" / "limits.sqlite", plan, plan.areas[0])

    def standing() -> list[bool]:
        with_outcome = [session().outcome(mutant) for mutant in (noticed, survived, unseen)]
        return [outcome is not None for outcome in with_outcome]

    own = session()
    own.add(mutants)
    own.record(noticed, Outcome(True, "failed", "tests/test_limits.py::test_limit"))
    own.record(survived, Outcome(False, "survived"))
    own.close()
    assert standing() == [True, True, False]
    (tiny / "tests/test_more.py").write_text("def test_more(): assert True\n")
    assert standing() == [True, False, False]
    (tiny / "tests/test_limits.py").write_text("def test_limit(): ...\n")
    assert standing() == [False, False, False]
    own = session()
    own.record(survived, Outcome(False, "survived", partial=True))
    assert own.outcome(survived) is not None  # it counts in this run, and not in the next
    own.close()
    assert standing() == [False, False, False]


@pytest.mark.slow
def test_changed_lines_alone_are_judged(
    tiny: Path,
    git: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def changed(*options: str) -> tuple[int, str]:
        code = command.main(["--root", str(tiny), "--changed", *options])
        return code, capsys.readouterr().out

    monkeypatch.delenv("ECGFOUNDRY_BASE", raising=False)
    code, printed = changed()
    assert code == 0 and "skipped, there is no base revision" in printed
    (tiny / "tests/test_limits.py").touch()
    code, printed = changed("--base", "HEAD")
    assert code == 0 and "skipped, nothing that an area covers was changed" in printed

    module = tiny / "src/tiny/limits.py"
    module.write_text(module.read_text().replace("2 * value", "2 * value * 1"))
    git("commit", "--all", "--quiet", "--message", "second")
    code, printed = changed()
    assert code == 0 and "limits: 6 mutants, 6 to run" in printed
    assert "survived: src/tiny/limits.py:13 return 2 * value * 1" in printed
    monkeypatch.setattr(command, "LEAST_RUN", 6)
    code, printed = changed()
    assert code == 1 and "changes were noticed, fewer than 80%" in printed
    code, printed = changed("--fresh", "--minutes", "0.0001")
    assert code == 0 and "limits: 0 judged" in printed


def _mutants(root: Path) -> list[Mutant]:
    return find_mutants(root / "src/tiny/limits.py", "limits.py")
