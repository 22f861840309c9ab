"""What a reader says about the machine's answer, for the systems that got that answer.

The machine's answer stays as it is; a review stands beside it. A reader confirms it, says which
statements hold and adds others, or rejects it as a whole.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Literal

from ecgfoundry.criteria import Statement, criteria
from ecgfoundry.criteria.reading import for_reading
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.reports.evidence_words import in_words
from ecgfoundry.reports.told import meanings_of, statement_words, told_words
from ecgfoundry.reports.wording import printable, start_text
from ecgfoundry.vocabularies.exclusive import ALIASES

__all__ = ["ReadStatement", "Review", "Said", "statements_read"]


@dataclass(frozen=True, slots=True)
class Said:
    """What a reader says about one statement; ``present`` None: it cannot be told."""

    name: str
    present: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """What a reader says about one answer.

    Parameters
    ----------
    reader : str
    decision : str
    at : datetime
        With a time zone.
    number : int
        Of the review, in the service.
    said : tuple of Said
        What is not named there stays as the machine has it.
    comment : str
    before : int, optional
        Number of the last review of the same answer before this one.
    released : bool
        Whether one before this one was a final report.
    """

    reader: str
    decision: Literal["confirmed", "edited", "rejected"]
    at: dt.datetime
    number: int
    said: tuple[Said, ...] = ()
    comment: str = ""
    before: int | None = None
    released: bool = False

    @property
    def rejects(self) -> bool:
        """The answer does not hold as a whole."""
        return self.decision == "rejected"

    @property
    def sentence(self) -> str:
        """Who has said what, and when."""
        what = "the automatic answer is rejected" if self.rejects else self.decision
        return f"Read by {printable(self.reader)}, {start_text(self.at)}: {what}."


@dataclass(frozen=True, slots=True)
class ReadStatement:
    """One statement after a review.

    Attributes
    ----------
    name, words : str
    present : bool or None
    code : str or None
        SNOMED CT; None where none is certain, and for what is only possible.
    note : str
        Of the reader.
    statement : Statement or None
        Of the machine; None: the reader has added it.
    """

    name: str
    words: str
    present: bool | None
    code: str | None
    note: str = ""
    statement: Statement | None = None


def statements_read(review: Review, answer: Interpretation) -> tuple[ReadStatement, ...]:
    """Return the statements of an answer as the reader leaves them, then what was added.

    A rejected answer leaves none.
    """
    if review.rejects:
        return ()
    said = {ALIASES.get(one.name, one.name): one for one in review.said}
    meanings = meanings_of(answer)
    known = {one.name: one for one in answer.statements}
    result = []
    decided = set(said)
    for line in for_reading(answer.statements):
        # Of what the reader has decided nothing is "possibly" any more.
        one = replace(line, possibly=tuple(n for n in line.possibly if n not in decided))
        words = told_words(one, meanings.get(one.name))
        about = said.pop(one.name, Said(one.name, present=True))
        code = None if one.possible else one.code
        result.append(ReadStatement(one.name, words, about.present, code, about.note, one))
    for name, about in said.items():
        stated = known.get(name)
        if stated is not None:
            words, code = statement_words(stated, meanings.get(name)), stated.code
        elif name in criteria:
            words, code = in_words(name), criteria[name].codes.get("SNOMED CT")
        else:  # in the words of the reader
            words, code = printable(name), None
        result.append(ReadStatement(name, words, about.present, code, about.note))
    return tuple(result)
