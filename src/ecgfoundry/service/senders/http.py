"""Documents by HTTP: one POST, no redirects, and what its answer means."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ecgfoundry.errors import ServiceError
from ecgfoundry.service.senders.errors import DeliveryError

__all__ = ["HttpTarget", "post"]

_LARGEST_ANSWER = 4_000_000
_LATER = (408, 425, 429)
"""Refusals that mean "not now"."""


@dataclass(frozen=True)
class HttpTarget:
    """Where to.

    Parameters
    ----------
    url : str
        With http or https.
    token : str, optional
        Sent as a bearer token.
    ca_file : Path, optional
        Authority of the certificate; None: those of the system.
    timeout_s : float

    Raises
    ------
    ServiceError
        It is no such address.
    """

    url: str
    token: str | None = None
    ca_file: Path | None = None
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServiceError(f"'{self.url}' is no address with http or https")

    def __repr__(self) -> str:
        return f"HttpTarget({self.url!r})"  # without the token


def post(target: HttpTarget, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Send a body; return that of the answer.

    Raises
    ------
    DeliveryError
        Permanent where the receiver has refused this very body (most of 400 to 499).
    """
    parts = urlsplit(target.url)
    given = dict(headers) | {"User-Agent": "ecgfoundry"}
    if target.token is not None:
        given["Authorization"] = f"Bearer {target.token}"
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=target.ca_file)
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=target.timeout_s, context=context
        )
    else:
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=target.timeout_s
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body, given)
        answer = connection.getresponse()
        content = answer.read(_LARGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        words = f"{parts.hostname} cannot be reached ({error or type(error).__name__})"
        raise DeliveryError(words) from None
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        shown = content[:200].decode("utf-8", "replace").replace("\n", " ")
        permanent = 300 <= answer.status < 500 and answer.status not in _LATER
        raise DeliveryError(
            f"{parts.hostname} answered {answer.status}: {shown}", permanent=permanent
        )
    return content
