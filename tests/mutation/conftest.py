"""A tiny repository to be mutated."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

LIMITS = '''"""Limits."""

import functools

LIMIT = 0.6


def above(value):
    return value > LIMIT


def double(value):
    return 2 * value


def unused(value):
    return value + 7


@functools.lru_cache
def scale():
    return 3


def scaled(value):
    return value * scale()


def told():
    return 11
'''

TESTS = """import os
import subprocess
import sys

import pytest

from tiny.limits import above, double, scaled


def test_limit():
    assert above(0.61) and not above(0.6) and above(0.65) and not above(0.5)


def test_double_is_weak():
    assert double(0) == 0


def test_scaled_first():
    scaled(1)  # fills the cache


def test_scaled():
    assert scaled(2) == 6


def test_told_in_another_process():
    command = [sys.executable, "-c", "from tiny.limits import told; print(told())"]
    assert subprocess.check_output(command, text=True).strip() == "11"
"""

PLAN = """package = "src/tiny"
[defaults]
aim = 0.9
[areas.limits]
modules = ["limits.py"]
tests = ["tests/test_*.py"]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A repository with the package ``tiny``: mutants that are noticed, and some that are not."""
    root = tmp_path / "tiny"
    for name, text in {
        "pyproject.toml": "[tool.pytest.ini_options]\n",
        "src/tiny/__init__.py": "",
        "src/tiny/limits.py": LIMITS,
        "tests/__init__.py": "",
        "tests/test_limits.py": TESTS,
        "tests/mutation/plan.toml": PLAN,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def git(tiny: Path) -> Callable[..., str]:
    """Run git in the tiny repository, whose files are its first commit."""

    def run(*arguments: str) -> str:
        identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
        command = ["git", "-C", str(tiny), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    run("init", "--quiet")
    run("add", "--all")
    run("commit", "--quiet", "--message", "first")
    return run
