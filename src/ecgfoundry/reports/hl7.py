"""A report as an HL7 v2.5 message ORU^R01, for the record system of a hospital.

OBR names the study; then one OBX for each measurement (LOINC, UCUM), each statement (SNOMED CT
where it may be sent, always our words) and the report as PDF (ED, Base64). Everything is
preliminary ("P"); a measurement that could not be made is "X", without a value. After a review all
is final ("F"), corrected ("C") or, where the reader has rejected it, deleted ("D", the study "X").

References: HL7 v2.5, chapters 2 (delimiters, escapes), 3 (PID), 7 (OBR, OBX); IHE Cardiology,
displayable reports, for the PDF. LOINC 34534-8 (12-lead study), 11524-6 (other study),
8601-7 (impression), 28010-7 (report).
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from ecgfoundry._version import __version__
from ecgfoundry.formats.common.moments import in_whole_minutes
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.reports.clinical import ClinicalReport
from ecgfoundry.reports.evidence_words import because
from ecgfoundry.reports.reviewed import ReadStatement
from ecgfoundry.reports.told import doubt_of, finding_words, told_words, with_caveat
from ecgfoundry.reports.wording import printable
from ecgfoundry.tasks.finding import Finding
from ecgfoundry.vocabularies.terminology import snomed_coding, ucum_unit

__all__ = ["HL7_ENCODING", "Hl7Parties", "to_oru"]

HL7_ENCODING = "utf-8"
"""What MSH-18 says."""
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})
_ESTIMATE = "laboratory indicator"
_LONGEST_CONTROL_ID = 20
_SHOWN = 6
"""Values that stand beside a statement (our choice); FHIR and JSON have all."""


@dataclass(frozen=True, slots=True)
class Hl7Parties:
    """Who sends and who receives, as the interface engine knows them (MSH-3 to MSH-6)."""

    application: str = "ECGFOUNDRY"
    facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing: str = "P"
    """MSH-11: P production, T training, D debugging."""


def to_oru(report: ClinicalReport, parties: Hl7Parties | None = None) -> str:
    """Return the message; segments end with a carriage return.

    Parameters
    ----------
    report : ClinicalReport
        ``patient.system`` becomes the assigning authority of the identifier.
    parties : Hl7Parties, optional

    Returns
    -------
    str
        The same answer about the same person has the same control identifier.
    """
    between = parties or Hl7Parties()
    control = report.uuid(f"hl7 message{report.stage}").hex[:_LONGEST_CONTROL_ID]
    segments = [
        _segment(
            "MSH", "^~\\&", _text(between.application), _text(between.facility),
            _text(between.receiving_application), _text(between.receiving_facility),
            _moment(report.told_at), "", "ORU^R01^ORU_R01", control, between.processing, "2.5",
            "", "", "", "", "", "UNICODE UTF-8",
        ),
        _person(report),
        _study(report),
        *(
            _segment("NTE", str(number), "L", _text(line))
            for number, line in enumerate(report.lines, 1)
        ),
        *_observations(report),
    ]  # fmt: skip
    return "".join(f"{segment}\r" for segment in segments)


def _text(value: object) -> str:
    """Return a value on one line, with the delimiters escaped."""
    return printable(value).translate(_ESCAPES)


def _coded(code: str, text: str, system: str) -> str:
    return f"{_text(code)}^{_text(text)}^{system}"


def _segment(*fields: str) -> str:
    return "|".join(fields).rstrip("|")


def _moment(value: dt.datetime | None) -> str:
    if value is None:
        return ""
    return in_whole_minutes(value).strftime("%Y%m%d%H%M%S%z")


def _person(report: ClinicalReport) -> str:
    link, person = report.patient, report.subject
    authority = "&".join(map(_text, link.authority)).rstrip("&")
    # A message needs a number: of a person without one it is ours, which no record system knows.
    number = f"{report.uuid('person').hex}^^^ECGFOUNDRY^U"
    if report.identifier:
        number = f"{_text(report.identifier)}^^^{authority}^MR"
    said = link.name_parts  # XPN (2.A.88) has the suffix before the prefix
    parts = (said.family, said.given, said.middle, said.suffix, said.prefix)
    sex = {"female": "F", "male": "M"}.get(person.sex or "", "U")
    born = "" if person.birth_date is None else person.birth_date.strftime("%Y%m%d")
    name = "^".join(map(_text, parts)).rstrip("^") or "^^^^^^U"  # table 0200: unspecified
    return _segment("PID", "1", "", number, "", name, "", born, sex)


def _study(report: ClinicalReport) -> str:
    study = report.study
    filler = f"{report.uuid('report').hex}^ECGFOUNDRY"
    start = _moment(report.start)
    fields = [""] * 33
    fields[0] = "OBR"
    fields[1], fields[2], fields[3] = "1", _text(study.order or ""), filler
    fields[4] = _kind(report)
    fields[7] = start
    fields[18] = _text(study.accession or "")
    fields[22] = _moment(report.told_at)
    fields[24], fields[25] = "EC", _status(report)
    if report.review is not None:
        fields[32] = _text(report.review.reader)
    return _segment(*fields)


def _kind(report: ClinicalReport) -> str:
    """Return OBR-4: the study of twelve leads, or an ECG of other leads."""
    held = () if report.recording is None else report.recording.leads
    if set(held).issuperset(STANDARD_12_LEADS):
        return _coded("34534-8", "12 lead EKG panel", "LN")
    return _coded("11524-6", "EKG study", "LN")


def _status(report: ClinicalReport) -> str:
    """Return OBR-25 (table 0123)."""
    review = report.review
    if review is None:
        return "P" if report.interpretation.refused is None else "X"
    if review.rejects:
        return "X"
    return "C" if review.released else "F"


def _observations(report: ClinicalReport) -> Iterator[str]:
    # A result that was sent and does not hold is deleted (table 0085).
    review = report.review
    final = "P" if review is None else "D" if review.rejects else _status(report)
    for number, row in enumerate(_rows(report), 1):
        kind, code, part, value, unit, status, method = row
        fields = [""] * 19
        fields[0] = "OBX"
        fields[1], fields[2], fields[3], fields[4] = str(number), kind, code, part
        fields[5], fields[6] = value, f"{unit}^{unit}^UCUM" if unit else ""
        fields[11] = final if status == "P" else status
        fields[14] = _moment(report.start)
        fields[17] = f"^{_text(method)}" if method else ""
        if report.review is not None:
            fields[16] = _text(report.review.reader)
        fields[18] = f"ecgfoundry {__version__}"
        yield _segment(*fields)


_Row = tuple[str, str, str, str, str, str, str]
"""OBX-2, -3, -4, -5, unit, -11, method."""


def _rows(report: ClinicalReport) -> Iterator[_Row]:
    for codes, value in report.measured:
        loinc = codes.loinc[0] if codes.loinc else None
        code = (
            _coded(codes.name, codes.what, "99ECGFOUNDRY")
            if loinc is None
            else _coded(loinc.code, loinc.display or codes.what, "LN")
        )
        if value.value is None:
            yield "NM", code, "", "", codes.ucum, "X", value.reason or ""
        else:
            yield "NM", code, "", f"{value.value:.1f}", codes.ucum, "P", value.method
    impression = _coded("8601-7", "EKG impression", "LN")
    if report.review is not None and not report.review.rejects:
        yield from _read(report.read, impression)
    else:
        yield from _stated(report, impression)
    if report.pdf is not None and not (report.review is not None and report.review.rejects):
        code = _coded("28010-7", "EKG report", "LN")
        data = base64.b64encode(report.pdf).decode()
        yield "ED", code, "", f"^Application^PDF^Base64^{data}", "", "P", ""


def _read(read: tuple[ReadStatement, ...], impression: str) -> Iterator[_Row]:
    """Yield what a reader lets stand, adds, and takes back (without a value that could pass)."""
    for part, one in enumerate(read, 1):
        status = {True: "P", False: "D", None: "X"}[one.present]
        concept = _concept(one.name, one.words, one.code)
        yield "CWE", impression, str(part), concept, "", status, one.note


def _stated(report: ClinicalReport, impression: str) -> Iterator[_Row]:
    present = {one.name: one for one in report.interpretation.statements if one.present}
    for part, statement in enumerate(report.statements, 1):
        reasons = with_caveat(because(statement, present, shown=_SHOWN), statement)
        words = told_words(statement)
        code = None if statement.possible else statement.code
        concept = _concept(statement.name, words, code)
        yield "CWE", impression, str(part), concept, "", "P", reasons
    if report.rhythm_untold:
        yield (
            "ST",
            _coded("rhythm", "rhythm", "99ECGFOUNDRY"),
            "",
            "",
            "",
            "X",
            report.rhythm_untold,
        )
    doubted = doubt_of(report.interpretation) is not None
    for finding in report.interpretation.findings:
        known = report.statement_of(finding.name)
        # What was joined is told above as it was joined: not again, and not where it is denied.
        if doubted:
            continue  # NTE says it once
        if known is None or known.group == "network" or known.present is None:
            yield from _finding(finding)


def _number(value: float) -> str:
    """Return six significant digits without an exponent, which an NM may not have (2.A.47)."""
    return f"{Decimal(f'{value:.6g}'):f}"


def _concept(name: str, words: str, code: str | None) -> str:
    """Return a CWE: the terminology's concept where one may be sent, and always our words."""
    coding = snomed_coding(code)
    own = _coded(name, words, "99ECGFOUNDRY")
    if coding is None:
        return own
    return f"{_coded(coding.code, coding.display, 'SCT')}^{own}"


def _finding(finding: Finding) -> Iterator[_Row]:
    """Yield what the network alone says: what is present, and values."""
    estimate = finding.target.kind == _ESTIMATE
    words = finding_words(finding)
    name = f"Estimated from an ECG: {words}" if estimate else words
    code = _coded(finding.name, name, "99ECGFOUNDRY")
    method = "Statistical model; nothing was measured in blood" if estimate else "Neural network"
    if finding.value is not None:
        unit = ucum_unit(finding.target.unit) or ""
        yield "NM", code, "", _number(finding.value), unit, "P", method
    elif finding.present:
        yield "ST", code, "", "present", "", "P", method
    elif finding.present is None and finding.reason:
        yield "ST", code, "", "", "", "X", finding.reason
