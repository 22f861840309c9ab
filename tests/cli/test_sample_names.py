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
