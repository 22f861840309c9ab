"""Files, folders and long recordings: the same answer as in memory, in bounded memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.errors import FileAccessError
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.inference.files import (
    default_model,
    expand_paths,
    interpret_file,
    interpret_files,
)
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.recording import Recording


@pytest.fixture
def long_record(tmp_path: Path, fixtures: Path) -> Path:
    """Ten minutes: the MIT-BIH excerpt (with atrial fibrillation) repeated."""
    (path,) = (fixtures / "mitdb").glob("*.hea")
    excerpt = ecgfoundry.read(path)
    signal = np.tile(excerpt.signal, (1, 10))
    long = Recording(signal=signal, sampling_rate=excerpt.sampling_rate, leads=excerpt.leads)
    return write_wfdb(long, tmp_path, "long")


def test_a_long_file_gives_the_answer_of_the_array(long_record: Path) -> None:
    predictor = load_model("rhythm-single-lead")
    from_file = interpret_file(predictor, long_record)
    from_array = predictor.interpret(ecgfoundry.read(long_record))
    assert len(from_file.windows) == 20 and from_file.episodes is not None
    for given, wanted in zip(from_file.windows, from_array.windows, strict=True):
        assert given.probabilities == pytest.approx(wanted.probabilities, abs=1e-6)
    assert from_file.burden == pytest.approx(from_array.burden)


@pytest.mark.slow
def test_a_day_is_read_in_bounded_memory(tmp_path: Path, fixtures: Path) -> None:
    """24 h of one lead at 360 Hz are 124 MB as float32; the peak must not grow with the length."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak memory of a process is read from /proc")
    (path,) = (fixtures / "mitdb").glob("*.hea")
    excerpt = ecgfoundry.read(path)
    peaks = {}
    for hours in (1, 24):
        signal = np.tile(excerpt.signal[:1], (1, 60 * hours))
        day = Recording(signal=signal, sampling_rate=360.0, leads=excerpt.leads[:1])
        header = write_wfdb(day, tmp_path, f"hours{hours}")
        code = (
            "from pathlib import Path\n"
            "from ecgfoundry.inference.files import interpret_file\n"
            "from ecgfoundry.inference.predictor import load_model\n"
            f"answer = interpret_file(load_model('rhythm-single-lead'), {str(header)!r})\n"
            f"assert len(answer.windows) == {120 * hours}\n"
            # Not getrusage: its peak is inherited from the process that started this one.
            "status = Path('/proc/self/status').read_text()\n"
            "print(status.split('VmHWM:')[1].split()[0])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        peaks[hours] = int(done.stdout) / 1024
    print(f"peak memory: {peaks[1]:.0f} MB for one hour, {peaks[24]:.0f} MB for 24")
    assert peaks[24] - peaks[1] < 40, peaks


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, fixtures: Path) -> None:
    good = fixtures / "cinc2021" / "JS20000.hea"
    (tmp_path / "bad.hea").touch()
    predictor = load_model("rhythm-single-lead")
    results = list(interpret_files(lambda _: predictor, [good, tmp_path / "bad.hea", good]))
    assert [result.error is None for result in results] == [True, False, True]
    assert results[0].interpretation.findings == results[2].interpretation.findings


def test_folders_and_patterns(tmp_path: Path, fixtures: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(fixtures / "cinc2021", folder / "a")
    (folder / "a" / ".hidden.hea").touch()
    (folder / "notes.md").write_text("not a recording")
    names = [path.name for path in expand_paths([folder])]
    assert names == sorted(path.name for path in (fixtures / "cinc2021").glob("*.hea"))
    assert [p.name for p in expand_paths([str(folder / "a" / "J*")])] == ["JS20000.hea"]
    assert len(expand_paths([folder, folder / "a" / "JS20000.hea"])) == len(names)
    with pytest.raises(FileAccessError, match="nothing matches"):
        expand_paths([str(tmp_path / "*.edf")])


def test_the_model_that_suits_a_file(long_record: Path, fixtures: Path) -> None:
    for path, model in (
        (fixtures / "cinc2021" / "JS20000.hea", "ptbxl-superclass-12lead"),
        (fixtures / "cinc2017" / "A00001.hea", "rhythm-single-lead"),
        (long_record, "rhythm-single-lead"),
    ):
        with ecgfoundry.open(path) as file:
            assert default_model(file) == model
