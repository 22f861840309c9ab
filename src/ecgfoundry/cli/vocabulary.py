"""Options that mean the same in every command, under one name and one letter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = [
    "Csv",
    "Json",
    "JsonResult",
    "Model",
    "OptionalModel",
    "OptionalOutput",
    "Output",
    "Several",
]

_OUTPUT = Parameter(name=["--output", "-o"])
_MODEL = Parameter(name=["--model", "-m"])

Output = Annotated[Path, _OUTPUT]
OptionalOutput = Annotated[Path | None, _OUTPUT]
Model = Annotated[str, _MODEL]
OptionalModel = Annotated[str | None, _MODEL]
Json = Annotated[bool, Parameter(name="--json", negative="")]
JsonResult = Annotated[
    bool,
    Parameter(name="--json", negative="", help="Print what was done as a JSON object."),
]
Several = Annotated[tuple[str, ...], Parameter(show_default=False)]
"""An option that may be repeated; by default there is none."""
Csv = Annotated[bool, Parameter(name="--csv", negative="")]
