"""Reports in a PACS: Orthanc takes and lists them, dcmtk reads them."""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.hospital_peers import Orthanc, orthanc, peer
from tests.ports import unanswered_port

import ecgfoundry
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.writers import write
from ecgfoundry.recording import Subject
from ecgfoundry.reports.clinical import ClinicalReport, PatientLink, StudyLink, report_on_file
from ecgfoundry.reports.dicom import DicomStudy, encapsulated_pdf, report_sr
from ecgfoundry.samples import sample_path
from ecgfoundry.service.identity import Identity
from ecgfoundry.service.senders.documents import identity_in_file
from ecgfoundry.service.senders.errors import DeliveryError

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("pynetdicom")

from ecgfoundry.service.senders.dicom import DicomNode, echo, store  # noqa: E402
from ecgfoundry.service.senders.http import HttpTarget  # noqa: E402
from ecgfoundry.service.senders.stow import store_by_http  # noqa: E402

NOW = dt.datetime(2026, 11, 21, 8, 30, tzinfo=dt.UTC)
STUDY = "1.2.826.0.1.3680043.10.999.1"


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 12-lead sample as a cart would send it, with a person and an order."""
    path = tmp_path_factory.mktemp("cart") / "ecg.dcm"
    write(ecgfoundry.read(sample_path("12-lead")), path)
    data = pydicom.dcmread(path)
    data.PatientName, data.PatientID, data.PatientBirthDate = "Müller^Änne", "4711", "19420102"
    data.IssuerOfPatientID, data.AccessionNumber = "KH", "A-1"
    data.StudyInstanceUID, data.StudyDate, data.StudyTime = STUDY, "20261120", "101500"
    data.save_as(path)
    return path


@pytest.fixture(scope="module")
def report(source: Path) -> ClinicalReport:
    return report_on_file(ecgfoundry.interpret(source), source, ReadOptions(), issued=NOW)


def content(data: Any) -> bytes:
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_pdf_and_sr_stand_in_the_study_of_the_source(
    pacs: Orthanc, source: Path, report: ClinicalReport, tmp_path: Path
) -> None:
    node = DicomNode("127.0.0.1", pacs.dicom_port, "ORTHANC")
    echo(node)
    store(node, source.read_bytes())
    study = DicomStudy.of_file(source)
    for made in (encapsulated_pdf, report_sr) * 2:  # sent twice, there once
        store(node, content(made(report, study)))
    found = pacs.studies()[STUDY]
    assert set(found) == {"ECG", "DOC", "SR"}
    of_the_study = {"Level": "Study", "Query": {"StudyInstanceUID": STUDY}}
    (number,) = pacs.post("/tools/find", json.dumps(of_the_study).encode())
    assert len(pacs.get(f"/studies/{number}/instances")) == 3
    assert pacs.get(f"/studies/{number}")["PatientMainDicomTags"]["PatientID"] == "4711"

    stored = pydicom.dcmread(io.BytesIO(pacs.file(found["DOC"])))
    assert str(stored.PatientName) == "Müller^Änne" and stored.AccessionNumber == "A-1"
    assert stored.EncapsulatedDocument[: stored.EncapsulatedDocumentLength] == report.pdf
    path = tmp_path / "report.dcm"
    path.write_bytes(pacs.file(found["DOC"]))
    subprocess.run([peer("dcm2pdf", "dcmtk"), path, tmp_path / "report.pdf"], check=True)
    assert (tmp_path / "report.pdf").read_bytes() == report.pdf

    path.write_bytes(pacs.file(found["SR"]))
    dump = subprocess.run(
        [peer("dsrdump", "dcmtk"), "+Pc", "+Pl", "-v", path],
        check=True,
        capture_output=True,
        text=True,
    )
    assert dump.stderr.count("E:") == 0, dump.stderr
    text = dump.stdout
    assert "Comprehensive SR Document" in text and "UNVERIFIED" in text
    for words in (
        '(28010-7,LN,"ECG Report")',
        "TwelveLeadECGWaveformStorage",
        '(2:16016,MDC,"Ventricular Heart Rate")="116.9" ({H.B.}/min,UCUM,"BPM")',
        '(2:16156,MDC,"QRS duration global")="88" (ms,UCUM,"ms")',
        '(122732,DCM,"Fridericia QTc Algorithm")',
        '(427084000,SCT,"Electrocardiogram: sinus tachycardia")',
        "ST level at J in V4 (limit ≤ −0.05 mV)",
        '(122148,DCM,"Lead ID")=(2:62,MDC,"aVR, augmented voltage, right")',
        "Automatic and unconfirmed",
    ):
        assert words in text, words


def test_stow(pacs: Orthanc, source: Path, report: ClinicalReport) -> None:
    if "dicom-web" not in pacs.get("/plugins"):
        pytest.skip("the DICOMweb plugin is not here (Debian package orthanc-dicomweb)")
    link = StudyLink(study_uid="1.2.826.0.1.3680043.10.999.2")
    known = ClinicalReport(report.interpretation, NOW, report.recording, study=link, pdf=report.pdf)
    study = DicomStudy.of_report(known)
    target = HttpTarget(pacs.stow)
    for made in (encapsulated_pdf, report_sr):
        store_by_http(target, content(made(known, study)))
    assert set(pacs.studies()["1.2.826.0.1.3680043.10.999.2"]) == {"DOC", "SR"}
    with pytest.raises(DeliveryError) as refused:
        store_by_http(target, b"no DICOM")
    assert refused.value.permanent


def test_a_source_that_is_no_dicom_object_has_a_study_of_its_own(report: ClinicalReport) -> None:
    link = PatientLink(
        identifier="77", system="KH", name="Roe^Jane", birth_date=dt.date(1950, 1, 2)
    )
    start = dt.datetime(2026, 1, 2, 3, 4, 5)
    own = ClinicalReport(report.interpretation, NOW, effective=start, patient=link)
    study = DicomStudy.of_report(own)
    data = report_sr(own, study)
    assert (data.PatientID, str(data.PatientName), data.PatientBirthDate) == (
        "77", "Roe^Jane", "19500102",
    )  # fmt: skip
    assert data.StudyInstanceUID == study.study_uid and study.study_uid.startswith("2.25.")
    assert (data.StudyDate, data.StudyTime) == ("20260102", "030405")
    assert "CurrentRequestedProcedureEvidenceSequence" not in data
    assert data.SOPInstanceUID == report_sr(own, study).SOPInstanceUID
    assert (data.ContentDate, data.ContentTime) == ("20261121", "083000")
    assert data.TimezoneOffsetFromUTC == "+0000"


def test_an_address_of_numbers_is_no_name_of_an_issuer(report: ClinicalReport) -> None:
    """PS3.3 10.14: a universal identifier stands in the qualifiers, with its kind."""
    link = PatientLink(identifier="77", system="urn:oid:1.2.276.0.76.4.8")
    own = ClinicalReport(report.interpretation, NOW, patient=link)
    data = report_sr(own, DicomStudy.of_report(own))
    (issuer,) = data.IssuerOfPatientIDQualifiersSequence
    assert (issuer.UniversalEntityID, issuer.UniversalEntityIDType) == ("1.2.276.0.76.4.8", "ISO")
    assert "IssuerOfPatientID" not in data
    named = DicomStudy.of_report(replace(own, patient=replace(link, system="KH")))
    header = named.filled(own).header
    assert header.IssuerOfPatientID == "KH"  # two that say whose numbers they are would be one lie
    assert "IssuerOfPatientIDQualifiersSequence" not in header


def test_the_date_of_birth_in_a_file_that_is_no_dicom_object(
    report: ClinicalReport, tmp_path: Path
) -> None:
    person = Subject(60.0, "male", "77", dt.date(1950, 1, 2))
    recording = replace(ecgfoundry.read("sample:single-lead"), subject=person)
    own = ClinicalReport(report.interpretation, NOW, recording)
    data = encapsulated_pdf(replace(own, pdf=b"%PDF-1.7 x"), DicomStudy.of_report(own))
    assert (data.PatientID, data.PatientBirthDate, data.PatientSex) == ("77", "19500102", "M")
    path = tmp_path / "x.edf"
    recording.write(path)
    known, _ = identity_in_file(path, ReadOptions())
    assert known == Identity("77", birth_date="19500102", sex="male")


def test_measurements_of_each_lead(report: ClinicalReport) -> None:
    """TID 3714: the numbers of the answer under the codes of CID 3001, 3687 and 3688."""
    own = ClinicalReport(report.interpretation, NOW)
    tables = {
        table.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning: {
            item.ConceptNameCodeSequence[0].CodeValue: (
                float(item.MeasuredValueSequence[0].NumericValue),
                item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
            )
            for item in table.ContentSequence[1:]
        }
        for table in _items(report_sr(own, DicomStudy.of_report(own)), "122159")
    }
    assert len(tables) == 12
    measured = report.interpretation.measurements
    assert measured is not None
    for name, lead, code, field in (
        ("Lead V1", "V1", "2:12800", "r_mv"), ("Lead V1", "V1", "2:13568", "s_mv"),
        ("Lead V1", "V1", "2:1024", "st_j_mv"), ("Lead V1", "V1", "2:1280", "p_mv"),
        ("aVR, augmented voltage, right", "aVR", "2:1536", "p_mv"),  # below zero: the minimum
    ):  # fmt: skip
        value = getattr(measured.leads[lead], field)
        assert tables[name][code] == (pytest.approx(value, abs=5e-5), "mV")
    assert tables["Lead V1"]["2:12032"] == (measured.leads["V1"].s_ms, "ms")
    assert "2:1792" not in tables["Lead V1"]  # no Q there
    # A file whose amplitudes are no mV has durations alone.
    unknown = replace(report.interpretation, measurements=replace(measured, calibrated=False))
    bare = ClinicalReport(unknown, NOW)
    assert not _items(report_sr(bare, DicomStudy.of_report(bare)), "2:12800")
    assert _items(report_sr(bare, DicomStudy.of_report(bare)), "2:7936")


def test_a_measurement_that_could_not_be_made_has_no_number() -> None:
    """One lead has no axis: an empty value with CID 42 "Measurement failure"."""
    own = ClinicalReport(ecgfoundry.interpret("sample:single-lead"), NOW)
    data = report_sr(own, DicomStudy.of_report(own))
    (axis,) = _items(data, "2:16132")
    assert len(axis.MeasuredValueSequence) == 0
    assert axis.NumericValueQualifierCodeSequence[0].CodeValue == "114006"


def _items(data: Any, code: str) -> list[Any]:
    found = []
    for item in data.get("ContentSequence", []):
        if item.ConceptNameCodeSequence[0].get("CodeValue") == code:
            found.append(item)
        found += _items(item, code)
    return found


def test_nobody_there_is_no_lasting_refusal(source: Path) -> None:
    with (
        unanswered_port() as port,
        pytest.raises(DeliveryError, match="cannot be reached") as failed,
    ):
        store(DicomNode("127.0.0.1", port, "ORTHANC", timeout_s=60), source.read_bytes())
    assert not failed.value.permanent
