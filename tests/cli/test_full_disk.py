"""A disk without room: commands say so in a sentence, and leave nothing that looks finished."""

from __future__ import annotations

from pathlib import Path

import pytest

import ecgfoundry
from ecgfoundry.cli.main import main


@pytest.mark.parametrize(
    ("command", "ending"), [("infer", "csv"), ("infer", "parquet"), ("convert", "edf")]
)
def test_a_full_disk_is_said_in_a_sentence(
    command: str, ending: str, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if ending == "parquet":
        pytest.importorskip("polars")
    with (small_disk / "fill").open("wb", buffering=0) as stream, pytest.raises(OSError):
        while True:
            stream.write(bytes(4096))
    target = str(small_disk / f"a.{ending}")
    words = {
        "infer": ("sample:single-lead", "-m", "rhythm-single-lead-edge", "-o", target),
        "convert": ("sample:12-lead", target),
    }[command]
    with pytest.raises(SystemExit) as ended:
        main([command, *words])
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 1
    assert "cannot be written: no space is left. Free space, or choose another folder" in said
    assert "Traceback" not in said and len(said.splitlines()) == 1
    assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["fill"]


@pytest.mark.parametrize(
    "command",
    [
        "corpus build TABLE -o FILE/corpus",
        "convert sample:12-lead FILE/a.npz",
        "models export rhythm-single-lead-edge -o FILE/export",
    ],
    ids=lambda command: command.split(" -")[0],
)
def test_a_file_where_a_folder_should_be_is_said_in_a_sentence(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("polars")
    ecg, table = tmp_path / "a.npz", tmp_path / "m.csv"
    ecgfoundry.write(ecgfoundry.read("sample:single-lead"), ecg)
    table.write_text("record,path,patient,split,target:AF\na,a.npz,p,test,1\n")
    (tmp_path / "file").write_text("")
    named = {"TABLE": str(table), "FILE": str(tmp_path / "file")}
    words = command
    for name, path in named.items():
        words = words.replace(name, path)
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    said = capsys.readouterr().err
    assert ended.value.code == 1 and "Traceback" not in said
    assert said.startswith("ecgfoundry: ") and str(tmp_path / "file") in said
