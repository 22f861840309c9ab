"""The waveforms of MC-MED: where each segment of each visit is, in folders or in the zip files.

Layout: ``waveforms/{last three digits of CSN}/{CSN}/{II|Pleth|Resp}/{CSN}_{segment}.{hea,dat}``,
unpacked or inside ``waveforms_0xx.zip`` … ``waveforms_9xx.zip``, which are read member by member
and never unpacked. A member is written as ``waveforms_0xx.zip::waveforms/007/…/98767007_1.hea``.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.datasets.mc_med_tables import Issue
from ecgfoundry.errors import (
    EcgFoundryError,
    FileAccessError,
    FormatError,
    LimitError,
    TruncatedFileError,
    UnsupportedVariantError,
)
from ecgfoundry.formats.base import DEFAULT_LIMITS
from ecgfoundry.formats.wfdb.header import WfdbHeader, parse_header, read_header
from ecgfoundry.formats.wfdb.storage import (
    STORAGE_FORMATS,
    bytes_needed,
    decode,
    read_samples,
    require_bytes,
)
from ecgfoundry.formats.zip.names import MEMBER_SEPARATOR

__all__ = [
    "MEMBER_MARK",
    "WAVEFORM_TYPES",
    "Waveform",
    "describe_waveform",
    "find_waveforms",
    "read_stored",
    "read_waveform",
    "split_member",
    "stored_size",
    "waveform_header",
]

WAVEFORM_TYPES = {"II": 500.0, "Pleth": 125.0, "Resp": 62.5}
"""Nominal rates in Hz. The rate of the header is what counts; that of Resp is no integer."""

MEMBER_MARK = MEMBER_SEPARATOR
"""Between archive and member, as everywhere: ``formats.read`` opens such a path, too."""
_PLACE = re.compile(
    r"(?:^|/)(?P<folder>[^/]+)/(?P<visit>\d+)/(?P<type>II|Pleth|Resp)/"
    r"(?P<csn>\d+)_(?P<segment>\d{1,6})\.(?P<ending>hea|dat)$"
)
_ZIP_NAME = re.compile(r"^waveforms_\dxx\.zip$")
_EPOCH = dt.datetime(1970, 1, 1)  # the times of the headers are UTC without a zone
_HEADER_BYTES = 1_000_000  # a header of one signal has about 200 bytes


@dataclass(frozen=True, slots=True)
class Waveform:
    """One segment of one visit; ``path`` is its header, relative to the data folder.

    ``samples``, ``sampling_rate`` (Hz) and ``start_us`` (microseconds since 1970, UTC, shifted;
    None where the header states no time) come from the header.
    """

    visit: str
    type: str
    segment: int
    path: str
    samples: int = 0
    sampling_rate: float = 0.0
    start_us: int | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples / self.sampling_rate if self.sampling_rate else 0.0


def split_member(path: str | Path) -> tuple[Path, str | None]:
    """Split ``archive.zip::member`` into archive and member; the member is None for a file."""
    archive, mark, member = str(path).partition(MEMBER_MARK)
    return Path(archive), member if mark else None


def find_waveforms(folder: Path, kind: str = "II") -> tuple[list[Waveform], list[Issue]]:
    """List the segments of one type, without opening any.

    Parameters
    ----------
    folder : Path
        The data folder (with ``waveforms`` or the zip files in it).
    kind : {"II", "Pleth", "Resp"}

    Returns
    -------
    list of Waveform
        Sorted by visit and segment. Where a segment is both unpacked and in a zip file, the
        unpacked one counts.
    list of Issue
    """
    places: dict[tuple[str, int], dict[str, str]] = {}
    misplaced: list[str] = []
    unreadable: list[str] = []
    doubled: list[str] = []
    for name in _all_files(folder, kind, unreadable):
        match = _PLACE.search(name)
        if match is None or match["type"] != kind:
            continue
        if match["visit"] != match["csn"] or match["folder"] != match["csn"][-3:]:
            if match["ending"] == "hea":
                misplaced.append(name)
            continue
        files = places.setdefault((match["csn"], int(match["segment"])), {})
        if match["ending"] in files:
            doubled.append(name)
        else:
            files[match["ending"]] = name
    issues = []
    for code, words, names in (
        ("zip-unreadable", "zip files that cannot be opened", unreadable),
        ("waveform-misplaced", "waveforms whose folder is not that of their CSN", misplaced),
        ("waveform-twice", "waveform files unpacked and in a zip file; the first counts", doubled),
        (
            "header-missing",
            "segments with a .dat but no .hea",
            [files["dat"] for files in places.values() if "hea" not in files],
        ),
        (
            "dat-missing",
            "segments with a .hea but no .dat",
            [files["hea"] for files in places.values() if "dat" not in files],
        ),
    ):
        if names:
            issues.append(Issue.of(code, words, names))
    found = [
        Waveform(visit, kind, segment, files["hea"])
        for (visit, segment), files in places.items()
        if len(files) == 2
    ]
    return sorted(found, key=lambda w: (len(w.visit), w.visit, w.segment)), issues


def _all_files(folder: Path, kind: str, unreadable: list[str]) -> Iterator[str]:
    for path in _walk(folder / "waveforms", kind):
        yield path.relative_to(folder).as_posix()
    for archive in sorted(folder.glob("waveforms_*.zip")):
        if not _ZIP_NAME.match(archive.name):
            continue
        try:
            names = _archive(archive).namelist()
        except EcgFoundryError:
            unreadable.append(archive.name)
            continue
        for name in names:
            yield f"{archive.name}{MEMBER_MARK}{name}"


def _walk(folder: Path, kind: str) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for group in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not group.is_dir():
            continue
        for visit in sorted(os.scandir(group.path), key=lambda entry: entry.name):
            place = Path(visit.path) / kind
            if place.is_dir():
                yield from sorted(place.iterdir())


def _archive(path: Path) -> zipfile.ZipFile:
    """Open a zip file once; one that has changed since is opened again."""
    try:
        state = path.stat()
        return _opened(path, state.st_size, state.st_mtime_ns)
    except (OSError, zipfile.BadZipFile) as error:
        raise FileAccessError(
            f"the zip file cannot be opened ({error})",
            path=path,
            remedy="Get it again from its source",
        ) from None


@functools.lru_cache(maxsize=16)
def _opened(path: Path, size: int, changed_ns: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _member_bytes(archive: Path, member: str, limit: int) -> bytes:
    """Return a member's content; nothing is ever written, so its name cannot lead anywhere."""
    try:
        info = _archive(archive).getinfo(member)
        if info.file_size > limit:
            raise LimitError(
                f"the member has {info.file_size} bytes, the limit is {limit}",
                path=f"{archive}{MEMBER_MARK}{member}",
            )
        return _archive(archive).read(info)
    except KeyError:
        raise FileAccessError(
            "there is no such member", path=f"{archive}{MEMBER_MARK}{member}"
        ) from None
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise FormatError(
            f"the member cannot be read ({error})",
            path=f"{archive}{MEMBER_MARK}{member}",
            remedy="Get the zip file again from its source",
        ) from None


def waveform_header(path: str | Path) -> WfdbHeader:
    """Read the header of a segment, in a folder or in a zip file.

    Raises
    ------
    FileAccessError, FormatError, LimitError
    """
    archive, member = split_member(path)
    if member is None:
        return read_header(archive, DEFAULT_LIMITS)
    content = _member_bytes(archive, member, _HEADER_BYTES)
    return parse_header(content, archive / member, DEFAULT_LIMITS)


def describe_waveform(folder: Path, waveform: Waveform) -> Waveform:
    """Return the waveform with what its header says; checks that the signal file is whole.

    Raises
    ------
    EcgFoundryError
        TruncatedFileError for a half-written ``.dat``.
    """
    path = folder / waveform.path
    header = waveform_header(path)
    if len(header.signals) != 1 or header.segments:
        raise UnsupportedVariantError("the record does not hold exactly one signal", path=path)
    signal = header.signals[0]
    form = STORAGE_FORMATS.get(signal.storage)
    if form is None:
        raise UnsupportedVariantError(f"storage format {signal.storage} is not read", path=path)
    stored = _stored_bytes(path, signal.file_name)
    wanted = signal.byte_offset + bytes_needed(form, header.frames or 0)
    if header.frames is None:
        groups = (stored - signal.byte_offset) // form.group_bytes
        samples = max(groups, 0) * form.group_samples
    else:
        samples = header.frames
    if stored < wanted or samples == 0:
        raise TruncatedFileError(
            f"the signal file has {stored} bytes, the header announces {wanted}",
            path=path,
            remedy="Get the file again from its source",
        )
    if not 0 < header.frame_rate < 1e5:
        raise FormatError(f"the sampling rate is {header.frame_rate:g} Hz", path=path)
    return Waveform(
        waveform.visit,
        waveform.type,
        waveform.segment,
        waveform.path,
        samples,
        header.frame_rate,
        _microseconds(header),
    )


def _microseconds(header: WfdbHeader) -> int | None:
    if header.start_time is None:
        return None
    delta = header.start_time - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _stored_bytes(path: Path, file_name: str) -> int:
    archive, member = split_member(path)
    if member is None:
        return require_bytes(path.with_name(file_name), 0)
    name = f"{member.rpartition('/')[0]}/{file_name}"
    try:
        return _archive(archive).getinfo(name).file_size
    except KeyError:
        raise FileAccessError(f"the signal file '{file_name}' is missing", path=path) from None


def stored_size(path: Path) -> int:
    """Return the bytes of the signal file that belongs to a header in a zip file.

    Raises
    ------
    FileAccessError
    """
    return _stored_bytes(path, f"{Path(str(path)).stem}.dat")


def read_stored(
    path: str | Path, header: WfdbHeader, samples: int
) -> NDArray[np.signedinteger[Any]]:
    """Return the stored integers (samples,) of a one-signal record, in a folder or a zip file.

    Raises
    ------
    FileAccessError, TruncatedFileError, FormatError, LimitError
    """
    signal = header.signals[0]
    form = STORAGE_FORMATS[signal.storage]
    archive, member = split_member(path)
    if member is None:
        return read_samples(
            archive.with_name(signal.file_name),
            form,
            byte_offset=signal.byte_offset,
            first=0,
            count=samples,
        )
    name = f"{member.rpartition('/')[0]}/{signal.file_name}"
    raw = np.frombuffer(_member_bytes(archive, name, DEFAULT_LIMITS.file_bytes), dtype=np.uint8)
    wanted = signal.byte_offset + bytes_needed(form, samples)
    if raw.size < wanted:
        raise TruncatedFileError(
            f"the signal file has {raw.size} bytes, the header announces {wanted}", path=str(path)
        )
    return decode(form, raw[signal.byte_offset : wanted], 0, samples)


def read_waveform(folder: Path, waveform: Waveform) -> NDArray[np.float32]:
    """Return a whole segment (samples,) in the unit of its header; NaN where it is missing.

    Raises
    ------
    FileAccessError, TruncatedFileError, FormatError, LimitError
    """
    path = folder / waveform.path
    header = waveform_header(path)
    signal = header.signals[0]
    stored = read_stored(path, header, waveform.samples)
    physical = (stored.astype(np.float32) - signal.baseline) / np.float32(signal.gain)
    invalid = STORAGE_FORMATS[signal.storage].invalid
    if invalid is not None:
        physical[stored == invalid] = np.nan
    return physical
