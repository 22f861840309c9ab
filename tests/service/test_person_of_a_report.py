"""Whose name stands on a report, where file, request and worklist speak of several people."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pytest

import ecgfoundry
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.samples import sample_path
from ecgfoundry.service.identity import Identity
from ecgfoundry.service.senders.documents import DocumentKind, DocumentOrder, write_document

pydicom = pytest.importorskip("pydicom")

NOW = dt.datetime(2026, 11, 21, 8, 30, tzinfo=dt.UTC)
STUDY = "1.2.826.0.1.3680043.10.999.21"


@pytest.fixture(scope="module")
def of_anne(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A DICOM ECG of Änne Müller, and its stored answer."""
    path = tmp_path_factory.mktemp("dicom") / "anne.dcm"
    ecgfoundry.read(sample_path("single-lead")).write(path)
    data = pydicom.dcmread(path)
    data.SpecificCharacterSet = "ISO_IR 192"
    data.PatientID, data.IssuerOfPatientID = "4711", "KH"
    data.PatientName, data.PatientBirthDate = "Müller^Änne", "19420102"
    data.AccessionNumber, data.StudyInstanceUID = "A-17", STUDY
    data.save_as(path)
    return path, json.dumps(ecgfoundry.interpret(path).to_dict()).encode()


def written(of_anne: tuple[Path, bytes], kind: DocumentKind, said: Identity) -> bytes:
    path, answer = of_anne
    return write_document(DocumentOrder(kind, answer, NOW, identity=said), path, ReadOptions())


def test_nothing_of_the_person_in_the_file_stands_beside_the_number_of_another(
    of_anne: tuple[Path, bytes],
) -> None:
    message = written(of_anne, "oru", Identity("5001")).decode()
    lines = {line.split("|")[0]: line.split("|") for line in message.split("\r")}
    assert lines["PID"][3] == "5001^^^^MR"
    assert lines["PID"][5] == "^^^^^^U", "no name"
    assert lines["PID"][7] == "", "no date of birth"
    assert "A-17" not in message, "no order"
    bundle = written(of_anne, "fhir", Identity("5001")).decode()
    assert "Müller" not in bundle and "4711" not in bundle and STUDY not in bundle
    report: Any = pydicom.dcmread(io.BytesIO(written(of_anne, "dicom-sr", Identity("5001"))))
    assert (report.PatientID, str(report.PatientName)) == ("5001", "")
    assert report.StudyInstanceUID != STUDY, "the study is the other person's"


def test_the_person_in_the_file_is_told_where_nobody_says_another(
    of_anne: tuple[Path, bytes],
) -> None:
    for said in (Identity(), Identity("4711")):
        message = written(of_anne, "oru", said).decode()
        (line,) = (one.split("|") for one in message.split("\r") if one.startswith("PID|"))
        assert (line[3], line[5], line[7]) == ("4711^^^KH^MR", "Müller^Änne", "19420102")
        report: Any = pydicom.dcmread(io.BytesIO(written(of_anne, "dicom-sr", said)))
        assert (report.PatientID, report.StudyInstanceUID) == ("4711", STUDY)
