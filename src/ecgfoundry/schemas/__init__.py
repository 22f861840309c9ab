"""The JSON schemas of the contracts (JSON Schema 2020-12)."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any

SCHEMA_NAMES: tuple[str, ...] = (
    "bundle",
    "commands",
    "interpretation",
    "manifest",
    "measurements",
    "preprocessing",
)


@functools.cache
def load_schema(name: str) -> dict[str, Any]:
    """Return the schema ``name`` (one of :data:`SCHEMA_NAMES`) as a dict."""
    text = (files(__package__) / f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def schema_problems(name: str, document: object, *, part: str | None = None) -> list[str]:
    """Return every way in which ``document`` breaks the schema, each as one readable line.

    Parameters
    ----------
    name : str
        One of :data:`SCHEMA_NAMES`.
    document : JSON value
    part : str, optional
        A definition of the schema instead of its whole, as of one command in ``commands``.
    """
    from jsonschema import Draft202012Validator

    whole: dict[str, Any] = load_schema(name)
    if part is not None:
        whole = {"$ref": f"{whole['$id']}#/$defs/{part.replace(' ', '%20')}"}
    validator = Draft202012Validator(whole, registry=_registry())
    errors = sorted(validator.iter_errors(document), key=lambda error: list(map(str, error.path)))
    return [
        f"{'.'.join(map(str, error.absolute_path)) or '(top level)'}: {error.message[:300]}"
        for error in errors
    ]


@functools.cache
def _registry() -> Any:
    """The schemas by their addresses, for those that name each other; nothing is fetched."""
    from referencing import Registry, Resource

    known = [load_schema(name) for name in SCHEMA_NAMES]
    return Registry().with_resources([(one["$id"], Resource.from_contents(one)) for one in known])
