"""``ecgfoundry mcp``: tools for language models over the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path

__all__ = ["mcp"]


def mcp(folder: Path = Path(), /) -> int:
    """Serve tools to a language model over standard input and output (Model Context Protocol).

    The tools are read, measure, interpret, report, compare, explain and check_text. Only recordings
    below the folder are read, nothing is written, and only the program that started the command
    gets the answers.

    Parameters
    ----------
    folder
        Recordings below it can be asked for; the current folder by default.
    """
    from ecgfoundry.mcp.server import make_server

    make_server(folder).run("stdio")
    return 0
