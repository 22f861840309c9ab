"""The vocabularies by name: those of this package, and those of others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from ecgfoundry.errors import VocabularyError
from ecgfoundry.registry import Registry
from ecgfoundry.vocabularies.types import Vocabulary

__all__ = ["VOCABULARIES", "load_vocabulary"]


def _make(source: Any) -> Vocabulary:
    """Return the vocabulary of a document, or of the file that holds one."""
    if isinstance(source, Vocabulary):
        return source
    if isinstance(source, Mapping):
        return Vocabulary.from_dict(source)
    try:
        document = json.loads(Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VocabularyError(f"cannot be read as JSON: {error}", path=source) from None
    return Vocabulary.from_dict(document)


def _add_own(registry: Registry[Vocabulary]) -> None:
    for entry in sorted(files("ecgfoundry.vocabularies").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".json"):
            registry.add(json.loads(entry.read_text(encoding="utf-8")), origin="ecgfoundry")


VOCABULARIES: Registry[Vocabulary] = Registry(
    "vocabulary",
    error=VocabularyError,
    group="ecgfoundry.vocabularies",
    builtin=_add_own,
    convert=_make,
    name_of=lambda vocabulary: vocabulary.name,
)
"""All vocabularies by name; entry points of other packages in the group ``ecgfoundry.vocabularies``
give a :class:`Vocabulary`, its document, or the path of a file that holds one."""


def load_vocabulary(name: str) -> Vocabulary:
    """Return the vocabulary called ``name``.

    Raises
    ------
    VocabularyError
        There is none of this name; the message lists those that exist.

    Examples
    --------
    >>> load_vocabulary("cinc2017-rhythm").names
    ('normal', 'atrial fibrillation', 'other rhythm', 'noisy')
    """
    return VOCABULARIES[name]
