"""The settings of a run as flags of a command: made from their declaration, listed nowhere else."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from cyclopts import Parameter

from ecgfoundry.training.settings_base import Leaf, Settings

__all__ = ["command_with_settings"]

_CONFIG = "TOML file of settings, as in docs/settings.md; flags go before it."
_ALIASES = {"augmentations": ("--augment",)}


def command_with_settings(kind: type[Settings]) -> Callable[[Callable[..., Any]], Any]:
    """Replace the parameter ``settings`` of a command by one flag for each setting, and --config.

    Flags go before the file, the file before the defaults.

    Parameters
    ----------
    kind : type of Settings
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        leaves = {leaf.name: leaf for leaf in kind.leaves()}

        @functools.wraps(function)
        def command(*arguments: Any, config: Path | None = None, **given: Any) -> Any:
            chosen = {name: given.pop(name) for name in tuple(given) if name in leaves}
            settings = kind.of(**chosen) if config is None else kind.read(config, **chosen)
            return function(*arguments, settings=settings, **given)

        signature = inspect.signature(function)
        hints = get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[name])
            for name, parameter in signature.parameters.items()
            if name != "settings"
        ]
        file = inspect.Parameter(
            "config", inspect.Parameter.KEYWORD_ONLY, default=None,
            annotation=Annotated[Path | None, Parameter(help=_CONFIG)],
        )  # fmt: skip
        every = [*own, file, *(_flag(leaf) for leaf in leaves.values())]
        command.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in every}
        return command

    return decorate


def _flag(leaf: Leaf) -> inspect.Parameter:
    kind, default = leaf.type, leaf.default
    if get_origin(kind) is tuple or any(get_origin(part) is tuple for part in get_args(kind)):
        kind, default = str, ",".join(default) or "none"
    names = [f"--{leaf.name.replace('_', '-')}", *_ALIASES.get(leaf.name, ())]
    group = leaf.group.replace("_", " ").capitalize() or "Run"
    annotation = Annotated[kind, Parameter(name=names, help=leaf.text, group=group)]  # type: ignore[valid-type]
    return inspect.Parameter(
        leaf.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
