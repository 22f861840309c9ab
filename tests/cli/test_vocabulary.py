"""One vocabulary of options: the same meaning has the same name and letter in every command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from benchmarks.experiments.hostile_signals import as_leads
from cyclopts import App

import ecgfoundry
from ecgfoundry.cli import saying
from ecgfoundry.cli.main import app, main

LETTERS = {"--output": "-o", "--model": "-m"}


def commands(parent: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[set[str]]]]:
    for name in parent:
        if not name.startswith("-"):
            yield from commands(parent[name], (*path, name))
    if path and parent.default_command is not None:
        arguments = parent.assemble_argument_collection()
        # What is given by its place needs no letter.
        yield " ".join(path), [set(each.names) for each in arguments if each.index is None]


Vocabulary = dict[str, list[set[str]]]
TERMINAL = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    """The options of every command, each with all of its names."""
    found = dict(commands(app))
    assert len(found) > 35 and "stream follow" in found
    return found


def test_options_have_their_letter_and_flags_no_opposite(vocabulary: Vocabulary) -> None:
    for command, arguments in vocabulary.items():
        for names in arguments:
            for option, letter in LETTERS.items():
                if option in names and command != "serve":  # there it is a list
                    assert letter in names, (command, names)
            for flag in ("--json", "--csv"):
                if flag in names:
                    assert not any(name.startswith("--no-") for name in names), (command, names)


def test_the_letters_of_all_commands(vocabulary: Vocabulary) -> None:
    taken = {"-o": "--output", "-m": "--model", "-t": "--target"}
    for command, arguments in vocabulary.items():
        for names in arguments:
            for letter in (name for name in names if re.fullmatch("-[a-zA-Z]", name)):
                assert taken[letter] in names, (command, names)
    every = {name for each in app.meta.assemble_argument_collection() for name in each.names}
    assert {"--quiet", "-q"} <= every and {"--verbose", "-v"} <= every
    assert {"--version", "-V"} == set(app.version_flags)


def test_lists_have_no_switch_that_empties_them() -> None:
    every = app.generate_docs(output_format="markdown")
    assert "--trusted-proxy" in every and "--option" in every
    assert "--empty-" not in every and "[default: ()]" not in every


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_quiet_says_answers_and_errors_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter.bin").write_bytes(b"\0\1nothing")
    ecgfoundry.write(ecgfoundry.read("sample:single-lead"), tmp_path / "a.npz")
    given = ("read", str(tmp_path), "--csv")
    assert run(*given) == 0
    loud = capsys.readouterr()
    assert run("-q", *given) == run(*given, "--quiet") == 0
    quiet = capsys.readouterr()
    assert "1 read, 0 refused, 1 not recognised" in loud.err
    assert (quiet.out, quiet.err) == (2 * loud.out, "")
    assert run("-q", "read", "nowhere.dat") == 1
    assert "there is no such file" in capsys.readouterr().err


def test_verbose_says_where_an_error_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("corpus", "verify", "nowhere") == 1
    assert "Traceback" not in capsys.readouterr().err
    assert run("corpus", "verify", "nowhere", "-v") == 1
    said = capsys.readouterr().err
    assert "Traceback" in said and said.strip().splitlines()[-1].startswith("ecgfoundry: nowhere:")


def test_the_version_has_a_letter(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-V") == 0
    assert capsys.readouterr().out.strip() == ecgfoundry.__version__


# --- completion -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "ecgfoundry.bash"
    with path.open("w") as stream, redirect_stdout(stream), pytest.raises(SystemExit) as ended:
        main(["completion", "bash"])
    assert not ended.value.code
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ecgfoundry dia", {"diagnose"}),
        ("ecgfoundry models ", {"list", "show", "verify", "export", "import", "pull"}),
        ("ecgfoundry diagnose --ear", {"--earlier"}),
        ("ecgfoundry serve --log-format ", {"text", "json"}),
        ("ecgfoundry completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes(script: Path, typed: str, offered: set[str]) -> None:
    """As bash does it: the words, the number of the one that is typed, then the function."""
    words = typed.split(" ")
    asked = (
        f'source "{script}"; COMP_WORDS=({" ".join(words[:-1])} "{words[-1]}"); '
        f"COMP_CWORD={len(words) - 1}; COMP_LINE='{typed}'; COMP_POINT={len(typed)}; "
        'compopt() { :; }; _ecgfoundry; printf "%s\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert offered <= {word.strip() for word in done.stdout.split("\n")}, done.stdout + done.stderr


@pytest.mark.parametrize("shell", [pytest.param("zsh", marks=pytest.mark.slow), "fish"])
def test_the_other_shells_get_every_command(
    shell: str, vocabulary: Vocabulary, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("completion", shell) == 0
    text = capsys.readouterr().out
    for command in vocabulary:
        assert command.split()[-1] in text, command
    if path := shutil.which(shell):  # the shell itself reads it where it is installed
        done = subprocess.run([path, "-n"], input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr


# --- a terminal of 80 columns, and a job that takes time ------------------------------------------

TABLES = (
    "read sample:12-lead", "measure sample:12-lead", "measure sample:12-lead sample:single-lead",
    "diagnose sample:12-lead", "diagnose sample:12-lead sample:single-lead",
    "diagnose sample:12-lead --earlier sample:12-lead", "formats", "models list",
    "datasets list", "labs catalogue", "models show rhythm-single-lead",
)  # fmt: skip


@pytest.mark.parametrize("command", TABLES)
def test_tables_fit_eighty_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(*command.split()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [text for text in lines if len(text) > 80] == []
    assert [text for text in lines if "…" in text] == []  # nothing is cut off


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_long_job_shows_what_is_left_on_a_terminal_alone(tmp_path: Path) -> None:
    import pty

    code = (
        "import time\n"
        "from ecgfoundry.cli import saying\n"
        "saying.BAR_AFTER_S = 0.1\n"
        "with saying.progress('Working', 12) as bar:\n"
        "    for k in range(12):\n"
        "        bar.update(k)\n"
        "        time.sleep(0.1)\n"
    ).replace("\\\\n", "\\n")
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stderr=slave, env=TERMINAL)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    assert process.wait() == 0
    os.close(master)
    assert b"Working" in shown and b"/12" in shown and re.search(rb"left.*0:\d\d:\d\d", shown)
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert piped.stderr == b""


def test_a_job_whose_end_nobody_knows_says_how_long_it_has_gone_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, for rich
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(saying, "BAR_AFTER_S", 0.0)
    with saying.progress("Importing"):
        pass
    assert re.search(r"Importing .*for .*0:\d\d:\d\d", capsys.readouterr().err)


@pytest.mark.parametrize(
    "command",
    [
        ["read", "FOLDER"],
        ["measure", "FOLDER"],
        ["diagnose", "FOLDER"],
        ["infer", "FOLDER", "--model", "rhythm-single-lead-edge", "-o", "OUT.csv"],
        ["convert", "FOLDER", "OUT", "--to", "npz"],
    ],
    ids=lambda command: command[0],
)
def test_what_is_no_recording_in_a_folder_is_said(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    ecgfoundry.write(ecgfoundry.read("sample:single-lead"), folder / "a.npz")
    (folder / "letter.bin").write_bytes(b"\0\1nothing")
    named = {"FOLDER": folder, "OUT.csv": tmp_path / "o.csv", "OUT": tmp_path / "o"}
    assert run(*(str(named.get(word, word)) for word in command)) == 0
    said = capsys.readouterr().err
    if command[0] == "read":
        assert said.endswith("ecgfoundry: 1 read, 0 refused, 1 not recognised\n")
    else:
        words = "1 file(s) are of no format that is read here and were skipped"
        assert f"{words} (for example {folder / 'letter.bin'})" in said


def test_no_word_of_the_formats_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run("formats") == 0
    said = capsys.readouterr().out
    assert "archive.zip::member" in said and "verified on: specification only" in said


def test_files_of_one_deep_folder_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / "a-folder-of-a-ward" / "with-a-long-name" / "and-another-one-below-it"
    folder.mkdir(parents=True)
    sample = ecgfoundry.read("sample:single-lead")
    for name in ("first", "second"):
        ecgfoundry.write(sample, folder / f"{name}.npz")
    assert run("measure", str(folder)) == 0
    # A name goes on in the next row of its column: only that column is read.
    lines = capsys.readouterr().out.splitlines()
    column = "".join(re.split(r"\s{2,}", line.strip())[0] for line in lines)
    assert "first.npz" in column and "second.npz" in column


def test_the_notices_of_each_file_are_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A code of a notice is looked up by its name."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    slope = as_leads("slope of a pressure", np.random.default_rng([1, 7]), 2500, 250.0, 1, False)
    doubted = ecgfoundry.Recording(slope.astype(np.float32), 250.0, ("I",))
    ecgfoundry.write(doubted, "doubted.npz")
    assert run("measure", "doubted.npz", "sample:12-lead", "sample:single-lead") == 0
    said = capsys.readouterr().out
    assert "may-be-no-ecg; " in said and "wide-qrs" in said and "…" not in said
    assert max(map(len, said.splitlines())) <= 80
