"""Answers to a program of one's own: a POST of JSON that is signed, so that nobody can forge it.

The header ``Ecgfoundry-Signature: t=SECONDS,v1=HEX`` holds the time of sending (seconds since 1970)
and the HMAC-SHA256, with the shared secret, of the time, a full stop and the body. Who checks both
knows who has sent it and that it is not an old one sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import time

from ecgfoundry.service.senders.http import HttpTarget, post

__all__ = ["SIGNATURE", "call_webhook", "signature"]

SIGNATURE = "Ecgfoundry-Signature"


def signature(secret: bytes, body: bytes, seconds: int) -> str:
    """Return the value of the header."""
    digest = hmac.new(secret, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def call_webhook(target: HttpTarget, secret: bytes, body: bytes) -> None:
    """Send a body, signed now.

    Raises
    ------
    DeliveryError
    """
    signed = signature(secret, body, int(time.time()))
    post(target, body, {"Content-Type": "application/json", SIGNATURE: signed})
