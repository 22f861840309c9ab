"""The README's commands as a reader types them: one by a shell, the others in this process."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ecgfoundry.cli.main import main
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.bundle import shipped_folder
from ecgfoundry.models.card_metrics import figure_row

README = Path(__file__).resolve().parents[2] / "README.md"
MODELS = README.parent / "docs" / "models.md"
SCRIPTS = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands() -> list[str]:
    """Lines that call ecgfoundry; make and pip are run by CI itself."""
    lines = [line.strip() for block in blocks("bash") for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.startswith("ecgfoundry ")]


def needs_what_is_not_here(command: str) -> bool:
    """Commands that download, or that train for hours."""
    return any(
        part in command for part in ("models pull", "train-defaults", "CHECKPOINT", "ecgfounder-12")
    )


def test_the_readme_has_commands() -> None:
    assert len(commands()) >= 5 and len(blocks("python")) >= 1


@pytest.mark.parametrize(
    ("page", "title", "least"),
    [(README, "## The shipped models", 7), (MODELS, "## Figures", 14)],
    ids=["readme", "models"],
)
def test_the_results_are_those_of_the_bundles(page: Path, title: str, least: int) -> None:
    """Every row of the tables stands, figure for figure, in a shipped bundle."""
    section = page.read_text(encoding="utf-8").split(title)[1].split("\n## ")[0]
    given = [line for line in section.splitlines() if line.startswith("|") and "0." in line]
    known = {
        figure_row(Metric.from_dict(metric))
        for path in shipped_folder().glob("*/bundle.json")
        for metric in json.loads(path.read_text(encoding="utf-8"))["metrics"]
    }
    assert len(given) >= least
    assert [line for line in given if line not in known] == []


def test_the_readme_fits_on_two_screens() -> None:
    """About 60 lines each; pictures and tables of commands included."""
    text = README.read_text(encoding="utf-8")
    assert len(text.split()) < 1100 and text.count("![") == 1
    for path in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (README.parent / path).exists(), path


def test_every_file_that_is_read_was_made_or_is_the_readers_own() -> None:
    """JS20000.hea is made by a command before another reads it."""
    naming = [command for command in commands() if "JS20000" in command]
    assert naming[0] == "ecgfoundry convert sample:12-lead JS20000.hea" and len(naming) >= 7


def test_how_to_install_without_builds_for_graphics_cards() -> None:
    for page in (README, README.parent / "docs" / "index.md"):
        text = page.read_text(encoding="utf-8")
        assert "install its CPU build" in text  # of PyTorch, before any extra
        assert "pip install ." in text  # no index has it yet


@pytest.fixture
def reader(tmp_path: Path, fixtures: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a reader: the README's own file names stand for files like these."""
    (tmp_path / "recordings").symlink_to(fixtures / "cinc2021")
    for name in ("JS20000.hea", "JS20000.mat"):
        (tmp_path / name).symlink_to(fixtures / "cinc2021" / name)
    for path in (fixtures / "mitdb").iterdir():
        (tmp_path / path.name.replace(path.stem, "holter")).write_bytes(
            path.read_bytes().replace(path.stem.encode(), b"holter")
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = [command for command in commands() if not needs_what_is_not_here(command)]


@pytest.mark.slow  # 'make demo' runs it too
def test_the_first_command_as_a_shell_runs_it(reader: Path) -> None:
    environment = os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        shlex.split(COMMANDS[0]),
        cwd=reader,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_command(command: str, reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if command.startswith("ecgfoundry convert sample:"):  # it makes what the others read
        for path in reader.glob("JS20000.*"):
            path.unlink()
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command)[1:])
    said = capsys.readouterr()
    assert not ended.value.code, said.err
    assert said.out.strip()


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code: str, reader: Path) -> None:
    exec(compile(code, str(README), "exec"), {"__name__": "__main__"})
