"""DICOM objects to a PACS over its own protocol: C-STORE, and C-ECHO to ask whether it is there."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgfoundry.errors import MissingExtraError
from ecgfoundry.service.senders.errors import DeliveryError

__all__ = ["DicomNode", "association", "echo", "require_pynetdicom", "store"]

_WARNINGS = (0xB000, 0xB006, 0xB007)
"""Stored, with elements changed or ignored (PS3.4 B.2.3)."""
_NO_ROOM = 0xA7
"""First byte of "out of resources": it may be taken later."""


@dataclass(frozen=True, slots=True)
class DicomNode:
    """Where to, and as whom.

    Parameters
    ----------
    host, port
    called, calling : str
        AE titles of the PACS and of ours.
    tls : bool
    ca_file : Path, optional
        Authority of the certificate of the PACS; None: those of the system.
    timeout_s : float
    """

    host: str
    port: int
    called: str
    calling: str = "ECGFOUNDRY"
    tls: bool = False
    ca_file: Path | None = None
    timeout_s: float = 30.0


def require_pynetdicom() -> Any:
    """Return pynetdicom.

    Raises
    ------
    MissingExtraError
    """
    try:
        import pynetdicom
    except ImportError:
        raise MissingExtraError.for_extra("DICOM over the network", "hospital") from None
    return pynetdicom


def store(node: DicomNode, body: bytes) -> None:
    """Send one object, as it stands in a file.

    Raises
    ------
    DeliveryError
    """
    pynetdicom = require_pynetdicom()
    import pydicom

    data = pydicom.dcmread(io.BytesIO(body))
    entity = pynetdicom.AE(ae_title=node.calling)
    entity.add_requested_context(
        data.SOPClassUID,
        [data.file_meta.TransferSyntaxUID, pydicom.uid.ImplicitVRLittleEndian],
    )
    with association(entity, node) as line:
        if not line.accepted_contexts:
            raise DeliveryError(f"{node.called} takes no objects of this class", permanent=True)
        answer = line.send_c_store(data)
    status = answer.get("Status")
    if status is None:
        raise DeliveryError(f"{node.called} gave no answer")
    if status != 0 and status not in _WARNINGS:
        words = f"{node.called} answered 0x{status:04X} {answer.get('ErrorComment', '')}".strip()
        raise DeliveryError(words, permanent=status >> 8 != _NO_ROOM)


def echo(node: DicomNode) -> None:
    """Ask whether the PACS is there and knows us.

    Raises
    ------
    DeliveryError
    """
    entity = require_pynetdicom().AE(ae_title=node.calling)
    entity.add_requested_context("1.2.840.10008.1.1")
    with association(entity, node) as line:
        answer = line.send_c_echo()
    if answer.get("Status") != 0:
        raise DeliveryError(f"{node.called} did not answer the echo")


@contextmanager
def association(entity: Any, node: DicomNode) -> Iterator[Any]:
    """Give an open association.

    Raises
    ------
    DeliveryError
        Nobody is there, or we are refused.
    """
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = node.timeout_s
    entity.connection_timeout = node.timeout_s
    arguments: dict[str, Any] = {}
    if node.tls:
        arguments["tls_args"] = (ssl.create_default_context(cafile=node.ca_file), node.host)
    line = entity.associate(node.host, node.port, ae_title=node.called, **arguments)
    if not line.is_established:
        where = f"{node.called} at {node.host}, port {node.port}"
        why = "refused us" if line.is_rejected else "cannot be reached"
        raise DeliveryError(f"{where}, {why}")
    try:
        yield line
    finally:
        if line.is_established:
            line.release()
