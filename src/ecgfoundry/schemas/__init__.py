"""The JSON schemas of the contracts (JSON Schema 2020-12)."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any

SCHEMA_NAMES: tuple[str, ...] = (
    "bundle",
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


def schema_problems(name: str, document: object) -> list[str]:
    """Return every way in which ``document`` breaks the schema, each as one readable line."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(load_schema(name))
    errors = sorted(validator.iter_errors(document), key=lambda error: list(map(str, error.path)))
    return [
        f"{'.'.join(map(str, error.absolute_path)) or '(top level)'}: {error.message[:300]}"
        for error in errors
    ]
