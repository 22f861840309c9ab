"""What a destination gets about one answer: written in a worker process, from what is stored.

The documents are a function of the stored answer, the files and the time of the answer: made again
for another attempt they are the same, with the same identifiers.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.reports.clinical import ClinicalReport, PatientLink, StudyLink, report_on_file
from ecgfoundry.reports.dicom import DicomStudy, encapsulated_pdf, report_sr
from ecgfoundry.reports.fhir import to_fhir
from ecgfoundry.reports.hl7 import HL7_ENCODING, Hl7Parties, to_oru

__all__ = ["DocumentKind", "DocumentOrder", "write_document"]

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
    """

    kind: DocumentKind
    answer: bytes
    issued: dt.datetime
    recording: str = ""
    patient_system: str | None = None
    time_zone: str | None = None
    parties: Hl7Parties = field(default_factory=Hl7Parties)

    @property
    def paper(self) -> bytes:
        """Identity of the answer that is drawn."""
        return hashlib.sha256(self.recording.encode() + b"\n" + self.answer).digest()


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
            "event": "interpretation",
            "recording": order.recording,
            "issued": order.issued.isoformat(timespec="seconds"),
            "interpretation": document,
        }
        return json.dumps(body, ensure_ascii=False).encode()
    study = _study_of(path)
    report = _report(order, Interpretation.from_dict(document), path, options, study)
    if order.kind == "fhir":
        return json.dumps(to_fhir(report), ensure_ascii=False).encode()
    if order.kind == "oru":
        return to_oru(report, order.parties).encode(HL7_ENCODING)
    made = encapsulated_pdf if order.kind == "dicom-pdf" else report_sr
    return _file(made(report, study or DicomStudy.of_report(report)))


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
    patient = PatientLink(system=order.patient_system)
    link = StudyLink()
    if study is not None:
        header = study.header
        issuer = str(header.get("IssuerOfPatientID", "") or "")
        authority = order.patient_system or (issuer if order.kind == "oru" else None)
        patient = PatientLink(
            identifier=str(header.get("PatientID", "") or "") or None,
            system=authority or None,
            name=str(header.get("PatientName", "") or "").partition("=")[0] or None,
            birth_date=_date(str(header.get("PatientBirthDate", "") or "")),
        )
        accession = str(header.get("AccessionNumber", "") or "") or None
        link = StudyLink(study.study_uid, accession)
    zone = None if order.time_zone is None else ZoneInfo(order.time_zone)
    if answer.duration_s is None:  # it could not be read
        return ClinicalReport(answer, order.issued, zone=zone, patient=patient, study=link)
    report = report_on_file(
        answer,
        path,
        options,
        issued=order.issued,
        patient=patient,
        study=link,
        zone=zone,
        pdf=_DRAWN.get(order.paper),
    )
    if report.pdf is not None:  # the next destination of the same answer gets the same paper
        _DRAWN.clear()
        _DRAWN[order.paper] = report.pdf
    return report


def _date(text: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None


def _file(data: Any) -> bytes:
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
