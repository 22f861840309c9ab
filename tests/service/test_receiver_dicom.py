"""The DICOM listener, with dcmtk and Orthanc as carts."""

from __future__ import annotations

import hashlib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.formats.layouts import dicom_file
from tests.hospital_peers import orthanc, peer

import ecgfoundry
from ecgfoundry.errors import DiskFullError, ServiceError
from ecgfoundry.formats.writers import write
from ecgfoundry.samples import sample_path
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.receivers import Taken

pytest.importorskip("pydicom")
pytest.importorskip("pynetdicom")

from ecgfoundry.service.hospital import DicomReceiver
from ecgfoundry.service.receivers.dicom import DicomListener


class Shelf:
    """What was received: (SHA-256, name, owner, source)."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, str, str]] = []
        self.contents: list[bytes] = []
        self.error: Exception | None = None

    def take(self, content: bytes, name: str, owner: str, source: str) -> Taken:
        if self.error is not None:
            raise self.error
        digest = hashlib.sha256(content).hexdigest()
        new = all(digest != known[0] for known in self.received)
        self.received.append((digest, name, owner, source))
        self.contents.append(content)
        return Taken(digest[:32], new)


@contextmanager
def listening(shelf: Shelf, **fields: Any) -> Iterator[int]:
    given: dict[str, Any] = {"callers": {"CART1": "cardiology"}, "port": 0, **fields}
    listener = DicomListener(DicomReceiver(**given), shelf.take)
    listener.start()
    try:
        yield listener.port
    finally:
        listener.close()


def storescu(port: int, *files: Path, calling: str = "CART1", called: str = "ECGFOUNDRY",
             options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:  # fmt: skip
    command = [peer("storescu", "dcmtk"), "-v", "-aet", calling, "-aec", called, *options]
    command += ["-xe", "127.0.0.1", str(port), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def twelve_lead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cart") / "twelve.dcm"
    write(ecgfoundry.read(sample_path("12-lead")), path)
    return path


def test_a_cart_stores_and_asks(twelve_lead: Path) -> None:
    import pydicom

    shelf = Shelf()
    with listening(shelf) as port:
        titles = ("-aet", "CART1", "-aec", "ECGFOUNDRY")
        command = [peer("echoscu", "dcmtk"), *titles, "127.0.0.1", str(port)]
        asked = subprocess.run(command, capture_output=True, timeout=300)
        assert asked.returncode == 0
        for _ in range(2):
            sent = storescu(port, twelve_lead)
            assert sent.returncode == 0 and "Success" in sent.stdout + sent.stderr
    (first, second) = shelf.received
    assert first == second  # the same content, byte for byte: a duplicate can be recognised
    uid = str(pydicom.dcmread(twelve_lead).SOPInstanceUID)
    assert first[1:] == (f"{uid}.dcm", "cardiology", "dicom:CART1")


def test_what_was_received_reads_as_what_was_sent(twelve_lead: Path, tmp_path: Path) -> None:
    shelf = Shelf()
    with listening(shelf) as port:
        assert storescu(port, twelve_lead).returncode == 0
    path = tmp_path / "received.dcm"
    path.write_bytes(shelf.contents[0])
    sent, received = ecgfoundry.read(twelve_lead), ecgfoundry.read(path)
    assert received.leads == sent.leads and received.subject == sent.subject
    np.testing.assert_array_equal(received.signal, sent.signal)


def test_general_and_ambulatory_ecg(tmp_path: Path) -> None:
    import pydicom

    ramp = np.stack([np.arange(2000)] * 2)
    shelf = Shelf()
    with listening(shelf) as port:
        for number, kind in ((2, "general"), (3, "ambulatory")):
            path = dicom_file(tmp_path / f"{kind}.dcm", ramp, codes=("5.6.3-9-1", "5.6.3-9-2"))
            data = pydicom.dcmread(path)
            data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = (
                f"1.2.840.10008.5.1.4.1.1.9.1.{number}"
            )
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
            data.save_as(path)
            sent = storescu(port, path)
            assert sent.returncode == 0, sent.stderr
    assert [row[1] for row in shelf.received] == ["1.2.3.2.dcm", "1.2.3.3.dcm"]


def test_strangers_and_other_titles_are_refused(twelve_lead: Path) -> None:
    shelf = Shelf()
    with listening(shelf, titles=("ECGFOUNDRY", "ECG2")) as port:
        assert storescu(port, twelve_lead, calling="STRANGER").returncode != 0
        assert storescu(port, twelve_lead, called="SOMEBODY").returncode != 0
        assert not shelf.received
        assert storescu(port, twelve_lead, called="ECG2").returncode == 0
    with listening(shelf, callers={"CART1": "cardiology", "*": "others"}) as port:
        assert storescu(port, twelve_lead, calling="STRANGER").returncode == 0
    assert [row[2:] for row in shelf.received] == [
        ("cardiology", "dicom:CART1"), ("others", "dicom:STRANGER"),
    ]  # fmt: skip


def test_an_object_that_is_no_ecg_is_not_negotiated(tmp_path: Path, twelve_lead: Path) -> None:
    import pydicom

    data = pydicom.dcmread(twelve_lead)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    path = tmp_path / "picture.dcm"
    data.save_as(path)
    shelf = Shelf()
    with listening(shelf) as port:
        assert storescu(port, path).returncode != 0
    assert not shelf.received


def test_too_much_is_never_gathered(tmp_path: Path, twelve_lead: Path) -> None:
    import pydicom

    data = pydicom.dcmread(twelve_lead)
    data.add_new(0x00091010, "OB", b"\0" * 3_000_000)
    path = tmp_path / "large.dcm"
    data.save_as(path)
    shelf = Shelf()
    with listening(shelf, max_mb=1) as port:
        assert storescu(port, path).returncode != 0
        assert not shelf.received
        assert storescu(port, *[twelve_lead] * 12).returncode == 0  # each is below the limit
    assert len(shelf.received) == 12


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DiskFullError("no room"), "0xa700"),
        (ProblemError(Problem(413, "limit", "no room is left")), "0xa700"),
        (ProblemError(Problem(403, "not-kept", "nothing is kept")), "0xc000"),
    ],
)
def test_what_cannot_be_kept_is_answered_so(
    error: Exception, status: str, twelve_lead: Path
) -> None:
    """PS3.4 table B.2-1: A700 refused, out of resources; C000 cannot understand."""
    shelf = Shelf()
    shelf.error = error
    with listening(shelf) as port:
        sent = storescu(port, twelve_lead, options=("-d",))
    assert status in (sent.stdout + sent.stderr).lower()


@pytest.mark.slow
def test_orthanc_as_a_cart(tmp_path: Path, twelve_lead: Path) -> None:
    shelf = Shelf()
    with (
        listening(shelf, callers={"ORTHANC": "gateway"}) as port,
        orthanc(tmp_path, {"ours": ["ECGFOUNDRY", "127.0.0.1", port]}) as gateway,
    ):
        instance = gateway.post("/instances", twelve_lead.read_bytes())["ID"]
        gateway.post("/modalities/ours/store", instance.encode())
    assert [row[2:] for row in shelf.received] == [("gateway", "dicom:ORTHANC")]


def test_a_port_that_is_taken() -> None:
    shelf = Shelf()
    with listening(shelf) as port, pytest.raises(ServiceError, match="no DICOM listener"):
        DicomListener(DicomReceiver({"*": "x"}, port=port), shelf.take).start()


def test_what_is_no_dicom_harms_nobody(twelve_lead: Path) -> None:
    shelf = Shelf()
    with listening(shelf) as port:
        for noise in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x01\x00\xff\xff\xff\xff" + b"A" * 5000,
            b"\0" * 99,
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=300) as line:
                line.sendall(noise)
        assert storescu(port, twelve_lead).returncode == 0
    assert len(shelf.received) == 1
