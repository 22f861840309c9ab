"""One list of statements: what the criteria and a network say about one recording.

The network is asked first. Where it decides (:mod:`ecgfoundry.criteria.decisions`), the criteria
follow it: in atrial fibrillation they speak of the ventricular response and not of P waves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ecgfoundry.criteria import decided_by_network, join, state, withheld
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.several_leads import named_leads
from ecgfoundry.measurements.gate import DOUBT
from ecgfoundry.measurements.measuring import Measurable, measure
from ecgfoundry.recording import Recording, Subject

__all__ = ["MEASURED_UP_TO_S", "with_median_beat", "with_statements"]

MEASURED_UP_TO_S = 3600.0
"""Longer recordings are not measured beat by beat for an interpretation (our choice: it takes half
a second of a core per minute); :mod:`ecgfoundry.inference.holter` is for those."""


@dataclass(frozen=True)
class _SomeLeads:
    """A source of which some leads are read, as if no others had been recorded."""

    source: Measurable
    leads: tuple[str, ...]

    @property
    def sampling_rate(self) -> float:
        return self.source.sampling_rate

    @property
    def samples(self) -> int:
        return self.source.samples

    def part(self, start: int, stop: int) -> Recording:
        return self.source.part(start, stop).select(list(self.leads))


def with_statements(
    answer: Interpretation, source: Measurable, subject: Subject, *, lead: str | None = None
) -> Interpretation:
    """Return the answer with the measurements and the joined statements.

    Parameters
    ----------
    answer : Interpretation
        Of a network (:meth:`ecgfoundry.Predictor.interpret_source`).
    source : Recording or EcgFile
        The recording that was interpreted.
    subject : Subject
        Age and sex, for the limits that depend on them.
    lead : str, optional
        Measure this lead alone; or several, as :meth:`ecgfoundry.Predictor.interpret` takes them.

    Returns
    -------
    Interpretation
        The measurement asks by itself whether the leads that it reads are an ECG: what is none has
        refused measurements and no statements, and of what may be none no statement can be told. A
        network that lacks its leads, or whose own lead cannot be read, does not hide what the
        others show. Recordings of more than an hour
        (:data:`MEASURED_UP_TO_S`) have neither.
    """
    if source.samples > MEASURED_UP_TO_S * source.sampling_rate:
        return answer
    chosen = tuple(name for name in named_leads(lead, source.leads) if name in source.leads)
    measured = measure(_SomeLeads(source, chosen) if chosen else source)
    measured = replace(measured, source=answer.file)
    findings = answer.findings
    stated = state(measured, age=subject.age, sex=subject.sex, decided=decided_by_network(findings))
    statements = withheld(join(stated, findings), measured) if measured.readable else ()
    answer = replace(answer, measurements=measured, statements=statements)
    doubt = measured.doubt
    if doubt is None or answer.refused is not None:
        return answer
    # What the measurement saw in its leads together holds for the network's answer, too.
    if all(notice.code != doubt.code for notice in answer.warnings):
        answer = replace(answer, warnings=(*answer.warnings, doubt), verdict="usable")
    return answer.undecided(DOUBT)


def with_median_beat(answer: Interpretation, source: Measurable) -> Interpretation:
    """Return a stored answer with the median beat, which its stored form lacks.

    Where P, QRS and T begin and end on the paper is said by the median beat. The recording is
    measured again for it; values and statements stay those that were stored.

    Parameters
    ----------
    answer : Interpretation
    source : Recording or EcgFile
        The recording that was interpreted, whole.

    Returns
    -------
    Interpretation
        The same where nothing was measured, or where other beats are found now, as by another
        version: no mark stands then beside a value that it did not give.
    """
    stored = answer.measurements
    if stored is None or not stored.readable or stored.median is not None:
        return answer
    # All leads, or those that somebody has chosen.
    for leads in dict.fromkeys((tuple(source.leads), tuple(stored.leads))):
        if set(leads) <= set(source.leads):
            again = measure(_SomeLeads(source, leads))
            same = len(again.beats) == len(stored.beats) and set(again.leads) == set(stored.leads)
            if same:
                return replace(answer, measurements=replace(stored, median=again.median))
    return answer
