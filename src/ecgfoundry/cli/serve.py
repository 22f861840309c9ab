"""``ecgfoundry serve``: the HTTP service and its page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ecgfoundry.cli.saying import print_json
from ecgfoundry.cli.vocabulary import JsonResult, Several

if TYPE_CHECKING:
    from ecgfoundry.service.oidc import OidcSettings


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    tokens: Path | None = None,
    oidc_issuer: str | None = None,
    oidc_audience: str = "ecgfoundry",
    oidc_keys: str | None = None,
    workers: int = 2,
    queue: int = 64,
    timeout: float = 60.0,
    max_body: int = 256,
    worker_memory: int = 1024,
    requests_per_minute: int = 6000,
    trusted_proxy: Several = (),
    streams: int = 1000,
    keep_folder: Path | None = None,
    keep_days: float | None = None,
    keep_count: int | None = None,
    job_hours: float = 24.0,
    database: str | None = None,
    blobs: str | None = None,
    model: Several = (),
    allowed_host: Several = (),
    synthetic_ok: bool = False,
    hospital: Path | None = None,
    log_level: str = "info",
    log_format: Literal["text", "json"] = "text",
    json: JsonResult = False,
) -> int:
    """Serve the HTTP interface and the page.

    Parameters
    ----------
    host
        Address to listen on. Beyond loopback a file of tokens is required.
    port
        Port to listen on.
    tokens
        File of tokens, readable by its owner only: one a line, then if wanted owner=NAME,
        role=read (write, admin), name=WHO and expires=2027-01-31. It is read again when it changes.
    oidc_issuer
        Identity provider (OpenID Connect) whose tokens are taken: their claim iss.
    oidc_audience
        The claim aud of tokens that are meant for this service.
    oidc_keys
        Its public keys (JWKS): an https address, or a file.
    workers
        Processes that read and interpret.
    queue
        Requests that may wait.
    timeout
        Seconds for one request.
    max_body
        Largest request, in MB.
    worker_memory
        What a worker may use for requests beyond its models, in MiB.
    requests_per_minute
        For each token or address.
    trusted_proxy
        Address or network of a gateway whose X-Forwarded-For is believed. Repeatable.
    streams
        Live streams at a time.
    keep_folder
        Folder for recordings that somebody asks to be kept, and for the database; without it no
        recording is kept, and jobs survive a restart of the service but not of the machine.
    keep_days
        Kept recordings go after so many days.
    keep_count
        Only so many kept recordings stay, the newest.
    job_hours
        Finished jobs are forgotten after so many hours.
    database
        Address of a PostgreSQL database that several replicas share (postgresql://USER@HOST/NAME),
        with the keep folder; or the variable ECGFOUNDRY_DATABASE, or a file with it that the
        variable ECGFOUNDRY_DATABASE_FILE names, where no list of processes shows it.
    blobs
        Address of a store for the files of kept recordings, as fsspec writes it (s3://bucket/ecg);
        by default the folder 'blobs' in the keep folder. It needs the extra 'stores'.
    model
        Bundle folder that may be asked for, beside shipped and pulled models. Repeatable.
    allowed_host
        Name by which the service may be called, as behind a gateway. Beyond loopback any by
        default.
    hospital
        File (TOML) of DICOM receivers and of destinations that get the answers (FHIR, HL7, DICOM,
        webhook); see docs/hospital.md. It needs the keep folder.
    synthetic_ok
        Let models that were trained on synthetic data answer.
    log_level
        debug, info, warning or error.
    log_format
        Plain lines, or one JSON object a line.
    """
    import importlib.util
    import sys

    from ecgfoundry.errors import MissingExtraError

    if any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn")):
        raise MissingExtraError.for_extra("the service", "serve")
    import uvicorn

    from ecgfoundry.cli.database import address_of
    from ecgfoundry.service.api import create_app
    from ecgfoundry.service.connections import TimedProtocol
    from ecgfoundry.service.hospital import read_hospital
    from ecgfoundry.service.logs import configure_logs
    from ecgfoundry.service.settings import Retention, ServiceSettings
    from ecgfoundry.service.tokens import read_tokens

    settings = ServiceSettings(
        host=host,
        port=port,
        tokens=read_tokens(tokens) if tokens is not None else (),
        tokens_file=tokens,
        oidc=_oidc(oidc_issuer, oidc_audience, oidc_keys),
        workers=workers,
        queue=queue,
        timeout_s=timeout,
        body_bytes=max_body * 1_000_000,
        worker_memory_bytes=worker_memory << 20,
        requests_per_minute=requests_per_minute,
        trusted_proxies=trusted_proxy,
        streams=streams,
        keep_folder=keep_folder,
        database=address_of(database),
        blobs=blobs,
        retention=Retention(keep_days, keep_count, 3600 * job_hours),
        models=model,
        allowed_hosts=allowed_host or ("*",),
        synthetic_ok=synthetic_ok,
        hospital=None if hospital is None else read_hospital(hospital),
    )
    _check_free(host, port)
    configure_logs(log_level, log_format)
    # The thread that answers live streams and the one that sends take turns; with turns of 5 ms, as
    # Python has them, every message sent waits that long for its turn.
    sys.setswitchinterval(0.0005)
    if json:
        print_json({"url": f"http://{host}:{port}/"})
    else:
        print(f"ecgfoundry: http://{host}:{port}/  (Ctrl-C stops)", flush=True)
    # The access log of the server would hold addresses with their parameters; ours does not.
    uvicorn.run(
        create_app(settings),
        host=host,
        port=port,
        log_config=None,
        log_level=log_level,
        access_log=False,
        server_header=False,
        # By default the server would believe whoever connects from this machine.
        proxy_headers=bool(trusted_proxy),
        forwarded_allow_ips=list(trusted_proxy),
        http=TimedProtocol,
        ws_max_size=8_000_000,
        # Answers of one kilobyte are not worth a compressor for every stream.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=40,
    )
    return 0


def _oidc(issuer: str | None, audience: str, keys: str | None) -> OidcSettings | None:
    """The identity provider, if one was named."""
    from ecgfoundry.errors import ServiceError
    from ecgfoundry.service.oidc import OidcSettings

    if issuer is None and keys is None:
        return None
    if issuer is None or keys is None:
        raise ServiceError(
            "an identity provider needs its name and its keys",
            remedy="Give --oidc-issuer and --oidc-keys together",
        )
    return OidcSettings(issuer, audience, keys)


def _check_free(host: str, port: int) -> None:
    """Say in one line that the service cannot listen there, before any worker is started."""
    import os
    import socket

    from ecgfoundry.errors import ServiceError

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            if os.name == "posix":
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except OSError as error:
        raise ServiceError(
            f"nothing can listen on {host}, port {port} ({error.strerror or error})",
            remedy="Choose another with --port or --host, or end what listens there",
        ) from None
