"""``ecgfoundry completion``: what a shell offers after Tab."""

from __future__ import annotations

from typing import Literal

from ecgfoundry.cli.saying import print_json
from ecgfoundry.cli.vocabulary import Json

__all__ = ["completion"]


def completion(shell: Literal["bash", "zsh", "fish"], *, json: Json = False) -> int:
    """Print the completion script of a shell, for its start-up files.

    bash: ecgfoundry completion bash > ~/.local/share/bash-completion/completions/ecgfoundry

    zsh: ecgfoundry completion zsh > a file _ecgfoundry in a folder of $fpath

    fish: ecgfoundry completion fish > ~/.config/fish/completions/ecgfoundry.fish

    Parameters
    ----------
    shell
        bash, zsh or fish.
    json
        Print the script inside a JSON object.
    """
    from ecgfoundry.cli.main import app

    script = app.meta.generate_completion(prog_name="ecgfoundry", shell=shell)
    if json:
        print_json({"shell": shell, "script": script})
    else:
        print(script)
    return 0
