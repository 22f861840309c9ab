"""What every request and every connection passes before anything is done for it."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from ecgfoundry.service.oidc import IdentityProvider, looks_like_jwt
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.settings import ServiceSettings, is_loopback
from ecgfoundry.service.tokens import Caller, TokenFile, Tokens, bearer

__all__ = ["Gate", "RateLimit", "check_host", "check_origin"]

_CHANGING = ("POST", "PUT", "PATCH", "DELETE")
_ADMITTED_S = 3600.0
_ADMITTED = 10_000


class Gate:
    """Names, origins, tokens and limits of one service.

    Parameters
    ----------
    settings : ServiceSettings
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._fixed = Tokens(settings.tokens)
        path = settings.tokens_file
        self._file = None if path is None else TokenFile(path, self._fixed)
        self._provider = None if settings.oidc is None else IdentityProvider(settings.oidc)
        self._limit = RateLimit(settings.requests_per_minute)
        self._wrong = RateLimit(settings.wrong_tokens_per_minute, at_once_s=60.0)
        self._admitted: OrderedDict[tuple[str, bytes], float] = OrderedDict()

    def check_names(self, connection: HTTPConnection, *, changing: bool) -> None:
        """Refuse a host that this service is not, and a page of somebody else.

        Raises
        ------
        ProblemError
            403.
        """
        check_host(connection.url.hostname, self._settings)
        if changing:
            check_origin(connection, self._settings)

    def check_request(self, connection: HTTPConnection, method: str) -> None:
        """As :meth:`check_names`, for an HTTP request."""
        self.check_names(connection, changing=method in _CHANGING)

    @property
    def _tokens(self) -> Tokens:
        return self._fixed if self._file is None else self._file.tokens()

    async def admit(
        self, authorization: str | None, address: str | None, *, count: bool = True
    ) -> Caller:
        """Return who calls; ``count``: it counts as a request of the caller.

        Raises
        ------
        ProblemError
            401: no valid token. 429: too many requests, or too many wrong tokens from there.
        """
        origin = address or "unknown"
        if not self._settings.identified:
            caller = Caller("", "admin", f"address:{origin}")
        else:
            caller = await self._owner_of(bearer(authorization), origin)
        if count:
            self._limit.check(caller.name)
        return caller

    def count_connection(self, address: str | None) -> None:
        """Count a connection whose caller is not known yet.

        Raises
        ------
        ProblemError
            429.
        """
        self._limit.check(f"address:{address or 'unknown'}")

    async def _owner_of(self, token: str | None, address: str) -> Caller:
        wrong = Problem(401, "unauthorized", "no valid token was sent", "Authorization: Bearer …")
        if token is None:
            raise ProblemError(wrong)
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        # Whoever sends wrong tokens is not told any more whether the next one is right. A token
        # that was in use from there goes on: one bad client behind a gateway locks out no ward.
        admitted = self._admitted.get((address, digest), -math.inf)
        known = admitted > time.monotonic() - _ADMITTED_S
        # Signatures are not guessed, and a provider gives new tokens every few minutes.
        is_signed = self._provider is not None and looks_like_jwt(token)
        if not known and not is_signed and self._wrong.is_empty(address):
            words = "too many wrong tokens came from this address"
            raise ProblemError(
                Problem(429, "wrong-tokens", words, "Wait, and send a valid one", 60)
            )
        caller = self._tokens.find(digest)
        if caller is None and is_signed and self._provider is not None:
            caller = await self._provider.caller(token)
        if caller is None:
            self._wrong.check(address)  # 429, where there were too many
            raise ProblemError(wrong)
        self._admitted[address, digest] = time.monotonic()
        self._admitted.move_to_end((address, digest))
        while len(self._admitted) > _ADMITTED:
            self._admitted.popitem(last=False)
        return caller


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


def check_origin(connection: HTTPConnection, settings: ServiceSettings) -> None:
    """Refuse what a page from elsewhere asks a browser to change here.

    The page of this service has the host and the port that it was called by. Programs send no
    origin; browsers always do when something is changed, and when a socket is opened.

    Raises
    ------
    ProblemError
        403.
    """
    origin = connection.headers.get("origin")
    site = connection.headers.get("sec-fetch-site", "none")
    if origin is None:
        allowed = site in ("none", "same-origin")
    else:
        # A gateway may call the service by another name than the one that the browser knows.
        host = connection.headers.get("host", "")
        allowed = _same_place(origin, host) or _name_of(origin) in settings.allowed_hosts
    if not allowed:
        raise ProblemError(Problem(403, "origin", "a page from elsewhere may not do this"))


def _name_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None


def _same_place(origin: str, host: str) -> bool:
    """Whether an origin has the name and the port of a Host header."""
    usual = {"http": 80, "https": 443}
    try:
        parts, own = urlsplit(origin), urlsplit(f"//{host}")
        # Without a port, the header is that of a gateway's usual one.
        ports = {own.port} if own.port is not None else set(usual.values())
        port = parts.port or usual.get(parts.scheme)
    except ValueError:  # a port that is none
        return False
    return parts.hostname is not None and parts.hostname == own.hostname and port in ports


class RateLimit:
    """A bucket of requests per caller that fills steadily.

    Parameters
    ----------
    per_minute : int
    callers : int
        How many callers are remembered; the one unseen for longest is forgotten first.
    at_once_s : float
        A full bucket holds the requests of so many seconds.
    """

    def __init__(self, per_minute: int, *, callers: int = 10_000, at_once_s: float = 10.0) -> None:
        self._rate = per_minute / 60.0
        self._size = max(self._rate * at_once_s, 1.0)
        self._callers = callers
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def _level(self, caller: str, moment: float) -> float:
        level, before = self._buckets.get(caller, (self._size, moment))
        return min(self._size, level + (moment - before) * self._rate)

    def is_empty(self, caller: str, now: float | None = None) -> bool:
        """Whether the next request of a caller would be refused."""
        return self._level(caller, time.monotonic() if now is None else now) < 1.0

    def check(self, caller: str, now: float | None = None) -> None:
        """Count a request.

        Raises
        ------
        ProblemError
            429 with the seconds to wait.
        """
        moment = time.monotonic() if now is None else now
        level = self._level(caller, moment)
        allowed = level >= 1.0
        self._buckets[caller] = (level - 1.0 if allowed else level, moment)
        self._buckets.move_to_end(caller)
        while len(self._buckets) > self._callers:
            self._buckets.popitem(last=False)
        if not allowed:
            wait = max(1, round((1.0 - level) / self._rate))
            raise ProblemError(
                Problem(429, "rate", "this caller sends too many requests", "Wait", wait)
            )
