"""One run at a time writes an output; what a killed one has left is gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.cli.main import main
from ecgfoundry.errors import FileAccessError, OutputInUseError
from ecgfoundry.inference.holter import HolterSettings, measure_holter
from ecgfoundry.locks import locked

polars = pytest.importorskip("polars", reason="tables of many recordings need polars")

MODEL = "rhythm-single-lead-edge"

# Each does its first part, says so, and stands still until it is killed.
FIRST_PART = """
import sys
def stand_still(_):
    print("one part", flush=True)
    sys.stdin.read()
"""
HELD = {
    "infer": FIRST_PART + "from ecgfoundry.inference.batch.infer import as_manifest, infer_batch\n"
    f"infer_batch(as_manifest(['m.csv']), {MODEL!r}, sys.argv[1], workers=1, chunk=2,"
    " progress=stand_still)\n",
    "embed": FIRST_PART + "from ecgfoundry.inference.batch.infer import as_manifest\n"
    "from ecgfoundry.inference.batch.embed import embed_manifest\n"
    "from ecgfoundry.inference.batch.resumable import BatchOptions\n"
    f"embed_manifest(as_manifest(['m.csv']), {MODEL!r}, sys.argv[1],"
    " BatchOptions(workers=1, chunk=2, progress=stand_still))\n",
    "holter": FIRST_PART
    + "from ecgfoundry.inference.holter import HolterSettings, measure_holter\n"
    "measure_holter('long.npz', sys.argv[1], HolterSettings(model=None), workers=1,"
    " progress=stand_still)\n",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six recordings of ten seconds in one file, and one of an hour."""
    folder = tmp_path_factory.mktemp("one_writer")
    sample = ecgfoundry.read("sample:12-lead")
    noise = np.random.default_rng(0).normal(0, 0.01, (6, 1, 5000)).astype(np.float32)
    np.save(folder / "x.npy", sample.signal[1] + noise)
    (folder / "x.json").write_text('{"leads": ["II"], "sampling_rate": 500, "unit": "mV"}')
    rows = [f"r{k},x.npy,{k},p{k}" for k in range(6)]
    (folder / "m.csv").write_text("\n".join(["record,path,index,patient", *rows]) + "\n")
    long = ecgfoundry.Recording(np.tile(sample.signal[1:2], 360), sample.sampling_rate, ("II",))
    ecgfoundry.write(long, folder / "long.npz")
    return folder


@contextmanager
def held(command: str, output: Path, data: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HELD[command], str(output)], cwd=data, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None and process.stdout.readline() == "one part\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["infer", "embed"])
def test_a_second_run_is_refused_and_a_killed_one_is_gone_on_with(
    command: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(data)
    output = tmp_path / "out.parquet"
    words = [command, "m.csv", "-m", MODEL, "-o", str(output), "--workers", "1"]
    with held(command, output, data) as first:
        parts = output.with_name("out.parquet.parts")
        before = sorted(parts.iterdir())
        for other in ("infer", "embed"):  # of whatever kind the second is
            with pytest.raises(SystemExit) as ended:
                main([other, *words[1:]])
            said = capsys.readouterr().err
            assert ended.value.code == 1
            assert said == (
                f"ecgfoundry: {output}: another run is writing this output. "
                "Wait until it has ended, or choose another --output\n"
            )
        assert sorted(parts.iterdir()) == before and first.poll() is None
        first.send_signal(signal.SIGKILL)
        first.wait()
        # Another chunk is another run: what is there is not mixed with it, and it says what to do.
        with pytest.raises(SystemExit):
            main(words)
        assert "Delete this folder to start anew" in capsys.readouterr().err
    kept = [(path.name, path.stat().st_mtime_ns) for path in parts.glob("*.parquet")]
    with held(command, output, data) as again:  # as it was begun: it goes on with the next part
        assert [(p.name, p.stat().st_mtime_ns) for p in sorted(parts.glob("*.parquet"))][:1] == kept
        assert len(list(parts.glob("*.parquet"))) == 2
        stdin = again.stdin
        assert stdin is not None
        stdin.close()
        again.stdin = None
        assert again.wait() == 0
    table = polars.read_parquet(output)
    assert table["record"].to_list() == [f"r{k}" for k in range(6)]
    assert not parts.exists() and not list(tmp_path.glob("*.lock"))


@pytest.mark.slow
def test_a_second_holter_is_refused_and_a_killed_one_is_gone_on_with(
    data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    settings = HolterSettings(model=None)
    with held("holter", output, data) as first:
        with pytest.raises(OutputInUseError, match=r"another run .* choose another --output"):
            measure_holter(data / "long.npz", output, settings, workers=1)
        first.send_signal(signal.SIGKILL)
        first.wait()
        told = []
        measure_holter(data / "long.npz", output, settings, workers=1, progress=told.append)
    assert [round(each.resumed_s) for each in told] == [1800]
    assert (output / "beats.csv").is_file()
    assert not list(output.glob("*.parts")) and not list(output.glob("*.lock"))


def test_a_lock_file_that_was_removed_meanwhile_keeps_nobody_in(tmp_path: Path) -> None:
    """Whoever waited with the old file open must not hold a lock that nobody else sees."""
    refusal = OutputInUseError("taken", path=tmp_path)
    path = tmp_path / ".lock"
    with locked(path, refusal, stays=False):
        assert path.is_file()
        with pytest.raises(OutputInUseError, match="taken"), locked(path, refusal, stays=False):
            pass
        assert path.is_file(), "who was refused removes nothing"
        path.unlink()
        with locked(path, refusal, stays=False):  # of the new file
            pass
    with locked(path, refusal):
        pass
    assert path.is_file()


def test_a_lock_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / ".lock"
    with (
        pytest.raises(FileAccessError, match="cannot be written: No such file"),
        locked(missing, OutputInUseError("taken")),
    ):
        pass


@pytest.mark.parametrize("command", ["infer", "embed", "holter"])
def test_an_output_below_a_file_is_refused_in_a_sentence(
    command: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    target = str(tmp_path / "file" / "out.parquet")
    given = "long.npz" if command == "holter" else "m.csv"
    with pytest.raises(SystemExit) as ended:
        main([command, str(data / given), "-m", MODEL, "-o", target])
    said = capsys.readouterr().err
    assert ended.value.code == 1 and "Traceback" not in said
    assert "cannot be written: " in said and str(tmp_path / "file") in said
