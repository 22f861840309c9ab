"""Rows of many ``.npy`` files at random, through memory maps: advice for a batch, then one gather.

A batch asks the kernel for all its pages before it copies the first (``MADV_RANDOM`` on the map,
``MADV_WILLNEED`` for every row of the batch), so that a cold disk works on the whole batch at once.
For rows in memory that advice is a system call for nothing, twice as long as the copy: rows that
this process has read are not asked for again, until a batch had to wait for the disk.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.corpus.shards import HEADER_BYTES, shard_shape

try:
    import resource
except ModuleNotFoundError:  # Windows: no advice and no limit of open files to raise
    resource = None  # type: ignore[assignment]

__all__ = ["MappedShards"]

_PAGE = mmap.PAGESIZE
ADVISED = hasattr(mmap, "MADV_WILLNEED")
"""Whether this system takes advice (not Windows)."""


class MappedShards:
    """Arrays (rows, leads, samples) in files, read row by row.

    Parameters
    ----------
    count : int
        Files.
    locate : callable (number) -> Path
        Where a file is; called when its first row is asked for.
    dtype : numpy dtype
        Of the values: little-endian int16, float16 or float32.

    Raises
    ------
    CorpusError
        From :meth:`open`: a file is no shard, or not whole.
    """

    def __init__(self, count: int, locate: Callable[[int], Path], dtype: str = "<i2") -> None:
        self._locate = locate
        self._dtype = np.dtype(dtype)
        self._maps: dict[int, _Map] = {}
        self._waits = 0  # page faults that went to the disk
        _allow_files(count)

    def open(self, number: int) -> NDArray[Any]:
        """Return one file as an array."""
        return self._map(number).array

    def located(
        self, codes: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> tuple[list[NDArray[Any]], set[tuple[int, ...]]]:
        """Return each wanted row as a view, and the shapes that occur; pages are on their way.

        Parameters
        ----------
        codes : ndarray of int (n,)
            File of each row.
        rows : ndarray of int (n,)
            Row in that file.
        """
        places = codes.tolist()
        maps = {code: self._map(code) for code in dict.fromkeys(places)}
        waits = 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_majflt
        if waits != self._waits:  # something had to come from the disk: memory may be short
            self._waits = waits
            for found in list(self._maps.values()):  # other threads may open files meanwhile
                found.forget()
        for code, found in maps.items():
            found.advise(rows if len(maps) == 1 else rows[codes == code])
        arrays = {code: found.array for code, found in maps.items()}
        shapes = {array.shape[1:] for array in arrays.values()}
        views = [arrays[code][row] for code, row in zip(places, rows.tolist(), strict=True)]
        return views, shapes

    def _map(self, number: int) -> _Map:
        found = self._maps.get(number)
        if found is None:
            found = self._maps[number] = _Map(self._locate(number), self._dtype)
        return found


class _Map:
    """One mapped file, and which of its rows this process has read."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        shape = shard_shape(path, dtype.str)
        with path.open("rb") as stream:
            self._mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        if ADVISED:
            self._mapped.madvise(mmap.MADV_RANDOM)
        array = np.frombuffer(self._mapped, dtype=dtype, offset=HEADER_BYTES)
        self.array: NDArray[Any] = array.reshape(shape)
        self._size = dtype.itemsize * shape[1] * shape[2]
        self._read = np.zeros(shape[0], dtype=np.bool_)

    def forget(self) -> None:
        """Take no row for being in memory."""
        self._read[:] = False

    def advise(self, rows: NDArray[np.int64]) -> None:
        """Ask for the pages of rows that may not be in memory."""
        known = self._read[rows]
        if known.all() or not ADVISED:
            return
        willneed, size = mmap.MADV_WILLNEED, self._size
        for row in rows[~known].tolist():
            start = HEADER_BYTES + row * size
            first = start - start % _PAGE
            self._mapped.madvise(willneed, first, start + size - first)
        self._read[rows] = True


def _allow_files(count: int) -> None:
    """Raise the limit of open files up to what the system allows: every shard is mapped once."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
