"""A report in sentences, each of which cites the measurement or the evidence that it rests on.

For people who read text, and for language models: what a sentence says stands behind it in square
brackets, by the names of :data:`ecgfoundry.measurements.values.GLOBAL_VALUES` and of the statement.
Nothing is said that was not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ecgfoundry.criteria import Evidence, Statement, criteria
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.wording import DISCLAIMER, printable

__all__ = [
    "Sentence",
    "because",
    "evidence_in_words",
    "in_words",
    "measurement_in_words",
    "number_in_words",
    "own_evidence",
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
_UNITS = {"deg": "°", "/min": "/min", "1": ""}
_SHOWN = 4
"""Values of the evidence that a sentence names; the JSON has all (our choice)."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, and the names of what it rests on."""

    text: str
    cites: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.text} [{', '.join(self.cites)}]"


def in_words(name: str) -> str:
    """Return the name of a statement as a sentence would have it.

    Examples
    --------
    >>> in_words("LEFT BUNDLE BRANCH BLOCK"), in_words("WITH 1ST DEGREE AV BLOCK")
    ('left bundle branch block', '1st degree AV block')
    >>> in_words("RSR' PATTERN IN V1"), in_words("R IN AVL")
    ("RSR' pattern in V1", 'R in aVL')
    """
    return " ".join(_word(word) for word in name.removeprefix("WITH ").split())


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
    return (meaning or one.name).split(":")[0].rstrip(".")


_AUGMENTED = {"AVL": "aVL", "AVR": "aVR", "AVF": "aVF"}
_CAPITALS = frozenset(
    "QRS ECG AV SA ST T P PR QT QTC JT RR PP R Q S MI V1 V2 V3 V4 V5 V6 I II III RSR' QR RBBB LBBB "
    "STEMI".split()
)
_NAMES = {
    "MOBITZ": "Mobitz",
    "BRUGADA": "Brugada",
    "WOLFF-PARKINSON-WHITE": "Wolff-Parkinson-White",
}


def _word(word: str) -> str:
    if word in _CAPITALS:
        return word
    return _AUGMENTED.get(word) or _NAMES.get(word) or word.lower()


def number_in_words(value: float, unit: str) -> str:
    """Return a value with its unit as a sentence would have it."""
    digits = 2 if unit.startswith("mV") or (unit == "1" and value != round(value)) else 0
    text = f"{value:.{digits}f}"
    shown = _UNITS.get(unit, f" {unit}")
    return f"{_signs(text)}{shown}"


def _signs(text: str) -> str:
    """Return comparisons and signs as they are printed."""
    for plain, printed in (("<=", "≤"), (">=", "≥"), ("-", "\N{MINUS SIGN}")):
        text = text.replace(plain, printed)
    return text


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


def because(statement: Statement, present: Mapping[str, Statement], *, shown: int = _SHOWN) -> str:
    """Return what a statement rests on, in words; empty where nothing was measured.

    Parameters
    ----------
    statement : Statement
    present : mapping of str to Statement
        The present statements by name: what rests on one of them does not repeat its evidence.
    shown : int
        At most so many values; the rest is counted.
    """
    parts = [evidence_in_words(item) for item in own_evidence(statement, present)]
    if statement.probability is not None and statement.decided_by in ("network", "both"):
        parts.insert(0, f"network {statement.probability:.2f}")
    words = parts[:shown]
    if len(parts) > shown:
        words.append(f"and {len(parts) - shown} more")
    return ", ".join(words)


def own_evidence(statement: Statement, present: Mapping[str, Statement]) -> list[Evidence]:
    """Return the evidence that is met and that no other present statement brought in."""
    said = {
        item
        for other in statement.evidence
        if other.name in present and other.name != statement.name
        for item in present[other.name].evidence
    }
    met = [item for item in statement.evidence if item.met and item.value is not None]
    own = [item for item in met if item not in said and not item.name.endswith("probability")]
    # The numbers first: they are what makes this statement and not its neighbour.
    return sorted(own, key=lambda item: item.name in present)


def evidence_in_words(item: Evidence) -> str:
    """Return one item of evidence as a sentence would have it: name, lead, value, limit.

    What is there or not has no number, and a wave that is not there is said to be absent.

    Examples
    --------
    >>> evidence_in_words(Evidence("qrs_notched", 1.0, "1", ">= 1", True, "", lead="V5"))
    'QRS notched in V5'
    >>> absent = "there is no Q wave in I"
    >>> evidence_in_words(Evidence("q_mv", None, "mV", "> -0.05", True, "", "I", reason=absent))
    'there is no Q wave in I'
    """
    if item.name in criteria:
        return in_words(item.name)
    lead = f" in {item.lead}" if item.lead else ""
    if item.value is None and item.met is not None and item.reason:
        return item.reason
    if item.name in _YES_OR_NO and item.value is not None:
        return f"{_YES_OR_NO[item.name][0 if item.value else 1]}{lead}"
    value = "" if item.value is None else f" {number_in_words(item.value, item.unit)}"
    limit = f" ({_signs(item.limit)})" if item.limit else ""
    return f"{measurement_in_words(item.name)}{lead}{value}{limit}"


def measurement_in_words(name: str) -> str:
    """Return the name of a measurement as a sentence would have it."""
    if name.endswith(" change"):
        return f"change of {measurement_in_words(name.removesuffix(' change'))}"
    if name in _MEASUREMENTS:
        return _MEASUREMENTS[name]
    if name.endswith("_count"):
        return f"number of {name.removesuffix('_count').replace('_', ' ')}s"
    for unit in ("_mv_ms", "_mv_s", "_percent", "_bpm", "_deg", "_ms", "_mv", "_s"):
        name = name.removesuffix(unit)
    return " ".join(_word(word.upper()) for word in name.split("_"))


_YES_OR_NO = {
    "qrs_notched": ("QRS notched", "QRS not notched"),
    "p_notched": ("P wave notched", "P wave not notched"),
    "p_axis_known": ("P axis known", "P axis not known"),
}
_MEASUREMENTS = {
    "ventricular_premature_count": "ventricular premature beats",
    "supraventricular_premature_count": "supraventricular premature beats",
    "fusion_count": "fusion beats",
    "ventricular_escape_count": "ventricular escape beats",
    "junctional_escape_count": "junctional escape beats",
    "premature_with_p_count": "premature beats with a P wave",
    "wide_premature_count": "wide premature beats",
    "blocked_p_count": "blocked P waves",
    "blocked_p_in_pause_count": "blocked P waves in the pause",
    "steady_drop_count": "dropped beats with a constant PR",
    "wenckebach_count": "dropped beats after PR has lengthened",
    "sinus_shortening_count": "intervals that shorten before the pause",
    "spike_without_capture_count": "spikes without capture",
    "sokolow_lyon_mv": "Sokolow-Lyon voltage",
    "peguero_mv": "Peguero-Lo Presti voltage",
    "nn_spread_ms": "longest less shortest NN interval",
    "r_over_s": "R/S ratio",
    "r2_over_r": "R'/R ratio",
    "t_over_r": "T/R ratio",
    "heart_rate_bpm": "heart rate",
    "st_j_mv": "ST level at J",
    "st_j40_mv": "ST level at J + 40 ms",
    "st_j60_mv": "ST level at J + 60 ms",
    "st_j80_mv": "ST level at J + 80 ms",
    "p_mv": "P amplitude",
    "q_mv": "Q amplitude",
    "r_mv": "R amplitude",
    "s_mv": "S amplitude",
    "t_mv": "T amplitude",
    "r2_mv": "R' amplitude",
    "p_ms": "P duration",
    "q_ms": "Q duration",
    "pr_ms": "PR interval",
    "qrs_ms": "QRS duration",
    "qt_ms": "QT interval",
    "qtc_ms": "QTc",
    "r_peak_time_ms": "R-peak time",
}


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
