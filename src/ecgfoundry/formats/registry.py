"""Which reader reads a file, and the three ways to read: ``read``, ``inspect`` and ``iterate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ecgfoundry.errors import (
    EcgFoundryError,
    FileAccessError,
    FormatError,
    LimitError,
    SignalError,
    UnknownFormatError,
)
from ecgfoundry.formats.arrays import hdf5, parquet
from ecgfoundry.formats.arrays import numpy as arrays
from ecgfoundry.formats.base import Reader, ReadOptions, RecordingInfo
from ecgfoundry.formats.common.signatures import foreign_format
from ecgfoundry.formats.delimited import reader as delimited
from ecgfoundry.formats.devices import apple_health, ishne, kardia, mfer, opensignals, polar
from ecgfoundry.formats.dicom import reader as dicom
from ecgfoundry.formats.edf import reader as edf
from ecgfoundry.formats.matlab import reader as matlab
from ecgfoundry.formats.scp import reader as scp
from ecgfoundry.formats.wfdb import reader as wfdb
from ecgfoundry.formats.xml import aecg as hl7_aecg
from ecgfoundry.formats.xml import ge_cardiosoft as cardiosoft
from ecgfoundry.formats.xml import ge_muse, mortara, philips_sierra
from ecgfoundry.formats.zip import reader as zip_archive
from ecgfoundry.recording import Recording

__all__ = ["READERS", "formats", "identify", "inspect", "iterate", "read"]

READERS: tuple[Reader, ...] = (
    # The first whose sniff accepts the content reads the file: a WFDB header beside a .mat file
    # explains it better than the .mat file itself, MATLAB v7.3 is also HDF5, and delimited text
    # is the least specific.
    wfdb.READER,
    matlab.READER,
    hdf5.READER,
    arrays.READER,
    zip_archive.READER,  # NumPy's .npz is a ZIP archive, too
    edf.READER,
    dicom.READER,
    ishne.READER,
    scp.READER,
    mfer.READER,
    parquet.READER,
    hl7_aecg.READER,
    ge_muse.READER,
    philips_sierra.READER,
    mortara.READER,
    cardiosoft.READER,
    kardia.READER,
    apple_health.READER,
    polar.READER,
    opensignals.READER,
    delimited.READER,
)

HEAD_BYTES = 4096
"""How much of a file the readers see to recognise it."""


def formats() -> list[Reader]:
    """Return the readers in the order in which they are tried."""
    return list(READERS)


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
    return _identify(_existing_file(path))


def read(
    path: str | Path,
    *,
    leads: Sequence[str] | str | None = None,
    unit: str | None = None,
    sampling_rate: float | None = None,
    index: int | None = None,
    mains_frequency: float | None = None,
    start_s: float = 0.0,
    duration_s: float | None = None,
    format: str | None = None,
) -> Recording:
    """Read a recording, or a part of it.

    Parameters
    ----------
    path : str or Path
        A file, or a WFDB record without its extension.
    leads : sequence of str, optional
        Lead names in the order of the file's channels, in place of what the file states.
    unit : str, optional
        Unit of the stored values ("mV", "uV", "1e-4V"), in place of what the file states.
    sampling_rate : float, optional
        Hz, in place of what the file states.
    index : int, optional
        Which recording of a file that holds several.
    mains_frequency : float, optional
        Hz (50 or 60), kept with the recording.
    start_s, duration_s : float
        Part to read, in seconds; by default everything. A part that reaches beyond the end is
        cut there.
    format : str, optional
        Name of the reader, in place of recognising the content.

    Returns
    -------
    Recording
        With ECG leads in mV.

    Raises
    ------
    EcgFoundryError
        And no other exception, whatever the bytes of the file: FileAccessError,
        UnknownFormatError, FormatError, TruncatedFileError, UnsupportedVariantError, LimitError,
        LeadError, UnitError, SamplingRateError, SignalError, MissingExtraError.
    """
    options = _options(leads, unit, sampling_rate, index, mains_frequency)
    _check_part(start_s, duration_s, path)
    file = _existing_file(path)
    with _typed_errors(file):
        reader = _reader(file, format)
        if start_s == 0 and duration_s is None:
            return reader.read(file, options, 0, None)
        if not reader.random_access:
            whole = reader.read(file, options, 0, None)
            start, stop = _samples(start_s, duration_s, whole.sampling_rate, whole.samples, file)
            return whole.slice_samples(start, stop)
        info = reader.inspect(file, options)
        start, stop = _samples(start_s, duration_s, info.sampling_rate, info.samples, file)
        return reader.read(file, options, start, stop)


def inspect(
    path: str | Path,
    *,
    leads: Sequence[str] | str | None = None,
    unit: str | None = None,
    sampling_rate: float | None = None,
    index: int | None = None,
    mains_frequency: float | None = None,
    format: str | None = None,
) -> RecordingInfo:
    """Return what the header of a file says; parameters and errors as for :func:`read`."""
    options = _options(leads, unit, sampling_rate, index, mains_frequency)
    file = _existing_file(path)
    with _typed_errors(file):
        return _reader(file, format).inspect(file, options)


def iterate(
    path: str | Path,
    window_s: float,
    *,
    leads: Sequence[str] | str | None = None,
    unit: str | None = None,
    sampling_rate: float | None = None,
    index: int | None = None,
    mains_frequency: float | None = None,
    start_s: float = 0.0,
    duration_s: float | None = None,
    format: str | None = None,
) -> Iterator[Recording]:
    """Yield consecutive windows of a recording.

    Parameters
    ----------
    window_s : float
        Length of each window, seconds; the last one may be shorter.
    **others
        As for :func:`read`.

    Yields
    ------
    Recording
        Memory is bounded by one window for the formats with ``random_access`` and for delimited
        text; the others are read once as a whole.
    """
    options = _options(leads, unit, sampling_rate, index, mains_frequency)
    if not window_s > 0:
        raise SignalError(f"the window of {window_s} s is not a positive length", path=path)
    _check_part(start_s, duration_s, path)
    file = _existing_file(path)
    with _typed_errors(file):
        reader = _reader(file, format)
        if reader.windows is not None:
            yield from reader.windows(file, options, window_s, start_s, duration_s)
            return
        whole = None if reader.random_access else reader.read(file, options, 0, None)
        info = whole or reader.inspect(file, options)
        rate = info.sampling_rate
        start, end = _samples(start_s, duration_s, rate, info.samples, file)
        width = round(window_s * rate)
        if width < 1:
            raise SignalError(f"a window of {window_s} s is shorter than one sample", path=file)
    for begin in range(start, end, width):
        stop = min(begin + width, end)
        if whole is not None:
            yield whole.slice_samples(begin, stop)
            continue
        with _typed_errors(file):
            window = reader.read(file, options, begin, stop)
        yield window


def _options(
    leads: Sequence[str] | str | None,
    unit: str | None,
    sampling_rate: float | None,
    index: int | None,
    mains_frequency: float | None,
) -> ReadOptions:
    names = (leads,) if isinstance(leads, str) else leads
    return ReadOptions(
        leads=None if names is None else tuple(names),
        unit=unit,
        sampling_rate=sampling_rate,
        index=index,
        mains_frequency=mains_frequency,
    )


def _check_part(start_s: float, duration_s: float | None, path: str | Path) -> None:
    if not 0 <= start_s < float("inf") or not (duration_s is None or 0 < duration_s < float("inf")):
        raise SignalError(
            f"the part from {start_s} s with a length of {duration_s} s is no part of a recording",
            path=path,
            remedy="Give a start of 0 or more and a positive length, in seconds",
        )


def _samples(
    start_s: float, duration_s: float | None, rate: float, total: int, path: Path
) -> tuple[int, int]:
    start = round(start_s * rate)
    if start >= total:
        raise SignalError(
            f"the part starts at {start_s:g} s, the recording has {total / rate:g} s", path=path
        )
    stop = total if duration_s is None else min(start + round(duration_s * rate), total)
    return start, stop


def _existing_file(path: str | Path) -> Path:
    """Return the file that is meant, or raise FileAccessError or FormatError."""
    try:
        file = Path(path)
        if zip_archive.is_member_path(path):
            _existing_file(zip_archive.split_member_path(path)[0])
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


def reader_of(file: Path) -> Reader:
    """Return the reader for a file that is known to exist (for readers of containers)."""
    return _identify(file)


def _head(file: Path) -> bytes:
    try:
        with zip_archive.split_member_path(file)[0].open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError as error:
        raise FileAccessError(
            f"the file cannot be read ({error.strerror or error})",
            path=file,
            remedy=f"Check its permissions (now {oct(file.stat().st_mode & 0o777)})"
            if isinstance(error, PermissionError)
            else None,
        ) from error


def _reader(file: Path, name: str | None) -> Reader:
    if name is None:
        return _identify(file)
    for reader in READERS:
        if reader.name == name:
            return reader
    known = ", ".join(reader.name for reader in READERS)
    raise UnknownFormatError(f"there is no format '{name}'; there are {known}", path=file)


def _identify(file: Path) -> Reader:
    head = _head(file)
    if zip_archive.is_member_path(file) and zip_archive.sniff(file, head):
        return zip_archive.READER
    for reader in READERS:
        if reader.sniff(file, head):
            return reader
    foreign = foreign_format(head)
    known = ", ".join(f"{reader.name} ({' '.join(reader.extensions)})" for reader in READERS)
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


@contextmanager
def _typed_errors(file: Path) -> Iterator[None]:
    """Let only typed errors out, each naming the file.

    The readers raise typed errors themselves; this is the net below them, because the bytes of a
    file come from anywhere.
    """
    try:
        yield
    except EcgFoundryError as error:
        if error.path is None:
            error.path = str(file)
        raise
    except MemoryError:
        raise LimitError(
            "the file needs more memory than there is",
            path=file,
            remedy="Read a part with start_s and duration_s, or iterate over windows",
        ) from None
    except OSError as error:
        raise FileAccessError(
            f"the file cannot be read ({error.strerror or error})", path=file
        ) from error
    except Exception as error:
        raise FormatError(
            f"the file is damaged ({type(error).__name__}: {error})", path=file
        ) from error
