"""Two recordings of one person compared: what changed by more than it does between two minutes.

Every measurement that both recordings have is compared with its repeat variability: one and a half
times the table of :mod:`ecgfoundry.criteria.variability`, or, where that is more, twice the
difference between two halves of one of the recordings. The statements are the 22 of
``ecgfounder-150`` that compare with an earlier ECG; each needs two neighbouring leads that agree.
Statements of one recording that came or went are named beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.criteria.measured_words import CHANGE
from ecgfoundry.criteria.quantity import unit_of
from ecgfoundry.criteria.rules import Verdict
from ecgfoundry.criteria.st_t import CONTIGUOUS
from ecgfoundry.criteria.stating import verdicts, withheld
from ecgfoundry.criteria.types import MEDIAN, Evidence, Statement
from ecgfoundry.criteria.variability import repeat_of
from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import SignalError
from ecgfoundry.measurements.measuring import measure
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.measurements.values import LeadMeasurements
from ecgfoundry.recording import Recording, check_is_recording
from ecgfoundry.vocabularies.loading import load_vocabulary

__all__ = [
    "Change",
    "Comparison",
    "Superimposed",
    "compare_measurements",
    "compare_recordings",
    "halves_differ",
    "superimposed",
    "two_persons",
]

Float64 = NDArray[np.float64]
Key = tuple[str, str | None]

COMPARED: tuple[str, ...] = (
    "heart_rate_bpm", "p_ms", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms", "p_axis_deg", "qrs_axis_deg",
    "t_axis_deg",
)  # fmt: skip
COMPARED_IN_LEADS: tuple[str, ...] = ("q_mv", "r_mv", "s_mv", "st_j_mv", "st_j60_mv", "t_mv")
CHANGE_FACTOR = 1.5
SCATTER_FACTOR = 2.0
"""A change is one beyond one and a half times the usual repeat variability, which is a 90th
percentile, and beyond twice the difference between the halves of one of the recordings: with some
seventy values compared, one in ten would be too many. The figures are in ``docs/statements.md``."""
AGE_YEARS = 2.0
"""By so much ages may differ from the time between two recordings of one person (our choice)."""
DAYS_PER_YEAR = 365.25
SHORTEST_HALF_S = 4.0
"""Halves that are shorter have too few beats to tell how much a recording varies."""

Kind = Literal["normal", "flat", "inverted"]


@dataclass(frozen=True, slots=True)
class Change:
    """One measurement in both recordings.

    Parameters
    ----------
    name : str
    lead : str or None
        None: of all leads together.
    unit : str
    earlier, later : float
    difference : float
        Later less earlier; of axes the shorter way round, in degrees.
    limit : float
        A difference up to this is repeat variability.
    """

    name: str
    lead: str | None
    unit: str
    earlier: float
    later: float
    difference: float
    limit: float

    @property
    def beyond(self) -> bool:
        """Whether it changed by more than its repeat variability."""
        return abs(self.difference) > self.limit

    def evidence(self) -> Evidence:
        """Return it as evidence of a statement."""
        return Evidence(
            name=f"{self.name}{CHANGE}",
            value=self.difference,
            unit=self.unit,
            limit=f"beyond ±{self.limit:.3g}",
            met=self.beyond,
            source="repeat variability, ecgfoundry.criteria.variability",
            lead=self.lead,
            beat=None if self.lead is None else MEDIAN,
        )

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "name": self.name,
            "lead": self.lead,
            "unit": self.unit,
            "earlier": round(self.earlier, 4),
            "later": round(self.later, 4),
            "difference": round(self.difference, 4),
            "limit": round(self.limit, 4),
            "beyond": self.beyond,
        }


@dataclass(frozen=True, eq=False)
class Superimposed:
    """The median beats of one lead of both recordings on one time axis.

    ``time_ms`` (columns,) counts from the QRS onset; ``earlier`` and ``later`` (columns,) are mV,
    NaN where a recording has nothing.
    """

    lead: str
    time_ms: Float64
    earlier: Float64
    later: Float64


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two recordings of one person.

    Attributes
    ----------
    earlier, later : Measurements
    changes : tuple of Change
        Everything that was compared.
    statements : tuple of Statement
        All serial statements, present, absent or not to be told.
    appeared, disappeared : tuple of str
        Statements of a single recording that are present in one only, by more than the repeat
        variability in both: else it may be the same finding on both sides of a limit.
    left_out : tuple of str
        Leads that one recording alone has; nothing of them was compared.
    remarks : tuple of str
        Sentences about the two recordings that may turn the meaning of all changes.
    """

    earlier: Measurements
    later: Measurements
    changes: tuple[Change, ...]
    statements: tuple[Statement, ...]
    appeared: tuple[str, ...]
    disappeared: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def changed(self) -> tuple[Change, ...]:
        """What changed beyond its repeat variability."""
        return tuple(change for change in self.changes if change.beyond)

    def change(self, name: str, lead: str | None = None) -> Change | None:
        """Return one comparison; None where one recording does not have it."""
        return next((c for c in self.changes if (c.name, c.lead) == (name, lead)), None)

    def superimposed(self) -> tuple[Superimposed, ...]:
        """Return the median beats of the leads of both, aligned at the QRS onset."""
        return superimposed(self.earlier, self.later)

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "schema_version": 1,
            "earlier": self.earlier.source,
            "later": self.later.source,
            "changes": [change.to_dict() for change in self.changes],
            "statements": [statement.to_dict() for statement in self.statements],
            "appeared": list(self.appeared),
            "disappeared": list(self.disappeared),
            "left_out": list(self.left_out),
            "remarks": list(self.remarks),
        }


def compare_recordings(
    earlier: Recording, later: Recording, *, same_person: bool | None = None
) -> Comparison:
    """Compare two recordings of one person by the leads that both have.

    Durations are those of all leads together: three leads see less of a QRS complex than twelve.

    Parameters
    ----------
    earlier, later : Recording
    same_person : bool, optional
        True: they are of one person, whatever the files say. None: they are, unless both files
        state an identifier, a date of birth, a sex or an age, and these cannot be of one person.

    Raises
    ------
    SignalError
        The recordings name two persons, have no lead in common, or one of them is no ECG that can
        be read.
    """
    for one in (earlier, later):
        check_is_recording(one)
    differ = () if same_person else two_persons(earlier, later)
    if differ:
        raise SignalError(
            f"the recordings are of two persons: {', '.join(differ)}",
            remedy="If it is one person, say so: --same-person or same_person=True",
        )
    remarks = _remarks(earlier, later)
    leads = (earlier.leads, later.leads)
    left_out = [lead for own, other in (leads, leads[::-1]) for lead in own if lead not in other]
    earlier, later = _of_shared_leads(earlier, later)
    measured = measure(earlier), measure(later)
    for recording, found in zip(("earlier", "later"), measured, strict=True):
        if found.refused is not None:
            raise SignalError(f"the {recording} recording cannot be read: {found.refused.message}")
    own = [halves_differ(recording) for recording in (earlier, later)]
    scatter = {
        key: max(part.get(key, 0.0) for part in own)
        for key in {key for part in own for key in part}
    }
    age = later.subject.age if later.subject.age is not None else earlier.subject.age
    compared = compare_measurements(
        *measured, scatter=scatter, age=age, sex=later.subject.sex or earlier.subject.sex
    )
    return replace(compared, left_out=tuple(left_out), remarks=remarks)


ANOTHER_ORDER = (
    "The earlier recording states a start after that of the later one: if that is right, every "
    "change runs the other way."
)
ONE_RECORDING = "Both are one and the same recording."


def _remarks(earlier: Recording, later: Recording) -> tuple[str, ...]:
    """Return what the two recordings say of themselves that a reader of changes has to know."""
    same = earlier.leads == later.leads and earlier.sampling_rate == later.sampling_rate
    if same and np.array_equal(earlier.signal, later.signal, equal_nan=True):
        return (ONE_RECORDING,)
    first, second = earlier.start_time, later.start_time
    if first is None or second is None or (first.tzinfo is None) != (second.tzinfo is None):
        return ()
    return (ANOTHER_ORDER,) if first > second else ()


def _of_shared_leads(earlier: Recording, later: Recording) -> tuple[Recording, Recording]:
    if set(earlier.leads) == set(later.leads):
        return earlier, later
    shared = [lead for lead in earlier.leads if lead in later.leads]
    if not shared:
        own, other = (", ".join(recording.leads) for recording in (earlier, later))
        raise SignalError(
            f"the recordings have no lead in common: the earlier has {own}, the later {other}",
            remedy="Compare recordings of which a lead is the same",
        )
    return earlier.select(shared), later.select(shared)


def two_persons(earlier: Recording, later: Recording) -> tuple[str, ...]:
    """Return in words what two recordings state that cannot be of one person.

    Ages may differ by up to two years from the time between the recordings, or, where a start is
    not stated, fall by as much: they are whole years, and of two files one may be out of date.
    """
    first, second = earlier.subject, later.subject
    stated = [
        ("identifier", first.identifier, second.identifier),
        ("date of birth", first.birth_date, second.birth_date),
        ("sex", first.sex, second.sex),
    ]
    if first.age is not None and second.age is not None:
        older = second.age - first.age
        begin, again = earlier.start_time, later.start_time
        if begin is not None and again is not None:
            possible = abs(older - (again.date() - begin.date()).days / DAYS_PER_YEAR) <= AGE_YEARS
        else:
            possible = older >= -AGE_YEARS
        if not possible:
            stated.append(("age", f"{first.age:g}", f"{second.age:g}"))
    return tuple(
        f"{name} {one} and {other}" for name, one, other in stated if one and other and one != other
    )


def halves_differ(recording: Recording) -> dict[Key, float]:
    """Return by how much the two halves of a recording differ, per measurement and lead.

    Empty for a recording whose halves are shorter than 4 s or cannot be read.
    """
    half = recording.samples // 2
    if half < SHORTEST_HALF_S * recording.sampling_rate:
        return {}
    first = measure(recording.part(0, half))
    second = measure(recording.part(recording.samples - half, recording.samples))
    if not (first.readable and second.readable):
        return {}
    return {
        (change.name, change.lead): abs(change.difference) for change in _changes(first, second, {})
    }


def compare_measurements(
    earlier: Measurements,
    later: Measurements,
    *,
    scatter: Mapping[Key, float] | None = None,
    age: float | None = None,
    sex: str | None = None,
) -> Comparison:
    """Compare the measurements of two recordings of one person.

    Parameters
    ----------
    earlier, later : Measurements
    scatter : mapping of (name, lead) to float, optional
        How far a value differs within one of the recordings (:func:`halves_differ`).
    age, sex : optional
        For the statements of each recording.
    """
    changes = _changes(earlier, later, scatter or {})
    before, after = (verdicts(part, age=age, sex=sex) for part in (earlier, later))
    return Comparison(
        earlier=earlier,
        later=later,
        changes=changes,
        statements=withheld(withheld(_serial_statements(earlier, later, changes), earlier), later),
        appeared=_only(after, before),
        disappeared=_only(before, after),
    )


def _only(here: Mapping[str, Verdict], there: Mapping[str, Verdict]) -> tuple[str, ...]:
    """Present here and absent there, both by more than the repeat variability."""
    return tuple(
        name for name, verdict in here.items() if verdict.firm and there[name].loose is False
    )


# --- changes -----------------------------------------------------------------------------------


def _changes(
    earlier: Measurements, later: Measurements, scatter: Mapping[Key, float]
) -> tuple[Change, ...]:
    found = [
        _change(name, None, getattr(earlier, name), getattr(later, name), scatter)
        for name in COMPARED
    ]
    calibrated = earlier.calibrated and later.calibrated
    for lead, first in earlier.leads.items() if calibrated else ():
        second = later.leads.get(lead)
        if second is None:
            continue
        for name in COMPARED_IN_LEADS:
            found.append(_change(name, lead, getattr(first, name), getattr(second, name), scatter))
    return tuple(change for change in found if change is not None)


def _change(
    name: str,
    lead: str | None,
    earlier: float | None,
    later: float | None,
    scatter: Mapping[Key, float],
) -> Change | None:
    if earlier is None or later is None:
        return None
    difference = later - earlier
    if name.endswith("_deg"):
        difference = (difference + 180.0) % 360.0 - 180.0
    usual = max(repeat_of(name).around(earlier), repeat_of(name).around(later))
    limit = max(CHANGE_FACTOR * usual, SCATTER_FACTOR * scatter.get((name, lead), 0.0))
    return Change(name, lead, unit_of(name), earlier, later, difference, limit)


# --- serial statements -------------------------------------------------------------------------

T_INVERTED_MV = -0.1
T_FLAT_SHARE = 0.1
T_FLAT_MV = 0.05
R_PROMINENT_MV = 0.5
ST_DEPRESSED_MV = -0.05
ST_ELEVATED_MV = 0.1
"""T inversion, ST depression and elevation: Fourth Universal Definition; a flat T wave is under a
tenth of a prominent R (AHA/ACCF/HRS 2009 part IV)."""
LEADS_OF_T = ("I", "II", "aVL", "aVF", "V2", "V3", "V4", "V5", "V6")


def _t_kind(figures: LeadMeasurements) -> Kind | None:
    t, r = figures.t_mv, figures.r_mv
    if t is None:
        return None
    if t <= T_INVERTED_MV:
        return "inverted"
    low = t <= T_FLAT_MV and r is not None and r >= R_PROMINENT_MV and t < T_FLAT_SHARE * r
    return "flat" if low else "normal"


@dataclass(frozen=True)
class _Lead:
    """ST and T of one lead in both recordings."""

    name: str
    first: LeadMeasurements
    second: LeadMeasurements
    st: Change | None
    t: Change | None

    @property
    def kinds(self) -> tuple[Kind | None, Kind | None]:
        return _t_kind(self.first), _t_kind(self.second)

    def t_became(self, before: Kind, after: Kind) -> bool:
        moved = self.t is not None and self.t.beyond
        return self.name in LEADS_OF_T and moved and self.kinds == (before, after)

    def t_deeper(self, sign: float) -> bool:
        """Inverted in both, by more (sign -1) or by less (+1)."""
        moved = self.t is not None and self.t.beyond and sign * self.t.difference > 0
        return moved and self.kinds == ("inverted", "inverted")

    def t_higher(self, sign: float) -> bool:
        moved = self.t is not None and self.t.beyond and sign * self.t.difference > 0
        return moved and self.kinds == ("normal", "normal")

    def st_moved(self, sign: float) -> bool:
        return self.st is not None and self.st.beyond and sign * self.st.difference > 0

    def st_is(self, before: Callable[[float], bool], after: Callable[[float], bool]) -> bool:
        return self.st is not None and before(self.st.earlier) and after(self.st.later)


def _depressed(level: float) -> bool:
    return level <= ST_DEPRESSED_MV


def _elevated(level: float) -> bool:
    return level >= ST_ELEVATED_MV


def _neither(level: float) -> bool:
    return not _depressed(level) and not _elevated(level)


def _not_depressed(level: float) -> bool:
    return not _depressed(level)


Test = Callable[[_Lead], bool]

_BY_LEAD: Mapping[str, Test] = {
    "NONSPECIFIC T WAVE ABNORMALITY NOW EVIDENT IN": lambda x: x.t_became("normal", "flat"),
    "NONSPECIFIC T WAVE ABNORMALITY NO LONGER EVIDENT IN": lambda x: x.t_became("flat", "normal"),
    "T WAVE INVERSION NOW EVIDENT IN": lambda x: x.t_became("normal", "inverted"),
    "T WAVE INVERSION NO LONGER EVIDENT IN": lambda x: x.t_became("inverted", "normal"),
    "INVERTED T WAVES HAVE REPLACED NONSPECIFIC T WAVE ABNORMALITY IN": (
        lambda x: x.t_became("flat", "inverted")
    ),
    "NONSPECIFIC T WAVE ABNORMALITY HAS REPLACED INVERTED T WAVES IN": (
        lambda x: x.t_became("inverted", "flat")
    ),
    "T WAVE INVERSION LESS EVIDENT IN": lambda x: x.t_deeper(+1.0),
    "T WAVE INVERSION MORE EVIDENT IN": lambda x: x.t_deeper(-1.0),
    "T WAVE AMPLITUDE HAS DECREASED IN": lambda x: x.t_higher(-1.0),
    "T WAVE AMPLITUDE HAS INCREASED IN": lambda x: x.t_higher(+1.0),
    "ST NOW DEPRESSED IN": lambda x: x.st_moved(-1.0) and x.st_is(_not_depressed, _depressed),
    "ST NO LONGER DEPRESSED IN": lambda x: x.st_moved(+1.0) and x.st_is(_depressed, _neither),
    "ST LESS DEPRESSED IN": lambda x: x.st_moved(+1.0) and x.st_is(_depressed, _depressed),
    "ST MORE DEPRESSED IN": lambda x: x.st_moved(-1.0) and x.st_is(_depressed, _depressed),
    "ST ELEVATION NOW PRESENT IN": lambda x: x.st_moved(+1.0) and x.st_is(_neither, _elevated),
    "ST NO LONGER ELEVATED IN": lambda x: x.st_moved(-1.0) and x.st_is(_elevated, _neither),
    "ST LESS ELEVATED IN": lambda x: x.st_moved(-1.0) and x.st_is(_elevated, _elevated),
    "ST MORE ELEVATED IN": lambda x: x.st_moved(+1.0) and x.st_is(_elevated, _elevated),
    "ST ELEVATION HAS REPLACED ST DEPRESSION IN": (
        lambda x: x.st_moved(+1.0) and x.st_is(_depressed, _elevated)
    ),
    "NON-SPECIFIC CHANGE IN ST SEGMENT IN": (
        lambda x: (x.st_moved(+1.0) or x.st_moved(-1.0)) and x.st_is(_neither, _neither)
    ),
}


def _serial_statements(
    earlier: Measurements, later: Measurements, changes: Sequence[Change]
) -> tuple[Statement, ...]:
    by_key = {(change.name, change.lead): change for change in changes}
    leads = [
        _Lead(
            lead,
            first,
            later.leads[lead],
            by_key.get(("st_j60_mv", lead)),
            by_key.get(("t_mv", lead)),
        )
        for lead, first in earlier.leads.items()
        if lead in later.leads
    ]
    result = [_qt("QT HAS LENGTHENED", +1.0, by_key), _qt("QT HAS SHORTENED", -1.0, by_key)]
    comparable = earlier.calibrated and later.calibrated
    for name, test in _BY_LEAD.items():
        result.append(_of_leads(name, test, leads if comparable else []))
    order = {name: place for place, name in enumerate(load_vocabulary("ecgfounder-150").names)}
    return tuple(sorted(result, key=lambda statement: order[statement.name]))


def _qt(name: str, sign: float, by_key: Mapping[Key, Change]) -> Statement:
    """QTc changed: QT itself follows the rate."""
    change = by_key.get(("qtc_ms", None))
    if change is None:
        return _statement(name, None, (), "QTc was not measured in both recordings")
    present = change.beyond and sign * change.difference > 0
    return _statement(name, present, (change.evidence(),))


def _of_leads(name: str, test: Test, leads: Sequence[_Lead]) -> Statement:
    comparable = [lead for lead in leads if lead.st is not None or lead.t is not None]
    if len(comparable) < 2:
        return _statement(name, None, (), "fewer than two leads can be compared")
    shown = {lead.name: lead for lead in comparable if test(lead)}
    pairs = [pair for pair in CONTIGUOUS if set(pair) <= set(shown)]
    together = {lead for pair in pairs for lead in pair}
    evidence = [
        change.evidence()
        for lead in shown.values()
        if lead.name in together
        for change in ((lead.st,) if name.startswith(("ST", "NON-SPECIFIC")) else (lead.t,))
        if change is not None
    ]
    return _statement(name, bool(pairs), tuple(evidence))


def _statement(
    name: str, present: bool | None, evidence: tuple[Evidence, ...], reason: str | None = None
) -> Statement:
    return Statement(
        name=name,
        group="serial",
        present=present,
        evidence=evidence,
        decided_by="comparison",
        needs_confirmation=True,
        reason=reason,
    )


# --- median beats over each other --------------------------------------------------------------


def superimposed(earlier: Measurements, later: Measurements) -> tuple[Superimposed, ...]:
    """Return the median beats of the leads of both recordings, aligned at the QRS onset.

    Columns are those of the slower of the two rates; the other beat is interpolated.
    """
    first, second = earlier.median, later.median
    if first is None or second is None:
        return ()
    rate = min(first.sampling_rate, second.sampling_rate)
    starts = [beat.boundaries.get("qrs_onset", float(beat.fiducial)) for beat in (first, second)]
    spans = [
        (-start / beat.sampling_rate, (beat.values.shape[1] - 1 - start) / beat.sampling_rate)
        for beat, start in zip((first, second), starts, strict=True)
    ]
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    seconds = np.arange(math.floor(low * rate), math.ceil(high * rate) + 1) / rate
    result = []
    for lead in first.leads:
        if lead not in second.leads:
            continue
        curves = [
            np.interp(
                seconds * beat.sampling_rate + start,
                np.arange(beat.values.shape[1]),
                beat.lead(lead),
                left=np.nan,
                right=np.nan,
            )
            for beat, start in zip((first, second), starts, strict=True)
        ]
        result.append(Superimposed(lead, seconds * 1000.0, curves[0], curves[1]))
    return tuple(result)
