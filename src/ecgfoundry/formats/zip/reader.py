"""Reader of ZIP archives of recordings: of any format, and of WFDB data sets as distributed.

``archive.zip::folder/A0001.hea`` (or ``::folder/A0001``) names a recording in an archive;
``archive.zip`` with ``index`` the n-th, and ``archive.zip`` alone the only one. A recording is
written with the files that belong to it into a temporary folder, read by the reader of its
content, and deleted. What an archive may ask for stands in ``zip_directory``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ecgfoundry.errors import (
    EcgFoundryError,
    FileAccessError,
    SignalError,
    UnknownFormatError,
    UnsupportedVariantError,
)
from ecgfoundry.formats.base import Reader, ReadOptions, RecordingInfo
from ecgfoundry.formats.zip.directory import (
    ZIP_MAGIC,
    Archive,
    extract,
    open_archive,
    read_head,
    stem_of,
)
from ecgfoundry.recording import Recording

__all__ = [
    "MEMBER_SEPARATOR",
    "READER",
    "inspect",
    "is_member_path",
    "read",
    "recordings_in_archive",
    "sniff",
    "split_member_path",
]

MEMBER_SEPARATOR = "::"
_HEAD_BYTES = 4096
_EMPTY_ZIP = b"PK\x05\x06"
_TABLES_BESIDE = ("metadata.csv", "exams.csv")  # the HDF5 reader looks for the subject there
_NOT_RECORDINGS = frozenset({"records", "annotators", "reference.csv", "sha256sums.txt"})
_MAXIMUM_FILES = 2000  # of one WFDB record, all segments together (our choice)


def is_member_path(path: str | Path) -> bool:
    """Whether a path names a recording in an archive (and is no file of that name itself)."""
    text = str(path)
    return MEMBER_SEPARATOR in text and not Path(text).exists()


def split_member_path(path: str | Path) -> tuple[Path, str | None]:
    """Return the archive and the member that a path names; None for the archive alone."""
    if not is_member_path(path):
        return Path(path), None
    archive, _, member = str(path).partition(MEMBER_SEPARATOR)
    return Path(archive), member


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content is a ZIP archive."""
    return head.startswith((ZIP_MAGIC, _EMPTY_ZIP))


def recordings_in_archive(path: str | Path) -> tuple[str, ...]:
    """Return the members that are recordings, in the order of the archive.

    Of a WFDB record its header is listed; everything else counts if a reader recognises the
    beginning of its content.

    Raises
    ------
    FileAccessError, FormatError, LimitError
    """
    return _recordings(open_archive(Path(path)))


@lru_cache(maxsize=4)
def _recordings(archive: Archive) -> tuple[str, ...]:
    headers = {stem_of(name) for name in archive.members if name.lower().endswith(".hea")}
    found, unknown = [], []
    for name in archive.members:
        parts = name.split("/")
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        if name.lower().endswith(".hea"):
            found.append(name)
        elif stem_of(name) not in headers and parts[-1].lower() not in _NOT_RECORDINGS:
            unknown.append(name)
    heads = read_head(archive, unknown, _HEAD_BYTES)
    # The children of a file do not exist, so that a sniffer finds nothing beside it by chance.
    chosen = {name for name, head in heads.items() if _recognised(archive.path / name, head)}
    order = {name: position for position, name in enumerate(archive.members)}
    return tuple(sorted({*found, *chosen}, key=order.__getitem__))


def _recognised(path: Path, head: bytes) -> bool:
    from ecgfoundry.formats.registry import READERS  # it imports this module

    try:
        return bool(head) and any(
            reader.sniff(path, head) for reader in READERS if reader.name != READER.name
        )
    except OSError:
        return False


def inspect(path: Path, options: ReadOptions) -> RecordingInfo:
    """Return what the recording's header says; see :class:`Reader`.

    Of an archive with several, without ``index``, the first is described.
    """
    from ecgfoundry.formats import registry

    container, member = split_member_path(path)
    count = 1 if member is not None else len(recordings_in_archive(container))
    if member is None and options.index is None:
        options = replace(options, index=0)
    with _extracted(path, options) as (file, inner, _):
        info = registry.reader_of(file).inspect(file, inner)
    return info if member is not None else replace(info, recordings=count)


def read(
    path: Path, options: ReadOptions, start_sample: int = 0, stop_sample: int | None = None
) -> Recording:
    """Read a range of samples; see :class:`Reader`."""
    from ecgfoundry.formats import registry

    with _extracted(path, options) as (file, inner, place):
        recording = registry.reader_of(file).read(file, inner, start_sample, stop_sample)
        return replace(recording, source=place)


@contextmanager
def _extracted(path: Path, options: ReadOptions) -> Iterator[tuple[Path, ReadOptions, str]]:
    """Give the recording as a file in a temporary folder, its reader's options, and its name."""
    from ecgfoundry.formats import registry

    container, member = split_member_path(path)
    archive = open_archive(container)
    if member is None:
        name = _numbered(archive, options.index)
        options = replace(options, index=None)
    else:
        name = _named(archive, member)
    if name.lower().endswith(".zip"):
        raise UnsupportedVariantError(
            "an archive within an archive is not opened", path=path, remedy="Unpack the outer one"
        )
    place = f"{container}{MEMBER_SEPARATOR}{name}"
    with tempfile.TemporaryDirectory(prefix="ecgfoundry-") as folder:
        try:
            files = extract(archive, _belonging(archive, name), Path(folder))
            if registry.reader_of(files[name]).name == READER.name:
                raise UnsupportedVariantError("an archive within an archive is not opened")
            yield files[name], options, place
        except EcgFoundryError as error:
            if error.path is None or error.path.startswith(folder):
                raise type(error)(
                    error.problem.replace(folder, str(container)), path=place, remedy=error.remedy
                ) from None
            raise


def _numbered(archive: Archive, index: int | None) -> str:
    names = _recordings(archive)
    if not names:
        refused = f" ({len(archive.unsafe)} members have unsafe names)" if archive.unsafe else ""
        raise UnknownFormatError(
            f"the archive holds no recording that can be read{refused}", path=archive.path
        )
    if index is None and len(names) > 1:
        raise SignalError(
            f"the archive holds {len(names)} recordings",
            path=archive.path,
            remedy=f"Choose one, as in '{archive.path}{MEMBER_SEPARATOR}{names[0]}' or with "
            "index=0 …",
        )
    if index is not None and not 0 <= index < len(names):
        raise SignalError(
            f"there is no recording {index}; the archive holds {len(names)}, numbered from 0",
            path=archive.path,
        )
    return names[index or 0]


def _named(archive: Archive, member: str) -> str:
    for name in (member, f"{member}.hea"):
        if name in archive.members:
            return name
    if member in archive.unsafe:
        raise UnsupportedVariantError(
            f"the member '{member[:80]}' has an unsafe name or is no regular file",
            path=archive.path,
            remedy="Archives of recordings hold plain files under relative names",
        )
    raise FileAccessError(
        f"the archive has no member '{member[:80]}'",
        path=archive.path,
        remedy="Names in archives distinguish upper and lower case",
    )


def _belonging(archive: Archive, name: str) -> list[str]:
    """Return the member and those that its reader may need: of one stem, or named by a header."""
    folder = name[: name.rfind("/") + 1]
    wanted = dict.fromkeys([name, *archive.stems.get(stem_of(name), ())])
    if name.lower().endswith((".h5", ".hdf5")):
        tables = (f"{folder}{table}" for table in _TABLES_BESIDE)
        wanted.update(dict.fromkeys(table for table in tables if table in archive.members))
    waiting = [header for header in wanted if header.lower().endswith(".hea")]
    while waiting and len(wanted) < _MAXIMUM_FILES:
        header = waiting.pop()
        text = read_head(archive, [header], 1 << 20).get(header, b"").decode("latin-1")
        for line in text.splitlines():
            first = line.split(maxsplit=1)[0] if line.strip() else ""
            if not first or first.startswith(("#", "~")) or "/" in first:
                continue
            for other in (f"{folder}{first}", f"{folder}{first}.hea"):
                if other in archive.members and other not in wanted:
                    wanted[other] = None
                    if other.lower().endswith(".hea"):
                        waiting.append(other)
    # An archive beside the recording under its stem is no part of it.
    return [other for other in wanted if other == name or not other.lower().endswith(".zip")]


READER = Reader(
    name="zip",
    description="ZIP archive of recordings: archive.zip, archive.zip::member, or with index",
    extensions=(".zip",),
    sniff=sniff,
    inspect=inspect,
    read=read,
)
