"""What a recording on the disk is told by: size and time of change of every file behind it.

A run that is to be resumed, or a cache, is of other data when one of them changed. A WFDB record
has its samples beside its header, an array its names and its unit.
"""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.formats.zip.names import split_member_path

__all__ = ["files_behind", "stamp_of"]

_HEADER_BYTES = 65_536
_BESIDE = (".dat", ".mat", ".json", ".ann")
"""Samples of WFDB, side-cars of arrays, beats of ISHNE."""


def files_behind(path: Path) -> list[Path]:
    """Return the file of a recording and the files beside it that its reader opens.

    Of a member of an archive that is the archive; of a WFDB record the signal files and segments
    that the header names, and those that the segments name.
    """
    archive, member = split_member_path(path)
    if member is not None:
        return [archive]
    if not path.is_file() and (header := path.with_name(f"{path.name}.hea")).is_file():
        path = header  # a WFDB record without its ending
    found = [path, *(path.with_suffix(ending) for ending in _BESIDE if path.name)]
    if path.suffix.lower() == ".hea":
        named = _named(path)
        segments = [path.with_name(f"{name}.hea") for name in named]
        found += [path.with_name(name) for name in named]
        for segment in segments:
            if segment != path and segment.is_file():
                found.append(segment)
                found += [path.with_name(name) for name in _named(segment)]
    return list(dict.fromkeys(found))


def _named(header: Path) -> list[str]:
    """Return the first word of every line behind the first: signal files, or segments."""
    try:
        with header.open("rb") as file:
            text = file.read(_HEADER_BYTES).decode("latin-1")
    except OSError:
        return []
    lines = [line.split() for line in text.splitlines() if not line.lstrip().startswith("#")]
    names = dict.fromkeys(words[0] for words in [line for line in lines if line][1:])
    return [
        name for name in names if not set(name) & set("/\\:\0") and name not in ("~", ".", "..")
    ]


def stamp_of(path: Path) -> str:
    """Return name, size and time of change of every file behind a recording, as one text.

    Files that are not there are left out: a recording without any has the stamp "".
    """
    lines = []
    for file in files_behind(path):
        try:
            found = file.stat()
        except (OSError, ValueError):
            continue
        lines.append(f"{file.name} {found.st_size} {found.st_mtime_ns}")
    return "\n".join(lines)
