"""The page ``docs/settings.md``, made from the declarations.

Write it with ``python -m ecgfoundry.cli.settings_page > docs/settings.md``.
"""

from __future__ import annotations

from typing import Any, get_args, get_origin

from ecgfoundry.labs.settings import (
    LaboratoryReportSettings,
    LaboratorySettings,
    TenMinuteSettings,
)
from ecgfoundry.training.settings import FinetuneSettings, PretrainSettings
from ecgfoundry.training.settings_base import Leaf, Settings

__all__ = ["settings_page"]

_TOP = """# Settings of training runs

Made from `ecgfoundry/training/settings.py` and `ecgfoundry/labs/settings.py`; a test compares.
Each setting is a flag of the command (`--learning-rate 1e-4`), a key of `--config FILE.toml`, an
argument of
`FinetuneSettings.of(...)` and an entry of the run's `configuration.json`. Flags go before the file,
the file before the defaults. A key that is no setting is an error that says which was probably
meant.

```toml
seed = 3
[optimizer]
learning_rate = 1e-4
[schedule]
epochs = 10
[early_stopping]
patience = "none"
```
"""


_COMMANDS: dict[str, type[Settings]] = {
    "finetune": FinetuneSettings,
    "pretrain": PretrainSettings,
    "labs train": LaboratorySettings,
    "labs report": LaboratoryReportSettings,
    "labs ten-minutes": TenMinuteSettings,
}


def settings_page() -> str:
    """Return the page as Markdown."""
    parts = [_TOP]
    for command, kind in _COMMANDS.items():
        parts.append(_section(command, kind))
    return "\n".join(parts)


def _section(command: str, kind: type[Settings]) -> str:
    lines = [f"## `ecgfoundry {command}`", ""]
    group: str | None = None
    for leaf in kind.leaves():
        if leaf.group != group:
            group = leaf.group
            title = f"`[{group}]`" if group else "Of the run itself"
            lines += ["", f"### {title}", "", "| setting | type | default | |", "|---|---|---|---|"]
        lines.append(f"| `{leaf.name}` | {_type(leaf.type)} | {_default(leaf)} | {leaf.text} |")
    return "\n".join([line for k, line in enumerate(lines) if line or lines[k - 1]]) + "\n"


def _type(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return "names"
    parts = get_args(kind)
    if parts and all(isinstance(part, str) for part in parts):
        return " or ".join(f"`{part}`" for part in parts)
    words = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    return " or ".join(words.get(part, "none") for part in parts or (kind,))


def _default(leaf: Leaf) -> str:
    value = leaf.default
    if isinstance(value, tuple):
        value = ",".join(value) or None
    if value is None:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    print(settings_page(), end="")
