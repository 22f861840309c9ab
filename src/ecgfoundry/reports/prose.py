"""A report in sentences, each of which cites the measurement or the evidence that it rests on.

For people who read text, and for language models: what a sentence says stands behind it in square
brackets, by the names of :data:`ecgfoundry.measurements.values.GLOBAL_VALUES` and of the statement.
Nothing is said that was not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ecgfoundry.criteria import Statement
from ecgfoundry.criteria.measured_words import number_in_words
from ecgfoundry.criteria.reading import for_reading
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.evidence_words import because, in_words, own_evidence
from ecgfoundry.reports.told import caveat_of, doubt_sentence, general_caveats, told_words
from ecgfoundry.reports.wording import DISCLAIMER, printable

__all__ = ["Sentence", "prose", "sentences"]

_INTERVALS = (
    ("pr_ms", "PR interval"),
    ("qrs_ms", "QRS duration"),
    ("qt_ms", "QT interval"),
    ("qtc_ms", "QTc (Fridericia)"),
)
_AXES = (("p_axis_deg", "P axis"), ("qrs_axis_deg", "QRS axis"), ("t_axis_deg", "T axis"))


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, and the names of what it rests on."""

    text: str
    cites: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.text} [{', '.join(self.cites)}]"


def sentences(
    measurements: Measurements,
    statements: Iterable[Statement] = (),
    meanings: Mapping[str, str] | None = None,
) -> tuple[Sentence, ...]:
    """Return the report as sentences.

    Parameters
    ----------
    measurements : Measurements
    statements : iterable of Statement
        Those that are present are reported, one sentence for one thing; the rest are counted by no
        sentence.
    meanings : mapping of str to str, optional
        What classes of a network mean, by name (:func:`ecgfoundry.reports.told.meanings_of`).

    Returns
    -------
    tuple of Sentence
        Rate, intervals and axes first, then every present statement with its evidence.
    """
    if not measurements.readable:
        refused = measurements.refused
        why = "nothing could be measured" if refused is None else refused.message
        return (Sentence(f"This recording was not measured: {why}.", ("refused",)),)
    result = [_rate(measurements)]
    for names, words in ((_INTERVALS, "ms"), (_AXES, "deg")):
        result.extend(_value(measurements, name, text, words) for name, text in names)
    if measurements.doubt is not None:
        result.append(Sentence(doubt_sentence(measurements.doubt), ("notices",)))
    given = tuple(statements)
    result += [Sentence(words, ("age",)) for words in general_caveats(given)]
    present = {one.name: one for one in given if one.present}
    named = meanings or {}
    result.extend(_statement(one, present, named.get(one.name)) for one in for_reading(given))
    return tuple(result)


def _rate(measurements: Measurements) -> Sentence:
    value = measurements.values["heart_rate_bpm"]
    beats = len(measurements.beats)
    if value.value is None:
        return Sentence(f"The heart rate is not known: {value.reason}.", ("heart_rate_bpm",))
    text = f"The heart rate is {value.value:.0f}/min over {beats} beats."
    return Sentence(text, ("heart_rate_bpm", "beats"))


def _value(measurements: Measurements, name: str, words: str, unit: str) -> Sentence:
    value = measurements.values[name]
    if value.value is None:
        return Sentence(f"{words}: not measured, {value.reason}.", (name,))
    return Sentence(f"{words}: {number_in_words(value.value, unit)}.", (name,))


def _statement(
    statement: Statement, present: Mapping[str, Statement], meaning: str | None
) -> Sentence:
    name = told_words(statement, meaning)
    start = name[:1].upper() + name[1:]
    reasons = because(statement, present)
    against = ""
    if statement.contradicts:
        others = ", ".join(in_words(other) for other in statement.contradicts)
        against = f"; it contradicts {others}"
    cites = dict.fromkeys(item.name for item in own_evidence(statement, present))
    caveat = caveat_of(statement)
    text = f"{start}{': ' if reasons else ''}{reasons}{against}.{' ' if caveat else ''}{caveat}"
    return Sentence(text, (*cites, statement.name, *statement.possibly))


def prose(
    measurements: Measurements,
    statements: Iterable[Statement] = (),
    *,
    file: str | None = None,
    meanings: Mapping[str, str] | None = None,
) -> str:
    """Return the report as plain text, one sentence a line, with what each rests on.

    Parameters
    ----------
    measurements : Measurements
    statements : iterable of Statement
    file : str, optional
        Printed as the first line.
    meanings : mapping of str to str, optional
        As in :func:`sentences`.
    """
    lines = [] if file is None else [printable(file)]
    lines.extend(str(sentence) for sentence in sentences(measurements, statements, meanings))
    return "\n".join([*lines, DISCLAIMER, ""])
