"""Bearer tokens of an identity provider (OpenID Connect): JWTs, checked against its public keys.

What such a token says decides, for each call: ``sub`` signs and is the owner, unless the claim of
owners says more (a ward), and the claim of roles holds one of the service's roles.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from ecgfoundry.errors import ServiceError
from ecgfoundry.service.tokens import ROLES, Caller

__all__ = ["IdentityProvider", "OidcSettings", "looks_like_jwt"]

_LOG = logging.getLogger("ecgfoundry.service")
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures with public keys; none with a shared secret, and never none."""
_LEEWAY_S = 30.0
_FETCH_S = 10.0
_AT_MOST_EVERY_S = 30.0
_OLD_S = 3600.0
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Whose tokens are taken.

    Parameters
    ----------
    issuer : str
        Must stand in the token (``iss``).
    audience : str
        Must stand in the token (``aud``): for this service, and not for another.
    keys : str
        Where its keys are (JWKS): an https address, or a file.
    role_claim, owner_claim : str
        Claims with the role (a word, or a list of which the strongest counts) and the owner.
    """

    issuer: str
    audience: str
    keys: str
    role_claim: str = "ecg_role"
    owner_claim: str = "ecg_owner"

    def __post_init__(self) -> None:
        scheme = urllib.parse.urlsplit(self.keys).scheme
        host = urllib.parse.urlsplit(self.keys).hostname
        if scheme == "http" and host not in ("127.0.0.1", "localhost", "::1"):
            raise ServiceError(
                "the keys of the identity provider would come over an open line",
                remedy="Give an https address, or a file",
            )
        if not self.issuer or not self.audience:
            raise ServiceError(
                "an identity provider needs an issuer and an audience",
                remedy="Give --oidc-issuer and --oidc-audience",
            )


def looks_like_jwt(token: str) -> bool:
    """Whether a token has the three parts of a JWT."""
    return token.count(".") == 2 and token.startswith("ey")


class IdentityProvider:
    """Checks tokens. Keys are fetched when they are old, or when a token names one not known."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched = self._tried = -1e9
        self._lock = asyncio.Lock()

    async def caller(self, token: str) -> Caller | None:
        """Return who calls with a token; None: it is not valid here."""
        try:
            name = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError:
            return None
        if name is not None and not isinstance(name, str):
            return None
        if name not in self._keys or time.monotonic() - self._fetched > _OLD_S:
            await self._fetch()
        key = self._keys.get(name)
        if key is None and name is None and len(self._keys) == 1:
            key = next(iter(self._keys.values()))
        return None if key is None else self._checked(token, key)

    def _checked(self, token: str, key: jwt.PyJWK) -> Caller | None:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[name for name in _ALGORITHMS if name == key.algorithm_name],
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.InvalidTokenError, ValueError, TypeError):
            return None
        stated = claims.get(self._settings.role_claim)
        roles = stated if isinstance(stated, list) else [stated]
        held = [role for role in ROLES if role in roles]
        subject = claims["sub"]
        owner = claims.get(self._settings.owner_claim, subject)
        if not held or not isinstance(owner, str) or not isinstance(subject, str):
            return None
        person = claims.get("preferred_username") or claims.get("name") or subject
        return Caller(owner[:255], held[-1], f"oidc:{subject}"[:255], str(person)[:255])

    async def _fetch(self) -> None:
        async with self._lock:  # tokens with made-up keys must not make us ask again and again
            if time.monotonic() - self._tried < _AT_MOST_EVERY_S:
                return
            self._tried = time.monotonic()
            try:
                document = await asyncio.to_thread(self._document)
                self._keys = dict(_keys_of(document))
                self._fetched = time.monotonic()
            except (OSError, LookupError, ValueError, TypeError, jwt.PyJWTError) as error:
                _LOG.error("the identity provider's keys cannot be read (%s)", type(error).__name__)

    def _document(self) -> Any:
        where = self._settings.keys
        if urllib.parse.urlsplit(where).scheme in ("http", "https"):
            with urllib.request.urlopen(where, timeout=_FETCH_S) as answer:  # noqa: S310
                return json.loads(answer.read(_LARGEST))
        return json.loads(Path(where).read_bytes()[:_LARGEST])


def _keys_of(document: Any) -> list[tuple[str | None, jwt.PyJWK]]:
    """The keys for signatures that are known here; others may stand beside them."""
    found = []
    for entry in document["keys"]:
        if entry.get("use", "sig") != "sig" or entry.get("kty") == "oct":
            continue
        try:
            found.append((entry.get("kid"), jwt.PyJWK(entry)))
        except jwt.PyJWTError:
            continue
    return found
