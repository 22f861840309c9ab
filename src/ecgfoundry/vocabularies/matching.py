"""Matching the words of a report with the targets of a vocabulary, whole statements only."""

from __future__ import annotations

import re

from ecgfoundry.vocabularies.types import Vocabulary

__all__ = ["match_statement"]

_JOINING = frozenset({"AND", "&"})
_EDGE = '.,;:*()[]"'


def match_statement(vocabulary: Vocabulary, text: str) -> tuple[int, ...]:
    """Return the targets that ONE statement of a report names, as positions in the vocabulary.

    A statement matches when all of its words are used up by names of targets, one after another,
    with nothing, a comma or AND between them. So NORMAL ECG is not found inside ABNORMAL ECG, nor
    SINUS RHYTHM inside NORMAL SINUS RHYTHM, nor LEFT ATRIAL ENLARGEMENT inside POSSIBLE LEFT
    ATRIAL ENLARGEMENT. Where a longer and a shorter name begin alike, the longer one is meant.
    After a name that ends with IN (T WAVE INVERSION NOW EVIDENT IN) the rest of the statement
    tells where, and may be anything.

    Parameters
    ----------
    vocabulary : Vocabulary
    text : str
        One statement, in upper or lower case. Split a report into its statements first.

    Returns
    -------
    tuple of int
        In the order of the words; empty when any word is left over.

    Examples
    --------
    >>> from ecgfoundry.vocabularies import load_vocabulary
    >>> labels = load_vocabulary("ecgfounder-150")
    >>> [labels.names[k] for k in match_statement(labels, "Sinus rhythm with 1st degree AV block")]
    ['SINUS RHYTHM', 'WITH 1ST DEGREE AV BLOCK']
    >>> match_statement(labels, "Not a normal ECG")
    ()
    """
    names = {_words(name): position for position, name in enumerate(vocabulary.names)}
    return _cover(_words(text), names, max(map(len, names)), first=True) or ()


def _cover(
    words: tuple[str, ...], names: dict[tuple[str, ...], int], longest: int, *, first: bool
) -> tuple[int, ...] | None:
    """Positions of names that use up all words, the longest first name first; None without."""
    if not words:
        return None if first else ()
    if not first and words[0] in _JOINING:
        words = words[1:]
        if not words:
            return None
    for length in range(min(longest, len(words)), 0, -1):
        position = names.get(words[:length])
        if position is None:
            continue
        if words[length - 1] == "IN":
            return (position,)
        rest = _cover(words[length:], names, longest, first=False)
        if rest is not None:
            return (position, *rest)
    return None


def _words(text: str) -> tuple[str, ...]:
    plain = text.upper().replace("’", "'").replace(",", " ")
    plain = re.sub(r"\s*/\s*", "/", plain)
    words = (word.strip(_EDGE) for word in plain.split())
    return tuple(word for word in words if word)
