"""``ecgfoundry convert`` as a user runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.cli.main import main
from ecgfoundry.formats import read


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


def test_one_file_to_every_format_and_back(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = read(fixtures / "cinc2021/JS20000")
    for name in ("x.hea", "x.edf", "x.dcm", "x.npz", "x.parquet"):
        assert run("convert", fixtures / "cinc2021/JS20000.hea", tmp_path / name) == 0
        back = read(tmp_path / name)
        assert back.leads == original.leads
        np.testing.assert_allclose(back.signal, original.signal, atol=0.00051)
        assert "12 leads; 500 Hz; 10 s" in capsys.readouterr().out


def test_a_batch_goes_on_after_a_damaged_file(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    for stem in ("JS20000", "E07500"):
        for suffix in (".hea", ".mat"):
            shutil.copy(fixtures / f"cinc2021/{stem}{suffix}", folder)
    cut = folder / "E07500.mat"
    cut.chmod(0o644)
    cut.write_bytes(cut.read_bytes()[:5000])
    assert run("convert", tmp_path / "in", tmp_path / "out", "--to", "edf") == 1
    answer = capsys.readouterr()
    assert "E07500.mat: the signal file has 5000 bytes" in answer.err
    assert "1 of 2 recordings were converted" in answer.err
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["JS20000.edf"]
    assert (tmp_path / "out/deep/JS20000.edf").is_file()


def test_no_subject_and_no_overwriting(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = fixtures / "cinc2021/JS20000.hea"
    assert run("convert", source, tmp_path / "x.npz", "--no-subject") == 0
    assert read(tmp_path / "x.npz").subject.age is None
    assert run("convert", source, tmp_path / "x.npz") == 1
    assert "--force" in capsys.readouterr().err
    assert run("convert", source, tmp_path / "x.npz", "--force") == 0
    assert read(tmp_path / "x.npz").subject.age == 84


def test_usage(fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("convert", fixtures / "cinc2021/JS20000.hea") == 2
    (tmp_path / "out").mkdir()
    assert run("convert", fixtures / "cinc2021/JS20000.hea", tmp_path / "out") == 1
    assert "--to wfdb" in capsys.readouterr().err
    files = [fixtures / "cinc2021/JS20000.hea", fixtures / "cinc2021/JS20000.mat"]
    assert run("convert", *files, tmp_path / "out", "--to", "npz") == 1
    assert "was already converted" in capsys.readouterr().err
