"""What a service is told when it starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ecgfoundry.errors import ServiceError
from ecgfoundry.service.oidc import OidcSettings
from ecgfoundry.service.tokens import Token

if TYPE_CHECKING:
    from ecgfoundry.service.hospital import Hospital

__all__ = ["Retention", "ServiceSettings", "is_loopback"]

_MEGABYTE = 1_000_000
_LARGEST_PORT = 65_535
_LEAST_MEMORY = 256 << 20


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things stay; None: as long as nobody deletes them.

    ``answer_bytes``: answers of finished jobs that are held together; beyond it the oldest go.
    """

    days: float | None = None
    count: int | None = None
    jobs_s: float = 86_400.0
    answer_bytes: int = 500_000_000
    audit_days: float | None = None


@dataclass(frozen=True)
class ServiceSettings:
    """All numbers are our choice.

    Parameters
    ----------
    host, port
        Where the service listens.
    tokens : tuple of Token or str
        Who may call; required as soon as others can reach the host. Text alone is a token that is
        an owner of its own and may write.
    tokens_file : Path, optional
        Where the tokens came from: it is read again when it has changed.
    oidc : OidcSettings, optional
        An identity provider whose tokens are taken too.
    workers : int
        Processes that read and interpret.
    queue : int
        Requests that may wait; beyond it a request is answered with 429.
    batch : int
        Waiting requests that one worker takes at a time.
    timeout_s : float
        For one request; a worker that takes longer is replaced.
    body_bytes : int
        Largest request.
    worker_memory_bytes : int
        What a worker may use for requests, beyond what it has with its models loaded.
    requests_per_minute : int
        For each token (or address, where no token is needed).
    wrong_tokens_per_minute : int
        From one address; beyond it the next ones are refused unseen.
    trusted_proxies : tuple of str
        Addresses or networks of gateways whose X-Forwarded-For is believed; by default of none.
    streams : int
        Live streams at a time.
    keep_folder : Path, optional
        Where recordings are kept for those who ask for it; None: nothing is ever kept.
    keep_bytes : int
        How much may be kept together.
    database : str, optional
        Address of a PostgreSQL database that several replicas share, with the keep folder; by
        default a SQLite file in that folder.
    blobs : str, optional
        Address of a store for the files of recordings, as fsspec writes it ("s3://bucket/ecg"); by
        default a folder in the keep folder.
    retention : Retention
        What goes by itself, and when.
    lease_s : float
        A job whose replica has been silent for so long is taken up by another.
    unfinished_jobs : int
        Jobs that may wait or run together.
    job_files : int
        Files of one batch job.
    job_timeout_s : float
        For one recording of a job, which may be days long.
    models : tuple of str
        Models that may be asked for beside the shipped and pulled ones: bundle folders.
    allowed_hosts : tuple of str
        Names by which the service may be called. "*" is any, but only beyond loopback, where a
        token is needed; on loopback a gateway's name is given here.
    synthetic_ok : bool
        Whether models trained on synthetic data may answer.
    hospital : Hospital, optional
        What listens for recordings, and where answers go.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    tokens: tuple[Token | str, ...] = field(default=(), repr=False)
    tokens_file: Path | None = None
    oidc: OidcSettings | None = None
    workers: int = 2
    queue: int = 64
    batch: int = 4
    timeout_s: float = 60.0
    body_bytes: int = 256 * _MEGABYTE
    worker_memory_bytes: int = 1 << 30
    requests_per_minute: int = 6000
    wrong_tokens_per_minute: int = 10
    trusted_proxies: tuple[str, ...] = ()
    streams: int = 1000
    keep_folder: Path | None = None
    keep_bytes: int = 2000 * _MEGABYTE
    database: str | None = field(default=None, repr=False)
    blobs: str | None = None
    retention: Retention = field(default_factory=Retention)
    lease_s: float = 30.0
    unfinished_jobs: int = 10_000
    job_files: int = 2000
    job_timeout_s: float = 3600.0
    models: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ("*",)
    synthetic_ok: bool = False
    hospital: Hospital | None = None

    @property
    def identified(self) -> bool:
        """Whether who calls must say who it is."""
        return bool(self.tokens) or self.oidc is not None

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.identified:
            raise ServiceError(
                f"listening on {self.host} lets others in, and no token is set",
                remedy="Give a file of tokens with --tokens, or an identity provider with "
                "--oidc-issuer, or listen on 127.0.0.1",
            )
        whole = tuple(Token(entry) if isinstance(entry, str) else entry for entry in self.tokens)
        object.__setattr__(self, "tokens", whole)
        if not 0 <= self.port <= _LARGEST_PORT:
            raise ServiceError(
                f"there is no port {self.port}",
                remedy=f"Choose one from 1 to {_LARGEST_PORT}, or 0 for any that is free",
            )
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                raise ServiceError(
                    f"'{proxy}' is no address of a gateway",
                    remedy="Give an address or a network, such as 127.0.0.1 or 10.0.0.0/24",
                ) from None
        least_one = ("workers", "queue", "batch", "body_bytes", "job_files")
        for name in (*least_one, "requests_per_minute", "wrong_tokens_per_minute"):
            if getattr(self, name) < 1:
                raise ServiceError(f"{name} must be at least 1")
        if self.worker_memory_bytes < _LEAST_MEMORY:
            raise ServiceError(
                f"a worker needs at least {_LEAST_MEMORY >> 20} MiB for requests",
                remedy="Give more with --worker-memory",
            )
        if self.database is not None and self.keep_folder is None:
            raise ServiceError(
                "a database is shared, and the files of recordings are not",
                remedy="Give the folder for them, which all replicas reach, with --keep-folder",
            )
        if self.blobs is not None and self.keep_folder is None:
            raise ServiceError(
                "a store for files is given, and no recording is kept",
                remedy="Give a folder for what stands beside them with --keep-folder",
            )
        if self.hospital is not None and self.keep_folder is None:
            raise ServiceError(
                "what comes in by the wires of a hospital has to be kept",
                remedy="Give a folder for it with --keep-folder",
            )
        if not self.timeout_s > 0:
            raise ServiceError("the time limit must be longer than nothing")
