"""``serve`` and ``watch`` as commands: what they say when they cannot begin, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ecgfoundry", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_port_that_does_not_exist() -> None:
    done = run("serve", "--port", "99999")
    assert done.returncode == 1
    assert done.stderr.startswith("ecgfoundry: there is no port 99999")
    assert len(done.stderr.splitlines()) == 1


def test_a_port_that_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = run("serve", "--port", str(other.getsockname()[1]))
    assert done.returncode == 1
    assert done.stderr.startswith("ecgfoundry: nothing can listen on 127.0.0.1, port")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals to a group of processes")
@pytest.mark.parametrize("wait_s", [0.3, 4.0], ids=["while workers start", "while it waits"])
@pytest.mark.slow
def test_watch_ends_quietly_at_ctrl_c(tmp_path: Path, wait_s: float) -> None:
    """A terminal sends SIGINT to the command and to its workers."""
    command = [sys.executable, "-m", "ecgfoundry", "watch", str(tmp_path), "--every", "0.2"]
    watch = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    dead_letters = tmp_path / "dead-letters"
    until = time.monotonic() + 60
    while not dead_letters.exists():  # it has begun
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(wait_s)
    os.killpg(watch.pid, signal.SIGINT)
    _, words = watch.communicate(timeout=60)
    assert (watch.returncode, words) == (130, "")
