"""Which sentences of a foreign text contradict what was measured.

For reports written by language models, by other programs, or by hand: every number and every named
statement in the text is looked for among the measurements and the statements of the recording. A
sentence **contradicts** when a number is further off than the tolerance, when it names something
that is absent, or denies something that is present. It is **supported** when all that could be
compared agrees, and **unchecked** when nothing could, for example because there is no such value.
English only.

The text is read with a list of patterns (``phrases.json``), not with a language model: the same
text gives the same answer, and the words that were understood are shown. A sentence that is not
understood is unchecked, never supported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from ecgfoundry.criteria import Statement
from ecgfoundry.documents import JsonObject
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.results import Measurements

__all__ = ["CheckedSentence", "Claim", "check_text"]

Verdict = Literal["supported", "contradicts", "unchecked"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a sentence says, and what was found instead or as well.

    ``about`` is the name of a measurement or a statement, ``said`` the words of the text, ``found``
    what the recording shows, and ``agrees`` None where it could not be compared.
    """

    about: str
    said: str
    found: str
    agrees: bool | None

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "about": self.about, "said": self.said, "found": self.found, "agrees": self.agrees,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence of the text, where it starts, and what came of its claims."""

    text: str
    start: int
    claims: tuple[Claim, ...]

    @property
    def verdict(self) -> Verdict:
        """One claim that contradicts is enough."""
        if any(claim.agrees is False for claim in self.claims):
            return "contradicts"
        return "supported" if any(claim.agrees for claim in self.claims) else "unchecked"

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "text": self.text,
            "start": self.start,
            "verdict": self.verdict,
            "claims": [claim.to_dict() for claim in self.claims],
        }


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A measurement as texts name it: the pattern, the names it may mean, unit, tolerance."""

    pattern: str
    names: tuple[str, ...]
    unit: str
    absolute: float
    share: float = 0.0

    def near(self, said: float, measured: float) -> bool:
        if self.unit == "deg":
            return abs((said - measured + 180.0) % 360.0 - 180.0) <= self.absolute
        return abs(said - measured) <= max(self.absolute, self.share * abs(measured))


_QTC = ("qtc_ms", "qtc_bazett_ms", "qtc_framingham_ms", "qtc_hodges_ms")
_QUANTITIES = (
    # IEC 60601-2-27: a rate is right within 10 % or 5/min.
    _Quantity(r"(?:atrial rate)", ("atrial_rate_bpm",), "/min", 5.0, 0.10),
    _Quantity(
        r"(?:(?:heart|ventricular|pulse)\s+rate|\brate\b|\bHR\b|frequency)",
        ("heart_rate_bpm",), "/min", 5.0, 0.10,
    ),
    # IEC 60601-2-25 allows a program a standard deviation of 10 ms (PR, QRS) and 30 ms (QT): twice
    # that, and once.
    _Quantity(r"\bPR\b(?:[\s-]*interval)?", ("pr_ms",), "ms", 20.0),
    _Quantity(r"\bQRS\b(?!\s*(?:axis|voltage))(?:[\s-]*(?:duration|complex|width|interval))?",
              ("qrs_ms",), "ms", 20.0),
    _Quantity(r"\bQTc[BF]?\b(?:[\s-]*interval)?", _QTC, "ms", 30.0),
    _Quantity(r"\bQT\b(?!\s*/\s*QTc)(?:[\s-]*interval)?", ("qt_ms",), "ms", 30.0),
    _Quantity(r"\bP(?:[\s-]*wave)?\s+duration", ("p_ms",), "ms", 20.0),
    _Quantity(r"\bP(?:[\s-]*wave)?\s+axis", ("p_axis_deg",), "deg", 30.0),
    _Quantity(r"\bT(?:[\s-]*wave)?\s+axis", ("t_axis_deg",), "deg", 30.0),
    _Quantity(r"(?:\bQRS|electrical|cardiac|frontal(?:\s+plane)?|mean)?\s*\baxis",
              ("qrs_axis_deg",), "deg", 20.0),
)  # fmt: skip
"""Tolerances of angles are our choice."""

_NUMBER = r"([-\u2212+]?\d+(?:[.,]\d+)?)"
_UNIT = {
    "/min": r"\s*(?:/\s*min|bpm|beats?\s*(?:per|/)\s*min(?:ute)?|per\s+minute)?",
    "ms": r"(?:\s*-?\s*(ms(?:ec)?|milliseconds?|s(?:ec(?:onds?)?|ek(?:unden?)?)?))?\b",
    "deg": r"\s*(?:\u00b0|deg(?:rees?)?)?",
}
_BETWEEN = (
    r"(?:\s*(?:\([^)]*\)|is|was|of|at|about|approximately|approx\.?|around|measured|measures|normal|"
    r"prolonged|wide|broad|short|deviated|between|:|=|,|~|\u2248))*\s*"
)
_UP_TO = re.compile(r"\s*(?:-|\u2013|\bto\b|\band\b)\s*" + _NUMBER)
_OTHER_UNIT = re.compile(
    r"\s*-?\s*(?:(?:[\u00b5\u03bcmun]?[Vs]|mm(?:Hg)?|k?Hz|bpm|msec|leads?|beats?|deg(?:rees?)?|"
    r"(?:out\s+)?of\s+\d+)\b|/\s*min\b|%|\u00b0)"
)
"""Behind a number whose own unit was passed: it is of another quantity."""
_OTHER_QUANTITY = re.compile(
    r"\b(?:respirat\w+|breath\w*|sampl\w+|acquisition|recording|mains|line|notch|filter\w*|cut-?off|"
    r"corner|target|predicted|maxim\w+|max|minim\w+|min|peak|highest|lowest|upper|lower|programmed|"
    r"pacing|pacemaker|flutter|fibrillat\w+)[\s-]+(?:heart\s+)?$",
    re.IGNORECASE,
)
"""Before a name: another rate than that of this ECG's beats."""
_EARLIER = re.compile(
    r"\b(?:history|h/o|formerly|(?:previous(?:ly)?|prior|earlier)"
    r"(?!\s+(?:\w+\s+){0,3}(?:infarct\w*|MI)\b))\b",
    re.IGNORECASE,
)
"""What is said of another ECG is not compared with this one."""
_LISTED_NAMES = {"PR": "pr_ms", "QRS": "qrs_ms", "QT": "qt_ms", "QTC": "qtc_ms"}
_LISTED = re.compile(
    r"\b(?P<names>(?:PR|QRS|QTc?)(?:\s*/\s*(?:PR|QRS|QTc?))+)[BF]?\b(?:-?Baz\w*\.?)?"
    + _BETWEEN
    + r"(?P<numbers>\d+(?:\s*/\s*\d+)+)\s*(?:ms\b)?",
    re.IGNORECASE,
)
"""As electrocardiographs print it: "QT/QTc 380/410 ms"."""

_NEGATION = re.compile(
    r"\b(?:no|not|without|absen(?:t|ce)|negative\s+for|rul(?:e|es|ed)\s+out|exclud\w+|never|neither|nor|"
    r"lack\s+of|free\s+of|denies|n't)\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(r"\b(?:cannot|can't|could not)\b.*\b(?:exclude|rule)", re.IGNORECASE)
_BREAK = re.compile(
    r"[;:]|\b(?:but|however|although|though|except|and\s+(?:there|a|an|the))\b|,\s*(?=(?:and\s+)?"
    r"(?:with|there|the|a|an|it|this|normal|sinus)\b)",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"\b(?:(?:is|are|was|were)\s+(?:not\s+(?:seen|present|evident|shown)|absent|excluded|ruled\s+out)"
    r"|not\s+(?:seen|present|evident)"
    r"|no\s+longer\s+(?:seen|present|evident|shown|there|found|detected|visible))\b",
    re.IGNORECASE,
)
_DENIED_NEXT = re.compile(
    r"[\s:=\u2013-]*(?:(?:is|are|was|were|has|have|now|been)\s+)*(?:(?:absent|negative|resolved|"
    r"disappeared|gone|ceased|lost|excluded|ruled\s+out|not\s+(?:found|detected|visible|identified))\b"
    r"|(?<=[:=])\s*(?:no|none|nil|not)\s*$|(?<=[:=]\s)\s*(?:no|none|nil|not)\s*$)",
    re.IGNORECASE,
)
"""Directly behind a name, up to the next comma: "AF absent", "AF: no"."""
_DOUBTED_NEXT = re.compile(
    r"\s*(?:\?|(?:(?:is|are|seems?)\s+)?(?:un\w*likely|doubtful|questionable))", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Phrases:
    """What texts call a statement, and any of those that make it true; and words for a range."""

    statements: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]
    ranges: tuple[tuple[re.Pattern[str], str, float | None, float | None], ...]


@cache
def _phrases() -> _Phrases:
    """Read ``phrases.json``; its limits are those of :mod:`ecgfoundry.criteria`.

    110 and 210 ms for a normal PR interval are those that electrocardiographs print from.
    """
    document = json.loads(files("ecgfoundry.reports").joinpath("phrases.json").read_text("utf-8"))
    return _Phrases(
        tuple(
            (re.compile(row["pattern"], re.IGNORECASE), tuple(row["statements"]))
            for row in document["statements"]
        ),
        tuple(
            (re.compile(row["pattern"], re.IGNORECASE), row["measurement"], row["low"], row["high"])
            for row in document["ranges"]
        ),
    )


_GROUPS = {
    "inferior": ("II", "III", "aVF"),
    "high lateral": ("I", "aVL"),
    "anterolateral": ("V3", "V4", "V5", "V6", "I", "aVL"),
    "anteroseptal": ("V1", "V2", "V3", "V4"),
    "lateral": ("I", "aVL", "V5", "V6"),
    "septal": ("V1", "V2"),
    "anterior": ("V1", "V2", "V3", "V4"),
    "precordial": ("V1", "V2", "V3", "V4", "V5", "V6"),
}
_LEAD = r"(?:aVR|aVL|aVF|V[1-6]|III|II|I)"
_LEAD_LIST = re.compile(
    rf"\b{_LEAD}(?:\s*(?:,|and|&|/|-|\u2013|to|through)\s*(?:and\s+)?(?:leads?\s+)?{_LEAD})*\b"
)
_WAVES = (
    (re.compile(r"\bST[\s-]*(?:segment\s*)?elevations?|\bSTE\b", re.I), "st_j_mv", 0.05, 1),
    (re.compile(r"\bST[\s-]*(?:segment\s*)?depressions?|\bSTD\b", re.I), "st_j_mv", -0.03, -1),
    (
        re.compile(r"\bT[\s-]*waves?\s*(?:are\s+|is\s+)?inver\w+|inverted\s+T\b", re.I),
        "t_mv",
        0.0,
        -1,
    ),
)
"""A sign in named leads is false where it is clearly not there: on the wrong side of these levels
in mV (half of the lowest limits of the 4th Universal Definition, less the noise; our choice)."""


def check_text(
    text: str, measurements: Measurements, statements: Iterable[Statement] = ()
) -> tuple[CheckedSentence, ...]:
    """Compare every sentence of a text with what was measured.

    Parameters
    ----------
    text : str
        English.
    measurements : Measurements
    statements : iterable of Statement
        Of :func:`ecgfoundry.interpret`; without them only numbers, ranges and leads are compared.

    Returns
    -------
    tuple of CheckedSentence
        All sentences in order; those that contradict have ``verdict == "contradicts"``.
    """
    known = {statement.name: statement for statement in statements}
    result = []
    for start, sentence in _sentences(text):
        if not measurements.readable:
            claims: tuple[Claim, ...] = ()
        else:
            claims = tuple(dict.fromkeys(_claims(sentence, measurements, known)))
        result.append(CheckedSentence(sentence, start, claims))
    return tuple(result)


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    """Cut at full stops that end a sentence, at line ends and at bullets."""
    # What stands in square brackets cites a source, as in our own reports.
    plain = re.sub(r"\[[^\]\n]*\]", lambda match: " " * len(match.group()), text)
    for match in re.finditer(r"[^\n.!?]+(?:\.(?=\d)[^\n.!?]+)*[.!?]?", plain):
        words = match.group().strip(" \t-*\u2022")
        if re.search(r"\w", words):
            yield match.start() + match.group().index(words), words


def _claims(
    sentence: str, measurements: Measurements, known: Mapping[str, Statement]
) -> Iterator[Claim]:
    yield from _numbers(sentence, measurements)
    yield from _ranges(sentence, measurements)
    if known:
        yield from _named(sentence, known)
    yield from _waves(sentence, measurements)


def _numbers(sentence: str, measurements: Measurements) -> Iterator[Claim]:
    taken: list[tuple[int, int]] = []
    for listed in _LISTED.finditer(sentence):
        taken.append(listed.span())
        names = re.split(r"\s*/\s*", listed["names"].upper())
        numbers = [float(number) for number in re.split(r"\s*/\s*", listed["numbers"])]
        if len(names) != len(numbers) or _is_earlier(sentence, listed):
            continue
        for name, number in zip(names, numbers, strict=True):
            of = next(one for one in _QUANTITIES if one.names[0] == _LISTED_NAMES[name])
            yield _compared(of, number, number, listed.group().strip(), measurements)
    for quantity in _QUANTITIES:
        pattern = quantity.pattern + _BETWEEN + _NUMBER + _UNIT[quantity.unit]
        for match in re.finditer(pattern, sentence, re.IGNORECASE):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            taken.append(match.span())
            low, high, words = _said(sentence, match, quantity)
            if _OTHER_UNIT.match(sentence, match.start() + len(words)):
                continue
            before = sentence[: match.start()]
            is_other = quantity.unit == "/min" and _OTHER_QUANTITY.search(before)
            if not is_other and not _is_earlier(sentence, match):
                yield _compared(quantity, low, high, words.strip(), measurements)


def _said(sentence: str, match: re.Match[str], quantity: _Quantity) -> tuple[float, float, str]:
    """Return the number that is said twice, or both ends of a range, and the words of it."""
    numbers, end = [match.group(1)], match.end()
    unit = (match.group(2) or "") if quantity.unit == "ms" else ""
    again = _UP_TO.match(sentence, end)
    if again and ("and" not in again.group().lower() or "between" in match.group().lower()):
        rest = re.compile(_UNIT[quantity.unit], re.IGNORECASE).match(sentence, again.end())
        numbers.append(again.group(1))
        end = rest.end() if rest else again.end()
        if quantity.unit == "ms" and rest:
            unit = unit or rest.group(1) or ""
    values = [float(number.replace(",", ".").replace("\u2212", "-")) for number in numbers]
    is_in_seconds = unit.lower().startswith("s") or (not unit and 0 < max(values) < 2)
    if quantity.unit == "ms" and is_in_seconds:
        values = [1000.0 * value for value in values]
    return min(values), max(values), sentence[match.start() : end]


def _is_earlier(sentence: str, match: re.Match[str]) -> bool:
    """Whether the words up to the next commas say that it is of another ECG."""
    start = max(sentence.rfind(mark, 0, match.start()) for mark in ",;") + 1
    behind = re.split(r"[,;]", sentence[match.end() :])[0]
    return bool(_EARLIER.search(sentence[start : match.end()] + behind))


def _compared(
    quantity: _Quantity, low: float, high: float, words: str, measurements: Measurements
) -> Claim:
    values = [measurements.values[name] for name in quantity.names]
    found = [value.value for value in values if value.value is not None]
    if not found:
        return Claim(quantity.names[0], words, values[0].reason or "not measured", None)
    nearest = min(found, key=lambda value: max(low - value, value - high, 0.0))
    shown = f"{nearest:.0f} {quantity.unit}"
    said = min(max(nearest, low), high)
    return Claim(quantity.names[0], words, shown, quantity.near(said, nearest))


def _ranges(sentence: str, measurements: Measurements) -> Iterator[Claim]:
    for pattern, name, low, high in _phrases().ranges:
        for match in pattern.finditer(sentence):
            if _is_earlier(sentence, match):
                continue
            value = measurements.values[name]
            if value.value is None:
                yield Claim(name, match.group(), value.reason or "not measured", None)
                continue
            inside = (low is None or value.value >= low) and (high is None or value.value <= high)
            agrees = _agrees(inside, _denied(sentence, match))
            yield Claim(name, match.group(), f"{value.value:.0f} {value.unit}", agrees)


def _named(sentence: str, known: Mapping[str, Statement]) -> Iterator[Claim]:
    taken: list[tuple[int, int]] = []
    for pattern, names in _phrases().statements:
        for match in pattern.finditer(sentence):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            taken.append(match.span())
            found = [known[name] for name in names if name in known]
            present = [one for one in found if one.present]
            open_ones = [one for one in found if one.present is None]
            if _is_earlier(sentence, match):
                yield Claim(names[0], match.group(), "said of another ECG", None)
            elif not found or (not present and open_ones) or _HEDGE.search(sentence):
                why = open_ones[0].reason or "" if open_ones else "no statement of this name"
                yield Claim(names[0], match.group(), why, None)
            elif present and all(one.possible for one in present):
                yield Claim(present[0].name, match.group(), "possible", None)
            else:
                name = present[0].name if present else names[0]
                agrees = _agrees(bool(present), _denied(sentence, match))
                yield Claim(name, match.group(), "present" if present else "absent", agrees)


def _waves(sentence: str, measurements: Measurements) -> Iterator[Claim]:
    for pattern, name, level, sign in _WAVES:
        for match in pattern.finditer(sentence):
            if _is_earlier(sentence, match):
                continue
            denied = _denied(sentence, match)
            for lead in _leads(sentence[match.end() :]) or _leads_before(sentence, match):
                measured = measurements.leads.get(lead)
                value = None if measured is None else getattr(measured, name)
                words = f"{match.group()} in {lead}"
                if value is None or not measurements.calibrated:
                    yield Claim(name, words, f"{lead} was not measured", None)
                elif denied:
                    # "No ST elevation" is false where the limit of 0.1 mV is clearly passed.
                    clear = value * sign >= 0.15
                    yield Claim(name, words, f"{value:.2f} mV", False if clear else None)
                elif denied is False:
                    there = value * sign > level * sign
                    yield Claim(name, words, f"{value:.2f} mV", there)


def _agrees(there: bool, denied: bool | None) -> bool | None:
    return None if denied is None else there != denied


def _leads(words: str) -> tuple[str, ...]:
    """Return the leads that the words after a sign name: "in V1-V3", "in the inferior leads"."""
    clause = re.split(r"[;.]|\bwith\b|\bbut\b|\bwithout\b", words)[0]
    found = _LEAD_LIST.search(clause)
    if found:
        return _expanded(found.group())
    for group, leads in _GROUPS.items():
        if re.search(rf"\b{group}(?:ly)?\b", clause, re.IGNORECASE):
            return leads
    return ()


def _leads_before(sentence: str, match: re.Match[str]) -> tuple[str, ...]:
    before = sentence[max(0, match.start() - 20) : match.start()]
    for group, leads in _GROUPS.items():
        if re.search(rf"\b{group}\s*$", before, re.IGNORECASE):
            return leads
    return ()


def _expanded(words: str) -> tuple[str, ...]:
    names = re.findall(_LEAD, words)
    if re.search(r"-|\u2013|\bto\b|\bthrough\b", words) and len(names) == 2:
        first, last = (STANDARD_12_LEADS.index(name) for name in names)
        return tuple(STANDARD_12_LEADS[first : last + 1]) or (names[0],)
    return tuple(dict.fromkeys(names))


def _denied(sentence: str, match: re.Match[str]) -> bool | None:
    """Return whether the words around a claim deny it; None where that is ambiguous.

    "No A, B or C" denies all three; in "no A, B" it cannot be told whether B is denied.
    """
    after = re.split(r"[;,]", sentence[match.end() :])[0]
    if _DOUBTED_NEXT.match(after):
        return None
    if _DENIED_AFTER.search(after) or _DENIED_NEXT.match(after.rstrip(" .!?")):
        return True
    clause = _BREAK.split(sentence[: match.start()])[-1]
    negations = list(_NEGATION.finditer(clause))
    if not negations:
        return None if re.search(r"\bunlikely\b", clause, re.IGNORECASE) else False
    between = clause[negations[-1].end() :]
    if "," not in between:
        return True
    rest = _BREAK.split(sentence[match.start() :])[0]
    return True if re.search(r"\b(?:or|nor)\b", between + rest) else None
