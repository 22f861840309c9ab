"""The report as structured data: a Comprehensive SR by TID 3700 "ECG Report" of DICOM PS3.16.

The tree: the waveform that was read (TID 3708), global measurements (TID 3713, with the MDC codes
of CID 3227 to 3229 and 3689), those of each lead (TID 3714), statements (TID 3717) and a summary
(TID 3719). A statement is
inferred from the values that its criteria compared. A measurement that could not be made has no
value and says so (CID 42 "Measurement failure").

A review makes a new document, VERIFIED by its reader, whose predecessors are the machine's and the
review before it (PS3.3 C.17.2): what was sent before stays as it is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from ecgfoundry._version import __version__
from ecgfoundry.criteria import Evidence, Statement
from ecgfoundry.formats.common.moments import in_whole_minutes
from ecgfoundry.measurements.values import Value
from ecgfoundry.reports.clinical import ClinicalReport
from ecgfoundry.reports.dicom.study import DicomStudy, coded, is_short, new_object, require_pydicom
from ecgfoundry.reports.evidence_words import evidence_name
from ecgfoundry.reports.reviewed import Review
from ecgfoundry.reports.told import finding_words, told_words
from ecgfoundry.reports.wording import number_text, printable
from ecgfoundry.vocabularies.terminology import (
    LeadCodes,
    MeasurementCodes,
    lead_codes,
    lead_measurement_codes,
    snomed_coding,
    ucum_unit,
)

__all__ = ["report_sr"]

_CLASS = "1.2.840.10008.5.1.4.1.1.88.33"
_UNITS = {
    "/min": ("{H.B.}/min", "BPM"),
    "ms": ("ms", "ms"),
    "deg": ("deg", "deg"),
}
"""UCUM as TID 3713 wants it."""
_FINDING = ("271921002", "SCT", "ECG Finding")
_COMMENT = ("121106", "DCM", "Comment")
_FRIDERICIA = ("122732", "DCM", "Fridericia QTc Algorithm")
_SHOWN = 24
"""Values beside one statement (our choice); the FHIR and JSON answers have all."""


def report_sr(report: ClinicalReport, study: DicomStudy, organization: str = "") -> Any:
    """Return the report as a data set that can be stored or sent.

    Parameters
    ----------
    report : ClinicalReport
    study : DicomStudy
        Of the source. Where that is no DICOM object, no waveform is referenced.
    organization : str
        Where readers work, for reports that they have verified.
    """
    data = new_object(report, study, kind=_CLASS, modality="SR")
    data.ReferencedPerformedProcedureStepSequence = []
    data.PerformedProcedureCodeSequence = []
    data.CompletionFlag = "COMPLETE" if report.interpretation.refused is None else "PARTIAL"
    data.VerificationFlag, data.PreliminaryFlag = "UNVERIFIED", "PRELIMINARY"
    if report.review is not None:
        data.CompletionFlag = "COMPLETE"
        data.VerificationFlag, data.PreliminaryFlag = "VERIFIED", "FINAL"
        data.VerifyingObserverSequence = [_verifying(report.review, organization)]
        data.PredecessorDocumentsSequence = [_predecessors(report, study, report.review)]
    if study.source is not None:
        data.CurrentRequestedProcedureEvidenceSequence = [_evidence(study)]
    root = _container("", ("28010-7", "LN", "ECG Report"), _sections(report, study))
    del root.RelationshipType
    template = require_pydicom().Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "3700"
    root.ContentTemplateSequence = [template]
    data.update(root)
    return data


def _verifying(review: Review, organization: str) -> Any:
    observer = require_pydicom().Dataset()
    observer.VerifyingObserverName = printable(review.reader)[:64]
    observer.VerifyingObserverIdentificationCodeSequence = []
    observer.VerifyingOrganization = organization[:64] or "not stated"
    observer.VerificationDateTime = _moment(review.at)
    return observer


def _predecessors(report: ClinicalReport, study: DicomStudy, review: Review) -> Any:
    """Return the documents before: that of the machine, and the last review."""
    machine = report.machine
    before = [machine]
    if review.before is not None:
        before.append(replace(machine, review=replace(review, number=review.before)))
    dataset = require_pydicom().Dataset
    of_study = dataset()
    of_study.StudyInstanceUID, of_study.ReferencedSeriesSequence = study.study_uid, []
    for one in before:
        document = new_object(one, study, kind=_CLASS, modality="SR")
        of_series, object_ = dataset(), dataset()
        object_.ReferencedSOPClassUID = _CLASS
        object_.ReferencedSOPInstanceUID = document.SOPInstanceUID
        of_series.SeriesInstanceUID = document.SeriesInstanceUID
        of_series.ReferencedSOPSequence = [object_]
        of_study.ReferencedSeriesSequence.append(of_series)
    return of_study


def _evidence(study: DicomStudy) -> Any:
    dataset = require_pydicom().Dataset
    assert study.source is not None  # noqa: S101
    kind, instance, series = study.source
    object_, of_series, of_study = dataset(), dataset(), dataset()
    object_.ReferencedSOPClassUID, object_.ReferencedSOPInstanceUID = kind, instance
    of_series.SeriesInstanceUID, of_series.ReferencedSOPSequence = series, [object_]
    of_study.StudyInstanceUID = study.study_uid
    of_study.ReferencedSeriesSequence = [of_series]
    return of_study


def _sections(report: ClinicalReport, study: DicomStudy) -> list[Any]:
    language = _code(
        "HAS CONCEPT MOD",
        ("121049", "DCM", "Language of Content Item and Descendants"),
        ("en", "RFC5646", "English"),
    )
    observer = _code(
        "HAS OBS CONTEXT", ("121005", "DCM", "Observer Type"), ("121007", "DCM", "Device")
    )
    uid = _item("HAS OBS CONTEXT", "UIDREF", ("121012", "DCM", "Device Observer UID"))
    uid.UID = f"2.25.{report.shared_uuid(f'software {__version__}').int}"
    name = _text("HAS OBS CONTEXT", ("121013", "DCM", "Device Observer Name"), "ecgfoundry")
    sections = [language, observer, uid, name, _waveform(report, study)]
    person = _characteristics(report)
    if person:
        sections.append(
            _container("CONTAINS", ("121118", "DCM", "Patient Characteristics"), person)
        )
    measured = [_number(codes, value) for codes, value in report.measured]
    if measured and not (report.review is not None and report.review.rejects):
        table = _container("CONTAINS", ("122158", "DCM", "ECG Global Measurements"), measured)
        quantities = ("122144", "DCM", "Quantitative Analysis")
        sections.append(_container("CONTAINS", quantities, [table, *_leads(report)]))
    found = _stated(report) if report.review is None else _read(report)
    if found:
        sections.append(_container("CONTAINS", ("122145", "DCM", "Qualitative Analysis"), found))
    summary = ("55112-7", "LN", "Summary")
    words = _text("CONTAINS", summary, " ".join(report.lines))
    sections.append(_container("CONTAINS", summary, [words]))
    return sections


def _waveform(report: ClinicalReport, study: DicomStudy) -> Any:
    parts = []
    start = report.start
    if start is not None:
        when = _item("CONTAINS", "DATETIME", ("122146", "DCM", "Procedure DateTime"))
        when.DateTime = _moment(start)
        parts.append(when)
    if study.source is not None:
        source = require_pydicom().Dataset()
        source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID, _ = study.source
        waveform = _item("CONTAINS", "WAVEFORM", ("121112", "DCM", "Source of Measurement"))
        waveform.ReferencedSOPSequence = [source]
        parts.append(waveform)
    answer = report.interpretation
    parts.append(_text("CONTAINS", ("111001", "DCM", "Algorithm Name"), "ecgfoundry"))
    version = f"{__version__}, {answer.model} {answer.model_version}" if answer.model else None
    parts.append(_text("CONTAINS", ("111003", "DCM", "Algorithm Version"), version or __version__))
    name = ("55111-9", "LN", "Current Procedure Descriptions")
    return _container("CONTAINS", name, parts)


def _characteristics(report: ClinicalReport) -> list[Any]:
    person, result = report.subject, []
    if person.age is not None:
        age = _item("CONTAINS", "NUM", ("121033", "DCM", "Subject Age"))
        age.MeasuredValueSequence = [_measured(person.age, ("a", "year"))]
        result.append(age)
    if person.sex in ("female", "male"):
        letter = person.sex[0].upper()
        sex = (letter, "DCM", person.sex.capitalize())
        result.append(_code("CONTAINS", ("121032", "DCM", "Subject Sex"), sex))
    return result


def _leads(report: ClinicalReport) -> list[Any]:
    """Return what was measured in each lead; what is not there has no item."""
    measurements = report.interpretation.measurements
    result: list[Any] = []
    if measurements is None:
        return result
    told = [one for one in lead_measurement_codes() if measurements.calibrated or one.ucum != "mV"]
    for lead, code in lead_codes().items():
        values = measurements.leads.get(lead)
        numbers = [
            _lead_number(one, value)
            for one in told
            if values is not None and (value := getattr(values, one.name)) is not None
        ]
        if numbers:
            which = ("122148", "DCM", "Lead ID")
            named = _code("HAS CONCEPT MOD", which, (code.code, "MDC", code.display))
            name = ("122159", "DCM", "ECG Lead Measurements")
            result.append(_container("CONTAINS", name, [named, *numbers]))
    return result


def _lead_number(codes: LeadCodes, value: float) -> Any:
    coding = codes.below if value < 0 else codes.above
    item = _item("CONTAINS", "NUM", (coding.code, "MDC", coding.display))
    item.MeasuredValueSequence = [_measured(round(value, 4), (codes.ucum, codes.ucum))]
    return item


def _number(codes: MeasurementCodes, value: Value) -> Any:
    item = _item("CONTAINS", "NUM", (codes.mdc.code, "MDC", codes.mdc.display))
    if value.value is None:
        item.MeasuredValueSequence = []
        item.NumericValueQualifierCodeSequence = [coded("114006", "DCM", "Measurement failure")]
        return item
    item.MeasuredValueSequence = [_measured(round(value.value, 1), _UNITS[codes.ucum])]
    if codes.name == "qtc_ms":
        name = ("111001", "DCM", "Algorithm Name")
        item.ContentSequence = [_code("HAS CONCEPT MOD", name, _FRIDERICIA)]
    return item


def _stated(report: ClinicalReport) -> list[Any]:
    found = [
        _statement(
            told_words(one),
            None if one.possible else one.code,
            one.evidence,
        )
        for one in report.statements
    ]
    return found + [
        _text("CONTAINS", _FINDING, _words_of_finding(finding_words(one), one.probability))
        for one in report.interpretation.findings
        if one.present and _by_network_alone(report.statement_of(one.name))
    ]


def _by_network_alone(joined: Statement | None) -> bool:
    """Whether no criterion has a say: else the joined statement is told, or denied."""
    return joined is None or joined.group == "network"


def _read(report: ClinicalReport) -> list[Any]:
    """Return what holds after the review; what does not is said in the summary."""
    return [
        _statement(one.words, one.code, one.statement.evidence if one.statement else (), one.note)
        for one in report.read
        if one.present
    ]


def _statement(words: str, code: str | None, evidence: tuple[Evidence, ...], note: str = "") -> Any:
    coding = snomed_coding(code)
    if coding is None:
        item = _text("CONTAINS", _FINDING, words)
    else:
        item = _code("CONTAINS", _FINDING, (coding.code, "SCT", coding.display or words))
    parts = []
    if coding is not None:
        same = ("121051", "DCM", "Equivalent Meaning of Value")
        parts.append(_text("HAS CONCEPT MOD", same, words))
    if note:
        parts.append(_text("HAS PROPERTIES", _COMMENT, printable(note)))
    parts += [
        _compared(one)
        for one in evidence
        if one.met and one.value is not None and one.name.islower()
    ][:_SHOWN]
    if parts:
        item.ContentSequence = parts
    return item


def _compared(evidence: Evidence) -> Any:
    """Return a value that a criterion compared, under our own code: no terminology has them."""
    words = evidence_name(evidence)
    item = _item("INFERRED FROM", "NUM", (evidence.name, "99ECGFOUNDRY", words))
    unit = ucum_unit(evidence.unit) or "1"
    number = round(float(evidence.value or 0.0), 4)
    item.MeasuredValueSequence = [_measured(number, (unit, "no units" if unit == "1" else unit))]
    if not is_short(words):
        item.ContentSequence = [_text("HAS PROPERTIES", _COMMENT, words)]
    return item


def _words_of_finding(name: str, probability: float | None) -> str:
    return (
        name if probability is None else f"{name} (network, probability {number_text(probability)})"
    )


def _measured(value: float, unit: tuple[str, str]) -> Any:
    item = require_pydicom().Dataset()
    item.NumericValue = f"{value:.10g}"[:16]
    item.MeasurementUnitsCodeSequence = [coded(unit[0], "UCUM", unit[1])]
    return item


def _item(relation: str, kind: str, name: tuple[str, str, str]) -> Any:
    item = require_pydicom().Dataset()
    item.RelationshipType, item.ValueType = relation, kind
    item.ConceptNameCodeSequence = [coded(*name)]
    return item


def _container(relation: str, name: tuple[str, str, str], content: list[Any]) -> Any:
    item = _item(relation, "CONTAINER", name)
    item.ContinuityOfContent = "SEPARATE"
    item.ContentSequence = content
    return item


def _code(relation: str, name: tuple[str, str, str], value: tuple[str, str, str]) -> Any:
    item = _item(relation, "CODE", name)
    item.ConceptCodeSequence = [coded(*value)]
    return item


def _text(relation: str, name: tuple[str, str, str], value: str) -> Any:
    item = _item(relation, "TEXT", name)
    item.TextValue = value
    return item


def _moment(value: dt.datetime) -> str:
    return in_whole_minutes(value).strftime("%Y%m%d%H%M%S%z")
