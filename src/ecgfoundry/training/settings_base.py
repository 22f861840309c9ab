"""How a setting is declared, named, checked and read; the settings stand in ``settings.py``."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import TrainingError

__all__ = ["REQUIRED", "Leaf", "Settings", "setting"]

REQUIRED: Any = MISSING
"""The default of a setting that has to be given."""


def setting(default: Any, text: str, *, low: float | None = None, high: float | None = None) -> Any:
    """Declare a setting.

    Parameters
    ----------
    default : object
        Or :data:`REQUIRED`.
    text : str
        What it does, its unit, and the source of the default.
    low, high : float, optional
        Smallest and largest value.
    """
    return field(default=default, metadata={"text": text, "low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting of a run.

    Attributes
    ----------
    name : str
    group : str
        Its group; "" for those of the run itself.
    type : object
        Its annotation.
    default : object
    text : str
    """

    name: str
    group: str
    type: Any
    default: Any
    text: str

    @property
    def dotted(self) -> str:
        """Its name with its group."""
        return f"{self.group}.{self.name}" if self.group else self.name


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all groups: checks types and ranges, and knows its own settings."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Settings):
                continue
            made = _checked(one.name, value, hints[one.name])
            low, high = one.metadata.get("low"), one.metadata.get("high")
            if made is not None and not isinstance(made, str):
                if low is not None and made < low:
                    raise TrainingError(f"{one.name} is at least {low:g}, not {made:g}")
                if high is not None and made > high:
                    raise TrainingError(f"{one.name} is at most {high:g}, not {made:g}")
            object.__setattr__(self, one.name, made)

    @classmethod
    def leaves(cls) -> list[Leaf]:
        """Return all settings, those of groups too, in the order of the documentation."""
        return list(_leaves(cls()))

    def flat(self) -> dict[str, Any]:
        """Return all settings by their names, without groups."""
        return {leaf.name: leaf.default for leaf in _leaves(self)}

    def to_dict(self) -> JsonObject:
        """Return all settings by group, as ``configuration.json`` has them."""
        return asdict(self)

    def change(self, **values: Any) -> Self:
        """Return a copy with some settings changed, each by its own name.

        Raises
        ------
        TrainingError
            There is no such setting (the message says which was probably meant), or a value is of
            the wrong type or out of its range.
        """
        known = {leaf.name: leaf.group for leaf in _leaves(self)}
        own: dict[str, Any] = {}
        groups: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            if name not in known:
                raise _unknown(name, list(known))
            target = own if not known[name] else groups.setdefault(known[name], {})
            target[name] = value
        for group, changed in groups.items():
            own[group] = replace(getattr(self, group), **changed)
        return replace(self, **own)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return the defaults with some settings changed, each by its own name."""
        return cls().change(**values)

    @classmethod
    def read(cls, path: str | Path, **values: Any) -> Self:
        """Read a TOML file; settings that are named here go before those of the file.

        Parameters
        ----------
        path : path
            ``learning_rate = 1e-4`` or ``[optimizer]`` and ``learning_rate = 1e-4``. A setting that
            can be absent is switched off by ``"none"``.
        **values
            Settings by name.

        Raises
        ------
        TrainingError
            The file is no TOML, names something that is no setting, or gives one twice.
        """
        path = Path(path)
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise TrainingError(f"cannot be read as TOML: {error}", path=path) from None
        try:
            return cls().change(**{**cls._from_document(document), **values})
        except TrainingError as error:
            raise TrainingError(error.problem, path=path, remedy=error.remedy) from None

    @classmethod
    def _from_document(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        leaves = cls.leaves()
        groups = {leaf.group for leaf in leaves if leaf.group}
        result: dict[str, Any] = {}
        for key, value in document.items():
            inside = value if key in groups and isinstance(value, Mapping) else {key: value}
            group = key if inside is value else ""
            for name, one in inside.items():
                known = [leaf for leaf in leaves if leaf.name == name]
                if not known or (group and known[0].group != group):
                    dotted = [leaf.dotted for leaf in leaves]
                    raise _unknown(f"{group}.{name}" if group else name, dotted, known)
                if name in result:
                    raise TrainingError(f"{name} is given twice")
                result[name] = None if one == "none" and _can_be_absent(known[0].type) else one
        return result


def _leaves(settings: Settings, group: str = "") -> Iterator[Leaf]:
    hints = get_type_hints(type(settings))
    for one in fields(settings):
        value = getattr(settings, one.name)
        if isinstance(value, Settings):
            yield from _leaves(value, one.name)
        else:
            yield Leaf(one.name, group, hints[one.name], value, one.metadata["text"])


def _unknown(name: str, known: list[str], elsewhere: list[Leaf] | None = None) -> TrainingError:
    bare = {dotted.rpartition(".")[2]: dotted for dotted in known}
    near = [leaf.dotted for leaf in elsewhere or ()] or [
        bare[found]
        for found in difflib.get_close_matches(name.rpartition(".")[2], bare, n=1, cutoff=0.5)
    ]
    guess = f"Did you mean {near[0]}? " if near else ""
    return TrainingError(
        f"there is no setting '{name}'", remedy=f"{guess}There are {', '.join(known)}"
    )


def _can_be_absent(kind: Any) -> bool:
    return NoneType in get_args(kind)


def _checked(name: str, value: Any, kind: Any) -> Any:
    """Return the value in the declared type; one clear line where it does not have it."""
    absent = _can_be_absent(kind)
    if value is None and absent:
        return None
    plain = (
        next((part for part in get_args(kind) if part is not NoneType), kind)
        if (_can_be_absent(kind))
        else kind
    )
    if get_origin(plain) is Literal:
        if value not in get_args(plain):
            raise TrainingError(
                f"there is no {name} '{value}'", remedy=f"Use {', '.join(get_args(plain))}"
            )
        return value
    if get_origin(plain) is tuple:
        parts = value.split(",") if isinstance(value, str) else value
        if isinstance(parts, (list, tuple)):
            if get_args(plain)[0] is float and all(isinstance(part, float) for part in parts):
                return tuple(parts)
            if all(isinstance(part, str) for part in parts):
                return tuple(part.strip() for part in parts if part.strip() not in ("", "none"))
    elif isinstance(value, bool):
        if plain is bool:
            return value
    elif plain is float:
        if isinstance(value, (int, float)) and math.isfinite(value):
            return float(value)
    elif isinstance(value, plain):
        return value
    words = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
    raise TrainingError(f"{name} is {words.get(plain, 'a list of names')}, not {value!r}")
