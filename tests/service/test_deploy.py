"""The recipes in deploy/: what they start is a command that exists, with what it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def known_options() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "ecgfoundry", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"} | _python_path(),
    )
    return set(re.findall(r"--[a-z-]+", done.stdout))


def _python_path() -> dict[str, str]:
    import os

    return {key: os.environ[key] for key in ("PYTHONPATH", "HOME") if key in os.environ}


def test_the_container_starts_a_command_that_exists(known_options: set[str]) -> None:
    text = (DEPLOY / "Containerfile").read_text()
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)
    words = json.loads(entry)
    assert words[:2] == ["ecgfoundry", "serve"]
    assert {word for word in words if word.startswith("--")} <= known_options
    # PDF reports need Pango; the package comes from the built wheel and from no index.
    assert "libpango-1.0-0" in text
    (install,) = re.findall(r"pip install .*?&&", text, re.DOTALL)
    assert "--no-index" in install
    assert "/wheels/ecgfoundry-*.whl" in install


def test_the_unit_starts_a_command_that_exists(known_options: set[str]) -> None:
    text = (DEPLOY / "ecgfoundry.service").read_text().replace("\\\n", " ")
    (command,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert set(re.findall(r"--[a-z-]+", command)) <= known_options
