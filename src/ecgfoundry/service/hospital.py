"""The file that says what a service has to do with a hospital: receivers and destinations, in TOML.

Everything is said there or has the default that is written here; what is not known is refused, so
that a typing mistake does not pass silently.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ecgfoundry.errors import ServiceError
from ecgfoundry.reports.hl7 import Hl7Parties
from ecgfoundry.service.senders.dicom import DicomNode, require_pynetdicom, store
from ecgfoundry.service.senders.documents import DocumentKind
from ecgfoundry.service.senders.http import HttpTarget, post
from ecgfoundry.service.senders.mllp import MllpNode, send_message
from ecgfoundry.service.senders.stow import store_by_http
from ecgfoundry.service.senders.webhook import call_webhook
from ecgfoundry.service.tokens import read_secret

__all__ = ["Destination", "DicomReceiver", "Hospital", "Retries", "read_hospital"]

_DOCUMENTS: Mapping[str, tuple[DocumentKind, ...]] = {
    "fhir": ("fhir",),
    "mllp": ("oru",),
    "dicom": ("dicom-pdf", "dicom-sr"),
    "stow": ("dicom-pdf", "dicom-sr"),
    "webhook": ("webhook",),
}
"""Kind of destination -> what it gets."""


@dataclass(frozen=True, slots=True)
class Retries:
    """When a document that was not taken is sent again (our choice).

    The pause doubles from ``first_retry_s`` to ``longest_retry_s``; after ``attempts`` it is dead
    until somebody revives it, and the next may go. With these numbers that is after 8 hours.
    """

    attempts: int = 16
    first_retry_s: float = 10.0
    longest_retry_s: float = 3600.0

    def pause_s(self, attempts: int) -> float | None:
        """Return the pause after so many attempts; None: there is no other.

        Examples
        --------
        >>> Retries(attempts=4).pause_s(1), Retries().pause_s(12), Retries(attempts=4).pause_s(4)
        (10.0, 3600.0, None)
        """
        if attempts >= self.attempts:
            return None
        return min(self.first_retry_s * 2.0 ** (attempts - 1), self.longest_retry_s)


@dataclass(frozen=True)
class Destination:
    """A system that gets answers.

    Parameters
    ----------
    name, kind : str
    target : HttpTarget, MllpNode or DicomNode
    documents : tuple of str
        What it gets of each answer.
    owners, sources : tuple of str
        Whose recordings, and by which way they came ("http", "dicom"); empty: all.
    stages : tuple of str
        "machine": answers, unconfirmed; "reader": what readers say of them; empty: both.
    retries : Retries
    patient_system, time_zone : str, optional
    parties : Hl7Parties
    secret : bytes
        Of a webhook.
    organization : str
        Where readers work, for DICOM reports that they have verified.
    """

    name: str
    kind: str
    target: HttpTarget | MllpNode | DicomNode
    documents: tuple[DocumentKind, ...]
    owners: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    retries: Retries = field(default_factory=Retries)
    patient_system: str | None = None
    time_zone: str | None = None
    parties: Hl7Parties = field(default_factory=Hl7Parties)
    secret: bytes = field(default=b"", repr=False)
    stages: tuple[str, ...] = ()
    organization: str = ""

    def wants(self, owner: str, source: str, stage: str) -> bool:
        """Whether what is said of a recording at a stage goes there."""
        asked = ((self.owners, owner), (self.sources, source.partition(":")[0]),
                 (self.stages, stage))  # fmt: skip
        return all(not known or one in known for known, one in asked)

    def send(self, body: bytes) -> None:
        """Hand a document over.

        Raises
        ------
        DeliveryError
        """
        target = self.target
        if isinstance(target, DicomNode):
            store(target, body)
        elif isinstance(target, MllpNode):
            send_message(target, body)
        elif self.kind == "stow":
            store_by_http(target, body)
        elif self.kind == "webhook":
            call_webhook(target, self.secret, body)
        else:
            post(target, body, {"Content-Type": "application/fhir+json"})


@dataclass(frozen=True)
class DicomReceiver:
    """A listener for ECG objects of carts and gateways.

    Parameters
    ----------
    callers : mapping of str to str
        AE title of a sender -> to whom its recordings belong; "*" is any other.
    titles : tuple of str
        AE titles that the listener answers to.
    host, port
    max_mb : int
        Largest object.
    associations : int
        At a time.
    certificate, key, clients : Path, optional
        TLS: our certificate and its key; the authority of the certificates of senders.
    """

    callers: Mapping[str, str]
    titles: tuple[str, ...] = ("ECGFOUNDRY",)
    host: str = "127.0.0.1"
    port: int = 11112
    max_mb: int = 64
    associations: int = 10
    certificate: Path | None = None
    key: Path | None = None
    clients: Path | None = None


@dataclass(frozen=True)
class Hospital:
    """All that the file says; ``zone``: of starts that state none, and of the worklist's days."""

    destinations: Mapping[str, Destination] = field(default_factory=dict)
    dicom: DicomReceiver | None = None
    worklist: DicomNode | None = None
    zone: dt.tzinfo | None = None


class _Table:
    """A table of the file, of which every key is asked for once."""

    def __init__(self, path: Path, name: str, content: object) -> None:
        self._path, self._name = path, name
        if not isinstance(content, dict):
            raise self.wrong("is no table")
        self._content = dict(content)

    def wrong(self, problem: str) -> ServiceError:
        return ServiceError(f"[{self._name}] {problem}", path=self._path)

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """Return a value and take it out; without a default it has to be there."""
        if key not in self._content:
            if default is None:
                raise self.wrong(f"lacks '{key}'")
            return default
        value = self._content.pop(key)
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise self.wrong(f"'{key}' is of the wrong kind")
        return value

    def optional(self, key: str, kind: type | tuple[type, ...]) -> Any:
        return self.take(key, kind) if key in self._content else None

    def words(self, key: str) -> tuple[str, ...]:
        found = self.take(key, list, [])
        if not all(isinstance(word, str) for word in found):
            raise self.wrong(f"'{key}' is no list of texts")
        return tuple(found)

    def file(self, key: str) -> Path | None:
        """Return a path, relative to the file."""
        given = self.optional(key, str)
        return None if given is None else self._path.parent / given

    def secret(self, key: str) -> str | None:
        path = self.file(key)
        return None if path is None else read_secret(path)

    def end(self) -> None:
        if self._content:
            raise self.wrong(f"has the unknown key '{next(iter(self._content))}'")


def read_hospital(path: Path) -> Hospital:
    """Read the file.

    Raises
    ------
    ServiceError
        It cannot be read, or something in it is not known.
    MissingExtraError
        It needs DICOM over the network.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServiceError(f"cannot be read ({error})", path=path) from None
    top = _Table(path, "", document)
    zone, system = top.optional("time_zone", str), top.optional("patient_system", str)
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ServiceError(f"there is no time zone '{zone}'", path=path) from None
    organization = top.take("organization", str, "")
    named = top.take("destinations", dict, {})
    destinations = {
        name: replace(
            _destination(_Table(path, f"destinations.{name}", table), name, zone, system),
            organization=organization,
        )
        for name, table in named.items()
    }
    receivers = _Table(path, "receivers", top.take("receivers", dict, {}))
    listener = receivers.optional("dicom", dict)
    receivers.end()
    asked = top.optional("worklist", dict)
    top.end()
    dicom = None if listener is None else _receiver(_Table(path, "receivers.dicom", listener))
    worklist = None if asked is None else _worklist(_Table(path, "worklist", asked))
    return Hospital(destinations, dicom, worklist, None if zone is None else ZoneInfo(zone))


def _worklist(table: _Table) -> DicomNode:
    require_pynetdicom()
    made = _dicom_node(table, float(table.take("timeout_s", (int, float), 30.0)))
    table.end()
    return made


def _destination(table: _Table, name: str, zone: str | None, system: str | None) -> Destination:
    kind = table.take("kind", str)
    if kind not in _DOCUMENTS:
        raise table.wrong(f"is of the unknown kind '{kind}'; there are {', '.join(_DOCUMENTS)}")
    timeout = float(table.take("timeout_s", (int, float), 30.0))
    target = _target(table, kind, timeout)
    plain = Retries()
    retries = Retries(
        table.take("attempts", int, plain.attempts),
        float(table.take("first_retry_s", (int, float), plain.first_retry_s)),
        float(table.take("longest_retry_s", (int, float), plain.longest_retry_s)),
    )
    made = Destination(
        name,
        kind,
        target,
        _documents(table, kind),
        table.words("owners"),
        table.words("sources"),
        retries,
        table.optional("patient_system", str) or system,
        table.optional("time_zone", str) or zone,
        _parties(table) if kind == "mllp" else Hl7Parties(),
        (table.secret("secret_file") or "").encode() if kind == "webhook" else b"",
        _stages(table),
    )
    if kind == "webhook" and not made.secret:
        raise table.wrong("lacks 'secret_file'")
    table.end()
    return made


def _stages(table: _Table) -> tuple[str, ...]:
    wanted = table.words("stages")
    if unknown := set(wanted) - {"machine", "reader"}:
        raise table.wrong(f"'stages' has the unknown '{min(unknown)}'")
    return wanted


def _documents(table: _Table, kind: str) -> tuple[DocumentKind, ...]:
    known = _DOCUMENTS[kind]
    if len(known) == 1:
        return known
    short = {one.removeprefix("dicom-"): one for one in known}
    wanted = table.words("documents") or tuple(short)
    if unknown := set(wanted) - set(short):
        raise table.wrong(f"'documents' has the unknown '{min(unknown)}'")
    return tuple(short[one] for one in wanted)


def _target(table: _Table, kind: str, timeout: float) -> HttpTarget | MllpNode | DicomNode:
    if kind in ("dicom", "stow"):
        require_pynetdicom()  # what is missing is said now, and not when the first answer is there
    if kind in ("fhir", "stow", "webhook"):
        token, ca_file = table.secret("token_file"), table.file("ca_file")
        return HttpTarget(table.take("url", str), token, ca_file, timeout)
    if kind == "mllp":
        host, port = table.take("host", str), table.take("port", int)
        tls, ca_file = table.take("tls", bool, False), table.file("ca_file")
        return MllpNode(host, port, tls, ca_file, timeout)
    return _dicom_node(table, timeout)


def _dicom_node(table: _Table, timeout: float) -> DicomNode:
    host, port = table.take("host", str), table.take("port", int)
    tls, ca_file = table.take("tls", bool, False), table.file("ca_file")
    called = table.take("called", str)
    return DicomNode(host, port, called, table.take("calling", str, "ECGFOUNDRY"), tls, ca_file,
                     timeout)  # fmt: skip


def _parties(table: _Table) -> Hl7Parties:
    plain = Hl7Parties()
    given = {
        one.name: table.take(one.name, str, getattr(plain, one.name) or "-")
        for one in fields(Hl7Parties)
    }
    return Hl7Parties(**{name: "" if value == "-" else value for name, value in given.items()})


def _receiver(table: _Table) -> DicomReceiver:
    callers = table.take("callers", dict)
    if not callers or not all(isinstance(owner, str) for owner in callers.values()):
        raise table.wrong("'callers' has to name an owner for each AE title")
    made = DicomReceiver(
        cast("Mapping[str, str]", callers),
        table.words("titles") or ("ECGFOUNDRY",),
        table.take("host", str, "127.0.0.1"),
        table.take("port", int, 11112),
        table.take("max_mb", int, 64),
        table.take("associations", int, 10),
        table.file("certificate"),
        table.file("key"),
        table.file("clients"),
    )
    table.end()
    return made
