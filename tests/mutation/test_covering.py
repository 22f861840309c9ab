"""Which statement a line belongs to, and which tests judge it in which order."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutation.choose import Mutant, find_mutants
from tests.mutation.covering import Baseline, statement
from tests.mutation.hooks import may_be_python

SOURCE = """LIMIT = (
    0.6
)


@decorated(
    1
)
def above(
    value=0.5,
):
    if (
        value > LIMIT
    ):
        return 1.5
    return None
"""


@pytest.mark.parametrize(
    ("line", "lines", "names", "body"),
    [
        (2, [1, 2, 3], ("LIMIT",), []),
        (7, [6, 7, 8, 9, 10, 11], ("above",), [12, 13, 14, 15, 16]),
        (10, [6, 7, 8, 9, 10, 11], ("above",), [12, 13, 14, 15, 16]),
        (13, [12, 13, 14], (), []),
        (15, [15], (), []),
        (4, [4], (), []),
    ],
)
def test_statements(line: int, lines: list[int], names: tuple[str, ...], body: list[int]) -> None:
    found = statement(SOURCE, line)
    assert (list(found.lines), found.names, list(found.body)) == (lines, names, body)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (sys.executable, True),
        ("python3", True),
        ("/bin/sh", True),
        (str(Path(sys.executable).with_name("ecgfoundry")), True),
        ("/opt/compilers/gcc", False),
        (b"/opt/git", False),
    ],
)
def test_which_processes_may_run_the_package(program: str | bytes, expected: bool) -> None:
    assert may_be_python((program, [program, "-x"], None, None)) is expected
    assert may_be_python((None, [program, "-x"], None, None)) is expected


BASELINE = Baseline(
    tests=["a.py::slow", "a.py::quick", "b.py::one", "b.py::starts", "c.py::fails"],
    seconds=[4.0, 0.5, 1.0, 2.0, 0.1],
    lines={"m.py": {1: [-1], 6: [-1], 9: [-1], 13: [2, 4], 15: [0, 1]}},
    starters={3},
    failing=["c.py::fails"],
)


def _mutant(line: int) -> Mutant:
    return next(m for m in find_mutants(Path("m.py"), "m.py", SOURCE) if m.line == line)


def test_tests_that_execute_the_line_and_those_that_start_processes() -> None:
    assert BASELINE.judges(_mutant(15)) == ["a.py::quick", "a.py::slow", "b.py::starts"]
    assert BASELINE.judges(_mutant(13)) == ["b.py::one", "b.py::starts"]


def test_all_tests_judge_what_is_executed_by_importing() -> None:
    # First those that execute a line with the name of the constant (13), then all others.
    assert BASELINE.judges(_mutant(2)) == [
        "b.py::one", "b.py::starts", "a.py::quick", "a.py::slow",
    ]  # fmt: skip
    # Those that execute the body of the function whose default is changed (12 to 16) come first.
    assert BASELINE.judges(_mutant(10)) == [
        "b.py::one", "a.py::quick", "a.py::slow", "b.py::starts",
    ]  # fmt: skip


def test_all_tests_judge_what_one_of_them_is_the_first_to_import() -> None:
    """The module is imported where it is needed: the first test alone executes a constant."""
    late = replace(BASELINE, lines={"m.py": {1: [1], 6: [1], 9: [1], 13: [2], 15: [0]}})
    assert late.judges(_mutant(2)) == ["a.py::quick", "b.py::one", "b.py::starts", "a.py::slow"]
    assert late.judges(_mutant(15)) == ["a.py::slow", "b.py::starts"]


def test_the_time_limits() -> None:
    assert BASELINE.limits() == {"a.py": 30.0, "b.py": 20.0, "c.py": 10.5}
    assert BASELINE.limit(["a.py::slow", "b.py::one"]) == 10.0 + 5.0 * 5.0
