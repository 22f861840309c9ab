"""Observations: what we measured, what is stated and why, what a network finds, what a device says.

A statement rests on components, one for each measured value with its limit, and is derived from the
measurements that it cites. What a model estimates about a laboratory value is no measurement of
blood: it has a category and a method of its own, and its code is a text, never the LOINC code of
the measurement.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from ecgfoundry.criteria import Evidence, Statement
from ecgfoundry.formats.common.measurements import MEASUREMENTS, STATEMENTS_KEY, device_measurements
from ecgfoundry.measurements.values import Value
from ecgfoundry.reports.clinical import UNCONFIRMED, ClinicalReport
from ecgfoundry.reports.evidence_words import evidence_name, in_words
from ecgfoundry.reports.fhir.elements import (
    TERMINOLOGY,
    Json,
    category,
    codings,
    concept,
    quantity,
    reference,
)
from ecgfoundry.reports.told import finding_words, statement_words
from ecgfoundry.reports.wording import printable
from ecgfoundry.tasks.finding import Finding
from ecgfoundry.vocabularies.terminology import (
    Coding,
    MeasurementCodes,
    measurement_codes,
    snomed_coding,
)

__all__ = ["Observations"]

_LABORATORY = "laboratory indicator"
_UNITS = {"bpm": "/min", "ms": "ms", "deg": "deg", "count": "1"}
"""The last part of a key of ``MEASUREMENTS`` -> unit."""
_METHODS = {
    "criteria": "Criteria applied to the measurements",
    "network": "Neural network",
    "both": "Criteria and neural network agree",
    "comparison": "Comparison with an earlier recording",
    "nobody": "Undecided",
}
_STATED = {"qtc_ms": (Coding("LOINC", "8636-3", "Q-T interval corrected"),)}
"""Of a device's QTc only the device knows the formula."""


@dataclass(frozen=True)
class Observations:
    """Makes the observations of one report.

    Parameters
    ----------
    report : ClinicalReport
    common : dict
        Fields that all of them have: subject and time.
    device, recorder : UUID
        The software, and the electrocardiograph.
    """

    report: ClinicalReport
    common: Json
    device: uuid.UUID
    recorder: uuid.UUID
    _sources: dict[str, uuid.UUID] = field(default_factory=dict, init=False)

    def all(self) -> Iterator[tuple[uuid.UUID, Json]]:
        """Yield measurements, findings of the network, statements, then what the device stated."""
        for codes, value in self.report.measured:
            identity = self.report.uuid(f"measurement {codes.name}")
            self._sources[codes.name] = identity
            yield identity, self._measurement(codes, value)
        told = set()
        for index, finding in enumerate(self.report.interpretation.findings):
            statement = self.report.statement_of(finding.name)
            if statement is not None:
                told.add(statement.name)
            yield self.report.uuid(f"observation {index}"), self._finding(finding, statement)
        for statement in self.report.statements:
            if statement.name not in told:
                identity = self.report.uuid(f"statement {statement.name}")
                yield identity, self._statement(statement)
        if self.report.rhythm_untold:
            result = self._observation(concept("rhythm"))
            result["dataAbsentReason"] = _absent(self.report.rhythm_untold, "unknown")
            yield self.report.uuid("rhythm"), result | {"note": [{"text": UNCONFIRMED}]}
        yield from self._stated()

    def read(self) -> Iterator[tuple[uuid.UUID, Json]]:
        """Yield what a reader lets stand, adds and takes back; without a review nothing."""
        review = self.report.review
        if review is None:
            return
        stage = self.report.stage
        for one in self.report.read:
            result = self._observation(concept(one.words, codings([snomed_coding(one.code)])))
            del result["device"]
            status = "amended" if review.released else "final"
            result |= {"status": status, "performer": [{"display": printable(review.reader)}]}
            result["method"] = concept("Read by a person")
            if one.present is None:
                result["dataAbsentReason"] = _absent("The reader cannot tell", "unknown")
            else:
                result |= _answer(one.present, possible=False)
            if one.note:
                result["note"] = [{"text": printable(one.note)}]
            yield self.report.uuid(f"read {one.name}{stage}"), result

    def _observation(self, code: Json, *, device: uuid.UUID | None = None) -> Json:
        return {
            "resourceType": "Observation",
            "status": "preliminary",
            "category": [category("procedure", "Procedure")],
            "code": code,
            **self.common,
            "device": reference(device or self.device),
        }

    def _measurement(self, codes: MeasurementCodes, value: Value) -> Json:
        result = self._observation(concept(codes.what, codings(codes.loinc)))
        if value.method:
            result["method"] = concept(value.method)
        if value.value is None:
            result["dataAbsentReason"] = _absent(value.reason or "not measured", "unknown")
        else:
            result["valueQuantity"] = quantity(round(value.value, 1), codes.ucum)
        return result | {"note": [{"text": UNCONFIRMED}]}

    def _statement(self, statement: Statement) -> Json:
        code = codings([snomed_coding(statement.code)])
        result = self._observation(concept(statement_words(statement), code))
        result["method"] = concept(_METHODS[statement.decided_by])
        if statement.present is None:  # where a finding of the network has no threshold
            result["dataAbsentReason"] = _absent(statement.reason or "not told", "unknown")
        else:
            result |= _answer(statement.present, possible=statement.possible)
        return result | self._evidence(statement) | _notes(_words_beside(statement))

    def _evidence(self, statement: Statement) -> Json:
        """Return components and the measurements that they are derived from."""
        shown = [e for e in statement.evidence if e.value is not None and _is_measured(e)]
        components = [
            {"code": concept(evidence_name(e)), "valueQuantity": quantity(e.value or 0.0, e.unit)}
            for e in shown
        ]
        cited = {e.name for e in shown if e.lead is None}
        sources = [reference(id) for name, id in self._sources.items() if name in cited]
        result: Json = {"component": components} if components else {}
        return result | ({"derivedFrom": sources} if sources else {})

    def _finding(self, finding: Finding, statement: Statement | None) -> Json:
        """Return what the network finds; with the statement, what the criteria say beside it."""
        answer = self.report.interpretation
        if finding.target.kind == _LABORATORY:
            result = self._estimate(finding)
        else:
            systems = dict(finding.target.codes)
            snomed = snomed_coding(systems.pop("SNOMED CT", None))
            others = (Coding(system, code) for system, code in systems.items())
            result = self._observation(concept(finding_words(finding), codings([snomed, *others])))
        if finding.value is not None:
            result["valueQuantity"] = quantity(finding.value, finding.target.unit)
        else:
            joined = finding.present if statement is None else statement.present
            if joined is None:
                why = finding.reason or "This model has no threshold for it"
                code = "not-performed" if finding.reason is None else "unknown"
                result["dataAbsentReason"] = _absent(why, code)
            else:
                possible = statement is not None and statement.possible
                result |= _answer(joined, possible=possible)
        components = _components(finding, calibrated=answer.calibrated)
        beside: Json = {}
        words: list[str] = []
        if statement is not None and statement.group != "network":
            beside = self._evidence(statement)
            components += beside.pop("component", [])
            result["method"] = concept(_METHODS[statement.decided_by])
            words = _words_beside(statement)
        if components:
            result["component"] = components
        notes = [text for text in (finding.target.description, finding.target.caveat) if text]
        if finding.target.kind == _LABORATORY:
            notes += [
                f"The measurement that is estimated, not made: {system} {code}."
                for system, code in finding.target.codes.items()
            ]
        notes += [
            f"From {one.start_s:.1f} s to {one.end_s:.1f} s after the start of the recording."
            for one in answer.episodes or ()
            if one.name == finding.name
        ]
        return result | beside | _notes([*notes, *(w for w in words if w not in notes)])

    def _estimate(self, finding: Finding) -> Json:
        answer = self.report.interpretation
        result = self._observation(concept(f"Estimated from an ECG: {finding.name}"))
        result["category"].insert(0, concept("Estimate from an ECG"))
        result["method"] = concept(
            f"Estimate of a statistical model ({answer.model} {answer.model_version}) from an "
            "electrocardiogram; nothing was measured in blood or urine"
        )
        return result

    def _stated(self) -> Iterator[tuple[uuid.UUID, Json]]:
        """Yield what the recording device measured and stated, each marked as the device's."""
        recording = self.report.recording
        if recording is None:
            return
        method = concept("Stated by the recording device, not checked by ecgfoundry")
        known = measurement_codes()
        for name, value in device_measurements(recording.header).items():
            unit = next((u for part, u in _UNITS.items() if name.endswith(part)), None)
            own = known[name].loinc if name in known else ()
            code = concept(
                f"{MEASUREMENTS[name]}, stated by the device", codings(_STATED.get(name, own))
            )
            result = self._observation(code, device=self.recorder) | {"method": method}
            identity = self.report.uuid(f"stated {name}")
            yield identity, result | {"valueQuantity": quantity(value, unit)}
        lines = [printable(line) for line in recording.header.get(STATEMENTS_KEY, "").splitlines()]
        if any(line.strip() for line in lines):
            code = concept("Statements of the recording device")
            result = self._observation(code, device=self.recorder) | {"method": method}
            yield self.report.uuid("stated statements"), result | {"valueString": "\n".join(lines)}


def _absent(words: str, code: str) -> Json:
    display = {"unknown": "Unknown", "not-performed": "Not Performed"}[code]
    system = f"{TERMINOLOGY}/data-absent-reason"
    return concept(words, [{"system": system, "code": code, "display": display}])


def _answer(present: bool, *, possible: bool) -> Json:
    code, display = ("POS", "Positive") if present else ("NEG", "Negative")
    if present and possible:
        code, display = "E", "Equivocal"
    system = f"{TERMINOLOGY}/v3-ObservationInterpretation"
    interpretation = concept(display, [{"system": system, "code": code, "display": display}])
    return {"valueBoolean": present, "interpretation": [interpretation]}


def _components(finding: Finding, *, calibrated: bool) -> list[Json]:
    unit = finding.target.unit
    values = [
        (f"probability, {'' if calibrated else 'not '}calibrated", finding.probability, "1"),
        ("threshold", finding.threshold, "1"),
        ("share of the readable time", finding.burden, "1"),
        ("lower limit", finding.low, unit),
        ("upper limit", finding.high, unit),
    ]
    return [
        {"code": concept(name), "valueQuantity": quantity(value, measure)}
        for name, value, measure in values
        if value is not None
    ]


def _is_measured(evidence: Evidence) -> bool:
    """Whether it is a measured value: another statement stands for itself, the network's too."""
    return evidence.name == evidence.name.lower() and evidence.name != "probability"


def _words_beside(statement: Statement) -> list[str]:
    words = [statement.caveat] if statement.caveat else []
    if statement.possible:
        words.append(
            "Possible: a value lies within its repeat variability of the limit, or criteria and "
            "network disagree."
        )
    others = ", ".join(in_words(name) for name in statement.contradicts)
    if others:
        words.append(f"It contradicts: {others}.")
    sources = dict.fromkeys(e.source for e in statement.evidence if e.source and _is_measured(e))
    if sources:
        words.append(f"Sources of the limits: {'; '.join(sources)}.")
    return words


def _notes(words: list[str]) -> Json:
    return {"note": [{"text": text} for text in (*words, UNCONFIRMED)]}
