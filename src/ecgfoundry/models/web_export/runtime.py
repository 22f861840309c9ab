"""The runtime of the page: onnxruntime-web, of one pinned version, from a folder or from npm."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from pathlib import Path

from ecgfoundry.errors import FileAccessError, IntegrityError
from ecgfoundry.models.bundle import cache_folder
from ecgfoundry.models.hub import download

__all__ = ["LOADER", "PROGRAM", "RUNTIME_FILES", "RUNTIME_URL", "SCRIPT", "find_runtime"]

RUNTIME_URL = "https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-1.27.0.tgz"
_ARCHIVE = RUNTIME_URL.rpartition("/")[2]
_ARCHIVE_SHA256 = "b59c9819434a7519f334f77e8d4bf22b69808d531a57724cabc4bb2c0704c835"
_ARCHIVE_BYTES = 31_145_737

SCRIPT = "ort.wasm.min.js"
LOADER = "ort-wasm-simd-threaded.mjs"
PROGRAM = "ort-wasm-simd-threaded.wasm"
RUNTIME_FILES: Mapping[str, str] = {
    SCRIPT: "ea3a767b15df7dbe3d695ec9c182ca0f15b2ce7750156c6b70276e11c28997f0",
    LOADER: "0a1e718d99c41b22c21f2520ff4f9e883a6b5533856e398d21816ee8eb8185d3",
    PROGRAM: "d1ab1b94b16a65b29d710d0b587b29e7bed336827577623913479b8afe8113e6",
}
"""Name -> SHA-256 of the files of ``package/dist`` that the page needs."""


def find_runtime(folder: str | Path | None = None, *, fetch: bool = False) -> dict[str, bytes]:
    """Return the files of the runtime, each of the pinned SHA-256.

    Parameters
    ----------
    folder : str or Path, optional
        That holds them, or the archive of npm. None: ``downloads`` of the cache.
    fetch : bool
        Whether the archive may be downloaded from the npm registry where it is not there.

    Raises
    ------
    FileAccessError
        The runtime is not there, and must not be downloaded.
    IntegrityError
        A file is another one than the pinned.
    DownloadError
    """
    place = cache_folder() / "downloads" if folder is None else Path(folder)
    if all((place / name).is_file() for name in RUNTIME_FILES):
        return {name: _checked(name, (place / name).read_bytes(), place) for name in RUNTIME_FILES}
    archive = place / _ARCHIVE
    if not archive.is_file() and not fetch:
        raise FileAccessError(
            "the runtime of the page, onnxruntime-web, is not here",
            path=archive,
            remedy="Add --fetch-runtime to download it once (31 MB), or put the file of "
            f"{RUNTIME_URL} there",
        )
    download(RUNTIME_URL, archive, sha256=_ARCHIVE_SHA256, size=_ARCHIVE_BYTES)
    found: dict[str, bytes] = {}
    with tarfile.open(archive) as packed:
        for name in RUNTIME_FILES:
            member = packed.extractfile(f"package/dist/{name}")
            if member is not None:
                found[name] = _checked(name, member.read(), archive)
    return found


def _checked(name: str, content: bytes, place: Path) -> bytes:
    actual = hashlib.sha256(content).hexdigest()
    if actual != RUNTIME_FILES[name]:
        raise IntegrityError(
            f"{name} has the SHA-256 {actual} instead of {RUNTIME_FILES[name]}",
            path=place,
            remedy=f"Take it from {RUNTIME_URL}",
        )
    return content
