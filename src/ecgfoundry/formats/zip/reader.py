"""Reader of ZIP archives of recordings: of any format, and of WFDB data sets as distributed.

``archive.zip::folder/A0001.hea`` (or ``::folder/A0001``) names a recording in an archive;
``archive.zip`` with ``index`` the n-th, and ``archive.zip`` alone the only one. A recording is
written with the files that belong to it into a temporary folder, read by the reader of its
content, and deleted. What an archive may ask for stands in ``zip_directory``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
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
from ecgfoundry.formats.base import HEAD_BYTES, FormatFile, Reader, ReadOptions
from ecgfoundry.formats.common.several import chosen_recording
from ecgfoundry.formats.zip.directory import (
    ZIP_MAGIC,
    Archive,
    extract,
    open_archive,
    read_head,
    stem_of,
)
from ecgfoundry.formats.zip.names import MEMBER_SEPARATOR, split_member_path
from ecgfoundry.recording import Annotation, Recording

__all__ = ["Identify", "Recognise", "recordings_in_archive", "sniff", "zip_reader"]

NAME = "zip"
Identify = Callable[[Path], tuple[Reader, bytes]]
Recognise = Callable[[Path, bytes], Reader | None]

_EMPTY_ZIP = b"PK\x05\x06"
_TABLES_BESIDE = ("metadata.csv", "exams.csv")  # the HDF5 reader looks for the subject there
_NOT_RECORDINGS = frozenset({"records", "annotators", "reference.csv", "sha256sums.txt"})
_MAXIMUM_FILES = 2000  # of one WFDB record, all segments together (our choice)


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content is a ZIP archive."""
    return head.startswith((ZIP_MAGIC, _EMPTY_ZIP))


def recordings_in_archive(path: str | Path, recognise: Recognise) -> tuple[str, ...]:
    """Return the members that are recordings, in the order of the archive.

    Of a WFDB record its header is listed; everything else counts if a reader recognises the
    beginning of its content.

    Raises
    ------
    FileAccessError, FormatError, LimitError
    """
    return _recordings(open_archive(Path(path)), recognise)


@lru_cache(maxsize=4)
def _recordings(archive: Archive, recognise: Recognise) -> tuple[str, ...]:
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
    heads = read_head(archive, unknown, HEAD_BYTES)
    # The children of a file do not exist, so that a sniffer finds nothing beside it by chance.
    chosen = {
        name for name, head in heads.items() if _recognised(archive.path / name, head, recognise)
    }
    order = {name: position for position, name in enumerate(archive.members)}
    return tuple(sorted({*found, *chosen}, key=order.__getitem__))


def _recognised(path: Path, head: bytes, recognise: Recognise) -> bool:
    try:
        reader = recognise(path, head) if head else None
    except OSError:
        return False
    return reader is not None and reader.name != NAME


def zip_reader(identify: Identify, recognise: Recognise) -> Reader:
    """Return the reader of archives.

    Parameters
    ----------
    identify : callable (path) -> (reader, head)
        The reader of a file that exists, and its first bytes; raises if there is none.
    recognise : callable (path, head) -> reader or None
        The same for a member of which only the first bytes are known.
    """

    def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
        return _Member(path, options, identify, recognise)

    return Reader(
        name=NAME,
        description="ZIP archive of recordings: archive.zip, archive.zip::member, or with index",
        extensions=(".zip",),
        sniff=sniff,
        open=open_file,
    )


class _Member(FormatFile):
    """A recording of an archive, opened in a temporary folder that goes when it is closed."""

    def __init__(
        self, path: Path, options: ReadOptions, identify: Identify, recognise: Recognise
    ) -> None:
        container, member = split_member_path(path)
        archive = open_archive(container)
        undecided: EcgFoundryError | None = None
        count = 1
        if member is None:
            names = _recordings(archive, recognise)
            name = _numbered(archive, names, options.index)
            count = len(names)
            undecided = _several(archive, names) if options.index is None and count > 1 else None
            options = replace(options, index=None)
        else:
            name = _named(archive, member)
        if name.lower().endswith(".zip"):
            raise UnsupportedVariantError(
                "an archive within an archive is not opened",
                path=path,
                remedy="Unpack the outer one",
            )
        self._container = container
        self._place = f"{container}{MEMBER_SEPARATOR}{name}"
        self._folder = tempfile.TemporaryDirectory(prefix="ecgfoundry-")
        try:
            with self._named_errors():
                files = extract(
                    archive,
                    _belonging(archive, name),
                    Path(self._folder.name),
                    most_bytes=options.limits.file_bytes,
                )
                reader, head = identify(files[name])
                if reader.name == NAME:
                    raise UnsupportedVariantError("an archive within an archive is not opened")
                self._file = reader.open(files[name], replace(options, format=None), head)
        except BaseException:
            self._folder.cleanup()
            raise
        info = self._file.info if member is not None else replace(self._file.info, recordings=count)
        if undecided is None and self._file.undecided is not None:
            undecided = self._named(self._file.undecided)
        super().__init__(path, options, info, undecided=undecided)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Let errors name the member instead of the temporary file."""
        try:
            yield
        except EcgFoundryError as error:
            raise self._named(error) from None

    def _named(self, error: EcgFoundryError) -> EcgFoundryError:
        folder = self._folder.name
        if error.path is not None and not error.path.startswith(folder):
            return error
        problem = error.problem.replace(folder, str(self._container))
        return type(error)(problem, path=self._place, remedy=error.remedy)

    def read_segment(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop``, without annotations."""
        with self._named_errors():
            return replace(self._file.read_segment(start, stop), source=self._place)

    def read_annotations(self, start: int, stop: int) -> tuple[Annotation, ...]:
        """Return the annotations that touch samples ``start`` to ``stop``."""
        with self._named_errors():
            marks = self._file.read_annotations(start, stop)
        self.remarks = self._file.remarks
        return marks

    def read_windows(self, start: int, stop: int, width: int) -> Iterator[Recording]:
        """Yield samples ``start`` to ``stop`` in parts of ``width``, without annotations."""
        with self._named_errors():
            for window in self._file.read_windows(start, stop, width):
                yield replace(window, source=self._place)

    def close(self) -> None:
        """Release what the file holds."""
        self._file.close()
        self._folder.cleanup()


def _numbered(archive: Archive, names: Sequence[str], index: int | None) -> str:
    if not names:
        refused = f" ({len(archive.unsafe)} members have unsafe names)" if archive.unsafe else ""
        raise UnknownFormatError(
            f"the archive holds no recording that can be read{refused}", path=archive.path
        )
    return names[chosen_recording(index, len(names), archive.path)]


def _several(archive: Archive, names: Sequence[str]) -> SignalError:
    return SignalError(
        f"the archive holds {len(names)} recordings",
        path=archive.path,
        remedy=f"Choose one, as in '{archive.path}{MEMBER_SEPARATOR}{names[0]}' or with index=0 …",
    )


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
