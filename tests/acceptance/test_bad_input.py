"""Bad files: one line that names the file and the remedy, exit code 1, and the others still run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.cli.main import main
from ecgfoundry.schemas import schema_problems


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    captured = capsys.readouterr()
    return int(exit_info.value.code or 0), captured.out, captured.err


@pytest.fixture
def good(tmp_path: Path, fixtures: Path) -> Path:
    for name in ("JS20000.hea", "JS20000.mat"):
        shutil.copy(fixtures / "cinc2021" / name, tmp_path / name)
    return tmp_path / "JS20000.hea"


def header(path: Path, text: str, samples: bytes = b"\0" * 4000) -> Path:
    path.write_text(text)
    path.with_suffix(".dat").write_bytes(samples)
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.hea"
    path.touch()
    return path


def truncated(folder: Path) -> Path:
    shutil.copy(folder / "JS20000.hea", folder / "cut.hea")
    text = (folder / "cut.hea").read_text().replace("JS20000", "cut")
    (folder / "cut.hea").write_text(text)
    (folder / "cut.mat").write_bytes((folder / "JS20000.mat").read_bytes()[:60_000])
    return folder / "cut.hea"


def wrong_format(folder: Path) -> Path:
    path = folder / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    return path


def missing_signal(folder: Path) -> Path:
    path = folder / "alone.hea"
    path.write_text("alone 1 500 5000\nalone.dat 16 1000/mV 16 0 0 0 0 I\n")
    return path


def only_nan(folder: Path) -> Path:
    path = folder / "nan.npz"
    np.savez(path, signal=np.full((1, 5000), np.nan), leads=["I"], sampling_rate=500, unit="mV")
    return path


def huge(folder: Path) -> Path:
    return header(folder / "huge.hea", "huge 1 500 1000000000\nhuge.dat 16 1000/mV 16 0 0 0 0 I\n")


def no_rate(folder: Path) -> Path:
    return header(folder / "zero.hea", "zero 1 0 2000\nzero.dat 16 1000/mV 16 0 0 0 0 I\n")


def negative_gain(folder: Path) -> Path:
    return header(folder / "gain.hea", "gain 1 500 2000\ngain.dat 16 -1000/mV 16 0 0 0 0 I\n")


def nothing_there(folder: Path) -> Path:
    return folder / "not-there.hea"


def no_units(folder: Path) -> Path:
    path = folder / "bare.npy"
    np.save(path, np.zeros((1, 5000), dtype=np.float32))
    return path


BAD: dict[Callable[[Path], Path], str] = {
    empty: "empty",
    truncated: "cut.mat",
    wrong_format: "this is a picture (PNG)",
    missing_signal: "alone.dat",
    only_nan: "missing",
    huge: "huge.dat",
    no_rate: "sampling rate",
    negative_gain: "gain",
    nothing_there: "no such file",
    no_units: "--",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_one_line_and_an_exit_code(make, good: Path, tmp_path: Path, capsys) -> None:
    path = make(tmp_path)
    code, _, err = run(["diagnose", str(path)], capsys)
    lines = err.strip().splitlines()
    assert code == 1 and len(lines) == 1
    assert lines[0].startswith("ecgfoundry: ") and path.stem in lines[0]
    assert BAD[make] in lines[0]
    assert "Traceback" not in err


def test_an_unreadable_file(good: Path, tmp_path: Path, capsys) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    good.chmod(0)
    code, _, err = run(["diagnose", str(good)], capsys)
    assert code == 1 and "permissions" in err


def test_in_a_batch_the_others_still_run(good: Path, tmp_path: Path, capsys) -> None:
    paths = [make(tmp_path) for make in BAD]
    arguments = [str(paths[0]), str(good), *map(str, paths[1:]), "sample:single-lead"]
    code, out, err = run(["diagnose", *arguments, "--json"], capsys)
    documents = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and len(documents) == len(arguments)
    for document in documents:
        assert not schema_problems("interpretation", document)
    answered = [document["file"] for document in documents if document["refused"] is None]
    assert len(answered) == 2 and str(good) in answered
    assert err.strip().splitlines()[-1].startswith(f"ecgfoundry: {len(BAD)} of the files")


def test_nothing_matches(tmp_path: Path, capsys) -> None:
    code, _, err = run(["diagnose", str(tmp_path / "*.hea")], capsys)
    assert code == 1 and "nothing matches this pattern" in err
    code, _, err = run(["diagnose", str(tmp_path)], capsys)
    assert code == 1 and "no recording that can be read" in err
    code, _, err = run(["diagnose", "sample:heart"], capsys)
    assert code == 1 and "There are: 12-lead, single-lead" in err


def test_a_wrong_model_is_one_error(good: Path, capsys) -> None:
    code, _, err = run(["diagnose", str(good), str(good), "--model", "nothing"], capsys)
    assert code == 1 and len(err.strip().splitlines()) == 1
    assert "Available here: diagnosis-12lead, ptbxl-superclass-12lead" in err
