"""``sample:NAME`` stands for a shipped recording in every command that takes a file."""

from __future__ import annotations

from pathlib import Path

import pytest

import ecgfoundry
from ecgfoundry.cli.main import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_every_command_takes_a_sample(tmp_path: Path) -> None:
    assert run("read", "sample:12-lead") == 0
    assert run("convert", "sample:12-lead", str(tmp_path / "a.edf")) == 0
    assert ecgfoundry.read(tmp_path / "a.edf").leads[:3] == ("I", "II", "III")
    assert run("diagnose", "sample:single-lead") == 0


def test_a_name_that_is_none_lists_the_samples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("read", "sample:13-lead") != 0
    assert "There are: 12-lead, single-lead" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("read",), 0),
        (("measure",), 0),
        (("diagnose",), 0),
        (("diagnose", "--lead", "V9"), 1),
        (("convert", "a.npz"), 0),
        (("holter", "--no-rhythm", "-o", "day"), 0),
    ],
)
def test_people_read_the_name_that_they_gave(
    arguments: tuple[str, ...],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *rest = arguments
    assert run(command, "sample:single-lead", *rest) == code
    said = capsys.readouterr()
    assert "sample:single-lead" in said.out
    assert "A01711.hea" not in said.out + said.err
