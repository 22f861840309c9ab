"""Opening ZIP archives from outside: every limit is checked before and while something expands.

No name in an archive is ever a place on disk: a member is found by its name and written, if at
all, under its last part alone into a fresh temporary folder. Absolute names, ``..``, drive
letters, control characters, symbolic links, devices and encrypted members are refused; names that
differ only in case are refused where they would meet. An archive within an archive is not opened.
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from ecgfoundry.errors import (
    FileAccessError,
    FormatError,
    LimitError,
    TruncatedFileError,
    UnsupportedVariantError,
)
from ecgfoundry.formats.common.limits import MAXIMUM_RATIO

__all__ = [
    "ZIP_MAGIC",
    "Archive",
    "extract",
    "is_safe_name",
    "open_archive",
    "read_head",
    "stem_of",
]

ZIP_MAGIC = b"PK\x03\x04"

MAXIMUM_MEMBERS = 400_000
"""The largest public set in one ZIP (MIMIC-IV-ECG) has 1.6 million files and has to be unpacked;
PTB-XL has 87 000 (our choice)."""

MAXIMUM_DIRECTORY_BYTES = 64_000_000
RATIO_FREE_BYTES = 1_000_000
"""Members up to this size may have any ratio: a flat signal shrinks without bound."""

MAXIMUM_RECORDING_BYTES = 2_000_000_000
"""Of all files of one recording together, expanded."""

_BLOCK = 1 << 20
_END = b"PK\x05\x06"
_END64_LOCATOR = b"PK\x06\x07"
_END64 = b"PK\x06\x06"
_DRIVE = re.compile(r"^[A-Za-z]:")
_RESERVED = re.compile(r"^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, NotImplementedError)


@dataclass(frozen=True, eq=False)
class Archive:
    """The directory of an archive: members by name, in the order of the archive."""

    path: Path
    members: dict[str, zipfile.ZipInfo]
    unsafe: frozenset[str]
    stems: dict[str, tuple[str, ...]]
    """Name without its last ending -> the members that share it."""


def is_safe_name(name: str) -> bool:
    r"""Whether a member's name is a plain relative path.

    Examples
    --------
    >>> [is_safe_name(n) for n in ("a/b.hea", "../b.hea", "/b.hea", "c:/b.hea", "a\\b.hea")]
    [True, False, False, False, False]
    """
    if not name or len(name) > 1024 or "\\" in name or name.startswith("/") or _DRIVE.match(name):
        return False
    if any(ord(mark) < 32 or ord(mark) == 127 or 0xD800 <= ord(mark) < 0xE000 for mark in name):
        return False
    parts = name.rstrip("/").split("/")
    return all(
        part not in ("", ".", "..") and len(part.encode()) <= 255 and not _RESERVED.match(part)
        for part in parts
    )


def stem_of(name: str) -> str:
    """Return a member's name without its last ending ("a/b.hea" -> "a/b")."""
    folder, slash, last = name.rpartition("/")
    stem = last.rpartition(".")[0] or last
    return f"{folder}{slash}{stem}"


def open_archive(path: Path) -> Archive:
    """Return the directory of an archive; the last few are kept.

    Raises
    ------
    FormatError, LimitError, FileAccessError
    """
    try:
        state = path.stat()
        return _open_archive(str(path), state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise FileAccessError(f"the file cannot be read ({error.strerror})", path=path) from error


@lru_cache(maxsize=4)
def _open_archive(name: str, size: int, changed_ns: int) -> Archive:
    path = Path(name)
    _check_directory_size(path, size)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except _DAMAGE as error:
        raise FormatError(f"the ZIP archive is damaged ({error})", path=path) from None
    if len(infos) > MAXIMUM_MEMBERS:
        raise LimitError(
            f"the archive has {len(infos)} members; the limit is {MAXIMUM_MEMBERS}",
            path=path,
            remedy="Unpack it first",
        )
    members: dict[str, zipfile.ZipInfo] = {}
    unsafe: set[str] = set()
    stems: dict[str, list[str]] = {}
    for info in infos:
        if info.filename.endswith("/") and is_safe_name(info.filename):
            continue
        # orig_filename: zipfile cuts names at a NUL and turns separators of other systems.
        if info.orig_filename != info.filename or not _is_plain(info) or info.filename in members:
            unsafe.add(info.filename)
            continue
        members[info.filename] = info
        stems.setdefault(stem_of(info.filename), []).append(info.filename)
    return Archive(
        path,
        {member: info for member, info in members.items() if member not in unsafe},
        frozenset(unsafe),
        {stem: tuple(n for n in names if n not in unsafe) for stem, names in stems.items()},
    )


def _is_plain(info: zipfile.ZipInfo) -> bool:
    """Whether the member is a regular file under a safe name."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    return is_safe_name(info.filename) and kind in (0, stat.S_IFREG)


def _check_directory_size(path: Path, size: int) -> None:
    """Read the end record alone, and refuse a directory that is too large to be loaded."""
    with path.open("rb") as file:
        file.seek(max(0, size - 65_557 - 20))
        tail = file.read()
        end = tail.rfind(_END)
        if end < 0 or len(tail) - end < 22:
            raise TruncatedFileError(
                "the ZIP archive has no directory at its end",
                path=path,
                remedy="Download it again; it is probably not complete",
            )
        count, directory = struct.unpack("<HI", tail[end + 10 : end + 16])
        locator = tail[end - 20 : end] if end >= 20 else b""
        if locator.startswith(_END64_LOCATOR):
            (offset,) = struct.unpack("<Q", locator[8:16])
            if offset < size:
                file.seek(offset)
                record = file.read(56)
                if record.startswith(_END64) and len(record) == 56:
                    count, directory = struct.unpack("<QQ", record[32:48])
    if count > MAXIMUM_MEMBERS or directory > MAXIMUM_DIRECTORY_BYTES or directory > size:
        raise LimitError(
            f"the archive announces {count} members in a directory of {directory} bytes; "
            f"the limits are {MAXIMUM_MEMBERS} and {MAXIMUM_DIRECTORY_BYTES}",
            path=path,
            remedy="Unpack it first",
        )


def _check_member(info: zipfile.ZipInfo, path: Path) -> None:
    """Refuse what cannot or must not be expanded, from what the directory says."""
    if info.flag_bits & 0x1:
        raise UnsupportedVariantError(
            f"'{info.filename}' is encrypted", path=path, remedy="Unpack it with its password first"
        )
    if info.compress_type not in _METHODS:
        raise UnsupportedVariantError(
            f"'{info.filename}' is compressed by method {info.compress_type}",
            path=path,
            remedy="Unpack the archive first",
        )
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > RATIO_FREE_BYTES and ratio > MAXIMUM_RATIO:
        raise LimitError(
            f"'{info.filename}' expands {ratio:.0f} times; the limit is {MAXIMUM_RATIO:.0f}",
            path=path,
            remedy="This is no archive of recordings",
        )


def read_head(archive: Archive, names: Sequence[str], length: int) -> dict[str, bytes]:
    """Return the first ``length`` bytes of members; those that cannot be read are left out."""
    heads = {}
    with _opened(archive) as file:
        for name in names:
            info = archive.members[name]
            try:
                _check_member(info, archive.path)
                with file.open(info) as stream:
                    heads[name] = _read(stream, length)
            except (LimitError, UnsupportedVariantError, RuntimeError, OSError, *_DAMAGE):
                continue
    return heads


def extract(
    archive: Archive,
    names: Sequence[str],
    folder: Path,
    *,
    most_bytes: int = MAXIMUM_RECORDING_BYTES,
) -> dict[str, Path]:
    """Write members into ``folder`` under the last part of their names.

    ``most_bytes`` bounds all of them together, expanded.

    Raises
    ------
    LimitError
        Before anything is written if the directory announces too much, and while writing if more
        comes out than it announces.
    FormatError, UnsupportedVariantError
    """
    infos = [archive.members[name] for name in names]
    places: dict[str, str] = {}
    for info in infos:
        _check_member(info, archive.path)
        last = info.filename.rpartition("/")[2]
        if places.setdefault(last.casefold(), info.filename) != info.filename:
            raise FormatError(
                f"'{places[last.casefold()]}' and '{info.filename}' are one file on some systems",
                path=archive.path,
            )
    total = sum(info.file_size for info in infos)
    if total > min(most_bytes, MAXIMUM_RECORDING_BYTES):
        raise LimitError(
            f"the files of the recording have {total} bytes; the limit is "
            f"{min(most_bytes, MAXIMUM_RECORDING_BYTES)}",
            path=archive.path,
            remedy="Unpack the archive first",
        )
    written = {}
    with _opened(archive) as file:
        for info in infos:
            target = folder / info.filename.rpartition("/")[2]
            try:
                with file.open(info) as source, target.open("xb") as output:
                    _copy(source, output, info, archive.path)
            except (RuntimeError, *_DAMAGE) as error:
                raise FormatError(
                    f"'{info.filename}' is damaged ({error})",
                    path=archive.path,
                    remedy="Download the archive again",
                ) from None
            written[info.filename] = target
    return written


def _opened(archive: Archive) -> zipfile.ZipFile:
    """Return a ZipFile that takes its directory from ``archive`` instead of parsing it again."""
    return _KnownZipFile(archive)


class _KnownZipFile(zipfile.ZipFile):
    """``zipfile.ZipFile`` for reading, whose directory is known already.

    Parsing the directory of a data set with 13 000 members takes 0.6 s, which nobody wants to wait
    for each recording. Should a later Python parse it by another name, it is only slower again.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        super().__init__(archive.path)

    def _RealGetContents(self) -> None:  # noqa: N802 (the name that zipfile calls)
        self.start_dir = self._archive.path.stat().st_size


def _read(stream: IO[bytes], length: int) -> bytes:
    parts = []
    while length > 0 and (block := stream.read(length)):
        parts.append(block)
        length -= len(block)
    return b"".join(parts)


def _copy(source: IO[bytes], output: IO[bytes], info: zipfile.ZipInfo, path: Path) -> None:
    left = info.file_size
    while block := source.read(_BLOCK):
        left -= len(block)
        if left < 0:
            raise LimitError(f"'{info.filename}' is longer than it announces", path=path)
        output.write(block)
    if left:
        raise TruncatedFileError(f"'{info.filename}' is shorter than it announces", path=path)
