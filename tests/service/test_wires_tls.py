"""The wires under TLS, with a certificate that is made here."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from tests.hospital_peers import peer

from ecgfoundry.service.receivers import Taken
from ecgfoundry.service.senders.errors import DeliveryError
from ecgfoundry.service.senders.mllp import MllpNode, send_message

pytest.importorskip("pynetdicom")

from ecgfoundry.service.hospital import DicomReceiver
from ecgfoundry.service.receivers.dicom import DicomListener
from ecgfoundry.service.senders.dicom import DicomNode, echo

MESSAGE = b"MSH|^~\\&|A||B||20260101||ORU^R01^ORU_R01|c1|P|2.5\r"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "made.pem", folder / "key.pem"
    subprocess.run(
        [peer("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


def test_a_listener_and_a_sender(certificate: tuple[Path, Path]) -> None:
    made, key = certificate
    settings = DicomReceiver({"*": "x"}, port=0, certificate=made, key=key)
    listener = DicomListener(settings, lambda *_: Taken("x", True))
    listener.start()
    try:
        node = {"host": "127.0.0.1", "port": listener.port, "called": "ECGFOUNDRY"}
        echo(DicomNode(**node, tls=True, ca_file=made, timeout_s=60))
        with pytest.raises(DeliveryError):  # its authority is unknown
            echo(DicomNode(**node, tls=True, timeout_s=60))
        with pytest.raises(DeliveryError):
            echo(DicomNode(**node, timeout_s=60))
    finally:
        listener.close()


def test_hl7(certificate: tuple[Path, Path]) -> None:
    made, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    received = []

    def serve(server: socket.socket) -> None:
        line, _ = server.accept()
        with context.wrap_socket(line, server_side=True) as secure:
            received.append(secure.recv(65_536))
            secure.sendall(b"\x0bMSH|^~\\&|E\rMSA|AA|c1\r\x1c\r")

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        send_message(MllpNode("127.0.0.1", port, tls=True, ca_file=made, timeout_s=60), MESSAGE)
        thread.join(60)
    assert received == [b"\x0b" + MESSAGE + b"\x1c\r"]
