"""Classes that a table names by words: which of two is the positive one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ecgfoundry.errors import ManifestError

__all__ = ["ordered_classes", "plain_word", "refuse_unclear_none"]

NEGATIVE_WORDS = frozenset(
    "0 false no n none not negative neg absent control controls normal healthy without off other "
    "nein falsch negativ gesund ohne kein keine non sano sain nej nee".split()
)
"""Words that name the absence of what is looked for."""
_NEGATIONS = ("not", "no", "non", "without", "kein", "keine", "ohne", "nicht", "sin", "sans")


def ordered_classes(
    column: str, words: Sequence[str], positive: str | None = None
) -> tuple[str, ...]:
    """Return the classes of a text column in the order of their numbers.

    Of two classes the second is the positive one. The alphabet never decides which that is.

    Parameters
    ----------
    column : str
    words : sequence of str
        The classes, each once.
    positive : str, optional
        The positive class, as the user names it.

    Raises
    ------
    ManifestError
        There are two classes, none was named, and neither is a word for "absent"; or there is no
        class of the given name.
    """
    given = sorted(words)
    if positive is not None and positive not in given:
        raise ManifestError(
            f"'{column}' has no class '{positive}'", remedy=f"There are {', '.join(given)}"
        )
    if len(given) != 2:
        return tuple(given)
    if positive is None:
        negative = [word for word, other in (given, given[::-1]) if _negates(word, other)]
        if all(plain_word(word) in NEGATIVE_WORDS for word in given):
            raise ManifestError(
                f"'{column}' has the classes '{given[0]}' and '{given[1]}', and each may be "
                "the absence of what is looked for",
                remedy="If they mean the same, write one word; if not, name the one that is looked "
                f"for: --positive '{given[0]}' or --positive '{given[1]}'",
            )
        if len(negative) != 1:
            raise ManifestError(
                f"'{column}' has the classes '{given[0]}' and '{given[1]}', and neither says that "
                "it is the absence of the other",
                remedy=f"Name the one that is looked for: --positive '{given[1]}' or "
                f"--positive '{given[0]}'",
            )
        positive = next(word for word in given if word != negative[0])
    return (next(word for word in given if word != positive), positive)


def _negates(word: str, other: str) -> bool:
    """Whether a class is the absence of another one."""
    plain, against = plain_word(word), plain_word(other)
    if plain in NEGATIVE_WORDS:
        return against not in NEGATIVE_WORDS
    first, _, rest = plain.partition(" ")
    return (first in _NEGATIONS and rest == against) or plain == f"non{against}"


def refuse_unclear_none(column: str, cells: Sequence[str], path: Path) -> None:
    """Refuse "none" in a column of text classes: a class, or what Python writes for nothing?

    Raises
    ------
    ManifestError
        There is such a cell.
    """
    unclear = [cell for cell in cells if cell.strip().casefold() == "none"]
    if unclear:
        raise ManifestError(
            f"'{column}' holds '{unclear[0]}' in {len(unclear)} of {len(cells)} rows beside "
            "classes, and nothing says whether that is a class or a missing value",
            path=path,
            remedy="Leave the cell empty where the value is missing; call a class 'no' or 'absent'",
        )


def plain_word(word: str) -> str:
    """Return a word without the case and the kind of its spaces."""
    return re.sub(r"[\s_\-]+", " ", word.strip().casefold())
