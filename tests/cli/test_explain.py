"""``ecgfoundry explain`` as a user calls it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from ecgfoundry.cli.main import main


def run(*tokens: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(tokens))
    return int(stopped.value.code or 0)


def test_picture_and_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "mi.svg"
    path = Path(__file__).resolve().parents[1] / "fixtures" / "cinc2021" / "HR06005.hea"
    code = run("explain", str(path), "--target", "MI", "--output", str(output), "--json", "--lead",
               "II", "--threads", "1")  # fmt: skip
    assert code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["target"] == "MI" and document["method"] == "occlusion"
    assert document["lead_shares"] == {"II": 1.0}
    assert ElementTree.parse(output).getroot().get("class") == "ecg-paper"
    assert [item.name for item in output.parent.iterdir()] == ["mi.svg"]


def test_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "sample:12-lead", "--output", str(tmp_path / "x.pdf")) == 1
    assert "Use .svg or .html" in capsys.readouterr().err
    assert run("explain", "sample:12-lead", "--target", "cold") == 1
    error = capsys.readouterr().err
    assert "has no target 'cold'" in error and error.count("\n") == 1
