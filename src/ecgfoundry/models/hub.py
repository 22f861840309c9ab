"""Pulling published weights: download, check against the pinned hash, make a bundle.

Nothing is trusted but the hash: redirects, mirrors and files that somebody has put into the cache
by hand are all fine, because a file with another SHA-256 is never opened.
"""

from __future__ import annotations

import contextlib
import email.message
import http.client
import importlib.util
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ecgfoundry.errors import (
    DownloadError,
    EcgFoundryError,
    IntegrityError,
    MissingExtraError,
    ModelNotFoundError,
)
from ecgfoundry.io import sha256_of
from ecgfoundry.models.bundle import cache_folder, load_bundle
from ecgfoundry.models.published import PUBLISHED, PublishedWeights

__all__ = ["DEFAULT_ENDPOINT", "PUBLISHED", "PublishedWeights", "download", "pull", "url_of"]

DEFAULT_ENDPOINT = "https://huggingface.co"
TIMEOUT_S = 30.0
"""Without one byte (our choice)."""
ATTEMPTS = 5
"""Broken connections in a row without one byte of progress (our choice)."""
PAUSE_S = 1.0
"""Before the second attempt; doubled before each further one (our choice)."""

_CHUNK = 1 << 20

Progress = Callable[[int, int | None], None]


def pull(
    name: str | PublishedWeights,
    *,
    cache: str | Path | None = None,
    endpoint: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Get published weights and make a bundle of them; what is already there is used.

    Parameters
    ----------
    name : str or PublishedWeights
        One of :data:`PUBLISHED`, or an entry of one's own.
    cache : str or Path, optional
        None: ``$ECGFOUNDRY_CACHE``, else ``~/.cache/ecgfoundry``. The file comes to
        ``downloads/``, the bundle to ``models/``.
    endpoint : str, optional
        A mirror of the hub; None: ``$HF_ENDPOINT``, else https://huggingface.co.
    progress : callable (bytes so far, bytes in all or None), optional

    Returns
    -------
    Path
        The bundle folder.

    Raises
    ------
    ModelNotFoundError
        Nothing is published under this name here.
    DownloadError
        ``ECGFOUNDRY_OFFLINE`` is set, or the network or the server failed; the message names the
        URL and where its file can be put by hand.
    IntegrityError
        The file does not have the pinned SHA-256.
    """
    entry = name if isinstance(name, PublishedWeights) else _find(name)
    root = Path(cache) if cache is not None else cache_folder()
    folder = root / "models" / entry.name
    if _is_made(folder, entry):
        return folder
    # Not after the download: nobody wants to learn it then.
    for package in ("torch", "safetensors", "onnx"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError.for_extra("making a bundle of published weights", "torch")
    checkpoint = download(
        url_of(entry, endpoint=endpoint),
        root / "downloads" / entry.file,
        sha256=entry.sha256,
        size=entry.size,
        progress=progress,
    )
    from ecgfoundry.models.importing import import_checkpoint

    return import_checkpoint(
        checkpoint,
        architecture=entry.architecture,
        leads=entry.leads,
        vocabulary=entry.vocabulary,
        output=folder,
        preprocessing=entry.preprocessing,
        name=entry.name,
    )


def url_of(entry: PublishedWeights, *, endpoint: str | None = None) -> str:
    """Return where the file of an entry is downloaded from."""
    base = (endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
    return f"{base}/{entry.repository}/resolve/main/{entry.file}"


def download(
    url: str,
    path: str | Path,
    *,
    sha256: str,
    size: int,
    progress: Progress | None = None,
) -> Path:
    """Download one file of known hash; an interrupted download goes on where it stopped.

    Parameters
    ----------
    url : str
        http or https.
    path : str or Path
        Where the file comes to. A file that is there already is verified and used; while a
        download is under way the data are in the same place with ``.part`` behind the name.
    sha256 : str
        Of the whole file.
    size : int
        Roughly expected bytes; more than twice as many are not accepted.
    progress : callable (bytes so far, bytes in all or None), optional

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    DownloadError, IntegrityError
        See :func:`pull`.
    """
    path = Path(path)
    by_hand = f"Fetch {url} by other means and put the file at {path}, then run this again"
    refusal = f"Delete it, then run this again, or: {by_hand}"
    if path.is_file():
        _check_hash(path, sha256, remedy=refusal)
        return path
    if os.environ.get("ECGFOUNDRY_OFFLINE", "").strip().lower() not in ("", "0", "false", "no"):
        raise DownloadError(f"ECGFOUNDRY_OFFLINE is set and {path} is not there", remedy=by_hand)
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"{url} is no http or https address", remedy=by_hand)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with contextlib.ExitStack() as held:
        stream = held.enter_context(part.open("ab"))
        held.enter_context(_alone(stream, part))
        if path.is_file():  # another process has finished it since we looked
            _remove_empty(part)
            _check_hash(path, sha256, remedy=refusal)
            return path
        if not _is_at(stream, part):  # another process has just given up, and removed it
            raise _taken(part)
        try:
            _fill(stream, url, size=size, progress=progress, remedy=by_hand)
        finally:
            _remove_empty(part)
        if os.name == "nt":
            held.close()  # Windows renames no open file
        try:
            _check_hash(part, sha256, remedy=f"The data were deleted. {by_hand}")
        except IntegrityError:
            part.unlink()
            raise
        part.replace(path)
    return path


def _is_at(stream: IO[bytes], path: Path) -> bool:
    """Whether an open file is the one that lies there."""
    return path.exists() and os.path.samestat(os.fstat(stream.fileno()), path.stat())


def _remove_empty(part: Path) -> None:
    """Remove what nothing was written into; only while nobody else may write."""
    with contextlib.suppress(OSError):  # Windows keeps what is open, and it may be gone
        if part.stat().st_size == 0:
            part.unlink()


def _find(name: str) -> PublishedWeights:
    if name not in PUBLISHED:
        raise ModelNotFoundError(
            f"no published weights are known as '{name}'",
            remedy=f"Known are: {', '.join(PUBLISHED)}",
        )
    return PUBLISHED[name]


def _is_made(folder: Path, entry: PublishedWeights) -> bool:
    """Whether the bundle is there, whole, and of these weights; any other is made anew.

    Under one name other weights may have been published before.
    """
    try:
        checkpoint = load_bundle(folder).about.provenance.checkpoint
    except EcgFoundryError:
        return False
    return checkpoint is not None and checkpoint.get("sha256") == entry.sha256


def _check_hash(path: Path, expected: str, *, remedy: str) -> None:
    actual = sha256_of(path)
    if actual != expected:
        raise IntegrityError(
            f"has the SHA-256 {actual} instead of {expected}", path=path, remedy=remedy
        )


@contextlib.contextmanager
def _alone(stream: IO[bytes], part: Path) -> Iterator[None]:
    """Keep a second process from writing to the same file."""
    try:
        import fcntl
    except ImportError:  # Windows: the hash still notices what two writers have made
        yield
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the file being closed
    except OSError:
        raise _taken(part) from None
    yield


def _taken(part: Path) -> DownloadError:
    words = "another process is downloading this file"
    return DownloadError(words, path=part, remedy="Wait until it is done")


class _RetryError(Exception):
    """The connection broke or the server was busy: go on from where the file ends."""


def _fill(
    stream: IO[bytes], url: str, *, size: int, progress: Progress | None, remedy: str
) -> None:
    """Append to the file until the server says that it is whole."""
    failures = 0
    while True:
        before = stream.tell()
        try:
            _request(stream, url, limit=2 * size, progress=progress)
            return
        except _RetryError as error:
            failures = 1 if stream.tell() > before else failures + 1
            if failures >= ATTEMPTS:
                raise DownloadError(f"cannot download {url}: {error}", remedy=remedy) from None
            time.sleep(PAUSE_S * 2 ** (failures - 1))
        except DownloadError as error:
            raise DownloadError(error.problem, remedy=remedy) from None


def _request(stream: IO[bytes], url: str, *, limit: int, progress: Progress | None) -> None:
    """One request for what is missing; returns when the file is whole."""
    start = stream.tell()
    headers = {"User-Agent": "ecgfoundry", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with _open(urllib.request.Request(url, headers=headers)) as response:  # noqa: S310
            if start and response.status != http.client.PARTIAL_CONTENT:
                _restart(stream)  # a server that ignores ranges sends everything
            elif start and not _starts_at(response.headers, start):
                _restart(stream)
                raise _RetryError("the server sent another part of the file than was asked for")
            total = _total(response.headers, stream.tell())
            if max(total or 0, stream.tell()) > limit:
                raise DownloadError(
                    f"{url} has {total} bytes, far more than the file that is wanted"
                )
            _copy(response, stream, total, limit=limit, progress=progress)
            if total is not None and stream.tell() < total:
                raise _RetryError(f"the answer ended after {stream.tell()} of {total} bytes")
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                if _total(error.headers, 0) == start:
                    return  # everything is there already; the hash decides
                _restart(stream)
                raise _RetryError("the server does not know this part of the file") from None
            if error.code in (408, 429) or error.code >= 500:
                raise _RetryError(f"HTTP {error.code} {error.reason}") from None
            raise DownloadError(
                f"cannot download {url}: HTTP {error.code} {error.reason}"
            ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise _RetryError(str(reason) or type(error).__name__) from None


def _copy(
    response: http.client.HTTPResponse,
    stream: IO[bytes],
    total: int | None,
    *,
    limit: int,
    progress: Progress | None,
) -> None:
    while chunk := response.read(_CHUNK):
        stream.write(chunk)
        if stream.tell() > limit:
            raise DownloadError("the answer does not end where the wanted file would")
        if progress is not None:
            progress(stream.tell(), total)
    stream.flush()


def _restart(stream: IO[bytes]) -> None:
    stream.seek(0)
    stream.truncate()


def _starts_at(headers: email.message.Message, start: int) -> bool:
    return (headers.get("Content-Range") or "").startswith(f"bytes {start}-")


def _total(headers: email.message.Message, start: int) -> int | None:
    """Bytes of the whole file as the answer states them."""
    ranged = re.search(r"/(\d+)\s*$", headers.get("Content-Range") or "")
    if ranged:
        return int(ranged[1])
    length = headers.get("Content-Length") or ""
    return start + int(length) if length.isdigit() else None


class _HttpRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to http and https only (urllib would follow to ftp too)."""

    def redirect_request(self, *arguments: Any, **options: Any) -> urllib.request.Request | None:
        request = super().redirect_request(*arguments, **options)
        if request is not None and request.type not in ("http", "https"):
            raise DownloadError(f"the server redirects to {request.full_url}")
        return request


def _open(request: urllib.request.Request) -> Any:
    # build_opener honours the usual proxy variables.
    return urllib.request.build_opener(_HttpRedirects).open(request, timeout=TIMEOUT_S)
