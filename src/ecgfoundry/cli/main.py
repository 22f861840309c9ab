"""The ``ecgfoundry`` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter

from ecgfoundry._version import __version__
from ecgfoundry.errors import EcgFoundryError

app = App(
    name="ecgfoundry",
    version=__version__,
    help="An ECG in, named and calibrated findings out. Not a medical device.",
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
}
"""Each command: its module here, and what it is there. The module is imported when it is named."""
for _name, _place in COMMANDS.items():
    app.command(f"ecgfoundry.cli.{_place}", name=_name)


def main(tokens: Annotated[list[str] | None, Parameter(parse=False)] = None) -> None:
    """Run the command line: one-line errors, exit code 1 for bad input and 2 for bad usage."""
    _import_what_is_listed(sys.argv[1:] if tokens is None else tokens)
    try:
        code = app(tokens, exit_on_error=True, result_action="return_value")
    except EcgFoundryError as error:
        print(f"ecgfoundry: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
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
