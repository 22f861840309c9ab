"""The person and the study that a report object belongs to (PS3.3 C.7.1, C.7.2)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgfoundry._version import __version__
from ecgfoundry.errors import FormatError, MissingExtraError
from ecgfoundry.reports.clinical import ClinicalReport

__all__ = ["DicomStudy", "coded", "is_short", "new_object", "uid_of"]

_ISSUER = ("IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence")
_PERSON = ("PatientName", "PatientID", *_ISSUER, "PatientBirthDate", "PatientSex")
_STUDY = (
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
    "ReferringPhysicianName", "StudyDescription", "TimezoneOffsetFromUTC",
)  # fmt: skip
_INSTANCE = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "AcquisitionDateTime")
_UTF8 = "ISO_IR 192"
_SHORT = 16
"""Characters of a code value (PS3.5, SH)."""
_LONG = 64
"""Characters of a meaning (PS3.5, LO)."""


@dataclass(frozen=True)
class DicomStudy:
    """Where a report object belongs.

    Parameters
    ----------
    header : pydicom.Dataset
        Person, study, and the identity of the ECG object, if it is one.
    """

    header: Any

    @classmethod
    def of_file(cls, path: Path) -> DicomStudy:
        """Return that of a DICOM object; its samples are not read.

        Raises
        ------
        FormatError
            The file is no DICOM object with a study.
        MissingExtraError
        """
        pydicom = require_pydicom()
        try:
            wanted = [*_PERSON, *_STUDY, *_INSTANCE, "SpecificCharacterSet"]
            header = pydicom.dcmread(path, force=True, specific_tags=wanted)
            found = str(header.get("StudyInstanceUID", ""))
        except Exception as error:  # pydicom raises what it meets
            raise FormatError(f"its header cannot be read ({error})", path=path) from None
        if not found:
            raise FormatError("it is no DICOM object of a study", path=path)
        return cls(header)

    @classmethod
    def of_report(cls, report: ClinicalReport) -> DicomStudy:
        """Return a study for a source that is no DICOM object.

        It is the one that ``report.study`` names, else a new one, the same for the same answer.
        """
        header = require_pydicom().Dataset()
        start, person = report.start, report.subject
        header.PatientID = report.identifier or ""
        header.PatientName = report.patient.name or ""
        name, address, kind = report.patient.authority
        if name:
            header.IssuerOfPatientID = name
        elif address:
            issuer = require_pydicom().Dataset()
            issuer.UniversalEntityID, issuer.UniversalEntityIDType = address, kind
            header.IssuerOfPatientIDQualifiersSequence = [issuer]
        birth = person.birth_date
        header.PatientBirthDate = birth.strftime("%Y%m%d") if birth else ""
        header.PatientSex = {"female": "F", "male": "M"}.get(person.sex or "", "")
        header.StudyInstanceUID = report.study.study_uid or uid_of(report, "study")
        header.StudyDate = start.strftime("%Y%m%d") if start else ""
        header.StudyTime = start.strftime("%H%M%S") if start else ""
        header.StudyID = ""
        header.AccessionNumber = report.study.accession or ""
        header.ReferringPhysicianName = ""
        return cls(header)

    def filled(self, report: ClinicalReport) -> DicomStudy:
        """Return it with what the report knows of person and order and the source does not."""
        pydicom = require_pydicom()
        header = pydicom.Dataset()
        header.update(self.header)
        known = DicomStudy.of_report(report).header
        has_issuer = any(header.get(name) for name in _ISSUER)
        for name in (*_PERSON, "AccessionNumber"):
            if name in _ISSUER and has_issuer:
                continue  # the numbers are those of the source, and so is who gives them
            value = known.get(name, "")
            if value and not str(header.get(name, "") or ""):
                setattr(header, name, value)
        return DicomStudy(header)

    @property
    def study_uid(self) -> str:
        """Of the study."""
        return str(self.header.StudyInstanceUID)

    @property
    def source(self) -> tuple[str, str, str] | None:
        """Class, instance and series of the ECG object; None where the source is no DICOM."""
        if "SOPInstanceUID" not in self.header:
            return None
        kind, instance, series = (str(self.header[name].value) for name in _INSTANCE[:3])
        return kind, instance, series


def require_pydicom() -> Any:
    """Return pydicom.

    Raises
    ------
    MissingExtraError
    """
    try:
        import pydicom
    except ImportError:
        raise MissingExtraError.for_extra("making DICOM reports", "hospital") from None
    return pydicom


def uid_of(report: ClinicalReport, what: str) -> str:
    """Return the UID of a part of the report (PS3.5 B.2: derived from a UUID)."""
    return f"2.25.{report.uuid(f'dicom {what}').int}"


def coded(value: str, scheme: str, meaning: str) -> Any:
    """Return an item of a code sequence; a meaning that is too long loses its last words."""
    item = require_pydicom().Dataset()
    if len(value) <= _SHORT:
        item.CodeValue = value
    else:
        item.LongCodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning if is_short(meaning) else _shortened(meaning)
    return item


def is_short(meaning: str) -> bool:
    """Return whether a text fits where a meaning stands.

    PS3.5 allows 64 characters; older programs count bytes, so both are kept.
    """
    return len(meaning.encode()) <= _LONG


def _shortened(meaning: str) -> str:
    words = meaning.partition(" (")[0].split(" ")
    while len(words) > 1 and not is_short(" ".join(words)):
        words.pop()
    return " ".join(words).encode()[:_LONG].decode(errors="ignore")


def new_object(report: ClinicalReport, study: DicomStudy, *, kind: str, modality: str) -> Any:
    """Return a data set with everything but its content."""
    pydicom = require_pydicom()
    data = pydicom.Dataset()
    data.SpecificCharacterSet = _UTF8
    for name in (*_PERSON, *_STUDY):
        if name in study.header:
            setattr(data, name, study.header[name].value)
    for name in ("PatientName", "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber",
                 "ReferringPhysicianName", "StudyDate", "StudyTime", "PatientID"):  # fmt: skip
        if name not in data:
            setattr(data, name, "")
    data.SOPClassUID = kind
    data.SOPInstanceUID = uid_of(report, f"instance {modality}{report.stage}")
    data.SeriesInstanceUID = uid_of(report, f"series {modality}")
    data.Modality, data.SeriesNumber, data.InstanceNumber = modality, "900", "1"
    data.SeriesDescription = "ECG interpretation, unconfirmed"
    if report.review is not None:
        data.SeriesInstanceUID = uid_of(report, f"series read {modality}")
        data.SeriesNumber = "901"
        data.InstanceNumber = str(report.review.number)
        data.SeriesDescription = "ECG interpretation, read"
    data.Manufacturer = "ecgfoundry"
    data.ManufacturerModelName = (report.interpretation.model or "ecgfoundry")[:64]
    data.SoftwareVersions = __version__
    _stamp(data, report.told_at)
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta = meta
    return data


def _stamp(data: Any, issued: dt.datetime) -> None:
    """Write when the content was made, in the zone of the source where it states one."""
    offset = str(data.get("TimezoneOffsetFromUTC", "") or "")
    if offset:
        sign = -1 if offset.startswith("-") else 1
        away = dt.timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
        issued = issued.astimezone(dt.timezone(sign * away))
    else:
        data.TimezoneOffsetFromUTC = issued.strftime("%z")[:5]
    data.ContentDate = data.InstanceCreationDate = data.SeriesDate = issued.strftime("%Y%m%d")
    data.ContentTime = data.InstanceCreationTime = data.SeriesTime = issued.strftime("%H%M%S")
