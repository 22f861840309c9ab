"""HL7 v2 messages over MLLP: one message, one acknowledgement (HL7 v2.5, 2.9.2 and appendix C)."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from ecgfoundry.service.senders.errors import DeliveryError

__all__ = ["MllpNode", "send_message"]

_START, _END = b"\x0b", b"\x1c\r"
_LARGEST_ANSWER = 1_000_000
_TAKEN = ("AA", "CA")
_FAULTY = ("AE", "CE")
"""The content is faulty, so the same message is never taken. Rejected (AR, CR) is for reasons that
have nothing to do with it, as a system that is down: 2.9.2.2 expects that it is taken later."""


@dataclass(frozen=True, slots=True)
class MllpNode:
    """Where to.

    Parameters
    ----------
    host, port
    tls : bool
    ca_file : Path, optional
        Authority of the certificate; None: those of the system.
    timeout_s : float
        For the connection, and for the acknowledgement.
    """

    host: str
    port: int
    tls: bool = False
    ca_file: Path | None = None
    timeout_s: float = 30.0


def send_message(node: MllpNode, body: bytes) -> None:
    """Send a message and wait until it is acknowledged.

    Raises
    ------
    DeliveryError
        Permanent where the receiver says that the content is faulty.
    """
    try:
        with socket.create_connection((node.host, node.port), timeout=node.timeout_s) as plain:
            if node.tls:
                context = ssl.create_default_context(cafile=node.ca_file)
                with context.wrap_socket(plain, server_hostname=node.host) as line:
                    answer = _exchange(line, body)
            else:
                answer = _exchange(plain, body)
    except TimeoutError:
        raise DeliveryError(f"{node.host} did not acknowledge in {node.timeout_s:g} s") from None
    except OSError as error:
        words = f"{node.host}, port {node.port}, cannot be reached ({error.strerror or error})"
        raise DeliveryError(words) from None
    _judge(answer, _field(body, b"MSH", 9))


def _exchange(line: socket.socket, body: bytes) -> bytes:
    line.sendall(_START + body + _END)
    received = b""
    while _END not in received and not received.endswith(_END[:1]):
        part = line.recv(65_536)
        if not part:
            raise DeliveryError("the connection was closed before an acknowledgement")
        received += part
        if len(received) > _LARGEST_ANSWER:
            raise DeliveryError("the acknowledgement does not end")
    return received.partition(_START)[2].partition(_END[:1])[0]


def _field(message: bytes, segment: bytes, number: int) -> str:
    """Return a field by its place in the line; of MSH that is one less than its number."""
    for line in message.replace(b"\n", b"\r").split(b"\r"):
        fields = line.split(b"|")
        if fields[0] == segment and len(fields) > number:
            return fields[number].decode("utf-8", "replace").strip()
    return ""


def _judge(answer: bytes, control: str) -> None:
    code, answered = _field(answer, b"MSA", 1), _field(answer, b"MSA", 2)
    if not code:
        raise DeliveryError("the answer is no acknowledgement")
    if answered != control:
        raise DeliveryError("the acknowledgement is for another message")
    if code not in _TAKEN:
        words = _field(answer, b"MSA", 3) or _field(answer, b"ERR", 8)
        raise DeliveryError(f"acknowledged with {code} {words}".strip(), permanent=code in _FAULTY)
