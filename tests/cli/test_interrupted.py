"""Ctrl-C in a long command: exit code 130, the command that goes on, and whole files only."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry

pytest.importorskip("polars", reason="tables of many recordings need polars")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals to a group of processes"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 recordings of ten seconds with labels, and one of an hour."""
    folder = tmp_path_factory.mktemp("interrupted")
    sample = ecgfoundry.read("sample:12-lead")
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 0.01, (200, 1, 5000)).astype(np.float32)
    np.save(folder / "x.npy", sample.signal[1] + noise)
    (folder / "x.json").write_text('{"leads": ["II"], "sampling_rate": 500, "unit": "mV"}')
    rows = [f"r{k},x.npy,{k},p{k},{k % 2}" for k in range(200)]
    (folder / "m.csv").write_text("\n".join(["record,path,index,patient,target:A", *rows]) + "\n")
    long = np.tile(sample.signal[:2], 360)
    ecgfoundry.write(
        ecgfoundry.Recording(long, sample.sampling_rate, ("I", "II")), folder / "long.npz"
    )
    return folder


COMMANDS = {
    "infer": "infer m.csv -m rhythm-single-lead -o OUT/o.parquet --workers 2",
    "corpus": "corpus build m.csv -o OUT/corpus --only-ecg --workers 2",
    "holter": "holter long.npz -o OUT/h --no-pdf --workers 2",
    "finetune": "finetune m.csv --target A -o OUT/run -m rhythm-single-lead-edge --epochs 2 "
    "--threads 1",
}


def interrupted(command: str, folder: Path, output: Path) -> tuple[int, str]:
    """Start a command, press Ctrl-C when its first file is there, return its end.

    On a busy machine it may come to its end before we look: then it begins anew.
    """
    for _ in range(10):
        code, said = _interrupted(command, folder, output)
        if code != 0:
            return code, said
        shutil.rmtree(output)
        output.mkdir()
    raise AssertionError("it is always too quick to be interrupted")


def _interrupted(command: str, folder: Path, output: Path) -> tuple[int, str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "ecgfoundry", *shlex.split(command)],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        # Tests that run in the background of a shell ignore it, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    for _ in range(90_000):  # a quarter of an hour: only what never comes takes so long
        if any(path.is_file() for path in output.rglob("*")) or process.poll() is not None:
            break
        time.sleep(0.01)
    if process.poll() is None:
        # To the command alone: a terminal sends it to the workers too, and one that just starts may
        # then say a traceback.
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=900)
    return process.returncode, said.decode()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_printed_command_goes_on(name: str, data: Path, tmp_path: Path) -> None:
    if name == "finetune":
        pytest.importorskip("torch")
    command = COMMANDS[name].replace("OUT", str(tmp_path))
    code, said = interrupted(command, data, tmp_path)
    assert code == 130, said
    assert "Traceback" not in said
    advice = said.strip().splitlines()[-1]
    assert advice == f"ecgfoundry: stopped; what is finished stays. To go on: ecgfoundry {command}"
    assert list(tmp_path.rglob("*.part")) == []
    again = shlex.split(advice.partition("To go on: ")[2])
    done = subprocess.run(
        [sys.executable, "-m", *again], cwd=data, capture_output=True, timeout=900
    )
    assert done.returncode == 0, done.stderr.decode()
