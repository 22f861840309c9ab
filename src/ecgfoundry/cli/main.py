"""The ``ecgfoundry`` command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from ecgfoundry._version import __version__
from ecgfoundry.cli.saying import be_quiet, error_document, print_json
from ecgfoundry.errors import EcgFoundryError

app = App(
    name="ecgfoundry",
    version=__version__,
    version_flags=["--version", "-V"],
    help="An ECG in, named and calibrated findings out. Not a medical device.",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(negative_iterable=()),  # a list is emptied by leaving it out
)
COMMANDS = {
    "diagnose": "diagnose:diagnose",
    "calibrate": "calibrate:calibrate",
    "evaluate": "evaluate:evaluate",
    "compare": "compare:compare",
    "review": "review:review",
    "explain": "explain:explain",
    "formats": "formats:formats",
    "holter": "holter:holter",
    "read": "read:read",
    "measure": "measure:measure",
    "convert": "convert:convert",
    "train-defaults": "train:train_defaults",
    "infer": "infer:infer",
    "models": "models:app",
    "serve": "serve:serve",
    "database": "database:app",
    "mcp": "mcp:mcp",
    "stream": "stream:app",
    "watch": "watch:watch",
    "deliveries": "deliveries:app",
    "finetune": "finetune:finetune",
    "pretrain": "pretrain:pretrain",
    "embed": "embed:embed",
    "manifest": "manifest:app",
    "datasets": "datasets:app",
    "corpus": "corpus:app",
    "labs": "labs:app",
    "synth": "synth:app",
    "completion": "completion:completion",
}
"""Each command: its module here, and what it is there. The module is imported when it is named."""
for _name, _place in COMMANDS.items():
    app.command(f"ecgfoundry.cli.{_place}", name=_name)

RESUMED = frozenset((
    "corpus build", "corpus cache", "corpus copy", "embed", "finetune", "holter", "infer",
    "labs train", "models pull", "pretrain", "train-defaults",
))  # fmt: skip
"""Commands that go on where they were when they are given again; the others begin anew."""

ENDLESS = frozenset(("mcp", "serve", "stream follow", "watch"))
"""Commands that only Ctrl-C ends: it is no interruption, and nothing is said of it."""

EVERY = Group("Every command", sort_key=99)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[
        bool,
        Parameter(
            name=["--quiet", "-q"], negative="", group=EVERY,
            help="Say nothing but answers and errors: no notes, no progress.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        Parameter(
            name=["--verbose", "-v"], negative="", group=EVERY,
            help="Say more: where in the code an error was found, and what the libraries log.",
        ),
    ] = False,
) -> Any:  # fmt: skip
    """An ECG in, named and calibrated findings out. Not a medical device."""
    be_quiet(quiet)
    if verbose:
        import logging

        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        return app(tokens, exit_on_error=True, result_action="return_value")
    except EcgFoundryError as error:
        return _failed(error, tokens, verbose=verbose)
    except BrokenPipeError:
        raise
    except OSError as error:
        from ecgfoundry.io import is_full_disk, system_error

        if error.filename is None and not is_full_disk(error):
            raise  # no file of the user's: a fault of ours
        return _failed(system_error(error), tokens, verbose=verbose)
    except KeyboardInterrupt:
        if words := _stopped(tokens):
            print(f"\necgfoundry: {words}", file=sys.stderr)
        return 130


def _failed(error: EcgFoundryError, tokens: Sequence[str], *, verbose: bool) -> int:
    """Say in a sentence why a command failed, and where in the code if that was asked for."""
    if verbose:
        import traceback

        traceback.print_exc()
    if "--json" in tokens:
        print_json(error_document(error))
    print(f"ecgfoundry: {error}", file=sys.stderr)
    return 1


def _stopped(tokens: Sequence[str]) -> str:
    """Say after Ctrl-C how to go on: the command as it was given."""
    given = shlex.join(("ecgfoundry", *tokens))
    path, _, _ = app.parse_commands(tokens)
    if " ".join(path) in ENDLESS:
        return ""
    if " ".join(path) in RESUMED:
        return f"stopped; what is finished stays. To go on: {given}"
    return f"stopped. To begin anew: {given}"


def main(tokens: Annotated[list[str] | None, Parameter(parse=False)] = None) -> None:
    """Run the command line.

    Exit codes: 0, 1 for bad input (one line says what and what to do), 2 for bad usage, 130 for
    Ctrl-C (a line says how to go on), 141 where nobody reads the output any more.
    """
    _import_what_is_listed(sys.argv[1:] if tokens is None else tokens)
    try:
        code = app.meta(tokens, exit_on_error=True, result_action="return_value")
    except KeyboardInterrupt:  # before the command was read
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    sys.exit(code if isinstance(code, int) else 0)


def _import_what_is_listed(tokens: Sequence[str]) -> None:
    """Import every command where none is named: their list says what each of them does."""
    if COMMANDS.keys().isdisjoint(tokens):
        for name in COMMANDS:
            app[name]
