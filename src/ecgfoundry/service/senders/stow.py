"""DICOM objects to a PACS over HTTP: STOW-RS (PS3.18 10.5)."""

from __future__ import annotations

import json
import uuid

from ecgfoundry.service.senders.errors import DeliveryError
from ecgfoundry.service.senders.http import HttpTarget, post

__all__ = ["store_by_http"]


def store_by_http(target: HttpTarget, body: bytes) -> None:
    """Store one object, as it stands in a file; ``target`` is the address of the studies.

    Raises
    ------
    DeliveryError
    """
    boundary = uuid.uuid4().hex
    part = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    answer = post(
        target,
        part + body + f"\r\n--{boundary}--\r\n".encode(),
        {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        },
    )
    try:
        document = json.loads(answer) if answer else {}
    except ValueError:
        return  # XML, which some servers prefer: the status has said that it was stored
    failed = document.get("00081198", {}).get("Value", []) if isinstance(document, dict) else []
    if failed:
        reason = failed[0].get("00081197", {}).get("Value", ["?"])[0]
        raise DeliveryError(f"the object was not stored (reason {reason})", permanent=True)
