"""pytest plugins of the forked children: which tests run, which fails first, which runs what.

Loaded by its path (the copy of the repository need not have this package), so standard library,
pytest and what the tests themselves import, and nothing of this package.
"""

from __future__ import annotations

import contextlib
import functools
import math
import mmap
import multiprocessing.process
import os
import shutil
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_STARTS = {"os.fork", "os.forkpty", "os.posix_spawn", "os.system"}


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Let property tests draw the same examples every time, and not shrink what fails."""
    if "hypothesis" in sys.modules:
        from hypothesis import Phase, settings

        settings.register_profile(
            "mutation",
            settings.get_profile("default"),
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),
        )
        settings.load_profile("mutation")


class Clock:
    """When the test that runs now is to be stopped: written by the child, read by its parent.

    Parameters
    ----------
    limits : dict
        Seconds of a test, by file; other files have no limit of their own.
    first : float
        Of ``time.monotonic``: until when the first test has to begin.
    """

    def __init__(self, limits: dict[str, float], first: float) -> None:
        self._limits = limits
        self._shared = mmap.mmap(-1, 8)  # both processes see it after the fork
        self._set(first if limits else math.inf)

    @property
    def deadline(self) -> float:
        """Of ``time.monotonic``."""
        return float(struct.unpack("d", self._shared[:8])[0])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Begin a test."""
        self._set(time.monotonic() + self._limits.get(nodeid.partition("::")[0], math.inf))

    def pytest_sessionfinish(self) -> None:
        """Leave the end to the limit of the whole."""
        self._set(math.inf)

    def _set(self, deadline: float) -> None:
        self._shared[:8] = struct.pack("d", deadline)


class Selection:
    """Runs chosen tests in a given order, and keeps the name of the first that fails.

    Parameters
    ----------
    order : list of str or None
        Node ids; None for all.
    known : list of str
        All node ids of the unmutated source. Others run too: a mutant may change parameters.
    left_out : list of str
        Node ids that never run.
    """

    def __init__(
        self, order: list[str] | None, known: list[str] | None, left_out: list[str]
    ) -> None:
        self._rank = None if order is None else {name: place for place, name in enumerate(order)}
        self._known = set(known or ())
        self._left_out = set(left_out)
        self.failed: str | None = None
        self.failures: list[str] = []
        self.ran = 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the chosen tests."""
        kept = [item for item in items if item.nodeid not in self._left_out]
        if self._rank is not None:
            rank = self._rank
            kept = [i for i in kept if i.nodeid in rank or i.nodeid not in self._known]
            kept.sort(key=lambda item: rank.get(item.nodeid, -1))
        items[:] = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note failures."""
        self.ran += report.when == "call"
        if report.failed:
            self._fail(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note files that cannot be imported any more."""
        if report.failed:
            self._fail(report.nodeid)

    def _fail(self, name: str) -> None:
        self.failed = self.failed or name
        self.failures.append(name)


def may_be_python(arguments: Any) -> bool:
    """Whether a process can run the package: Python, what is installed beside it, or a shell."""
    program, command = arguments[0], arguments[1]
    name = os.fsdecode(program or (command if isinstance(command, str) else command[0]))
    path = Path(shutil.which(name.split()[0]) or name)
    beside = path.parent == Path(sys.executable).parent
    return beside or path.name.startswith(("python", "sh", "bash", "env"))


class Recorder:
    """Records by coverage which test executes which line, how long it takes, who starts processes.

    What is executed in the set-up of a fixture that several tests share belongs to all tests that
    use the fixture. Caches are emptied before each test: otherwise only the first test would be
    seen to need what they hold.

    Parameters
    ----------
    include : str
        The folder whose files are measured.
    package : str
        Import name of the package there.
    """

    def __init__(self, include: str, package: str) -> None:
        import coverage

        self._package = package
        self._measured = coverage.Coverage(
            data_file=None, config_file=False, include=[f"{include}/*"], messages=False
        )
        self._context = ""
        self._users: dict[str, list[str]] = {}
        self._starters: set[str] = set()
        self._seconds: dict[str, float] = {}
        self._patch = contextlib.ExitStack()
        sys.addaudithook(self._audit)
        start = multiprocessing.process.BaseProcess.start

        @functools.wraps(start)
        def noted(process: Any) -> None:
            self._starters.add(self._context)
            start(process)

        multiprocessing.process.BaseProcess.start = noted  # type: ignore[method-assign]
        self._measured.start()

    def _audit(self, event: str, arguments: Any) -> None:
        if event in _STARTS or (event == "subprocess.Popen" and may_be_python(arguments)):
            self._starters.add(self._context)

    def _switch(self, context: str) -> str:
        before, self._context = self._context, context
        self._measured.switch_context(context)
        return before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Attribute what runs to the test."""
        for fixture in getattr(item, "fixturenames", ()):
            self._users.setdefault(f"fixture {fixture}", []).append(item.nodeid)
        self._empty_caches()
        before = self._switch(item.nodeid)
        try:
            return (yield)
        finally:
            self._switch(before)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[Any]:
        """Attribute the set-up of a shared fixture to the fixture."""
        if fixturedef.scope == "function":
            return (yield)
        before = self._switch(f"fixture {fixturedef.argname}")
        try:
            return (yield)
        finally:
            self._switch(before)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the seconds of set-up, call and tear-down."""
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration

    def _empty_caches(self) -> None:
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] == self._package:
                for value in list(vars(module).values()):
                    if isinstance(value, functools._lru_cache_wrapper):
                        value.cache_clear()

    def result(self) -> dict[str, Any]:
        """Return seconds by test, the tests of each line, and the tests that start processes.

        ``lines`` holds, by file and line number, places in ``tests``, and -1 for a line that is
        executed by importing the module.
        """
        self._measured.stop()
        data = self._measured.get_data()
        tests = list(self._seconds)
        place = {name: number for number, name in enumerate(tests)}
        place[""] = -1
        lines: dict[str, dict[int, list[int]]] = {}
        for file in data.measured_files():
            lines[file] = {
                line: sorted({place[test] for name in contexts for test in self._tests(name)})
                for line, contexts in data.contexts_by_lineno(file).items()
            }
        starters = {test for context in self._starters for test in self._tests(context)} - {""}
        return {
            "tests": tests,
            "seconds_of_tests": list(self._seconds.values()),
            "lines": lines,
            "starters": sorted(place[test] for test in starters),
        }

    def _tests(self, context: str) -> list[str]:
        """Return the tests that stand behind a context; [""] behind the import."""
        if context.startswith("fixture "):
            return [name for name in self._users.get(context, []) if name in self._seconds]
        return [context] if context in self._seconds else [""]
