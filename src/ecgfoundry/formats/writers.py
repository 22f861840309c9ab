"""Which formats are written, and the one way to write: :func:`write`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgfoundry.errors import FileAccessError, SignalError, UnknownFormatError
from ecgfoundry.formats.arrays.writers import NPZ_WRITER, PARQUET_WRITER
from ecgfoundry.formats.common.capabilities import left_out
from ecgfoundry.formats.common.writing import Writer, Written, microvolts_per_step
from ecgfoundry.formats.dicom.writer import WRITER as DICOM_WRITER
from ecgfoundry.formats.edf.writer import WRITER as EDF_WRITER
from ecgfoundry.formats.wfdb.writer import WFDB_HOLDS, write_wfdb
from ecgfoundry.recording import Recording

__all__ = ["WRITERS", "write", "writer_for", "writers"]


def _write_wfdb(recording: Recording, path: Path) -> Written:
    step = microvolts_per_step(recording.signal, path=recording.source)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", path.stem)
    header = write_wfdb(recording, path.parent, name, gain=1000.0 / step)
    notes = [] if header == path else [f"the record is called {name}: WFDB allows no other signs"]
    return Written(header, step / 1000.0, tuple(notes))


WRITERS: tuple[Writer, ...] = (
    Writer(
        name="wfdb",
        description="WFDB record (.hea and .dat), storage format 16",
        extension=".hea",
        write=_write_wfdb,
        missing="the invalid value -32768 of the format",
        holds=WFDB_HOLDS,
    ),
    EDF_WRITER,
    DICOM_WRITER,
    NPZ_WRITER,
    PARQUET_WRITER,
)


def writers() -> list[Writer]:
    """Return the formats that are written."""
    return list(WRITERS)


def writer_for(path: Path, name: str | None = None) -> Writer:
    """Return the writer that is named, else the one of the file's ending.

    Raises
    ------
    UnknownFormatError
    """
    for writer in WRITERS:
        if writer.name == name or (name is None and path.suffix.lower() == writer.extension):
            return writer
    known = ", ".join(f"{writer.name} ({writer.extension})" for writer in WRITERS)
    raise UnknownFormatError(
        f"there is no format '{name}' to write"
        if name
        else f"the ending '{path.suffix}' names no format that is written",
        path=path,
        remedy=f"There are {known}",
    )


def write(
    recording: Recording,
    path: str | Path,
    *,
    format: str | None = None,
    keep_subject: bool = True,
    overwrite: bool = False,
) -> Written:
    """Write a recording; the file appears complete or not at all.

    Parameters
    ----------
    recording : Recording
    path : str or Path
        Its ending names the format unless ``format`` does; the ending is put right.
    format : str, optional
        "wfdb", "edf", "dicom", "npz" or "parquet".
    keep_subject : bool
        False leaves out age, sex, identifier, start time and free header text.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    Written
        The path, the distance of two stored values, and what the format could not hold.

    Raises
    ------
    UnknownFormatError, FileAccessError, SignalError, UnsupportedVariantError, MissingExtraError
    """
    path = Path(path)
    writer = writer_for(path, format)
    if path.suffix.lower() != writer.extension:
        path = path.with_name(path.name + writer.extension)
    if path.exists() and not overwrite:
        raise FileAccessError(
            "there is such a file already",
            path=path,
            remedy="Allow it with --force (overwrite=True)",
        )
    if recording.samples == 0 or not np.isfinite(recording.signal).any():
        raise SignalError("there is no sample to write", path=recording.source)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileAccessError(
            f"the folder cannot be made ({error.strerror or error})", path=path.parent
        ) from error
    kept = recording if keep_subject else recording.without_subject()
    written = writer.write(kept, path)
    return replace(written, notes=(*written.notes, *left_out(kept, writer.holds)))
