"""Who may call, how often, and what every answer says to browsers."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.settings import ServiceSettings, is_loopback

__all__ = ["AUDIT", "HEADERS", "RateLimit", "Tokens", "check_host", "client_name"]

AUDIT = logging.getLogger("ecgfoundry.service.audit")
"""One line per request: who, what, result, time. Never a name, a file name or content."""

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'none'; sandbox allow-scripts"
)
"""For HTML reports, which carry their style and script inside; the sandbox keeps them apart from
the page's own origin."""


class Tokens:
    """The tokens that may call. Only their hashes are held."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._hashes = [hashlib.sha256(token.encode()).digest() for token in tokens]

    @property
    def required(self) -> bool:
        """Whether a token is needed at all."""
        return bool(self._hashes)

    def check(self, authorization: str | None) -> str | None:
        """Return a short name for the caller's token, None if none is needed.

        Raises
        ------
        ProblemError
            401.
        """
        if not self.required:
            return None
        scheme, _, token = (authorization or "").partition(" ")
        given = hashlib.sha256(token.strip().encode()).digest()
        # Every hash is compared, so that the time tells nothing.
        matches = [hmac.compare_digest(given, known) for known in self._hashes]
        if scheme.lower() != "bearer" or not any(matches):
            raise ProblemError(
                Problem(401, "unauthorized", "no valid token was sent", "Authorization: Bearer …")
            )
        return given.hex()[:8]


def client_name(token: str | None, address: str | None) -> str:
    """Return what the rate limit and the audit log call a caller."""
    return f"token:{token}" if token else f"address:{address or 'unknown'}"


def check_host(name: str | None, settings: ServiceSettings) -> None:
    """Refuse names that this service does not have: a web page elsewhere may have pointed its own
    name at this machine to reach a service that trusts loopback (DNS rebinding).

    Raises
    ------
    ProblemError
        403.
    """
    if is_loopback(settings.host):
        allowed = is_loopback(name or "") or name in settings.allowed_hosts
    else:
        allowed = "*" in settings.allowed_hosts or name in settings.allowed_hosts
    if not allowed:
        raise ProblemError(Problem(403, "host", "this service does not go by that name"))


class RateLimit:
    """A bucket of requests per caller that fills steadily.

    Parameters
    ----------
    per_minute : int
    callers : int
        How many callers are remembered; the one unseen for longest is forgotten first.
    """

    def __init__(self, per_minute: int, *, callers: int = 10_000) -> None:
        self._rate = per_minute / 60.0
        self._size = max(per_minute / 6.0, 1.0)  # ten seconds at once
        self._callers = callers
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, caller: str, now: float | None = None) -> None:
        """Count a request.

        Raises
        ------
        ProblemError
            429 with the seconds to wait.
        """
        moment = time.monotonic() if now is None else now
        level, before = self._buckets.pop(caller, (self._size, moment))
        level = min(self._size, level + (moment - before) * self._rate)
        allowed = level >= 1.0
        self._buckets[caller] = (level - 1.0 if allowed else level, moment)
        while len(self._buckets) > self._callers:
            self._buckets.popitem(last=False)
        if not allowed:
            wait = max(1, round((1.0 - level) / self._rate))
            raise ProblemError(
                Problem(429, "rate", "this caller sends too many requests", "Wait", wait)
            )
