"""Whose an ECG is, by the worklist of a hospital: Orthanc has the entries."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.hospital_peers import Orthanc, orthanc
from tests.mllp_receiver import MllpReceiver, mllp_receiver
from tests.ports import unanswered_port
from tests.service.conftest import LocalClient
from tests.service.waiting import until

from ecgfoundry.samples import sample_path
from ecgfoundry.service.api import create_app
from ecgfoundry.service.hospital import read_hospital
from ecgfoundry.service.identity import Identity
from ecgfoundry.service.senders.errors import DeliveryError
from ecgfoundry.service.settings import ServiceSettings

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("pynetdicom")

from ecgfoundry.service.senders.dicom import DicomNode  # noqa: E402
from ecgfoundry.service.worklist import (  # noqa: E402
    OtherPersonError,
    WorklistEntry,
    ask,
    day_in,
    identity_in,
)

STUDY = "1.2.826.0.1.3680043.10.999.17"
ANNE = Identity("4711", "KH", "Müller^Änne", "19420102", "female", "A-17", "O-9", STUDY)


def entry(folder: Path, **fields: str) -> None:
    """Write one entry as a worklist server keeps it."""
    data = pydicom.Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    step = pydicom.Dataset()
    step.Modality = fields.pop("Modality", "ECG")
    step.ScheduledProcedureStepStartDate = fields.pop("day", "20261120")
    step.ScheduledStationAETitle = "CART1"
    data.ScheduledProcedureStepSequence = [step]
    for name, value in fields.items():
        setattr(data, name, value)
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.31"
    data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data.save_as(folder / f"{uuid.uuid4().hex}.wl", enforce_file_format=True)


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    worklist = tmp_path_factory.mktemp("worklist")
    anne = {
        "PatientName": "Müller^Änne", "PatientID": "4711", "IssuerOfPatientID": "KH",
        "PatientBirthDate": "19420102", "PatientSex": "F",
    }  # fmt: skip
    order = {"PlacerOrderNumberImagingServiceRequest": "O-9", "StudyInstanceUID": STUDY}
    entry(worklist, **anne, **order, AccessionNumber="A-17")
    entry(worklist, **anne, AccessionNumber="A-18", StudyInstanceUID="1.2.3", day="20261121")
    entry(worklist, **anne, AccessionNumber="A-19", StudyInstanceUID="1.2.4", Modality="CT")
    for person in ("5001", "5002"):  # one number, two people: a mistake that happens
        entry(worklist, PatientID=person, PatientName="Roe", AccessionNumber="A-99",
              StudyInstanceUID=f"1.2.{person}")  # fmt: skip
    with orthanc(tmp_path_factory.mktemp("orthanc"), worklist=worklist) as running:
        yield running


def test_the_worklist_is_asked(pacs: Orthanc) -> None:
    node = DicomNode("127.0.0.1", pacs.dicom_port, "ORTHANC")
    assert ask(node, accession="A-17", patient=None) == [WorklistEntry(ANNE, "20261120")]
    both = ask(node, accession=None, patient="4711")
    assert sorted(one.identity.accession or "" for one in both) == ["A-17", "A-18"], "no CT"
    assert ask(node, accession="A-1", patient=None) == []
    with unanswered_port() as port, pytest.raises(DeliveryError) as failed:
        away = DicomNode("127.0.0.1", port, "ORTHANC", timeout_s=60)
        ask(away, accession="A-17", patient=None)
    assert not failed.value.permanent


def test_what_is_taken_from_an_answer() -> None:
    first = WorklistEntry(ANNE, "20261120")
    second = WorklistEntry(Identity("4711", "KH", "Müller^Änne", accession="A-18"), "20261121")
    other = WorklistEntry(Identity("5001", "KH", accession="A-17"), "20261120")
    person = Identity("4711", "KH", "Müller^Änne", "19420102", "female")
    known, nothing = Identity("4711"), Identity()
    ordered = Identity(accession="A-17")
    assert identity_in([first], known=ordered, day="20261125") == ANNE, "the number says which"
    assert identity_in([first, second], known=known, day="20261120") == ANNE
    other_day = replace(person, unmatched="the worklist has no order of the day of the recording")
    assert identity_in([first, second], known=known, day="20261125") == other_day
    assert identity_in([second, first], known=known, day="20261125") == other_day, "in any order"
    assert identity_in([first, other], known=known, day="20261120") == ANNE
    assert identity_in([first, other], known=nothing, day="20261120") == nothing, "two people"
    assert identity_in([], known=known, day="") == nothing
    with pytest.raises(OtherPersonError, match="another person"):
        identity_in([other], known=known, day="20261120")


@pytest.mark.parametrize(
    "stated",
    [
        Identity("4711", birth_date="19420103"),
        Identity("4711", sex="male"),
        Identity("4711", "OTHER-HOSPITAL"),
        Identity(birth_date="19420103", accession="A-17"),
    ],
    ids=["born on another day", "of another sex", "numbers of another hospital", "by accession"],
)
def test_a_number_that_was_typed_wrongly_names_nobody(stated: Identity) -> None:
    """The number of a file is somebody's, and what else the file says is not theirs."""
    entry = WorklistEntry(ANNE, "20261120")
    with pytest.raises(OtherPersonError, match="another person"):
        identity_in([entry], known=stated, day="20261120")
    addressed = Identity("4711", "https://kh.example.org/patients", birth_date="19420102")
    named = identity_in([entry], known=addressed, day="20261120")
    assert named == ANNE, "an address may stand for KH"


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("20261119", "the worklist has no order of the day of the recording"),
        ("20251120", "the worklist has no order of the day of the recording"),
        ("", "the day of the recording is not known"),
    ],
)
def test_the_only_order_is_for_another_ecg_where_it_is_of_another_day(day: str, why: str) -> None:
    """A recording of last year, of a person who is ordered one today."""
    found = identity_in([WorklistEntry(ANNE, "20261120")], known=Identity("4711"), day=day)
    assert (found.patient, found.name, found.birth_date) == ("4711", "Müller^Änne", "19420102")
    assert (found.accession, found.order, found.study_uid) == (None, None, None)
    assert found.unmatched == why


def test_two_orders_of_one_day_are_told_apart_by_their_number_alone() -> None:
    second = replace(ANNE, accession="A-18", order="O-10", study_uid="1.2.3")
    entries = [WorklistEntry(ANNE, "20261120"), WorklistEntry(second, "20261120")]
    found = identity_in(entries, known=Identity("4711"), day="20261120")
    assert found.unmatched == "the worklist has 2 orders of the day of the recording"
    assert found.accession is None
    known = Identity("4711", accession="A-18")
    assert identity_in(entries, known=known, day="20261120") == second


@pytest.mark.parametrize(
    ("start", "day"),
    [
        ("2026-11-19T23:30:00+00:00", "20261120"),  # 0:30 in Berlin
        ("2026-11-20T23:30:00", "20261120"),  # as the hospital's clock
        ("2026-11-20T23:30:00+09:00", "20261120"),
        (None, ""),
    ],
)
def test_the_day_is_that_of_the_hospital(tmp_path: Path, start: str | None, day: str) -> None:
    (tmp_path / "hospital.toml").write_text('time_zone = "Europe/Berlin"\n')
    zone = read_hospital(tmp_path / "hospital.toml").zone
    assert day_in(zone, start) == day


def test_entries_that_contradict_each_other_name_nobody() -> None:
    born = [Identity("4711", "KH", birth_date=day) for day in ("19420102", "19800304")]
    entries = [WorklistEntry(one, "20261120") for one in born]
    assert identity_in(entries, known=Identity("4711"), day="20261120") == Identity()
    named = [Identity("4711", "KH", name) for name in ("Müller^Änne", "Roe^Jane")]
    entries = [WorklistEntry(one) for one in named]
    expected = Identity("4711", "KH", unmatched="the day of the recording is not known")
    assert identity_in(entries, known=Identity("4711"), day="") == expected


def test_what_the_request_says_counts_first() -> None:
    said = Identity("4711", accession="A-18")
    assert said.filled(ANNE).to_dict() == {
        "patient": "4711", "system": "KH", "name": "Müller^Änne", "birth_date": "19420102",
        "sex": "female", "accession": "A-18", "order": "O-9", "study_uid": STUDY,
    }  # fmt: skip
    assert Identity("4712").filled(ANNE) == Identity("4712"), "nothing of another person"
    assert Identity.from_dict({"patient": "1", "of a later version": 2}) == Identity("1")
    assert Identity.from_dict(None).to_dict() == {}


@contextmanager
def hospital(folder: Path, pacs: Orthanc, engine: MllpReceiver) -> Iterator[LocalClient]:
    folder.mkdir()
    (folder / "hospital.toml").write_text(
        f"""
        time_zone = "Europe/Berlin"
        [worklist]
        host = "127.0.0.1"
        port = {pacs.dicom_port}
        called = "ORTHANC"

        [destinations.engine]
        kind = "mllp"
        host = "127.0.0.1"
        port = {engine.port}

        [destinations.pacs]
        kind = "dicom"
        host = "127.0.0.1"
        port = {pacs.dicom_port}
        called = "ORTHANC"
        documents = ["sr"]
        """
    )
    settings = ServiceSettings(
        workers=1, port=0, keep_folder=folder / "kept", requests_per_minute=1_000_000,
        hospital=read_hospital(folder / "hospital.toml"),
    )  # fmt: skip
    with LocalClient(create_app(settings)) as client:
        yield client


def settled(client: LocalClient, recording: str) -> dict[str, dict[str, Any]]:
    def rows() -> list[dict[str, Any]]:
        asked = client.get(f"/v1/deliveries?recording={recording}")
        return list(asked.json()["deliveries"])

    def done() -> bool:
        states = {row["state"] for row in rows()}
        return bool(states) and states <= {"delivered", "dead"}

    until(done, "the end of its deliveries", 0.1)
    return {row["destination"]: row for row in rows()}


@pytest.mark.slow
def test_a_file_without_a_person_gets_that_of_its_order(pacs: Orthanc, tmp_path: Path) -> None:
    header = sample_path("single-lead")

    def sent(client: LocalClient, query: str) -> str:
        files = []
        for path in sorted(header.parent.glob(f"{header.stem}.*")):
            extra = f"# {uuid.uuid4()}\n".encode() if path == header else b""
            files.append(("file", (path.name, path.read_bytes() + extra)))
        made = client.post(f"/v1/recordings?diagnose=true&{query}", files=files)
        assert made.status_code == 201, made.text
        return str(made.json()["recording"])

    with mllp_receiver() as engine, hospital(tmp_path / "service", pacs, engine) as client:
        recording = sent(client, "accession=A-17")
        assert {row["state"] for row in settled(client, recording).values()} == {"delivered"}
        (message,) = engine.taken
        lines = {line.split("|")[0]: line.split("|") for line in message.decode().split("\r")}
        assert lines["PID"][3] == "4711^^^KH^MR" and lines["PID"][5] == "Müller^Änne"
        assert (lines["PID"][7], lines["PID"][8]) == ("19420102", "F")
        assert (lines["OBR"][2], lines["OBR"][18]) == ("O-9", "A-17")
        stored = pydicom.dcmread(io.BytesIO(pacs.file(pacs.studies()[STUDY]["SR"])))
        assert (str(stored.PatientName), stored.PatientID) == ("Müller^Änne", "4711")
        assert (stored.PatientBirthDate, stored.AccessionNumber) == ("19420102", "A-17")

        for asked in ("q=m%C3%BCller%5E%C3%A4nne", "q=a-17", "patient=4711"):
            (listed,) = client.get(f"/v1/recordings?{asked}").json()["recordings"]
            assert listed["recording"] == recording
            assert listed["subject"]["identifier"] == "4711"

        # Two people have this number: nobody is named.
        recording = sent(client, "accession=A-99")
        settled(client, recording)
        (person,) = (line for line in engine.taken[1].split(b"\r") if line.startswith(b"PID|"))
        assert b"5001" not in person and b"5002" not in person

        # The orders of this person are of other days than the ECG (of 2000): none is taken.
        recording = sent(client, "patient=4711")
        settled(client, recording)
        message = engine.taken[2].decode()
        lines = {line.split("|")[0]: line.split("|") for line in message.split("\r")}
        assert lines["PID"][5] == "Müller^Änne"
        assert (lines["OBR"][2], lines["OBR"][18]) == ("", "")
        why = "the worklist has no order of the day of the recording"
        assert f"No order is matched: {why}." in message
        entry = client.get(f"/v1/recordings/{recording}").json()
        assert entry["unmatched"] == why and "accession" not in entry["subject"]

        # The person is not the one of the order: nothing goes out, and it is said why.
        recording = sent(client, "accession=A-17&patient=4712")
        for row in settled(client, recording).values():
            assert row["state"] == "dead" and "another person" in row["last_error"], row
        assert len(engine.taken) == 3
        trail = client.get("/v1/audit").json()["rows"]
        asked = [row["outcome"] for row in trail if row["action"] == "worklist.asked"]
        assert set(asked) == {"ok", "several", "no order of the recording", "another person"}
        assert asked.count("ok") == 1, "it is asked once for a recording"
