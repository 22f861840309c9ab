"""Shards: plain ``.npy`` files of int16, written row by row, with a checksum per segment.

``shards/500Hz_II_5000/000012.npy`` holds the segments that task 12 found of 500 Hz, lead II and
5000 samples, as an array (segments, leads, samples). ``numpy.load`` opens it. The header is always
128 bytes, so that it can be completed when the number of rows is known. Each segment has a CRC-32
in the index, and the index has a SHA-256 in the commit of its task: damage is found segment by
segment, at a twentieth of what hashing all samples with SHA-256 costs.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import CorpusError

__all__ = [
    "HEADER_BYTES",
    "STORED",
    "ShardWriter",
    "group_name",
    "npy_header",
    "segment_checksums",
    "shard_shape",
]

HEADER_BYTES = 128
"""Of a shard, before its samples."""

_SHAPE = re.compile(rb"'shape': \((\d+), (\d+), (\d+)\)")

STORED = "<i2"
"""The values of a shard: little-endian int16, in NumPy's notation."""


def group_name(sampling_rate: float, leads: tuple[str, ...], samples: int) -> str:
    """Return the folder of shards with this rate, these leads and this length.

    Many leads are named by their number and a hash of their names.
    """
    names = "-".join(re.sub(r"[^A-Za-z0-9]", "_", lead) for lead in leads)
    if len(names) > 24:
        digest = hashlib.sha256(",".join(leads).encode()).hexdigest()[:8]
        names = f"{len(leads)}leads-{digest}"
    return f"{sampling_rate:g}Hz_{names}_{samples}"


def npy_header(rows: int, leads: int, samples: int, dtype: str = STORED) -> bytes:
    """Return the 128 bytes of the ``.npy`` format, version 1.0."""
    shape = f"({rows}, {leads}, {samples})"
    words = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    size = HEADER_BYTES - 10
    return (
        b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little") + words.ljust(size - 1).encode() + b"\n"
    )


def shard_shape(path: Path, dtype: str = STORED) -> tuple[int, int, int]:
    """Return (segments, leads, samples) of a shard whose header and size agree.

    Raises
    ------
    CorpusError
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(HEADER_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise CorpusError(f"the shard cannot be read ({error.strerror})", path=path) from None
    match = _SHAPE.search(head)
    rows, leads, samples = (0, 0, 0) if match is None else (int(n) for n in match.groups())
    if match is None or head != npy_header(rows, leads, samples, dtype):
        raise CorpusError("this is no shard of a corpus", path=path)
    if size != HEADER_BYTES + int(dtype[-1]) * rows * leads * samples:
        raise CorpusError(
            f"the shard has {size} bytes, its header announces another number",
            path=path,
            remedy="Find all such with: ecgfoundry corpus verify FOLDER; then build again",
        )
    return rows, leads, samples


def segment_checksums(segments: NDArray[np.int16]) -> NDArray[np.uint32]:
    """Return the CRC-32 (zlib) of the bytes of each segment (n, leads, samples)."""
    return np.array(
        [zlib.crc32(np.ascontiguousarray(segment).data.cast("B")) for segment in segments],
        dtype=np.uint32,
    )


class ShardWriter:
    """Appends segments to a file in a work folder; :meth:`finish` makes it a shard."""

    def __init__(self, path: Path, leads: int, samples: int) -> None:
        self.path = path
        self.rows = 0
        self._shape = (leads, samples)
        self._stream = path.open("wb")
        self._stream.write(bytes(HEADER_BYTES))

    def append(self, segments: NDArray[np.int16]) -> tuple[int, NDArray[np.uint32]]:
        """Write (n, leads, samples); return the row of the first and the CRC-32 of each."""
        if segments.shape[1:] != self._shape:
            raise CorpusError(f"a segment of shape {segments.shape[1:]} is not {self._shape}")
        first = self.rows
        stored = np.ascontiguousarray(segments, dtype="<i2")
        self._stream.write(stored.data.cast("B"))
        self.rows += len(stored)
        return first, segment_checksums(stored)

    def finish(self) -> int:
        """Complete the header and flush to disk; return the size in bytes."""
        self._stream.seek(0)
        self._stream.write(npy_header(self.rows, *self._shape))
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        return HEADER_BYTES + 2 * self.rows * self._shape[0] * self._shape[1]

    def close(self) -> None:
        """Give up: close without completing."""
        self._stream.close()
