"""Which formats there are, and which of them a file is.

Another package adds a format by an entry point in the group ``ecgfoundry.formats`` that names a
:class:`~ecgfoundry.formats.base.Reader`, or, while it runs, by ``READERS.add(reader, name)``.
"""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.errors import FileAccessError, FormatError, UnknownFormatError
from ecgfoundry.formats.base import HEAD_BYTES, Reader
from ecgfoundry.formats.builtin import BUILTIN
from ecgfoundry.formats.zip.names import is_member_path, split_member_path
from ecgfoundry.registry import Registry

__all__ = [
    "READERS",
    "existing_file",
    "formats",
    "identify",
    "reader_and_head",
    "recordings_in_archive",
]


def _add_builtin(registry: Registry[Reader]) -> None:
    for name, signs in BUILTIN.items():
        origin = f"ecgfoundry.formats.{signs.module}"
        if name == "zip":
            registry.add_lazy(name, f"{__name__}:_zip_reader", origin=origin)
        else:
            registry.add_lazy(name, f"{origin}:READER", origin=origin)


def _reader(item: object) -> Reader:
    """Return a reader; that of archives has to be told how the files in them are recognised."""
    reader = _zip_reader() if item is _zip_reader else item
    if not isinstance(reader, Reader):
        raise UnknownFormatError(
            f"a format is added as a Reader, not as {type(reader).__name__}",
            remedy="See ecgfoundry.formats.base.Reader",
        )
    return reader


READERS: Registry[Reader] = Registry(
    "file format",
    error=UnknownFormatError,
    group="ecgfoundry.formats",
    builtin=_add_builtin,
    convert=_reader,
)
"""All formats by name, in the order in which they are tried."""


def _zip_reader() -> Reader:
    from ecgfoundry.formats.zip.reader import zip_reader

    return zip_reader(_identified, _recognise)


def formats() -> list[Reader]:
    """Return the readers in the order in which they are tried."""
    return sorted(READERS.values(), key=lambda reader: reader.least_specific)


def identify(path: str | Path) -> Reader:
    """Return the reader for a file, from its content.

    Parameters
    ----------
    path : str or Path
        A file, or a WFDB record without its extension.

    Raises
    ------
    FileAccessError, FormatError, UnknownFormatError
    """
    return reader_and_head(existing_file(path))[0]


def reader_and_head(file: Path, name: str | None = None) -> tuple[Reader, bytes | None]:
    """Return the reader of a file that exists, and the first bytes if they had to be read.

    ``name`` is that of a format, in place of recognising the content.
    """
    if name is not None:
        return READERS[name], None
    return _identified(file)


def recordings_in_archive(path: str | Path) -> tuple[str, ...]:
    """Return the members of a ZIP archive that are recordings, in the order of the archive.

    Raises
    ------
    FileAccessError, FormatError, LimitError
    """
    from ecgfoundry.formats.zip import reader

    return reader.recordings_in_archive(path, _recognise)


def existing_file(path: str | Path) -> Path:
    """Return the file that is meant, or raise FileAccessError or FormatError."""
    try:
        file = Path(path)
        if is_member_path(path):
            existing_file(split_member_path(path)[0])
            return file
        header = Path(f"{file}.hea")
        if not file.is_file() and header.is_file():
            return header
        if file.is_dir():
            raise FileAccessError(
                "this is a folder", path=path, remedy="Name one file, or use a manifest for many"
            )
        if not file.exists():
            raise FileAccessError(
                "there is no such file", path=path, remedy="Check the path for a typing error"
            )
        if not file.is_file():
            raise FileAccessError("this is not a regular file", path=path)
        if file.stat().st_size == 0:
            raise FormatError("the file is empty", path=path, remedy="Get it again from its source")
    except (OSError, ValueError, TypeError) as error:  # names that no file system accepts
        raise FileAccessError(f"the file cannot be looked up ({error})", path=str(path)) from None
    return file


def _head(file: Path) -> bytes:
    try:
        with split_member_path(file)[0].open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError as error:
        raise FileAccessError(
            f"the file cannot be read ({error.strerror or error})",
            path=file,
            remedy=f"Check its permissions (now {oct(file.stat().st_mode & 0o777)})"
            if isinstance(error, PermissionError)
            else None,
        ) from error


def _recognise(file: Path, head: bytes) -> Reader | None:
    """Return the first reader that takes the content, the least specific ones last."""
    last: Reader | None = None
    for name in READERS:
        signs = BUILTIN.get(name)
        if signs is not None and not signs.fit(file, head):
            continue
        reader = READERS[name]
        if reader.sniff(file, head):
            if not reader.least_specific:
                return reader
            last = last or reader
    return last


def _identified(file: Path) -> tuple[Reader, bytes]:
    head = _head(file)
    if is_member_path(file) and READERS["zip"].sniff(file, head):
        return READERS["zip"], head
    reader = _recognise(file, head)
    if reader is not None:
        return reader, head
    from ecgfoundry.formats.common.signatures import foreign_format

    foreign = foreign_format(head)
    known = ", ".join(f"{reader.name} ({' '.join(reader.extensions)})" for reader in formats())
    if foreign is not None:
        raise UnknownFormatError(
            f"this is {foreign}, which this version does not read",
            path=file,
            remedy=f"Convert it to one of: {known}",
        )
    if file.suffix.lower() == ".dat":
        raise UnknownFormatError(
            "this may be the signal file of a WFDB record whose header is missing",
            path=file,
            remedy=f"Put {file.stem}.hea beside it",
        )
    raise UnknownFormatError(
        "no reader recognises the content", path=file, remedy=f"What can be read: {known}"
    )
