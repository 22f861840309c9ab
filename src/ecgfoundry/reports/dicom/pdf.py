"""The report on paper as an Encapsulated PDF object (PS3.3 A.45.1)."""

from __future__ import annotations

from typing import Any

from ecgfoundry.errors import MissingExtraError
from ecgfoundry.reports.clinical import ClinicalReport
from ecgfoundry.reports.dicom.study import DicomStudy, coded, new_object, require_pydicom

__all__ = ["encapsulated_pdf"]

_CLASS = "1.2.840.10008.5.1.4.1.1.104.1"


def encapsulated_pdf(report: ClinicalReport, study: DicomStudy) -> Any:
    """Return the PDF of a report as a data set that can be stored or sent.

    Raises
    ------
    MissingExtraError
        The report has no PDF, because nothing here can draw one.
    """
    if report.pdf is None:
        raise MissingExtraError.for_extra("a report as PDF", "plot")
    data = new_object(report, study, kind=_CLASS, modality="DOC")
    data.ConversionType = "SYN"  # made from data, not scanned
    data.BurnedInAnnotation = "YES"  # the page names the person
    review = report.review
    data.DocumentTitle = (
        "ECG report, automatic and unconfirmed"
        if review is None
        else f"ECG report, {review.decision} by a reader"
    )
    data.ConceptNameCodeSequence = [coded("28010-7", "LN", "ECG Report")]
    data.VerificationFlag = "UNVERIFIED" if review is None else "VERIFIED"
    data.AcquisitionDateTime = str(study.header.get("AcquisitionDateTime", "") or "")
    if study.source is not None:
        source = require_pydicom().Dataset()
        source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID, _ = study.source
        data.SourceInstanceSequence = [source]
    data.MIMETypeOfEncapsulatedDocument = "application/pdf"
    data.EncapsulatedDocumentLength = len(report.pdf)
    # A value has an even length; the length above says where the document ends.
    data.add_new(0x00420011, "OB", report.pdf + b"\0" * (len(report.pdf) % 2))
    return data
