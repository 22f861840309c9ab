"""One vocabulary of options: the same meaning has the same name and letter in every command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cyclopts import App

from ecgfoundry.cli.main import app

LETTERS = {"--output": "-o", "--model": "-m"}


def commands(parent: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[set[str]]]]:
    for name in parent:
        if not name.startswith("-"):
            yield from commands(parent[name], (*path, name))
    if path and parent.default_command is not None:
        arguments = parent.assemble_argument_collection()
        # What is given by its place needs no letter.
        yield " ".join(path), [set(each.names) for each in arguments if each.index is None]


COMMANDS = dict(commands(app))


def test_all_commands_are_looked_at() -> None:
    assert len(COMMANDS) > 35 and "stream follow" in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_options_have_their_letter_and_flags_no_opposite(command: str) -> None:
    for names in COMMANDS[command]:
        for option, letter in LETTERS.items():
            if option in names and command != "serve":  # there it is a list
                assert letter in names, (command, names)
        for flag in ("--json", "--csv"):
            if flag in names:
                assert not any(name.startswith("--no-") for name in names)
