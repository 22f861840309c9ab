"""What a message advises works as it is printed.

Every message of the source is looked at: commands in it are read by the command line itself,
options are those of a command. Then what commands print is followed, word by word, until they work.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cyclopts import App

import ecgfoundry
from ecgfoundry.cli.main import app, main

SOURCE = Path(ecgfoundry.__file__).parent


def commands(parent: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in parent:
        if not name.startswith("-"):
            yield (*path, name)
            yield from commands(parent[name], (*path, name))


PATHS = set(commands(app))
OTHERS = {"--address", "--head", "--nproc-per-node", "--encoding", "--template"}
"""Of ray, torchrun and createdb."""


@pytest.fixture(scope="module")
def options() -> set[str]:
    """Every option of every command."""
    names = {"--engine", "--help"}
    for path in PATHS:
        found: App = app
        for name in path:
            found = found[name]
        if found.default_command is not None:
            for argument in found.assemble_argument_collection():
                names.update(argument.names)
    return names


# --- every message of the source ----------------------------------------------------------------


def text_of(node: ast.AST) -> str:
    """A message as it stands in the source; what is filled in is VALUE."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(v) if isinstance(v, ast.Constant) else "VALUE" for v in node.values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left) + text_of(node.right)
    if isinstance(node, ast.IfExp):
        return f"{text_of(node.body)} {text_of(node.orelse)}"
    return ""


Messages = list[tuple[str, str]]


@pytest.fixture(scope="module")
def messages() -> Messages:
    """(place, text) of every remedy, and of everything that the commands print."""
    return list(every_message())


def every_message() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "remedy=" not in source and "cli" not in path.parts:
            continue  # nothing is told there
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.Call):
                continue
            told = [word.value for word in node.keywords if word.arg == "remedy"]
            name = getattr(node.func, "id", "")
            if "cli" in path.parts and name in ("print", "note", "line", "say"):
                told += node.args
            for value in told:
                if text := text_of(value):
                    yield f"{path.relative_to(SOURCE)}:{node.lineno}", text


def matching(messages: Messages, pattern: str, *, at_least: int) -> Messages:
    """The messages with the pattern, of which so many at least are known."""
    found = [(where, text) for where, text in messages if re.search(pattern, text)]
    assert len(found) > at_least
    return found


VALUES = {"--start": "0", "--duration": "10"}


def printed_commands(text: str) -> list[str]:
    """The commands in a message: from ``ecgfoundry`` to the end of the sentence or the quote."""
    return [
        match.strip(" .")
        for match in re.findall(r"(?<!-m )\becgfoundry ((?:[a-z][a-z-]*)(?:[^'`;\n|(]*))", text)
    ]


def test_a_command_in_a_message_is_one(messages: Messages, options: set[str]) -> None:
    assert len(messages) > 350
    for where, text in matching(messages, r"\becgfoundry [a-z]", at_least=15):
        for command in printed_commands(text):
            words = shlex.split(command)
            if "--help" in words:
                words.remove("--help")
                assert tuple(words) in PATHS, (where, command)
                continue
            length = max(
                (n for n in range(1, len(words) + 1) if tuple(words[:n]) in PATHS), default=0
            )
            assert length, f"{where}: 'ecgfoundry {command}' is no command"
            if f"'ecgfoundry {command}" in text or f"`ecgfoundry {command}" in text:
                assert {word for word in words if word.startswith("--")} <= options, where
                continue  # a name of a command within a sentence
            # Introduced by a colon: all of it is read, unknown words and missing ones refused.
            app.parse_args(words, exit_on_error=False, print_error=False)


def test_an_option_in_a_message_is_one(messages: Messages, options: set[str]) -> None:
    for where, text in matching(messages, r"(?<![\w-])--[a-z]", at_least=60):
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text))
        assert named <= options | OTHERS, where


# --- followed as printed ------------------------------------------------------------------------


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    def run(*arguments: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


def advised(message: str) -> list[str]:
    """The first option that a message names, with the value that it shows."""
    found = re.search(r"(--[a-z][a-z-]*[a-z])(?: ([A-Za-z0-9][^\s]*))?", message)
    assert found, message
    option, value = found.groups()
    takes_value = option not in ("--force", "--append", "--overwrite", "--synthetic-ok")
    return [option, value.rstrip(".,")] if takes_value and value else [option]


def follow(run, *arguments: str | Path) -> list[str]:  # type: ignore[no-untyped-def]
    """Run a command, do what its message says, until it works; return what was added."""
    added: list[str] = []
    for _ in range(5):
        code, said = run(*arguments, *added)
        if code == 0:
            return added
        more = advised(said)
        assert more[0] not in added, said
        added += more
    raise AssertionError(said)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Two leads of ten seconds, of which nothing is said."""
    signal = ecgfoundry.read("sample:12-lead").signal[:2]
    np.save(tmp_path / "bare.npy", signal)
    return tmp_path / "bare.npy"


def test_what_an_array_leaves_open(run, bare: Path) -> None:  # type: ignore[no-untyped-def]
    added = follow(run, "measure", bare)
    assert added[0::2] == ["--leads", "--unit", "--sampling-rate"]


def test_one_of_several(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    np.save(tmp_path / "all.npy", np.zeros((3, 2, 5000), np.float32))
    (tmp_path / "all.json").write_text('{"leads": ["I", "II"], "sampling_rate": 500, "unit": "mV"}')
    assert follow(run, "read", tmp_path / "all.npy") == ["--index", "0"]


def test_files_that_are_there(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    given = ("convert", "sample:12-lead", tmp_path / "a.edf")
    assert run(*given)[0] == 0
    assert follow(run, *given) == ["--force"]
    assert follow(run, "convert", "sample:12-lead", tmp_path) == ["--to", "wfdb"]


def test_a_model_that_has_no_such_form(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("onnx")
    given = ("models", "export", "ptbxl-superclass-12lead", "-o", tmp_path / "x")
    code, said = run(*given, "--format", "c")
    assert code == 1
    assert run(*given, *advised(said))[0] == 0


def test_a_long_recording_is_cut_by_the_command_that_is_printed(  # type: ignore[no-untyped-def]
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recording = ecgfoundry.read("sample:12-lead")
    long = ecgfoundry.Recording(np.tile(recording.signal, 7), 500.0, recording.leads)
    ecgfoundry.write(long, tmp_path / "a long day.npz")
    given = ("diagnose", "sample:12-lead", "--earlier", "a long day.npz")
    code, said = run(*given)
    assert code == 1
    (command,) = printed_commands(said.replace("'", '"').partition("Cut a part out of it: ")[2])
    assert run(*shlex.split(command))[0] == 0
    assert run("diagnose", "sample:12-lead", "--earlier", "part.edf")[0] == 0


def test_a_table_that_croissant_cannot_hold(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("polars")
    shutil.copy(ecgfoundry.sample_path("single-lead"), tmp_path)
    shutil.copy(ecgfoundry.sample_path("single-lead").with_suffix(".mat"), tmp_path)
    table = tmp_path / "m.csv"
    rows = "".join(f"r{k};A01711.hea;p{k}\n" for k in range(20))
    table.write_text(f"record;path;patient\n{rows}")
    about = ("--name", "x", "--description", "x", "--license", "CC0-1.0", "--creator", "x",
             "--url", "https://example.org", "-o", tmp_path / "croissant.json")  # fmt: skip
    code, said = run("manifest", "croissant", table, *about)
    assert code == 1
    words = shlex.split(printed_commands(said)[0])
    new = str(tmp_path / "NEW.csv")
    assert run(*[new if word == "NEW.csv" else word for word in words]) == (0, "")
    assert run("manifest", "croissant", new, *about)[0] == 0


def test_a_corpus_that_is_there(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("polars")
    corpus, table = tmp_path / "corpus", tmp_path / "m.csv"
    path = ecgfoundry.sample_path("single-lead")
    table.write_text(f"record,path,patient\na,{path},p1\n")
    code, said = run("corpus", "verify", corpus)
    assert code == 1
    words = [str(table) if w == "TABLE" else w for w in shlex.split(printed_commands(said)[0])]
    assert run(*words, "--workers", "1")[0] == 0
    assert run("corpus", "verify", corpus)[0] == 0
    table.write_text(f"record,path,patient\na,{path},p1\nb,{path},p1\n")
    assert follow(run, *words, "--workers", "1") == ["--append"]


def test_a_file_of_tokens_that_others_may_read(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("fastapi")
    import subprocess

    tokens = tmp_path / "my tokens"
    tokens.write_text("x" * 40 + "\n")
    tokens.chmod(0o644)
    given = ("serve", "--tokens", tokens, "--port", "1", "--host", "256.0.0.1")
    code, said = run(*given)
    assert code == 1 and "chmod 600" in said
    subprocess.run(shlex.split(said.partition("Run: ")[2]), check=True)
    assert "chmod" not in run(*given)[1]


@pytest.mark.slow
def test_training(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("torch")
    assert run("synth", "ecgs", "--people", "30", "-o", tmp_path / "ecgs")[0] == 0
    given = ("finetune", tmp_path / "ecgs" / "labels.csv", "--target", "long_qt", "-o",
             tmp_path / "run", "--model", "ptbxl-superclass-12lead", "--epochs", "1",
             "--threads", "1")  # fmt: skip
    code, said = run(*given, "--batch", "1")
    assert code == 1 and advised(said) == ["--batch", "2"]
    assert run(*given, *advised(said))[0] == 0
