"""Finding and loading the vocabularies that are part of the installation."""

from __future__ import annotations

import functools
import json
from importlib.resources import files

from ecgfoundry.errors import VocabularyError
from ecgfoundry.vocabularies.types import Vocabulary

__all__ = ["available_vocabularies", "load_vocabulary"]


def available_vocabularies() -> tuple[str, ...]:
    """Return the names of the vocabularies that are part of the installation, sorted."""
    return tuple(
        sorted(
            entry.name.removesuffix(".json")
            for entry in files(__package__).iterdir()
            if entry.name.endswith(".json")
        )
    )


@functools.cache
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
    known = available_vocabularies()
    if name not in known:
        raise VocabularyError(
            f"there is no vocabulary '{name}'", remedy=f"Known are: {', '.join(known)}"
        )
    text = (files(__package__) / f"{name}.json").read_text(encoding="utf-8")
    return Vocabulary.from_dict(json.loads(text))
