"""From the cart to the PACS: C-STORE in, the interpretation as PDF and SR back, by other programs.

dcmtk's storescu is the cart, Orthanc the PACS.
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.hospital_peers import Orthanc, orthanc, peer
from tests.ports import free_port
from tests.service.conftest import LocalClient
from tests.service.waiting import until

import ecgfoundry
from ecgfoundry.formats.writers import write
from ecgfoundry.samples import sample_path
from ecgfoundry.service.api import create_app
from ecgfoundry.service.hospital import read_hospital
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.tokens import Token

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("pynetdicom")

STUDY = "1.2.826.0.1.3680043.10.999.7"
OWNER, OTHER = "a token of the owner", "a token of another"
ADMIN = "a token of the admin"


@pytest.fixture(scope="module")
def cart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cart") / "ecg.dcm"
    write(ecgfoundry.read(sample_path("12-lead")), path)
    data = pydicom.dcmread(path)
    data.PatientName, data.PatientID, data.StudyInstanceUID = "Roe^Jane", "4711", STUDY
    data.save_as(path)
    return path


@contextmanager
def hospital(folder: Path, pacs: Orthanc, port: int) -> Iterator[LocalClient]:
    (folder / "hospital.toml").write_text(
        f"""
        [receivers.dicom]
        port = {port}
        callers = {{ CART1 = "cardiology" }}

        [destinations.pacs]
        kind = "dicom"
        host = "127.0.0.1"
        port = {pacs.dicom_port}
        called = "ORTHANC"
        first_retry_s = 0.2
        """
    )
    settings = ServiceSettings(
        workers=1,
        port=0,
        keep_folder=folder / "kept",
        tokens=(Token(OWNER, "cardiology"), Token(OTHER, "other"), Token(ADMIN, "it", "admin")),
        hospital=read_hospital(folder / "hospital.toml"),
    )
    with LocalClient(create_app(settings)) as client:
        yield client


def listed(client: LocalClient, token: str) -> list[dict[str, str]]:
    headers = {"Authorization": f"Bearer {token}"}
    return list(client.get("/v1/recordings", headers=headers).json()["recordings"])


@pytest.mark.slow
def test_from_the_cart_to_the_pacs(tmp_path: Path, cart: Path) -> None:
    storescu = peer("storescu", "dcmtk")
    port = free_port()
    with orthanc(tmp_path) as pacs, hospital(tmp_path, pacs, port) as client:
        command = [storescu, "-aet", "CART1", "-aec", "ECGFOUNDRY", "-xe", "127.0.0.1", str(port)]
        for _ in range(2):  # a cart that did not hear the answer sends it again
            subprocess.run([*command, str(cart)], check=True, timeout=300)
        until(lambda: set(pacs.studies().get(STUDY, {})) == {"DOC", "SR"}, "PDF and SR", 0.2)
        (entry,) = listed(client, OWNER)
        assert entry["source"] == "dicom:CART1" and not listed(client, OTHER)
        # What is refused to a stranger: the deliveries, and a recording that is not his.
        stranger = {"Authorization": f"Bearer {OTHER}"}
        assert client.get("/v1/deliveries", headers=stranger).status_code == 403
        admin = {"Authorization": f"Bearer {ADMIN}"}

        def delivered() -> bool:  # two objects, though the cart has sent twice
            rows = client.get("/v1/deliveries", headers=admin).json()["deliveries"]
            assert len(rows) == 2, rows
            return [row["state"] for row in rows] == ["delivered"] * 2

        until(delivered, "the end of both deliveries")

        # STOW-RS with a token: the same object is the same recording.
        body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + cart.read_bytes() + b"\r\n--x--"
        kind = 'multipart/related; type="application/dicom"; boundary=x'
        headers = {"Authorization": f"Bearer {OWNER}", "Content-Type": kind}
        for study, status in ((STUDY, 200), ("1.2.3", 409)):
            answer = client.post(f"/dicom-web/studies/{study}", content=body, headers=headers)
            assert answer.status_code == status, answer.text
        uid = str(pydicom.dcmread(cart).SOPInstanceUID)
        answer = client.post("/dicom-web/studies", content=body, headers=headers)
        assert answer.headers["content-type"] == "application/dicom+json"
        (stored,) = answer.json()["00081199"]["Value"]
        assert stored["00081155"]["Value"] == [uid]
        wrong = {**headers, "Content-Type": "application/dicom"}
        assert client.post("/dicom-web/studies", content=body, headers=wrong).status_code == 415
        garbage = client.post(
            "/dicom-web/studies", content=b"--x\r\n\r\nno\r\n--x--", headers=headers
        )
        assert garbage.status_code == 409 and "00081198" in garbage.json()

        found = pacs.studies()[STUDY]
        document = pydicom.dcmread(io.BytesIO(pacs.file(found["DOC"])))
        assert (str(document.PatientName), document.PatientID) == ("Roe^Jane", "4711")
        assert document.EncapsulatedDocument.startswith(b"%PDF-")
        (source,) = document.SourceInstanceSequence
        assert source.ReferencedSOPInstanceUID == uid
        path = tmp_path / "sr.dcm"
        path.write_bytes(pacs.file(found["SR"]))
        dump = subprocess.run([peer("dsrdump", "dcmtk"), "+Pc", "+Pl", str(path)], check=True,
                              capture_output=True, text=True).stdout  # fmt: skip
        assert '(2:16016,MDC,"Ventricular Heart Rate")="116.9"' in dump
        assert '(427084000,SCT,"Electrocardiogram: sinus tachycardia")' in dump

        # What a reader says comes as documents of their own; the machine's stay.
        recording = entry["recording"]
        said = {
            "decision": "edited",
            "statements": [{"name": "SINUS TACHYCARDIA", "present": False, "note": "2:1 flutter"}],
        }
        made = client.post(
            f"/v1/recordings/{recording}/reviews",
            json=said,
            headers={"Authorization": f"Bearer {OWNER}"},
        )
        assert made.status_code == 201, made.text
        until(lambda: len(pacs.get("/instances")) == 4, "documents of the review", 0.2)
        files = [pacs.file(one) for one in pacs.get("/instances")]
        documents = [pydicom.dcmread(io.BytesIO(file)) for file in files]
        assert {(d.Modality, int(d.SeriesNumber), d.VerificationFlag) for d in documents} == {
            ("DOC", 900, "UNVERIFIED"), ("DOC", 901, "VERIFIED"),
            ("SR", 900, "UNVERIFIED"), ("SR", 901, "VERIFIED"),
        }  # fmt: skip
        assert {d.StudyInstanceUID for d in documents} == {STUDY}
        place = next(
            n for n, d in enumerate(documents) if (d.Modality, d.SeriesNumber) == ("SR", 901)
        )
        path.write_bytes(files[place])
        dump = subprocess.run([peer("dsrdump", "dcmtk"), "+Pc", "+Pl", "-v", str(path)], check=True,
                              capture_output=True, text=True)  # fmt: skip
        assert dump.stderr.count("E:") == 0, dump.stderr
        assert "427084000" not in dump.stdout and "Not present: sinus tachycardia" in dump.stdout
        before = documents[place].PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
        machine = [d for d in documents if (d.Modality, d.SeriesNumber) == ("SR", 900)]
        (named,) = before.ReferencedSOPSequence
        assert named.ReferencedSOPInstanceUID in {d.SOPInstanceUID for d in machine}
