"""Tokens: who a caller is, what it may do, and what belongs to it."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import logging
import os
import shlex
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ecgfoundry.errors import ServiceError
from ecgfoundry.service.problems import Problem, ProblemError

__all__ = [
    "ROLES",
    "Caller",
    "Role",
    "Token",
    "TokenFile",
    "Tokens",
    "read_secret",
    "read_tokens",
]

Role = Literal["read", "write", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what the ones before it may.

read: ask about recordings that it sends along, and look at what belongs to its owner.
write: keep and delete recordings, start jobs and send live streams, as its owner.
admin: the same with what belongs to others.
"""

_LOG = logging.getLogger("ecgfoundry.service")
_SHORTEST = 16
_LOOK_S = 2.0
"""The file of tokens is looked at so often at most (our choice)."""
_MOUNTED_SECRETS = ("/run/secrets", "/var/run/secrets")


@dataclass(frozen=True, slots=True)
class Token:
    """A secret, and whose it is.

    Parameters
    ----------
    secret : str
        At least 16 characters without white space.
    owner : str, optional
        Tokens of one owner share what they keep; by default a token is an owner of its own.
    role : str
        One of :data:`ROLES`.
    name : str, optional
        Who signs reviews with it; by default the owner.
    expires : datetime, optional
        With its zone. From then on the token is none.

    Raises
    ------
    ServiceError
    """

    secret: str = field(repr=False)
    owner: str | None = None
    role: Role = "write"
    name: str | None = None
    expires: dt.datetime | None = None

    def __post_init__(self) -> None:
        if len(self.secret) < _SHORTEST:
            raise ServiceError(
                f"a token is shorter than {_SHORTEST} characters",
                remedy="Make one, for example with: openssl rand -base64 32",
            )
        if self.role not in ROLES:
            raise ServiceError(f"a token has the role '{self.role}'; there are {', '.join(ROLES)}")

    @property
    def digest(self) -> bytes:
        """SHA-256 of the secret."""
        return hashlib.sha256(self.secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    ``owner``: what is made belongs to it. ``name``: for limits and the audit log, no secret.
    ``person``: who reads, where the token is of one.
    """

    owner: str
    role: Role
    name: str
    person: str | None = None

    @property
    def reader(self) -> str:
        """Who signs reviews."""
        return self.person or self.owner or "local"

    def needs(self, role: Role) -> None:
        """Refuse a caller that may not do what a role may.

        Raises
        ------
        ProblemError
            403.
        """
        if ROLES.index(self.role) < ROLES.index(role):
            words = f"this needs a token of the role '{role}', and yours has '{self.role}'"
            raise ProblemError(Problem(403, "role", words))

    def sees(self, owner: str) -> bool:
        """Whether the caller may know of what belongs to ``owner``."""
        return self.role == "admin" or owner == self.owner


class Tokens:
    """The tokens that may call. Only their hashes are held."""

    def __init__(self, tokens: Iterable[Token | str]) -> None:
        self._known: list[tuple[bytes, Caller, dt.datetime | None]] = []
        for entry in tokens:
            token = Token(entry) if isinstance(entry, str) else entry
            name = f"token:{token.digest.hex()[:8]}"
            owner = name if token.owner is None else token.owner
            caller = Caller(owner, token.role, name, token.name)
            self._known.append((token.digest, caller, token.expires))

    @property
    def required(self) -> bool:
        """Whether a token is needed at all."""
        return bool(self._known)

    def find(self, digest: bytes, at: dt.datetime | None = None) -> Caller | None:
        """Return whose token has this SHA-256; every one is compared, so the time tells nothing."""
        moment = at or dt.datetime.now(dt.UTC)
        matches = [
            caller
            for known, caller, expires in self._known
            if hmac.compare_digest(digest, known) and (expires is None or moment < expires)
        ]
        return matches[0] if matches else None


class TokenFile:
    """The tokens of a file, read again when it has changed.

    Parameters
    ----------
    path : Path
    first : Tokens
        What it held when the service was started.
    """

    def __init__(self, path: Path, first: Tokens) -> None:
        self._path, self._tokens = path, first
        self._state = _state_of(path)
        self._looked = time.monotonic()

    def tokens(self) -> Tokens:
        """Return the tokens as they are now; as they were, while the file cannot be read."""
        if time.monotonic() - self._looked > _LOOK_S:
            self._looked = time.monotonic()
            state = _state_of(self._path)
            if state != self._state:
                self._state = state
                try:
                    self._tokens = Tokens(read_tokens(self._path))
                    _LOG.info("the file of tokens was read again")
                except ServiceError as error:
                    _LOG.error("the file of tokens was not taken: %s", error.problem)
        return self._tokens


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """What differs when a file was changed, or another was put in its place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def bearer(authorization: str | None) -> str | None:
    """Return the token that an Authorization header holds."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Read tokens: one a line, then if wanted ``owner=NAME``, ``role=read|write|admin``,
    ``name=WHO`` and ``expires=2027-01-31`` (or a time with its zone).

    Empty lines and lines that begin with # do not count.

    Raises
    ------
    ServiceError
        The file cannot be read, others than its owner may read or change it, or a line is none.
    """
    try:
        found = path.stat()
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(f"the tokens cannot be read: {error}", path=path) from None
    _check_mode(path, found)
    tokens = [
        _token_of(line, number, path)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith("#")
    ]
    if not tokens:
        raise ServiceError("the file holds no token", path=path)
    if len({token.secret for token in tokens}) < len(tokens):
        raise ServiceError("the file holds a token twice", path=path)
    return tuple(tokens)


def read_secret(path: Path) -> str:
    """Read the only line of a file that others may not read.

    Raises
    ------
    ServiceError
    """
    try:
        found = path.stat()
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(f"the secret cannot be read: {error}", path=path) from None
    _check_mode(path, found)
    if not secret or len(secret.splitlines()) > 1:
        raise ServiceError("a secret is one line", path=path)
    return secret


def _token_of(line: str, number: int, path: Path) -> Token:
    secret, *words = line.split()
    stated = dict(word.partition("=")[::2] for word in words)
    unknown = set(stated) - {"owner", "role", "name", "expires"}
    if unknown or not all(stated.values()) or len(stated) < len(words):
        raise ServiceError(
            f"line {number} is no token",
            path=path,
            remedy="Write: TOKEN, or TOKEN owner=WARD role=read (write, admin) name=WHO "
            "expires=2027-01-31",
        )
    try:
        return Token(
            secret,
            stated.get("owner"),
            stated.get("role", "write"),  # type: ignore[arg-type]
            stated.get("name"),
            _moment_of(stated["expires"]) if "expires" in stated else None,
        )
    except ServiceError as error:
        words_of = f"line {number}: {error.problem}"
        raise ServiceError(words_of, path=path, remedy=error.remedy) from None


def _moment_of(text: str) -> dt.datetime:
    """When a token ends: a time with its zone, or the end of a day, UTC."""
    try:
        found = dt.datetime.fromisoformat(text)
        if len(text) == len("2027-01-31"):
            return found.replace(tzinfo=dt.UTC) + dt.timedelta(days=1)
    except ValueError:
        found = dt.datetime.min
    if found.tzinfo is None:
        raise ServiceError(
            f"'{text[:40]}' is no time at which a token expires",
            remedy="Write a day (2027-01-31), or a time with its zone (2027-01-31T12:00+01:00)",
        )
    return found


def _check_mode(path: Path, found: os.stat_result) -> None:
    """A file of one's own is for oneself; what the system mounts as a secret is as it mounts it.

    Containers and systemd give secrets as files that are often readable by all who are inside (mode
    0444 or 0644, of root or of a user outside), where the service is the only one.
    """
    if os.name != "posix":
        return
    folders = [*_MOUNTED_SECRETS, os.environ.get("CREDENTIALS_DIRECTORY") or _MOUNTED_SECRETS[0]]
    mounted = any(path.absolute().is_relative_to(folder) for folder in folders)
    read_only = not found.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    of_root = found.st_uid == 0
    given = mounted or (of_root and (read_only or os.getuid() != 0))
    if found.st_mode & 0o022 or (found.st_mode & 0o077 and not given):
        what = "change" if found.st_mode & 0o022 else "read"
        raise ServiceError(
            f"others may {what} the file of tokens",
            path=path,
            remedy=f"Run: chmod 600 {shlex.quote(str(path))}",
        )
