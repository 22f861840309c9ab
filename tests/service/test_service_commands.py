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

from tests.service.waiting import LONGEST_S, until

from ecgfoundry.cli.main import main


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_port_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "serve", "--port", "99999")
    assert line.startswith("ecgfoundry: there is no port 99999")


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        line = refused(capsys, "serve", "--port", str(other.getsockname()[1]))
    assert line.startswith("ecgfoundry: nothing can listen on 127.0.0.1, port")


@pytest.mark.skipif(os.name != "posix", reason="signals to a group of processes")
@pytest.mark.parametrize("wait_s", [0.3, 4.0], ids=["while workers start", "while it waits"])
@pytest.mark.slow
def test_watch_ends_quietly_at_ctrl_c(tmp_path: Path, wait_s: float) -> None:
    """A terminal sends SIGINT to the command and to its workers."""
    command = [sys.executable, "-m", "ecgfoundry", "watch", str(tmp_path), "--every", "0.2"]
    watch = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that run in the background of a shell ignore it, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    dead_letters = tmp_path / "dead-letters"
    until(dead_letters.exists, "the begin of the watch")
    time.sleep(wait_s)
    os.killpg(watch.pid, signal.SIGINT)
    _, words = watch.communicate(timeout=LONGEST_S)
    assert (watch.returncode, words) == (130, "")
