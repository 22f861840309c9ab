"""What a destination gets about one answer: written in a worker process, from what is stored.

The documents are a function of the stored answer, the files and the time of the answer: made again
for another attempt they are the same, with the same identifiers.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.inference.files import read_excerpt
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.reports.clinical import ClinicalReport, PatientLink, StudyLink, report_on_file
from ecgfoundry.reports.dicom import DicomStudy, encapsulated_pdf, report_sr
from ecgfoundry.reports.fhir import to_fhir
from ecgfoundry.reports.hl7 import HL7_ENCODING, Hl7Parties, to_oru
from ecgfoundry.reports.reviewed import Review
from ecgfoundry.service.identity import Identity

__all__ = ["DocumentKind", "DocumentOrder", "identity_in_file", "write_document"]

DocumentKind = Literal["fhir", "oru", "dicom-pdf", "dicom-sr", "webhook"]


@dataclass(frozen=True)
class DocumentOrder:
    """What is to be written.

    Parameters
    ----------
    kind : str
    answer : bytes
        The stored interpretation, JSON.
    issued : datetime
        When it was made.
    recording : str
        Name of the recording in the service.
    patient_system : str, optional
        Whose numbers the identifiers of persons are, in the words of the receiver.
    time_zone : str, optional
        Of starts that state none ("Europe/Berlin").
    parties : Hl7Parties
    review : Review, optional
        What a reader has said of the answer.
    identity : Identity
        What request and worklist say of the person and the order.
    organization : str
        Where readers work.
    """

    kind: DocumentKind
    answer: bytes
    issued: dt.datetime
    recording: str = ""
    patient_system: str | None = None
    time_zone: str | None = None
    parties: Hl7Parties = field(default_factory=Hl7Parties)
    review: Review | None = None
    identity: Identity = field(default_factory=Identity)
    organization: str = ""

    @property
    def paper(self) -> bytes:
        """Identity of the answer that is drawn."""
        what = f"{self.recording}\n{self.identity}\n{self.review}\n"
        return hashlib.sha256(what.encode() + self.answer).digest()


_DRAWN: dict[bytes, bytes] = {}
"""The last PDF of this process: destinations of one answer follow each other."""


def write_document(order: DocumentOrder, path: Path, options: ReadOptions) -> bytes:
    """Return a document as it goes over the wire.

    Parameters
    ----------
    order : DocumentOrder
    path : Path
        The recording.
    options : ReadOptions

    Raises
    ------
    EcgFoundryError
        The recording cannot be read any more, or a PDF cannot be drawn here.
    """
    document = json.loads(order.answer)
    if order.kind == "webhook":
        body = {
            "event": "interpretation" if order.review is None else "review",
            "recording": order.recording,
            "issued": order.issued.isoformat(timespec="seconds"),
            "interpretation": document,
            "answer": hashlib.sha256(order.answer).hexdigest(),
        }
        if order.review is not None:
            body["review"] = _said(order.review)
        if known := order.identity.to_dict():
            known.pop("asked", None)
            body["identity"] = known
        return json.dumps(body, ensure_ascii=False).encode()
    study = _study_of(path)
    if study is not None and order.identity.is_another(_identity(study)):
        study = None  # what is said of one person does not belong to the study of another
    report = _report(order, Interpretation.from_dict(document), path, options, study)
    if order.kind == "fhir":
        return json.dumps(to_fhir(report), ensure_ascii=False).encode()
    if order.kind == "oru":
        return to_oru(report, order.parties).encode(HL7_ENCODING)
    place = DicomStudy.of_report(report) if study is None else study.filled(report)
    if order.kind == "dicom-pdf":
        return _file(encapsulated_pdf(report, place))
    return _file(report_sr(report, place, order.organization))


def _said(review: Review) -> dict[str, Any]:
    return {
        "review": review.number,
        "reader": review.reader,
        "decision": review.decision,
        "statements": [asdict(one) for one in review.said],
        "comment": review.comment,
        "created": review.at.isoformat(timespec="seconds"),
    }


def identity_in_file(path: Path, options: ReadOptions) -> tuple[Identity, dt.datetime | None]:
    """Return what a recording says of person and order, and when it was taken.

    The time is that of the signal: a study may have been begun on another day.

    Raises
    ------
    EcgFoundryError
        It cannot be read.
    """
    study = _study_of(path)
    recording = read_excerpt(path, options)
    if study is not None:
        return _identity(study), recording.start_time
    person = recording.subject
    known = Identity(
        person.identifier,
        birth_date=person.birth_date.strftime("%Y%m%d") if person.birth_date else None,
        sex=person.sex,
    )
    return known, recording.start_time


def _study_of(path: Path) -> DicomStudy | None:
    """Return person and study of a DICOM object; None for every other format."""
    from ecgfoundry.formats.dicom.elements import looks_like_dicom

    with path.open("rb") as file:
        if not looks_like_dicom(file.read(4096)):
            return None
    try:
        return DicomStudy.of_file(path)
    except EcgFoundryError:
        return None


def _report(
    order: DocumentOrder,
    answer: Interpretation,
    path: Path,
    options: ReadOptions,
    study: DicomStudy | None,
) -> ClinicalReport:
    known = order.identity
    if study is not None:  # the report belongs to the study of its source
        known = replace(known, study_uid=study.study_uid).filled(_identity(study))
    # An authority has a name in HL7 and DICOM, and an address in FHIR.
    if order.kind == "fhir":
        system = known.system if _is_address(known.system) else order.patient_system
    else:
        system = order.patient_system or known.system
    patient = PatientLink(
        identifier=known.patient,
        system=system,
        name=known.name,
        birth_date=_date(known.birth_date or ""),
        sex=known.sex,
    )
    link = StudyLink(known.study_uid, known.accession, known.order, known.unmatched)
    zone = None if order.time_zone is None else ZoneInfo(order.time_zone)
    if answer.duration_s is None:  # it could not be read
        return ClinicalReport(answer, order.issued, zone=zone, patient=patient, study=link,
                              review=order.review)  # fmt: skip
    report = report_on_file(
        answer,
        path,
        options,
        issued=order.issued,
        patient=patient,
        study=link,
        zone=zone,
        pdf=_DRAWN.get(order.paper),
        review=order.review,
    )
    if report.pdf is not None:  # the next destination of the same answer gets the same paper
        _DRAWN.clear()
        _DRAWN[order.paper] = report.pdf
    return report


def _identity(study: DicomStudy) -> Identity:
    def said(name: str) -> str | None:
        return str(study.header.get(name, "") or "") or None

    return Identity(
        patient=said("PatientID"),
        system=said("IssuerOfPatientID"),
        name=(said("PatientName") or "").partition("=")[0] or None,
        birth_date=said("PatientBirthDate"),
        sex={"F": "female", "M": "male"}.get(said("PatientSex") or ""),
        accession=said("AccessionNumber"),
    )


def _is_address(system: str | None) -> bool:
    return system is not None and ":" in system


def _date(text: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None


def _file(data: Any) -> bytes:
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
