"""STOW-RS in: what is stored, what is refused and why (PS3.18 10.5, reasons of table I.2-2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import ecgfoundry
from ecgfoundry.formats.writers import write
from ecgfoundry.samples import sample_path

pydicom = pytest.importorskip("pydicom")
KIND = 'multipart/related; type="application/dicom"; boundary="x"'


@pytest.fixture(scope="module")
def ecg(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("stow") / "ecg.dcm"
    write(ecgfoundry.read(sample_path("12-lead")), path)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def _nothing_stays(service: TestClient) -> Iterator[None]:
    """The service is that of all tests: nothing of theirs is here, and nothing of ours there."""
    _forget_all(service)
    yield
    _forget_all(service)


def _forget_all(service: TestClient) -> None:
    while rows := service.get("/v1/recordings").json()["recordings"]:
        for row in rows:
            service.delete(f"/v1/recordings/{row['recording']}")


def body(*objects: bytes) -> bytes:
    parts = (b"--x\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in objects)
    return b"".join(parts) + b"--x--\r\n"


def stow(service: TestClient, content: bytes, kind: str = KIND) -> Any:
    return service.post("/dicom-web/studies", content=content, headers={"Content-Type": kind})


def edited(ecg: bytes, folder: Path, **elements: str) -> bytes:
    path = folder / "edited.dcm"
    path.write_bytes(ecg)
    data = pydicom.dcmread(path)
    for name, value in elements.items():
        setattr(data, name, value)
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.save_as(path)
    return path.read_bytes()


def test_an_object_is_kept_once_and_its_interpretation_ordered(
    service: TestClient, ecg: bytes
) -> None:
    for _ in range(2):
        answer = stow(service, body(ecg))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/dicom+json"
    (stored,) = answer.json()["00081199"]["Value"]
    assert stored["00081150"] == {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.9.1.1"]}
    (row,) = service.get("/v1/recordings").json()["recordings"]
    assert row["source"].startswith("stow:") and row["file"].endswith(".dcm")
    jobs = service.get("/v1/jobs").json()["jobs"]
    assert sum(job["kind"] == "diagnose" for job in jobs) >= 1


def test_some_are_taken_and_some_are_not(service: TestClient, ecg: bytes, tmp_path: Path) -> None:
    picture = edited(ecg, tmp_path, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    answer = stow(service, body(ecg, picture, b"no DICOM"))
    assert answer.status_code == 202
    document = answer.json()
    assert len(document["00081199"]["Value"]) == 1
    reasons = [row["00081197"]["Value"] for row in document["00081198"]["Value"]]
    assert reasons == [[0x0122], [0xC000]]
    assert stow(service, body(picture)).status_code == 409


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x", "application/dicom", 415),
        (b"x", "multipart/related", 415),  # no boundary
        (b"", KIND, 400),
        (b"--x\r\n\r\nno end", KIND, 400),
        (b"--x--\r\n", KIND, 400),  # nothing in it
        (b"--x" + b"\r\n--x" * 600 + b"--", KIND, 413),
        (b"a" * 1_000_001, KIND, 413),
    ],
)
def test_what_is_no_such_body(service: TestClient, content: bytes, kind: str, status: int) -> None:
    answer = stow(service, content, kind)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
