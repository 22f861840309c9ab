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
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.evidence_words import because, in_words, own_evidence
from ecgfoundry.reports.wording import DISCLAIMER, printable
from ecgfoundry.tasks.finding import Finding

__all__ = [
    "Sentence",
    "finding_words",
    "prose",
    "sentences",
    "statement_words",
]

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


def statement_words(one: Statement, meaning: str | None) -> str:
    """Return a statement's name in words; of a network, whose classes have short names, what it is.

    Parameters
    ----------
    one : Statement
    meaning : str, optional
        Of the class of the network.
    """
    if one.group != "network":
        return in_words(one.name)
    return _short(meaning or one.name)


def finding_words(one: Finding) -> str:
    """Return what a class of a network is called; of a short name such as "MI", what it means."""
    is_short = one.name.isupper() and " " not in one.name
    return _short(one.target.description or one.name) if is_short else one.name


def _short(meaning: str) -> str:
    return meaning.split(":")[0].rstrip(".")


def sentences(
    measurements: Measurements, statements: Iterable[Statement] = ()
) -> tuple[Sentence, ...]:
    """Return the report as sentences.

    Parameters
    ----------
    measurements : Measurements
    statements : iterable of Statement
        Those that are present are reported; the rest are counted by no sentence.

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
        result.append(Sentence(f"Nothing is stated: {measurements.doubt.message}.", ("notices",)))
    present = {one.name: one for one in statements if one.present}
    result.extend(_statement(one, present) for one in present.values())
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


def _statement(statement: Statement, present: Mapping[str, Statement]) -> Sentence:
    name = in_words(statement.name)
    start = f"Possible {name}" if statement.possible else name[:1].upper() + name[1:]
    reasons = because(statement, present)
    against = ""
    if statement.contradicts:
        others = ", ".join(in_words(other) for other in statement.contradicts)
        against = f"; it contradicts {others}"
    cites = dict.fromkeys(item.name for item in own_evidence(statement, present))
    text = f"{start}{': ' if reasons else ''}{reasons}{against}."
    return Sentence(text, (*cites, statement.name))


def prose(
    measurements: Measurements, statements: Iterable[Statement] = (), *, file: str | None = None
) -> str:
    """Return the report as plain text, one sentence a line, with what each rests on.

    Parameters
    ----------
    measurements : Measurements
    statements : iterable of Statement
    file : str, optional
        Printed as the first line.
    """
    lines = [] if file is None else [printable(file)]
    lines.extend(str(sentence) for sentence in sentences(measurements, statements))
    return "\n".join([*lines, DISCLAIMER, ""])
