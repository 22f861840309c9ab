"""One long recording: its bar moves while it is read, on a terminal and nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")

# The real command. What depends on the clock is taken out: the bar is there from the start, and
# every part that was read is told and drawn.
CODE = """
import sys
from ecgfoundry.cli import main, saying
from ecgfoundry.measurements import followed
saying.BAR_AFTER_S = 0.0
followed._TOLD_EVERY_S = 0.0
update = saying.Bar.update
def drawn(bar, *given, **named):
    update(bar, *given, **named)
    bar._bar.refresh()
saying.Bar.update = drawn
main.main(sys.argv[1:])
"""
COMMANDS = {
    "holter": "holter long.npz -o OUT --no-rhythm --no-pdf --workers 1",
    "diagnose": "diagnose long.npz --model rhythm-single-lead-edge",
    "measure": "measure long.npz",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """75 minutes of one lead: two parts of half an hour, and a rest."""
    where = tmp_path_factory.mktemp("long")
    sample = ecgfoundry.read("sample:single-lead")
    seconds = sample.signal.shape[1] / sample.sampling_rate
    long = np.tile(sample.signal, round(4500 / seconds))
    ecgfoundry.write(
        ecgfoundry.Recording(long, sample.sampling_rate, sample.leads), where / "long.npz"
    )
    return where


def on_terminal(command: list[str], folder: Path) -> str:
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *command], cwd=folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert process.wait() == 0, shown.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def lengths(shown: str) -> list[int]:
    """Return how much of each drawn bar was full, without repetitions."""
    full = [line.count("━") for line in re.split(r"[\r\n]+", shown) if "━" in line]
    return list(dict.fromkeys(full))


@pytest.mark.slow
def test_holter_tells_the_seconds_of_the_recording(folder: Path, tmp_path: Path) -> None:
    command = COMMANDS["holter"].replace("OUT", str(tmp_path / "out")).split()
    shown = on_terminal(command, folder)
    told = [int(done) for done in re.findall(r"Measuring .*? (\d+)/4500 left", shown)]
    assert list(dict.fromkeys(told)) == [1800, 3600, 4500]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diagnose", "measure"])
def test_the_bar_of_one_file_moves_while_it_is_read(name: str, folder: Path) -> None:
    command = COMMANDS[name].split()
    shown = on_terminal(command, folder)
    assert re.search(r"0/1 left", shown) and "Traceback" not in shown
    moved = lengths(shown)
    assert moved == sorted(moved) and len(moved) > 20
    piped = subprocess.run(
        [sys.executable, "-c", CODE, *command], cwd=folder, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "━" not in piped.stderr and "0/1" not in piped.stderr
