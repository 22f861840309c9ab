"""What is told of one recording, in the same words everywhere: one line for one thing.

Terminal, CSV, HTML, PDF, page, FHIR, HL7, DICOM, sentences and MCP take from here which statements
are told, how they are called, whether they are only possible, and why nothing is stated of what may
be no ECG: once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ecgfoundry.criteria import Statement
from ecgfoundry.criteria.reading import for_reading
from ecgfoundry.criteria.stating import AGE_UNKNOWN
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.measurements.gate import MAY_BE_NO_ECG
from ecgfoundry.reports.evidence_words import in_words
from ecgfoundry.signals.quality import Notice
from ecgfoundry.tasks.finding import Finding
from ecgfoundry.vocabularies.exclusive import ALIASES

__all__ = [
    "Told",
    "caveat_of",
    "counts_in_doubt",
    "decided_otherwise",
    "doubt_of",
    "doubt_sentence",
    "finding_words",
    "general_caveats",
    "meanings_of",
    "notices_beside",
    "statement_of",
    "statement_words",
    "told",
    "told_words",
    "with_caveat",
]

_NAMES = ("Wolff",)


@dataclass(frozen=True, slots=True)
class Told:
    """One line: what is present.

    Attributes
    ----------
    name : str
        Of the statement, or of the finding where nothing was joined.
    words : str
        As people read it: "possible left axis deviation", "sinus rhythm, possibly normal sinus
        rhythm".
    code : str or None
        SNOMED CT; None for what is only possible.
    statement : Statement or None
        None: a finding of a network of which no statements were made, as of a long recording.
    """

    name: str
    words: str
    code: str | None
    statement: Statement | None = None


def told(interpretation: Interpretation) -> tuple[Told, ...]:
    """Return what is present, one line for one thing, in the order of the statements.

    Where criteria and network were joined, the joined list says it, and no finding of the network
    beside it: what the criteria deny is not told as present, and what is possible not as certain.
    """
    meanings = meanings_of(interpretation)
    lines = [
        Told(
            one.name,
            told_words(one, meanings.get(one.name)),
            None if one.possible else one.code,
            one,
        )
        for one in for_reading(interpretation.statements)
    ]
    lines += [
        Told(finding.name, finding_words(finding), finding.target.codes.get("SNOMED CT"))
        for finding in interpretation.findings
        if finding.present and statement_of(interpretation, finding.name) is None
    ]
    return tuple(lines)


def statement_of(interpretation: Interpretation, target: str) -> Statement | None:
    """Return the joined statement of a target of the network; None where none was made."""
    name = ALIASES.get(target, target)
    return next((one for one in interpretation.statements if one.name == name), None)


def decided_otherwise(interpretation: Interpretation) -> dict[str, str]:
    """Return what stands beside findings of the network that the joined list has otherwise.

    Returns
    -------
    dict of str to str
        By name of the finding.
    """
    words = {True: "present", False: "absent", None: "not to be told"}
    result = {}
    for finding in interpretation.findings:
        joined = statement_of(interpretation, finding.name)
        if joined is None or joined.group == "network" or finding.present is None:
            continue
        if joined.present is not finding.present:
            result[finding.name] = f"the criteria decide: {words[joined.present]}"
        elif joined.possible:
            result[finding.name] = "only possible: the criteria say otherwise, or are near a limit"
    return result


def meanings_of(interpretation: Interpretation) -> dict[str, str]:
    """Return what the classes of the network mean, by name."""
    return {one.name: one.target.description for one in interpretation.findings}


def told_words(one: Statement, meaning: str | None = None) -> str:
    """Return a present statement in words, with how sure it is."""
    words = statement_words(one, meaning)
    return f"possible {words}" if one.possible else words


def statement_words(one: Statement, meaning: str | None = None) -> str:
    """Return a statement's name in words, with the degrees of it that are possible.

    Parameters
    ----------
    one : Statement
    meaning : str, optional
        Of the class of the network: such classes have short names.
    """
    words = _class_words(one.name, meaning) if one.group == "network" else in_words(one.name)
    return ", possibly ".join([words, *map(in_words, one.possibly)])


def finding_words(one: Finding) -> str:
    """Return what a class of a network is called; of a short name such as "MI", what it means."""
    return _class_words(one.name, one.target.description)


def _class_words(name: str, meaning: str | None) -> str:
    if " " in name and name.isupper():
        return in_words(name)
    if not name.isupper() or not meaning:
        return name
    words = meaning.split(":")[0].rstrip(".")
    first = words.split(" ")[0]
    # "Normal ECG" stands within a sentence; "ST-segment" and "Q" stay.
    plain = first[1:].islower() and not first.startswith(_NAMES)
    return words[:1].lower() + words[1:] if plain else words


def caveat_of(one: Statement) -> str:
    """Return what has to be known beside a statement, as who says no; "" for nothing.

    That the age is not known is said once for all statements (:func:`general_caveats`).
    """
    return one.caveat.replace(AGE_UNKNOWN, "").strip()


def with_caveat(reasons: str, one: Statement) -> str:
    """Return what a statement rests on, and behind it what has to be known beside it."""
    return ". ".join(filter(None, (reasons, caveat_of(one))))


def general_caveats(statements: Iterable[Statement]) -> tuple[str, ...]:
    """Return what has to be known of several present statements, each sentence once."""
    unknown = any(one.present and AGE_UNKNOWN in one.caveat for one in statements)
    return (AGE_UNKNOWN,) if unknown else ()


def doubt_of(interpretation: Interpretation) -> Notice | None:
    """Return why nothing is stated of what may be no ECG; None where there is no doubt."""
    if interpretation.refused is not None:
        return None
    measured = interpretation.measurements
    if measured is not None and measured.doubt is not None:
        return measured.doubt
    # Of a long recording nothing is measured beat by beat; its windows are asked.
    return next((one for one in interpretation.warnings if one.code == MAY_BE_NO_ECG), None)


def doubt_sentence(doubt: Notice) -> str:
    """Return what every output of an interpretation says of a doubt, once.

    Examples
    --------
    >>> doubt_sentence(Notice("may-be-no-ecg", "I: this may be no ECG", ("I",)))
    'Nothing is stated: I: this may be no ECG.'
    """
    return f"Nothing is stated: {doubt.message}."


def counts_in_doubt(doubt: Notice) -> str:
    """Return what a Holter report says of a doubt: it counts all the same."""
    return f"Nothing counted here is sure: {doubt.message}."


def notices_beside(interpretation: Interpretation) -> tuple[Notice, ...]:
    """Return the warnings of the answer, and what a reader of its measurements should know.

    A doubt has a sentence of its own and is not among them.
    """
    measured = interpretation.measurements
    given = [*interpretation.warnings, *(() if measured is None else measured.notices)]
    doubt = doubt_of(interpretation)
    kept = [one for one in given if doubt is None or one.code != doubt.code]
    return tuple({one.message: one for one in kept}.values())
