"""The tests as CI runs them: ``python -m tests.second_look -n 2 --dist loadfile``.

A test that drives real servers, threads or processes can be red by an accident of the scheduler
once in thousands of runs. So where at most :data:`MOST` tests were red, all of them among
:data:`LIVE`, they are run once more, alone and in one process. If every one of them passes then,
the run is green and a line ``UNSTEADY: test`` says which it was, with what was seen the first time.
That test, or what it tests, has a fault that is to be mended.

Arguments are those of pytest. What was unsteady is added to the file that ``ECGFOUNDRY_UNSTEADY``
names, for the end of a long output.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

__all__ = ["LIVE", "MOST", "NUMERIC", "First", "again", "main", "no_second_look"]

MOST = 3
"""More red tests at a time are no accident (our choice)."""
LIVE = (
    "tests/service/",
    "tests/mcp/",
    "tests/mutation/test_run.py",
    "tests/streams/test_stream_sources.py",
    "tests/cli/test_interrupted.py",
    "tests/test_engines.py",
)
"""Folders and files whose tests drive servers, sockets, threads and processes."""
NUMERIC = (
    "tests/service/test_answer_drift.py",
    "tests/service/test_comparing.py",
    "tests/service/test_embedding_drift.py",
    "tests/service/test_reading_document.py",
)
"""Files within them that test numbers: these are the same in every run, or wrong."""
_LINES = 60
"""Of what a test said when it was red, the last so many are repeated (our choice)."""


@dataclass
class First:
    """What was red in the first run; a plugin of pytest that notes it.

    ``said`` has the words of each test that was red, ``broken`` is what no second look can mend.
    """

    said: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note a test that was red in any of its phases."""
        if not report.failed:
            return
        if report.when not in ("setup", "call", "teardown"):  # said by pytest-xdist
            self.broken.append(f"{report.nodeid}: its process ended")
        earlier = self.said.get(report.nodeid, "")
        self.said[report.nodeid] = f"{earlier}{report.longreprtext}\n"

    def pytest_collectreport(self, report: Any) -> None:
        """Note a file that could not be collected."""
        if report.failed:
            self.broken.append(f"{report.nodeid}: it cannot be collected")


def no_second_look(first: First) -> str | None:
    """Return why the red of a run is believed at once; None: its tests are run once more."""
    if first.broken:
        return first.broken[0]
    if not first.said:
        return "no test was red"
    if len(first.said) > MOST:
        return f"{len(first.said)} tests were red"
    for test in first.said:
        if not test.startswith(LIVE) or test.startswith(NUMERIC):
            return f"{test} drives no server, thread or process"
    return None


def again(tests: Sequence[str]) -> bool:
    """Run tests once more, alone and in one process; return whether every one of them passed."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.xml"
        options = ["-p", "no:xdist", "-p", "no:cacheprovider", "-m", "slow or not slow"]
        command = [sys.executable, "-m", "pytest", *options, f"--junit-xml={counts}", *tests]
        if subprocess.run(command, check=False).returncode:
            return False
        suite = ElementTree.parse(counts).getroot().find("testsuite")
    assert suite is not None
    return suite.get("tests") == str(len(tests)) and suite.get("skipped") == "0"


def main(arguments: Sequence[str]) -> int:
    """Run pytest, and what deserves it once more; return the exit code."""
    first = First()
    code = int(pytest.main(list(arguments), plugins=[first]))
    if code != pytest.ExitCode.TESTS_FAILED:
        return code
    if why := no_second_look(first):
        print(f"\nno second look: {why}")
        return code
    tests = sorted(first.said)
    print(f"\na second look at {', '.join(tests)}", flush=True)
    if not again(tests):
        return code
    words = "".join(_unsteady(test, first.said[test]) for test in tests)
    print(words, end="", flush=True)
    if note := os.environ.get("ECGFOUNDRY_UNSTEADY"):
        with Path(note).open("a", encoding="utf-8") as file:
            file.write(words)
    return 0


def _unsteady(test: str, said: str) -> str:
    """Return the line about a test, with the end of what it said when it was red."""
    lines = said.rstrip().splitlines()[-_LINES:]
    return f"UNSTEADY: {test}\n" + "".join(f"    {line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
